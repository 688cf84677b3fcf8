//! MS0409: an ALLOW policy without rules lets nobody in (O7): whom it covers, and whom other policies let in (O5).

use std::collections::BTreeSet;

use super::{Policies, named};
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::Finding;
use crate::model::authorization_policy::Action;
use crate::resolve::Workload;

/// The findings.
pub(super) fn check(policies: &Policies<'_>) -> Vec<Finding> {
    let allowing = || policies.all.iter().filter(|policy| policy.is_enforced(&Action::Allow));
    let with_rules = allowing().filter(|policy| !policy.body.rules.is_empty());
    let let_in: BTreeSet<usize> = with_rules.flat_map(|policy| &policy.pods).map(|(at, _)| *at).collect();
    let mut findings = Vec::new();
    for policy in allowing().filter(|policy| policy.body.rules.is_empty()) {
        if policy.pods.is_empty() {
            continue;
        }
        let (others, alone): (Vec<_>, Vec<_>) = policy.pods.iter().partition(|(at, _)| let_in.contains(at));
        let names = |pods: &[&(usize, &Workload)]| named(pods.iter().map(|(_, pod)| *pod));
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
