//! Reads JSON access logs: one object a line, in the order and with the names that Istio or somebody else chose.
//!
//! Envoy escapes what callers wrote, so a JSON line has one reading. Newer versions write numbers and `null`, Istio up
//! to about 1.7 wrote text and `-` throughout. A key that no field has is not looked at; a field that stands there
//! twice with different values leaves the line unread.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::access_line::{AccessLine, Format};
use super::response_flags::FlagSet;

mod quick;

/// The names that Istio gives the fields, in the order of [`Fields`].
const NAMES: [&str; COUNT] = [
    "start_time",
    "method",
    "path",
    "protocol",
    "response_code",
    "response_flags",
    "response_code_details",
    "connection_termination_details",
    "istio_policy_status",
    "upstream_transport_failure_reason",
    "bytes_received",
    "bytes_sent",
    "duration",
    "upstream_service_time",
    "x_forwarded_for",
    "user_agent",
    "request_id",
    "authority",
    "upstream_host",
    "upstream_cluster",
    "upstream_local_address",
    "downstream_local_address",
    "downstream_remote_address",
    "requested_server_name",
    "route_name",
];
const COUNT: usize = 25;

/// Names that others give them and that can mean nothing else: headers under their own names, and a unit.
const OTHER_NAMES: [(&str, &str); 5] = [
    ("x_request_id", "request_id"),
    ("x_envoy_upstream_service_time", "upstream_service_time"),
    ("x_envoy_origin_path", "path"),
    ("x_envoy_original_path", "path"),
    ("duration_ms", "duration"),
];

/// Whether Istio gives that name to a field.
pub(super) fn is_own_name(key: &str) -> bool {
    NAMES.contains(&key)
}

/// Reads an object as an access-log line and hands the line on; `None` if it is not one. Response code and flags have
/// to be there: without them nothing can be said of a request.
pub fn parse_json<R>(text: &[u8], each: impl FnOnce(&AccessLine<'_>) -> R) -> Option<R> {
    let text = text.trim_ascii();
    // Elements of an array, as some tools save them.
    let text = text.strip_suffix(b",").unwrap_or(text);
    if text.first() != Some(&b'{') || text.last() != Some(&b'}') {
        return None;
    }
    if let Some(line) = quick::read(text) {
        return Some(each(&line));
    }
    let fields: Fields<'_> = serde_json::from_slice(text).ok()?;
    Some(each(&fields.line()?))
}

/// Reads the ordinary line of Istio's own JSON: one object with its names, in which nothing is escaped.
#[inline]
pub(super) fn parse_ordinary(text: &[u8]) -> Option<AccessLine<'_>> {
    quick::read(text.trim_ascii_end())
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
enum Scalar<'a> {
    Null,
    Number(u64),
    Text(Cow<'a, str>),
    /// A value that no field can have.
    Other,
}

/// The values of an object by their field. What Istio's own name gives stands before what another one does.
#[derive(Debug)]
struct Fields<'a> {
    own: [Option<Scalar<'a>>; COUNT],
    other: [Option<Scalar<'a>>; COUNT],
}

/// The field that a key names.
enum Key {
    Own(usize),
    Other(usize),
    None,
}

impl Key {
    fn of(key: &str) -> Self {
        if let Some(at) = NAMES.iter().position(|name| *name == key) {
            return Self::Own(at);
        }
        let Some(key) = in_small(key) else { return Self::None };
        let key = own_name(&key);
        NAMES.iter().position(|name| *name == key).map_or(Self::None, Self::Other)
    }
}

/// The name that Istio gives to the field of a name in small letters.
pub(super) fn own_name(key: &str) -> &str {
    OTHER_NAMES.iter().find(|(other, _)| *other == key).map_or(key, |(_, name)| name)
}

/// `responseCode`, `Response-Code` and `:authority` as Istio writes words; `None` for what is too long to be a name.
pub(super) fn in_small(key: &str) -> Option<String> {
    if key.len() > 40 {
        return None;
    }
    let mut small = String::with_capacity(key.len() + 4);
    let mut before = '_';
    for letter in key.trim_start_matches(':').chars() {
        if letter.is_ascii_uppercase() && before.is_ascii_lowercase() {
            small.push('_');
        }
        small.push(if letter == '-' { '_' } else { letter.to_ascii_lowercase() });
        before = letter;
    }
    Some(small)
}

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&Scalar<'a>> {
        let at = NAMES.iter().position(|known| *known == name)?;
        let (own, other) = (self.own.get(at)?, self.other.get(at)?);
        own.as_ref().or(other.as_ref())
    }

    /// A text; a dash for `null`, as the text layouts have it.
    fn text(&self, name: &str) -> Option<&[u8]> {
        match self.get(name)? {
            Scalar::Text(text) => Some(text.as_bytes()),
            Scalar::Null => Some(b"-"),
            Scalar::Number(_) | Scalar::Other => None,
        }
    }

    fn number(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            Scalar::Number(number) => Some(*number),
            Scalar::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            Scalar::Text(_) | Scalar::Null | Scalar::Other => None,
        }
    }

    fn line(&self) -> Option<AccessLine<'_>> {
        let response_code = u16::try_from(self.number("response_code")?).ok().filter(|code| *code < 1000)?;
        let response_flags = match self.text("response_flags")? {
            b"" => b"-",
            flags => flags,
        };
        if !matches!(response_flags.first()?, b'-' | b'A'..=b'Z') {
            return None;
        }
        let format =
            if self.other.iter().any(Option::is_some) { Format::EnvoyJson } else { Format::IstioJson };
        Some(AccessLine {
            format,
            ambiguous: false,
            start_time: self.text("start_time"),
            time: None,
            method: self.text("method"),
            path: self.text("path"),
            protocol: self.text("protocol"),
            response_code: Some(response_code),
            response_flags: Some(response_flags),
            flags: FlagSet::parse(response_flags),
            response_code_details: self.text("response_code_details"),
            connection_termination_details: self.text("connection_termination_details"),
            mixer_status: self.text("istio_policy_status"),
            upstream_transport_failure_reason: self.text("upstream_transport_failure_reason"),
            bytes_received: self.number("bytes_received"),
            bytes_sent: self.number("bytes_sent"),
            duration: self.number("duration"),
            upstream_service_time: self.number("upstream_service_time"),
            x_forwarded_for: self.text("x_forwarded_for"),
            user_agent: self.text("user_agent"),
            request_id: self.text("request_id"),
            authority: self.text("authority"),
            upstream_host: self.text("upstream_host"),
            upstream_cluster: self.text("upstream_cluster"),
            upstream_local_address: self.text("upstream_local_address"),
            downstream_local_address: self.text("downstream_local_address"),
            downstream_remote_address: self.text("downstream_remote_address"),
            requested_server_name: self.text("requested_server_name"),
            route_name: self.text("route_name"),
        })
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Fields { own: [const { None }; COUNT], other: [const { None }; COUNT] };
                while let Some(key) = map.next_key::<Key>()? {
                    let slot = match key {
                        Key::Own(at) => fields.own.get_mut(at),
                        Key::Other(at) => fields.other.get_mut(at),
                        Key::None => None,
                    };
                    let Some(slot) = slot else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    let value = map.next_value::<Scalar<'de>>()?;
                    match slot {
                        Some(known) if *known != value => {
                            return Err(A::Error::custom("a field has two values"));
                        }
                        slot => *slot = Some(value),
                    }
                }
                Ok(fields)
            }
        }
        from.deserialize_map(Object)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                Ok(Key::of(key))
            }
        }
        from.deserialize_str(Name)
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Scalar::Null)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Scalar::Other)
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(number))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Scalar::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Scalar::Other)
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
        }
        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of a line that has to be one: a text, or a number as it prints.
    fn read<R>(text: &str, each: impl FnOnce(&AccessLine<'_>) -> R) -> R {
        parse_json(text.as_bytes(), each).unwrap_or_else(|| panic!("not read: {text}"))
    }

    fn is_line(text: &str) -> bool {
        parse_json(text.as_bytes(), |_| ()).is_some()
    }

    #[test]
    fn numbers_and_null_of_newer_versions() {
        let line = r#"{"upstream_host":"10.0.0.21:9080","response_code":503,"response_flags":"UC","duration":3,
            "bytes_sent":95,"upstream_service_time":null,"requested_server_name":null,"user_agent":"-",
            "upstream_cluster":"outbound|9080||a.b.svc.cluster.local","labels":{"x":[1,{"y":null}]},"ok":true}"#;
        read(line, |line| {
            assert_eq!(
                (line.format, line.response_code, line.flags),
                (Format::IstioJson, Some(503), FlagSet::UC)
            );
            assert_eq!(
                (line.duration, line.bytes_sent, line.upstream_service_time),
                (Some(3), Some(95), None)
            );
            assert_eq!(line.requested_server_name, Some(&b"-"[..]));
            assert_eq!(line.upstream_cluster, Some(&b"outbound|9080||a.b.svc.cluster.local"[..]));
            assert_eq!(line.route_name, None, "a key that is not there is not a value that is missing");
        });
    }

    #[test]
    fn text_and_dashes_of_older_versions() {
        let line = r#"{"response_code":"0","response_flags":"UF,URX","duration":"10002","upstream_service_time":"-",
            "istio_policy_status":"-","route_name":"-"}"#;
        read(line, |line| {
            assert_eq!(
                (line.response_code, line.duration, line.upstream_service_time),
                (Some(0), Some(10002), None)
            );
            assert_eq!((line.mixer_status, line.route_name), (Some(&b"-"[..]), Some(&b"-"[..])));
            assert_eq!(line.flags, FlagSet::parse(b"URX,UF"));
        });
    }

    #[test]
    fn escapes_are_undone() {
        let line = r#"{"user_agent":"a \"b\" \\ \u00e9\ud83d\ude00","path":"/\/x","response_code":200,"response_flags":"-",
            "upstream_cl\u0075ster":"outbound\u007c80||a"}"#;
        read(line, |line| {
            assert_eq!(line.user_agent, Some("a \"b\" \\ é😀".as_bytes()));
            assert_eq!((line.path, line.upstream_cluster), (Some(&b"//x"[..]), Some(&b"outbound|80||a"[..])));
        });
    }

    #[test]
    fn other_names_that_can_mean_nothing_else() {
        let line = r#"{":authority":"a","x-request-id":"1","responseCode":404,"response-flags":"NR","durationMs":7,
            "x-envoy-origin-path":"/a","X-Forwarded-For":"10.0.0.1"}"#;
        read(line, |line| {
            assert_eq!(
                (line.format, line.response_code, line.flags),
                (Format::EnvoyJson, Some(404), FlagSet::NR)
            );
            assert_eq!((line.authority, line.request_id), (Some(&b"a"[..]), Some(&b"1"[..])));
            assert_eq!((line.path, line.duration), (Some(&b"/a"[..]), Some(7)));
            assert_eq!(line.x_forwarded_for, Some(&b"10.0.0.1"[..]));
        });
        let both = r#"{"path":"/a","x-envoy-original-path":"/b","response_code":200,"response_flags":"-"}"#;
        read(both, |line| assert_eq!(line.path, Some(&b"/a"[..])));
    }

    #[test]
    fn what_is_no_line() {
        assert!(!is_line(r#"{"level":"info","msg":"ready","response_code":200}"#), "nothing tells the flags");
        assert!(!is_line(r#"{"response_flags":"UC"}"#), "nothing tells the code");
        assert!(!is_line(r#"{"response_code":"5xx","response_flags":"UC"}"#));
        assert!(!is_line(r#"{"response_code":1e3,"response_flags":"UC"}"#));
        assert!(!is_line(r#"{"response_code":503,"response_flags":["UC"]}"#));
        assert!(!is_line(r#"{"response_code":503,"response_flags":"UC","#), "cut off");
        assert!(!is_line(r#"{"a":{"response_code":503,"response_flags":"UC"}}"#));
        assert!(!is_line(
            r#"{"response_code":503,"response_flags":"UC"} {"response_code":200,"response_flags":"-"}"#
        ));
        assert!(!is_line(r#"{"response_code":503,"response_flags":"UC","response_code":200}"#), "two codes");
        assert!(is_line(r#"{"response_code":503,"response_flags":"UC","response_code":503},"#));
    }
}
