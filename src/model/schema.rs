//! Which fields Istio's kinds have, and what an object has that they do not.
//!
//! The fields are data (`assets/fields.json`), so that a test can hold them against the published definitions. A
//! shape is a type's name, `port`, `port or 0` (which stands for none), `number of a port` (any number; one that no
//! port has counts for nothing), `enum:A|B`, a list with one shape, an object of fields (`*` stands for any key), or
//! `@Name` for a definition.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::object::Note;

const FIELDS: &str = include_str!("../../assets/fields.json");

fn fields() -> &'static Value {
    static PARSED: OnceLock<Value> = OnceLock::new();
    PARSED.get_or_init(|| serde_json::from_str(FIELDS).unwrap_or_default())
}

/// What of `spec` the kind does not have or its schema refuses; empty for a kind without a list of fields.
pub fn check(kind: &str, api_version: &str, spec: &Value) -> Vec<Note> {
    let mut notes = Vec::new();
    let Some(known) = fields().pointer("/kinds").and_then(|kinds| kinds.get(kind)) else { return notes };
    let versions = known.get("versions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !versions.iter().any(|version| version == api_version) {
        notes.push(Note {
            field: "apiVersion".to_owned(),
            problem: format!("is {api_version}, which Istio does not serve"),
            wrong_type: false,
        });
    }
    if let Some(shape) = known.get("spec") {
        check_value(spec, shape, "spec", &mut notes);
    }
    notes
}

/// What of a value a shape refuses; the value stands at `path`.
pub fn check_shape(value: &Value, shape: &Value, path: &str) -> Vec<Note> {
    let mut notes = Vec::new();
    check_value(value, shape, path, &mut notes);
    notes
}

fn check_value(value: &Value, shape: &Value, path: &str, notes: &mut Vec<Note>) {
    if value.is_null() {
        return;
    }
    match shape {
        Value::String(name) => check_scalar(value, name, path, notes),
        Value::Array(items) => match (value.as_array(), items.first()) {
            (Some(values), Some(item)) => {
                for value in values {
                    check_value(value, item, path, notes);
                }
            }
            _ => refuse(value, "a list", path, notes),
        },
        Value::Object(fields) => match value {
            Value::Object(given) => check_fields(given, fields, path, notes),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                refuse(value, "an object", path, notes);
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn check_fields(given: &Map<String, Value>, fields: &Map<String, Value>, path: &str, notes: &mut Vec<Note>) {
    for (key, value) in given {
        let path = format!("{path}.{key}");
        match fields.get(key).or_else(|| fields.get("*")) {
            Some(shape) => check_value(value, shape, &path, notes),
            None => notes.push(Note {
                field: path,
                problem: "is no field of this kind".to_owned(),
                wrong_type: false,
            }),
        }
    }
}

fn check_scalar(value: &Value, name: &str, path: &str, notes: &mut Vec<Note>) {
    if let Some(definition) = name.strip_prefix('@') {
        if let Some(shape) = fields().pointer("/definitions").and_then(|all| all.get(definition)) {
            check_value(value, shape, path, notes);
        }
        return;
    }
    if let Some(words) = name.strip_prefix("enum:") {
        match value.as_str() {
            Some(word) if words.split('|').any(|known| known == word) => {}
            Some(word) => notes.push(Note {
                field: path.to_owned(),
                problem: format!("is {word:?}, not one of {}", words.replace('|', ", ")),
                wrong_type: false,
            }),
            None => refuse(value, "a word", path, notes),
        }
        return;
    }
    if let "port" | "port or 0" | "number of a port" = name {
        check_port(value, name, path, notes);
        return;
    }
    let fits = match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => true,
    };
    if !fits {
        let wanted = if name == "integer" { "an integer".to_owned() } else { format!("a {name}") };
        refuse(value, &wanted, path, notes);
    }
}

/// A port is a number from 1 to 65535, and what refuses any other refuses the whole object.
fn check_port(value: &Value, name: &str, path: &str, notes: &mut Vec<Note>) {
    let Some(number) = value.as_i64().or_else(|| value.as_u64().map(|_| i64::MAX)) else {
        return refuse(value, "an integer", path, notes);
    };
    match number {
        1..=65535 => {}
        0 if name == "port or 0" => {}
        0..=0xffff_ffff if name == "number of a port" => notes.push(Note {
            field: path.to_owned(),
            problem: format!("is {value}, which is no port: what is set for it counts for nothing"),
            wrong_type: false,
        }),
        _ => notes.push(Note {
            field: path.to_owned(),
            problem: format!("must be a port number from 1 to 65535, is {value}"),
            wrong_type: true,
        }),
    }
}

fn refuse(value: &Value, wanted: &str, path: &str, notes: &mut Vec<Note>) {
    let problem = format!("must be {wanted}, is {}", type_word(value));
    notes.push(Note { field: path.to_owned(), problem, wrong_type: true });
}

/// What a value is, for a message.
pub fn type_word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(kind: &str, spec: &str) -> Vec<String> {
        let version =
            if kind == "DestinationRule" { "networking.istio.io/v1" } else { "security.istio.io/v1" };
        let spec: Value = serde_json::from_str(spec).unwrap();
        check(kind, version, &spec)
            .into_iter()
            .map(|note| format!("{} {}", note.field, note.problem))
            .collect()
    }

    #[test]
    fn what_the_schema_knows_is_silent() {
        let spec = r#"{"host":"a","trafficPolicy":{"tls":{"mode":"SIMPLE"},"loadBalancer":{"simple":"LEAST_CONN"},
            "portLevelSettings":[{"port":{"number":80},"tls":{}}]},"subsets":[{"name":"v1","labels":{"a":"b"}}]}"#;
        assert!(notes("DestinationRule", spec).is_empty());
        assert!(notes("PeerAuthentication", r#"{"portLevelMtls":{"80":{"mode":"STRICT"}}}"#).is_empty());
    }

    #[test]
    fn unknown_fields_values_and_types_are_named_with_their_path() {
        let spec = r#"{"hosts":"a","trafficPolicy":{"tls":{"mode":"ISTIO_MUTAUL"},
            "portLevelSettings":[{"port":{"number":"80"}}]},"subsets":{}}"#;
        assert_eq!(
            notes("DestinationRule", spec),
            [
                "spec.hosts is no field of this kind",
                "spec.trafficPolicy.tls.mode is \"ISTIO_MUTAUL\", not one of DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL",
                "spec.trafficPolicy.portLevelSettings.port.number must be an integer, is a string",
                "spec.subsets must be a list, is an object",
            ]
        );
    }

    #[test]
    fn the_list_of_fields_can_be_read() {
        assert!(fields().pointer("/kinds/DestinationRule/spec/host").is_some());
        assert!(fields().pointer("/definitions/ClientTls/mode").is_some());
    }
}
