//! Ambient mode: which pods the node's ztunnel captures, who can be reached through a tunnel (HBONE), and which waypoint
//! stands before a service (MT-6).

pub mod policies;

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::authorize::attach::GATEWAY_NAME;
use super::config::Config;
use super::registry::Service;
use super::workload::{Workload, Workloads};
use crate::model::pod::ProxyKind;
use crate::model::{Kind, Labels, ObjectId, Snapshot, Text};

/// The label of a namespace, pod or service that opts in or out.
const MODE: &str = "istio.io/dataplane-mode";

/// The label of a namespace or service that names its waypoint.
const USE_WAYPOINT: &str = "istio.io/use-waypoint";

/// The label of a namespace or service by which gateways go through the waypoint too.
const INGRESS_USE_WAYPOINT: &str = "istio.io/ingress-use-waypoint";

/// Whether the pods of a template will be captured (MT-6.1); of a running pod its annotation tells.
pub(super) fn will_capture(namespace: Option<&Labels>, pod: &Labels, host_network: bool) -> bool {
    let wanted = pod.get(MODE).or_else(|| namespace.and_then(|labels| labels.get(MODE)));
    wanted == Some("ambient") && !host_network
}

/// Whether labels announce that a tunnel is taken.
pub(super) fn announces_tunnel(labels: &Labels) -> bool {
    let announced = labels.get("networking.istio.io/tunnel");
    announced.is_some_and(|protocols| protocols.split(',').any(|protocol| protocol.trim() == "http"))
}

/// Whether a pod can be reached through a tunnel (MT-6.3).
pub(super) fn takes_tunnel(workload: &Workload) -> bool {
    matches!(workload.proxy, ProxyKind::Ztunnel | ProxyKind::Waypoint) || announces_tunnel(&workload.labels)
}

/// Whether sidecars and gateways send through tunnels at all (MT-6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// They do.
    On,
    /// istiod was not read; it is taken to, since it serves the ztunnel of captured pods.
    Assumed,
    /// They do not.
    Off,
}

/// The waypoint before a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waypoint {
    /// Its namespace.
    pub namespace: Text,
    /// The name of its gateway.
    pub name: Text,
    /// One of its pods, by index; `None` where none was read.
    pub pod: Option<usize>,
}

/// What ambient mode needs to know of the mesh.
#[derive(Debug)]
pub struct Ambient {
    /// Whether sidecars and gateways tunnel.
    pub sending: Sending,
    /// Whether they do so to endpoints that speak Istio's mutual TLS too.
    pub prefers_tunnel: bool,
    /// `NAMESPACE` and gateway name of a waypoint, with its first pod.
    pods: FxHashMap<(Text, Text), usize>,
    /// What namespaces say: waypoint's name and namespace, and whether gateways go through it.
    namespaces: FxHashMap<Text, Labels>,
}

impl Ambient {
    /// The waypoints and switches of a snapshot.
    pub fn new(snapshot: &Snapshot, workloads: &Workloads, config: &Config) -> Self {
        let mut pods = FxHashMap::default();
        let all = || workloads.all().iter().enumerate();
        for (at, workload) in all().filter(|(_, workload)| workload.proxy == ProxyKind::Waypoint) {
            pods.entry((Arc::clone(&workload.namespace), gateway_name(workload))).or_insert(at);
        }
        let captures = all().any(|(_, workload)| workload.proxy == ProxyKind::Ztunnel);
        let namespaces = snapshot
            .of_kind(&Kind::Namespace)
            .filter(|object| {
                let mut known = [USE_WAYPOINT, INGRESS_USE_WAYPOINT].iter();
                known.any(|label| object.meta.labels.get(label).is_some())
            })
            .map(|object| (Arc::clone(&object.id.name), object.meta.labels.clone()));
        Self {
            sending: match config.sends_hbone {
                Some(true) => Sending::On,
                None if captures => Sending::Assumed,
                None | Some(false) => Sending::Off,
            },
            prefers_tunnel: config.prefers_hbone,
            namespaces: namespaces.collect(),
            pods,
        }
    }

    /// Whether any pod of a waypoint was read.
    pub fn has_waypoints(&self) -> bool {
        !self.pods.is_empty()
    }

    /// The waypoint that a service names, or else its namespace (MT-6.1).
    pub fn waypoint_of(&self, service: &Service) -> Option<Waypoint> {
        let own = &service.object.meta.labels;
        let labels = match own.get(USE_WAYPOINT) {
            Some(_) => own,
            None => self.namespaces.get(&service.namespace)?,
        };
        let name = labels.get(USE_WAYPOINT).filter(|name| *name != "none")?;
        let namespace = labels.get("istio.io/use-waypoint-namespace").unwrap_or(&service.namespace);
        let (namespace, name) = (Text::from(namespace), Text::from(name));
        let pod = self.pods.get(&(Arc::clone(&namespace), Arc::clone(&name))).copied();
        Some(Waypoint { namespace, name, pod })
    }

    /// Whether a gateway's requests go through the service's waypoint too (MT-6.8).
    pub fn ingress_uses_waypoint(&self, service: &Service) -> bool {
        let own = service.object.meta.labels.get(INGRESS_USE_WAYPOINT);
        let of_namespace =
            || self.namespaces.get(&service.namespace).and_then(|labels| labels.get(INGRESS_USE_WAYPOINT));
        own.or_else(of_namespace) == Some("true")
    }

    /// Whether a waypoint's pod stands before a service.
    pub fn serves(&self, waypoint: &Workload, service: &Service) -> bool {
        self.waypoint_of(service)
            .is_some_and(|one| one.namespace == waypoint.namespace && one.name == gateway_name(waypoint))
    }
}

/// The gateway that a waypoint's pod is of: the label that istiod gives it, else its workload's name.
pub(super) fn gateway_name(workload: &Workload) -> Text {
    workload.labels.get(GATEWAY_NAME).map_or_else(|| Arc::clone(&workload.name), Text::from)
}

/// The labels of a namespace.
pub(super) fn namespace_labels<'a>(snapshot: &'a Snapshot, namespace: &str) -> Option<&'a Labels> {
    Some(&snapshot.get(&ObjectId::new(Kind::Namespace, "", namespace))?.meta.labels)
}
