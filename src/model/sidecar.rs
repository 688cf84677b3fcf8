//! `Sidecar`: which services a workload's proxy knows.

use super::Text;
use super::labels::Labels;

/// A `Sidecar`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// `workloadSelector.labels`; `Some` as soon as the selector is there. One without labels selects all.
    pub selector: Option<Labels>,
    /// `egress`; none at all imports everything (DR-7.2).
    pub egress: Vec<EgressListener>,
    /// The ports of `ingress` that have a `tls` block (MT-2.5).
    pub ingress_tls: Vec<u16>,
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
