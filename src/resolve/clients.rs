//! Clients that nothing tells apart: one answer serves them all.
//!
//! An answer depends on the client through its proxy's kind, its `Sidecar`, the selector rules that select it, and
//! whatever names its namespace: rules of its own, export lists, routes (spec/performance.md). Clients alike in all of
//! these are one class. For one host even fewer tell them apart: a namespace whose own rules do not match it is like
//! any other ([`groups`]), so the mesh-wide table costs one answer a distinct answer and one look-up a pair.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::ambient::gateway_name;
use super::mesh::Mesh;
use super::workload::Workload;
use crate::model::pod::ProxyKind;
use crate::model::{Labels, ObjectId, Text};

/// A class of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientClass {
    /// Indices of the pods, in the order of namespace and name.
    pub pods: Vec<usize>,
    /// How many workloads they are of.
    pub workloads: u64,
    /// The namespace, where the class is of one.
    namespace: Option<Text>,
    /// Whether something besides its namespace's rules and services sets it apart, for any host.
    is_special: bool,
}

impl ClientClass {
    /// These pods, whatever tells them apart.
    pub fn of(pods: Vec<usize>) -> Self {
        Self { pods, workloads: 1, namespace: None, is_special: true }
    }

    /// The pod that stands for all.
    pub fn representative<'a>(&self, mesh: &'a Mesh) -> Option<&'a Workload> {
        mesh.workloads.get(*self.pods.first()?)
    }
}

/// Classes that get the same answers for one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'a> {
    /// The classes, at least one.
    pub classes: Vec<&'a ClientClass>,
}

impl Group<'_> {
    /// The pod that stands for all.
    pub fn representative<'a>(&self, mesh: &'a Mesh) -> Option<&'a Workload> {
        self.classes.first()?.representative(mesh)
    }

    /// The indices of all pods.
    pub fn pods(&self) -> Vec<usize> {
        let mut pods: Vec<_> = self.classes.iter().flat_map(|class| &class.pods).copied().collect();
        pods.sort_unstable();
        pods
    }

    /// Namespace, name and kind of their workloads, each pod's in turn: a workload may come more than once.
    pub fn names<'a>(&'a self, mesh: &'a Mesh) -> impl Iterator<Item = (Text, Text, Text)> + use<'a> {
        let pods = self.classes.iter().flat_map(|class| &class.pods).filter_map(|at| mesh.workloads.get(*at));
        pods.map(|pod| (pod.namespace.clone(), pod.name.clone(), pod.kind.clone()))
    }

    /// Their namespaces; one may come more than once.
    pub fn namespaces<'a>(&'a self, mesh: &'a Mesh) -> impl Iterator<Item = &'a Text> + use<'a> {
        self.classes.iter().flat_map(move |class| {
            let pods = if class.namespace.is_some() { &[] } else { class.pods.as_slice() };
            let of_pods = pods.iter().filter_map(|at| mesh.workloads.get(*at)).map(|pod| &pod.namespace);
            class.namespace.iter().chain(of_pods)
        })
    }

    /// How many workloads they are of.
    pub fn workloads(&self) -> u64 {
        self.classes.iter().map(|class| class.workloads).sum()
    }
}

/// The groups that a host's answers fall into, in the order of the classes.
pub fn groups<'a>(mesh: &Mesh, classes: &'a [ClientClass], host: &str) -> Vec<Group<'a>> {
    let named = named_for(mesh, host);
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut ordinary: [Option<usize>; 5] = [None; 5];
    for class in classes {
        let namespace = class.namespace.as_deref();
        let apart = class.is_special
            || namespace.is_some_and(|own| named.contains(own) || mesh.rules.own_pool_matches(own, host));
        let slot = class.representative(mesh).and_then(|client| ordinary.get_mut(client.proxy as usize));
        match slot.filter(|_| !apart) {
            Some(Some(at)) => groups.get_mut(*at).into_iter().for_each(|group| group.classes.push(class)),
            Some(empty) => {
                *empty = Some(groups.len());
                groups.push(Group { classes: vec![class] });
            }
            None => groups.push(Group { classes: vec![class] }),
        }
    }
    groups
}

/// The namespaces whose clients something sets apart for a host: its owners, and those that the export lists of its
/// definitions, of the rules found for it and of the routes to it name.
fn named_for<'a>(mesh: &'a Mesh, host: &str) -> FxHashSet<&'a str> {
    let mut named: FxHashSet<&str> = mesh.scopes.named_for(host).collect();
    let root = mesh.config.root_namespace.as_str();
    named.extend(mesh.rules.named_for(root, host));
    for service in mesh.registry.definitions(host) {
        named.insert(&*service.namespace);
        named.extend(service.exported_to());
        named.extend(mesh.rules.named_for(&service.namespace, host));
    }
    named
}

/// What tells clients apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    proxy: ProxyKind,
    /// The revision of its control plane, where that one has settings of its own.
    revision: Option<&'a Text>,
    /// The namespace, where anything speaks of it.
    namespace: Option<&'a Text>,
    /// The rules with a selector that select the client.
    selected_by: Vec<usize>,
    /// The `Sidecar` that limits its scope.
    sidecar: Option<&'a ObjectId>,
    /// Whether its proxy has certificates of its own.
    own_certificates: bool,
    /// The gateway of a waypoint: waypoints stand before different services.
    waypoint: Option<Text>,
    /// Whether its proxy never tunnels.
    hbone_send_off: bool,
}

/// The classes of the pods that have a proxy and that `wanted` takes, each sorted, in a stable order.
pub fn classes(mesh: &Mesh, wanted: impl Fn(&Workload) -> bool) -> Vec<ClientClass> {
    // Each control plane has its own view of what tells its clients apart.
    let mut distinct: BTreeMap<Option<&Text>, Distinct<'_>> = BTreeMap::new();
    let mut found: BTreeMap<Key<'_>, Vec<usize>> = BTreeMap::new();
    for (at, workload) in mesh.workloads.all().iter().enumerate() {
        if workload.proxy != ProxyKind::None && wanted(workload) {
            let revision = mesh.revision_of(workload);
            let own = distinct.entry(revision).or_insert_with(|| Distinct::new(mesh.of_client(workload)));
            found.entry(Key { revision, ..own.key(workload) }).or_default().push(at);
        }
    }
    let class = |(key, pods): (Key<'_>, Vec<usize>)| {
        let names: FxHashSet<_> = pods
            .iter()
            .filter_map(|at| mesh.workloads.get(*at))
            .map(|pod| (&pod.namespace, &pod.name, &pod.kind))
            .collect();
        ClientClass {
            workloads: names.len() as u64,
            is_special: !key.selected_by.is_empty()
                || key.sidecar.is_some()
                || key.own_certificates
                || key.revision.is_some()
                || key.waypoint.is_some()
                || key.hbone_send_off
                || key.namespace.is_some_and(|namespace| {
                    distinct.get(&key.revision).is_some_and(|own| own.is_special(namespace))
                }),
            namespace: key.namespace.cloned(),
            pods,
        }
    };
    let mut classes: Vec<_> = found.into_iter().map(class).collect();
    classes.sort_by(|a, b| a.pods.cmp(&b.pods));
    classes
}

struct Distinct<'a> {
    mesh: &'a Mesh,
    /// Namespaces that something names, for whatever host.
    named: FxHashSet<&'a str>,
    selectors: FxHashMap<&'a str, Vec<(usize, &'a Labels)>>,
}

impl<'a> Distinct<'a> {
    fn new(mesh: &'a Mesh) -> Self {
        let mut named = FxHashSet::default();
        let mut selectors: FxHashMap<_, Vec<_>> = FxHashMap::default();
        for (at, (_, rule)) in mesh.rules.all().enumerate() {
            named.extend(rule.exports.iter().map(|export| &**export));
            if let Some(selector) = &rule.selector {
                selectors.entry(&*rule.object.id.namespace).or_default().push((at, selector));
            }
        }
        named.extend(mesh.scopes.spoken_of());
        for service in mesh.registry.services() {
            named.extend(service.exported_to());
        }
        Self { mesh, named, selectors }
    }

    /// Whether something sets the namespace apart for every host.
    fn is_special(&self, namespace: &str) -> bool {
        namespace == self.mesh.config.root_namespace || self.mesh.gaps.names_client_namespace(namespace)
    }

    fn key(&self, workload: &'a Workload) -> Key<'a> {
        let namespace = &workload.namespace;
        let spoken_of = self.mesh.rules.is_own_pool(namespace)
            // Clients of a service's own namespace may see another definition of it, and are reported otherwise.
            || self.mesh.registry.has_services_in(namespace)
            || self.named.contains(&**namespace)
            || self.is_special(namespace);
        let selectors = self.selectors.get(&**namespace).into_iter().flatten();
        let is_waypoint = workload.proxy == ProxyKind::Waypoint;
        Key {
            waypoint: is_waypoint.then(|| gateway_name(workload)),
            hbone_send_off: workload.body().is_some_and(|pod| pod.hbone_send_off),
            proxy: workload.proxy,
            revision: None,
            own_certificates: workload.body().is_some_and(|pod| pod.own_certificates),
            sidecar: self.mesh.scopes.sidecar_of(workload).map(|object| &object.id),
            namespace: (spoken_of || is_waypoint).then_some(namespace),
            selected_by: selectors
                .filter(|(_, selector)| selector.is_subset_of(&workload.labels))
                .map(|(at, _)| *at)
                .collect(),
        }
    }
}
