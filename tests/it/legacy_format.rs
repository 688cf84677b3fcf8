//! `tls-check --legacy-format`: the rows of istioctl 1.0 to 1.5, byte for byte, and what was in force then.

use std::path::Path;

use crate::support::meshes::{object, policy_of_2019};
use crate::support::{Ran, meshscope};

const CLIENT: &str = "---
apiVersion: v1
kind: Pod
metadata: {namespace: web, name: client}
spec: {containers: [{name: app}, {name: istio-proxy, args: [proxy, sidecar]}]}
status: {phase: Running, podIP: 10.0.0.1, conditions: [{type: Ready, status: \"True\"}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: web, name: bare}
spec: {containers: [{name: app}]}
status: {phase: Running, podIP: 10.0.0.2, conditions: [{type: Ready, status: \"True\"}]}
";

/// A Service of `foo`; its ports as they stand in YAML.
fn service(name: &str, ports: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Service
metadata: {{namespace: foo, name: {name}}}
spec: {{ports: [{ports}]}}
"
    )
}

fn a() -> String {
    CLIENT.to_owned() + &service("a", "{name: http, port: 80}")
}

fn rule(path: &str, spec: &str) -> String {
    object("DestinationRule", path, 0, spec)
}

fn tls(path: &str, host: &str, mode: &str) -> String {
    rule(path, &format!("{{host: \"{host}\", trafficPolicy: {{tls: {{mode: {mode}}}}}}}"))
}

const AUTO: &str = "---
apiVersion: v1
kind: ConfigMap
metadata: {namespace: istio-system, name: istio}
data: {mesh: \"enableAutoMtls: true\"}
";

const STRICT: &str = "{peers: [{mtls: {}}]}";
const PERMISSIVE: &str = "{peers: [{mtls: {mode: PERMISSIVE}}]}";

fn run(folder: &Path, version: &str, more: &[&str]) -> Ran {
    let mut arguments = vec!["tls-check", "-f", "mesh.yaml", "client.web", "--legacy-format", version];
    arguments.splice(4..4, more.iter().copied());
    meshscope(folder, &arguments)
}

fn printed(objects: &str, version: &str, more: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mesh.yaml"), objects).unwrap();
    run(folder.path(), version, more)
}

/// The cells of each row, without the head.
fn rows(objects: &str, version: &str, more: &[&str]) -> Vec<Vec<String>> {
    let ran = printed(objects, version, more);
    assert!(ran.code == 0 || ran.code == 79, "{version}: {} {}", ran.out, ran.err);
    let cells = |line: &str| {
        line.split("     ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    ran.out.lines().skip(1).map(cells).collect()
}

fn mesh_default() -> String {
    tls("istio-system/default", "*.local", "ISTIO_MUTUAL")
}

#[test]
fn the_rows_of_the_rules_are_printed_byte_for_byte() {
    let strict = a() + &policy_of_2019("/default", 1, STRICT);
    for (row, version, objects, wanted, code) in [
        (
            "T1",
            "1.1",
            strict.clone() + &mesh_default(),
            "HOST:PORT                      STATUS     SERVER     CLIENT     AUTHN POLICY     DESTINATION RULE\n\
             a.foo.svc.cluster.local:80     OK         mTLS       mTLS       default/         default/istio-system\n",
            0,
        ),
        (
            "T2",
            "1.1",
            strict.clone() + &mesh_default() + &tls("foo/bad", "a", "DISABLE"),
            "HOST:PORT                      STATUS       SERVER     CLIENT     AUTHN POLICY     DESTINATION RULE\n\
             a.foo.svc.cluster.local:80     CONFLICT     mTLS       HTTP       default/         bad/foo\n",
            79,
        ),
        (
            "T3",
            "1.1",
            a() + &policy_of_2019("/default", 1, PERMISSIVE),
            "HOST:PORT                      STATUS     SERVER        CLIENT     AUTHN POLICY     DESTINATION RULE\n\
             a.foo.svc.cluster.local:80     OK         HTTP/mTLS     HTTP       default/         -\n",
            0,
        ),
        (
            "T4",
            "1.3",
            strict.clone() + &tls("foo/own", "a", "MUTUAL"),
            "HOST:PORT                      STATUS           SERVER     CLIENT          AUTHN POLICY     DESTINATION RULE\n\
             a.foo.svc.cluster.local:80     MAY CONFLICT     mTLS       custom mTLS     default/         own/foo\n",
            0,
        ),
        (
            "T5",
            "1.4",
            strict.clone(),
            "HOST:PORT                      STATUS     SERVER     CLIENT     AUTHN POLICY     DESTINATION RULE\n\
             a.foo.svc.cluster.local:80     OK         STRICT     -          /default         -\n",
            0,
        ),
        (
            "T6",
            "1.4",
            strict.clone() + AUTO,
            "HOST:PORT                      STATUS     SERVER     CLIENT     AUTHN POLICY     DESTINATION RULE\n\
             a.foo.svc.cluster.local:80     AUTO       STRICT     -          /default         -\n",
            0,
        ),
        (
            "T7",
            "1.5",
            strict + AUTO,
            "HOST:PORT                      STATUS     SERVER     CLIENT     AUTHN POLICY     DESTINATION RULE\n\
             a.foo.svc.cluster.local:80     AUTO       STRICT     -          /default         -\n",
            0,
        ),
        (
            "T8",
            "1.5",
            a(),
            "HOST:PORT                      STATUS     SERVER      CLIENT     AUTHN POLICY     DESTINATION RULE\n\
             a.foo.svc.cluster.local:80     OK         DISABLE     None       None             None\n",
            0,
        ),
    ] {
        let ran = printed(&objects, version, &[]);
        assert_eq!((ran.out.as_str(), ran.code, ran.err.as_str()), (wanted, code, ""), "{row}");
    }
}

/// What the server demands and what the rule says, each with every other: one service a pair.
const SERVERS: [(&str, &str); 3] = [("s", STRICT), ("p", PERMISSIVE), ("h", "{}")];
const CLIENTS: [&str; 5] = ["", "DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"];

fn all_pairs() -> String {
    let mut objects = CLIENT.to_owned();
    for (server, spec) in SERVERS {
        for (at, mode) in CLIENTS.iter().enumerate() {
            let name = format!("{server}{at}");
            objects.push_str(&service(&name, "{name: http, port: 80}"));
            let target = format!("{{targets: [{{name: {name}}}], {}", spec.trim_start_matches('{'));
            objects.push_str(&policy_of_2019(&format!("foo/{name}"), 1, &target.replace(", }", "}")));
            let spec = match *mode {
                "" => format!("{{host: {name}, trafficPolicy: {{loadBalancer: {{simple: RANDOM}}}}}}"),
                mode => format!("{{host: {name}, trafficPolicy: {{tls: {{mode: {mode}}}}}}}"),
            };
            objects.push_str(&rule(&format!("foo/{name}"), &spec));
        }
    }
    objects
}

#[test]
fn every_word_of_every_release_and_every_status() {
    let ok = "OK";
    let no = "CONFLICT";
    let may = "MAY CONFLICT";
    let http = [["mTLS", "HTTP/mTLS", "HTTP"]; 1][0];
    let modes = ["STRICT", "PERMISSIVE", "DISABLE"];
    let own = |unset| [unset, "DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"];
    let first = [[no, no, no, no, ok], [ok, ok, ok, ok, ok], [ok, ok, ok, ok, no]];
    let second = [[no, no, no, may, ok], [ok, ok, no, may, ok], [ok, ok, no, no, no]];
    let off = [[ok, no, no, no, ok], [ok, ok, no, no, ok], [ok, ok, no, no, no]];
    let auto = off.map(|[_, rest @ ..]| ["AUTO", rest[0], rest[1], rest[2], rest[3]]);
    let words = ["HTTP", "HTTP", "HTTP", "HTTP", "mTLS"];
    let more = ["HTTP", "HTTP", "TLS", "custom mTLS", "mTLS"];
    let plain = all_pairs();
    let with_auto = all_pairs() + AUTO;
    for (version, objects, servers, clients, statuses) in [
        ("1.0", &plain, http, words, first),
        ("1.1", &plain, http, words, first),
        // The switch is of 1.4, and nobody asks it before.
        ("1.1", &with_auto, http, words, first),
        ("1.2", &plain, http, more, second),
        ("1.3", &plain, http, more, second),
        ("1.3.8", &with_auto, http, more, second),
        ("1.4", &plain, modes, own("-"), off),
        ("1.4", &with_auto, modes, own("-"), auto),
        ("1.5", &plain, modes, own("None"), off),
        ("1.5", &with_auto, modes, own("-"), auto),
    ] {
        let mut wanted = Vec::new();
        for ((server, server_word), statuses) in
            SERVERS.iter().map(|(name, _)| name).zip(servers).zip(statuses)
        {
            for ((at, client), status) in clients.iter().enumerate().zip(statuses) {
                let name = format!("{server}{at}");
                let path = if version < "1.4" { format!("{name}/foo") } else { format!("foo/{name}") };
                let is_auto = version == "1.5" && status == "AUTO";
                wanted.push(vec![
                    format!("{name}.foo.svc.cluster.local:80"),
                    status.to_owned(),
                    server_word.to_owned(),
                    (*client).to_owned(),
                    path.clone(),
                    if is_auto { "-".to_owned() } else { path },
                ]);
            }
        }
        wanted.sort();
        assert_eq!(rows(objects, version, &[]), wanted, "{version}");
    }
}

#[test]
fn without_policy_and_rule_each_release_has_its_own_words() {
    for (version, auto, wanted) in [
        ("1.0", false, ["OK", "HTTP", "HTTP", "-", "-"]),
        ("1.1", false, ["OK", "HTTP", "HTTP", "-", "-"]),
        ("1.3", false, ["OK", "HTTP", "HTTP", "-", "-"]),
        ("1.4", false, ["OK", "DISABLE", "-", "-", "-"]),
        ("1.4", true, ["AUTO", "DISABLE", "-", "-", "-"]),
        ("1.5", false, ["OK", "DISABLE", "None", "None", "None"]),
        ("1.5", true, ["AUTO", "DISABLE", "-", "None", "-"]),
    ] {
        let objects = a() + if auto { AUTO } else { "" };
        assert_eq!(rows(&objects, version, &[])[0][1..], wanted, "{version} {auto}");
    }
}

#[test]
fn rows_are_sorted_by_host_and_port_and_a_service_has_its_first_alone() {
    let subsets = "{host: b, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}, subsets: [\
                   {name: v2, trafficPolicy: {tls: {mode: DISABLE}}}, \
                   {name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 90}, tls: {mode: SIMPLE}}]}}]}";
    let objects = CLIENT.to_owned()
        + &service(
            "b",
            "{name: udp, port: 1000, protocol: UDP}, {name: two, port: 90}, {name: one, port: 80}",
        )
        + &service("a", "{name: http, port: 80}")
        + &rule("foo/r", subsets);
    let places = |version: &str, more: &[&str]| -> Vec<String> {
        let shown = |row: Vec<String>| format!("{} {}", row[0].replace(".foo.svc.cluster.local", ""), row[3]);
        rows(&objects, version, more).into_iter().map(shown).collect()
    };
    assert_eq!(places("1.3", &[]), ["a:80 HTTP", "b:80 mTLS", "b:90 mTLS", "b:1000 mTLS"]);
    // A subset's row looks at its own policy only.
    let wanted = [
        "a:80 -",
        "b:80 ISTIO_MUTUAL",
        "b:90 ISTIO_MUTUAL",
        "b:1000 ISTIO_MUTUAL",
        "b|v1:80 -",
        "b|v1:90 SIMPLE",
        "b|v1:1000 -",
        "b|v2:80 DISABLE",
        "b|v2:90 DISABLE",
        "b|v2:1000 DISABLE",
    ];
    assert_eq!(places("1.4", &[]), wanted);
    assert_eq!(places("1.4", &["b.foo.svc.cluster.local"]), ["b:80 ISTIO_MUTUAL"]);
    assert_eq!(places("1.5", &["a.foo"]), ["a:80 None"]);
}

#[test]
fn what_is_outside_the_mesh_is_listed_up_to_1_4() {
    let outside = "---
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata: {namespace: foo, name: api}
spec: {hosts: [api.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}
---
apiVersion: v1
kind: Service
metadata: {namespace: foo, name: named}
spec: {type: ExternalName, externalName: example.com, ports: [{name: http, port: 80}]}
";
    let objects = a() + outside;
    let hosts = |version: &str| -> Vec<String> {
        rows(&objects, version, &[]).into_iter().map(|row| row[0].clone()).collect()
    };
    let all = ["a.foo.svc.cluster.local:80", "api.example.com:443", "named.foo.svc.cluster.local:80"];
    for version in ["1.1", "1.3", "1.4"] {
        assert_eq!(hosts(version), all, "{version}");
    }
    assert_eq!(hosts("1.5"), all[..1]);
}

#[test]
fn the_rule_is_that_of_the_clients_proxy_by_the_rules_of_that_version() {
    let private = rule("foo/mine", "{host: a, exportTo: [., web], trafficPolicy: {tls: {mode: SIMPLE}}}");
    let objects = a() + &private + &mesh_default();
    // Up to 1.6 the first element of exportTo counts alone: the rule is not for this client.
    assert_eq!(rows(&objects, "1.4", &[])[0][5], "istio-system/default");
    assert_eq!(rows(&objects, "1.4", &["--istio-version", "1.20"])[0][5], "foo/mine");
    let own = objects + &tls("web/own", "a.foo.svc.cluster.local", "DISABLE");
    assert_eq!(rows(&own, "1.2", &[])[0][3..], ["HTTP", "-", "own/web"]);
}

/// The policy that applies, by MT-9.2: objects, and the policy and the mode up to 1.3 and from 1.4 on.
#[test]
fn the_policy_is_the_one_that_each_version_finds() {
    let named = |name: &str, age: u8, targets: &str, spec: &str| {
        policy_of_2019(&format!("foo/{name}"), age, &format!("{{targets: [{targets}]{spec}}}"))
    };
    let mtls = ", peers: [{mtls: null}]";
    let mesh = policy_of_2019("/default", 1, STRICT);
    for (what, objects, early, late) in [
        (
            "a namespace's policy before the mesh's",
            mesh.clone() + &policy_of_2019("foo/default", 1, "{}"),
            ["default/foo", "HTTP"],
            ["foo/default", "DISABLE"],
        ),
        (
            "a name before the namespace",
            policy_of_2019("foo/default", 1, "{}") + &named("x", 2, "{name: a}", mtls),
            ["x/foo", "mTLS"],
            ["foo/x", "STRICT"],
        ),
        (
            "from 1.4 on a port before a name, however old",
            named("x", 1, "{name: a}", mtls) + &named("z", 2, "{name: a, ports: [{number: 80}]}", mtls),
            ["x/foo", "mTLS"],
            ["foo/z", "STRICT"],
        ),
        (
            "a port by its name, and another port not at all",
            mesh.clone()
                + &named("x", 1, "{name: a, ports: [{number: 81}]}", mtls)
                + &named("z", 2, "{name: a, ports: [{name: http}]}", ""),
            ["z/foo", "HTTP"],
            ["foo/z", "DISABLE"],
        ),
        (
            "another service's policy, and one of another namespace, are no matter",
            mesh.clone() + &named("x", 1, "{name: b}", "") + &policy_of_2019("web/default", 1, "{}"),
            ["default/", "mTLS"],
            ["/default", "STRICT"],
        ),
        (
            "a policy for tokens only has no mutual TLS",
            mesh + &policy_of_2019("foo/default", 1, "{peers: [{jwt: {issuer: x}}]}"),
            ["default/foo", "HTTP"],
            ["foo/default", "DISABLE"],
        ),
    ] {
        for (version, wanted) in
            [("1.1", early), ("1.2", early), ("1.3", early), ("1.4", late), ("1.5", late)]
        {
            let row = rows(&(a() + &objects), version, &[]).remove(0);
            assert_eq!([&*row[4], &*row[2]], wanted, "{what}, {version}");
        }
    }
}

#[test]
fn labels_are_no_name_from_1_2_on_and_nobody_passes_any_in() {
    let objects = a()
        + &policy_of_2019("/default", 1, STRICT)
        + &policy_of_2019("foo/x", 1, "{targets: [{name: a, labels: {app: a}}]}");
    for (version, wanted) in [
        ("1.1", ["x/foo", "HTTP"]),
        ("1.2", ["default/", "mTLS"]),
        ("1.3", ["default/", "mTLS"]),
        ("1.4", ["/default", "STRICT"]),
        ("1.5", ["/default", "STRICT"]),
    ] {
        let row = rows(&objects, version, &[]).remove(0);
        assert_eq!([&*row[4], &*row[2]], wanted, "{version}");
    }
}

#[test]
fn peer_authentications_have_no_column() {
    let newer = "---
apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata: {namespace: foo, name: default}
spec: {mtls: {mode: STRICT}}
";
    for version in ["1.4", "1.5"] {
        assert_eq!(rows(&(a() + newer), version, &[])[0][2], "DISABLE", "{version}");
    }
}

#[test]
fn which_of_two_policies_was_found_first_is_a_doubt_and_said() {
    let two = a()
        + &policy_of_2019("foo/x", 1, "{targets: [{name: a}], peers: [{mtls: {}}]}")
        + &policy_of_2019("foo/z", 2, "{targets: [{name: a}]}");
    let ran = printed(&two, "1.3", &[]);
    assert!(
        ran.out.contains("x/foo") && ran.err.contains("is found first is not known"),
        "{} {}",
        ran.out,
        ran.err
    );
    let ran = printed(&two, "1.4", &[]);
    assert!(ran.out.contains("foo/x") && ran.err.is_empty(), "{} {}", ran.out, ran.err);
}

#[test]
fn what_istioctl_did_not_have_is_refused() {
    for version in ["1.6", "1.30", "2.0", "0.8", "", "new", "1", "1.x"] {
        let ran = printed(&a(), version, &[]);
        assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{version}: {}", ran.err);
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mesh.yaml"), a()).unwrap();
    for (arguments, hint) in [
        (&["--legacy-format", "1.4"][..], "needs a CLIENT"),
        (&["a.foo.svc.cluster.local", "--legacy-format", "1.4"], "needs a CLIENT"),
        (&["bare.web", "--legacy-format", "1.4"], "no sidecar"),
        (&["client.web", "a.foo:80", "--legacy-format", "1.4"], "without port"),
        (&["client.web", "--each-client", "--legacy-format", "1.4"], "cannot be used"),
    ] {
        let all: Vec<_> = ["tls-check", "-f", "mesh.yaml"].iter().chain(arguments).copied().collect();
        let ran = meshscope(folder.path(), &all);
        assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(hint), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn other_formats_and_the_old_name_of_the_command_have_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mesh.yaml"), a() + &policy_of_2019("/default", 1, STRICT)).unwrap();
    let arguments =
        ["authn", "tls-check", "client.web", "-f", "mesh.yaml", "--legacy-format", "1.2", "-o", "json"];
    let document = meshscope(folder.path(), &arguments).json();
    assert_eq!(
        (&document["apiVersion"], &document["kind"]),
        (&"meshscope/v1".into(), &"LegacyTlsCheck".into())
    );
    let row = serde_json::json!({"host": "a.foo.svc.cluster.local", "port": 80, "status": "CONFLICT",
        "server": "mTLS", "client": "HTTP", "authenticationPolicy": "default/", "destinationRule": "-"});
    assert_eq!(document["rows"], serde_json::json!([row]));
    assert_eq!(run(folder.path(), "1.2", &["-o", "name"]).out, "a.foo.svc.cluster.local:80\n");
}
