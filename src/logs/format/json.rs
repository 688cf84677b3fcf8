//! A JSON format object: which key of a line holds which field.
//!
//! Reading the lines themselves is not here.

use serde_json::Value;

use super::compile::{LogFormat, Step, Strictness};
use super::field::{Field, Target};
use super::parse::FormatError;

/// Envoy's `json_format`, or Istio's `accessLogFormat` where `accessLogEncoding` is `JSON`, compiled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonFormat {
    keys: Vec<JsonKey>,
}

/// A key whose value differs from line to line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonKey {
    /// The names from the outermost object to the key.
    pub path: Vec<Box<str>>,
    /// The format of its value; mostly one operator.
    pub format: LogFormat,
}

impl JsonKey {
    /// The field that the value is, where it is one and nothing else.
    pub fn field(&self) -> Option<&Field> {
        match self.format.steps.as_slice() {
            [Step::Field(field)] => Some(field),
            _ => None,
        }
    }
}

impl JsonFormat {
    /// Compiles the text of a format object.
    ///
    /// # Errors
    ///
    /// Where it is no JSON object, or Envoy would refuse the text of a key.
    pub fn compile(text: &str, strictness: Strictness) -> Result<Self, FormatError> {
        let value: Value = serde_json::from_str(text).map_err(|error| {
            let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len);
            let byte = lines.sum::<usize>() + error.column().saturating_sub(1);
            FormatError::at(text, byte, "the format is no JSON object")
        })?;
        if !value.is_object() {
            return Err(FormatError::at(text, 0, "the format is no JSON object"));
        }
        Self::of(&value, strictness)
    }

    /// Compiles a format object.
    ///
    /// # Errors
    ///
    /// Where Envoy would refuse the text of a key; the place is that in the text.
    pub fn of(object: &Value, strictness: Strictness) -> Result<Self, FormatError> {
        let mut keys = Vec::new();
        add(object, &mut Vec::new(), strictness, &mut keys)?;
        Ok(Self { keys })
    }

    /// The keys whose values differ from line to line.
    pub fn keys(&self) -> &[JsonKey] {
        &self.keys
    }

    /// The path of the key that holds a field of [`AccessLine`](crate::logs::AccessLine).
    pub fn path_of(&self, target: Target) -> Option<&[Box<str>]> {
        let is = |key: &&JsonKey| key.field().is_some_and(|field| field.target == Some(target));
        self.keys.iter().find(is).map(|key| key.path.as_slice())
    }

    /// The field that stands under a key of the outermost object.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let is = |key: &&JsonKey| matches!(key.path.as_slice(), [only] if **only == *name);
        self.keys.iter().find(is).and_then(JsonKey::field)
    }
}

fn add(
    value: &Value,
    path: &mut Vec<Box<str>>,
    strictness: Strictness,
    keys: &mut Vec<JsonKey>,
) -> Result<(), FormatError> {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                path.push(name.as_str().into());
                add(value, path, strictness, keys)?;
                path.pop();
            }
        }
        Value::String(text) if text.contains('%') => {
            let format = LogFormat::compile_value(text, strictness).map_err(|error| {
                let text = format!("{} (of the key {})", error.text, path.join("."));
                FormatError { text, ..error }
            })?;
            if format.fields().next().is_some() {
                keys.push(JsonKey { path: path.clone(), format });
            }
        }
        // What stands in a list has no name of its own.
        Value::Array(_) | Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = r#"{"ts": "%START_TIME(%s.%3f)%", "code": "%RESPONSE_CODE%", "app": "shop", "level": 3,
        "up": {"cluster": "%UPSTREAM_CLUSTER%", "tags": ["%PROTOCOL%"]},
        "request": "%REQ(:METHOD)% %REQ(:PATH)%", "cut": "%REQ(X-REQUEST-ID):8%", "full": "100%%"}"#;

    #[test]
    fn keys_are_mapped_to_fields() {
        let format = JsonFormat::compile(FORMAT, Strictness::Strict).unwrap();
        let path = |target| format.path_of(target).map(|path| path.join("."));
        assert_eq!(path(Target::StartTime).as_deref(), Some("ts"));
        assert_eq!(path(Target::UpstreamCluster).as_deref(), Some("up.cluster"));
        assert_eq!(path(Target::Method), None, "it stands beside another field");
        assert_eq!(path(Target::Protocol), None, "it stands in a list");
        assert_eq!(format.field("code").and_then(|field| field.target), Some(Target::ResponseCode));
        assert_eq!(format.field("cut").and_then(|field| field.length), Some(8));
        assert_eq!(format.field("app"), None);
        assert_eq!(format.field("full"), None);
        let request = format.keys().iter().find(|key| *key.path == ["request".into()]).unwrap();
        let line = request.format.read(b"GET /a?b=c").unwrap();
        assert_eq!((line.method, line.path), (Some(&b"GET"[..]), Some(&b"/a?b=c"[..])));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key() {
        let error = |text: &str| JsonFormat::compile(text, Strictness::Strict).unwrap_err().to_string();
        assert!(
            error(r#"{"a":{"b":"x %REQ%"}}"#)
                .contains("REQ needs an argument, as in %REQ(…)% (of the key a.b)")
        );
        assert!(error(r#"{"a":{"b":"x %REQ%"}}"#).contains("at character 3 (`%REQ%`)"));
        assert!(error("[1]").contains("no JSON object"));
        assert!(error("{\"a\":\n  b}").contains("at character 9 (`b}`)"));
    }
}
