//! Ports that annotations keep from a pod's proxy (mtls.md MT-2.4): what comes there reaches the application.

use serde_json::Value;

use crate::support::meshscope;

fn mesh(server: &str, client: &str, tls: &str) -> String {
    let pod = |namespace: &str, name: &str, address: u8, annotations: &str| {
        format!(
            "---
apiVersion: v1
kind: Pod
metadata: {{namespace: {namespace}, name: {name}, labels: {{app: {name}, security.istio.io/tlsMode: istio}}, annotations: {{{annotations}}}}}
spec: {{containers: [{{name: app}}, {{name: istio-proxy, args: [proxy, sidecar]}}]}}
status: {{phase: Running, podIP: 10.0.0.{address}, conditions: [{{type: Ready, status: \"True\"}}]}}
"
        )
    };
    let rule = if tls.is_empty() {
        String::new()
    } else {
        format!(
            "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{namespace: shop, name: r}}
spec: {{host: reviews, trafficPolicy: {{tls: {{mode: {tls}}}}}}}
"
        )
    };
    "---
apiVersion: v1
kind: Service
metadata: {namespace: shop, name: reviews}
spec: {selector: {app: reviews}, ports: [{name: http, port: 80, targetPort: 9080}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {namespace: istio-system, name: default}
spec: {mtls: {mode: STRICT}}
"
    .to_owned()
        + &pod("shop", "reviews", 1, server)
        + &pod("web", "client", 2, client)
        + &rule
}

fn run(mesh: &str, words: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mesh.yaml"), mesh).unwrap();
    let words: Vec<_> = words.iter().copied().chain(["-f", "mesh.yaml", "-o", "json"]).collect();
    meshscope(folder.path(), &words).json()
}

fn status(server: &str, client: &str, tls: &str) -> String {
    let rows = run(&mesh(server, client, tls), &["tls-check", "client.web", "svc/reviews.shop"]);
    rows["rows"][0]["status"].as_str().unwrap().to_owned()
}

const EXCLUDED: &str = "traffic.sidecar.istio.io/excludeInboundPorts: \"9080\"";

#[test]
fn a_port_that_the_servers_proxy_does_not_see_takes_plaintext_only() {
    assert_eq!(status("", "", "DISABLE"), "CONFLICT");
    assert_eq!(status(EXCLUDED, "", "DISABLE"), "OK");
    // Automatic mTLS takes no notice of it (MT-5.6 no. 7).
    assert_eq!(status(EXCLUDED, "", ""), "CONFLICT");
    let included = "traffic.sidecar.istio.io/includeInboundPorts: \"8080\"";
    assert_eq!(status(included, "", ""), "CONFLICT");
    assert_eq!(status("traffic.sidecar.istio.io/includeInboundPorts: \"*\"", "", ""), "OK");
    let report = run(&mesh(EXCLUDED, "", ""), &["check"]);
    let errors: Vec<_> =
        report["findings"].as_array().unwrap().iter().filter(|one| one["severity"] == "error").collect();
    assert_eq!(errors.len(), 1, "{report}");
    assert_eq!(errors[0]["code"], "MS0102");
    assert_eq!(errors[0]["objects"][0]["kind"], "Pod");
    let sound = run(&mesh(EXCLUDED, "", "DISABLE"), &["check"]);
    assert_eq!(sound["summary"]["error"], 0, "{sound}");
}

#[test]
fn a_port_that_the_clients_proxy_does_not_see_gets_what_the_application_sends() {
    assert_eq!(status("", "traffic.sidecar.istio.io/excludeOutboundPorts: \"80\"", ""), "CONFLICT");
    assert_eq!(status("", "traffic.sidecar.istio.io/excludeOutboundPorts: \"81\"", ""), "OK");
    assert_eq!(status("", "traffic.sidecar.istio.io/excludeOutboundIPRanges: 10.0.0.0/8", ""), "UNKNOWN");
}
