//! Istio's policy kinds, read out of their JSON. What the schema refuses is noted there; here it is read around.

use serde_json::{Map, Value};

use crate::model::destination_rule::{DestinationRule, Subset, TrafficPolicy};
use crate::model::interner::Interner;
use crate::model::labels::Labels;
use crate::model::object::{Body, Note};
use crate::model::peer_authentication::{MtlsMode, PeerAuthentication};

pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn labels(value: Option<&Value>, interner: &mut Interner) -> Labels {
    let pairs = value.and_then(Value::as_object).into_iter().flatten();
    interner.labels(pairs.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))))
}

/// A `DestinationRule`; unreadable where even its spec is none, so that nobody takes it for an empty one.
pub(super) fn destination_rule(spec: &Value, interner: &mut Interner, notes: &mut Vec<Note>) -> Body {
    // What is there and no text is told by the schema already.
    let other_type = spec.get("host").is_some_and(|host| !host.is_string() && !host.is_null());
    let host = text(spec, "host");
    if host.is_empty() && !other_type {
        notes.push(Note {
            field: "spec.host".to_owned(),
            problem: "is missing".to_owned(),
            wrong_type: false,
        });
    }
    if !spec.is_object() || spec.get("host").is_some_and(|host| !host.is_string()) {
        return Body::Unreadable;
    }
    let subsets = list(spec, "subsets").iter().map(|subset| Subset {
        name: interner.text(text(subset, "name")),
        labels: labels(subset.get("labels"), interner),
        traffic_policy: traffic_policy(subset.get("trafficPolicy")),
    });
    let subsets = subsets.collect();
    let selector = spec.get("workloadSelector").filter(|selector| !selector.is_null());
    Body::DestinationRule(Box::new(DestinationRule {
        host: interner.text(host),
        export_to: list(spec, "exportTo")
            .iter()
            .filter_map(Value::as_str)
            .map(|ns| interner.text(ns))
            .collect(),
        workload_selector: selector.map(|selector| labels(selector.get("matchLabels"), interner)),
        traffic_policy: traffic_policy(spec.get("trafficPolicy")),
        subsets,
    }))
}

/// A traffic policy. A block that is null is not there.
fn traffic_policy(value: Option<&Value>) -> Option<TrafficPolicy> {
    let written = value?.as_object()?;
    let ports = written.get("portLevelSettings").and_then(Value::as_array).into_iter().flatten();
    let ports = ports.filter_map(|entry| {
        let number =
            entry.pointer("/port/number").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        Some((number?, blocks(entry.as_object()?, "port")))
    });
    Some(TrafficPolicy { ports: ports.collect(), blocks: blocks(written, "portLevelSettings") })
}

fn blocks(written: &Map<String, Value>, without: &str) -> Map<String, Value> {
    let kept = written.iter().filter(|(key, value)| key.as_str() != without && !value.is_null());
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A `PeerAuthentication`.
pub(super) fn peer_authentication(spec: &Value, interner: &mut Interner, notes: &mut Vec<Note>) -> Body {
    if !spec.is_object() && !spec.is_null() {
        return Body::Unreadable;
    }
    let mut ports = Vec::new();
    for (key, block) in spec.get("portLevelMtls").and_then(Value::as_object).into_iter().flatten() {
        match key.parse::<u16>() {
            Ok(port) if port != 0 => ports.push((port, MtlsMode::from_block(Some(block)))),
            _ => notes.push(Note {
                field: "spec.portLevelMtls".to_owned(),
                problem: format!("has the key {key:?}, which is no port number"),
                // A number that no port has counts for nothing; anything else is no key of this map.
                wrong_type: key.parse::<u32>().is_err(),
            }),
        }
    }
    ports.sort_by_key(|(port, _)| *port);
    Body::PeerAuthentication(Box::new(PeerAuthentication {
        selector: labels(spec.pointer("/selector/matchLabels"), interner),
        has_selector: spec.get("selector").is_some_and(|selector| !selector.is_null()),
        mode: MtlsMode::from_block(spec.get("mtls")),
        ports,
    }))
}
