//! MS0201: a rule that is in force for no client of any service (DR-5.1, DR-5.4, DR-5.6), or whose host is only an
//! alias, for which clients have no cluster (DR-7.7).

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::unreadable;
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Confidence, Finding, Role};
use crate::diagnose::uses::Uses;
use crate::model::pod::ProxyKind;
use crate::model::{Kind, Labels, Text};
use crate::resolve::rules::{Rule, matches};
use crate::resolve::{Mesh, RuleId, Service, Workload};

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
    };
    let nobody = |rule: &Rule| {
        if let Some(found) = matched(mesh, rule) {
            // Which of an alias and an entry of the same host clients have is written nowhere.
            let also_alias = || mesh.registry.definitions(&found.host).any(Service::is_alias);
            !vms.contains(&rule.object.id.namespace) && !serves(mesh, rule) && !also_alias()
        } else {
            alias(mesh, rule).is_some()
        }
    };
    let unused: Vec<_> = mesh.rules.all().filter(is_unused).collect();
    unused.into_par_iter().filter(|(_, rule)| nobody(rule)).map(|(id, _)| id).collect()
}

/// A mesh-wide default is there for the hosts that have no rule of their own.
fn is_default(mesh: &Mesh, rule: &Rule) -> bool {
    rule.host.starts_with('*') && mesh.is_a_root(&rule.object.id.namespace)
}

/// Namespaces of machines, which are clients that no pod shows.
fn outside_clients(mesh: &Mesh) -> BTreeSet<Text> {
    let groups = Kind::OtherMesh("WorkloadGroup".into());
    let found = [Kind::WorkloadEntry, groups].into_iter().flat_map(|kind| {
        mesh.snapshot.of_kind(&kind).map(|object| object.id.namespace.clone()).collect::<Vec<_>>()
    });
    found.collect()
}

/// The services that the rule's host matches.
fn services<'a>(mesh: &'a Mesh, rule: &'a Rule) -> Box<dyn Iterator<Item = &'a Service> + 'a> {
    if rule.host.starts_with('*') {
        Box::new(mesh.registry.services().filter(|one| matches(&rule.host, &one.host)))
    } else {
        Box::new(mesh.registry.definitions(&rule.host))
    }
}

/// A service that the rule's host matches and that has a cluster of its own.
fn matched<'a>(mesh: &'a Mesh, rule: &'a Rule) -> Option<&'a Service> {
    services(mesh, rule).find(|one| !one.is_alias())
}

/// The alias that the rule's host is, where nothing else is (DR-7.7). Up to 1.23 a flag that is not read can make
/// clients have a cluster for it, and an alias that selects pods may be what their proxies serve.
fn alias<'a>(mesh: &'a Mesh, rule: &'a Rule) -> Option<&'a Service> {
    let known = mesh.of_all().all(|one| one.config.version.at_least(1, 24));
    let selects = |service: &Service| service.object.body.service().is_some_and(|one| one.selector.is_some());
    let found = services(mesh, rule).next().filter(|_| known)?;
    services(mesh, rule).all(|one| one.is_alias() && !selects(one)).then_some(found)
}

/// Whether pods of a service take notice of the rule: a server's proxy finds it as a client of its namespace would,
/// whatever is in its scope (DR-6.10, DR-7.10), with the root namespace of its own control plane.
fn serves(mesh: &Mesh, rule: &Rule) -> bool {
    let namespace = &rule.object.id.namespace;
    let is = |id: RuleId| mesh.rules.get(id).is_some_and(|one| one.object.id == rule.object.id);
    let finds = |one: &Mesh, host: &str| {
        let found = one.rules.look_up(namespace, namespace, host, &one.config.root_namespace);
        let chosen = found.and_then(|found| one.rules.choose(&found, namespace, &Labels::default(), false));
        chosen.is_some_and(|entry| entry.contributors.iter().any(|one| is(one.rule)))
    };
    let is_of = |one: &Mesh, pod: &Workload| {
        pod.proxy == ProxyKind::Sidecar && std::ptr::eq(mesh.of_client(pod), one)
    };
    services(mesh, rule).filter(|service| service.namespace == *namespace).any(|service| {
        let pods = || service.all_endpoints().filter_map(|endpoint| mesh.workloads.get(endpoint.workload?));
        mesh.of_all().any(|one| finds(one, &service.host) && pods().any(|pod| is_of(one, pod)))
    })
}

/// The findings.
pub fn check(mesh: &Mesh, uses: &Uses<'_>, rules: &BTreeSet<RuleId>) -> Vec<Finding> {
    rules.iter().filter_map(|id| finding(mesh, uses, *id)).collect()
}

fn finding(mesh: &Mesh, uses: &Uses<'_>, id: RuleId) -> Option<Finding> {
    let rule = mesh.rules.get(id)?;
    let Some(service) = matched(mesh, rule) else { return Some(of_alias(rule, alias(mesh, rule)?)) };
    let namespace = &rule.object.id.namespace;
    let hidden_by = uses.hidden.get(&id).and_then(|losses| losses.keys().next().copied().flatten());
    let winner = hidden_by.and_then(|winner| mesh.rules.get(winner));
    let pods = mesh.workloads.in_namespace(namespace);
    let clients = pods.iter().filter_map(|at| mesh.workloads.get(*at));
    let mut clients = clients.filter(|pod| !matches!(pod.proxy, ProxyKind::None | ProxyKind::Ztunnel));
    let has_client = clients.clone().next().is_some();
    let third = *namespace != service.namespace && !mesh.is_a_root(namespace);
    let why = if let Some(selector) = &rule.selector {
        let labels = selector.iter().map(|(key, value)| format!("{key}: {value}"));
        let labels = labels.collect::<Vec<_>>().join(", ");
        if !has_client {
            format!(
                "a rule with a workloadSelector is for clients of its own namespace {namespace}, and no client with a \
                 proxy is in it"
            )
        } else if clients.any(|pod| selector.is_subset_of(&pod.labels)) {
            format!(
                "the clients in namespace {namespace} that its workloadSelector selects do not have {} in their scope, \
                 or find another rule",
                service.host
            )
        } else {
            format!(
                "its workloadSelector ({labels}) selects no client with a proxy in its own namespace {namespace}, and it \
                 is for no others"
            )
        }
    } else if third && !has_client {
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
    if (third || rule.selector.is_some()) && pods.is_empty() {
        finding.confidence = Confidence::Likely;
    }
    Some(finding)
}

/// A rule for a host that stands for another one.
fn of_alias(rule: &Rule, service: &Service) -> Finding {
    let target = service.object.body.service().and_then(|one| one.external_name.clone());
    let target = target.map(|target| format!(" for {target}")).unwrap_or_default();
    let message = format!(
        "{} is in force for no client: {} is an alias{target} (type ExternalName), for which proxies have no cluster and \
         take notice of no rule; a rule for the host that is meant counts",
        rule.object.id, service.host
    );
    let finding = Finding::of_field(Code::RuleNeverUsed, &rule.object, "spec.host", "an alias", message);
    finding.with(&service.object, Role::Partner, "spec.externalName", "the host that is meant")
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
    fn a_rule_with_a_selector_is_told_with_what_it_selects() {
        let selects = |namespace: &str, labels: &str| {
            with(namespace, &format!(", workloadSelector: {{matchLabels: {{{labels}}}}}"))
        };
        let nobody = finding(&selects("web", "app: other"), "MS0201").message;
        assert!(nobody.contains("its workloadSelector (app: other) selects no client"), "{nobody}");
        let empty = finding(&selects("config", "app: client"), "MS0201");
        assert!(empty.message.contains("for clients of its own namespace config"), "{}", empty.message);
        assert_eq!(empty.confidence.word(), "likely");
        let first =
            rule("web", "first", 0, &format!("{{host: {REVIEWS}, workloadSelector: {{matchLabels: {{}}}}}}"));
        let second = finding(&(selects("web", "app: client") + &first), "MS0201").message;
        assert!(second.contains("or find another rule"), "{second}");
        assert!(!told(&selects("web", "app: client")));
    }

    #[test]
    fn a_rule_for_an_alias_is_told_unless_something_else_has_the_host() {
        let alias = |more: &str| {
            shop()
                + &format!(
                    "---
apiVersion: v1
kind: Service
metadata: {{namespace: shop, name: legacy}}
spec: {{type: ExternalName, externalName: {REVIEWS}{more}}}
"
                )
        };
        let own =
            |host: &str| rule("shop", "r", 1, &format!("{{host: \"{host}\", trafficPolicy: {{tls: {{}}}}}}"));
        let never = finding(&(alias("") + &own("legacy")), "MS0201");
        assert!(never.message.contains(&format!("an alias for {REVIEWS}")), "{}", never.message);
        assert!(told(&(alias("") + &own("*acy"))));
        // The host that is meant, a wildcard that matches more, and a ServiceEntry of the same host.
        assert!(!told(&(alias("") + &own(REVIEWS))));
        assert!(!told(&(alias("") + &own("*.shop.svc.cluster.local"))));
        let entry =
            "{hosts: [legacy.shop.svc.cluster.local], ports: [{name: http, number: 80, protocol: HTTP}]}";
        let entry = object("ServiceEntry", "shop", "legacy", 1, entry);
        assert!(!told(&(alias("") + &own("legacy") + &entry)));
        assert!(!told(&(alias(", selector: {app: reviews}") + &own("legacy"))));
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
