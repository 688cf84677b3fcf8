//! Every pair whose answer a change makes another, before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use crate::diagnose::Finding;
use crate::model::{Kind, ObjectId, Text};
use crate::resolve::answers::Answers;
use crate::resolve::client_tls::Sent;
use crate::resolve::clients::{self, Classes};
use crate::resolve::rules::{matches, normalise};
use crate::resolve::{Endpoint, Mesh, PairTls, Service, Status, Workload};

/// One side of a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// How the pair stands.
    pub status: Status,
    /// The rule in force.
    pub rule: Option<ObjectId>,
    /// What is sent; `None` where endpoints differ.
    pub sent: Option<Sent>,
    /// What the server demands.
    pub server: String,
    /// The traffic policy in force.
    pub policy: Map<String, Value>,
}

/// A service port and subset whose answer changes, for some clients.
#[derive(Debug, Clone, PartialEq)]
pub struct PairChange {
    /// The host.
    pub host: Text,
    /// The service port.
    pub port: u16,
    /// The subset.
    pub subset: Option<Text>,
    /// The client pods, by index.
    pub pods: Vec<usize>,
    /// How many workloads they are of.
    pub workloads: u64,
    /// As it is.
    pub before: Side,
    /// As it would be.
    pub after: Side,
}

impl PairChange {
    /// Whether the same becomes of the same pair, for other clients.
    fn is_like(&self, other: &Self) -> bool {
        (&self.host, self.port, &self.subset) == (&other.host, other.port, &other.subset)
            && self.before == other.before
            && self.after == other.after
    }

    fn absorb(&mut self, other: Self) {
        self.pods.extend(other.pods);
        self.pods.sort_unstable();
        self.workloads += other.workloads;
    }

    /// Whether the pair fails afterwards, or may: for another reason than before, or as it did before.
    pub fn ends_badly(&self) -> bool {
        matches!(self.after.status, Status::Cond | Status::Unknown | Status::Conflict)
    }

    /// Whether the pair is worse off: what worked is in doubt or fails.
    pub fn is_worse(&self) -> bool {
        let rank = |status: Status| match status {
            Status::Ok | Status::Warn => 0,
            Status::Cond => 1,
            Status::Unknown => 2,
            Status::Conflict => 3,
        };
        rank(self.after.status) > rank(self.before.status)
    }

    /// Whether a setting that is in force, TLS aside, is lost or becomes another.
    pub fn loses_a_setting(&self) -> bool {
        let mut settings = self.before.policy.iter().filter(|(name, _)| *name != "tls");
        settings.any(|(name, block)| self.after.policy.get(name) != Some(block))
    }
}

/// The pairs that differ between two meshes with the same pods, of the hosts that `touched` objects can change.
/// `classes` are those of `before`.
pub(super) fn changes(
    before: &Mesh,
    classes: &Classes,
    after: &Mesh,
    touched: &[ObjectId],
) -> Vec<PairChange> {
    let hosts = hosts(before, after, touched);
    if hosts.is_empty() {
        return Vec::new();
    }
    let own =
        (!are_alike(before, after, touched)).then(|| Classes::new(after, clients::classes(after, |_| true)));
    let other = own.as_ref().unwrap_or(classes);
    let common = own.as_ref().map(|own| common(classes, own));
    let pods: Vec<(usize, usize, &[usize])> = match &common {
        Some(common) => common.iter().map(|((one, other), pods)| (*one, *other, pods.as_slice())).collect(),
        None => classes.all().iter().enumerate().map(|(at, class)| (at, at, class.pods.as_slice())).collect(),
    };
    let mut answers = [Answers::new(before), Answers::new(after)];
    let mut found = Vec::new();
    for host in hosts {
        let [of_before, of_after] = [classes.numbers(before, &host), other.numbers(after, &host)];
        let mut groups: BTreeMap<_, Vec<&[usize]>> = BTreeMap::new();
        for (one, other, pods) in &pods {
            groups.entry((of_before.get(*one), of_after.get(*other))).or_default().push(pods);
        }
        for pods in groups.into_values() {
            compare(&mut answers, &host, &pods, &mut found);
        }
    }
    found
}

/// Whether pairs of a conflict stay in it: more clients of a service port conflict than are changed to what does not.
pub(super) fn leaves_any(finding: &Finding, changes: &[PairChange]) -> bool {
    if !finding.code.is_conflict() {
        return false;
    }
    let mut ended: FxHashMap<(&Text, u16, Option<&Text>), u64> = FxHashMap::default();
    for change in changes {
        if change.before.status == Status::Conflict && change.after.status != Status::Conflict {
            *ended.entry((&change.host, change.port, change.subset.as_ref())).or_default() +=
                change.workloads;
        }
    }
    finding.edges.targets().any(|(host, port, subset, clients)| {
        ended.get(&(host, port, subset)).is_none_or(|ended| *ended < clients.len() as u64)
    })
}

/// Whether clients fall into the same classes in both meshes.
fn are_alike(before: &Mesh, after: &Mesh, touched: &[ObjectId]) -> bool {
    let is_policy = |id: &ObjectId| matches!(id.kind, Kind::DestinationRule | Kind::PeerAuthentication);
    let rules = touched.iter().flat_map(|id| [before.rules.of_object(id), after.rules.of_object(id)]);
    touched.iter().all(is_policy) && clients::same_classes(before, after, rules.flatten())
}

/// Pods by their class in the one mesh and in the other.
fn common(first: &Classes, second: &Classes) -> BTreeMap<(usize, usize), Vec<usize>> {
    let mut of_second = FxHashMap::default();
    for (at, class) in second.all().iter().enumerate() {
        of_second.extend(class.pods.iter().map(|pod| (*pod, at)));
    }
    let mut found: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, class) in first.all().iter().enumerate() {
        for pod in &class.pods {
            if let Some(other) = of_second.get(pod) {
                found.entry((at, *other)).or_default().push(*pod);
            }
        }
    }
    found
}

/// The hosts that objects can decide about, as they are and as they would be.
fn hosts(before: &Mesh, after: &Mesh, touched: &[ObjectId]) -> BTreeSet<Text> {
    let mut found = BTreeSet::new();
    for mesh in [before, after] {
        for id in touched {
            let object = mesh.snapshot.get(id);
            let all = || mesh.registry.hosts().cloned();
            if id.kind == Kind::DestinationRule {
                let Some(rule) = object.and_then(|object| object.body.destination_rule()) else { continue };
                let host = normalise(&rule.host, &id.namespace);
                if host.starts_with('*') {
                    found.extend(all().filter(|one| matches(&host, one)));
                } else {
                    // A service whose host is a wildcard is matched by wildcards only (DR-3.5).
                    found.extend(mesh.registry.by_host(&host).map(|service| service.host.clone()));
                }
            } else if id.kind == Kind::ServiceEntry {
                // Its own hosts, and those that a wildcard makes the same.
                let Some(entry) = object.and_then(|object| object.body.service_entry()) else { continue };
                let is_like = |one: &Text, host: &str| matches(one, host) || matches(host, one);
                found.extend(all().filter(|one| entry.hosts.iter().any(|host| is_like(one, host))));
            } else if id.kind == Kind::PeerAuthentication && !mesh.is_a_root(&id.namespace) {
                let services = mesh.registry.services().filter(|one| has_part_in(mesh, one, &id.namespace));
                found.extend(services.map(|service| service.host.clone()));
            } else {
                found.extend(all());
            }
        }
    }
    found
}

/// Whether a service is of a namespace, or leads there.
fn has_part_in(mesh: &Mesh, service: &Service, namespace: &Text) -> bool {
    let leads_there = |endpoint: &Endpoint| {
        let pod = endpoint.workload.and_then(|at| mesh.workloads.get(at));
        endpoint.namespace == *namespace || pod.is_some_and(|pod| pod.namespace == *namespace)
    };
    service.namespace == *namespace || service.all_endpoints().any(leads_there)
}

/// The ports and subsets of a host for clients that are alike, compared in both meshes.
fn compare(both: &mut [Answers<'_>; 2], host: &Text, pods: &[&[usize]], found: &mut Vec<PairChange>) {
    let Some(first) = pods.iter().find_map(|pods| pods.first()) else { return };
    let all = Arc::clone(&both[0].mesh().workloads);
    let Some(client) = all.get(*first) else { return };
    let [before, after] = both.each_mut().map(|answers| pairs(answers, client, host));
    let meshes = both.each_ref().map(Answers::mesh);
    for ((port, subset), before) in before {
        let lost = || {
            // Routes name a subset that is no longer there: without a cluster their requests fail.
            let whole = side(meshes[1], after.get(&(port, None)).filter(|_| subset.is_some())?);
            Some(Side { status: Status::Conflict, sent: None, policy: Map::new(), ..whole })
        };
        let after = match after.get(&(port, subset.clone())) {
            Some(after) if is_like(&before, after) => continue,
            Some(after) => side(meshes[1], after),
            None => match lost() {
                Some(lost) => lost,
                None => continue,
            },
        };
        let before = side(meshes[0], &before);
        let pods = pods.concat();
        let named = pods.iter().filter_map(|at| all.get(*at));
        let mut named: Vec<_> = named.map(|pod| (&pod.namespace, &pod.name, &pod.kind)).collect();
        named.sort();
        named.dedup();
        let workloads = named.len() as u64;
        let change = PairChange { host: Text::clone(host), port, subset, pods, workloads, before, after };
        match found.iter_mut().find(|known| known.is_like(&change)) {
            Some(known) => known.absorb(change),
            None => found.push(change),
        }
    }
}

/// Whether a pair's answer is the same in all that a [`Side`] says, but for the rule's name.
fn is_like(before: &PairTls, after: &PairTls) -> bool {
    before.status == after.status
        && before.effective == after.effective
        && before.server.mode == after.server.mode
        && before.policy.blocks == after.policy.blocks
}

/// What a client gets for each port and subset of a host that it calls.
fn pairs(answers: &mut Answers<'_>, client: &Workload, host: &str) -> BTreeMap<(u16, Option<Text>), PairTls> {
    let mesh = answers.mesh();
    let mut found = BTreeMap::new();
    let target = mesh.target(client, host).filter(|target| !target.service.is_alias());
    let Some(target) = target.filter(|target| mesh.calls(client, target.service)) else { return found };
    let choice = mesh.choice(client, &target);
    let named = mesh.of_client(client).scopes.subsets_called(client, host);
    let mut called = mesh.subsets(choice.as_ref());
    called.retain(|subset| named.contains(subset));
    for port in target.service.ports().iter().filter(|port| port.tcp && target.has(port.number)) {
        for subset in std::iter::once(None).chain(called.iter().map(Some)) {
            let name = subset.map(|name| &**name);
            let pair = answers.pair(client, &target, choice.clone(), port.number, name);
            found.insert((port.number, subset.cloned()), pair);
        }
    }
    found
}

fn side(mesh: &Mesh, pair: &PairTls) -> Side {
    let rule = pair.choice.as_ref().and_then(|choice| mesh.rules.get(choice.primary));
    Side {
        status: pair.status,
        rule: rule.map(|rule| rule.object.id.clone()),
        sent: pair.effective,
        server: pair.server.mode.clone(),
        policy: pair.policy.blocks.clone(),
    }
}
