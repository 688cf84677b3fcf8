//! The objects of the bench on which the scenarios were recorded, as their setups say them.

use std::path::Path;

use serde_json::{Value, json};

/// A pod: its address, whether it has a sidecar, and whether its label says so.
type Pod = (&'static str, bool, bool);

const SIDECAR: Pod = ("127.0.0.21", true, true);
const BARE: Pod = ("127.0.0.31", false, false);

fn pod(name: &str, app: &str, (address, sidecar, label): Pod) -> String {
    let label = if label { ", security.istio.io/tlsMode: istio" } else { "" };
    // The certificates of the bench are of these accounts.
    let account = if name == "client" { "curl" } else { "bookinfo-productpage" };
    let container = if sidecar { "{name: istio-proxy, args: [proxy, sidecar]}" } else { "{name: app}" };
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: bookinfo, labels: {{app: {app}{label}}}}}\n\
         spec: {{serviceAccountName: {account}, containers: [{container}]}}\n\
         status: {{phase: Running, podIP: {address}, conditions: [{{type: Ready, status: 'True'}}]}}\n"
    )
}

fn object(group: &str, kind: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: {group}.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: bookinfo}}\nspec: {spec}\n"
    )
}

fn service(name: &str, ports: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: bookinfo}}\n\
         spec: {{selector: {{app: server}}, ports: [{ports}]}}\n"
    )
}

/// What a setup has besides the usual: a client and a server with sidecars that speak Istio's mutual TLS.
struct Setup {
    client: bool,
    server: Option<Pod>,
    rule: &'static str,
    peer: &'static str,
    more: String,
}

fn setup(scenario: &str) -> Setup {
    let is = |part: &str| scenario.contains(part);
    let policy = |name: &str, spec: &str| object("security", "AuthorizationPolicy", name, spec);
    let mut setup = Setup {
        client: true,
        server: Some(SIDECAR),
        rule: "ISTIO_MUTUAL",
        peer: "STRICT",
        more: String::new(),
    };
    if is("plaintext-to-strict") {
        setup.rule = "DISABLE";
        setup.client = !is("no-client-sidecar");
    }
    if is("label-missing") {
        setup.rule = "";
        setup.server = Some(("127.0.0.21", true, false));
    }
    if is("permissive") {
        setup.peer = "PERMISSIVE";
        setup.rule = if is("auto-mtls") { "" } else { "DISABLE" };
    }
    if is("to-no-sidecar") || is("no-sidecar-plaintext") {
        setup.server = Some(BARE);
    }
    if is("no-sidecar-plaintext") {
        setup.rule = "DISABLE";
    }
    if is("stale-tlsmode") {
        setup.server = Some(("127.0.0.31", false, true));
        setup.rule = "";
    }
    if is("sidecar-disable") || is("mtls-to-plaintext") {
        setup.peer = "DISABLE";
    }
    if is("simple-tls") || is("no-client-cert") {
        setup.rule = "SIMPLE";
    }
    if is("curl-https") {
        setup.client = false;
    }
    setup.more = match scenario {
        "07-rbac-deny-policy-matched" | "09-grpc-rbac-denied" => {
            policy("deny-all", "{action: DENY, rules: [{}]}")
        }
        "07-rbac-deny-some-paths-with-per-rule-stats" => {
            let by_path = |path: &str| format!("{{to: [{{operation: {{paths: [{path}]}}}}]}}");
            policy(
                "deny-admin",
                &format!("{{action: DENY, rules: [{}, {}]}}", by_path("/admin*"), by_path("/x")),
            )
        }
        "07-rbac-allow-nothing-no-policy-matched" => policy("allow-nothing", "{}"),
        "07-rbac-allow-needs-principal-plaintext-client-permissive" => policy(
            "allow-by-principal",
            "{rules: [{from: [{source: {principals: [cluster.local/ns/bookinfo/sa/curl]}}]}]}",
        ),
        "07-rbac-tcp-deny" => {
            policy("deny-redis", "{action: DENY, rules: [{to: [{operation: {ports: ['9000']}}]}]}")
        }
        "07-rbac-tcp-allow-none-matched" => policy(
            "allow-others",
            "{rules: [{from: [{source: {principals: [cluster.local/ns/other/sa/other]}}]}]}",
        ),
        "07-ext-authz-custom-denied" => policy(
            "ext",
            "{action: CUSTOM, provider: {name: it}, rules: [{to: [{operation: {paths: [/secret]}}]}]}",
        ),
        _ => String::new(),
    };
    if is("no-healthy-upstream") {
        setup.server = None;
    }
    setup
}

/// The objects of a scenario.
pub(super) fn of(scenario: &str) -> String {
    let setup = setup(scenario);
    let mut text = pod("client", "client", ("127.0.0.11", setup.client, setup.client));
    if let Some(server) = setup.server {
        text.push_str(&pod("server", "server", server));
    }
    if scenario.contains("uf-connection-refused") {
        text = text.replace("127.0.0.21", "127.0.0.42");
    }
    let http = if scenario.contains("autodetect") { "web" } else { "http" };
    let ports = format!("{{name: {http}, port: 9080}}, {{name: grpc, port: 9090}}");
    if !scenario.contains("nr-route") {
        text.push_str(&service("productpage", &ports));
    }
    text.push_str(&service("redis", "{name: tcp, port: 9000}"));
    let outlier =
        if scenario.contains("outlier") { ", outlierDetection: {consecutive5xxErrors: 3}" } else { "" };
    for host in ["productpage", "redis"].iter().filter(|_| !setup.rule.is_empty()) {
        let spec = format!("{{host: {host}, trafficPolicy: {{tls: {{mode: {}}}{outlier}}}}}", setup.rule);
        text.push_str(&object("networking", "DestinationRule", host, &spec));
    }
    let peer = format!("{{mtls: {{mode: {}}}}}", setup.peer);
    text + &object("security", "PeerAuthentication", "default", &peer) + &setup.more
}

/// The objects of a scenario of ztunnel's: the policies as they were applied, and the pods of its bench. A sidecar is
/// imitated there by what its pod is called.
pub(super) fn ambient(root: &Path, scenario: &str) -> String {
    let read =
        |path: &Path| -> Option<Value> { serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok() };
    let config = read(&root.join(scenario).join("config.json"));
    let world = read(&root.join("world.json"));
    let items = |value: &Option<Value>, key: &str| -> Vec<Value> {
        value.as_ref().and_then(|value| value[key].as_array()).cloned().unwrap_or_default()
    };
    let pods = items(&world, "pods").into_iter().filter(|pod| pod["inRegistry"] == true).map(|pod| {
        let name = pod["name"].as_str().unwrap();
        let sidecar = name.starts_with("sidecar");
        let captured = if pod["captured"] == true { "enabled" } else { "disabled" };
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "namespace": pod["namespace"], "labels": {"app": name.trim_end_matches("-v1")},
                "annotations": {"ambient.istio.io/redirection": captured},
            },
            "spec": {
                "serviceAccountName": pod["serviceAccount"],
                "containers": [{"name": if sidecar { "istio-proxy" } else { "app" }, "args": ["proxy", "sidecar"]}],
            },
            "status": {
                "phase": "Running", "podIP": pod["ip"], "conditions": [{"type": "Ready", "status": "True"}],
            },
        })
    });
    let items: Vec<_> = items(&config, "objects").into_iter().chain(pods).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}
