//! Pods that do not exist yet: what the templates of workloads will make, and whether injection will give them a
//! proxy.

use std::sync::Arc;

use super::ambient;
use super::workload::{NamespaceRevisions, Unclear, Workload};
use crate::model::decode::annotations;
use crate::model::pod::ProxyKind;
use crate::model::workload::PodTemplate;
use crate::model::{Kind, Labels, Object, Snapshot};

/// The workloads that the templates of a snapshot will make, by kind, namespace and name.
pub(super) fn workloads(snapshot: &Snapshot) -> Vec<Workload> {
    let kinds =
        [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::ReplicaSet, Kind::Job, Kind::CronJob];
    let mut found = Vec::new();
    let mut namespaces = NamespaceRevisions::new(snapshot);
    for object in kinds.iter().flat_map(|kind| snapshot.of_kind(kind)) {
        let Some(body) = object.body.workload().filter(|body| body.controller.is_none()) else { continue };
        let Some(template) = &body.template else { continue };
        let told = proxy(snapshot, &object.id.namespace, template);
        // Without a proxy it would not be asked about, and nothing would be told.
        let proxy = told.unwrap_or(ProxyKind::Sidecar);
        found.push(Workload {
            namespace: Arc::clone(&object.id.namespace),
            pod: None,
            name: Arc::clone(&object.id.name),
            kind: object.id.kind.name().into(),
            labels: labels(template, proxy),
            proxy,
            is_revision_told: namespaces.is_told(&object.id.namespace, &template.labels, &template.pod),
            revision: namespaces.revision(&object.id.namespace, &template.labels, &template.pod),
            unclear: unclear(object, template, told),
            object: Arc::clone(object),
        });
    }
    found
}

/// The proxy that injection will add, by the labels of the namespace and of the template; a proxy that the template
/// has itself counts first. `None` where only the labels of a namespace that was not read could tell.
fn proxy(snapshot: &Snapshot, namespace: &str, template: &PodTemplate) -> Option<ProxyKind> {
    if template.annotations.get("inject.istio.io/templates").is_some_and(|names| names.contains("gateway")) {
        return Some(ProxyKind::Gateway);
    }
    if template.pod.proxy != ProxyKind::None {
        return Some(template.pod.proxy);
    }
    let namespace_labels = ambient::namespace_labels(snapshot, namespace);
    let of_namespace = |key: &str| namespace_labels.and_then(|labels| labels.get(key));
    let inject = template.labels.get("sidecar.istio.io/inject");
    let inject = inject.or_else(|| template.annotations.get("sidecar.istio.io/inject"));
    let by_revision = template.labels.get("istio.io/rev").is_some();
    // A pod in the node's network is not injected.
    let may_be = !template.pod.host_network;
    if may_be && namespace_labels.is_none() && !by_revision && !matches!(inject, Some("true" | "false")) {
        return None;
    }
    let injected = may_be
        && match (of_namespace("istio-injection"), of_namespace("istio.io/rev")) {
            (Some("enabled"), _) | (None, Some(_)) => inject != Some("false"),
            (Some(_), _) => false,
            (None, None) => inject == Some("true") || by_revision && inject != Some("false"),
        };
    Some(if injected {
        ProxyKind::Sidecar
    } else if ambient::will_capture(namespace_labels, &template.labels, template.pod.host_network) {
        ProxyKind::Ztunnel
    } else {
        ProxyKind::None
    })
}

/// Why it cannot be told what the pods will be.
fn unclear(object: &Object, template: &PodTemplate, proxy: Option<ProxyKind>) -> Option<Unclear> {
    let asks_for_a_sidecar = matches!(proxy, None | Some(ProxyKind::Sidecar | ProxyKind::None));
    if asks_for_a_sidecar && template.pod.proxy == ProxyKind::None {
        if object.notes.iter().any(annotations::is_about_injection) && !template.pod.host_network {
            return Some(Unclear::Asked);
        }
        if proxy != Some(ProxyKind::None) && object.notes.iter().any(annotations::is_about_interception) {
            return Some(Unclear::Interception);
        }
    }
    let templates = template.annotations.get("inject.istio.io/templates");
    let is_proxyless = template.pod.proxyless || templates.is_some_and(|names| names.contains("grpc-"));
    match proxy {
        None => Some(Unclear::Injection),
        Some(ProxyKind::Sidecar) if is_proxyless => Some(Unclear::Proxyless),
        Some(_) => None,
    }
}

/// The labels of the pods: injection adds the one that claims mutual TLS (MT-3.1).
fn labels(template: &PodTemplate, proxy: ProxyKind) -> Labels {
    const MODE: &str = "security.istio.io/tlsMode";
    if proxy != ProxyKind::Sidecar || template.labels.get(MODE).is_some() {
        return template.labels.clone();
    }
    let own = template.labels.iter().map(|(key, value)| (key.into(), value.into()));
    Labels::from_pairs(own.chain([(MODE.into(), "istio".into())]).collect())
}
