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

/// Whoever takes up what was read: the pod that a prefix names, the number of the first line, the line.
pub type Take<'t> = dyn FnMut(Option<Writer<'_>>, u64, &AccessLine<'_>) + 't;

/// What became of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// It is an access-log line, or the last part of one.
    pub access: bool,
    /// It is of an access log, in a layout that is not read.
    pub unread: bool,
    /// It is the end of the last word of the line before it, which was read without that word.
    pub ends_word: bool,
    /// So many lines before it, counted as other, were parts of the same.
    pub joined: u64,
    /// So many of those were taken for lines in a layout that is not read.
    pub joined_unread: u64,
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
}

/// Reads the lines of one source that are not plain.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    parts: Vec<Parts>,
    broken: Option<Broken>,
    /// The number of the line behind one whose last word may go on there, and how wide the lines are.
    word_goes_on: Option<(u64, usize)>,
}

impl Reader {
    /// Reads a line and hands on the access-log line that it is, or that it makes whole.
    pub fn read(&mut self, number: u64, line: &[u8], formats: &Formats, take: &mut Take<'_>) -> Outcome {
        // The ordinary line of a JSON log, without a look at what could stand around it.
        if line.first() == Some(&b'{') && read_object(line, formats, &mut |line| take(None, number, line)) {
            self.broken = None;
            return Outcome { access: true, ..Outcome::default() };
        }
        let mut outcome = Outcome::default();
        peel(line, &|text| is_object_line(text, formats), &mut |found, text| {
            outcome = self.peeled(number, line, found, text, formats, take);
        });
        outcome
    }

    /// Nothing that follows belongs to a line that was broken.
    pub fn end_broken(&mut self) {
        self.broken = None;
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
            self.add_part(number, found, text);
            return Outcome::default();
        }
        if let Some(parts) = self.parts_of(found).map(|at| self.parts.remove(at)) {
            let whole = [parts.text.as_slice(), text].concat();
            let access = read_whole(&whole, formats, &mut |line| take(found.writer, parts.first, line));
            // The line may be one of its own, where the parts before it were never ended.
            if access || !read_whole(text, formats, &mut |line| take(found.writer, number, line)) {
                let unread = !access && is_of_other_layout(&whole);
                return Outcome { access, unread, joined: parts.lines, ..Outcome::default() };
            }
            return Outcome { access: true, ..Outcome::default() };
        }
        if read_whole(text, formats, &mut |line| take(found.writer, number, line)) {
            self.broken = None;
            return Outcome { access: true, ..Outcome::default() };
        }
        let is_word = !text.is_empty() && !text.iter().any(u8::is_ascii_whitespace);
        if self.word_goes_on.take_if(|(at, width)| *at == number && is_word && text.len() < *width).is_some()
        {
            return Outcome { ends_word: true, ..Outcome::default() };
        }
        let unread = is_of_other_layout(text);
        let prefixed = text.len() < line.len();
        let same = |broken: &Broken| !prefixed || broken.owner == found.writer.map(Owner::of);
        if let Some(mut broken) = self.broken.take().filter(same) {
            // A line that goes on has no prefix of its own where a terminal broke it; a collector gives it one.
            let next = if broken.prefixed && prefixed { text } else { line };
            if let Some(joined) = broken.go_on(number, next, unread, formats, take) {
                self.word_goes_on = broken.full_width().map(|width| (number + 1, width));
                return Outcome { access: true, unread: false, ..joined };
            }
            if broken.waits() {
                self.broken = Some(broken);
                return Outcome { unread, ..Outcome::default() };
            }
        }
        self.broken = Broken::begin(number, text, found.writer, prefixed, unread);
        Outcome { unread, ..Outcome::default() }
    }

    fn parts_of(&self, found: &Found<'_>) -> Option<usize> {
        let is = |parts: &Parts| {
            parts.stream == found.stream && parts.owner.as_ref().map(Owner::writer) == found.writer
        };
        self.parts.iter().position(is).filter(|_| found.stream.is_some())
    }

    fn add_part(&mut self, number: u64, found: &Found<'_>, text: &[u8]) {
        let mut parts = match self.parts_of(found) {
            Some(at) => self.parts.remove(at),
            None => Parts {
                owner: found.writer.map(Owner::of),
                stream: found.stream,
                first: number,
                lines: 0,
                text: Vec::new(),
            },
        };
        parts.lines += 1;
        if parts.text.len() + text.len() <= LONGEST {
            parts.text.extend_from_slice(text);
        }
        if self.parts.len() == MOST_CUT {
            self.parts.remove(0);
        }
        self.parts.push(parts);
    }
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
