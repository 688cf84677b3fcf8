//! MS0109 and MS0110: a `PeerAuthentication`, or a part of it, that no server takes notice of (MT-1.1 to MT-1.3, MT-1.5,
//! MT-1.6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Confidence, Finding, Role};
use crate::model::peer_authentication::{MtlsMode, PeerAuthentication};
use crate::model::pod::ProxyKind;
use crate::model::{Kind, Object, Text};
use crate::resolve::server_mtls::PolicyLevel;
use crate::resolve::{Mesh, Workload};

type Policy<'a> = (&'a Arc<Object>, &'a PeerAuthentication);

fn policies(mesh: &Mesh) -> Vec<Policy<'_>> {
    let all = mesh.snapshot.of_kind(&Kind::PeerAuthentication);
    all.filter_map(|object| Some((object, object.body.peer_authentication()?))).collect()
}

/// MS0110.
pub fn ignored(mesh: &Mesh) -> Vec<Finding> {
    let root = mesh.config.root_namespace.as_str();
    let mut findings = Vec::new();
    // The classes of MT-1.1: policies without selector by namespace, and those with one.
    let mut general: BTreeMap<&Text, Vec<Policy<'_>>> = BTreeMap::new();
    let mut selecting: BTreeMap<&Text, Vec<Policy<'_>>> = BTreeMap::new();
    for (object, policy) in policies(mesh) {
        let namespace = &object.id.namespace;
        if policy.selector.is_empty() {
            general.entry(namespace).or_default().push((object, policy));
            if !policy.ports.is_empty() {
                findings.push(ports_without_selector(object));
            }
        } else if **namespace == *root {
            findings.push(selector_in_root(object));
        } else {
            selecting.entry(namespace).or_default().push((object, policy));
        }
    }
    for list in general.into_values() {
        let class = sorted(list);
        let Some((first, rest)) = class.split_first() else { continue };
        findings.extend(rest.iter().filter(|one| differ(first, one)).map(|one| hidden(one, first, "")));
    }
    for (namespace, list) in selecting {
        let class = sorted(list);
        for (at, younger) in class.iter().enumerate().skip(1) {
            findings.extend(hidden_on_pods(mesh, namespace, younger, class.get(..at).unwrap_or_default()));
        }
    }
    findings
}

/// Oldest first (MT-1.2).
fn sorted(mut list: Vec<Policy<'_>>) -> Vec<Policy<'_>> {
    list.sort_by_key(|(object, _)| (object.meta.created, &object.id.name));
    list
}

/// Whether it matters which of two counts.
fn differ(one: &Policy<'_>, other: &Policy<'_>) -> bool {
    one.1.mode != other.1.mode || !one.1.selector.is_empty() && one.1.ports != other.1.ports
}

fn ports_without_selector(object: &Arc<Object>) -> Finding {
    let message = format!("{}: portLevelMtls has no effect without a selector", object.id);
    let counted = "ports count with a selector only";
    Finding::of_field(Code::PeerAuthenticationIgnored, object, "spec.portLevelMtls", counted, message)
}

fn selector_in_root(object: &Arc<Object>) -> Finding {
    let message =
        format!("{}: a policy with a selector in the root namespace selects no workload anywhere", object.id);
    let counted = "ignored in the root namespace";
    Finding::of_field(Code::PeerAuthenticationIgnored, object, "spec.selector", counted, message)
}

fn hidden(younger: &Policy<'_>, older: &Policy<'_>, which: &str) -> Finding {
    let (object, first) = (younger.0, older.0);
    let message = format!(
        "{} does not count{which}: {} is older, and only the oldest of its kind does",
        object.id, first.id
    );
    let code = Code::PeerAuthenticationIgnored;
    let field = "metadata.creationTimestamp";
    let finding = Finding::of_field(code, object, field, "younger", message);
    let mut finding = finding.with(first, Role::Partner, field, "older, or first by name");
    // Without times the order is that of the names, and may be another one in the cluster.
    if object.meta.created.is_none() || first.meta.created.is_none() {
        finding.confidence = Confidence::Possible;
    }
    finding
}

/// Whether anything at the pod takes notice of policies.
fn demands(pod: &Workload) -> bool {
    matches!(pod.proxy, ProxyKind::Sidecar | ProxyKind::Ztunnel)
}

/// A policy that some pods do not take notice of because an older one selects them as well.
fn hidden_on_pods(
    mesh: &Mesh,
    namespace: &str,
    younger: &Policy<'_>,
    older: &[Policy<'_>],
) -> Option<Finding> {
    let pods = mesh.workloads.in_namespace(namespace).iter().filter_map(|at| mesh.workloads.get(*at));
    let selected = pods.filter(|pod| demands(pod) && younger.1.selector.is_subset_of(&pod.labels));
    let (mut all, mut lost, mut by) = (0, 0, None);
    for pod in selected {
        all += 1;
        let first = older.iter().find(|(_, policy)| policy.selector.is_subset_of(&pod.labels));
        if let Some(first) = first.filter(|first| differ(first, younger)) {
            lost += 1;
            by = by.or(Some(first));
        }
    }
    let which =
        if lost == all { String::new() } else { format!(" for {lost} of the {all} pods that it selects") };
    by.map(|first| hidden(younger, first, &which))
}

/// MS0109: entries for a number that is a port of the Service, and leads to another port of the workload.
pub fn on_service_port(mesh: &Mesh) -> Vec<Finding> {
    let policies: Vec<_> = policies(mesh)
        .into_iter()
        .filter(|(object, policy)| {
            !policy.ports.is_empty()
                && !policy.selector.is_empty()
                && *object.id.namespace != *mesh.config.root_namespace
        })
        .collect();
    if policies.is_empty() {
        return Vec::new();
    }
    let ports = Ports::new(mesh);
    policies.into_iter().filter_map(|policy| ports.misnamed(mesh, policy)).collect()
}

/// The ports of services by the pod that they lead to.
struct Ports<'a> {
    /// Service port, port of the workload, host.
    of_pod: BTreeMap<usize, BTreeSet<(u16, u16, &'a str)>>,
}

impl<'a> Ports<'a> {
    fn new(mesh: &'a Mesh) -> Self {
        let mut of_pod: BTreeMap<usize, BTreeSet<_>> = BTreeMap::new();
        for service in mesh.registry.services() {
            for port in service.ports() {
                for endpoint in service.endpoints(port.number) {
                    if let Some(at) = endpoint.workload {
                        of_pod.entry(at).or_default().insert((port.number, endpoint.port, &*service.host));
                    }
                }
            }
        }
        Self { of_pod }
    }

    fn misnamed(&self, mesh: &Mesh, (object, policy): Policy<'_>) -> Option<Finding> {
        let namespace = &object.id.namespace;
        let mut wrong = BTreeMap::new();
        for (number, mode) in policy.ports.iter().filter(|(_, mode)| *mode != MtlsMode::Unset) {
            let mut targets = BTreeSet::new();
            let mut host = "";
            for at in mesh.workloads.in_namespace(namespace) {
                let Some(pod) = mesh.workloads.get(*at) else { continue };
                if pod.proxy != ProxyKind::Sidecar || !policy.selector.is_subset_of(&pod.labels) {
                    continue;
                }
                let demand = mesh.policies.on_port(namespace, &pod.labels, *number);
                let counts = demand.level == PolicyLevel::Port
                    && demand.policy.as_ref().is_some_and(|policy| policy.id == object.id);
                // An entry that says what counts without it does no harm on any port.
                let harmless = mesh.policies.on_port(namespace, &pod.labels, 0).mode == *mode;
                if !counts || harmless {
                    continue;
                }
                let known = self.of_pod.get(at).into_iter().flatten();
                let declared = pod.body().is_some_and(|pod| pod.ports.iter().any(|(_, port)| port == number));
                if declared || known.clone().any(|(_, target, _)| target == number) {
                    // On one pod at least it is the workload's own port.
                    targets.clear();
                    break;
                }
                for (_, target, of) in known.filter(|(port, _, _)| port == number) {
                    targets.insert(*target);
                    host = of;
                }
            }
            if !targets.is_empty() {
                wrong.insert(*number, (targets, host));
            }
        }
        let (first, _) = wrong.first_key_value()?;
        let said = wrong.iter().map(|(number, (targets, host))| {
            let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
            format!("{number} is a port of {host}, which leads to {} of the pods", targets.join(", "))
        });
        let said: Vec<_> = said.collect();
        let field = format!("spec.portLevelMtls.{first}");
        let message = format!(
            "{} ({field}) is for a port that the pods do not have: {}; entries are for the pods' own ports",
            object.id,
            said.join("; ")
        );
        let counted = "no target port of the pods selected";
        let mut finding = Finding::of_field(Code::PortLevelOnServicePort, object, &field, counted, message);
        // A container may listen on a port that neither it nor any Service declares by name.
        finding.confidence = Confidence::Likely;
        Some(finding)
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnose::checks::examples::{check, finding, object, pod, shop};

    fn said(yaml: &str, code: &str) -> usize {
        check(yaml).iter().filter(|line| line.starts_with(code)).count()
    }

    fn policy(namespace: &str, name: &str, age: u8, spec: &str) -> String {
        object("PeerAuthentication", namespace, name, age, spec)
    }

    const OF_REVIEWS: &str = "selector: {matchLabels: {app: reviews}}";

    #[test]
    fn policies_that_nothing_takes_notice_of_are_told() {
        let selector = policy("istio-system", "p", 1, &format!("{{{OF_REVIEWS}, mtls: {{mode: STRICT}}}}"));
        assert_eq!(finding(&(shop() + &selector), "MS0110").root.1, "spec.selector");
        let ports = policy("shop", "p", 1, "{mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}}");
        assert_eq!(finding(&(shop() + &ports), "MS0110").root.1, "spec.portLevelMtls");
        let both = policy("shop", "old", 1, "{mtls: {mode: PERMISSIVE}}")
            + &policy("shop", "new", 2, "{mtls: {mode: STRICT}}");
        let hidden = finding(&(shop() + &both), "MS0110");
        assert_eq!((&*hidden.root.0.name, hidden.confidence.word()), ("new", "certain"));
        let ageless = both.replace(", creationTimestamp: \"2024-01-01T00:00:01Z\"", "");
        assert_eq!(finding(&(shop() + &ageless), "MS0110").confidence.word(), "possible");
    }

    #[test]
    fn a_younger_policy_of_the_same_pods_is_told_with_how_many() {
        let old =
            policy("shop", "old", 1, "{selector: {matchLabels: {version: v1}}, mtls: {mode: PERMISSIVE}}");
        let new = policy("shop", "new", 2, &format!("{{{OF_REVIEWS}, mtls: {{mode: STRICT}}}}"));
        let two = shop() + &pod("shop", "reviews-2", 8, "app: reviews, version: v2", true) + &old + &new;
        let told = finding(&two, "MS0110");
        assert!(told.message.contains("for 1 of the 2 pods"), "{}", told.message);
        let apart = two.replace("version: v1}}, mtls", "version: v3}}, mtls");
        assert_eq!(said(&apart, "MS0110"), 0);
    }

    #[test]
    fn policies_that_count_are_not_told() {
        let policies = policy("istio-system", "default", 1, "{mtls: {mode: PERMISSIVE}}")
            + &policy("shop", "default", 2, "{mtls: {mode: STRICT}}")
            + &policy(
                "shop",
                "reviews",
                3,
                &format!("{{{OF_REVIEWS}, portLevelMtls: {{8080: {{mode: DISABLE}}}}}}"),
            );
        assert_eq!(said(&(shop() + &policies), "MS0110"), 0);
        // Two that say the same: it does not matter which counts.
        let same = policy("shop", "a", 1, "{mtls: {mode: STRICT}}")
            + &policy("shop", "b", 2, "{mtls: {mode: STRICT}}");
        assert_eq!(said(&(shop() + &same), "MS0110"), 0);
    }

    #[test]
    fn an_entry_for_the_services_port_is_told() {
        let with = |port: u16, mode: &str| {
            let entry = format!("portLevelMtls: {{{port}: {{mode: {mode}}}}}");
            shop() + &policy("shop", "p", 1, &format!("{{{OF_REVIEWS}, mtls: {{mode: STRICT}}, {entry}}}"))
        };
        let told = finding(&with(80, "DISABLE"), "MS0109");
        assert!(
            told.message.contains("80 is a port of reviews.shop.svc.cluster.local, which leads to 8080"),
            "{}",
            told.message
        );
        // The workload's own port, one that no Service has, and a mode that counts anyway.
        for silent in [with(8080, "DISABLE"), with(9090, "DISABLE"), with(80, "STRICT")] {
            assert_eq!(said(&silent, "MS0109"), 0);
        }
    }
}
