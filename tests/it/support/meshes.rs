//! Small meshes: objects as YAML, the mesh of some, and its answers.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use meshscope::answer::tls_check::{self, Query, Row};
use meshscope::bundle::{self, Request};
use meshscope::resolve::{Mesh, Options};
use serde_json::{Value, json};

use super::{Ran, meshscope};

/// A server and a client in one pod's template, as a Git folder has them, with a policy and a rule that contradict it.
pub(crate) const GIT_FOLDER: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: x, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: a, namespace: x}
spec: {selector: {app: a}, ports: [{port: 80, name: http, targetPort: web}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, namespace: x}
spec:
  template:
    metadata: {labels: {app: a}}
    spec: {containers: [{name: web, ports: [{name: web, containerPort: 8080}]}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: one, namespace: x}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: r, namespace: x}
spec: {host: a, trafficPolicy: {tls: {mode: DISABLE}}}
";

/// A policy of the same folder that says the opposite, so that age decides, which is not known.
pub(crate) const SECOND_POLICY: &str = "---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: two, namespace: x}
spec: {mtls: {mode: DISABLE}}
";

/// The container of a sidecar, behind its name.
pub(crate) const SIDECAR: &str = "args: [proxy, sidecar]";

/// A ready pod: more of its metadata as it stands in YAML, and its proxy's container behind the name, empty for none.
pub(crate) fn pod(path: &str, address: &str, metadata: &str, proxy: &str) -> String {
    let (namespace, name) = path.split_once('/').unwrap();
    let proxy = if proxy.is_empty() { String::new() } else { format!(", {{name: istio-proxy, {proxy}}}") };
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{namespace: {namespace}, name: {name}, {metadata}}}
spec: {{containers: [{{name: app}}{proxy}]}}
status: {{phase: Running, podIP: {address}, conditions: [{{type: Ready, status: \"True\"}}]}}
"
    )
}

/// A Service whose port 80 leads to 8080 of the pods labelled `app: NAME`.
pub(crate) fn service(path: &str, more: &str) -> String {
    let (namespace, name) = path.split_once('/').unwrap();
    format!(
        "---
apiVersion: v1
kind: Service
metadata: {{namespace: {namespace}, name: {name}}}
spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]{more}}}
"
    )
}

/// An object of Istio; `age` orders the creation times.
pub(crate) fn object(kind: &str, path: &str, age: u8, spec: &str) -> String {
    let (namespace, name) = path.split_once('/').unwrap();
    let group = if kind == "PeerAuthentication" { "security" } else { "networking" };
    format!(
        "---
apiVersion: {group}.istio.io/v1beta1
kind: {kind}
metadata: {{namespace: {namespace}, name: {name}, creationTimestamp: \"2024-01-01T00:00:{age:02}Z\"}}
spec: {spec}
"
    )
}

/// A policy of 2019: a `MeshPolicy`, or in a namespace a `Policy`.
pub(crate) fn policy_of_2019(path: &str, age: u8, spec: &str) -> String {
    let (namespace, name) = path.split_once('/').unwrap();
    let kind = if namespace.is_empty() { "MeshPolicy" } else { "Policy" };
    let namespace = if namespace.is_empty() { String::new() } else { format!("namespace: {namespace}, ") };
    format!(
        "---
apiVersion: authentication.istio.io/v1alpha1
kind: {kind}
metadata: {{{namespace}name: {name}, creationTimestamp: \"2019-01-01T00:00:{age:02}Z\"}}
spec: {spec}
"
    )
}

/// The mesh configuration of a control plane: `istio`, or `istio-REVISION`.
pub(crate) fn mesh_config(name: &str, text: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: ConfigMap
metadata: {{namespace: istio-system, name: {name}}}
data: {{mesh: '{text}'}}
"
    )
}

/// The Deployment of istiod, with variables of its environment as they stand in YAML.
pub(crate) fn istiod(revision: &str, image: &str, variables: &str) -> String {
    let label = if revision.is_empty() { String::new() } else { format!(", istio.io/rev: {revision}") };
    format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata: {{namespace: istio-system, name: istiod-{revision}, labels: {{app: istiod{label}}}}}
spec: {{template: {{spec: {{containers: [{{name: discovery, image: \"{image}\", env: [{variables}]}}]}}}}}}
"
    )
}

/// The mesh of some YAML, all of which can be read.
pub(crate) fn mesh(yaml: &str, options: &Options) -> Arc<Mesh> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    let paths = vec![bundle::Path::File(file.path().to_owned())];
    let read = bundle::read(&Request { paths, logs: Vec::new() }).unwrap();
    assert!(read.problems.is_empty(), "{:?}", read.problems);
    Mesh::new(&read.snapshot, options)
}

/// The mesh of objects in JSON.
pub(crate) fn mesh_of(objects: &[Value], options: &Options) -> Arc<Mesh> {
    mesh(&json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string(), options)
}

/// The program on some YAML.
pub(crate) fn run_on(yaml: &str, words: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mesh.yaml"), yaml).unwrap();
    meshscope(folder.path(), &[words, &["-f", "mesh.yaml"]].concat())
}

/// What it says as JSON.
pub(crate) fn json_on(yaml: &str, words: &[&str]) -> Value {
    run_on(yaml, &[words, &["-o", "json"]].concat()).json()
}

/// The client's pod, the host, its port and a subset.
pub(crate) type Place = (String, String, u16, Option<String>);

/// The rows of `tls-check`, one a pod, for all hosts or for one.
pub(crate) fn rows(mesh: &Mesh, host: Option<&str>) -> BTreeMap<Place, Row> {
    let query = Query { each_client: true, host: host.map(str::to_owned), ..Query::default() };
    let place = |row: &Row| {
        let client = row.client.as_ref().unwrap();
        let pod = format!("{}/{}", client.namespace.as_ref().unwrap(), client.pod.as_ref().unwrap());
        (pod, row.host.clone(), row.port, row.subset.clone())
    };
    tls_check::check(mesh, &query).rows.into_iter().map(|row| (place(&row), row)).collect()
}

/// The answer keys of a folder, by name.
pub(crate) fn key_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|one| one.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

/// One of them.
pub(crate) fn key_of(file: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// All that lie beside the project, where there are any: more than stand in `fixtures/answer-key`.
pub(crate) fn keys_beside() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/mesh-oracle");
    if !beside.is_dir() {
        super::skipped("all of the answer key but what is in fixtures/answer-key", &beside);
        return None;
    }
    Some(beside)
}
