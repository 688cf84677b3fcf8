//! Reads the lines of a source that are not plain access-log lines: wrapped ones, those in JSON, and those that were
//! broken into several.
//!
//! A line of the log that stands on several lines of the file is known only when its last part is there. Until then
//! its parts are other lines; when it is whole they are taken back, so the numbers are right at every moment.

use super::access_json::parse_json;
use super::access_line::{AccessLine, Format};
use super::access_text::parse_text;
use super::format::{Formats, Tried};
use super::guess::{guess, is_beginning};
use super::other_layouts::{behind_prefix, is_of_other_layout};
use super::wrapping::{Found, Stream, Writer, peel};

mod broken;

use broken::Broken;

/// A line that a container runtime cut into parts is kept up to here, and so many of them at a time.
const LONGEST: usize = 1024 * 1024;
const MOST_CUT: usize = 64;

/// A line of the file: its number, and what stands there.
pub type Row = (u64, Vec<u8>);

/// Where an access-log line stands.
#[derive(Debug, Clone, Copy)]
pub struct At<'r> {
    /// The number of its first line.
    pub first: u64,
    /// Where it stands on several: all of them, if somebody wants to see lines ([`Reader::keep_rows`]).
    pub rows: &'r [Row],
}

/// Whoever takes up what was read: the pod that a prefix names, where the line stands, the line.
pub type Take<'t> = dyn FnMut(Option<Writer<'_>>, At<'_>, &AccessLine<'_>) + 't;

/// What became of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// It is an access-log line, or the last part of one.
    pub access: bool,
    /// It is of an access log, in a layout that is not read.
    pub unread: bool,
    /// What it is to the lines around it.
    pub part: Part,
    /// So many lines before it, counted as other, were parts of the same.
    pub joined: u64,
    /// So many of those were taken for lines in a layout that is not read.
    pub joined_unread: u64,
    /// So many lines before it, counted as other, are a whole line of their own, as this one shows.
    pub ended: u64,
    /// So many of those were taken for lines in a layout that is not read.
    pub ended_unread: u64,
}

/// What a line is to the lines around it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Part {
    /// Nothing.
    #[default]
    None,
    /// The end of the last word of the line before it, which was read without that word.
    EndsWord,
    /// It may be a part of a line that goes on.
    Waits,
}

/// The pod that a prefix named, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owner {
    namespace: Option<String>,
    name: String,
}

impl Owner {
    fn of(writer: Writer<'_>) -> Self {
        Self { namespace: writer.namespace.map(str::to_owned), name: writer.name.to_owned() }
    }

    fn writer(&self) -> Writer<'_> {
        Writer { namespace: self.namespace.as_deref(), name: &self.name }
    }
}

/// The parts so far of a line that a container runtime cut.
#[derive(Debug, Clone)]
struct Parts {
    owner: Option<Owner>,
    stream: Option<Stream>,
    first: u64,
    lines: u64,
    text: Vec<u8>,
    rows: Vec<Row>,
}

/// Reads the lines of one source that are not plain.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    parts: Vec<Parts>,
    broken: Option<Broken>,
    /// Whether lines are kept as they stand, and those that waited and are none of an access log.
    keeps_rows: bool,
    given_up: Vec<Row>,
    /// The number of the line behind one whose last word may go on there, and how wide the lines are.
    word_goes_on: Option<(u64, usize)>,
}

impl Reader {
    /// Keeps the lines that are parts of others as they stand, for whoever wants to see them.
    pub fn keep_rows(&mut self) {
        self.keeps_rows = true;
    }

    /// The lines that waited and are none of an access log, or one of them in parts.
    pub fn take_given_up(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.given_up)
    }

    /// Reads a line and hands on the access-log line that it is, or that it makes whole.
    pub fn read(&mut self, number: u64, line: &[u8], formats: &Formats, take: &mut Take<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        // The ordinary line of a JSON log, without a look at what could stand around it.
        let one = At { first: number, rows: &[] };
        if self.broken.is_none()
            && line.first() == Some(&b'{')
            && read_object(line, formats, &mut |line| take(None, one, line))
        {
            outcome.access = true;
            return outcome;
        }
        peel(line, &|text| is_object_line(text, formats), &mut |found, text| {
            outcome = self.peeled(number, line, found, text, formats, take);
        });
        outcome
    }

    /// Nothing that follows belongs to a line that was broken: it is whole as it is, or none.
    pub fn end_broken(&mut self, outcome: &mut Outcome, take: &mut Take<'_>) {
        let Some(broken) = self.broken.take() else { return };
        let rows = broken.end(outcome, take);
        self.given_up.extend(broken.into_rows().into_iter().skip(rows));
    }

    /// Nothing follows.
    pub fn end(&mut self, take: &mut Take<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        self.end_broken(&mut outcome, take);
        self.given_up.extend(self.parts.drain(..).flat_map(|parts| parts.rows));
        outcome
    }

    fn peeled(
        &mut self,
        number: u64,
        line: &[u8],
        found: &Found<'_>,
        text: &[u8],
        formats: &Formats,
        take: &mut Take<'_>,
    ) -> Outcome {
        if found.partial {
            let mut outcome = Outcome { part: Part::Waits, ..Outcome::default() };
            self.end_broken(&mut outcome, take);
            self.add_part(number, line, found, text);
            return outcome;
        }
        let one = At { first: number, rows: &[] };
        if let Some(mut parts) = self.parts_of(found).map(|at| self.parts.remove(at)) {
            let whole = [parts.text.as_slice(), text].concat();
            if self.keeps_rows {
                parts.rows.push((number, line.to_vec()));
            }
            let at = At { first: parts.first, rows: &parts.rows };
            let access = read_whole(&whole, formats, &mut |line| take(found.writer, at, line));
            // The line may be one of its own, where the parts before it were never ended.
            if access || !read_whole(text, formats, &mut |line| take(found.writer, one, line)) {
                let unread = !access && is_of_other_layout(&whole);
                if !access {
                    self.given_up.extend(joined_rows(&parts.rows));
                }
                return Outcome { access, unread, joined: parts.lines, ..Outcome::default() };
            }
            parts.rows.pop();
            self.given_up.append(&mut parts.rows);
            return Outcome { access: true, ..Outcome::default() };
        }
        let mut outcome = Outcome::default();
        // What was whole before it goes before it.
        if self.broken.as_ref().is_some_and(Broken::is_whole) && read_whole(text, formats, &mut |_| {}) {
            self.end_broken(&mut outcome, take);
        }
        if read_whole(text, formats, &mut |line| take(found.writer, one, line)) {
            self.end_broken(&mut outcome, take);
            outcome.access = true;
            return outcome;
        }
        let is_word = !text.is_empty() && !text.iter().any(u8::is_ascii_whitespace);
        if self.word_goes_on.take_if(|(at, width)| *at == number && is_word && text.len() < *width).is_some()
        {
            return Outcome { part: Part::EndsWord, ..Outcome::default() };
        }
        let unread = is_of_other_layout(text);
        let prefixed = text.len() < line.len();
        let same = |broken: &mut Broken| !prefixed || broken.owner == found.writer.map(Owner::of);
        if let Some(mut broken) = self.broken.take_if(same) {
            // A line that goes on has no prefix of its own where a terminal broke it; a collector gives it one.
            let next = if broken.prefixed && prefixed { text } else { line };
            let raw = self.keeps_rows.then_some(line);
            if let Some(joined) = broken.go_on(number, next, raw, unread, formats, take) {
                self.word_goes_on = broken.full_width().map(|width| (number + 1, width));
                return Outcome { access: true, unread: false, ..joined };
            }
            let waits = broken.waits();
            self.broken = Some(broken);
            if waits {
                return Outcome { unread, part: Part::Waits, ..Outcome::default() };
            }
        }
        outcome.unread = unread;
        let is_row = self.broken.as_ref().is_some_and(|broken| broken.has(number));
        self.end_broken(&mut outcome, take);
        self.broken = Broken::begin(number, text, found.writer, prefixed, unread);
        if let Some(broken) = &mut self.broken {
            outcome.part = Part::Waits;
            if self.keeps_rows {
                broken.keep(number, line);
            }
        }
        // It was a part of the one that was given up, and is told with it.
        if is_row {
            outcome.part = Part::Waits;
        }
        outcome
    }

    fn parts_of(&self, found: &Found<'_>) -> Option<usize> {
        let is = |parts: &Parts| {
            parts.stream == found.stream && parts.owner.as_ref().map(Owner::writer) == found.writer
        };
        self.parts.iter().position(is).filter(|_| found.stream.is_some())
    }

    fn add_part(&mut self, number: u64, line: &[u8], found: &Found<'_>, text: &[u8]) {
        let mut parts = match self.parts_of(found) {
            Some(at) => self.parts.remove(at),
            None => Parts {
                owner: found.writer.map(Owner::of),
                stream: found.stream,
                first: number,
                lines: 0,
                text: Vec::new(),
                rows: Vec::new(),
            },
        };
        parts.lines += 1;
        if parts.text.len() + text.len() <= LONGEST {
            parts.text.extend_from_slice(text);
            if self.keeps_rows {
                parts.rows.push((number, line.to_vec()));
            }
        }
        if self.parts.len() == MOST_CUT {
            self.given_up.extend(self.parts.remove(0).rows);
        }
        self.parts.push(parts);
    }
}

/// Lines that are one, as one.
fn joined_rows(rows: &[Row]) -> Option<Row> {
    let (first, _) = rows.first()?;
    let texts: Vec<_> = rows.iter().map(|(_, text)| text.as_slice()).collect();
    Some((*first, texts.join(&b'\n')))
}

/// Whether a line is one of an access log by itself, wrapped or not, or the beginning of one.
pub fn is_access_line(line: &[u8], formats: &Formats) -> bool {
    // A format of one's own may begin as what tools put before a line.
    let mut any = formats.any_configured() && formats.read_configured(line).is_some()
        || formats.read_given(line).is_some();
    peel(line, &|text| is_object_line(text, formats), &mut |_, text| {
        any = any || read_whole(text, formats, &mut |_| {}) || is_beginning(text);
    });
    any
}

/// Reads a text from which everything known was taken off.
fn read_whole(text: &[u8], formats: &Formats, take: &mut dyn FnMut(&AccessLine<'_>)) -> bool {
    let configured = if formats.any_configured() { formats.read_configured(text) } else { None };
    let is_object = text.trim_ascii_start().starts_with(b"{");
    if configured.is_none() && is_object && read_object(text, formats, take) {
        return true;
    }
    let known = || {
        parse_text(text)
            .or_else(|| parse_text(behind_prefix(text)?))
            .or_else(|| without_time(text))
            .or_else(|| parse_text(without_label(text)?))
    };
    let line = configured
        .or_else(|| if is_object { None } else { known() })
        .or_else(|| formats.read_given(text))
        .or_else(|| guess(text).filter(|_| !formats.any_fits(text)));
    line.as_ref().map(take).is_some()
}

/// Whether an object is a line by one of the formats that are known.
fn is_object_line(text: &[u8], formats: &Formats) -> bool {
    !formats.is_empty() && formats.read_object(text, &mut |_| {}) == Tried::Line
}

/// Reads an object: by the formats that are known, else by the names of its keys.
fn read_object(text: &[u8], formats: &Formats, take: &mut dyn FnMut(&AccessLine<'_>)) -> bool {
    match formats.read_object(text, take) {
        Tried::Line => true,
        // The names may be those that mislead.
        Tried::Differ => false,
        Tried::None => parse_json(text, take).is_some(),
    }
}

/// A line of the first Envoys that captured traffic in ambient mode, without the name of their listener at its end:
/// `inbound hcm`, `capture outbound (no waypoint proxy)`.
fn without_label(text: &[u8]) -> Option<&[u8]> {
    const WORDS: [&[u8]; 10] = [
        b"capture",
        b"inbound",
        b"outbound",
        b"pod",
        b"listener",
        b"tunnel",
        b"hcm",
        b"(no",
        b"waypoint",
        b"proxy)",
    ];
    let mut rest = text.trim_ascii_end();
    let (mut words, mut tells_side) = (0, false);
    while let Some((before, word)) = memchr::memrchr(b' ', rest).and_then(|at| rest.split_at_checked(at)) {
        let word = word.trim_ascii_start();
        if !WORDS.contains(&word) {
            break;
        }
        words += 1;
        tells_side |= matches!(word, b"inbound" | b"outbound");
        rest = before;
    }
    (words >= 2 && tells_side).then_some(rest)
}

/// A line of which only the time cannot be read: it begins with the first quote. Envoy's own layout ends with a quote
/// as well, and what a caller wrote could look like it; it is not read so.
fn without_time(text: &[u8]) -> Option<AccessLine<'_>> {
    let request = text.get(memchr::memchr(b'"', text.get(..256.min(text.len()))?)?..)?;
    parse_text(request).filter(|line| line.format != Format::EnvoyDefault)
}

#[cfg(test)]
mod tests;
