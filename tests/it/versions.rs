//! What is otherwise in older versions of Istio: each difference with the version before it and the one from which it
//! holds.

mod policies;

use std::sync::Arc;

use meshscope::resolve::candidates::{self, Which};
use meshscope::resolve::{Mesh, Options, PairTls, Status};

use crate::support::meshes::{self, SIDECAR, istiod, json_on, object, pod, service};
use crate::support::meshscope;

const HOST: &str = "reviews.shop.svc.cluster.local";

/// `reviews` in `shop`, and a client with a sidecar in each of four namespaces.
fn pods() -> String {
    let mut text = service("shop/reviews", "");
    let paths = ["shop/reviews", "web/client", "shop/client", "api/client", "istio-system/client"];
    for (at, path) in paths.iter().enumerate() {
        let (_, app) = path.split_once('/').unwrap();
        let labels = format!("labels: {{app: {app}, security.istio.io/tlsMode: istio}}");
        text += &pod(path, &format!("10.0.0.{at}"), &labels, SIDECAR);
    }
    text
}

fn rule(name: &str, age: u8, spec: &str) -> String {
    object("DestinationRule", name, age, spec)
}

fn mesh_config(text: &str) -> String {
    meshes::mesh_config("istio", text)
}

fn mesh(version: &str, objects: &str) -> Arc<Mesh> {
    let options = Options { istio_version: Some(version.to_owned()), ..Options::default() };
    meshes::mesh(&(pods() + objects), &options)
}

fn pair(mesh: &Mesh, client: &str, host: &str, subset: Option<&str>) -> Option<PairTls> {
    let at = mesh.workloads.by_pod(client, "client").unwrap();
    mesh.pair(mesh.workloads.get(at).unwrap(), host, 80, subset)
}

/// The rules in force, the primary first, and the rule that gives the policy behind a colon; `UNKNOWN` where nothing
/// tells.
fn used(version: &str, objects: &str, client: &str) -> String {
    let mesh = mesh(version, objects);
    let pair = pair(&mesh, client, HOST, None).unwrap();
    if pair.status == Status::Unknown {
        assert!(!pair.missing.is_empty(), "nothing says what is missing");
        return "UNKNOWN".to_owned();
    }
    let Some(choice) = pair.choice else { return "none".to_owned() };
    let name = |id| mesh.rules.get(id).unwrap().object.id.name.to_string();
    let names: Vec<_> = choice.contributors.iter().map(|one| name(one.rule)).collect();
    let policy = mesh.rules.policy_of(&choice.contributors).map(|(id, _)| name(id));
    format!("{}:{}", names.join("+"), policy.unwrap_or_default())
}

/// A difference: the objects, the client's namespace, and what is in force by version.
struct Row {
    what: &'static str,
    objects: String,
    client: &'static str,
    by_version: &'static [(&'static str, &'static str)],
}

const POLICY: &str = "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}";

fn with(spec: &str) -> String {
    format!("{{{spec}, {POLICY}}}")
}

fn exports() -> Vec<Row> {
    let reviews = |more: &str| with(&format!("host: reviews{more}"));
    vec![
        Row {
            what: "up to 1.6 the first element of exportTo counts alone, and what is not `.` is public",
            objects: rule("shop/s", 1, &reviews(", exportTo: [web]")),
            client: "api",
            by_version: &[("1.1", "s:s"), ("1.6.14", "s:s"), ("1.7", "none"), ("1.32", "none")],
        },
        Row {
            what: "a first `.` is private, whatever follows",
            objects: rule("shop/s", 1, &reviews(", exportTo: [., web]")),
            client: "web",
            by_version: &[("1.1", "none"), ("1.6", "none"), ("1.7", "s:s"), ("1.32", "s:s")],
        },
        Row {
            what: "a `.` behind another element is not looked at",
            objects: rule("shop/s", 1, &reviews(", exportTo: [web, .]")),
            client: "api",
            by_version: &[("1.6", "s:s"), ("1.7", "none")],
        },
        Row {
            what: "the mesh default is for rules without exportTo only",
            objects: rule("shop/s", 1, &reviews(", exportTo: [\"*\"]"))
                + &mesh_config("defaultDestinationRuleExportTo: [.]"),
            client: "web",
            by_version: &[("1.1", "s:s"), ("1.6", "s:s"), ("1.7", "s:s")],
        },
        Row {
            what: "without exportTo the mesh default decides, in every version",
            objects: rule("shop/s", 1, &reviews("")) + &mesh_config("defaultDestinationRuleExportTo: [.]"),
            client: "web",
            by_version: &[("1.1", "none"), ("1.6", "none"), ("1.7", "none")],
        },
        Row {
            what: "up to 1.6 a namespace's own clients see every rule of it",
            objects: rule("shop/s", 1, &reviews(", exportTo: [web]")),
            client: "shop",
            by_version: &[("1.1", "s:s"), ("1.6", "s:s"), ("1.7", "none"), ("1.32", "none")],
        },
        Row {
            what: "merging takes export sets into account from 1.24 on (M4, M6)",
            objects: rule("shop/a", 1, &reviews(", exportTo: [.]"))
                + &rule("shop/b", 2, &reviews(", exportTo: [\"*\"]")),
            client: "shop",
            by_version: &[
                ("1.1", "a+b:a"),
                ("1.6", "a+b:a"),
                ("1.23", "a+b:a"),
                ("1.24", "b:b"),
                ("1.32", "b:b"),
            ],
        },
        Row {
            what: "the exported pool of the same rules has the public one alone (M5)",
            objects: rule("shop/a", 1, &reviews(", exportTo: [.]"))
                + &rule("shop/b", 2, &reviews(", exportTo: [\"*\"]")),
            client: "web",
            by_version: &[("1.1", "b:b"), ("1.23", "b:b"), ("1.24", "b:b")],
        },
    ]
}

fn root() -> Vec<Row> {
    let private = |name: &str, age: u8, host: &str| {
        rule(&format!("istio-system/{name}"), age, &with(&format!("host: \"{host}\", exportTo: [.]")))
    };
    vec![
        Row {
            what: "clients of the root namespace see its private rules from 1.8 on: an exact host is certain",
            objects: private("r", 1, HOST) + &rule("shop/s", 1, &with("host: reviews")),
            client: "istio-system",
            by_version: &[("1.1", "s:s"), ("1.7", "s:s"), ("1.8", "r:r"), ("1.11", "r:r"), ("1.12", "r:r")],
        },
        Row {
            what: "until 1.12 nothing says what a wildcard among them finds (L6)",
            objects: private("r", 1, "*.local") + &rule("shop/s", 1, &with("host: reviews")),
            client: "istio-system",
            by_version: &[
                ("1.7", "s:s"),
                ("1.8", "UNKNOWN"),
                ("1.11", "UNKNOWN"),
                ("1.12", "r:r"),
                ("1.32", "r:r"),
            ],
        },
        Row {
            what: "nor which of several is taken",
            objects: private("wide", 1, "*.local") + &private("exact", 2, HOST),
            client: "istio-system",
            by_version: &[("1.7", "none"), ("1.8", "UNKNOWN"), ("1.11", "UNKNOWN"), ("1.12", "exact:exact")],
        },
        Row {
            what: "a wildcard of another domain is no matter",
            objects: private("r", 1, "*.example.com") + &rule("shop/s", 1, &with("host: reviews")),
            client: "istio-system",
            by_version: &[("1.8", "s:s"), ("1.11", "s:s"), ("1.12", "s:s")],
        },
        Row {
            what: "it is a matter of clients of the root namespace alone",
            objects: private("r", 1, "*.local") + &rule("shop/s", 1, &with("host: reviews")),
            client: "web",
            by_version: &[("1.7", "s:s"), ("1.8", "s:s"), ("1.12", "s:s")],
        },
    ]
}

fn selectors() -> Vec<Row> {
    let other = "host: reviews, workloadSelector: {matchLabels: {app: other}}";
    vec![
        Row {
            what: "before 1.14 a rule with a workloadSelector is a rule like any other",
            objects: rule("shop/s", 1, &with(other)),
            client: "web",
            by_version: &[("1.1", "s:s"), ("1.13", "s:s"), ("1.14", "none"), ("1.32", "none")],
        },
        Row {
            what: "its exportTo counts as written then",
            objects: rule("shop/s", 1, &with(&format!("{other}, exportTo: [.]"))),
            client: "web",
            by_version: &[("1.7", "none"), ("1.13", "none"), ("1.14", "none")],
        },
        Row {
            what: "it merges with others like any other rule (before 1.14), and W2 holds from then on",
            objects: rule("shop/s", 1, &with(other)) + &rule("shop/t", 2, &with("host: reviews")),
            client: "shop",
            by_version: &[("1.13", "s+t:s"), ("1.14", "t:t"), ("1.32", "t:t")],
        },
        Row {
            what: "selector rules come first from 1.22 on, and then a younger one takes the older rule in (W1e)",
            objects: rule("shop/old", 1, &with("host: reviews"))
                + &rule(
                    "shop/selects",
                    2,
                    &with("host: reviews, workloadSelector: {matchLabels: {app: client}}"),
                ),
            client: "shop",
            by_version: &[
                ("1.14", "selects:selects"),
                ("1.21", "selects:selects"),
                ("1.22", "selects+old:selects"),
                ("1.23", "selects+old:selects"),
                ("1.24", "selects:selects"),
            ],
        },
    ]
}

#[test]
fn rules_are_found_and_merged_as_each_version_has_it() {
    for row in exports().into_iter().chain(root()).chain(selectors()) {
        for (version, wanted) in row.by_version {
            assert_eq!(used(version, &row.objects, row.client), *wanted, "{} ({version})", row.what);
        }
    }
}

#[test]
fn a_rule_of_before_selectors_is_explained_without_its_selector() {
    let spec = with("host: reviews, workloadSelector: {matchLabels: {app: other}}");
    for (version, wanted) in [("1.13", "used"), ("1.14", "selector-mismatch")] {
        let mesh = mesh(version, &rule("web/s", 1, &spec.replace("reviews,", &format!("{HOST},"))));
        let client = mesh.workloads.get(mesh.workloads.by_pod("web", "client").unwrap()).unwrap();
        let target = mesh.target(client, HOST).unwrap();
        let found = candidates::candidates(&mesh, client, &target, Which::All);
        assert_eq!(found[0].outcome.word(), wanted, "{version}");
    }
}

#[test]
fn a_list_of_which_the_first_element_counts_is_explained_as_that() {
    let objects = rule("shop/s", 1, &with("host: reviews, exportTo: [., web]"));
    for (version, wanted) in [("1.6", Some("first element")), ("1.7", None)] {
        let mesh = mesh(version, &objects);
        let client = mesh.workloads.get(mesh.workloads.by_pod("web", "client").unwrap()).unwrap();
        let target = mesh.target(client, HOST).unwrap();
        let found = candidates::candidates(&mesh, client, &target, Which::All);
        assert_eq!(
            found[0].outcome.word(),
            if wanted.is_some() { "not-exported" } else { "used" },
            "{version}"
        );
        assert!(wanted.is_none_or(|part| found[0].reason.contains(part)), "{}", found[0].reason);
    }
}

#[test]
fn a_subset_without_tls_marks_endpoints_as_its_rule_does_from_1_31_on() {
    let subset = "subsets: [{name: v1, trafficPolicy: {loadBalancer: {simple: RANDOM}}}]";
    let rules =
        |policy: &str| rule("shop/s", 1, &format!("{{host: reviews, trafficPolicy: {policy}, {subset}}}"));
    // P9: the subset's entry for the port takes the cluster's TLS away, and what is left is the mark.
    let tunnel = rules("{tls: {mode: DISABLE}}").replace(
        "{loadBalancer: {simple: RANDOM}}",
        "{portLevelSettings: [{port: {number: 80}, loadBalancer: {}}]}",
    );
    let ports = "{tls: {mode: DISABLE}, portLevelSettings: [{port: {number: 80}, loadBalancer: {}}]}";
    for (objects, version, wanted) in [
        (&tunnel, "1.30", "istio-mutual"),
        (&tunnel, "1.31", "plaintext"),
        (&rules(ports), "1.30", "istio-mutual"),
        (&rules(ports), "1.31", "plaintext"),
    ] {
        let pair = pair(&mesh(version, objects), "web", HOST, Some("v1")).unwrap();
        assert_eq!(pair.effective.unwrap().word(), wanted, "{version}");
    }
}

#[test]
fn the_mesh_has_a_default_traffic_policy_from_1_31_on() {
    let default =
        "defaultTrafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}, loadBalancer: {simple: RANDOM}}";
    for (version, wanted) in [("1.30", &[][..]), ("1.31", &["connectionPool"][..])] {
        let pair = pair(&mesh(version, &mesh_config(default)), "web", HOST, None).unwrap();
        let blocks: Vec<_> = pair.policy.blocks.keys().map(String::as_str).collect();
        assert_eq!(blocks, wanted, "{version}");
    }
}

#[test]
fn sidecars_take_hosts_out_from_1_31_on() {
    let scope =
        |hosts: &str| object("Sidecar", "web/default", 1, &format!("{{egress: [{{hosts: [{hosts}]}}]}}"));
    for (hosts, version, wanted) in [
        ("\"*/*\", ~shop/*", "1.30", true),
        ("\"*/*\", ~shop/*", "1.31", false),
        ("\"*/*\", ~api/*", "1.31", true),
        ("~/*", "1.30", false),
        ("~/*", "1.31", false),
    ] {
        let hosts =
            hosts.replace("~shop/*", "\"~shop/*\"").replace("~api/*", "\"~api/*\"").replace("~/*", "\"~/*\"");
        let pair = pair(&mesh(version, &scope(&hosts)), "web", HOST, None).unwrap();
        assert_eq!(pair.cluster.source.word() != "not-in-scope", wanted, "{hosts} {version}");
    }
}

#[test]
fn automatic_mutual_tls_is_of_1_4_and_on_by_itself_from_1_6() {
    let on = mesh_config("enableAutoMtls: true");
    let off = mesh_config("enableAutoMtls: false");
    for (config, version, wanted) in [
        (on.as_str(), "1.3", false),
        (on.as_str(), "1.4", true),
        ("", "1.5", false),
        ("", "1.6", true),
        (off.as_str(), "1.6", false),
    ] {
        assert_eq!(mesh(version, config).config.auto_mtls, wanted, "{config} {version}");
    }
}

#[test]
fn a_policy_of_the_gateway_api_leaves_the_answer_open_before_and_after_its_merge_changed() {
    let policy = "---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {namespace: shop, name: b}
spec: {targetRefs: [{group: \"\", kind: Service, name: reviews}]}
";
    for version in ["1.30", "1.31"] {
        assert_eq!(used(version, policy, "web"), "UNKNOWN", "{version}");
    }
}

#[test]
fn the_version_is_the_flags_or_that_of_a_tag_that_is_one() {
    for (tag, wanted) in [
        (":1.24.2", "1.24.2"),
        (":1.24.2-distroless", "1.24.2"),
        (":1.27-alpha.abc", "1.27"),
        (":1.30.0@sha256:1234", "1.30.0"),
        (":latest", "default"),
        (":20240501.3", "default"),
        (":release-1.24-20250101", "default"),
        ("@sha256:1.24", "default"),
        ("", "default"),
    ] {
        let deployment = istiod("", &format!("example:5000/istio/pilot{tag}"), "");
        let report = json_on(&(pods() + &deployment), &["check"]);
        let version = &report["istioVersion"];
        let got = if version["from"] == "istiod" { &version["value"] } else { &version["from"] };
        assert_eq!(got, wanted, "{tag}");
    }
}

#[test]
fn a_flag_that_is_no_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["", "new", "1", "1.x", "2024", "28"] {
        let ran = meshscope(folder.path(), &["check", "-f", ".", "--istio-version", text]);
        assert_eq!(ran.code, 64, "{text}: {}", ran.err);
    }
}
