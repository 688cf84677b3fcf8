//! Endpoints of Kubernetes services: out of slices, or of the selector where no slice was read (MT-3.6).

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Endpoint, Slices};
use crate::model::service::{self, ServicePort, TargetPort};
use crate::model::{Kind, Labels, Object, Snapshot, Text};
use crate::resolve::ambient;
use crate::resolve::networks::{self, Network};
use crate::resolve::workload::{Workload, Workloads};

/// Slices by the namespace and name of their service. Kubernetes mirrors `Endpoints` into slices: where there are
/// slices, they count.
pub(super) fn slices(snapshot: &Snapshot) -> Slices<'_> {
    let mut slices: Slices<'_> = FxHashMap::default();
    for kind in [Kind::EndpointSlice, Kind::Endpoints] {
        for object in snapshot.of_kind(&kind) {
            let Some(slice) = object.body.endpoint_slice() else { continue };
            let known =
                slices.entry((Arc::clone(&object.id.namespace), Arc::clone(&slice.service))).or_default();
            if known.first().is_none_or(|first| first.id.kind == kind) {
                known.push(object);
            }
        }
    }
    slices
}

/// The addresses of the slice port whose name is the service port's.
pub(super) fn from_slices(
    slices: &[&Arc<Object>],
    port: &ServicePort,
    workloads: &Workloads,
) -> Vec<Endpoint> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    let mut seen = FxHashSet::default();
    for object in slices {
        let groups = object.body.endpoint_slice().into_iter().flat_map(|slice| &slice.groups);
        for group in groups {
            let Some((_, number)) = group.ports.iter().find(|(name, _)| *name == port.name) else { continue };
            for one in &group.addresses {
                let namespace = &object.id.namespace;
                if one.pod.as_ref().is_some_and(|pod| workloads.has_ended(namespace, pod)) {
                    continue;
                }
                let named = one.pod.as_ref().map(|pod| (pod, workloads.by_pod(namespace, pod)));
                let at = named.map_or_else(|| workloads.by_address(&one.address), |(_, found)| found);
                let address: Text = join(&one.address, *number).into();
                if !seen.insert(Arc::clone(&address)) {
                    continue;
                }
                let mut endpoint = bare(address, *number, namespace, one.ready);
                endpoint.unknown_pod =
                    named.filter(|(_, found)| found.is_none()).map(|(pod, _)| format!("{namespace}/{pod}"));
                if let Some((at, workload)) = at.and_then(|at| Some((at, workloads.get(at)?))) {
                    belongs_to(&mut endpoint, at, workload);
                }
                endpoints.push(endpoint);
            }
        }
    }
    endpoints
}

/// The ready pods that the selector selects.
pub(super) fn from_selector(
    object: &Object,
    body: &service::Service,
    port: &ServicePort,
    all: &Workloads,
) -> Vec<Endpoint> {
    let Some(selector) = &body.selector else { return Vec::new() };
    selected(selector, &object.id.namespace, all)
        .filter_map(|(at, workload)| {
            let pod = workload.body().filter(|_| workload.is_ready())?;
            let number = match &port.target {
                TargetPort::Number(number) => *number,
                TargetPort::Name(name) => pod.ports.iter().find(|(known, _)| known == name)?.1,
            };
            of_pod(at, workload, number)
        })
        .collect()
}

/// The pods of a namespace that labels select.
pub(super) fn selected<'a>(
    selector: &'a Labels,
    namespace: &str,
    all: &'a Workloads,
) -> impl Iterator<Item = (usize, &'a Workload)> {
    let pods = all.in_namespace(namespace).iter().filter_map(|at| Some((*at, all.get(*at)?)));
    pods.filter(|(_, workload)| selector.is_subset_of(&workload.labels))
}

/// A pod as an endpoint.
pub(super) fn of_pod(at: usize, workload: &Workload, port: u16) -> Option<Endpoint> {
    let address = join(&workload.address()?, port).into();
    let mut endpoint = bare(address, port, &workload.namespace, true);
    belongs_to(&mut endpoint, at, workload);
    Some(endpoint)
}

/// An address of which nothing else is known: not capable, no labels.
pub(super) fn bare(address: Text, port: u16, namespace: &Text, ready: bool) -> Endpoint {
    Endpoint {
        address,
        port,
        workload: None,
        namespace: Arc::clone(namespace),
        labels: Labels::default(),
        claims_mtls: false,
        takes_tunnel: false,
        network: Network::OfCluster,
        account: None,
        unknown_pod: None,
        ready,
    }
}

fn belongs_to(endpoint: &mut Endpoint, at: usize, workload: &Workload) {
    endpoint.workload = Some(at);
    endpoint.namespace = Arc::clone(&workload.namespace);
    endpoint.labels = workload.labels.clone();
    endpoint.claims_mtls = workload.claims_mtls();
    endpoint.takes_tunnel = ambient::takes_tunnel(workload);
    endpoint.network = networks::said_by(workload);
    endpoint.account = workload.body().map(|pod| Arc::clone(&pod.service_account));
}

/// `ADDRESS:PORT`, with brackets around an IPv6 address.
pub(super) fn join(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
