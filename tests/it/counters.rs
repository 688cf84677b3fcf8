//! Counters of proxies as evidence, without one line of a log: the causes of recorded scenarios out of the counters of
//! both sides and of each alone, and what `check` and `why` make of them.
//!
//! `fixtures/counters` has some scenarios. All of them lie beside the project; where they are not there, that part says so
//! and is skipped.

#![allow(clippy::print_stdout, reason = "the table is for whoever asks for it with --nocapture")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use meshscope::answer::Read;
use meshscope::answer::joined::Joined;
use meshscope::bundle::{self, Request};
use meshscope::logs::PodName;
use meshscope::resolve::Options;
use serde_json::{Value, json};

use crate::causes::{Table, Wanted, labels, print, reached, verdict};
use crate::support::{Ran, fixture, meshscope, skipped};

/// The bench of the recordings as objects. Nothing in it explains a failure: the counters alone must.
fn bench() -> String {
    let pod = |name: &str, address: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\n\
             metadata: {{name: {name}, namespace: bookinfo, labels: {{app: {name}, security.istio.io/tlsMode: istio}}}}\n\
             spec: {{containers: [{{name: istio-proxy, args: [proxy, sidecar]}}]}}\n\
             status: {{phase: Running, podIP: {address}, conditions: [{{type: Ready, status: 'True'}}]}}\n"
        )
    };
    let service = |name: &str, ports: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: bookinfo}}\n\
             spec: {{selector: {{app: server}}, ports: [{ports}]}}\n"
        )
    };
    let web = "{name: http, port: 9080}, {name: grpc, port: 9090}";
    let tcp = "{name: tcp, port: 9000}";
    [
        pod("client", "127.0.0.11"),
        pod("server", "127.0.0.21"),
        service("productpage", web),
        service("redis", tcp),
    ]
    .concat()
}

/// What counters of two pods tell, most events first, as answers have causes.
fn causes(logs: &[(PathBuf, &str)]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let mesh = folder.path().join("mesh.yaml");
    std::fs::write(&mesh, bench()).unwrap();
    let pod = |name: &str| PodName { namespace: "bookinfo".into(), name: name.into() };
    let logs = logs.iter().map(|(path, name)| (path.clone(), pod(name))).collect();
    let read = bundle::read(&Request { paths: vec![bundle::Path::File(mesh)], logs }).unwrap();
    assert_eq!((read.logs.lines().read, read.counters.lines_other()), (0, 0));
    let read = Read::new(&read.snapshot, read.logs, &[], &Options::default()).with_counters(read.counters);
    let told = Joined::new(&read).counted;
    let told = told.iter().map(|cause| {
        json!({"cause": cause.label.word(), "confidence": cause.confidence.word(), "alternatives": cause.alternatives})
    });
    told.collect()
}

fn table(root: &Path, suffix: &str, labels: &BTreeMap<String, Wanted>) -> Table {
    let mut table = Table::new();
    for (name, wanted) in labels {
        let file = |side: &'static str| {
            let path = root.join(name).join(format!("{side}.{suffix}"));
            Some((path, side))
                .filter(|(path, _)| std::fs::read_to_string(path).is_ok_and(|text| !text.trim().is_empty()))
        };
        let (client, server) = (file("client"), file("server"));
        let both: Vec<_> = [&client, &server].into_iter().flatten().cloned().collect();
        for (what, files) in [
            ("both", both),
            ("client", client.into_iter().collect()),
            ("server", server.into_iter().collect()),
        ] {
            if files.is_empty() {
                continue;
            }
            let causes = causes(&files);
            // What is sure must be so, also where it is not the main cause. That caller tried https once.
            let sure = causes.iter().filter(|cause| cause["confidence"] != "possible");
            // Some answers of the application were errors, and both sides count them.
            let sound = wanted.iter().any(|one| one == "ok");
            let tried = name == "03-plaintext-to-strict-no-client-sidecar";
            for cause in sure.map(|cause| cause["cause"].as_str().unwrap()) {
                assert!(
                    wanted.iter().any(|one| one == cause)
                        || tried && cause == "no-client-cert"
                        || sound && cause == "app-error",
                    "{name}: {cause}"
                );
            }
            let said = causes.first().map_or("nothing".to_owned(), Value::to_string);
            let line = format!("{name}: {}; said {said}", wanted.join(" and "));
            table.entry((what, verdict(wanted, &causes))).or_default().push(line);
        }
    }
    table
}

#[test]
fn the_counters_of_some_scenarios_tell_their_cause() {
    let root = fixture("counters");
    let labels = labels(&std::fs::read_to_string(root.join("labels.json")).unwrap());
    let table = table(&root, "stats.txt", &labels);
    print(&table);
    reached(&table, [("both", 24, 9, 0), ("client", 8, 22, 2), ("server", 19, 8, 1)]);
}

#[test]
fn the_counters_of_every_recorded_scenario_tell_nothing_that_is_not_so() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/envoy");
    let Ok(text) = std::fs::read_to_string(root.join("scenarios.json")) else {
        return skipped("counters of the recorded scenarios", &root);
    };
    let known: Value = serde_json::from_str(&text).unwrap();
    let word = |scenario: &Value, key: &str| scenario[key].as_str().unwrap().to_owned();
    let scenarios = known["scenarios"].as_array().unwrap().iter();
    let labels: BTreeMap<_, _> = scenarios
        .map(|scenario| (word(scenario, "scenario"), vec![word(scenario, "cause")]))
        .filter(|(_, causes)| !causes.iter().any(|one| one.contains("mixed")))
        .collect();
    let plain = table(&root, "stats.txt", &labels);
    print(&plain);
    reached(&plain, [("both", 48, 18, 3), ("client", 15, 45, 7), ("server", 38, 15, 7)]);
    println!("Prometheus text, shortened to a few counters:");
    let prometheus = table(&root, "prometheus.txt", &labels);
    print(&prometheus);
    reached(&prometheus, [("both", 5, 8, 0), ("client", 4, 4, 5), ("server", 4, 6, 0)]);
}

/// A client in `web` and a server in `shop`, the service between them, a rule and a policy.
fn mesh(rule: &str, policy: &str) -> String {
    let pod = |namespace: &str, name: &str, address: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\n\
             metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}, security.istio.io/tlsMode: istio}}}}\n\
             spec: {{containers: [{{name: istio-proxy, args: [proxy, sidecar]}}]}}\n\
             status: {{phase: Running, podIP: {address}, conditions: [{{type: Ready, status: 'True'}}]}}\n"
        )
    };
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: cart, namespace: shop}\n\
                   spec: {selector: {app: cart-0}, ports: [{name: http, port: 80, targetPort: 9080}]}\n";
    let rule = format!(
        "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: r, namespace: shop}}\n\
         spec: {{host: cart, trafficPolicy: {{tls: {{mode: {rule}}}}}}}\n"
    );
    let policy = format!(
        "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
         metadata: {{name: default, namespace: shop}}\nspec: {{mtls: {{mode: {policy}}}}}\n"
    );
    [pod("web", "client", "10.8.1.8"), pod("shop", "cart-0", "10.8.2.0"), service.to_owned(), rule, policy]
        .concat()
}

const HOST: &str = "cart.shop.svc.cluster.local";

/// Counters of the client's cluster.
fn client(counters: &[(&str, u64)]) -> String {
    let line = |(name, count): &(&str, u64)| format!("cluster.outbound|80||{HOST};.{name}: {count}\n");
    counters.iter().map(line).collect()
}

const CLOSED: [(&str, u64); 4] = [
    ("upstream_cx_destroy_remote_with_active_rq", 50),
    ("upstream_cx_total", 50),
    ("upstream_rq_503", 50),
    ("upstream_rq_total", 50),
];
const REFUSED: &str = "listener.0.0.0.0_15006.no_filter_chain_match: 50\ntls_inspector.tls_not_found: 50\n";

/// Runs a command on a mesh and some files.
fn ran(mesh: &str, files: &[(&str, &str)], command: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files.iter().chain([&("mesh.yaml", mesh)]) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    meshscope(folder.path(), &[command, &["-f", "."]].concat())
}

/// Code, confidence, and the counters of each finding as `count text file:line`.
fn findings(mesh: &str, files: &[(&str, &str)]) -> Vec<String> {
    let report = ran(mesh, files, &["check", "-o", "json"]).json();
    let told = report["findings"].as_array().unwrap().iter().map(|finding| {
        let word = |key: &str| finding[key].as_str().unwrap().to_owned();
        let evidence = finding["evidence"].as_array().unwrap().iter().filter(|one| one["kind"] == "counter");
        let evidence = evidence.map(|one| {
            let sample = &one["samples"][0];
            let file = sample["file"].as_str().unwrap().to_owned();
            format!(" | {} {} {file}:{}", one["count"], one["text"].as_str().unwrap(), sample["line"])
        });
        format!("{} {}{}", word("code"), word("confidence"), evidence.collect::<String>())
    });
    told.collect()
}

#[test]
fn counters_are_evidence_of_the_finding_that_explains_them() {
    let strict = mesh("DISABLE", "STRICT");
    assert_eq!(findings(&strict, &[]), ["MS0101 certain"]);
    let closed = client(&CLOSED);
    let both = [("web/client.txt", &*closed), ("shop/cart-0.txt", REFUSED)];
    let by_client = "50 upstream_cx_destroy_remote_with_active_rq at the client, since the proxy started: the server \
                     closed connections with requests on them web/client.txt:1";
    let by_server = "50 no_filter_chain_match at the server, since the proxy started: connections without TLS, of which \
                     the port takes none shop/cart-0.txt:1";
    assert_eq!(findings(&strict, &both[..1]), [format!("MS0101 certain | {by_client}")]);
    assert_eq!(findings(&strict, &both), [format!("MS0101 certain | {by_client} | {by_server}")]);
    // Against a sound configuration neither side's counters prove anything of a pair, and both make it likely.
    let sound = mesh("ISTIO_MUTUAL", "STRICT");
    assert_eq!(findings(&sound, &both[..1]), [format!("MS0903 possible | {by_client}")]);
    assert_eq!(findings(&sound, &both[1..]), [format!("MS0903 likely | {by_server}")]);
    let why = ran(&sound, &both[1..], &["why", "cart.shop", "--client", "web/client", "-o", "json"]).json();
    assert_eq!(why["pairs"][0]["cause"], Value::Null, "whose they were, the server does not say");
    assert!(why["pairs"][0]["next"][1].as_str().unwrap().contains("50 × no_filter_chain_match"), "{why}");
    let said = findings(&sound, &both);
    assert_eq!(said, [format!("MS0301 likely | {by_client} | {by_server}")]);
    let why = ran(&sound, &both, &["why", "cart.shop", "-o", "json"]).json();
    let cause = &why["pairs"][0]["cause"];
    assert_eq!((&cause["cause"], &cause["confidence"]), (&"plaintext-to-strict".into(), &"likely".into()));
    assert_eq!(cause["evidence"].as_array().unwrap().len(), 2, "{cause}");
    assert_eq!(cause["evidence"][0]["kind"], "counter");
}

#[test]
fn what_did_not_grow_and_what_went_well_is_silent() {
    let sound = mesh("ISTIO_MUTUAL", "STRICT");
    let well = client(&[
        ("ssl.handshake", 3),
        ("ssl.connection_error", 0),
        ("upstream_cx_total", 3),
        ("upstream_cx_destroy_remote_with_active_rq", 0),
        ("upstream_rq_total", 500),
        ("upstream_rq_200", 490),
        ("upstream_rq_503", 10),
        ("upstream_cx_connect_fail", 0),
    ]);
    assert!(findings(&sound, &[("web/client.txt", &well)]).is_empty());
    // A connection now and then that is not made, since the proxy started, is what rollouts leave.
    let rare = client(&[("upstream_cx_total", 1000), ("upstream_cx_connect_fail", 3)]);
    assert!(findings(&sound, &[("web/client.txt", &rare)]).is_empty());
    let closed = client(&CLOSED);
    let twice = [("web/client/1.txt", &*closed), ("web/client/2.txt", &*closed)];
    assert!(findings(&sound, &twice).is_empty(), "nothing grew between the readings");
    let more = closed.replace(": 50", ": 57");
    let said = findings(&sound, &[twice[0], ("web/client/2.txt", &more)]);
    assert!(said[0].starts_with("MS0903 possible | 7 upstream_cx_destroy"), "{said:?}");
    assert!(said[0].contains("more between 2 readings (by the numbers in their files' names): "), "{said:?}");
    let fallen = closed.replace(": 50", ": 9");
    let said = findings(&sound, &[twice[0], ("web/client/2.txt", &fallen)]);
    assert!(said[0].contains("| 9 upstream") && said[0].contains("since the proxy restarted"), "{said:?}");
}

#[test]
fn each_kind_of_trouble_at_the_server_has_its_finding() {
    let sound = mesh("ISTIO_MUTUAL", "STRICT");
    let of = |text: &str| {
        let said = findings(&sound, &[("shop/cart-0.txt", text)]);
        said.iter().map(|line| line.split(" | ").next().unwrap().to_owned()).collect::<Vec<_>>().join("; ")
    };
    let inbound = |counters: &[(&str, u64)]| {
        let line = |(name, count): &(&str, u64)| format!("cluster.inbound|9080||;.{name}: {count}\n");
        counters.iter().map(line).collect::<String>()
    };
    let closed =
        [("upstream_cx_destroy_remote_with_active_rq", 4), ("upstream_rq_503", 4), ("upstream_rq_total", 40)];
    assert_eq!(of(&inbound(&closed)), "MS0303 certain");
    assert_eq!(of(&inbound(&[("upstream_cx_connect_fail", 4), ("upstream_cx_total", 4)])), "MS0304 likely");
    assert_eq!(of(&inbound(&[("upstream_rq_pending_overflow", 4)])), "MS0305 certain");
    assert_eq!(of("http.inbound_0.0.0.0_9080;.rbac.denied: 4\n"), "MS0306 certain");
    assert_eq!(of("listener.0.0.0.0_15006.ssl.fail_verify_no_cert: 4\n"), "MS0903 likely");
    assert_eq!(of("listener.0.0.0.0_15006.ssl.fail_verify_error: 4\n"), "MS0903 possible");
    assert_eq!(
        of("http.inbound_0.0.0.0_9080;.rbac.istio_dry_run_deny_.shadow_denied: 4\nserver.uptime.x: 5\n"),
        ""
    );
    // An outbound listener is no server's, and what a gateway refuses comes from outside.
    assert_eq!(of("listener.0.0.0.0_9080.no_filter_chain_match: 4\n"), "");
    let denied = "http.inbound_0.0.0.0_9080;.rbac.policy.ns[shop]-policy[deny-admin]-rule[1].denied: 16\n\
                  http.inbound_0.0.0.0_9080;.rbac.denied: 18\n";
    let report = ran(&sound, &[("shop/cart-0.txt", denied)], &["check", "-o", "json"]).json();
    let message = report["findings"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("Service shop/cart: 18 requests were denied"), "each once: {message}");
    let objects = report["findings"][0]["objects"].as_array().unwrap();
    assert!(
        objects.iter().any(|object| object["name"] == "deny-admin" && object["role"] == "cause"),
        "{objects:?}"
    );
}

#[test]
fn the_labels_of_istios_counters_name_the_pair() {
    let simple = mesh("DISABLE", "STRICT");
    let line = |reporter: &str, flags: &str, count: u64| {
        format!(
            "istio_requests_total{{reporter=\"{reporter}\",source_workload=\"client\",source_workload_namespace=\"web\",\
             destination_workload=\"cart-0\",destination_workload_namespace=\"shop\",destination_service=\"{HOST}\",\
             response_code=\"503\",response_flags=\"{flags}\",connection_security_policy=\"unknown\"}} {count}\n"
        )
    };
    let head = "# HELP istio_requests_total requests.\n# TYPE istio_requests_total counter\n";
    let of = |mesh: &str, text: &str| {
        let text = format!("{head}{text}# EOF\n");
        let said = findings(mesh, &[("scraped.txt", &text)]);
        said.iter()
            .map(|line| line.split(" at the ").next().unwrap().to_owned())
            .collect::<Vec<_>>()
            .join("; ")
    };
    let of_flags = |flags: &str| format!("istio_requests_total with flags {flags}");
    assert_eq!(of(&simple, &line("source", "UC", 5)), format!("MS0101 certain | 5 {}", of_flags("UC")));
    // A workload without proxy takes plaintext, whatever the one beside it demands.
    let bare = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: cart-1, namespace: shop, labels: {app: cart-0}}\n\
                spec: {containers: [{name: app}]}\n\
                status: {phase: Running, podIP: 10.8.2.1, conditions: [{type: Ready, status: 'True'}]}\n";
    let mixed = simple + bare;
    assert!(of(&mixed, &line("source", "UC", 5)).contains(&format!("MS0101 certain | 5 {}", of_flags("UC"))));
    let to_bare = of(&mixed, &line("source", "UC", 5).replace("cart-0", "cart-1"));
    assert!(to_bare.contains(&format!("MS0903 possible | 5 {}", of_flags("UC"))), "{to_bare}");
    assert!(!to_bare.contains("MS0101 certain | 5"), "{to_bare}");
    let sound = mesh("ISTIO_MUTUAL", "STRICT");
    assert_eq!(of(&sound, &line("source", "UC", 5)), format!("MS0903 possible | 5 {}", of_flags("UC")));
    assert_eq!(of(&sound, &line("destination", "UC", 5)), format!("MS0303 certain | 5 {}", of_flags("UC")));
    assert_eq!(of(&sound, &line("source", "UO", 5)), format!("MS0305 certain | 5 {}", of_flags("UO")));
    assert_eq!(of(&sound, &(line("source", "-", 5) + &line("source", "UO", 0))), "");
}

#[test]
fn counters_say_what_lines_leave_open() {
    let sound = mesh("ISTIO_MUTUAL", "STRICT");
    let line = format!(
        "[2026-03-02T09:00:01.000Z] \"GET / HTTP/1.1\" 503 UC \
         upstream_reset_before_response_started{{connection_termination}} - \"-\" 0 95 3 - \"-\" \"curl\" \"id-1\" \"cart\" \
         \"10.8.2.0:9080\" outbound|80||{HOST} 10.8.1.8:40001 10.9.0.1:80 10.8.1.8:5000 - default\n"
    );
    let log = ("web/client.log", &*line);
    let code = |said: &[String]| {
        said.iter().map(|one| one.split(" | ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(code(&findings(&sound, &[log])), ["MS0903 possible"]);
    let closed = client(&CLOSED) + &format!("cluster.outbound|80||{HOST};.ssl.fail_verify_san: 0\n");
    let refused = ("shop/cart-0.txt", REFUSED);
    let said = findings(&sound, &[log, ("web/client.txt", &closed), refused]);
    assert_eq!(code(&said), ["MS0301 likely"], "{said:?}");
    assert_eq!(said[0].matches(" | ").count(), 2, "the line's finding has both counters: {said:?}");
}

#[test]
fn counters_are_told_from_logs_and_objects_by_what_is_in_them() {
    let sound = mesh("ISTIO_MUTUAL", "STRICT");
    let values = "replicas: 3\nserver.port: 8080\n";
    let odd = format!("{}tls_inspector.tls_found: 4\nwhat is this\n", client(&CLOSED));
    let odd = format!(
        "{}{odd}",
        "cluster_manager.cds.update_success: 1\n".to_owned() + &"server.a.b: 1\n".repeat(20)
    );
    let ran = ran(&sound, &[("web/client.txt", &odd), ("values.yaml", values)], &["check", "-o", "json"]);
    let report = ran.json();
    assert_eq!(report["scanned"]["counters"], 26, "{}", report["scanned"]);
    assert_eq!(report["scanned"]["logLines"], 0);
    assert!(ran.err.contains("web/client.txt:27: 1 line is neither a counter nor a comment"), "{}", ran.err);
    assert!(ran.err.contains("values.yaml"), "{}", ran.err);
    // What is cut off is said, and no number that may have lost digits counts.
    let cut = format!("{}cluster.outbound|80||{HOST};.ssl.fail_verify_san: 1", client(&CLOSED[1..]));
    let said = findings(&sound, &[("web/client.txt", &cut)]);
    assert_eq!(said, ["MS0903 certain"]);
}

#[test]
fn the_counters_of_ztunnel_tell_nothing_that_is_not_so() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/ztunnel");
    let Ok(text) = std::fs::read_to_string(root.join("scenarios.json")) else {
        return skipped("counters of ztunnel's scenarios", &root);
    };
    let known: Value = serde_json::from_str(&text).unwrap();
    let mut table = Table::new();
    for scenario in known["scenarios"].as_array().unwrap() {
        let (name, wanted) = (scenario["scenario"].as_str().unwrap(), scenario["cause"].as_str().unwrap());
        let files =
            ["node1", "node2"].map(|node| (root.join(name).join(format!("{node}.metrics.txt")), node));
        let files: Vec<_> =
            files.into_iter().filter(|(path, _)| path.metadata().is_ok_and(|data| data.len() > 1)).collect();
        if files.is_empty() {
            continue;
        }
        // Their label is about a connection that was open before; a later one was refused, and that was counted.
        if name.starts_with("12-not-cut-") {
            continue;
        }
        let causes = causes(&files);
        let said = causes.first().map_or("nothing".to_owned(), Value::to_string);
        table
            .entry(("both", verdict(&[wanted.to_owned()], &causes)))
            .or_default()
            .push(format!("{name}: {wanted}; said {said}"));
    }
    print(&table);
    reached(&table, [("both", 27, 27, 8), ("client", 0, 0, 0), ("server", 0, 0, 0)]);
}

/// A caller decides what host it calls, and a file may hold anything.
#[test]
fn what_counters_name_never_reaches_the_terminal_as_it_stands() {
    let row = |host: &str| {
        format!(
            "istio_requests_total{{reporter=\"source\",destination_service=\"{host}\",response_flags=\"UO\\u001b[31m,UO\"}} 5\n"
        )
    };
    let text = row("a.\u{1b}[31mred.b") + &row("c.\\n\u{202e}.d");
    let policy =
        "http.inbound_0.0.0.0_9080;.rbac.policy.ns[a\u{1b}[2J]-policy[b]-rule[0].denied: 3\n".repeat(30);
    for format in ["table", "markdown", "junit", "sarif", "json"] {
        for text in [&text, &(policy.clone() + "tls_inspector.tls_found: 3\n")] {
            let ran = ran(&mesh("DISABLE", "STRICT"), &[("web/client.txt", text)], &["check", "-o", format]);
            let raw = |text: &str| text.contains('\u{1b}') || text.contains('\u{202e}');
            assert!(!raw(&ran.out) && !raw(&ran.err), "{format}: {}", ran.out);
            assert!(format == "json" || ran.out.contains("MS0101"), "{format}");
        }
    }
}

#[test]
fn statistics_as_json_are_told_from_objects_and_logs() {
    let line = |(name, count): &(&str, u64)| {
        format!("{{\"name\":\"cluster.outbound|80||{HOST};.{name}\",\"value\":{count}}}")
    };
    let stats: Vec<_> = CLOSED.iter().map(line).collect();
    let json = format!("{{\"stats\":[{}]}}", stats.join(","));
    let plain = findings(&mesh("DISABLE", "STRICT"), &[("web/client.txt", &client(&CLOSED))]);
    let as_json = findings(&mesh("DISABLE", "STRICT"), &[("web/client.json", &json)]);
    let head = |said: &[String]| said[0].split(" web/").next().unwrap().to_owned();
    assert_eq!(head(&as_json), head(&plain));
    assert!(as_json[0].starts_with("MS0101 certain | 50 upstream_cx_destroy"), "{as_json:?}");
}
