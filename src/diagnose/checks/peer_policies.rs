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
        } else if is_root_of_its_pods(mesh, namespace) {
            findings.push(selector_in_root(object));
        } else {
            selecting.entry(namespace).or_default().push((object, policy));
        }
    }
    for list in general.into_values() {
        let class = sorted(list);
        let Some((first, rest)) = class.split_first() else { continue };
        let hidden = |one: &Policy<'_>| differ(first, one).then(|| hidden_in_namespace(mesh, one, first));
        findings.extend(rest.iter().filter_map(hidden));
    }
    for (namespace, list) in selecting {
        let class = sorted(list);
        for (at, younger) in class.iter().enumerate().skip(1) {
            findings.extend(hidden_on_pods(mesh, namespace, younger, class.get(..at).unwrap_or_default()));
        }
    }
    findings
}

/// Whether policies with a selector are ignored in a namespace, since it is the root of all control planes, or of those
/// that the pods in it are of (MT-1.1). To another one it is a namespace like any; where no pod of it was read, there
/// may be some of that one.
fn is_root_of_its_pods(mesh: &Mesh, namespace: &str) -> bool {
    if mesh.of_all().all(|one| one.config.root_namespace == namespace) {
        return true;
    }
    let pods = mesh.workloads.in_namespace(namespace);
    let mut known = pods.iter().filter_map(|at| mesh.workloads.get(*at));
    mesh.is_a_root(namespace)
        && !pods.is_empty()
        && known.all(|pod| !demands(pod) || mesh.is_root_of(pod, namespace))
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

/// What takes notice of a policy: proxies, and the ztunnels of captured pods, which have no order for policies of one
/// second (MT-6.6).
#[derive(Debug, Clone, Copy, Default)]
struct Readers {
    sidecars: bool,
    captured: bool,
}

impl Readers {
    fn add(&mut self, pod: &Workload) {
        self.sidecars |= pod.proxy == ProxyKind::Sidecar;
        self.captured |= pod.proxy == ProxyKind::Ztunnel;
    }
}

/// Why the first of two counts, and how sure that is.
fn order(younger: &Object, first: &Object, readers: Readers) -> (String, Confidence) {
    let oldest = "of policies of one class (mesh, namespace or workload) only the oldest counts";
    match (younger.meta.created, first.meta.created) {
        (Some(one), Some(other)) if one != other => {
            (format!("{} is older, and {oldest}", first.id), Confidence::Certain)
        }
        (Some(_), Some(_)) => {
            let by_name = format!("{} was created in the same second and is first by name", first.id);
            let open =
                "ztunnel has no such order: in ambient mode either of the two may be the one that counts";
            match readers {
                Readers { captured: false, .. } => (format!("{by_name}, and {oldest}"), Confidence::Certain),
                Readers { sidecars: true, captured: true } => {
                    (format!("{by_name}, and {oldest}; {open}"), Confidence::Certain)
                }
                Readers { sidecars: false, captured: true } => {
                    let same = format!("{} was created in the same second, and {oldest}", first.id);
                    (format!("{same}; {open}"), Confidence::Possible)
                }
            }
        }
        // Without times the order is that of the names, and may be another one in the cluster.
        (_, _) => {
            let unknown = format!("{} is first by name, and {oldest}", first.id);
            (
                format!("{unknown}; a creation time that would tell which that is was not read"),
                Confidence::Possible,
            )
        }
    }
}

fn hidden(younger: &Policy<'_>, older: &Policy<'_>, which: &str, readers: Readers) -> Finding {
    let (object, first) = (younger.0, older.0);
    let (why, confidence) = order(object, first, readers);
    let verb = if confidence == Confidence::Certain { "does not count" } else { "may not count" };
    let message = format!("{} {verb}{which}: {why}", object.id);
    let code = Code::PeerAuthenticationIgnored;
    let field = "metadata.creationTimestamp";
    let same = object.meta.created.is_some() && object.meta.created == first.meta.created;
    let (its, of_first) =
        if same { ("the same second", "the same second") } else { ("younger", "older, or first by name") };
    let finding = Finding::of_field(code, object, field, its, message);
    let mut finding = finding.with(first, Role::Partner, field, of_first);
    finding.confidence = confidence;
    finding
}

/// A policy for a namespace, or for the mesh from the root namespace, that an older one of it hides.
fn hidden_in_namespace(mesh: &Mesh, younger: &Policy<'_>, first: &Policy<'_>) -> Finding {
    let namespace = &younger.0.id.namespace;
    let mut readers = Readers::default();
    if younger.0.meta.created == first.0.meta.created {
        let reads = |pod: &&Workload| pod.namespace == *namespace || mesh.is_root_of(pod, namespace);
        mesh.workloads.all().iter().filter(reads).for_each(|pod| readers.add(pod));
    }
    hidden(younger, first, "", readers)
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
    // In the root namespace of its control plane a pod takes notice of neither.
    let selected = pods.filter(|pod| {
        demands(pod) && younger.1.selector.is_subset_of(&pod.labels) && !mesh.is_root_of(pod, namespace)
    });
    let (mut all, mut lost, mut by) = (0, 0, None);
    let mut readers = Readers::default();
    for pod in selected {
        all += 1;
        let first = older.iter().find(|(_, policy)| policy.selector.is_subset_of(&pod.labels));
        if let Some(first) = first.filter(|first| differ(first, younger)) {
            lost += 1;
            readers.add(pod);
            by = by.or(Some(first));
        }
    }
    let which =
        if lost == all { String::new() } else { format!(" for {lost} of the {all} pods that it selects") };
    by.map(|first| hidden(younger, first, &which, readers))
}

/// MS0109: entries for a number that is a port of the Service, and leads to another port of the workload.
pub fn on_service_port(mesh: &Mesh) -> Vec<Finding> {
    let policies: Vec<_> = policies(mesh)
        .into_iter()
        .filter(|(_, policy)| !policy.ports.is_empty() && !policy.selector.is_empty())
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
                let policies = &mesh.of_client(pod).policies;
                let demand = policies.on_port(namespace, &pod.labels, *number);
                let counts = demand.level == PolicyLevel::Port
                    && demand.policy.as_ref().is_some_and(|policy| policy.id == object.id);
                // An entry that says what counts without it does no harm on any port.
                let harmless = policies.on_port(namespace, &pod.labels, 0).mode == *mode;
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
    fn two_of_the_same_second_are_told_by_name_and_in_ambient_mode_as_open() {
        let two = policy("shop", "a", 1, "{mtls: {mode: PERMISSIVE}}")
            + &policy("shop", "b", 1, "{mtls: {mode: STRICT}}");
        let by_name = finding(&(shop() + &two), "MS0110");
        assert_eq!((&*by_name.root.0.name, by_name.confidence.word()), ("b", "certain"));
        assert!(by_name.message.contains("same second and is first by name"), "{}", by_name.message);
        assert!(!by_name.message.contains("older,") && !by_name.message.contains("ambient"));
        let captured = |name: &str, address: u8| {
            pod("shop", name, address, "app: captured", false)
                .replace("labels:", "annotations: {ambient.istio.io/redirection: enabled}, labels:")
        };
        let both = finding(&(shop() + &captured("captured", 7) + &two), "MS0110");
        assert_eq!(both.confidence.word(), "certain");
        assert!(both.message.contains("in ambient mode either of the two"), "{}", both.message);
        let alone = finding(&(captured("captured", 7) + &two), "MS0110");
        assert_eq!(alone.confidence.word(), "possible");
        assert!(alone.message.contains("may not count") && !alone.message.contains("by name"));
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
