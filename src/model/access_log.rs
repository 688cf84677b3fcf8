//! Where objects name the formats of access logs: mesh configuration, `Telemetry`, `EnvoyFilter`.
//!
//! Only what is written is kept. Compiling a format and telling which line has it is for whoever reads logs.

use serde_json::{Value, json};

/// A format of an access log, as written.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLogFormat {
    /// The format string, or the format object.
    pub format: Value,
    /// Missing values are left out (`omit_empty_values`).
    pub omits_empty: bool,
}

impl AccessLogFormat {
    fn new(format: &Value, omits_empty: bool) -> Option<Self> {
        let is_format = format.as_str().map_or(format.is_object(), |text| !text.is_empty());
        is_format.then(|| Self { format: format.clone(), omits_empty })
    }
}

/// An entry of `extensionProviders` that writes a file in a format of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLogProvider {
    /// Its name.
    pub name: String,
    /// Its format.
    pub format: AccessLogFormat,
}

/// What a mesh configuration says of access logs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AccessLogs {
    /// `accessLogFormat`, by `accessLogEncoding`.
    pub format: Option<AccessLogFormat>,
    /// `extensionProviders` with an `envoyFileAccessLog.logFormat`.
    pub providers: Vec<AccessLogProvider>,
    /// `defaultProviders.accessLogging`.
    pub default_providers: Vec<String>,
}

impl AccessLogs {
    /// Those of a mesh configuration.
    pub fn of_mesh(mesh: &Value) -> Self {
        let providers = mesh.get("extensionProviders").and_then(Value::as_array).into_iter().flatten();
        let defaults = mesh.pointer("/defaultProviders/accessLogging").and_then(Value::as_array);
        let names = defaults.into_iter().flatten().filter_map(Value::as_str);
        Self {
            format: format_of_mesh(mesh),
            providers: providers.filter_map(provider).collect(),
            default_providers: names.map(str::to_owned).collect(),
        }
    }
}

fn format_of_mesh(mesh: &Value) -> Option<AccessLogFormat> {
    let format = mesh.get("accessLogFormat").filter(|format| format.is_string())?;
    let encoding = mesh.get("accessLogEncoding");
    // Its number in the protocol buffer is taken too.
    if encoding == Some(&json!("JSON")) || encoding == Some(&json!(1)) {
        let object: Value = serde_json::from_str(format.as_str()?).ok()?;
        return AccessLogFormat::new(&object, false).filter(|format| format.format.is_object());
    }
    AccessLogFormat::new(format, false)
}

fn provider(value: &Value) -> Option<AccessLogProvider> {
    let name = value.get("name")?.as_str()?.to_owned();
    let file = value.get("envoyFileAccessLog")?;
    let format = file.get("logFormat")?;
    let format = format.get("text").or_else(|| format.get("labels"))?;
    let omits_empty = file.get("omitEmptyValues") == Some(&json!(true));
    Some(AccessLogProvider { name, format: AccessLogFormat::new(format, omits_empty)? })
}

/// The providers that a `Telemetry` chooses for access logs.
pub fn providers_of_telemetry(telemetry: &Value) -> Vec<&str> {
    let logging = telemetry.pointer("/spec/accessLogging").and_then(Value::as_array);
    logging
        .into_iter()
        .flatten()
        .filter(|one| one.get("disabled") != Some(&json!(true)))
        .filter_map(|one| one.get("providers").and_then(Value::as_array))
        .flatten()
        .filter_map(|provider| provider.get("name").and_then(Value::as_str))
        .collect()
}

/// The formats that the patches of an `EnvoyFilter` give to access logs of any listener.
pub fn formats_of_filter(filter: &Value) -> Vec<AccessLogFormat> {
    let patches = filter.pointer("/spec/configPatches").and_then(Value::as_array);
    let filters = filter.pointer("/spec/filters").and_then(Value::as_array);
    let values = patches.into_iter().flatten().filter_map(|patch| patch.pointer("/patch/value"));
    // `filters` is the form before Istio 1.3.
    let older = filters.into_iter().flatten().filter_map(|filter| filter.get("filterConfig"));
    let mut found = Vec::new();
    for value in values.chain(older) {
        add_logs(value, &mut found);
    }
    found
}

/// Envoy's fields have two spellings in JSON.
fn either<'v>(value: &'v Value, snake: &str, camel: &str) -> Option<&'v Value> {
    value.get(snake).or_else(|| value.get(camel))
}

fn add_logs(value: &Value, found: &mut Vec<AccessLogFormat>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if matches!(key.as_str(), "access_log" | "accessLog") {
                    let logs = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                    found.extend(logs.iter().filter_map(format_of_log));
                } else {
                    add_logs(value, found);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| add_logs(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn format_of_log(log: &Value) -> Option<AccessLogFormat> {
    let config = either(log, "typed_config", "typedConfig").or_else(|| log.get("config"))?;
    let Some(format) = either(config, "log_format", "logFormat") else {
        // Envoy's fields before 1.16.
        let json = || either(config, "json_format", "jsonFormat");
        let typed = || either(config, "typed_json_format", "typedJsonFormat");
        return AccessLogFormat::new(config.get("format").or_else(json).or_else(typed)?, false);
    };
    let source = either(format, "text_format_source", "textFormatSource");
    let text = source.and_then(|source| either(source, "inline_string", "inlineString"));
    let old = || either(format, "text_format", "textFormat");
    let object = || either(format, "json_format", "jsonFormat");
    let omits = either(format, "omit_empty_values", "omitEmptyValues") == Some(&json!(true));
    AccessLogFormat::new(text.or_else(old).or_else(object)?, omits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(formats: &[AccessLogFormat]) -> Vec<(String, bool)> {
        formats.iter().map(|one| (one.format.to_string(), one.omits_empty)).collect()
    }

    #[test]
    fn the_encoding_tells_what_the_format_is() {
        let format = |mesh: Value| AccessLogs::of_mesh(&mesh).format.map(|one| one.format);
        assert_eq!(format(json!({"accessLogFormat": "%PROTOCOL%"})), Some(json!("%PROTOCOL%")));
        let object = r#"{"a": "%PROTOCOL%"}"#;
        for encoding in [json!("JSON"), json!(1)] {
            let mesh = json!({"accessLogFormat": object, "accessLogEncoding": encoding});
            assert_eq!(format(mesh), Some(json!({"a": "%PROTOCOL%"})));
        }
        assert_eq!(format(json!({"accessLogFormat": "%A%", "accessLogEncoding": "JSON"})), None);
        assert_eq!(format(json!({"accessLogFormat": ""})), None);
    }

    #[test]
    fn providers_have_names_and_formats() {
        let logs = AccessLogs::of_mesh(&json!({
            "extensionProviders": [
                {"name": "a", "envoyFileAccessLog": {"path": "/dev/stdout", "logFormat": {"text": "%DURATION%"}}},
                {"name": "b", "envoyFileAccessLog": {"omitEmptyValues": true, "logFormat": {"labels": {"b": "%DURATION%"}}}},
                {"name": "c", "zipkin": {"service": "z"}},
                {"name": "d", "envoyFileAccessLog": {"path": "/dev/stdout"}},
            ],
            "defaultProviders": {"accessLogging": ["b"]},
        }));
        let found: Vec<_> =
            logs.providers.iter().map(|one| (one.name.as_str(), one.format.omits_empty)).collect();
        assert_eq!(found, [("a", false), ("b", true)]);
        assert_eq!(logs.default_providers, ["b"]);
    }

    #[test]
    fn telemetry_chooses_what_it_does_not_disable() {
        let telemetry = json!({"spec": {"accessLogging": [
            {"providers": [{"name": "a"}]}, {"disabled": true, "providers": [{"name": "b"}]}, {},
        ]}});
        assert_eq!(providers_of_telemetry(&telemetry), ["a"]);
        assert!(providers_of_telemetry(&json!({"spec": {}})).is_empty());
    }

    #[test]
    fn patches_name_formats_in_every_spelling() {
        let log = |config: Value| json!({"name": "envoy.access_loggers.file", "typed_config": config});
        let patch = |value: Value| json!({"applyTo": "NETWORK_FILTER", "patch": {"operation": "MERGE", "value": value}});
        let filter = json!({"spec": {"configPatches": [
            patch(json!({"typed_config": {"access_log": [
                log(json!({"log_format": {"text_format_source": {"inline_string": "1"}, "omit_empty_values": true}})),
                log(json!({"log_format": {"text_format": "2"}})),
                log(json!({"logFormat": {"jsonFormat": {"a": "3"}}})),
                log(json!({"format": "4"})),
                log(json!({"path": "/dev/stdout"})),
                {"name": "x", "config": {"json_format": {"a": "5"}}},
            ]}})),
            patch(json!({"access_log": log(json!({"typed_json_format": {"a": "6"}}))})),
            patch(json!({"name": "no log", "format": "7"})),
        ]}});
        let wanted = [
            ("\"1\"", true),
            ("\"2\"", false),
            (r#"{"a":"3"}"#, false),
            ("\"4\"", false),
            (r#"{"a":"5"}"#, false),
            (r#"{"a":"6"}"#, false),
        ];
        assert_eq!(texts(&formats_of_filter(&filter)), wanted.map(|(text, omits)| (text.to_owned(), omits)));
    }
}
