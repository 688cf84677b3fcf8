//! MS0409: an ALLOW policy without rules lets nobody in (O7): whom it covers, and whom other policies let in (O5).

use std::collections::BTreeSet;

use super::{Policies, named};
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::Finding;
use crate::model::authorization_policy::{Action, TargetRef};
use crate::model::pod::ProxyKind;
use crate::resolve::authorize::attach::GATEWAY_NAME;
use crate::resolve::{Mesh, Workload};

/// The findings.
pub(super) fn check(policies: &Policies<'_>) -> Vec<Finding> {
    let allowing = || policies.all.iter().filter(|policy| policy.is_enforced(&Action::Allow));
    let with_rules = allowing().filter(|policy| !policy.body.rules.is_empty());
    let let_in: BTreeSet<usize> = with_rules.flat_map(|policy| &policy.pods).map(|(at, _)| *at).collect();
    let mut findings = Vec::new();
    for policy in allowing().filter(|policy| policy.body.rules.is_empty()) {
        let bound = policy
            .body
            .targets
            .iter()
            .flat_map(|target| gateways(policies.mesh, &policy.object.id.namespace, target));
        let covered: Vec<(Option<usize>, &Workload)> = policy
            .pods
            .iter()
            .map(|(at, pod)| (Some(*at), *pod))
            .chain(bound.map(|pod| (None, pod)))
            .collect();
        if covered.is_empty() {
            continue;
        }
        let by_others = |one: &&(Option<usize>, &Workload)| one.0.is_some_and(|at| let_in.contains(&at));
        let (others, alone): (Vec<_>, Vec<_>) = covered.iter().partition(by_others);
        let names = |pods: &[&(Option<usize>, &Workload)]| named(pods.iter().map(|(_, pod)| *pod));
        let effect = match (alone.as_slice(), others.as_slice()) {
            (alone, []) => format!("every request to {} is denied", names(alone)),
            ([], others) => {
                format!("only what rules of other ALLOW policies match comes to {}", names(others))
            }
            (alone, others) => format!(
                "every request to {} is denied, and only what rules of other ALLOW policies match comes to {}",
                names(alone),
                names(others)
            ),
        };
        let message = format!("{} allows nothing, since it has no rules: {effect}", policy.object.id);
        let counted = "no rule to meet";
        findings.push(Finding::of_field(
            Code::EverythingDenied,
            policy.object,
            "spec.rules",
            counted,
            message,
        ));
    }
    findings
}

/// The pods of a gateway that a reference of a policy names (S6).
fn gateways<'a>(
    mesh: &'a Mesh,
    namespace: &str,
    target: &'a TargetRef,
) -> impl Iterator<Item = &'a Workload> {
    let is_gateway = target.group == "gateway.networking.k8s.io" && target.kind == "Gateway";
    let own = mesh.workloads.in_namespace(namespace).iter().filter_map(|at| mesh.workloads.get(*at));
    own.filter(move |pod| {
        is_gateway
            && matches!(pod.proxy, ProxyKind::Gateway | ProxyKind::Waypoint)
            && pod.labels.get(GATEWAY_NAME) == Some(&*target.name)
    })
}
