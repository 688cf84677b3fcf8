//! Services of Kubernetes.

use super::Text;
use super::labels::Labels;

/// What a service says that can change an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// `spec.type: ExternalName` and its target.
    pub external_name: Option<Text>,
    /// `clusterIP: None`.
    pub headless: bool,
    /// The cluster addresses.
    pub cluster_ips: Vec<Text>,
    /// The label selector; `None` where the service has none.
    pub selector: Option<Labels>,
    /// The ports.
    pub ports: Vec<ServicePort>,
    /// Whether it has an address outside the cluster: its own, or that of a load balancer.
    pub is_reachable_from_outside: bool,
}

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Its number.
    pub number: u16,
    /// Its name, empty when it has none.
    pub name: Text,
    /// `appProtocol`, empty when it has none.
    pub app_protocol: Text,
    /// The port at the pod.
    pub target: TargetPort,
    /// Whether it carries TCP: Istio looks at no other.
    pub tcp: bool,
}

/// The port at the pod that a service port leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetPort {
    /// A number.
    Number(u16),
    /// The name of a container port.
    Name(Text),
}

/// What a port's declaration makes of its traffic (MT-2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortProtocol {
    /// HTTP, HTTP/2, gRPC.
    Http,
    /// Nothing declared: the proxy finds out.
    Auto,
    /// Anything that is passed on as bytes.
    Tcp,
}

impl ServicePort {
    /// The declared protocol: `appProtocol`, else the port name's prefix, else found out by the proxy.
    pub fn protocol(&self) -> PortProtocol {
        let declared = if self.app_protocol.is_empty() { &self.name } else { &self.app_protocol };
        let declared = declared.split('-').next().unwrap_or_default();
        match declared.to_ascii_lowercase().as_str() {
            "http" | "http2" | "grpc" | "grpc-web" | "kubernetes.io/h2c" | "kubernetes.io/ws" => {
                PortProtocol::Http
            }
            "tcp" | "tls" | "https" | "mongo" | "redis" | "mysql" | "kubernetes.io/wss" => PortProtocol::Tcp,
            _ => PortProtocol::Auto,
        }
    }
}
