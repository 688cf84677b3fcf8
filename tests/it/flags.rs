//! istiod's flags: where they are read, and what each changes.

use std::fmt::Write as _;

use meshscope::resolve::{Flag, Mesh, Options, PairTls, Status};

use crate::support::meshes::{self, SIDECAR, json_on, mesh, service};
use crate::support::meshscope;

fn at_version(version: &str) -> Options {
    Options { istio_version: Some(version.to_owned()), ..Options::default() }
}

fn pod(path: &str, address: u8, proxy: &str) -> String {
    let (_, name) = path.split_once('/').unwrap();
    let labels = format!("labels: {{app: {name}, security.istio.io/tlsMode: istio}}");
    meshes::pod(path, &format!("10.0.0.{address}"), &labels, proxy)
}

fn object(kind: &str, path: &str, spec: &str) -> String {
    meshes::object(kind, path, 0, spec)
}

/// istiod with a variable of its environment, as a Deployment or as a Pod in this phase.
fn istiod(kind: &str, tag: &str, variable: &str) -> String {
    let image = format!("istio/pilot:{tag}");
    if kind == "Deployment" {
        return meshes::istiod("", &image, variable);
    }
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{namespace: istio-system, name: istiod-{kind}, labels: {{app: istiod}}}}
spec: {{containers: [{{name: discovery, image: \"{image}\", env: [{variable}]}}]}}
status: {{phase: {kind}}}
"
    )
}

fn pair(mesh: &Mesh, host: &str) -> PairTls {
    let client = mesh.workloads.get(mesh.workloads.by_pod("web", "client").unwrap()).unwrap();
    mesh.pair(client, host, 80, None).unwrap()
}

#[test]
fn flags_are_those_of_the_environment_as_istiod_reads_it() {
    let name = "PILOT_UNIFIED_SIDECAR_SCOPE";
    for (value, wanted) in [
        ("\"false\"", false),
        ("\"0\"", false),
        ("\"F\"", false),
        ("\"True\"", true),
        ("\"fAlse\"", true),
        ("\"off\"", true),
        ("\"\"", true),
    ] {
        let variable = format!("{{name: {name}, value: {value}}}");
        for kind in ["Deployment", "Running"] {
            let mesh = mesh(&istiod(kind, "1.30.0", &variable), &Options::default());
            assert_eq!(mesh.config.flags.is_on(Flag::UnifiedSidecarScope), wanted, "{value} of a {kind}");
            assert_eq!(mesh.config.version.value, "1.30.0", "{kind}");
        }
    }
}

#[test]
fn what_runs_counts_and_not_what_will_or_what_did() {
    let off = format!("{{name: {}, value: \"false\"}}", Flag::EnhancedMerge.name());
    let newer = istiod("Deployment", "1.31.0", "");
    let running = istiod("Running", "1.30.0", &off);
    let ended = istiod("Succeeded", "1.29.0", &off);
    let version = |objects: &str| {
        let mesh = mesh(objects, &Options::default());
        (mesh.config.version.value.clone(), mesh.config.flags.is_on(Flag::EnhancedMerge))
    };
    assert_eq!(version(&(newer.clone() + &running)), ("1.30.0".to_owned(), false));
    assert_eq!(version(&(newer + &ended)), ("1.31.0".to_owned(), true));
}

#[test]
fn a_flag_is_on_only_in_versions_that_have_it() {
    for (flag, version, wanted) in [
        (Flag::EnhancedMerge, "1.23", false),
        (Flag::EnhancedMerge, "1.24", true),
        (Flag::RuleTlsForExternal, "1.23", false),
        (Flag::RuleTlsForExternal, "1.24", true),
        (Flag::RuleInheritance, "1.9", false),
        (Flag::RuleInheritance, "1.10", true),
        (Flag::RuleInheritance, "1.19", true),
        (Flag::RuleInheritance, "1.20", false),
    ] {
        let options = Options { flags: vec![(flag, true)], ..at_version(version) };
        assert_eq!(
            mesh(&pod("web/client", 1, SIDECAR), &options).config.flags.is_on(flag),
            wanted,
            "{version}"
        );
    }
    let options = at_version("1.12");
    assert!(!mesh(&pod("web/client", 1, SIDECAR), &options).config.flags.is_on(Flag::RuleInheritance));
}

#[test]
fn without_the_flag_a_host_is_that_of_the_first_namespace() {
    let entry = |namespace: &str| {
        let spec = "{hosts: [api.test], resolution: STATIC, location: MESH_INTERNAL, \
                    ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 10.9.9.9}]}";
        object("ServiceEntry", &format!("{namespace}/{namespace}"), spec)
    };
    let route = object(
        "VirtualService",
        "web/r",
        "{hosts: [other.test], http: [{route: [{destination: {host: api.test}}]}]}",
    );
    let narrow = object("Sidecar", "web/s", "{egress: [{hosts: [\"./*\", web/other.test]}]}");
    let imported = entry("aaa") + &entry("web") + &pod("web/client", 1, SIDECAR);
    // The client's own definition comes first but for the flag; a route's likewise, by a flag of its own.
    let elsewhere = entry("aaa") + &entry("zzz") + &pod("web/client", 1, SIDECAR) + &route + &narrow;
    let own_by_route = entry("aaa")
        + &object(
            "ServiceEntry",
            "web/web",
            "{hosts: [api.test], exportTo: [.], resolution: STATIC, location: MESH_INTERNAL, \
             ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 10.9.9.9}]}",
        )
        + &pod("web/client", 1, SIDECAR)
        + &route
        + &object("Sidecar", "web/s", "{egress: [{hosts: [web/other.test]}]}");
    for (objects, flags, wanted) in [
        (&imported, vec![], "web"),
        (&imported, vec![(Flag::UnifiedSidecarScope, false)], "aaa"),
        (&imported, vec![(Flag::BestServiceNamespace, false)], "web"),
        (&elsewhere, vec![(Flag::BestServiceNamespace, false)], "aaa"),
        (&own_by_route, vec![], "web"),
        (&own_by_route, vec![(Flag::BestServiceNamespace, false)], "aaa"),
        (&own_by_route, vec![(Flag::UnifiedSidecarScope, false)], "web"),
    ] {
        let mesh = mesh(objects, &Options { flags: flags.clone(), ..Options::default() });
        let client = mesh.workloads.get(mesh.workloads.by_pod("web", "client").unwrap()).unwrap();
        let target = mesh.target(client, "api.test").unwrap();
        assert!(target.is_in_scope(), "{flags:?}");
        assert_eq!(*target.service.namespace, *wanted, "{flags:?}");
    }
}

/// C20 and C4 of the rules, with and without the flag: per endpoint, but only after the all-or-nothing test.
#[test]
fn headless_services_with_listed_endpoints_choose_for_each_after_the_test_of_all() {
    let headless = service("shop/db", ", clusterIP: None");
    let pods = pod("web/client", 1, SIDECAR) + &pod("shop/db", 2, SIDECAR);
    let disable =
        object("PeerAuthentication", "shop/w", "{selector: {matchLabels: {app: db}}, mtls: {mode: DISABLE}}");
    let bare = pod("shop/bare", 3, SIDECAR)
        .replace("app: bare, security.istio.io/tlsMode: istio", "app: db")
        .replace(", {name: istio-proxy, args: [proxy, sidecar]}", "");
    for (objects, on, wanted) in [
        (headless.clone() + &pods + &disable, false, "istio-mutual"),
        (headless.clone() + &pods + &disable, true, "plaintext"),
        (headless.clone() + &pods + &bare, false, "plaintext"),
        (headless.clone() + &pods + &bare, true, "plaintext"),
        (headless + &pods, true, "istio-mutual"),
    ] {
        let options = Options { flags: vec![(Flag::EdsForHeadless, on)], ..Options::default() };
        let pair = pair(&mesh(&objects, &options), "db.shop.svc.cluster.local");
        let sent: Vec<_> = pair.endpoints.iter().map(|endpoint| endpoint.sent.word()).collect();
        assert!(!sent.is_empty() && sent.iter().all(|one| *one == wanted), "{on}: {sent:?}, not {wanted}");
    }
}

#[test]
fn rules_that_others_inherit_leave_open_what_they_can_touch() {
    let objects = |namespace: &str| {
        service("shop/reviews", "")
            + &pod("shop/reviews", 1, SIDECAR)
            + &pod("web/client", 2, SIDECAR)
            + &object(
                "DestinationRule",
                &format!("{namespace}/inherited"),
                "{trafficPolicy: {tls: {mode: SIMPLE}}}",
            )
    };
    for (namespace, version, on, wanted) in [
        ("istio-system", "1.9", true, false),
        ("istio-system", "1.10", true, true),
        ("istio-system", "1.19", true, true),
        ("istio-system", "1.19", false, false),
        ("istio-system", "1.20", true, false),
        ("shop", "1.12", true, true),
        ("web", "1.12", true, true),
        ("other", "1.12", true, false),
    ] {
        let options = Options { flags: vec![(Flag::RuleInheritance, on)], ..at_version(version) };
        let pair = pair(&mesh(&objects(namespace), &options), "reviews.shop.svc.cluster.local");
        assert_eq!(pair.status == Status::Unknown, wanted, "{namespace} {version} {on}");
        assert_eq!(pair.missing.is_empty(), !wanted);
    }
}

#[test]
fn a_proxy_with_certificates_of_its_own_leaves_open_what_it_presents() {
    let own = format!("{SIDECAR}, env: [{{name: ISTIO_META_TLS_CLIENT_CERT_CHAIN, value: /etc/own.pem}}]");
    let inside = |proxy: &str, mode: &str| {
        let rule = if mode.is_empty() {
            String::new()
        } else {
            object(
                "DestinationRule",
                "shop/r",
                &format!("{{host: reviews, trafficPolicy: {{tls: {{mode: {mode}}}}}}}"),
            )
        };
        service("shop/reviews", "") + &pod("shop/reviews", 1, SIDECAR) + &pod("web/client", 2, proxy) + &rule
    };
    for (proxy, mode, wanted) in [
        (own.as_str(), "", true),
        (own.as_str(), "ISTIO_MUTUAL", true),
        (own.as_str(), "MUTUAL", true),
        (own.as_str(), "SIMPLE", false),
        (own.as_str(), "DISABLE", false),
        (SIDECAR, "", false),
        (SIDECAR, "ISTIO_MUTUAL", false),
    ] {
        let pair = pair(&mesh(&inside(proxy, mode), &Options::default()), "reviews.shop.svc.cluster.local");
        assert_eq!(pair.status == Status::Unknown, wanted, "{proxy} {mode}");
    }
    let outside = pod("web/client", 1, &own)
        + &object(
            "ServiceEntry",
            "web/api",
            "{hosts: [api.test], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}",
        )
        + &object("DestinationRule", "web/r", "{host: api.test, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}");
    for (version, on, wanted) in [("1.23", true, true), ("1.24", true, false), ("1.24", false, true)] {
        let options = Options { flags: vec![(Flag::RuleTlsForExternal, on)], ..at_version(version) };
        let pair = pair(&mesh(&outside, &options), "api.test");
        assert_eq!(pair.status == Status::Unknown, wanted, "{version} {on}");
    }
}

/// Two clients that only their certificates tell apart are not answered as one.
#[test]
fn certificates_of_its_own_set_a_client_apart() {
    let own = format!("{SIDECAR}, env: [{{name: ISTIO_META_TLS_CLIENT_CERT_CHAIN, value: /etc/own.pem}}]");
    let objects = service("shop/reviews", "")
        + &pod("shop/reviews", 1, SIDECAR)
        + &pod("web/client", 2, SIDECAR)
        + &pod("web/other", 3, &own);
    let rows = json_on(&objects, &["tls-check"]);
    let rows: Vec<_> = rows["rows"].as_array().unwrap().iter().collect();
    let unknown: Vec<_> = rows.iter().filter(|row| row["status"] == "UNKNOWN").collect();
    assert_eq!((rows.len() > 1, unknown.len()), (true, 1), "{rows:?}");
    assert_eq!(unknown[0]["client"]["pod"], "other");
}

#[test]
fn the_default_configuration_is_printed_and_can_be_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let printed = meshscope(folder.path(), &["config", "default"]);
    assert_eq!((printed.code, printed.err.as_str()), (0, ""));
    let configuration = folder.path().join(".config/meshscope/config.toml");
    std::fs::create_dir_all(configuration.parent().unwrap()).unwrap();
    std::fs::write(&configuration, printed.out).unwrap();
    std::fs::write(folder.path().join("mesh.yaml"), pod("web/client", 1, SIDECAR)).unwrap();
    let ran = meshscope(folder.path(), &["check", "-f", "mesh.yaml"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

#[test]
fn the_configuration_file_sets_flags_whatever_istiod_says() {
    let folder = tempfile::tempdir().unwrap();
    let off = "{name: PILOT_ENABLE_EDS_FOR_HEADLESS_SERVICES, value: \"false\"}";
    let objects = service("shop/db", ", clusterIP: None")
        + &pod("web/client", 1, SIDECAR)
        + &pod("shop/db", 2, SIDECAR)
        + &object(
            "PeerAuthentication",
            "shop/w",
            "{selector: {matchLabels: {app: db}}, mtls: {mode: DISABLE}}",
        )
        + &istiod("Deployment", "1.30.0", off);
    std::fs::write(folder.path().join("mesh.yaml"), objects).unwrap();
    let sent = || {
        let arguments = ["tls-check", "-f", "mesh.yaml", "client.web", "svc/db.shop", "-o", "json"];
        let ran = meshscope(folder.path(), &arguments);
        (ran.json()["rows"][0]["clientTls"]["effective"].clone(), ran.err)
    };
    assert_eq!(sent(), ("istio-mutual".into(), String::new()));

    let configuration = folder.path().join(".config/meshscope/config.toml");
    std::fs::create_dir_all(configuration.parent().unwrap()).unwrap();
    std::fs::write(&configuration, "[istiod.flags]\nPILOT_ENABLE_EDS_FOR_HEADLESS_SERVICES = true\n")
        .unwrap();
    assert_eq!(sent(), ("plaintext".into(), String::new()));

    let mut wrong = String::from("[istiod.flags]\nPILOT_ENABLE_EDS_FOR_HEADLESS_SERVICES = true\n");
    writeln!(wrong, "PILOT_UNIFIED_SIDECAR_SCOPE = \"off\"\n\"\\u001b[31m\" = true").unwrap();
    std::fs::write(&configuration, wrong).unwrap();
    let (answer, message) = sent();
    assert_eq!(answer, "plaintext");
    let problem = "3: istiod.flags.PILOT_UNIFIED_SIDECAR_SCOPE: expected true or false, found string";
    assert!(message.contains("config.toml") && message.contains(problem), "{message}");
    assert!(message.contains("4: istiod.flags.") && !message.contains('\u{1b}'), "{message}");
}

/// MT-2.5.
#[test]
fn tls_that_a_sidecar_ends_is_unknown_on_its_ports_only() {
    let listener = |port: u16| {
        format!(
            "{{port: {{number: {port}, name: https, protocol: HTTPS}}, defaultEndpoint: \"127.0.0.1:8080\", \
             tls: {{mode: SIMPLE, serverCertificate: a, privateKey: b}}}}"
        )
    };
    let mesh = |port: u16, namespace: &str, mode: &str, flag: &str| {
        let variable = format!("{{name: ENABLE_TLS_ON_SIDECAR_INGRESS, value: \"{flag}\"}}");
        let policy = format!("{{mtls: {{mode: {mode}}}}}");
        service("shop/api", "")
            + &pod("shop/api", 1, SIDECAR)
            + &pod("web/client", 9, SIDECAR)
            + &object("PeerAuthentication", "shop/default", &policy)
            + &object("Sidecar", &format!("{namespace}/own"), &format!("{{ingress: [{}]}}", listener(port)))
            + &istiod("Deployment", "1.30.0", &variable)
    };
    let row = |objects: &str| {
        let rows = json_on(objects, &["tls-check", "client.web", "svc/api.shop"])["rows"][0].clone();
        (rows["status"].as_str().unwrap().to_owned(), rows["missing"].to_string())
    };
    let (status, missing) = row(&mesh(8080, "shop", "DISABLE", "true"));
    assert!(status == "UNKNOWN" && missing.contains("shop/own"), "{status} {missing}");
    assert_eq!(row(&mesh(8080, "istio-system", "DISABLE", "true")).0, "UNKNOWN");
    for (port, namespace, mode, flag, wanted) in [
        (8080, "shop", "DISABLE", "false", "OK"),
        (8080, "shop", "STRICT", "true", "OK"),
        (8443, "shop", "DISABLE", "true", "OK"),
        (8080, "web", "DISABLE", "true", "OK"),
    ] {
        assert_eq!(row(&mesh(port, namespace, mode, flag)).0, wanted, "{port} {namespace} {mode} {flag}");
    }
}

/// MT-4.3: what makes it all or nothing is said by its name.
#[test]
fn all_or_nothing_is_said_of_headless_services_and_of_passthrough() {
    let reason = |more: &str, rule: &str, pods: &str| {
        let objects = service("shop/db", more) + &pod("web/client", 9, SIDECAR) + rule + pods;
        let rows = json_on(&objects, &["tls-check", "client.web", "svc/db.shop"]);
        rows["rows"][0]["reason"].as_str().unwrap().to_owned()
    };
    let bare = pod("shop/db", 1, SIDECAR).replace("tlsMode: istio", "tlsMode: disabled");
    let rule = object(
        "DestinationRule",
        "shop/db",
        "{host: db, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}}",
    );
    let headless = reason(", clusterIP: None", "", &bare);
    assert!(headless.contains("the service is headless, and not every endpoint"), "{headless}");
    let passthrough = reason("", &rule, &bare);
    assert!(passthrough.contains("its load balancing is PASSTHROUGH, and not every"), "{passthrough}");
}

/// MT-2.1: what a server's `Sidecar` declares for its own listeners stands in the place of what services do.
#[test]
fn the_protocol_of_a_port_is_that_of_the_servers_own_listener() {
    let mesh = |ingress: &str| {
        service("shop/api", "")
            + &pod("shop/api", 1, SIDECAR)
            + &pod("web/client", 9, SIDECAR)
            + &object("DestinationRule", "shop/api", "{host: api, trafficPolicy: {tls: {mode: SIMPLE}}}")
            + &object("Sidecar", "shop/own", &format!("{{{ingress}}}"))
    };
    let status = |ingress: &str| {
        let rows = json_on(&mesh(ingress), &["tls-check", "client.web", "svc/api.shop"]);
        rows["rows"][0]["status"].as_str().unwrap().to_owned()
    };
    let listener = |port: u16, protocol: &str| {
        format!(
            "ingress: [{{port: {{number: {port}, name: x, protocol: {protocol}}}, defaultEndpoint: \"127.0.0.1:1\"}}]"
        )
    };
    // TLS that is not Istio's has no filter chain on an HTTP port, and reaches the application on others (X8).
    assert_eq!(status("egress: [{hosts: [\"*/*\"]}]"), "CONFLICT");
    assert_eq!(status(&listener(8080, "HTTP")), "CONFLICT");
    assert_eq!(status(&listener(8080, "HTTPS")), "COND");
    assert_eq!(status(&listener(9090, "HTTP")), "COND");
}
