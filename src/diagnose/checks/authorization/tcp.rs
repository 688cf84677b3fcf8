//! MS0402 and a part of MS0401: fields of HTTP on ports that are declared as TCP. There a rule that denies loses those
//! fields and matches more (T2), and one that allows is dropped (T1). A port without a protocol in its name is found out by
//! the proxy, and proves neither.

use std::collections::BTreeMap;

use super::{Policies, Policy, PortFilter, fields, named, place_of};
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Finding, Role};
use crate::model::authorization_policy::{AccessRule, Action, HTTP_FIELDS, Values};
use crate::model::pod::ProxyKind;
use crate::model::service::PortProtocol;
use crate::resolve::Workload;

/// The findings of a policy.
pub(super) fn check(policies: &Policies<'_>, policy: &Policy<'_>) -> Vec<Finding> {
    let rules = || policy.body.rules.iter().enumerate().filter(|(_, rule)| rule.is_for_http);
    if policy.is_enforced(&Action::Deny) {
        rules().filter_map(|(at, rule)| widened(policies, policy, at, rule)).collect()
    } else if policy.is_enforced(&Action::Allow) {
        rules().filter_map(|(at, rule)| dropped(policies, policy, at, rule)).collect()
    } else {
        Vec::new()
    }
}

fn is_of_http(part: &[Values]) -> bool {
    part.iter().any(|one| HTTP_FIELDS.contains(&&*one.field))
}

/// The place of the first field of HTTP.
fn first_field(at: usize, rule: &AccessRule) -> Option<String> {
    let in_parts = fields(at, &rule.written).into_iter().find(|(_, one)| HTTP_FIELDS.contains(&&*one.field));
    let when = || rule.written.when.iter().enumerate().find(|(_, one)| one.key.starts_with("request."));
    in_parts.map(|(place, _)| place).or_else(|| when().map(|(number, one)| place_of(at, number, one)))
}

/// The operations of a rule, of which there is one that says nothing where none is written.
fn operations(rule: &AccessRule) -> impl Iterator<Item = &[Values]> {
    let none = rule.written.to.is_empty().then_some(&[][..]);
    rule.written.to.iter().map(Vec::as_slice).chain(none)
}

/// MS0402: the TCP ports on which a rule that denies loses what it says of HTTP.
fn widened(policies: &Policies<'_>, policy: &Policy<'_>, at: usize, rule: &AccessRule) -> Option<Finding> {
    let written = &rule.written;
    let everywhere = written.from.iter().any(|source| is_of_http(source))
        || written.when.iter().any(|one| one.key.starts_with("request."));
    let lossy: Vec<_> = operations(rule)
        .filter(|operation| everywhere || is_of_http(operation))
        .map(|operation| PortFilter::new(operation, &written.when))
        .collect();
    let mut ports: BTreeMap<u16, Vec<&Workload>> = BTreeMap::new();
    for (pod, workload) in policy.sidecars() {
        for (port, _) in policies.ports.of(pod).filter(|(_, protocol)| *protocol == PortProtocol::Tcp) {
            if lossy.iter().any(|filter| filter.takes(port)) {
                ports.entry(port).or_default().push(workload);
            }
        }
    }
    let (_, first) = ports.first_key_value()?;
    let example = first.first().map(|pod| &pod.object)?;
    let place = first_field(at, rule)?;
    let said: Vec<_> = ports
        .iter()
        .take(5)
        .map(|(port, pods)| format!("{port} of {}", named(pods.iter().copied())))
        .collect();
    let more = ports.len().saturating_sub(said.len());
    let more = if more > 0 { format!(" and {more} more ports") } else { String::new() };
    let besides = fields(at, written)
        .iter()
        .any(|(_, one)| !HTTP_FIELDS.contains(&&*one.field) && !["ports", "notPorts"].contains(&&*one.field))
        || written.when.iter().any(|one| !one.key.starts_with("request.") && one.key != "destination.port");
    let what = if besides { "whatever the rest of the rule matches" } else { "every connection" };
    let message = format!(
        "{} (spec.rules[{at}]) denies more than it says: on TCP ports its HTTP fields ({place}) do not count, and it \
         denies {what} there: {}{more}",
        policy.object.id,
        said.join("; ")
    );
    let counted = "left out on TCP ports";
    let finding = Finding::of_field(Code::DenyWidenedOnTcp, policy.object, &place, counted, message);
    Some(finding.with(example, Role::Affected, "", ""))
}

/// MS0401: a rule that allows, where all ports that it can be for are TCP, so that it is dropped on all of them.
fn dropped(policies: &Policies<'_>, policy: &Policy<'_>, at: usize, rule: &AccessRule) -> Option<Finding> {
    let is_tcp = |pod: usize, port: u16| policies.ports.protocol(pod, port) == Some(PortProtocol::Tcp);
    let filters: Vec<_> =
        operations(rule).map(|operation| PortFilter::new(operation, &rule.written.when)).collect();
    let only_tcp = |pod: usize, filter: &PortFilter| {
        if let Some(mut named) = filter.named() {
            return named.all(|port| is_tcp(pod, port));
        }
        let mut known = policies.ports.of(pod).filter(|(port, _)| filter.takes(*port)).peekable();
        known.peek().is_some() && known.all(|(_, protocol)| protocol == PortProtocol::Tcp)
    };
    let is_lost = |(pod, workload): &(usize, &Workload)| {
        workload.proxy == ProxyKind::Sidecar && filters.iter().all(|filter| only_tcp(*pod, filter))
    };
    let names_none =
        filters.iter().all(|filter| filter.named().is_some_and(|mut ports| ports.next().is_none()));
    if policy.pods.is_empty() || names_none || !policy.pods.iter().all(is_lost) {
        return None;
    }
    let place = first_field(at, rule)?;
    let message = format!(
        "{} (spec.rules[{at}]) lets nobody in: its HTTP fields ({place}) are for ports that Services declare as TCP, \
         where such a rule is dropped: {}",
        policy.object.id,
        named(policy.pods.iter().map(|(_, pod)| *pod))
    );
    let counted = "HTTP, and all ports are TCP";
    let finding = Finding::of_field(Code::AllowMatchesNothing, policy.object, &place, counted, message);
    Some(
        policy
            .pods
            .iter()
            .take(1)
            .fold(finding, |finding, (_, pod)| finding.with(&pod.object, Role::Affected, "", "")),
    )
}
