//! MS0412: at a sidecar the remote address is the last element of `X-Forwarded-For`, which any caller can set (I8).

use super::{Policies, Policy, PortFilter, named, place_of};
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::Finding;
use crate::model::authorization_policy::{AccessRule, Action, Values};
use crate::model::service::PortProtocol;

/// Fields by which a rule is for callers that it knows by their certificates, such as a gateway in front.
const KNOWN: [&str; 3] = ["principals", "namespaces", "serviceAccounts"];

/// The finding of a policy.
pub(super) fn check(policies: &Policies<'_>, policy: &Policy<'_>) -> Option<Finding> {
    let decides = match policy.body.action {
        Action::Allow | Action::Deny | Action::Custom => !policy.body.is_dry_run,
        Action::Audit | Action::Other(_) => false,
    };
    let mut rules = policy.body.rules.iter().enumerate().filter(|_| decides);
    rules.find_map(|(at, rule)| {
        let place = of_rule(at, rule)?;
        let reads_http = |pod: usize, filter: &PortFilter| {
            let other = |port| policies.ports.protocol(pod, port) != Some(PortProtocol::Tcp);
            if let Some(mut named) = filter.named() {
                return named.any(other);
            }
            let mut known = policies.ports.of(pod).filter(|(port, _)| filter.takes(*port)).peekable();
            known.peek().is_none() || known.any(|(port, _)| other(port))
        };
        let mut filters: Vec<_> =
            rule.written.to.iter().map(|one| PortFilter::new(one, &rule.written.when)).collect();
        if filters.is_empty() {
            filters.push(PortFilter::new(&[], &rule.written.when));
        }
        let at_sidecars = policy.sidecars().filter(|(pod, _)| filters.iter().any(|one| reads_http(*pod, one)));
        let pods: Vec<_> = at_sidecars.map(|(_, pod)| pod).collect();
        if pods.is_empty() {
            return None;
        }
        let message = format!(
            "{} ({place}) decides by the remote address, which at a sidecar is the last element of X-Forwarded-For: \
             every caller can write it: {}",
            policy.object.id,
            named(pods.into_iter())
        );
        let code = Code::RemoteAddressOfCallersChoice;
        Some(Finding::of_field(code, policy.object, &place, "what the caller wrote into X-Forwarded-For", message))
    })
}

/// The first place of a rule that is about remote addresses of anybody.
fn of_rule(at: usize, rule: &AccessRule) -> Option<String> {
    let written = &rule.written;
    let is_known = |source: &[Values]| {
        source
            .iter()
            .any(|one| KNOWN.contains(&&*one.field) && !one.values.iter().any(|value| &**value == "*"))
    };
    let keys = ["source.principal", "source.namespace", "source.serviceAccount"];
    let known_by_key = written.when.iter().any(|one| {
        keys.contains(&&*one.key) && !one.values.is_empty() && !one.values.iter().any(|value| &**value == "*")
    });
    if known_by_key {
        return None;
    }
    let mut sources = written.from.iter().enumerate().filter(|(_, source)| !is_known(source));
    let of_source = |(from, source): (usize, &Vec<Values>)| {
        let one = source.iter().find(|one| ["remoteIpBlocks", "notRemoteIpBlocks"].contains(&&*one.field))?;
        Some(format!("spec.rules[{at}].from[{from}].source.{}", one.field))
    };
    let all_known = !written.from.is_empty() && written.from.iter().all(|source| is_known(source));
    let by_key = || {
        let mut conditions = written.when.iter().enumerate();
        let has = |one: &&(usize, &crate::model::authorization_policy::Condition)| {
            one.1.key == "remote.ip" && !(one.1.values.is_empty() && one.1.not_values.is_empty())
        };
        conditions.find(|one| has(&one)).map(|(number, one)| place_of(at, number, one))
    };
    sources.find_map(of_source).or_else(|| by_key().filter(|_| !all_known))
}
