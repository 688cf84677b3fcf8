//! The text of `logs`: groups of lines, then the causes of what failed.

use std::io::{self, Write};

use super::Report;
use super::check::log_line;
use super::table::fitted::{self, Column, Gives};
use super::table::{Cell, Style, Tone};
use crate::answer::common::WorkloadRef;
use crate::answer::logs::{Cause, FieldGroup, Group, Groups, LogReport};

/// The columns. On a terminal without room for all, the namespace goes first, which clusters mostly have too, and of
/// clusters the direction, which is the side.
const HEAD: [(&str, Gives); 9] = [
    ("SIDE", Gives::Nothing),
    ("POD", Gives::Before('/', 14)),
    ("UPSTREAM CLUSTER", Gives::Before('|', 16)),
    ("CODE", Gives::Nothing),
    ("FLAGS", Gives::Ends(5)),
    ("COUNT", Gives::Nothing),
    ("P50 MS", Gives::Place),
    ("LAST", Gives::Place),
    ("DETAILS", Gives::EndsAndPlace(11)),
];

/// The columns behind the fields that groups are made by.
const BEHIND: [(&str, Gives); 4] =
    [("COUNT", Gives::Nothing), ("P50 MS", Gives::Place), ("P99 MS", Gives::Place), ("LAST", Gives::Place)];

/// At most so many groups are written out in a table.
const GROUPS: usize = 50;

impl Report for LogReport {
    fn table(&self, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()> {
        self.write_groups(out, style, if wide { usize::MAX } else { GROUPS })?;
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
            let several = lines.ambiguous.map_or_else(String::new, |count| {
                format!(", {count} that can be read in more than one way: they prove nothing")
            });
            format!(
                "{} lines read, {} parsed{formats}, {} other{joined}{several}",
                lines.read, lines.parsed, lines.other
            )
        };
        let selected = lines.selected.map_or_else(String::new, |selected| format!(", {selected} selected"));
        let timeless = lines.without_time.filter(|count| *count > 0);
        let timeless = timeless.map_or_else(String::new, |count| format!(" ({count} without time were not)"));
        for line in self.other_lines.iter().flatten() {
            writeln!(
                out,
                "{}",
                style.paint(&format!("{}:{}: {}", line.file, line.line, line.raw), Tone::Plain)
            )?;
        }
        if let Some(left) = self.other_lines_left {
            writeln!(out, "{}", style.paint(&format!("{left} more of them are not shown"), Tone::Dim))?;
        }
        writeln!(out, "{}", style.paint(&format!("{text}{selected}{timeless}"), Tone::Dim))
    }

    // Records are written line by line, on the way; there are no items besides.
    fn items(&self) -> Vec<serde_json::Value> {
        Vec::new()
    }

    fn names(&self) -> Vec<String> {
        self.causes.iter().map(|cause| cause.cause.clone()).collect()
    }
}

impl LogReport {
    fn write_groups(&self, out: &mut dyn Write, style: Style, most: usize) -> io::Result<()> {
        let column = |(name, gives): (&str, Gives)| Column { name: name.to_owned(), gives };
        let (columns, rows, all): (Vec<Column>, Vec<_>, _) = match &self.groups {
            Groups::Alike(groups) => {
                let rows = groups.iter().take(most).map(|group| cells(group)).collect();
                (HEAD.map(column).to_vec(), rows, groups.len())
            }
            Groups::ByFields(groups) => {
                let names = self.group_by.iter().flatten().map(|name| name.to_uppercase());
                let fields = names.map(|name| Column { name, gives: Gives::Ends(10) });
                let columns = fields.chain(BEHIND.map(column)).collect();
                (columns, groups.iter().take(most).map(field_cells).collect(), groups.len())
            }
        };
        if !rows.is_empty() {
            let left_out = fitted::write(out, style, &columns, &rows)?;
            if !left_out.is_empty() {
                let text = format!("no room for {} (-o wide shows all)", left_out.join(", "));
                writeln!(out, "{}", style.paint(&text, Tone::Dim))?;
            }
        }
        let left = all.saturating_sub(rows.len());
        if left > 0 {
            writeln!(out, "and {left} groups more (-o wide shows all)")?;
        }
        if self.other_groups > 0 {
            writeln!(out, "{} lines in other groups", self.other_groups)?;
        }
        Ok(())
    }
}

fn field_cells(group: &FieldGroup) -> Vec<Cell> {
    let dash = || "-".to_owned();
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::Null => dash(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => {
            items.iter().filter_map(serde_json::Value::as_str).collect::<Vec<_>>().join(",")
        }
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) | serde_json::Value::Object(_) => {
            value.to_string()
        }
    };
    let durations = group.duration_ms;
    let mut cells: Vec<_> = group.by.values().map(|value| Cell::plain(text(value))).collect();
    cells.extend([
        Cell::plain(group.count.to_string()),
        Cell::plain(durations.map_or_else(dash, |durations| durations.p50.to_string())),
        Cell::plain(durations.map_or_else(dash, |durations| durations.p99.to_string())),
        Cell::plain(group.last.clone().unwrap_or_else(dash)),
    ]);
    cells
}

fn cells(group: &Group) -> Vec<Cell> {
    let dash = || "-".to_owned();
    let tone = if group.response_flags.is_empty()
        && group.response_code.is_none_or(|code| code < 500)
        && !(group.ztunnel.is_some() && group.reason.is_some())
    {
        Tone::Plain
    } else {
        Tone::Bad
    };
    // ztunnel has no code: what went wrong is its error.
    let details = group.reason.as_ref().filter(|_| group.ztunnel.is_some()).or(group.details.as_ref());
    let flags = if group.response_flags.is_empty() { dash() } else { group.response_flags.join(",") };
    vec![
        Cell::plain(&group.reporter),
        Cell::plain(group.pod.clone().unwrap_or_else(|| "?".to_owned())),
        Cell::plain(group.upstream_cluster.clone().or_else(|| target(group)).unwrap_or_else(dash)),
        Cell::toned(group.response_code.map_or_else(dash, |code| code.to_string()), tone),
        Cell::toned(flags, tone),
        Cell::plain(group.count.to_string()),
        Cell::plain(group.duration_ms.map_or_else(dash, |durations| durations.p50.to_string())),
        Cell::plain(group.last.clone().unwrap_or_else(dash)),
        Cell::plain(details.cloned().unwrap_or_else(dash)),
    ]
}

/// What ztunnel's lines go to.
fn target(group: &Group) -> Option<String> {
    let ztunnel = group.ztunnel.as_ref()?;
    let end = &ztunnel.destination;
    let name = ztunnel.service.as_ref().or(end.workload.as_ref()).or(end.address.as_ref())?;
    Some(ztunnel.port.map_or_else(|| name.clone(), |port| format!("{name}:{port}")))
}

pub(super) fn write_cause(cause: &Cause, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let known = cause.client.name.is_some() || cause.client.pod.is_some();
    let client = if known { format!("{} → ", cause.client.path()) } else { String::new() };
    let target = match (&cause.host, cause.port) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.clone(),
        (None, _) => cause.server.as_ref().map_or_else(|| "?".to_owned(), WorkloadRef::path),
    };
    let label = style.paint(&cause.cause, Tone::Strong);
    let confidence = style.paint(&cause.confidence, Tone::Dim);
    writeln!(
        out,
        "{} × {label} {confidence}  {}",
        cause.count,
        style.paint(&format!("{client}{target}"), Tone::Plain)
    )?;
    if let Some(selected) = cause.selected {
        let text = format!("rests on {} lines, {} of them selected", selected.of, selected.count);
        writeln!(out, "  {}", style.paint(&text, Tone::Dim))?;
    }
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
