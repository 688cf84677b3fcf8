//! `ServiceEntries` as services, and `WorkloadEntries` as endpoints (MT-3.2, MT-3.6 to MT-3.8).

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::endpoints::{bare, join, of_pod, selected};
use super::{Addressing, Endpoint, EndpointsFrom, Service, exports_or_default};
use crate::model::pod::ProxyKind;
use crate::model::service::{ServicePort, TargetPort};
use crate::model::service_entry::{Resolution, ServiceEntry, WorkloadEntry};
use crate::model::{Kind, Labels, Object, Snapshot, Text};
use crate::resolve::ambient;
use crate::resolve::config::Config;
use crate::resolve::networks::{self, Network};
use crate::resolve::workload::Workloads;

/// `WorkloadEntries` by namespace.
pub(super) type Entries<'a> = FxHashMap<Text, Vec<&'a WorkloadEntry>>;

pub(super) fn by_namespace(snapshot: &Snapshot) -> Entries<'_> {
    let mut found: Entries<'_> = FxHashMap::default();
    for object in snapshot.of_kind(&Kind::WorkloadEntry) {
        if let Some(entry) = object.body.workload_entry() {
            found.entry(Arc::clone(&object.id.namespace)).or_default().push(entry);
        }
    }
    found
}

/// `WorkloadEntries` that a Service selects are endpoints of it too, at the port of MT-3.7.
pub(super) fn add_selected(
    endpoints: &mut Vec<Endpoint>,
    vms: &Entries<'_>,
    namespace: &Text,
    selector: &Labels,
    port: &ServicePort,
    workloads: &Workloads,
) {
    for entry in vms.get(namespace).into_iter().flatten().filter(|entry| selector.is_subset_of(&entry.labels))
    {
        let number = match &port.target {
            TargetPort::Number(number) => Some(entry.port(&port.name).unwrap_or(*number)),
            TargetPort::Name(name) => entry.port(name),
        };
        if let Some(number) = number {
            endpoints.push(of_entry(entry, number, namespace, workloads));
        }
    }
}

fn of_entry(entry: &WorkloadEntry, port: u16, namespace: &Text, workloads: &Workloads) -> Endpoint {
    let mut endpoint = bare(join(&entry.address, port).into(), port, namespace, true);
    endpoint.workload = workloads.by_address(&entry.address);
    endpoint.labels = entry.labels.clone();
    endpoint.claims_mtls = entry.claims_mtls();
    endpoint.network = networks::said_by_entry(entry);
    let captured = endpoint.workload.and_then(|at| workloads.get(at));
    endpoint.takes_tunnel = ambient::announces_tunnel(&entry.labels)
        || captured.is_some_and(|workload| workload.proxy == ProxyKind::Ztunnel);
    endpoint.account.clone_from(&entry.service_account);
    endpoint
}

/// A service for each host of a `ServiceEntry`.
pub(super) fn services(
    object: &Arc<Object>,
    vms: &Entries<'_>,
    workloads: &Workloads,
    config: &Config,
) -> Vec<Service> {
    let Some(body) = object.body.service_entry() else { return Vec::new() };
    let exports = exports_or_default(&body.export_to, config.default_service_export_to.as_ref());
    let addressing = match body.resolution {
        Resolution::None => Addressing::Original,
        Resolution::Static | Resolution::Other(_) => Addressing::Listed,
        Resolution::Dns => Addressing::Dns,
    };
    let service = |host: &Text| Service {
        host: Arc::clone(host),
        namespace: Arc::clone(&object.id.namespace),
        object: Arc::clone(object),
        is_kubernetes: false,
        is_external: !body.internal,
        addressing,
        subject_alt_names: body.subject_alt_names.clone(),
        exports: exports.clone(),
        endpoints: body
            .ports
            .iter()
            .map(|port| endpoints(object, body, host, port, vms, workloads))
            .collect(),
        ports: body.ports.clone(),
        endpoints_from: EndpointsFrom::Entry,
    };
    body.hosts.iter().map(service).collect()
}

/// MT-3.8.
fn endpoints(
    object: &Object,
    body: &ServiceEntry,
    host: &Text,
    port: &ServicePort,
    vms: &Entries<'_>,
    workloads: &Workloads,
) -> Vec<Endpoint> {
    let namespace = &object.id.namespace;
    let target = match port.target {
        TargetPort::Number(number) => number,
        TargetPort::Name(_) => port.number,
    };
    if let Some(selector) = &body.selector {
        let entries =
            vms.get(namespace).into_iter().flatten().filter(|entry| selector.is_subset_of(&entry.labels));
        let entries = entries
            .map(|entry| of_entry(entry, entry.port(&port.name).unwrap_or(target), namespace, workloads));
        let pods = selected(selector, namespace, workloads)
            .filter(|(_, workload)| workload.is_ready())
            .filter_map(|(at, workload)| of_pod(at, workload, target));
        return entries.chain(pods).collect();
    }
    if body.endpoints.is_empty() && body.resolution == Resolution::Dns {
        let bare = bare(join(host, target).into(), target, namespace, true);
        return vec![Endpoint { network: Network::None, ..bare }];
    }
    let inline = body.endpoints.iter();
    inline
        .map(|entry| of_entry(entry, entry.port(&port.name).unwrap_or(target), namespace, workloads))
        .collect()
}
