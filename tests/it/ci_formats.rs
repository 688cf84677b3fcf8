//! `check` as SARIF, JUnit XML and Markdown, read back by readers that others wrote, on sound, broken and hostile
//! meshes.

mod junit;
mod markdown;
mod sarif;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Ran, meshscope};

const BROKEN: &str = "mtls/bookinfo-2019";
/// What a site would act on, wherever a cluster lets somebody write it.
const HOSTILE: &str = "a|b`c``d @all #1 <img src=x onerror=alert(1)> [x](https://evil.example) {0} ]]> & \
                       </details>\n\n# head\n```\n| --- |\n- item\u{1}\u{1b}[31m\u{fffe}\u{202e}";

/// Objects as one list in a file of a folder.
fn mesh(name: &str, objects: &[Value]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    fs::write(file, serde_json::to_string_pretty(&list).unwrap()).unwrap();
    folder
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    let group = match kind {
        "DestinationRule" => "networking.istio.io/v1",
        "PeerAuthentication" => "security.istio.io/v1",
        "Deployment" => "apps/v1",
        _ => "v1",
    };
    let metadata = json!({"name": name, "namespace": "x"});
    json!({"apiVersion": group, "kind": kind, "metadata": metadata, "spec": spec})
}

/// A namespace with one server and so many clients.
fn workloads(clients: usize) -> Vec<Value> {
    let labels = json!({"istio-injection": "enabled"});
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", "labels": labels}});
    let ports = json!([{"port": 80, "name": "http", "targetPort": 8080}]);
    let service = object("Service", "a", &json!({"selector": {"app": "a"}, "ports": ports}));
    let names = std::iter::once("a".to_owned()).chain((1..=clients).map(|one| format!("client-{one}")));
    let deployment = |name: String| {
        let containers = json!([{"name": "web", "ports": [{"containerPort": 8080}]}]);
        let template = json!({"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}});
        object("Deployment", &name, &json!({ "template": template }))
    };
    [namespace, service].into_iter().chain(names.map(deployment)).collect()
}

fn policy(name: &str, mode: &str) -> Value {
    object("PeerAuthentication", name, &json!({"mtls": {"mode": mode}}))
}

fn rule(name: &str, host: &str) -> Value {
    object("DestinationRule", name, &json!({"host": host, "trafficPolicy": {"tls": {"mode": "DISABLE"}}}))
}

/// One error with so many pairs.
fn conflict(clients: usize) -> Vec<Value> {
    let mut objects = workloads(clients);
    objects.extend([policy("one", "STRICT"), rule("r", "a")]);
    objects
}

/// Two policies whose age decides and is not known: no pair can be told.
fn untold() -> Vec<Value> {
    let mut objects = conflict(0);
    objects.push(policy("two", "DISABLE"));
    objects
}

/// An error and warnings with hostile words in names, hosts, fields and values.
fn hostile() -> Vec<Value> {
    let mut objects = conflict(0);
    objects.extend([rule(HOSTILE, HOSTILE), rule(&format!("2{HOSTILE}"), "a")]);
    objects.push(object(
        "DestinationRule",
        "u",
        &json!({"host": "a", HOSTILE: HOSTILE, "exportTo": [HOSTILE]}),
    ));
    objects
}

fn check(folder: &Path, format: &str, more: &[&str]) -> Ran {
    let ran = meshscope(folder, &[&["check", "-f", ".", "-o", format], more].concat());
    assert!([0, 79].contains(&ran.code), "{}", ran.err);
    ran
}

/// All meshes, with what they are there for.
fn meshes() -> Vec<tempfile::TempDir> {
    let mut all: Vec<_> = [BROKEN, "mtls/sound", "mtls/mode-missing-both-logs", "logs/application-closes"]
        .iter()
        .map(|name| crate::support::copy_of(name))
        .collect();
    all.push(mesh("a b/größe#1.json", &conflict(12)));
    all.push(mesh("mesh.json", &untold()));
    all.push(mesh("mesh.json", &hostile()));
    // No Pod and no template: the finding about that has no object.
    all.push(mesh("mesh.json", &[rule("r", "a"), workloads(0).remove(1)]));
    all
}
