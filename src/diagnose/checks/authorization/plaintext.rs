//! MS0404: a rule that asks for an identity, at a workload that some clients reach in plaintext, which has none (I1). What
//! is sent is what the pairs of the mesh say; a client that nobody knows to call is not taken for one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Policies, Policy};
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{ClientName, Edge, Edges, Finding};
use crate::diagnose::judge::Judged;
use crate::model::authorization_policy::{AccessRule, Action, AsksIdentity, Peer};
use crate::model::peer_authentication::MtlsMode;
use crate::model::service::PortProtocol;
use crate::model::{Kind, Text};
use crate::resolve::authorization::{self, Asks};
use crate::resolve::authorize::pattern::Glob;
use crate::resolve::client_tls::Sent;
use crate::resolve::conflict::Server;
use crate::resolve::{Mesh, Status};

/// The pods whose policies ask for an identity.
#[derive(Debug, Default)]
pub struct Asking(FxHashSet<usize>);

impl Asking {
    /// Those of a mesh.
    pub fn new(mesh: &Mesh) -> Self {
        let mut asking = FxHashSet::default();
        let mut subjects = None;
        for object in mesh.snapshot.of_kind(&Kind::AuthorizationPolicy) {
            let Some(body) = object.body.authorization_policy() else { continue };
            if body.rules.iter().any(|rule| rule.identity == AsksIdentity::Always) {
                let subjects = subjects.get_or_insert_with(|| super::subjects(mesh));
                asking.extend(super::enforcing(mesh, subjects, object, body).into_iter().map(|(at, _)| at));
            }
        }
        Self(asking)
    }
}

/// The pods, each with its port, that a pair reaches.
type Reached = Vec<(usize, u16)>;

/// The pairs that reach such pods in plaintext. Those that reach the same ones are held together, since most endpoints of
/// a service get the same.
#[derive(Debug, Default)]
pub struct Plain {
    found: BTreeMap<Reached, Edges>,
}

impl Plain {
    /// Looks at a pair.
    pub fn add(&mut self, judged: &Judged<'_>, asking: &Asking) {
        let tls = judged.tls;
        if asking.0.is_empty() || tls.status == Status::Unknown || tls.undecided.is_some() {
            return;
        }
        let lets_in = |server: &Server| match server {
            Server::Sidecar(mode) | Server::Ambient(mode) => {
                matches!(mode, MtlsMode::Permissive | MtlsMode::Disable)
            }
            Server::NoProxy
            | Server::PastProxy
            | Server::OwnListeners
            | Server::Outside
            | Server::Unknown => false,
        };
        let plain = tls.reachable().filter(|endpoint| endpoint.sent == Sent::Plaintext);
        let reached = plain.filter_map(|endpoint| {
            let at = endpoint.workload.filter(|at| asking.0.contains(at) && lets_in(&endpoint.server))?;
            Some((at, endpoint.port))
        });
        let mut reached: Reached = reached.collect();
        if !reached.is_empty() {
            reached.sort_unstable();
            reached.dedup();
            let edges = self.found.entry(reached).or_default();
            edges.add(&judged.clients(), &judged.service.host, tls.port, tls.subset.as_ref());
        }
    }

    /// Takes over what was found of later hosts.
    pub fn absorb(&mut self, later: Self) {
        for (key, edges) in later.found {
            self.found.entry(key).or_default().absorb(edges);
        }
    }
}

/// The findings, one a policy.
pub(super) fn check(policies: &Policies<'_>, plain: &Plain) -> Vec<Finding> {
    if plain.found.is_empty() {
        return Vec::new();
    }
    let reached = ByPod::new(plain);
    let refused = refused(policies, &reached);
    let accounts = accounts(policies.mesh);
    let of_policy = |policy: &Policy<'_>| match policy.body.action {
        Action::Allow if !policy.body.is_dry_run => refused_by_allow(policy, &reached, &refused),
        Action::Deny if !policy.body.is_dry_run => missed_by_deny(policy, &reached, &accounts),
        Action::Allow | Action::Deny | Action::Audit | Action::Custom | Action::Other(_) => None,
    };
    policies.all.iter().filter_map(of_policy).collect()
}

/// The pairs in plaintext, and which of them reach a pod.
struct ByPod<'a> {
    edges: Vec<&'a Edges>,
    /// The ports of a pod and the number of the pairs.
    pods: BTreeMap<usize, Vec<(u16, usize)>>,
}

impl<'a> ByPod<'a> {
    fn new(plain: &'a Plain) -> Self {
        let mut pods: BTreeMap<usize, Vec<(u16, usize)>> = BTreeMap::new();
        for (number, reached) in plain.found.keys().enumerate() {
            for (at, port) in reached {
                pods.entry(*at).or_default().push((*port, number));
            }
        }
        Self { edges: plain.found.values().collect(), pods }
    }

    /// The pairs that reach the pods of a policy at ports that count, each once.
    fn of_policy(&self, policy: &Policy<'_>, counts: impl Fn(usize, u16) -> bool) -> Vec<&'a Edges> {
        let of_pods = policy.pods.iter().filter_map(|(at, _)| Some((*at, self.pods.get(at)?)));
        let counting =
            of_pods.flat_map(|(at, ports)| ports.iter().map(move |(port, number)| (at, *port, *number)));
        let numbers: BTreeSet<usize> =
            counting.filter(|(at, port, _)| counts(*at, *port)).map(|(_, _, number)| number).collect();
        numbers.into_iter().filter_map(|number| self.edges.get(number).copied()).collect()
    }
}

/// The place of the identity that a rule asks for.
fn place(at: usize, rule: &AccessRule) -> String {
    let fields = ["principals", "namespaces", "serviceAccounts", "trustDomains"];
    let sources = rule.written.from.iter().enumerate();
    let mut named = sources.flat_map(|(from, source)| {
        let asks = source.iter().filter(|one| fields.contains(&&*one.field));
        asks.map(move |one| format!("spec.rules[{at}].from[{from}].source.{}", one.field))
    });
    let keys = ["source.principal", "source.namespace", "source.serviceAccount", "source.trustDomain"];
    let mut conditions = rule.written.when.iter().enumerate();
    let condition = conditions.find(|(_, one)| keys.contains(&&*one.key) && !one.values.is_empty());
    condition
        .map(|(number, _)| format!("spec.rules[{at}].when[{number}].values"))
        .or_else(|| named.next())
        .unwrap_or_else(|| format!("spec.rules[{at}]"))
}

/// The ports of pods at which every rule of every ALLOW policy asks for an identity.
fn refused(policies: &Policies<'_>, reached: &ByPod<'_>) -> BTreeSet<(usize, u16)> {
    let mut refused = BTreeSet::new();
    for (at, ports) in &reached.pods {
        let Some(pod) = policies.mesh.workloads.get(*at) else { continue };
        let allowing = authorization::allowing(policies.mesh, pod);
        let always = |is_http: bool| allowing.asks(is_http) == Asks::AlwaysIdentity;
        for (port, _) in ports {
            let all = match policies.ports.protocol(*at, *port) {
                Some(PortProtocol::Http) => always(true),
                Some(PortProtocol::Tcp) => always(false),
                Some(PortProtocol::Auto) | None => always(true) && always(false),
            };
            if all {
                refused.insert((*at, *port));
            }
        }
    }
    refused
}

fn refused_by_allow(
    policy: &Policy<'_>,
    of_pods: &ByPod<'_>,
    refused: &BTreeSet<(usize, u16)>,
) -> Option<Finding> {
    let mut rules = policy.body.rules.iter().enumerate();
    let (at, rule) = rules.find(|(_, rule)| rule.identity == AsksIdentity::Always)?;
    let mut all = Edges::default();
    for edges in of_pods.of_policy(policy, |pod, port| refused.contains(&(pod, port))) {
        all.absorb(edges.clone());
    }
    let first = all.iter().next()?;
    let place = place(at, rule);
    let message = format!(
        "{} ({place}) asks for an identity, which plaintext does not have, and {} in plaintext: no ALLOW rule lets that \
         in",
        policy.object.id,
        reached(&first, all.len())
    );
    let counted = "met by mutual TLS only";
    let mut finding = Finding::of_field(Code::PrincipalWithoutMtls, policy.object, &place, counted, message);
    finding.edges = all;
    Some(finding)
}

fn reached(first: &Edge, all: usize) -> String {
    let (namespace, name, _) = &first.client;
    let more = if all > 1 { format!(" (and {} more pairs)", all - 1) } else { String::new() };
    format!("{namespace}/{name} calls {}:{}{more}", first.host, first.port)
}

/// The service accounts of workloads that have one only.
fn accounts(mesh: &Mesh) -> FxHashMap<ClientName, Text> {
    let mut accounts: FxHashMap<ClientName, Option<Text>> = FxHashMap::default();
    for pod in mesh.workloads.all() {
        let name = (Arc::clone(&pod.namespace), Arc::clone(&pod.name), Arc::clone(&pod.kind));
        let own = pod.body().map(|body| Arc::clone(&body.service_account));
        let known = accounts.entry(name).or_insert_with(|| own.clone());
        if *known != own {
            *known = None;
        }
    }
    accounts.into_iter().filter_map(|(name, account)| Some((name, account?))).collect()
}

/// Whether a rule names a client by its identity alone.
fn names(peer: &Peer, namespace: &str, account: &str, policy: &str) -> bool {
    match peer {
        Peer::Principal(value) => super::cover::identity(value) == Some((namespace, account)),
        Peer::Namespace(value) => value != "*" && Glob::new(value).fits(namespace),
        Peer::ServiceAccount(value) => super::cover::account(value, policy) == (namespace, account),
    }
}

/// Clients that a rule denies by their identity, and that send none.
fn missed_by_deny(
    policy: &Policy<'_>,
    of_pods: &ByPod<'_>,
    accounts: &FxHashMap<ClientName, Text>,
) -> Option<Finding> {
    let mut rules =
        policy.body.rules.iter().enumerate().filter(|(_, rule)| rule.identity == AsksIdentity::Always);
    rules.find_map(|(at, rule)| {
        let namespace = &policy.object.id.namespace;
        let is_named = |edge: &Edge| {
            accounts.get(&edge.client).is_some_and(|account| {
                rule.peers.iter().any(|peer| names(peer, &edge.client.0, account, namespace))
            })
        };
        let reaching = of_pods.of_policy(policy, |_, _| true);
        let missed: Edges = reaching.into_iter().flat_map(Edges::iter).filter(is_named).collect();
        let first = missed.iter().next()?;
        let place = place(at, rule);
        let message = format!(
            "{} ({place}) denies by an identity, which plaintext does not have, and {} in plaintext: the rule does not \
             match it",
            policy.object.id,
            reached(&first, missed.len())
        );
        let counted = "not met by plaintext";
        let mut finding = Finding::of_field(Code::PrincipalWithoutMtls, policy.object, &place, counted, message);
        finding.edges = missed;
        Some(finding)
    })
}
