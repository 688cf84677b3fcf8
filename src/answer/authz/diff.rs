//! `authz diff`: which of the requests in the logs another set of policies decides otherwise.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;

use super::decision::word;
use crate::answer::common::{API_VERSION, WorkloadRef};
use crate::correlate::rule_hits::{Guard, RuleHits, Ruled, SeenRequests};
use crate::model::authorization_policy::Action;
use crate::model::{self, Delta, Kind, Object, ObjectId, Origin, Snapshot};
use crate::resolve::Mesh;
use crate::resolve::authorize::decision::{Decision, Outcome, Passing};
use crate::resolve::authorize::evaluator::{Evaluator, Protocol};
use crate::resolve::authorize::in_mesh;
use crate::resolve::authorize::rule::Rule;
use crate::resolve::authorize::truth::Truth;

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthzDiff {
    /// [`API_VERSION`].
    pub api_version: &'static str,
    /// `AuthzDiff`.
    pub kind: &'static str,
    /// Lines by what becomes of them.
    pub summary: Summary,
    /// What changes, most lines first.
    pub changes: Vec<Change>,
}

/// Lines by what becomes of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Let in before, and refused after.
    pub now_denied: u64,
    /// The other way round.
    pub now_allowed: u64,
    /// Of which what lines do not tell decides, before or after.
    pub unknown: u64,
    /// As before.
    pub unchanged: u64,
}

/// Lines that change alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The workload called.
    pub workload: WorkloadRef,
    /// What became of them.
    pub before: Verdict,
    /// What becomes of them.
    pub after: Verdict,
    /// How many lines.
    pub count: u64,
    /// One of them.
    pub sample: Sample,
    /// Why that is not known, where it is not.
    pub missing: Vec<String>,
}

/// A decision in short.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// `ALLOW`, `DENY`, `UNKNOWN`.
    pub decision: &'static str,
    /// What decides.
    pub decided_by: Option<String>,
}

/// A request, and where its line stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// The file.
    pub file: String,
    /// The line.
    pub line: u64,
    /// The method.
    pub method: Option<String>,
    /// The path.
    pub path: Option<String>,
    /// The port.
    pub port: Option<u16>,
}

/// The mesh with other policies about requests: those of `base` in place of all that there are, where it is given, and
/// those of `edit` besides, in place of those of their name.
pub fn with_policies(mesh: &Mesh, base: Option<&Snapshot>, edit: Option<&Snapshot>) -> Arc<Mesh> {
    let policies = |snapshot: &Snapshot| -> Vec<Arc<Object>> {
        let kinds = [Kind::AuthorizationPolicy, Kind::RequestAuthentication];
        kinds.iter().flat_map(|kind| snapshot.of_kind(kind).cloned()).collect()
    };
    let mut delta = Delta::new();
    if let Some(base) = base {
        delta.extend(policies(&mesh.snapshot).iter().map(|object| model::Change::Delete(object.id.clone())));
        delta.extend(policies(base).into_iter().map(model::Change::Upsert));
    }
    delta.extend(edit.into_iter().flat_map(policies).map(model::Change::Upsert));
    Arc::new(mesh.with_changes(delta))
}

/// What changes for the requests that were seen. Where lines do not tell enough, what the proxy did counts: it settles
/// the rules that it had then, and those of them that are still there.
pub fn diff(before: &Mesh, after: &Mesh, hits: &RuleHits) -> AuthzDiff {
    let (guards, seen, beyond) = hits.seen();
    let evaluators: Vec<_> = guards.iter().map(|guard| (of(before, guard), of(after, guard))).collect();
    let mut known = Known::default();
    let mut summary = Summary { unknown: beyond, ..Summary::default() };
    let mut changes: BTreeMap<(usize, Verdict, Verdict), Change> = BTreeMap::new();
    for one in &seen {
        let (Some(guard), Some((Some(was), Some(is)))) = (guards.get(one.guard), evaluators.get(one.guard))
        else {
            summary.unknown += one.count;
            continue;
        };
        let (was, is) = known.decide(was, is, one);
        match (was.outcome, is.outcome) {
            (Outcome::Allow, Outcome::Deny) => summary.now_denied += one.count,
            (Outcome::Deny, Outcome::Allow) => summary.now_allowed += one.count,
            (Outcome::Unknown, _) | (_, Outcome::Unknown) => summary.unknown += one.count,
            (Outcome::Allow, Outcome::Allow) | (Outcome::Deny, Outcome::Deny) => {
                summary.unchanged += one.count;
                continue;
            }
        }
        let Some(workload) = before.workloads.get(guard.workload) else { continue };
        let key = (one.guard, verdict(&was), verdict(&is));
        let change = changes.entry(key).or_insert_with(|| Change {
            workload: WorkloadRef::workload(workload),
            before: verdict(&was),
            after: verdict(&is),
            count: 0,
            sample: sample(one),
            missing: Vec::new(),
        });
        change.count += one.count;
        for need in was.missing.iter().chain(&is.missing) {
            if !change.missing.contains(need) {
                change.missing.push(need.clone());
            }
        }
    }
    let mut changes: Vec<Change> = changes.into_values().collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.count));
    AuthzDiff { api_version: API_VERSION, kind: "AuthzDiff", summary, changes }
}

fn of(mesh: &Mesh, guard: &Guard) -> Option<Evaluator> {
    let workload = mesh.workloads.get(guard.workload)?;
    let service = guard.service.as_deref().and_then(|host| mesh.registry.by_host(host));
    in_mesh::evaluator(mesh, workload, None, service)
}

/// What a proxy did, and the rule that must have let it in where it did.
type Did = (usize, Ruled, Option<(ObjectId, usize)>);

/// The evaluators with what proxies did, each made once.
#[derive(Default)]
struct Known(HashMap<Did, (Evaluator, Evaluator)>);

impl Known {
    /// What became of a request, and what becomes of it.
    fn decide(&mut self, was: &Evaluator, is: &Evaluator, seen: &SeenRequests) -> (Decision, Decision) {
        let plainly = |evaluator: &Evaluator| evaluator.decide(seen.protocol, &seen.request);
        let (before, after) = (plainly(was), plainly(is));
        if before.outcome != Outcome::Unknown && after.outcome != Outcome::Unknown {
            return (before, after);
        }
        let Some(candidates) = explained(was, seen) else { return (before, after) };
        // Whichever of the rules let it in: what they all come to is proved.
        let cases =
            if candidates.is_empty() { vec![None] } else { candidates.into_iter().map(Some).collect() };
        let mut cases = cases.into_iter().map(|by| {
            let did: Did = (seen.guard, seen.ruled.clone(), by);
            let make = |did: &Did| knowing(was, is, &did.1, did.2.as_ref());
            let (was, is) = self.0.entry(did).or_insert_with_key(make);
            let now = |evaluator: &Evaluator| evaluator.decide(seen.protocol, &seen.request);
            (now(was), now(is))
        });
        let Some((mut before, mut after)) = cases.next() else { return (before, after) };
        for (was, is) in cases {
            merge(&mut before, was);
            merge(&mut after, is);
        }
        (before, after)
    }
}

/// What two cases come to together.
fn merge(one: &mut Decision, other: Decision) {
    if one.decided_by != other.decided_by {
        (one.decided_by, one.rule) = (None, None);
    }
    if one.outcome != other.outcome {
        one.outcome = Outcome::Unknown;
        one.missing.extend(other.missing);
    }
}

/// Whether policies explain what a proxy did, and with them the ALLOW rules of which one must have let a request in.
/// Where they do not, they were others when the line was written, and it settles nothing.
fn explained(was: &Evaluator, seen: &SeenRequests) -> Option<Vec<(ObjectId, usize)>> {
    let passing = was.passing(seen.protocol, &seen.request)?;
    let id = |rule: &Rule| (rule.policy.id.clone(), rule.index);
    match (&seen.ruled, passing) {
        (Ruled::Passed, Passing::Rule { rule, .. }) => Some(vec![id(rule)]),
        (Ruled::Passed, Passing::OneOf { candidates, .. }) => Some(candidates.into_iter().map(id).collect()),
        (Ruled::RefusedByNone, Passing::Rule { is_sure: true, .. } | Passing::NoPolicy { .. })
        | (Ruled::Passed, Passing::RefusedBy(_) | Passing::AllowedByNone)
        | (Ruled::Authorizer, _) => None,
        (Ruled::Passed, Passing::NoPolicy { .. }) | (Ruled::RefusedByNone, _) => Some(Vec::new()),
        (Ruled::Refused(name), _) => {
            let rules = was.rules(seen.protocol);
            rules.iter().any(|(_, _, rule)| rule.name == **name).then(Vec::new)
        }
    }
}

/// Both evaluators with what is known of the rules that the first one has.
fn knowing(
    was: &Evaluator,
    is: &Evaluator,
    did: &Ruled,
    by: Option<&(ObjectId, usize)>,
) -> (Evaluator, Evaluator) {
    let rules: Vec<_> = was.rules(Protocol::Http).into_iter().chain(was.rules(Protocol::Tcp)).collect();
    let truth = |action: &Action, rule: &Rule| -> Option<Truth> {
        let is_by = by.is_some_and(|(policy, index)| rule.policy.id == *policy && rule.index == *index);
        match (did, action) {
            (Ruled::Passed, Action::Allow) => is_by.then_some(Truth::Yes),
            (Ruled::Passed, Action::Deny) | (Ruled::RefusedByNone, Action::Deny | Action::Allow) => {
                Some(Truth::No)
            }
            (Ruled::Refused(name), _) if rule.name == **name => Some(Truth::Yes),
            (Ruled::Passed | Ruled::RefusedByNone | Ruled::Refused(_) | Ruled::Authorizer, _) => None,
        }
    };
    let settled = |action: &Action, rule: &Rule| {
        let own =
            rules.iter().find(|(of, is_dry_run, one)| of == action && !is_dry_run && one.asks_the_same(rule));
        own.and_then(|(_, _, one)| truth(action, one))
    };
    let taken = matches!(did, Ruled::Passed | Ruled::RefusedByNone);
    (was.knowing(&settled, taken), is.knowing(&settled, taken))
}

fn verdict(decision: &Decision) -> Verdict {
    Verdict { decision: word(decision.outcome), decided_by: decision.decided_by.clone() }
}

fn sample(seen: &SeenRequests) -> Sample {
    let Origin { file, line } = &seen.sample;
    Sample {
        file: file.to_string(),
        line: *line,
        method: seen.request.method.clone(),
        path: seen.request.path.clone(),
        port: seen.request.port,
    }
}
