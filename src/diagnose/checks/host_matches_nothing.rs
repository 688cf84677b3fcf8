//! MS0203: a rule for a host that no Service and no `ServiceEntry` has (DR-2.1 to DR-2.4, DR-3.1 to DR-3.5).

use std::collections::{BTreeMap, BTreeSet};

use super::unreadable;
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Confidence, Finding};
use crate::model::{Kind, Text};
use crate::resolve::name::namespace_of;
use crate::resolve::rules::Rule;
use crate::resolve::{Mesh, RuleId};

/// The findings, and the rules that they are about. Nothing is said where no service was read, or where one was that
/// could not be.
pub fn check(mesh: &Mesh) -> (Vec<Finding>, BTreeSet<RuleId>) {
    let (mut findings, mut rules) = (Vec::new(), BTreeSet::new());
    let hosts = Hosts::new(mesh);
    let cannot_tell = unreadable(mesh, &[Kind::Service, Kind::ServiceEntry]);
    if hosts.reversed.is_empty() || cannot_tell {
        return (findings, rules);
    }
    for (id, rule) in mesh.rules.all() {
        let Some(body) = rule.body() else { continue };
        if rule.host.is_empty() || hosts.has(mesh, &rule.host) || is_of_other_domain(&rule.host) {
            continue;
        }
        rules.insert(id);
        let hint = hosts.hint(mesh, rule, &body.host);
        let message = format!("{} is for host {}: {hint}", rule.object.id, body.host);
        let counted = format!("means {}, which no Service and no ServiceEntry has", rule.host);
        let code = Code::HostMatchesNothing;
        let mut finding = Finding::of_field(code, &rule.object, "spec.host", &counted, message);
        // Where nothing of the namespace was read, its services may not have been collected.
        let is_known = |namespace: &str| {
            mesh.registry.has_services_in(namespace) || !mesh.workloads.in_namespace(namespace).is_empty()
        };
        if namespace_of(&rule.host).is_some_and(|namespace| !is_known(namespace)) {
            finding.confidence = Confidence::Likely;
        }
        findings.push(finding);
    }
    (findings, rules)
}

/// A host of a mesh whose domain is not `cluster.local`, which the services that were read are not named by.
fn is_of_other_domain(host: &str) -> bool {
    host.split_once(".svc.").is_some_and(|(_, domain)| domain != "cluster.local")
}

/// Hosts of the registry, so that one can be looked for by its end and by its beginning.
struct Hosts<'a> {
    reversed: Vec<String>,
    by_label: BTreeMap<&'a str, Vec<&'a Text>>,
}

fn reverse(text: &str) -> String {
    text.chars().rev().collect()
}

impl<'a> Hosts<'a> {
    fn new(mesh: &'a Mesh) -> Self {
        let bare = |host: &Text| reverse(host.strip_prefix('*').unwrap_or(host));
        let mut reversed: Vec<_> = mesh.registry.hosts().map(bare).collect();
        reversed.sort();
        let mut by_label: BTreeMap<&str, Vec<&Text>> = BTreeMap::new();
        for host in mesh.registry.hosts() {
            by_label.entry(host.split('.').next().unwrap_or_default()).or_default().push(host);
        }
        Self { reversed, by_label }
    }

    fn has(&self, mesh: &Mesh, host: &str) -> bool {
        let Some(rest) = host.strip_prefix('*') else { return mesh.registry.by_host(host).is_some() };
        let rest = reverse(rest);
        let at = self.reversed.partition_point(|one| *one < rest);
        self.reversed.get(at).is_some_and(|one| one.starts_with(&rest))
    }

    /// Why, and what may be meant.
    fn hint(&self, mesh: &Mesh, rule: &Rule, written: &str) -> String {
        let namespace = &rule.object.id.namespace;
        let mut hint = if *written == *rule.host {
            "no Service and no ServiceEntry has it".to_owned()
        } else {
            format!("without a dot it means {}, in the rule's own namespace {namespace}", rule.host)
        };
        if *written != *rule.host && mesh.registry.by_host(written).is_some() {
            hint.push_str("; a ServiceEntry has the short host, which no rule can name");
            return hint;
        }
        let alike = self.by_label.get(written.split('.').next().unwrap_or_default()).into_iter().flatten();
        // `reviews.shop` and `reviews.shop.svc` are no short forms.
        let whole = format!("{written}.");
        let mut alike: Vec<_> = alike.copied().collect();
        alike.sort_by_key(|host| !host.starts_with(&whole));
        let meant = match alike.as_slice() {
            [] => String::new(),
            [one] => format!("; {one} may be meant"),
            [one, more @ ..] => format!("; {one} may be meant, or {} others", more.len()),
        };
        hint + &meant
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnose::checks::examples::{REVIEWS, check, finding, object, pod, rule, shop};

    fn with(namespace: &str, host: &str) -> String {
        shop() + &rule(namespace, "r", 1, &format!("{{host: \"{host}\", trafficPolicy: {{}}}}"))
    }

    fn told(yaml: &str) -> bool {
        check(yaml).iter().any(|line| line.starts_with("MS0203"))
    }

    #[test]
    fn a_host_that_nobody_has_is_told_with_what_may_be_meant() {
        let short = finding(&with("web", "reviews"), "MS0203");
        assert!(short.message.contains("means reviews.web.svc.cluster.local"), "{}", short.message);
        assert!(short.message.contains("reviews.shop.svc.cluster.local may be meant"), "{}", short.message);
        for host in ["reviews.shop", "reviews.shop.svc", "api.example.com", "*.example.com", "*-v1"] {
            assert!(told(&with("shop", host)), "{host}");
        }
        // It is the one finding of the rule.
        assert_eq!(check(&with("web", "reviews")), ["MS0203 web/r"]);
    }

    #[test]
    fn a_host_that_somebody_has_is_not_told() {
        for host in ["reviews", REVIEWS, "*", "*.local", "*.shop.svc.cluster.local", "*views"] {
            assert!(!told(&with("shop", host)), "{host}");
        }
        let entry = |host: &str| {
            let spec =
                format!("{{hosts: [\"{host}\"], ports: [{{name: http, number: 80, protocol: HTTP}}]}}");
            object("ServiceEntry", "web", "api", 1, &spec)
        };
        assert!(!told(&(with("web", "api.example.com") + &entry("api.example.com"))));
        assert!(!told(&(with("web", "*.com") + &entry("*.example.com"))));
        // No exact host is a wildcard's, and none without a dot a ServiceEntry's.
        assert!(told(&(with("web", "api.example.com") + &entry("*.example.com"))));
        let dotless = finding(&(with("web", "legacydb") + &entry("legacydb")), "MS0203");
        assert!(dotless.message.contains("no rule can name"), "{}", dotless.message);
    }

    #[test]
    fn without_services_or_with_another_domain_it_cannot_be_told() {
        let alone = pod("web", "client-1", 2, "app: client", true)
            + &rule("web", "r", 1, "{host: reviews, trafficPolicy: {}}");
        assert!(!told(&alone));
        assert!(!told(&with("web", "reviews.shop.svc.example.internal")));
        let broken = with("web", "reviews")
            + "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {namespace: web, name: x}\nspec: 7\n";
        assert!(!told(&broken));
    }
}
