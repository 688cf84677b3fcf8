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
//! none; nothing is guessed from its parts.

use super::access_line::{AccessLine, Format};
use super::response_flags::FlagSet;

mod careful;
pub(super) mod find;
pub(super) mod ordinary;
mod status;

use find::{find, find_either, split_at_byte};
use status::{Family, Status};

/// What begins a colour.
pub(super) const ESCAPE: u8 = 0x1b;

/// Reads one line in any of the text layouts; `None` if it is not one.
pub fn parse_text(line: &[u8]) -> Option<AccessLine<'_>> {
    let trimmed = line.trim_ascii_end();
    let (start_time, body) = split_time(trimmed)?;
    let was_trimmed = line.len() > trimmed.len();
    if let Some(reading) = Reading::quick(body) {
        return reading.into_line(false, start_time, was_trimmed);
    }
    let (reading, ambiguous) = careful::read(body, was_trimmed)?;
    reading.into_line(ambiguous, start_time, was_trimmed)
}

/// Whether a text begins as a line of these layouts does.
#[inline]
pub(in crate::logs) fn may_begin(line: &[u8]) -> bool {
    split_time(line).is_some()
}

/// The time, and what follows the quote that opens the request. Some collectors cut the time off.
#[inline(always)]
fn split_time(line: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if let Some((time, rest)) = line.strip_prefix(b"[").and_then(|rest| rest.split_at_checked(24))
        && let Some(body) = rest.strip_prefix(b"] \"")
    {
        return Some((Some(time), body));
    }
    if let Some(body) = line.strip_prefix(b"\"") {
        return Some((None, body));
    }
    let text = match line.first()? {
        b'[' => line.get(1..)?,
        b'0'..=b'9' => line,
        _ => return None,
    };
    // A time has no spaces, so that most other texts are told from it by their first word.
    let (time, rest) = text.split_at_checked(find_either(text, b']', b' ')?)?;
    Some((Some(time), rest.strip_prefix(b"] \"")?))
}

/// The parts of a line from its request on.
struct Reading<'a> {
    request: Request<'a>,
    status: Status<'a>,
    x_forwarded_for: &'a [u8],
    user_agent: &'a [u8],
    request_id: &'a [u8],
    authority: &'a [u8],
    upstream_host: &'a [u8],
    /// The fields behind the upstream host, in the order of the longest layout.
    tail: [&'a [u8]; TAIL],
    tail_count: usize,
}

struct Request<'a> {
    method: &'a [u8],
    path: &'a [u8],
    protocol: Option<&'a [u8]>,
}

impl<'a> Reading<'a> {
    /// The ordinary line: it has no more quotes than its layout but those within the user agent, the request id and
    /// the authority, so there is one reading. `None` where there may be others: the quote that ends another request
    /// stands before all of the four separators behind it, so it would be in `x-forwarded-for`, a reason or a Mixer
    /// status.
    #[inline(always)]
    fn quick(body: &'a [u8]) -> Option<Self> {
        let (method, rest) = split_word(body)?;
        let at = find_either(rest, b' ', b'"')?;
        let (path, rest) = rest.split_at_checked(at)?;
        let (protocol, rest) = split_at_byte(rest.strip_prefix(b" ")?, b'"')?;
        if !is_protocol(protocol) {
            return None;
        }
        let status = Status::parse(rest.strip_prefix(b" ")?)?;
        if find(status.quoted, b'"').is_some() || find(status.second_quoted, b'"').is_some() {
            return None;
        }
        let (x_forwarded_for, rest) = split_at_byte(status.rest, b'"')?;
        let rest = rest.strip_prefix(b" \"")?;
        if rest.starts_with(b" \"") {
            return None;
        }
        let (user_agent, rest) = split_quoted(rest)?;
        let (request_id, rest) = split_quoted(rest)?;
        let (authority, rest) = split_quoted(rest)?;
        let (upstream_host, rest) = split_at_byte(rest, b'"')?;
        let (tail, tail_count) = split_fields(rest)?;
        let request = Request { method, path, protocol: Some(protocol) };
        Some(Self {
            request,
            status,
            x_forwarded_for,
            user_agent,
            request_id,
            authority,
            upstream_host,
            tail,
            tail_count,
        })
    }

    #[inline(always)]
    fn into_line(
        self,
        ambiguous: bool,
        start_time: Option<&'a [u8]>,
        was_trimmed: bool,
    ) -> Option<AccessLine<'a>> {
        let format = format_of(self.status.family, self.tail_count, was_trimmed)?;
        let Self { request, status, .. } = self;
        let (details, reason, mixer_status) = match (status.family, format) {
            (Family::Plain, _) => (None, None, None),
            (Family::OneQuoted, Format::IstioText11) => (None, None, Some(status.quoted)),
            (Family::OneQuoted, _) => (None, Some(status.quoted), None),
            (Family::TwoQuoted, _) => (None, Some(status.second_quoted), Some(status.quoted)),
            (Family::Details, _) => (Some((status.details, status.termination)), Some(status.quoted), None),
        };
        let [bytes_received, bytes_sent, duration, upstream_service_time] = status.numbers;
        let [cluster, upstream_local, downstream_local, downstream_remote, sni, route] = self.tail;
        let field = |needed: usize, text: &'a [u8]| (self.tail_count >= needed).then_some(text);
        Some(AccessLine {
            format,
            ambiguous,
            start_time,
            time: None,
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
            x_forwarded_for: Some(self.x_forwarded_for),
            user_agent: Some(self.user_agent),
            request_id: Some(self.request_id),
            authority: Some(self.authority),
            upstream_host: Some(self.upstream_host),
            upstream_cluster: field(1, cluster),
            upstream_local_address: field(2, upstream_local),
            downstream_local_address: field(3, downstream_local),
            downstream_remote_address: field(4, downstream_remote),
            requested_server_name: field(5, sni),
            route_name: field(6, route),
        })
    }
}

/// Fields behind the upstream host in the longest layout.
const TAIL: usize = 6;

/// The fields behind the upstream host, each with a space before it, and their number. No layout has a quote there.
#[inline(always)]
fn split_fields(text: &[u8]) -> Option<([&[u8]; TAIL], usize)> {
    let mut fields: [&[u8]; TAIL] = [b""; TAIL];
    if text.is_empty() {
        return Some((fields, 0));
    }
    let mut rest = text;
    let mut count = 0;
    while let Some(text) = rest.strip_prefix(b" ") {
        let end = find_either(text, b' ', b'"').unwrap_or(text.len());
        let (field, after) = text.split_at_checked(end)?;
        if field.is_empty() {
            return None;
        }
        *fields.get_mut(count)? = field;
        count += 1;
        rest = after;
    }
    if !rest.is_empty() {
        return None;
    }
    Some((fields, count))
}

/// A word without quotes, and the text behind the space after it.
#[inline(always)]
fn split_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = find_either(text, b' ', b'"')?;
    let (word, rest) = text.split_at_checked(at)?;
    Some((word, rest.strip_prefix(b" ")?))
}

/// A quoted text of which the opening quote has been read, up to the first quote that closes it and has another
/// quoted text behind it; and what follows the quote that opens that one.
///
/// Quotes inside are taken to belong to the text: what follows has as many separators as there must be. Except where
/// two ends could overlap (`" " "`), which is for the careful reading to say.
#[inline(always)]
fn split_quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(rest) = text.strip_prefix(b"-\" \"") {
        return Some((b"-", rest));
    }
    let mut at = 0;
    loop {
        at += find(text.get(at..)?, b'"')?;
        let (quoted, rest) = text.split_at_checked(at)?;
        match rest.strip_prefix(b"\" \"") {
            Some(rest) => return (!rest.starts_with(b" \"")).then_some((quoted, rest)),
            None => at += 1,
        }
    }
}

#[inline(always)]
fn is_protocol(text: &[u8]) -> bool {
    matches!(text, b"HTTP/1.1" | b"HTTP/2" | b"-" | b"HTTP/1.0" | b"HTTP/3")
        || (text.starts_with(b"HTTP/") && text.len() <= 8)
}

/// The layout, by what stands between flags and numbers and by the number of fields behind the upstream host.
#[inline(always)]
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

#[cfg(test)]
mod tests;
