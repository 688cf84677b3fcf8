//! The mesh configuration, reduced to what can change an answer.

use serde_json::{Value, json};

use super::networks::MeshNetworks;
use super::object::Note;
use super::schema;

/// The mesh configuration of a revision. `None` means that the field is not set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MeshConfig {
    /// `rootNamespace`.
    pub root_namespace: Option<String>,
    /// `trustDomain`.
    pub trust_domain: Option<String>,
    /// `enableAutoMtls`.
    pub enable_auto_mtls: Option<bool>,
    /// `defaultDestinationRuleExportTo`.
    pub default_destination_rule_export_to: Option<Vec<String>>,
    /// `defaultServiceExportTo`.
    pub default_service_export_to: Option<Vec<String>>,
    /// `defaultVirtualServiceExportTo`.
    pub default_virtual_service_export_to: Option<Vec<String>>,
    /// `defaultTrafficPolicy` (Istio 1.31), whole.
    pub default_traffic_policy: Option<Value>,
    /// `outboundTrafficPolicy.mode`.
    pub outbound_traffic_policy: Option<String>,
    /// `accessLogFile`: empty means that no access log is written.
    pub access_log_file: Option<String>,
    /// The format strings of text access logs that differ from the default: `accessLogFormat`, and those of
    /// `extensionProviders`. Which proxy has which of the latter is for Telemetry to say.
    pub access_log_formats: Vec<String>,
    /// The format objects of JSON access logs, from the same places.
    pub access_log_objects: Vec<Value>,
    /// `meshNetworks`, which stands beside the mesh configuration in the same object (MT-4.13).
    pub networks: MeshNetworks,
}

impl MeshConfig {
    /// Reads the fields out of the parsed configuration.
    ///
    /// # Errors
    ///
    /// The fields whose value is of another type: istiod refuses the whole configuration then.
    pub fn from_value(value: &Value) -> Result<Self, Vec<Note>> {
        let shape = json!({
            "rootNamespace": "string",
            "trustDomain": "string",
            "enableAutoMtls": "boolean",
            "defaultDestinationRuleExportTo": ["string"],
            "defaultServiceExportTo": ["string"],
            "defaultVirtualServiceExportTo": ["string"],
            "defaultTrafficPolicy": { "*": "any" },
            "outboundTrafficPolicy": { "mode": "string", "*": "any" },
            "accessLogFile": "string",
            "accessLogFormat": "string",
            "*": "any"
        });
        let notes = schema::check_shape(value, &shape, "data.mesh");
        if !notes.is_empty() {
            return Err(notes);
        }
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let texts = |key: &str| {
            value
                .get(key)
                .and_then(Value::as_array)
                .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        };
        let (access_log_formats, access_log_objects) = access_log_formats(value);
        Ok(Self {
            root_namespace: text("rootNamespace").filter(|name| !name.is_empty()),
            trust_domain: text("trustDomain").filter(|name| !name.is_empty()),
            enable_auto_mtls: value.get("enableAutoMtls").and_then(Value::as_bool),
            default_destination_rule_export_to: texts("defaultDestinationRuleExportTo"),
            default_service_export_to: texts("defaultServiceExportTo"),
            default_virtual_service_export_to: texts("defaultVirtualServiceExportTo"),
            default_traffic_policy: value
                .get("defaultTrafficPolicy")
                .filter(|policy| !policy.is_null())
                .cloned(),
            outbound_traffic_policy: value
                .pointer("/outboundTrafficPolicy/mode")
                .and_then(Value::as_str)
                .map(str::to_owned),
            access_log_file: text("accessLogFile"),
            access_log_formats,
            access_log_objects,
            networks: MeshNetworks::default(),
        })
    }
}

/// The formats of access logs, as text and as objects.
fn access_log_formats(value: &Value) -> (Vec<String>, Vec<Value>) {
    let (mut texts, mut objects) = (Vec::new(), Vec::new());
    if let Some(text) = value.get("accessLogFormat").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        let encoding = value.get("accessLogEncoding");
        // Its number in the protocol buffer is taken too.
        if encoding == Some(&json!("JSON")) || encoding == Some(&json!(1)) {
            objects.extend(serde_json::from_str(text).ok().filter(Value::is_object));
        } else {
            texts.push(text.to_owned());
        }
    }
    let providers = value.get("extensionProviders").and_then(Value::as_array);
    for format in
        providers.into_iter().flatten().filter_map(|one| one.pointer("/envoyFileAccessLog/logFormat"))
    {
        texts.extend(format.get("text").and_then(Value::as_str).map(str::to_owned));
        objects.extend(format.get("labels").filter(|labels| labels.is_object()).cloned());
    }
    texts.retain(|text| !text.is_empty());
    (texts, objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_access_logs_are_kept_by_their_encoding() {
        let read = |value: Value| {
            let config = MeshConfig::from_value(&value).unwrap();
            (config.access_log_formats, config.access_log_objects)
        };
        assert_eq!(read(json!({"accessLogFormat": "%PROTOCOL%"})), (vec!["%PROTOCOL%".to_owned()], vec![]));
        let object = r#"{"a": "%PROTOCOL%"}"#;
        assert_eq!(
            read(json!({"accessLogFormat": object, "accessLogEncoding": "JSON"})),
            (vec![], vec![json!({"a": "%PROTOCOL%"})])
        );
        assert_eq!(
            read(json!({"accessLogFormat": "", "extensionProviders": [
                {"name": "a", "envoyFileAccessLog": {"path": "/dev/stdout", "logFormat": {"text": "%DURATION%"}}},
                {"name": "b", "envoyFileAccessLog": {"logFormat": {"labels": {"b": "%DURATION%"}}}},
                {"name": "c", "zipkin": {"service": "z"}},
            ]})),
            (vec!["%DURATION%".to_owned()], vec![json!({"b": "%DURATION%"})])
        );
        assert!(MeshConfig::from_value(&json!({"accessLogFormat": {"a": "b"}})).is_err());
    }
}
