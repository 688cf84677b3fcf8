//! Reads Envoy's text access log: Envoy's own default layout and those of every Istio release.
//!
//! The layouts differ in two places only: between the flags and the numbers, and behind the upstream host. So one
//! pass reads them all, and the line itself says which it is.
//!
//! Envoy escapes nothing in the text log. Path, `x-forwarded-for`, user agent and request id are the caller's words
//! and may hold quotes, spaces and whole forged lines. Therefore a line is read from both ends: what stands in front
//! of the caller's text from the left, what stands behind it from the right, where the fields have no quotes and a
//! fixed number. Where the caller's words leave more than one reading, the line says so (`ambiguous`).
//!
//! Not here: prefixes that tools put before a line, JSON lines, custom layouts. A line that cannot be read whole is
//! [`Parsed::Other`]; nothing is guessed from its parts.

use memchr::{memchr, memchr_iter, memmem, memrchr};

use super::access_line::{AccessLine, Format};
use super::response_flags::FlagSet;

/// What a line turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it lives for one line, and boxing would allocate for each")]
pub enum Parsed<'a> {
    /// An access-log line, read whole.
    Access(AccessLine<'a>),
    /// Anything else, a broken access-log line included.
    Other,
}

/// Remembers which layout the lines of one source have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Detector {
    last: Option<Format>,
}

impl Detector {
    /// Reads one line (without its line feed) of the source.
    #[inline]
    pub fn parse<'a>(&mut self, line: &'a [u8]) -> Parsed<'a> {
        match parse_text(line) {
            Some(line) => {
                self.last = Some(line.format);
                Parsed::Access(line)
            }
            None => Parsed::Other,
        }
    }

    /// The layout of the last line that could be read.
    pub fn format(self) -> Option<Format> {
        self.last
    }
}

/// Reads one line in any of the text layouts; `None` if it is not one.
#[inline]
pub fn parse_text(line: &[u8]) -> Option<AccessLine<'_>> {
    let trimmed = line.trim_ascii_end();
    let (start_time, body) = split_time(trimmed)?;
    let tail = Tail::split(body)?;
    let (head, middle, ambiguous) = match tail.quick(body) {
        Some((head, middle)) => (head, middle, false),
        None => tail.careful(body)?,
    };
    let format = format_of(head.family, tail.count, line.len() > trimmed.len())?;
    Some(join(format, ambiguous, start_time, &head, &middle, &tail))
}

/// The time, and what follows the quote that opens the request. Some collectors cut the time off.
#[inline]
fn split_time(line: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if let Some((time, rest)) = line.strip_prefix(b"[").and_then(|rest| rest.split_at_checked(24)) {
        if let Some(body) = rest.strip_prefix(b"] \"") {
            return Some((Some(time), body));
        }
    }
    if let Some(body) = line.strip_prefix(b"\"") {
        return Some((None, body));
    }
    let text = match line.first()? {
        b'[' => line.get(1..)?,
        b'0'..=b'9' => line,
        _ => return None,
    };
    let (time, rest) = split_at_byte(text, b']')?;
    if time.contains(&b' ') {
        return None;
    }
    Some((Some(time), rest.strip_prefix(b" \"")?))
}

/// The unquoted fields at the right end, and the quoted upstream host before them.
struct Tail<'a> {
    fields: [&'a [u8]; 6],
    count: usize,
    upstream_host: &'a [u8],
    /// The body up to and with the quote that closes the authority.
    before: &'a [u8],
}

impl<'a> Tail<'a> {
    #[inline]
    fn split(body: &'a [u8]) -> Option<Self> {
        let (before, after) = body.split_at_checked(memrchr(b'"', body)?)?;
        let mut fields: [&[u8]; 6] = [b""; 6];
        let count = split_fields(after.get(1..)?, &mut fields)?;
        let (before, upstream_host) = split_last_quote(before)?;
        if upstream_host.is_empty() || upstream_host.contains(&b' ') {
            return None;
        }
        Some(Self { fields, count, upstream_host, before: before.strip_suffix(b" ")? })
    }

    /// The ordinary line: no caller's text has a quote, so there is one reading. `None` where it has one.
    #[inline]
    fn quick(&self, body: &'a [u8]) -> Option<(Head<'a>, Middle<'a>)> {
        let (method, rest) = split_at_byte(body, b' ')?;
        let (path, rest) = split_at_byte(rest, b' ')?;
        let (protocol, rest) = split_at_byte(rest, b'"')?;
        if memchr(b'"', path).is_some() || method.contains(&b'"') || !is_protocol(protocol) {
            return None;
        }
        let status = Status::parse(rest)?;
        let rest = status.rest;
        // The tail is behind the head, or the two have nothing to do with each other.
        let length = rest.len().checked_sub(body.len().checked_sub(self.before.len())?)?;
        let middle = rest.get(..length)?.strip_suffix(b"\"")?;
        let (middle, authority) = split_last_separator(middle)?;
        let (middle, request_id) = split_last_separator(middle)?;
        let (x_forwarded_for, user_agent) = split_at_byte(middle, b'"')?;
        let user_agent = user_agent.strip_prefix(b" \"")?;
        if memchr(b'"', user_agent).is_some() {
            return None;
        }
        let request = Request { method, path, protocol: Some(protocol) };
        Some((
            Head { request, family: status.family, status },
            Middle { x_forwarded_for, user_agent, request_id, authority },
        ))
    }

    /// The line with quotes where callers can put them: every reading is looked for.
    ///
    /// The first place where the request can end is taken, because a user agent can forge a later one; the authority
    /// and the request id are taken from the right, because a user agent stands to their left.
    #[cold]
    fn careful(&self, body: &'a [u8]) -> Option<(Head<'a>, Middle<'a>, bool)> {
        let (before, authority) = split_before_separator(self.before.strip_suffix(b"\"")?)?;
        let mut found: Option<(Head<'a>, Middle<'a>)> = None;
        let mut readings = 0_usize;
        for end in memmem::find_iter(before, b"\" ") {
            let Some((head, length)) = self.head_ending_at(body, before, end) else { continue };
            let Some(middle) = head.status.rest.get(..length) else { continue };
            let Some((x_forwarded_for, user_agent, request_id, ways)) = split_middle(middle) else {
                continue;
            };
            readings = readings.saturating_add(ways);
            if found.is_none() {
                found = Some((head, Middle { x_forwarded_for, user_agent, request_id, authority }));
            }
            if readings > 1 {
                break;
            }
        }
        let (head, middle) = found?;
        Some((head, middle, readings > 1))
    }

    /// The head if the request ends at that quote, and how long the callers' text behind it is.
    fn head_ending_at(&self, body: &'a [u8], before: &[u8], end: usize) -> Option<(Head<'a>, usize)> {
        let (request, rest) = body.split_at_checked(end)?;
        let request = Request::parse(request)?;
        let status = Status::parse(rest.get(1..)?)?;
        let length = status.rest.len().checked_sub(body.len().checked_sub(before.len())?)?;
        Some((Head { request, family: status.family, status }, length))
    }
}

/// Up to six fields, each with a space before it.
#[inline]
fn split_fields<'a>(text: &'a [u8], fields: &mut [&'a [u8]; 6]) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let text = text.strip_prefix(b" ")?;
    let mut start = 0;
    let mut count = 0;
    for end in memchr_iter(b' ', text).chain(std::iter::once(text.len())) {
        let field = text.get(start..end)?;
        if field.is_empty() {
            return None;
        }
        *fields.get_mut(count)? = field;
        count += 1;
        start = end + 1;
    }
    Some(count)
}

/// `x-forwarded-for" "user agent" "request id`, and in how many ways it can be split. The request id is taken from
/// the right end, `x-forwarded-for` from the left.
fn split_middle(text: &[u8]) -> Option<(&[u8], &[u8], &[u8], usize)> {
    let mut separators = memmem::find_iter(text, b"\" \"");
    let first = separators.next()?;
    let more = separators.count();
    let last = memmem::rfind(text, b"\" \"")?;
    let ways = if more == 1 { 1 } else { 2 };
    Some((text.get(..first)?, text.get(first.checked_add(3)?..last)?, text.get(last + 3..)?, ways))
}

/// What stands in front of the callers' headers.
struct Head<'a> {
    request: Request<'a>,
    family: Family,
    status: Status<'a>,
}

/// The callers' headers.
struct Middle<'a> {
    x_forwarded_for: &'a [u8],
    user_agent: &'a [u8],
    request_id: &'a [u8],
    authority: &'a [u8],
}

struct Request<'a> {
    method: &'a [u8],
    path: &'a [u8],
    protocol: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// `METHOD PATH PROTOCOL`, the path being all between; some published lines lack the protocol.
    fn parse(text: &'a [u8]) -> Option<Self> {
        let (method, rest) = split_at_byte(text, b' ')?;
        if method.is_empty() || method.contains(&b'"') {
            return None;
        }
        match memrchr(b' ', rest).and_then(|at| rest.split_at_checked(at)) {
            Some((path, protocol)) if is_protocol(protocol.get(1..)?) => {
                Some(Self { method, path, protocol: protocol.get(1..) })
            }
            None if !rest.is_empty() && !rest.contains(&b'"') => {
                Some(Self { method, path: rest, protocol: None })
            }
            _ => None,
        }
    }
}

#[inline]
fn is_protocol(text: &[u8]) -> bool {
    text == b"-" || (text.starts_with(b"HTTP/") && text.len() <= 8)
}

/// What stands between the flags and the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Nothing.
    Plain,
    /// One quoted field.
    OneQuoted,
    /// Two quoted fields.
    TwoQuoted,
    /// Two fields without quotes and a quoted one.
    Details,
}

/// The fields from the response code to the upstream's service time.
struct Status<'a> {
    family: Family,
    response_code: u16,
    response_flags: &'a [u8],
    details: &'a [u8],
    termination: &'a [u8],
    quoted: &'a [u8],
    second_quoted: &'a [u8],
    numbers: [Option<u64>; 4],
    /// What follows the quote that opens `x-forwarded-for`.
    rest: &'a [u8],
}

impl<'a> Status<'a> {
    /// `text` begins with the space behind the request's closing quote.
    #[inline]
    fn parse(text: &'a [u8]) -> Option<Self> {
        let text = text.strip_prefix(b" ")?;
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
            b'"' => Self::parse_quoted(empty, text.get(1..)?),
            b'0'..=b'9' => {
                let (numbers, rest) = split_numbers(text)?;
                Some(Self { numbers, rest, ..empty })
            }
            _ => Self::parse_details(empty, text),
        }
    }

    /// Istio 1.9 and later.
    #[inline]
    fn parse_details(status: Self, text: &'a [u8]) -> Option<Self> {
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
        Some(Self { family: Family::Details, details, termination, quoted, numbers, rest, ..status })
    }

    /// Istio 1.1 to 1.8: `text` begins behind the quote that opens the first quoted field.
    fn parse_quoted(status: Self, text: &'a [u8]) -> Option<Self> {
        let (quoted, numbers, rest) = split_quoted(text)?;
        Some(match memmem::find(quoted, b"\" \"") {
            None => Self { family: Family::OneQuoted, quoted, numbers, rest, ..status },
            Some(at) => {
                let (quoted, second_quoted) = (quoted.get(..at)?, quoted.get(at + 3..)?);
                Self { family: Family::TwoQuoted, quoted, second_quoted, numbers, rest, ..status }
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
fn split_quoted(text: &[u8]) -> Option<(&[u8], [Option<u64>; 4], &[u8])> {
    memmem::find_iter(text, b"\" ").take(QUOTES_TRIED).find_map(|at| {
        let (quoted, after) = text.split_at_checked(at)?;
        let (numbers, rest) = split_numbers(after.get(2..)?)?;
        Some((quoted, numbers, rest))
    })
}

/// Bytes received, bytes sent, duration and the upstream's service time, and what follows the next quote.
#[inline]
fn split_numbers(text: &[u8]) -> Option<([Option<u64>; 4], &[u8])> {
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
fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
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

/// The text before the last quote, and the text behind it.
#[inline]
fn split_last_quote(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, after) = text.split_at_checked(memrchr(b'"', text)?)?;
    Some((before, after.get(1..)?))
}

/// The text before the last `" "`, and the text behind it. `None` if that has another quote.
#[inline]
fn split_last_separator(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, after) = split_last_quote(text)?;
    Some((before.strip_suffix(b"\" ")?, after))
}

/// The text before the last `" "`, and the text behind it.
fn split_before_separator(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, after) = text.split_at_checked(memmem::rfind(text, b"\" \"")?)?;
    Some((before, after.get(3..)?))
}

/// The layout, by what stands between flags and numbers and by the number of fields behind the upstream host.
#[inline]
fn format_of(family: Family, tail: usize, was_trimmed: bool) -> Option<Format> {
    Some(match (family, tail) {
        (Family::Details, 6) => Format::IstioText19,
        // The route name was empty, and so the line ended in a space.
        (Family::Details, 5) if was_trimmed => Format::IstioText19,
        (Family::TwoQuoted, 5) => Format::IstioText13,
        (Family::TwoQuoted, 6) => Format::IstioText14,
        (Family::OneQuoted, 5) => Format::IstioText11,
        (Family::OneQuoted, 6) => Format::IstioText18,
        (Family::Plain, 4) => Format::IstioText10,
        (Family::Plain, 0) => Format::EnvoyDefault,
        _ => return None,
    })
}

#[inline]
fn join<'a>(
    format: Format,
    ambiguous: bool,
    start_time: Option<&'a [u8]>,
    head: &Head<'a>,
    middle: &Middle<'a>,
    tail: &Tail<'a>,
) -> AccessLine<'a> {
    let Head { request, family, status } = head;
    let (details, reason, mixer_status) = match (family, format) {
        (Family::Plain, _) => (None, None, None),
        (Family::OneQuoted, Format::IstioText11) => (None, None, Some(status.quoted)),
        (Family::OneQuoted, _) => (None, Some(status.quoted), None),
        (Family::TwoQuoted, _) => (None, Some(status.second_quoted), Some(status.quoted)),
        (Family::Details, _) => (Some((status.details, status.termination)), Some(status.quoted), None),
    };
    let [bytes_received, bytes_sent, duration, upstream_service_time] = status.numbers;
    let [cluster, upstream_local, downstream_local, downstream_remote, sni, route] = tail.fields;
    let field = |needed: usize, text: &'a [u8]| (tail.count >= needed).then_some(text);
    AccessLine {
        format,
        ambiguous,
        start_time,
        method: Some(request.method),
        path: Some(request.path),
        protocol: request.protocol,
        response_code: Some(status.response_code),
        response_flags: Some(status.response_flags),
        flags: FlagSet::parse(status.response_flags),
        response_code_details: details.map(|(details, _)| details),
        connection_termination_details: details.map(|(_, termination)| termination),
        mixer_status,
        upstream_transport_failure_reason: reason,
        bytes_received,
        bytes_sent,
        duration,
        upstream_service_time,
        x_forwarded_for: Some(middle.x_forwarded_for),
        user_agent: Some(middle.user_agent),
        request_id: Some(middle.request_id),
        authority: Some(middle.authority),
        upstream_host: Some(tail.upstream_host),
        upstream_cluster: field(1, cluster),
        upstream_local_address: field(2, upstream_local),
        downstream_local_address: field(3, downstream_local),
        downstream_remote_address: field(4, downstream_remote),
        requested_server_name: field(5, sni),
        route_name: field(6, route),
    }
}

#[cfg(test)]
mod tests;
