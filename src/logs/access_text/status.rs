//! The part between the request and the callers' headers: code, flags, details, numbers. Callers have no say in it.

use memchr::{memmem, memrchr};

use super::find::split_at_byte;

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
    #[inline(always)]
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let (response_code, text) = split_code(text)?;
        let (response_flags, text) = split_word(text)?;
        if !matches!(response_flags.first()?, b'-' | b'A'..=b'Z') {
            return None;
        }
        let Between { family, details, termination, quoted, second_quoted, numbers } = Between::split(text)?;
        let (numbers, rest) = split_numbers(numbers)?;
        Some(Self {
            family,
            response_code,
            response_flags,
            details,
            termination,
            quoted,
            second_quoted,
            numbers,
            rest,
        })
    }
}

/// The fields between the flags and the numbers; those that a layout does not have are empty.
struct Between<'a> {
    family: Family,
    details: &'a [u8],
    termination: &'a [u8],
    quoted: &'a [u8],
    second_quoted: &'a [u8],
    /// What follows: the numbers.
    numbers: &'a [u8],
}

impl<'a> Between<'a> {
    #[inline(always)]
    fn split(text: &'a [u8]) -> Option<Self> {
        let none = &b""[..];
        match text.first()? {
            b'"' => Self::quoted(text.get(1..)?),
            b'0'..=b'9' => Some(Self {
                family: Family::Plain,
                details: none,
                termination: none,
                quoted: none,
                second_quoted: none,
                numbers: text,
            }),
            _ => {
                let (details, after) = split_word(text)?;
                let (termination, after) = split_word(after)?;
                let (details, termination, after) = match after.strip_prefix(b"\"") {
                    Some(after) => (details, termination, after),
                    None => split_spaced_details(text)?,
                };
                // Nearly every line has no reason.
                let (quoted, numbers) = match after.strip_prefix(b"-\" ") {
                    Some(numbers) => (&b"-"[..], numbers),
                    None => split_reason(details, termination, after)?,
                };
                Some(Self {
                    family: Family::Details,
                    details,
                    termination,
                    quoted,
                    second_quoted: none,
                    numbers,
                })
            }
        }
    }

    /// Istio 1.1 to 1.8: `text` begins behind the quote that opens the first quoted field.
    fn quoted(text: &'a [u8]) -> Option<Self> {
        let (quoted, numbers) = split_quoted(text).filter(|(quoted, _)| !holds_a_request(quoted))?;
        let (family, quoted, second_quoted) = match memmem::find(quoted, b"\" \"") {
            None => (Family::OneQuoted, quoted, &b""[..]),
            Some(at) => (Family::TwoQuoted, quoted.get(..at)?, quoted.get(at + 3..)?),
        };
        Some(Self { family, details: b"", termination: b"", quoted, second_quoted, numbers })
    }
}

/// Response code details with spaces, as Envoy wrote them before it replaced spaces by `_`: the termination details
/// are the last word before the quote.
#[cold]
fn split_spaced_details(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (both, after) = text.split_at_checked(memmem::find(text, b" \"")?)?;
    // Details have no quotes: what stands before this one is a caller's, in a path with spaces.
    if both.contains(&b'"') {
        return None;
    }
    let (details, termination) = both.split_at_checked(memrchr(b' ', both)?)?;
    Some((details, termination.get(1..)?, after.get(2..)?))
}

/// A reason and the numbers. Details have no quotes and a reason holds no request: such are a caller's words, in a path
/// with spaces.
fn split_reason<'a>(details: &[u8], termination: &[u8], text: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (reason, numbers) = split_quoted(text)?;
    let has_quotes = details.contains(&b'"') || termination.contains(&b'"');
    (!has_quotes && !holds_a_request(reason)).then_some((reason, numbers))
}

/// No reason and no Mixer status does: where a request ends in it, a caller wrote what stands before that.
fn holds_a_request(quoted: &[u8]) -> bool {
    quoted.len() > 1 && memmem::find(quoted, b" HTTP/").is_some()
}

/// Quotes that a reason or a Mixer status may hold; a bound, so that a caller's text full of quotes costs no time.
const QUOTES_TRIED: usize = 16;

/// Text up to the first closing quote behind which the four numbers stand, and the text from the numbers on.
fn split_quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    memmem::find_iter(text, b"\" ").take(QUOTES_TRIED).find_map(|at| {
        let (quoted, after) = text.split_at_checked(at)?;
        let numbers = after.get(2..)?;
        split_numbers(numbers).map(|_| (quoted, numbers))
    })
}

/// The numbers, and what follows the next quote.
#[inline(always)]
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
#[inline(always)]
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
        // Nineteen digits always fit; Envoy's counters never have more.
        if text.len() - rest.len() >= 19 {
            return None;
        }
        number = number * 10 + u64::from(byte - b'0');
        rest = after;
    }
    None
}

/// The response code: up to three digits.
#[inline(always)]
fn split_code(text: &[u8]) -> Option<(u16, &[u8])> {
    match *text {
        [a, b, c, b' ', ref rest @ ..] if a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit() => {
            Some((u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'), rest))
        }
        [b'0', b' ', ref rest @ ..] => Some((0, rest)),
        _ => None,
    }
}

/// A word of at least one byte, and the text behind the space after it.
#[inline(always)]
fn split_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(rest) = text.strip_prefix(b"- ") {
        return Some((b"-", rest));
    }
    split_at_byte(text, b' ')
}
