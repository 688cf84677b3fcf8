//! Several networks: endpoints on another network are reached through its gateway, and that passes on Istio's mutual
//! TLS only. All others vanish from the client's cluster (MT-4.13).
//!
//! The network of an endpoint is what its label says, else the label of the namespace that istiod runs in, else what
//! `meshNetworks` says of its cluster or of its address, as istiod's registry of Kubernetes has it.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::client_tls::Sent;
use super::config::Config;
use super::gaps::Missing;
use super::pair::EndpointTls;
use super::registry::Endpoint;
use super::workload::Workload;
use crate::model::networks::MeshNetworks;
use crate::model::{Kind, ObjectId, Snapshot, Text};

/// The label that names a network: of pods, entries, namespaces, and of the Services of gateways.
const NETWORK: &str = "topology.istio.io/network";

/// By this annotation the nodes of the cluster are a Service's addresses outside.
const NODES: &str = "traffic.istio.io/nodeSelector";

/// What an endpoint itself says of its network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// Its name.
    Named(Text),
    /// Nothing: it is an address of the cluster, whose network istiod knows or does not.
    OfCluster,
    /// Nothing: it is written into an entry, and which networks istiod has for those is not known.
    OfEntry,
    /// It has none.
    None,
}

/// Whether a client reaches an endpoint through a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remote {
    No,
    Yes,
    /// What would have to be known.
    Unknown(Missing),
}

/// The networks of a mesh, as one control plane has them.
#[derive(Debug, Default)]
pub struct Networks {
    /// Networks that have a gateway, with what is missing where that is not sure. Without one an endpoint of another
    /// network is reached directly.
    gateways: FxHashMap<Text, Option<Missing>>,
    /// The label of istiod's namespace.
    system: System,
    /// The network of the cluster's endpoints by `fromRegistry`.
    registry: Registry,
    /// What the mesh configuration describes.
    described: MeshNetworks,
}

#[derive(Debug, Default)]
enum System {
    Named(Text),
    #[default]
    NotNamed,
    /// The namespace was not read.
    NotRead(String),
}

#[derive(Debug, Default)]
enum Registry {
    #[default]
    NotNamed,
    Named(Text),
    Unknown(Missing),
}

impl Networks {
    /// The networks of a snapshot.
    pub fn new(snapshot: &Snapshot, config: &Config) -> Self {
        let described = config.networks.clone();
        let registry = registry(&described, config.cluster.as_deref());
        let mut networks =
            Self { gateways: FxHashMap::default(), system: System::NotNamed, registry, described };
        networks.add_services(snapshot, config);
        networks.add_addresses();
        if networks.matter() {
            let id = ObjectId::new(Kind::Namespace, "", &*config.system_namespace);
            networks.system = match snapshot.get(&id) {
                None => System::NotRead(config.system_namespace.clone()),
                Some(object) => {
                    named(object.meta.labels.get(NETWORK)).map_or(System::NotNamed, System::Named)
                }
            };
        }
        networks
    }

    /// Gateways that are Services: those with the label, and those that `meshNetworks` names for the networks of this
    /// cluster; of both such as can be reached from outside.
    fn add_services(&mut self, snapshot: &Snapshot, config: &Config) {
        let mut by_host: FxHashMap<&str, Vec<(&str, Option<Missing>)>> = FxHashMap::default();
        for network in &self.described.networks {
            let own = network.registries.iter().any(|one| Some(one) == config.cluster.as_ref());
            let unknown =
                (!own && config.cluster.is_none() && !network.registries.is_empty()).then(which_cluster);
            if own || unknown.is_some() {
                for host in &network.services {
                    by_host.entry(host).or_default().push((&network.name, unknown.clone()));
                }
            }
        }
        let mut found: Vec<(Text, Option<Missing>)> = Vec::new();
        for object in snapshot.of_kind(&Kind::Service) {
            let Some(body) = object.body.service() else { continue };
            let by_nodes = object.meta.annotations.get(NODES).map(|_| {
                let need = format!("the addresses of the nodes, by which {} is a gateway", object.id.path());
                Missing::not_collected("Node", need)
            });
            if !body.is_reachable_from_outside && by_nodes.is_none() {
                continue;
            }
            let unsure = by_nodes.filter(|_| !body.is_reachable_from_outside);
            if let Some(network) = named(object.meta.labels.get(NETWORK)) {
                found.push((network, unsure));
            } else if !by_host.is_empty() {
                let host = format!("{}.{}.svc.cluster.local", object.id.name, object.id.namespace);
                for (network, unknown) in by_host.get(&*host).into_iter().flatten() {
                    found.push((Text::from(*network), unsure.clone().or_else(|| unknown.clone())));
                }
            }
        }
        for (network, unsure) in found {
            self.add_gateway(network, unsure.as_ref());
        }
    }

    /// Gateways that `meshNetworks` has by address. A name counts where istiod can resolve it.
    fn add_addresses(&mut self) {
        let mut found = Vec::new();
        for network in &self.described.networks {
            for address in &network.addresses {
                let unsure = address.parse::<IpAddr>().is_err().then(|| {
                    let need = format!(
                        "whether istiod finds an address for {address}, the gateway of {}",
                        network.name
                    );
                    Missing::not_collected("ConfigMap", need)
                });
                found.push((Text::from(network.name.as_str()), unsure));
            }
        }
        for (network, unsure) in found {
            self.add_gateway(network, unsure.as_ref());
        }
    }

    fn add_gateway(&mut self, network: Text, unsure: Option<&Missing>) {
        let known = self.gateways.entry(network).or_insert_with(|| unsure.cloned());
        if unsure.is_none() {
            *known = None;
        }
    }

    /// Whether networks can make a difference.
    fn matter(&self) -> bool {
        !self.gateways.is_empty() || self.described.is_refused
    }

    /// The network of a client, where that can make a difference.
    pub fn of_client<'a>(&self, client: &'a Workload) -> Option<&'a str> {
        if self.matter() { of_pod(client) } else { None }
    }

    /// Whether a client of a network reaches an endpoint through a gateway. Who has no network is in all of them.
    pub(super) fn is_remote(&self, client: Option<&str>, endpoint: &Endpoint) -> Remote {
        let Some(own) = client else { return Remote::No };
        match self.network_of(endpoint) {
            Ok(None) => Remote::No,
            Ok(Some(other)) => self.has_gateway(own, &other),
            // It may be on any of the networks.
            Err(missing) => {
                let any = self.gateways.keys().any(|network| **network != *own) || self.described.is_refused;
                if any { Remote::Unknown(missing) } else { Remote::No }
            }
        }
    }

    fn has_gateway(&self, own: &str, other: &str) -> Remote {
        match self.gateways.get(other) {
            _ if own == other => Remote::No,
            Some(None) => Remote::Yes,
            Some(Some(missing)) => Remote::Unknown(missing.clone()),
            None if self.described.is_refused => Remote::Unknown(which_networks()),
            None => Remote::No,
        }
    }

    /// The network of an endpoint, or what would have to be known.
    fn network_of(&self, endpoint: &Endpoint) -> Result<Option<Text>, Missing> {
        match &endpoint.network {
            Network::Named(name) => return Ok(Some(Text::clone(name))),
            Network::None => return Ok(None),
            Network::OfCluster | Network::OfEntry => {}
        }
        let found = self.network_of_address(&endpoint.address);
        match (&endpoint.network, found) {
            (Network::OfEntry, Ok(Some(network))) => {
                let need =
                    format!("whether istiod takes {} for an address of network {network}", endpoint.address);
                Err(Missing::not_collected("ConfigMap", need))
            }
            (_, found) => found,
        }
    }

    /// What istiod knows of an address of the cluster.
    fn network_of_address(&self, address: &str) -> Result<Option<Text>, Missing> {
        match (&self.system, &self.registry) {
            (System::NotRead(namespace), _) => {
                let need = format!("the label {NETWORK} of namespace {namespace}, which was not read");
                return Err(Missing::not_collected("Namespace", need));
            }
            (System::NotNamed, _) if self.described.is_refused => return Err(which_networks()),
            (System::Named(network), _) | (System::NotNamed, Registry::Named(network)) => {
                return Ok(Some(Text::clone(network)));
            }
            (System::NotNamed, Registry::Unknown(missing)) => return Err(missing.clone()),
            (System::NotNamed, Registry::NotNamed) => {}
        }
        let Some(address) = ip(address) else { return Ok(None) };
        let with = self.described.networks.iter();
        let mut with = with.filter(|network| network.ranges.iter().any(|range| range.contains(address)));
        match (with.next(), with.next()) {
            (None, _) => Ok(None),
            (Some(network), None) => Ok(Some(network.name.as_str().into())),
            (Some(one), Some(two)) => {
                let need = format!(
                    "which of the networks {} and {} istiod takes {address} for, which is in ranges of both",
                    one.name, two.name
                );
                Err(Missing::not_collected("ConfigMap", need))
            }
        }
    }
}

/// The network of a client's proxy: its pod's label, which injection tells it, else what it is told otherwise.
fn of_pod(workload: &Workload) -> Option<&str> {
    let told = || workload.body().and_then(|pod| pod.network.as_deref());
    workload.labels.get(NETWORK).or_else(told).filter(|network| !network.is_empty())
}

/// The network that a label or field names, else what stands for it.
pub(super) fn named_or(name: Option<&str>, otherwise: Network) -> Network {
    named(name).map_or(otherwise, Network::Named)
}

/// The network that a pod says.
pub(super) fn said_by(workload: &Workload) -> Network {
    named_or(workload.labels.get(NETWORK), Network::OfCluster)
}

/// The network that an entry says.
pub(super) fn said_by_entry(entry: &crate::model::service_entry::WorkloadEntry) -> Network {
    named_or(entry.network.as_deref().or_else(|| entry.labels.get(NETWORK)), Network::OfEntry)
}

fn named(name: Option<&str>) -> Option<Text> {
    name.filter(|name| !name.is_empty()).map(Text::from)
}

/// The network whose `fromRegistry` names the cluster.
fn registry(described: &MeshNetworks, cluster: Option<&str>) -> Registry {
    let Some(cluster) = cluster else {
        let any = described.networks.iter().any(|network| !network.registries.is_empty());
        return if any { Registry::Unknown(which_cluster()) } else { Registry::NotNamed };
    };
    let named = |names: &[String]| names.iter().any(|name| name == cluster);
    let mut with = described.networks.iter().filter(|network| named(&network.registries));
    match (with.next(), with.next()) {
        (None, _) => Registry::NotNamed,
        (Some(network), None) => Registry::Named(network.name.as_str().into()),
        (Some(one), Some(two)) => {
            let need = format!(
                "which of the networks {} and {} istiod takes for that of {cluster}",
                one.name, two.name
            );
            Registry::Unknown(Missing::not_collected("ConfigMap", need))
        }
    }
}

fn which_cluster() -> Missing {
    let need = "the name of the cluster (CLUSTER_ID of istiod, which was not read), which fromRegistry of \
                meshNetworks is about";
    Missing::not_collected("Deployment", need)
}

fn which_networks() -> Missing {
    let need = "the networks of the mesh: its meshNetworks cannot be read, and istiod keeps those of before";
    Missing::not_collected("ConfigMap", need)
}

/// The address of an endpoint without its port.
fn ip(address: &str) -> Option<IpAddr> {
    let (host, _) = address.rsplit_once(':')?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an endpoint of another network stays in the cluster: it is marked for Istio's mutual TLS.
pub(super) fn stays(endpoint: &EndpointTls) -> bool {
    endpoint.claims_mtls && endpoint.sent == Sent::IstioMutual
}
