//! What a real istiod answered, field by field: the rows of `fixtures/answer-key`, and all meshes of the key where it
//! lies beside the project.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use meshscope::answer::resolve::{self, Resolution};
use meshscope::answer::tls_check::Row;
use meshscope::resolve::{Mesh, Options};
use serde_json::{Value, json};

use crate::support::fixture;
use crate::support::meshes::{key_files, key_of, keys_beside, mesh_of, rows};

#[test]
fn the_rows_of_the_rules_are_answered_as_istiod_does() {
    let disagreements = disagreements(&fixture("answer-key"), 60);
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}

#[test]
fn all_meshes_of_the_key_are_answered_as_istiod_does() {
    if let Some(beside) = keys_beside() {
        let disagreements = disagreements(&beside, 600);
        assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
    }
}

fn disagreements(folder: &Path, at_least: usize) -> Vec<String> {
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for file in key_files(folder) {
        compared += 1;
        compare(&key_of(&file), &mut wrong);
        if wrong.len() > 20 {
            break;
        }
    }
    assert!(compared >= at_least, "only {compared} meshes in {}", folder.display());
    wrong
}

fn compare(key: &Value, wrong: &mut Vec<String>) {
    let name = key["name"].as_str().unwrap();
    let mesh = mesh_of(key["objects"].as_array().unwrap(), &Options::default());
    let rows = rows(&mesh, None);
    let resolutions = resolutions(&mesh);
    for answer in key["answers"].as_array().unwrap() {
        for client in answer["clients"].as_array().unwrap() {
            let client = client.as_str().unwrap().to_owned();
            let host = answer["host"].as_str().unwrap().to_owned();
            let port = u16::try_from(answer["port"].as_u64().unwrap()).unwrap();
            let subset = answer["subset"].as_str().map(str::to_owned);
            let mut check = |field: &str, want: Value, got: Value| {
                if want != got {
                    wrong.push(format!(
                        "{name} {client} {host}:{port} {subset:?} {field}: want {want}, got {got}"
                    ));
                }
            };
            let resolution = &resolutions[&(client.clone(), host.clone())];
            let in_scope = !answer["serviceNamespace"].is_null();
            let row = rows.get(&(client.clone(), host.clone(), port, subset.clone()));
            let scope = row.is_some_and(|row| row.client_tls.source != "not-in-scope");
            check("in scope", in_scope.into(), scope.into());
            let Some(row) = row.filter(|_| in_scope) else { continue };
            check(
                "serviceNamespace",
                answer["serviceNamespace"].clone(),
                json!(resolution.service_namespace),
            );
            compare_rule(answer, resolution, port, subset.as_deref(), &mut check);
            if !answer["cluster"].is_null() {
                compare_row(answer, row, &mut check);
            }
        }
    }
    for server in key["servers"].as_array().unwrap() {
        let (namespace, pod) = server["pod"].as_str().unwrap().split_once('/').unwrap();
        let workload = mesh.workloads.get(mesh.workloads.by_pod(namespace, pod).unwrap()).unwrap();
        // Every port that has no chain of its own is `default`: one that no policy names stands for it.
        let port = server["port"].as_u64().map_or(1, |port| u16::try_from(port).unwrap());
        let demand = mesh.policies.on_port(namespace, &workload.labels, port);
        if server["mode"] != demand.mode.word() {
            wrong.push(format!(
                "{name} {namespace}/{pod} port {}: want {}, got {}",
                server["port"],
                server["mode"],
                demand.mode.word()
            ));
        }
    }
}

fn resolutions(mesh: &Mesh) -> BTreeMap<(String, String), Resolution> {
    let mut all = BTreeMap::new();
    resolve::list(mesh, None, None, None, None, |one| {
        let pod = format!("{}/{}", one.client.namespace.as_ref().unwrap(), one.client.pod.as_ref().unwrap());
        all.insert((pod, one.host.clone()), one);
        std::ops::ControlFlow::Continue(())
    });
    all
}

fn path(reference: &Value) -> Value {
    if reference.is_null() {
        return Value::Null;
    }
    format!("{}/{}", reference["namespace"].as_str().unwrap(), reference["name"].as_str().unwrap()).into()
}

fn compare_rule(
    answer: &Value,
    resolution: &Resolution,
    port: u16,
    subset: Option<&str>,
    check: &mut impl FnMut(&str, Value, Value),
) {
    check(
        "rule",
        path(&answer["destinationRule"]),
        json!(resolution.rule.as_ref().map(meshscope::answer::common::ObjectRef::path)),
    );
    let merged: Vec<_> = answer["mergedFrom"].as_array().into_iter().flatten().map(path).collect();
    let contributors: Vec<_> = resolution.contributors.iter().map(|one| one.rule.path()).collect();
    check("contributors", merged.into(), json!(contributors));
    if subset.is_none() {
        let wanted = answer.get("subsets").cloned().unwrap_or_else(|| json!([]));
        check("subsets", wanted, json!(resolution.subsets));
    }
    let found =
        resolution.ports.iter().find(|one| one.port == port && one.subset.as_deref() == subset).unwrap();
    check("declared TLS", answer["declaredTls"].clone(), json!(found.tls.mode));
    let mut wanted = answer["trafficPolicy"].as_object().cloned().unwrap_or_default();
    let mut policy = found.traffic_policy.clone();
    for blocks in [&mut wanted, &mut policy] {
        // In the JSON of a protobuf the zero value, DISABLE, is left out.
        if let Some(Value::Object(tls)) = blocks.get_mut("tls") {
            tls.entry("mode").or_insert_with(|| "DISABLE".into());
        }
    }
    check("traffic policy", wanted.into(), policy.into());
}

fn compare_row(answer: &Value, row: &Row, check: &mut impl FnMut(&str, Value, Value)) {
    let sent = |word: &str| if word == "mtls" { "istio-mutual".to_owned() } else { word.to_owned() };
    let wanted: BTreeMap<_, _> = answer["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let capable = if one["tlsMode"] == "istio" { "istio" } else { "disabled" };
            (one["address"].as_str().unwrap(), (sent(one["sent"].as_str().unwrap()), capable.to_owned()))
        })
        .collect();
    let got: BTreeMap<_, _> = row
        .endpoints
        .iter()
        .map(|one| (one.address.as_str(), (one.sent.clone(), one.tls_mode.clone())))
        .collect();
    check("endpoints", json!(wanted), json!(got));
    let mode = answer["tls"]["mode"].as_str().unwrap();
    if let (Some(sni), "AUTO" | "ISTIO_MUTUAL") = (&row.client_tls.sni, mode) {
        check("SNI", answer["tls"]["sni"].clone(), json!(sni));
        let names: BTreeSet<_> = row.client_tls.subject_alt_names.iter().flatten().cloned().collect();
        let wanted: BTreeSet<_> = answer["tls"]["sans"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect();
        check("subject alternative names", json!(wanted), json!(names));
    }
}
