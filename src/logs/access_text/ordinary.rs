//! The line that nearly all are: Istio's layout since 1.9, with no quote but those that the layout has.
//!
//! It has fourteen, and what stands between two of them can be read without the rest of the line. Since no caller wrote
//! a quote there is one reading, the one that is found from left to right. All other lines are read in that way.

use memchr::{memchr, memmem};

use super::ESCAPE;
use crate::logs::access_line::{AccessLine, Format};
use crate::logs::marks::{AT_ONCE, Bits, Places, number_of};
use crate::logs::response_flags::FlagSet;

/// Quotes of the layout.
const QUOTES: usize = 14;
/// Where the quote before the method stands.
const REQUEST: usize = 27;
/// Fields behind the upstream host.
const TAIL: usize = 6;

/// The texts between the first spaces of the 128 bytes from `begin` on, and their end: behind each a space stands. Behind
/// the last space everything is one text of 128 bytes.
#[inline(always)]
fn words<const N: usize>(spaces: &Bits, begin: usize) -> [(usize, usize); N] {
    let mut left = spaces.from(begin);
    let mut base = begin;
    let mut words = [(0, 0); N];
    let mut start = begin;
    for word in &mut words {
        if left == 0 && base == begin {
            base += 64;
            left = spaces.from(base);
        }
        let end = base + left.trailing_zeros() as usize;
        left &= left.wrapping_sub(1);
        *word = (start, end);
        start = end + 1;
    }
    words
}

/// Reads the first line of a text, and says how long it is; `None` for any other line.
#[inline(always)]
pub(in crate::logs) fn read(text: &[u8]) -> Option<(usize, AccessLine<'_>)> {
    let &[b'[', ref time @ .., b']', b' ', b'"'] = text.first_chunk::<{ REQUEST + 1 }>()? else {
        return None;
    };
    let mut places = Places::<{ QUOTES + AT_ONCE }>::NONE;
    places.note(text, QUOTES)?;
    let line = text.get(..places.length)?;
    let text = |(start, end): (usize, usize)| line.get(start..end);
    let quoted = |open: usize, close: usize| text((places.quote(open) + 1, places.quote(close)));
    if places.quote(0) != REQUEST {
        return None;
    }
    let request_end = places.quote(1);
    let protocol = protocol_of(text((REQUEST + 1, request_end))?)?;
    let [(method_start, method_end)] = words(&places.spaces, REQUEST + 1);
    let path_end = request_end.checked_sub(protocol.len() + 1)?;
    if method_start == method_end {
        return None;
    }

    let Answer { response_code, response_flags, flags, details, termination } =
        Answer::read(line, (request_end + 1, places.quote(2)), &places.spaces)?;
    let reason = quoted(2, 3)?;
    // A reason holds no request: where there is one, a caller wrote it.
    if reason != b"-" && memmem::find(reason, b" HTTP/").is_some() {
        return None;
    }

    let numbers = places.quote(3) + 1;
    let [_, received, sent, duration, service_time] = words(&places.spaces, numbers);
    if received.0 != numbers + 1 || service_time.1 + 1 != places.quote(4) {
        return None;
    }
    let number = |range| number_of(line, range);
    let service_time = match text(service_time)? {
        b"-" => None,
        _ => Some(number(service_time)?),
    };

    if !has_headers(line, &places) {
        return None;
    }
    let tail = tail_of(&places.spaces, places.quote(13) + 1, line.len())?;
    let [cluster, upstream_local, downstream_local, downstream_remote, sni, route] = tail;
    if line.last()?.is_ascii_whitespace() || is_coloured(line, details, text(cluster)?) {
        return None;
    }
    let line = AccessLine {
        format: Format::IstioText19,
        ambiguous: false,
        start_time: Some(time),
        time: None,
        method: Some(text((method_start, method_end))?),
        path: Some(text((method_end + 1, path_end))?),
        protocol: Some(protocol),
        response_code: Some(response_code),
        response_flags: Some(response_flags),
        flags,
        response_code_details: Some(details),
        connection_termination_details: Some(termination),
        mixer_status: None,
        upstream_transport_failure_reason: Some(reason),
        bytes_received: Some(number(received)?),
        bytes_sent: Some(number(sent)?),
        duration: Some(number(duration)?),
        upstream_service_time: service_time,
        x_forwarded_for: Some(quoted(4, 5)?),
        user_agent: Some(quoted(6, 7)?),
        request_id: Some(quoted(8, 9)?),
        authority: Some(quoted(10, 11)?),
        upstream_host: Some(quoted(12, 13)?),
        upstream_cluster: Some(text(cluster)?),
        upstream_local_address: Some(text(upstream_local)?),
        downstream_local_address: Some(text(downstream_local)?),
        downstream_remote_address: Some(text(downstream_remote)?),
        requested_server_name: Some(text(sni)?),
        route_name: Some(text(route)?),
    };
    Some((places.length, line))
}

/// Whether the callers' headers stand where the layout has them, and behind them an address.
#[inline(always)]
fn has_headers<const N: usize>(line: &[u8], places: &Places<N>) -> bool {
    let is_apart = |close: usize| {
        let at = places.quote(close);
        at + 2 == places.quote(close + 1) && line.get(at + 1) == Some(&b' ')
    };
    // No proxy has an address with a space: something of a caller's moved it.
    let (host_start, host_end) = (places.quote(12) + 1, places.quote(13));
    is_apart(5)
        && is_apart(7)
        && is_apart(9)
        && is_apart(11)
        && host_start < host_end
        && places.spaces.until(host_start, host_end) == 0
}

/// Whether somebody had words of a line coloured, which is to be taken off first: of ordinary answers only the beginning
/// of the cluster is looked at.
#[inline(always)]
fn is_coloured(line: &[u8], details: &[u8], cluster: &[u8]) -> bool {
    cluster.first() == Some(&ESCAPE) || details != b"via_upstream" && memchr(ESCAPE, line).is_some()
}

/// What stands between the request and the reason.
struct Answer<'a> {
    response_code: u16,
    response_flags: &'a [u8],
    flags: FlagSet,
    details: &'a [u8],
    termination: &'a [u8],
}

impl<'a> Answer<'a> {
    #[inline(always)]
    fn read(line: &'a [u8], (begin, end): (usize, usize), spaces: &Bits) -> Option<Self> {
        let &[b' ', a, b, c, b' ', ref rest @ ..] = line.get(begin..end)? else { return None };
        if !(a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit()) {
            return None;
        }
        let response_code = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
        if rest == b"- via_upstream - " {
            return Some(Self {
                response_code,
                response_flags: rest.get(..1)?,
                flags: FlagSet::default(),
                details: rest.get(2..14)?,
                termination: rest.get(15..16)?,
            });
        }
        let [flags, details, termination] = words(spaces, begin + 5);
        if termination.1 + 1 != end {
            return None;
        }
        let text = |(start, end): (usize, usize)| line.get(start..end);
        let (response_flags, details, termination) = (text(flags)?, text(details)?, text(termination)?);
        if !matches!(response_flags.first()?, b'-' | b'A'..=b'Z') || details.first()?.is_ascii_digit() {
            return None;
        }
        let flags = FlagSet::parse(response_flags);
        Some(Self { response_code, response_flags, flags, details, termination })
    }
}

/// The protocol at the end of a request.
#[inline(always)]
fn protocol_of(request: &[u8]) -> Option<&[u8]> {
    let length = [&b" HTTP/1.1"[..], b" HTTP/2", b" -"].into_iter().find(|end| request.ends_with(end))?.len();
    request.get(request.len() + 1 - length..)
}

/// Where the fields behind the upstream host stand, each with a space before it.
#[inline(always)]
fn tail_of(spaces: &Bits, begin: usize, end: usize) -> Option<[(usize, usize); TAIL]> {
    // Seldom they are longer than 128 bytes.
    let (mut near, mut far) = (spaces.from(begin), spaces.from(begin + 64));
    if begin + 128 < end || near & 1 == 0 {
        return None;
    }
    near &= near - 1;
    let mut fields = [(0, 0); TAIL];
    let mut start = begin + 1;
    let mut is_empty = false;
    for field in &mut fields {
        let at = if near != 0 {
            let at = begin + near.trailing_zeros() as usize;
            near &= near - 1;
            at
        } else {
            let at = begin + 64 + far.trailing_zeros() as usize;
            far &= far.wrapping_sub(1);
            at.min(end)
        };
        *field = (start, at);
        is_empty |= at <= start;
        start = at + 1;
    }
    (!is_empty && near | far == 0 && start == end + 1).then_some(fields)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logs::access_text::parse_text;
    use crate::logs::marks::tests::changed;

    const LINE: &str = "[2026-11-22T09:09:56.776Z] \"GET /a?b=1 HTTP/1.1\" 503 UC upstream_reset_before_response_started{connection_termination} - \"-\" 0 95 4 - \"-\" \"curl/8\" \"id-1\" \"a:80\" \"10.1.2.3:80\" outbound|80||a.b.svc.cluster.local 10.1.0.9:34412 10.96.0.1:80 10.1.0.9:1 - default";

    /// A piece that callers or other layouts may write.
    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "\"",
            " ",
            "\" \"",
            "-",
            "\" 200 - via_upstream - \"-\" 0 1 2 3 \"",
            "HTTP/1.1",
            "a",
            "0",
            " HTTP/2",
            "\r",
            "\t",
            "",
            "12345678",
            "123456789",
            "[none]",
        ])
    }

    #[test]
    fn ordinary_lines_are_read() {
        for line in [
            LINE.to_owned(),
            LINE.replace(
                "503 UC upstream_reset_before_response_started{connection_termination}",
                "200 - via_upstream",
            ),
            LINE.replace("GET /a?b=1 HTTP/1.1", "- - -"),
            LINE.replace("\"-\" 0", "\"TLS_error:|268435703:SSL routines\" 0"),
        ] {
            let text = format!("{line}\n{}", "x".repeat(64));
            assert_eq!(read(text.as_bytes()), parse_text(line.as_bytes()).map(|read| (line.len(), read)));
            assert!(read(text.as_bytes()).is_some(), "{line}");
        }
    }

    proptest! {
        /// Whatever is put in place of whatever: it is read as from left to right, or not here.
        #[test]
        fn never_another_reading(
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, piece()), 0..4),
            behind in piece(),
        ) {
            let mut line = changed(LINE, &changes);
            line.push_str(behind);
            let text = format!("{line}\n{}", "\" ".repeat(40));
            if let Some((length, found)) = read(text.as_bytes()) {
                prop_assert_eq!(length, line.len());
                prop_assert_eq!(Some(found), parse_text(line.as_bytes()));
            }
        }
    }
}
