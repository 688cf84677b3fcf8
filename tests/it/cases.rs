//! The three cases that the program exists for, as its commands answer them.

use serde_json::{Value, json};

use crate::support::meshes::{GIT_FOLDER, SECOND_POLICY, json_on};
use crate::support::{copy_of, fixture, meshscope, replace};

const CLIENT: &str = "traffic-generator-productpage-6b88d69f-xxfkn.bookinfo";
const HOST: &str = "productpage.bookinfo.svc.cluster.local";

fn findings(report: &Value) -> Vec<&Value> {
    report["findings"].as_array().unwrap().iter().collect()
}

#[test]
fn plaintext_to_strict_is_one_error_with_cause_partner_edges_evidence_and_remedies() {
    let ran = meshscope(&fixture("mtls/bookinfo-2019"), &["check", "-f", ".", "-o", "json"]);
    assert_eq!(ran.code, 79);
    let report = ran.json();
    let findings = findings(&report);
    assert_eq!((findings.len(), &report["summary"]["error"]), (4, &json!(1)));
    let finding = findings[0];
    assert_eq!(
        finding["id"],
        "MS0101/DestinationRule/bookinfo/destrule-productpage/spec.trafficPolicy.tls.mode"
    );
    assert_eq!((&finding["severity"], &finding["confidence"]), (&json!("error"), &json!("certain")));
    let roles: Vec<_> = finding["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {}/{}", one["role"], one["namespace"], one["name"]).replace('"', ""))
        .collect();
    assert_eq!(roles, ["cause bookinfo/destrule-productpage", "partner bookinfo/default"]);
    assert_eq!(finding["objects"][0]["origin"]["line"], 116);

    let edges = finding["edges"].as_array().unwrap();
    assert_eq!((edges.len(), &finding["edgeCount"]), (4, &json!(4)));
    assert_eq!(
        (&edges[0]["client"]["name"], &edges[0]["seen"]),
        (&json!("traffic-generator-productpage"), &json!(7))
    );
    assert!(edges.iter().skip(1).all(|edge| edge["seen"] == 0));

    let logs: Vec<_> =
        finding["evidence"].as_array().unwrap().iter().filter(|one| one["kind"] == "log").collect();
    assert_eq!(logs.len(), 1);
    assert_eq!((&logs[0]["count"], &logs[0]["first"]), (&json!(7), &json!("2019-10-07T21:54:37.175Z")));
    assert_eq!(logs[0]["samples"][0]["line"], 1);

    let patches: Vec<_> = finding["remedies"].as_array().unwrap().iter().map(|one| &one["patch"]).collect();
    assert_eq!(patches[0], &json!({"spec": {"trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}}}));
    assert_eq!(patches[1], &json!({"spec": {"trafficPolicy": {"tls": null}}}));
    assert!(finding["remedies"][1]["title"].as_str().unwrap().contains("automatic mTLS"));
}

#[test]
fn the_pair_is_explained_by_tls_check_resolve_and_why() {
    let folder = fixture("mtls/bookinfo-2019");
    let ran = meshscope(&folder, &["tls-check", "-f", ".", CLIENT, HOST, "-o", "json"]);
    assert_eq!(ran.code, 79);
    let row = &ran.json()["rows"][0];
    let said =
        [&row["status"], &row["server"]["mode"], &row["clientTls"]["mode"], &row["clientTls"]["effective"]];
    assert_eq!(said, [&json!("CONFLICT"), &json!("STRICT"), &json!("DISABLE"), &json!("plaintext")]);
    assert_eq!((&row["symptom"], &row["server"]["level"]), (&json!("X1"), &json!("namespace")));
    assert_eq!(row["endpoints"][0]["address"], "10.8.2.14:9080");

    let ran = meshscope(&folder, &["resolve", "-f", ".", CLIENT, HOST, "-o", "json"]);
    assert_eq!(ran.code, 0);
    let resolution = ran.json();
    let outcomes: Vec<_> = resolution["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {}", one["rule"]["name"], one["outcome"]).replace('"', ""))
        .collect();
    assert_eq!(
        outcomes,
        [
            "destrule-productpage used",
            "mesh-default shadowed",
            "private wrong-namespace",
            "short-name host-mismatch"
        ]
    );
    let blocks = resolution["ports"][0]["trafficPolicy"].as_object().unwrap();
    assert!(blocks.contains_key("loadBalancer") && blocks.contains_key("connectionPool"));

    let ran = meshscope(&folder, &["why", "-f", ".", "productpage.bookinfo:9080", "-o", "json"]);
    assert_eq!(ran.code, 79);
    let why = ran.json();
    assert_eq!(why["pairCount"], 4);
    let first = &why["pairs"][0];
    assert_eq!(first["client"]["namespace"], "bookinfo");
    assert_eq!(first["cause"]["cause"], "plaintext-to-strict");
    assert_eq!(first["logs"]["groups"][0]["count"], 7);
}

#[test]
fn every_remedy_ends_the_finding_and_keeps_the_other_settings() {
    let folder = fixture("mtls/bookinfo-2019");
    let report = meshscope(&folder, &["check", "-f", ".", "-o", "json"]).json();
    for remedy in report["findings"][0]["remedies"].as_array().unwrap() {
        let copy = copy_of("mtls/bookinfo-2019");
        let mesh = copy.path().join("mesh.yaml");
        let text = std::fs::read_to_string(&mesh).unwrap();
        let mut documents: Vec<String> = text.split("\n---\n").map(str::to_owned).collect();
        let at = documents.iter().position(|one| one.contains("name: destrule-productpage")).unwrap();
        let mut rule: Value = serde_saphyr::from_str(&documents[at]).unwrap();
        json_patch::merge(&mut rule, &remedy["patch"]);
        documents[at] = rule.to_string();
        std::fs::write(&mesh, documents.join("\n---\n")).unwrap();

        let ran = meshscope(copy.path(), &["check", "-f", ".", "-o", "json"]);
        assert_eq!(ran.code, 0, "{}", ran.out);
        let resolution = meshscope(copy.path(), &["resolve", "-f", ".", CLIENT, HOST, "-o", "json"]).json();
        let policy = &resolution["ports"][0]["trafficPolicy"];
        assert_eq!(policy["loadBalancer"]["simple"], "LEAST_REQUEST");
        assert_eq!(policy["connectionPool"]["tcp"]["maxConnections"], 77);
    }
}

#[test]
fn an_old_log_against_a_mended_rule_is_no_mtls_finding() {
    let copy = copy_of("mtls/bookinfo-2019");
    replace(&copy.path().join("mesh.yaml"), "mode: DISABLE", "mode: ISTIO_MUTUAL");
    let ran = meshscope(copy.path(), &["check", "-f", ".", "-o", "json"]);
    assert_eq!(ran.code, 0);
    let report = ran.json();
    // What is said of rules does not rest on lines.
    for finding in findings(&report).iter().filter(|one| !one["code"].as_str().unwrap().starts_with("MS02")) {
        assert_eq!(finding["confidence"], "possible");
        assert!(!finding["code"].as_str().unwrap().starts_with("MS01") && finding["code"] != "MS0301");
        assert!(finding["message"].as_str().unwrap().contains("older than"));
    }
    // Where the rule tells when it was last changed, the message says so.
    replace(
        &copy.path().join("mesh.yaml"),
        "  name: destrule-productpage\n",
        "  name: destrule-productpage\n  creationTimestamp: \"2019-10-08T07:00:00Z\"\n",
    );
    let report = meshscope(copy.path(), &["check", "-f", ".", "-o", "json"]).json();
    let all = findings(&report);
    let by_logs = all.iter().find(|one| one["confidence"] == "possible").unwrap();
    let message = by_logs["message"].as_str().unwrap();
    assert!(message.contains("older than DestinationRule bookinfo/destrule-productpage"), "{message}");
    assert!(message.contains("2019-10-08T07:00:00Z"), "{message}");
}

#[test]
fn an_application_that_closes_connections_is_not_mtls() {
    let folder = fixture("logs/application-closes");
    let ran = meshscope(&folder, &["check", "-f", ".", "-o", "json"]);
    assert_eq!(ran.code, 0);
    let report = ran.json();
    let findings = findings(&report);
    assert_eq!(findings.len(), 1);
    assert_eq!((&findings[0]["code"], &findings[0]["edges"][0]["seen"]), (&json!("MS0303"), &json!(5)));
    assert!(findings[0]["message"].as_str().unwrap().contains("not mTLS"));
    let causes = meshscope(&folder, &["logs", "-f", ".", "-o", "json"]).json();
    assert_eq!(causes["causes"].as_array().unwrap().len(), 1);
    let cause = &causes["causes"][0];
    assert_eq!((&cause["cause"], &cause["count"]), (&json!("app-closed"), &json!(5)));
    assert!(cause["evidence"][1]["text"].as_str().unwrap().contains("joined by request id"));
}

#[test]
fn a_sound_mesh_says_that_nothing_was_found_and_how_much_was_looked_at() {
    let folder = fixture("mtls/sound");
    let ran = meshscope(&folder, &["check", "-f", "."]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.starts_with("nothing found\nlooked at 1 EndpointSlice,"), "{}", ran.out);
    assert!(ran.out.contains("2 pairs, 6 log lines"), "{}", ran.out);
    let report = meshscope(&folder, &["check", "-f", ".", "-o", "json"]).json();
    assert_eq!(report["summary"], json!({"error": 0, "warning": 0, "info": 0, "unknown": 0}));
    assert_eq!(report["scanned"]["logLines"], 6);
}

#[test]
fn a_client_that_is_not_named_stands_for_all_that_get_the_same_answer() {
    let folder = fixture("mtls/bookinfo-2019");
    let distinct = meshscope(&folder, &["tls-check", "-f", ".", "-o", "json"]).json();
    let rows = distinct["rows"].as_array().unwrap();
    let clients: u64 = rows.iter().map(|row| row["clients"]["count"].as_u64().unwrap()).sum();
    assert_eq!(clients, 4);
    assert!(rows.iter().any(|row| row["client"].is_null()));
    let each = meshscope(&folder, &["tls-check", "-f", ".", "--each-client", "-o", "json"]).json();
    assert_eq!(each["rows"].as_array().unwrap().len(), 4);
    assert!(each["rows"].as_array().unwrap().iter().all(|row| row["client"]["pod"].is_string()));
}

#[test]
fn without_pods_the_templates_count_and_the_answer_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mesh.yaml"), GIT_FOLDER).unwrap();
    let ran = meshscope(folder.path(), &["check", "-f", ".", "-o", "json"]);
    assert_eq!(ran.code, 79);
    let report = ran.json();
    assert_eq!(report["findings"][0]["code"], "MS0101");
    assert_eq!(
        report["assumed"],
        json!(["endpoints from selectors", "pods from templates", "proxy from injection labels"])
    );
    let row = &meshscope(folder.path(), &["tls-check", "-f", ".", "-o", "json"]).json()["rows"][0];
    assert_eq!((&row["client"]["name"], &row["client"]["pod"]), (&json!("a"), &Value::Null));
    assert_eq!(row["endpoints"][0]["targetPort"], 8080);
    // Where injection is switched off there is no client with a proxy, and nothing to find.
    replace(&folder.path().join("mesh.yaml"), "istio-injection: enabled", "istio-injection: disabled");
    assert_eq!(meshscope(folder.path(), &["check", "-f", "."]).code, 0);
}

#[test]
fn templates_of_a_namespace_that_was_not_read_are_judged_as_far_as_they_tell_themselves() {
    let without = GIT_FOLDER.split_once("---").unwrap().1;
    let inject = |value: &str| without.replace("{app: a}}\n", &format!("{{app: a{value}}}}}\n"));
    for (text, wanted) in [
        (without.to_owned(), Some("UNKNOWN")),
        (inject(", sidecar.istio.io/inject: \"true\""), Some("CONFLICT")),
        (inject(", istio.io/rev: canary"), Some("CONFLICT")),
        (inject(", sidecar.istio.io/inject: \"false\""), None),
        // A pod in the node's network is not injected.
        (without.replace("spec: {containers", "spec: {hostNetwork: true, containers"), None),
    ] {
        let answer = json_on(&text, &["tls-check"]);
        assert_eq!(answer["rows"][0]["status"].as_str(), wanted, "{text}");
        let report = json_on(&text, &["check"]);
        let found = report["findings"].as_array().unwrap();
        assert!(found.iter().all(|one| one["code"] != "MS0901"), "{report}");
        let missing = report["missing"].to_string();
        assert_eq!(missing.contains("the labels of namespace x"), wanted == Some("UNKNOWN"), "{missing}");
        assert_eq!(report["summary"]["unknown"].as_u64() > Some(0), wanted == Some("UNKNOWN"));
    }
    let resolved = json_on(GIT_FOLDER, &["resolve", "deploy/a.x", "svc/a.x"]);
    assert_eq!(resolved["assumed"], json!(["pods from templates", "proxy from injection labels"]));
}

#[test]
fn where_age_decides_and_is_not_known_both_outcomes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mesh.yaml");
    std::fs::write(&file, [GIT_FOLDER, SECOND_POLICY].concat()).unwrap();
    let row = &meshscope(folder.path(), &["tls-check", "-f", ".", "-o", "json"]).json()["rows"][0];
    assert_eq!(row["status"], "COND");
    let reason = row["reason"].as_str().unwrap();
    assert!(reason.contains("x/one") && reason.contains("x/two"), "{reason}");
    let ran = meshscope(folder.path(), &["check", "-f", "."]);
    assert_eq!(ran.code, 0);
    assert!(!ran.out.contains("nothing found") && ran.out.contains("1 pair cannot be told"), "{}", ran.out);
    // Where both orders come to the same, age decides nothing.
    let twice = GIT_FOLDER.rsplit_once("---").unwrap().1.replace("name: r,", "name: q,");
    let same = tempfile::tempdir().unwrap();
    std::fs::write(same.path().join("mesh.yaml"), format!("{GIT_FOLDER}---{twice}")).unwrap();
    let row = &meshscope(same.path(), &["tls-check", "-f", ".", "-o", "json"]).json()["rows"][0];
    assert_eq!(row["status"], "CONFLICT");
    // With both times there is one order.
    let dated = |name: &str, day: u8| {
        format!("{{name: {name}, namespace: x, creationTimestamp: \"2026-01-0{day}T00:00:00Z\"}}")
    };
    replace(&file, "{name: one, namespace: x}", &dated("one", 2));
    replace(&file, "{name: two, namespace: x}", &dated("two", 1));
    let row = &meshscope(folder.path(), &["tls-check", "-f", ".", "-o", "json"]).json()["rows"][0];
    assert_eq!((&row["status"], &row["server"]["policy"]["name"]), (&json!("OK"), &json!("two")));
}
