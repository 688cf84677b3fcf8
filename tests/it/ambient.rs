//! Ambient mode through the command line: who tunnels, what ztunnel enforces, waypoints (MT-5, MT-6).

use meshscope::model::Labels;
use meshscope::resolve::Options;
use serde_json::Value;

use crate::support::meshes::{self, mesh_of, run_on};

/// An object of any kind out of its parts as they stand in YAML.
fn object(api: &str, kind: &str, metadata: &str, rest: &str) -> String {
    format!("---\napiVersion: {api}\nkind: {kind}\nmetadata: {{{metadata}}}\n{rest}\n")
}

/// A ready pod with container arguments of its proxy (empty for none) and more metadata.
fn pod(namespace: &str, name: &str, address: u8, proxy: &str, metadata: &str) -> String {
    let proxy = if proxy.is_empty() { String::new() } else { format!("args: [proxy, {proxy}]") };
    meshes::pod(&format!("{namespace}/{name}"), &format!("10.0.0.{address}"), metadata, &proxy)
}

const CAPTURED: &str = "annotations: {ambient.istio.io/redirection: enabled}";
const SIDECAR: &str = "labels: {app: reviews, security.istio.io/tlsMode: istio}";

/// A Service `reviews` in `shop` and the pod behind it.
fn reviews(server: &str, more: &str) -> String {
    object(
        "v1",
        "Service",
        &format!("namespace: shop, name: reviews{more}"),
        "spec: {selector: {app: reviews}, ports: [{name: http, port: 80, targetPort: 8080}]}",
    ) + server
}

fn ambient_server() -> String {
    pod("shop", "reviews-1", 1, "", &format!("labels: {{app: reviews}}, {CAPTURED}"))
}

fn istiod(flags: &str) -> String {
    meshes::istiod("", "istio/pilot:1.30.1", flags)
}

fn ambient_istiod() -> String {
    istiod("{name: PILOT_ENABLE_AMBIENT, value: \"true\"}")
}

fn mesh_mode(mode: &str) -> String {
    meshes::object("PeerAuthentication", "istio-system/default", 1, &format!("{{mtls: {{mode: {mode}}}}}"))
}

fn rule(mode: &str) -> String {
    let spec = format!("{{host: reviews, trafficPolicy: {{tls: {{mode: {mode}}}}}}}");
    meshes::object("DestinationRule", "shop/reviews", 1, &spec)
}

fn sidecar_client() -> String {
    pod("web", "client", 9, "sidecar", "labels: {app: client, security.istio.io/tlsMode: istio}")
}

/// `status`, what is sent, the symptom, and the server's mode for the client `client` of `web`.
fn answer(mesh: &str) -> (String, String, String, String) {
    let row = row(mesh, "client.web");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    (
        text(&row["status"]),
        text(&row["clientTls"]["effective"]),
        text(&row["symptom"]),
        text(&row["server"]["mode"]),
    )
}

fn row(mesh: &str, client: &str) -> Value {
    let ran = run_on(mesh, &["tls-check", client, "svc/reviews.shop", "-o", "json"]);
    assert!(matches!(ran.code, 0 | 79), "{}", ran.err);
    let document = ran.json();
    assert_eq!(document["rows"].as_array().map(Vec::len), Some(1), "{document}");
    document["rows"][0].clone()
}

fn expect(mesh: &str, status: &str, sent: &str, symptom: &str, server: &str) {
    let (a, b, c, d) = answer(mesh);
    assert_eq!((&*a, &*b, &*c, &*d), (status, sent, symptom, server), "{mesh}");
}

#[test]
fn a_sidecar_reaches_a_captured_pod_through_a_tunnel_whatever_the_rule_says() {
    let mesh = |mode: &str, more: &str| {
        reviews(&ambient_server(), "") + &sidecar_client() + &ambient_istiod() + &mesh_mode(mode) + more
    };
    expect(&mesh("STRICT", ""), "OK", "hbone", "-", "STRICT");
    expect(&mesh("PERMISSIVE", ""), "OK", "hbone", "-", "PERMISSIVE");
    // DISABLE is PERMISSIVE here (MT-5.3).
    expect(&mesh("DISABLE", ""), "OK", "hbone", "-", "PERMISSIVE");
    // F18
    expect(&mesh("STRICT", &rule("DISABLE")), "OK", "hbone", "-", "STRICT");
    expect(&mesh("STRICT", &rule("ISTIO_MUTUAL")), "OK", "hbone", "-", "STRICT");
    // TLS of the rule goes inside: the application has to serve it.
    expect(&mesh("STRICT", &rule("SIMPLE")), "COND", "hbone", "-", "STRICT");
    expect(&mesh("PERMISSIVE", &rule("SIMPLE")), "COND", "hbone", "-", "PERMISSIVE");
}

#[test]
fn without_tunnels_a_captured_pod_gets_plaintext() {
    let mesh = |istiod: &str, mode: &str, more: &str| {
        reviews(&ambient_server(), "") + &sidecar_client() + istiod + &mesh_mode(mode) + more
    };
    let off = istiod("");
    expect(&mesh(&off, "STRICT", ""), "CONFLICT", "plaintext", "X6", "STRICT");
    expect(&mesh(&off, "PERMISSIVE", ""), "WARN", "plaintext", "-", "PERMISSIVE");
    expect(&mesh(&off, "STRICT", &rule("ISTIO_MUTUAL")), "CONFLICT", "istio-mutual", "X6", "STRICT");
    expect(&mesh(&off, "PERMISSIVE", &rule("ISTIO_MUTUAL")), "CONFLICT", "istio-mutual", "X2", "PERMISSIVE");
    let no_sending = istiod(
        "{name: PILOT_ENABLE_AMBIENT, value: \"true\"}, {name: PILOT_ENABLE_SENDING_HBONE, value: \"false\"}",
    );
    expect(&mesh(&no_sending, "STRICT", ""), "CONFLICT", "plaintext", "X6", "STRICT");
    // The proxy's own switch.
    let client = sidecar_client().replace(
        "args: [proxy, sidecar]",
        "args: [proxy, sidecar], env: [{name: ISTIO_META_DISABLE_HBONE_SEND, value: \"true\"}]",
    );
    let own = reviews(&ambient_server(), "") + &client + &ambient_istiod() + &mesh_mode("STRICT");
    expect(&own, "CONFLICT", "plaintext", "X6", "STRICT");
}

#[test]
fn where_istiod_was_not_read_the_answer_says_what_it_takes_for_granted() {
    let mesh = reviews(&ambient_server(), "") + &sidecar_client() + &mesh_mode("STRICT");
    let row = row(&mesh, "client.web");
    assert_eq!(row["status"], "OK");
    assert!(row["assumed"].to_string().contains("istiod was not read"), "{}", row["assumed"]);
}

#[test]
fn a_captured_client_tunnels_to_what_takes_a_tunnel_and_sends_plaintext_to_the_rest() {
    let client = pod("web", "client", 9, "", &format!("labels: {{app: client}}, {CAPTURED}"));
    let mesh = |server: &str, mode: &str| {
        reviews(server, "") + &client + &ambient_istiod() + &mesh_mode(mode) + &rule("SIMPLE")
    };
    expect(&mesh(&ambient_server(), "STRICT"), "OK", "hbone", "-", "STRICT");
    let sidecar = pod("shop", "reviews-1", 1, "sidecar", SIDECAR);
    expect(&mesh(&sidecar, "STRICT"), "CONFLICT", "plaintext", "X1", "STRICT");
    expect(&mesh(&sidecar, "PERMISSIVE"), "WARN", "plaintext", "-", "PERMISSIVE");
    let listening = pod(
        "shop",
        "reviews-1",
        1,
        "sidecar",
        "labels: {app: reviews, security.istio.io/tlsMode: istio, networking.istio.io/tunnel: http}",
    );
    expect(&mesh(&listening, "STRICT"), "OK", "hbone", "-", "STRICT");
    // The tunnel is mutual TLS whatever the sidecar's mode (MT-6.5).
    expect(&mesh(&listening, "DISABLE"), "OK", "hbone", "-", "DISABLE");
    let bare = pod("shop", "reviews-1", 1, "", "labels: {app: reviews}");
    expect(&mesh(&bare, "STRICT"), "OK", "plaintext", "-", "NONE");
}

#[test]
fn a_sidecar_prefers_mutual_tls_to_the_tunnel_unless_told_otherwise() {
    let both = pod(
        "shop",
        "reviews-1",
        1,
        "sidecar",
        "labels: {app: reviews, security.istio.io/tlsMode: istio, networking.istio.io/tunnel: http}",
    );
    let mesh = |istiod: &str| reviews(&both, "") + &sidecar_client() + istiod + &mesh_mode("STRICT");
    expect(&mesh(&ambient_istiod()), "OK", "istio-mutual", "-", "STRICT");
    let prefers = istiod(
        "{name: PILOT_ENABLE_AMBIENT, value: \"true\"}, {name: PILOT_PREFER_SENDING_HBONE, value: \"true\"}",
    );
    expect(&mesh(&prefers), "OK", "hbone", "-", "STRICT");
}

#[test]
fn a_tunnel_is_refused_where_istiod_keeps_sidecars_from_listening() {
    let client = pod("web", "client", 9, "", &format!("labels: {{app: client}}, {CAPTURED}"));
    let server = |more: &str| {
        let labels = "app: reviews, security.istio.io/tlsMode: istio, networking.istio.io/tunnel: http";
        pod("shop", "reviews-1", 1, "sidecar", &format!("labels: {{{labels}}}{more}"))
    };
    let plane = |listening: &str| {
        let ambient = "{name: PILOT_ENABLE_AMBIENT, value: \"true\"}";
        istiod(&format!("{ambient}, {{name: PILOT_ENABLE_SIDECAR_LISTENING_HBONE, value: \"{listening}\"}}"))
    };
    let mesh =
        |plane: &str| reviews(&server(""), "") + &client + plane + &mesh_mode("STRICT") + &rule("DISABLE");
    expect(&mesh(&plane("true")), "OK", "hbone", "-", "STRICT");
    expect(&mesh(&plane("false")), "CONFLICT", "hbone", "-", "STRICT");
    // The label is at fault, and no rule or policy.
    let alone = reviews(&server(""), "") + &client + &plane("false") + &rule("DISABLE");
    let report = run_on(&alone, &["check", "-o", "json"]).json();
    let findings = report["findings"].as_array().unwrap();
    let errors: Vec<_> = findings.iter().filter(|one| one["severity"] == "error").collect();
    assert_eq!(errors.len(), 1, "{report}");
    assert_eq!(errors[0]["id"], "MS0102/Pod/shop/reviews-1/metadata.labels.networking.istio.io/tunnel");
    assert_eq!(errors[0]["edges"][0]["client"]["name"], "client");
    assert_eq!(errors[0]["remedies"].as_array().unwrap().len(), 0, "{report}");
    // Who is no client in ambient mode sends Istio's mutual TLS, and a captured server has its ztunnel.
    let sidecar = reviews(&server(""), "") + &sidecar_client() + &plane("false") + &mesh_mode("STRICT");
    expect(&sidecar, "OK", "istio-mutual", "-", "STRICT");
    let captured = reviews(&ambient_server(), "") + &client + &plane("false") + &mesh_mode("STRICT");
    expect(&captured, "OK", "hbone", "-", "STRICT");
    // The server's own control plane decides.
    let canary =
        meshes::istiod("canary", "istio/pilot:1.30.1", "{name: PILOT_ENABLE_AMBIENT, value: \"true\"}");
    let of_canary = server("").replace("labels: {", "labels: {istio.io/rev: canary, ");
    let both = reviews(&of_canary, "") + &client + &plane("false") + &canary + &mesh_mode("STRICT");
    expect(&both, "OK", "hbone", "-", "STRICT");
    // A port that annotations keep from the proxy is reached through the tunnel all the same.
    let excluded = server(", annotations: {traffic.sidecar.istio.io/excludeInboundPorts: \"8080\"}");
    let mesh = |plane: &str| reviews(&excluded, "") + &client + plane + &mesh_mode("STRICT");
    expect(&mesh(&plane("true")), "OK", "hbone", "-", "NONE");
    expect(&mesh(&plane("false")), "CONFLICT", "hbone", "-", "NONE");
}

#[test]
fn a_client_without_proxy_is_refused_by_a_strict_captured_pod() {
    // F19
    let client = pod("web", "client", 9, "", "labels: {app: client}");
    let mesh = |mode: &str| reviews(&ambient_server(), "") + &client + &ambient_istiod() + &mesh_mode(mode);
    expect(&mesh("STRICT"), "CONFLICT", "plaintext", "X6", "STRICT");
    expect(&mesh("PERMISSIVE"), "WARN", "plaintext", "-", "PERMISSIVE");
}

#[test]
fn a_namespace_label_alone_captures_no_running_pod() {
    let namespace = object("v1", "Namespace", "name: shop, labels: {istio.io/dataplane-mode: ambient}", "");
    let server = pod("shop", "reviews-1", 1, "", "labels: {app: reviews}");
    let mesh =
        namespace + &reviews(&server, "") + &sidecar_client() + &ambient_istiod() + &mesh_mode("STRICT");
    expect(&mesh, "OK", "plaintext", "-", "NONE");
}

#[test]
fn pods_of_templates_are_captured_by_labels() {
    let namespaces = object("v1", "Namespace", "name: shop, labels: {istio.io/dataplane-mode: ambient}", "")
        + &object("v1", "Namespace", "name: web, labels: {istio-injection: enabled}", "");
    let deployment = |namespace: &str, name: &str, labels: &str| {
        object(
            "apps/v1",
            "Deployment",
            &format!("namespace: {namespace}, name: {name}"),
            &format!(
                "spec: {{template: {{metadata: {{labels: {{{labels}}}}}, spec: {{containers: [{{name: app}}]}}}}}}"
            ),
        )
    };
    let mesh = |labels: &str| {
        let server = deployment("shop", "reviews", labels);
        namespaces.clone()
            + &reviews(&server, "")
            + &deployment("web", "client", "app: client")
            + &mesh_mode("STRICT")
    };
    expect(&mesh("app: reviews"), "OK", "hbone", "-", "STRICT");
    expect(&mesh("app: reviews, istio.io/dataplane-mode: none"), "OK", "plaintext", "-", "NONE");
}

fn waypoint() -> String {
    let labels = "labels: {gateway.networking.k8s.io/gateway-name: waypoint}";
    pod("shop", "waypoint-1", 5, "waypoint", labels)
}

#[test]
fn a_waypoint_tunnels_and_its_rules_count_for_captured_clients() {
    let client = pod("web", "client", 9, "", &format!("labels: {{app: client}}, {CAPTURED}"));
    let waypoint = waypoint();
    let use_it = ", labels: {istio.io/use-waypoint: waypoint}";
    let mesh = |more: &str, waypoint: &str| {
        reviews(&ambient_server(), use_it)
            + &client
            + waypoint
            + &ambient_istiod()
            + &mesh_mode("STRICT")
            + more
    };
    expect(&mesh("", &waypoint), "OK", "hbone", "-", "STRICT");
    expect(&mesh(&rule("DISABLE"), &waypoint), "OK", "hbone", "-", "STRICT");
    expect(&mesh(&rule("SIMPLE"), &waypoint), "COND", "hbone", "-", "STRICT");
    expect(&mesh("", ""), "COND", "hbone", "-", "STRICT");
    let own = row(&mesh(&rule("SIMPLE"), &waypoint), "waypoint-1.shop");
    assert_eq!((own["proxy"].as_str(), own["status"].as_str()), (Some("waypoint"), Some("COND")));
    assert_eq!(own["destinationRule"]["name"], "reviews");
}

/// W9, and the outcomes that `resolve` gives.
#[test]
fn a_waypoint_takes_no_notice_of_rules_with_a_selector() {
    let waypoint = waypoint();
    let use_it = ", labels: {istio.io/use-waypoint: waypoint}";
    let rule = |path: &str, more: &str| {
        meshes::object(
            "DestinationRule",
            path,
            1,
            &format!("{{host: reviews.shop.svc.cluster.local, {more}}}"),
        )
    };
    let selecting = rule("shop/selecting", "workloadSelector: {matchLabels: {}}");
    let outcomes = |more: &str| {
        let mesh = reviews(&ambient_server(), use_it) + &waypoint + &ambient_istiod() + more;
        let answer =
            run_on(&mesh, &["resolve", "waypoint-1.shop", "svc/reviews.shop", "--all", "-o", "json"]).json();
        let of = |one: &Value| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            (one["rule"]["name"].as_str().unwrap().to_owned(), text("outcome"), text("reason"))
        };
        answer["candidates"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let alone = outcomes(&selecting);
    assert_eq!((&*alone[0].0, &*alone[0].1), ("selecting", "selector-mismatch"), "{alone:?}");
    assert!(alone[0].2.contains("waypoint"), "{alone:?}");
    // It stops the look-up all the same (DR-5.7).
    let root = rule("istio-system/root", "trafficPolicy: {}");
    let both = outcomes(&(selecting.clone() + &root));
    let shadowed = both.iter().find(|one| one.0 == "root").unwrap();
    assert_eq!(shadowed.1, "shadowed");
    assert!(shadowed.2.contains("shop/selecting") && shadowed.2.contains("waypoint"), "{shadowed:?}");
    let with = outcomes(&(selecting + &rule("shop/general", "exportTo: [\"*\"]")));
    let of = |name: &str| with.iter().find(|one| one.0 == name).unwrap().1.clone();
    assert_eq!((&*of("general"), &*of("selecting")), ("used", "selector-mismatch"), "{with:?}");
}

#[test]
fn a_gateway_goes_through_a_waypoint_where_service_or_namespace_ask_for_it() {
    let gateway = pod("web", "client", 9, "router", "labels: {app: client}");
    let namespace = |label: &str| object("v1", "Namespace", &format!("name: shop, labels: {{{label}}}"), "");
    let ingress = "istio.io/ingress-use-waypoint: \"true\"";
    let uses = "istio.io/use-waypoint: waypoint";
    // No pod of the waypoint was read, so that what goes through it depends on it.
    for (of_service, of_namespace, wanted) in [
        (uses, "", "OK"),
        (uses, ingress, "COND"),
        (&*format!("{uses}, {ingress}"), "", "COND"),
        (ingress, uses, "COND"),
        ("", &*format!("{uses}, {ingress}"), "COND"),
        ("", ingress, "OK"),
    ] {
        let mesh = reviews(&ambient_server(), &format!(", labels: {{{of_service}}}"))
            + &namespace(of_namespace)
            + &gateway
            + &ambient_istiod()
            + &mesh_mode("STRICT");
        expect(&mesh, wanted, "hbone", "-", "STRICT");
    }
}

#[test]
fn what_no_document_says_is_unknown() {
    let headless = object(
        "v1",
        "Service",
        "namespace: shop, name: reviews",
        "spec: {clusterIP: None, selector: {app: reviews}, ports: [{name: http, port: 80, targetPort: 8080}]}",
    );
    let mesh = headless + &ambient_server() + &sidecar_client() + &ambient_istiod() + &mesh_mode("STRICT");
    let row = row(&mesh, "client.web");
    assert_eq!(row["status"], "UNKNOWN");
    assert!(row["missing"].to_string().contains("headless"), "{}", row["missing"]);
}

/// Whether a policy as ztunnel has it refuses a caller without identity on a port.
fn refuses(policy: &Value, port: u64) -> bool {
    let has = |one: &Value, key: &str| one[key].as_array().is_some_and(|ports| ports.contains(&port.into()));
    let fits = |one: &Value| {
        let here = one.get("destinationPorts").is_none() || has(one, "destinationPorts");
        here && !has(one, "notDestinationPorts")
    };
    let any = |clause: &Value| clause["matches"].as_array().unwrap().iter().any(fits);
    let rules = policy["rules"].as_array().unwrap();
    rules.iter().any(|rule| rule["clauses"].as_array().unwrap().iter().all(any))
}

/// What a real istiod makes of policies for ztunnel: some of its recorded conversions, and all where they lie beside
/// the project.
#[test]
fn policies_are_converted_as_istiod_does() {
    let project = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = std::fs::read_to_string(project.join("fixtures/ambient-key/policies.json")).unwrap();
    let (compared, strict) = compare_conversions(&own);
    assert!(compared >= 100 && strict >= 20, "only {compared} answers, {strict} of them STRICT");
    let beside = project.join("../shared/data/authz-oracle/ztunnel-cases-000.json");
    let Ok(all) = std::fs::read_to_string(&beside) else {
        return crate::support::skipped("most of what istiod made of policies for ztunnel", &beside);
    };
    let (compared, _) = compare_conversions(&all);
    assert!(compared >= 400, "only {compared} answers");
}

/// How many ports were compared, and how many of them are strict.
fn compare_conversions(cases: &str) -> (usize, usize) {
    let cases: Value = serde_json::from_str(cases).unwrap();
    let (mut compared, mut of_them_strict) = (0, 0);
    for case in cases.as_array().unwrap() {
        let root = case["context"]["root_namespace"].as_str().unwrap();
        let options = Options { root_namespace: Some(root.to_owned()), ..Options::default() };
        let mesh = mesh_of(case["objects"].as_array().unwrap(), &options);
        let workload = &case["context"]["workload"];
        let labels = workload["labels"].as_object().unwrap().iter();
        let labels =
            labels.map(|(key, value)| (key.as_str().into(), value.as_str().unwrap().into())).collect();
        let labels = Labels::from_pairs(labels);
        for port in [8080_u16, 9000, 9090, 7777] {
            let sent = |name: &&Value| {
                let (namespace, name) = name.as_str().unwrap().split_once('/').unwrap();
                let policies = case["ztunnel_policies"].as_array().unwrap().iter();
                let mut found = policies.filter(|one| one["namespace"] == namespace && one["name"] == name);
                let converted = name.contains("converted");
                converted && found.next().is_some_and(|policy| refuses(policy, port.into()))
            };
            let strict = case["workload_policies"].as_array().unwrap().iter().any(|name| sent(&name));
            let ours = mesh.ambient_policies.on_port(workload["namespace"].as_str().unwrap(), &labels, port);
            assert_eq!(ours.demand.mode.word() == "STRICT", strict, "{} port {port}", case["name"]);
            compared += 1;
            of_them_strict += usize::from(strict);
        }
    }
    (compared, of_them_strict)
}
