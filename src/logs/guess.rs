//! Lines of a format that nothing names, as far as they tell by themselves.
//!
//! Most formats of one's own begin as Envoy's do: `"METHOD PATH PROTOCOL" CODE FLAGS`. Such a line is known by its
//! flags, or by a time as only Envoy writes it and the details or numbers behind it. Told is what can mean nothing
//! else at its place: request, code, flags, details and the upstream cluster, and the upstream where the fields are
//! those of Envoy's own layout. Nothing is told of other numbers, addresses and words.
//!
//! The beginning of a default layout that a terminal or a reader broke off is not guessed: more of it may follow.
//!
//! Lines that begin otherwise are read where names or shapes prove what their fields are ([`loose`]).

use super::access_line::{AccessLine, Format};
use super::other_layouts::behind_prefix;
use super::response_flags::{FlagSet, response_flag};
use super::time::parse_time;
use super::upstream_cluster::{Direction, direction_of};

mod loose;
mod names;
mod parts;

/// No format has more fields.
const MOST_TOKENS: usize = 96;

/// The details that Envoy and Istio's proxy write by themselves, whole.
const DETAILS: [&str; 30] = [
    "via_upstream",
    "direct_response",
    "route_not_found",
    "cluster_not_found",
    "no_healthy_upstream",
    "filter_chain_not_found",
    "response_timeout",
    "upstream_response_timeout",
    "upstream_per_try_timeout",
    "upstream_per_try_idle_timeout",
    "upstream_max_stream_duration_reached",
    "stream_idle_timeout",
    "max_duration_timeout",
    "duration_timeout",
    "request_overall_timeout",
    "request_header_timeout",
    "downstream_remote_disconnect",
    "downstream_local_disconnect",
    "ext_authz_denied",
    "ext_authz_error",
    "fault_filter_abort",
    "rbac_access_denied",
    "request_rate_limited",
    "local_rate_limited",
    "maintenance_mode",
    "missing_host_header",
    "path_normalization_failed",
    "request_payload_too_large",
    "response_payload_too_large",
    "websocket_handshake_unsuccessful",
];
/// The beginnings of those that go on, and how they end.
const LONG_DETAILS: [(&str, &str); 6] = [
    ("upstream_reset_before_response_started{", "}"),
    ("upstream_reset_after_response_started{", "}"),
    ("rbac_access_denied_matched_policy[", "]"),
    ("http1.", ""),
    ("http2.", ""),
    ("http3.", ""),
];

/// What of a line can be told without its format, and whether a caller may have written it (`ambiguous`); `None` where it is not of an access log, or more of it may follow.
pub fn guess(text: &[u8]) -> Option<AccessLine<'_>> {
    let Some(head) = Head::of(text) else { return loose::read(text) };
    let tokens = Tokens::of(head.rest)?;
    let may_go_on = if head.is_copied { !tokens.has_numbers() } else { tokens.begin_a_default_layout() };
    if head.may_be_cut() || may_go_on {
        return None;
    }
    head.line(&tokens)
}

/// Whether a text is a line of an access log or its beginning.
pub fn is_beginning(text: &[u8]) -> bool {
    Head::of(text).is_some_and(|head| {
        let tokens = Tokens::of(head.rest).unwrap_or_default();
        head.line(&tokens).is_some()
    })
}

/// The line up to the response flags.
struct Head<'a> {
    start_time: Option<&'a [u8]>,
    method: &'a [u8],
    path: &'a [u8],
    protocol: &'a [u8],
    response_code: u16,
    response_flags: &'a [u8],
    /// What follows the flags and the space behind them.
    rest: &'a [u8],
    /// There is nothing behind the flags, not even a space.
    ends: bool,
    /// The bracket before the time is missing: so no reader broke the line, somebody has copied a part of it.
    is_copied: bool,
}

impl<'a> Head<'a> {
    fn of(text: &'a [u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let copied = split_copied_time(text);
        let (start_time, request) = copied.or_else(|| split_time(text))?;
        let (method, rest) = split_at(request, b' ')?;
        let (path, rest) = split_at(rest, b' ')?;
        let (protocol, rest) = split_at(rest, b'"')?;
        let is_method = (3..=16).contains(&method.len()) && method.iter().all(u8::is_ascii_uppercase);
        let is_request = method == b"-" && path == b"-" || is_method && path != b"-";
        // A caller may write a whole request into the path: then the one that the proxy wrote stands behind it.
        if !is_request || path.is_empty() || path.contains(&b'"') || !is_protocol(protocol) {
            return None;
        }
        if [&b"HTTP/1.1\""[..], b"HTTP/1.0\"", b"HTTP/2\"", b"HTTP/3\""]
            .iter()
            .any(|end| memchr::memmem::find(rest, end).is_some())
        {
            return None;
        }
        let (code, rest) = split_at(rest.strip_prefix(b" ")?, b' ')?;
        let response_code = code_of(code)?;
        let (response_flags, rest, ends) = match split_at(rest, b' ') {
            Some((flags, rest)) => (flags, rest, false),
            None => (rest, &b""[..], true),
        };
        if !is_flags(response_flags) {
            return None;
        }
        let is_copied = copied.is_some();
        Some(Self {
            start_time,
            method,
            path,
            protocol,
            response_code,
            response_flags,
            rest,
            ends,
            is_copied,
        })
    }

    /// The flags may go on where the text ends.
    fn may_be_cut(&self) -> bool {
        self.ends
    }

    fn line(&self, tokens: &Tokens<'a>) -> Option<AccessLine<'a>> {
        let details = tokens.word(0).filter(|word| is_details(word));
        // Other programs write a dash behind the code too, for a length that is not known.
        if self.response_flags == b"-"
            && !(details.is_some()
                || tokens.numbers_at_status().is_some()
                || self.start_time.is_some() && tokens.numbers_behind_quotes().is_some())
        {
            return None;
        }
        let mut line = AccessLine {
            start_time: self.start_time,
            method: Some(self.method),
            path: Some(self.path),
            protocol: Some(self.protocol),
            response_code: Some(self.response_code),
            response_flags: Some(self.response_flags),
            flags: FlagSet::parse(self.response_flags),
            response_code_details: details,
            ..AccessLine::empty(Format::Custom)
        };
        if let Some(numbers) = tokens.numbers_at_status() {
            line.response_code_details = tokens.word(0);
            line.connection_termination_details = tokens.word(1);
            line.upstream_transport_failure_reason = tokens.quoted(2).filter(|reason| *reason != b"-");
            tokens.set_callers(numbers + 4, &mut line);
        } else {
            tokens.set_callers(usize::from(details.is_some()) + 4, &mut line);
        }
        line.upstream_cluster = tokens.cluster();
        line.ambiguous = tokens.may_hold_the_answer(usize::from(details.is_some()));
        Some(line)
    }
}

/// The time, if it is one, and what follows the quote that opens the request.
fn split_time(text: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if let Some(request) = text.strip_prefix(b"\"").or_else(|| text.strip_prefix(b"[...] \"")) {
        return Some((None, request));
    }
    let (time, rest) = split_at(behind_prefix(text)?.get(1..)?, b']')?;
    let is_default = time.len() == 24 && time.ends_with(b"Z") && parse_time(time).is_some();
    Some((Some(time).filter(|_| is_default), rest.strip_prefix(b" \"")?))
}

/// The same of a line that lacks the bracket before its time.
fn split_copied_time(text: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (time, rest) = text.split_at_checked(24)?;
    let request = rest.strip_prefix(b"] \"")?;
    (time.ends_with(b"Z") && parse_time(time).is_some()).then_some((Some(time), request))
}

fn split_at(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let (before, after) = text.split_at_checked(memchr::memchr(byte, text)?)?;
    Some((before, after.get(1..)?))
}

fn is_protocol(text: &[u8]) -> bool {
    matches!(text, b"-" | b"HTTP/1.0" | b"HTTP/1.1" | b"HTTP/2" | b"HTTP/3")
}

fn code_of(text: &[u8]) -> Option<u16> {
    let code: u16 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let is_code = text == b"0" || text.len() == 3 && (100..600).contains(&code);
    is_code.then_some(code)
}

/// A dash, or flags that Envoy has.
fn is_flags(text: &[u8]) -> bool {
    let known = |flag: &[u8]| std::str::from_utf8(flag).ok().and_then(response_flag).is_some();
    text == b"-" || text.split(|byte| *byte == b',').all(known)
}

fn is_details(word: &[u8]) -> bool {
    let Ok(word) = std::str::from_utf8(word) else { return false };
    DETAILS.contains(&word)
        || LONG_DETAILS
            .iter()
            .any(|(begin, end)| word.starts_with(begin) && word.len() > begin.len() && word.ends_with(end))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a [u8]),
    Quoted(&'a [u8]),
    /// A quote that does not close, or not at the end of a field.
    Open,
}

impl<'a> Token<'a> {
    /// The first token, and what follows it.
    fn first(text: &'a [u8]) -> (Self, &'a [u8]) {
        let Some(inside) = text.strip_prefix(b"\"") else {
            let (word, after) = split_at(text, b' ').unwrap_or((text, b""));
            return if word.contains(&b'"') { (Self::Open, b"") } else { (Self::Word(word), after) };
        };
        match split_at(inside, b'"') {
            Some((quoted, after)) if after.is_empty() || after.starts_with(b" ") => {
                (Self::Quoted(quoted), after.get(1..).unwrap_or_default())
            }
            _ => (Self::Open, b""),
        }
    }
}

/// The fields behind the flags.
#[derive(Debug, Default)]
struct Tokens<'a> {
    all: Vec<Token<'a>>,
    /// The text from a quote on that does not close as it should.
    open: &'a [u8],
}

impl<'a> Tokens<'a> {
    fn of(mut rest: &'a [u8]) -> Option<Self> {
        let (mut all, mut open) = (Vec::new(), &b""[..]);
        while !rest.is_empty() {
            if all.len() == MOST_TOKENS {
                return None;
            }
            let (token, after) = Token::first(rest);
            all.push(token);
            if token == Token::Open {
                open = rest;
            }
            rest = after;
        }
        Some(Self { all, open })
    }

    fn word(&self, at: usize) -> Option<&'a [u8]> {
        match self.all.get(at)? {
            Token::Word(word) => Some(word),
            Token::Quoted(_) | Token::Open => None,
        }
    }

    fn quoted(&self, at: usize) -> Option<&'a [u8]> {
        match self.all.get(at)? {
            Token::Quoted(text) => Some(text),
            Token::Word(_) | Token::Open => None,
        }
    }

    /// Four numbers, the last of which may be missing (the service time).
    fn numbers_at(&self, at: usize) -> bool {
        let is_number = |at: usize| self.word(at).is_some_and(|word| word.iter().all(u8::is_ascii_digit));
        (at..at + 3).all(is_number) && (is_number(at + 3) || self.word(at + 3) == Some(b"-"))
    }

    /// Where the numbers stand behind details, termination details and a quoted reason, as Istio has them.
    fn numbers_at_status(&self) -> Option<usize> {
        let is_details = |word: &[u8]| word == b"-" || is_details(word);
        let is_status = self.word(0).is_some_and(is_details)
            && self.word(1).is_some_and(is_details)
            && self.quoted(2).is_some()
            && self.numbers_at(3);
        is_status.then_some(3)
    }

    /// Where the numbers stand behind up to two quoted fields, as in the layouts without details.
    fn numbers_behind_quotes(&self) -> Option<usize> {
        let at = self.all.iter().take(3).position(|token| matches!(token, Token::Word(_)))?;
        self.numbers_at(at).then_some(at)
    }

    /// Whether the numbers are there, and so all before them is whole.
    fn has_numbers(&self) -> bool {
        self.numbers_at_status().is_some() || self.numbers_behind_quotes().is_some()
    }

    /// Whether code and flags may be a caller's: the first quoted field may have no protocol, or be another one than the
    /// request, and what he wrote into it a whole request with its answer. Then a quote stands behind that, and what
    /// the proxy answered behind the quote. `at` is the first field behind flags and details.
    fn may_hold_the_answer(&self, at: usize) -> bool {
        let quoted = self.all.iter().skip(at).take_while(|token| matches!(token, Token::Quoted(_))).count();
        let numbers =
            Some(at + quoted).filter(|numbers| self.numbers_at(*numbers)).or(self.numbers_at_status());
        if quoted > 0 && numbers.is_none() {
            return true;
        }
        // Bytes sent, duration and service time are what they are only behind bytes received.
        let is_number = |at: usize| {
            let no_code = self.word(at) == Some(b"0");
            numbers.is_some_and(|first| (first + 1..first + 4).contains(&at) || at == first && no_code)
        };
        let is_code = |word: &[u8]| {
            let word = word.rsplit(|byte| *byte == b'=').next().unwrap_or_default();
            code_of(word.trim_ascii()).is_some()
        };
        let Some(quote) = self.all.iter().position(|token| !matches!(token, Token::Word(_))) else {
            return false;
        };
        let mut behind = self.all.iter().enumerate().skip(quote);
        behind.any(|(at, token)| match token {
            Token::Word(word) => !is_number(at) && is_code(word),
            Token::Quoted(text) => is_code(text),
            Token::Open => self.open.split(|byte| matches!(byte, b' ' | b'"')).any(is_code),
        })
    }

    /// The five quoted fields of Envoy's own layout behind its four numbers, where they can be nothing else.
    fn set_callers(&self, at: usize, line: &mut AccessLine<'a>) {
        let Some(first) = at.checked_sub(4).filter(|first| self.numbers_at(*first)) else { return };
        let behind = self.all.get(at + 5..).unwrap_or_default();
        let is_open = |token: &Token<'_>| !matches!(token, Token::Word(_));
        let fields: [Option<&[u8]>; 5] = std::array::from_fn(|index| self.quoted(at + index));
        let [Some(_), Some(agent), Some(id), Some(authority), Some(host)] = fields else { return };
        if behind.iter().any(is_open) || !(is_uuid(id) && is_address(host)) || first > 3 {
            return;
        }
        line.user_agent = Some(agent);
        line.request_id = Some(id);
        line.authority = Some(authority);
        line.upstream_host = Some(host);
    }

    /// The upstream cluster, where one word behind all quotes is one. What callers write stands in quotes.
    fn cluster(&self) -> Option<&'a [u8]> {
        let quotes = self.all.iter().rposition(|token| !matches!(token, Token::Word(_)));
        let behind = self.all.get(quotes.map_or(0, |at| at + 1)..).unwrap_or_default();
        let mut found = None;
        for token in behind {
            let Token::Word(word) = token else { return None };
            if is_cluster(word) {
                if found.replace(*word).is_some() {
                    return None;
                }
            } else if word.iter().any(|byte| matches!(byte, b'(' | b')' | b';' | b'/')) && found.is_none() {
                // Such are words of callers, who can write anything beside them.
                return None;
            }
        }
        found
    }

    /// Whether this may be the first part of a line in one of the default layouts.
    fn begin_a_default_layout(&self) -> bool {
        const CALLERS: [Wanted; 5] = [Wanted::Quoted; 5];
        const TAIL: [Wanted; 6] = [Wanted::Word; 6];
        let begin = |status: &[Wanted]| {
            let wanted = status.iter().chain(&[Wanted::Number; 4]).chain(&CALLERS).chain(&TAIL);
            self.all.len() <= status.len() + 15
                && self.all.iter().zip(wanted).all(|(token, wanted)| wanted.is(token))
        };
        // Old details have spaces in them.
        let is_open = |word: &[u8]| word.contains(&b'{') && !word.contains(&b'}');
        self.word(0).is_some_and(is_open)
            || begin(&[])
            || begin(&[Wanted::Word, Wanted::Word, Wanted::Quoted])
            || begin(&[Wanted::Quoted])
            || begin(&[Wanted::Quoted, Wanted::Quoted])
    }
}

/// What a default layout has at a place.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Word,
    Number,
    Quoted,
}

impl Wanted {
    fn is(self, token: &Token<'_>) -> bool {
        match (self, token) {
            (Self::Quoted, Token::Quoted(_)) | (_, Token::Open) => true,
            (Self::Word, Token::Word(word)) => *word != b"...",
            (Self::Number, Token::Word(word)) => *word == b"-" || word.iter().all(u8::is_ascii_digit),
            (Self::Quoted, Token::Word(_)) | (Self::Word | Self::Number, Token::Quoted(_)) => false,
        }
    }
}

fn is_cluster(word: &[u8]) -> bool {
    let has_parts = memchr::memchr_iter(b'|', word).count() == 3;
    match direction_of(word) {
        Direction::Outbound | Direction::Inbound | Direction::InboundVip => has_parts,
        Direction::Passthrough | Direction::BlackHole => true,
        Direction::InboundPassthrough => {
            word == b"InboundPassthroughCluster"
                || word == b"InboundPassthroughClusterIpv4"
                || word == b"InboundPassthroughClusterIpv6"
        }
        Direction::Other => false,
    }
}

fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// `IP:PORT`, or a dash.
fn is_address(text: &[u8]) -> bool {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text == "-" || text.parse::<std::net::SocketAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<AccessLine<'_>> {
        guess(text.as_bytes())
    }

    const ISTIO: &str = r#"[2026-11-22T09:09:56.776Z] "GET /a HTTP/1.1" 503 UC upstream_reset_before_response_started{connection_termination} - "-" 155 95 1 - "-" "Go-http-client/1.1" "d68aeaf3-6450-4cf9-b8bb-8034ca638af9" "a:9080" "127.0.0.21:9080" outbound|9080||a.b.svc.cluster.local 127.0.0.11:49070 127.0.0.50:9080 127.0.0.11:47000 - default"#;

    #[test]
    fn the_beginning_of_a_line_tells_request_code_flags_and_details() {
        let line = told(r#"[2026-11-22T09:09:56.776Z] "GET /a?b=c HTTP/2" 504 UT response_timeout 0 24 7 - "-" "curl/8" "0d68aef3-6450-4cf9-b8bb-8034ca638af9" "a:80" "10.0.0.2:80""#).unwrap();
        assert_eq!((line.format, line.start_time), (Format::Custom, Some(&b"2026-11-22T09:09:56.776Z"[..])));
        assert_eq!((line.method, line.path), (Some(&b"GET"[..]), Some(&b"/a?b=c"[..])));
        assert_eq!((line.response_code, line.response_flags), (Some(504), Some(&b"UT"[..])));
        assert_eq!(line.response_code_details, Some(&b"response_timeout"[..]));
        assert_eq!((line.authority, line.upstream_host), (Some(&b"a:80"[..]), Some(&b"10.0.0.2:80"[..])));
        assert_eq!((line.bytes_received, line.bytes_sent, line.duration), (None, None, None));
    }

    #[test]
    fn a_line_with_fields_of_its_own_behind_those_of_istio() {
        let line = format!(r#"{ISTIO} "Internal" x"#);
        let told = told(&line).unwrap();
        assert_eq!(
            told.response_code_details,
            Some(&b"upstream_reset_before_response_started{connection_termination}"[..])
        );
        assert_eq!(told.connection_termination_details, Some(&b"-"[..]));
        assert_eq!(told.upstream_cluster, None, "a caller's words may stand in the quotes behind it");
        let line = format!("{ISTIO} - x");
        let told = guess(line.as_bytes()).unwrap();
        assert_eq!(told.upstream_cluster, Some(&b"outbound|9080||a.b.svc.cluster.local"[..]));
        assert_eq!(told.upstream_host, Some(&b"127.0.0.21:9080"[..]));
    }

    #[test]
    fn the_beginning_of_a_default_layout_is_left_to_be_joined() {
        let beginnings = (0..=ISTIO.len()).filter_map(|end| ISTIO.get(..end));
        for text in beginnings {
            assert_eq!(told(text), None, "{text}");
        }
        for text in [
            r#"[2026-11-22T09:09:56.776Z] "GET /a HTTP/1.1" 503 UC 0 5 1 - "-" "-""#,
            r#"[2026-11-22T09:09:56.776Z] "GET /a HTTP/1.1" 200 - "-" "-" 0 5 1 1 "10.0.0.1""#,
        ] {
            assert_eq!(told(text), None, "{text}");
            assert!(is_beginning(text.as_bytes()), "{text}");
        }
    }

    /// Somebody copied a part of a line: what is whole of it is told.
    #[test]
    fn a_line_without_its_first_bracket_that_ends_within_a_quote() {
        let text = r#"2026-11-22T09:09:56.776Z] "- - -" 0 - - rbac_access_denied_matched_policy[none] "-" 21 0 1 - "-" "-" "-" "-" " 10.0.0.1"#;
        let line = told(text).unwrap();
        assert_eq!((line.response_code, line.response_flags), (Some(0), Some(&b"-"[..])));
        assert_eq!(line.start_time, Some(&b"2026-11-22T09:09:56.776Z"[..]));
        assert_eq!(line.response_code_details, Some(&b"-"[..]));
        assert_eq!(
            line.connection_termination_details,
            Some(&b"rbac_access_denied_matched_policy[none]"[..])
        );
        assert_eq!((line.upstream_host, line.upstream_cluster), (None, None));
        let cuts = [r#" 21 0 1 - "-" "-" "-" "-" " 10.0.0.1"#, r#" "-" 21"#, "[none]"];
        for cut in cuts.iter().filter_map(|end| text.split_once(end)) {
            assert_eq!(told(cut.0), None, "{}", cut.0);
        }
    }

    #[test]
    fn logs_of_other_programs_are_none() {
        for text in [
            r#"10.0.0.1 - - [22/Nov/2026:09:09:56 +0000] "GET /a HTTP/1.1" 304 - "-" "curl/8""#,
            r#""GET /a HTTP/1.1" 304 - "-" "curl/8""#,
            r#""GET /a HTTP/1.1" 200 - 5.3 ms"#,
            r#"[2026-11-22T09:09:56.776Z] "GET /a HTTP/1.1" 304 - "-" "curl/8""#,
            r#"[2026-11-22T09:09:56.776Z] "GET /a HTTP/1.1" 200 1234 "-" "curl/8" x"#,
            r#""GET /a HTTP/1.1" 999 UC x y z"#,
            r#"got "GET /a HTTP/1.1" 503 UC x y z"#,
            r#""GET a b HTTP/1.1" 503 UC x y z"#,
        ] {
            assert_eq!(told(text), None, "{text}");
        }
    }

    #[test]
    fn what_callers_write_is_not_taken_for_what_the_proxy_does() {
        // A forged request in the path: the real one follows.
        assert_eq!(told(r#""GET /a HTTP/1.1" 503 UC x HTTP/1.1" 200 - via_upstream ... x"#), None);
        // A forged upstream cluster in a quoted field, and beside words that are a caller's.
        let line = r#""GET /a HTTP/1.1" 503 UH no_healthy_upstream x "a" outbound|80||evil "b""#;
        assert_eq!(told(line).unwrap().upstream_cluster, None);
        let line = r#""GET /a HTTP/1.1" 503 UH no_healthy_upstream x Mozilla/5.0 (X) outbound|80||evil"#;
        assert_eq!(told(line).unwrap().upstream_cluster, None);
        let line = r#""GET /a HTTP/1.1" 503 UH no_healthy_upstream x outbound|80||evil outbound|80||b.c"#;
        assert_eq!(told(line).unwrap().upstream_cluster, None);
        let line = r#""GET /a HTTP/1.1" 503 UH no_healthy_upstream x outbound|80||b.c"#;
        assert_eq!(told(line).unwrap().upstream_cluster, Some(&b"outbound|80||b.c"[..]));
        // More quotes than Envoy's layout has: one of the fields is in doubt.
        let line = r#"[2026-11-22T09:09:56.776Z] "GET /a HTTP/1.1" 200 - via_upstream 0 5 1 1 "-" "a" "b" "0d68aef3-6450-4cf9-b8bb-8034ca638af9" "h" "10.0.0.1:1""#;
        assert_eq!(told(line).unwrap().upstream_host, None);
    }

    #[test]
    fn an_answer_behind_a_quote_is_perhaps_the_real_one() {
        let ambiguous = |text: &str| told(text).is_none_or(|line| line.ambiguous);
        let forged = r#"[2026-11-22T09:09:56.776Z] "GET /x HTTP/1.1" 503 UO upstream_reset_before_response_started{overflow}"#;
        for rest in [
            r#" "y" 200 - 12 outbound|80||a.b"#,
            r#" "y" 12 outbound|80||a.b"#,
            r#" "y" 200 - 12 "GET /a" outbound|80||a.b"#,
            r#" 12 "y" 200 - 12 outbound|80||a.b"#,
            r#" 12 "y"z" 200 - 12 outbound|80||a.b"#,
            r#" 12 "y" code=200 - 12 outbound|80||a.b"#,
            r#" - "-" 200 0 5 2 outbound|80||a.b x"#,
            r#" - "-" 0 19 0 - "-" "a" "0d68aeb3-6450-4cf9-b8bb-8034ca638af9" "h" "-" "y" 200 - 12 outbound|80||a.b"#,
        ] {
            assert!(ambiguous(&format!("{forged}{rest}")), "{rest}");
        }
        for rest in [
            " 12 outbound|80||a.b",
            r#" 12 "curl/8" outbound|80||a.b"#,
            r#" - "-" 0 200 300 - "-" "a" "0d68aeb3-6450-4cf9-b8bb-8034ca638af9" "h" "10.0.0.1:80" outbound|80||a.b - 10.0.0.1:80 10.0.0.2:3 - default x"#,
        ] {
            assert!(told(&format!("{forged}{rest}")).is_some_and(|line| !line.ambiguous), "{rest}");
        }
    }
}
