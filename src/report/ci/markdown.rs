//! A report to paste into a comment on a change: the counts, a table of the findings, and for each a section that can
//! be unfolded.
//!
//! Nothing in it is Markdown or HTML but what is written here: words from outside stand in code spans, code blocks and
//! `code` elements, in which the usual sites make neither links nor mentions.

mod escape;

use std::fmt::Write as _;
use std::io::{self, Write};

use super::root;
use crate::answer::check::{CheckReport, EvidenceRef, Finding, InvolvedRef};
use crate::answer::remedy::RemedyRef;
use crate::report::check::{field_value, log_line, pair, plural};
use escape::{block, cell, code, html, prose};

/// At most so many pairs of a finding are listed.
const PAIRS: usize = 10;
/// The longest table, in bytes: it comes first and leaves room for sections.
const TABLE: usize = 20_000;
/// The longest report, in bytes. A comment on GitHub has at most 65,536 characters.
const LONGEST: usize = 60_000;

pub(super) fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let mut text = head(report);
    table(report, &mut text);
    sections(report, &mut text);
    out.write_all(text.as_bytes())
}

/// Counts, what could not be told, what was assumed, left out and looked at.
fn head(report: &CheckReport) -> String {
    let mut text = format!("### meshscope check: {}\n", report.counted());
    let assumed = report.assumed.iter().map(|assumed| format!("assumed: {assumed}"));
    let lines = report.untold().chain(assumed).chain(report.left_out.text());
    for line in lines.chain(std::iter::once(report.looked_at())) {
        paragraph(&mut text, &prose(&line));
    }
    text
}

fn paragraph(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _written = write!(text, "\n{line}\n");
}

fn table(report: &CheckReport, text: &mut String) {
    if report.findings.is_empty() {
        return;
    }
    paragraph(text, "| severity | finding | object | pairs | confidence |\n| --- | --- | --- | ---: | --- |");
    let mut rest = TABLE;
    for (at, finding) in report.findings.iter().enumerate() {
        let object = root(finding).map(|root| cell(&name(root))).unwrap_or_default();
        let row = format!(
            "| {} | {} | {object} | {} | {} |\n",
            cell(&finding.severity),
            cell(&format!("{} {}", finding.code, finding.name)),
            finding.edge_count,
            cell(&finding.confidence)
        );
        let Some(left) = rest.checked_sub(row.len()) else {
            let more = report.findings.len() - at;
            return paragraph(text, &format!("and {more} more, for which a comment has no room"));
        };
        rest = left;
        text.push_str(&row);
    }
}

fn sections(report: &CheckReport, text: &mut String) {
    for (at, finding) in report.findings.iter().enumerate() {
        let section = section(finding);
        if text.len() + section.len() > LONGEST {
            let more = report.findings.len() - at;
            let line =
                format!("The sections of {more} more have no room in a comment: other formats have them.");
            return paragraph(text, &line);
        }
        text.push_str(&section);
    }
}

fn section(finding: &Finding) -> String {
    let object =
        root(finding).map(|root| format!(": <code>{}</code>", html(&name(root)))).unwrap_or_default();
    let mut text = format!(
        "\n<details><summary>{} <b>{} {}</b>{object}</summary>\n",
        html(&finding.severity),
        html(&finding.code),
        html(&finding.name)
    );
    paragraph(&mut text, &prose(&finding.message));
    let because =
        finding.because.iter().map(|reason| format!("{} {}", prose(&reason.code), prose(&reason.text)));
    list(&mut text, "Because", because);
    list(&mut text, "Objects", finding.objects.iter().map(involved));
    list(&mut text, "Evidence", finding.evidence.iter().map(evidence));
    list(&mut text, "Pairs", pairs(finding));
    for remedy in &finding.remedies {
        fix(&mut text, remedy);
    }
    text.push_str("\n</details>\n");
    text
}

fn list(text: &mut String, title: &str, items: impl Iterator<Item = String>) {
    let items: Vec<_> = items.map(|item| format!("- {item}")).collect();
    if !items.is_empty() {
        paragraph(text, &format!("**{title}**"));
        paragraph(text, &items.join("\n"));
    }
}

fn name(involved: &InvolvedRef) -> String {
    format!("{} {}", involved.object.kind, involved.object.path())
}

fn involved(involved: &InvolvedRef) -> String {
    let mut text = format!("{} {}", prose(&involved.role), code(&name(involved)));
    for field in &involved.fields {
        text.extend([" ", &*code(field)]);
    }
    if let Some(origin) = &involved.origin {
        text.extend([" at ", &*code(&format!("{}:{}", origin.file, origin.line))]);
    }
    text
}

fn evidence(evidence: &EvidenceRef) -> String {
    match evidence {
        EvidenceRef::Field(field) => {
            let object = format!("{} {}", field.object.kind, field.object.path());
            let parts = [object, field.field.clone(), field_value(field)].map(|part| code(&part));
            format!("{}: {}", parts.join(" "), prose(&field.counted))
        }
        EvidenceRef::Log(lines) => format!("{} {}", lines.kind, prose(&log_line(lines))),
    }
}

fn pairs(finding: &Finding) -> impl Iterator<Item = String> {
    let listed = finding.edges.iter().take(PAIRS);
    let more = finding.edge_count.saturating_sub(listed.len());
    let listed = listed.map(|edge| {
        let seen = if edge.seen > 0 { format!(", seen in {} log lines", edge.seen) } else { String::new() };
        format!("{}{seen}", code(&pair(edge)))
    });
    listed.chain((more > 0).then(|| format!("and {more} more")))
}

fn fix(text: &mut String, remedy: &RemedyRef) {
    paragraph(text, &format!("**Fix:** {}", prose(&remedy.title)));
    match (&remedy.command, remedy.patch.as_ref().or(remedy.manifest.as_ref())) {
        (Some(command), _) => paragraph(text, &block("sh", command)),
        (None, Some(object)) => paragraph(text, &block("json", &object.to_string())),
        (None, None) => {}
    }
    let listed = remedy.changes.iter().take(PAIRS);
    let count: u64 = listed.clone().map(|change| change.clients.count).sum();
    let left = remedy.change_count.saturating_sub(count);
    let left = (left > 0).then(|| format!("and {} more", plural(left, "pair")));
    list(text, "What changes", listed.map(|change| prose(&change.in_words())).chain(left));
}
