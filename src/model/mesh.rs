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
    /// `trustDomainAliases`.
    pub trust_domain_aliases: Vec<String>,
    /// `pathNormalization.normalization`.
    pub path_normalization: Option<String>,
    /// The external authorizers of `extensionProviders`, and whether they speak HTTP, and no gRPC.
    pub authorizers: Vec<(String, bool)>,
    /// `defaultConfig.gatewayTopology.numTrustedProxies`.
    pub trusted_proxies: Option<usize>,
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
            "trustDomainAliases": ["string"],
            "pathNormalization": { "normalization": "string", "*": "any" },
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
            trust_domain_aliases: texts("trustDomainAliases").unwrap_or_default(),
            path_normalization: value
                .pointer("/pathNormalization/normalization")
                .and_then(Value::as_str)
                .map(str::to_owned),
            authorizers: authorizers(value),
            trusted_proxies: value
                .pointer("/defaultConfig/gatewayTopology/numTrustedProxies")
                .and_then(Value::as_u64)
                .and_then(|hops| usize::try_from(hops).ok()),
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

/// The external authorizers by name (O2), each with whether it speaks HTTP.
fn authorizers(mesh: &Value) -> Vec<(String, bool)> {
    let providers = mesh.get("extensionProviders").and_then(Value::as_array).into_iter().flatten();
    let authorizers = providers.filter_map(|provider| {
        let name = provider.get("name")?.as_str()?;
        let is_http = provider.get("envoyExtAuthzHttp").is_some();
        (is_http || provider.get("envoyExtAuthzGrpc").is_some()).then(|| (name.to_owned(), is_http))
    });
    authorizers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_is_no_text_is_refused() {
        assert!(MeshConfig::from_value(&json!({"accessLogFormat": {"a": "b"}})).is_err());
    }
}
