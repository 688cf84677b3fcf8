//! `ServiceEntry` and `WorkloadEntry`: hosts and addresses that Kubernetes does not know.

use super::Text;
use super::labels::Labels;
use super::service::ServicePort;

/// How clients find the endpoints of a service entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// They keep the address that the application asked for.
    None,
    /// The addresses that are listed.
    Static,
    /// Names that the proxy looks up.
    Dns,
    /// A value this program does not know.
    Other(String),
}

/// A `ServiceEntry`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEntry {
    /// The hosts, never expanded (DR-2.4).
    pub hosts: Vec<Text>,
    /// The ports; `targetPort` is their target.
    pub ports: Vec<ServicePort>,
    /// `location: MESH_INTERNAL`; unset means external (MT-4.11).
    pub internal: bool,
    /// `resolution`.
    pub resolution: Resolution,
    /// `endpoints`.
    pub endpoints: Vec<WorkloadEntry>,
    /// `workloadSelector.labels`.
    pub selector: Option<Labels>,
    /// `exportTo` as written.
    pub export_to: Vec<Text>,
    /// `subjectAltNames`.
    pub subject_alt_names: Vec<Text>,
}

/// A `WorkloadEntry`, or an endpoint written into a `ServiceEntry`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadEntry {
    /// The address, or a name to look up.
    pub address: Text,
    /// Labels.
    pub labels: Labels,
    /// Ports by the name of the service's port.
    pub ports: Vec<(Text, u16)>,
    /// `network`.
    pub network: Option<Text>,
    /// The service account, where it has one: it then speaks mutual TLS unless a label says otherwise (MT-3.2).
    pub service_account: Option<Text>,
}

impl WorkloadEntry {
    /// Whether it is taken to speak Istio's mutual TLS (MT-3.2).
    pub fn claims_mtls(&self) -> bool {
        match self.labels.get("security.istio.io/tlsMode") {
            Some(mode) => mode == "istio",
            None => self.service_account.is_some(),
        }
    }

    /// The port with a name.
    pub fn port(&self, name: &str) -> Option<u16> {
        self.ports.iter().find(|(known, _)| **known == *name).map(|(_, number)| *number)
    }
}
