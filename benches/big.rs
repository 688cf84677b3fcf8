//! A big mesh, always the same: 5,000 services with two ports each in 1,000 namespaces, 50,000 pods, 10,000
//! `DestinationRules`, 2,000 `PeerAuthentications` and 5,000 `AuthorizationPolicies`.

use std::io::Write as _;

use meshscope::bundle::{self, Bundle, Path, Request};
use serde_json::{Value, json};

pub const NAMESPACES: usize = 1_000;
pub const SERVICES: usize = 5_000;
pub const RULES: usize = 10_000;
const POLICIES: usize = 2_000;
const PODS: usize = 50_000;
const AUTHORIZATIONS: usize = 5_000;

/// A linear congruential generator: numbers that look random and need no crate.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % limit
    }

    fn is_below(&mut self, per_mille: usize) -> bool {
        self.below(1_000) < per_mille
    }
}

pub fn namespace(service: usize) -> String {
    format!("ns{:04}", service % NAMESPACES)
}

fn any_namespace(random: &mut Random) -> String {
    namespace(random.below(NAMESPACES))
}

fn time(at: usize) -> String {
    format!("2026-01-01T{:02}:{:02}:{:02}Z", at / 3_600 % 24, at / 60 % 60, at % 60)
}

/// One `DestinationRule`: 72 % for a service and in its namespace, 16 % in a client's, 11 % for the hosts of a
/// namespace, 1 % for `*.local`; every fifth with an export list.
pub fn rule(at: usize, random: &mut Random) -> Value {
    let service = random.below(SERVICES);
    let mut host = format!("svc{service}.{}.svc.cluster.local", namespace(service));
    let place = match random.below(1_000) {
        0..720 => namespace(service),
        720..880 => any_namespace(random),
        880..990 => {
            host = format!("*.{}.svc.cluster.local", namespace(service));
            any_namespace(random)
        }
        _ => {
            "*.local".clone_into(&mut host);
            if random.is_below(100) { "istio-system".to_owned() } else { any_namespace(random) }
        }
    };
    let mut spec = json!({"host": host, "trafficPolicy": {"loadBalancer": {"simple": "ROUND_ROBIN"}}});
    if random.is_below(2) {
        spec["trafficPolicy"]["tls"] = json!({"mode": "DISABLE"});
    } else if random.is_below(500) {
        spec["trafficPolicy"]["tls"] = json!({"mode": "ISTIO_MUTUAL"});
    }
    if random.is_below(200) {
        spec["exportTo"] = json!([if random.is_below(500) { any_namespace(random) } else { ".".to_owned() }]);
    }
    let metadata = json!({"name": format!("dr{at}"), "namespace": place, "creationTimestamp": time(at)});
    json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": metadata, "spec": spec})
}

fn policy(at: usize, random: &mut Random) -> Value {
    let mode = if random.is_below(500) { "STRICT" } else { "PERMISSIVE" };
    let mut spec = json!({"mtls": {"mode": mode}});
    if at > NAMESPACES {
        spec["selector"] = json!({"matchLabels": {"app": format!("a{}", random.below(SERVICES))}});
    }
    let place = if at == 0 { "istio-system".to_owned() } else { any_namespace(random) };
    let metadata = json!({"name": format!("pa{at}"), "namespace": place, "creationTimestamp": time(at)});
    json!({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": metadata, "spec": spec})
}

fn pod(service: usize, at: usize, address: &str) -> Value {
    let name = format!("a{service}-6b88d69f-{at:05}");
    let labels = json!({
        "app": format!("a{service}"), "version": format!("v{}", at % 2), "security.istio.io/tlsMode": "istio",
        "pod-template-hash": "6b88d69f",
    });
    let owner = json!({"kind": "ReplicaSet", "name": format!("a{service}-6b88d69f"), "controller": true});
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace(service), "labels": labels, "ownerReferences": [owner]},
        "spec": {
            "serviceAccountName": format!("a{service}"),
            "containers": [{"name": "app"}, {"name": "istio-proxy", "args": ["proxy", "sidecar"]}],
        },
        "status": {"phase": "Running", "podIP": address, "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

fn service(at: usize, push: &mut impl FnMut(&Value)) {
    let (name, place) = (format!("svc{at}"), namespace(at));
    let ports = json!([
        {"name": "http", "port": 80, "targetPort": 8080}, {"name": "grpc", "port": 81, "targetPort": 8081},
    ]);
    let spec = json!({"selector": {"app": format!("a{at}")}, "ports": ports});
    push(
        &json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": place}, "spec": spec}),
    );
    let mut endpoints = Vec::new();
    for number in 0..PODS / SERVICES {
        let all = at * (PODS / SERVICES) + number;
        let address = format!("10.{}.{}.{}", all / 65_536, all / 256 % 256, all % 256);
        let pod = pod(at, number, &address);
        let target = json!({"kind": "Pod", "name": pod["metadata"]["name"], "namespace": place});
        endpoints.push(json!({"addresses": [address], "conditions": {"ready": true}, "targetRef": target}));
        push(&pod);
    }
    let labels = json!({"kubernetes.io/service-name": name});
    push(&json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": format!("{name}-x"), "namespace": place, "labels": labels},
        "ports": [{"name": "http", "port": 8080}, {"name": "grpc", "port": 8081}],
        "endpoints": endpoints,
    }));
}

/// The mesh as one list.
pub fn list() -> Vec<u8> {
    let mut text = b"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n".to_vec();
    let mut first = true;
    let mut push = |object: &Value| {
        if !std::mem::take(&mut first) {
            text.extend_from_slice(b",\n");
        }
        serde_json::to_writer(&mut text, object).expect("an object can be written");
    };
    for at in 0..SERVICES {
        service(at, &mut push);
    }
    let mut random = Random::new(3);
    (0..RULES).for_each(|at| push(&rule(at, &mut random)));
    (0..POLICIES).for_each(|at| push(&policy(at, &mut random)));
    for at in 0..AUTHORIZATIONS {
        let metadata = json!({"name": format!("ap{at}"), "namespace": namespace(at)});
        let spec = json!({"rules": [{"from": [{"source": {"namespaces": [any_namespace(&mut random)]}}]}]});
        let head = json!({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy"});
        let mut object = head;
        (object["metadata"], object["spec"]) = (metadata, spec);
        push(&object);
    }
    text.extend_from_slice(b"\n]}\n");
    text
}

/// The mesh in a file that lasts as long as the value.
pub fn file() -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".json").tempfile().expect("a file can be made");
    file.write_all(&list()).expect("the file can be written");
    file
}

/// Reads objects.
pub fn read(path: &std::path::Path) -> Bundle {
    let request = Request { paths: vec![Path::File(path.to_owned())], logs: Vec::new() };
    bundle::read(&request).expect("the mesh is read")
}
