//! JSON written as YAML, line by line, each with the path of the field that it holds: so that a field can be shown in
//! its place. The order of the fields is that in which they were read.

use serde_json::Value;

/// A line of YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlLine {
    /// The path of the field, such as `spec.subsets[0].name`.
    pub path: String,
    /// Indentation, a dash where it begins an item, and the key with its colon.
    pub head: String,
    /// The value, where it is on the same line.
    pub value: String,
}

/// The lines of a value.
pub fn lines(value: &Value) -> Vec<YamlLine> {
    let mut writer = Writer { lines: Vec::new() };
    writer.block(value, "", 0, String::new());
    writer.lines
}

/// A value as text.
pub fn text(value: &Value) -> String {
    lines(value).iter().flat_map(|line| [&*line.head, &*line.value, "\n"]).collect()
}

struct Writer {
    lines: Vec<YamlLine>,
}

impl Writer {
    /// Writes a value whose first line begins with `lead` (a dash) in place of that much indentation.
    fn block(&mut self, value: &Value, path: &str, indent: usize, mut lead: String) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (key, value) in fields {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    let begin = if lead.is_empty() { " ".repeat(indent) } else { std::mem::take(&mut lead) };
                    let head = format!("{begin}{}:", scalar_text(key));
                    self.entry(value, &path, indent, head);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (at, item) in items.iter().enumerate() {
                    let begin = if lead.is_empty() { " ".repeat(indent) } else { std::mem::take(&mut lead) };
                    self.block(item, &format!("{path}[{at}]"), indent + 2, format!("{begin}- "));
                }
            }
            Value::Object(_)
            | Value::Array(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_) => {
                let head = if lead.is_empty() { " ".repeat(indent) } else { lead };
                self.lines.push(YamlLine { path: path.to_owned(), head, value: scalar(value) });
            }
        }
    }

    fn entry(&mut self, value: &Value, path: &str, indent: usize, head: String) {
        let (nested, deeper) = match value {
            Value::Object(fields) => (!fields.is_empty(), indent + 2),
            // As kubectl does: the dashes of a list stand below its key.
            Value::Array(items) => (!items.is_empty(), indent),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (false, indent),
        };
        if nested {
            self.lines.push(YamlLine { path: path.to_owned(), head, value: String::new() });
            self.block(value, path, deeper, String::new());
        } else {
            self.lines.push(YamlLine { path: path.to_owned(), head, value: format!(" {}", scalar(value)) });
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => scalar_text(text),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A string that every reader of YAML takes for that string: in double quotes, as JSON, where it is not plain.
fn scalar_text(text: &str) -> String {
    let first_is_plain = text.starts_with(|one: char| one.is_alphanumeric() || "/_$".contains(one));
    let chars_are_plain =
        text.chars().all(|one| one.is_alphanumeric() || "-_./$ ()+=<>@".contains(one) || one == ':');
    let colon_is_plain = !text.contains(": ") && !text.ends_with(':');
    let other_type = text.parse::<f64>().is_ok()
        || text.starts_with(|one: char| one.is_ascii_digit())
            && text.chars().all(|one| one.is_ascii_digit() || ":_-.xobT".contains(one))
        || ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
            .contains(&text.to_lowercase().as_str());
    if first_is_plain && chars_are_plain && colon_is_plain && !other_type && text.trim_end() == text {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_reads_like_kubectl_writes() {
        let value = json!({"spec": {"host": "a.b", "empty": {}, "none": [], "number": 5, "text": "5", "on": "yes",
            "subsets": [{"name": "v1", "labels": {"version": "v1"}}, {"name": "v2"}], "ports": [1, [2, 3]], "star": "*.local"}});
        insta::assert_snapshot!(text(&value), @r#"
        spec:
          host: a.b
          empty: {}
          none: []
          number: 5
          text: "5"
          "on": "yes"
          subsets:
          - name: v1
            labels:
              version: v1
          - name: v2
          ports:
          - 1
          - - 2
            - 3
          star: "*.local"
        "#);
        let paths: Vec<_> = lines(&value).into_iter().map(|line| line.path).collect();
        assert!(paths.contains(&"spec.subsets[0].labels.version".to_owned()), "{paths:?}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_back(text in "\\PC*", key in "[ -~]{0,12}") {
            let value = json!({ "a": [{ key: text }] });
            let read: Value = serde_saphyr::from_str(&super::text(&value)).unwrap();
            proptest::prop_assert_eq!(read, value);
        }
    }
}
