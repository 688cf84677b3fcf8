//! Lines in which a quote stands where only callers can have put it: every reading is looked for.

use memchr::{memmem, memrchr};

use super::find::split_at_byte;
use super::status::Status;
use super::{Reading, Request, format_of, is_protocol, split_fields};

/// The readings of a line from its request on. The first place where the request can end is taken, because a user
/// agent can forge a later one; authority and request id are taken from the right, because it stands to their left.
///
/// Gives the reading and whether there is more than one.
#[cold]
pub(super) fn read(body: &[u8], was_trimmed: bool) -> Option<(Reading<'_>, bool)> {
    let (before, after) = body.split_at_checked(memrchr(b'"', body)?)?;
    let (tail, tail_count) = split_fields(after.get(1..)?)?;
    let (before, upstream_host) = before.split_at_checked(memrchr(b'"', before)?)?;
    let upstream_host = upstream_host.get(1..)?;
    if upstream_host.is_empty() || upstream_host.contains(&b' ') {
        return None;
    }
    let (before, authority) = split_last_separator(before.strip_suffix(b"\" ")?)?;
    let mut found: Option<Reading<'_>> = None;
    let mut readings = 0_usize;
    for end in memmem::find_iter(before, b"\" ") {
        let Some((request, status)) = head_ending_at(before, end) else { continue };
        // What stands behind the upstream host is the proxy's: a status of another layout is a caller's.
        if format_of(status.family, tail_count, was_trimmed).is_none() {
            continue;
        }
        let Some(Headers { x_forwarded_for, user_agent, request_id, ways }) = Headers::split(status.rest)
        else {
            continue;
        };
        readings = readings.saturating_add(ways);
        found.get_or_insert(Reading {
            request,
            status,
            x_forwarded_for,
            user_agent,
            request_id,
            authority,
            upstream_host,
            tail,
            tail_count,
        });
        if readings > 1 {
            break;
        }
    }
    Some((found?, readings > 1))
}

/// Request and status if the request ends at that quote.
fn head_ending_at(text: &[u8], end: usize) -> Option<(Request<'_>, Status<'_>)> {
    let (request, rest) = text.split_at_checked(end)?;
    Some((split_request(request)?, Status::parse(rest.get(2..)?)?))
}

/// `METHOD PATH PROTOCOL`, the path being all between; some published lines lack the protocol.
fn split_request(text: &[u8]) -> Option<Request<'_>> {
    let (method, rest) = split_at_byte(text, b' ')?;
    if method.is_empty() || method.contains(&b'"') {
        return None;
    }
    match memrchr(b' ', rest).and_then(|at| rest.split_at_checked(at)) {
        Some((path, protocol)) if is_protocol(protocol.get(1..)?) => {
            Some(Request { method, path, protocol: protocol.get(1..) })
        }
        None if !rest.is_empty() && !rest.contains(&b'"') => {
            Some(Request { method, path: rest, protocol: None })
        }
        _ => None,
    }
}

/// The callers' headers, and in how many ways they can be split.
struct Headers<'a> {
    x_forwarded_for: &'a [u8],
    user_agent: &'a [u8],
    request_id: &'a [u8],
    ways: usize,
}

impl<'a> Headers<'a> {
    /// `x-forwarded-for" "user agent" "request id`: the first from the left end, the last from the right.
    fn split(text: &'a [u8]) -> Option<Self> {
        let mut separators = memmem::find_iter(text, b"\" \"");
        let first = separators.next()?;
        let ways = if separators.count() == 1 { 1 } else { 2 };
        let (x_forwarded_for, rest) = text.split_at_checked(first)?;
        let (user_agent, request_id) = split_last_separator(rest.get(3..)?)?;
        Some(Self { x_forwarded_for, user_agent, request_id, ways })
    }
}

/// The text before the last `" "`, and the text behind it.
fn split_last_separator(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, after) = text.split_at_checked(memmem::rfind(text, b"\" \"")?)?;
    Some((before, after.get(3..)?))
}
