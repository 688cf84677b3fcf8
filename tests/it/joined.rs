//! Logs and objects together: which finding the lines belong to, and what the objects prove of them.

use serde_json::{Value, json};

use crate::support::{Ran, meshscope};

const SERVICE: &str = "---\napiVersion: v1\nkind: Service\nmetadata: {name: cart, namespace: shop}\n\
                       spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: 9080}]}\n";

fn pod(namespace: &str, name: &str, address: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\n\
         metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {namespace}, security.istio.io/tlsMode: istio}}}}\n\
         spec: {{containers: [{{name: istio-proxy, args: [proxy, sidecar]}}]}}\n\
         status: {{phase: Running, podIP: {address}, conditions: [{{type: Ready, status: 'True'}}]}}\n"
    )
}

/// An object of Istio's; `more` stands behind its namespace.
fn object(kind: &str, namespace: &str, more: &str, spec: &str) -> String {
    let group = if kind == "DestinationRule" { "networking" } else { "security" };
    format!(
        "---\napiVersion: {group}.istio.io/v1\nkind: {kind}\nmetadata: {{name: it, namespace: {namespace}{more}}}\n\
         spec: {spec}\n"
    )
}

fn rule(mode: &str) -> String {
    object(
        "DestinationRule",
        "shop",
        "",
        &format!("{{host: cart, trafficPolicy: {{tls: {{mode: {mode}}}}}}}"),
    )
}

/// A client, a service with one pod, and what is said of them.
fn mesh(objects: &str) -> String {
    pod("web", "client", "10.8.1.8") + &pod("shop", "cart", "10.8.2.0") + SERVICE + objects
}

/// A line of the client's proxy at a second: code, flags and details.
fn client(second: u32, what: &str) -> String {
    format!(
        "[2026-03-02T09:00:{second:02}.000Z] \"GET / HTTP/1.1\" {what} - \"-\" 0 95 3 - \"-\" \"curl\" \"id-{second}\" \"cart\" \
         \"10.8.2.0:9080\" outbound|80||cart.shop.svc.cluster.local 10.8.1.8:{} 10.9.0.1:80 10.8.1.8:5000 - default\n",
        40000 + second
    )
}

/// The line of the server's proxy for the same request, without TLS.
fn server(second: u32, what: &str) -> String {
    format!(
        "[2026-03-02T09:00:{second:02}.001Z] \"GET / HTTP/1.1\" {what} - \"-\" 0 95 1 - \"-\" \"curl\" \"id-{second}\" \"cart\" \
         \"10.8.2.0:9080\" inbound|9080|| 127.0.0.6:4000 10.8.2.0:9080 10.8.1.8:{} - default\n",
        40000 + second
    )
}

fn run(command: &[&str], mesh: &str, logs: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mesh.yaml"), mesh).unwrap();
    std::fs::write(folder.path().join("access.log"), logs).unwrap();
    let arguments = ["-f", "mesh.yaml", "-f", "access.log", "-o", "json"];
    meshscope(folder.path(), &[command, &arguments].concat())
}

/// The findings of a code.
fn findings(code: &str, mesh: &str, logs: &str) -> Vec<Value> {
    let report = run(&["check"], mesh, logs).json();
    report["findings"].as_array().unwrap().iter().filter(|one| one["code"] == code).cloned().collect()
}

const NOT_ALLOWED: &str = "403 - rbac_access_denied_matched_policy[none]";

#[test]
fn a_remedy_of_a_denial_for_want_of_an_identity_lets_the_client_send_mutual_tls() {
    let by_principal = "{rules: [{from: [{source: {principals: [cluster.local/ns/web/sa/default]}}]}]}";
    let policy = object("AuthorizationPolicy", "shop", "", by_principal);
    let lines = client(10, "403 - via_upstream") + &server(10, NOT_ALLOWED);
    let found = findings("MS0307", &mesh(&(rule("DISABLE") + &policy)), &lines);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["id"], "MS0307/DestinationRule/shop/it/spec.trafficPolicy.tls.mode");
    assert_eq!((&found[0]["severity"], &found[0]["confidence"]), (&json!("error"), &json!("certain")));
    assert_eq!(found[0]["edges"][0]["seen"], 1);
    let patches: Vec<_> = found[0]["remedies"].as_array().unwrap().iter().map(|one| &one["patch"]).collect();
    let wanted = json!({"spec": {"trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}}});
    assert!(patches.contains(&&wanted), "{patches:?}");
    let causes = run(&["logs"], &mesh(&(rule("DISABLE") + &policy)), &lines).json();
    assert_eq!(causes["causes"][0]["cause"], "rbac-denied-because-plaintext");
    assert_eq!(causes["causes"][0]["objects"][0]["field"], "spec.rules[0]");
    // The identity of another, or more than an identity is wanted: to send mutual TLS may not help.
    let ns = "{rules: [{from: [{source: {namespaces: [web]}}]}]}";
    let more = "{rules: [{from: [{source: {namespaces: [web], ipBlocks: [1.1.1.1]}}]}]}";
    let denying = "{action: DENY, rules: [{}]}";
    let offers = |policies: String| {
        let found = findings("MS0307", &mesh(&(rule("DISABLE") + &policies)), &lines);
        found.iter().any(|one| one["remedies"].as_array().is_some_and(|all| !all.is_empty()))
    };
    let allow = |spec: &str| object("AuthorizationPolicy", "shop", "", spec);
    assert!(offers(allow(ns)));
    assert!(!offers(allow(&by_principal.replace("web", "zzz"))));
    assert!(!offers(allow(more)));
    assert!(!offers(allow(ns) + &allow(denying).replace("name: it", "name: zz")));
    // Who has an identity is denied for another reason.
    let tls = lines.replace("- default", "outbound_.80_._.cart.shop.svc.cluster.local default");
    let found = findings("MS0307", &mesh(&(rule("ISTIO_MUTUAL") + &policy)), &tls);
    assert!(found.is_empty(), "{found:?}");
}

/// The first cause of lines under a policy, with its confidence.
fn first_cause(objects: &str, logs: &str) -> String {
    let report = run(&["logs"], &mesh(objects), logs).json();
    let cause = &report["causes"][0];
    format!("{} {}", cause["cause"].as_str().unwrap(), cause["confidence"].as_str().unwrap())
}

#[test]
fn the_want_of_an_identity_is_certain_only_where_the_callers_own_would_have_been_enough() {
    let lines = client(10, "403 - via_upstream") + &server(10, NOT_ALLOWED);
    let of = |spec: &str| {
        let objects = rule("DISABLE") + &object("AuthorizationPolicy", "shop", "", spec);
        let found = findings("MS0307", &mesh(&objects), &lines);
        (first_cause(&objects, &lines), found.len())
    };
    let own = "cluster.local/ns/web/sa/default";
    let because = |how: &str| format!("rbac-denied-because-plaintext {how}");
    for named in ["principals: ['*']", &format!("principals: [{own}]"), "namespaces: [web]"] {
        let spec = format!("{{rules: [{{from: [{{source: {{{named}}}}}]}}]}}");
        assert_eq!(of(&spec), (because("certain"), 1), "{named}");
    }
    // The identity of somebody else: its own would not have been enough.
    let other = "{rules: [{from: [{source: {principals: [cluster.local/ns/zzz/sa/other]}}]}]}";
    assert_eq!(of(other), ("rbac-denied likely".to_owned(), 0));
    // Something else is wanted besides, which may be what is missing.
    for more in [
        format!("{{from: [{{source: {{principals: [{own}], ipBlocks: [1.1.1.1]}}}}]}}"),
        format!("{{from: [{{source: {{principals: [{own}], requestPrincipals: ['*']}}}}]}}"),
        format!("{{from: [{{source: {{principals: [{own}]}}}}], to: [{{operation: {{methods: [PUT]}}}}]}}"),
        // One of two sources asks for none, in one rule or in two.
        format!("{{from: [{{source: {{principals: [{own}]}}}}, {{source: {{ipBlocks: [1.1.1.1]}}}}]}}"),
        format!(
            "{{from: [{{source: {{principals: [{own}]}}}}]}}, {{from: [{{source: {{ipBlocks: [1.1.1.1]}}}}]}}"
        ),
    ] {
        assert_eq!(of(&format!("{{rules: [{more}]}}")), (because("likely"), 1), "{more}");
    }
    assert_eq!(
        of("{rules: [{from: [{source: {ipBlocks: [1.1.1.1]}}]}]}"),
        ("rbac-denied certain".to_owned(), 0)
    );
    // A rule that was made afterwards did not make the client send plaintext.
    let policy =
        object("AuthorizationPolicy", "shop", "", "{rules: [{from: [{source: {namespaces: [web]}}]}]}");
    let later =
        rule("DISABLE").replace("metadata: {", "metadata: {creationTimestamp: '2026-03-02T10:00:00Z', ");
    let found = findings("MS0307", &mesh(&(later + &policy)), &lines);
    assert!(found[0]["id"].as_str().unwrap().starts_with("MS0307/AuthorizationPolicy"), "{found:?}");
}

#[test]
fn a_line_without_a_field_for_the_server_name_says_nothing_of_tls() {
    let line = "{\"start_time\":\"2026-03-02T09:00:00.000Z\",\"response_code\":403,\"response_flags\":\"-\",\
                \"response_code_details\":\"rbac_access_denied_matched_policy[none]\",\
                \"upstream_cluster\":\"inbound|9080||\",\"downstream_local_address\":\"10.8.2.0:9080\",\
                \"downstream_remote_address\":\"10.8.1.8:4000\",\"method\":\"GET\",\"path\":\"/\",\
                \"protocol\":\"HTTP/1.1\",\"request_id\":\"x0\"}\n";
    let spec = "{rules: [{from: [{source: {principals: [cluster.local/ns/web/sa/default]}}]}]}";
    let policy = object("AuthorizationPolicy", "shop", "", spec);
    assert_eq!(first_cause(&policy, line), "rbac-denied likely");
    let named = line.replace("\"method\"", "\"requested_server_name\":\"outbound_.80_._.a\",\"method\"");
    assert_eq!(first_cause(&policy, &named), "rbac-denied certain");
}

fn created(second: u32) -> String {
    format!(", creationTimestamp: '2026-03-02T09:00:{second:02}Z'")
}

/// The conflict's and the contradiction's code and confidence, and the message of the latter.
fn told(mesh: &str, logs: &str) -> (Vec<String>, String) {
    let report = run(&["check"], mesh, logs).json();
    let found = report["findings"].as_array().unwrap();
    let found: Vec<_> =
        found.iter().filter(|one| one["code"] == "MS0101" || one["code"] == "MS0302").collect();
    let line = |one: &&Value| format!("{} {}", one["code"], one["confidence"]).replace('"', "");
    let last = found.last().map(|one| one["message"].as_str().unwrap().to_owned());
    (found.iter().map(line).collect(), last.unwrap_or_default())
}

const RESET: &str = "503 UC upstream_reset_before_response_started{connection_termination}";

#[test]
fn traffic_that_flows_in_spite_of_a_conflict_stands_beside_it_with_what_is_newer() {
    let strict = |of_rule: &str, of_policy: &str| {
        let to_plaintext = "{host: cart, trafficPolicy: {tls: {mode: DISABLE}}}";
        mesh(
            &(object("DestinationRule", "shop", of_rule, to_plaintext)
                + &object("PeerAuthentication", "shop", of_policy, "{mtls: {mode: STRICT}}")),
        )
    };
    let well = client(30, "200 - via_upstream");
    let both = ["MS0101 likely", "MS0302 certain"];
    let alone = ["MS0101 certain"];
    let (found, message) = told(&strict("", ""), &well);
    assert_eq!(found, both);
    assert!(message.contains("which is older is not known"), "{message}");
    // What fails before does not count, what fails later does.
    assert_eq!(told(&strict("", ""), &(client(20, RESET) + &well)).0, both);
    assert_eq!(told(&strict("", ""), &(well.clone() + &client(40, RESET))).0, alone);
    // An error of the application is an answer, and so are bytes that came back on TCP.
    assert_eq!(told(&strict("", ""), &client(30, "503 - via_upstream")).0, both);
    assert_eq!(told(&strict("", ""), &client(30, "0 - -")).0, both);
    // All objects are older than the lines, or one is newer.
    let (found, message) = told(&strict(&created(10), &created(20)), &well);
    assert_eq!(found, both);
    assert!(message.contains("PeerAuthentication shop/it, the newest of the objects"), "{message}");
    assert!(message.contains("at 2026-03-02T09:00:20Z, before them"), "{message}");
    let (found, message) = told(&strict(&created(50), &created(20)), &well);
    assert_eq!(found, ["MS0101 certain", "MS0302 certain"]);
    assert!(message.contains("DestinationRule shop/it, the newest"), "{message}");
    assert!(message.contains("tell of what was before"), "{message}");
}

#[test]
fn what_proves_no_traffic_contradicts_no_conflict() {
    let strict = rule("DISABLE") + &object("PeerAuthentication", "shop", "", "{mtls: {mode: STRICT}}");
    let alone = ["MS0101 certain"];
    let well = client(30, "200 - via_upstream");
    for other in [
        // A TCP connection on which nothing came back, answers of the client's own proxy, another port, another subset.
        client(30, "0 - -").replace(" 0 95 ", " 0 0 "),
        client(30, "403 - -").replace("\"10.8.2.0:9080\"", "\"-\""),
        client(30, "404 - route_not_found"),
        well.replace("outbound|80||", "outbound|81||"),
        well.replace("outbound|80||", "outbound|80|v1|"),
        // Lines without time, one of which failed.
        (client(20, RESET) + &well)
            .replace("[2026-03-02T09:00:20.000Z]", "[-]")
            .replace("[2026-03-02T09:00:30.000Z]", "[-]"),
    ] {
        assert_eq!(told(&mesh(&strict), &other).0, alone, "{other}");
    }
    // One of two pods takes plaintext: who answered is not known.
    let open = "{selector: {matchLabels: {app: two}}, mtls: {mode: PERMISSIVE}}";
    let second = pod("shop", "second", "10.8.2.9").replace("app: shop", "app: shop, two: 'yes'");
    let open = object("PeerAuthentication", "shop", "", open)
        .replace("app: two", "two: 'yes'")
        .replace("name: it", "name: two");
    assert_eq!(told(&(mesh(&strict) + &second + &open), &well).0, alone);
    // Nothing conflicts.
    let sound = rule("ISTIO_MUTUAL") + &object("PeerAuthentication", "shop", "", "{mtls: {mode: STRICT}}");
    assert!(told(&mesh(&sound), &well).0.is_empty());
}

#[test]
fn a_failure_in_a_sound_configuration_says_which_object_is_newer() {
    let sound =
        |of_policy: &str| mesh(&(object("PeerAuthentication", "shop", of_policy, "{mtls: {mode: STRICT}}")));
    let refused = client(30, RESET)
        + "[2026-03-02T09:00:30.001Z] \"- - -\" 0 NR filter_chain_not_found - \"-\" 0 0 0 - \"-\" \"-\" \"-\" \"-\" \"-\" - - \
           10.8.2.0:9080 10.8.1.8:40030 - -\n";
    let message = |of_policy: &str| {
        let found = findings("MS0301", &sound(of_policy), &refused);
        assert_eq!((found[0]["objects"][0]["kind"].as_str(), found.len()), (Some("Service"), 1));
        found[0]["message"].as_str().unwrap().to_owned()
    };
    assert!(message("").ends_with("other clients call it"), "{}", message(""));
    assert!(message(&created(50)).contains("the lines are older than PeerAuthentication shop/it"));
    assert!(message(&created(10)).ends_with("was last changed at 2026-03-02T09:00:10Z, before them"));
}

#[test]
fn what_to_look_at_next_is_in_the_order_of_what_is_left() {
    let next = |objects: &str, lines: &str| {
        let mesh = mesh(objects);
        let why = run(&["why", "cart.shop"], &mesh, lines).json();
        let pairs = why["pairs"].as_array().unwrap();
        let pair = pairs.iter().find(|pair| pair["client"]["namespace"] == "web").unwrap();
        let next = pair["next"].as_array().unwrap();
        next.iter().map(|one| one.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let strict = object("PeerAuthentication", "shop", "", "{mtls: {mode: STRICT}}");
    let said = next(&(rule("ISTIO_MUTUAL") + &strict), &client(10, RESET));
    let starts = |part: &str| said.iter().position(|one| one.starts_with(part));
    assert!(starts("plaintext-to-strict is excluded").is_some(), "{said:?}");
    assert!(
        starts("client-cert-untrusted: the counters ssl.fail_verify_error") < starts("sidecar-killed: "),
        "{said:?}"
    );
    // What is proved leaves nothing to look at.
    assert!(next(&(rule("DISABLE") + &strict), &client(10, RESET)).is_empty());
}

/// Data fact 17: a path with spaces holds whatever its caller wrote, and the line can be read in two ways.
#[test]
fn what_a_caller_may_have_written_proves_nothing() {
    let strict = object("PeerAuthentication", "shop", "", "{mtls: {mode: STRICT}}");
    let failure = "503 UC upstream_reset_before_response_started{connection_termination}";
    let forged = |inside: &str, what: &str| {
        let path = format!("GET /p HTTP/1.1\" {inside} - \"-\" 0 95 3 1 \"-\" \"x HTTP/1.1\"");
        client(20, what).replace("GET / HTTP/1.1\"", &path)
    };
    let failed = client(10, failure);
    let conflict = mesh(&(rule("DISABLE") + &strict));
    let alone = told(&conflict, &failed).0;
    assert_eq!(alone, ["MS0101 certain"]);
    let well = forged("200 - via_upstream", failure);
    assert_eq!(told(&conflict, &(failed.clone() + &well)).0, alone, "a success that a caller wrote is none");

    let denied = "403 - rbac_access_denied_matched_policy[ns[shop]-policy[it]-rule[0]]";
    let denied = forged(denied, "200 - via_upstream");
    let report = run(&["logs"], &mesh(&strict), &denied).json();
    assert_eq!(report["lines"]["ambiguous"], 1);
    for cause in report["causes"].as_array().unwrap() {
        assert_eq!(cause["confidence"], "possible", "{cause}");
    }
    assert!(run(&["logs"], &mesh(&strict), &failed).json()["lines"].get("ambiguous").is_none());
}

/// `next` of the pair of a client, and its findings by code.
fn pair(mesh: &str, lines: &str) -> (Vec<String>, Vec<String>) {
    let why = run(&["why", "cart.shop"], mesh, lines).json();
    let pairs = why["pairs"].as_array().unwrap();
    let pair = pairs.iter().find(|pair| pair["client"]["namespace"] == "web").unwrap();
    let texts = |key: &str| -> Vec<String> {
        let all = pair[key].as_array().unwrap().iter();
        all.map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let codes = texts("findings").iter().map(|id| id.split('/').next().unwrap().to_owned()).collect();
    (texts("next"), codes)
}

#[test]
fn what_no_client_is_known_of_stands_with_every_pair() {
    let strict = object("PeerAuthentication", "shop", "", "{mtls: {mode: STRICT}}");
    let sound = mesh(&strict);
    for (what, code, said) in [
        (NOT_ALLOWED, "MS0306", "1 × 403 - at the server: no AuthorizationPolicy allows it: rbac-denied"),
        (RESET, "MS0303", "1 × 503 UC on the inbound cluster at the server: app-closed"),
    ] {
        let (next, codes) = pair(
            &sound,
            &server(10, what).replace(" - default", " outbound_.80_._.cart.shop.svc.cluster.local default"),
        );
        assert_eq!(codes, [code], "{next:?}");
        let whose = format!("failures of the service, not known of which client: {said}");
        assert_eq!(next, ["no log line that names this pair was read".to_owned(), whose]);
    }
    // What is of another service, or went well, is of no pair of this one.
    let others = server(10, NOT_ALLOWED).replace("10.8.2.0:9080", "10.8.3.0:9080");
    let more = sound + &pod("other", "more", "10.8.3.0") + &SERVICE.replace("shop", "other");
    for lines in [others, server(10, "200 - via_upstream")] {
        let none = (vec!["no log line of this pair was read".to_owned()], Vec::new());
        assert_eq!(pair(&more, &lines), none, "{lines}");
    }
}

#[test]
fn lines_that_went_well_are_not_denied_where_the_configuration_says_they_cannot() {
    let conflict =
        mesh(&(rule("DISABLE") + &object("PeerAuthentication", "shop", "", "{mtls: {mode: STRICT}}")));
    let (next, codes) = pair(&conflict, &client(10, "200 - via_upstream"));
    assert_eq!(codes, ["MS0101", "MS0302"]);
    assert_eq!(next.len(), 1);
    assert!(next[0].starts_with("the lines of this pair show no such failure"), "{next:?}");
    let elsewhere = client(10, RESET).replace("cart.shop.svc.cluster.local", "api.example.com");
    let (next, _) = pair(&conflict, &elsewhere);
    assert_eq!(
        next,
        ["no log line of this pair was read: the configuration alone proves that its requests fail"]
    );
}

#[test]
fn a_client_without_proxy_that_was_refused_is_one_of_the_pairs() {
    let bare = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: client, namespace: web}\nspec: {containers: [{name: app}]}\n\
                status: {phase: Running, podIP: 10.8.1.8, conditions: [{type: Ready, status: 'True'}]}\n";
    let strict = object("PeerAuthentication", "shop", "", "{mtls: {mode: STRICT}}");
    let mesh = pod("shop", "cart", "10.8.2.0") + SERVICE + bare + &strict;
    let refused = "[2026-03-02T09:00:30.000Z] \"- - -\" 0 NR filter_chain_not_found - \"-\" 0 0 0 - \"-\" \"-\" \"-\" \"-\" \"-\" - - \
                   10.8.2.0:9080 10.8.1.8:40030 - -\n";
    assert_eq!(pair(&mesh, refused).1, ["MS0105"]);
    let why = run(&["why", "cart.shop"], &mesh, &refused.replace("10.8.1.8", "10.8.9.9")).json();
    assert_eq!(why["pairCount"], 1, "one that nothing was seen of calls nobody: {why}");
}

#[test]
fn a_server_is_not_said_to_be_without_proxy_where_the_objects_say_that_it_has_one() {
    let strict = object("PeerAuthentication", "shop", "", "{mtls: {mode: STRICT}}");
    let broken = client(10, "200 UPE upstream_reset_after_response_started{protocol_error}");
    let message = |mesh: &str, lines: &str| {
        let found = findings("MS0303", mesh, lines);
        found[0]["message"].as_str().unwrap().to_owned()
    };
    let said = message(&mesh(&strict), &broken);
    assert_eq!(
        said,
        "Service shop/cart: the application closed 1 connections: 200 UPE at the client: the answer broke off"
    );
    let sidecar = "{name: istio-proxy, args: [proxy, sidecar]}";
    let bare = pod("shop", "cart", "10.8.2.0")
        .replace(sidecar, "{name: app}")
        .replace(", security.istio.io/tlsMode: istio", "");
    let bare = pod("web", "client", "10.8.1.8") + &bare + SERVICE;
    assert!(message(&bare, &client(10, RESET)).ends_with("has no proxy, and the client sends it plaintext"));
}

/// The configuration is about now. Lines from before it was as it is prove nothing of it, which stays as sure as it was.
#[test]
fn lines_older_than_a_conflict_stand_beside_it_and_are_no_proof() {
    let strict = object("PeerAuthentication", "shop", "", "{mtls: {mode: STRICT}}");
    let of = |created: &str| {
        let more = format!("metadata: {{creationTimestamp: '{created}', ");
        let objects = rule("DISABLE").replace("metadata: {", &more) + &strict;
        let mut found = findings("MS0101", &mesh(&objects), &(client(10, RESET) + &client(20, RESET)));
        assert_eq!(found.len(), 1, "{found:?}");
        let found = found.remove(0);
        let lines = found["evidence"].as_array().unwrap().iter().find(|one| one["kind"] == "log").cloned();
        let text = lines.unwrap()["text"].as_str().unwrap().to_owned();
        (text, found["confidence"].as_str().unwrap().to_owned(), found["edges"][0]["seen"].as_u64())
    };
    let older =
        "503 UC at the client, older than DestinationRule shop/it as it was last changed: no proof of it";
    assert_eq!(of("2026-03-02T10:00:00Z"), (older.to_owned(), "certain".to_owned(), Some(0)));
    let certain = |text: &str| (text.to_owned(), "certain".to_owned(), Some(2));
    assert_eq!(of("2026-03-02T09:00:00Z"), certain("503 UC at the client"));
    // Some of them are newer.
    assert_eq!(of("2026-03-02T09:00:15Z"), certain("503 UC at the client"));
}
