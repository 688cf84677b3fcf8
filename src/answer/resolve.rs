//! `resolve`: which `DestinationRule` a client uses for a service, and why every other one is not it.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::common::{API_VERSION, MissingRef, ObjectRef, WorkloadRef};
use crate::model::Origin;
use crate::model::destination_rule::TlsMode;
use crate::model::pod::ProxyKind;
use crate::resolve::candidates::{self, Which};
use crate::resolve::{Answers, Choice, Mesh, PairTls, Target, Workload};

/// The answer for one client and service.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    /// [`super::common::API_VERSION`].
    pub api_version: &'static str,
    /// `Resolution`.
    pub kind: &'static str,
    /// The client.
    pub client: WorkloadRef,
    /// The host.
    pub host: String,
    /// The namespace that owns the service; `null` where it is out of scope.
    pub service_namespace: Option<String>,
    /// The rule in force.
    pub rule: Option<ObjectRef>,
    /// `client`, `service`, `root`.
    pub level: Option<String>,
    /// All rules merged into it, the primary first.
    pub contributors: Vec<Contributor>,
    /// Names of its subsets, in order.
    pub subsets: Vec<String>,
    /// Each port without subset and with each.
    pub ports: Vec<Port>,
    /// Every rule that could be it, and what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<Vec<Candidate>>,
    /// What was taken for granted.
    pub assumed: Vec<String>,
    /// What is missing; the answer is `UNKNOWN` then.
    pub missing: Vec<MissingRef>,
}

/// A list of answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolutionList {
    /// [`super::common::API_VERSION`].
    pub api_version: &'static str,
    /// `ResolutionList`.
    pub kind: &'static str,
    /// The answers.
    pub items: Vec<Resolution>,
}

/// A rule that gave something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contributor {
    /// The rule.
    #[serde(flatten)]
    pub rule: ObjectRef,
    /// What is in force of it: `trafficPolicy`, `subset NAME`.
    pub parts: Vec<String>,
    /// What is not: subsets whose name was taken, a traffic policy that came too late.
    pub dropped: Vec<String>,
}

/// A port and subset.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// The service port.
    pub port: u16,
    /// The subset.
    pub subset: Option<String>,
    /// The blocks in force.
    pub traffic_policy: Map<String, Value>,
    /// The TLS of it.
    pub tls: PortTls,
}

/// TLS of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PortTls {
    /// As declared; `UNSET` without a `tls` block.
    pub mode: String,
    /// Where it comes from.
    pub source: String,
}

/// A rule and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The rule.
    pub rule: ObjectRef,
    /// Its host as written.
    pub host: String,
    /// Its host made whole.
    pub normalised_host: String,
    /// What became of it.
    pub outcome: String,
    /// Why.
    pub reason: String,
    /// What would have to be otherwise.
    pub would_win_if: Option<String>,
    /// Where it was read.
    pub origin: Origin,
}

/// The answer for a client and a service. `which` rules to explain; `None` for no candidates.
pub fn resolution(
    mesh: &Mesh,
    client: &Workload,
    target: &Target<'_>,
    port: Option<u16>,
    which: Option<Which>,
) -> Resolution {
    let service = target.service;
    let choice = mesh.choice(client, target);
    let in_scope = target.is_in_scope();
    let rule = choice.as_ref().and_then(|choice| mesh.rules.get(choice.primary));
    let subsets = mesh.subsets(choice.as_ref());
    let candidates = which.map(|which| candidates::candidates(mesh, client, target, which));
    Resolution {
        api_version: API_VERSION,
        kind: "Resolution",
        client: WorkloadRef::pod(client),
        host: service.host.to_string(),
        service_namespace: in_scope.then(|| service.namespace.to_string()),
        rule: rule.map(|rule| ObjectRef::of(&rule.object.id)),
        level: choice.as_ref().map(|choice| choice.level.word().to_owned()),
        contributors: contributors(mesh, choice.as_ref()),
        subsets: subsets.iter().map(ToString::to_string).collect(),
        ports: if in_scope { ports(mesh, client, target, port) } else { Vec::new() },
        candidates: candidates.map(|all| all.into_iter().map(Candidate::from).collect()),
        assumed: mesh.workloads.assumed().iter().map(|text| (*text).to_owned()).collect(),
        missing: mesh.missing(client, target).iter().map(MissingRef::from).collect(),
    }
}

/// The list for all clients with a proxy and all services, or those asked for.
pub fn list(
    mesh: &Mesh,
    clients: Option<&[usize]>,
    host: Option<&str>,
    port: Option<u16>,
    which: Option<Which>,
    mut each: impl FnMut(Resolution) -> std::ops::ControlFlow<()>,
) {
    let all = mesh.workloads.all().iter().enumerate();
    let asked = all.filter(|(at, workload)| match clients {
        Some(clients) => clients.contains(at),
        None => workload.proxy != ProxyKind::None,
    });
    for (_, client) in asked {
        for one in mesh.registry.hosts().filter(|one| host.is_none_or(|host| *host == ***one)) {
            let Some(target) = mesh.target(client, one) else { continue };
            if each(resolution(mesh, client, &target, port, which)).is_break() {
                return;
            }
        }
    }
}

fn contributors(mesh: &Mesh, choice: Option<&Choice>) -> Vec<Contributor> {
    let all = choice.map(|choice| choice.contributors.as_slice()).unwrap_or_default();
    let known = all.iter().filter_map(|one| Some((one, mesh.rules.get(one.rule)?)));
    known
        .map(|(one, rule)| {
            let subset = |name: &crate::model::Text| format!("subset {name}");
            let has_policy = rule.body().is_some_and(|body| body.traffic_policy.is_some());
            let policy = || "trafficPolicy".to_owned();
            let gives = one.gives_policy.then(policy);
            let drops = (has_policy && !one.gives_policy).then(policy);
            Contributor {
                rule: ObjectRef::of(&rule.object.id),
                parts: gives.into_iter().chain(one.subsets.iter().map(subset)).collect(),
                dropped: drops.into_iter().chain(one.dropped.iter().map(subset)).collect(),
            }
        })
        .collect()
}

fn ports(mesh: &Mesh, client: &Workload, target: &Target<'_>, port: Option<u16>) -> Vec<Port> {
    let pairs = super::tls_check::pairs(&mut Answers::new(mesh), client, target, port);
    let pairs = pairs.into_iter().filter(|tls| target.has(tls.port));
    let port = |tls: PairTls| Port {
        port: tls.port,
        subset: tls.subset.as_deref().map(str::to_owned),
        tls: PortTls {
            mode: tls.cluster.declared.as_ref().map_or("UNSET", TlsMode::word).to_owned(),
            source: tls.cluster.source.word().to_owned(),
        },
        traffic_policy: Arc::unwrap_or_clone(tls.policy).blocks,
    };
    pairs.map(port).collect()
}

impl From<candidates::Candidate> for Candidate {
    fn from(candidate: candidates::Candidate) -> Self {
        Self {
            rule: ObjectRef::of(&candidate.object.id),
            host: candidate.host.to_string(),
            normalised_host: candidate.normalised_host.to_string(),
            outcome: candidate.outcome.word().to_owned(),
            reason: candidate.reason,
            would_win_if: candidate.would_win_if,
            origin: candidate.object.origin.clone(),
        }
    }
}
