//! Objects that bypass validation: any value of any field in the place of another. Whatever stands there, the mesh is
//! read, judged and mended without a panic, and every answer is written.

use std::sync::OnceLock;

use meshscope::answer::{Read, check, resolve, tls_check};
use meshscope::bundle::{self, Request};
use meshscope::resolve::Options;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::fixture;
use crate::support::meshes::{key_files, key_of};

/// Meshes of the answer key, and one with everything that those do not have.
fn seeds() -> &'static [Vec<Value>] {
    static SEEDS: OnceLock<Vec<Vec<Value>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let files = key_files(&fixture("answer-key"));
        let of_key = files.iter().step_by(5).map(|file| key_of(file)["objects"].as_array().unwrap().clone());
        std::iter::once(rare()).chain(of_key).collect()
    })
}

/// Ambient mode, networks, probes, revisions, waypoints, backend policies, the policies of 2019.
fn rare() -> Vec<Value> {
    let pod = |name: &str, labels: Value, annotations: Value, proxy: &str| {
        let probe = json!({"httpGet": {"path": "/x", "port": 8080}});
        let proxy = json!({"name": "istio-proxy", "args": ["proxy", proxy], "env": [
            {"name": "ISTIO_META_DISABLE_HBONE_SEND", "value": "true"}, {"name": "ISTIO_META_NETWORK", "value": "near"}]});
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "labels": labels, "annotations": annotations},
            "spec": {"hostNetwork": false, "containers": [{"name": "app", "readinessProbe": probe}, proxy]},
            "status": {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}})
    };
    let status = json!({"sidecar.istio.io/status": "{\"revision\":\"blue\"}"});
    let istiod = json!({"name": "discovery", "image": "istio/pilot:1.31.2",
        "env": [{"name": "PILOT_ENABLE_AMBIENT", "value": "true"}]});
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop",
            "labels": {"istio.io/dataplane-mode": "ambient", "istio.io/use-waypoint": "way", "istio.io/rev": "blue"}}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "reviews", "namespace": "shop",
            "labels": {"topology.istio.io/network": "far"}}, "spec": {"selector": {"app": "r"}, "externalIPs": ["192.0.2.1"],
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}]}}}),
        pod("client", json!({"app": "c", "security.istio.io/tlsMode": "istio"}), status, "sidecar"),
        pod(
            "captured",
            json!({"app": "r", "topology.istio.io/network": "far", "networking.istio.io/tunnel": "http"}),
            json!({"ambient.istio.io/redirection": "enabled"}),
            "waypoint",
        ),
        json!({"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry", "metadata": {"name": "vm", "namespace": "shop"},
            "spec": {"address": "192.0.2.3", "network": "far", "labels": {"app": "r"}, "ports": {"http": 8080}}}),
        json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "r", "namespace": "shop"},
            "spec": {"host": "reviews", "workloadSelector": {"matchLabels": {"app": "c"}}, "exportTo": ["."],
            "trafficPolicy": {"tls": {"mode": "DISABLE"}, "portLevelSettings": [{"port": {"number": 80}, "tls": {}}]},
            "subsets": [{"name": "v1", "labels": {"version": "v1"}, "trafficPolicy": {"tls": {"mode": "SIMPLE"}}}]}}),
        json!({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "p", "namespace": "shop"},
            "spec": {"selector": {"matchLabels": {"app": "r"}}, "mtls": {"mode": "STRICT"}, "portLevelMtls": {"80": {"mode": "DISABLE"}}}}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "BackendTLSPolicy", "metadata": {"name": "b", "namespace": "shop"},
            "spec": {"targetRefs": [{"group": "", "kind": "Service", "name": "reviews"}]}}),
        json!({"apiVersion": "authentication.istio.io/v1alpha1", "kind": "Policy", "metadata": {"name": "o", "namespace": "shop"},
            "spec": {"targets": [{"name": "reviews", "ports": [{"number": 80}]}], "peers": [{"mtls": {"mode": "STRICT"}}]}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio-blue", "namespace": "istio-system"},
            "data": {"mesh": "enableAutoMtls: false\n"}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "istiod-blue", "namespace": "istio-system",
            "labels": {"app": "istiod", "istio.io/rev": "blue"}}, "spec": {"template": {"metadata": {"labels": {"app": "istiod"}},
            "spec": {"containers": [istiod]}}}}),
    ]
}

/// What is put in the place of a value.
fn odd() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(0),
        json!(99_999_999_999_u64),
        json!(1.5),
        json!(""),
        json!("x"),
        json!("*"),
        json!("~/*"),
        json!("99999"),
        json!("\u{1b}[31m\u{202e}"),
        json!([]),
        json!([null]),
        json!([1, "a", {}]),
        json!({}),
        json!({"a": {"b": []}}),
        json!({"": null}),
    ])
}

/// Puts a value in the place of the one with this number, counted through the whole.
fn put(value: &mut Value, at: &mut usize, odd: &Value) -> bool {
    if *at == 0 {
        *value = odd.clone();
        return true;
    }
    *at -= 1;
    match value {
        Value::Object(fields) => fields.values_mut().any(|one| put(one, at, odd)),
        Value::Array(items) => items.iter_mut().any(|one| put(one, at, odd)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Object(fields) => fields.values().map(size).sum(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn answer_everything(objects: &[Value], version: Option<&str>) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, list.to_string().as_bytes()).unwrap();
    let path = bundle::Path::File(file.path().to_owned());
    let Ok(read) = bundle::read(&Request { paths: vec![path], logs: Vec::new() }) else { return };
    let options = Options { istio_version: version.map(str::to_owned), ..Options::default() };
    let read = Read::new(&read.snapshot, read.logs, &[], &options);
    let report = check::check(&read);
    assert!(!serde_json::to_string(&report).unwrap().is_empty());
    let rows = tls_check::table(&read);
    assert!(!serde_json::to_string(&rows).unwrap().is_empty());
    resolve::list(&read.mesh, None, None, None, None, |one| {
        assert!(!serde_json::to_string(&one).unwrap().is_empty());
        std::ops::ControlFlow::Continue(())
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_may_stand_anywhere(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<usize>(), odd()), 1..4),
        version in prop::option::of(prop::sample::select(vec!["1.4", "1.10", "1.20", "1.32"])),
    ) {
        // Half of the cases are about what the key does not have.
        let seeds = seeds();
        let at = seed.index(seeds.len() * 2);
        let mut objects = Value::Array(seeds.get(at).unwrap_or(&seeds[0]).clone());
        for (at, odd) in changes {
            // The list itself stays one.
            let mut at = 1 + at % (size(&objects) - 1);
            put(&mut objects, &mut at, &odd);
        }
        answer_everything(objects.as_array().unwrap(), version);
    }
}
