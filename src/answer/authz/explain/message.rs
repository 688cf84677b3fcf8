//! Messages of proxies about policies (L6, L7): what Envoy's filter says at level debug, and what ztunnel does.

use super::{Basis, Explanation, PolicyRef, policy_of, policy_ref};
use crate::answer::authz::AuthzDecision;
use crate::correlate::cause::Denial;
use crate::resolve::Mesh;
use crate::resolve::authorize::attach::Engine;
use crate::resolve::authorize::decision::{Decision, Outcome};

/// What Envoy's filter says, and what that means.
const ENVOY: [(&str, bool, Outcome); 4] = [
    ("enforced denied, matched policy ", false, Outcome::Deny),
    ("enforced allowed, matched policy ", false, Outcome::Allow),
    ("shadow denied, matched policy ", true, Outcome::Deny),
    ("shadow allowed, matched policy ", true, Outcome::Allow),
];

/// What ztunnel says.
const ZTUNNEL: [(&str, Outcome); 4] = [
    ("deny policy match", Outcome::Deny),
    ("allow policy match", Outcome::Allow),
    ("no allow policies matched", Outcome::Deny),
    ("no allow policies, allow", Outcome::Allow),
];

/// Explains a message; `None` where it is none about policies.
pub(super) fn explain(mesh: &Mesh, text: &str) -> Option<Explanation> {
    for (start, is_shadow, outcome) in ENVOY {
        let Some((_, rest)) = text.split_once(start) else { continue };
        let name = rest.split(char::is_whitespace).next().filter(|name| !name.is_empty())?;
        return Some(of_envoy(mesh, name, is_shadow, outcome));
    }
    let (message, outcome) = ZTUNNEL.into_iter().find(|(message, _)| text.contains(message))?;
    let name = text.split_once("policy=").and_then(|(_, rest)| rest.split(char::is_whitespace).next());
    let name = name.map(|name| name.trim_matches('"'));
    let is_dry_run = text.contains("dry-run: ");
    let mut decision = Decision::open();
    (decision.outcome, decision.status) = (outcome, Some(0));
    decision.decided_by = name.map(|name| match outcome {
        Outcome::Deny => format!("explicitly denied by: {name}"),
        Outcome::Allow | Outcome::Unknown => name.to_owned(),
    });
    let policy = name.and_then(|name| name.split_once('/')).and_then(|(ns, name)| policy_of(mesh, ns, name));
    let policy = policy.map(|policy| policy_ref(policy, None));
    let mut said = vec![format!("ztunnel says: {message}")];
    if is_dry_run {
        said.push("the policy is only tried: it decided nothing".to_owned());
        (decision.outcome, decision.decided_by) = (Outcome::Unknown, None);
    }
    Some(finish(&decision, Engine::Ztunnel, said, policy))
}

fn of_envoy(mesh: &Mesh, name: &str, is_shadow: bool, outcome: Outcome) -> Explanation {
    let mut decision = Decision::open();
    let word = if outcome == Outcome::Deny { "refused" } else { "let in" };
    let mut said = vec![match name {
        "none" => format!("Envoy's filter: {word}, no rule matched"),
        name => format!("Envoy's filter: {word} by {name}"),
    }];
    let rule = Denial::named(name);
    let policy = rule.as_ref().and_then(|name| policy_of(mesh, &name.namespace, &name.name));
    let policy = policy.zip(rule.as_ref()).map(|(policy, name)| policy_ref(policy, name.rule));
    if is_shadow {
        said.push("that is what policies would do that are only tried: it decided nothing".to_owned());
    } else if outcome == Outcome::Allow && name == "none" {
        said.push("one filter of several: no DENY rule matched, and a later one may still refuse".to_owned());
    } else {
        (decision.outcome, decision.decided_by) = (outcome, Some(name.to_owned()));
    }
    finish(&decision, Engine::Sidecar, said, policy)
}

fn finish(decision: &Decision, engine: Engine, said: Vec<String>, policy: Option<PolicyRef>) -> Explanation {
    let mut decision = AuthzDecision::new(decision, engine, true);
    if engine == Engine::Sidecar {
        // Any Envoy may have said it.
        decision.engine = super::UNKNOWN;
    }
    Explanation { decision, line: String::new(), basis: Basis { line: said, evaluated: Vec::new() }, policy }
}
