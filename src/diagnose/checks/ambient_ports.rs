//! MS0117 and MS0118: entries of `portLevelMtls` that mean something else in ambient mode than they say (MT-6.6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::unreadable;
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Finding, Involved, Role};
use crate::model::pod::ProxyKind;
use crate::model::{Kind, Object, ObjectId};
use crate::resolve::ambient::policies::Lost;
use crate::resolve::server_mtls::Demand;
use crate::resolve::{Mesh, Workload};

/// An entry that is lost: what becomes of its port, and on which workloads.
struct Shown<'a> {
    policy: Arc<Object>,
    lost: Lost,
    /// What is in force in its place.
    demand: Demand,
    workloads: BTreeSet<(&'a str, &'a str)>,
    objects: BTreeMap<ObjectId, &'a Workload>,
}

/// The findings: one a policy and port.
pub fn check(mesh: &Mesh) -> Vec<Finding> {
    // One that cannot be read may mend it, or be what counts.
    if unreadable(mesh, &[Kind::PeerAuthentication]) {
        return Vec::new();
    }
    let mut ports: BTreeMap<&str, BTreeSet<u16>> = BTreeMap::new();
    for object in mesh.snapshot.of_kind(&Kind::PeerAuthentication) {
        let Some(policy) = object.body.peer_authentication() else { continue };
        let numbers = policy.ports.iter().map(|(number, _)| *number);
        ports.entry(&object.id.namespace).or_default().extend(numbers);
    }
    let mut found: BTreeMap<(ObjectId, u16), Shown<'_>> = BTreeMap::new();
    for (namespace, ports) in ports {
        let pods = mesh.workloads.in_namespace(namespace).iter().filter_map(|at| mesh.workloads.get(*at));
        for pod in pods.filter(|pod| pod.proxy == ProxyKind::Ztunnel) {
            for port in &ports {
                let policies = &mesh.of_client(pod).ambient_policies;
                let demand = policies.on_port(namespace, &pod.labels, *port);
                let Some((lost, policy)) = demand.lost else { continue };
                let shown = found.entry((policy.id.clone(), *port)).or_insert_with(|| Shown {
                    policy,
                    lost,
                    demand: demand.demand,
                    workloads: BTreeSet::new(),
                    objects: BTreeMap::new(),
                });
                shown.workloads.insert((&pod.kind, &pod.name));
                shown.objects.insert(pod.object.id.clone(), pod);
            }
        }
    }
    found.into_iter().map(|((_, port), shown)| shown.finding(port)).collect()
}

/// At most so many pods are listed as affected.
const MOST_PODS: usize = 20;

impl Shown<'_> {
    fn finding(self, port: u16) -> Finding {
        let field = format!("spec.portLevelMtls.{port}.mode");
        let (kind, name) = self.workloads.first().copied().unwrap_or_default();
        let more = match self.workloads.len() {
            0 | 1 => String::new(),
            number => format!(" and {} more", number - 1),
        };
        let of =
            format!("port {port} of {} {}/{name}{more}", kind.to_ascii_lowercase(), self.policy.id.namespace);
        let (code, counted, message) = match self.lost {
            Lost::Strict => (
                Code::AmbientStrictPortNotEnforced,
                "not enforced: ambient mode never gets this policy",
                format!("{} ({field}) has no effect in ambient mode: {of} takes plaintext", self.policy.id),
            ),
            Lost::Exception => (
                Code::AmbientPortExceptionLost,
                "no exception: ambient mode looks for PERMISSIVE only",
                format!("{} ({field}) has no effect in ambient mode: {of} stays strict", self.policy.id),
            ),
        };
        let mut finding = Finding::of_field(code, &self.policy, &field, counted, message);
        if let Some(partner) = self.demand.policy.as_ref().filter(|one| one.id != self.policy.id) {
            finding = finding.with(partner, Role::Partner, &self.demand.field, "in force in its place");
        }
        let affected = self.objects.values().take(MOST_PODS);
        finding.objects.extend(affected.map(|pod| Involved::new(&pod.object, Role::Affected, "")));
        finding
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnose::checks::examples::{check, finding, object, pod};

    const STRICT: &str = "{mtls: {mode: STRICT}}";

    fn captured(labels: &str) -> String {
        pod("shop", "a-1", 1, labels, false)
            .replace("labels:", "annotations: {ambient.istio.io/redirection: enabled}, labels:")
    }

    fn mesh(pod: &str, spec: &str, namespace: Option<&str>) -> String {
        let own = format!("{{selector: {{matchLabels: {{app: a}}}}, {spec}}}");
        let namespace = namespace.map(|spec| object("PeerAuthentication", "shop", "all", 2, spec));
        object("PeerAuthentication", "istio-system", "default", 1, STRICT)
            + &object("PeerAuthentication", "shop", "a", 3, &own)
            + &namespace.unwrap_or_default()
            + pod
    }

    fn said(yaml: &str) -> Vec<String> {
        let codes = ["MS0117", "MS0118"];
        check(yaml).into_iter().filter(|line| codes.iter().any(|code| line.starts_with(code))).collect()
    }

    #[test]
    fn a_strict_port_that_nobody_enforces() {
        let spec = "mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: STRICT}}";
        let yaml = mesh(&captured("app: a"), spec, None);
        assert_eq!(said(&yaml), ["MS0117 shop/a"]);
        let message = finding(&yaml, "MS0117").message;
        assert!(message.contains("port 8080 of pod shop/a-1 takes plaintext"), "{message}");
        let disable = "mtls: {mode: DISABLE}, portLevelMtls: {8080: {mode: STRICT}}";
        assert_eq!(said(&mesh(&captured("app: a"), disable, None)), ["MS0117 shop/a"]);
        // A policy of the namespace mends it; a sidecar enforces it; a pod that is not selected does not care.
        assert!(said(&mesh(&captured("app: a"), spec, Some("{mtls: {mode: PERMISSIVE}}"))).is_empty());
        assert!(said(&mesh(&pod("shop", "a-1", 1, "app: a", true), spec, None)).is_empty());
        assert!(said(&mesh(&captured("app: b"), spec, None)).is_empty());
    }

    #[test]
    fn an_exception_that_is_lost() {
        let spec = "portLevelMtls: {8080: {mode: DISABLE}}";
        let yaml = mesh(&captured("app: a"), spec, None);
        assert_eq!(said(&yaml), ["MS0118 shop/a"]);
        assert!(finding(&yaml, "MS0118").objects.iter().any(|one| &*one.id.name == "default"));
        assert!(
            said(&mesh(&captured("app: a"), "portLevelMtls: {8080: {mode: PERMISSIVE}}", None)).is_empty()
        );
        assert!(said(&mesh(&captured("app: a"), spec, Some("{mtls: {mode: PERMISSIVE}}"))).is_empty());
        assert!(said(&mesh(&pod("shop", "a-1", 1, "app: a", true), spec, None)).is_empty());
    }
}
