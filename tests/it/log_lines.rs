//! `logs`: one record a line, lines that were asked for, groups by fields, and the lines of ztunnel.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Ran, copy_of, fixture, meshscope};

const CLOSES: &str = "logs/application-closes";

fn logs(folder: &Path, more: &[&str]) -> Ran {
    meshscope(folder, &[&["logs", "-f", "."], more].concat())
}

fn report(folder: &Path, more: &[&str]) -> Value {
    logs(folder, &[more, &["-o", "json"]].concat()).json()
}

fn records(folder: &Path, more: &[&str]) -> Vec<Value> {
    let ran = logs(folder, &[more, &["-o", "ndjson"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Sum of the lines in all groups.
fn lines_in(report: &Value) -> u64 {
    report["groups"].as_array().unwrap().iter().map(|group| group["count"].as_u64().unwrap()).sum()
}

#[test]
fn a_record_is_one_line_with_envoys_own_names() {
    let folder = copy_of(CLOSES);
    let log = "logs/web/traffic-generator-6b88d69f-k2x9p.log";
    let before = fs::read_to_string(folder.path().join(log)).unwrap();
    fs::write(folder.path().join(log), format!("starting up\u{1b}[31m\n{before}")).unwrap();
    let all = records(folder.path(), &[]);
    assert_eq!(all.len(), 48);
    let keys: BTreeSet<_> = all.iter().flat_map(|record| record.as_object().unwrap().keys()).collect();
    assert!(
        !keys.iter().any(|key| ["apiVersion", "kind", "raw", "src.addr"].contains(&key.as_str())),
        "{keys:?}"
    );
    let first = all.iter().find(|record| record["line"] == 5 && record["file"] == log).unwrap();
    assert_eq!(first["response_code"], 503);
    assert_eq!(first["pod"], "web/traffic-generator-6b88d69f-k2x9p");
    assert_eq!((&first["route_name"], &first["requested_server_name"]), (&json!("default"), &Value::Null));
    let server = all.iter().find(|record| !record["response_flags"].is_null()).unwrap();
    assert_eq!(server["response_flags"], json!(["UC"]));

    let raw = records(folder.path(), &["--raw", "--other"]);
    assert_eq!(raw.len(), 49);
    let other: Vec<_> = raw.iter().filter(|record| record["format"].is_null()).collect();
    assert_eq!(other.len(), 1);
    assert_eq!((&other[0]["line"], &other[0]["raw"]), (&json!(1), &json!("starting up\u{1b}[31m")));
    let lines: BTreeSet<_> = before.lines().collect();
    let written: BTreeSet<_> = raw.iter().filter_map(|record| record["raw"].as_str()).collect();
    assert!(lines.is_subset(&written), "each line is there as it was written");
    let told = logs(folder.path(), &["-o", "ndjson"]).err;
    assert!(told.contains("lines that are none of an access log: 1 (--other shows them)"), "{told}");
    assert!(!logs(folder.path(), &["-o", "ndjson", "--other"]).out.contains('\u{1b}'));
}

#[test]
fn records_are_those_of_the_pod_service_or_namespace() {
    let folder = fixture(CLOSES);
    let pods = |more: &[&str]| -> BTreeSet<String> {
        records(&folder, more).iter().map(|record| record["pod"].as_str().unwrap().to_owned()).collect()
    };
    let (client, server) = (
        "web/traffic-generator-6b88d69f-k2x9p".to_owned(),
        "bookinfo/productpage-v1-7f44c4d57c-2kq9d".to_owned(),
    );
    assert_eq!(pods(&["traffic-generator-6b88d69f-k2x9p.web"]), [client.clone()].into());
    assert_eq!(pods(&["svc/productpage.bookinfo"]), [client.clone(), server.clone()].into());
    // Lines of the client go to a host of that namespace.
    assert_eq!(pods(&["-n", "bookinfo"]), [client.clone(), server].into());
    assert_eq!(pods(&["-n", "web"]), [client].into());
}

#[test]
fn where_takes_lines_and_leaves_the_causes_their_proof() {
    let folder = fixture(CLOSES);
    let whole = report(&folder, &[]);
    assert_eq!(whole["causes"].as_array().unwrap().len(), 1);
    assert!(whole["lines"].get("selected").is_none());
    // The proof is in the server's lines, which are not asked for.
    let failed =
        report(&folder, &["--where", "code>=500 and host~productpage and duration<1s and reporter=client"]);
    assert_eq!(failed["lines"]["selected"], 5);
    assert_eq!(failed["lines"]["parsed"], 48);
    assert_eq!(failed["causes"], whole["causes"]);
    assert_eq!(failed["groups"].as_array().unwrap().len(), 1);
    assert_eq!(failed["groups"][0]["responseCode"], 503);
    assert_eq!(failed["groups"][0]["pod"], "web/traffic-generator-6b88d69f-k2x9p");
    let fine = report(&folder, &["--where", "code<500"]);
    assert_eq!((&fine["lines"]["selected"], &fine["causes"]), (&json!(38), &json!([])));
    assert_eq!(lines_in(&fine), 38);
    let none = logs(&folder, &["--where", "code=418"]);
    assert!(none.out.contains("48 lines read") && none.out.contains("0 selected"), "{}", none.out);
    for query in ["flags has UC", "not flags = -", "details~connection_termination"] {
        assert_eq!(records(&folder, &["--where", query]).len(), 5, "{query}");
    }
}

#[test]
fn since_and_until_are_times_of_the_lines() {
    let folder = fixture(CLOSES);
    let count = |more: &[&str]| records(&folder, more).len();
    let all = count(&[]);
    let (first, last) = ("2026-03-02T09:00:00.101Z", "2026-03-02T10:02:41.103+01:00");
    assert_eq!(count(&["--since", first, "--until", last]), all);
    assert_eq!(count(&["--since", "2026-03-02T09:00:00.102Z"]), all - 1);
    assert_eq!(count(&["--until", "2026-03-02T09:02:41.102Z"]), all - 1);
    assert_eq!(count(&["--since", "500000d"]), all);
    assert_eq!(count(&["--until", "9999-01-01T00:00:00Z", "--since", "1s"]), 0);
    let selected = report(&folder, &["--since", "2026-03-02T09:00:00.102Z"]);
    assert_eq!((&selected["lines"]["selected"], &selected["lines"]["withoutTime"]), (&json!(47), &json!(0)));
}

/// A cause rests on all lines, those too that a time leaves out: that is said where it makes a difference.
#[test]
fn a_cause_says_how_many_of_its_lines_were_selected() {
    let folder = fixture(CLOSES);
    let whole = report(&folder, &["--since", "2020-01-01T00:00:00Z"]);
    assert!(whole["causes"][0].is_object() && whole["causes"][0].get("selected").is_none(), "{whole}");
    let failed = records(&folder, &["--where", "code = 503 and reporter = client"]);
    let last = failed.iter().filter_map(|record| record["start_time"].as_str()).max().unwrap();
    let late = report(&folder, &["--since", last]);
    let cause = &late["causes"][0];
    assert_eq!(cause["count"], whole["causes"][0]["count"]);
    let (count, of) =
        (cause["selected"]["count"].as_u64().unwrap(), cause["selected"]["of"].as_u64().unwrap());
    assert!((1..of).contains(&count), "{cause}");
    let text = logs(&folder, &["--since", last]).out;
    assert!(text.contains(&format!("rests on {of} lines, {count} of them selected")), "{text}");
    assert!(!logs(&folder, &[]).out.contains("rests on"));
}

/// Pods and hosts that no object has are known by the lines that name them.
#[test]
fn names_that_only_lines_have_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let line = |host: &str| {
        format!(
            "[2026-03-02T09:00:00.101Z] \"GET / HTTP/1.1\" 503 UH no_healthy_upstream - \"-\" 0 91 12 - \"-\" \"curl\" \"id\" \"cart\" \"-\" outbound|80||{host} - 10.0.0.1:80 10.0.0.2:90 - default\n"
        )
    };
    let (cart, other) = (line("cart.shop.svc.cluster.local"), line("api.example.com"));
    fs::write(folder.path().join("x.log"), format!("{cart}{cart}{other}")).unwrap();
    fs::write(folder.path().join("y.log"), line("cart.test.svc.cluster.local")).unwrap();
    let run = |names: &[&str], more: &[&str]| {
        let log = ["--log", "web/client-0=x.log", "--log", "web/client-1=y.log"];
        meshscope(folder.path(), &[&["logs"], names, &log, more].concat())
    };
    for (names, wanted) in [
        (&["cart.shop.svc.cluster.local"][..], 2),
        (&["cart.shop"], 2),
        (&["svc/cart.test:80"], 1),
        (&["api.example.com"], 1),
        (&["web/client-0"], 3),
        (&["client-1.web"], 1),
        (&["client-1", "cart.test"], 1),
    ] {
        let ran = run(names, &["-o", "json"]);
        assert_eq!(ran.code, 0, "{names:?}: {}", ran.err);
        assert_eq!(ran.json()["lines"]["selected"], wanted, "{names:?}");
    }
    // The name of a host outside has no namespace in it.
    for (namespace, wanted) in [("shop", 2), ("test", 1), ("web", 4), ("example", 0)] {
        let ran = run(&[], &["-n", namespace, "-o", "json"]);
        assert_eq!(ran.json()["lines"]["selected"], wanted, "{namespace}");
    }
    // It is known though a query leaves its lines out.
    let none = run(&["cart.shop"], &["--where", "code = 200", "-o", "json"]);
    assert_eq!((none.code, none.json()["lines"]["selected"].as_u64()), (0, Some(0)));
    let unknown = run(&["carts"], &[]);
    assert_eq!(unknown.code, 64);
    assert!(unknown.err.contains("no service is called carts, and no line names it"), "{}", unknown.err);
    let several = run(&["cart"], &[]);
    assert_eq!(several.code, 64);
    let text = "cart can be several: cart.shop.svc.cluster.local, cart.test.svc.cluster.local";
    assert!(several.err.contains(text) && several.out.is_empty(), "{}", several.err);
}

#[test]
fn a_line_without_time_is_neither_before_nor_after() {
    let folder = tempfile::tempdir().unwrap();
    let line = "\"GET / HTTP/1.1\" 200 - 0 91 12 - \"-\" \"curl\" \"id\" \"cart\" \"10.8.1.8:80\"\n";
    fs::write(folder.path().join("a.log"), format!("{line}[2026-03-02T09:00:00.101Z] {line}")).unwrap();
    let report = report(folder.path(), &["--since", "2020-01-01T00:00:00Z"]);
    assert_eq!((&report["lines"]["selected"], &report["lines"]["withoutTime"]), (&json!(1), &json!(1)));
}

#[test]
fn groups_by_fields_and_the_first_of_them() {
    let folder = fixture(CLOSES);
    let by = report(&folder, &["--group-by", "code,host", "--where", "reporter=client"]);
    assert_eq!(by["groupBy"], json!(["response_code", "host"]));
    let host = "productpage.bookinfo.svc.cluster.local";
    assert_eq!(by["groups"][0]["by"], json!({"response_code": 200, "host": host}));
    assert_eq!((&by["groups"][0]["count"], &by["groups"][1]["count"]), (&json!(19), &json!(5)));
    assert_eq!(by["groups"][0]["first"], "2026-03-02T09:00:00.101Z");
    assert!(by["groups"][1]["durationMs"]["p99"].is_u64());
    for flags in [&["--group-by", "request_id"][..], &[]] {
        let whole = report(&folder, flags);
        let top = report(&folder, &[flags, &["--top", "1"]].concat());
        assert_eq!(top["groups"].as_array().unwrap().len(), 1);
        assert_eq!(top["groups"][0], whole["groups"][0]);
        assert_eq!(lines_in(&top) + top["otherGroups"].as_u64().unwrap(), 48);
    }
    let table = logs(&folder, &["--group-by", "code,flags"]).out;
    assert!(table.starts_with("RESPONSE_CODE  RESPONSE_FLAGS  COUNT"), "{table}");
}

/// A query that takes all lines has them looked at one by one; without one they are counted by the groups they are in.
#[test]
fn groups_by_fields_are_those_of_a_query_that_takes_all() {
    let meshes = [CLOSES, "ztunnel/plaintext-to-strict", "mtls/mode-missing-both-logs", "causes"];
    let fields =
        ["cluster,code,flags", "host,pod", "path,subset", "file,format", "error,src.workload", "line"];
    for mesh in meshes {
        let folder = fixture(mesh);
        for fields in fields {
            let all = report(&folder, &["--group-by", fields]);
            let asked = report(&folder, &["--group-by", fields, "--where", "line>0"]);
            assert_eq!(all, asked, "{mesh} by {fields}");
            assert_eq!(all["lines"]["selected"], all["lines"]["parsed"], "{mesh} by {fields}");
            assert_eq!(lines_in(&all), all["lines"]["parsed"].as_u64().unwrap(), "{mesh} by {fields}");
        }
    }
}

#[test]
fn other_lines_are_shown_where_they_are_asked_for() {
    let folder = copy_of(CLOSES);
    fs::write(folder.path().join("logs/web/traffic-generator-6b88d69f-k2x9p.log"), "starting up\n").unwrap();
    let log = folder.path().join("logs/bookinfo/productpage-v1-7f44c4d57c-2kq9d.log");
    fs::write(&log, format!("ready\n{}", fs::read_to_string(&log).unwrap())).unwrap();
    assert!(report(folder.path(), &[]).get("otherLines").is_none());
    let shown = report(folder.path(), &["--other"]);
    let file = "logs/bookinfo/productpage-v1-7f44c4d57c-2kq9d.log";
    assert_eq!(shown["otherLines"], json!([{"file": file, "line": 1, "raw": "ready"}]));
    assert!(logs(folder.path(), &["--other"]).out.contains(&format!("{file}:1: ready")));
}

#[test]
fn mistakes_are_usage_and_say_where() {
    let folder = fixture(CLOSES);
    for (flags, text) in [
        (
            &["--where", "code>=500 and flagz has UC"][..],
            "  code>=500 and flagz has UC\n                ^^^^^",
        ),
        (&["--where", "code ~ 5"], "response_code is a number"),
        (&["--since", "yesterday"], "--since yesterday: expected a time such as"),
        (&["--until", "15"], "--until 15: expected a time such as"),
        (
            &["--since", "2026-03-02T09:00:00Z", "--until", "2026-03-01T09:00:00Z"],
            "--since is later than --until",
        ),
        (&["--group-by", "cod"], "--group-by: no field is called cod"),
        (&["--raw"], "--raw goes with -o ndjson"),
        (&["--group-by", "code", "-o", "ndjson"], "writes lines and has no groups"),
        (&["--top", "0"], "--top"),
    ] {
        let ran = logs(&folder, flags);
        assert_eq!(ran.code, 64, "{flags:?}: {}", ran.err);
        assert!(ran.err.contains(text), "{flags:?}: {}", ran.err);
        assert!(ran.out.is_empty(), "{flags:?}");
    }
}

#[test]
fn lines_of_ztunnel_are_parsed_in_both_layouts() {
    let refused = report(&fixture("ztunnel/plaintext-to-strict"), &[]);
    assert_eq!(refused["lines"], json!({"read": 16, "parsed": 16, "other": 0, "joined": 0}));
    assert_eq!(refused["formats"], json!({"ztunnel": 16}));
    assert_eq!(lines_in(&refused), 16);
    for group in refused["groups"].as_array().unwrap() {
        assert_eq!(
            (&group["reporter"], &group["pod"]),
            (&json!("server"), &json!("bookinfo/productpage-v1"))
        );
        assert_eq!((&group["responseCode"], &group["responseFlags"]), (&Value::Null, &json!([])));
        assert!(group["reason"].as_str().unwrap().ends_with("istio-system/istio_converted_static_strict"));
        assert_eq!((&group["ztunnel"]["mtls"], &group["ztunnel"]["port"]), (&json!(false), &json!(9080)));
    }
    let cause = &refused["causes"][0];
    assert_eq!((&cause["cause"], &cause["client"]["pod"]), (&json!("plaintext-to-strict"), &json!("legacy")));
    assert_eq!((&cause["host"], &cause["server"]["pod"]), (&Value::Null, &json!("productpage-v1")));
    let table = logs(&fixture("ztunnel/plaintext-to-strict"), &[]).out;
    assert!(
        table.contains("plaintext-to-strict certain  legacy/legacy → bookinfo/productpage-v1"),
        "{table}"
    );
    let taken = report(&fixture("ztunnel/plaintext-to-strict"), &["--where", "src.workload=legacy"]);
    assert_eq!(taken["causes"].as_array().unwrap().len(), 1, "causes of lines that are asked for");
    let none = report(&fixture("ztunnel/plaintext-to-strict"), &["--where", "src.workload=nobody"]);
    assert_eq!(none["causes"], json!([]));

    let both = report(&fixture("ztunnel/both-sides"), &[]);
    let sides: Vec<_> =
        both["groups"].as_array().unwrap().iter().map(|group| group["reporter"].clone()).collect();
    assert_eq!(sides.len(), 2);
    assert!(sides.contains(&json!("client")) && sides.contains(&json!("server")));
    for group in both["groups"].as_array().unwrap() {
        assert_eq!(group["count"], 4);
        assert_eq!(group["ztunnel"]["mtls"], true);
        assert_eq!(group["ztunnel"]["source"]["workload"], "bookinfo/reviews-v1");
        assert!(group["ztunnel"]["destination"]["identity"].as_str().unwrap().starts_with("spiffe://"));
    }
}

#[test]
fn ztunnels_records_have_its_own_names() {
    let folder = fixture("ztunnel/plaintext-to-strict");
    let all = records(&folder, &[]);
    assert_eq!(all.len(), 16);
    for record in &all {
        assert_eq!((&record["format"], &record["direction"]), (&json!("ztunnel"), &json!("inbound")));
        assert_eq!(record["pod"], "bookinfo/productpage-v1");
        assert!(record["duration"].is_u64() && record["bytes_sent"] == 0);
        let object = record.as_object().unwrap();
        assert!(
            ["src.identity", "response_code", "bytes_received"].iter().all(|key| !object.contains_key(*key))
        );
    }
    assert_eq!(records(&folder, &["--where", "error~static_strict and mtls=false"]).len(), 16);
    assert_eq!(records(&folder, &["--where", "mtls=true or error=-"]).len(), 0);
    let by = report(&folder, &["--group-by", "src.workload,level"]);
    assert_eq!(by["groups"][0]["by"], json!({"src.workload": "legacy", "level": "error"}));
}

/// However lines are narrowed, they are taken one by one: a query that takes all changes nothing.
#[test]
fn pods_services_and_namespaces_take_lines_with_and_without_a_query() {
    let folder = fixture("mtls/mode-missing-both-logs");
    for narrowed in [
        vec!["-n", "web"],
        vec!["-n", "bookinfo"],
        vec!["productpage.bookinfo"],
        vec!["deploy/traffic-generator.web"],
    ] {
        let run = |more: &[&str]| {
            let arguments = [&["logs", "-o", "json", "-f", "."], narrowed.as_slice(), more].concat();
            meshscope(&folder, &arguments).json()
        };
        let answer = run(&[]);
        assert_eq!(answer, run(&["--where", "code>=0"]), "{narrowed:?}");
        assert_eq!(answer["causes"][0]["cause"], "plaintext-to-strict", "{narrowed:?}");
        assert!(answer["lines"]["selected"].as_u64().unwrap() >= 8, "{narrowed:?}");
    }
}

#[test]
fn lines_that_are_not_shown_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let access = fs::read_to_string(fixture("causes/03-plaintext-to-strict/client.log")).unwrap();
    let text = "ready\n".repeat(1_010) + &access;
    fs::write(folder.path().join("a.log"), text).unwrap();
    let report = meshscope(folder.path(), &["logs", "-f", "a.log", "--other", "-o", "json"]).json();
    assert_eq!(report["otherLines"].as_array().unwrap().len(), 1_000);
    assert_eq!(report["otherLinesLeft"], 10);
}

/// What copying and emptying a log leaves behind, and what a packed one does that is cut off at its beginning.
#[test]
fn zeros_do_not_hide_a_log_and_half_a_packed_one_is_no_missing_file() {
    let folder = tempfile::tempdir().unwrap();
    let access = fs::read(fixture("causes/03-plaintext-to-strict/client.log")).unwrap();
    let lines = access.split(|byte| *byte == b'\n').count() - 1;
    fs::write(folder.path().join("a.log"), [vec![0; 5_000], b"\n".to_vec(), access].concat()).unwrap();
    let report = meshscope(folder.path(), &["logs", "-f", "a.log", "-o", "json"]).json();
    assert_eq!(report["lines"]["parsed"], lines);
    fs::write(folder.path().join("b.log.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b]).unwrap();
    assert_eq!(meshscope(folder.path(), &["logs", "-f", "b.log.gz"]).code, 65);
}
