//! What an API server would refuse, and files can hold all the same: it is told in the words of Kubernetes, and
//! decides nothing.

use serde_json::Value;

use crate::support::meshes::{self, SIDECAR, istiod, json_on, mesh_config, object, run_on, service};

/// A client in `web` and a server in `shop`, both with a sidecar.
fn reviews() -> String {
    pod("web/client", "10.0.0.1", "") + &pod("shop/reviews", "10.0.0.2", "") + &service("shop/reviews", "")
}

fn pod(path: &str, address: &str, more: &str) -> String {
    let (_, name) = path.split_once('/').unwrap();
    meshes::pod(
        path,
        address,
        &format!("labels: {{app: {name}, security.istio.io/tlsMode: istio}}{more}"),
        SIDECAR,
    )
}

/// The status of the client's pair with a host.
fn status(yaml: &str, host: &str) -> String {
    let rows = json_on(yaml, &["tls-check", "client.web", host]);
    rows["rows"][0]["status"].as_str().unwrap_or("nothing").to_owned()
}

/// The messages of MS0902.
fn told(yaml: &str) -> Vec<String> {
    let report = json_on(yaml, &["check"]);
    let findings = report["findings"].as_array().unwrap().iter().filter(|one| one["code"] == "MS0902");
    findings.map(|one| one["message"].as_str().unwrap().to_owned()).collect()
}

/// Words of Rust and of its parsers.
const FOREIGN: [&str; 11] = [
    "Wire",
    "struct",
    "u16",
    "i64",
    "sequence",
    "Option",
    "expected",
    "invalid",
    "deserialize",
    "Policy in",
    "integer `",
];

#[test]
fn a_list_is_no_object_and_no_message_speaks_of_rust() {
    let head = |version: &str, kind: &str, rest: &str| {
        format!(
            "---\napiVersion: {version}\nkind: {kind}\nmetadata: {{namespace: shop, name: odd}}\n{rest}\n"
        )
    };
    let cases = [
        (head("v1", "Service", "spec: []"), "spec must be an object, is a list"),
        (head("v1", "Service", "spec: {ports: [[http, 80]]}"), "spec.ports[0] must be an object, is a list"),
        (
            head("v1", "Service", "status: {loadBalancer: [[]]}"),
            "status.loadBalancer must be an object, is a list",
        ),
        (head("v1", "Service", "spec: {ports: {port: 80}}"), "spec.ports must be a list, is an object"),
        (head("v1", "Service", "spec: {ports: [{name: http}]}"), "spec.ports[0] lacks port"),
        (head("v1", "Pod", "spec: [a, false]"), "spec must be an object, is a list"),
        (head("v1", "Pod", "spec: {containers: [[app]]}"), "spec.containers[0] must be an object, is a list"),
        (
            head("v1", "Pod", "spec: {containers: [{ports: [{}]}]}"),
            "spec.containers[0].ports[0] lacks containerPort",
        ),
        (
            head("v1", "Pod", "spec: {hostNetwork: yes please}"),
            "spec.hostNetwork must be a boolean, is the text",
        ),
        (
            head("v1", "Pod", "spec: {containers: [{env: [{name: A, value: 1}]}]}"),
            "value must be a string, is the number 1",
        ),
        (
            head("discovery.k8s.io/v1", "EndpointSlice", "endpoints: [[[10.0.0.1]]]"),
            "endpoints[0] must be an object",
        ),
        (head("v1", "Endpoints", "subsets: [[]]"), "subsets[0] must be an object, is a list"),
        (
            head("apps/v1", "Deployment", "spec: {template: [{}, {}]}"),
            "spec.template must be an object, is a list",
        ),
        (head("apps/v1", "ReplicaSet", "spec: [[]]"), "spec must be an object, is a list"),
        (head("v1", "ConfigMap", "data: [x]").replace("odd", "istio"), "data must be an object, is a list"),
        (
            head("v1", "Namespace", "").replace("{namespace: shop, name: odd}", "[odd, shop]"),
            "metadata must be an object",
        ),
        (
            head("v1", "Pod", "").replace("name: odd", "name: odd, labels: [a]"),
            "metadata.labels must be an object",
        ),
    ];
    for (yaml, wanted) in cases {
        let value: Value = serde_saphyr_of(&yaml);
        for text in [reviews() + &yaml, list_with(&value)] {
            let ran = run_on(&text, &["check"]);
            assert!(ran.err.contains(wanted), "{wanted}\n{text}\n{}", ran.err);
            for word in FOREIGN {
                assert!(!ran.err.contains(word) && !ran.out.contains(word), "{word}: {}{}", ran.err, ran.out);
            }
            assert!(ran.err.contains("mesh.yaml:"), "{}", ran.err);
        }
    }
}

/// The object of a YAML text, as the program's own reader of YAML would give it to `kubectl`.
fn serde_saphyr_of(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap()
}

/// A list in JSON with an object that can be read before it.
fn list_with(object: &Value) -> String {
    let namespace = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}});
    serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [namespace, object]}).to_string()
}

#[test]
fn a_label_that_is_no_string_is_told_and_its_pod_is_not_judged() {
    for (value, is) in [("7", "the number 7"), ("1.10", "a number"), ("yes", "a boolean"), ("[a]", "a list")]
    {
        let text =
            reviews().replace("app: reviews, security", &format!("app: reviews, version: {value}, security"));
        let ran = run_on(&text, &["check"]);
        let wanted = format!("Pod shop/reviews: metadata.labels.version must be a string, is {is}");
        assert!(ran.err.contains(&wanted) && ran.out.contains("MS0902"), "{}{}", ran.err, ran.out);
        assert_eq!(status(&text, "svc/reviews.shop"), "UNKNOWN", "{value}");
    }
    // What has more digits than any number is a text, and kubectl writes it without quotes.
    let commit = reviews().replace("app: reviews, security", "app: reviews, commit: 12e4567, security");
    assert_eq!((status(&commit, "svc/reviews.shop").as_str(), told(&commit).len()), ("OK", 0));
    let of_service =
        reviews().replace("name: reviews}", "name: reviews, labels: {commit: 12e4567, b: +9e999}}");
    assert_eq!((status(&of_service, "svc/reviews.shop").as_str(), told(&of_service).len()), ("OK", 0));
    // A hash of digits in quotes, a date, and what only looks like a number are texts.
    for value in ["\"7\"", "v1.10", "2024-01-01", "1.2.3", "12e3abc"] {
        let text =
            reviews().replace("app: reviews, security", &format!("app: reviews, version: {value}, security"));
        assert_eq!((status(&text, "svc/reviews.shop").as_str(), told(&text).len()), ("OK", 0), "{value}");
    }
}

#[test]
fn a_port_that_is_none_is_told_and_decides_nothing() {
    let entry = |ports: &str| {
        let spec = format!("{{hosts: [api.example.com], location: MESH_EXTERNAL, resolution: DNS, {ports}}}");
        object("ServiceEntry", "shop/api", 1, &spec)
    };
    for port in ["-1", "65536", "0", "99999999999999999999"] {
        let of_service = reviews().replace("port: 80,", &format!("port: {port},"));
        let entry_port = entry(&format!(
            "ports: [{{number: 80, name: http, protocol: HTTP}}, {{number: {port}, name: b, protocol: TCP}}]"
        ));
        let cases = [
            (of_service, "svc/reviews.shop", "spec.ports.port must be"),
            (reviews() + &entry_port, "api.example.com:80", "spec.ports.number must be"),
            (
                reviews()
                    + &object(
                        "Sidecar",
                        "web/default",
                        1,
                        &format!("{{egress: [{{port: {{number: {port}}}, hosts: [\"./*\"]}}]}}"),
                    ),
                "svc/reviews.shop",
                "spec.egress.port.number must be",
            ),
            (
                reviews()
                    + &object(
                        "WorkloadEntry",
                        "shop/vm",
                        1,
                        &format!("{{address: 10.0.0.9, labels: {{app: reviews}}, ports: {{http: {port}}}}}"),
                    ),
                "svc/reviews.shop",
                "spec.ports.http must be",
            ),
            (
                reviews()
                    + &object(
                        "VirtualService",
                        "web/v",
                        1,
                        &format!(
                            "{{hosts: [reviews.shop], http: [{{route: [{{destination: {{host: reviews.shop, port: {{number: {port}}}}}}}]}}]}}"
                        ),
                    ),
                "svc/reviews.shop",
                "destination.port.number must be",
            ),
        ];
        for (yaml, host, wanted) in cases {
            // What is 0 in a Sidecar's port stands for none.
            if port == "0" && wanted.contains("egress") {
                continue;
            }
            let messages = told(&yaml).join("\n");
            assert!(messages.contains(wanted), "{port} {wanted}: {messages}");
            assert!(!FOREIGN.iter().any(|word| messages.contains(word)), "{messages}");
            // A Service that cannot be read is none, so there is no pair to ask about. A route decides which services a
            // client has, and this one has the service without it.
            let of_route = wanted.starts_with("destination");
            if of_route {
                assert_eq!(status(&yaml, host), "OK", "{port}");
            } else if !wanted.starts_with("spec.ports.port") {
                assert_eq!(status(&yaml, host), "UNKNOWN", "{port} {wanted}");
            }
        }
        // A pod is one whose ports nobody knows.
        let web = format!("[{{name: app, ports: [{{name: web, containerPort: {port}}}]}}");
        let server = pod("shop/reviews", "10.0.0.2", "");
        let pods = reviews().replace(&server, &server.replace("[{name: app}", &web));
        assert!(
            told(&pods).join("\n").contains("spec.containers.ports.containerPort must be a port number"),
            "{port}"
        );
        assert_eq!(status(&pods, "svc/reviews.shop"), "UNKNOWN", "{port}");
    }
    let sound = reviews() + &entry("ports: [{number: 65535, name: tcp, protocol: TCP, targetPort: 0}]");
    assert!(told(&sound).is_empty());
    assert_ne!(status(&sound, "api.example.com:65535"), "UNKNOWN");
}

#[test]
fn a_target_port_is_a_number_or_a_name() {
    for (target, wanted) in [("-1", true), ("65536", true), ("\"70000\"", true), ("0", false), ("web", false)]
    {
        let yaml = reviews().replace("targetPort: 8080", &format!("targetPort: {target}"));
        let messages = told(&yaml).join("\n");
        let is_told = messages
            .contains("spec.ports.targetPort must be a port number from 1 to 65535 or the name of a port");
        assert_eq!(is_told, wanted, "{target}: {messages}");
    }
}

#[test]
fn a_rule_may_name_a_port_that_nobody_has() {
    let rule = |port: &str| {
        let spec = format!(
            "{{host: reviews, trafficPolicy: {{portLevelSettings: [{{port: {{number: {port}}}, tls: {{mode: SIMPLE}}}}]}}}}"
        );
        reviews() + &object("DestinationRule", "shop/r", 1, &spec)
    };
    for port in ["0", "65536"] {
        assert!(
            told(&rule(port))[0].contains(&format!("number is {port}, which is no port")),
            "{:?}",
            told(&rule(port))
        );
        assert_eq!(status(&rule(port), "svc/reviews.shop"), "OK");
    }
    assert!(told(&rule("-1"))[0].contains("must be a port number from 1 to 65535, is -1"));
    assert_eq!(status(&rule("-1"), "svc/reviews.shop"), "UNKNOWN");
    assert!(told(&rule("81")).is_empty());
    let policy = |key: &str| {
        let spec = format!(
            "{{selector: {{matchLabels: {{app: reviews}}}}, portLevelMtls: {{{key}: {{mode: DISABLE}}}}}}"
        );
        reviews() + &object("PeerAuthentication", "shop/p", 1, &spec)
    };
    for (key, wanted) in [("70000", "OK"), ("http", "UNKNOWN"), ("-1", "UNKNOWN")] {
        assert!(told(&policy(key))[0].contains("which is no port number"), "{key}");
        assert_eq!(status(&policy(key), "svc/reviews.shop"), wanted, "{key}");
    }
}

#[test]
fn what_injection_wrote_down_and_nobody_can_read_leaves_the_control_plane_open() {
    let server = |status: &str| {
        let more = format!(", annotations: {{sidecar.istio.io/status: '{status}'}}");
        pod("web/client", "10.0.0.1", "")
            + &pod("shop/reviews", "10.0.0.2", &more)
            + &service("shop/reviews", "")
    };
    let planes = istiod("", "istio/pilot:1.30.0", "")
        + &istiod("blue", "istio/pilot:1.31.0", "")
        + &mesh_config("istio", "{}")
        + &mesh_config("istio-blue", "{}");
    for junk in ["not json", "[]", "{\"revision\": 7}"] {
        let alone = server(junk);
        assert!(told(&alone)[0].contains("sidecar.istio.io/status is not the JSON"), "{junk}");
        // Of one control plane there is nothing to choose.
        assert_eq!(status(&alone, "svc/reviews.shop"), "OK", "{junk}");
        assert_eq!(status(&(alone + &planes), "svc/reviews.shop"), "UNKNOWN", "{junk}");
    }
    let sound = server("{\"revision\":\"blue\",\"containers\":[\"istio-proxy\"]}") + &planes;
    assert_eq!((status(&sound, "svc/reviews.shop").as_str(), told(&sound).len()), ("OK", 0));
}

#[test]
fn annotations_that_injection_would_refuse_leave_the_pod_open() {
    let server = |key: &str, value: &str| {
        let more = format!(", annotations: {{{key}: '{value}'}}");
        pod("web/client", "10.0.0.1", "")
            + &pod("shop/reviews", "10.0.0.2", &more)
            + &service("shop/reviews", "")
    };
    let ports = "traffic.sidecar.istio.io/excludeInboundPorts";
    for (key, value) in
        [(ports, "80,eighty"), (ports, "70000"), ("sidecar.istio.io/interceptionMode", "redirect")]
    {
        let yaml = server(key, value);
        assert!(told(&yaml)[0].contains(key), "{:?}", told(&yaml));
        assert_eq!(status(&yaml, "svc/reviews.shop"), "UNKNOWN", "{key}");
    }
    for (key, value) in
        [(ports, "80, 443"), (ports, ""), ("sidecar.istio.io/interceptionMode", "TPROXY"), ("other", "x")]
    {
        let yaml = server(key, value);
        assert_eq!(
            (status(&yaml, "svc/reviews.shop").as_str(), told(&yaml).len()),
            ("OK", 0),
            "{key} {value}"
        );
    }
}

#[test]
fn a_template_that_asks_for_a_proxy_in_a_word_that_is_none_is_not_judged() {
    for (word, wanted) in [("maybe", "UNKNOWN"), ("False", "UNKNOWN"), ("true", "CONFLICT")] {
        let yaml = meshes::GIT_FOLDER.replace(
            "metadata: {labels: {app: a}}",
            &format!(
                "metadata: {{labels: {{app: a}}, annotations: {{sidecar.istio.io/inject: \"{word}\"}}}}"
            ),
        );
        let rows = json_on(&yaml, &["tls-check", "deploy/a.x", "svc/a.x"]);
        assert_eq!(rows["rows"][0]["status"], wanted, "{word}");
        assert_eq!(told(&yaml).is_empty(), word == "true", "{word}");
    }
}

#[test]
fn a_flag_that_is_no_boolean_is_told_and_its_default_stands() {
    let with = |variable: &str| reviews() + &istiod("", "istio/pilot:1.30.0", variable);
    let junk = with("{name: PILOT_UNIFIED_SIDECAR_SCOPE, value: maybe}");
    let messages = told(&junk);
    assert!(
        messages[0].contains(
            "sets PILOT_UNIFIED_SIDECAR_SCOPE to \"maybe\", no boolean: istiod takes its default, true"
        ),
        "{messages:?}"
    );
    assert_eq!(status(&junk, "svc/reviews.shop"), "OK");
    for sound in ["{name: PILOT_UNIFIED_SIDECAR_SCOPE, value: \"0\"}", "{name: PILOT_OTHER, value: maybe}"] {
        assert!(told(&with(sound)).is_empty(), "{sound}");
    }
}

#[test]
fn a_flag_that_comes_from_elsewhere_is_not_known() {
    let with = |variable: &str| reviews() + &istiod("", "istio/pilot:1.30.0", variable);
    let from = "valueFrom: {configMapKeyRef: {name: a, key: b}}";
    assert_eq!(
        status(&with(&format!("{{name: PILOT_ENABLE_AMBIENT, {from}}}")), "svc/reviews.shop"),
        "UNKNOWN"
    );
    assert_eq!(status(&with(&format!("{{name: POD_NAME, {from}}}")), "svc/reviews.shop"), "OK");
    // A version that does not have the flag takes no notice of it.
    let inherits = format!("{{name: PILOT_ENABLE_DESTINATION_RULE_INHERITANCE, {from}}}");
    assert_eq!(status(&with(&inherits), "svc/reviews.shop"), "OK");
}

#[test]
fn who_asks_for_what_could_not_be_read_is_told_so() {
    let yaml = reviews().replace("port: 80,", "port: 0,");
    let ran = run_on(&yaml, &["why", "reviews.shop"]);
    assert_eq!(ran.code, 64);
    assert!(
        ran.err.contains("no service is called reviews.shop; Service shop/reviews (mesh.yaml:"),
        "{}",
        ran.err
    );
    let yaml = reviews().replace("app: client,", "app: 7,");
    let ran = run_on(&yaml, &["tls-check", "client.web", "reviews.shop"]);
    assert!(
        ran.err.contains("no pod or workload is called client.web; Pod web/client (mesh.yaml:"),
        "{}",
        ran.err
    );
    let ran = run_on(&yaml, &["why", "other.shop"]);
    assert!(!ran.err.contains("could not be read"), "{}", ran.err);
}
