//! Services and the endpoints behind their ports, as the control plane's registry has them.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::config::Config;
use super::workload::Workloads;
use crate::model::service::{self, ServicePort, TargetPort};
use crate::model::{Kind, Object, Snapshot, Text};

/// A service that clients can call.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its host name, `NAME.NAMESPACE.svc.cluster.local`.
    pub host: Text,
    /// The namespace that owns it.
    pub namespace: Text,
    /// The object it was read from.
    pub object: Arc<Object>,
    /// Who may see it (DR-7.11).
    exports: Vec<Text>,
    /// Endpoints of each port, in the order of the ports.
    endpoints: Vec<Vec<Endpoint>>,
    /// Whether the endpoints are the pods that the selector selects, because no slice was read.
    pub endpoints_assumed: bool,
}

/// An endpoint of a service port.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Address and port as Envoy has them.
    pub address: Text,
    /// The port at the workload.
    pub port: u16,
    /// The pod with that address, by its index.
    pub workload: Option<usize>,
    /// `NAMESPACE/POD` of a pod that a slice names but that was not read.
    pub unknown_pod: Option<String>,
    /// Whether it is ready.
    pub ready: bool,
}

impl Service {
    /// What the service says. Every service of the registry has a body.
    pub fn body(&self) -> Option<&service::Service> {
        self.object.body.service()
    }

    /// Its ports.
    pub fn ports(&self) -> &[ServicePort] {
        self.body().map(|body| body.ports.as_slice()).unwrap_or_default()
    }

    /// The port with this number.
    pub fn port(&self, number: u16) -> Option<&ServicePort> {
        self.ports().iter().find(|port| port.number == number)
    }

    /// Endpoints of a port, ready or not.
    pub fn endpoints(&self, number: u16) -> &[Endpoint] {
        let at = self.ports().iter().position(|port| port.number == number);
        at.and_then(|at| self.endpoints.get(at)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Endpoints of all ports.
    pub fn all_endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().flatten()
    }

    /// `clusterIP: None`.
    pub fn is_headless(&self) -> bool {
        self.body().is_some_and(|body| body.headless)
    }

    /// An alias of another host, which has no cluster of its own (DR-7.7).
    pub fn is_alias(&self) -> bool {
        self.body().is_some_and(|body| body.external_name.is_some())
    }

    /// Whether clients of a namespace see it (DR-7.11).
    pub fn is_visible_to(&self, namespace: &str) -> bool {
        let has = |wanted: &str| self.exports.iter().any(|export| &**export == wanted);
        let own = has(".") || has(&self.namespace);
        has("*") || !has("~") && (has(namespace) || own && namespace == &*self.namespace)
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

/// All services, by host.
#[derive(Debug, Default)]
pub struct Registry {
    services: Vec<Service>,
    by_host: FxHashMap<Text, usize>,
}

impl Registry {
    /// The services of a snapshot.
    pub fn new(snapshot: &Snapshot, workloads: &Workloads, config: &Config) -> Self {
        let mut slices: FxHashMap<(Text, Text), Vec<&Arc<Object>>> = FxHashMap::default();
        for kind in [Kind::EndpointSlice, Kind::Endpoints] {
            for object in snapshot.of_kind(&kind) {
                let Some(slice) = object.body.endpoint_slice() else { continue };
                let key = (Arc::clone(&object.id.namespace), Arc::clone(&slice.service));
                // Kubernetes mirrors one kind into the other: where there are slices, they count.
                let known = slices.entry(key).or_default();
                if known.first().is_none_or(|first| first.id.kind == kind) {
                    known.push(object);
                }
            }
        }
        let mut registry = Self::default();
        for object in snapshot.of_kind(&Kind::Service) {
            let Some(body) = object.body.service() else { continue };
            let key = (Arc::clone(&object.id.namespace), Arc::clone(&object.id.name));
            let found = slices.get(&key);
            let assumed = found.is_none() && body.selector.is_some();
            let endpoints = body.ports.iter().map(|port| match found {
                Some(slices) => from_slices(slices, port, workloads),
                None => from_selector(object, body, port, workloads),
            });
            let host: Text = format!("{}.{}.svc.cluster.local", object.id.name, object.id.namespace).into();
            registry.by_host.insert(Arc::clone(&host), registry.services.len());
            registry.services.push(Service {
                host,
                namespace: Arc::clone(&object.id.namespace),
                exports: exports(object, config),
                endpoints: endpoints.collect(),
                endpoints_assumed: assumed,
                object: Arc::clone(object),
            });
        }
        registry
    }

    /// All services, by namespace and name.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The service with a host name.
    pub fn by_host(&self, host: &str) -> Option<&Service> {
        self.services.get(*self.by_host.get(host)?)
    }

    /// Whether a namespace has services.
    pub fn has_services_in(&self, namespace: &str) -> bool {
        let at = self.services.partition_point(|service| &*service.namespace < namespace);
        self.services.get(at).is_some_and(|service| &*service.namespace == namespace)
    }

    /// The service called `name` in `namespace`.
    pub fn by_name(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.by_host(&format!("{name}.{namespace}.svc.cluster.local"))
    }
}

fn exports(object: &Object, config: &Config) -> Vec<Text> {
    if let Some(annotation) = object.meta.annotations.get("networking.istio.io/exportTo") {
        return annotation.split(',').map(|entry| entry.trim().into()).collect();
    }
    match &config.default_service_export_to {
        Some(default) if !default.is_empty() => default.iter().map(|entry| entry.as_str().into()).collect(),
        Some(_) | None => vec!["*".into()],
    }
}

/// The slice port whose name is the service port's (MT-3.6).
fn from_slices(slices: &[&Arc<Object>], port: &ServicePort, workloads: &Workloads) -> Vec<Endpoint> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    let mut seen = rustc_hash::FxHashSet::default();
    for object in slices {
        let groups = object.body.endpoint_slice().into_iter().flat_map(|slice| &slice.groups);
        for group in groups {
            let Some((_, number)) = group.ports.iter().find(|(name, _)| *name == port.name) else { continue };
            for one in &group.addresses {
                if one.pod.as_ref().is_some_and(|pod| workloads.has_ended(&object.id.namespace, pod)) {
                    continue;
                }
                let named = one.pod.as_ref().map(|pod| (pod, workloads.by_pod(&object.id.namespace, pod)));
                let workload = match named {
                    Some((_, found)) => found,
                    None => workloads.by_address(&one.address),
                };
                let unknown_pod = named.filter(|(_, found)| found.is_none());
                let address: Text = join(&one.address, *number).into();
                if seen.insert(Arc::clone(&address)) {
                    endpoints.push(Endpoint {
                        address,
                        port: *number,
                        workload,
                        unknown_pod: unknown_pod.map(|(pod, _)| format!("{}/{pod}", object.id.namespace)),
                        ready: one.ready,
                    });
                }
            }
        }
    }
    endpoints
}

fn from_selector(
    object: &Object,
    body: &service::Service,
    port: &ServicePort,
    all: &Workloads,
) -> Vec<Endpoint> {
    let Some(selector) = &body.selector else { return Vec::new() };
    let selected = all.in_namespace(&object.id.namespace).iter().filter_map(|at| Some((*at, all.get(*at)?)));
    selected
        .filter(|(_, workload)| selector.is_subset_of(&workload.labels))
        .filter_map(|(at, workload)| {
            let pod = workload.body().filter(|pod| pod.ready)?;
            let number = match &port.target {
                TargetPort::Number(number) => *number,
                TargetPort::Name(name) => pod.ports.iter().find(|(known, _)| known == name)?.1,
            };
            let address = join(pod.addresses.first()?, number).into();
            Some(Endpoint { address, port: number, workload: Some(at), unknown_pod: None, ready: true })
        })
        .collect()
}

/// `ADDRESS:PORT`, with brackets around an IPv6 address.
fn join(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
