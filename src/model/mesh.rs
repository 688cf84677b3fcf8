//! The mesh configuration, reduced to what can change an answer.

use serde_json::{Value, json};

use super::access_log::AccessLogs;
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
    /// The formats of access logs, and which of them are chosen.
    pub access_logs: AccessLogs,
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
            access_logs: AccessLogs::of_mesh(value),
            networks: MeshNetworks::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_is_no_text_is_refused() {
        assert!(MeshConfig::from_value(&json!({"accessLogFormat": {"a": "b"}})).is_err());
    }
}
