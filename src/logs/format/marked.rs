//! Reads an ordinary line of a format that has quotes and spaces between its values, as most have.
//!
//! It is [`Cut`] once more, for lines with as many quotes as the format: each quote is known by its number, so what is
//! between two of them is cut at its spaces without the rest of the line (as in
//! [`crate::logs::access_text::ordinary`]). The values are looked at when all are cut out. Every other line is read by
//! [`super::quick`].

use super::compile::{LogFormat, Missing};
use super::field::{Field, Shape, Target};
use super::forced::{Cut, is_value};
use super::quick::{Check, strip};
use crate::logs::access_line::{AccessLine, Format};
use crate::logs::marks::registers::Registers;
use crate::logs::marks::{self, Bits, Places, WORD, digits_of, number_of};
use crate::logs::response_flags::FlagSet;

/// Formats have no more values than this.
const PIECES: usize = 32;
/// Fields of a line.
const TARGETS: usize = Target::RouteName as usize + 1;

/// A format by its quotes and spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marked {
    quotes: usize,
    /// Parts between quotes that are one space, as between two values in quotes.
    gaps: Vec<u8>,
    /// Those that are another text.
    between: Vec<(u8, Box<[u8]>)>,
    /// Those that are one value, which may have spaces, with its piece.
    wholes: Vec<(u8, u8)>,
    words: Vec<Words>,
    /// The piece that is the value of each field; [`PIECES`] where the format does not have it.
    pieces: [u8; TARGETS],
    /// Texts before and behind values, and those that stand alone.
    texts: Vec<Around>,
    /// Pieces between quotes that must have no spaces.
    unspaced: Vec<u8>,
    /// Values that are no field of a record, and not of any bytes.
    others: Vec<(u8, Box<Field>)>,
    /// The most digits of the response code, and of the numbers of bytes and milliseconds.
    digits: [usize; 2],
    /// No line of it begins as one of the default layouts does.
    begins_otherwise: bool,
}

/// The texts before and behind a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Around {
    piece: u8,
    before: Box<[u8]>,
    behind: Box<[u8]>,
    /// Nothing is between them.
    alone: bool,
}

/// A part between quotes that is several values and texts with a space between each.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Words {
    part: u8,
    /// A space is in front, and behind.
    first: bool,
    last: bool,
    /// The first piece, and how many there are.
    piece: usize,
    count: usize,
}

/// Where values begin and end. It is made once for many lines.
pub(in crate::logs) struct Ranges([(usize, usize); PIECES]);

impl Ranges {
    pub(in crate::logs) const fn new() -> Self {
        Self([(0, 0); PIECES])
    }
}

impl LogFormat {
    /// Reads the first line of a text if it is an ordinary one, and hands on how long it is and what it says.
    #[inline(always)]
    pub(in crate::logs) fn read_ordinary<'a, R>(
        &self,
        registers: impl Registers,
        memory: (&mut Places, &mut Ranges),
        text: &'a [u8],
        each: impl FnOnce(usize, &AccessLine<'a>) -> R,
    ) -> Option<R> {
        self.marked.as_ref()?.read(registers, memory, text, each)
    }

    /// No line that [`LogFormat::read_ordinary`] reads begins as one of the default layouts does.
    #[inline]
    pub(in crate::logs) fn begins_otherwise(&self) -> bool {
        self.marked.as_ref().is_some_and(|marked| marked.begins_otherwise)
    }
}

impl Marked {
    /// `None` where the format is cut at other bytes, or has values that are looked at in another way.
    pub(super) fn of(cut: &Cut) -> Option<Self> {
        let parts = match cut {
            Cut::At(b'"', parts) => parts.as_slice(),
            Cut::At(..) | Cut::Value(..) | Cut::Text(_) => std::slice::from_ref(cut),
        };
        let mut marked = Self {
            quotes: parts.len().checked_sub(1).filter(|quotes| *quotes <= marks::QUOTES)?,
            gaps: Vec::new(),
            between: Vec::new(),
            wholes: Vec::new(),
            words: Vec::new(),
            pieces: [u8::try_from(PIECES).ok()?; TARGETS],
            texts: Vec::new(),
            unspaced: Vec::new(),
            others: Vec::new(),
            digits: [0; 2],
            begins_otherwise: begins_otherwise(parts.first()),
        };
        let mut count = 0;
        for (part, cut) in (0..).zip(parts) {
            match cut {
                Cut::Text(text) => marked.add_text(part, text.clone()),
                Cut::Value(..) => {
                    marked.wholes.push((part, count));
                    marked.add_piece(cut, &mut count, true)?;
                }
                Cut::At(b' ', values) => marked.add_words(part, values, &mut count)?,
                Cut::At(..) => return None,
            }
        }
        (usize::from(count) <= PIECES).then_some(marked)
    }

    fn add_text(&mut self, part: u8, text: Box<[u8]>) {
        if *text == *b" " { self.gaps.push(part) } else { self.between.push((part, text)) }
    }

    fn add_words(&mut self, part: u8, values: &[Cut], count: &mut u8) -> Option<()> {
        let text = |cut: &Cut| if let Cut::Text(text) = cut { Some(text.clone()) } else { None };
        if let Some(texts) = values.iter().map(text).collect::<Option<Vec<_>>>() {
            self.add_text(part, texts.join(&b' ').into());
            return Some(());
        }
        let is_empty = |cut: Option<&Cut>| cut.and_then(text).is_some_and(|text| text.is_empty());
        let (first, last) = (is_empty(values.first()), is_empty(values.last()));
        let values = values.get(usize::from(first)..values.len() - usize::from(last))?;
        self.words.push(Words { part, first, last, piece: usize::from(*count), count: values.len() });
        values.iter().try_for_each(|value| self.add_piece(value, count, false))
    }

    fn add_piece(&mut self, value: &Cut, count: &mut u8, has_spaces: bool) -> Option<()> {
        let piece = *count;
        let (before, behind, alone) = match value {
            Cut::Value(before, field, behind) => {
                self.add(field, piece, has_spaces)?;
                (before.clone(), behind.clone(), false)
            }
            Cut::Text(text) => (text.clone(), Box::default(), true),
            Cut::At(..) => return None,
        };
        if alone || !(before.is_empty() && behind.is_empty()) {
            self.texts.push(Around { piece, before, behind, alone });
        }
        *count = count.checked_add(1)?;
        Some(())
    }

    /// Notes which piece a field is. `None` for values that are looked at in another way than the most common.
    fn add(&mut self, field: &Field, piece: u8, has_spaces: bool) -> Option<()> {
        if has_spaces && matches!(field.shape, Shape::Word | Shape::Cluster) {
            self.unspaced.push(piece);
        }
        let Some(target) = field.target else {
            let is_open = matches!(field.shape, Shape::Any | Shape::Word | Shape::Phrase);
            if !is_open || field.length.is_some() || field.missing == Missing::Nothing {
                self.others.push((piece, Box::new(field.clone())));
            }
            return Some(());
        };
        match Check::of(field) {
            Check::Any(_)
            | Check::From(..)
            | Check::Number(_)
            | Check::DefaultTime
            | Check::Flags
            | Check::Protocol => {}
            Check::Digits(most, target) => {
                let known = self.digits.get_mut(usize::from(target != Target::ResponseCode))?;
                if *known != 0 && *known != most {
                    return None;
                }
                *known = most;
            }
            Check::Shape => return None,
        }
        let place = self.pieces.get_mut(target as usize)?;
        let is_first = usize::from(*place) == PIECES;
        *place = piece;
        // Of two values of one field the last one counts, and both are looked at.
        is_first.then_some(())
    }

    /// Reads the first line of a text, and hands on how long it is and what it says.
    #[inline(always)]
    pub(super) fn read<'a, R>(
        &self,
        registers: impl Registers,
        (places, ranges): (&mut Places, &mut Ranges),
        text: &'a [u8],
        each: impl FnOnce(usize, &AccessLine<'a>) -> R,
    ) -> Option<R> {
        if places.note::<true>(registers, text, self.quotes)? != self.quotes {
            return None;
        }
        let line = text.get(..places.length)?;
        for part in &self.gaps {
            let (start, end) = places.part(*part);
            if end != start + 1 || line.get(start) != Some(&b' ') {
                return None;
            }
        }
        for (part, piece) in &self.wholes {
            *ranges.0.get_mut(usize::from(*piece) % PIECES)? = places.part(*part);
        }
        for words in &self.words {
            let values = ranges.0.get_mut(words.piece..words.piece + words.count)?;
            words.cut(line, places.part(words.part), &places.spaces, values)?;
        }
        for (part, text) in &self.between {
            let (start, end) = places.part(*part);
            if line.get(start..end)? != &**text {
                return None;
            }
        }
        for Around { piece, before, behind, alone } in &self.texts {
            let (start, end) = ranges.0.get_mut(usize::from(*piece))?;
            let rest = strip(line.get(*start..*end)?, before)?;
            let value = rest.len().checked_sub(behind.len())?;
            strip(rest.get(value..)?, behind)?;
            if *alone && value > 0 {
                return None;
            }
            *start += before.len();
            *end -= behind.len();
        }
        for piece in &self.unspaced {
            let (start, end) = range(ranges, *piece)?;
            if end - start > 64 || places.spaces.until(start, end) != 0 {
                return None;
            }
        }
        for (piece, field) in &self.others {
            let (start, end) = range(ranges, *piece)?;
            if !is_value(field, line.get(start..end)?) {
                return None;
            }
        }
        self.record(line, ranges, each)
    }

    #[inline(always)]
    fn record<'a, R>(
        &self,
        line: &'a [u8],
        ranges: &Ranges,
        each: impl FnOnce(usize, &AccessLine<'a>) -> R,
    ) -> Option<R> {
        let length = line.len();
        let range = |target: Target| range(ranges, *self.pieces.get(target as usize)?);
        let text = |target| range(target).and_then(|(start, end)| line.get(start..end));
        let number = |target, most| number(line, range(target), most);
        let [code, long] = self.digits;
        let start_time = text(Target::StartTime);
        let response_flags = text(Target::ResponseFlags);
        let protocol = text(Target::Protocol);
        let is_read = start_time.is_none_or(is_default_time)
            && response_flags.is_none_or(|flags| flags == b"-" || are_flags(flags))
            && protocol.is_none_or(
                #[inline(always)]
                |protocol| matches!(protocol, b"HTTP/1.1" | b"HTTP/2" | b"-"),
            );
        if !is_read {
            return None;
        }
        let line = AccessLine {
            start_time,
            method: text(Target::Method),
            path: text(Target::Path),
            protocol,
            response_code: code_of(line, range(Target::ResponseCode), code).ok()?,
            response_flags,
            flags: response_flags.map(FlagSet::parse).unwrap_or_default(),
            response_code_details: text(Target::ResponseCodeDetails),
            connection_termination_details: text(Target::ConnectionTerminationDetails),
            upstream_transport_failure_reason: text(Target::UpstreamTransportFailureReason),
            bytes_received: number(Target::BytesReceived, long).ok()?,
            bytes_sent: number(Target::BytesSent, long).ok()?,
            duration: number(Target::Duration, long).ok()?,
            upstream_service_time: number(Target::UpstreamServiceTime, usize::MAX).ok()?,
            x_forwarded_for: text(Target::XForwardedFor),
            user_agent: text(Target::UserAgent),
            request_id: text(Target::RequestId),
            authority: text(Target::Authority),
            upstream_host: text(Target::UpstreamHost),
            upstream_cluster: text(Target::UpstreamCluster),
            upstream_local_address: text(Target::UpstreamLocalAddress),
            downstream_local_address: text(Target::DownstreamLocalAddress),
            downstream_remote_address: text(Target::DownstreamRemoteAddress),
            requested_server_name: text(Target::RequestedServerName),
            route_name: text(Target::RouteName),
            ..AccessLine::empty(Format::Custom)
        };
        Some(each(length, &line))
    }
}

#[inline(always)]
fn range(ranges: &Ranges, piece: u8) -> Option<(usize, usize)> {
    ranges.0.get(usize::from(piece)).copied()
}

impl Words {
    /// Cuts the part into its values.
    #[inline(always)]
    fn cut(
        &self,
        line: &[u8],
        (mut start, mut end): (usize, usize),
        spaces: &Bits,
        values: &mut [(usize, usize)],
    ) -> Option<()> {
        let Self { first, last, .. } = *self;
        if last {
            end = end.checked_sub(1)?;
            if line.get(end) != Some(&b' ') {
                return None;
            }
        }
        if start > end {
            return None;
        }
        if first {
            if line.get(start) != Some(&b' ') {
                return None;
            }
            start += 1;
        }
        let length = end.checked_sub(start)?;
        // Seldom they are longer than that.
        if length >= 2 * WORD {
            return cut_far((start, end), spaces, values);
        }
        let (mut near, mut far) = spaces.two_from(start);
        if length < WORD {
            near &= (1 << length) - 1;
            far = 0;
        } else {
            far &= (1 << (length - WORD)) - 1;
        }
        let (behind, values) = values.split_last_mut()?;
        let (first, second) = values.split_at_mut_checked(near.count_ones() as usize)?;
        if far.count_ones() as usize != second.len() {
            return None;
        }
        let mut begin = start;
        for value in first {
            let at = start + near.trailing_zeros() as usize;
            near &= near.wrapping_sub(1);
            *value = (begin, at);
            begin = at + 1;
        }
        for value in second {
            let at = start + WORD + far.trailing_zeros() as usize;
            far &= far.wrapping_sub(1);
            *value = (begin, at);
            begin = at + 1;
        }
        *behind = (begin, end);
        Some(())
    }
}

/// Whether a format begins with a value that has no bracket, and a space behind it: the default layouts have a
/// bracket before their first space, or begin with a quote.
fn begins_otherwise(first: Option<&Cut>) -> bool {
    let Some(Cut::At(b' ', values)) = first else { return false };
    match values.as_slice() {
        [Cut::Value(before, field, behind), _, ..] if before.is_empty() && behind.is_empty() => {
            field.target == Some(Target::ResponseCode)
        }
        _ => false,
    }
}

/// Cuts what is of any length into values with a space between each.
#[inline(never)]
fn cut_far((mut begin, end): (usize, usize), spaces: &Bits, values: &mut [(usize, usize)]) -> Option<()> {
    let (behind, values) = values.split_last_mut()?;
    let mut base = begin;
    let mut left = spaces.until(base, end);
    for value in values {
        while left == 0 {
            base += WORD;
            if base >= end {
                return None;
            }
            left = spaces.until(base, end);
        }
        let at = base + left.trailing_zeros() as usize;
        left &= left - 1;
        *value = (begin, at);
        begin = at + 1;
    }
    while base < end {
        if left != 0 {
            return None;
        }
        base += WORD;
        left = spaces.until(base, end);
    }
    *behind = (begin, end);
    Some(())
}

/// A value that is looked at in another way.
struct Unusual;

/// A number, where it is one of the most common: `-`, or few digits.
#[inline(always)]
fn number(line: &[u8], range: Option<(usize, usize)>, most: usize) -> Result<Option<u64>, Unusual> {
    let Some((start, end)) = range else { return Ok(None) };
    if end == start + 1 && line.get(start) == Some(&b'-') {
        return Ok(None);
    }
    let number = number_of(line, (start, end)).filter(|_| end - start <= most);
    number.map(Some).ok_or(Unusual)
}

/// A response code: nearly all have three digits.
#[inline(always)]
fn code_of(line: &[u8], range: Option<(usize, usize)>, most: usize) -> Result<Option<u16>, Unusual> {
    let text = range.and_then(|(start, end)| line.get(start..end));
    if let Some([a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']) = text {
        let digit = |byte: &u8| u16::from(byte - b'0');
        return if most < 3 { Err(Unusual) } else { Ok(Some(digit(a) * 100 + digit(b) * 10 + digit(c))) };
    }
    Ok(number(line, range, most)?.and_then(|code| code.try_into().ok()))
}

#[cold]
fn are_flags(text: &[u8]) -> bool {
    text.iter().all(|byte| Shape::Flags.takes(*byte)) && !text.is_empty() && Shape::Flags.is_value(text)
}

/// `2026-11-22T09:09:56.776Z`.
#[inline(always)]
fn is_default_time(text: &[u8]) -> bool {
    // Bit by bit: which of the first and of the last sixteen bytes are digits.
    let Ok(text) = <&[u8; 24]>::try_from(text) else { return false };
    let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) else { return false };
    let &[_, _, _, _, b'-', _, _, b'-', _, _, b'T', _, _, b':', _, _, b':', _, _, b'.', _, _, _, b'Z'] = text
    else {
        return false;
    };
    digits_of(first) == 0b1101_1011_0110_1111 && digits_of(last) == 0b0111_0110_1101_1011
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Ranges;
    use crate::logs::marks::Places;
    use crate::logs::marks::registers::Narrow;
    use crate::logs::marks::tests::changed;
    use crate::logs::{LogFormat, Strictness};

    const FORMATS: [(&str, &str); 5] = [
        (
            r#"%START_TIME% "%UPSTREAM_CLUSTER%" "%UPSTREAM_HOST%" %RESPONSE_CODE%"#,
            r#"2026-11-22T09:09:56.776Z "outbound|80||a.b.svc.cluster.local" "10.1.2.3:80" 200"#,
        ),
        (
            r#""%REQ(A)%" %RESPONSE_CODE% %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%"#,
            r#""a" 200 outbound|80||a-service-of-a-long-name.a-namespace-too.svc.cluster.local 10.1.0.9:34412 10.96.0.1:80 10.1.0.9:1 outbound_.80_._.a-service-of-a-long-name.a-namespace-too.svc.cluster.local default"#,
        ),
        (
            r#"%RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_CLUSTER% [%START_TIME%] "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%" %DURATION% %BYTES_SENT% "%REQ(USER-AGENT)%" "%UPSTREAM_HOST%" x%ROUTE_NAME%"#,
            r#"503 UC outbound|80||a.b.svc.cluster.local [2026-11-22T09:09:56.776Z] "GET /a HTTP/1.1" 4 95 "curl/8" "10.1.2.3:80" xdefault"#,
        ),
        (
            "%START_TIME% %RESPONSE_CODE% %RESPONSE_FLAGS% took %DURATION%ms to %UPSTREAM_CLUSTER% from %DOWNSTREAM_REMOTE_ADDRESS% (%RESPONSE_CODE_DETAILS%)",
            "2026-11-22T09:09:56.776Z 200 - took 12ms to outbound|80||a.b.svc.cluster.local from 10.1.0.9:34412 (via_upstream)",
        ),
        (
            r#""%REQ(A)%" "%REQ(:AUTHORITY)%" %RESPONSE_CODE% %REQ(X-REQUEST-ID)% %BYTES_RECEIVED% %PROTOCOL%"#,
            r#""some words of a caller, at length and beyond sixty-four bytes" "a:80" 404 id-1 17 HTTP/2"#,
        ),
    ];

    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "\"",
            " ",
            "\" \"",
            "-",
            "5",
            "a",
            "",
            "\t",
            "\u{7f}",
            "12345678901",
            "[",
            "HTTP/2",
            "UF,URX",
        ])
    }

    proptest! {
        /// Whatever is put in place of whatever: it is read as by the slower ways, or not here.
        #[test]
        fn never_another_reading(
            which in 0..FORMATS.len(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..6, piece()), 0..4),
        ) {
            let (format, line) = FORMATS[which];
            let format = LogFormat::compile(format, Strictness::Strict).unwrap();
            let is_changed = !changes.is_empty();
            let line = changed(line, &changes);
            let text = format!("{line}\n{}", "\" ".repeat(40));
            let (mut places, mut ranges) = (Places::new(), Ranges::new());
            let found = format.read_ordinary(Narrow, (&mut places, &mut ranges), text.as_bytes(), |length, line| (length, *line));
            prop_assert!(found.is_some() || is_changed, "{line}");
            if let Some((length, found)) = found {
                prop_assert_eq!(length, line.len());
                prop_assert_eq!(Some(found), format.read(line.as_bytes()));
            }
        }
    }
}
