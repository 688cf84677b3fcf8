//! `authz list`: the rules in force for a workload, in the order of evaluation.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::answer::common::{API_VERSION, MissingRef, ObjectRef, WorkloadRef};
use crate::correlate::rule_hits::{Hits, RuleHits};
use crate::logs::format_time;
use crate::model::authorization_policy::AccessRule;
use crate::model::{Kind, Origin, Text};
use crate::resolve::authorize::attach::Engine;
use crate::resolve::authorize::evaluator::{Evaluator, Protocol};
use crate::resolve::authorize::in_mesh;
use crate::resolve::{Mesh, Workload};

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthzList {
    /// [`API_VERSION`].
    pub api_version: &'static str,
    /// `AuthzList`.
    pub kind: &'static str,
    /// The workload.
    pub workload: WorkloadRef,
    /// `sidecar`, `gateway`, `waypoint`, `ztunnel`, or `none`.
    pub engine: &'static str,
    /// The rules, in the order of evaluation.
    pub rules: Vec<RuleRow>,
    /// Policies of the namespaces that are looked at which are not for it, and why.
    pub others: Vec<OtherPolicy>,
    /// What the lines of its logs come to besides; `null` where none was read.
    pub lines: Option<Lines>,
    /// What is not known and may decide.
    pub missing: Vec<MissingRef>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleRow {
    /// Its place in the order of evaluation, from 1.
    pub order: usize,
    /// What its policy does.
    pub action: String,
    /// Its policy.
    pub policy: ObjectRef,
    /// Where that was read.
    pub origin: Origin,
    /// Its number; `null` for a policy of which no rule is enforced.
    pub rule: Option<usize>,
    /// Whether it is only tried.
    pub dry_run: bool,
    /// Why the policy is for the workload.
    pub attached_by: String,
    /// What it asks, in short.
    pub text: String,
    /// Why nothing of it is enforced on ports without HTTP, or at all, where that is so.
    pub lost: Option<String>,
    /// Lines that it decided; `null` where no log of the workload was read.
    pub hits: Option<u64>,
    /// How many more may be among them, of those that are undecided.
    pub maybe: Option<u64>,
    /// Those of them that it refused.
    pub denials: Option<u64>,
    /// The last of them, RFC 3339.
    pub last_hit: Option<String>,
    /// `named` where Envoy named the rule, `evaluated` where it was held against the lines.
    pub hit_source: Option<&'static str>,
}

/// What the lines of a workload's logs come to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lines {
    /// All that its proxies wrote about what comes in.
    pub read: u64,
    /// Let in where no ALLOW policy applies.
    pub without_policy: u64,
    /// Refused, since no ALLOW rule matched.
    pub refused_by_none: u64,
    /// The last of them, RFC 3339.
    pub last_refused_by_none: Option<String>,
    /// Refused by external authorizers.
    pub refused_by_authorizers: u64,
    /// Those whose token was refused.
    pub refused_tokens: u64,
    /// Those that ended before any policy was asked.
    pub not_asked: u64,
    /// What no rule that was read explains.
    pub unexplained: Vec<Unexplained>,
    /// Those of which what they do not tell decides.
    pub undecided: u64,
    /// That.
    pub undecided_by: Vec<String>,
}

/// Lines that no rule explains.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unexplained {
    /// How many.
    pub count: u64,
    /// Why not.
    pub reason: String,
    /// One of them.
    pub sample: Option<Origin>,
}

impl AuthzList {
    /// Adds what the lines of the workload's pods, by their indices, come to.
    #[must_use]
    pub fn with_counters(mut self, hits: &RuleHits, pods: &[usize]) -> Self {
        let mut rules: BTreeMap<(ObjectRef, usize), Hits> = BTreeMap::new();
        let mut lines = Lines::default();
        let (mut none, mut unexplained): (Hits, BTreeMap<String, Hits>) = Default::default();
        let mut missing = BTreeSet::new();
        for (_, counters) in hits.guards().iter().filter(|(guard, _)| pods.contains(&guard.workload)) {
            lines.read += counters.tally.lines;
            lines.not_asked += counters.tally.not_asked;
            lines.refused_tokens += counters.tally.tokens;
            lines.without_policy += counters.no_policy.hits;
            lines.refused_by_authorizers += counters.authorizers.hits;
            lines.undecided += counters.undecided.hits + counters.tally.beyond;
            missing.extend(counters.missing.iter().cloned());
            none.merge(&counters.none);
            for (why, one) in &counters.unexplained {
                unexplained.entry(why.clone()).or_default().merge(one);
            }
            for ((policy, rule), one) in &counters.rules {
                rules.entry((ObjectRef::of(policy), *rule)).or_default().merge(one);
            }
        }
        if lines.read == 0 {
            return self;
        }
        let time = |hits: &Hits| hits.last.map(format_time);
        (lines.refused_by_none, lines.last_refused_by_none) = (none.hits, time(&none));
        lines.undecided_by = missing.into_iter().collect();
        lines.unexplained = unexplained
            .into_iter()
            .map(|(reason, one)| Unexplained { count: one.hits, reason, sample: one.sample })
            .collect();
        lines.unexplained.sort_by(|one, other| (other.count, &one.reason).cmp(&(one.count, &other.reason)));
        for row in &mut self.rules {
            let own = row.rule.and_then(|rule| rules.get(&(row.policy.clone(), rule)));
            let own = own.cloned().unwrap_or_default();
            (row.hits, row.denials, row.last_hit) = (Some(own.hits), Some(own.denials), time(&own));
            row.maybe = Some(own.maybe);
            row.hit_source = (own.hits > 0).then_some(if own.named > 0 { "named" } else { "evaluated" });
        }
        self.lines = Some(lines);
        self
    }
}

/// A policy that is not for a workload.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OtherPolicy {
    /// The policy.
    pub policy: ObjectRef,
    /// Why it is not.
    pub reason: String,
}

/// The rules in force for a pod, without counters.
pub fn list(mesh: &Mesh, pod: &Workload, as_engine: Option<Engine>) -> AuthzList {
    let evaluators = evaluators(mesh, pod, as_engine);
    let engine = evaluators.first().map_or("none", |evaluator| evaluator.policies.subject.engine.word());
    let (mut rules, mut others, mut missing): (Vec<RuleRow>, Vec<OtherPolicy>, Vec<MissingRef>) =
        Default::default();
    for evaluator in &evaluators {
        for row in rows(evaluator) {
            if !rules.iter().any(|known| known.policy == row.policy && known.rule == row.rule) {
                rules.push(row);
            }
        }
        let policies = &evaluator.policies;
        others.extend(policies.others.iter().map(|(object, why)| OtherPolicy {
            policy: ObjectRef::from(&**object),
            reason: why.to_string(),
        }));
        missing.extend(policies.not_understood.iter().map(|need| MissingRef {
            kind: "AuthorizationPolicy".to_owned(),
            state: "not-collected".to_owned(),
            need: need.clone(),
        }));
    }
    if evaluators.len() > 1 {
        // The stages come one after another, whatever service they are for.
        rules.sort_by_key(|row| stage(&row.action, row.dry_run));
        for (at, row) in rules.iter_mut().enumerate() {
            row.order = at + 1;
        }
        others.retain(|other| !rules.iter().any(|row| row.policy == other.policy));
        others.sort_by(|one, other| one.policy.cmp(&other.policy));
        others.dedup_by(|one, other| one.policy == other.policy);
        missing.dedup();
    }
    AuthzList {
        api_version: API_VERSION,
        kind: "AuthzList",
        workload: WorkloadRef::workload(pod),
        engine,
        rules,
        others,
        lines: None,
        missing,
    }
}

/// The evaluators of a pod. A waypoint has one for each service that it stands before and that a policy names.
fn evaluators(mesh: &Mesh, pod: &Workload, as_engine: Option<Engine>) -> Vec<Evaluator> {
    let own = |service| in_mesh::evaluator(mesh, pod, as_engine, service);
    let mut all: Vec<Evaluator> = own(None).into_iter().collect();
    if all.first().is_none_or(|evaluator| evaluator.policies.subject.engine != Engine::Waypoint) {
        return all;
    }
    let policies = mesh.snapshot.of_kind(&Kind::AuthorizationPolicy);
    let named: BTreeSet<(Text, Text)> = policies
        .filter_map(|object| Some((&object.id.namespace, object.body.authorization_policy()?)))
        .flat_map(|(namespace, policy)| {
            let names = policy.targets.iter().map(|target| target.name.as_str().into());
            names.map(|name: Text| (Text::clone(namespace), name))
        })
        .collect();
    let served = mesh.registry.services().filter(|service| {
        let id = &service.object.id;
        named.contains(&(Text::clone(&service.namespace), Text::clone(&id.name)))
            && mesh.ambient.serves(pod, service)
    });
    all.extend(served.filter_map(|service| own(Some(service))));
    all
}

/// The place of a stage in the order of evaluation (O1, O11).
fn stage(action: &str, is_dry_run: bool) -> usize {
    match (action, is_dry_run) {
        ("CUSTOM", _) => 0,
        ("AUDIT", _) => 1,
        ("DENY", true) => 2,
        ("DENY", false) => 3,
        (_, true) => 4,
        (_, false) => 5,
    }
}

/// The rules of an evaluator as rows, and a row for each policy of which none is enforced.
fn rows(evaluator: &Evaluator) -> Vec<RuleRow> {
    let enforced = evaluator.rules(Protocol::Http);
    let on_tcp = evaluator.rules(Protocol::Tcp);
    let is_ztunnel = evaluator.policies.subject.engine == Engine::Ztunnel;
    let mut rows = Vec::new();
    for (action, is_dry_run, rule) in &enforced {
        let object = &rule.policy;
        let by = evaluator
            .policies
            .in_force
            .iter()
            .find(|(one, _)| one.id == object.id)
            .map(|(_, by)| by.to_string());
        let is_same = |other: &&crate::resolve::authorize::rule::Rule| {
            other.policy.id == object.id && other.index == rule.index
        };
        let tcp = on_tcp.iter().map(|(_, _, rule)| *rule).find(is_same);
        let lists = rule.clauses().count();
        let lost = match tcp {
            _ if is_ztunnel => None,
            None => Some("not enforced on ports without HTTP (T1)".to_owned()),
            Some(tcp) if tcp.clauses().count() < lists => {
                Some("on ports without HTTP it matches more (T2)".to_owned())
            }
            Some(_) => None,
        };
        let written = object.body.authorization_policy().and_then(|policy| policy.rules.get(rule.index));
        rows.push(RuleRow {
            order: rows.len() + 1,
            action: action.word().to_owned(),
            policy: ObjectRef::from(&**object),
            origin: object.origin.clone(),
            rule: Some(rule.index),
            dry_run: *is_dry_run,
            attached_by: by.unwrap_or_default(),
            text: written.map(text).unwrap_or_default(),
            lost,
            hits: None,
            maybe: None,
            denials: None,
            last_hit: None,
            hit_source: None,
        });
    }
    for (object, by) in &evaluator.policies.in_force {
        if enforced.iter().any(|(_, _, rule)| rule.policy.id == object.id) {
            continue;
        }
        let Some(policy) = object.body.authorization_policy() else { continue };
        rows.push(RuleRow {
            order: rows.len() + 1,
            action: policy.action.word().to_owned(),
            policy: ObjectRef::from(&**object),
            origin: object.origin.clone(),
            rule: None,
            dry_run: policy.is_dry_run,
            attached_by: by.to_string(),
            text: if policy.rules.is_empty() { "no rules" } else { "no rule is enforced" }.to_owned(),
            lost: None,
            hits: None,
            maybe: None,
            denials: None,
            last_hit: None,
            hit_source: None,
        });
    }
    rows
}

/// What a rule asks, on one line.
pub fn text(rule: &AccessRule) -> String {
    let part = |lists: &Vec<crate::model::authorization_policy::Values>| {
        let lists = lists.iter().map(|list| format!("{} {}", list.field, list.values.join("|")));
        let all: Vec<_> = lists.collect();
        if all.is_empty() { "anything".to_owned() } else { all.join(", ") }
    };
    let either = |word: &str, parts: &[Vec<crate::model::authorization_policy::Values>]| {
        let parts: Vec<_> = parts.iter().map(part).collect();
        (!parts.is_empty()).then(|| format!("{word} {}", parts.join(" or ")))
    };
    let mut all: Vec<String> = Vec::new();
    all.extend(either("from", &rule.written.from));
    all.extend(either("to", &rule.written.to));
    for condition in &rule.written.when {
        if !condition.values.is_empty() {
            all.push(format!("when {} is {}", condition.key, condition.values.join("|")));
        }
        if !condition.not_values.is_empty() {
            all.push(format!("when {} is not {}", condition.key, condition.not_values.join("|")));
        }
    }
    if all.is_empty() { "everything".to_owned() } else { all.join(" ") }
}
