//! Answers for one client after another: what they have in common is made once.
//!
//! A rule's policy for a port is the same for all clients that use the rule, and what comes of a service's endpoints
//! for all that send the same. What is left to do for a pair is to find its rule.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::client_tls::{self, ClusterTls, Sent, Source};
use super::conflict::{self, ClientTrust};
use super::gaps::Missing;
use super::mesh::{Mesh, Target};
use super::networks::{self, Remote};
use super::pair::{EndpointTls, PairTls, ServerSide, Status, common, overall, trust};
use super::registry::{Addressing, Endpoint, Service};
use super::rules::Choice;
use super::traffic_policy::{self, EffectivePolicy};
use super::unread::Answered;
use super::workload::Workload;
use crate::model::{Labels, Text};

/// Makes answers and keeps what the next one may need.
#[derive(Debug)]
pub struct Answers<'a> {
    mesh: &'a Mesh,
    /// The mesh with the other order of ages.
    other: Option<Box<Self>>,
    /// The meshes of other control planes, by their address.
    of_revisions: FxHashMap<usize, Self>,
    /// By the address of the choice's list of rules, which is held so that the address stays its own.
    policies: FxHashMap<PolicyOf, (Option<Choice>, Arc<EffectivePolicy>)>,
    /// The service that the ends are of, by its address in the mesh, and the ends.
    service: usize,
    ends: Vec<(EndsOf, Ends)>,
}

/// What decides on a rule's policy: the list of rules, the port and the subset.
type PolicyOf = (usize, u16, Option<Text>);

/// What decides on what comes of a service's endpoints.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EndsOf {
    port: u16,
    /// Those of the subset.
    labels: Option<Labels>,
    /// What the client, or the waypoint between, sends.
    sending: ClusterTls,
    /// Whether there is a waypoint between of which no pod was read.
    waypoint_not_read: bool,
    /// The client's network, where some endpoints may be on another one.
    network: Option<Text>,
    /// The names that a rule wants in the server's certificate; empty where it names none.
    accepted: Vec<String>,
    trust: ClientTrust,
}

/// What comes of a service's endpoints.
#[derive(Debug, Clone)]
struct Ends {
    all: Arc<[EndpointTls]>,
    /// Those on another network that its gateway does not take.
    dropped: Arc<[EndpointTls]>,
    outcome: Outcome,
}

/// What comes of a service's endpoints all in all.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) server: Arc<ServerSide>,
    /// The server's mode, to share.
    pub(super) mode: Text,
    pub(super) effective: Option<Sent>,
    pub(super) status: Status,
    pub(super) symptom: Option<&'static str>,
    /// Whether anything goes through a tunnel.
    tunnelled: bool,
    /// What is missing to say what the service demands, or which of its endpoints the client has.
    pub(super) unsettled: Option<Missing>,
}

/// Outcomes of a host that were met, by the address of the service in the registry.
pub(super) type Outcomes = Vec<(usize, EndsOf, Outcome)>;

/// What a client does about a port before anything is known of the endpoints.
struct Sends {
    choice: Option<Choice>,
    policy: Arc<EffectivePolicy>,
    cluster: ClusterTls,
    of: EndsOf,
}

impl<'a> Answers<'a> {
    /// For the clients of a mesh.
    pub fn new(mesh: &'a Mesh) -> Self {
        let other = mesh.other_ages.as_ref().map(|other| Box::new(Self::new(other)));
        Self {
            mesh,
            other,
            of_revisions: FxHashMap::default(),
            policies: FxHashMap::default(),
            service: 0,
            ends: Vec::new(),
        }
    }

    /// The mesh.
    pub fn mesh(&self) -> &'a Mesh {
        self.mesh
    }

    /// The answer for a client, its rule, a port and a subset.
    pub fn pair(
        &mut self,
        client: &Workload,
        target: &Target<'_>,
        choice: Option<Choice>,
        port: u16,
        subset: Option<&str>,
    ) -> PairTls {
        let own = self.mesh.of_client(client);
        if !std::ptr::eq(own, self.mesh) {
            let answers = self.of_revisions.entry(std::ptr::from_ref(own).addr());
            let answers = answers.or_insert_with(|| Self::new(own));
            let mut pair = answers.pair(client, target, choice, port, subset);
            self.compare_control_planes(client, target, &mut pair);
            return pair;
        }
        let mut pair = self.in_order(client, target, choice, port, subset);
        self.compare_control_planes(client, target, &mut pair);
        let Some(other) = &mut self.other else { return pair };
        // Which definition of the host is the client's may depend on age as well.
        let own = other.mesh.target(client, &target.service.host);
        let target = own.as_ref().unwrap_or(target);
        let choice = other.mesh.choice(client, target);
        let second = other.in_order(client, target, choice, port, subset);
        let decides = |pair: &PairTls| (pair.status, pair.effective, pair.server.mode.clone());
        if decides(&pair) != decides(&second) && pair.status != Status::Unknown {
            let (one, two) = (self.mesh.outcome(&pair), other.mesh.outcome(&second));
            pair.undecided = Some(format!("which policy is older is not known: either {one}, or {two}"));
            (pair.status, pair.symptom) = (Status::Cond, None);
        }
        pair
    }

    /// Takes an answer back that is another one with other control planes that may be the client's.
    fn compare_control_planes(&mut self, client: &Workload, target: &Target<'_>, pair: &mut PairTls) {
        if pair.status == Status::Unknown {
            return;
        }
        let decides =
            |pair: &PairTls| (pair.status, pair.effective, pair.server.mode.clone(), pair.choice.clone());
        for mesh in self.mesh.others_of(client) {
            let Some(own) = mesh.target(client, &target.service.host) else { continue };
            let choice = mesh.choice(client, &own);
            let answers = self.of_revisions.entry(std::ptr::from_ref(mesh).addr());
            let answers = answers.or_insert_with(|| Self::new(mesh));
            let second = answers.in_order(client, &own, choice, pair.port, pair.subset.as_deref());
            if second.status != Status::Unknown && decides(&second) == decides(pair) {
                continue;
            }
            (pair.status, pair.symptom) = (Status::Unknown, None);
            pair.missing = vec![self.mesh.unknown_control_plane(client)];
            return;
        }
    }

    fn in_order(
        &mut self,
        client: &Workload,
        target: &Target<'_>,
        choice: Option<Choice>,
        port: u16,
        subset: Option<&str>,
    ) -> PairTls {
        let (mesh, service) = (self.mesh, target.service);
        let Sends { choice, policy, cluster, of } = self.sends(client, target, choice, port, subset);
        let Ends { all, dropped, outcome } = self.ends(service, &of);
        let mut missing = mesh.missing(client, target);
        let sent = all.iter().map(|endpoint| endpoint.sent).chain(outcome.effective);
        missing.extend(mesh.own_certificates(client, service, &of.sending, sent));
        missing.extend(outcome.unsettled);
        if !mesh.options.unread.is_empty() {
            let answered = Answered { mesh, client, target, port, cluster: &cluster, endpoints: &all };
            missing.extend(answered.missing());
        }
        let (mut status, mut symptom) = (outcome.status, outcome.symptom);
        if !missing.is_empty() {
            (status, symptom) = (Status::Unknown, None);
        } else if status == Status::Unknown {
            missing = mesh.unknown(service, choice.as_ref(), &of.sending, &all);
        }
        PairTls {
            assumed: mesh.assumed(service, &cluster, outcome.tunnelled),
            port,
            subset: subset.map(Text::from),
            status,
            server: outcome.server,
            choice,
            policy,
            cluster,
            effective: outcome.effective,
            endpoints: all,
            dropped,
            symptom,
            missing,
            undecided: None,
        }
    }

    /// The outcome of the same, with those that are known already; of what is missing it knows only what its endpoints
    /// leave open ([`Mesh::is_plain`]).
    pub(super) fn outcome(
        &mut self,
        client: &Workload,
        target: &Target<'_>,
        (choice, port, subset): (Option<Choice>, u16, Option<&str>),
        known: &mut Outcomes,
    ) -> (Option<Choice>, Outcome) {
        let Sends { choice, of, .. } = self.sends(client, target, choice, port, subset);
        let service = std::ptr::from_ref(target.service).addr();
        let found = known.iter().find(|(address, one, _)| *address == service && *one == of);
        if let Some((_, _, outcome)) = found {
            return (choice, outcome.clone());
        }
        let Ends { outcome, .. } = Ends::new(self.mesh, target.service, &of);
        known.push((service, of, outcome.clone()));
        (choice, outcome)
    }

    fn sends(
        &mut self,
        client: &Workload,
        target: &Target<'_>,
        choice: Option<Choice>,
        port: u16,
        subset: Option<&str>,
    ) -> Sends {
        let mesh = self.mesh;
        let choice = choice.filter(|_| target.has(port));
        let policy = self.policy(choice.as_ref(), port, subset);
        let mut cluster = mesh.cluster_tls(client, target, port, choice.as_ref(), &policy);
        cluster.tunnel = client_tls::tunnel(mesh, client, target, &cluster);
        let waypoint = mesh.waypoint_between(client, target);
        let sending =
            waypoint.as_ref().and_then(|waypoint| mesh.sent_by(waypoint, target.service, port, subset));
        let by_rule = matches!(cluster.source, Source::Rule(_));
        let accepted = if by_rule { client_tls::given_names(&policy) } else { Vec::new() };
        let of = EndsOf {
            port,
            labels: subset.and_then(|name| mesh.subset_labels(choice.as_ref(), name)),
            sending: sending.unwrap_or_else(|| cluster.clone()),
            waypoint_not_read: waypoint.is_some_and(|waypoint| waypoint.pod.is_none()),
            network: mesh.network_between(client, target),
            accepted,
            trust: trust(&policy),
        };
        Sends { choice, policy, cluster, of }
    }

    fn policy(&mut self, choice: Option<&Choice>, port: u16, subset: Option<&str>) -> Arc<EffectivePolicy> {
        let rules = choice.map_or(0, |choice| Arc::as_ptr(&choice.contributors).addr());
        let mesh = self.mesh;
        let (_, policy) = self.policies.entry((rules, port, subset.map(Text::from))).or_insert_with(|| {
            let policy = traffic_policy::effective(&mesh.rules, choice, port, subset, &mesh.config);
            (choice.cloned(), Arc::new(policy))
        });
        Arc::clone(policy)
    }

    fn ends(&mut self, service: &Service, of: &EndsOf) -> Ends {
        let address = std::ptr::from_ref(service).addr();
        if self.service != address {
            self.service = address;
            self.ends.clear();
        }
        if let Some((_, known)) = self.ends.iter().find(|(known, _)| known == of) {
            return known.clone();
        }
        let ends = Ends::new(self.mesh, service, of);
        self.ends.push((of.clone(), ends.clone()));
        ends
    }
}

impl Ends {
    fn new(mesh: &Mesh, service: &Service, of: &EndsOf) -> Self {
        let selected = service
            .endpoints(of.port)
            .iter()
            .filter(|endpoint| of.labels.as_ref().is_none_or(|labels| labels.is_subset_of(&endpoint.labels)));
        let endpoint = |endpoint: &Endpoint| {
            let mut tls = mesh.endpoint(&of.sending, (service, of.port), endpoint, of.trust);
            if of.waypoint_not_read {
                tls.depends_on_waypoint();
            }
            if tls.sent == Sent::IstioMutual && !client_tls::accepts(&of.accepted, endpoint) {
                tls.depends_on_names();
            }
            tls
        };
        let (mut all, mut dropped, mut unsure) = (Vec::new(), Vec::new(), None);
        for (one, tls) in selected.map(|one| (one, endpoint(one))) {
            match mesh.networks.is_remote(of.network.as_deref(), one) {
                Remote::Yes if !networks::stays(&tls) => dropped.push(tls),
                Remote::Unknown(missing) if !networks::stays(&tls) => {
                    unsure.get_or_insert(missing);
                    all.push(tls);
                }
                Remote::Yes | Remote::No | Remote::Unknown(_) => all.push(tls),
            }
        }
        let dropped: Arc<[EndpointTls]> = dropped.into();
        let effective = common(all.iter().map(|endpoint| endpoint.sent), client_tls::to_nobody(&of.sending));
        let unsettled = mesh.take_back_demands(service, of.port, &mut all).or(unsure);
        let all: Arc<[EndpointTls]> = all.into();
        let is_anywhere = service.is_external && service.addressing == Addressing::Original;
        let (status, symptom) = match overall(&all) {
            _ if of.sending.source == Source::Refused => (Status::Conflict, None),
            // Nothing lists the hosts outside the mesh that the client may mean (MT-5.1).
            (Status::Cond, None) if all.is_empty() && dropped.is_empty() && is_anywhere => {
                let verdict = effective.map(conflict::outside);
                verdict.map_or((Status::Cond, None), |verdict| (verdict.status, verdict.symptom))
            }
            // Nothing is left that a request could go to (MT-4.13).
            (Status::Cond, None) if all.is_empty() && dropped.iter().any(|endpoint| endpoint.ready) => {
                (Status::Conflict, Some("X7"))
            }
            other => other,
        };
        let server = Arc::new(mesh.server_side(service, of.port, &all));
        let outcome = Outcome {
            mode: server.mode.as_str().into(),
            server,
            effective,
            unsettled,
            status,
            symptom,
            tunnelled: all.iter().any(|endpoint| matches!(endpoint.sent, Sent::Hbone { .. })),
        };
        Self { all, dropped, outcome }
    }
}
