//! A JSON format object: which key of a line holds which field. [`super::object`] reads the lines.

use serde_json::Value;

use super::compile::{LogFormat, Missing, Step, Strictness};
use super::field::{Field, Target};
use super::parse::FormatError;

/// Envoy's `json_format`, or Istio's `accessLogFormat` where `accessLogEncoding` is `JSON`, compiled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonFormat {
    pub(super) keys: Vec<JsonKey>,
    /// What stands in every line: the path, and a text, a number or a truth value.
    pub(super) fixed: Vec<(Vec<Box<str>>, Value)>,
    /// The names of the outermost object.
    pub(super) names: Vec<Box<str>>,
    /// How it writes what is missing.
    pub(super) missing: Missing,
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
        // Whether it leaves out what is missing is set beside the format, so a text does not tell.
        Self::of(&value, strictness, Missing::Nothing)
    }

    /// Compiles a format object.
    ///
    /// # Errors
    ///
    /// Where Envoy would refuse the text of a key; the place is that in the text.
    pub fn of(object: &Value, strictness: Strictness, missing: Missing) -> Result<Self, FormatError> {
        let names = object.as_object().into_iter().flatten().map(|(name, _)| name.as_str().into()).collect();
        let mut format = Self { names, missing, ..Self::default() };
        format.add(object, &mut Vec::new(), strictness)?;
        Ok(format)
    }

    /// Whether a line of it can be told from other objects: some key takes not every text.
    pub fn tells_lines(&self) -> bool {
        self.keys.iter().any(|key| key.format.tells_lines())
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

impl JsonFormat {
    fn add(
        &mut self,
        value: &Value,
        path: &mut Vec<Box<str>>,
        strictness: Strictness,
    ) -> Result<(), FormatError> {
        match value {
            Value::Object(object) => {
                for (name, value) in object {
                    path.push(name.as_str().into());
                    self.add(value, path, strictness)?;
                    path.pop();
                }
            }
            Value::String(text) => {
                let format = LogFormat::compile_value(text, strictness, self.missing).map_err(|error| {
                    let text = format!("{} (of the key {})", error.text, path.join("."));
                    FormatError { text, ..error }
                })?;
                match format.steps.as_slice() {
                    [] => self.fixed.push((path.clone(), Value::String(String::new()))),
                    [Step::Literal(text)] => {
                        let text = String::from_utf8_lossy(text).into_owned();
                        self.fixed.push((path.clone(), Value::String(text)));
                    }
                    _ => self.keys.push(JsonKey { path: path.clone(), format }),
                }
            }
            Value::Bool(_) | Value::Number(_) => self.fixed.push((path.clone(), value.clone())),
            // What stands in a list has no name of its own.
            Value::Array(_) | Value::Null => {}
        }
        Ok(())
    }
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
