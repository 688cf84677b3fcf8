//! `Sidecar`: which services a workload's proxy knows.

use super::Text;
use super::labels::Labels;
use super::service::PortProtocol;

/// A `Sidecar`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// `workloadSelector.labels`; `Some` as soon as the selector is there. One without labels selects all.
    pub selector: Option<Labels>,
    /// `egress`; none at all imports everything (DR-7.2).
    pub egress: Vec<EgressListener>,
    /// `ingress`; none at all leaves the ports to the services (MT-2.1).
    pub ingress: Vec<IngressListener>,
    /// `outboundTrafficPolicy.mode`.
    pub outbound_traffic_policy: Option<Text>,
}

/// An egress listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressListener {
    /// `NAMESPACE/HOST` entries as written.
    pub hosts: Vec<Text>,
    /// The port it is limited to, where it is (DR-7.13).
    pub port: Option<u16>,
}

/// An ingress listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngressListener {
    /// The port at the workload.
    pub port: u16,
    /// The protocol that is declared for it.
    pub protocol: PortProtocol,
    /// Whether it has a `tls` block (MT-2.5).
    pub tls: bool,
}
