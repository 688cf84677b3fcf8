//! The part between the request and the callers' headers: code, flags, details, numbers. Callers have no say in it.

use memchr::{memchr, memmem, memrchr};

/// What stands between the flags and the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Nothing.
    Plain,
    /// One quoted field.
    OneQuoted,
    /// Two quoted fields.
    TwoQuoted,
    /// Two fields without quotes and a quoted one.
    Details,
}

/// Bytes received, bytes sent, duration and the upstream's service time.
type Numbers = [Option<u64>; 4];

/// The fields from the response code to the upstream's service time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Status<'a> {
    pub(super) family: Family,
    pub(super) response_code: u16,
    pub(super) response_flags: &'a [u8],
    pub(super) details: &'a [u8],
    pub(super) termination: &'a [u8],
    pub(super) quoted: &'a [u8],
    pub(super) second_quoted: &'a [u8],
    pub(super) numbers: Numbers,
    /// What follows the quote that opens `x-forwarded-for`.
    pub(super) rest: &'a [u8],
}

impl<'a> Status<'a> {
    /// `text` begins with the response code.
    #[inline]
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let (response_code, text) = split_code(text)?;
        let (response_flags, text) = split_short(text)?;
        if !matches!(response_flags.first()?, b'-' | b'A'..=b'Z') {
            return None;
        }
        let empty = Self {
            family: Family::Plain,
            response_code,
            response_flags,
            details: b"",
            termination: b"",
            quoted: b"",
            second_quoted: b"",
            numbers: [None; 4],
            rest: b"",
        };
        match text.first()? {
            b'"' => Self::parse_quoted(&empty, text.get(1..)?),
            b'0'..=b'9' => {
                let (numbers, rest) = split_numbers(text)?;
                Some(Self { numbers, rest, ..empty })
            }
            _ => Self::parse_details(&empty, text),
        }
    }

    /// Istio 1.9 and later.
    #[inline]
    fn parse_details(status: &Self, text: &'a [u8]) -> Option<Self> {
        let (details, after) = split_at_byte(text, b' ')?;
        let (termination, after) = split_short(after)?;
        let (details, termination, after) = match after.strip_prefix(b"\"") {
            Some(after) => (details, termination, after),
            None => split_spaced_details(text)?,
        };
        // Nearly every line has no reason.
        let (quoted, numbers, rest) = match after.strip_prefix(b"-\" ").and_then(split_numbers) {
            Some((numbers, rest)) => (&b"-"[..], numbers, rest),
            None => split_quoted(after)?,
        };
        Some(Self { family: Family::Details, details, termination, quoted, numbers, rest, ..*status })
    }

    /// Istio 1.1 to 1.8: `text` begins behind the quote that opens the first quoted field.
    fn parse_quoted(status: &Self, text: &'a [u8]) -> Option<Self> {
        let (quoted, numbers, rest) = split_quoted(text)?;
        Some(match memmem::find(quoted, b"\" \"") {
            None => Self { family: Family::OneQuoted, quoted, numbers, rest, ..*status },
            Some(at) => {
                let (quoted, second_quoted) = (quoted.get(..at)?, quoted.get(at + 3..)?);
                Self { family: Family::TwoQuoted, quoted, second_quoted, numbers, rest, ..*status }
            }
        })
    }
}

/// Response code details with spaces, as Envoy wrote them before it replaced spaces by `_`: the termination details
/// are the last word before the quote.
#[cold]
fn split_spaced_details(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (both, after) = text.split_at_checked(memmem::find(text, b" \"")?)?;
    let (details, termination) = both.split_at_checked(memrchr(b' ', both)?)?;
    Some((details, termination.get(1..)?, after.get(2..)?))
}

/// Quotes that a reason or a Mixer status may hold; a bound, so that a caller's text full of quotes costs no time.
const QUOTES_TRIED: usize = 16;

/// Text up to the first closing quote behind which the four numbers stand, the numbers, and what follows.
fn split_quoted(text: &[u8]) -> Option<(&[u8], Numbers, &[u8])> {
    memmem::find_iter(text, b"\" ").take(QUOTES_TRIED).find_map(|at| {
        let (quoted, after) = text.split_at_checked(at)?;
        let (numbers, rest) = split_numbers(after.get(2..)?)?;
        Some((quoted, numbers, rest))
    })
}

/// The numbers, and what follows the next quote.
#[inline]
fn split_numbers(text: &[u8]) -> Option<(Numbers, &[u8])> {
    let (received, text) = split_number(text)?;
    let (sent, text) = split_number(text)?;
    let (duration, text) = split_number(text)?;
    // The service time is a header of the answer, so in the end anything may stand there.
    let (service_time, text) = match split_number(text) {
        Some(split) => split,
        None => {
            (None, split_at_byte(text, b' ').filter(|(word, _)| !word.is_empty() && !word.contains(&b'"'))?.1)
        }
    };
    Some(([received, sent, duration, service_time], text.strip_prefix(b"\"")?))
}

/// A decimal number or `-`, and what follows the space behind it.
#[inline]
fn split_number(text: &[u8]) -> Option<(Option<u64>, &[u8])> {
    if let Some(rest) = text.strip_prefix(b"- ") {
        return Some((None, rest));
    }
    let mut number = 0_u64;
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if !byte.is_ascii_digit() {
            let read = byte == b' ' && rest.len() < text.len();
            return read.then_some((Some(number), after));
        }
        number = number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
        rest = after;
    }
    None
}

/// The response code: up to three digits.
#[inline]
fn split_code(text: &[u8]) -> Option<(u16, &[u8])> {
    match *text {
        [a, b, c, b' ', ref rest @ ..] if a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit() => {
            Some((u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'), rest))
        }
        [b'0', b' ', ref rest @ ..] => Some((0, rest)),
        _ => None,
    }
}

/// The text up to `byte` and the text behind it.
#[inline]
pub(super) fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let (before, after) = text.split_at_checked(memchr(byte, text)?)?;
    Some((before, after.get(1..)?))
}

/// A word of a few bytes and the text behind the space after it.
#[inline]
fn split_short(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(rest) = text.strip_prefix(b"- ") {
        return Some((text.get(..1)?, rest));
    }
    split_at_byte(text, b' ')
}
