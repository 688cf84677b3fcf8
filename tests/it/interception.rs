//! Ports that annotations keep from a pod's proxy (MT-2.4): what comes there reaches the application.

use crate::support::meshes::{SIDECAR, json_on, object, pod, service};

fn mesh(server: &str, client: &str, tls: &str) -> String {
    let pod = |path: &str, address: &str, annotations: &str| {
        let (_, app) = path.split_once('/').unwrap();
        let labels = format!("labels: {{app: {app}, security.istio.io/tlsMode: istio}}");
        pod(path, address, &format!("{labels}, annotations: {{{annotations}}}"), SIDECAR)
    };
    let rule = format!("{{host: reviews, trafficPolicy: {{tls: {{mode: {tls}}}}}}}");
    let rule = if tls.is_empty() { String::new() } else { object("DestinationRule", "shop/r", 1, &rule) };
    service("shop/reviews", "").replace("targetPort: 8080", "targetPort: 9080")
        + &object("PeerAuthentication", "istio-system/default", 1, "{mtls: {mode: STRICT}}")
        + &pod("shop/reviews", "10.0.0.1", server)
        + &pod("web/client", "10.0.0.2", client)
        + &rule
}

fn status(server: &str, client: &str, tls: &str) -> String {
    let rows = json_on(&mesh(server, client, tls), &["tls-check", "client.web", "svc/reviews.shop"]);
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
    let report = json_on(&mesh(EXCLUDED, "", ""), &["check"]);
    let errors: Vec<_> =
        report["findings"].as_array().unwrap().iter().filter(|one| one["severity"] == "error").collect();
    assert_eq!(errors.len(), 1, "{report}");
    assert_eq!(errors[0]["code"], "MS0102");
    assert_eq!(errors[0]["objects"][0]["kind"], "Pod");
    // What is wrong is the annotation, and neither the label nor the containers.
    let titles = |server: &str| {
        let report = json_on(&mesh(server, "", ""), &["check"]);
        let found = report["findings"].as_array().unwrap().iter().find(|one| one["code"] == "MS0102");
        found.unwrap()["remedies"][0]["title"].as_str().unwrap().to_owned()
    };
    let excluded =
        "take port 9080 out of traffic.sidecar.istio.io/excludeInboundPorts in Pod shop/reviews, so that";
    assert!(titles(EXCLUDED).starts_with(excluded), "{}", titles(EXCLUDED));
    assert!(titles(included).starts_with("add port 9080 to traffic.sidecar.istio.io/includeInboundPorts in"));
    let off = "sidecar.istio.io/interceptionMode: NONE";
    assert!(titles(off).starts_with("remove sidecar.istio.io/interceptionMode in Pod shop/reviews"));
    let sound = json_on(&mesh(EXCLUDED, "", "DISABLE"), &["check"]);
    assert_eq!(sound["summary"]["error"], 0, "{sound}");
}

#[test]
fn a_port_that_the_clients_proxy_does_not_see_gets_what_the_application_sends() {
    assert_eq!(status("", "traffic.sidecar.istio.io/excludeOutboundPorts: \"80\"", ""), "CONFLICT");
    assert_eq!(status("", "traffic.sidecar.istio.io/excludeOutboundPorts: \"81\"", ""), "OK");
    assert_eq!(status("", "traffic.sidecar.istio.io/excludeOutboundIPRanges: 10.0.0.0/8", ""), "UNKNOWN");
}
