//! Several networks: endpoints on another network are reached through its gateway, and that passes on Istio's mutual
//! TLS only. All others vanish from the client's cluster (MT-4.13).

use rustc_hash::FxHashSet;

use super::client_tls::Sent;
use super::pair::EndpointTls;
use super::registry::Endpoint;
use super::workload::Workload;
use crate::model::{Kind, Snapshot, Text};

/// The label that names a network: of pods, entries, and of the Services of gateways.
const NETWORK: &str = "topology.istio.io/network";

/// The networks that have a gateway. Without one an endpoint of another network is reached directly.
#[derive(Debug, Default)]
pub struct Networks {
    with_gateway: FxHashSet<Text>,
}

impl Networks {
    /// The networks of the gateways of a snapshot: Services that name one and can be reached from outside.
    pub fn new(snapshot: &Snapshot) -> Self {
        let services = snapshot.of_kind(&Kind::Service);
        let gateways = services.filter_map(|object| {
            let network = object.meta.labels.get(NETWORK).filter(|network| !network.is_empty())?;
            object.body.service()?.is_reachable_from_outside.then(|| network.into())
        });
        Self { with_gateway: gateways.collect() }
    }

    /// The network of a client, where that can make a difference.
    pub fn of_client<'a>(&self, client: &'a Workload) -> Option<&'a str> {
        if self.with_gateway.is_empty() {
            return None;
        }
        of_pod(client)
    }

    /// Whether a client of a network reaches an endpoint through a gateway. Who has no network is in all of them.
    pub(super) fn is_remote(&self, client: Option<&str>, endpoint: &Endpoint) -> bool {
        match (client, endpoint.network.as_deref()) {
            (Some(own), Some(other)) => own != other && self.with_gateway.contains(other),
            (_, None) | (None, _) => false,
        }
    }
}

/// The network of a pod: its label, else what its proxy is told.
pub(super) fn of_pod(workload: &Workload) -> Option<&str> {
    let told = || workload.body().and_then(|pod| pod.network.as_deref());
    workload.labels.get(NETWORK).or_else(told).filter(|network| !network.is_empty())
}

/// Whether an endpoint of another network stays in the cluster: it is marked for Istio's mutual TLS.
pub(super) fn stays(endpoint: &EndpointTls) -> bool {
    endpoint.claims_mtls && endpoint.sent == Sent::IstioMutual
}
