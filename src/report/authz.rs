//! The tables of `authz`.

use std::io::{self, Write};

use super::Report;
use super::table::{self, Cell, Style, Tone};
use crate::answer::authz::{AuthzDecision, AuthzDecisions};

fn tone(decision: &str) -> Tone {
    match decision {
        "ALLOW" => Tone::Good,
        "DENY" => Tone::Bad,
        _ => Tone::Careful,
    }
}

/// What decided, in words.
fn by(answer: &AuthzDecision) -> String {
    match (answer.decided_by.as_deref(), answer.decision) {
        (Some("none"), _) => "no rule of an ALLOW policy matches".to_owned(),
        (Some(name), _) => name.to_owned(),
        (None, "UNKNOWN") => "not known".to_owned(),
        (None, _) => "no ALLOW policy applies".to_owned(),
    }
}

fn shown(value: Option<&serde_json::Value>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    }
}

impl Report for AuthzDecision {
    fn table(&self, out: &mut dyn Write, style: Style, _wide: bool) -> io::Result<()> {
        let status = self.status.filter(|status| *status != 0).map(|status| format!(" {status}"));
        writeln!(
            out,
            "{}{}  {}  ({})",
            style.paint(self.decision, tone(self.decision)),
            status.unwrap_or_default(),
            style.paint(&by(self), Tone::Strong),
            self.engine
        )?;
        // What is not known may have refused it before, which changes nothing.
        let known = if self.decision == "UNKNOWN" {
            "not known"
        } else {
            "may be refused before, by what is not known"
        };
        for missing in &self.missing {
            writeln!(out, "{known}: {}", style.paint(&missing.need, Tone::Careful))?;
        }
        for assumed in &self.assumed {
            writeln!(out, "taken for granted: {}", style.paint(assumed, Tone::Plain))?;
        }
        for tried in &self.dry_run {
            let rule = tried.rule.as_deref().unwrap_or("no rule matches");
            writeln!(out, "dry run {}: {} ({})", tried.action, tried.result, style.paint(rule, Tone::Plain))?;
        }
        let steps = self.steps.iter().flatten();
        let mut rows = Vec::new();
        for step in steps {
            let matched = |matched: Option<bool>| match matched {
                Some(true) => Cell::toned("yes", Tone::Strong),
                Some(false) => Cell::toned("no", Tone::Dim),
                None => Cell::toned("?", Tone::Careful),
            };
            let action =
                if step.dry_run { format!("{} (dry run)", step.action) } else { step.action.clone() };
            let rule = format!("{} rule {}", step.policy.path(), step.rule);
            rows.push(vec![Cell::plain(action), Cell::plain(rule), matched(step.matched), Cell::plain("")]);
            for field in &step.fields {
                let wanted = field.wanted.join(", ");
                let text = format!("{}: {wanted}; has {}", field.field, shown(field.got.as_ref()));
                rows.push(vec![Cell::plain(""), Cell::plain(""), matched(field.matched), Cell::plain(text)]);
            }
        }
        if !rows.is_empty() {
            writeln!(out)?;
            table::write(out, style, 3, &["ACTION", "RULE", "MATCHES", "FIELD"], &rows)?;
        }
        if let Some(nearest) = &self.nearest_miss {
            let more = match nearest.also_missed.len() {
                0 => String::new(),
                1 => " (and 1 more field)".to_owned(),
                more => format!(" (and {more} more fields)"),
            };
            writeln!(
                out,
                "\nnearest: rule {} of {}{more}\nchange:  {}",
                nearest.rule,
                style.paint(&nearest.policy.path(), Tone::Plain),
                style.paint(&nearest.change, Tone::Plain)
            )?;
        }
        Ok(())
    }

    fn names(&self) -> Vec<String> {
        vec![self.decision.to_owned()]
    }
}

impl Report for AuthzDecisions {
    fn table(&self, out: &mut dyn Write, style: Style, _wide: bool) -> io::Result<()> {
        let rows: Vec<_> = self
            .decisions
            .iter()
            .enumerate()
            .map(|(at, answer)| {
                let id = answer.id.clone().unwrap_or_else(|| at.to_string());
                let status = answer.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
                let needs: Vec<_> = answer.missing.iter().map(|missing| missing.need.as_str()).collect();
                vec![
                    Cell::plain(id),
                    Cell::toned(answer.decision, tone(answer.decision)),
                    Cell::plain(status),
                    Cell::plain(by(answer)),
                    Cell::plain(needs.join(", ")),
                ]
            })
            .collect();
        table::write(out, style, 3, &["REQUEST", "DECISION", "STATUS", "BY", "NOT KNOWN"], &rows)
    }

    fn items(&self) -> Vec<serde_json::Value> {
        self.decisions.iter().filter_map(|one| serde_json::to_value(one).ok()).collect()
    }

    fn names(&self) -> Vec<String> {
        self.decisions.iter().map(|one| one.decision.to_owned()).collect()
    }
}
