//! `authz explain`: why the request of a log line was let in or refused. What the proxy itself wrote counts first; the
//! rest is evaluated on what the line tells, and what it does not tell is said.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::check::{self, To};
use super::decision::{AuthzDecision, StepRef};
use super::requests::Asked;
use crate::answer::Read;
use crate::answer::check::OwnerRef;
use crate::answer::common::ObjectRef;
use crate::correlate::line_request::{self, Ruling};
use crate::correlate::locate::workload_of;
use crate::logs::{
    AccessLine, AnyLine, GroupIndex, Limits, PodOf, Reporter, SourceName, UpstreamCluster, Watch,
    ZtunnelLine, value,
};
use crate::model::{Kind, Object, ObjectId, Origin};
use crate::resolve::Mesh;
use crate::resolve::authorize::attach::Engine;
use crate::resolve::authorize::decision::{Decision, Outcome, Passing};
use crate::resolve::authorize::evaluator::{Evaluator, Protocol};
use crate::resolve::authorize::in_mesh;
use crate::resolve::authorize::request::{Peer, Request};
use crate::resolve::authorize::rule::Rule;
use crate::resolve::authorize::truth::Truth;
use crate::resolve::authorize::ztunnel::NONE_ALLOWED;

mod message;
mod named;

/// The explanation of a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The decision, of which `steps` has the rules that tell.
    #[serde(flatten)]
    pub decision: AuthzDecision,
    /// The line.
    pub line: String,
    /// What it rests on.
    pub basis: Basis,
    /// The policy that decided, where it was read.
    pub policy: Option<PolicyRef>,
}

/// What an explanation rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Basis {
    /// What the line itself says.
    pub line: Vec<String>,
    /// What was evaluated.
    pub evaluated: Vec<String>,
}

/// A rule, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRef {
    /// The policy.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The number of the rule.
    pub rule: Option<usize>,
    /// What the rule asks, in short.
    pub text: Option<String>,
    /// Where the policy was read.
    pub origin: Origin,
    /// The label that says who made it.
    pub owner: Option<OwnerRef>,
}

/// The explanations of several lines.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanations {
    /// [`crate::answer::common::API_VERSION`].
    pub api_version: &'static str,
    /// `AuthzExplanations`.
    pub kind: &'static str,
    /// One a line that could be read.
    pub decisions: Vec<Explanation>,
    /// How many lines were neither access lines nor messages about policies.
    pub other: u64,
}

/// Explains lines, each by itself.
pub fn explain(read: &Read, lines: &[Vec<u8>]) -> Explanations {
    let mesh = &read.mesh;
    let mut all = Explanations {
        api_version: crate::answer::common::API_VERSION,
        kind: "AuthzExplanations",
        decisions: Vec::new(),
        other: 0,
    };
    for line in lines.iter().filter(|line| !line.trim_ascii().is_empty()) {
        let own = Arc::new(One { mesh: Arc::clone(mesh), found: Mutex::default() });
        let watch: Arc<dyn Watch> = Arc::<One>::clone(&own);
        let mut logs = read.logs.empty_like(Limits { joins: 0, ..Limits::default() });
        logs.set_watch(Some(watch));
        let source = logs.add_source(SourceName { file: "-".into(), pod: None });
        logs.add_line(source, 1, line);
        let found = own.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        match found.or_else(|| message::explain(mesh, &text)) {
            Some(mut explanation) => {
                explanation.line = text;
                all.decisions.push(explanation);
            }
            None => all.other += 1,
        }
    }
    all
}

/// Takes up the line that is read.
#[derive(Debug)]
struct One {
    mesh: Arc<Mesh>,
    found: Mutex<Option<Explanation>>,
}

impl Watch for One {
    fn line(&self, _source: &SourceName, _number: u64, _bytes: &[u8]) {}

    fn access(&self, line: AnyLine<'_>, pod: &PodOf, _group: Option<GroupIndex>) {
        let explained = match line {
            AnyLine::Envoy(line) => of_envoy(&self.mesh, line, pod),
            AnyLine::Ztunnel(line) => of_ztunnel(&self.mesh, line),
        };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(explained);
    }

    fn other(&self) {}

    fn goes_on(&self) -> bool {
        true
    }
}

/// What stands for a proxy, or a rule, of which nobody knows which one it is.
const UNKNOWN: &str = "unknown";

/// An explanation in the making.
struct Draft<'a> {
    mesh: &'a Mesh,
    evaluator: Option<Evaluator>,
    protocol: Protocol,
    request: Request,
    decision: Decision,
    basis: Basis,
    /// The rules that tell.
    rules: Vec<StepRef>,
    policy: Option<PolicyRef>,
    engine: Engine,
}

fn of_envoy(mesh: &Mesh, line: &AccessLine<'_>, pod: &PodOf) -> Explanation {
    let pod = workload_of(mesh, pod);
    let ruling = line_request::ruling(line);
    let protocol = line_request::protocol(line);
    let workload = pod.and_then(|pod| mesh.workloads.get(pod));
    let cluster = line.upstream_cluster.map(UpstreamCluster::parse);
    let is_sidecar = workload.and_then(in_mesh::engine).is_none_or(|engine| engine == Engine::Sidecar);
    if crate::logs::reporter_of(line) == Reporter::Client && is_sidecar && ruling == Ruling::Passed {
        return of_client(mesh, line, pod, cluster);
    }
    let service = cluster.and_then(|cluster| cluster.host).and_then(|host| std::str::from_utf8(host).ok());
    let service = service.and_then(|host| mesh.registry.by_host(host));
    let evaluator = workload.and_then(|workload| in_mesh::evaluator(mesh, workload, None, service));
    let mut draft = Draft::new(mesh, evaluator, protocol, line_request::of_access(mesh, line));
    if workload.is_none() {
        let address = value(line.downstream_local_address).map(String::from_utf8_lossy);
        let text = format!("which pod has the address {}", address.unwrap_or_else(|| "of the line".into()));
        draft.decision.missing.insert(text);
    }
    draft.decision.status = line.response_code.filter(|_| ruling != Ruling::Passed);
    draft.rule_on(ruling);
    draft.finish()
}

fn of_ztunnel(mesh: &Mesh, line: &ZtunnelLine<'_>) -> Explanation {
    let own = line.own_pod().and_then(|(namespace, name)| mesh.workloads.by_pod(namespace, name));
    let workload = own.and_then(|pod| mesh.workloads.get(pod));
    let evaluator =
        workload.and_then(|workload| in_mesh::evaluator(mesh, workload, Some(Engine::Ztunnel), None));
    let mut draft = Draft::new(mesh, evaluator, Protocol::Tcp, line_request::of_ztunnel(line));
    (draft.engine, draft.decision.status) = (Engine::Ztunnel, Some(0));
    if line.reporter == Reporter::Server {
        draft.rule_on(line_request::ruling_of_ztunnel(line));
    } else {
        let refused = line.error.as_deref().is_some_and(|error| error.contains("401"));
        let text = if refused {
            "the server's node refused the tunnel (401); which policy did is in the log of that node's ztunnel"
        } else {
            "the line is of the client's node, which asks no policy"
        };
        draft.basis.line.push(text.to_owned());
        draft.decision.outcome = if refused { Outcome::Deny } else { Outcome::Unknown };
        draft.decision.missing.insert("the line that the server's ztunnel wrote".to_owned());
    }
    draft.finish()
}

/// A line of the client's proxy does not tell what the server's did: the request is held against the policies of whom it
/// went to.
fn of_client(
    mesh: &Mesh,
    line: &AccessLine<'_>,
    pod: Option<usize>,
    cluster: Option<UpstreamCluster<'_>>,
) -> Explanation {
    let mut request = line_request::of_access(mesh, line);
    let identity = pod.and_then(|pod| mesh.workloads.get(pod)).and_then(|pod| in_mesh::identity(mesh, pod));
    // What is sent to the server is told by its own line: here only who would be its peer, if it is mutual TLS.
    request.peer = identity.map_or(Peer::Unknown, Peer::Identity);
    (request.port, request.source_ip, request.remote_ip) = (None, None, None);
    (request.destination_ip, request.sni) = (None, None);
    let host = cluster.and_then(|cluster| cluster.host).map(String::from_utf8_lossy);
    let asked = Asked { id: None, protocol: Some(line_request::protocol(line)), request };
    let to =
        host.as_deref().map(|host| To::Service(host.to_owned(), cluster.and_then(|cluster| cluster.port)));
    let mut basis = Basis::default();
    let code = line.response_code.unwrap_or_default();
    basis
        .line
        .push(format!("the line is of the client's side: it has the code {code}, not whose answer that is"));
    let answer = to.map(|to| check::check(mesh, &to, None, std::slice::from_ref(&asked)));
    let mut draft = Draft::new(mesh, None, Protocol::Http, asked.request);
    if let Some(answer) = answer.and_then(|all| all.into_iter().next()) {
        basis.evaluated.push(
            "the policies of the workloads behind the host, with mutual TLS taken for granted".to_owned(),
        );
        draft.basis = basis;
        let mut explanation = draft.finish();
        explanation.decision = answer;
        explanation.decision.assumed.push("mutual TLS".to_owned());
        return explanation;
    }
    draft.basis = basis;
    draft.decision.missing.insert("the line that the server's proxy wrote".to_owned());
    draft.finish()
}

impl<'a> Draft<'a> {
    fn new(mesh: &'a Mesh, evaluator: Option<Evaluator>, protocol: Protocol, request: Request) -> Self {
        let decision = Decision::open();
        let (basis, rules) = (Basis::default(), Vec::new());
        let engine = evaluator.as_ref().map_or(Engine::Sidecar, |one| one.policies.subject.engine);
        Self { mesh, evaluator, protocol, request, decision, basis, rules, policy: None, engine }
    }

    /// Takes up what the proxy did.
    fn rule_on(&mut self, ruling: Ruling<'_>) {
        match ruling {
            Ruling::Refused(name) => self.refused(&String::from_utf8_lossy(name)),
            Ruling::RefusedByNone => self.refused_by_none(),
            Ruling::Token => {
                self.deny("jwt_authn");
                self.basis.line.push("the token was refused before any policy was asked".to_owned());
            }
            Ruling::Authorizer => self.authorizer(),
            Ruling::NotAsked => {
                self.basis
                    .line
                    .push("it ended before any policy was asked, or nothing tells that one was".to_owned());
                self.decision.missing.insert("a request that reached the policies".to_owned());
            }
            Ruling::Passed => self.passed(),
        }
    }

    fn deny(&mut self, by: &str) {
        (self.decision.outcome, self.decision.decided_by) = (Outcome::Deny, Some(by.to_owned()));
        self.decision.missing.clear();
    }

    fn authorizer(&mut self) {
        self.basis.line.push("an external authorizer refused it".to_owned());
        let asking: Vec<Rule> = match &self.evaluator {
            Some(evaluator) => evaluator.asking(self.protocol, &self.request).into_iter().cloned().collect(),
            None => Vec::new(),
        };
        let by = match asking.as_slice() {
            [rule] => {
                let policy = rule.policy.body.authorization_policy();
                policy.and_then(|policy| policy.provider.clone())
            }
            [] | [_, ..] => None,
        };
        self.deny(&by.map_or_else(|| "ext_authz".to_owned(), |provider| format!("ext_authz:{provider}")));
        if let [rule] = asking.as_slice() {
            self.basis.evaluated.push("only one rule asks an authorizer about it".to_owned());
            self.take(rule);
        }
    }

    fn refused_by_none(&mut self) {
        self.deny(if self.engine == Engine::Ztunnel { NONE_ALLOWED } else { "none" });
        self.basis.line.push(
            "the proxy names no rule: there is an ALLOW policy, and none of their rules matched".to_owned(),
        );
        let Some(evaluator) = &self.evaluator else { return };
        let decision = evaluator.decide(self.protocol, &self.request);
        self.basis.evaluated.push("the ALLOW rules in force, for the one that is nearest".to_owned());
        match evaluator.passing(self.protocol, &self.request) {
            Some(Passing::Rule { rule, is_sure: true, .. }) => {
                let text =
                    format!("{} matches what the line tells: it may be newer than the line", rule.name);
                self.basis.evaluated.push(text);
            }
            Some(Passing::NoPolicy { .. }) => {
                self.basis.evaluated.push("no ALLOW policy is in force now: there was one then".to_owned());
            }
            Some(_) | None => {}
        }
        let allow = decision.steps.iter().filter(|step| step.action.word() == "ALLOW" && !step.is_dry_run);
        self.rules = allow.clone().map(StepRef::from).collect();
        let open = allow.clone().flat_map(|step| &step.fields).filter(|field| field.holds == Truth::Unknown);
        self.decision.missing = open.map(|field| field.looks_at.clone()).collect();
        self.decision.nearest = decision.nearest.map(|mut nearest| {
            // The rule did not match, so the only list that may not hold does not.
            if let [only] = nearest.missed.as_mut_slice() {
                only.holds = Truth::No;
            }
            nearest
        });
    }

    fn passed(&mut self) {
        self.basis.line.push("it got past the policies".to_owned());
        // Nothing said by the proxy names what let it in.
        (self.decision.outcome, self.decision.decided_by) = (Outcome::Allow, Some(UNKNOWN.to_owned()));
        let Some(evaluator) = self.evaluator.clone() else { return };
        match evaluator.passing(self.protocol, &self.request) {
            Some(Passing::NoPolicy { .. }) => {
                self.decision.decided_by = None;
                self.basis.evaluated.push("no ALLOW policy applies, so nothing had to let it in".to_owned());
            }
            Some(Passing::Rule { rule, is_sure, .. }) => {
                let why = if is_sure { "it matches" } else { "no other ALLOW rule can have let it in" };
                self.basis.evaluated.push(format!("{}: {why}", rule.name));
                self.decision.decided_by = Some(rule.name.clone());
                self.take(rule);
            }
            Some(Passing::OneOf { candidates, missing }) => {
                let names: Vec<_> = candidates.iter().map(|rule| rule.name.as_str()).collect();
                self.basis.evaluated.push(format!("one of {} let it in", names.join(", ")));
                self.decision.missing.extend(missing);
            }
            Some(Passing::RefusedBy(rule)) => {
                let text =
                    format!("{} refuses it now: it is newer than the line, or not yet in force", rule.name);
                self.basis.evaluated.push(text);
            }
            Some(Passing::AllowedByNone) => {
                let text = "no ALLOW rule lets it in now: they are newer than the line, or not yet in force";
                self.basis.evaluated.push(text.to_owned());
            }
            None => self.decision.missing.extend(evaluator.policies.not_understood.iter().cloned()),
        }
    }

    /// The rule that decided.
    fn take(&mut self, rule: &Rule) {
        self.policy = Some(policy_ref(&rule.policy, Some(rule.index)));
        let Some(evaluator) = &self.evaluator else { return };
        let decision = evaluator.decide(self.protocol, &self.request);
        let step = decision.steps.iter().find(|step| rule.is(&step.policy.id, step.rule)).map(StepRef::from);
        self.rules.extend(step);
    }

    fn finish(self) -> Explanation {
        let mut decision = AuthzDecision::new(&self.decision, self.engine, false);
        if self.evaluator.is_none() && self.engine != Engine::Ztunnel {
            decision.engine = UNKNOWN;
        }
        decision.steps = Some(self.rules);
        Explanation { decision, line: String::new(), basis: self.basis, policy: self.policy }
    }
}

/// A policy with one of its rules.
fn policy_ref(policy: &Object, rule: Option<usize>) -> PolicyRef {
    let written = policy.body.authorization_policy().and_then(|body| body.rules.get(rule?));
    PolicyRef {
        object: ObjectRef::from(policy),
        rule,
        text: written.map(super::list::text),
        origin: policy.origin.clone(),
        owner: owner(policy),
    }
}

/// Labels by which tools mark what they make.
const OWNERS: [&str; 5] = [
    "argocd.argoproj.io/instance",
    "kustomize.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/name",
    "kubernetes-resource-handler-scope",
    "app.kubernetes.io/managed-by",
];

fn owner(policy: &Object) -> Option<OwnerRef> {
    let label = |key: &&str| Some(format!("{key}={}", policy.meta.labels.get(key)?));
    OWNERS.iter().find_map(label).map(|label| OwnerRef { label: Some(label), manager: None })
}

/// A policy of the mesh by its names.
fn policy_of<'a>(mesh: &'a Mesh, namespace: &str, name: &str) -> Option<&'a Arc<Object>> {
    mesh.snapshot.get(&ObjectId::new(Kind::AuthorizationPolicy, namespace, name))
}
