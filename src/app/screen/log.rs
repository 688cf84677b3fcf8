//! The log view: the last lines as columns or whole, those that a query and a range of time take, how many there were
//! over time, and the causes of what failed.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::cause::pair_read;
use super::causes::one_of;
use super::{Behaviour, Context, Title, View};
use crate::answer::causes::NamedCause;
use crate::answer::explain::explain;
use crate::answer::log_lines::{LogRow, LogView};
use crate::answer::logs::Cause;
use crate::app::command::{LogKey, Motion};
use crate::app::filter::Filter;
use crate::app::histogram::Histogram;
use crate::app::listing::{Listing, Row};
use crate::app::page::Tone;
use crate::app::query_words;
use crate::app::question::Question;
use crate::app::target::{CauseKey, Subject, Target};
use crate::app::wording::{count, short_host, thousands};
use crate::logs::{Mistake, Query, format_time};
use crate::model::Text;
use crate::resolve::name::namespace_in;
use crate::text::{visible, width, wrap};

/// Rows that decide how wide columns are.
const MEASURED: usize = 1000;
/// Rows of the body from which on there is room for the histogram.
const ROOM_FOR_BARS: usize = 12;
/// Cells of a line that do not hold bars: their names at the left, what they say at the right.
const BESIDE_BARS: usize = 36;

/// The ranges of time by their keys, as k9s has them: minutes before the newest line.
const RANGES: [(u8, i64, &str); 5] = [
    (2, 1, "last 1 min"),
    (3, 5, "last 5 min"),
    (4, 15, "last 15 min"),
    (5, 30, "last 30 min"),
    (6, 60, "last 1 h"),
];

/// A line by its number among all that were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct LineId(u64);

impl LineId {
    fn of(row: &LogRow) -> Self {
        Self(row.serial)
    }
}

/// How lines are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// Whole, on as many lines as they take, and not as columns.
    pub wrap: bool,
    /// With the date before the time.
    pub date: bool,
    /// Nothing but lines.
    pub full: bool,
}

/// How many cells the longest text of a column takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Widest {
    /// Flags.
    pub flags: usize,
    /// Milliseconds.
    pub duration: usize,
    /// Callers.
    pub caller: usize,
    /// Hosts.
    pub host: usize,
    /// Paths.
    pub path: usize,
    /// Causes.
    pub cause: usize,
}

/// A line as it is shown whole.
#[derive(Debug)]
pub struct Whole<'a> {
    /// The line.
    pub row: &'a LogRow,
    /// Its parts, one below the other.
    pub parts: Vec<String>,
    /// Whether it is the selected one.
    pub selected: bool,
}

/// The screen. Its filter is a query of `logs --where`.
#[derive(Debug, Default)]
pub struct LogLines {
    listing: Listing<LineId>,
    view: Option<Arc<LogView>>,
    /// The last query without mistake: a query that is being typed changes nothing before it is one.
    query: String,
    mistake: Option<Mistake>,
    look: Look,
    /// The number of the range of time.
    range: Option<u8>,
    /// The newest line is not followed: the selection stays on its line.
    stays: bool,
    marks: HashSet<LineId>,
    /// The line that was marked last, where a range of marks begins.
    marked_last: Option<LineId>,
    histogram: Option<Histogram>,
    failed: u64,
    widest: Widest,
}

impl LogLines {
    /// Its rows.
    pub fn listing(&self) -> &Listing<LineId> {
        &self.listing
    }

    /// What the rows stand in.
    pub fn view(&self) -> Option<&LogView> {
        self.view.as_deref()
    }

    /// How lines are shown.
    pub fn look(&self) -> Look {
        self.look
    }

    /// How wide its columns would be.
    pub fn widest(&self) -> Widest {
        self.widest
    }

    /// Whether lines are marked, and whether this one is.
    pub fn is_marked(&self, row: &LogRow) -> Option<bool> {
        (!self.marks.is_empty()).then(|| self.marks.contains(&LineId::of(row)))
    }

    /// Lines over time and how many of those shown failed, where there is room to show it.
    pub fn bars(&self) -> Option<(&Histogram, u64)> {
        Some((self.histogram.as_ref().filter(|_| !self.look.full)?, self.failed))
    }

    fn selected(&self) -> Option<&LogRow> {
        self.view.as_ref()?.rows.get(self.listing.selected()?.at)
    }

    /// The cause of a line.
    pub fn cause(&self, row: &LogRow) -> Option<&Cause> {
        self.view.as_ref()?.causes.get(row.cause?)
    }

    /// The causes that lines like it have, where nothing tells which one is its own.
    pub fn several(&self, row: &LogRow) -> Vec<&Cause> {
        self.view.as_ref().map(|view| view.several_of(row)).unwrap_or_default()
    }

    /// The cause of a line in the table: one that is only possible is no more than that there either.
    pub fn cause_text(&self, row: &LogRow) -> String {
        let several = self.several(row);
        if let [first, rest @ ..] = several.as_slice() {
            let alike = rest.iter().all(|other| other.cause == first.cause);
            return if alike { format!("{}?", first.cause) } else { format!("one of {}?", several.len()) };
        }
        let Some(cause) = self.cause(row) else { return "-".to_owned() };
        let doubt = if cause.confidence == "possible" && cause.cause != "unknown" { "?" } else { "" };
        format!("{}{doubt}", cause.cause)
    }

    fn question(&self) -> Question {
        Question::Lines(self.query.clone())
    }

    /// The lines in sight, each whole, the selected one among them. No other line is looked at.
    pub fn wrapped(&self, room: usize, cells: usize) -> Vec<Whole<'_>> {
        let (top, at) = self.listing.place();
        let rows = self.listing.rows();
        let whole = |place: usize| {
            let row = self.view.as_ref()?.rows.get(rows.get(place)?.at)?;
            // More than the screen holds is cut: `d` shows all of it.
            let text: String = row.text().chars().take(room.saturating_mul(cells)).collect();
            let mut parts = wrap(&visible(&text), cells);
            if parts.len() > room {
                parts.truncate(room.saturating_sub(1));
                parts.push("… d shows the whole line".to_owned());
            }
            Some(Whole { row, parts, selected: place == at })
        };
        let mut shown: std::collections::VecDeque<Whole<'_>> = (top..=at).filter_map(whole).collect();
        let mut used: usize = shown.iter().map(|one| one.parts.len()).sum();
        while used > room && shown.len() > 1 {
            used -= shown.pop_front().map_or(0, |one| one.parts.len());
        }
        for next in (at + 1..rows.len()).map_while(whole) {
            if used >= room {
                break;
            }
            used += next.parts.len();
            shown.push_back(next);
        }
        shown.into()
    }

    /// Why there is no row, and what would fill it.
    pub fn empty(&self, context: &Context<'_>) -> Vec<(Tone, String)> {
        let Some(view) = &self.view else {
            return vec![(Tone::Dim, context.waiting(&self.question()))];
        };
        let range = self.range_text();
        let is_all = view.read <= view.held;
        let lines = format!("{}{}", count(view.held, "line"), if is_all { "" } else { " held" });
        let text = if view.held == 0 {
            format!("no access log in {}: `meshscope logs -f PATH` says what a path has", context.source.name)
        } else if !self.query.is_empty() && view.rows.is_empty() {
            format!("the query takes none of {lines}: esc takes it away")
        } else if let Some(range) = range {
            let newest = view.newest.map(format_time).unwrap_or_default();
            format!("none of {lines} is of the {range} before {newest}: 0 shows all times")
        } else {
            format!(
                "no lines in {} ({} in other namespaces: press 0 in another view)",
                context.namespace_name(),
                view.rows.len()
            )
        };
        vec![(Tone::Plain, text)]
    }

    fn range_text(&self) -> Option<&'static str> {
        RANGES.iter().find(|(key, ..)| Some(*key) == self.range).map(|(.., text)| *text)
    }

    /// The time from which on lines are shown.
    fn from(&self) -> Option<i64> {
        let (_, minutes, _) = RANGES.iter().find(|(key, ..)| Some(*key) == self.range)?;
        Some(self.view.as_ref()?.newest?.saturating_sub(minutes * 60_000_000))
    }

    /// The causes in one line, most lines first: as many as there is room for, and how many more there are.
    pub fn causes(&self, cells: usize) -> String {
        let mut counts: Vec<(&str, &str, u64)> = Vec::new();
        for cause in self.view.iter().flat_map(|view| &view.causes) {
            let (label, sure) = (cause.cause.as_str(), cause.confidence.as_str());
            match counts.iter_mut().find(|(of, how, _)| *of == label && *how == sure) {
                Some((.., count)) => *count += cause.count,
                None => counts.push((label, sure, cause.count)),
            }
        }
        counts.sort_by_key(|(.., count)| std::cmp::Reverse(*count));
        let text = |(label, sure, count): &(&str, &str, u64)| match (*label, *sure) {
            // That it is not known is not possible, it is so.
            ("unknown", _) => format!("unknown {}", thousands(*count)),
            (label, sure) => format!("{label} {} {sure}", thousands(*count)),
        };
        let texts: Vec<_> = counts.iter().map(text).collect();
        let mut told = String::new();
        for (at, text) in texts.iter().enumerate() {
            let gap = if at == 0 { "" } else { " · " };
            let more = format!(" · {} more", texts.len() - at);
            let behind = if at + 1 == texts.len() { 0 } else { width(&more) };
            if at > 0 && width(&told) + width(gap) + width(text) + behind > cells {
                told.push_str(&more);
                return told;
            }
            told.extend([gap, text]);
        }
        if texts.is_empty() { "nothing failed".to_owned() } else { told }
    }

    /// Does what a key of its own says.
    pub fn press(&mut self, key: LogKey) {
        match key {
            LogKey::Wrap => self.look.wrap = !self.look.wrap,
            LogKey::Date => self.look.date = !self.look.date,
            LogKey::Full => self.look.full = !self.look.full,
            LogKey::Autoscroll => self.stays = !self.stays,
            LogKey::Mark => self.mark(),
            LogKey::MarkRange => self.mark_range(),
            LogKey::Unmark => {
                self.marks.clear();
                self.marked_last = None;
            }
            LogKey::Range(number) => {
                self.range = Some(number).filter(|number| RANGES.iter().any(|(key, ..)| key == number));
                self.listing.move_by(if number == 1 { Motion::Last } else { Motion::First });
                self.stays = number == 1;
            }
        }
    }

    fn mark(&mut self) {
        let Some(id) = self.listing.selected().map(|row| row.id) else { return };
        if self.marks.remove(&id) {
            self.marked_last = None;
        } else {
            self.marks.insert(id);
            self.marked_last = Some(id);
        }
        self.move_by(Motion::Down);
    }

    /// Marks all lines from the one that was marked last to the selected one.
    fn mark_range(&mut self) {
        let rows = self.listing.rows();
        let (_, at) = self.listing.place();
        let from = self.marked_last.and_then(|id| rows.iter().position(|row| row.id == id));
        let from = from.unwrap_or(at);
        let range = rows.get(from.min(at)..=from.max(at)).unwrap_or_default();
        self.marks.extend(range.iter().map(|row| row.id));
        self.marked_last = self.listing.selected().map(|row| row.id);
    }

    /// The marked lines, in the order in which they are shown.
    fn marked_text(&self) -> Option<String> {
        if self.marks.is_empty() {
            return None;
        }
        let rows = self.view.iter().flat_map(|view| &view.rows);
        let marked = rows.filter(|row| self.marks.contains(&LineId::of(row)));
        Some(marked.map(LogRow::text).collect::<Vec<_>>().join("\n"))
    }

    fn measure(&mut self, view: &LogView) {
        let cells = |text: Option<&Text>| text.map_or(1, |text| width(&visible(text)));
        let rows = self.listing.rows().iter().take(MEASURED).filter_map(|row| view.rows.get(row.at));
        self.widest = rows.fold(Widest::default(), |widest, row| Widest {
            flags: widest.flags.max(cells(row.flags.as_ref())),
            duration: widest.duration.max(row.duration.map_or(1, |millis| millis.to_string().len())),
            caller: widest.caller.max(cells(row.caller.as_ref())),
            host: widest.host.max(row.host.as_deref().map_or(1, |host| width(&visible(short_host(host))))),
            path: widest.path.max(cells(row.path.as_ref())),
            cause: widest.cause.max(self.cause_text(row).len()),
        });
    }

    /// The finding that names the cause of a line, where it is known already.
    fn named<'a>(&self, row: &LogRow, context: &Context<'a>) -> Option<&'a NamedCause> {
        CauseKey::of(self.cause(row)?).find(&context.answers.causes()?.causes)
    }
}

fn is_of(row: &LogRow, namespace: &str) -> bool {
    let of_path = |path: &Option<Text>| {
        path.as_ref().and_then(|path| path.split_once('/')).is_some_and(|(of, _)| of == namespace)
    };
    let of_host = row.host.as_deref().and_then(namespace_in) == Some(namespace);
    of_path(&row.pod) || of_path(&row.caller) || of_host
}

impl Behaviour for LogLines {
    fn questions(&self) -> Vec<Question> {
        vec![self.question(), Question::Causes]
    }

    fn refresh(&mut self, context: &Context<'_>) {
        if let Some(view) = context.answers.lines(&self.question()) {
            self.view = Some(Arc::clone(view));
        }
        let Some(view) = self.view.clone() else { return };
        let from = self.from();
        let shown = |row: &LogRow| {
            context.namespace.is_none_or(|namespace| is_of(row, namespace))
                && from.is_none_or(|from| row.time.is_some_and(|time| time >= from))
        };
        let rows = view.rows.iter().enumerate().filter(|(_, row)| shown(row));
        let rows: Vec<_> = rows.map(|(at, row)| Row { id: LineId::of(row), at }).collect();
        let all = || rows.iter().filter_map(|row| view.rows.get(row.at));
        self.failed = all().filter(|row| row.failed()).count() as u64;
        let body = context.room(View::Log);
        let columns = context.extent.columns().saturating_sub(BESIDE_BARS);
        let times = all().filter_map(|row| Some((row.time?, row.failed())));
        self.histogram = if body < ROOM_FOR_BARS { None } else { Histogram::of(times, columns) };
        let above = if self.bars().is_some() { 2 } else { 0 };
        // The head of the table, where there are columns, and the causes below it.
        let beside = usize::from(!self.look.wrap) + usize::from(!self.look.full);
        self.listing.set(rows, view.rows.len(), body.saturating_sub(above + beside));
        if !self.stays {
            self.listing.move_by(Motion::First);
        }
        self.measure(&view);
    }

    fn move_by(&mut self, motion: Motion) {
        self.listing.move_by(motion);
        self.stays = self.listing.place().1 > 0;
    }

    fn title(&self, context: &Context<'_>) -> Title {
        let held = self.view.as_ref().map_or(0, |view| view.held);
        let others = self.view.as_ref().map_or(0, |view| view.read - view.held.min(view.read));
        // What narrows the view stands first: a title is cut at its end.
        let mut counts: Vec<_> =
            self.range_text().map(|range| (Tone::Info, range.to_owned())).into_iter().collect();
        if !self.marks.is_empty() {
            counts.push((Tone::Info, format!("{} marked", self.marks.len())));
        }
        counts.push((Tone::Dim, format!("of {}", count(held, "line"))));
        // Lines are dropped as they are read: of two files the one read first loses its own, however new they are.
        if others > 0 {
            counts.push((Tone::Dim, format!("{} not held", count(others, "line"))));
        }
        let right = self.histogram.as_ref().map(|histogram| (Tone::Dim, histogram.span_text()));
        Title {
            name: format!("log({})[{}]", context.namespace_name(), thousands(self.listing.len() as u64)),
            counts,
            right,
        }
    }

    fn command(&self) -> Vec<String> {
        let mut words = vec!["logs".to_owned()];
        if !self.query.is_empty() {
            words.extend(["--where".to_owned(), self.query.clone()]);
        }
        words.extend(self.from().into_iter().flat_map(|from| ["--since".to_owned(), format_time(from)]));
        words
    }

    fn open(&self, context: &Context<'_>) -> Option<Target> {
        let row = self.selected()?;
        let pair = pair_read(context, row.host.as_deref(), row.caller.as_deref(), row.port);
        match pair {
            Some(pair) => Some(Target::Why { pairs: vec![pair], finding: None }),
            None => self.describe(),
        }
    }

    fn describe(&self) -> Option<Target> {
        let row = self.selected()?;
        let key = self.cause(row).map(CauseKey::of);
        Some(Target::Cause(Box::new(Subject::Line(Box::new(row.clone()), key))))
    }

    fn code(&self, _: &Context<'_>) -> Option<String> {
        let row = self.selected()?;
        // ztunnel writes an error in place of flags, which has no page.
        let flags = row.flags.as_deref().filter(|flags| explain(flags).is_some()).map(str::to_owned);
        let cause = || self.cause(row).map(|cause| cause.cause.clone());
        flags.or_else(cause).or_else(|| row.details.as_deref().map(str::to_owned))
    }

    fn authorization(&self, context: &Context<'_>) -> Option<Target> {
        super::authz_rules::of_line(self.selected()?, self.cause(self.selected()?), context)
    }

    fn finding(&self, context: &Context<'_>) -> Option<String> {
        Some(self.named(self.selected()?, context)?.finding.as_ref()?.id.clone())
    }

    fn name(&self, _: &Context<'_>) -> Option<(String, Option<String>)> {
        let row = self.selected()?;
        let namespace =
            row.pod.as_ref().and_then(|pod| pod.split_once('/')).map(|(namespace, _)| namespace.to_owned());
        Some((self.marked_text().unwrap_or_else(|| row.text().into_owned()), namespace))
    }

    fn detail(&self, context: &Context<'_>) -> Option<String> {
        let row = self.selected()?;
        let finding = self.named(row, context).and_then(|one| one.finding.as_ref());
        let cause = self.cause(row).map(|cause| {
            let label = match finding {
                Some(finding) if finding.name == cause.cause => format!("{} {}", finding.code, cause.cause),
                Some(finding) => format!("{} {}: {}", finding.code, finding.name, cause.cause),
                None => cause.cause.clone(),
            };
            let other = if cause.alternatives.is_empty() { "" } else { ", not ruled out: " };
            format!("{label} ({}{other}{})  ", cause.confidence, cause.alternatives.join(", "))
        });
        let several = self.several(row);
        let cause = cause.or_else(|| (!several.is_empty()).then(|| format!("{}  ", one_of(&several))));
        // Lines that are shown whole are not shown twice.
        let rest = if self.look.wrap { format!("{}:{}", row.file, row.line).into() } else { row.text() };
        Some(format!("{}{rest}", cause.unwrap_or_default()))
    }

    fn filter(&self) -> Option<&Filter> {
        Some(self.listing.filter())
    }

    fn set_filter(&mut self, filter: Filter) {
        let text = filter.text();
        match Query::parse(text) {
            _ if text.is_empty() => (self.query, self.mistake) = (String::new(), None),
            Ok(_) => (self.query, self.mistake) = (text.to_owned(), None),
            Err(mistake) => self.mistake = Some(mistake),
        }
        self.listing.set_filter(filter);
    }

    fn completions(&self, before: &str) -> Option<(usize, Vec<String>)> {
        let none = BTreeMap::new();
        let values = self.view.as_ref().map_or(&none, |view| &view.values);
        Some(query_words::completions(before, values))
    }

    fn mistake(&self) -> Option<(usize, &str)> {
        self.mistake.as_ref().map(|mistake| (mistake.column(), mistake.what()))
    }
}
