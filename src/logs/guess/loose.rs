//! Lines that name their fields (`code=503 flags=UC cluster=…`), and lines that have Envoy's fields in another order.
//!
//! A line is taken for one of an access log where it tells response code and response flags, and proves to be Envoy's:
//!
//! * both under the names of Envoy's operators (`response_code`, `response_flags`), or
//! * under short names or by their shape, beside an upstream cluster of Istio's or, with flags that Envoy has,
//!   beside a time as Envoy writes it and the request.
//!
//! Without a name, a code is the number directly before the flags: behind the request line; elsewhere where no other
//! number could be the code and the flags go with it. A word that application logs have (`level=`, `msg=`),
//! a sentence beside the names, and a field that stands there twice make it none.
//!
//! Envoy escapes nothing, so a caller can write `cluster=…` into a path, and quotes around it. Code and flags too: the
//! format may not have them. A field of the proxy's own that stands behind a caller's words is told, but the line is in
//! doubt ([`AccessLine::ambiguous`]) and proves nothing.

use super::names::{Named, named};
use super::parts::{Part, key_of, parts};
use super::{code_of, is_address, is_cluster, is_details, is_flags, is_protocol, is_uuid};
use crate::logs::access_line::{AccessLine, Format};
use crate::logs::format::{Target, set_number, set_text};
use crate::logs::response_flags::FlagSet;
use crate::logs::time::parse_time;

/// Longer lines are not looked at.
const LONGEST: usize = 32 * 1024;

/// What a line of that kind tells; `None` where it is none, or not proved to be one.
pub(super) fn read(text: &[u8]) -> Option<AccessLine<'_>> {
    let text = text.trim_ascii();
    if text.len() > LONGEST || !may_be(text) {
        return None;
    }
    let meanings = meanings(text)?;
    Told::of(&meanings)?.line()
}

/// A cheap look at what one of the proofs needs: flags under a name, a cluster of Istio's, or a request.
fn may_be(text: &[u8]) -> bool {
    let has = |part: &[u8]| memchr::memmem::find(text, part).is_some();
    memchr::memchr(b'|', text).is_some() || has(b"HTTP/") || has(b"lag") || has(b"Cluster") || has(b"LAG")
}

/// What a part of a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning<'a> {
    /// A field under the name of its operator, or under a short one.
    Field(Target, &'a [u8], By),
    /// Method, path, protocol.
    Request(&'a [u8], &'a [u8], &'a [u8]),
    /// A protocol by itself.
    Protocol,
    /// A word that can be nothing that a caller wrote: a number, a dash, an address.
    Nothing,
    /// Any other text.
    Text,
}

/// What says that a value is a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Name,
    ShortName,
    Shape,
}

/// A part with its meaning.
#[derive(Debug, Clone, Copy)]
struct Item<'a> {
    meaning: Meaning<'a>,
    quoted: bool,
    has_name: bool,
    /// The number of the part; a request without quotes is three of them, and this the last.
    at: usize,
}

fn meanings(text: &[u8]) -> Option<Vec<Item<'_>>> {
    let parts = joined(text, parts(text)?)?;
    if parts.iter().any(|part| hides_a_field(part.value)) {
        return None;
    }
    let mut items = Vec::with_capacity(parts.len());
    let mut rest = parts.as_slice();
    while let [part, after @ ..] = rest {
        rest = after;
        let meaning = match part.key {
            Some(key) => by_name(named(key), part.value)?,
            None => match (unquoted_request(part, after), after) {
                (Some(request), [_, _, behind @ ..]) => {
                    rest = behind;
                    request
                }
                _ => by_shape(part)?,
            },
        };
        items.push(Item {
            meaning,
            quoted: part.quoted,
            has_name: part.key.is_some(),
            at: parts.len() - rest.len() - 1,
        });
    }
    // Beside fields with names, words are a sentence; one in front may be a title.
    let is_word = |item: &Item<'_>| item.meaning == Meaning::Text && !item.has_name && !item.quoted;
    let is_sentence = items.iter().any(|item| item.has_name) && items.iter().skip(1).any(is_word);
    add_code_and_flags(&parts, &mut items)?;
    (!is_sentence).then_some(items)
}

/// The parts, with the words of a caller that go on behind a space as one value. `None` where words stand behind a
/// value that cannot have a space.
fn joined<'a>(text: &'a [u8], parts: Vec<Part<'a>>) -> Option<Vec<Part<'a>>> {
    let mut joined: Vec<Part<'_>> = Vec::with_capacity(parts.len());
    for part in parts {
        match joined.last_mut() {
            Some(last) if last.key.is_some() && part.key.is_none() && !last.quoted && !part.quoted => {
                match last.key.map(named) {
                    Some(Named::Own(target) | Named::Short(target) | Named::Loose(target))
                        if !is_of_others(target) =>
                    {
                        joined.push(part);
                    }
                    _ => *last = last.and(text, &part)?,
                }
            }
            _ => joined.push(part),
        }
    }
    Some(joined)
}

/// Whether a value holds what looks like code or flags: with quotes of his own, a caller can hide the real ones so.
fn hides_a_field(value: &[u8]) -> bool {
    let decides = |word: &[u8]| match key_of(word).map(named) {
        Some(Named::Own(target) | Named::Short(target)) => {
            matches!(target, Target::ResponseCode | Target::ResponseFlags)
        }
        _ => false,
    };
    value.split(u8::is_ascii_whitespace).any(decides)
}

/// Values in which a caller, an upstream or a certificate can have any text.
fn is_of_others(target: Target) -> bool {
    matches!(
        target,
        Target::Path
            | Target::XForwardedFor
            | Target::UserAgent
            | Target::RequestId
            | Target::UpstreamServiceTime
            | Target::UpstreamTransportFailureReason
    )
}

/// Values that are the caller's whatever they say: he could have sent the header as well as words that look so.
fn is_of_the_request(target: Target) -> bool {
    matches!(
        target,
        Target::Method
            | Target::Path
            | Target::Protocol
            | Target::XForwardedFor
            | Target::UserAgent
            | Target::RequestId
            | Target::Authority
    )
}

/// What a value under a name is; `None` where it makes the line none of an access log.
fn by_name(name: Named, value: &[u8]) -> Option<Meaning<'_>> {
    let (target, by) = match name {
        Named::Own(target) => (target, By::Name),
        // What ends a connection over TCP has the words of a denied request.
        Named::Loose(Target::ResponseCodeDetails) if value.starts_with(b"rbac_") => {
            return Some(Meaning::Nothing);
        }
        Named::Short(target) | Named::Loose(target) => (target, By::ShortName),
        Named::Request => return Some(request(value).unwrap_or(Meaning::Text)),
        Named::Foreign => return None,
        Named::Unknown => return Some(Meaning::Text),
    };
    let is_dash = value == b"-";
    let is_field = match target {
        // Without these there is no line.
        Target::ResponseCode => return code_of(value).map(|_| Meaning::Field(target, value, by)),
        Target::ResponseFlags => return is_flags(value).then_some(Meaning::Field(target, value, by)),
        Target::StartTime => is_time(value) || by == By::Name && parse_time(value).is_some(),
        Target::UpstreamCluster => is_cluster(value) || by == By::Name,
        Target::ResponseCodeDetails => by == By::Name || is_details(value),
        Target::Protocol => is_protocol(value),
        Target::BytesReceived | Target::BytesSent | Target::Duration | Target::UpstreamServiceTime => {
            is_dash || !value.is_empty() && value.len() < 20 && value.iter().all(u8::is_ascii_digit)
        }
        Target::UpstreamHost
        | Target::UpstreamLocalAddress
        | Target::DownstreamLocalAddress
        | Target::DownstreamRemoteAddress => is_address(value),
        Target::Method => is_dash || is_method(value),
        Target::ConnectionTerminationDetails
        | Target::UpstreamTransportFailureReason
        | Target::Path
        | Target::XForwardedFor
        | Target::UserAgent
        | Target::RequestId
        | Target::Authority
        | Target::RequestedServerName
        | Target::RouteName => true,
    };
    if is_field {
        Some(Meaning::Field(target, value, by))
    } else {
        Some(if is_harmless(value) && !is_of_others(target) { Meaning::Nothing } else { Meaning::Text })
    }
}

/// What a value without a name is by its shape; code and flags are told by their place. `None` where a quoted text
/// holds the end of a request: which of them the proxy wrote is not known then.
fn by_shape<'a>(part: &Part<'a>) -> Option<Meaning<'a>> {
    let value = part.value;
    if part.quoted {
        let ends_request =
            value.rsplit(|byte| *byte == b' ').next().is_some_and(|end| end.starts_with(b"HTTP/"));
        return match request(value) {
            None if ends_request => None,
            None => Some(Meaning::Text),
            request => request,
        };
    }
    let bracketed = value.strip_prefix(b"[").and_then(|value| value.strip_suffix(b"]"));
    if let Some(time) = Some(bracketed.unwrap_or(value)).filter(|time| is_time(time)) {
        return Some(Meaning::Field(Target::StartTime, time, By::Shape));
    }
    Some(if is_cluster(value) {
        Meaning::Field(Target::UpstreamCluster, value, By::Shape)
    } else if is_details(value) {
        Meaning::Field(Target::ResponseCodeDetails, value, By::Shape)
    } else if value != b"-" && is_protocol(value) {
        Meaning::Protocol
    } else if is_harmless(value) || is_flags(value) || is_method(value) {
        Meaning::Nothing
    } else {
        Meaning::Text
    })
}

/// A value that holds no words of a caller.
fn is_harmless(value: &[u8]) -> bool {
    let is_number = value.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b':'));
    is_number || value.iter().all(u8::is_ascii_punctuation) || is_address(value) || is_uuid(value)
}

/// `2026-11-22T09:09:56.776Z`, as only Envoy writes it.
fn is_time(value: &[u8]) -> bool {
    value.len() == 24 && value.ends_with(b"Z") && parse_time(value).is_some()
}

fn is_method(value: &[u8]) -> bool {
    (3..=16).contains(&value.len()) && value.iter().all(u8::is_ascii_uppercase)
}

/// `METHOD PATH PROTOCOL`.
fn request(value: &[u8]) -> Option<Meaning<'_>> {
    let mut words = value.split(|byte| *byte == b' ');
    let (method, path, protocol) = (words.next()?, words.next()?, words.next()?);
    request_of(method, path, protocol).filter(|_| words.next().is_none())
}

fn request_of<'a>(method: &'a [u8], path: &'a [u8], protocol: &'a [u8]) -> Option<Meaning<'a>> {
    let is_request = method == b"-" && path == b"-" || is_method(method) && path.starts_with(b"/");
    (is_request && is_protocol(protocol)).then_some(Meaning::Request(method, path, protocol))
}

/// The same without quotes. Three dashes are any three fields without a value.
fn unquoted_request<'a>(first: &Part<'a>, rest: &[Part<'a>]) -> Option<Meaning<'a>> {
    let [path, protocol, ..] = rest else { return None };
    let method = first.word().filter(|method| *method != b"-")?;
    request_of(method, path.word()?, protocol.word()?).filter(|_| protocol.word() != Some(b"-"))
}

/// Code and flags where nothing names them. `None` where they are named and stand there without a name as well.
fn add_code_and_flags<'a>(parts: &[Part<'a>], items: &mut [Item<'a>]) -> Option<()> {
    let is_told = |item: &Item<'_>| {
        matches!(item.meaning, Meaning::Field(Target::ResponseCode | Target::ResponseFlags, ..))
    };
    let pair = |at: usize| {
        let (code, flags) = (parts.get(at)?.word()?, parts.get(at + 1)?.word()?);
        (code_of(code).is_some() && is_flags(flags)).then_some((code, flags))
    };
    let mut requests = items.iter().filter(|item| matches!(item.meaning, Meaning::Request(..)));
    let behind_request = requests.find_map(|item| pair(item.at + 1).map(|_| item.at + 1));
    if items.iter().any(is_told) {
        let is_there = |at: usize| pair(at).is_some_and(|(_, flags)| flags != b"-");
        let twice = behind_request.is_some() || (0..parts.len()).any(is_there);
        return (!twice).then_some(());
    }
    let mut codes = (0..).zip(parts).filter(|(_, part)| part.word().and_then(code_of).is_some());
    let only = || {
        let (at, _) = codes.next().filter(|_| codes.next().is_none())?;
        let (code, flags) = pair(at)?;
        go_together(code_of(code)?, flags).then_some(at)
    };
    let at = behind_request.or_else(only)?;
    let (code, flags) = pair(at)?;
    for (at, target, value) in [(at, Target::ResponseCode, code), (at + 1, Target::ResponseFlags, flags)] {
        if let Some(item) = items.iter_mut().find(|item| item.at == at) {
            item.meaning = Meaning::Field(target, value, By::Shape);
        }
    }
    Some(())
}

/// Whether Envoy answers with that code where it sets these flags: then the number before them is hardly another one.
fn go_together(code: u16, flags: &[u8]) -> bool {
    flags.split(|byte| *byte == b',').all(|flag| match flag {
        b"UH" | b"UF" | b"UC" | b"UO" | b"LR" | b"UR" | b"URX" | b"NC" | b"DF" => matches!(code, 0 | 503),
        b"UPE" => matches!(code, 0 | 502 | 503),
        b"UT" => matches!(code, 0 | 504),
        b"NR" => matches!(code, 0 | 404),
        b"RL" => code == 429,
        b"UAEX" => matches!(code, 401 | 403),
        b"DPE" | b"IH" => code == 400,
        _ => false,
    })
}

/// What the parts of a line say together.
struct Told<'a> {
    line: AccessLine<'a>,
    /// Code and flags stand under the names of their operators.
    is_named: bool,
    /// The start time is written as Envoy writes it.
    has_time: bool,
    /// The cluster is one of Istio's.
    has_cluster: bool,
}

impl<'a> Told<'a> {
    fn of(items: &[Item<'a>]) -> Option<Self> {
        let mut told = Self {
            line: AccessLine::empty(Format::Custom),
            is_named: true,
            has_time: false,
            has_cluster: false,
        };
        let is_bare = |item: &Item<'_>| !item.quoted && matches!(item.meaning, Meaning::Request(..));
        let has_bare_request = items.iter().any(is_bare);
        let (mut doubt, mut seen, mut is_behind_request) = (false, Vec::new(), false);
        for item in items {
            match item.meaning {
                Meaning::Field(target, value, by) => {
                    if seen.contains(&target) {
                        return None;
                    }
                    seen.push(target);
                    // A number before the flags is the code only where no caller could have written it.
                    if target == Target::ResponseCode && by == By::Shape && doubt && !is_behind_request {
                        return None;
                    }
                    told.set(target, value, by, doubt);
                    doubt |= is_of_others(target);
                }
                Meaning::Request(method, path, protocol) => {
                    // Before the request a caller could have written another one.
                    let parts = [Target::Method, Target::Path, Target::Protocol];
                    if doubt || parts.iter().any(|part| seen.contains(part)) {
                        return None;
                    }
                    seen.extend(parts);
                    told.line.method = Some(method);
                    told.line.path = Some(path);
                    told.line.protocol = Some(protocol);
                    doubt = true;
                }
                // Which of the two ends the request is not known.
                Meaning::Protocol if has_bare_request => return None,
                Meaning::Text => doubt = true,
                Meaning::Nothing | Meaning::Protocol => {}
            }
            is_behind_request = matches!(item.meaning, Meaning::Request(..));
        }
        Some(told)
    }

    /// Takes a field over.
    fn set(&mut self, target: Target, value: &'a [u8], by: By, doubt: bool) {
        let decides = matches!(target, Target::ResponseCode | Target::ResponseFlags);
        self.is_named &= !decides || by == By::Name;
        self.line.ambiguous |= doubt && !is_of_the_request(target);
        self.has_time |= target == Target::StartTime && is_time(value);
        self.has_cluster |= target == Target::UpstreamCluster && is_cluster(value);
        if target == Target::StartTime {
            self.line.start_time = Some(value);
        } else if target == Target::ResponseFlags {
            self.line.response_flags = Some(value);
            self.line.flags = FlagSet::parse(value);
        }
        set_text(&mut self.line, target, value);
        let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        set_number(&mut self.line, target, number);
    }

    /// The line, if it is proved to be Envoy's.
    fn line(self) -> Option<AccessLine<'a>> {
        let line = self.line;
        let (Some(code), Some(flags)) = (line.response_code, line.response_flags) else { return None };
        let has_request = line.method.is_some() || line.path.is_some();
        let is_failure = flags != b"-" || code >= 100 && line.response_code_details.is_some_and(is_details);
        let is_proved = self.is_named || self.has_cluster || is_failure && self.has_time && has_request;
        is_proved.then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logs::guess::guess;

    const CLUSTER: &str = "outbound|9080|v1|reviews.shop.svc.cluster.local";

    /// Code, flags and cluster, with a question mark where the line is in doubt.
    fn told(text: &str) -> String {
        let Some(line) = guess(text.as_bytes()) else { return "other".to_owned() };
        let text = |text: Option<&[u8]>| String::from_utf8_lossy(text.unwrap_or(b"?")).into_owned();
        let code = line.response_code.unwrap();
        let doubt = if line.ambiguous { " in doubt" } else { "" };
        format!("{code} {} {}{doubt}", text(line.response_flags), text(line.upstream_cluster))
    }

    #[test]
    fn fields_are_known_by_their_names() {
        let text = format!(
            "start_time=2026-11-22T09:09:56.776Z code=503 flags=UF,URX duration=12 cluster={CLUSTER} \
             upstream_host=10.0.0.2:9080 sni=- method=GET path=/a?b=c protocol=HTTP/1.1 x-request-id=\"a b\""
        );
        let line = guess(text.as_bytes()).unwrap();
        assert_eq!((line.format, line.ambiguous), (Format::Custom, false));
        assert_eq!(line.start_time, Some(&b"2026-11-22T09:09:56.776Z"[..]));
        assert_eq!((line.method, line.path), (Some(&b"GET"[..]), Some(&b"/a?b=c"[..])));
        assert_eq!((line.response_code, line.response_flags), (Some(503), Some(&b"UF,URX"[..])));
        assert!(line.flags.contains(FlagSet::UF));
        assert_eq!((line.duration, line.upstream_cluster), (Some(12), Some(CLUSTER.as_bytes())));
        assert_eq!(line.upstream_host, Some(&b"10.0.0.2:9080"[..]));
        assert_eq!(line.requested_server_name, Some(&b"-"[..]));
        assert_eq!(line.request_id, Some(&b"a b"[..]));
        assert_eq!((line.bytes_sent, line.route_name), (None, None));
    }

    #[test]
    fn names_of_operators_are_enough_and_short_ones_need_a_proof() {
        assert_eq!(told("response_code=200 response_flags=-"), "200 - ?");
        assert_eq!(told("responseCode=\"0\" response-flags=\"UH\""), "0 UH ?");
        assert_eq!(told("code=200 flags=-"), "other");
        assert_eq!(told("code=503 flags=UC time=2026-11-22T09:09:56.776Z"), "other");
        assert_eq!(told("code=503 flags=UC time=2026-11-22T09:09:56.776Z path=/a"), "503 UC ?");
        assert_eq!(told("code=200 flags=- time=2026-11-22T09:09:56.776Z path=/a"), "other");
        assert_eq!(told(&format!("code=200 flags=- cluster={CLUSTER}")), format!("200 - {CLUSTER}"));
        assert_eq!(told("code=200 flags=- cluster=Kubernetes"), "other");
        assert_eq!(told(&format!("code=200 flags=- to={CLUSTER} why=unknown")), format!("200 - {CLUSTER}"));
        assert_eq!(told("code=200 flags=- to=10.0.0.1:80 why=via_upstream"), "other");
        assert_eq!(told("code=200 flags=- cluster=inbound|80||"), "200 - inbound|80||");
    }

    #[test]
    fn lines_of_applications_are_none() {
        for text in [
            "level=info msg=\"request done\" code=500 flags=- duration=3ms",
            "time=\"2026-11-22T09:09:56Z\" level=error msg=failed code=503 flags=UC cluster=outbound|80||a",
            "ts=2026-11-22T09:09:56.776Z caller=main.go:12 code=500 flags=NR path=/a",
            "method=GET path=/a format=html controller=A action=b status=200 duration=5.3",
            "code=503 flags=retry cluster=outbound|80||a",
            "code=5031 flags=UC cluster=outbound|80||a",
            "code=oops flags=UC cluster=outbound|80||a",
            "at=info method=GET path=\"/\" host=a.example fwd=\"10.0.0.1\" dyno=web.1 status=503 bytes=0",
            "code=503 flags=UC and so on cluster=outbound|80||a",
        ] {
            assert_eq!(told(text), "other", "{text}");
        }
    }

    #[test]
    fn a_value_that_is_none_of_the_field_is_not_told() {
        let text = "response_code=200 response_flags=UC duration=1.5s upstream_host=web method=get a=b \
                    upstream_local_address=- bytes_sent=-";
        let line = guess(text.as_bytes()).unwrap();
        assert_eq!((line.duration, line.upstream_host, line.method), (None, None, None));
        assert_eq!((line.upstream_local_address, line.bytes_sent), (Some(&b"-"[..]), None));
    }

    #[test]
    fn what_a_caller_can_have_written_is_in_doubt_or_refused() {
        let head = "response_code=503 response_flags=UC";
        // Only what stands before his words is the proxy's for certain.
        assert_eq!(
            told(&format!("{head} upstream_cluster={CLUSTER} path=/a b")),
            format!("503 UC {CLUSTER}")
        );
        // The format may have no code, or no flags.
        for text in [
            format!("path=/ {head} upstream_cluster={CLUSTER}"),
            format!("response_code=503 ua=x response_flags=UC upstream_cluster={CLUSTER}"),
            format!("ua=x response_code=503 response_flags=UC upstream_cluster={CLUSTER}"),
            format!("path=\"/x?\" response_flags=UC y=\"\" response_code=503 upstream_cluster={CLUSTER}"),
        ] {
            assert_eq!(told(&text), format!("503 UC {CLUSTER} in doubt"), "{text}");
        }
        assert_eq!(
            told(&format!("{head} ua=x upstream_cluster={CLUSTER}")),
            format!("503 UC {CLUSTER} in doubt")
        );
        assert_eq!(
            told(&format!("{head} tenant=x upstream_cluster={CLUSTER} duration=1")),
            format!("503 UC {CLUSTER} in doubt")
        );
        // The quotes may be his own.
        assert_eq!(
            told(&format!("{head} ua=\"x (y)\" upstream_cluster={CLUSTER}")),
            format!("503 UC {CLUSTER} in doubt")
        );
        assert_eq!(
            told(&format!("{head} ua=\"x\" upstream_cluster={CLUSTER} y=\"\" duration=1")),
            format!("503 UC {CLUSTER} in doubt")
        );
        assert_eq!(told(&format!("path=/ response_code=200 {head}")), "other");
        assert_eq!(
            told(&format!(
                "{head} ua=\"x\" upstream_cluster=outbound|80||a y=\"\" upstream_cluster={CLUSTER}"
            )),
            "other"
        );
        assert_eq!(told(&format!("{head} ua=\"x\"y\" upstream_cluster={CLUSTER}")), "other");
        // Words that go on belong to what the caller wrote.
        let text = format!("{head} ua=Mozilla/5.0 (X11; Linux) duration=3");
        assert_eq!(guess(text.as_bytes()).unwrap().user_agent, Some(&b"Mozilla/5.0 (X11; Linux)"[..]));
    }

    #[test]
    fn other_orders_are_told_by_what_each_field_can_be() {
        let time = "[2026-11-22T09:09:56.776Z]";
        for (text, wanted) in [
            (format!("{time} GET /a HTTP/1.1 503 UC {CLUSTER}"), format!("503 UC {CLUSTER} in doubt")),
            (format!("{time} 503 UC \"GET /a HTTP/1.1\" 12"), "503 UC ?".to_owned()),
            (format!("{time} {CLUSTER} \"GET /a HTTP/1.1\" 200 - 5 7"), format!("200 - {CLUSTER} in doubt")),
            (
                format!("{time} 10.0.0.1:80 -> {CLUSTER} \"GET /a HTTP/2\" 200 -"),
                format!("200 - {CLUSTER} in doubt"),
            ),
            (format!("{time} 503 UF,URX {CLUSTER}"), format!("503 UF,URX {CLUSTER}")),
            (format!("{CLUSTER} {time} 404 NR route_not_found"), format!("404 NR {CLUSTER}")),
            (
                format!("{time} request=\"GET /a HTTP/2\" code=200 flags=- {CLUSTER}"),
                format!("200 - {CLUSTER} in doubt"),
            ),
        ] {
            assert_eq!(told(&text), wanted, "{text}");
        }
        let text = format!("{time} 404 NR route_not_found \"GET /a HTTP/1.1\"");
        let line = guess(text.as_bytes()).unwrap();
        assert_eq!(line.start_time, Some(&b"2026-11-22T09:09:56.776Z"[..]));
        assert_eq!(line.response_code_details, Some(&b"route_not_found"[..]));
        assert_eq!((line.method, line.path), (Some(&b"GET"[..]), Some(&b"/a"[..])));
    }

    #[test]
    fn a_number_that_may_be_another_one_is_no_code() {
        let time = "[2026-11-22T09:09:56.776Z]";
        for text in [
            // A duration, say, or bytes.
            format!("{time} 200 503 UC {CLUSTER}"),
            format!("{time} 201 UC {CLUSTER}"),
            format!("{time} 503 - {CLUSTER}"),
            format!("{time} 200 SI {CLUSTER}"),
            // Behind what a caller wrote.
            format!("{time} \"x\" 503 UC {CLUSTER} \"y\""),
            format!("{time} \"x\" \"GET /a HTTP/1.1\" 503 UC {CLUSTER}"),
            format!("{time} GET /a HTTP/1.1 503 UC HTTP/1.1 200 - {CLUSTER}"),
            format!("{time} {CLUSTER} \"GET /a HTTP/1.1\" 503 UC \"x HTTP/1.1\" 200 -"),
            format!("10.0.0.1 - - {time} \"GET /a HTTP/1.1\" 304 - \"-\" \"curl\""),
        ] {
            assert_eq!(told(&text), "other", "{text}");
        }
    }

    /// What a caller can write: words, quotes, and what looks like fields.
    fn words() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "x",
            " ",
            "\"",
            "\" ",
            " \"",
            " upstream_cluster=outbound|80||evil",
            "\" upstream_cluster=outbound|80||evil y=\"",
            " upstream_cluster=\"outbound|80||evil\"",
            " duration=7",
            " response_code=200 response_flags=-",
            " response_flags=UO",
            " response_code=503",
            " code=200",
            " y=",
            " HTTP/1.1",
            " \"GET /b HTTP/1.1\" 200 -",
            " 200 - ",
            " outbound|80||evil ",
            "(",
            "-",
        ]);
        prop::collection::vec(part, 0..5).prop_map(|parts| parts.concat())
    }

    proptest! {
        /// A format with any of the fields, in any order: what is told and not in doubt is what the proxy wrote.
        #[test]
        fn nothing_that_a_caller_writes_is_told_as_the_proxy_s(
            order in Just([0, 1, 2, 3, 4, 5, 6]).prop_shuffle(),
            (without, count) in (0..3_usize, 2..8_usize),
            quotes: bool,
            (agent, path) in (words(), words()),
        ) {
            let quote = if quotes { "\"" } else { "" };
            let all = [
                "response_code=503".to_owned(),
                "response_flags=UC".to_owned(),
                format!("user_agent={quote}{agent}{quote}"),
                format!("path={quote}/{path}{quote}"),
                format!("upstream_cluster={CLUSTER}"),
                "duration=12".to_owned(),
                "upstream_host=10.0.0.2:9080".to_owned(),
            ];
            let fields: Vec<_> = order.iter().filter(|at| (without..count).contains(*at)).map(|at| all[*at].as_str()).collect();
            let text = fields.join(" ");
            if let Some(line) = guess(text.as_bytes()).filter(|line| !line.ambiguous) {
                prop_assert_eq!((without, line.response_code, line.response_flags), (0, Some(503), Some(&b"UC"[..])), "{}", text);
                let is = |cluster: &[u8]| count > 4 && cluster == CLUSTER.as_bytes();
                prop_assert!(line.upstream_cluster.is_none_or(is), "{}", text);
                prop_assert!(line.duration.is_none_or(|duration| count > 5 && duration == 12), "{}", text);
                prop_assert!(line.upstream_host.is_none_or(|_| count > 6), "{}", text);
            }
        }

        /// The same of a format without names.
        #[test]
        fn nothing_that_a_caller_writes_moves_what_shapes_tell(
            order in Just([0, 1, 2, 3, 4]).prop_shuffle(),
            count in 2..6_usize,
            agent in words(),
        ) {
            let all = [
                r#""GET /a HTTP/1.1" 503 UC"#.to_owned(),
                "[2026-11-22T09:09:56.776Z]".to_owned(),
                format!("\"{agent}\""),
                CLUSTER.to_owned(),
                "12".to_owned(),
            ];
            let fields: Vec<_> = order.iter().filter(|at| **at < count).map(|at| all[*at].as_str()).collect();
            let text = fields.join(" ");
            if let Some(line) = read(text.as_bytes()).filter(|line| !line.ambiguous) {
                prop_assert_eq!((line.response_code, line.response_flags), (Some(503), Some(&b"UC"[..])), "{}", text);
                prop_assert!(line.upstream_cluster.is_none_or(|cluster| cluster == CLUSTER.as_bytes()), "{}", text);
            }
        }

        #[test]
        fn any_text_is_read_or_not(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = guess(&text);
        }
    }
}
