//! MS0116: the kubelet has no certificate of the mesh. Injection turns the probes of a pod towards the proxy; where it
//! did not, an HTTP probe of a port that accepts mutual TLS only fails, and a TCP one proves nothing.

use std::collections::BTreeMap;

use super::unreadable;
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Confidence, Evidence, Finding, Involved, Role};
use crate::model::peer_authentication::MtlsMode;
use crate::model::pod::{Probe, ProxyKind};
use crate::model::{Kind, Object, ObjectId};
use crate::resolve::interception::{annotation, is_inbound_excluded};
use crate::resolve::server_mtls::Demand;
use crate::resolve::{Mesh, Workload};

/// The annotation that keeps injection from it.
const SWITCH: &str = "sidecar.istio.io/rewriteAppHTTPProbers";

/// A probe, a pod that has it, and how many others of its workload do.
struct Shown<'a> {
    pod: &'a Workload,
    probe: &'a Probe,
    demand: Demand,
    pods: usize,
}

/// The findings: one a workload and probe.
pub fn check(mesh: &Mesh) -> Vec<Finding> {
    if unreadable(mesh, &[Kind::PeerAuthentication]) {
        return Vec::new();
    }
    let mut found: BTreeMap<_, Shown<'_>> = BTreeMap::new();
    for pod in
        mesh.workloads.all().iter().filter(|pod| pod.proxy == ProxyKind::Sidecar && pod.unclear.is_none())
    {
        let Some(body) = pod.body() else { continue };
        // Injection will see to a template's probes unless it is told not to.
        if pod.pod.is_none() && annotation(pod, SWITCH) != Some("false") {
            continue;
        }
        for probe in &body.probes {
            let number = match &probe.port {
                Ok(number) => Some(*number),
                Err(name) => body.ports.iter().find(|(known, _)| known == name).map(|(_, number)| *number),
            };
            let Some(number) = number.filter(|number| !is_inbound_excluded(pod, *number)) else { continue };
            let demand = mesh.of_client(pod).policies.on_port(&pod.namespace, &pod.labels, number);
            if demand.mode == MtlsMode::Strict {
                let key = (&pod.namespace, &pod.kind, &pod.name, &probe.field);
                found.entry(key).and_modify(|shown| shown.pods += 1).or_insert(Shown {
                    pod,
                    probe,
                    demand,
                    pods: 1,
                });
            }
        }
    }
    found.into_values().map(|shown| shown.finding(mesh)).collect()
}

impl Shown<'_> {
    fn finding(self, mesh: &Mesh) -> Finding {
        let controller = controller(mesh, self.pod).filter(|_| self.pod.pod.is_some());
        let object = controller.unwrap_or(&self.pod.object);
        let in_template = object.id.kind != Kind::Pod;
        let at = if in_template { "spec.template.spec" } else { "spec" };
        let field = format!("{at}.{}", self.probe.field);
        let switched_off = annotation(self.pod, SWITCH) == Some("false");
        let why = if switched_off { format!(": {SWITCH} is \"false\"") } else { String::new() };
        let policy = self.demand.policy.as_ref().map(|policy| policy.id.to_string()).unwrap_or_default();
        let message = format!(
            "{} ({field}) sends plaintext to a port that accepts mutual TLS only ({policy}), and injection did not \
             turn it towards the proxy{why}",
            object.id
        );
        let counted = if self.pods > 1 {
            format!("as {} pods have it", self.pods)
        } else {
            "as the pod has it".to_owned()
        };
        let evidence = Evidence::Field {
            object: self.pod.object.id.clone(),
            field: field.clone(),
            value: self.probe.said().into(),
            counted,
        };
        let mut finding = Finding {
            code: Code::ProbeNotRewritten,
            severity: Code::ProbeNotRewritten.severity(),
            confidence: Confidence::Certain,
            root: (object.id.clone(), field.clone()),
            message,
            because: Vec::new(),
            objects: vec![Involved::new(object, Role::Cause, field)],
            edges: crate::diagnose::finding::Edges::default(),
            evidence: vec![evidence],
        };
        if let Some(policy) = &self.demand.policy {
            finding = finding.with(policy, Role::Partner, &self.demand.field, "server's mode");
        }
        finding
    }
}

/// The object that makes the pods, where it was read with its template.
fn controller<'a>(mesh: &'a Mesh, pod: &Workload) -> Option<&'a std::sync::Arc<Object>> {
    let kinds =
        [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::ReplicaSet, Kind::Job, Kind::CronJob];
    let kind = kinds.into_iter().find(|kind| kind.name() == &*pod.kind)?;
    let object = mesh.snapshot.get(&ObjectId::new(kind, &*pod.namespace, &*pod.name))?;
    object.body.workload()?.template.as_ref().map(|_| object)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::checks::examples::{check, finding, object, pod};

    fn mesh(probe: &str, metadata: &str, mode: &str) -> String {
        let pod = pod("shop", "a-1", 1, "app: a", true)
            .replace(
                "{name: app}",
                &format!("{{name: app, ports: [{{name: web, containerPort: 8080}}], {probe}}}"),
            )
            .replace("labels:", &format!("{metadata}labels:"));
        pod + &object("PeerAuthentication", "shop", "all", 1, &format!("{{mtls: {{mode: {mode}}}}}"))
    }

    fn said(yaml: &str) -> usize {
        check(yaml).iter().filter(|line| line.starts_with("MS0116")).count()
    }

    const HTTP: &str = "readinessProbe: {httpGet: {path: /ready, port: 8080}}";

    #[test]
    fn a_probe_that_was_not_turned_towards_the_proxy() {
        let yaml = mesh(HTTP, "", "STRICT");
        let finding = finding(&yaml, "MS0116");
        assert_eq!(finding.root.1, "spec.containers[0].readinessProbe");
        assert!(finding.message.contains("PeerAuthentication shop/all"), "{}", finding.message);
        assert_eq!(said(&mesh("livenessProbe: {tcpSocket: {port: web}}", "", "STRICT")), 1);
        let switch = "annotations: {sidecar.istio.io/rewriteAppHTTPProbers: \"false\"}, ";
        let message = super::super::examples::finding(&mesh(HTTP, switch, "STRICT"), "MS0116").message;
        assert!(message.contains("rewriteAppHTTPProbers is \"false\""), "{message}");
    }

    #[test]
    fn a_template_has_them_turned_unless_it_says_no() {
        let mesh = |metadata: &str| {
            let template = format!(
                "{{metadata: {{{metadata}labels: {{app: a, sidecar.istio.io/inject: \"true\"}}}}, \
                 spec: {{containers: [{{name: app, {HTTP}}}]}}}}"
            );
            format!(
                "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{namespace: shop, name: a}}\nspec: {{template: {template}}}\n"
            ) + &object("PeerAuthentication", "shop", "all", 1, "{mtls: {mode: STRICT}}")
        };
        assert_eq!(said(&mesh("")), 0);
        let off = mesh("annotations: {sidecar.istio.io/rewriteAppHTTPProbers: \"false\"}, ");
        assert_eq!(finding(&off, "MS0116").root.1, "spec.template.spec.containers[0].readinessProbe");
    }

    #[test]
    fn probes_that_reach_what_they_ask() {
        assert_eq!(said(&mesh(HTTP, "", "PERMISSIVE")), 0);
        let rewritten = "readinessProbe: {httpGet: {path: /app-health/app/readyz, port: 15020}}";
        assert_eq!(said(&mesh(rewritten, "", "STRICT")), 0);
        assert_eq!(said(&mesh("readinessProbe: {exec: {command: [\"true\"]}}", "", "STRICT")), 0);
        assert_eq!(said(&mesh("readinessProbe: {httpGet: {host: 10.1.1.1, port: 8080}}", "", "STRICT")), 0);
        let excluded = "annotations: {traffic.sidecar.istio.io/excludeInboundPorts: \"8080\"}, ";
        assert_eq!(said(&mesh(HTTP, excluded, "STRICT")), 0);
        let bare =
            pod("shop", "a-1", 1, "app: a", false).replace("{name: app}", &format!("{{name: app, {HTTP}}}"));
        assert_eq!(
            said(&(bare + &object("PeerAuthentication", "shop", "all", 1, "{mtls: {mode: STRICT}}"))),
            0
        );
    }
}
