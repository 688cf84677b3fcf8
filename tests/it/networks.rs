//! Several networks: what is not Istio's mutual TLS does not reach the other one (MT-4.13).

use serde_json::Value;

use crate::support::meshes::{SIDECAR, json_on, object, pod, service};

const GATEWAY: &str = "---
apiVersion: v1
kind: Service
metadata: {namespace: istio-system, name: eastwest, labels: {topology.istio.io/network: far}}
spec: {type: LoadBalancer, ports: [{name: tls, port: 15443}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.9}]}}
";

/// A client on `near`, `reviews` with a pod on `far` and perhaps one on `near`, and a rule.
fn mesh(gateway: &str, near: bool, tls: &str) -> String {
    let pod = |path: &str, address: &str, app: &str, network: &str| {
        let labels =
            format!("app: {app}, security.istio.io/tlsMode: istio, topology.istio.io/network: {network}");
        pod(path, address, &format!("labels: {{{labels}}}"), SIDECAR)
    };
    let rule = format!("{{host: reviews, trafficPolicy: {{loadBalancer: {{simple: RANDOM}}{tls}}}}}");
    let mut mesh = gateway.to_owned() + &service("shop/reviews", "");
    mesh += &object("DestinationRule", "shop/reviews", 1, &rule);
    mesh += &pod("web/client", "10.0.0.9", "client", "near");
    mesh += &pod("shop/reviews-far", "10.1.0.1", "reviews", "far");
    if near {
        mesh += &pod("shop/reviews-near", "10.0.0.1", "reviews", "near");
    }
    mesh
}

/// `status`, symptom and the number of endpoints for the client.
fn answer(mesh: &str) -> (String, Value, usize) {
    let rows = json_on(mesh, &["tls-check", "client.web", "svc/reviews.shop"]);
    let row = &rows["rows"][0];
    (
        row["status"].as_str().unwrap().to_owned(),
        row["symptom"].clone(),
        row["endpoints"].as_array().unwrap().len(),
    )
}

const DISABLE: &str = ", tls: {mode: DISABLE}";

#[test]
fn plaintext_does_not_reach_another_network() {
    assert_eq!(answer(&mesh(GATEWAY, false, "")), ("OK".to_owned(), Value::Null, 1));
    assert_eq!(answer(&mesh(GATEWAY, false, DISABLE)), ("CONFLICT".to_owned(), "X7".into(), 0));
    assert_eq!(answer(&mesh(GATEWAY, false, ", tls: {mode: SIMPLE}")).0, "CONFLICT");
    // What is left answers.
    assert_eq!(answer(&mesh(GATEWAY, true, DISABLE)), ("WARN".to_owned(), Value::Null, 1));
    // Without a gateway that can be reached, the other network is reached directly.
    assert_eq!(answer(&mesh("", false, DISABLE)), ("WARN".to_owned(), Value::Null, 1));
    let closed = GATEWAY.replace("ingress: [{ip: 192.0.2.9}]", "");
    assert_eq!(answer(&mesh(&closed, false, DISABLE)).0, "WARN");
}

#[test]
fn check_names_the_rule_and_what_would_mend_it() {
    let report = json_on(&mesh(GATEWAY, false, DISABLE), &["check"]);
    let findings = report["findings"].as_array().unwrap();
    let found: Vec<_> = findings.iter().filter(|one| one["code"] == "MS0304").collect();
    assert_eq!(found.len(), 1, "{report}");
    assert_eq!(found[0]["objects"][0]["name"], "reviews");
    assert_eq!(found[0]["edges"][0]["client"]["name"], "client");
    let after = &found[0]["remedies"][0]["changes"][0]["after"];
    assert_eq!(after["status"], "OK", "{}", found[0]["remedies"]);
    let sound = json_on(&mesh(GATEWAY, false, ""), &["check"]);
    assert!(!sound.to_string().contains("MS0304"));
}
