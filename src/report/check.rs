//! The text of `check`: what is wrong, why, and what to do; and how much was looked at.

use std::io::{self, Write};

use super::Report;
use super::table::{Style, Tone};
use crate::answer::check::{CheckReport, EdgeRef, EvidenceRef, FieldEvidence, Finding, RemedyRef};
use crate::answer::common::LogLines;

/// At most so many edges of a finding are written out in a table.
const EDGES: usize = 10;

/// At most so many changes of a remedy.
const CHANGES: usize = 3;

impl Report for CheckReport {
    fn table(&self, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()> {
        for finding in &self.findings {
            write_finding(finding, out, style, wide)?;
        }
        self.conclusion(out, style)
    }

    fn items(&self) -> Vec<serde_json::Value> {
        super::documents("Finding", &self.findings)
    }

    fn names(&self) -> Vec<String> {
        self.findings.iter().map(|finding| finding.id.clone()).collect()
    }
}

impl CheckReport {
    /// "Nothing was found" is never said without how much was looked at, nor where something could not be told.
    fn conclusion(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        for missing in self.untold() {
            writeln!(out, "{}", style.paint(&missing, Tone::Careful))?;
        }
        for assumed in &self.assumed {
            writeln!(out, "{}", style.paint(&format!("assumed: {assumed}"), Tone::Dim))?;
        }
        if let Some(left_out) = self.left_out.text() {
            writeln!(out, "{}", style.paint(&left_out, Tone::Dim))?;
        }
        let tone = if self.is_clean() { Tone::Good } else { Tone::Strong };
        writeln!(out, "{}", style.paint(&self.counted(), tone))?;
        writeln!(out, "{}", style.paint(&self.looked_at(), Tone::Dim))
    }

    /// What is missing for an answer, a line each.
    pub(super) fn untold(&self) -> impl Iterator<Item = String> {
        self.missing.iter().map(|missing| format!("cannot tell: {} {}", missing.kind, missing.need))
    }

    fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.summary.unknown == 0 && self.left_out.text().is_none()
    }

    /// How many findings of each severity there are, and how many pairs cannot be told.
    pub(super) fn counted(&self) -> String {
        if self.is_clean() {
            return "nothing found".to_owned();
        }
        let summary = &self.summary;
        let parts = [(summary.error, "error"), (summary.warning, "warning"), (summary.info, "info")];
        let parts = parts.map(|(count, name)| plural(count as u64, name));
        let unknown = format!(", {} cannot be told", plural(summary.unknown, "pair"));
        format!("{}{}", parts.join(", "), if summary.unknown > 0 { &*unknown } else { "" })
    }

    /// How much was looked at, and by which rules.
    pub(super) fn looked_at(&self) -> String {
        let scanned = &self.scanned;
        let objects: Vec<_> = scanned.objects.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let version = &self.istio_version;
        let counters = if scanned.counters > 0 {
            format!(", {}", plural(scanned.counters, "counter"))
        } else {
            String::new()
        };
        format!(
            "looked at {}, {}, {}{}; rules of Istio {} ({})",
            if objects.is_empty() { "no objects".to_owned() } else { objects.join(", ") },
            plural(scanned.pairs, "pair"),
            plural(scanned.log_lines, "log line"),
            counters,
            version.value,
            version.from
        )
    }
}

pub(super) fn write_finding(
    finding: &Finding,
    out: &mut dyn Write,
    style: Style,
    wide: bool,
) -> io::Result<()> {
    let severity = style.paint(&format!("{:7}", finding.severity), Tone::of(&finding.severity));
    let code = style.paint(&format!("{} {}", finding.code, finding.name), Tone::Strong);
    let confidence = style.paint(&finding.confidence, Tone::Dim);
    writeln!(out, "{severity} {code}  {confidence}")?;
    writeln!(out, "  {}", style.paint(&finding.message, Tone::Plain))?;
    for reason in &finding.because {
        writeln!(
            out,
            "  because  {} {}",
            style.paint(&reason.code, Tone::Plain),
            style.paint(&reason.text, Tone::Plain)
        )?;
    }
    for involved in &finding.objects {
        let place = involved.origin.as_ref().map(|origin| format!("{}:{}", origin.file, origin.line));
        let fields = if involved.fields.is_empty() {
            String::new()
        } else {
            format!(" {}", involved.fields.join(", "))
        };
        let line = format!("{:8} {} {}{fields}", involved.role, involved.object.kind, involved.object.path());
        let place = style.paint(&place.unwrap_or_default(), Tone::Dim);
        writeln!(out, "  {}  {place}", style.paint(&line, Tone::Plain))?;
    }
    edges(finding, out, style, if wide { finding.edges.len() } else { EDGES })?;
    for evidence in &finding.evidence {
        match evidence {
            EvidenceRef::Field(field) => {
                writeln!(out, "  proof    {}", style.paint(&field_line(field), Tone::Plain))?;
            }
            EvidenceRef::Log(lines) => {
                writeln!(out, "  {:8} {}", lines.kind, style.paint(&log_line(lines), Tone::Plain))?;
            }
        }
    }
    for (at, remedy) in finding.remedies.iter().enumerate() {
        writeln!(out, "  fix {}    {}", at + 1, style.paint(&remedy.title, Tone::Plain))?;
        if let Some(command) = &remedy.command {
            writeln!(out, "           {}", style.paint(command, Tone::Good))?;
        }
        changes(remedy, out, style, if wide { remedy.changes.len() } else { CHANGES })?;
    }
    writeln!(out)
}

/// What becomes of the pairs that a remedy touches.
fn changes(remedy: &RemedyRef, out: &mut dyn Write, style: Style, most: usize) -> io::Result<()> {
    let mut left = remedy.change_count;
    for change in remedy.changes.iter().take(most) {
        left = left.saturating_sub(change.clients.count);
        writeln!(out, "           {}", style.paint(&change.in_words(), Tone::Dim))?;
    }
    if left > 0 {
        writeln!(
            out,
            "           {}",
            style.paint(&format!("and {} more change", plural(left, "pair")), Tone::Dim)
        )?;
    }
    Ok(())
}

fn edges(finding: &Finding, out: &mut dyn Write, style: Style, most: usize) -> io::Result<()> {
    for edge in finding.edges.iter().take(most) {
        let seen = if edge.seen > 0 { format!("  seen in {} log lines", edge.seen) } else { String::new() };
        let seen = style.paint(&seen, Tone::Bad);
        writeln!(out, "  pair     {}{seen}", style.paint(&pair(edge), Tone::Plain))?;
    }
    let left = finding.edge_count.saturating_sub(most.min(finding.edges.len()));
    if left > 0 { writeln!(out, "           and {left} more") } else { Ok(()) }
}

/// A pair of a finding in one line.
pub(super) fn pair(edge: &EdgeRef) -> String {
    let subset = edge.subset.as_ref().map(|subset| format!("|{subset}")).unwrap_or_default();
    format!("{} → {}:{}{subset}", edge.client.path(), edge.host, edge.port)
}

pub(super) fn plural(count: u64, name: &str) -> String {
    if count == 1 { format!("1 {name}") } else { format!("{count} {name}s") }
}

/// The value of a field as a reader wants it.
pub(super) fn field_value(field: &FieldEvidence) -> String {
    match &field.value {
        serde_json::Value::Null => "absent".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other @ (serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_)) => other.to_string(),
    }
}

fn field_line(field: &FieldEvidence) -> String {
    let object = &field.object;
    format!("{} {} {}: {} ({})", object.kind, object.path(), field.field, field_value(field), field.counted)
}

pub(super) fn log_line(lines: &LogLines) -> String {
    let span = match (&lines.first, &lines.last) {
        (Some(first), Some(last)) if first == last => format!("  {first}"),
        (Some(first), Some(last)) => format!("  {first} … {last}"),
        (Some(one), None) | (None, Some(one)) => format!("  {one}"),
        (None, None) => String::new(),
    };
    let sample = lines.samples.first().map(|sample| format!("  {}:{}", sample.file, sample.line));
    format!("{} × {}{span}{}", lines.count, lines.text, sample.unwrap_or_default())
}
