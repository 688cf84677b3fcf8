//! What real Envoys and ztunnels decided, request by request: the cases of `fixtures/authz-key`, and all of the key where
//! it lies beside the project; and `authz check` as its user has it.

use std::fs;
use std::path::{Path, PathBuf};

use meshscope::answer::authz::cases;
use meshscope::resolve::authorize::path::Normalization;
use serde_json::{Value, json};

use crate::support::{fixture, meshscope};

fn read(file: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// A folder of the key beside the project, where there is one.
fn beside(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    folder.is_dir().then_some(folder)
}

/// Holds the program to every answer of a file of cases, and returns how many there are.
fn hold(file: &Path) -> usize {
    let key = read(file);
    let answers = cases::answer(&key, "cases.json").unwrap();
    let list = key.as_array().or_else(|| key["examples"].as_array()).unwrap();
    let wanted: Vec<(&Value, &Value)> = list
        .iter()
        .flat_map(|case| case["requests"].as_array().unwrap().iter().map(move |request| (case, request)))
        .collect();
    assert_eq!(answers.len(), wanted.len(), "{}", file.display());
    for ((case, request), answer) in wanted.iter().zip(&answers) {
        let place =
            format!("{} {:?}: {request}", file.display(), case["name"].as_str().or(case["id"].as_str()));
        let decision = if request["allowed"] == json!(true) { "ALLOW" } else { "DENY" };
        let by = answer.decided_by.as_deref().unwrap_or("no ALLOW policy applies");
        assert_eq!((answer.decision, by), (decision, request["decided_by"].as_str().unwrap()), "{place}");
        if decision == "DENY" && request.get("status").is_some() {
            assert_eq!(answer.status.map(u64::from), request["status"].as_u64(), "{place}");
        }
        // The examples do not tell what policies come to that are only tried.
        if request.get("status").is_none() {
            continue;
        }
        let tried: Vec<Value> = answer.dry_run.iter().map(|one| serde_json::to_value(one).unwrap()).collect();
        let key = request.get("dry_run").and_then(Value::as_object);
        assert_eq!(tried.len(), key.map_or(0, serde_json::Map::len), "{place}");
        for (action, wanted) in key.into_iter().flatten() {
            let own = tried.iter().find(|one| one["action"] == json!(action.to_uppercase())).unwrap();
            assert_eq!((&own["result"], &own["rule"]), (&wanted["result"], &wanted["policy"]), "{place}");
        }
    }
    answers.len()
}

#[test]
fn cases_are_decided_as_envoy_and_ztunnel_did() {
    assert!(hold(&fixture("authz-key/cases.json")) > 400);
    assert!(hold(&fixture("authz-key/examples.json")) > 50);
}

#[test]
fn all_cases_of_the_key_are_decided_as_envoy_and_ztunnel_did() {
    if let Some(folder) = beside("authz") {
        assert_eq!(hold(&folder.join("examples.json")), 309);
    }
    let Some(folder) = beside("authz-oracle") else { return };
    let mut held = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.contains("cases-") {
            held += hold(&file);
        }
    }
    assert!(held >= 10_676, "only {held} requests");
}

#[test]
fn paths_are_normalised_as_envoy_does() {
    let hold = |key: &Value| {
        let mut held = 0;
        for (sent, seen) in key.as_object().unwrap() {
            for (word, wanted) in seen.as_object().unwrap() {
                let setting = Normalization::of_word(word).unwrap();
                let own = if setting.refuses(sent) { Value::Null } else { json!(setting.apply(sent)) };
                assert_eq!(own, *wanted, "{word} {sent}");
                held += 1;
            }
        }
        held
    };
    assert!(hold(&read(&fixture("authz-key/paths.json"))) >= 400);
    if let Some(folder) = beside("authz-oracle") {
        assert!(hold(&read(&folder.join("path-normalization.json"))) >= 1_800);
    }
}

/// Runs `authz check` on the shop, and returns its exit code and its answer.
fn check(arguments: &[&str]) -> (Option<i32>, Value) {
    let all = [&["authz", "check", "-o", "json", "-f", "mesh.yaml"], arguments].concat();
    let ran = meshscope(&fixture("authz-check"), &all);
    (Some(ran.code), serde_json::from_str(&ran.out).unwrap_or(Value::String(ran.err)))
}

/// Exit code, decision and what decides.
fn short(arguments: &[&str]) -> (Option<i32>, String, Value) {
    let (code, answer) = check(arguments);
    (code, answer["decision"].as_str().unwrap_or_default().to_owned(), answer["decidedBy"].clone())
}

#[test]
fn a_request_to_a_service_is_decided_at_the_ports_of_its_pods() {
    let get = ["--method", "GET", "--no-jwt"];
    let with = |more: &[&str]| short(&[more, &get].concat());
    let allowed = (Some(0), "ALLOW".to_owned(), json!("ns[shop]-policy[cart]-rule[0]"));
    assert_eq!(with(&["--to", "cart:80", "--peer", "shop/web", "--path", "/items/1"]), allowed);
    assert_eq!(with(&["--to", "shop/cart-1:8080", "--peer", "shop/web", "--path", "/items/1"]), allowed);
    // `cluster.local` is one of the names of the mesh's trust domain, and its alias another.
    assert_eq!(
        with(&["--to", "cart:80", "--peer", "old.example/ns/shop/sa/web", "--path", "/items"]),
        allowed
    );
    let denied = (Some(79), "DENY".to_owned(), json!("none"));
    assert_eq!(with(&["--to", "cart:80", "--peer", "none", "--path", "/items/1"]), denied);
    assert_eq!(with(&["--to", "cart:80", "--peer", "books/web", "--path", "/items/1"]), denied);
    let admin = ["--to", "cart:80", "--peer", "shop/web", "--path", "//admin", "--no-other-headers"];
    let refused = (Some(79), "DENY".to_owned(), json!("ns[istio-system]-policy[no-admin]-rule[0]"));
    assert_eq!(with(&admin), refused);
}

#[test]
fn what_is_not_said_is_unknown_where_it_decides() {
    let (code, answer) = check(&["--to", "cart:80", "--method", "GET", "--path", "/items/1", "--no-jwt"]);
    assert_eq!((code, &answer["decision"], &answer["decidedBy"]), (Some(1), &json!("UNKNOWN"), &Value::Null));
    assert_eq!(answer["missing"][0]["need"], json!("principal"), "{answer}");
    // Whatever the caller is, this method is let in nowhere.
    let post = ["--to", "cart:80", "--method", "POST", "--path", "/items/1", "--no-jwt"];
    assert_eq!(short(&post), (Some(79), "DENY".to_owned(), json!("none")));
    let (_, answer) = check(&[
        "--to", "cart:80", "--method", "POST", "--peer", "shop/web", "--path", "/items/1", "--no-jwt",
    ]);
    let nearest = &answer["nearestMiss"];
    assert_eq!((&nearest["policy"]["name"], &nearest["rule"]), (&json!("cart"), &json!(0)), "{answer}");
    assert_eq!((&nearest["field"], &nearest["got"]), (&json!("to.operation.methods"), &json!("POST")));
    assert_eq!(nearest["change"], json!("add \"POST\" to spec.rules[0].to.operation.methods of shop/cart"));
}

#[test]
fn gateways_waypoints_and_pods_without_proxy_are_told_apart() {
    // One hop is trusted: the address before the gateway is the last of the header.
    let gateway = |forwarded: &str| {
        let header = format!("x-forwarded-for={forwarded}");
        let ask = ["--to", "shop/ingress-1:8080", "--source-ip", "10.9.9.9", "--path", "/", "--no-jwt"];
        short(&[&ask[..], &["--header", &header]].concat())
    };
    let through = (Some(0), "ALLOW".to_owned(), json!("ns[shop]-policy[from-outside]-rule[0]"));
    assert_eq!(gateway("198.51.100.1, 203.0.113.9"), through);
    assert_eq!(gateway("203.0.113.9, 198.51.100.1").0, Some(79));
    // The waypoint lets GET in, and the pods behind it do not know the waypoint.
    let (code, answer) = check(&["--to", "svc/ledger", "--method", "GET", "--peer", "shop/web"]);
    assert_eq!((code, &answer["engine"]), (Some(79), &json!("ztunnel")), "{answer}");
    assert_eq!(answer["decidedBy"], json!("allow policies exist, but none allowed"));
    let (code, answer) =
        check(&["--to", "svc/ledger", "--method", "GET", "--peer", "shop/web", "--engine", "waypoint"]);
    assert_eq!(
        (code, &answer["decidedBy"]),
        (Some(0), &json!("ns[books]-policy[ledger]-rule[0]")),
        "{answer}"
    );
    let (code, answer) = check(&["--to", "default/bare-1", "--method", "GET"]);
    assert_eq!((code, &answer["engine"], &answer["decidedBy"]), (Some(0), &json!("none"), &Value::Null));
}

#[test]
fn many_requests_are_answered_from_a_file_and_mistakes_in_it_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requests.json");
    let ask = |text: &str| {
        fs::write(&file, text).unwrap();
        check(&["--to", "cart:80", "--requests", file.to_str().unwrap()])
    };
    let (code, answer) = ask(
        r#"[{"id": "a", "request": {"principal": "shop.example/ns/shop/sa/web", "method": "GET", "path": "/items", "token": null, "headers": {}}},
            {"principal": null, "method": "GET", "path": "/items", "jwt": null, "headers": {}}]"#,
    );
    assert_eq!(code, Some(79), "{answer}");
    let decisions: Vec<_> =
        answer["decisions"].as_array().unwrap().iter().map(|one| &one["decision"]).collect();
    assert_eq!(decisions, [&json!("ALLOW"), &json!("DENY")]);
    assert_eq!((&answer["decisions"][0]["id"], answer["decisions"][1].get("id")), (&json!("a"), None));
    for (text, told) in [
        (r#"[{"port": 70000}]"#, "[0].port: must be a number from 0 to 65535"),
        (r#"[{}, {"request": {"source_ip": "x"}}]"#, "[1].request.source_ip: must be an IP address"),
        (r#"{"sourceIp": "1.2.3.4"}"#, "request.sourceIp: no request has such a key"),
        (r#"{"headers": {"a": 5}}"#, "request.headers.a: must be a text or a list of texts"),
        (r#"{"token": {"kind": "stolen", "claims": {}}}"#, "request.token.kind: must be"),
        ("[", "line 1 column"),
    ] {
        let (code, answer) = ask(text);
        assert_eq!(code, Some(65), "{text}: {answer}");
        assert!(answer.as_str().unwrap().contains(told), "{text}: {answer}");
    }
}

#[test]
fn wrong_usage_says_what_is_wrong() {
    for (arguments, told) in [
        (&["--to", "nobody"][..], "no workload and no service is called so"),
        (&["--to", "cart:81"][..], "has no port 81"),
        (&["--to", "cart", "--header", "x"][..], "expected NAME=VALUE"),
        (&["--to", "cart", "--source-ip", "x"][..], "invalid value 'x' for '--source-ip"),
        (&[][..], "--to"),
    ] {
        let (code, answer) = check(arguments);
        assert_eq!(code, Some(64), "{arguments:?}: {answer}");
        assert!(answer.as_str().unwrap().contains(told), "{arguments:?}: {answer}");
    }
}

/// The answer of an `authz` command in a folder of fixtures.
fn ask(folder: &str, arguments: &[&str]) -> (i32, Value) {
    let all = [&["authz"], arguments, &["-o", "json"]].concat();
    let ran = meshscope(&fixture(folder), &all);
    (ran.code, ran.json())
}

#[test]
fn rules_are_counted_as_envoy_counted_them() {
    let (code, list) = ask("authz-hits", &["list", "productpage-v1-1", "-f", "."]);
    assert_eq!(code, 0);
    let rules: Vec<_> = list["rules"].as_array().unwrap().iter().collect();
    let short = |rule: &Value| {
        let name = rule["policy"]["name"].as_str().unwrap().to_owned();
        (
            name,
            rule["rule"].as_u64(),
            rule["hits"].as_u64(),
            rule["denials"].as_u64(),
            rule["hitSource"].clone(),
        )
    };
    let of = |name: &str, rule, hits, denials, source: Value| {
        (name.to_owned(), Some(rule), Some(hits), Some(denials), source)
    };
    let wanted = [
        // All of POST, those that the enforced rules refuse among them.
        of("tried", 0, 7, 0, json!("evaluated")),
        // Envoy's own counters: 7 and 16 refused, 37 let in.
        of("deny-admin", 0, 7, 7, json!("named")),
        of("deny-admin", 1, 16, 16, json!("named")),
        of("allow-curl", 0, 35, 0, json!("evaluated")),
        of("allow-gateway", 0, 0, 0, Value::Null),
    ];
    assert_eq!(rules.iter().map(|rule| short(rule)).collect::<Vec<_>>(), wanted);
    let lines = &list["lines"];
    // Two came through a proxy whose address is not the caller's, to a path that either rule lets in.
    assert_eq!((&lines["read"], &lines["undecided"]), (&json!(60), &json!(2)), "{lines}");
    assert_eq!(lines["undecidedBy"], json!(["principal"]));
    // Whose they are is not known: neither count says that it was never hit, or so often and no more.
    let maybe: Vec<_> = rules.iter().map(|rule| rule["maybe"].as_u64().unwrap()).collect();
    assert_eq!(maybe, [0, 0, 0, 2, 2]);
    assert_eq!(lines["unexplained"], json!([]));
    assert_eq!(rules[1]["lastHit"], json!("2026-11-22T09:10:53.982Z"));
    assert_eq!(list["others"][0]["policy"]["name"], json!("other"));
    // Of a workload whose logs were not read nothing is said.
    let (_, list) = ask("authz-hits", &["list", "productpage-v1-1", "-f", "mesh.yaml"]);
    assert_eq!((&list["rules"][1]["hits"], &list["lines"]), (&Value::Null, &Value::Null));
}

#[test]
fn lines_that_the_policies_do_not_explain_are_told() {
    // Without the policy that let them in, and with one that did not refuse.
    let arguments = ["list", "productpage-v1-1", "-f", "../authz-hits/logs", "-f", "mesh.yaml"];
    let (_, list) = ask("authz-unexplained", &arguments);
    let reasons: Vec<_> = list["lines"]["unexplained"].as_array().unwrap().iter().collect();
    let of = |text: &str| {
        let found = reasons.iter().find(|one| one["reason"].as_str().unwrap().contains(text));
        found.map_or(0, |one| one["count"].as_u64().unwrap())
    };
    assert_eq!(of("refused by ns[bookinfo]-policy[deny-admin]-rule[1], which is not in force"), 16);
    assert_eq!(of("let in, though ns[bookinfo]-policy[deny-admin]-rule[0] refuses it"), 9, "{list}");
    assert_eq!(of("let in, though no ALLOW rule matches"), 28, "{list}");
}

#[test]
fn what_other_policies_would_change_is_told_by_the_requests_seen() {
    let after = ["diff", "-f", ".", "--after", "../authz-hits-after/stricter.yaml"];
    let (code, diff) = ask("authz-hits", &after);
    let summary = |now_denied: u64, now_allowed: u64, unknown: u64, unchanged: u64| json!({"nowDenied": now_denied, "nowAllowed": now_allowed, "unknown": unknown, "unchanged": unchanged});
    assert_eq!((code, &diff["summary"]), (79, &summary(9, 11, 7, 33)), "{diff}");
    let first = &diff["changes"][0];
    assert_eq!((&first["count"], &first["sample"]["path"]), (&json!(11), &json!("/login")));
    assert_eq!(first["before"]["decidedBy"], json!("ns[bookinfo]-policy[deny-admin]-rule[1]"));
    assert_eq!(first["after"]["decidedBy"], json!("ns[bookinfo]-policy[allow-curl]-rule[0]"));
    // As an edit of what there is, the rule for the gateway stays: whichever let them in still does.
    let edit = ["diff", "-f", ".", "--edit", "../authz-hits-after/stricter.yaml"];
    assert_eq!(ask("authz-hits", &edit).1["summary"], summary(9, 11, 5, 35));
    let same = ["diff", "-f", ".", "--after", "mesh.yaml"];
    assert_eq!(ask("authz-hits", &same), (0, diff_of_nothing()));
    let ran = meshscope(&fixture("authz-hits"), &["authz", "diff", "-f", ".", "--after", "nowhere.yaml"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
}

fn diff_of_nothing() -> Value {
    json!({"apiVersion": "meshscope/v1", "kind": "AuthzDiff", "changes": [],
        "summary": {"nowDenied": 0, "nowAllowed": 0, "unknown": 0, "unchanged": 60}})
}

#[test]
fn a_waypoint_has_the_rules_of_the_services_behind_it() {
    let (_, list) = ask("authz-check", &["list", "books/wp-1", "-f", "mesh.yaml"]);
    assert_eq!((&list["engine"], list["rules"].as_array().unwrap().len()), (&json!("waypoint"), 1), "{list}");
    let row = &list["rules"][0];
    assert_eq!(
        (&row["policy"]["name"], &row["attachedBy"]),
        (&json!("ledger"), &json!("targetRef to Service ledger"))
    );
    let others: Vec<_> =
        list["others"].as_array().unwrap().iter().map(|one| &one["policy"]["name"]).collect();
    assert_eq!(others, [&json!("ledger-pods"), &json!("no-admin")]);
    let (_, list) = ask("authz-check", &["list", "books/ledger-1", "-f", "mesh.yaml"]);
    let names: Vec<_> = list["rules"].as_array().unwrap().iter().map(|one| &one["policy"]["name"]).collect();
    // The DENY of HTTP in the root namespace comes to nothing there, and is told without being enforced.
    assert_eq!(
        (&list["engine"], names),
        (&json!("ztunnel"), vec![&json!("no-admin"), &json!("ledger-pods")])
    );
}

#[test]
fn without_a_port_a_strict_one_is_not_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("strict.yaml");
    let ask = |policy: &str, to: &str, peer: &str| {
        let metadata = "metadata: {name: pa, namespace: books}";
        let head = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication";
        fs::write(&file, format!("{head}\n{metadata}\nspec: {policy}\n")).unwrap();
        let extra = ["-f", file.to_str().unwrap(), "--to", to, "--peer", peer];
        let (_, answer) = check(&extra);
        let missing = answer["missing"].as_array().map_or(0, Vec::len);
        (answer["decision"].clone(), answer["decidedBy"].clone(), missing)
    };
    let on_port = "{selector: {matchLabels: {app: ledger}}, mtls: {mode: PERMISSIVE}, portLevelMtls: {7070: {mode: STRICT}}}";
    let by = json!("explicitly denied by: books/converted_peer_authentication_pa");
    assert_eq!(ask(on_port, "books/ledger-1:7070", "none"), (json!("DENY"), by, 0));
    let none = json!("allow policies exist, but none allowed");
    assert_eq!(ask(on_port, "books/ledger-1:7071", "none"), (json!("DENY"), none.clone(), 0));
    // Refused either way; by which of the two the port decides.
    assert_eq!(ask(on_port, "books/ledger-1", "none"), (json!("DENY"), none, 1));
    let all = "{mtls: {mode: STRICT}}";
    let by = json!("explicitly denied by: istio-system/istio_converted_static_strict");
    assert_eq!(ask(all, "books/ledger-1", "none"), (json!("DENY"), by, 0));
    // Where no policy about callers is in force the port decides all of it.
    let other = on_port.replace("ledger", "audit");
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: audit-1, namespace: books, labels: {app: audit}, annotations: \
               {ambient.istio.io/redirection: enabled}}\nspec: {containers: [{name: app}]}\nstatus: {podIP: 10.1.0.9}";
    let both = format!("{other}\n{pod}");
    assert_eq!(ask(&both, "books/audit-1", "none").0, json!("UNKNOWN"));
    assert_eq!(ask(&both, "books/audit-1", "shop/web").0, json!("ALLOW"));
    assert_eq!(ask(&both, "books/audit-1:7071", "none").0, json!("ALLOW"));
}

#[test]
fn a_sidecar_behind_a_waypoint_sees_the_waypoint_and_reads_http() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("side.yaml");
    let text = "apiVersion: v1
kind: Pod
metadata: {name: side-1, namespace: books, labels: {app: side, security.istio.io/tlsMode: istio}}
spec: {containers: [{name: app}, {name: istio-proxy, args: [proxy, sidecar]}]}
status: {phase: Running, podIP: 10.1.0.9, conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Service
metadata: {name: side, namespace: books}
spec: {clusterIP: 10.2.0.9, selector: {app: side}, ports: [{name: http, port: 71, targetPort: 7071}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: side, namespace: books}
spec:
  selector: {matchLabels: {app: side}}
  rules: [{from: [{source: {principals: [shop.example/ns/shop/sa/web]}}], to: [{operation: {methods: [GET]}}]}]
";
    let ask = |text: &str| {
        fs::write(&file, text).unwrap();
        let to = ["--to", "svc/side", "--peer", "shop/web", "--method", "GET", "--path", "/", "--no-jwt"];
        check(&[&["-f", file.to_str().unwrap()], &to[..]].concat())
    };
    let (code, answer) = ask(text);
    assert_eq!(
        (code, &answer["engine"], &answer["status"]),
        (Some(79), &json!("sidecar"), &json!(403)),
        "{answer}"
    );
    assert_eq!(answer["nearestMiss"]["got"], json!("shop.example/ns/books/sa/wp"), "{answer}");
    assert_eq!(answer["assumed"], json!(["the client sends through the waypoint books/wp"]));
    let (code, answer) = ask(&text.replace("shop/sa/web]", "books/sa/wp]"));
    assert_eq!((code, &answer["engine"]), (Some(0), &json!("waypoint")), "{answer}");
}
