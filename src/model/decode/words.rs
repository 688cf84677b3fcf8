//! What a reader refused, in the words of Kubernetes: which field, what its schema wants, and what stands there. Names
//! of types are the readers' own business.

use crate::model::object::Note;

/// A note from a reader's message about the field at a path, which keeps its places in lists.
pub fn refused(path: &str, message: &str) -> Note {
    let field = if path == "." { String::new() } else { path.to_owned() };
    Note { field, problem: in_words(message), wrong_type: true }
}

/// A path without the places in its lists, as notes have it.
pub fn without_indices(path: &str) -> String {
    let mut kept = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, behind)) = rest.split_once('[') {
        let Some((place, after)) = behind.split_once(']') else { break };
        kept.push_str(before);
        if place.is_empty() || !place.bytes().all(|byte| byte.is_ascii_digit()) {
            kept.push('[');
            kept.push_str(place);
            kept.push(']');
        }
        rest = after;
    }
    kept.push_str(rest);
    kept
}

/// A reader's message, which is one of serde's: `invalid type: A, expected B`.
pub fn in_words(message: &str) -> String {
    // The place is told beside it.
    let message = message.split(" at line ").next().unwrap_or(message);
    let refusal =
        ["invalid type: ", "invalid value: "].into_iter().find_map(|start| message.strip_prefix(start));
    if let Some((found, wanted)) = refusal.and_then(|refusal| refusal.rsplit_once(", expected ")) {
        return format!("must be {}, is {}", wanted_in_words(wanted), found_in_words(found));
    }
    if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return format!("lacks {field}");
    }
    let twice = message.strip_prefix("duplicate field `").and_then(|rest| rest.strip_suffix('`'));
    if let Some(field) = twice {
        return format!("has the field {field} twice");
    }
    let twice =
        message.strip_prefix("duplicate mapping key: ").and_then(|rest| rest.split(", set Dup").next());
    if let Some(key) = twice {
        return format!("has the key {key} twice");
    }
    if let Some(number) = message.strip_prefix("non-finite float `").and_then(|rest| rest.split('`').next()) {
        return format!("{number} is no number that JSON has: as a text it needs quotes");
    }
    if message.starts_with("duplicate mapping key") {
        return "has a key twice".to_owned();
    }
    message.to_owned()
}

fn wanted_in_words(wanted: &str) -> &str {
    match wanted {
        "a sequence" => "a list",
        "a map" => "an object",
        "any value" | "option" => "something else",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" => "an integer",
        "f32" | "f64" => "a number",
        known if known.starts_with("struct ") || known.starts_with("tuple ") => "an object",
        other => other,
    }
}

/// Serde writes the value behind its type, in backquotes or quotes.
fn found_in_words(found: &str) -> String {
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    let value = value.trim_matches('`');
    match kind {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        "null" | "unit" | "Option" => "null".to_owned(),
        "boolean" => "a boolean".to_owned(),
        "integer" => format!("the number {value}"),
        // As it is written it may have other digits.
        "floating" => "a number".to_owned(),
        "string" => format!("the text {value}"),
        _ => found.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn said<T: serde::de::DeserializeOwned>(json: &str) -> String {
        let error = serde_json::from_str::<T>(json).err().map(|error| error.to_string());
        refused("spec.a", &error.unwrap_or_default()).problem
    }

    #[test]
    fn a_refusal_says_what_the_schema_wants_and_what_stands_there() {
        assert_eq!(said::<String>("7"), "must be a string, is the number 7");
        assert_eq!(said::<String>("1.5"), "must be a string, is a number");
        assert_eq!(said::<String>("true"), "must be a string, is a boolean");
        assert_eq!(said::<Vec<String>>("{}"), "must be a list, is an object");
        assert_eq!(said::<BTreeMap<String, String>>("[]"), "must be an object, is a list");
        assert_eq!(said::<bool>("\"a, expected b\""), "must be a boolean, is the text \"a, expected b\"");
        assert_eq!(said::<u16>("-1"), "must be an integer, is the number -1");
        assert_eq!(said::<String>("null"), "must be a string, is null");
    }

    #[test]
    fn places_in_lists_are_left_out_of_a_path() {
        assert_eq!(
            without_indices("spec.containers[0].ports[12].containerPort"),
            "spec.containers.ports.containerPort"
        );
        assert_eq!(without_indices("metadata.labels.a[b]"), "metadata.labels.a[b]");
    }
}
