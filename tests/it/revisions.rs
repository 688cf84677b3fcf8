//! Control planes of several revisions: each client is answered by its own, each server demands by its own.

use std::sync::Arc;

use meshscope::model::Kind;
use meshscope::resolve::candidates::{self, Which};
use meshscope::resolve::unread::Why;
use meshscope::resolve::{Mesh, Options, PairTls, Workload};

use crate::support::meshes::{
    self, SIDECAR, json_on, mesh as mesh_with, mesh_config, object, run_on, service,
};

const HOST: &str = "reviews.shop.svc.cluster.local";

fn mesh(objects: &str) -> Arc<Mesh> {
    mesh_with(objects, &Options::default())
}

/// A pod with a sidecar; labels and annotations as they stand in YAML.
fn pod(path: &str, address: u8, labels: &str, annotations: &str) -> String {
    let (_, name) = path.split_once('/').unwrap();
    let labels = format!("labels: {{app: {name}, security.istio.io/tlsMode: istio{labels}}}");
    let metadata = format!("{labels}, annotations: {{{annotations}}}");
    meshes::pod(path, &format!("10.0.0.{address}"), &metadata, SIDECAR)
}

fn reviews(labels: &str) -> String {
    service("shop/reviews", "") + &pod("shop/reviews", 1, labels, "")
}

const CANARY: &str = ", istio.io/rev: canary";

fn istiod(revision: &str, tag: &str, variables: &str) -> String {
    meshes::istiod(revision, &format!("istio/pilot:{tag}"), variables)
}

fn client<'a>(mesh: &'a Mesh, path: &str) -> &'a Workload {
    let (namespace, name) = path.split_once('/').unwrap();
    mesh.workloads.get(mesh.workloads.by_pod(namespace, name).unwrap()).unwrap()
}

fn pair(mesh: &Mesh, path: &str) -> PairTls {
    mesh.pair(client(mesh, path), HOST, 80, None).unwrap()
}

fn sent(mesh: &Mesh, path: &str) -> &'static str {
    pair(mesh, path).effective.unwrap().word()
}

#[test]
fn a_client_is_of_the_revision_of_its_label_annotation_or_namespace() {
    let status = |revision: &str| {
        format!("sidecar.istio.io/status: '{{\"containers\":[\"istio-proxy\"],\"revision\":\"{revision}\"}}'")
    };
    let namespace = "---
apiVersion: v1
kind: Namespace
metadata: {name: asks, labels: {istio.io/rev: canary}}
";
    let objects = reviews("")
        + namespace
        + &mesh_config("istio", "enableAutoMtls: true")
        + &mesh_config("istio-canary", "enableAutoMtls: false")
        + &pod("web/plain", 2, "", "")
        + &pod("web/label", 3, CANARY, "")
        + &pod("web/default", 4, ", istio.io/rev: default", &status("canary"))
        + &pod("web/annotation", 5, "", &status("canary"))
        + &pod("web/unknown", 6, ", istio.io/rev: gone", "")
        + &pod("web/broken", 7, "", "sidecar.istio.io/status: '{'")
        + &pod("asks/plain", 8, "", "")
        + &pod("asks/label", 9, ", istio.io/rev: default", "");
    let mesh = mesh(&objects);
    for (path, wanted) in [
        ("web/plain", "istio-mutual"),
        ("web/label", "plaintext"),
        ("web/default", "istio-mutual"),
        ("web/annotation", "plaintext"),
        ("web/unknown", "istio-mutual"),
        ("web/broken", "istio-mutual"),
        ("asks/plain", "plaintext"),
        ("asks/label", "istio-mutual"),
    ] {
        assert_eq!(sent(&mesh, path), wanted, "{path}");
    }
}

/// M4 and M6 of the rules: what merges is decided by each client's own version.
#[test]
fn version_and_flags_are_those_of_the_clients_control_plane() {
    let rule = |name: &str, age: u8, exports: &str| {
        let policy = "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}";
        object(
            "DestinationRule",
            &format!("shop/{name}"),
            age,
            &format!("{{host: reviews, exportTo: [{exports}], {policy}}}"),
        )
    };
    let off = "{name: ENABLE_ENHANCED_DESTINATIONRULE_MERGE, value: \"false\"}";
    let objects = reviews("")
        + &rule("a", 1, ".")
        + &rule("b", 2, "\"*\"")
        + &object(
            "DestinationRule",
            "shop/c",
            3,
            "{host: reviews, workloadSelector: {matchLabels: {app: none}}}",
        )
        + &istiod("", "1.30.1", "")
        + &istiod("old", "1.13.0", "")
        + &istiod("flag", "1.31.0", off)
        + &pod("shop/first", 2, "", "")
        + &pod("shop/old", 3, ", istio.io/rev: old", "")
        + &pod("shop/flag", 4, ", istio.io/rev: flag", "");
    let mesh = mesh(&objects);
    assert_eq!(mesh.config.version.value, "1.30.1");
    for (path, wanted) in [
        ("shop/first", &["b"][..]),
        // Before 1.14 the selector is not known, and the rule merges as any other.
        ("shop/old", &["a", "b", "c"]),
        ("shop/flag", &["a", "b"]),
    ] {
        let client = client(&mesh, path);
        let target = mesh.target(client, HOST).unwrap();
        let choice = mesh.choice(client, &target).unwrap();
        let names: Vec<_> = choice
            .contributors
            .iter()
            .map(|one| mesh.rules.get(one.rule).unwrap().object.id.name.to_string())
            .collect();
        assert_eq!(names, wanted, "{path}");
        let found = candidates::candidates(&mesh, client, &target, Which::Near);
        let outcome = |name: &str| {
            let one = found.iter().find(|one| *one.object.id.name == *name).unwrap();
            one.outcome.word()
        };
        // With export sets compared, `a` goes into the rule with the selector and is not kept (W1b).
        let first = if path == "shop/first" { "merged-not-used" } else { "used" };
        assert_eq!((outcome("a"), outcome(wanted[0])), (first, "used"), "{path}");
    }
}

#[test]
fn a_server_demands_by_the_root_namespace_of_its_own_control_plane() {
    let strict = object("PeerAuthentication", "canary-system/default", 1, "{mtls: {mode: STRICT}}");
    let objects = |labels: &str| {
        reviews(labels)
            + &strict
            + &mesh_config("istio", "enableAutoMtls: false")
            + &mesh_config("istio-canary", "{enableAutoMtls: false, rootNamespace: canary-system}")
            + &pod("web/first", 2, "", "")
            + &pod("web/canary", 3, CANARY, "")
    };
    for (labels, wanted) in [("", "PERMISSIVE"), (CANARY, "STRICT")] {
        let mesh = mesh(&objects(labels));
        assert!(mesh.is_a_root("istio-system") && mesh.is_a_root("canary-system") && !mesh.is_a_root("shop"));
        for path in ["web/first", "web/canary"] {
            let pair = pair(&mesh, path);
            assert_eq!(pair.server.mode, wanted, "{path} to a server of {labels:?}");
            assert_eq!(pair.status.word() == "CONFLICT", wanted == "STRICT", "{path}");
        }
    }
}

#[test]
fn clients_of_different_control_planes_are_not_answered_as_one() {
    let objects = reviews("")
        + &mesh_config("istio", "enableAutoMtls: true")
        + &mesh_config("istio-canary", "{enableAutoMtls: false, trustDomain: canary.local}")
        + &mesh_config("istio-third", "{enableAutoMtls: true, trustDomain: third.local}")
        + &object("PeerAuthentication", "shop/default", 1, "{mtls: {mode: STRICT}}")
        + &pod("web/first", 2, "", "")
        + WEB
        + &pod("web/canary", 3, CANARY, "")
        + &pod("web/third", 4, ", istio.io/rev: third", "")
        + &pod("api/canary", 5, CANARY, "");
    let answer = run_on(&objects, &["tls-check", "-o", "json"]);
    assert_eq!(answer.code, 79);
    let document = answer.json();
    let rows = document["rows"].as_array().unwrap();
    let of = |name: &str| {
        let names = |row: &&serde_json::Value| {
            let one = std::iter::once(&row["client"]);
            one.chain(row["clients"]["examples"].as_array().unwrap()).any(|client| client["name"] == name)
        };
        let row = rows.iter().find(names).unwrap();
        let name =
            row["clientTls"]["subjectAltNames"][0].as_str().map(|name| name.split('/').nth(2).unwrap());
        (row["status"].as_str().unwrap(), name)
    };
    assert_eq!(of("first"), ("OK", Some("cluster.local")));
    assert_eq!(of("canary"), ("CONFLICT", None));
    assert_eq!(of("third"), ("OK", Some("third.local")));
    let check = json_on(&objects, &["check"]);
    let edges = &check["findings"][0]["edges"];
    let names: Vec<_> = edges.as_array().unwrap().iter().map(|edge| &edge["client"]["name"]).collect();
    assert_eq!(names, ["canary", "canary"], "{check}");
}

#[test]
fn a_remedy_is_tried_with_every_control_plane() {
    let disable = "{host: reviews, trafficPolicy: {tls: {mode: DISABLE}}}";
    let objects = reviews("")
        + &mesh_config("istio", "{}")
        + &mesh_config("istio-canary", "enableAutoMtls: false")
        + &object("PeerAuthentication", "shop/default", 1, "{mtls: {mode: STRICT}}")
        + &object("DestinationRule", "shop/r", 1, disable)
        + &pod("web/first", 2, "", "")
        + &pod("web/canary", 3, CANARY, "");
    let check = json_on(&objects, &["check"]);
    let remedies = check["findings"][0]["remedies"].as_array().unwrap();
    let patches: Vec<_> = remedies.iter().map(|one| &one["patch"]["spec"]["trafficPolicy"]["tls"]).collect();
    assert!(patches.contains(&&serde_json::json!({"mode": "ISTIO_MUTUAL"})), "{check}");
    // Without the block the client whose control plane has no automatic mTLS would still send plaintext.
    assert!(!patches.contains(&&serde_json::Value::Null), "{check}");
}

#[test]
fn age_that_is_not_known_leaves_the_answer_of_every_control_plane_open() {
    let without = |text: String| text.replace(", creationTimestamp: \"2024-01-01T00:00:01Z\"", "");
    let objects = reviews("")
        + &mesh_config("istio", "enableAutoMtls: false")
        + &mesh_config("istio-canary", "{enableAutoMtls: false, trustDomain: canary.local}")
        + &without(object("PeerAuthentication", "shop/a", 1, "{mtls: {mode: STRICT}}"))
        + &without(object("PeerAuthentication", "shop/b", 1, "{mtls: {mode: DISABLE}}"))
        + &pod("web/first", 2, "", "")
        + &pod("web/canary", 3, CANARY, "");
    let mesh = mesh(&objects);
    for path in ["web/first", "web/canary"] {
        let pair = pair(&mesh, path);
        assert_eq!(pair.status.word(), "COND", "{path}");
        assert!(pair.undecided.is_some());
    }
}

#[test]
fn of_two_configurations_of_one_name_the_one_beside_istiod_counts() {
    let elsewhere = mesh_config("istio", "trustDomain: old.local").replace("istio-system", "backup");
    let beside = mesh_config("istio", "trustDomain: own.local");
    let mesh = mesh(&(reviews("") + &elsewhere + &beside + &istiod("", "1.30.0", "")));
    assert_eq!(mesh.config.trust_domain, "own.local");
}

#[test]
fn control_planes_with_the_same_settings_are_one() {
    let canary = pod("web/canary", 3, CANARY, "");
    for (objects, wanted) in [
        (mesh_config("istio", "{}") + &mesh_config("istio-canary", "{}"), false),
        (istiod("", "1.30.0", "") + &istiod("canary", "1.30.0", ""), false),
        (mesh_config("istio-canary", "enableAutoMtls: false"), false),
        (istiod("", "1.30.0", "") + &istiod("canary", "1.31.0", ""), true),
        (mesh_config("istio", "{}") + &mesh_config("istio-canary", "trustDomain: x.local"), true),
    ] {
        let mesh = mesh(&(reviews("") + &canary + &objects));
        assert_eq!(mesh.revision_of(client(&mesh, "web/canary")).is_some(), wanted, "{objects}");
    }
}

#[test]
fn without_namespaces_the_revision_is_open_for_clients_that_do_not_name_it() {
    let objects = reviews("")
        + &mesh_config("istio", "{}")
        + &mesh_config("istio-canary", "enableAutoMtls: false")
        + &pod("web/plain", 2, "", "")
        + &pod("web/label", 3, CANARY, "");
    let unread = [(Kind::Namespace, Why::Forbidden)];
    for (several, path, wanted) in
        [(true, "web/plain", true), (true, "web/label", false), (false, "web/plain", false)]
    {
        let objects = if several { objects.clone() } else { objects.replace("enableAutoMtls: false", "{}") };
        let options = Options { unread: unread.iter().cloned().collect(), ..Options::default() };
        let mesh = mesh_with(&objects, &options);
        assert_eq!(pair(&mesh, path).status.word() == "UNKNOWN", wanted, "{several} {path}");
    }
}

/// Namespace and name of the objects that findings with a code are about.
fn told(objects: &str, code: &str) -> Vec<String> {
    let report = json_on(objects, &["check"]);
    let findings = report["findings"].as_array().unwrap().iter().filter(|one| one["code"] == code);
    let path = |one: &serde_json::Value| {
        let root = &one["objects"][0];
        format!("{}/{}", root["namespace"].as_str().unwrap(), root["name"].as_str().unwrap())
    };
    findings.map(path).collect()
}

/// The first control plane has `istio-system`, the other one `canary-system`.
fn two_roots() -> String {
    reviews("")
        + &mesh_config("istio", "enableAutoMtls: true")
        + &mesh_config("istio-canary", "{enableAutoMtls: true, rootNamespace: canary-system}")
        + &pod("web/first", 2, "", "")
        + &pod("web/canary", 3, CANARY, "")
}

#[test]
fn a_policy_with_a_selector_is_ignored_in_the_root_namespace_of_its_pods_control_plane() {
    let selecting = |path: &str, age: u8, mode: &str| {
        let spec = format!("{{selector: {{matchLabels: {{app: edge}}}}, mtls: {{mode: {mode}}}}}");
        object("PeerAuthentication", path, age, &spec)
    };
    let in_canary = two_roots() + &selecting("canary-system/one", 1, "STRICT");
    let of_first = pod("canary-system/edge", 7, "", "");
    let of_canary = pod("canary-system/edge", 7, CANARY, "");
    assert_eq!(told(&(in_canary.clone() + &of_canary), "MS0110"), ["canary-system/one"]);
    // To the first control plane it is a namespace like any, and where no pod was read one of its pods may be there.
    for silent in [in_canary.clone() + &of_first, in_canary.clone()] {
        assert!(told(&silent, "MS0110").is_empty());
    }
    let in_first = two_roots() + &selecting("istio-system/one", 1, "STRICT");
    let edge = |labels: &str| pod("istio-system/edge", 7, labels, "");
    assert_eq!(told(&(in_first.clone() + &edge("")), "MS0110"), ["istio-system/one"]);
    assert!(told(&(in_first + &edge(CANARY)), "MS0110").is_empty());
    // Of two that the pod does take notice of, the older hides the other.
    let two = in_canary + &of_first + &selecting("canary-system/two", 2, "DISABLE");
    assert_eq!(told(&two, "MS0110"), ["canary-system/two"]);
}

#[test]
fn an_entry_for_the_services_port_is_judged_by_the_pods_own_control_plane() {
    let policy = object(
        "PeerAuthentication",
        "canary-system/ports",
        1,
        "{selector: {matchLabels: {app: edge}}, mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}}}",
    );
    let objects = two_roots() + &policy + &service("canary-system/edge", "");
    let edge = |labels: &str| pod("canary-system/edge", 7, labels, "");
    assert_eq!(told(&(objects.clone() + &edge("")), "MS0109"), ["canary-system/ports"]);
    assert!(told(&(objects + &edge(CANARY)), "MS0109").is_empty());
}

#[test]
fn a_rule_is_never_used_where_it_is_for_the_clients_of_no_control_plane() {
    let policy = "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}";
    let rule = |path: &str, spec: &str| object("DestinationRule", path, 1, &format!("{{{spec}, {policy}}}"));
    // The default of either root namespace, even where every host has its own.
    let own = two_roots() + &rule("shop/own", "host: reviews");
    for root in ["istio-system", "canary-system"] {
        let default = own.clone() + &rule(&format!("{root}/default"), "host: \"*.local\"");
        assert!(told(&default, "MS0201").is_empty(), "{root}");
    }
    assert_eq!(
        told(&(own + &rule("web-system/default", "host: \"*.local\"")), "MS0201"),
        ["web-system/default"]
    );
    // Servers of the root namespace find what is private to it and nothing else of its own (V10).
    let listed = rule("canary-system/listed", "host: edge, exportTo: [\".\", other]");
    let objects = two_roots() + &service("canary-system/edge", "") + &listed;
    let edge = |labels: &str| pod("canary-system/edge", 7, labels, "");
    assert_eq!(told(&(objects.clone() + &edge(CANARY)), "MS0201"), ["canary-system/listed"]);
    assert!(told(&(objects + &edge("")), "MS0201").is_empty());
}

#[test]
fn a_probe_and_a_captured_workload_are_judged_by_the_policies_of_their_own_control_plane() {
    let strict = object("PeerAuthentication", "canary-system/default", 1, "{mtls: {mode: STRICT}}");
    let probe = "{name: app, readinessProbe: {httpGet: {path: /ready, port: 8080}}}";
    let probed = |labels: &str| pod("api/probed", 7, labels, "").replacen("{name: app}", probe, 1);
    let objects = two_roots() + &strict;
    assert_eq!(told(&(objects.clone() + &probed(CANARY)), "MS0116"), ["api/probed"]);
    assert!(told(&(objects.clone() + &probed("")), "MS0116").is_empty());
    // A port that should be strict under a mesh that is strict to its own workloads only.
    let exception = object(
        "PeerAuthentication",
        "api/open",
        2,
        "{selector: {matchLabels: {app: captured}}, mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: STRICT}}}",
    );
    let captured = |labels: &str| {
        let metadata = format!(
            "labels: {{app: captured{labels}}}, annotations: {{ambient.istio.io/redirection: enabled}}"
        );
        meshes::pod("api/captured", "10.0.0.8", &metadata, "")
    };
    assert_eq!(told(&(objects.clone() + &exception + &captured(CANARY)), "MS0117"), ["api/open"]);
    assert!(told(&(objects + &exception + &captured("")), "MS0117").is_empty());
}

/// The subset's endpoint mode is inherited since 1.31 (P9): TLS is off in one version, and automatic in the other.
fn of_two_versions(client: &str) -> String {
    let rule = "{host: reviews, trafficPolicy: {tls: {mode: DISABLE}}, subsets: [{name: v1, trafficPolicy: \
                {portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]}}]}";
    reviews("") + &object("DestinationRule", "shop/reviews", 1, rule) + client
}

/// Status and what is missing for the client and the subset `v1`, or for none.
fn answered(objects: &str, subset: Option<&str>) -> (String, String) {
    let mesh = mesh(objects);
    let pair = mesh.pair(client(&mesh, "web/client"), HOST, 80, subset).unwrap();
    (pair.status.word().to_owned(), pair.missing.iter().map(|one| one.need.clone()).collect())
}

const WEB: &str = "---
apiVersion: v1
kind: Namespace
metadata: {name: web}
";

#[test]
fn what_depends_on_a_control_plane_that_is_not_known_is_unknown() {
    let both = istiod("", "1.30.1", "") + &istiod("canary", "1.31.0", "");
    let objects = |client: &str| of_two_versions(client) + &both;
    let plain = pod("web/client", 9, "", "");
    // Neither the pod nor its namespace, which was not read, says whose it is.
    let (status, missing) = answered(&objects(&plain), Some("v1"));
    assert!(status == "UNKNOWN" && missing.contains("1.30.1, 1.31.0"), "{status} {missing}");
    // Both versions send plaintext without the subset.
    assert_eq!(answered(&objects(&plain), None).0, "WARN");
    // A tag is no revision that was read.
    let tagged = pod("web/client", 9, ", istio.io/rev: stable", "");
    let (status, missing) = answered(&objects(&tagged), Some("v1"));
    assert!(status == "UNKNOWN" && missing.contains("stable"), "{status} {missing}");
    assert_eq!(answered(&objects(&(plain.clone() + WEB)), Some("v1")).0, "OK");
    assert_eq!(answered(&objects(&pod("web/client", 9, CANARY, "")), Some("v1")).0, "WARN");
    assert_eq!(answered(&objects(&pod("web/client", 9, ", istio.io/rev: default", "")), Some("v1")).0, "OK");
    // Where all control planes have names, a namespace without one tells nothing.
    let named = istiod("old", "1.30.1", "") + &istiod("canary", "1.31.0", "");
    assert_eq!(answered(&(of_two_versions(&(plain + WEB)) + &named), Some("v1")).0, "UNKNOWN");
    // One control plane is everybody's, and so are two that agree.
    assert_eq!(answered(&(of_two_versions(&tagged) + &istiod("canary", "1.31.0", "")), Some("v1")).0, "WARN");
    let alike = istiod("", "1.31.0", "") + &istiod("canary", "1.31.0", "");
    assert_eq!(answered(&(of_two_versions(&tagged) + &alike), Some("v1")).0, "WARN");
}

#[test]
fn while_two_versions_run_of_a_revision_its_clients_may_be_of_either() {
    let running = |name: &str, revision: &str, tag: &str| {
        let label = if revision.is_empty() { String::new() } else { format!(", istio.io/rev: {revision}") };
        format!(
            "---
apiVersion: v1
kind: Pod
metadata: {{namespace: istio-system, name: {name}, labels: {{app: istiod{label}}}}}
spec: {{containers: [{{name: discovery, image: \"istio/pilot:{tag}\"}}]}}
status: {{phase: Running}}
"
        )
    };
    for (revision, label) in [("", ""), ("canary", CANARY)] {
        let with = |label: &str, tags: [&str; 2]| {
            of_two_versions(&pod("web/client", 9, label, ""))
                + WEB
                + &running("istiod-1", revision, tags[0])
                + &running("istiod-2", revision, tags[1])
                + &istiod("other", "1.31.0", "")
        };
        let objects = |tags| with(label, tags);
        let (status, missing) = answered(&objects(["1.30.1", "1.31.0"]), Some("v1"));
        assert!(status == "UNKNOWN" && missing.contains("1.30.1, 1.31.0"), "{revision} {status} {missing}");
        assert_eq!(answered(&objects(["1.30.1", "1.31.0"]), None).0, "WARN", "{revision}");
        assert_eq!(answered(&objects(["1.31.0", "1.31.0"]), Some("v1")).0, "WARN", "{revision}");
        // Clients of others are told.
        assert_eq!(answered(&with(", istio.io/rev: other", ["1.30.0", "1.30.1"]), Some("v1")).0, "WARN");
    }
}

#[test]
fn resolve_and_check_say_that_a_control_plane_is_not_known() {
    let rule = |name: &str, age: u8, exports: &str, tls: &str| {
        let spec =
            format!("{{host: reviews, exportTo: [{exports}], trafficPolicy: {{tls: {{mode: {tls}}}}}}}");
        object("DestinationRule", &format!("shop/{name}"), age, &spec)
    };
    // M4 and M6: before 1.24 the two merge, and the older policy counts.
    let objects = reviews("")
        + &rule("a", 1, ".", "DISABLE")
        + &rule("b", 2, "\"*\"", "ISTIO_MUTUAL")
        + &pod("shop/client", 9, "", "")
        + &istiod("", "1.23.1", "")
        + &istiod("canary", "1.24.0", "");
    let answer = json_on(&objects, &["resolve", "client.shop", "svc/reviews.shop"]);
    assert!(answer["missing"].to_string().contains("1.23.1, 1.24.0"), "{answer}");
    let report = json_on(&objects, &["check"]);
    assert!(report["summary"]["unknown"].as_u64().unwrap() > 0, "{report}");
    let told = objects.replace("app: client", "app: client, istio.io/rev: canary");
    let answer = json_on(&told, &["resolve", "client.shop", "svc/reviews.shop"]);
    assert_eq!(
        (&answer["missing"], &answer["rule"]["name"]),
        (&serde_json::json!([]), &"b".into()),
        "{answer}"
    );
}
