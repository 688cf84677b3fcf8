//! Logs and objects together: which finding the lines belong to, and what the objects prove of them.

use serde_json::{Value, json};

use crate::support::{Ran, meshscope};

const SERVICE: &str = "---\napiVersion: v1\nkind: Service\nmetadata: {name: cart, namespace: shop}\n\
                       spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: 9080}]}\n";

fn pod(namespace: &str, name: &str, address: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\n\
         metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {namespace}, security.istio.io/tlsMode: istio}}}}\n\
         spec: {{containers: [{{name: istio-proxy, args: [proxy, sidecar]}}]}}\n\
         status: {{phase: Running, podIP: {address}, conditions: [{{type: Ready, status: 'True'}}]}}\n"
    )
}

/// An object of Istio's; `more` stands behind its namespace.
fn object(kind: &str, namespace: &str, more: &str, spec: &str) -> String {
    let group = if kind == "DestinationRule" { "networking" } else { "security" };
    format!(
        "---\napiVersion: {group}.istio.io/v1\nkind: {kind}\nmetadata: {{name: it, namespace: {namespace}{more}}}\n\
         spec: {spec}\n"
    )
}

fn rule(mode: &str) -> String {
    object(
        "DestinationRule",
        "shop",
        "",
        &format!("{{host: cart, trafficPolicy: {{tls: {{mode: {mode}}}}}}}"),
    )
}

/// A client, a service with one pod, and what is said of them.
fn mesh(objects: &str) -> String {
    pod("web", "client", "10.8.1.8") + &pod("shop", "cart", "10.8.2.0") + SERVICE + objects
}

/// A line of the client's proxy at a second: code, flags and details.
fn client(second: u32, what: &str) -> String {
    format!(
        "[2026-03-02T09:00:{second:02}.000Z] \"GET / HTTP/1.1\" {what} - \"-\" 0 95 3 - \"-\" \"curl\" \"id-{second}\" \"cart\" \
         \"10.8.2.0:9080\" outbound|80||cart.shop.svc.cluster.local 10.8.1.8:{} 10.9.0.1:80 10.8.1.8:5000 - default\n",
        40000 + second
    )
}

/// The line of the server's proxy for the same request, without TLS.
fn server(second: u32, what: &str) -> String {
    format!(
        "[2026-03-02T09:00:{second:02}.001Z] \"GET / HTTP/1.1\" {what} - \"-\" 0 95 1 - \"-\" \"curl\" \"id-{second}\" \"cart\" \
         \"10.8.2.0:9080\" inbound|9080|| 127.0.0.6:4000 10.8.2.0:9080 10.8.1.8:{} - default\n",
        40000 + second
    )
}

fn run(command: &[&str], mesh: &str, logs: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mesh.yaml"), mesh).unwrap();
    std::fs::write(folder.path().join("access.log"), logs).unwrap();
    let arguments = ["-f", "mesh.yaml", "-f", "access.log", "-o", "json"];
    meshscope(folder.path(), &[command, &arguments].concat())
}

/// The findings of a code.
fn findings(code: &str, mesh: &str, logs: &str) -> Vec<Value> {
    let report = run(&["check"], mesh, logs).json();
    report["findings"].as_array().unwrap().iter().filter(|one| one["code"] == code).cloned().collect()
}

const NOT_ALLOWED: &str = "403 - rbac_access_denied_matched_policy[none]";

#[test]
fn a_remedy_of_a_denial_for_want_of_an_identity_lets_the_client_send_mutual_tls() {
    let by_principal = "{rules: [{from: [{source: {principals: [cluster.local/ns/web/sa/default]}}]}]}";
    let policy = object("AuthorizationPolicy", "shop", "", by_principal);
    let lines = client(10, "403 - via_upstream") + &server(10, NOT_ALLOWED);
    let found = findings("MS0307", &mesh(&(rule("DISABLE") + &policy)), &lines);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["id"], "MS0307/DestinationRule/shop/it/spec.trafficPolicy.tls.mode");
    assert_eq!((&found[0]["severity"], &found[0]["confidence"]), (&json!("error"), &json!("certain")));
    assert_eq!(found[0]["edges"][0]["seen"], 1);
    let patches: Vec<_> = found[0]["remedies"].as_array().unwrap().iter().map(|one| &one["patch"]).collect();
    let wanted = json!({"spec": {"trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}}});
    assert!(patches.contains(&&wanted), "{patches:?}");
    let causes = run(&["logs"], &mesh(&(rule("DISABLE") + &policy)), &lines).json();
    assert_eq!(causes["causes"][0]["cause"], "rbac-denied-because-plaintext");
    assert_eq!(causes["causes"][0]["objects"][0]["field"], "spec.rules[0]");
    // Who has an identity is denied for another reason.
    let tls = lines.replace("- default", "outbound_.80_._.cart.shop.svc.cluster.local default");
    let found = findings("MS0307", &mesh(&(rule("ISTIO_MUTUAL") + &policy)), &tls);
    assert!(found.is_empty(), "{found:?}");
}
