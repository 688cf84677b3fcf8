//! Access logs in formats of one's own: of the mesh configuration, or named with `--log-format`.

use serde_json::json;

use crate::support::meshes::mesh_config;
use crate::support::{Ran, meshscope};

const FORMAT: &str = r#"%START_TIME(%s.%3f)% code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% why=%RESPONSE_CODE_DETAILS% ms=%DURATION% to=%UPSTREAM_CLUSTER% via=%UPSTREAM_HOST% own=%UPSTREAM_LOCAL_ADDRESS% agent="%REQ(USER-AGENT)%" id=%REQ(X-REQUEST-ID)%"#;
const LINES: &str = "\
1764579600.125 code=503 flags=UC why=upstream_reset_before_response_started{connection_termination} ms=2 to=outbound|80||db.shop.svc.cluster.local via=10.0.0.2:80 own=10.0.0.1:4000 agent=\"curl\" id=a-1
1764579601.125 code=200 flags=- why=via_upstream ms=3 to=outbound|80||web.shop.svc.cluster.local via=10.0.0.3:80 own=10.0.0.1:4001 agent=\"a code=503 flags=UC\" id=a-2
ready to serve
";

fn run(lines: &str, mesh: &str, words: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mesh.yaml"), mesh).unwrap();
    std::fs::write(folder.path().join("proxy.log"), lines).unwrap();
    let files: &[&str] =
        if mesh.is_empty() { &["-f", "proxy.log"] } else { &["-f", "mesh.yaml", "-f", "proxy.log"] };
    meshscope(folder.path(), &[words, files].concat())
}

fn check(report: &serde_json::Value) {
    assert_eq!(report["lines"], json!({"read": 3, "parsed": 2, "other": 1, "joined": 0}));
    assert_eq!(report["formats"], json!({"custom": 2}));
    let group =
        report["groups"].as_array().unwrap().iter().find(|group| group["responseCode"] == 503).unwrap();
    assert_eq!(group["count"], 1);
    assert_eq!(group["responseFlags"], json!(["UC"]));
    assert_eq!(group["upstreamCluster"], "outbound|80||db.shop.svc.cluster.local");
    assert_eq!(group["details"], "upstream_reset_before_response_started{connection_termination}");
    assert_eq!(group["first"], "2025-12-01T09:00:00.125Z");
}

#[test]
fn lines_of_a_format_that_is_named_are_read() {
    check(&run(LINES, "", &["logs", "--log-format", FORMAT, "-o", "json"]).json());
    check(&run(LINES, "", &["logs", "--log-format", &format!("{FORMAT}\\n"), "-o", "json"]).json());
}

#[test]
fn lines_of_the_format_of_the_mesh_configuration_are_read() {
    let mesh = mesh_config("istio", &json!({"accessLogFormat": format!("{FORMAT}\n")}).to_string());
    check(&run(LINES, &mesh, &["logs", "-o", "json"]).json());
    let provider =
        json!({"extensionProviders": [{"name": "a", "envoyFileAccessLog": {"logFormat": {"text": FORMAT}}}]});
    check(&run(LINES, &mesh_config("istio", &provider.to_string()), &["logs", "-o", "json"]).json());
}

#[test]
fn without_the_format_only_what_can_mean_one_thing_is_told() {
    // In the second line a caller has written what looks like code and flags; in the first nothing tells that `ms` is
    // none of a caller's words, which could go on.
    let report = run(LINES, "", &["logs", "-o", "json"]).json();
    assert_eq!(report["lines"], json!({"read": 3, "parsed": 1, "other": 2, "joined": 0, "ambiguous": 1}));
    let codes: Vec<_> =
        report["groups"].as_array().unwrap().iter().map(|group| &group["responseCode"]).collect();
    assert_eq!(codes, [503]);
    // Numbers and addresses under names of one's own are anything.
    let ran = run(LINES, "", &["logs", "-o", "ndjson"]);
    let record: serde_json::Value = serde_json::from_str(ran.out.lines().next().unwrap()).unwrap();
    assert_eq!(
        record["response_code_details"],
        "upstream_reset_before_response_started{connection_termination}"
    );
    for key in ["duration", "upstream_host", "upstream_local_address", "request_id", "start_time"] {
        assert!(record.get(key).is_none(), "{key}: {record}");
    }
    let unnamed = LINES.replace("code=", "c=").replace("flags=", "f=");
    let ran = run(&unnamed, "", &["logs", "-o", "json"]);
    assert_eq!(ran.code, 65, "{}", ran.err);
    let other = run(&unnamed, "", &["logs", "--log-format", "%PROTOCOL% %RESPONSE_CODE%", "-o", "json"]);
    assert_eq!(other.code, 65, "{}", other.err);
}

#[test]
fn a_default_layout_is_read_as_such_beside_a_format_that_is_named() {
    let line = r#"[2026-11-22T09:09:56.776Z] "GET /a HTTP/2" 200 - 3 5 1 - "-" "-" "-" "h" "10.0.0.1:80""#;
    let ran =
        run(&format!("{line}\n"), "", &["logs", "--log-format", "[%START_TIME%] %REQ(A)%", "-o", "json"]);
    assert_eq!(ran.json()["formats"], json!({"envoy-default": 1}));
}

#[test]
fn a_mistake_in_the_format_is_named_with_its_place() {
    for (format, text) in [
        (
            "code=%RESPONSE_COD%",
            "--log-format: there is no operator RESPONSE_COD, at character 6 (`%RESPONSE_COD%`)",
        ),
        ("%PROTOCOL% %REQ%", "REQ needs an argument, as in %REQ(…)%, at character 12"),
        ("100% %PROTOCOL%", "at character 4"),
        ("%REQ(A)%", "any text fits it"),
    ] {
        let ran = run(LINES, "", &["logs", "--log-format", format]);
        assert_eq!(ran.code, 64, "{format}: {}", ran.err);
        assert!(ran.err.contains(text), "{}", ran.err);
    }
}

/// Lines of a format object, bare and as tools wrap them.
const OBJECT: &str = r#"{"ts":"%START_TIME%","status":"%RESPONSE_CODE%","why":"%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%","to":{"cluster":"%UPSTREAM_CLUSTER%"},"agent":"%REQ(USER-AGENT)%"}"#;
const OBJECT_LINES: [&str; 3] = [
    r#"{"ts":"2025-12-01T09:00:00.125Z","status":503,"why":"UH no_healthy_upstream","to":{"cluster":"outbound|80||db.shop.svc.cluster.local"},"agent":"a \"b\""}"#,
    r#"2025-12-01T09:00:01.125Z stdout F {"ts":"2025-12-01T09:00:01.125Z","status":200,"why":"- via_upstream","to":{"cluster":"outbound|80||web.shop.svc.cluster.local"},"agent":null}"#,
    r#"{"ts":"now","status":503,"why":"of another program","to":{"cluster":"x"},"agent":null}"#,
];

fn check_objects(report: &serde_json::Value) {
    assert_eq!(report["lines"], json!({"read": 3, "parsed": 2, "other": 1, "joined": 0}));
    assert_eq!(report["formats"], json!({"custom": 2}));
    let group =
        report["groups"].as_array().unwrap().iter().find(|group| group["responseCode"] == 503).unwrap();
    assert_eq!(group["responseFlags"], json!(["UH"]));
    assert_eq!(group["details"], "no_healthy_upstream");
    assert_eq!(group["upstreamCluster"], "outbound|80||db.shop.svc.cluster.local");
    assert_eq!(group["first"], "2025-12-01T09:00:00.125Z");
}

#[test]
fn lines_of_a_format_object_are_read_by_its_keys() {
    let lines = OBJECT_LINES.join("\n");
    let logs = ["logs", "-o", "json"];
    check_objects(&run(&lines, "", &["logs", "--log-format", OBJECT, "-o", "json"]).json());
    let mesh = json!({"accessLogEncoding": "JSON", "accessLogFormat": OBJECT});
    check_objects(&run(&lines, &mesh_config("istio", &mesh.to_string()), &logs).json());
    let labels: serde_json::Value = serde_json::from_str(OBJECT).unwrap();
    let provider = json!({"extensionProviders": [{"name": "a", "envoyFileAccessLog": {"logFormat": {"labels": labels}}}]});
    check_objects(&run(&lines, &mesh_config("istio", &provider.to_string()), &logs).json());
    assert_eq!(run(&lines, "", &logs).code, 65, "nothing tells the keys");
}

fn envoy_filter(log: &serde_json::Value) -> String {
    let manager = json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": {
        "access_log": [{"name": "envoy.access_loggers.file", "typed_config": log}]}});
    json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
        "metadata": {"name": "log", "namespace": "shop"},
        "spec": {"configPatches": [{"applyTo": "NETWORK_FILTER",
            "patch": {"operation": "MERGE", "value": manager}}]}})
    .to_string()
}

#[test]
fn lines_of_the_formats_of_envoy_filters_are_read() {
    let text = json!({"log_format": {"text_format_source": {"inline_string": format!("{FORMAT}\n")}}});
    check(&run(LINES, &envoy_filter(&text), &["logs", "-o", "json"]).json());
    check(&run(LINES, &envoy_filter(&json!({"format": FORMAT})), &["logs", "-o", "json"]).json());
    let object: serde_json::Value = serde_json::from_str(OBJECT).unwrap();
    let lines = OBJECT_LINES.join("\n");
    let of_object = envoy_filter(&json!({"log_format": {"json_format": object}}));
    check_objects(&run(&lines, &of_object, &["logs", "-o", "json"]).json());
}

#[test]
fn of_two_formats_the_one_that_telemetry_chooses_reads_the_line() {
    let provider = |name: &str, format: &str| json!({"name": name, "envoyFileAccessLog": {"logFormat": {"text": format}}});
    let mesh = json!({"extensionProviders": [
        provider("in", "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %DURATION%"),
        provider("out", "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_SENT% %DURATION%"),
    ]});
    let mesh = mesh_config("istio", &mesh.to_string());
    let telemetry = |name: &str| {
        let spec = json!({"accessLogging": [{"providers": [{"name": name}]}]});
        json!({"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry",
            "metadata": {"name": "log", "namespace": "istio-system"}, "spec": spec})
    };
    let sent = |objects: &str| {
        let ran = run("503 UC 7 3\n", objects, &["logs", "-o", "ndjson"]);
        let record =
            ran.out.lines().next().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        record.map(|record| (record["bytes_received"].clone(), record["bytes_sent"].clone()))
    };
    assert_eq!(sent(&mesh), None, "either may have written it");
    let chosen = format!("{mesh}\n---\n{}\n", telemetry("out"));
    assert_eq!(sent(&chosen), Some((json!(null), json!(7))));
    let chosen = format!("{mesh}\n---\n{}\n", telemetry("in"));
    assert_eq!(sent(&chosen), Some((json!(7), json!(null))));
}

#[test]
fn values_that_are_left_out_are_none() {
    let log = json!({"log_format": {"omit_empty_values": true, "text_format_source": {"inline_string":
        "[%START_TIME%] code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% to=%UPSTREAM_CLUSTER% ms=%DURATION%"}}});
    let lines = "[2025-12-01T09:00:00.125Z] code=200 flags= to= ms=3\n[2025-12-01T09:00:00.125Z] code=503 flags=NC to= ms=\n";
    let report = run(lines, &envoy_filter(&log), &["logs", "-o", "json"]).json();
    assert_eq!(report["formats"], json!({"custom": 2}));
    let flags: Vec<_> =
        report["groups"].as_array().unwrap().iter().map(|group| &group["responseFlags"]).collect();
    assert!(flags.contains(&&json!([])) && flags.contains(&&json!(["NC"])), "{report}");
}

#[test]
fn lines_of_a_format_are_read_behind_prefixes_too() {
    let prefixes = [
        "[pod/web-1/istio-proxy] ",
        "web-1 istio-proxy ",
        "2025-12-01T09:00:02.125Z stderr F ",
        "envoy-1  | ",
        "2025-12-01T09:00:02.125Z ",
    ];
    let line = LINES.lines().next().unwrap();
    let lines: Vec<String> = prefixes.iter().map(|prefix| format!("{prefix}{line}")).collect();
    let lines = lines.join("\n");
    let mesh = mesh_config("istio", &json!({"accessLogFormat": FORMAT}).to_string());
    for ran in [
        run(&lines, &mesh, &["logs", "-o", "json"]),
        run(&lines, "", &["logs", "--log-format", FORMAT, "-o", "json"]),
    ] {
        assert_eq!(ran.json()["formats"], json!({"custom": prefixes.len()}));
    }
}

#[test]
fn what_a_line_tells_by_itself_is_told_without_its_format() {
    let lines = [
        r#"[2025-12-01T09:00:00.125Z] "GET /a HTTP/1.1" 503 UH no_healthy_upstream 0 19 1 - x outbound|80||db.shop.svc.cluster.local"#,
        r#"web-1 istio-proxy [2025-12-01T09:00:01.125Z] "GET /b HTTP/1.1" 200 - via_upstream 0 19 1 - x inbound|80||"#,
        r#"10.0.0.1 - - [01/Dec/2025:09:00:00 +0000] "GET /a HTTP/1.1" 304 - "-" "curl/8""#,
    ];
    let lines = lines.join("\n");
    let report = run(&lines, "", &["logs", "-o", "json"]).json();
    assert_eq!(report["lines"], json!({"read": 3, "parsed": 2, "other": 1, "joined": 0}));
    assert_eq!(report["formats"], json!({"custom": 2}));
    let record = run(&lines, "", &["logs", "--where", "code = 503", "-o", "ndjson"]);
    let record: serde_json::Value = serde_json::from_str(record.out.lines().next().unwrap()).unwrap();
    assert_eq!(record["response_code_details"], "no_healthy_upstream");
    assert_eq!(record["upstream_cluster"], "outbound|80||db.shop.svc.cluster.local");
    assert_eq!((&record["bytes_sent"], &record["duration"]), (&json!(null), &json!(null)));
    // Where the configuration has two formats that fit and differ, nothing else is told either.
    let head = r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%""#;
    let mesh = json!({"extensionProviders": [
        {"name": "a", "envoyFileAccessLog": {"logFormat": {"text": format!("{head} %RESPONSE_CODE% %RESPONSE_FLAGS% %REQ(A)%")}}},
        {"name": "b", "envoyFileAccessLog": {"logFormat": {"text": format!("{head} %RESPONSE_CODE% %REQ(A)% %PROTOCOL%")}}},
    ]});
    let line = r#"[2025-12-01T09:00:00.125Z] "GET /a HTTP/1.1" 503 UH no_healthy_upstream x HTTP/1.1"#;
    let ran = run(line, &mesh_config("istio", &mesh.to_string()), &["logs", "-o", "json"]);
    assert_eq!(ran.json()["lines"]["parsed"], 0, "{}", ran.out);
}

/// A time in front of a line, or a word and a bar, is what tools put there, unless the format begins so.
#[test]
fn a_format_may_begin_as_a_prefix_does() {
    let folder = tempfile::tempdir().unwrap();
    for (format, line) in [
        (
            "%START_TIME% %REQ(:METHOD)% %RESPONSE_CODE% %RESPONSE_FLAGS%",
            "2026-11-22T09:09:56.750Z GET 503 UC",
        ),
        ("%REQ(:METHOD)% | %RESPONSE_CODE% | %RESPONSE_FLAGS%", "GET | 503 | UC"),
    ] {
        std::fs::write(folder.path().join("own.log"), format!("{line}\n").repeat(3)).unwrap();
        let report =
            meshscope(folder.path(), &["logs", "-f", "own.log", "--log-format", format, "-o", "json"]).json();
        assert_eq!(
            (&report["lines"]["parsed"], &report["groups"][0]["responseCode"]),
            (&3.into(), &503.into())
        );
    }
}

/// The time of a format of one's own is known, whatever it looks like.
#[test]
fn lines_are_selected_by_times_of_any_form() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "x [1795338596.750] 200 -\nx [1795338600.000] 200 -\n";
    std::fs::write(folder.path().join("own.log"), lines).unwrap();
    let format = "x [%START_TIME(%s.%3f)%] %RESPONSE_CODE% %RESPONSE_FLAGS%";
    let selected = |more: &[&str]| {
        let arguments = [&["logs", "-f", "own.log", "--log-format", format, "-o", "json"], more].concat();
        meshscope(folder.path(), &arguments).json()["lines"]["selected"].clone()
    };
    assert_eq!(selected(&["--since", "2026-11-22T09:09:58Z"]), 1);
    assert_eq!(selected(&["--where", "start_time<2026-11-22T09:09:58Z"]), 1);
    assert_eq!(selected(&["--since", "2026-11-22T00:00:00Z"]), 2);
}
