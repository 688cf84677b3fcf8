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
fn without_the_format_no_line_is_guessed() {
    let ran = run(LINES, "", &["logs", "-o", "json"]);
    assert_eq!(ran.code, 65, "{}", ran.err);
    let other = run(LINES, "", &["logs", "--log-format", "%PROTOCOL% %RESPONSE_CODE%", "-o", "json"]);
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
