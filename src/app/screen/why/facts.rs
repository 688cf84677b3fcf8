//! The lines of a why page, section by section.

use super::verdict;
use crate::answer::common::ObjectRef;
use crate::answer::logs::Group;
use crate::answer::resolve::Candidate;
use crate::answer::why::{Pair, Why};
use crate::app::answers::Answers;
use crate::app::page::{Line, Span, Tone, span};
use crate::app::target::Target;
use crate::app::wording::{short_hosts, tail, thousands, time_span};
use crate::model::Origin;
use crate::text::{cut, fit, visible, wrap};

/// Cells of the section's name.
const LABEL: usize = 10;
/// Cells of what is said first in a section.
const VALUE: usize = 15;
/// Endpoints that are listed; the others are counted.
const MOST_ENDPOINTS: usize = 4;

/// What the page is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) why: &'a Why,
    pub(super) pair: &'a Pair,
    pub(super) answers: &'a Answers,
    pub(super) width: usize,
    /// Whether reasons are shown whole, on as many lines as they take.
    pub(super) whole: bool,
}

/// All lines.
pub(super) fn lines(facts: &Facts<'_>) -> Vec<Line> {
    let sections = [
        verdict::lines(facts),
        [client(facts), server(facts), endpoints(facts)].concat(),
        rules(facts),
        [evidence(facts), next(facts)].concat(),
        fix(facts),
    ];
    let mut lines = Vec::new();
    for section in sections.into_iter().filter(|section| !section.is_empty()) {
        if !lines.is_empty() {
            lines.push(Line::blank());
        }
        lines.extend(section);
    }
    lines
}

fn label(text: &str) -> Span {
    span(Tone::Dim, fit(text, LABEL))
}

fn value(tone: Tone, text: &str) -> Span {
    span(tone, format!("{} ", fit(&visible(text), VALUE - 1)))
}

impl<'a> Facts<'a> {
    pub(super) fn finding(&self) -> Option<&'a crate::answer::check::Finding> {
        self.pair.findings.iter().find_map(|id| self.answers.finding(id))
    }

    /// The field of an object that the findings of the pair name.
    fn field_of(&self, object: &ObjectRef) -> Option<String> {
        let findings = self.pair.findings.iter().filter_map(|id| self.answers.finding(id));
        let mut objects = findings.flat_map(|finding| &finding.objects);
        objects.find(|one| one.object == *object).and_then(|one| one.fields.first().cloned())
    }
}

/// What the client sends, and the rule that makes it.
fn client(facts: &Facts<'_>) -> Vec<Line> {
    let row = &facts.pair.tls;
    let sent = &row.client_tls;
    let bad = if facts.pair.status == "CONFLICT" { Tone::Error } else { Tone::Plain };
    let head = vec![label("client"), value(bad, &sent.effective)];
    let Some(rule) = &row.destination_rule else {
        let words = match sent.source.as_str() {
            "auto" => "no rule: automatic mTLS decides by each endpoint",
            "no-proxy" => "no proxy: it sends what the application sends",
            "not-in-scope" => "this client's proxy does not know the service",
            _ => "no rule applies",
        };
        let spans = [head, vec![span(Tone::Plain, words)]].concat();
        return vec![Line::new(spans).of("client", Some(Target::Explain(sent.source.clone())))];
    };
    let field = facts.field_of(&rule.object).unwrap_or_else(|| "spec.trafficPolicy.tls.mode".to_owned());
    let target = Target::Object { object: rule.object.clone(), field: Some(field.clone()) };
    let origin = facts.pair.resolution.candidates.iter().flatten().find(|one| one.rule == rule.object);
    let name = format!("{} {} ({})", rule.object.kind, rule.object.path(), rule.level);
    let mode = format!(
        "{}: {}",
        field.trim_start_matches("spec.trafficPolicy.").trim_start_matches("spec."),
        sent.mode
    );
    two_lines(
        "client",
        [head, vec![span(Tone::Plain, name)]].concat(),
        &mode,
        origin.map(|one| &one.origin),
        &target,
        facts.width,
    )
}

/// What the server demands, and the policy that makes it.
fn server(facts: &Facts<'_>) -> Vec<Line> {
    let row = &facts.pair.tls;
    let bad = if facts.pair.status == "CONFLICT" { Tone::Error } else { Tone::Plain };
    let mode = if row.server.mode == "UNKNOWN" { "?" } else { &row.server.mode };
    let head = vec![label("server"), value(bad, mode)];
    let Some(policy) = facts.pair.policies.first() else {
        let named = row.server.policy.as_ref();
        let words = match (named, row.server.mode.as_str()) {
            (Some(policy), _) => format!("{} {}", policy.kind, policy.path()),
            (None, "NONE") => "no proxy on the server: it takes what the application takes".to_owned(),
            (None, "UNKNOWN") => "what the server demands is not known".to_owned(),
            (None, _) => "no policy applies: Istio's default".to_owned(),
        };
        let target = named.map(|object| Target::Object { object: object.clone(), field: None });
        return vec![Line::new([head, vec![span(Tone::Plain, words)]].concat()).of("server", target)];
    };
    let target = Target::Object { object: policy.object.clone(), field: Some(policy.field.clone()) };
    let name = format!("{} {} ({})", policy.object.kind, policy.object.path(), policy.level);
    let field = format!("{}: {}", policy.field.trim_start_matches("spec."), policy.mode);
    let spans = [head, vec![span(Tone::Plain, name)]].concat();
    two_lines("server", spans, &field, policy.origin.as_ref(), &target, facts.width)
}

/// A fact of two lines: what and by which object, then its field and where that stands. The place gives way.
fn two_lines(
    fact: &str,
    first: Vec<Span>,
    second: &str,
    origin: Option<&Origin>,
    target: &Target,
    room: usize,
) -> Vec<Line> {
    let gap = span(Tone::Plain, " ".repeat(LABEL + VALUE));
    let whole = origin.map(|origin| format!("{}:{}", origin.file, origin.line));
    let left = room.saturating_sub(LABEL + VALUE + crate::text::width(&visible(second)) + 4);
    let right = whole.as_deref().map(|place| span(Tone::Dim, format!("{} ↵", tail(&visible(place), left))));
    let second = Line { right, ..Line::new(vec![gap, span(Tone::Plain, second)]) };
    let whole = whole.filter(|place| crate::text::width(&visible(place)) > left);
    let first = Line { whole, ..Line::new(first) };
    vec![first.of(fact, Some(target.clone())), second.of(fact, Some(target.clone()))]
}

/// How many endpoints fail, and which.
fn endpoints(facts: &Facts<'_>) -> Vec<Line> {
    let all = &facts.pair.tls.endpoints;
    let mut order: Vec<_> = all.iter().collect();
    order.sort_by_key(|one| (one.result != "CONFLICT", one.result == "OK"));
    let failing = all.iter().filter(|one| one.result == "CONFLICT").count();
    if all.is_empty() {
        let text = "no endpoint: requests end in 503 UH whatever TLS says";
        return vec![
            Line::new(vec![label("endpoint"), span(Tone::Warning, text)])
                .of("endpoint", Some(Target::Explain("UH".to_owned()))),
        ];
    }
    let working = all.iter().filter(|one| matches!(one.result.as_str(), "OK" | "WARN")).count();
    let (tone, head) = match failing {
        0 => (Tone::Plain, format!("{working} of {} {}", all.len(), verb(working, "work"))),
        failing => (Tone::Error, format!("{failing} of {} {}", all.len(), verb(failing, "fail"))),
    };
    let mut lines: Vec<Line> = order
        .iter()
        .take(MOST_ENDPOINTS)
        .enumerate()
        .map(|(at, one)| {
            let first = at == 0;
            let (label, value) =
                if first { (label("endpoint"), value(tone, &head)) } else { (label(""), value(tone, "")) };
            let mut spans = vec![label, value, span(Tone::Plain, short_pod(one.pod.as_deref(), facts))];
            spans.push(span(Tone::Dim, format!("  {}", one.address)));
            if one.ready == Some(false) {
                spans.push(span(Tone::Warning, "  not ready"));
            }
            let pod = one.pod.as_deref().and_then(|pod| pod.split_once('/'));
            let target = pod.map(|(namespace, name)| Target::Object {
                object: ObjectRef {
                    kind: "Pod".to_owned(),
                    namespace: Some(namespace.to_owned()),
                    name: name.to_owned(),
                },
                field: None,
            });
            Line::new(spans).of(&format!("endpoint {}", one.address), target)
        })
        .collect();
    if let Some(more) = all.len().checked_sub(MOST_ENDPOINTS).filter(|more| *more > 0) {
        lines.push(Line::new(vec![
            label(""),
            value(Tone::Plain, ""),
            span(Tone::Dim, format!("and {more} more")),
        ]));
    }
    lines
}

fn verb(number: usize, verb: &str) -> String {
    if number == 1 { format!("{verb}s") } else { verb.to_owned() }
}

/// The pod, without its namespace where that is the service's.
fn short_pod<'a>(pod: Option<&'a str>, facts: &Facts<'_>) -> &'a str {
    let pod = pod.unwrap_or("no pod");
    pod.strip_prefix(&*facts.why.service.namespace).and_then(|name| name.strip_prefix('/')).unwrap_or(pod)
}

/// The rule in force, and every other that could be it with the reason why it is not.
fn rules(facts: &Facts<'_>) -> Vec<Line> {
    let Some(candidates) = facts.pair.resolution.candidates.as_ref().filter(|all| !all.is_empty()) else {
        return Vec::new();
    };
    let used = |one: &&Candidate| matches!(one.outcome.as_str(), "used" | "merged");
    let (winners, losers): (Vec<_>, Vec<_>) = candidates.iter().partition(used);
    let head = format!("{} used, {} lost", winners.len(), losers.len());
    let mut lines = vec![Line::new(vec![label("rules"), span(Tone::Plain, head)])];
    let names = candidates.iter().map(|one| crate::text::width(&visible(&one.rule.path())));
    let column = names.max().unwrap_or(0).min(facts.width / 2);
    for (one, won) in winners.iter().map(|one| (one, true)).chain(losers.iter().map(|one| (one, false))) {
        let target = Target::Object { object: one.rule.clone(), field: Some("spec.host".to_owned()) };
        let fact = format!("rule {}", one.rule.path());
        let mark = if won { span(Tone::Good, " ✔ ") } else { span(Tone::Dim, " ✕ ") };
        let name =
            span(if won { Tone::Strong } else { Tone::Plain }, fit(&visible(&one.rule.path()), column));
        let words = format!("{}: {}", one.outcome, short_hosts(&one.reason));
        let room = facts.width.saturating_sub(column + 5);
        let mut parts =
            if facts.whole { wrap(&visible(&words), room) } else { vec![cut(&visible(&words), room).into()] };
        let first = span(Tone::Dim, format!("  {}", parts.remove(0)));
        let is_cut = !facts.whole && crate::text::width(&visible(&words)) > room;
        let whole = is_cut.then(|| format!("{}: {words}", one.rule.path()));
        lines.push(Line { whole, ..Line::new(vec![mark, name, first]) }.of(&fact, Some(target.clone())));
        lines.extend(parts.into_iter().map(|text| {
            let gap = span(Tone::Plain, " ".repeat(column + 5));
            Line::new(vec![gap, span(Tone::Dim, text)]).of(&fact, Some(target.clone()))
        }));
    }
    lines
}

/// What the logs say.
fn evidence(facts: &Facts<'_>) -> Vec<Line> {
    let groups = &facts.pair.logs.groups;
    let mut lines = Vec::new();
    let add = |lines: &mut Vec<Line>, text: &str, time: String, samples: &[Origin], code: Option<String>| {
        let head = if lines.is_empty() { label("evidence") } else { label("") };
        let fact = format!("evidence {}", lines.len());
        let target = code.map(Target::Explain);
        for (at, part) in wrap(&visible(text), facts.width.saturating_sub(LABEL + 22)).into_iter().enumerate()
        {
            let label = if at == 0 { head.clone() } else { label("") };
            let right = (at == 0).then(|| span(Tone::Dim, time.clone()));
            lines.push(
                Line { right, ..Line::new(vec![label, span(Tone::Plain, part)]) }.of(&fact, target.clone()),
            );
        }
        if !samples.is_empty() {
            let places = places(samples, facts.width.saturating_sub(LABEL));
            lines.push(Line::new(vec![label(""), span(Tone::Dim, places)]).of(&fact, target));
        }
    };
    if let Some(cause) = &facts.pair.cause {
        for one in &cause.evidence {
            let text = format!("{} × {}", thousands(one.count), one.text);
            let code = flag_in(&one.text).or_else(|| Some(cause.cause.clone()));
            add(&mut lines, &text, time_span(one.first.as_deref(), one.last.as_deref()), &one.samples, code);
        }
    } else {
        for group in groups.iter().filter(|group| failed(group)) {
            let time = time_span(group.first.as_deref(), group.last.as_deref());
            add(&mut lines, &group_text(group), time, &[], group.response_flags.first().cloned());
        }
    }
    let fine: u64 = groups.iter().filter(|group| !failed(group)).map(|group| group.count).sum();
    let rest = match (lines.is_empty(), fine) {
        (true, 0) => "no log line of this pair".to_owned(),
        (false, 0) => "no request of this pair succeeded in these logs".to_owned(),
        (_, fine) => format!("{} × answered without a fault", thousands(fine)),
    };
    let said = lines.is_empty() && fine == 0 && !facts.pair.next.is_empty();
    if !said {
        let head = if lines.is_empty() { label("evidence") } else { label("") };
        lines.push(Line::new(vec![head, span(Tone::Dim, rest)]));
    }
    lines
}

/// Files and the numbers of their lines. Of a long name the end is kept: it tells files apart.
fn places(samples: &[Origin], room: usize) -> String {
    let mut files: Vec<(&str, Vec<String>)> = Vec::new();
    for one in samples {
        match files.iter_mut().find(|(file, _)| *file == &*one.file) {
            Some((_, lines)) => lines.push(one.line.to_string()),
            None => files.push((&one.file, vec![one.line.to_string()])),
        }
    }
    let texts: Vec<_> = files.iter().map(|(file, lines)| format!("{file}:{}", lines.join(","))).collect();
    tail(&visible(&texts.join("  ")), room)
}

/// Whether lines of a group show a failure.
fn failed(group: &Group) -> bool {
    group.response_code.is_none_or(|code| code == 0 || code >= 400) && !group.response_flags.is_empty()
        || group.response_code.is_some_and(|code| code >= 500)
}

fn group_text(group: &Group) -> String {
    let code = group.response_code.map_or_else(|| "-".to_owned(), |code| code.to_string());
    let flags = group.response_flags.join(",");
    let details = group.reason.as_ref().or(group.details.as_ref());
    let details = details.map(|details| format!(", {details}")).unwrap_or_default();
    format!("{} × {code} {flags} at the {}{details}", thousands(group.count), group.reporter)
}

/// The response flag in a text such as `503 UC at the client`.
fn flag_in(text: &str) -> Option<String> {
    let words = text.split([' ', ',']).map(str::trim);
    words.filter(|word| crate::logs::response_flag(word).is_some()).map(str::to_owned).next()
}

/// What else it could be, and what to look at next.
fn next(facts: &Facts<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    let other = facts.pair.cause.iter().flat_map(|cause| &cause.alternatives);
    let other =
        other.map(|text| ("not ruled out", text)).chain(facts.pair.next.iter().map(|text| ("next", text)));
    let room = facts.width.saturating_sub(LABEL);
    for (at, (head, text)) in other.enumerate() {
        let text = if head == "next" { text.clone() } else { format!("{head}: {text}") };
        for (part, line) in wrap(&visible(&text), room).into_iter().enumerate() {
            let label = if at == 0 && part == 0 { label("next") } else { label("") };
            lines.push(Line::new(vec![label, span(Tone::Plain, line)]));
        }
    }
    lines
}

/// What would end it.
fn fix(facts: &Facts<'_>) -> Vec<Line> {
    let findings = facts.pair.findings.iter().filter_map(|id| facts.answers.finding(id));
    let remedies = findings.flat_map(|finding| finding.remedies.iter().map(move |one| (finding, one)));
    let room = facts.width.saturating_sub(LABEL + 5);
    let mut lines = Vec::new();
    for (number, (finding, remedy)) in remedies.enumerate() {
        let target = Target::Fix(finding.id.clone());
        let fact = format!("fix {} {}", finding.id, remedy.title);
        for (at, part) in wrap(&visible(&remedy.title), room).into_iter().enumerate() {
            let head = if number == 0 && at == 0 { label("fix") } else { label("") };
            let mark = if at == 0 { format!("{} ", number + 1) } else { "  ".to_owned() };
            let line = Line::new(vec![head, span(Tone::Strong, mark), span(Tone::Plain, part)]);
            let right = (at == 0).then(|| span(Tone::Dim, "f"));
            lines.push(Line { right, ..line }.of(&fact, Some(target.clone())));
        }
    }
    if lines.is_empty() && facts.pair.status == "CONFLICT" && facts.answers.check().is_some() {
        let host = crate::app::wording::short_host(&facts.why.service.host);
        let text = format!("no change to {host} is known that keeps every other setting");
        lines.push(Line::new(vec![label("fix"), span(Tone::Dim, text)]));
    }
    lines
}
