//! What proxies say in their logs besides their access lines: messages of Envoy, of Istio's agent beside it and of
//! ztunnel, in the layout of Istio (`TIME TAB LEVEL TAB SCOPE TAB TEXT`) or in JSON.
//!
//! Only messages that bear on a failure are known; all others are nothing. They are no access lines and are never counted
//! as such.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::{self, Finder};
use serde_json::{Map, Value};

use super::time::parse_time;

/// What a message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Told {
    /// A connection to the control plane failed.
    ControlPlaneLost,
    /// There is one.
    ControlPlaneHeard,
    /// Something that the control plane sent was refused.
    ConfigRefused,
    /// A certificate was not obtained.
    CertificateFailed,
    /// One was.
    CertificateObtained,
    /// ztunnel begins to shut down.
    ShutdownBegins,
    /// A pod is taken out of ztunnel.
    PodTaken,
    /// ztunnel has stopped to serve a pod.
    PodStopped,
    /// Envoy tells why a TLS handshake failed (level debug); the subject is the other end.
    Tls(TlsFault),
}

/// What Envoy says of a handshake. Either side writes these; which one it was, the other end tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsFault {
    /// The peer sent no certificate: only servers ask for one.
    NoCertificate,
    /// Its own judgement: the peer's certificate is signed by nobody it knows.
    NotTrusted,
    /// Its own judgement: the peer's certificate has expired.
    Expired,
    /// Its own judgement: the peer's certificate is of an identity that it does not expect.
    OtherIdentity,
    /// The peer says that a certificate is required: only servers do.
    AlertCertificateRequired,
    /// The peer says that it does not know who signed ours.
    AlertUnknownCa,
    /// The peer says that ours has expired.
    AlertExpired,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyMessage {
    /// When, in microseconds since the epoch.
    pub time: Option<i64>,
    /// What it tells.
    pub told: Told,
    /// What it is about: an identity, a pod, the resource and what is wrong with it.
    pub subject: Option<String>,
}

/// A row: what a message of a kind has in its text, the first that fits.
type Row = (Told, &'static [&'static str], Subject);

/// Where the subject stands.
#[derive(Debug, Clone, Copy)]
enum Subject {
    None,
    /// Up to the next space or bracket.
    Word(&'static str),
    /// All that follows.
    Rest(&'static str),
}

const TLS: &str = "remote address:";
const VERIFY: &str = "CERTIFICATE_VERIFY_FAILED";
const PEER: Subject = Subject::Word(TLS);

/// Data facts 14, 15 and 20 of ztunnel; the others are texts of Envoy's config streams and of Istio's agent. A stream
/// that is closed with another status than 14 is opened again as a matter of course.
const ROWS: &[Row] = &[
    (Told::ControlPlaneLost, &["XDS client connection error"], Subject::None),
    (Told::ControlPlaneLost, &["AggregatedResources gRPC config stream", ": 14, "], Subject::None),
    (Told::ControlPlaneHeard, &["xds::client", "Stream established"], Subject::None),
    (Told::ControlPlaneHeard, &["connected to upstream XDS server"], Subject::None),
    (Told::ControlPlaneHeard, &["connected to delta upstream XDS server"], Subject::None),
    (Told::CertificateFailed, &["certificate fetch failed"], Subject::Word("id=")),
    (Told::CertificateFailed, &["failed to warm certificate"], Subject::None),
    (Told::CertificateFailed, &["StreamSecrets gRPC config stream", "failed to generate"], Subject::None),
    (Told::CertificateObtained, &["certificate fetch succeeded"], Subject::Word("id=")),
    (Told::CertificateObtained, &["generated new workload certificate"], Subject::None),
    (Told::CertificateObtained, &["resource:default pushed key/cert pair"], Subject::None),
    (
        Told::ConfigRefused,
        &["onfig for type.googleapis.com/", " rejected: "],
        Subject::Rest("type.googleapis.com/"),
    ),
    (Told::ConfigRefused, &["xds::client", "sending response", "Nack"], Subject::Rest("error=")),
    (Told::ShutdownBegins, &["received signal SIGTERM, starting shutdown"], Subject::None),
    (Told::PodTaken, &["pod delete request, shutting down proxy"], Subject::None),
    (Told::Tls(TlsFault::NoCertificate), &[TLS, "PEER_DID_NOT_RETURN_A_CERTIFICATE"], PEER),
    (Told::Tls(TlsFault::AlertCertificateRequired), &[TLS, "ALERT_CERTIFICATE_REQUIRED"], PEER),
    (Told::Tls(TlsFault::AlertUnknownCa), &[TLS, "ALERT_UNKNOWN_CA"], PEER),
    (Told::Tls(TlsFault::AlertExpired), &[TLS, "ALERT_CERTIFICATE_EXPIRED"], PEER),
    (Told::Tls(TlsFault::Expired), &[TLS, VERIFY, "certificate has expired"], PEER),
    (Told::Tls(TlsFault::OtherIdentity), &[TLS, VERIFY, "SAN matcher"], PEER),
    (Told::Tls(TlsFault::NotTrusted), &[TLS, VERIFY, "self signed certificate"], PEER),
    (Told::Tls(TlsFault::NotTrusted), &[TLS, VERIFY, "self-signed certificate"], PEER),
    (Told::Tls(TlsFault::NotTrusted), &[TLS, VERIFY, "unable to get"], PEER),
    (Told::PodStopped, &["drain", "shutdown complete", "wl="], Subject::Word("wl=")),
];

/// A subject is kept up to so many characters.
const LONGEST: usize = 160;

/// A message is looked at up to so many bytes.
const LOOKED_AT: usize = 64 * 1024;

/// What the rows' first texts are found with, and the rows that have each: most lines have none, and a finder that is made
/// for each line takes longer than its look at it.
static FINDERS: LazyLock<Vec<(Finder<'static>, Vec<Row>)>> = LazyLock::new(|| {
    let mut finders: Vec<(Finder<'static>, Vec<Row>)> = Vec::new();
    for row in ROWS {
        let first = row.1.first().copied().unwrap_or_default().as_bytes();
        match finders.iter_mut().find(|(finder, _)| finder.needle() == first) {
            Some((_, rows)) => rows.push(*row),
            None => finders.push((Finder::new(first), vec![*row])),
        }
    }
    finders
});

/// Reads a message that is known. What stands in front of its time is passed over.
pub fn parse_message(line: &[u8]) -> Option<ProxyMessage> {
    let line = line.get(..LOOKED_AT.min(line.len()))?;
    // Hardly a line has any of these: a look without reading it first. JSON writes fields in another way.
    let has = |part: &&str| part.ends_with('=') || memmem::find(line, part.as_bytes()).is_some();
    let row = FINDERS
        .iter()
        .filter(|(first, _)| first.find(line).is_some())
        .flat_map(|(_, rows)| rows)
        .find(|(_, texts, _)| texts.iter().skip(1).all(has))?;
    let text = String::from_utf8_lossy(line);
    let (time, text) = headed(&text).or_else(|| json(&text))?;
    let (told, texts, subject) = row;
    if !texts.iter().all(|part| text.contains(part)) {
        return None;
    }
    let subject = match subject {
        Subject::None => None,
        Subject::Word(key) => text.split_once(key).map(|(_, rest)| word_of(rest)),
        Subject::Rest(key) => text.split_once(key).map(|(_, rest)| rest.trim().trim_matches('"')),
    };
    let subject = subject.map(|text| text.chars().take(LONGEST).collect());
    Some(ProxyMessage { time, told: *told, subject })
}

fn word_of(text: &str) -> &str {
    let text = text.trim_start_matches('"');
    let end = text.find([' ', '\t', '"', '}', ',']).unwrap_or(text.len());
    text.split_at_checked(end).map_or(text, |(word, _)| word)
}

/// The words in front of a time that are passed over at most: prefixes of tools.
const PREFIX: usize = 6;

/// The time and the text behind the level.
fn headed(text: &str) -> Option<(Option<i64>, Cow<'_, str>)> {
    let mut rest = text.trim_start();
    for _ in 0..=PREFIX {
        let (word, after) = rest.split_once(char::is_whitespace)?;
        let after = after.trim_start();
        if let Some(time) = parse_time(word.as_bytes()) {
            let (level, text) = after.split_once(char::is_whitespace)?;
            if is_level(level) {
                return Some((Some(time), text.into()));
            }
        }
        rest = after;
    }
    None
}

fn is_level(word: &str) -> bool {
    matches!(word, "trace" | "debug" | "info" | "warn" | "warning" | "error" | "critical" | "fatal")
}

/// The same of an object: its scope, message and fields as they stand in the text layout.
fn json(text: &str) -> Option<(Option<i64>, Cow<'_, str>)> {
    let (_, object) = text.split_at_checked(text.find('{')?)?;
    let object: Map<String, Value> = serde_json::from_str(object).ok()?;
    let text_of = |key: &str| object.get(key).and_then(Value::as_str);
    let time = parse_time(text_of("time")?.as_bytes());
    is_level(text_of("level")?).then_some(())?;
    let mut text = text_of("scope").unwrap_or_default().to_owned();
    text.push('\t');
    text.push_str(text_of("message").or_else(|| text_of("msg"))?);
    for (key, value) in &object {
        if matches!(key.as_str(), "time" | "level" | "scope" | "message" | "msg") {
            continue;
        }
        match value {
            Value::String(value) => add_field(&mut text, key, value),
            Value::Object(span) => {
                for (key, value) in span.iter().filter_map(|(key, value)| Some((key, value.as_str()?))) {
                    add_field(&mut text, key, value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {}
        }
    }
    Some((time, text.into()))
}

fn add_field(text: &mut String, key: &str, value: &str) {
    for part in [" ", key, "=", value] {
        text.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOST: &str = "2026-11-23T02:21:26.883766Z\twarn\txds::client:xds{id=1}\tXDS client connection error: gRPC \
                        connection error connecting to https://istiod.istio-system.svc:15012: status: Unknown, \
                        message: \"client error (Connect)\", source: tcp connect error, retrying in 20ms\t";

    fn told(text: &str) -> Option<(Told, Option<String>)> {
        parse_message(text.as_bytes()).map(|message| (message.told, message.subject))
    }

    #[test]
    fn messages_in_either_layout_and_behind_prefixes() {
        let message = parse_message(LOST.as_bytes()).unwrap();
        assert_eq!((message.told, message.time), (Told::ControlPlaneLost, Some(1_795_400_486_883_766)));
        for text in [format!("[pod/z/istio-proxy] {LOST}"), LOST.replace('\t', "  "), format!("{LOST}\r")] {
            assert_eq!(parse_message(text.as_bytes()).unwrap(), message, "{text}");
        }
        let rows = [
            (
                r#"{"level":"warn","time":"2026-11-23T02:21:45.003553Z","scope":"ztunnel::identity::manager","message":"certificate fetch failed (…)","id":"spiffe://cluster.local/ns/a/sa/b"}"#,
                Told::CertificateFailed,
                Some("spiffe://cluster.local/ns/a/sa/b"),
            ),
            (
                r#"{"level":"info","time":"2026-11-23T02:14:10.760340Z","scope":"ztunnel::drain","message":"shutdown complete","component":"outbound","proxy":{"wl":"bookinfo/productpage-v1"}}"#,
                Told::PodStopped,
                Some("bookinfo/productpage-v1"),
            ),
            (
                "2026-11-23T02:21:19.991118Z\tinfo\tdrain:proxy{wl=web/sleep}\tshutdown complete\tcomponent=\"outbound\"",
                Told::PodStopped,
                Some("web/sleep"),
            ),
            (
                r#"{"level":"warning","time":"2026-11-23T02:21:45.003553Z","scope":"envoy config","msg":"StreamAggregatedResources gRPC config stream to xds-grpc closed: 14, connection error"}"#,
                Told::ControlPlaneLost,
                None,
            ),
            (
                "2026-11-22T09:12:55Z\tdebug\tenvoy connection source/common/tls/ssl_socket.cc:322\t[Tags: \"ConnectionId\":\
                 \"2\"] remote address:127.0.0.11:56432,TLS_error:|268435648:SSL routines:OPENSSL_internal:\
                 PEER_DID_NOT_RETURN_A_CERTIFICATE:TLS_error_end\tthread=1",
                Told::Tls(TlsFault::NoCertificate),
                Some("127.0.0.11:56432"),
            ),
            (
                "2026-11-23T02:21:46Z\twarning\tenvoy config\tgRPC config for type.googleapis.com/envoy.Listener rejected: \
                 Error adding listener",
                Told::ConfigRefused,
                Some("envoy.Listener rejected: Error adding listener"),
            ),
        ];
        for (text, kind, subject) in rows {
            assert_eq!(told(text), Some((kind, subject.map(str::to_owned))), "{text}");
        }
    }

    #[test]
    fn what_is_no_message_of_a_failure() {
        for text in [
            "",
            "{",
            "XDS client connection error",
            &LOST.replace("warn", "loud"),
            &LOST.replace("2026-11-23T02:21:26.883766Z", "yesterday"),
            // Closed after its age, and opened again.
            "2026-11-23T02:21:46Z\twarning\tenvoy config\tStreamAggregatedResources gRPC config stream closed: 13, ",
            "2026-11-23T02:21:46Z\tinfo\tapp\tready",
            r#"{"message":"certificate fetch failed"}"#,
        ] {
            assert_eq!(told(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_a_panic(at in 0..300_usize, text in ".{0,8}") {
            let at = LOST.floor_char_boundary(at);
            let mut line = LOST.to_owned();
            line.insert_str(at, &text);
            parse_message(line.as_bytes());
            parse_message(text.as_bytes());
        }
    }
}
