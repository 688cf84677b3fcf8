//! Access logs as tools save them: in JSON, behind prefixes, inside other JSON, in colour, broken into several lines.
//! Each gives what the bare lines give.

use std::path::{Path, PathBuf};

use meshscope::logs::parse_text;
use serde_json::{Value, json};

use crate::support::{copy_of, meshscope, skipped};

/// The answer of `logs` without what names files and counts lines.
fn said(folder: &Path, file: &str) -> (Value, Value) {
    let ran = meshscope(folder, &["logs", "-f", file, "-o", "json"]);
    let mut report = ran.json();
    let lines = report["lines"].take();
    for cause in report["causes"].as_array_mut().expect("there are causes") {
        for evidence in cause["evidence"].as_array_mut().expect("causes have evidence") {
            evidence["samples"] = Value::Null;
        }
    }
    report["formats"] = Value::Null;
    (report, lines)
}

/// The mesh of `logs/application-closes`, the log of each pod changed in a way that tools do.
fn wrapped(wrap: impl Fn(&str, &str) -> String) -> (Value, Value) {
    let folder = copy_of("logs/application-closes");
    for log in files(&folder.path().join("logs")) {
        let pod = log.file_stem().expect("logs have names").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&log).expect("logs are text");
        let text: String = text.lines().map(|line| wrap(&pod, line)).collect();
        std::fs::write(&log, text).expect("logs can be written");
    }
    said(folder.path(), ".")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("there are logs").map(|entry| entry.unwrap().path());
    let mut found: Vec<_> =
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    found.sort();
    found
}

/// The fields of a text line as Istio writes them in JSON: numbers and `null`, or as it wrote them once.
fn json_of(line: &str, old: bool) -> Value {
    let read = parse_text(line.as_bytes()).expect("the line is one");
    let text = |field: Option<&[u8]>| {
        let text = String::from_utf8_lossy(field.unwrap_or(b"-")).into_owned();
        if text == "-" && !old { Value::Null } else { Value::String(text) }
    };
    let number = |field: Option<u64>| match field {
        Some(number) if !old => number.into(),
        Some(number) => number.to_string().into(),
        None => text(None),
    };
    json!({
        "upstream_host": text(read.upstream_host),
        "response_code": number(read.response_code.map(u64::from)),
        "start_time": text(read.start_time),
        "response_flags": String::from_utf8_lossy(read.response_flags.unwrap_or_default()),
        "response_code_details": text(read.response_code_details),
        "connection_termination_details": text(read.connection_termination_details),
        "upstream_transport_failure_reason": text(read.upstream_transport_failure_reason),
        "duration": number(read.duration),
        "request_id": text(read.request_id),
        "upstream_cluster": text(read.upstream_cluster),
        "upstream_local_address": text(read.upstream_local_address),
        "downstream_local_address": text(read.downstream_local_address),
        "downstream_remote_address": text(read.downstream_remote_address),
        "requested_server_name": text(read.requested_server_name),
        "route_name": text(read.route_name),
        "user_agent": "a \"b\" \u{e9}",
        "labels": {"response_code": 200},
    })
}

/// A way in which tools change a line.
type Wrap = fn(&str, &str) -> String;

const TIME: &str = "2026-03-02T09:00:00.103412345Z";

const WRAPPINGS: [(&str, Wrap); 18] = [
    ("kubectl --prefix", |pod, line| format!("[pod/{pod}/istio-proxy] {line}\n")),
    ("kubectl --timestamps", |_, line| format!("{TIME} {line}\n")),
    ("kubectl, both", |pod, line| format!("[pod/{pod}/istio-proxy] {TIME} {line}\n")),
    ("stern", |pod, line| format!("{pod} istio-proxy {line}\n")),
    ("colours", |pod, line| format!("\u{1b}[33m{pod}\u{1b}[0m \u{1b}[36mistio-proxy\u{1b}[0m {line}\n")),
    ("node", |_, line| format!("{TIME} stdout F {line}\n")),
    ("node, parts", |_, line| {
        let (one, two) = line.split_at(line.len() / 2);
        format!("{TIME} stdout P {one}\n{TIME} stdout F {two}\n")
    }),
    ("docker", |_, line| {
        format!("{}\n", json!({"log": format!("{line}\n"), "stream": "stdout", "time": TIME}))
    }),
    ("compose", |_, line| format!("envoy-1   | {line}\n")),
    ("CRLF", |_, line| format!("{line}\r\n")),
    ("terminal", |_, line| {
        let rows: Vec<_> = line.as_bytes().chunks(120).map(String::from_utf8_lossy).collect();
        format!("{}\n", rows.join("\n"))
    }),
    ("collector", |pod, line| {
        let namespace = if pod.starts_with("traffic") { "web" } else { "bookinfo" };
        let kubernetes = json!({"pod_name": pod, "namespace_name": namespace});
        format!("{}\n", json!({"message": line, "kubernetes": kubernetes}))
    }),
    ("JSON", |_, line| format!("{}\n", json_of(line, false))),
    ("JSON of old", |_, line| format!("{}\n", json_of(line, true))),
    ("JSON, printed", |_, line| format!("{:#}\n", json_of(line, false))),
    ("JSON, prefixed", |pod, line| format!("[pod/{pod}/istio-proxy] {}\n", json_of(line, false))),
    ("JSON in colour", |_, line| format!("\u{1b}[32m{}\u{1b}[0m\n", json_of(line, false))),
    ("JSON in docker's", |_, line| {
        format!(
            "{}\n",
            json!({"log": format!("{}\n", json_of(line, false)), "stream": "stdout", "time": TIME})
        )
    }),
];

#[test]
fn every_wrapping_gives_what_the_bare_lines_give() {
    let (bare, lines) = wrapped(|_, line| format!("{line}\n"));
    assert_eq!((&lines["parsed"], &lines["other"]), (&Value::from(48), &Value::from(0)));
    assert!(!bare["causes"].as_array().expect("there are causes").is_empty());
    for (name, wrap) in WRAPPINGS {
        let (report, counts) = wrapped(wrap);
        assert_eq!(report, bare, "{name}");
        let counts = ["read", "parsed", "other"].map(|count| &counts[count]);
        assert_eq!(counts, [&Value::from(48), &Value::from(48), &Value::from(0)], "{name}");
    }
}

/// Lines of several pods in one file: each counts for the pod that stands in front of it.
#[test]
fn a_prefix_names_the_pod_of_each_line() {
    let (bare, _) = wrapped(|_, line| format!("{line}\n"));
    let folder = copy_of("logs/application-closes");
    let logs = files(&folder.path().join("logs"));
    let mut all = String::new();
    for log in &logs {
        let pod = log.file_stem().expect("logs have names").to_string_lossy().into_owned();
        for line in std::fs::read_to_string(log).expect("logs are text").lines() {
            // Nothing else tells whose line it is.
            let line = line.replace("10.8.2.14:9080 10.8.1.8", "10.9.9.9:9080 10.8.1.8");
            all.extend(["[pod/", &pod, "/istio-proxy] ", &line, "\n"]);
        }
    }
    std::fs::remove_dir_all(folder.path().join("logs")).expect("logs can be removed");
    std::fs::write(folder.path().join("all.log"), all).expect("logs can be written");
    let (report, _) = said(folder.path(), ".");
    let pods = |report: &Value| {
        let groups = report["groups"].as_array().expect("there are groups").clone();
        groups.iter().map(|group| (group["pod"].clone(), group["count"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(pods(&report), pods(&bare));
    // So it does for lines that were asked for.
    let ran = meshscope(folder.path(), &["logs", "-f", ".", "--where", "code>=0", "-o", "json"]);
    assert_eq!(pods(&ran.json()), pods(&bare));
}

/// A pretty-printed object at the end of a file without a line end is whole; one that ends before is cut off.
#[test]
fn what_was_joined_is_no_layout_that_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let object = "{\n  \"response_code\": 503,\n  \"response_flags\": \"UC\",\n  \"upstream_cluster\": \"outbound|80||a.b\"\n}";
    let check = |text: &str| {
        std::fs::write(folder.path().join("a.log"), text).expect("logs can be written");
        meshscope(folder.path(), &["check", "-f", "."]).out
    };
    let said = check(object);
    assert!(!said.contains("in a layout") && !said.contains("ends within"), "{said}");
    let cut = object.trim_end_matches('}');
    assert!(check(cut).contains("in a layout that is not read"), "{}", check(cut));
}

/// Recorded lines in every wrapping: the folder is not part of the package.
#[test]
fn recorded_variants_give_what_the_bare_lines_give() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/envoy/variants");
    let Ok(bare) = std::fs::read_to_string(place.join("crlf-line-ends.log")) else {
        return skipped("wrapped lines", &place);
    };
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(folder.path().join("bare"), bare.replace('\r', "")).expect("logs can be written");
    let (bare, _) = said(folder.path(), "bare");
    let mut seen = 0;
    for file in files(&place) {
        let name = file.file_name().expect("files have names").to_string_lossy().into_owned();
        let file = file.to_string_lossy().into_owned();
        let (report, lines) = said(folder.path(), &file);
        match &*name {
            "public-reports.txt" | "kubectl-logs-prefix-json.log" => {}
            "cut-in-the-middle.log" => {
                assert_eq!([&lines["read"], &lines["other"]], [&Value::from(32), &Value::from(2)], "{name}");
            }
            _ => {
                assert_eq!(report, bare, "{name}");
                assert_eq!(
                    [&lines["read"], &lines["parsed"]],
                    [&Value::from(32), &Value::from(32)],
                    "{name}"
                );
            }
        }
        if name.ends_with("json.log") {
            assert_eq!([&lines["read"], &lines["parsed"]], [&Value::from(24), &Value::from(24)], "{name}");
        }
        seen += 1;
    }
    assert!(seen >= 12, "{seen}");
}

/// Lines on several lines of the file are shown as they stand there, where they begin, and none of their parts besides.
#[test]
fn a_joined_line_is_shown_as_it_stands() {
    let head =
        r#"[2026-11-22T09:09:56.776Z] "GET /a HTTP/1.1" 503 UH no_healthy_upstream - "-" 155 95 1 - "-""#;
    let tail = r#""curl/8.4.0" "d68aeaf3-6450-4cf9-b8bb-8034ca638af9" "web:80" "-" outbound|80||web.shop.svc.cluster.local - 127.0.0.50:80 127.0.0.11:47000 - default"#;
    let envoy = r#"[2026-11-22T09:09:57.776Z] "GET /b HTTP/1.1" 504 UT 155 95 1 - "-""#;
    let envoy_tail = r#""curl/8.4.0" "e68aeaf3-6450-4cf9-b8bb-8034ca638af9" "web:80" "10.0.0.1:80""#;
    let object = "{\n  \"response_code\": 200,\n  \"response_flags\": \"-\"\n}";
    let time = "2026-11-22T09:09:56.776412345Z stdout";
    let lines = [
        format!("ready\n{head}\n  {tail}\nstarted again"),
        format!("{envoy}\n{envoy_tail}"),
        format!("{object}\n{head}\nno end of it"),
        format!("{time} P {head}\n{time} F  {tail}"),
        format!("{head} {tail}\n{envoy}\n{envoy_tail}"),
    ];
    let text = lines.join("\n");
    let wanted = [
        (1, "ready".to_owned(), false),
        (2, format!("{head}\n  {tail}"), true),
        (4, "started again".to_owned(), false),
        (5, format!("{envoy}\n{envoy_tail}"), true),
        (7, object.to_owned(), true),
        (11, head.to_owned(), false),
        (12, "no end of it".to_owned(), false),
        (13, format!("{time} P {head}\n{time} F  {tail}"), true),
        (15, format!("{head} {tail}"), true),
        (16, format!("{envoy}\n{envoy_tail}"), true),
    ];
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(folder.path().join("a.log"), text + "\n").expect("logs can be written");
    let run = |words: &[&str]| meshscope(folder.path(), &[&["logs", "-f", "a.log"], words].concat());
    let ran = run(&["-o", "ndjson", "--raw", "--other"]);
    let records: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            let raw = record["raw"].as_str().unwrap().to_owned();
            (record["line"].as_u64().unwrap(), raw, !record["format"].is_null())
        })
        .collect();
    assert_eq!(told, wanted);
    let report = run(&["-o", "json", "--other"]).json();
    let others: Vec<_> = report["otherLines"].as_array().unwrap().iter().map(|line| &line["line"]).collect();
    assert_eq!(others, [1, 4, 11, 12]);
    assert_eq!(report["lines"]["parsed"], 6);
    assert_eq!((&report["lines"]["other"], &report["lines"]["joined"]), (&json!(4), &json!(7)));
    let whole = run(&["-o", "json"]).json();
    for count in ["read", "parsed", "other", "joined"] {
        assert_eq!(whole["lines"][count], report["lines"][count], "{count}");
    }
}

/// Words that `grep --color=always` found are the words they were, in failed lines and in others.
#[test]
fn colours_inside_a_line_are_taken_off() {
    let coloured =
        |line: &str, word: &str| line.replacen(word, &format!("\x1b[01;31m\x1b[K{word}\x1b[m\x1b[K"), 1);
    let end = r#"- "-" 0 95 1 - "-" "curl/8.4.0" "d68aeaf3-6450-4cf9-b8bb-8034ca638af9" "web:80" "10.0.0.1:80" outbound|80||web.shop.svc.cluster.local 10.0.0.2:4000 10.9.0.1:80 10.0.0.2:5000 - default"#;
    let failed = format!(
        r#"[2026-11-22T09:09:56.776Z] "GET /a HTTP/1.1" 503 UC upstream_reset_before_response_started{{connection_termination}} {end}"#
    );
    let well = format!(r#"[2026-11-22T09:09:56.776Z] "GET /a HTTP/1.1" 200 - via_upstream {end}"#);
    let text = [
        coloured(&failed, "termination"),
        coloured(&failed, "outbound"),
        coloured(&well, "outbound"),
        well.clone(),
        failed.clone(),
    ];
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(folder.path().join("a.log"), text.join("\n") + "\n").expect("logs can be written");
    let report = meshscope(folder.path(), &["logs", "-f", "a.log", "-o", "json"]).json();
    let groups: Vec<_> = report["groups"].as_array().unwrap().iter().map(|group| &group["count"]).collect();
    assert_eq!(groups, [3, 2], "{report}");
}
