//! What is outside a client's scope or outside the mesh, names that no server has, and who is looked at when
//! namespaces are chosen.

use std::fmt::Write as _;

use crate::support::meshes::{SIDECAR, json_on, mesh_config, object, pod, run_on, service};

fn workload(path: &str, address: u8) -> String {
    let (_, app) = path.split_once('/').unwrap();
    let labels = format!("labels: {{app: {app}, security.istio.io/tlsMode: istio}}");
    pod(path, &format!("10.0.0.{address}"), &labels, SIDECAR)
}

fn reviews() -> String {
    service("shop/reviews", "") + &workload("shop/reviews", 1) + &workload("web/client", 2)
}

/// Status and reason of the client's only row.
fn row(objects: &str, service: &str) -> (String, String) {
    let answer = json_on(objects, &["tls-check", "client.web", service]);
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{answer}");
    let text = |key: &str| rows[0][key].as_str().unwrap().to_owned();
    (text("status"), text("reason"))
}

#[test]
fn what_is_not_in_scope_is_refused_where_sidecar_or_mesh_say_so() {
    let refuse = mesh_config("istio", "{outboundTrafficPolicy: {mode: REGISTRY_ONLY}}");
    let allow = mesh_config("istio", "{}");
    let sidecar =
        |more: &str| object("Sidecar", "web/own", 1, &format!("{{egress: [{{hosts: [./*]}}]{more}}}"));
    let own = |mode: &str| sidecar(&format!(", outboundTrafficPolicy: {{{mode}}}"));
    for (mesh, sidecar, wanted) in [
        (&allow, sidecar(""), "WARN"),
        (&refuse, sidecar(""), "CONFLICT"),
        (&refuse, own("mode: ALLOW_ANY"), "WARN"),
        (&allow, own("mode: REGISTRY_ONLY"), "CONFLICT"),
        // The enum's zero value.
        (&allow, own(""), "CONFLICT"),
        (&refuse, String::new(), "OK"),
    ] {
        let (status, reason) = row(&(reviews() + mesh + &sidecar), "svc/reviews.shop");
        assert_eq!(status, wanted, "{mesh}{sidecar}");
        assert_eq!(reason.contains("unknown hosts are refused"), wanted == "CONFLICT", "{reason}");
    }
    let report = json_on(&(reviews() + &refuse + &sidecar("")), &["check"]);
    assert_eq!(report["summary"]["error"], 0, "{report}");
}

#[test]
fn hosts_outside_that_nothing_lists_take_plaintext_and_no_mutual_tls_of_the_mesh() {
    let entry = "{hosts: [api.example.com], location: MESH_EXTERNAL, resolution: NONE, \
                 ports: [{name: tcp, number: 80, protocol: TCP}]}";
    let rule = |mode: &str| {
        let spec = format!("{{host: api.example.com, trafficPolicy: {{tls: {{mode: {mode}}}}}}}");
        object("DestinationRule", "web/api", 1, &spec)
    };
    let objects = workload("web/client", 2) + &object("ServiceEntry", "web/api", 1, entry);
    assert_eq!(row(&objects, "api.example.com").0, "OK");
    assert_eq!(row(&(objects.clone() + &rule("SIMPLE")), "api.example.com").0, "COND");
    let (status, reason) = row(&(objects + &rule("ISTIO_MUTUAL")), "api.example.com");
    assert_eq!(status, "CONFLICT");
    assert!(reason.ends_with("which no host outside the mesh takes"), "{reason}");
}

#[test]
fn a_namespace_is_shown_whichever_of_its_clients_a_row_names() {
    let mut objects = reviews() + &object("PeerAuthentication", "shop/d", 1, "{mtls: {mode: STRICT}}");
    for at in 0..130_u8 {
        objects += &pod(
            &format!("many/client-{at:03}"),
            &format!("10.0.1.{at}"),
            &format!("labels: {{app: c{at}, security.istio.io/tlsMode: istio}}"),
            SIDECAR,
        );
    }
    let rule = "{host: reviews.shop.svc.cluster.local, trafficPolicy: {tls: {mode: DISABLE}}}";
    objects += &object("DestinationRule", "istio-system/r", 1, rule);
    for namespace in ["web", "many", "shop"] {
        let rows = run_on(&objects, &["tls-check", "-n", namespace]);
        assert_eq!(rows.code, 79, "{namespace}: {}", rows.out);
        let report = run_on(&objects, &["check", "-n", namespace]);
        assert_eq!(report.code, 79, "{namespace}: {}", report.out);
    }
    assert_eq!(run_on(&objects, &["tls-check", "-n", "other"]).code, 0);
    assert_eq!(run_on(&objects, &["check", "-n", "other"]).code, 0);
}

#[test]
fn a_mesh_configuration_that_istiod_refuses_decides_nothing() {
    for (field, value) in [
        ("enableAutoMtls", "\"false\""),
        ("rootNamespace", "5"),
        ("trustDomain", "[a]"),
        ("defaultServiceExportTo", "."),
        ("outboundTrafficPolicy", "REGISTRY_ONLY"),
    ] {
        let objects = reviews() + &mesh_config("istio", &format!("{field}: {value}"));
        assert_eq!(row(&objects, "svc/reviews.shop").0, "UNKNOWN", "{field}");
        let report = json_on(&objects, &["check"]);
        let findings = report["findings"].as_array().unwrap();
        let told = findings.iter().find(|one| one["code"] == "MS0902").unwrap();
        assert!(told["message"].as_str().unwrap().contains(&format!("data.mesh.{field}")), "{told}");
    }
    let sound =
        "{enableAutoMtls: null, defaultConfig: {tracing: {}}, accessLogFile: /dev/stdout, extra: [1]}";
    assert_eq!(row(&(reviews() + &mesh_config("istio", sound)), "svc/reviews.shop").0, "OK");
}

#[test]
fn a_rule_for_some_workloads_is_not_widened_to_the_whole_host() {
    let rule = |more: &str| {
        let spec = format!(
            "{{host: reviews.shop, trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: 1}}}}}}{more}}}"
        );
        object("DestinationRule", "shop/r", 1, &spec)
    };
    for (more, wanted) in [("", 1), (", workloadSelector: {matchLabels: {app: reviews}}", 0)] {
        let report = json_on(&(reviews() + &rule(more)), &["check"]);
        let findings = report["findings"].as_array().unwrap();
        let found = findings.iter().find(|one| one["code"] == "MS0203").unwrap();
        assert_eq!(found["remedies"].as_array().unwrap().len(), wanted, "{found}");
    }
}

#[test]
fn documents_of_json_are_all_read() {
    let mut text = String::new();
    for name in ["a", "b", "c"] {
        let service = serde_json::json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "x"}, "spec": {"ports": [{"port": 80}]}});
        write!(text, "{service:#}\n---\n").unwrap();
    }
    let report = json_on(&text, &["check"]);
    assert_eq!(report["scanned"]["objects"]["Service"], 3, "{report}");
}

#[test]
fn yaml_shows_what_a_terminal_would_hide() {
    let objects = reviews() + &object("DestinationRule", "shop/r", 1, r#"{host: "a\u202eb"}"#);
    let ran = run_on(&objects, &["check", "-o", "yaml"]);
    assert!(!ran.out.contains('\u{202e}'), "{}", ran.out);
    assert!(ran.out.contains("\\u202e"), "{}", ran.out);
}

#[test]
fn names_that_no_server_has_are_told() {
    let rule = |names: &str| {
        let tls = format!("{{mode: ISTIO_MUTUAL, subjectAltNames: [{names}]}}");
        let spec = format!("{{host: reviews.shop.svc.cluster.local, trafficPolicy: {{tls: {tls}}}}}");
        object("DestinationRule", "shop/r", 1, &spec)
    };
    let servers = reviews().replace("spec: {containers", "spec: {serviceAccountName: own, containers");
    for (names, wanted) in [
        ("", "OK"),
        ("spiffe://cluster.local/ns/shop/sa/own", "OK"),
        ("other, spiffe://old.local/ns/shop/sa/own", "OK"),
        ("\"spiffe://cluster.local/ns/shop/*\"", "OK"),
        ("spiffe://cluster.local/ns/shop/sa/other", "COND"),
        ("reviews.shop.svc.cluster.local", "COND"),
    ] {
        let (status, reason) = row(&(servers.clone() + &rule(names)), "svc/reviews.shop");
        assert_eq!(status, wanted, "{names}: {reason}");
        assert_eq!(reason.contains("subjectAltNames"), wanted == "COND", "{reason}");
    }
}

#[test]
fn a_pod_whose_library_speaks_to_istiod_is_not_taken_for_a_sidecar() {
    let library = SIDECAR.to_owned() + ", env: [{name: ISTIO_META_GENERATOR, value: grpc}]";
    let with = |path: &str, address: &str, proxy: &str, label: &str| {
        let (_, app) = path.split_once('/').unwrap();
        pod(path, address, &format!("labels: {{app: {app}{label}}}"), proxy)
    };
    let mtls = ", security.istio.io/tlsMode: istio";
    let strict = object("PeerAuthentication", "shop/d", 1, "{mtls: {mode: STRICT}}");
    for (server, client) in [(&*library, SIDECAR), (SIDECAR, &*library)] {
        for label in ["", mtls] {
            let objects = service("shop/reviews", "")
                + &with("shop/reviews", "10.0.0.1", server, if server == SIDECAR { mtls } else { label })
                + &with("web/client", "10.0.0.2", client, if client == SIDECAR { mtls } else { label })
                + &strict;
            let (status, reason) = row(&objects, "svc/reviews.shop");
            assert_eq!(status, "UNKNOWN", "{objects}");
            assert!(reason.contains("gRPC library"), "{reason}");
            let report = json_on(&objects, &["check"]);
            assert_eq!(report["summary"]["error"], 0, "{report}");
        }
    }
}
