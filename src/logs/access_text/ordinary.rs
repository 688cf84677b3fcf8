//! The line that nearly all are: Istio's layout since 1.9, with few quotes but those that the layout has.
//!
//! It has fourteen, and what stands between two of them can be read without the rest of the line. Where no caller wrote
//! a quote there is one reading, the one that is found from left to right. The same holds where quotes of callers
//! stand in the headers and none of them looks like the end of one. All other lines are read from left to right.

use memchr::memmem;

use super::find::{find, split_at_byte};
use crate::logs::access_line::{AccessLine, Format};
use crate::logs::marks::registers::Registers;
use crate::logs::marks::{self, Bits, Places, number_of};
use crate::logs::response_flags::FlagSet;

/// Quotes of the layout.
const QUOTES: usize = 14;
/// The quote that ends `x-forwarded-for`.
const HEADERS: usize = 5;
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

/// Reads the first line of a text, and hands on how long it is and what it says; `None` for any other line.
///
/// The line is looked at where it was put together: moving so many fields waits for each of them to be written.
#[inline(always)]
pub(in crate::logs) fn read<'a, R>(
    registers: impl Registers,
    places: &mut Places,
    text: &'a [u8],
    each: impl FnOnce(usize, &AccessLine<'a>) -> R,
) -> Option<R> {
    let &[b'[', ref time @ .., b']', b' ', b'"'] = text.first_chunk::<{ REQUEST + 1 }>()? else {
        return None;
    };
    let count = places.note::<false>(registers, text, marks::QUOTES)?;
    let line = text.get(..places.length)?;
    if count != QUOTES {
        leave_callers_out(places, count, line)?;
    }
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
    // A path with spaces may hold the end of another request, which quotes behind it can complete.
    let has_spaces = || path_end > method_end + 64 || places.spaces.until(method_end + 1, path_end) != 0;
    if count != QUOTES && has_spaces() {
        return None;
    }

    let Answer { response_code, response_flags, flags, details, termination } =
        Answer::read(line, (request_end + 1, places.quote(2)))?;
    let reason = quoted(2, 3)?;
    // A reason holds no request: where there is one, a caller wrote it.
    if reason != b"-" && memmem::find(reason, b" HTTP/").is_some() {
        return None;
    }

    let (numbers, end) = (places.quote(3) + 1, places.quote(4));
    let (numbers, service_time) = numbers_of(line, (numbers, end), &places.spaces)?;

    if !has_headers(line, places) {
        return None;
    }
    let tail = tail_of(&places.spaces, places.quote(13) + 1, line.len())?;
    let [cluster, upstream_local, downstream_local, downstream_remote, sni, route] = tail;
    if line.last()?.is_ascii_whitespace() {
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
        bytes_received: Some(numbers.0),
        bytes_sent: Some(numbers.1),
        duration: Some(numbers.2),
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
    Some(each(places.length, &line))
}

/// Bytes received and sent and the duration, and the upstream's service time, each with a space around.
#[inline(always)]
fn numbers_of(
    line: &[u8],
    (begin, end): (usize, usize),
    spaces: &Bits,
) -> Option<((u64, u64, u64), Option<u64>)> {
    let [_, received, sent, duration, service_time] = words(spaces, begin);
    if received.0 != begin + 1 || service_time.1 + 1 != end {
        return None;
    }
    let number = |range| number_of(line, range);
    let is_none = service_time.0 + 1 == service_time.1 && line.get(service_time.0) == Some(&b'-');
    let service_time = if is_none { None } else { Some(number(service_time)?) };
    Some(((number(received)?, number(sent)?, number(duration)?), service_time))
}

/// Leaves only the quotes of the layout, where those of callers cannot be taken for them: between two headers stands
/// `" "`, which is there as often as it must be, and no two of them share a quote.
#[inline(never)]
fn leave_callers_out(places: &mut Places, count: usize, line: &[u8]) -> Option<()> {
    let mut ends = [0; 4];
    let mut found = 0;
    for at in HEADERS..count.checked_sub(1)? {
        if is_end(line, places, at) {
            *ends.get_mut(found)? = at;
            found += 1;
        }
    }
    let [HEADERS, agent, id, authority] = ends else { return None };
    let is_apart = agent > HEADERS + 1 && id > agent + 1 && authority > id + 1;
    // The upstream host has no quotes, and nothing behind it has.
    if found < ends.len() || !is_apart || authority + 3 != count {
        return None;
    }
    places.keep(HEADERS + 2, [agent, agent + 1, id, id + 1, authority, authority + 1, authority + 2]);
    Some(())
}

/// Whether a header ends with that quote, and another begins.
#[inline(always)]
fn is_end(line: &[u8], places: &Places, close: usize) -> bool {
    let at = places.quote(close);
    at + 2 == places.quote(close + 1) && line.get(at + 1) == Some(&b' ')
}

/// Whether the callers' headers stand where the layout has them, and behind them an address.
#[inline(always)]
fn has_headers(line: &[u8], places: &Places) -> bool {
    let is_end = |close| is_end(line, places, close);
    // No proxy has an address with a space: something of a caller's moved it.
    let (host_start, host_end) = (places.quote(12) + 1, places.quote(13));
    is_end(HEADERS)
        && is_end(HEADERS + 2)
        && is_end(HEADERS + 4)
        && is_end(HEADERS + 6)
        && host_start < host_end
        && places.spaces.until(host_start, host_end) == 0
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
    fn read(line: &'a [u8], (begin, end): (usize, usize)) -> Option<Self> {
        let answer = line.get(begin..end)?;
        let (response_code, rest) = match *answer {
            [b' ', a, b, c, b' ', ref rest @ ..] if [a, b, c].iter().all(u8::is_ascii_digit) => {
                (u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'), rest)
            }
            [b' ', b'0', b' ', ref rest @ ..] => (0, rest),
            _ => return None,
        };
        if rest == b"- via_upstream - " {
            return Some(Self {
                response_code,
                response_flags: rest.get(..1)?,
                flags: FlagSet::default(),
                details: rest.get(2..14)?,
                termination: rest.get(15..16)?,
            });
        }
        Self::failed(response_code, rest.strip_suffix(b" ")?)
    }

    /// Any other answer: flags, details and the connection's.
    #[inline(never)]
    fn failed(response_code: u16, text: &'a [u8]) -> Option<Self> {
        let (response_flags, text) = split_at_byte(text, b' ')?;
        let (details, termination) = split_at_byte(text, b' ')?;
        if details.is_empty() || termination.is_empty() || find(termination, b' ').is_some() {
            return None;
        }
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
    let length = if request.last_chunk() == Some(b" HTTP/1.1") {
        8
    } else if request.last_chunk() == Some(b" HTTP/2") {
        6
    } else if request.last_chunk() == Some(b" -") {
        1
    } else {
        return None;
    };
    request.get(request.len() - length..)
}

/// Where the fields behind the upstream host stand, each with a space before it. Seldom they are longer than 192 bytes.
#[inline(always)]
fn tail_of(spaces: &Bits, begin: usize, end: usize) -> Option<[(usize, usize); TAIL]> {
    let (near, middle, far) = (spaces.from(begin), spaces.from(begin + 64), spaces.from(begin + 128));
    let count = near.count_ones() + middle.count_ones() + far.count_ones();
    if begin + 192 < end || count as usize != TAIL || near & 1 == 0 {
        return None;
    }
    // The last is the end; each word notes as many as there can be, wanted or not: asking first costs more.
    let mut places = [end; 3 * TAIL];
    let mut first = 0;
    for (base, marks) in [(begin, near), (begin + 64, middle), (begin + 128, far)] {
        let mut left = marks;
        for place in places.get_mut(first..first + TAIL)? {
            *place = base + left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
        }
        first += marks.count_ones() as usize;
    }
    *places.get_mut(TAIL)? = end;
    let mut fields = [(0, 0); TAIL];
    let mut is_empty = false;
    for (field, ends) in fields.iter_mut().zip(places.array_windows()) {
        let [space, end] = *ends;
        *field = (space + 1, end);
        is_empty |= end <= space + 1;
    }
    (!is_empty).then_some(fields)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logs::access_text::parse_text;
    use crate::logs::marks::registers::Narrow;
    use crate::logs::marks::tests::changed;

    const LINE: &str = "[2026-11-22T09:09:56.776Z] \"GET /a?b=1 HTTP/1.1\" 503 UC upstream_reset_before_response_started{connection_termination} - \"-\" 0 95 4 - \"-\" \"curl/8\" \"id-1\" \"a:80\" \"10.1.2.3:80\" outbound|80||a.b.svc.cluster.local 10.1.0.9:34412 10.96.0.1:80 10.1.0.9:1 - default";

    /// The first line of a text and its length.
    fn first(text: &[u8]) -> Option<(usize, AccessLine<'_>)> {
        read(Narrow, &mut Places::new(), text, |length, line| (length, *line))
    }

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
            LINE.replace("GET /a?b=1 HTTP/1.1", "- - -").replace("503 UC", "0 NR"),
            LINE.replace(
                "connection_termination}",
                &format!("remote_connection_failure|{}}}", "T".repeat(200)),
            ),
            LINE.replace(
                " - default",
                &format!(" outbound_.80_._.{}.svc.cluster.local default", "s".repeat(50)),
            ),
            LINE.replace("curl/8", "Mozilla/5.0 (\"Kiosk\" 7\" wide)"),
            LINE.replace("curl/8", "\"").replace("id-1", "\"id\"").replace("a:80", "a\"b:80"),
        ] {
            let text = format!("{line}\n{}", "x".repeat(64));
            assert_eq!(first(text.as_bytes()), parse_text(line.as_bytes()).map(|read| (line.len(), read)));
            assert!(first(text.as_bytes()).is_some(), "{line}");
        }
    }

    #[test]
    fn quotes_that_may_be_the_layouts_are_left_to_the_careful_reading() {
        for agent in ["a\" \"b", " ", "\" ", " \""] {
            let line = LINE.replace("curl/8", agent);
            let text = format!("{line}\n{}", "x".repeat(64));
            let found = first(text.as_bytes()).map(|(_, line)| line);
            assert!(found.is_none() || found == parse_text(line.as_bytes()), "{line}");
        }
        for line in [
            LINE.replace("curl/8", "a\" \"b"),
            LINE.replace("GET /a?b=1", "GET /a\" b").replace("curl/8", "\""),
            LINE.replace("GET /a?b=1", "GET /a b").replace("curl/8", "\"x"),
            LINE.replace("\"-\" \"curl", "\"-\"-\" \"curl"),
            LINE.replace("a:80", "a:80\" \"b"),
            LINE.replace("- default", "- def\"ault"),
        ] {
            assert!(first(format!("{line}\n{}", "x".repeat(64)).as_bytes()).is_none(), "{line}");
        }
    }

    #[test]
    fn a_colour_is_to_be_taken_off_first_wherever_it_is() {
        for word in ["2026", "GET", "a?b", "via_up", "curl", "id-1", "a.b.svc", "34412", "default"] {
            let line = LINE.replace(
                "503 UC upstream_reset_before_response_started{connection_termination}",
                "200 - via_upstream",
            );
            let line =
                format!("{}\n{}", line.replacen(word, &format!("{word}\u{1b}[31m"), 1), "x".repeat(64));
            assert!(first(line.as_bytes()).is_none(), "{line}");
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
            if let Some((length, found)) = first(text.as_bytes()) {
                prop_assert_eq!(length, line.len());
                prop_assert_eq!(Some(found), parse_text(line.as_bytes()));
            }
        }
    }
}
