//! Services and the endpoints behind their ports, as the control plane's registry has them: those of Kubernetes and
//! those of `ServiceEntries`. One host may be defined several times; `scope` says which definition a client sees.

mod endpoints;
mod entries;

use std::collections::BTreeSet;
use std::sync::Arc;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::config::{Ages, Config, Place};
use super::networks::Network;
use super::workload::Workloads;
use crate::model::service::ServicePort;
use crate::model::{Kind, Labels, Object, ObjectId, Snapshot, Text};

/// So many services at least are read by one processor.
const TOGETHER: usize = 256;

/// How a service's clients find its endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Addressing {
    /// Istio sends them.
    Listed,
    /// The address that the application asked for (headless services, resolution NONE).
    Original,
    /// Names that the proxy looks up.
    Dns,
    /// The service is another name of a host, and has no cluster of its own (DR-7.7).
    Alias,
}

/// What the endpoints of a service were read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndpointsFrom {
    /// Slices.
    Slices,
    /// The pods that the selector selects, because no slice was read.
    Selector,
    /// The `ServiceEntry` itself.
    Entry,
    /// There is neither slice nor selector.
    Nothing,
}

/// A service that clients can call.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its host name.
    pub host: Text,
    /// The namespace that owns it.
    pub namespace: Text,
    /// The object it was read from.
    pub object: Arc<Object>,
    /// Whether it is a Service of Kubernetes, which wins over a `ServiceEntry` (DR-7.5).
    pub is_kubernetes: bool,
    /// `MESH_EXTERNAL` (MT-4.11).
    pub is_external: bool,
    /// How clients find its endpoints.
    pub addressing: Addressing,
    /// Names that its servers may have besides those of their accounts (MT-4.16).
    pub subject_alt_names: Vec<Text>,
    ports: Vec<ServicePort>,
    /// Who may see it (DR-7.11).
    exports: Vec<Text>,
    /// Endpoints of each port, in the order of the ports.
    endpoints: Vec<Vec<Endpoint>>,
    /// What the endpoints were read from.
    pub endpoints_from: EndpointsFrom,
}

/// An endpoint of a service port, as the registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Address and port as Envoy has them.
    pub address: Text,
    /// The port at the workload.
    pub port: u16,
    /// The pod with that address, by its index.
    pub workload: Option<usize>,
    /// The namespace and labels by which policies and subsets select it. For an address written into a
    /// `ServiceEntry` these are the entry's, whatever pod has the address (MT-3.8).
    pub namespace: Text,
    /// See [`Endpoint::namespace`].
    pub labels: Labels,
    /// Whether the registry takes it to speak Istio's mutual TLS (MT-3).
    pub claims_mtls: bool,
    /// Whether it can be reached through a tunnel (MT-6.3).
    pub takes_tunnel: bool,
    /// What it says of its network.
    pub network: Network,
    /// Its service account, where it has one.
    pub account: Option<Text>,
    /// `NAMESPACE/POD` of a pod that a slice names but that was not read.
    pub unknown_pod: Option<String>,
    /// Whether it is ready.
    pub ready: bool,
}

impl Service {
    /// Its ports.
    pub fn ports(&self) -> &[ServicePort] {
        &self.ports
    }

    /// The port with this number.
    pub fn port(&self, number: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.number == number)
    }

    /// Endpoints of a port, ready or not.
    pub fn endpoints(&self, number: u16) -> &[Endpoint] {
        let at = self.ports.iter().position(|port| port.number == number);
        at.and_then(|at| self.endpoints.get(at)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Endpoints of all ports.
    pub fn all_endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().flatten()
    }

    /// Whether clients keep the address that they asked for.
    pub fn is_headless(&self) -> bool {
        self.addressing == Addressing::Original
    }

    /// An alias of another host, which has no cluster of its own (DR-7.7).
    pub fn is_alias(&self) -> bool {
        self.addressing == Addressing::Alias
    }

    /// Whether clients of a namespace see it (DR-7.11).
    pub fn is_visible_to(&self, namespace: &str) -> bool {
        exported(&self.exports, &self.namespace, namespace)
    }

    /// The namespaces and words that its export list names.
    pub fn exported_to(&self) -> impl Iterator<Item = &str> {
        self.exports.iter().map(|export| &**export)
    }

    /// Whether every namespace sees it.
    pub fn is_public(&self) -> bool {
        self.exports.iter().any(|export| &**export == "*")
    }
}

/// DR-7.11: whether what `owner` exports to `exports` is seen in a namespace.
pub fn exported(exports: &[Text], owner: &str, namespace: &str) -> bool {
    let has = |wanted: &str| exports.iter().any(|export| &**export == wanted);
    let own = has(".") || has(owner);
    has("*") || !has("~") && (has(namespace) || own && namespace == owner)
}

/// An export list, or the mesh's default, or everybody.
pub fn exports_or_default(written: &[Text], default: Option<&Vec<String>>) -> Vec<Text> {
    match default {
        _ if !written.is_empty() => written.to_vec(),
        Some(default) if !default.is_empty() => default.iter().map(|entry| entry.as_str().into()).collect(),
        Some(_) | None => vec!["*".into()],
    }
}

/// All services, by host.
#[derive(Debug, Default)]
pub struct Registry {
    services: Vec<Arc<Service>>,
    /// The definitions of each host, in the order of DR-7.5: those exported to named namespaces first, then by age,
    /// name, namespace.
    by_host: FxHashMap<Text, Vec<usize>>,
    /// The hosts, sorted.
    hosts: Vec<Text>,
    namespaces: rustc_hash::FxHashSet<Text>,
}

impl Registry {
    /// The services of a snapshot.
    pub fn new(snapshot: &Snapshot, workloads: &Workloads, config: &Config, ages: Ages) -> Self {
        Self::made(snapshot, workloads, config, ages, |_| None)
    }

    /// The services as they are where these objects, all of them Services and `ServiceEntries`, and no others may have
    /// changed since. What the others make is shared.
    #[must_use]
    pub fn with_changes(
        &self,
        snapshot: &Snapshot,
        workloads: &Workloads,
        config: &Config,
        ages: Ages,
        changed: &BTreeSet<ObjectId>,
    ) -> Self {
        let mut known: FxHashMap<&ObjectId, Vec<Arc<Service>>> = FxHashMap::default();
        for service in &self.services {
            known.entry(&service.object.id).or_default().push(Arc::clone(service));
        }
        let known = |object: &Object| {
            let made = || known.get(&object.id).cloned().unwrap_or_default();
            (!changed.contains(&object.id)).then(made)
        };
        Self::made(snapshot, workloads, config, ages, known)
    }

    /// The services of a snapshot, with those that are `known` of an object.
    fn made(
        snapshot: &Snapshot,
        workloads: &Workloads,
        config: &Config,
        ages: Ages,
        known: impl Fn(&Object) -> Option<Vec<Arc<Service>>> + Sync,
    ) -> Self {
        let mut registry = Self::default();
        let vms = entries::by_namespace(snapshot);
        let slices = endpoints::slices(snapshot);
        let of_service = |object: &&Arc<Object>| {
            let read = || kubernetes(object, &slices, &vms, workloads, config).map(Arc::new).into_iter();
            known(object).unwrap_or_else(|| read().collect())
        };
        let of_entry = |object: &&Arc<Object>| {
            let read = || entries::services(object, &vms, workloads, config).into_iter().map(Arc::new);
            known(object).unwrap_or_else(|| read().collect())
        };
        let objects = |kind: &Kind| snapshot.of_kind(kind).collect::<Vec<_>>();
        let (services, entries) = (objects(&Kind::Service), objects(&Kind::ServiceEntry));
        let services = services.par_iter().with_min_len(TOGETHER).map(of_service);
        let entries = entries.par_iter().with_min_len(TOGETHER).map(of_entry);
        let all: Vec<_> = services.chain(entries).collect();
        all.into_iter().flatten().for_each(|service| registry.add(service));
        let services = &registry.services;
        for definitions in registry.by_host.values_mut() {
            // Most hosts have one.
            if definitions.len() > 1 {
                definitions.sort_by_cached_key(|at| services.get(*at).map(|service| order(service, ages)));
            }
        }
        registry.hosts = registry.by_host.keys().cloned().collect();
        registry.hosts.sort_unstable();
        registry
    }

    fn add(&mut self, service: Arc<Service>) {
        let at = self.services.len();
        self.namespaces.insert(Arc::clone(&service.namespace));
        self.by_host.entry(Arc::clone(&service.host)).or_default().push(at);
        self.services.push(service);
    }

    /// All definitions of all hosts.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().map(|service| &**service)
    }

    /// All hosts, sorted.
    pub fn hosts(&self) -> impl Iterator<Item = &Text> {
        self.hosts.iter()
    }

    /// The place of a host among all.
    pub fn place(&self, host: &str) -> Option<usize> {
        self.hosts.binary_search_by(|one| (**one).cmp(host)).ok()
    }

    /// The definitions of a host, in the order of DR-7.5.
    pub fn definitions(&self, host: &str) -> impl Iterator<Item = &Service> {
        self.by_host
            .get(host)
            .into_iter()
            .flatten()
            .filter_map(|at| self.services.get(*at))
            .map(|service| &**service)
    }

    /// A definition of a host: that of Kubernetes, else the first.
    pub fn by_host(&self, host: &str) -> Option<&Service> {
        self.definitions(host).find(|service| service.is_kubernetes).or_else(|| self.definitions(host).next())
    }

    /// The numbers of a host's ports over all its definitions, sorted.
    pub fn ports(&self, host: &str) -> Vec<u16> {
        let ports = self.definitions(host).flat_map(Service::ports).filter(|port| port.tcp);
        let mut numbers: Vec<_> = ports.map(|port| port.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Whether a namespace has services.
    pub fn has_services_in(&self, namespace: &str) -> bool {
        self.namespaces.contains(namespace)
    }

    /// The Kubernetes service called `name` in `namespace`.
    pub fn by_name(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.by_host(&format!("{name}.{namespace}.svc.cluster.local"))
    }
}

/// The place of a definition in the list of DR-7.5. The name of a `ServiceEntry`'s service is its host.
fn order(service: &Service, ages: Ages) -> (bool, (i64, Place), Place) {
    let name = if service.is_kubernetes { &service.object.id.name } else { &service.host };
    let created = service.object.meta.created;
    let (_, namespace) = ages.place_of(created, &service.namespace);
    (service.is_public(), ages.place_of(created, name), namespace)
}

type Slices<'a> = FxHashMap<(Text, Text), Vec<&'a Arc<Object>>>;

fn kubernetes(
    object: &Arc<Object>,
    slices: &Slices<'_>,
    vms: &entries::Entries<'_>,
    workloads: &Workloads,
    config: &Config,
) -> Option<Service> {
    let body = object.body.service()?;
    let found = slices.get(&(Arc::clone(&object.id.namespace), Arc::clone(&object.id.name)));
    let annotation = object.meta.annotations.get("networking.istio.io/exportTo");
    let written: Vec<Text> =
        annotation.into_iter().flat_map(|list| list.split(',')).map(|one| one.trim().into()).collect();
    let endpoints = body.ports.iter().map(|port| {
        let mut endpoints = match found {
            Some(slices) => endpoints::from_slices(slices, port, workloads),
            None => endpoints::from_selector(object, body, port, workloads),
        };
        if let Some(selector) = body.selector.as_ref().filter(|_| !body.headless) {
            entries::add_selected(&mut endpoints, vms, &object.id.namespace, selector, port, workloads);
        }
        endpoints
    });
    Some(Service {
        host: format!("{}.{}.svc.cluster.local", object.id.name, object.id.namespace).into(),
        namespace: Arc::clone(&object.id.namespace),
        is_kubernetes: true,
        is_external: false,
        addressing: match (&body.external_name, body.headless) {
            (Some(_), _) => Addressing::Alias,
            (None, true) => Addressing::Original,
            (None, false) => Addressing::Listed,
        },
        subject_alt_names: Vec::new(),
        exports: exports_or_default(&written, config.default_service_export_to.as_ref()),
        endpoints: endpoints.collect(),
        ports: body.ports.clone(),
        endpoints_from: match (found, &body.selector) {
            (Some(_), _) => EndpointsFrom::Slices,
            (None, Some(_)) => EndpointsFrom::Selector,
            (None, None) => EndpointsFrom::Nothing,
        },
        object: Arc::clone(object),
    })
}
