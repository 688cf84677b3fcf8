//! The lines of the page of a cause, section by section: what it is, the lines that prove it, what it means.

use std::collections::HashMap;

use super::super::Context;
use super::super::causes::{one_of, pair_of};
use super::pair_read;
use crate::answer::causes::NamedCause;
use crate::answer::check::EvidenceRef;
use crate::answer::common::LogLines;
use crate::answer::explain::explain;
use crate::answer::log_lines::LogRow;
use crate::app::page::{Line, Span, Tone, flowing, paragraphs, span};
use crate::app::question::Question;
use crate::app::target::{CauseKey, Subject, Target};
use crate::app::wording::{address, count, short_host, short_hosts, tail, thousands, time_span};
use crate::logs::format_time;
use crate::text::{fit, visible, wrap};

/// Cells of the section's name.
const LABEL: usize = 10;
/// Causes and lines that are listed; the others are counted.
const MOST_CAUSES: usize = 20;
const MOST_SAMPLES: usize = 30;
/// Lines that a raw line takes at most, but for the one that the page is about.
const MOST_WRAPPED: usize = 10;
/// A page is no wider: longer lines are hard to read.
const WIDEST: usize = 110;

/// What the page is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) subject: &'a Subject,
    pub(super) causes: &'a [&'a NamedCause],
    pub(super) explained: Option<&'a str>,
    pub(super) context: &'a Context<'a>,
    pub(super) width: usize,
}

/// A line's place: its file and number.
type Place = (String, u64);

fn label(text: &str) -> Span {
    span(Tone::Dim, fit(text, LABEL))
}

/// A text behind the name of its section, on as many lines as it takes, all one fact.
fn section(
    name: &str,
    tone: Tone,
    text: &str,
    fact: &str,
    target: Option<&Target>,
    room: usize,
) -> Vec<Line> {
    let parts = wrap(&visible(text), room.saturating_sub(LABEL));
    let line = |(at, part): (usize, String)| {
        let head = if at == 0 { label(name) } else { label("") };
        let line = Line::new(vec![head, span(tone, part)]);
        if target.is_some() { line.of(fact, target.cloned()) } else { line }
    };
    parts.into_iter().enumerate().map(line).collect()
}

/// Facts that say the same in two places are two: otherwise the selection could not get from the one to the other.
fn tell_apart(lines: &mut [Line]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut before: Option<String> = None;
    for line in lines {
        let fact = line.fact.clone();
        if let Some(fact) = &fact {
            let times = seen.entry(fact.clone()).or_default();
            *times += usize::from(before.as_ref() != Some(fact));
            if *times > 1 {
                line.fact = Some(format!("{fact} {times}"));
            }
        }
        before = fact;
    }
}

impl Facts<'_> {
    /// All lines.
    pub(super) fn lines(&self) -> Vec<Line> {
        let sections = match self.subject {
            Subject::Line(row, key) => {
                let failed = if key.is_some() { self.cause_lines() } else { self.no_cause(row) };
                vec![failed, self.row(row), self.evidence(), self.objects(), self.meaning()]
            }
            Subject::Cause(_) => vec![self.cause_lines(), self.evidence(), self.objects(), self.meaning()],
            Subject::Finding(_) => vec![self.finding(), self.cause_lines(), self.evidence(), self.meaning()],
        };
        let mut lines = Vec::new();
        for section in sections.into_iter().filter(|section| !section.is_empty()) {
            if !lines.is_empty() {
                lines.push(Line::blank());
            }
            lines.extend(section);
        }
        tell_apart(&mut lines);
        lines
    }

    fn finding(&self) -> Vec<Line> {
        let Subject::Finding(id) = self.subject else { return Vec::new() };
        let Some(finding) = self.context.answers.finding(id) else {
            let known = self.context.answers.check().is_some();
            let text = if known {
                "this finding is over".to_owned()
            } else {
                self.context.waiting(&Question::Check)
            };
            return paragraphs(Tone::Plain, &text, self.width);
        };
        let mut lines = paragraphs(Tone::Strong, &format!("{}.", short_hosts(&finding.message)), self.width);
        lines.extend(finding.because.iter().flat_map(|reason| {
            let text = format!("{}: {}.", reason.code, reason.text);
            let target = Some(Target::Explain(reason.code.clone()));
            let lines = paragraphs(Tone::Plain, &text, self.width).into_iter();
            lines.map(move |line| line.of(&text, target.clone())).collect::<Vec<_>>()
        }));
        lines
    }

    /// What is said of a line that belongs to no cause.
    fn no_cause(&self, row: &LogRow) -> Vec<Line> {
        let view = self.context.answers.lines(&Question::Lines(String::new()));
        // The row may be of a view before this one.
        let row_now = view.and_then(|view| view.rows.iter().find(|one| one.serial == row.serial));
        let several = view.zip(row_now).map(|(view, row)| view.several_of(row)).unwrap_or_default();
        if !several.is_empty() {
            let text = format!("{}: nothing tells which one is this line's", one_of(&several));
            return section("cause", Tone::Plain, &text, "", None, self.width);
        }
        let text = if row.failed() {
            "no cause is told by this line alone: the line of the other side may tell it"
        } else {
            "this line tells of no failure"
        };
        section("cause", Tone::Plain, text, "", None, self.width)
    }

    /// The causes, each with how sure it is, whom it concerns, what else it could be and the finding that names it.
    fn cause_lines(&self) -> Vec<Line> {
        if self.causes.is_empty() {
            let text = match self.context.answers.causes() {
                None => self.context.waiting(&Question::Causes),
                Some(_) if matches!(self.subject, Subject::Finding(_)) => return Vec::new(),
                Some(_) => "the lines that came since tell another cause".to_owned(),
            };
            return paragraphs(Tone::Dim, &text, self.width);
        }
        let mut lines = Vec::new();
        for (at, one) in self.causes.iter().take(MOST_CAUSES).enumerate() {
            let name = if at == 0 { "cause" } else { "" };
            lines.extend(self.cause(name, one));
        }
        if let Some(more) = self.causes.len().checked_sub(MOST_CAUSES).filter(|more| *more > 0) {
            lines.push(Line::new(vec![label(""), span(Tone::Dim, format!("and {more} more"))]));
        }
        lines
    }

    fn cause(&self, name: &str, one: &NamedCause) -> Vec<Line> {
        let cause = &one.cause;
        let meaning = Target::Explain(cause.cause.clone());
        let key = CauseKey::of(cause);
        // On its own page a cause leads to what it means, elsewhere to that page.
        let own = matches!(self.subject, Subject::Cause(_) | Subject::Line(..));
        let target = if own { meaning } else { Target::Cause(Box::new(Subject::Cause(key))) };
        let fact = format!("cause {} {}", cause.cause, pair_of(cause));
        let head = format!("{}, {}: {}", cause.cause, cause.confidence, count(cause.count, "line"));
        let mut lines = section(name, Tone::Strong, &head, &fact, Some(&target), self.width);
        let known = cause.client.name.is_some() || cause.client.pod.is_some();
        let client = known.then(|| cause.client.path());
        let pair = pair_read(self.context, cause.host.as_deref(), client.as_deref(), cause.port);
        let why = pair.map(|pair| {
            let finding = one.finding.as_ref().map(|finding| finding.id.clone());
            Target::Why { pairs: vec![pair], finding }
        });
        let text = pair_of(cause);
        if text != "?" {
            let fact = format!("pair {text}");
            lines.extend(section("", Tone::Plain, &text, &fact, why.as_ref(), self.width));
        }
        if !cause.alternatives.is_empty() {
            lines.push(Line::new(vec![label(""), span(Tone::Plain, "not ruled out:")]));
        }
        for other in &cause.alternatives {
            let page = explain(other);
            let text = page.as_ref().map_or_else(|| other.clone(), |page| format!("{other}: {}", page.title));
            let target = page.map(|_| Target::Explain(other.clone()));
            let fact = format!("{fact} {other}");
            lines.extend(section("", Tone::Plain, &format!("- {text}"), &fact, target.as_ref(), self.width));
        }
        if let Some(finding) = one.finding.as_ref().filter(|_| own) {
            let text = format!("{} {}", finding.code, finding.name);
            let target = Target::Cause(Box::new(Subject::Finding(finding.id.clone())));
            lines.extend(section("finding", Tone::Plain, &text, &finding.id, Some(&target), self.width));
        }
        lines
    }

    /// The line that the page is about: what it says, and the whole of it as it was written.
    fn row(&self, row: &LogRow) -> Vec<Line> {
        let time = row.time.map(format_time);
        let place = format!("{}:{}", row.file, row.line);
        let shown = tail(&visible(&place), self.width.saturating_sub(LABEL));
        let mut lines = vec![Line::new(vec![label("line"), span(Tone::Plain, shown)])];
        let code = row.code.map(|code| code.to_string());
        let flags = row.flags.as_deref().filter(|flags| *flags != "-");
        let took = row.duration.map(|millis| format!("{millis} ms"));
        let host = row.host.as_deref().map(|host| match row.port {
            // The authority of a request may name its port already.
            Some(port) if !host.ends_with(&format!(":{port}")) => address(host, port, None),
            Some(_) | None => short_host(host).to_owned(),
        });
        let words = [
            Some(format!("{} side", row.side)).filter(|_| &*row.side != "unknown"),
            time,
            code,
            flags.map(str::to_owned),
            took,
        ];
        let said = words.into_iter().flatten().collect::<Vec<_>>().join("  ");
        // ztunnel writes an error in place of flags, which has no page.
        let target = flags.filter(|flags| explain(flags).is_some());
        let target = target.map(|flags| Target::Explain(flags.to_owned()));
        lines.extend(section("", Tone::Plain, &said, "flags", target.as_ref(), self.width));
        let caller = row.caller.as_deref();
        let pair = pair_read(self.context, row.host.as_deref(), caller, row.port);
        let pair = pair.map(|pair| Target::Why { pairs: vec![pair], finding: None });
        if caller.is_some() || host.is_some() {
            let path = row.path.as_deref().unwrap_or_default();
            let text = format!("{} → {} {path}", caller.unwrap_or("?"), host.as_deref().unwrap_or("?"));
            lines.extend(section("", Tone::Plain, text.trim_end(), "pair", pair.as_ref(), self.width));
        }
        if let Some(details) = row.details.as_deref().filter(|details| *details != "-") {
            let target = Target::Explain(details.to_owned());
            lines.extend(section("", Tone::Plain, details, "details", Some(&target), self.width));
        }
        lines.push(Line::blank());
        lines.extend(section("raw", Tone::Plain, &row.text(), "", None, self.width));
        if row.is_cut {
            let text = "the line goes on: it is longer than what is kept of a line";
            lines.push(Line::new(vec![label(""), span(Tone::Warning, text)]));
        }
        lines
    }

    /// The lines that prove it: what they show, where they stand, and the lines themselves as far as they are held.
    fn evidence(&self) -> Vec<Line> {
        let all = self.all_evidence();
        let held = self.held(&all);
        let mut lines = Vec::new();
        let mut left = MOST_SAMPLES;
        for (at, one) in all.iter().enumerate() {
            let name = if at == 0 { "evidence" } else { "" };
            let time = time_span(one.first.as_deref(), one.last.as_deref());
            let noun = if one.kind == "counter" { "counted" } else { "×" };
            let text = format!("{} {noun} {}", thousands(one.count), one.text);
            let room = self.width.saturating_sub(time.chars().count() + 2);
            let mut told = section(name, Tone::Plain, &text, "", None, room);
            if let Some(first) = told.first_mut() {
                first.right = Some(span(Tone::Dim, time));
            }
            lines.extend(told);
            for sample in one.samples.iter().take(left) {
                let place = format!("{}:{}", sample.file, sample.line);
                let row = held.get(&(sample.file.to_string(), sample.line)).copied();
                lines.extend(self.sample(&place, row.filter(|row| self.proves(one, row))));
            }
            left = left.saturating_sub(one.samples.len());
        }
        lines
    }

    fn sample(&self, place: &str, row: Option<&LogRow>) -> Vec<Line> {
        let room = self.width.saturating_sub(LABEL + 2);
        let shown = tail(&visible(place), room);
        let head = Line::new(vec![label(""), span(Tone::Dim, format!("  {shown}"))]);
        let Some(row) = row else { return vec![head] };
        let fact = format!("line {place}");
        let target = Target::Cause(Box::new(Subject::Line(Box::new(row.clone()), self.key_of(row))));
        let mut parts = wrap(&visible(&row.text()), room);
        if parts.len() > MOST_WRAPPED {
            parts.truncate(MOST_WRAPPED);
            parts.push("…".to_owned());
        }
        let parts =
            parts.into_iter().map(|part| Line::new(vec![label(""), span(Tone::Plain, format!("  {part}"))]));
        std::iter::once(head).chain(parts).map(|line| line.of(&fact, Some(target.clone()))).collect()
    }

    fn all_evidence(&self) -> Vec<&LogLines> {
        match self.subject {
            Subject::Finding(id) => {
                let finding = self.context.answers.finding(id);
                let all = finding.into_iter().flat_map(|finding| &finding.evidence);
                all.filter_map(|one| if let EvidenceRef::Log(lines) = one { Some(lines) } else { None })
                    .collect()
            }
            Subject::Cause(_) | Subject::Line(..) => {
                self.causes.iter().flat_map(|one| &one.cause.evidence).collect()
            }
        }
    }

    /// The cause of a line that is held.
    fn key_of(&self, row: &LogRow) -> Option<CauseKey> {
        let view = self.context.answers.lines(&Question::Lines(String::new()))?;
        view.causes.get(row.cause?).map(CauseKey::of)
    }

    /// Of the lines of evidence those that are held, by their places.
    fn held(&self, evidence: &[&LogLines]) -> HashMap<Place, &LogRow> {
        let samples = evidence.iter().flat_map(|one| &one.samples).take(MOST_SAMPLES);
        let mut wanted: HashMap<(&str, u64), Option<&LogRow>> =
            samples.map(|sample| ((&*sample.file, sample.line), None)).collect();
        let view = self.context.answers.lines(&Question::Lines(String::new()));
        for row in view.iter().flat_map(|view| &view.rows) {
            if let Some(found) = wanted.get_mut(&(&*row.file, row.line)) {
                *found = Some(row);
            }
        }
        let found =
            wanted.into_iter().filter_map(|((file, line), row)| Some(((file.to_owned(), line), row?)));
        found.collect()
    }

    /// Whether a line that stands where evidence does can be of it: numbers begin again where a file is rotated or emptied.
    fn proves(&self, evidence: &LogLines, row: &LogRow) -> bool {
        let time = row.time.map(format_time);
        let is_after = evidence.first.is_none() || time >= evidence.first;
        let is_before = evidence.last.is_none() || time <= evidence.last;
        // What other causes have is theirs; a line of the other side may have none of its own.
        let own = self.key_of(row);
        let is_its = own.is_none_or(|key| self.causes.iter().any(|one| CauseKey::of(&one.cause) == key));
        time.is_none() || is_after && is_before && is_its
    }

    /// The objects that prove it.
    fn objects(&self) -> Vec<Line> {
        let objects = self.causes.iter().flat_map(|one| &one.cause.objects);
        let lines = objects.enumerate().flat_map(|(at, one)| {
            let name = if at == 0 { "objects" } else { "" };
            let text = format!("{} {}  {}: {}", one.object.kind, one.object.path(), one.field, one.counted);
            let target = Target::Object { object: one.object.clone(), field: Some(one.field.clone()) };
            section(name, Tone::Plain, &text, &format!("{} {}", text, one.field), Some(&target), self.width)
        });
        lines.collect()
    }

    /// What the cause, or the flag, means.
    fn meaning(&self) -> Vec<Line> {
        let Some(code) = self.explained else { return Vec::new() };
        let Some(Some(found)) = self.context.answers.explanation(&Question::Explain(code.to_owned())) else {
            return Vec::new();
        };
        let width = self.width.min(WIDEST);
        let mut lines = paragraphs(Tone::Strong, &format!("{}: {}", found.code, found.title), width);
        lines.extend(flowing(Tone::Plain, &found.text, width));
        if !found.see_also.is_empty() {
            lines.push(Line::blank());
        }
        lines.extend(found.see_also.iter().map(|other| {
            let spans = vec![span(Tone::Dim, "see also "), span(Tone::Plain, other)];
            Line::new(spans).of(&format!("see {other}"), Some(Target::Explain(other.clone())))
        }));
        lines
    }
}
