//! Meshes as small texts, for the examples of the checks.

#[cfg(test)]
use crate::bundle::{Path, Request, read};
use crate::diagnose::{Diagnosis, Finding, diagnose};
use crate::resolve::{Mesh, Options};

/// What `check` has to say about a text, without logs.
pub(crate) fn diagnosis(yaml: &str) -> Diagnosis {
    diagnose(&Mesh::new(&snapshot(yaml), &Options::default()), &[])
}

/// The objects of a text.
pub(crate) fn snapshot(yaml: &str) -> crate::model::Snapshot {
    // The texts of a test run are few and small, and a request wants them for as long as the program lives.
    let text = Box::leak(yaml.to_owned().into_boxed_str());
    let request = Request { paths: vec![Path::Embedded("mesh.yaml", text)], logs: Vec::new() };
    let bundle = read(&request).unwrap();
    assert!(bundle.problems.is_empty(), "{:?}", bundle.problems);
    bundle.snapshot
}

/// Code and root object of each finding, in the order of a report.
pub(crate) fn check(yaml: &str) -> Vec<String> {
    let name = |finding: &Finding| {
        let root = &finding.root.0;
        format!("{} {}/{}", finding.code, root.namespace, root.name)
    };
    diagnosis(yaml).findings.iter().map(name).collect()
}

/// The finding with a code; there has to be one.
pub(crate) fn finding(yaml: &str, code: &str) -> Finding {
    let found = diagnosis(yaml).findings;
    found.into_iter().find(|finding| finding.code.code() == code).unwrap()
}

/// A pod that is ready, with its labels as they stand in YAML.
pub(crate) fn pod(namespace: &str, name: &str, address: u8, labels: &str, sidecar: bool) -> String {
    let proxy = if sidecar { ", {name: istio-proxy, args: [proxy, sidecar]}" } else { "" };
    let mode = if sidecar { ", security.istio.io/tlsMode: istio" } else { "" };
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{namespace: {namespace}, name: {name}, labels: {{{labels}{mode}}}}}
spec: {{containers: [{{name: app}}{proxy}]}}
status: {{phase: Running, podIP: 10.0.0.{address}, conditions: [{{type: Ready, status: \"True\"}}]}}
"
    )
}

/// A Service whose port 80 leads to 8080 of the pods labelled `app: NAME`.
pub(crate) fn service(namespace: &str, name: &str, more: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Service
metadata: {{namespace: {namespace}, name: {name}}}
spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]{more}}}
"
    )
}

/// An object of Istio with its `spec` as it stands in YAML; `age` orders the creation times.
pub(crate) fn object(kind: &str, namespace: &str, name: &str, age: u8, spec: &str) -> String {
    let is_security = ["PeerAuthentication", "AuthorizationPolicy"].contains(&kind);
    let group = if is_security { "security" } else { "networking" };
    format!(
        "---
apiVersion: {group}.istio.io/v1
kind: {kind}
metadata: {{namespace: {namespace}, name: {name}, creationTimestamp: \"2024-01-01T00:00:{age:02}Z\"}}
spec: {spec}
"
    )
}

/// A `DestinationRule`.
pub(crate) fn rule(namespace: &str, name: &str, age: u8, spec: &str) -> String {
    object("DestinationRule", namespace, name, age, spec)
}

/// The endpoint of `reviews` in `shop`: a pod there, and whether it is ready.
pub(crate) fn slice(pod: &str, ready: bool) -> String {
    format!(
        "---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{namespace: shop, name: reviews-1, labels: {{kubernetes.io/service-name: reviews}}}}
ports: [{{name: http, port: 8080}}]
endpoints: [{{addresses: [10.0.0.1], conditions: {{ready: {ready}}}, targetRef: {{kind: Pod, name: {pod}}}}}]
"
    )
}

/// `reviews` in `shop`, with one pod, and a client in `web`, both with a sidecar.
pub(crate) fn shop() -> String {
    service("shop", "reviews", "")
        + &pod("shop", "reviews-1", 1, "app: reviews, version: v1", true)
        + &pod("web", "client-1", 2, "app: client", true)
}

/// The host of that service.
pub(crate) const REVIEWS: &str = "reviews.shop.svc.cluster.local";
