//! MS0201: a rule that is in force for no client of any service (DR-5.1, DR-5.4, DR-5.6, DR-7.7).

use std::collections::BTreeSet;

use super::unreadable;
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Confidence, Finding, Role};
use crate::diagnose::uses::Uses;
use crate::model::pod::ProxyKind;
use crate::model::{Kind, Text};
use crate::resolve::rules::{Rule, matches};
use crate::resolve::{Mesh, RuleId, Service};

/// Rules that are in force for nobody, those left out for which a more specific finding is made or it cannot be told:
/// there is no client at all, one that was not read could use them, or something could not be read.
pub fn rules(mesh: &Mesh, uses: &Uses<'_>, without: &BTreeSet<RuleId>) -> BTreeSet<RuleId> {
    let deciding = [
        Kind::Service,
        Kind::ServiceEntry,
        Kind::Sidecar,
        Kind::VirtualService,
        Kind::DestinationRule,
        Kind::Pod,
    ];
    if !uses.any_client || unreadable(mesh, &deciding) {
        return BTreeSet::new();
    }
    let vms = outside_clients(mesh);
    let is_unused = |(id, rule): &(RuleId, &Rule)| {
        !uses.used.contains_key(id)
            && !without.contains(id)
            && !uses.apart.contains_key(id)
            && !is_default(mesh, rule)
            && !vms.contains(&rule.object.id.namespace)
    };
    let unused = mesh.rules.all().filter(is_unused);
    unused
        .filter(|(_, rule)| matched(mesh, rule).is_some_and(|found| !serves(mesh, rule, found)))
        .map(|(id, _)| id)
        .collect()
}

/// A mesh-wide default is there for the hosts that have no rule of their own.
fn is_default(mesh: &Mesh, rule: &Rule) -> bool {
    rule.host.starts_with('*') && *rule.object.id.namespace == *mesh.config.root_namespace
}

/// Namespaces of machines, which are clients that no pod shows.
fn outside_clients(mesh: &Mesh) -> BTreeSet<Text> {
    let groups = Kind::OtherMesh("WorkloadGroup".into());
    let found = [Kind::WorkloadEntry, groups].into_iter().flat_map(|kind| {
        mesh.snapshot.of_kind(&kind).map(|object| object.id.namespace.clone()).collect::<Vec<_>>()
    });
    found.collect()
}

/// A service that the rule's host matches and that has a cluster of its own.
fn matched<'a>(mesh: &'a Mesh, rule: &Rule) -> Option<&'a Service> {
    if rule.host.starts_with('*') {
        let mut services = mesh.registry.services().iter();
        services.find(|one| !one.is_alias() && matches(&rule.host, &one.host))
    } else {
        mesh.registry.definitions(&rule.host).find(|one| !one.is_alias())
    }
}

/// Whether the service's own pods take notice of it: a server's proxy finds the rule as a client of its namespace
/// would, whatever is in its scope (DR-6.10).
fn serves(mesh: &Mesh, rule: &Rule, service: &Service) -> bool {
    let namespace = &service.namespace;
    if rule.object.id.namespace != *namespace {
        return false;
    }
    let sidecar = |at: usize| mesh.workloads.get(at).is_some_and(|one| one.proxy == ProxyKind::Sidecar);
    let found = mesh.rules.look_up(namespace, namespace, &service.host, &mesh.config.root_namespace);
    let entry =
        found.and_then(|found| mesh.rules.choose(&found, namespace, &crate::model::Labels::default(), false));
    let is = |id: RuleId| mesh.rules.get(id).is_some_and(|one| one.object.id == rule.object.id);
    entry.is_some_and(|entry| entry.contributors.iter().any(|one| is(one.rule)))
        && service.all_endpoints().filter_map(|endpoint| endpoint.workload).any(sidecar)
}

/// The findings.
pub fn check(mesh: &Mesh, uses: &Uses<'_>, rules: &BTreeSet<RuleId>) -> Vec<Finding> {
    rules.iter().filter_map(|id| finding(mesh, uses, *id)).collect()
}

fn finding(mesh: &Mesh, uses: &Uses<'_>, id: RuleId) -> Option<Finding> {
    let rule = mesh.rules.get(id)?;
    let service = matched(mesh, rule)?;
    let namespace = &rule.object.id.namespace;
    let hidden_by = uses.hidden.get(&id).and_then(|losses| losses.keys().next().copied().flatten());
    let winner = hidden_by.and_then(|winner| mesh.rules.get(winner));
    let pods = mesh.workloads.in_namespace(namespace);
    let mut clients = pods.iter().filter_map(|at| mesh.workloads.get(*at));
    let has_client = clients.any(|pod| !matches!(pod.proxy, ProxyKind::None | ProxyKind::Ztunnel));
    let third = *namespace != service.namespace && **namespace != *mesh.config.root_namespace;
    let why = if third && !has_client {
        format!(
            "namespace {namespace} is neither that of the service ({}) nor the root namespace, and no client with a \
             proxy is in it",
            service.namespace
        )
    } else if let Some(winner) = winner {
        format!("every client finds {} first", winner.object.id)
    } else if uses.not_exported.contains_key(&id) {
        format!("its exportTo names none of the clients of {}", service.host)
    } else if third {
        format!(
            "the clients of namespace {namespace} do not have {} in their scope, or find another rule",
            service.host
        )
    } else {
        "every client finds another rule, or none".to_owned()
    };
    let message = format!("{} is in force for no client of {}: {why}", rule.object.id, service.host);
    let code = Code::RuleNeverUsed;
    let mut finding = Finding::of_field(code, &rule.object, "spec.host", "wins for no client", message);
    if let Some(winner) = winner {
        finding = finding.with(&winner.object, Role::Partner, "spec.host", "found first");
    }
    // Where no pod of the namespace was read at all, its clients may not have been collected.
    if third && pods.is_empty() {
        finding.confidence = Confidence::Likely;
    }
    Some(finding)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::checks::examples::{REVIEWS, check, finding, object, pod, rule, service, shop};

    fn with(namespace: &str, more: &str) -> String {
        let policy = "trafficPolicy: {tls: {mode: SIMPLE}}";
        shop() + &rule(namespace, "r", 1, &format!("{{host: {REVIEWS}, {policy}{more}}}"))
    }

    fn told(yaml: &str) -> bool {
        check(yaml).iter().any(|line| line.starts_with("MS0201"))
    }

    #[test]
    fn a_rule_that_nobody_finds_is_told_with_the_reason() {
        let third = finding(&with("config", ""), "MS0201");
        assert!(third.message.contains("namespace config is neither"), "{}", third.message);
        assert_eq!(third.confidence.word(), "likely");
        // With pods there, but none that has a proxy, it is proved.
        let bare = with("config", "") + &pod("config", "job", 9, "app: job", false);
        assert_eq!(finding(&bare, "MS0201").confidence.word(), "certain");
        assert!(told(&with("shop", ", exportTo: [nobody]")));
        // A selector that selects nobody.
        assert!(told(&with("web", ", workloadSelector: {matchLabels: {app: other}}")));
    }

    #[test]
    fn a_rule_for_a_service_out_of_scope_is_told() {
        let limited = with("web", "")
            .replace("name: reviews}", "name: reviews, annotations: {networking.istio.io/exportTo: \".\"}}");
        assert!(finding(&limited, "MS0201").message.contains("in their scope"));
    }

    #[test]
    fn a_rule_that_somebody_uses_is_not_told() {
        for namespace in ["shop", "web", "istio-system"] {
            assert!(!told(&with(namespace, "")), "{namespace}");
        }
        // Merged, and used by the service's own pods.
        let merged = with("shop", "") + &rule("shop", "b", 2, "{host: reviews, subsets: [{name: v1}]}");
        assert!(!told(&merged));
        let alone = service("shop", "reviews", "") + &pod("shop", "reviews-1", 1, "app: reviews", true);
        let sidecar =
            object("Sidecar", "shop", "none", 1, "{egress: [{hosts: [\"./other.shop.svc.cluster.local\"]}]}");
        let serves = alone + &pod("web", "c", 2, "app: c", true) + &sidecar;
        assert!(!told(
            &(serves
                + &rule(
                    "shop",
                    "r",
                    1,
                    &format!("{{host: {REVIEWS}, exportTo: [\".\"], trafficPolicy: {{}}}}")
                ))
        ));
    }

    #[test]
    fn without_clients_it_cannot_be_told() {
        let policy = rule("config", "r", 1, &format!("{{host: {REVIEWS}, trafficPolicy: {{}}}}"));
        assert!(!told(&(service("shop", "reviews", "") + &policy)));
        // A machine with a proxy may stand in the namespace.
        let machine = object("WorkloadEntry", "config", "vm", 1, "{address: 10.1.1.1, labels: {app: vm}}");
        assert!(!told(&(with("config", "") + &machine)));
    }
}
