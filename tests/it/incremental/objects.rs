//! Random objects of a small mesh: few names, so that objects meet, and every field that decides.

use std::sync::Arc;

use meshscope::model::decode::{Head, ObjectSeed, attach_mesh_config, unreadable};
use meshscope::model::interner::Interner;
use meshscope::model::{Note, Object, Origin};
use serde::de::DeserializeSeed;
use serde_json::{Value, json};

/// Numbers that look random and are the same for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.roll(chances) == 0
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.roll(all.len())]
    }

    fn text(&mut self, all: &[&str]) -> String {
        (*self.pick(all)).to_owned()
    }
}

/// The kinds; those that decide most come more than once.
const KINDS: [&str; 22] = [
    "DestinationRule",
    "DestinationRule",
    "DestinationRule",
    "DestinationRule",
    "DestinationRule",
    "PeerAuthentication",
    "PeerAuthentication",
    "PeerAuthentication",
    "Pod",
    "Pod",
    "Pod",
    "Service",
    "Service",
    "EndpointSlice",
    "EndpointSlice",
    "VirtualService",
    "Sidecar",
    "ServiceEntry",
    "WorkloadEntry",
    "Namespace",
    "EnvoyFilter",
    "ConfigMap",
];
/// In the last three nothing is that speaks of them, but for rules and policies.
const NAMESPACES: [&str; 6] = ["a", "b", "istio-system", "c", "d", "e"];
/// How many namespaces have services, routes and sidecars.
const OWNERS: usize = 3;
const HOSTS: [&str; 9] = [
    "s0",
    "s0.a.svc.cluster.local",
    "s1.a.svc.cluster.local",
    "s0.b.svc.cluster.local",
    "*.a.svc.cluster.local",
    "*.svc.cluster.local",
    "*.local",
    "*",
    "ext.example.com",
];

/// How wild a mesh is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wild {
    /// Everything happens.
    Fully,
    /// Ages are known, everything can be read, nothing selects clients and no waypoint stands between: what a change
    /// of a rule touches is known by its place.
    Hardly,
}

/// How many slots there are for rules and policies in a row of kinds, which begins with them.
pub(crate) const RULES_AND_POLICIES: usize = 8;

/// How many kinds are in a row, and how many rows there are: one a namespace.
pub(crate) const ROW: usize = KINDS.len();
pub(crate) const ROWS: usize = NAMESPACES.len();

/// A random object. `slot` chooses its kind and name, so that the same object comes again with other content.
pub(crate) fn object(slot: usize, seed: u64, wild: Wild) -> Object {
    let mut dice = Dice::new(seed);
    let tame = wild == Wild::Hardly;
    let kind = KINDS[slot % KINDS.len()];
    let row = slot / KINDS.len();
    let namespace = match kind {
        "Namespace" => "",
        "ConfigMap" => "istio-system",
        // One of the root namespace would set every client apart.
        "Sidecar" if tame => "a",
        "DestinationRule" | "PeerAuthentication" | "Pod" => NAMESPACES[row % NAMESPACES.len()],
        _ => NAMESPACES[row % OWNERS],
    };
    let name = match kind {
        "ConfigMap" => "istio".to_owned(),
        "Namespace" => NAMESPACES[row % NAMESPACES.len()].to_owned(),
        "Service" => format!("s{}", slot % 2),
        _ => format!("o{slot}"),
    };
    let mut value = body(kind, slot, &mut dice);
    value["metadata"]["name"] = json!(name);
    value["metadata"]["namespace"] = json!(namespace);
    if tame || !dice.one_in(12) {
        let second = dice.roll(4);
        value["metadata"]["creationTimestamp"] = json!(format!("2026-01-01T00:00:0{second}Z"));
    }
    if tame {
        value.pointer_mut("/spec").and_then(Value::as_object_mut).map(|spec| spec.remove("workloadSelector"));
        let args = value.pointer_mut("/spec/containers/1/args/1");
        args.filter(|role| **role == json!("waypoint")).into_iter().for_each(|role| *role = json!("sidecar"));
    }
    let broken = !tame && matches!(kind, "DestinationRule" | "PeerAuthentication" | "Pod") && dice.one_in(60);
    decode(kind, &value, broken)
}

/// The object of a kind that a value says, or an unreadable one of its name.
pub(crate) fn decode(kind: &str, value: &Value, broken: bool) -> Object {
    let group = match kind {
        "DestinationRule" | "VirtualService" | "Sidecar" | "ServiceEntry" | "WorkloadEntry"
        | "EnvoyFilter" => "networking.istio.io/v1",
        "PeerAuthentication" => "security.istio.io/v1",
        "EndpointSlice" => "discovery.k8s.io/v1",
        _ => "v1",
    };
    let head = Head { api_version: group.to_owned(), kind: kind.to_owned() };
    let origin = Origin { file: "random.json".into(), line: 1 };
    if broken {
        let text = |key: &str| value["metadata"][key].as_str().unwrap().to_owned();
        let note = Note { field: String::new(), problem: "broken".to_owned(), wrong_type: true };
        return unreadable(&head, &text("namespace"), &text("name"), origin, note).unwrap();
    }
    let mut mesh_text = None;
    let seed = ObjectSeed {
        kind: head.kind().unwrap(),
        api_version: &head.api_version,
        origin,
        interner: &mut Interner::default(),
        mesh_text: &mut mesh_text,
        refused: &mut None,
    };
    let mut object = seed.deserialize(value).unwrap();
    if let Some(text) = mesh_text {
        let parse = |text: &str| serde_json::from_str(text).map_err(|error| error.to_string());
        attach_mesh_config(&mut object, parse(&text.mesh), text.networks.as_deref().map(parse));
    }
    object
}

fn body(kind: &str, slot: usize, dice: &mut Dice) -> Value {
    match kind {
        "DestinationRule" => destination_rule(dice),
        "PeerAuthentication" => peer_authentication(dice),
        "Pod" => pod(slot, dice),
        "Service" => service(dice),
        "EndpointSlice" => slice(dice),
        "VirtualService" => virtual_service(dice),
        "Sidecar" => sidecar(dice),
        "ServiceEntry" => service_entry(dice),
        "WorkloadEntry" => {
            json!({"spec": {"address": "10.0.9.9", "labels": labels(dice), "serviceAccount": "vm"}})
        }
        "Namespace" => {
            let labels = dice.pick(&[json!({}), json!({"istio.io/use-waypoint": "w"})]).clone();
            json!({"metadata": {"labels": labels}})
        }
        "EnvoyFilter" => {
            let patch = dice.pick(&["ADD", "REMOVE"]);
            json!({"spec": {"configPatches": [{"applyTo": "CLUSTER", "patch": {"operation": patch}}]}})
        }
        _ => mesh_config(dice),
    }
}

fn labels(dice: &mut Dice) -> Value {
    json!({"app": dice.pick(&["x", "y"]), "version": dice.pick(&["v1", "v2"])})
}

fn selector(dice: &mut Dice) -> Value {
    dice.pick(&[json!({"app": "x"}), json!({"app": "y"}), json!({"version": "v1"}), json!({"app": "none"})])
        .clone()
}

fn exports(dice: &mut Dice) -> Value {
    let all = [
        json!([]),
        json!(["*"]),
        json!(["."]),
        json!(["a"]),
        json!(["b", "."]),
        json!(["c", "istio-system"]),
    ];
    dice.pick(&all).clone()
}

fn tls(dice: &mut Dice) -> Value {
    let all = [
        json!({"mode": "ISTIO_MUTUAL"}),
        json!({"mode": "DISABLE"}),
        json!({"mode": "SIMPLE"}),
        json!({"mode": "MUTUAL", "credentialName": "own"}),
        json!({"mode": "NEW"}),
        json!({}),
    ];
    dice.pick(&all).clone()
}

fn traffic_policy(dice: &mut Dice) -> Value {
    let mut policy = json!({});
    if !dice.one_in(3) {
        policy["tls"] = tls(dice);
    }
    if dice.one_in(3) {
        policy["loadBalancer"] = json!({"simple": dice.pick(&["RANDOM", "PASSTHROUGH"])});
    }
    if dice.one_in(4) {
        let tls = tls(dice);
        policy["portLevelSettings"] = json!([{"port": {"number": 80}, "tls": tls}]);
    }
    policy
}

fn destination_rule(dice: &mut Dice) -> Value {
    let mut spec = json!({"host": dice.pick(&HOSTS)});
    if dice.one_in(2) {
        spec["exportTo"] = exports(dice);
    }
    if dice.one_in(6) {
        spec["workloadSelector"] = json!({"matchLabels": selector(dice)});
    }
    if !dice.one_in(4) {
        spec["trafficPolicy"] = traffic_policy(dice);
    }
    if dice.one_in(3) {
        let subset = |name: &str, dice: &mut Dice| json!({"name": name, "labels": {"version": name}, "trafficPolicy": traffic_policy(dice)});
        spec["subsets"] = json!([subset("v1", dice), subset("v2", dice)]);
    }
    json!({ "spec": spec })
}

fn peer_authentication(dice: &mut Dice) -> Value {
    let modes = ["STRICT", "PERMISSIVE", "DISABLE", "UNSET", "NEW"];
    let mut spec = json!({"mtls": {"mode": dice.pick(&modes)}});
    if dice.one_in(2) {
        spec["selector"] = json!({"matchLabels": selector(dice)});
        if dice.one_in(2) {
            spec["portLevelMtls"] = json!({"8080": {"mode": dice.pick(&modes)}});
        }
    }
    json!({ "spec": spec })
}

fn pod(slot: usize, dice: &mut Dice) -> Value {
    let mut labels = labels(dice);
    let mut containers = vec![json!({"name": "app"})];
    let kind = dice.roll(8);
    let mut annotations = json!({});
    match kind {
        0 => annotations["ambient.istio.io/redirection"] = json!("enabled"),
        1 => containers.push(json!({"name": "istio-proxy", "args": ["proxy", "router"]})),
        2 => {
            containers.push(json!({"name": "istio-proxy", "args": ["proxy", "waypoint"]}));
            labels["gateway.networking.k8s.io/gateway-name"] = json!("w");
        }
        3 => {}
        _ => containers.push(json!({"name": "istio-proxy", "args": ["proxy", "sidecar"]})),
    }
    if kind > 3 && !dice.one_in(6) {
        labels["security.istio.io/tlsMode"] = json!("istio");
    }
    let phase = if dice.one_in(12) { "Succeeded" } else { "Running" };
    let ready = if dice.one_in(6) { "False" } else { "True" };
    json!({
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": {"containers": containers, "serviceAccountName": "default"},
        "status": {"phase": phase, "podIP": format!("10.0.0.{}", slot % 12), "conditions": [{"type": "Ready", "status": ready}]},
    })
}

fn service(dice: &mut Dice) -> Value {
    let mut metadata = json!({});
    if dice.one_in(4) {
        metadata["annotations"] = json!({"networking.istio.io/exportTo": dice.pick(&[".", "a,b", "~"])});
    }
    let mut spec = json!({
        "selector": {"app": dice.pick(&["x", "y"])},
        "ports": [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "tcp", "port": 81, "targetPort": 8081}],
    });
    match dice.roll(10) {
        0 => spec["clusterIP"] = json!("None"),
        1 => {
            spec["type"] = json!("ExternalName");
            spec["externalName"] = json!("ext.example.com");
        }
        _ => {}
    }
    json!({"metadata": metadata, "spec": spec})
}

fn slice(dice: &mut Dice) -> Value {
    let endpoint = |dice: &mut Dice| {
        let mut one = json!({"addresses": [format!("10.0.0.{}", dice.roll(12))], "conditions": {"ready": !dice.one_in(8)}});
        if dice.one_in(8) {
            one["targetRef"] = json!({"kind": "Pod", "name": "not-read"});
        }
        one
    };
    let endpoints = [endpoint(dice), endpoint(dice)];
    json!({
        "metadata": {"labels": {"kubernetes.io/service-name": dice.pick(&["s0", "s1"])}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}, {"name": "tcp", "port": 8081}],
        "endpoints": endpoints,
    })
}

fn virtual_service(dice: &mut Dice) -> Value {
    let host = dice.text(&HOSTS[..4]);
    let destination = json!({"host": host, "subset": dice.pick(&["v1", "v2", "v3"])});
    let mut spec = json!({"hosts": [host], "http": [{"route": [{"destination": destination}]}]});
    if dice.one_in(3) {
        spec["exportTo"] = exports(dice);
    }
    json!({ "spec": spec })
}

fn sidecar(dice: &mut Dice) -> Value {
    let all = [
        json!(["./*"]),
        json!(["*/*"]),
        json!(["a/*", "istio-system/*"]),
        json!(["*/s0.a.svc.cluster.local"]),
    ];
    let mut spec = json!({"egress": [{"hosts": dice.pick(&all)}]});
    if dice.one_in(2) {
        spec["workloadSelector"] = json!({"labels": selector(dice)});
    }
    json!({ "spec": spec })
}

fn service_entry(dice: &mut Dice) -> Value {
    let host = dice.pick(&["ext.example.com", "s0.a.svc.cluster.local", "*.example.com"]);
    let mut spec = json!({
        "hosts": [host],
        "location": dice.pick(&["MESH_EXTERNAL", "MESH_INTERNAL"]),
        "resolution": dice.pick(&["STATIC", "DNS", "NONE"]),
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
        "exportTo": exports(dice),
    });
    if dice.one_in(2) {
        spec["workloadSelector"] = json!({"labels": selector(dice)});
    } else {
        spec["endpoints"] = json!([{"address": "10.0.0.3", "labels": labels(dice)}]);
    }
    json!({ "spec": spec })
}

fn mesh_config(dice: &mut Dice) -> Value {
    let all = [
        json!({}),
        json!({"enableAutoMtls": false}),
        json!({"rootNamespace": "b"}),
        json!({"defaultDestinationRuleExportTo": ["."]}),
        json!({"defaultServiceExportTo": ["."], "defaultVirtualServiceExportTo": ["a"]}),
    ];
    json!({"data": {"mesh": dice.pick(&all).to_string()}})
}

/// The same as something to share.
pub(crate) fn shared(slot: usize, seed: u64, wild: Wild) -> Arc<Object> {
    Arc::new(object(slot, seed, wild))
}
