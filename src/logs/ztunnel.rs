//! Reads ztunnel's access log, as text and as JSON.
//!
//! `TIME TAB LEVEL TAB access TAB MESSAGE TAB KEY=VALUE …`, or one object with the same keys. Fields are read by name,
//! quoted or not and in any order, since releases differ in both; what a collector put in front is passed over. A line
//! of another scope, and one without addresses or direction, is none.
//!
//! What the fields mean differs by side (`src.addr` of an inbound tunnel has the tunnel's port), and is not decided
//! here. See `proxy/src/metrics.rs` of ztunnel for the order and presence of the fields.

use std::borrow::Cow;

use memchr::memmem;
use serde_json::{Map, Value};

use super::time::parse_time;
use super::upstream_cluster::Reporter;

/// The name of both layouts in reports.
pub const FORMAT: &str = "ztunnel";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZtunnelLine<'a> {
    /// When it was written, which is at the end of the connection.
    pub time: Cow<'a, str>,
    /// `info`, `warn`, `error`, `debug`.
    pub level: Cow<'a, str>,
    /// `connection complete`, `connection failed`, `connection opened`.
    pub message: Cow<'a, str>,
    /// The side: outbound is the client's.
    pub reporter: Reporter,
    /// The source's address; inbound over HBONE its port is that of the tunnel.
    pub src_addr: Cow<'a, str>,
    /// Its pod.
    pub src_workload: Option<Cow<'a, str>>,
    /// Its namespace.
    pub src_namespace: Option<Cow<'a, str>>,
    /// Its identity: there exactly where the connection is, or is meant to be, HBONE.
    pub src_identity: Option<Cow<'a, str>>,
    /// Its cluster.
    pub src_cluster: Option<Cow<'a, str>>,
    /// The destination's address: port 15008 with HBONE.
    pub dst_addr: Cow<'a, str>,
    /// The target inside the tunnel.
    pub dst_hbone_addr: Option<Cow<'a, str>>,
    /// The service.
    pub dst_service: Option<Cow<'a, str>>,
    /// The destination's pod.
    pub dst_workload: Option<Cow<'a, str>>,
    /// Its namespace.
    pub dst_namespace: Option<Cow<'a, str>>,
    /// Its identity.
    pub dst_identity: Option<Cow<'a, str>>,
    /// Its cluster.
    pub dst_cluster: Option<Cow<'a, str>>,
    /// Outbound from the app to the server, inbound from the server's app to the client.
    pub bytes_sent: Option<u64>,
    /// The other way.
    pub bytes_recv: Option<u64>,
    /// From accepting to closing.
    pub duration_ms: Option<u64>,
    /// Why it failed.
    pub error: Option<Cow<'a, str>>,
}

impl ZtunnelLine<'_> {
    /// Whether the connection is, or on the client's side is meant to be, HBONE and so mutual TLS. Nothing else in the
    /// line tells, and a line of a connection that failed early has neither; `connection failed` never has it.
    pub fn is_mtls(&self) -> bool {
        self.src_identity.is_some() || self.dst_hbone_addr.is_some()
    }

    /// Namespace and name of the pod for which ztunnel wrote the line.
    pub fn own_pod(&self) -> Option<(&str, &str)> {
        let (namespace, name) = match self.reporter {
            Reporter::Client => (&self.src_namespace, &self.src_workload),
            Reporter::Server => (&self.dst_namespace, &self.dst_workload),
            Reporter::Unknown => return None,
        };
        namespace.as_deref().zip(name.as_deref())
    }

    /// The address, with its port, of the pod for which ztunnel wrote the line.
    pub fn own_address(&self) -> &str {
        if self.reporter == Reporter::Client { &self.src_addr } else { &self.dst_addr }
    }
}

/// Reads one line, without its line feed, in either layout.
pub fn parse_ztunnel(line: &[u8]) -> Option<ZtunnelLine<'_>> {
    let text = std::str::from_utf8(line).ok()?.trim_end();
    // Both layouts have these words, and hardly another line has.
    if memmem::find(line, b"access").is_none() || memmem::find(line, b"src.addr").is_none() {
        return None;
    }
    parse_fields(text).or_else(|| parse_json(text.get(text.find('{')?..)?))
}

fn parse_fields(text: &str) -> Option<ZtunnelLine<'_>> {
    let mut line = blank();
    let mut words = Words { rest: text };
    // Time, level and scope follow each other; a prefix of a collector may stand before them.
    loop {
        let time = words.next_word()?;
        if parse_time(time.as_bytes()).is_none() {
            continue;
        }
        let mut after = Words { rest: words.rest };
        let (level, scope) = (after.next_word()?, after.next_word()?);
        let is_level = matches!(level, "trace" | "debug" | "info" | "warn" | "error");
        if is_level && (scope == "access" || scope.starts_with("access:") || scope.starts_with("access{")) {
            (line.time, line.level) = (time.into(), level.into());
            words = after;
            break;
        }
    }
    let fields_at = words.rest.find("src.addr=").into_iter().chain(words.rest.find("dst.addr=")).min()?;
    let (message, fields) = words.rest.split_at_checked(fields_at)?;
    line.message = message.trim().into();
    let mut rest = fields.trim_start();
    let mut seen = Presence::default();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = value_of(after)?;
        seen.set(&mut line, key, value)?;
        rest = after.trim_start();
    }
    seen.whole(line)
}

struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn next_word(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (word, rest) = text.split_at_checked(end)?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }
}

/// A value, in quotes with the escapes of Rust or bare up to the next space, and what follows it.
fn value_of(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end)?;
        return Some((value.into(), rest));
    };
    let end = quoted.find(['"', '\\'])?;
    let (plain, rest) = quoted.split_at_checked(end)?;
    if let Some(rest) = rest.strip_prefix('"') {
        return Some((plain.into(), rest));
    }
    let mut value = plain.to_owned();
    let mut letters = rest.chars();
    loop {
        match letters.next()? {
            '"' => return Some((value.into(), letters.as_str())),
            '\\' => match letters.next()? {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                '0' => value.push('\0'),
                'u' => {
                    let (digits, rest) = letters.as_str().strip_prefix('{')?.split_once('}')?;
                    value.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
                    letters = rest.chars();
                }
                plain => value.push(plain),
            },
            plain => value.push(plain),
        }
    }
}

fn parse_json(text: &str) -> Option<ZtunnelLine<'_>> {
    let object: Map<String, Value> = serde_json::from_str(text).ok()?;
    let text_of = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
    if text_of("scope").as_deref() != Some("access") {
        return None;
    }
    let mut line = blank();
    line.time = text_of("time")?.into();
    line.level = text_of("level")?.into();
    line.message = text_of("message")?.into();
    let mut seen = Presence::default();
    for (key, value) in &object {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => continue,
        };
        if !matches!(key.as_str(), "time" | "level" | "message" | "scope") {
            seen.set(&mut line, key, value.into())?;
        }
    }
    seen.whole(line)
}

fn blank<'a>() -> ZtunnelLine<'a> {
    ZtunnelLine {
        time: "".into(),
        level: "".into(),
        message: "".into(),
        reporter: Reporter::Unknown,
        src_addr: "".into(),
        src_workload: None,
        src_namespace: None,
        src_identity: None,
        src_cluster: None,
        dst_addr: "".into(),
        dst_hbone_addr: None,
        dst_service: None,
        dst_workload: None,
        dst_namespace: None,
        dst_identity: None,
        dst_cluster: None,
        bytes_sent: None,
        bytes_recv: None,
        duration_ms: None,
        error: None,
    }
}

/// Which of the fields that every line has were there.
#[derive(Debug, Default)]
struct Presence {
    src_addr: bool,
    dst_addr: bool,
    direction: bool,
}

impl Presence {
    /// Sets a field. `None` where its value cannot be one of that field; a field that is not known is passed over.
    fn set<'a>(&mut self, line: &mut ZtunnelLine<'a>, key: &str, value: Cow<'a, str>) -> Option<()> {
        match key {
            "src.addr" => (line.src_addr, self.src_addr) = (value, true),
            "src.workload" => line.src_workload = Some(value),
            "src.namespace" => line.src_namespace = Some(value),
            "src.identity" => line.src_identity = Some(value),
            "src.cluster" => line.src_cluster = Some(value),
            "dst.addr" => (line.dst_addr, self.dst_addr) = (value, true),
            "dst.hbone_addr" => line.dst_hbone_addr = Some(value),
            "dst.service" => line.dst_service = Some(value),
            "dst.workload" => line.dst_workload = Some(value),
            "dst.namespace" => line.dst_namespace = Some(value),
            "dst.identity" => line.dst_identity = Some(value),
            "dst.cluster" => line.dst_cluster = Some(value),
            "direction" => {
                line.reporter = match &*value {
                    "outbound" => Reporter::Client,
                    "inbound" => Reporter::Server,
                    _ => return None,
                };
                self.direction = true;
            }
            "bytes_sent" => line.bytes_sent = Some(value.parse().ok()?),
            "bytes_recv" => line.bytes_recv = Some(value.parse().ok()?),
            "duration" => line.duration_ms = Some(value.strip_suffix("ms")?.parse().ok()?),
            "error" => line.error = Some(value),
            _ => {}
        }
        Some(())
    }

    fn whole(self, line: ZtunnelLine<'_>) -> Option<ZtunnelLine<'_>> {
        let timed = parse_time(line.time.as_bytes()).is_some();
        (timed && self.src_addr && self.dst_addr && self.direction).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REFUSED: &str = "2026-11-23T02:09:23.529508Z\terror\taccess\tconnection complete\tsrc.addr=10.244.1.20:56424 \
        src.workload=\"legacy\" src.namespace=\"legacy\" src.cluster=\"Kubernetes\" dst.addr=10.244.2.10:9080 \
        dst.service=\"productpage.bookinfo.svc.cluster.local\" dst.workload=\"productpage-v1\" \
        dst.namespace=\"bookinfo\" dst.cluster=\"Kubernetes\" direction=\"inbound\" bytes_sent=0 bytes_recv=0 \
        duration=\"10002ms\" error=\"connection closed due to policy rejection: explicitly denied by: \
        istio-system/istio_converted_static_strict\"";
    const REFUSED_JSON: &str = r#"{"level":"error","time":"2026-11-23T02:09:23.529508Z","scope":"access","message":"connection complete","src.addr":"10.244.1.20:56424","src.workload":"legacy","src.namespace":"legacy","src.cluster":"Kubernetes","dst.addr":"10.244.2.10:9080","dst.service":"productpage.bookinfo.svc.cluster.local","dst.workload":"productpage-v1","dst.namespace":"bookinfo","dst.cluster":"Kubernetes","direction":"inbound","bytes_sent":0,"bytes_recv":0,"duration":"10002ms","error":"connection closed due to policy rejection: explicitly denied by: istio-system/istio_converted_static_strict"}"#;

    fn read(text: &str) -> Option<ZtunnelLine<'_>> {
        parse_ztunnel(text.as_bytes())
    }

    #[test]
    fn text_and_json_say_the_same() {
        let line = read(REFUSED).unwrap();
        assert_eq!(read(REFUSED_JSON).unwrap(), line);
        assert_eq!(line.own_pod(), Some(("bookinfo", "productpage-v1")));
        assert_eq!((line.reporter, line.is_mtls()), (Reporter::Server, false));
        assert_eq!((line.bytes_sent, line.duration_ms), (Some(0), Some(10002)));
        assert_eq!((&*line.level, &*line.message), ("error", "connection complete"));
        assert!(
            line.error.unwrap().ends_with("explicitly denied by: istio-system/istio_converted_static_strict")
        );
    }

    #[test]
    fn behind_a_prefix_with_spaces_for_tabs_and_without_quotes() {
        let line = read(REFUSED).unwrap();
        assert_eq!(read(&format!("[pod/ztunnel-x/istio-proxy] {REFUSED}\r")).unwrap(), line);
        assert_eq!(read(&format!("2026-11-23T02:09:24.1Z stderr F {REFUSED}")).unwrap(), line);
        assert_eq!(read(&REFUSED.replace('\t', "    ")).unwrap(), line);
        assert_eq!(read(&REFUSED.replace("\"legacy\"", "legacy")).unwrap(), line);
        assert_eq!(read(&format!("ztunnel-x istio-proxy {REFUSED_JSON}")).unwrap(), line);
    }

    #[test]
    fn escapes_are_those_of_rust() {
        let text = REFUSED.replace("explicitly", r#"\"a\" \\ \n\u{e9} ="#);
        assert!(read(&text).unwrap().error.unwrap().contains("\"a\" \\ \n\u{e9} ="));
    }

    #[test]
    fn what_is_no_access_line() {
        for text in [
            REFUSED.replace("\taccess\t", "\tproxy::inbound\t"),
            REFUSED.replace("direction=\"inbound\" ", ""),
            REFUSED.replace("direction=\"inbound\" ", "direction=\"sideways\" "),
            REFUSED.replace("dst.addr=10.244.2.10:9080 ", ""),
            REFUSED.replace("bytes_sent=0", "bytes_sent=many"),
            REFUSED.replace("static_strict\"", "static_strict"),
            REFUSED.replace("2026-11-23T02:09:23.529508Z", "yesterday"),
            REFUSED_JSON.replace("\"access\"", "\"ztunnel::state\""),
            REFUSED_JSON.replace("\"direction\":\"inbound\",", ""),
            REFUSED_JSON.trim_end_matches('}').to_owned(),
            String::new(),
        ] {
            assert_eq!(read(&text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_a_panic(at in 0..700_usize, text in ".{0,8}") {
            let at = REFUSED.floor_char_boundary(at);
            let mut line = REFUSED.to_owned();
            line.insert_str(at, &text);
            parse_ztunnel(line.as_bytes());
            parse_ztunnel(text.as_bytes());
        }
    }
}
