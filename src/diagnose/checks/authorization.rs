//! MS0401 to MS0414: `AuthorizationPolicies` that do something else than they say. What a policy says by itself is judged
//! by its form; what it does is judged at the workloads that enforce it. Rules are not held against requests here.

mod ambient;
mod cover;
mod denied;
mod form;
mod impossible;
mod names;
pub mod plaintext;
mod preflight;
pub mod refused;
mod remote;
mod selects;
mod tcp;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::diagnose::finding::Finding;
use crate::model::authorization_policy::{Action, AuthorizationPolicy, Condition, Values, Written};
use crate::model::pod::ProxyKind;
use crate::model::service::{PortProtocol, ServicePort, TargetPort};
use crate::model::{Kind, Object, Text};
use crate::resolve::authorize::attach::{Scope, Subject};
use crate::resolve::authorize::{address, in_mesh};
use crate::resolve::registry::EndpointsFrom;
use crate::resolve::{Flag, Mesh, Missing, Service, Workload, interception};

/// At most so many workloads are named in a message.
const NAMED: usize = 3;

/// A policy that was read, and who enforces it by its selector.
struct Policy<'a> {
    object: &'a Arc<Object>,
    body: &'a AuthorizationPolicy,
    /// The pods with a proxy or a ztunnel, by their index (S1 to S7).
    pods: Vec<(usize, &'a Workload)>,
}

/// All of them, and what their checks ask of the mesh.
struct Policies<'a> {
    mesh: &'a Mesh,
    all: Vec<Policy<'a>>,
    ports: Ports,
}

/// The findings, and what could not be told. `plain` has the pairs that are plaintext.
pub fn check(mesh: &Mesh, plain: &plaintext::Plain) -> (Vec<Finding>, BTreeSet<Missing>) {
    let policies = Policies::new(mesh);
    let mut missing = BTreeSet::new();
    if policies.all.is_empty() {
        return (Vec::new(), missing);
    }
    let mut findings = Vec::new();
    for policy in &policies.all {
        findings.extend(form::check(policy));
        findings.extend(impossible::check(policy));
        findings.extend(tcp::check(&policies, policy));
        findings.extend(remote::check(&policies, policy));
    }
    findings.extend(form::negative_only(&policies));
    findings.extend(selects::check(&policies));
    findings.extend(ambient::check(&policies));
    findings.extend(names::check(&policies, &mut missing));
    findings.extend(denied::check(&policies));
    findings.extend(preflight::check(&policies));
    findings.extend(plaintext::check(&policies, plain));
    (findings, missing)
}

impl<'a> Policies<'a> {
    fn new(mesh: &'a Mesh) -> Self {
        let objects = mesh.snapshot.of_kind(&Kind::AuthorizationPolicy);
        let read = objects.filter_map(|object| Some((object, object.body.authorization_policy()?)));
        let read: Vec<_> = read.collect();
        let subjects = if read.is_empty() { Vec::new() } else { subjects(mesh) };
        let of = |(object, body)| Policy { object, body, pods: enforcing(mesh, &subjects, object, body) };
        let all: Vec<_> = read.into_iter().map(of).collect();
        let ports = if all.is_empty() { Ports::default() } else { Ports::new(mesh) };
        Self { mesh, all, ports }
    }
}

/// The pods that a policy can be for: those of its namespace, and of all where it is a root namespace (S1).
fn candidates<'a>(mesh: &'a Mesh, namespace: &str) -> Vec<(usize, &'a Workload)> {
    if mesh.is_a_root(namespace) {
        mesh.workloads.all().iter().enumerate().collect()
    } else {
        let own = mesh.workloads.in_namespace(namespace).iter();
        own.filter_map(|at| Some((*at, mesh.workloads.get(*at)?))).collect()
    }
}

/// What decides which policies are for each of the pods; `None` where nothing enforces any, or it is not known what.
fn subjects(mesh: &Mesh) -> Vec<Option<Subject>> {
    let mut roots: BTreeMap<&str, Text> = BTreeMap::new();
    let mut subject = |pod: &Workload| {
        let config = &mesh.of_client(pod).config;
        let root = &config.root_namespace;
        Some(Subject {
            namespace: Text::clone(&pod.namespace),
            labels: pod.labels.clone(),
            engine: in_mesh::engine(pod).filter(|_| pod.unclear.is_none())?,
            service: None,
            root_namespace: Text::clone(roots.entry(root).or_insert_with(|| root.as_str().into())),
            selectors_on_gateways: config.flags.is_on(Flag::SelectorsOnGateways),
        })
    };
    mesh.workloads.all().iter().map(&mut subject).collect()
}

/// The pods at which a policy is in force (S1 to S7). What a waypoint does for services is not among it.
fn enforcing<'a>(
    mesh: &'a Mesh,
    subjects: &[Option<Subject>],
    object: &Object,
    body: &AuthorizationPolicy,
) -> Vec<(usize, &'a Workload)> {
    let scope = Scope {
        namespace: &object.id.namespace,
        selector: &body.selector,
        has_selector: body.has_selector,
        targets: &body.targets,
    };
    let takes =
        |at: usize| subjects.get(at).and_then(Option::as_ref).is_some_and(|one| one.takes(scope).is_ok());
    let mut pods = candidates(mesh, &object.id.namespace);
    pods.retain(|(at, _)| takes(*at));
    pods
}

impl Policy<'_> {
    /// What stands behind a message about a policy that is only tried (O8).
    fn tried(&self) -> &'static str {
        if self.body.is_dry_run { "; the policy is a dry run, and refuses nothing as yet" } else { "" }
    }

    /// Whether it allows or denies, and does so in earnest.
    fn is_enforced(&self, action: &Action) -> bool {
        self.body.action == *action && !self.body.is_dry_run
    }

    /// Its pods with a sidecar.
    fn sidecars(&self) -> impl Iterator<Item = (usize, &Workload)> {
        let sidecar = |one: &&(usize, &Workload)| one.1.proxy == ProxyKind::Sidecar;
        self.pods.iter().filter(sidecar).map(|(at, pod)| (*at, *pod))
    }
}

/// Some workloads in words: the first few by name, the others counted.
fn named<'a>(pods: impl Iterator<Item = &'a Workload>) -> String {
    let names: BTreeSet<String> = pods.map(Workload::path).collect();
    let first: Vec<_> = names.iter().take(NAMED).map(String::as_str).collect();
    match names.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// The protocols of the ports that Services lead to, by pod.
#[derive(Debug, Default)]
struct Ports {
    of_pod: FxHashMap<usize, BTreeMap<u16, PortProtocol>>,
}

impl Ports {
    fn new(mesh: &Mesh) -> Self {
        let mut ports = Self::default();
        for service in mesh.registry.services().filter(|service| !service.is_external) {
            for port in service.ports().iter().filter(|port| port.tcp) {
                for endpoint in service.endpoints(port.number) {
                    if let Some(at) = endpoint.workload {
                        ports.add(mesh, at, endpoint.port, port);
                    }
                }
                // Where no slice was read those that are not ready are no endpoints, and have the port nevertheless.
                if service.endpoints_from == EndpointsFrom::Selector {
                    ports.add_selected(mesh, service, port);
                }
            }
        }
        ports
    }

    fn add_selected(&mut self, mesh: &Mesh, service: &Service, port: &ServicePort) {
        let selector = service.object.body.service().and_then(|body| body.selector.as_ref());
        let Some(selector) = selector.filter(|selector| !selector.is_empty()) else { return };
        for at in mesh.workloads.in_namespace(&service.namespace) {
            let Some(pod) = mesh.workloads.get(*at).filter(|pod| !pod.is_ready()) else { continue };
            let target = match &port.target {
                TargetPort::Number(number) => Some(*number),
                TargetPort::Name(name) => {
                    let mut ports = pod.body().into_iter().flat_map(|body| &body.ports);
                    ports.find(|(known, _)| known == name).map(|(_, number)| *number)
                }
            };
            if let Some(target) = target.filter(|_| selector.is_subset_of(&pod.labels)) {
                self.add(mesh, *at, target, port);
            }
        }
    }

    fn add(&mut self, mesh: &Mesh, at: usize, number: u16, port: &ServicePort) {
        let Some(pod) = mesh.workloads.get(at) else { return };
        if interception::is_inbound_excluded(pod, number) {
            return;
        }
        let own = mesh.of_client(pod).scopes.ingress_protocol(pod, number);
        let protocol = own.unwrap_or_else(|| port.protocol());
        let known = self.of_pod.entry(at).or_default().entry(number);
        // Services that differ about a port leave it open which of them counts.
        let differ = |one: &mut PortProtocol| {
            if *one != protocol {
                *one = PortProtocol::Auto;
            }
        };
        known.and_modify(differ).or_insert(protocol);
    }

    /// The ports of a pod and what they are declared as, so far as Services tell.
    fn of(&self, pod: usize) -> impl Iterator<Item = (u16, PortProtocol)> {
        self.of_pod.get(&pod).into_iter().flatten().map(|(port, protocol)| (*port, *protocol))
    }

    /// What a port of a pod is declared as.
    fn protocol(&self, pod: usize, port: u16) -> Option<PortProtocol> {
        self.of_pod.get(&pod)?.get(&port).copied()
    }
}

/// Which ports an operation is for, together with the conditions of its rule (S10).
struct PortFilter {
    /// Each list names the ports that pass; all lists count.
    only: Vec<Vec<u16>>,
    not: Vec<u16>,
}

impl PortFilter {
    fn new(operation: &[Values], when: &[Condition]) -> Self {
        let numbers = |values: &[Text]| values.iter().filter_map(|one| address::port(one)).collect();
        let of = |field: &'static str| operation.iter().filter(move |one| &*one.field == field);
        let by_condition = || when.iter().filter(|one| one.key == "destination.port");
        let mut only: Vec<Vec<u16>> = of("ports").map(|one| numbers(&one.values)).collect();
        only.extend(by_condition().filter(|one| !one.values.is_empty()).map(|one| numbers(&one.values)));
        let not = of("notPorts").map(|one| &one.values).chain(by_condition().map(|one| &one.not_values));
        Self { only, not: not.flat_map(|values| numbers(values)).collect() }
    }

    /// Whether a port passes.
    fn takes(&self, port: u16) -> bool {
        !self.not.contains(&port) && self.only.iter().all(|list| list.contains(&port))
    }

    /// The ports that it names, where it names any.
    fn named(&self) -> Option<impl Iterator<Item = u16>> {
        let first = self.only.first()?;
        Some(first.iter().copied().filter(|port| self.takes(*port)))
    }
}

/// The fields of a rule, each with its place.
fn fields(at: usize, written: &Written) -> Vec<(String, &Values)> {
    let from = written.from.iter().enumerate().flat_map(move |(from, source)| {
        source.iter().map(move |one| (format!("spec.rules[{at}].from[{from}].source.{}", one.field), one))
    });
    let to = written.to.iter().enumerate().flat_map(move |(to, operation)| {
        operation.iter().map(move |one| (format!("spec.rules[{at}].to[{to}].operation.{}", one.field), one))
    });
    from.chain(to).collect()
}

/// The place of a condition's values: of the positive ones, where there are any.
fn place_of(at: usize, number: usize, condition: &Condition) -> String {
    let list = if condition.values.is_empty() { "notValues" } else { "values" };
    format!("spec.rules[{at}].when[{number}].{list}")
}

#[cfg(test)]
mod tests;
