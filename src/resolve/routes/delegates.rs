//! Routes that a `VirtualService` delegates to another one, which has no hosts itself. The other's routes of `http` take
//! the place of the one that names it, for requests that both match; a delegate's own delegates do not count.

use serde_json::{Map, Value};

use super::{MESH, gateway};
use crate::model::virtual_service::{self, Destination, VirtualService};
use crate::model::{Kind, Object, ObjectId, Snapshot, Text};
use crate::resolve::config::Config;
use crate::resolve::registry::{exported, exports_or_default};

/// The destinations of a `VirtualService` that stand in others, each with the object that it stands in.
pub(super) fn destinations(
    snapshot: &Snapshot,
    root: &Object,
    body: &VirtualService,
    config: &Config,
) -> Vec<(Destination, ObjectId)> {
    let mut found = Vec::new();
    for delegation in &body.delegations {
        let namespace = delegation.namespace.as_ref().unwrap_or(&root.id.namespace);
        let id = ObjectId::new(Kind::VirtualService, Text::clone(namespace), Text::clone(&delegation.name));
        let delegate = snapshot.get(&id).filter(|object| {
            object.body.virtual_service().is_some_and(|own| {
                let default = config.default_virtual_service_export_to.as_ref();
                let exports = exports_or_default(&own.export_to, default);
                own.hosts.is_empty() && exported(&exports, namespace, &root.id.namespace)
            })
        });
        // Without it istiod leaves the route out, and the others stand.
        let Some(delegate) = delegate else { continue };
        let Some(from) = http(root).get(delegation.at) else { continue };
        for (at, own) in http(delegate).iter().enumerate() {
            let (all, some) = (with_gateways(from, &root.id.namespace), with_gateways(own, namespace));
            let Some(matches) = matches(&all, &some) else { continue };
            let mut route = own.clone();
            let mut inherited = Map::new();
            if let Some(fields) = route.as_object_mut() {
                fields.insert("match".to_owned(), matches.clone().into());
                inherited.insert("match".to_owned(), matches.into());
                inherit(fields, from, &mut inherited);
            }
            let mut read = |at: usize, route: &Value, id: &ObjectId| {
                let all = virtual_service::destinations("http", at, route, &mut |text| text.into());
                found.extend(all.into_iter().map(|one| (one, id.clone())));
            };
            read(at, &route, &delegate.id);
            read(delegation.at, &inherited.into(), &root.id);
        }
    }
    found
}

/// Mirrors of the root's route are those of the delegate's where it has none.
fn inherit(own: &mut Map<String, Value>, from: &Value, inherited: &mut Map<String, Value>) {
    let is_set = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
    let shares = ["mirrorPercent", "mirrorPercentage"];
    let take = |key: &str, into: &mut Map<String, Value>| {
        if let Some(value) = from.get(key).filter(|value| !value.is_null()) {
            into.insert(key.to_owned(), value.clone());
        }
    };
    if !is_set(own.get("mirrors")) {
        take("mirrors", inherited);
    }
    if is_set(own.get("mirror")) {
        for key in shares.into_iter().filter(|key| !is_set(own.get(*key))).collect::<Vec<_>>() {
            take(key, own);
        }
    } else {
        take("mirror", inherited);
        for key in shares {
            match own.get(key).filter(|value| !value.is_null()) {
                Some(value) => {
                    inherited.insert(key.to_owned(), value.clone());
                }
                None => take(key, inherited),
            }
        }
    }
}

fn http(object: &Object) -> &[Value] {
    object.json.as_ref().and_then(|json| json.get("spec")).map(|spec| list(spec, "http")).unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The matches of a route, with its gateways named in full: each object means those of its own namespace.
fn with_gateways(route: &Value, namespace: &str) -> Vec<Value> {
    let mut matches = list(route, "match").to_vec();
    let gateways = matches.iter_mut().filter_map(|one| one.get_mut("gateways")?.as_array_mut());
    for name in gateways.flatten() {
        if let Some(full) = name.as_str().filter(|name| *name != MESH).map(|name| gateway(name, namespace)) {
            *name = Value::from(&*full);
        }
    }
    matches
}

/// What both match, as far as it is about callers; `None` where the delegate matches something that the root does not.
fn matches(root: &[Value], own: &[Value]) -> Option<Vec<Value>> {
    if root.is_empty() || own.is_empty() {
        return Some(if root.is_empty() { own } else { root }.to_vec());
    }
    let mut both = Vec::new();
    for one in own {
        let before = both.len();
        both.extend(root.iter().filter(|root| !conflict(root, one)).map(|root| merged(root, one)));
        if both.len() == before {
            return None;
        }
    }
    Some(both)
}

fn merged(root: &Value, own: &Value) -> Value {
    let mut out = own.as_object().cloned().unwrap_or_default();
    let labels =
        |value: &Value| value.get("sourceLabels").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut source = labels(root);
    source.extend(labels(own));
    out.insert("sourceLabels".to_owned(), source.into());
    if text(own, "sourceNamespace").is_empty() {
        out.insert("sourceNamespace".to_owned(), text(root, "sourceNamespace").into());
    }
    if list(own, "gateways").is_empty() {
        out.insert("gateways".to_owned(), list(root, "gateways").to_vec().into());
    }
    out.into()
}

/// Whether requests that a delegate matches may be none of the root's, as istiod decides it.
fn conflict(root: &Value, own: &Value) -> bool {
    let by_field =
        ["uri", "scheme", "method", "authority"].iter().any(|key| differ(root.get(key), own.get(key)));
    let by_name = ["headers", "withoutHeaders", "queryParams"].iter().any(|key| {
        let named = own.get(key).and_then(Value::as_object).into_iter().flatten();
        named.into_iter().any(|(name, one)| differ(root.get(key).and_then(|all| all.get(name)), Some(one)))
    });
    let flag = |value: &Value| value.get("ignoreUriCase").and_then(Value::as_bool).unwrap_or(false);
    let port = |value: &Value| value.get("port").and_then(Value::as_u64).unwrap_or(0);
    let by_port = port(root) > 0 && port(own) > 0 && port(root) != port(own);
    let namespace = text(root, "sourceNamespace");
    let by_namespace = !namespace.is_empty() && text(own, "sourceNamespace") != namespace;
    let labels = own.get("sourceLabels").and_then(Value::as_object).into_iter().flatten();
    let by_labels = labels.into_iter().any(|(key, value)| {
        root.get("sourceLabels").and_then(|all| all.get(key)).is_some_and(|known| known != value)
    });
    let (all, some) = (list(root, "gateways"), list(own, "gateways"));
    let by_gateways = !all.is_empty()
        && !some.is_empty()
        && (all.len() < some.len() || some.iter().any(|one| !all.contains(one)));
    by_field || by_name || flag(root) != flag(own) || by_port || by_namespace || by_labels || by_gateways
}

/// Whether a delegate's match of a text is no part of the root's.
fn differ(root: Option<&Value>, own: Option<&Value>) -> bool {
    let there = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
    if !there(root) || !there(own) {
        return false;
    }
    let of =
        |value: Option<&Value>, key: &str| value.map(|value| text(value, key).to_owned()).unwrap_or_default();
    let any =
        |value: Option<&Value>| ["regex", "prefix", "exact"].iter().any(|key| !of(value, key).is_empty());
    if !of(root, "regex").is_empty() && any(own) || !of(own, "regex").is_empty() && any(root) {
        return true;
    }
    let (exact, prefix) = (of(root, "exact"), of(root, "prefix"));
    if !exact.is_empty() {
        return !of(own, "prefix").is_empty() || of(own, "exact") != exact;
    }
    let own_text = [of(own, "prefix"), of(own, "exact")].into_iter().find(|text| !text.is_empty());
    match own_text {
        Some(text) if !prefix.is_empty() => !text.starts_with(&prefix),
        Some(_) | None => true,
    }
}
