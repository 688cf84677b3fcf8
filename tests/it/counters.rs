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

use crate::causes::{Table, labels, print, reached, verdict};
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
    [pod("client", "127.0.0.11"), pod("server", "127.0.0.21"), service("productpage", web), service("redis", tcp)].concat()
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

fn table(root: &Path, suffix: &str, labels: &BTreeMap<String, String>) -> Table {
    let mut table = Table::new();
    for (name, wanted) in labels {
        let file = |side: &'static str| {
            let path = root.join(name).join(format!("{side}.{suffix}"));
            Some((path, side)).filter(|(path, _)| path.metadata().is_ok_and(|data| data.len() > 0))
        };
        let (client, server) = (file("client"), file("server"));
        let both: Vec<_> = [&client, &server].into_iter().flatten().cloned().collect();
        for (what, files) in [("both", both), ("client", client.into_iter().collect()), ("server", server.into_iter().collect())] {
            if files.is_empty() {
                continue;
            }
            let causes = causes(&files);
            let said = causes.first().map_or("nothing".to_owned(), Value::to_string);
            let line = format!("{name}: {wanted}; said {said}");
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
    reached(&table, [("both", 0, 0, 99), ("client", 0, 0, 99), ("server", 0, 0, 99)]);
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
        .map(|scenario| (word(scenario, "scenario"), word(scenario, "cause")))
        .filter(|(_, cause)| !cause.contains("mixed"))
        .collect();
    let plain = table(&root, "stats.txt", &labels);
    print(&plain);
    reached(&plain, [("both", 0, 0, 99), ("client", 0, 0, 99), ("server", 0, 0, 99)]);
    println!("Prometheus text, shortened to a few counters:");
    let prometheus = table(&root, "prometheus.txt", &labels);
    print(&prometheus);
    reached(&prometheus, [("both", 0, 0, 99), ("client", 0, 0, 99), ("server", 0, 0, 99)]);
}
