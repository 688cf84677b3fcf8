//! MS0413: a CORS preflight carries no token (J3), so that a workload whose ALLOW rules all ask for one refuses it.

use std::collections::BTreeMap;

use super::cover::covers;
use super::{Policies, Policy, named};
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::Finding;
use crate::model::authorization_policy::{AccessRule, Action, Values};
use crate::model::object::Body;
use crate::model::pod::ProxyKind;
use crate::model::service::PortProtocol;
use crate::model::{Kind, Object};
use crate::resolve::{Mesh, Workload};

/// The findings: one a policy that asks for tokens where nothing lets preflights pass.
pub(super) fn check(policies: &Policies<'_>) -> Vec<Finding> {
    let mesh = policies.mesh;
    let allowing: Vec<_> = policies.all.iter().filter(|policy| policy.is_enforced(&Action::Allow)).collect();
    if !allowing.iter().any(|policy| first_token(policy).is_some()) || cannot_tell(mesh) {
        return Vec::new();
    }
    let mut passes: BTreeMap<usize, bool> = BTreeMap::new();
    for policy in &allowing {
        let lets = policy.body.rules.iter().any(lets_preflights_pass);
        for (at, _) in &policy.pods {
            *passes.entry(*at).or_default() |= lets;
        }
    }
    let mut findings = Vec::new();
    for policy in allowing {
        let Some(place) = first_token(policy) else { continue };
        let refuses = |one: &&(usize, &Workload)| {
            let mut ports = policies.ports.of(one.0).peekable();
            let only_tcp = ports.peek().is_some() && ports.all(|(_, protocol)| protocol == PortProtocol::Tcp);
            matches!(one.1.proxy, ProxyKind::Sidecar | ProxyKind::Gateway)
                && !only_tcp
                && passes.get(&one.0) == Some(&false)
        };
        let pods: Vec<_> = policy.pods.iter().filter(refuses).map(|(_, pod)| *pod).collect();
        if pods.is_empty() {
            continue;
        }
        let message = format!(
            "{} ({place}) asks for a token, which CORS preflights do not carry, and no rule lets OPTIONS without one \
             pass: browsers of other origins are refused: {}",
            policy.object.id,
            named(pods.into_iter())
        );
        let counted = "no preflight has a token";
        findings.push(Finding::of_field(Code::PreflightRefused, policy.object, &place, counted, message));
    }
    findings
}

/// Whether a policy was not read, or a route answers preflights itself, so that they may not come as far.
fn cannot_tell(mesh: &Mesh) -> bool {
    let policies = mesh.snapshot.of_kind(&Kind::AuthorizationPolicy);
    let answers = |object: &Object| {
        let routes = object.json.as_ref().and_then(|json| json.pointer("/spec/http"));
        let mut routes = routes.and_then(serde_json::Value::as_array).into_iter().flatten();
        object.body == Body::Unreadable || routes.any(|route| route.get("corsPolicy").is_some())
    };
    policies.into_iter().any(|object| object.body == Body::Unreadable)
        || mesh.snapshot.of_kind(&Kind::VirtualService).any(|object| answers(object))
}

fn asks_by_condition(rule: &AccessRule) -> bool {
    let of_token = |key: &str| key.starts_with("request.auth.");
    rule.written.when.iter().any(|one| of_token(&one.key) && !one.values.is_empty())
}

fn asks(source: &[Values]) -> bool {
    source.iter().any(|one| &*one.field == "requestPrincipals")
}

/// The place of the first rule that nobody meets without a token.
fn first_token(policy: &Policy<'_>) -> Option<String> {
    policy.body.rules.iter().enumerate().find_map(|(at, rule)| {
        let by_condition = rule
            .written
            .when
            .iter()
            .position(|one| one.key.starts_with("request.auth.") && !one.values.is_empty());
        let by_source = !rule.written.from.is_empty() && rule.written.from.iter().all(|source| asks(source));
        match by_condition {
            Some(number) => Some(format!("spec.rules[{at}].when[{number}].values")),
            None if by_source => Some(format!("spec.rules[{at}].from[0].source.requestPrincipals")),
            None => None,
        }
    })
}

/// Whether a request with the method OPTIONS and without a token can meet a rule.
fn lets_preflights_pass(rule: &AccessRule) -> bool {
    let from = &rule.written.from;
    let without = from.is_empty() || from.iter().any(|source| !asks(source));
    let of = |operation: &[Values], field: &str| {
        let mut lists = operation.iter().filter(|one| &*one.field == field);
        lists.next().map(|one| one.values.iter().any(|value| covers("methods", value, "OPTIONS", "")))
    };
    let takes = |operation: &Vec<Values>| {
        of(operation, "methods") != Some(false) && of(operation, "notMethods") != Some(true)
    };
    let to = &rule.written.to;
    without && !asks_by_condition(rule) && (to.is_empty() || to.iter().any(takes))
}
