//! Everything that is wrong, worst first.

use super::cause::pair_read;
use super::{Behaviour, Context, Title, View};
use crate::answer::check::{CheckReport, EdgeRef, EvidenceRef, Finding};
use crate::app::command::Motion;
use crate::app::filter::Filter;
use crate::app::listing::{Listing, Row};
use crate::app::page::Tone;
use crate::app::question::Question;
use crate::app::target::{PairKey, Said, Subject, Target};
use crate::app::wording::{address, count, short_hosts};
use crate::resolve::name::namespace_of;

/// Lines of one finding: what it is, two lines that say it, whom it concerns.
pub const LINES: usize = 4;

/// The screen.
#[derive(Debug, Default)]
pub struct Findings {
    listing: Listing,
}

impl Findings {
    /// Its rows.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    fn selected<'a>(&self, context: &Context<'a>) -> Option<&'a Finding> {
        let row = self.listing.selected()?;
        context.answers.check()?.findings.get(row.at)
    }

    /// Why there is no row, and what would fill it.
    pub fn empty(&self, context: &Context<'_>) -> Vec<(Tone, String)> {
        let Some(report) = context.answers.check() else {
            return vec![(Tone::Dim, context.waiting(&Question::Check))];
        };
        let mut lines = Vec::new();
        if report.findings.is_empty() {
            lines.push((Tone::Plain, format!("nothing found: {}", scanned(report))));
        } else if !self.listing.filter().is_empty() {
            let all = report.findings.len();
            lines.push((Tone::Plain, format!("the filter hides all {all}: esc takes it away")));
        } else {
            let others = report.findings.len();
            let text = format!("nothing in {} ({others} elsewhere: press 0)", context.namespace_name());
            lines.push((Tone::Plain, text));
        }
        lines.extend(untold(report));
        lines
    }
}

/// How much was looked at.
pub fn scanned(report: &CheckReport) -> String {
    let objects: usize = report.scanned.objects.values().sum();
    let (pairs, logs) = (report.scanned.pairs, report.scanned.log_lines);
    format!(
        "{} judged, {}, {}",
        count(pairs, "pair"),
        count(objects as u64, "object"),
        count(logs, "log line")
    )
}

/// What could not be told, and what is missing for it.
fn untold(report: &CheckReport) -> Vec<(Tone, String)> {
    if report.summary.unknown == 0 {
        return Vec::new();
    }
    let needs: Vec<_> = report.missing.iter().map(|missing| missing.need.as_str()).collect();
    let needs = if needs.is_empty() { String::new() } else { format!(": {}", needs.join("; ")) };
    vec![(Tone::Warning, format!("{} cannot be told{needs}", count(report.summary.unknown, "pair")))]
}

/// Log lines that show a finding.
pub fn log_lines(finding: &Finding) -> u64 {
    let counts = finding.evidence.iter().map(|one| match one {
        EvidenceRef::Log(lines) if lines.kind == "log" => lines.count,
        EvidenceRef::Log(_) | EvidenceRef::Field(_) => 0,
    });
    counts.max().unwrap_or(0)
}

/// Whom a finding concerns: its pairs in short, or where its object stands.
pub fn concerned(finding: &Finding) -> String {
    let clients: std::collections::BTreeSet<_> = finding.edges.iter().map(|edge| &edge.client).collect();
    let mut hosts: Vec<_> = finding.edges.iter().map(|edge| (edge.host.as_str(), edge.port)).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let Some((host, port)) = hosts.first() else {
        let cause = finding.objects.first();
        let origin = cause.and_then(|object| object.origin.as_ref());
        return origin.map(|origin| format!("{}:{}", origin.file, origin.line)).unwrap_or_default();
    };
    let more = if hosts.len() > 1 { format!(" and {} more", hosts.len() - 1) } else { String::new() };
    let listed = finding.edges.len() == finding.edge_count;
    let number = if listed { clients.len() } else { finding.edge_count };
    let noun = if listed { "client" } else { "pair" };
    format!("{} → {}{more}", count(number as u64, noun), address(host, *port, None))
}

/// The sentence of a finding, with short hosts and without the paths of fields, which the page of the pair shows.
pub fn sentence(finding: &Finding) -> String {
    let fields = finding.objects.iter().flat_map(|object| &object.fields);
    fields.fold(short_hosts(&finding.message), |text, field| text.replace(&format!(" ({field})"), ""))
}

fn key_of(edge: &EdgeRef) -> PairKey {
    let known = edge.client.name.is_some();
    PairKey {
        client: known.then(|| edge.client.path()),
        service: edge.host.clone(),
        port: Some(edge.port),
        subset: edge.subset.clone(),
    }
}

fn is_in(finding: &Finding, namespace: &str) -> bool {
    let object = |object: &crate::answer::common::ObjectRef| object.namespace.as_deref() == Some(namespace);
    finding.objects.iter().any(|one| object(&one.object))
        || finding.edges.iter().any(|edge| {
            edge.client.namespace.as_deref() == Some(namespace) || namespace_of(&edge.host) == Some(namespace)
        })
}

fn text_of(finding: &Finding) -> String {
    let Finding { code, name, severity, message, .. } = finding;
    format!("{code} {name} {severity} {message} {}", concerned(finding))
}

impl Behaviour for Findings {
    fn questions(&self) -> Vec<Question> {
        vec![Question::Check]
    }

    fn refresh(&mut self, context: &Context<'_>) {
        let Some(report) = context.answers.check() else { return };
        let filter = self.listing.filter();
        let in_namespace =
            |finding: &Finding| context.namespace.is_none_or(|namespace| is_in(finding, namespace));
        let rows = report.findings.iter().enumerate();
        let rows =
            rows.filter(|(_, one)| in_namespace(one) && (filter.is_empty() || filter.passes(&text_of(one))));
        let rows: Vec<_> = rows.map(|(at, one)| Row { id: one.id.clone(), at }).collect();
        self.listing.set(rows, report.findings.len(), context.room(View::Findings) / LINES);
    }

    fn move_by(&mut self, motion: Motion) {
        self.listing.move_by(motion);
    }

    fn title(&self, context: &Context<'_>) -> Title {
        let name = format!("findings({})", context.namespace_name());
        let Some(report) = context.answers.check() else { return Title { name, ..Title::default() } };
        let summary = &report.summary;
        let number =
            |number: usize, noun: &str, tone: Tone| (number > 0).then(|| (tone, count(number as u64, noun)));
        let counts = [
            number(summary.error, "error", Tone::Error),
            number(summary.warning, "warning", Tone::Warning),
            (summary.info > 0).then(|| (Tone::Info, format!("{} info", summary.info))),
        ];
        let pairs = count(report.scanned.pairs, "pair");
        let unknown = if summary.unknown > 0 { Tone::Warning } else { Tone::Dim };
        Title {
            name: format!("{name}[{}]", self.listing.len()),
            counts: counts.into_iter().flatten().collect(),
            right: Some((unknown, format!("{pairs} judged, {} unknown", summary.unknown))),
        }
    }

    fn command(&self) -> Vec<String> {
        vec!["check".to_owned()]
    }

    fn open(&self, context: &Context<'_>) -> Option<Target> {
        let finding = self.selected(context)?;
        let pairs: Vec<_> = finding.edges.iter().map(key_of).collect();
        // Without the objects there is no pair to judge: the lines that show it are all there is.
        let is_read = |pair: &PairKey| pair_read(context, Some(&pair.service), None, None).is_some();
        if pairs.iter().any(is_read) {
            return Some(Target::Why { pairs, finding: Some(finding.id.clone()) });
        }
        let object = finding.objects.first().filter(|one| one.origin.is_some());
        if object.is_some() && log_lines(finding) == 0 {
            return self.object(context);
        }
        Some(Target::Cause(Box::new(Subject::Finding(finding.id.clone()))))
    }

    fn object(&self, context: &Context<'_>) -> Option<Target> {
        let cause = self.selected(context)?.objects.first()?;
        Some(Target::Object { object: cause.object.clone(), field: cause.fields.first().cloned() })
    }

    fn code(&self, context: &Context<'_>) -> Option<String> {
        Some(self.selected(context)?.code.clone())
    }

    fn finding(&self, context: &Context<'_>) -> Option<String> {
        Some(self.selected(context)?.id.clone())
    }

    fn authorization(&self, context: &Context<'_>) -> Option<Target> {
        let of = Some(self.selected(context)?.edges.first()?.host.clone());
        context.read?.mesh.registry.by_host(of.as_deref()?)?;
        Some(Target::AuthzRules { of, said: Said::Nothing })
    }

    fn name(&self, context: &Context<'_>) -> Option<(String, Option<String>)> {
        let finding = self.selected(context)?;
        let namespace = finding.objects.first().and_then(|one| one.object.namespace.clone());
        Some((finding.id.clone(), namespace))
    }

    fn detail(&self, context: &Context<'_>) -> Option<String> {
        let report = context.answers.check()?;
        let untold = untold(report).into_iter().next().map(|(_, text)| text);
        let seen = self.selected(context).and_then(|finding| {
            let seen = finding.edges.iter().filter(|edge| edge.seen > 0);
            let clients: Vec<_> = seen
                .map(|edge| format!("{} {}", edge.client.path(), count(edge.seen, "line")))
                .take(3)
                .collect();
            (!clients.is_empty()).then(|| format!("in the logs: {}", clients.join(", ")))
        });
        untold.or(seen)
    }

    fn filter(&self) -> Option<&Filter> {
        Some(self.listing.filter())
    }

    fn set_filter(&mut self, filter: Filter) {
        self.listing.set_filter(filter);
    }
}
