//! Lines that a terminal, a mail program or a pretty-printer broke into several. They are joined only where that makes
//! one whole access-log line.
//!
//! Nothing tells whether a break stands for a space. Where both readings make a line, what they disagree about is not
//! known, and the line is no evidence.

use super::{At, Outcome, Owner, Row, Take, is_object_line, read_whole};
use crate::logs::access_json::parse_json;
use crate::logs::access_line::{AccessLine, Format};
use crate::logs::access_text::parse_text;
use crate::logs::format::Formats;
use crate::logs::other_layouts::behind_prefix;
use crate::logs::wrapping::{Writer, peel};

/// More lines than any pretty-printed object of an access log has, than a terminal breaks a line into, and more text.
const MOST_PRINTED: usize = 120;
const MOST_BROKEN: usize = 24;
const MOST_BYTES: usize = 64 * 1024;
/// With more breaks than this, all stand for a space or none does.
const MOST_FREE_BREAKS: usize = 7;
/// No terminal is narrower.
const NARROWEST: usize = 40;

/// A line that was begun and is not whole.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    lines: Vec<Vec<u8>>,
    is_json: bool,
    bytes: usize,
    first: u64,
    last: u64,
    /// Which of the lines were taken for lines in a layout that is not read.
    unread: Vec<bool>,
    /// The lines are a whole one in a layout that is the beginning of others.
    is_whole: bool,
    /// The lines as they stand, where somebody wants to see them.
    rows: Vec<Row>,
    /// Whether something was taken off the first line, and the pod that it names.
    pub(super) prefixed: bool,
    pub(super) owner: Option<Owner>,
}

impl Broken {
    /// The beginning of a line that may go on; `None` where the text does not begin one.
    pub(super) fn begin(
        number: u64,
        text: &[u8],
        writer: Option<Writer<'_>>,
        prefixed: bool,
        unread: bool,
    ) -> Option<Self> {
        let trimmed = text.trim_ascii();
        if trimmed.first() == Some(&b'{') && (trimmed.ends_with(b"}") || trimmed.ends_with(b"},")) {
            return None;
        }
        let is_json = trimmed.first() == Some(&b'{');
        let begun = if is_json { text } else { begun_line(text)? };
        Some(Self {
            lines: vec![begun.to_vec()],
            is_json,
            bytes: begun.len(),
            first: number,
            last: number,
            unread: vec![unread],
            is_whole: false,
            rows: Vec::new(),
            prefixed,
            owner: writer.map(Owner::of),
        })
    }

    /// Whether more lines may make it whole.
    pub(super) fn waits(&self) -> bool {
        let most = if self.is_json { MOST_PRINTED } else { MOST_BROKEN };
        self.lines.len() < most && self.bytes < MOST_BYTES
    }

    /// Whether the lines are a whole one where nothing follows.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Keeps a line as it stands.
    pub(super) fn keep(&mut self, number: u64, line: &[u8]) {
        self.rows.push((number, line.to_vec()));
    }

    /// Whether that line is one of its own.
    pub(super) fn has(&self, number: u64) -> bool {
        self.last == number && self.lines.len() > 1
    }

    /// The lines as they stand, where they were kept.
    pub(super) fn into_rows(self) -> Vec<Row> {
        self.rows
    }

    /// Takes up the next line. What was joined, where the line is whole by it; otherwise it waits, or is given up.
    pub(super) fn go_on(
        &mut self,
        number: u64,
        line: &[u8],
        raw: Option<&[u8]>,
        unread: bool,
        formats: &Formats,
        take: &mut Take<'_>,
    ) -> Option<Outcome> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let begins_another = if self.is_json { line.starts_with(b"{") } else { begun_line(line).is_some() };
        // What cannot be the rest of a line ends one that was whole without.
        let ends = self.is_whole && !may_be_rest(line);
        if self.last + 1 != number || begins_another || ends {
            self.bytes = MOST_BYTES;
            return None;
        }
        self.last = number;
        self.lines.push(line.to_vec());
        self.unread.push(unread);
        self.bytes += line.len();
        if let Some(raw) = raw {
            self.keep(number, raw);
        }
        if !self.waits() {
            return None;
        }
        let (owner, at) = (self.owner.as_ref(), At { first: self.first, rows: &self.rows });
        let mut take = |within: Option<Writer<'_>>, line: &AccessLine<'_>| {
            take(within.or(owner.map(Owner::writer)), at, line);
        };
        let whole =
            if self.is_json { self.join_json(formats, &mut take) } else { Some(self.join_text(&mut take)) };
        match whole {
            Some(true) => {
                let before = self.unread.iter().rev().skip(1);
                let joined_unread = before.filter(|unread| **unread).count() as u64;
                return Some(Outcome { joined: number - self.first, joined_unread, ..Outcome::default() });
            }
            // With the rest of a line there, what stood before it is none.
            Some(false) => self.is_whole = !self.is_json && self.as_beginning(|_| ()).is_some(),
            None => self.bytes = MOST_BYTES,
        }
        None
    }

    /// Hands on the line that the lines are where nothing follows. How many they are.
    pub(super) fn end(&self, outcome: &mut Outcome, take: &mut Take<'_>) -> usize {
        if !self.is_whole {
            return 0;
        }
        let at = At { first: self.first, rows: &self.rows };
        let taken = self.as_beginning(|line| take(self.owner.as_ref().map(Owner::writer), at, line));
        if taken.is_none() {
            return 0;
        }
        outcome.ended = self.lines.len() as u64;
        outcome.ended_unread = self.unread.iter().filter(|unread| **unread).count() as u64;
        self.lines.len()
    }

    /// Whether the lines are a whole object; `None` where they are closed and are none.
    fn join_json(
        &self,
        formats: &Formats,
        take: &mut dyn FnMut(Option<Writer<'_>>, &AccessLine<'_>),
    ) -> Option<bool> {
        let blank = |line: &[u8]| line.len() - line.trim_ascii_start().len();
        let [first, .., last] = self.lines.as_slice() else { return Some(false) };
        let end = last.trim_ascii();
        let closes = matches!(end, b"}" | b"},");
        if !end.ends_with(b"}") && !end.ends_with(b"},") || closes && blank(first) != blank(last) {
            return Some(false);
        }
        // Breaks of a pretty-printer stand between words, where JSON allows them.
        let mut whole = false;
        peel(&self.lines.join(&b'\n'), &|text| is_object_line(text, formats), &mut |found, text| {
            whole = read_whole(text, formats, &mut |line| take(found.writer, line));
        });
        if !whole {
            let (tight, spaced) = (self.lines.concat(), self.lines.join(&b' '));
            let read = parse_json(&tight, |tight| {
                let other = parse_json(&spaced, |spaced| agreed(tight, spaced));
                other.unwrap_or(Some(*tight)).map(|line| take(None, &line)).is_some()
            });
            whole = read == Some(true);
        }
        (whole || !closes).then_some(whole)
    }

    fn join_text(&self, take: &mut dyn FnMut(Option<Writer<'_>>, &AccessLine<'_>)) -> bool {
        // A terminal breaks only where a line is as wide as itself.
        if self.is_of_a_terminal() && self.full_width().is_none() {
            let candidates = self.candidates();
            // Lines that were broken between words can be of one width by chance.
            let spaced = || self.spaced().filter(|_| self.slashes() == Some(0));
            let mut texts = candidates.into_iter().chain(std::iter::once_with(spaced).flatten());
            return texts.any(|text| read(&text).map(|line| take(None, &line)).is_some());
        }
        let candidates = self.candidates();
        let readings = candidates.iter().filter_map(|text| read(text));
        let mut readings = readings.filter(|line| !is_beginning(line));
        let Some(first) = readings.next() else { return false };
        let line = readings.try_fold(first, |line, other| agreed(&line, &other));
        // Where the last line is as wide as the others, its last word may go on in the next one.
        let line = match line {
            Some(line) if self.full_width().is_some() && line.route_name.is_none() => return false,
            Some(line) if self.full_width().is_some() => Some(AccessLine { route_name: None, ..line }),
            line => line,
        };
        line.as_ref().map(|line| take(None, line)).is_some()
    }

    /// Hands on the line that the lines are in a layout that is the beginning of others, where they are one.
    fn as_beginning<R>(&self, each: impl FnOnce(&AccessLine<'_>) -> R) -> Option<R> {
        let candidates = self.candidates();
        let mut readings = candidates.iter().filter_map(|text| read(text));
        let first = readings.next()?;
        let line = readings.try_fold(first, |line, other| agreed(&line, &other))?;
        is_beginning(&line).then(|| each(&line))
    }

    /// The texts that the lines can be when they are joined.
    fn candidates(&self) -> Vec<Vec<u8>> {
        match self.slashes() {
            Some(0) => {}
            Some(_) => return self.without_slashes().into_iter().collect(),
            None => return Vec::new(),
        }
        if self.is_of_a_terminal() {
            return vec![self.lines.concat()];
        }
        let last = self.lines.len() - 1;
        let parts: Vec<_> = self
            .lines
            .iter()
            .enumerate()
            .map(|(at, line)| if at == last { line.trim_ascii_start() } else { line.trim_ascii() })
            .filter(|line| !line.is_empty())
            .collect();
        let breaks = parts.len() - 1;
        if breaks > MOST_FREE_BREAKS {
            return vec![parts.concat(), parts.join(&b' ')];
        }
        let choices = 0..1_u32 << breaks;
        let join = |choice: u32| {
            let mut text = Vec::with_capacity(self.bytes + breaks);
            for (at, part) in parts.iter().enumerate() {
                if at > 0 && choice >> (at - 1) & 1 == 1 {
                    text.push(b' ');
                }
                text.extend_from_slice(part);
            }
            text
        };
        choices.map(join).collect()
    }

    /// How many of the lines but the last end in the `\\` that says that the line goes on; `None` where only some do, so
    /// that it belongs to the text or not.
    fn slashes(&self) -> Option<usize> {
        let (_, before) = self.lines.split_last()?;
        let count = before.iter().filter(|line| line.ends_with(b"\\")).count();
        (count == 0 || count == before.len()).then_some(count)
    }

    /// The text of lines that end so; `None` where the last one does as well: more follows.
    fn without_slashes(&self) -> Option<Vec<u8>> {
        let (last, before) = self.lines.split_last()?;
        let before = before.iter().map(|line| line.strip_suffix(b"\\").unwrap_or(line));
        (!last.ends_with(b"\\")).then(|| before.chain([last.as_slice()]).collect::<Vec<_>>().concat())
    }

    /// The text of lines that were broken between words, all of them.
    fn spaced(&self) -> Option<Vec<u8>> {
        let words: Vec<_> = self.lines.iter().map(|line| line.trim_ascii()).collect();
        (!words.iter().any(|line| line.is_empty())).then(|| words.join(&b' '))
    }

    /// The width of the last line, where it is as wide as the first, and both as a terminal.
    pub(super) fn full_width(&self) -> Option<usize> {
        let [first, .., last] = self.lines.as_slice() else { return None };
        Some(width(first)).filter(|wide| *wide >= NARROWEST && *wide == width(last) && !self.is_json)
    }

    /// Whether all lines but the last are of one width: then each break is where the terminal ended, and nothing else.
    fn is_of_a_terminal(&self) -> bool {
        let [first, between @ .., last] = self.lines.as_slice() else { return false };
        let wide = width(first);
        !between.is_empty()
            && wide >= NARROWEST
            && width(last) <= wide
            && between.iter().all(|line| width(line) == wide)
    }
}

/// Reads a text that was joined. A break between flags and details stands for a space, so that flags with other words
/// at their end are none.
fn read(text: &[u8]) -> Option<AccessLine<'_>> {
    let are_flags = |flags: &[u8]| {
        let is_of_flag = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b',' | b'_');
        flags == b"-" || flags.iter().all(is_of_flag)
    };
    parse_text(text).filter(|line| line.response_flags.is_some_and(are_flags))
}

fn width(line: &[u8]) -> usize {
    String::from_utf8_lossy(line).chars().count()
}

/// The text from where it looks like the beginning of a line: its time, or without one its request.
fn begun_line(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_start();
    let is_request = |rest: &[u8]| {
        let rest = rest.strip_prefix(b"\"").unwrap_or_default();
        let method = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
        rest.starts_with(b"- - ")
            || method.len() >= 3
                && method.iter().all(u8::is_ascii_uppercase)
                && rest.get(method.len()..).is_some_and(|path| path.starts_with(b" /"))
    };
    behind_prefix(text).or_else(|| {
        let request = text.strip_prefix(b"[...] ").unwrap_or(text);
        is_request(request).then_some(text)
    })
}

/// These layouts are beginnings of others: what the next line holds may belong to this one.
fn is_beginning(line: &AccessLine<'_>) -> bool {
    matches!(line.format, Format::EnvoyDefault | Format::IstioText11 | Format::IstioText13)
}

/// Whether a text may be the rest of a line whose beginning is a whole line: a word, or an upstream cluster and what
/// follows it.
fn may_be_rest(text: &[u8]) -> bool {
    let words = || text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let is_address = |word: &[u8]| {
        let address =
            std::str::from_utf8(word).ok().and_then(|word| word.parse::<std::net::SocketAddr>().ok());
        word == b"-" || address.is_some()
    };
    let begins_object = words().next().is_some_and(|word| word.starts_with(b"{"));
    !begins_object && words().count() < 2 || words().any(|word| is_address(word) || word.contains(&b'|'))
}

/// What two readings agree about. `None` where they differ in what cannot be left out.
fn agreed<'a>(one: &AccessLine<'a>, other: &AccessLine<'_>) -> Option<AccessLine<'a>> {
    let numbers = |line: &AccessLine<'_>| {
        (line.format, line.response_code, line.flags, line.bytes_received, line.bytes_sent, line.duration)
    };
    if numbers(one) != numbers(other) || one.upstream_service_time != other.upstream_service_time {
        return None;
    }
    let mut line = *one;
    let mut differ = false;
    macro_rules! same {
        ($($field:ident)*) => {
            $(if one.$field != other.$field {
                line.$field = None;
                differ = true;
            })*
        };
    }
    same!(start_time method path protocol response_flags response_code_details connection_termination_details);
    same!(mixer_status upstream_transport_failure_reason x_forwarded_for user_agent request_id authority);
    same!(upstream_host upstream_cluster upstream_local_address downstream_local_address);
    same!(downstream_remote_address requested_server_name route_name);
    line.ambiguous = differ || one.ambiguous || other.ambiguous;
    Some(line)
}
