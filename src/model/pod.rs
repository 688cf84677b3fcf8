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
    /// Named container ports.
    pub ports: Vec<(Text, u16)>,
    /// Its controller, as the pod names it.
    pub controller: Option<Controller>,
    /// Whether its proxy was started with certificate files of its own (`ISTIO_META_TLS_CLIENT_*`, MT-4.9).
    pub own_certificates: bool,
    /// The control plane's version and flags, where this is istiod.
    pub istiod: Option<Box<Istiod>>,
}

/// A reference to a controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Controller {
    /// Its kind as written.
    pub kind: Text,
    /// Its name.
    pub name: Text,
}
