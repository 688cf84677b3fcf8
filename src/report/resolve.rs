//! The text of `resolve`: the rule, what is in force of it, and why the others are not it.

use std::io::{self, Write};

use super::Report;
use super::table::{self, Cell, Style, Tone};
use crate::answer::common::ObjectRef;
use crate::answer::resolve::{Resolution, ResolutionList};

impl Report for Resolution {
    fn table(&self, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()> {
        let client = self.client.pod.clone().or_else(|| self.client.name.clone()).unwrap_or_default();
        let namespace = self.client.namespace.clone().unwrap_or_default();
        writeln!(out, "{}", style.paint(&format!("{namespace}/{client} → {}", self.host), Tone::Strong))?;
        let rule = match (&self.rule, &self.level, &self.service_namespace) {
            (_, _, None) => "not in the client's scope".to_owned(),
            (Some(rule), Some(level), _) => format!("DestinationRule {} (level {level})", rule.path()),
            (Some(_) | None, _, _) => "no DestinationRule applies".to_owned(),
        };
        writeln!(out, "  {}", style.paint(&rule, Tone::Plain))?;
        for one in self.contributors.iter().filter(|_| self.contributors.len() > 1) {
            let parts = if one.parts.is_empty() { "nothing".to_owned() } else { one.parts.join(", ") };
            let dropped = if one.dropped.is_empty() {
                String::new()
            } else {
                format!("; dropped: {}", one.dropped.join(", "))
            };
            let line = format!("  from {}: {parts}{dropped}", one.rule.path());
            writeln!(out, "{}", style.paint(&line, Tone::Plain))?;
        }
        for missing in &self.missing {
            let line = format!("  UNKNOWN: {} {}", missing.kind, missing.need);
            writeln!(out, "{}", style.paint(&line, Tone::Careful))?;
        }
        self.ports_table(out, style, wide)?;
        self.candidates_table(out, style)
    }

    fn names(&self) -> Vec<String> {
        self.rule.iter().map(|rule| format!("destinationrule/{}", rule.path())).collect()
    }
}

impl Resolution {
    fn ports_table(&self, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()> {
        if self.ports.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        let rows = self.ports.iter().map(|port| {
            let blocks: Vec<_> = port.traffic_policy.keys().map(String::as_str).collect();
            let policy = if wide {
                serde_json::to_string(&port.traffic_policy).unwrap_or_default()
            } else if blocks.is_empty() {
                "-".to_owned()
            } else {
                blocks.join(", ")
            };
            vec![
                Cell::plain(port.port.to_string()),
                Cell::plain(port.subset.clone().unwrap_or_else(|| "-".to_owned())),
                Cell::plain(&port.tls.mode),
                Cell::plain(&port.tls.source),
                Cell::plain(policy),
            ]
        });
        let rows: Vec<_> = rows.collect();
        table::write(out, style, 2, &["PORT", "SUBSET", "TLS", "FROM", "TRAFFIC POLICY"], &rows)
    }

    fn candidates_table(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        let Some(candidates) = self.candidates.as_ref().filter(|all| !all.is_empty()) else { return Ok(()) };
        writeln!(out)?;
        let rows = candidates.iter().map(|one| {
            let hint = one.would_win_if.as_ref().map(|hint| format!("; would count if {hint}"));
            let reason = format!("{}{}", one.reason, hint.unwrap_or_default());
            vec![
                Cell::plain(one.rule.path()),
                Cell::plain(&one.host),
                Cell::toned(&one.outcome, Tone::of(&one.outcome)),
                Cell::plain(reason),
            ]
        });
        let rows: Vec<_> = rows.collect();
        table::write(out, style, 2, &["RULE", "HOST", "OUTCOME", "WHY"], &rows)
    }
}

impl Report for ResolutionList {
    fn table(&self, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()> {
        let rows = self.items.iter().map(|one| {
            let dash = || "-".to_owned();
            let client = one.client.pod.clone().or_else(|| one.client.name.clone()).unwrap_or_default();
            let contributors: Vec<_> = one.contributors.iter().skip(1).map(|one| one.rule.path()).collect();
            let mut cells = vec![
                Cell::plain(format!("{}/{client}", one.client.namespace.clone().unwrap_or_default())),
                Cell::plain(&one.host),
                Cell::plain(one.rule.as_ref().map_or_else(dash, ObjectRef::path)),
                Cell::plain(match (&one.service_namespace, &one.level) {
                    _ if !one.missing.is_empty() => "UNKNOWN".to_owned(),
                    (None, _) => "not-in-scope".to_owned(),
                    (Some(_), level) => level.clone().unwrap_or_else(dash),
                }),
            ];
            if wide {
                cells.push(Cell::plain(contributors.join(",")));
                cells.push(Cell::plain(one.subsets.join(",")));
            }
            cells
        });
        let rows: Vec<_> = rows.collect();
        let mut head = vec!["CLIENT", "HOST", "DESTINATION RULE", "LEVEL"];
        if wide {
            head.extend(["MERGED", "SUBSETS"]);
        }
        table::write(out, style, 3, &head, &rows)
    }

    fn items(&self) -> Vec<serde_json::Value> {
        self.items.iter().filter_map(|item| serde_json::to_value(item).ok()).collect()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.items.iter().flat_map(Report::names).collect();
        names.sort();
        names.dedup();
        names
    }
}
