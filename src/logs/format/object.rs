//! Lines in JSON, read by the format object that wrote them: nested objects, texts with several operators, and keys
//! that are left out where there is no value (`omit_empty_values`).
//!
//! An object is of a format when every key has a value that its operators can write. Keys that the format does not
//! have are counted: collectors add some, and of two formats the one that knows more of the keys has the line.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::compile::{Missing, Step};
use super::forced::is_value;
use super::json::{JsonFormat, JsonKey};
use super::read::set;
use crate::logs::access_json::is_own_name;
use crate::logs::access_line::{AccessLine, Format};

/// A value of a line. Numbers are text, as other formats write them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Number(String),
    Text(Cow<'a, str>),
    Bool(bool),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
    /// A list: no operator of a line that is looked at writes one.
    List,
}

impl<'a> Node<'a> {
    /// The object that a text is; `None` for anything else.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let text = text.trim_ascii();
        // Elements of an array, as some tools save them.
        let text = text.strip_suffix(b",").unwrap_or(text);
        if text.first() != Some(&b'{') || text.last() != Some(&b'}') {
            return None;
        }
        serde_json::from_slice(text).ok()
    }

    fn entries(&self) -> &[(Cow<'a, str>, Self)] {
        match self {
            Self::Object(entries) => entries,
            Self::Null | Self::Number(_) | Self::Text(_) | Self::Bool(_) | Self::List => &[],
        }
    }

    /// The value at a path. An error where a key stands twice with different values.
    fn at(&self, path: &[Box<str>]) -> Result<Option<&Self>, Twice> {
        let mut node = self;
        for name in path {
            let mut same = node.entries().iter().filter(|(key, _)| *key == **name).map(|(_, value)| value);
            let Some(first) = same.next() else { return Ok(None) };
            if same.any(|other| other != first) {
                return Err(Twice);
            }
            node = first;
        }
        Ok(Some(node))
    }
}

/// A key stands twice with different values.
struct Twice;

impl JsonFormat {
    /// Reads an object by the format: the line, and how many of its outermost keys the format does not have. `None`
    /// where the format did not write it.
    pub(super) fn read<'n>(&self, object: &'n Node<'_>) -> Option<(AccessLine<'n>, usize)> {
        for (path, wanted) in &self.fixed {
            let found = object.at(path).ok()?;
            if !found.map_or_else(|| self.may_lack(wanted), |found| is_fixed(found, wanted)) {
                return None;
            }
        }
        let mut access = AccessLine::empty(Format::Custom);
        let mut tells = false;
        for key in &self.keys {
            match object.at(&key.path).ok()? {
                Some(value) => tells |= key.read(value, &mut access)?,
                None if self.missing == Missing::Nothing => {}
                None => return None,
            }
        }
        let mut strange = 0;
        for (key, _) in object.entries() {
            if !self.names.iter().any(|name| *key == **name) {
                // No collector adds those: another format wrote the line.
                if is_own_name(key) {
                    return None;
                }
                strange += 1;
            }
        }
        tells.then_some((access, strange))
    }

    fn may_lack(&self, wanted: &Value) -> bool {
        self.missing == Missing::Nothing && wanted.as_str() == Some("")
    }
}

impl JsonKey {
    /// Takes the value over; whether it tells that the line is one. `None` where the operators do not write it.
    fn read<'n>(&self, value: &'n Node<'_>, access: &mut AccessLine<'n>) -> Option<bool> {
        let Some(field) = self.field() else {
            let Node::Text(text) = value else { return None };
            self.format.read_into(text.as_bytes(), access)?;
            // Text around the values tells as much as they do.
            let any_text = self.format.steps.iter().any(|step| matches!(step, Step::Literal(_)));
            return Some(any_text && self.format.tells_lines());
        };
        let text = match value {
            Node::Null => b"-",
            Node::Number(text) => text.as_bytes(),
            // Older versions wrote an empty text for no flags.
            Node::Text(text) if text.is_empty() && field.tells_lines() => b"-",
            Node::Text(text) => text.as_bytes(),
            // Metadata and the like.
            Node::Bool(_) | Node::Object(_) | Node::List => return field.target.is_none().then_some(false),
        };
        if !is_value(field, text) {
            return None;
        }
        set(access, field, text);
        Some(field.tells_lines() && !field.is_missing(text))
    }
}

/// Whether a value is the one that stands in every line.
fn is_fixed(found: &Node<'_>, wanted: &Value) -> bool {
    match (found, wanted) {
        (Node::Text(found), Value::String(wanted)) => found == wanted,
        (Node::Bool(found), Value::Bool(wanted)) => found == wanted,
        // The format came through YAML and protocol buffers, where 3 and 3.0 are the same.
        (Node::Number(found), Value::Number(wanted)) => found.parse::<f64>().ok() == wanted.as_f64(),
        (
            Node::Null | Node::Number(_) | Node::Text(_) | Node::Bool(_) | Node::Object(_) | Node::List,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_),
        ) => false,
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Any)
    }
}

/// A text, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Name;
        impl<'de> Visitor<'de> for Name {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        from.deserialize_str(Name)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Node::Number(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Node::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Node::Number(number.to_string()))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
        Ok(Node::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::with_capacity(32);
        while let Some((Key(key), value)) = map.next_entry()? {
            entries.push((key, value));
        }
        Ok(Node::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::logs::{FlagSet, Strictness};

    fn format(missing: Missing) -> JsonFormat {
        let object = json!({
            "ts": "%START_TIME(%s.%3f)%", "code": "%RESPONSE_CODE%", "app": "shop", "level": 3,
            "up": {"cluster": "%UPSTREAM_CLUSTER%", "why": "%RESPONSE_CODE_DETAILS% (%RESPONSE_FLAGS%)"},
            "request": "%REQ(:METHOD)% %REQ(:PATH)%", "agent": "%REQ(USER-AGENT)%",
            "tags": "%DYNAMIC_METADATA(a:b)%",
        });
        JsonFormat::of(&object, Strictness::Strict, missing).unwrap()
    }

    fn read(missing: Missing, line: &Value, check: impl FnOnce(Option<(AccessLine<'_>, usize)>)) {
        let text = line.to_string();
        check(format(missing).read(&Node::parse(text.as_bytes()).unwrap()));
    }

    fn line() -> Value {
        json!({"ts": "1764579600.125", "code": 503, "app": "shop", "level": 3.0,
            "up": {"cluster": "outbound|80||db.shop.svc.cluster.local", "why": "no_healthy_upstream (UH)"},
            "request": "GET /a?b=c", "agent": "x \"y\"", "tags": {"a": [1]}})
    }

    #[test]
    fn keys_nested_objects_and_mixed_texts_are_read() {
        read(Missing::Dash, &line(), |read| {
            let (line, strange) = read.unwrap();
            assert_eq!(strange, 0);
            assert_eq!((line.response_code, line.flags), (Some(503), FlagSet::parse(b"UH")));
            assert_eq!(line.response_code_details, Some(&b"no_healthy_upstream"[..]));
            assert_eq!(line.upstream_cluster, Some(&b"outbound|80||db.shop.svc.cluster.local"[..]));
            assert_eq!((line.method, line.path), (Some(&b"GET"[..]), Some(&b"/a?b=c"[..])));
            assert_eq!(line.user_agent, Some(&b"x \"y\""[..]));
            assert_eq!(line.micros(), Some(1_764_579_600_125_000));
        });
    }

    #[test]
    fn what_is_missing_is_null_or_not_there() {
        let mut nulls = line();
        nulls["agent"] = Value::Null;
        nulls["up"]["cluster"] = Value::Null;
        read(Missing::Dash, &nulls, |read| {
            let (line, _) = read.unwrap();
            assert_eq!((line.user_agent, line.upstream_cluster), (Some(&b"-"[..]), Some(&b"-"[..])));
        });
        let mut less = line();
        less.as_object_mut().unwrap().remove("agent");
        less["up"] = json!({"why": "via_upstream ()"});
        less["request"] = json!(" ");
        read(Missing::Dash, &less, |read| assert!(read.is_none(), "it would have been null"));
        read(Missing::Nothing, &less, |read| {
            let (line, _) = read.unwrap();
            assert_eq!((line.user_agent, line.upstream_cluster), (None, None));
            assert_eq!(line.response_flags, Some(&b"-"[..]));
            assert_eq!((line.method, line.path), (Some(&b"-"[..]), Some(&b"-"[..])));
        });
    }

    #[test]
    fn objects_of_others_are_not_read() {
        for (path, value) in [
            ("/code", json!("5xx")),
            ("/code", json!(true)),
            ("/code", json!({"x": 1})),
            ("/level", json!(4)),
            ("/app", json!("other")),
            ("/request", json!("GET")),
            ("/up", json!("x")),
            ("/ts", json!("yesterday")),
        ] {
            let mut other = line();
            *other.pointer_mut(path).unwrap() = value.clone();
            read(Missing::Dash, &other, |read| assert!(read.is_none(), "{path} {value}"));
        }
        read(Missing::Nothing, &json!({"app": "shop", "level": 3, "agent": "x"}), |read| {
            assert!(read.is_none(), "nothing tells that it is a line");
        });
        let text = line().to_string().replacen('{', "{\"code\":200,", 1);
        assert!(format(Missing::Dash).read(&Node::parse(text.as_bytes()).unwrap()).is_none(), "two codes");
        let mut more = line();
        more["kubernetes"] = json!({"pod": "x"});
        read(Missing::Dash, &more, |read| assert_eq!(read.map(|(_, strange)| strange), Some(1)));
    }
}
