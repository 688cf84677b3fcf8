//! The tables of `authz`.

use std::io::{self, Write};

use super::Report;
use super::table::{self, Cell, Style, Tone};
use crate::answer::authz::diff::{AuthzDiff, Verdict};
use crate::answer::authz::explain::{Explanation, Explanations};
use crate::answer::authz::list::{AuthzList, Lines};
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
        (Some("unknown"), _) => "which rule decided is not known".to_owned(),
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

impl Report for AuthzList {
    fn table(&self, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()> {
        writeln!(out, "{} ({})", style.paint(&self.workload.path(), Tone::Strong), self.engine)?;
        let number = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let mut head = vec!["NUM", "HITS", "DENIED", "LAST", "ACTION", "RULE", "WHAT"];
        if wide {
            head.extend(["FOR THE WORKLOAD BY", "COUNTED", "LOST", "FILE"]);
        }
        let mut rows: Vec<_> = Vec::new();
        for row in &self.rules {
            let action = if row.dry_run { format!("{} (dry run)", row.action) } else { row.action.clone() };
            let rule = row.rule.map_or_else(|| "-".to_owned(), |rule| rule.to_string());
            let mut cells = vec![
                Cell::plain(row.order.to_string()),
                Cell::plain(match row.maybe {
                    Some(maybe) if maybe > 0 => format!("{}+{maybe}?", number(row.hits)),
                    Some(_) | None => number(row.hits),
                }),
                Cell::plain(number(row.denials)),
                Cell::plain(row.last_hit.as_deref().unwrap_or("-")),
                Cell::plain(action),
                Cell::plain(format!("{} [{rule}]", row.policy.path())),
                Cell::plain(&row.text),
            ];
            if wide {
                cells.extend([
                    Cell::plain(&row.attached_by),
                    Cell::plain(row.hit_source.unwrap_or("-")),
                    Cell::plain(row.lost.as_deref().unwrap_or("-")),
                    Cell::plain(format!("{}:{}", row.origin.file, row.origin.line)),
                ]);
            }
            rows.push(cells);
        }
        if rows.is_empty() {
            writeln!(out, "no policy is in force")?;
        } else {
            table::write(out, style, 2, &head, &rows)?;
        }
        if let Some(lines) = &self.lines {
            write_lines(out, style, lines)?;
        }
        for missing in &self.missing {
            writeln!(out, "not known: {}", style.paint(&missing.need, Tone::Careful))?;
        }
        if wide {
            for other in &self.others {
                let policy = other.policy.path();
                writeln!(
                    out,
                    "not for it: {}: {}",
                    style.paint(&policy, Tone::Plain),
                    style.paint(&other.reason, Tone::Dim)
                )?;
            }
        }
        Ok(())
    }

    fn items(&self) -> Vec<serde_json::Value> {
        super::documents("AuthzRule", &self.rules)
    }

    fn names(&self) -> Vec<String> {
        self.rules.iter().map(|row| row.policy.path()).collect()
    }
}

/// What lines come to besides the rules.
fn write_lines(out: &mut dyn Write, style: Style, lines: &Lines) -> io::Result<()> {
    writeln!(out, "\n{} lines read", lines.read)?;
    let counts = [
        (lines.without_policy, "let in where no ALLOW policy applies"),
        (lines.refused_by_none, "refused because no ALLOW rule matched"),
        (lines.refused_by_authorizers, "refused by an external authorizer"),
        (lines.refused_tokens, "refused for their token"),
        (lines.not_asked, "ended before any policy was asked, or nothing tells that one was"),
    ];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        writeln!(out, "{count:>8}  {what}")?;
    }
    for one in &lines.unexplained {
        let place = one.sample.as_ref().map(|at| format!(" ({}:{})", at.file, at.line)).unwrap_or_default();
        let text = format!("{}{place}", one.reason);
        writeln!(out, "{:>8}  not explained: {}", one.count, style.paint(&text, Tone::Careful))?;
    }
    if lines.undecided > 0 {
        let by = style.paint(&lines.undecided_by.join(", "), Tone::Plain);
        writeln!(out, "{:>8}  not decided: lines do not tell {by}", lines.undecided)?;
    }
    Ok(())
}

impl Report for AuthzDiff {
    fn table(&self, out: &mut dyn Write, style: Style, _wide: bool) -> io::Result<()> {
        let summary = self.summary;
        writeln!(
            out,
            "{} now denied, {} now allowed, {} not known, {} unchanged",
            summary.now_denied, summary.now_allowed, summary.unknown, summary.unchanged
        )?;
        let shown = |verdict: &Verdict| {
            let by = verdict.decided_by.as_deref().map(|by| format!(" {by}")).unwrap_or_default();
            Cell::toned(format!("{}{by}", verdict.decision), tone(verdict.decision))
        };
        let rows: Vec<_> = self
            .changes
            .iter()
            .map(|change| {
                let sample = &change.sample;
                let request: Vec<_> = [&sample.method, &sample.path].into_iter().flatten().cloned().collect();
                vec![
                    Cell::plain(change.count.to_string()),
                    Cell::plain(change.workload.path()),
                    shown(&change.before),
                    shown(&change.after),
                    Cell::plain(request.join(" ")),
                    Cell::plain(format!("{}:{}", sample.file, sample.line)),
                    Cell::plain(change.missing.join(", ")),
                ]
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        table::write(
            out,
            style,
            2,
            &["LINES", "WORKLOAD", "BEFORE", "AFTER", "REQUEST", "LINE", "NOT KNOWN"],
            &rows,
        )
    }

    fn items(&self) -> Vec<serde_json::Value> {
        super::documents("AuthzChange", &self.changes)
    }

    fn names(&self) -> Vec<String> {
        self.changes.iter().map(|change| change.workload.path()).collect()
    }
}

impl Report for Explanation {
    fn table(&self, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()> {
        self.decision.table(out, style, wide)?;
        if let Some(policy) = &self.policy {
            let rule = policy.rule.map(|rule| format!(" rule {rule}")).unwrap_or_default();
            let text = policy.text.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
            let place = format!(
                "{}{rule} ({}:{}){text}",
                policy.object.path(),
                policy.origin.file,
                policy.origin.line
            );
            writeln!(out, "\npolicy:  {}", style.paint(&place, Tone::Plain))?;
        }
        for text in &self.basis.line {
            writeln!(out, "line:    {}", style.paint(text, Tone::Plain))?;
        }
        for text in &self.basis.evaluated {
            writeln!(out, "besides: {}", style.paint(text, Tone::Plain))?;
        }
        Ok(())
    }

    fn names(&self) -> Vec<String> {
        vec![self.decision.decision.to_owned()]
    }
}

impl Report for Explanations {
    fn table(&self, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()> {
        for (at, one) in self.decisions.iter().enumerate() {
            if at > 0 {
                writeln!(out)?;
            }
            writeln!(out, "{}", style.paint(&one.line, Tone::Dim))?;
            one.table(out, style, wide)?;
        }
        Ok(())
    }

    fn items(&self) -> Vec<serde_json::Value> {
        self.decisions.iter().filter_map(|one| serde_json::to_value(one).ok()).collect()
    }

    fn names(&self) -> Vec<String> {
        self.decisions.iter().map(|one| one.decision.decision.to_owned()).collect()
    }
}
