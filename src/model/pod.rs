//! Pods, reduced to what policy can see.

use super::Text;
use super::workload::Istiod;

/// The proxy that stands before a pod's containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProxyKind {
    /// None at all.
    None,
    /// A sidecar.
    Sidecar,
    /// An ingress, egress or east-west gateway.
    Gateway,
    /// A waypoint.
    Waypoint,
    /// The node's ztunnel (ambient).
    Ztunnel,
}

impl ProxyKind {
    /// The word for it in every answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sidecar => "sidecar",
            Self::Gateway => "gateway",
            Self::Waypoint => "waypoint",
            Self::Ztunnel => "ztunnel",
        }
    }
}

/// What a pod says that can change an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the pod's own facts, each by its name")]
pub struct Pod {
    /// Its addresses; one where it has one family.
    pub addresses: Vec<Text>,
    /// Its service account.
    pub service_account: Text,
    /// The kind of its proxy, read off its containers.
    pub proxy: ProxyKind,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it has ended (`Succeeded`, `Failed`): it is no client and no server any more.
    pub ended: bool,
    /// The network that its proxy is told (`ISTIO_META_NETWORK`).
    pub network: Option<Text>,
    /// Named container ports.
    pub ports: Vec<(Text, u16)>,
    /// Whether the proxy's own settings keep it from tunnelling (`DISABLE_HBONE_SEND`, MT-6.3).
    pub hbone_send_off: bool,
    /// `hostNetwork`: such a pod is never captured by ambient mode.
    pub host_network: bool,
    /// Probes that go to the pod's own ports and not through the proxy, of pods with a sidecar.
    pub probes: Vec<Probe>,
    /// The revision that the sidecar was injected by, as the annotation `sidecar.istio.io/status` has it.
    pub injected_by: Option<Text>,
    /// Its controller, as the pod names it.
    pub controller: Option<Controller>,
    /// Whether its proxy was started with certificate files of its own (`ISTIO_META_TLS_CLIENT_*`, MT-4.9).
    pub own_certificates: bool,
    /// Whether its proxy's container only serves a gRPC library, and carries no traffic (`ISTIO_META_GENERATOR=grpc`).
    pub proxyless: bool,
    /// The control plane's version and flags, where this is istiod.
    pub istiod: Option<Box<Istiod>>,
}

/// An HTTP or TCP probe of the kubelet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Its place below the pod's `spec`, such as `containers[0].readinessProbe`.
    pub field: Text,
    /// The port: its number, or else the name of a container port.
    pub port: Result<u16, Text>,
    /// The path of an HTTP probe; `None` for TCP.
    pub path: Option<Text>,
}

impl Probe {
    /// What it asks for, in words.
    pub fn said(&self) -> String {
        let port = match &self.port {
            Ok(number) => number.to_string(),
            Err(name) => name.to_string(),
        };
        match &self.path {
            Some(path) => format!("httpGet {path} on port {port}"),
            None => format!("tcpSocket on port {port}"),
        }
    }
}

/// A reference to a controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Controller {
    /// Its kind as written.
    pub kind: Text,
    /// Its name.
    pub name: Text,
}
