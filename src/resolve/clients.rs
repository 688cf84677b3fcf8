//! Clients that nothing tells apart: one answer serves them all.
//!
//! An answer depends on the client through its proxy's kind, its `Sidecar`, the selector rules that select it, and
//! whatever names its namespace: rules of its own, export lists, routes. Clients alike in all of these are one class. For
//! one host even fewer tell them apart: a namespace whose own rules do not match it is like any other
//! ([`Classes::groups`]), so the mesh-wide table costs one answer a distinct answer and one look-up a pair.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::ambient::gateway_name;
use super::interception;
use super::mesh::Mesh;
use super::rules::Rule;
use super::workload::{Unclear, Workload};
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
    workloads: u64,
}

impl<'a> Group<'a> {
    fn new(classes: Vec<&'a ClientClass>) -> Self {
        // A group is asked for their number again and again, and may be of most classes of the mesh.
        let workloads = classes.iter().map(|class| class.workloads).sum();
        Self { classes, workloads }
    }
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

    /// Namespace, name and kind of their workloads; one whose pods do not stand together may come more than once.
    pub fn names<'a>(&'a self, mesh: &'a Mesh) -> impl Iterator<Item = (Text, Text, Text)> + use<'a> {
        let pods = self.classes.iter().flat_map(|class| &class.pods).filter_map(|at| mesh.workloads.get(*at));
        let names = pods.map(|pod| (&pod.namespace, &pod.name, &pod.kind));
        let distinct = names.scan(None, |before, names| {
            let is_another = *before != Some(names);
            *before = Some(names);
            Some(is_another.then_some(names))
        });
        let copied = |(namespace, name, kind): (&Text, &Text, &Text)| {
            (Arc::clone(namespace), Arc::clone(name), Arc::clone(kind))
        };
        distinct.flatten().map(copied)
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
        self.workloads
    }
}

/// Classes, ready to be grouped for one host after another.
#[derive(Debug, Clone, Default)]
pub struct Classes {
    all: Vec<ClientClass>,
    /// Places of those that are a group of their own for every host.
    special: Vec<usize>,
    /// Places of the others, by their proxies.
    ordinary: [Vec<usize>; 5],
    /// Places of those of them that are of one namespace.
    by_namespace: FxHashMap<Text, Vec<usize>>,
}

impl Classes {
    /// These classes, in their order.
    pub fn new(mesh: &Mesh, all: Vec<ClientClass>) -> Self {
        let mut classes = Self::default();
        for (at, class) in all.iter().enumerate() {
            let client = class.representative(mesh).filter(|_| !class.is_special);
            let Some(slot) = client.and_then(|client| classes.ordinary.get_mut(client.proxy as usize)) else {
                classes.special.push(at);
                continue;
            };
            slot.push(at);
            if let Some(namespace) = &class.namespace {
                classes.by_namespace.entry(namespace.clone()).or_default().push(at);
            }
        }
        classes.all = all;
        classes
    }

    /// The classes.
    pub fn all(&self) -> &[ClientClass] {
        &self.all
    }

    /// The places of the classes that something sets apart for a host, sorted.
    pub(super) fn apart(&self, mesh: &Mesh, host: &str) -> Vec<usize> {
        let mut named = named_for(mesh, host);
        named.extend(mesh.rules.own_pools_matching(host).map(|namespace| &**namespace));
        let of_namespace = named.into_iter().filter_map(|namespace| self.by_namespace.get(namespace));
        let mut apart: Vec<_> = of_namespace.flatten().chain(&self.special).copied().collect();
        apart.sort_unstable();
        apart.dedup();
        apart
    }

    /// The places of the classes of each proxy's kind that are not apart.
    pub(super) fn others<'a>(
        &'a self,
        apart: &'a [usize],
    ) -> impl Iterator<Item = impl Iterator<Item = usize> + use<'a>> {
        self.ordinary.iter().map(move |places| {
            let mut skipped = apart.iter().copied().peekable();
            places.iter().copied().filter(move |at| {
                while skipped.next_if(|one| one < at).is_some() {}
                skipped.peek() != Some(at)
            })
        })
    }

    /// The groups that a host's answers fall into, in the order of the classes.
    pub fn groups(&self, mesh: &Mesh, host: &str) -> Vec<Group<'_>> {
        let apart = self.apart(mesh, host);
        let class = |at: usize| self.all.get(at);
        let mut groups: Vec<_> = Vec::with_capacity(apart.len() + self.ordinary.len());
        groups.extend(apart.iter().map(|at| (*at, Group::new(class(*at).into_iter().collect()))));
        for mut rest in self.others(&apart) {
            if let Some(first) = rest.next() {
                let classes = std::iter::once(first).chain(rest).filter_map(class);
                groups.push((first, Group::new(classes.collect())));
            }
        }
        groups.sort_unstable_by_key(|(first, _)| *first);
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// The number of the group that each class falls into for a host, by the place of the class.
    pub fn numbers(&self, mesh: &Mesh, host: &str) -> Vec<usize> {
        let apart = self.apart(mesh, host);
        let mut numbers = vec![0; self.all.len()];
        let of_others =
            self.others(&apart).enumerate().flat_map(|(number, rest)| rest.map(move |at| (number, at)));
        let own = (self.ordinary.len()..).zip(apart.iter().copied());
        for (number, at) in of_others.chain(own) {
            if let Some(place) = numbers.get_mut(at) {
                *place = number;
            }
        }
        numbers
    }

    /// The places of the classes of a namespace's clients.
    pub(super) fn of_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = usize> + use<'a> {
        let all = self.all.iter().enumerate();
        all.filter(move |(_, class)| class.namespace.as_deref() == Some(namespace)).map(|(at, _)| at)
    }

    /// Whether a class is apart for a host.
    pub(super) fn is_apart(&self, mesh: &Mesh, at: usize, host: &str) -> bool {
        let Some(class) = self.all.get(at) else { return false };
        let by_namespace = |namespace: &str| {
            mesh.rules.own_pool_matches(namespace, host) || named_for(mesh, host).contains(&namespace)
        };
        self.special.binary_search(&at).is_ok() || class.namespace.as_deref().is_some_and(by_namespace)
    }
}

/// Whether clients fall into the same classes though rules differ: none selects clients, and no namespace begins or
/// ceases to be spoken of.
pub fn same_classes<'a>(before: &Mesh, after: &Mesh, rules: impl Iterator<Item = &'a Rule>) -> bool {
    let mut distinct: Option<[Distinct<'_>; 2]> = None;
    let mut is_same = |namespace: &Text| {
        if after.registry.has_services_in(namespace) {
            return true;
        }
        let [before, after] = distinct.get_or_insert_with(|| [Distinct::new(before), Distinct::new(after)]);
        before.is_spoken_of(namespace) == after.is_spoken_of(namespace)
    };
    let selects = |rule: &Rule| rule.body().is_some_and(|body| body.workload_selector.is_some());
    rules.into_iter().all(|rule| {
        !selects(rule) && std::iter::once(&rule.object.id.namespace).chain(&rule.exports).all(&mut is_same)
    })
}

/// The namespaces whose clients something sets apart for a host, some more than once: its owners, and those that the export lists of its
/// definitions, of the rules found for it and of the routes to it name.
fn named_for<'a>(mesh: &'a Mesh, host: &str) -> Vec<&'a str> {
    let mut named: Vec<&str> = mesh.scopes.named_for(host).collect();
    let root = mesh.config.root_namespace.as_str();
    named.extend(mesh.rules.named_for(root, host));
    for service in mesh.registry.definitions(host) {
        named.push(&*service.namespace);
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
    /// Whether several control planes may be its own.
    unplaced: bool,
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
    /// Whether it cannot be told what there is.
    unclear: Option<Unclear>,
    /// Its network, where that makes a difference.
    network: Option<&'a str>,
    /// What of its connections goes past its proxy.
    interception: [Option<&'a str>; 4],
    /// The labels that routes to subsets select it by, for gateways and for callers.
    routed: Vec<&'a Labels>,
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
            let unplaced = !mesh.others_of(workload).is_empty();
            found.entry(Key { revision, unplaced, ..own.key(workload) }).or_default().push(at);
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
                || key.unplaced
                || key.waypoint.is_some()
                || key.hbone_send_off
                || key.unclear.is_some()
                || key.network.is_some()
                || key.interception.iter().any(Option::is_some)
                || !key.routed.is_empty()
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
    /// See [`Key::routed`].
    routed: BTreeSet<(bool, &'a Labels)>,
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
        Self { mesh, named, selectors, routed: mesh.scopes.told_apart() }
    }

    /// Whether something sets the namespace apart for every host.
    fn is_special(&self, namespace: &str) -> bool {
        namespace == self.mesh.config.root_namespace || self.mesh.gaps.names_client_namespace(namespace)
    }

    /// Whether anything speaks of a namespace.
    fn is_spoken_of(&self, namespace: &Text) -> bool {
        self.mesh.rules.is_own_pool(namespace)
            // Clients of a service's own namespace may see another definition of it, and are reported otherwise.
            || self.mesh.registry.has_services_in(namespace)
            || self.named.contains(&**namespace)
            || self.is_special(namespace)
    }

    fn key(&self, workload: &'a Workload) -> Key<'a> {
        let namespace = &workload.namespace;
        let spoken_of = self.is_spoken_of(namespace);
        let selectors = self.selectors.get(&**namespace).into_iter().flatten();
        let is_waypoint = workload.proxy == ProxyKind::Waypoint;
        Key {
            waypoint: is_waypoint.then(|| gateway_name(workload)),
            network: self.mesh.networks.of_client(workload),
            interception: interception::of_client(workload),
            routed: self
                .routed
                .iter()
                .filter(|(gateways, _)| !gateways || workload.proxy == ProxyKind::Gateway)
                .map(|(_, labels)| *labels)
                .filter(|labels| labels.is_subset_of(&workload.labels))
                .collect(),
            unclear: workload.unclear,
            hbone_send_off: workload.body().is_some_and(|pod| pod.hbone_send_off),
            proxy: workload.proxy,
            revision: None,
            unplaced: false,
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
