//! `authz check`: requests to a workload or a service of the mesh.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::decision::{AuthzDecision, word};
use super::requests::Asked;
use crate::model::service::PortProtocol;
use crate::resolve::ambient::Waypoint;
use crate::resolve::authorize::attach::Engine;
use crate::resolve::authorize::decision::{Decision, Outcome};
use crate::resolve::authorize::evaluator::{Evaluator, Protocol};
use crate::resolve::authorize::in_mesh;
use crate::resolve::authorize::request::Request;
use crate::resolve::{Mesh, Service, Workload};

/// To whom the requests go.
#[derive(Debug, Clone)]
pub enum To {
    /// Pods of one workload, and a port of theirs.
    Pods(Vec<usize>, Option<u16>),
    /// A service by its host, and a port of it.
    Service(String, Option<u16>),
}

/// One of the proxies that may be asked.
struct Guard {
    evaluator: Option<Evaluator>,
    /// The pod, where it is one.
    pod: Option<usize>,
    port: Option<u16>,
    protocol: Option<Protocol>,
    name: String,
}

/// The requests' answers, in their order.
pub fn check(mesh: &Mesh, to: &To, engine: Option<Engine>, asked: &[Asked]) -> Vec<AuthzDecision> {
    let (before, guards) = match to {
        To::Pods(pods, port) => (None, guards(mesh, &pods.iter().map(|pod| (*pod, *port)).collect(), engine)),
        To::Service(host, port) => of_service(mesh, host, *port, engine),
    };
    asked.iter().map(|one| answer(mesh, before.as_ref(), &guards, one)).collect()
}

/// A waypoint, and what stands for it.
type Before = (Waypoint, Guard);

fn answer(mesh: &Mesh, before: Option<&Before>, guards: &[Guard], asked: &Asked) -> AuthzDecision {
    let mut request = asked.request.clone();
    let mut assumed = Vec::new();
    let engine = guards.iter().find_map(|guard| guard.evaluator.as_ref());
    let engine = engine.map(|evaluator| evaluator.policies.subject.engine);
    if let Some((waypoint, guard)) = before {
        assumed
            .push(format!("the client sends through the waypoint {}/{}", waypoint.namespace, waypoint.name));
        let decision = guard.decide(mesh, &request, asked.protocol);
        if decision.outcome != Outcome::Allow || guards.is_empty() {
            return named(asked, &decision, Some(Engine::Waypoint), assumed);
        }
        // Behind it only its own identity is seen (S8), and the connection is its own.
        request.peer = in_mesh::waypoint_peer(mesh, waypoint);
        (request.source_ip, request.remote_ip, request.sni) = (None, None, None);
        let behind = all(mesh, guards, &request, asked.protocol);
        return match behind.outcome {
            Outcome::Allow => named(asked, &decision, Some(Engine::Waypoint), assumed),
            Outcome::Deny | Outcome::Unknown => named(asked, &behind, engine, assumed),
        };
    }
    named(asked, &all(mesh, guards, &request, asked.protocol), engine, assumed)
}

fn named(asked: &Asked, decision: &Decision, engine: Option<Engine>, assumed: Vec<String>) -> AuthzDecision {
    let mut answer = AuthzDecision::new(decision, engine.unwrap_or(Engine::Sidecar), true);
    if engine.is_none() {
        answer.engine = "none";
    }
    (answer.id, answer.assumed) = (asked.id.clone(), assumed);
    answer
}

/// What all proxies that may be asked come to.
fn all(mesh: &Mesh, guards: &[Guard], request: &Request, protocol: Option<Protocol>) -> Decision {
    let mut decisions = guards.iter().map(|guard| (guard, guard.decide(mesh, request, protocol)));
    let Some((first, mut decision)) = decisions.next() else {
        let mut open = Decision::open();
        open.missing.insert("an endpoint of the service".to_owned());
        return open;
    };
    for (guard, other) in decisions {
        if other.outcome != decision.outcome || other.decided_by != decision.decided_by {
            let differ = format!(
                "which pod answers: {} comes to {}, {} to {}",
                first.name,
                word(decision.outcome),
                guard.name,
                word(other.outcome)
            );
            (decision.outcome, decision.decided_by, decision.status) = (Outcome::Unknown, None, None);
            decision.missing.insert(differ);
            return decision;
        }
    }
    decision
}

impl Guard {
    fn decide(&self, mesh: &Mesh, request: &Request, protocol: Option<Protocol>) -> Decision {
        let Some(evaluator) = &self.evaluator else {
            // Nobody reads any policy there.
            return Decision { outcome: Outcome::Allow, ..Decision::open() };
        };
        let mut request = request.clone();
        request.port = request.port.or(self.port);
        let address = self.pod.and_then(|pod| mesh.workloads.get(pod)).and_then(Workload::address);
        let address = address.and_then(|address| address.parse::<IpAddr>().ok());
        request.destination_ip = request.destination_ip.or(address);
        // What is asked about is HTTP unless somebody says otherwise.
        let of_port =
            || self.pod.zip(request.port).and_then(|(pod, port)| in_mesh::protocol(mesh, pod, port));
        let protocol = protocol.or(self.protocol).or_else(of_port).unwrap_or(Protocol::Http);
        evaluator.decide(protocol, &request)
    }
}

/// Pods, each with the port that is asked.
type Targets = BTreeSet<(usize, Option<u16>)>;

/// The proxies of pods: of those that no policy can tell apart, one. Which address is asked is known only of a single pod.
fn guards(mesh: &Mesh, targets: &Targets, engine: Option<Engine>) -> Vec<Guard> {
    let is_alone = targets.len() == 1;
    let mut seen = BTreeSet::new();
    let workloads = targets.iter().filter_map(|(at, port)| Some((*at, *port, mesh.workloads.get(*at)?)));
    let distinct = workloads.filter(|(_, port, workload)| {
        seen.insert((&workload.namespace, &workload.labels, workload.proxy, &workload.revision, *port))
    });
    let guard = |(at, port, workload): (usize, Option<u16>, &Workload)| Guard {
        evaluator: in_mesh::evaluator(mesh, workload, engine, None),
        pod: Some(at).filter(|_| is_alone),
        port,
        protocol: port.and_then(|port| in_mesh::protocol(mesh, at, port)),
        name: workload.pod.as_deref().map_or_else(|| workload.path(), str::to_owned),
    };
    distinct.map(guard).collect()
}

/// The proxies behind a service: its waypoint, if it has one, and those of its endpoints.
fn of_service(
    mesh: &Mesh,
    host: &str,
    port: Option<u16>,
    engine: Option<Engine>,
) -> (Option<Before>, Vec<Guard>) {
    let Some(service) = mesh.registry.by_host(host) else { return (None, Vec::new()) };
    // Where there is but one port, it is the one that is meant.
    let port = port.or(if let [only] = service.ports() { Some(only.number) } else { None });
    let declared = port.and_then(|port| service.port(port)).map(crate::model::service::ServicePort::protocol);
    let protocol = match declared {
        Some(PortProtocol::Http) => Some(Protocol::Http),
        Some(PortProtocol::Tcp) => Some(Protocol::Tcp),
        Some(PortProtocol::Auto) | None => None,
    };
    let waypoint =
        mesh.ambient.waypoint_of(service).filter(|_| matches!(engine, None | Some(Engine::Waypoint)));
    let before = waypoint.map(|waypoint| {
        let evaluator = Some(in_mesh::of_waypoint(mesh, &waypoint, service));
        let name = format!("waypoint {}/{}", waypoint.namespace, waypoint.name);
        // A waypoint sees the port of the service (S10).
        (waypoint, Guard { evaluator, pod: None, port, protocol, name })
    });
    if before.is_some() && engine.is_some() {
        return (before, Vec::new());
    }
    let guards = guards(mesh, &endpoints(service, port), engine);
    (
        before,
        guards.into_iter().map(|guard| Guard { protocol: protocol.or(guard.protocol), ..guard }).collect(),
    )
}

/// The pods behind a service, and the port of each that is asked.
fn endpoints(service: &Service, port: Option<u16>) -> Targets {
    match port {
        Some(port) => {
            let of_port = service.endpoints(port).iter();
            of_port.filter_map(|endpoint| Some((endpoint.workload?, Some(endpoint.port)))).collect()
        }
        None => service.all_endpoints().filter_map(|endpoint| Some((endpoint.workload?, None))).collect(),
    }
}
