//! Readings of proxies, one after the other, and what grew between them.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;
use std::sync::{Arc, OnceLock};

use rustc_hash::{FxHashMap, FxHashSet};

use super::order::{self, Grown, Order, Reading};
use super::series::{Form, Metric, Series, Subject};
use super::{Line, parse_line, stats_json};
use crate::logs::PodName;
use crate::model::{Origin, Text};

/// Most series that are kept; the samples of others are counted.
const MOST_SERIES: usize = 200_000;

/// So many readings are looked at for the same moment in another form.
const MOST_FORMS: usize = 16;

/// The longest JSON of many lines that is read.
const LONGEST_DOCUMENT: usize = 64 << 20;

/// Most values that are kept of all readings.
const MOST_VALUES: usize = 1_000_000;

/// Whose counters they are: the pod that the flag, the path or the labels name, else nobody but the file's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Writer {
    /// A pod: namespace and name.
    Pod(Text, Text),
    /// A file of which no pod is known. Two such files are taken for two proxies.
    File(Text),
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// Everything since the proxy started: it was read once.
    SinceStart,
    /// What grew between so many readings.
    Between(u32),
    /// The same, with a restart in between, since which the later values count by themselves.
    BetweenWithRestart(u32),
}

/// A counter's value and where its last sample stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which counter.
    pub metric: Metric,
    /// How much it counts in the period.
    pub count: u64,
    /// The file and line of the last sample.
    pub origin: Origin,
}

/// One proxy.
#[derive(Debug, Clone, Default)]
struct Readings {
    shows_tls: bool,
    /// Its series, each with its number.
    series: BTreeMap<Subject, BTreeMap<Metric, usize>>,
    number_of_series: usize,
    /// The reading that is being read: values and lines by the number of the series.
    present: FxHashMap<usize, (u64, u64)>,
    clock: Reading,
    past: Vec<Reading>,
    /// What all of them say, from when it is first asked for.
    grown: OnceLock<Grown>,
}

/// The counters of all proxies that were read.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    proxies: BTreeMap<(Writer, Form), Readings>,
    files: Vec<Text>,
    /// Whose samples the present reading has.
    touched: BTreeSet<(Writer, Form)>,
    /// The samples of the present reading, to tell where the next one begins within the same file.
    present: FxHashSet<u64>,
    hasher: RandomState,
    pod: Option<PodName>,
    /// A line that waits until it is known to be whole.
    waiting: Option<(u64, Vec<u8>)>,
    /// JSON of many lines, as far as it was read, and the number of its last line.
    document: Option<(u64, Vec<u8>)>,
    is_json: bool,
    kept: usize,
    values: usize,
    read: u64,
    samples: u64,
    other: u64,
    without_room: u64,
    unreadable: Vec<(Origin, u64)>,
    cut: Vec<Origin>,
}

impl Counters {
    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.samples == 0
    }

    /// Lines that are not empty.
    pub fn lines_read(&self) -> u64 {
        self.read
    }

    /// Samples that were understood.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Lines that are neither sample nor comment.
    pub fn lines_other(&self) -> u64 {
        self.other
    }

    /// Samples of counters for which there was no room.
    pub fn without_room(&self) -> u64 {
        self.without_room
    }

    /// Files with lines that are neither sample nor comment: the first one, and how many.
    pub fn unreadable(&self) -> &[(Origin, u64)] {
        &self.unreadable
    }

    /// Files that end within a line: what it counted is not known.
    pub fn cut(&self) -> &[Origin] {
        &self.cut
    }

    /// Whether a file was read already: a reading counts once, whatever names lead to it.
    pub fn knows(&self, file: &str) -> bool {
        self.files.iter().any(|known| **known == *file)
    }

    /// Begins a reading.
    pub fn begin(&mut self, file: Text, pod: Option<PodName>) {
        self.files.push(file);
        self.pod = pod;
    }

    /// Takes a line up.
    pub fn line(&mut self, number: u64, line: &[u8]) {
        let begins = || line.trim_ascii_start().starts_with(b"{") && !line.trim_ascii_end().ends_with(b"}");
        if self.document.is_some() || self.waiting.is_none() && begins() {
            let (last, text) = self.document.get_or_insert_default();
            *last = number;
            if text.len() <= LONGEST_DOCUMENT {
                text.extend_from_slice(line);
                text.push(b'\n');
            }
            return;
        }
        let (mut waited, mut buffer) = self.waiting.take().unwrap_or_default();
        if waited > 0 {
            self.take(waited, &buffer);
        }
        buffer.clear();
        buffer.extend_from_slice(line);
        waited = number;
        self.waiting = Some((waited, buffer));
    }

    /// Ends a reading. A last line without its end may have lost digits: it does not count.
    pub fn end(&mut self, is_cut: bool) {
        if let Some((number, text)) = self.document.take() {
            self.take_document(number, &text);
        }
        if let Some((number, line)) = self.waiting.take() {
            // One value without an end of line is whole where it can be read.
            let is_whole = stats_json::tells(&line) && stats_json::lines(&line).is_some();
            if is_cut && !is_whole {
                self.read += 1;
                let origin = self.origin(self.files.len().saturating_sub(1), number);
                self.cut.push(origin);
            } else {
                self.take(number, &line);
            }
        }
        self.commit();
        self.pod = None;
    }

    fn take(&mut self, number: u64, line: &[u8]) {
        if let Some(lines) = Some(line).filter(|line| stats_json::tells(line)).and_then(stats_json::lines) {
            self.take_json(number, lines);
        } else {
            self.take_line(number, line);
        }
    }

    fn take_json(&mut self, number: u64, lines: Vec<Option<String>>) {
        self.is_json = true;
        for line in lines {
            if let Some(line) = line {
                self.take_line(number, line.as_bytes());
            } else {
                self.read += 1;
                self.samples += 1;
            }
        }
        self.is_json = false;
    }

    /// JSON of many lines, as programs set it out. Its places are the first line, as of JSON on one.
    fn take_document(&mut self, number: u64, text: &[u8]) {
        if let Some(lines) = Some(text).filter(|text| stats_json::tells(text)).and_then(stats_json::lines) {
            return self.take_json(1, lines);
        }
        self.read += 1;
        let origin = self.origin(self.files.len().saturating_sub(1), number);
        if text.len() <= LONGEST_DOCUMENT && stats_json::ends_early(text) {
            self.cut.push(origin);
        } else {
            self.other += 1;
            self.unreadable.push((Origin { line: 1, ..origin }, 1));
        }
    }

    fn take_line(&mut self, number: u64, line: &[u8]) {
        match parse_line(line) {
            Line::Comment => self.read += u64::from(!line.trim_ascii().is_empty()),
            Line::Other => {
                self.read += 1;
                self.samples += 1;
            }
            Line::Counter(series, value) => {
                self.read += 1;
                self.samples += 1;
                let identity = self.identity(line);
                if self.present.contains(&identity) {
                    self.commit();
                }
                if self.present.len() < 2 * MOST_SERIES {
                    self.present.insert(identity);
                }
                self.count(&series, value, number);
            }
            Line::Unreadable => {
                self.read += 1;
                self.other += 1;
                let file = self.files.len().saturating_sub(1);
                let origin = self.origin(file, number);
                match self.unreadable.last_mut() {
                    Some((known, count)) if known.file == origin.file => *count += 1,
                    _ => self.unreadable.push((origin, 1)),
                }
            }
        }
    }

    /// A sample without its value and time: the same one twice in a file are two readings.
    fn identity(&self, line: &[u8]) -> u64 {
        let line = line.trim_ascii();
        let labels = memchr::memrchr(b'}', line);
        let stat = || memchr::memmem::rfind(line, b": ");
        let bare = || line.iter().position(u8::is_ascii_whitespace);
        let end = labels.or_else(stat).or_else(bare).unwrap_or(line.len());
        self.hasher.hash_one(line.get(..end).unwrap_or(line))
    }

    fn count(&mut self, series: &Series, value: u64, number: u64) {
        let file = self.files.len().saturating_sub(1);
        let writer = match (&series.pod, &self.pod) {
            (Some((namespace, name)), _) => Writer::Pod(Arc::clone(namespace), Arc::clone(name)),
            (None, Some(pod)) => Writer::Pod(Arc::clone(&pod.namespace), Arc::clone(&pod.name)),
            (None, None) => Writer::File(self.files.last().cloned().unwrap_or_default()),
        };
        let key = (writer, series.form);
        let known = self.proxies.get(&key);
        let metrics = known.and_then(|readings| readings.series.get(&series.subject));
        let place = metrics.and_then(|metrics| metrics.get(&series.metric)).copied();
        let is_new = u8::from(known.is_none()) + u8::from(place.is_none() && value > 0);
        let is_present = known.zip(place).is_some_and(|(known, place)| known.present.contains_key(&place));
        if is_new > 0 && self.kept >= MOST_SERIES || !is_present && self.values >= MOST_VALUES {
            self.without_room += 1;
            return;
        }
        self.kept += usize::from(is_new);
        let readings = self.proxies.entry(key.clone()).or_default();
        self.touched.insert(key);
        readings.shows_tls |= series.metric.is_tls();
        readings.clock.file = file;
        readings.clock.is_json = self.is_json;
        readings.clock.time = readings.clock.time.max(series.time);
        if series.metric == Metric::Uptime {
            readings.clock.uptime = readings.clock.uptime.max(Some(value));
            return;
        }
        // What never counted and what is not there are the same.
        if place.is_none() && value == 0 {
            return;
        }
        let place = place.unwrap_or_else(|| {
            let place = readings.number_of_series;
            readings.number_of_series += 1;
            readings.series.entry(series.subject.clone()).or_default().insert(series.metric, place);
            place
        });
        // Samples that differ in a label that is not kept are one counter.
        let present = readings.present.entry(place).or_default();
        *present = (present.0.saturating_add(value), number);
        self.values += usize::from(!is_present);
    }

    /// Takes the present reading up into what was read before.
    fn commit(&mut self) {
        self.present.clear();
        for key in std::mem::take(&mut self.touched) {
            if let Some(readings) = self.proxies.get_mut(&key) {
                readings.commit();
            }
        }
    }

    fn origin(&self, file: usize, line: u64) -> Origin {
        Origin { file: self.files.get(file).cloned().unwrap_or_default(), line }
    }

    /// All proxies, by whose they are. One of which both texts were read is told twice: by the text that was read more
    /// often, and by the other as far as it has something else.
    pub fn proxies(&self) -> impl Iterator<Item = Proxy<'_>> {
        self.proxies.iter().map(|((writer, form), readings)| {
            let other = match form {
                Form::Statistics => Form::Prometheus,
                Form::Prometheus => Form::Statistics,
            };
            let other = self.proxies.get(&(writer.clone(), other)).filter(|other| {
                other.number() > readings.number()
                    || other.number() == readings.number() && *form == Form::Prometheus
            });
            Proxy { counters: self, writer, readings, told_before: other }
        })
    }
}

impl Readings {
    fn commit(&mut self) {
        let mut values: Vec<_> =
            self.present.drain().map(|(series, (value, line))| (series, value, line)).collect();
        values.sort_unstable();
        let reading = Reading { values, ..std::mem::take(&mut self.clock) };
        // Text and JSON of one moment are one reading.
        if self.past.iter().rev().take(MOST_FORMS).any(|past| past.is_other_form_of(&reading)) {
            return;
        }
        self.past.push(reading);
        self.grown = OnceLock::new();
    }

    fn number(&self) -> u32 {
        u32::try_from(self.past.len()).unwrap_or(u32::MAX)
    }
}

/// One proxy, and what its counters say.
#[derive(Debug, Clone, Copy)]
pub struct Proxy<'a> {
    counters: &'a Counters,
    /// Whose they are.
    pub writer: &'a Writer,
    readings: &'a Readings,
    /// What the other text of the same proxy tells already.
    told_before: Option<&'a Readings>,
}

impl<'a> Proxy<'a> {
    /// What the values count.
    pub fn period(&self) -> Period {
        match (self.readings.number(), self.grown().restarted) {
            (0 | 1, _) => Period::SinceStart,
            (number, false) => Period::Between(number),
            (number, true) => Period::BetweenWithRestart(number),
        }
    }

    /// By what its readings were put in order, where there are several.
    pub fn order(&self) -> Option<Order> {
        self.grown().order
    }

    fn grown(&self) -> &'a Grown {
        self.readings.grown.get_or_init(|| order::grown(&self.readings.past, &self.counters.files))
    }

    /// The counters of each subject.
    pub fn sheets(&self) -> impl Iterator<Item = (&'a Subject, Sheet)> + use<'a> {
        let (counters, grown, before) = (self.counters, self.grown(), self.told_before);
        let new = move |subject: &Subject| before.is_none_or(|before| !before.series.contains_key(subject));
        self.readings.series.iter().filter(move |(subject, _)| new(subject)).map(move |(subject, metrics)| {
            let seen = metrics.iter().filter_map(|(metric, place)| {
                let (count, (file, line)) = *grown.counted.get(*place)?;
                Some(Seen { metric: *metric, count, origin: counters.origin(file, line) })
            });
            (subject, Sheet(seen.collect()))
        })
    }

    /// Whether the proxy shows any counter of TLS: most do not (data fact 21), and then a missing one says nothing.
    pub fn shows_tls(&self) -> bool {
        self.readings.shows_tls
    }
}

/// The counters of one subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet(Vec<Seen>);

impl Sheet {
    /// How much a counter counts; 0 where it is not there, as proxies leave out what they never used.
    pub fn count(&self, metric: Metric) -> u64 {
        self.seen(metric).map_or(0, |seen| seen.count)
    }

    /// The counter, and where it stands.
    pub fn seen(&self, metric: Metric) -> Option<&Seen> {
        self.0.iter().find(|seen| seen.metric == metric)
    }

    /// Adds the counters of another subject that are told together with these.
    pub fn absorb(&mut self, other: Self) {
        for seen in other.0 {
            match self.0.iter_mut().find(|own| own.metric == seen.metric) {
                Some(own) => own.count += seen.count,
                None => self.0.push(seen),
            }
        }
    }
}
