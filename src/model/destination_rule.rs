//! `DestinationRule`: what a client does with traffic to a host.

use serde_json::{Map, Value};

use super::Text;
use super::labels::Labels;

/// A `DestinationRule`.
#[derive(Debug, Clone, PartialEq)]
pub struct DestinationRule {
    /// `spec.host` as written.
    pub host: Text,
    /// `spec.exportTo` as written, in order.
    pub export_to: Vec<Text>,
    /// `spec.workloadSelector.matchLabels`; `Some` as soon as the selector is there, even empty (DR-4.1).
    pub workload_selector: Option<Labels>,
    /// `spec.trafficPolicy`.
    pub traffic_policy: Option<TrafficPolicy>,
    /// `spec.subsets`, in order.
    pub subsets: Vec<Subset>,
}

/// A subset of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Subset {
    /// Its name.
    pub name: Text,
    /// Its labels.
    pub labels: Labels,
    /// Its own traffic policy.
    pub traffic_policy: Option<TrafficPolicy>,
}

/// A traffic policy: named blocks, which inheritance replaces whole (DR-8.3), and entries for ports.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrafficPolicy {
    /// The blocks as written (`connectionPool`, `tls`, …), without `portLevelSettings`.
    pub blocks: Map<String, Value>,
    /// `portLevelSettings`: service port number and blocks, in order; the first entry of a port counts.
    pub ports: Vec<(u16, Map<String, Value>)>,
}

impl TrafficPolicy {
    /// The blocks for a service port, where there is an entry for it.
    pub fn port(&self, number: u16) -> Option<&Map<String, Value>> {
        self.ports.iter().find(|(port, _)| *port == number).map(|(_, blocks)| blocks)
    }
}

/// `tls.mode` as declared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// No TLS is originated; also a `tls` block without mode (DR-8.5).
    Disable,
    /// One-way TLS.
    Simple,
    /// TLS with the user's own certificate.
    Mutual,
    /// Mutual TLS with the mesh's certificates.
    IstioMutual,
    /// A value this program does not know. What depends on it is unknown.
    Other(String),
}

impl TlsMode {
    /// The mode of a `tls` block.
    pub fn of_block(block: &Value) -> Self {
        match block.get("mode").and_then(Value::as_str) {
            None | Some("DISABLE") => Self::Disable,
            Some("SIMPLE") => Self::Simple,
            Some("MUTUAL") => Self::Mutual,
            Some("ISTIO_MUTUAL") => Self::IstioMutual,
            Some(other) => Self::Other(other.to_owned()),
        }
    }

    /// The word as Istio writes it.
    pub fn word(&self) -> &str {
        match self {
            Self::Disable => "DISABLE",
            Self::Simple => "SIMPLE",
            Self::Mutual => "MUTUAL",
            Self::IstioMutual => "ISTIO_MUTUAL",
            Self::Other(other) => other,
        }
    }
}
