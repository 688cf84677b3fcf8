//! Clients that no rule tells apart: one answer serves them all.
//!
//! An answer depends on the client through its proxy's kind, its namespace's own rules, the selector rules that
//! select it, and the export lists that name its namespace (spec/performance.md). Clients alike in all of these are
//! one class.

use std::collections::BTreeMap;

use super::mesh::Mesh;
use super::workload::Workload;
use crate::model::pod::ProxyKind;

/// A class of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientClass {
    /// Indices of the pods, in the order of namespace and name.
    pub pods: Vec<usize>,
}

impl ClientClass {
    /// The pod that stands for all.
    pub fn representative<'a>(&self, mesh: &'a Mesh) -> Option<&'a Workload> {
        mesh.workloads.get(*self.pods.first()?)
    }
}

/// What tells clients apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    proxy: ProxyKind,
    /// The namespace, where anything speaks of it.
    namespace: Option<&'a str>,
    /// The rules with a selector that select the client.
    selected_by: Vec<usize>,
    /// The `Sidecar` that limits its scope.
    sidecar: Option<&'a crate::model::ObjectId>,
}

/// The classes of the pods that have a proxy and that `wanted` takes, each sorted, in a stable order.
pub fn classes(mesh: &Mesh, wanted: impl Fn(&Workload) -> bool) -> Vec<ClientClass> {
    let distinct = Distinct::new(mesh);
    let mut classes: BTreeMap<Key<'_>, Vec<usize>> = BTreeMap::new();
    for (at, workload) in mesh.workloads.all().iter().enumerate() {
        if workload.proxy == ProxyKind::None || !wanted(workload) {
            continue;
        }
        classes.entry(distinct.key(workload)).or_default().push(at);
    }
    let mut classes: Vec<_> = classes.into_values().map(|pods| ClientClass { pods }).collect();
    classes.sort_by(|a, b| a.pods.cmp(&b.pods));
    classes
}

struct Distinct<'a> {
    mesh: &'a Mesh,
    named: rustc_hash::FxHashSet<&'a str>,
    selectors: rustc_hash::FxHashMap<&'a str, Vec<(usize, &'a crate::model::Labels)>>,
}

impl<'a> Distinct<'a> {
    fn new(mesh: &'a Mesh) -> Self {
        let mut named = rustc_hash::FxHashSet::default();
        let mut selectors: rustc_hash::FxHashMap<_, Vec<_>> = rustc_hash::FxHashMap::default();
        for (at, (_, rule)) in mesh.rules.all().enumerate() {
            named.extend(rule.exports.iter().map(|export| &**export));
            if let Some(selector) = rule.body().and_then(|body| body.workload_selector.as_ref()) {
                selectors.entry(&*rule.object.id.namespace).or_default().push((at, selector));
            }
        }
        for service in mesh.registry.services() {
            if !service.is_public() {
                named.insert(&*service.namespace);
                named.extend(service.exported_to());
            }
        }
        Self { mesh, named, selectors }
    }

    fn key(&self, workload: &'a Workload) -> Key<'a> {
        let namespace = &*workload.namespace;
        let spoken_of = self.mesh.rules.is_own_pool(namespace)
            || namespace == self.mesh.config.root_namespace
            || self.named.contains(namespace)
            // Clients of a service's own namespace may reach it by another pool, and are reported at another level.
            || self.mesh.registry.has_services_in(namespace)
            || self.mesh.scopes.speaks_of(namespace)
            || self.mesh.gaps.names_client_namespace(namespace);
        let selectors = self.selectors.get(namespace).into_iter().flatten();
        Key {
            proxy: workload.proxy,
            sidecar: self.mesh.scopes.sidecar_of(workload).map(|object| &object.id),
            namespace: spoken_of.then_some(namespace),
            selected_by: selectors
                .filter(|(_, selector)| selector.is_subset_of(&workload.labels))
                .map(|(at, _)| *at)
                .collect(),
        }
    }
}
