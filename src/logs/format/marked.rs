//! Reads an ordinary line of a format that has quotes and spaces between its values, as most have.
//!
//! It is [`Cut`] once more, for lines with as many quotes as the format: each quote is known by its number, so what is
//! between two of them is cut at its spaces without the rest of the line (as in
//! [`crate::logs::access_text::ordinary`]). The values are looked at when all are cut out. Every other line is read by
//! [`super::quick`].

use super::field::{Field, Shape, Target};
use super::forced::Cut;
use super::quick::{Check, strip};
use crate::logs::access_line::{AccessLine, Format};
use crate::logs::marks::{AT_ONCE, Bits, Places, digits_of, has_control, number_of};
use crate::logs::response_flags::FlagSet;

/// Formats have no more quotes than this.
const QUOTES: usize = 24;
/// Formats have no more values and texts than this.
const PIECES: usize = 40;
/// Fields of a line.
const TARGETS: usize = Target::RouteName as usize + 1;

/// A format by its quotes and spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marked {
    /// The texts between quotes.
    parts: Vec<Part>,
    /// The piece that is the value of each field; [`PIECES`] where the format does not have it.
    pieces: [u8; TARGETS],
    /// Pieces between quotes that must have no spaces.
    unspaced: Vec<u8>,
    /// The most digits of the response code and of the numbers of bytes and milliseconds.
    digits: [usize; 2],
}

/// What is between two quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// This text.
    Text(Box<[u8]>),
    /// One piece, which may have spaces.
    Whole(Piece),
    /// Pieces with a space between each, and in front and behind where it is said so.
    Words { first: bool, last: bool, pieces: Vec<Piece> },
}

/// A value between two texts, or text only.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    before: Box<[u8]>,
    behind: Box<[u8]>,
    is_value: bool,
    has_text: bool,
}

/// Where the pieces of a line begin and end.
struct Ranges {
    all: [(u16, u16); PIECES],
    count: usize,
}

impl Marked {
    /// `None` where the format is cut at other bytes, or has values that are looked at in another way.
    pub(super) fn of(cut: &Cut) -> Option<Self> {
        let parts = match cut {
            Cut::At(b'"', parts) => parts.iter().collect(),
            Cut::At(..) | Cut::Value(..) | Cut::Text(_) => vec![cut],
        };
        let mut marked = Self {
            parts: Vec::new(),
            pieces: [u8::try_from(PIECES).ok()?; TARGETS],
            unspaced: Vec::new(),
            digits: [0; 2],
        };
        let mut count = 0;
        for cut in parts {
            let part = Part::of(cut)?;
            let texts = match cut {
                Cut::At(_, texts) => texts.as_slice(),
                Cut::Value(..) | Cut::Text(_) => std::slice::from_ref(cut),
            };
            for field in texts
                .iter()
                .filter_map(|text| if let Cut::Value(_, field, _) = text { Some(field) } else { None })
            {
                marked.add(field, count, matches!(part, Part::Whole(_)))?;
                count += 1;
            }
            marked.parts.push(part);
        }
        (marked.parts.len() <= QUOTES && usize::from(count) <= PIECES).then_some(marked)
    }

    /// Notes which piece a field is. `None` for values that are looked at in another way than the most common.
    fn add(&mut self, field: &Field, piece: u8, has_spaces: bool) -> Option<()> {
        if has_spaces && field.shape == Shape::Word {
            self.unspaced.push(piece);
        }
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
            // A value that is of no account can be anything.
            Check::Shape if field.target.is_none() && field.shape == Shape::Any && field.length.is_none() => {
                return Some(());
            }
            Check::Shape => return None,
        }
        let place = self.pieces.get_mut(field.target? as usize)?;
        let is_first = usize::from(*place) == PIECES;
        *place = piece;
        // Of two values of one field the last one counts, and both are looked at.
        is_first.then_some(())
    }

    /// Reads the first line of a text, and says how long it is.
    #[inline(always)]
    pub(super) fn read<'a>(&self, text: &'a [u8]) -> Option<(usize, AccessLine<'a>)> {
        let mut places = Places::<{ QUOTES + AT_ONCE }>::NONE;
        places.note(text, self.parts.len().checked_sub(1)?)?;
        let line = text.get(..places.length)?;
        if has_control(line) {
            return None;
        }
        let mut ranges = Ranges { all: [(0, 0); PIECES], count: 0 };
        let mut start = 0;
        for (number, part) in self.parts.iter().enumerate() {
            let is_last = number + 1 == self.parts.len();
            let end = if is_last { line.len() } else { places.quote(number) };
            ranges.cut(part, line, (start, end), &places.spaces)?;
            start = end + 1;
        }
        for piece in &self.unspaced {
            let (start, end) = ranges.range(usize::from(*piece))?;
            if end - start > 64 || places.spaces.until(start, end) != 0 {
                return None;
            }
        }
        Some((line.len(), self.record(line, &ranges)?))
    }

    #[inline(always)]
    fn record<'a>(&self, line: &'a [u8], ranges: &Ranges) -> Option<AccessLine<'a>> {
        let range = |target: Target| ranges.range(usize::from(*self.pieces.get(target as usize)?));
        let text = |target| range(target).and_then(|(start, end)| line.get(start..end));
        let number = |target, most| number(line, range(target), most);
        let [code, long] = self.digits;
        let start_time = text(Target::StartTime);
        let response_flags = text(Target::ResponseFlags);
        let protocol = text(Target::Protocol);
        let is_read = start_time.is_none_or(is_default_time)
            && response_flags.is_none_or(|flags| flags == b"-" || are_flags(flags))
            && protocol.is_none_or(|protocol| matches!(protocol, b"HTTP/1.1" | b"HTTP/2" | b"-"));
        if !is_read {
            return None;
        }
        Some(AccessLine {
            start_time,
            method: text(Target::Method),
            path: text(Target::Path),
            protocol,
            response_code: number(Target::ResponseCode, code).ok()?.and_then(|code| code.try_into().ok()),
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
        })
    }
}

impl Ranges {
    #[inline(always)]
    fn range(&self, piece: usize) -> Option<(usize, usize)> {
        self.all.get(piece).map(|(start, end)| (usize::from(*start), usize::from(*end)))
    }

    /// Cuts what is between two quotes.
    #[inline(always)]
    fn cut(
        &mut self,
        part: &Part,
        line: &[u8],
        (mut start, mut end): (usize, usize),
        spaces: &Bits,
    ) -> Option<()> {
        let (first, last, pieces) = match part {
            Part::Text(text) => {
                let is_it = strip(line.get(start..end)?, text)?.is_empty();
                return is_it.then_some(());
            }
            Part::Whole(piece) => return self.add(piece, line, start, end),
            Part::Words { first, last, pieces } => (*first, *last, pieces),
        };
        if last {
            end = end.checked_sub(1)?;
            if line.get(end) != Some(&b' ') {
                return None;
            }
        }
        let mut base = start;
        let mut left = spaces.until(base, end);
        if first {
            if left & 1 == 0 {
                return None;
            }
            left &= left - 1;
            start += 1;
        }
        let (behind, pieces) = pieces.split_last()?;
        for piece in pieces {
            while left == 0 {
                base += 64;
                if base >= end {
                    return None;
                }
                left = spaces.until(base, end);
            }
            let at = base + left.trailing_zeros() as usize;
            left &= left - 1;
            self.add(piece, line, start, at)?;
            start = at + 1;
        }
        // No further space may stand in front of the end.
        while left == 0 && base + 64 < end {
            base += 64;
            left = spaces.until(base, end);
        }
        if left != 0 {
            return None;
        }
        self.add(behind, line, start, end)
    }

    /// Notes where a piece is; texts have no place.
    #[inline(always)]
    fn add(&mut self, piece: &Piece, line: &[u8], mut start: usize, mut end: usize) -> Option<()> {
        if piece.has_text {
            strip(line.get(start..end)?, &piece.before)?;
            start += piece.before.len();
            end = end.checked_sub(piece.behind.len())?;
            strip(line.get(end..)?, &piece.behind)?;
        }
        if start > end || !piece.is_value && start != end {
            return None;
        }
        if piece.is_value {
            *self.all.get_mut(self.count)? = (u16::try_from(start).ok()?, u16::try_from(end).ok()?);
            self.count += 1;
        }
        Some(())
    }
}

impl Part {
    /// `None` where it is cut at another byte than a space.
    fn of(cut: &Cut) -> Option<Self> {
        let is_empty = |cut: Option<&Cut>| matches!(cut, Some(Cut::Text(text)) if text.is_empty());
        Some(match cut {
            Cut::Text(text) => Self::Text(text.clone()),
            Cut::Value(..) => Self::Whole(Piece::of(cut)?),
            Cut::At(b' ', texts) if texts.iter().all(|text| matches!(text, Cut::Text(_))) => {
                let texts = texts.iter().map(|text| if let Cut::Text(text) = text { &**text } else { b"" });
                Self::Text(texts.collect::<Vec<_>>().join(&b' ').into())
            }
            Cut::At(b' ', texts) => {
                let (first, last) = (is_empty(texts.first()), is_empty(texts.last()));
                let count = texts.len().checked_sub(usize::from(last))?;
                let pieces = texts.get(usize::from(first)..count)?.iter().map(Piece::of);
                Self::Words { first, last, pieces: pieces.collect::<Option<_>>()? }
            }
            Cut::At(..) => return None,
        })
    }
}

impl Piece {
    fn of(cut: &Cut) -> Option<Self> {
        let (before, behind, is_value) = match cut {
            Cut::Value(before, _, behind) => (before.clone(), behind.clone(), true),
            Cut::Text(text) => (text.clone(), Box::default(), false),
            Cut::At(..) => return None,
        };
        Some(Self { has_text: !(before.is_empty() && behind.is_empty()), before, behind, is_value })
    }
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

    use crate::logs::{LogFormat, Strictness};

    const FORMATS: [(&str, &str); 3] = [
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
            let mut line = line.to_owned();
            for (at, length, piece) in changes {
                let at = at.index(line.len());
                let end = (at + length).min(line.len());
                line.replace_range(at..end, piece);
                prop_assume!(!line.is_empty());
            }
            let text = format!("{line}\n{}", "\" ".repeat(40));
            let found = format.read_ordinary(text.as_bytes());
            prop_assert!(found.is_some() || is_changed, "{line}");
            if let Some((length, found)) = found {
                prop_assert_eq!(length, line.len());
                prop_assert_eq!(Some(found), format.read(line.as_bytes()));
            }
        }
    }
}
