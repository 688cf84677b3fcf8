//! `authz explain`: why the request of a line was let in or refused.

use serde_json::{Value, json};

use crate::support::{Ran, fixture, meshscope};

fn run(folder: &str, line: &str) -> Ran {
    meshscope(&fixture(folder), &["authz", "explain", "-o", "json", "-f", "mesh.yaml", line])
}

fn explain(folder: &str, line: &str) -> Value {
    let ran = run(folder, line);
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.json()
}

/// A line of the log that a real Envoy wrote, from 1.
fn recorded(number: usize) -> String {
    let log = std::fs::read_to_string(fixture("authz-hits/logs/productpage-v1-1.bookinfo.log")).unwrap();
    log.lines().nth(number - 1).unwrap().to_owned()
}

/// A line of a request that no rule allowed, from an address and with an SNI.
fn none(method: &str, path: &str, from: &str, sni: &str) -> String {
    format!(
        "[2026-08-22T10:00:00.000Z] \"{method} {path} HTTP/1.1\" 403 - rbac_access_denied_matched_policy[none] - \"-\" 0 19 \
         0 - \"-\" \"curl/8\" \"6f3c\" \"productpage:9080\" \"-\" inbound|9080|| - 127.0.0.21:9080 {from}:53112 {sni} default"
    )
}

const ISTIO: &str = "outbound_.9080_._.productpage.bookinfo.svc.cluster.local";

#[test]
fn a_refusal_by_name_leads_to_the_rule_and_its_place() {
    let answer = explain("authz-hits", &recorded(7));
    assert_eq!((&answer["decision"], &answer["status"]), (&json!("DENY"), &json!(403)));
    assert_eq!(answer["decidedBy"], json!("ns[bookinfo]-policy[deny-admin]-rule[0]"));
    let policy = &answer["policy"];
    assert_eq!((&policy["name"], &policy["rule"]), (&json!("deny-admin"), &json!(0)));
    assert_eq!(policy["origin"], json!({"file": "mesh.yaml", "line": 31}));
    assert_eq!(policy["text"], json!("to paths /admin*"));
    assert_eq!(answer["steps"][0]["fields"][0]["got"], json!("/admin"));
    assert_eq!(answer["line"], json!(recorded(7)));
    assert!(answer["basis"]["line"][0].as_str().unwrap().contains("refused it"), "{answer}");
}

#[test]
fn a_name_that_is_not_in_force_is_said_to_be_so() {
    let answer = explain("authz-unexplained", &recorded(8));
    assert_eq!(answer["decision"], json!("DENY"));
    let told = answer["basis"]["evaluated"][0].as_str().unwrap().to_owned();
    assert!(told.contains("has no such rule: it has changed since"), "{told}");
    let gone = recorded(8).replace("policy[deny-admin]", "policy[gone]");
    let answer = explain("authz-unexplained", &gone);
    assert_eq!(answer["policy"], Value::Null);
    let told = answer["basis"]["evaluated"][0].as_str().unwrap().to_owned();
    assert!(told.contains("no AuthorizationPolicy bookinfo/gone was read"), "{told}");
}

#[test]
fn a_refusal_without_a_name_has_its_nearest_miss_and_what_is_not_told() {
    let answer = explain("authz-hits", &none("GET", "/x", "127.0.0.77", ISTIO));
    assert_eq!((&answer["decision"], &answer["decidedBy"]), (&json!("DENY"), &json!("none")));
    assert_eq!(answer["missing"][0]["need"], json!("principal"), "{answer}");
    let nearest = &answer["nearestMiss"];
    // Nobody knows who has the address; that it is not this one is proved by the refusal.
    assert_eq!((&nearest["policy"]["name"], &nearest["got"]), (&json!("allow-curl"), &Value::Null));
    assert!(
        nearest["change"].as_str().unwrap().starts_with("call with mutual TLS, as one that"),
        "{nearest}"
    );
    // Plaintext has no principal, and that is known.
    let answer = explain("authz-hits", &none("GET", "/x", "127.0.0.11", "-"));
    assert_eq!(answer["missing"], json!([]), "{answer}");
    assert_eq!(answer["steps"][0]["matched"], json!(false));
    // This caller is one that the rule allows now: it was not when the line was written.
    let answer = explain("authz-hits", &none("GET", "/x", "127.0.0.11", ISTIO));
    let told = answer["basis"]["evaluated"][1].as_str().unwrap().to_owned();
    assert!(told.contains("may be newer than the line"), "{told}");
}

#[test]
fn a_request_that_got_in_has_the_rule_that_let_it_in() {
    let answer = explain("authz-hits", &recorded(1));
    assert_eq!((&answer["decision"], &answer["status"]), (&json!("ALLOW"), &Value::Null));
    assert_eq!(answer["decidedBy"], json!("ns[bookinfo]-policy[allow-curl]-rule[0]"));
    // Through a proxy with an address of its own, to a path that two rules let in.
    let two = recorded(47);
    assert!(two.contains("/productpage?u=test") && two.contains("203.0.113.113:0"), "{two}");
    let answer = explain("authz-hits", &two);
    assert_eq!((&answer["decision"], &answer["decidedBy"]), (&json!("ALLOW"), &json!("unknown")), "{answer}");
    assert_eq!(answer["missing"][0]["need"], json!("principal"));
    // Other policies than those of that time do not explain it, and "no policy applies" would not be true.
    let answer = explain("authz-unexplained", &recorded(1));
    assert_eq!((&answer["decision"], &answer["decidedBy"]), (&json!("ALLOW"), &json!("unknown")), "{answer}");
    // Nobody knows whose proxy that is.
    let answer = explain("authz-hits", &recorded(1).replace("127.0.0.21:9080", "127.0.0.99:9080"));
    assert_eq!((&answer["engine"], &answer["decidedBy"]), (&json!("unknown"), &json!("unknown")), "{answer}");
}

#[test]
fn other_refusals_are_told_apart() {
    let with = |details: &str, code: &str| {
        none("GET", "/x", "127.0.0.11", ISTIO)
            .replace("rbac_access_denied_matched_policy[none]", details)
            .replace(" 403 - ", &format!(" {code} "))
    };
    let token = explain("authz-hits", &with("jwt_authn_access_denied{Jwt_is_expired}", "401 -"));
    assert_eq!((&token["decidedBy"], &token["status"]), (&json!("jwt_authn"), &json!(401)));
    let authorizer = explain("authz-hits", &with("ext_authz_denied", "403 UAEX"));
    assert_eq!((&authorizer["decision"], &authorizer["decidedBy"]), (&json!("DENY"), &json!("ext_authz")));
    let broken = explain("authz-hits", &with("http1.codec_error", "400 DPE"));
    assert_eq!(broken["decision"], json!("UNKNOWN"), "{broken}");
    let tcp = "[2026-08-22T10:00:01.000Z] \"- - -\" 0 - - rbac_access_denied_matched_policy[ns[foo]-policy[deny]-rule[0]] \"-\" 12 0 \
               1 - \"-\" \"-\" \"-\" \"-\" \"-\" inbound|9000|| - 10.1.2.3:9000 10.1.2.9:53114 - -";
    let tcp = explain("authz-hits", tcp);
    assert_eq!((&tcp["decidedBy"], &tcp["status"]), (&json!("ns[foo]-policy[deny]-rule[0]"), &json!(0)));
}

#[test]
fn ztunnel_and_messages_of_filters_are_explained() {
    let ztunnel = |reason: &str| {
        format!(
            "2026-11-23T02:09:30.361696Z\terror\taccess\tconnection complete\tsrc.addr=10.244.1.11:53394 src.workload=\"sleep\" \
             src.namespace=\"web\" src.identity=\"spiffe://cluster.local/ns/web/sa/sleep\" dst.addr=10.1.0.5:15008 \
             dst.hbone_addr=10.1.0.5:7070 dst.workload=\"ledger-1\" dst.namespace=\"books\" direction=\"inbound\" bytes_sent=0 \
             bytes_recv=0 duration=\"0ms\" error=\"connection closed due to policy rejection: {reason}\""
        )
    };
    let answer = explain("authz-check", &ztunnel("allow policies exist, but none allowed"));
    assert_eq!((&answer["engine"], &answer["decision"]), (&json!("ztunnel"), &json!("DENY")));
    assert_eq!(answer["nearestMiss"]["policy"]["name"], json!("ledger-pods"), "{answer}");
    assert_eq!(answer["nearestMiss"]["got"], json!("cluster.local/ns/web/sa/sleep"));
    let strict =
        explain("authz-check", &ztunnel("explicitly denied by: istio-system/istio_converted_static_strict"));
    assert!(strict["basis"]["line"][1].as_str().unwrap().contains("PeerAuthentication"), "{strict}");
    let message = "2026-11-22T09:13:00.025205Z\tdebug\tenvoy rbac source/extensions/filters/http/rbac/rbac_filter.cc:221\t\
                   enforced allowed, matched policy ns[bookinfo]-policy[allow-curl]-rule[0]\tthread=15520";
    let answer = explain("authz-hits", message);
    assert_eq!((&answer["decision"], &answer["policy"]["name"]), (&json!("ALLOW"), &json!("allow-curl")));
    let shadow = explain("authz-hits", &message.replace("enforced", "shadow"));
    assert_eq!((&shadow["decision"], &shadow["decidedBy"]), (&json!("UNKNOWN"), &Value::Null));
}

#[test]
fn a_line_of_the_client_is_held_against_the_servers_policies() {
    let line = recorded(7)
        .replace("rbac_access_denied_matched_policy[ns[bookinfo]-policy[deny-admin]-rule[0]]", "via_upstream")
        .replace("inbound|9080||", "outbound|9080||productpage.bookinfo.svc.cluster.local")
        .replace("127.0.0.21:9080 127.0.0.11", "127.0.0.50:9080 127.0.0.11");
    let answer = explain("authz-hits", &line);
    assert_eq!(answer["decidedBy"], json!("ns[bookinfo]-policy[deny-admin]-rule[0]"), "{answer}");
    assert!(answer["basis"]["line"][0].as_str().unwrap().contains("of the client's side"), "{answer}");
}

#[test]
fn what_is_no_line_is_refused_and_hostile_text_is_made_visible() {
    let ran = run("authz-hits", "hello");
    assert_eq!((ran.code, ran.out.as_str()), (65, ""));
    let hostile = none("GET", "/\u{1b}]0;x\u{7}\u{202e}", "127.0.0.11", "-");
    for output in ["json", "table", "yaml"] {
        let ran = meshscope(
            &fixture("authz-hits"),
            &["authz", "explain", "-o", output, "-f", "mesh.yaml", &hostile],
        );
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(!ran.out.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{output}: {}", ran.out);
    }
}
