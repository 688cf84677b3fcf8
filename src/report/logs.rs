//! The text of `logs`: groups of lines, then the causes of what failed.

use std::io::{self, Write};

use super::Report;
use super::check::log_line;
use super::table::{self, Cell, Style, Tone};
use crate::answer::logs::{Cause, Group, LogReport};

/// At most so many groups are written out in a table.
const GROUPS: usize = 50;

impl Report for LogReport {
    fn table(&self, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()> {
        let most = if wide { usize::MAX } else { GROUPS };
        let rows: Vec<_> = self.groups.iter().take(most).map(cells).collect();
        let head = ["SIDE", "POD", "UPSTREAM CLUSTER", "CODE", "FLAGS", "COUNT", "P50 MS", "LAST", "DETAILS"];
        if !rows.is_empty() {
            table::write(out, style, 2, &head, &rows)?;
        }
        let left = self.groups.len().saturating_sub(rows.len());
        if left > 0 {
            writeln!(out, "and {left} groups more (-o wide shows all)")?;
        }
        if !self.causes.is_empty() {
            writeln!(out)?;
        }
        for cause in &self.causes {
            write_cause(cause, out, style)?;
        }
        let lines = &self.lines;
        let formats: Vec<_> =
            self.formats.iter().map(|(format, count)| format!("{count} {format}")).collect();
        let formats = if formats.is_empty() { String::new() } else { format!(" ({})", formats.join(", ")) };
        let text = if lines.read == 0 {
            "no access log was read".to_owned()
        } else {
            let joined =
                if lines.joined == 0 { String::new() } else { format!(", {} joined to them", lines.joined) };
            format!(
                "{} lines read, {} parsed{formats}, {} other{joined}",
                lines.read, lines.parsed, lines.other
            )
        };
        writeln!(out, "{}", style.paint(&text, Tone::Dim))
    }

    fn items(&self) -> Vec<serde_json::Value> {
        self.groups.iter().filter_map(|group| serde_json::to_value(group).ok()).collect()
    }

    fn names(&self) -> Vec<String> {
        self.causes.iter().map(|cause| cause.cause.clone()).collect()
    }
}

fn cells(group: &Group) -> Vec<Cell> {
    let dash = || "-".to_owned();
    let tone = if group.response_flags.is_empty() && group.response_code.is_none_or(|code| code < 500) {
        Tone::Plain
    } else {
        Tone::Bad
    };
    let flags = if group.response_flags.is_empty() { dash() } else { group.response_flags.join(",") };
    vec![
        Cell::plain(&group.reporter),
        Cell::plain(group.pod.clone().unwrap_or_else(|| "?".to_owned())),
        Cell::plain(group.upstream_cluster.clone().unwrap_or_else(dash)),
        Cell::toned(group.response_code.map_or_else(dash, |code| code.to_string()), tone),
        Cell::toned(flags, tone),
        Cell::plain(group.count.to_string()),
        Cell::plain(group.duration_ms.map_or_else(dash, |durations| durations.p50.to_string())),
        Cell::plain(group.last.clone().unwrap_or_else(dash)),
        Cell::plain(group.details.clone().unwrap_or_else(dash)),
    ]
}

pub(super) fn write_cause(cause: &Cause, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let client =
        if cause.client.name.is_some() { format!("{} → ", cause.client.path()) } else { String::new() };
    let target = match (&cause.host, cause.port) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.clone(),
        (None, _) => "?".to_owned(),
    };
    let label = style.paint(&cause.cause, Tone::Strong);
    let confidence = style.paint(&cause.confidence, Tone::Dim);
    writeln!(
        out,
        "{} × {label} {confidence}  {}",
        cause.count,
        style.paint(&format!("{client}{target}"), Tone::Plain)
    )?;
    for lines in &cause.evidence {
        writeln!(out, "  {}", style.paint(&log_line(lines), Tone::Plain))?;
    }
    if !cause.alternatives.is_empty() {
        writeln!(
            out,
            "  {}",
            style.paint(&format!("could also be: {}", cause.alternatives.join(", ")), Tone::Dim)
        )?;
    }
    Ok(())
}
