//! `VirtualService`, reduced to what it brings into a proxy's scope and to the subsets it names.

use std::sync::Arc;

use serde_json::Value;

use super::{Labels, Text};

/// A `VirtualService`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualService {
    /// `hosts` as written; one without any only serves others, which delegate to it.
    pub hosts: Vec<Text>,
    /// `gateways`; none means the mesh's sidecars.
    pub gateways: Vec<Text>,
    /// `exportTo` as written.
    pub export_to: Vec<Text>,
    /// Where its routes and mirrors lead, besides those that it delegates.
    pub destinations: Vec<Destination>,
    /// Routes that it delegates.
    pub delegations: Vec<Delegation>,
}

/// A route whose destinations are those of another `VirtualService`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// Its place in `http`.
    pub at: usize,
    /// The other one's namespace, where one is named.
    pub namespace: Option<Text>,
    /// Its name.
    pub name: Text,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The host as written.
    pub host: Text,
    /// The port's number, where one is named.
    pub port: Option<u16>,
    /// The subset, where one is named.
    pub subset: Option<Text>,
    /// Namespaces that the route's matches name; not empty means that it counts for these only (DR-7.14).
    pub only_from: Vec<Text>,
    /// The callers that the route's matches are about; none means all.
    pub callers: Arc<[Callers]>,
    /// Its place in the `spec`, such as `http[0].route[0].destination`.
    pub place: Text,
    /// Whether only copies of requests go there.
    pub is_mirror: bool,
    /// Whether anything goes there: not with a weight of nothing beside others, nor as a mirror of nothing.
    pub is_sent: bool,
}

/// The callers that a match is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callers {
    /// `gateways` as written; `mesh` are the sidecars.
    pub gateways: Vec<Text>,
    /// `sourceLabels`.
    pub labels: Labels,
    /// `sourceNamespace`, empty where there is none.
    pub namespace: Text,
}

impl VirtualService {
    /// Whether sidecars take notice of it.
    pub fn is_for_mesh(&self) -> bool {
        self.gateways.is_empty() || self.gateways.iter().any(|gateway| &**gateway == "mesh")
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Where a route of `http`, `tls` or `tcp` leads. `keep` holds the strings.
pub fn destinations(
    kind: &str,
    at: usize,
    route: &Value,
    keep: &mut impl FnMut(&str) -> Text,
) -> Vec<Destination> {
    let callers: Arc<[Callers]> = list(route, "match").iter().map(|one| callers(one, keep)).collect();
    let named = callers.iter().filter(|one| kind == "http" && !one.namespace.is_empty());
    let only_from: Vec<Text> = named.map(|one| Text::clone(&one.namespace)).collect();
    let mut found = Vec::new();
    let mut add = |one: &Value, place: String, is_mirror: bool, is_sent: bool| {
        let port = one.pointer("/port/number").and_then(Value::as_u64);
        let subset = text(one, "subset");
        found.push(Destination {
            host: keep(text(one, "host")),
            port: port.and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0),
            subset: (!subset.is_empty()).then(|| keep(subset)),
            only_from: only_from.clone(),
            callers: Arc::clone(&callers),
            place: keep(&format!("{kind}[{at}].{place}")),
            is_mirror,
            is_sent,
        });
    };
    let routes = list(route, "route");
    for (index, one) in routes.iter().enumerate() {
        if let Some(destination) = one.get("destination") {
            // One that stands alone gets all, whatever its weight.
            let is_sent = routes.len() == 1 || one.get("weight").and_then(Value::as_u64).unwrap_or(0) > 0;
            add(destination, format!("route[{index}].destination"), false, is_sent);
        }
    }
    if let Some(mirror) = route.get("mirror").filter(|mirror| !mirror.is_null()) {
        let percent = route.get("mirrorPercentage").filter(|value| !value.is_null());
        let percent = percent.map_or_else(|| route.get("mirrorPercent"), |value| Some(share(value)));
        add(mirror, "mirror".to_owned(), true, percent.is_none_or(is_something));
    }
    for (index, one) in list(route, "mirrors").iter().enumerate() {
        if let Some(destination) = one.get("destination") {
            let percent = one.get("percentage").filter(|value| !value.is_null()).map(share);
            add(destination, format!("mirrors[{index}].destination"), true, percent.is_none_or(is_something));
        }
    }
    found
}

/// The number in a percentage; one without is nothing.
fn share(percentage: &Value) -> &Value {
    const NOTHING: &Value = &Value::Bool(false);
    percentage.get("value").unwrap_or(NOTHING)
}

fn is_something(number: &Value) -> bool {
    number.is_null() || number.as_f64().is_some_and(|number| number > 0.0)
}

fn callers(one: &Value, keep: &mut impl FnMut(&str) -> Text) -> Callers {
    let labels = one.get("sourceLabels").and_then(Value::as_object).into_iter().flatten();
    let labels: Vec<_> = labels.filter_map(|(key, value)| Some((keep(key), keep(value.as_str()?)))).collect();
    Callers {
        gateways: list(one, "gateways").iter().filter_map(Value::as_str).map(&mut *keep).collect(),
        labels: if labels.is_empty() { Labels::default() } else { Labels::from_pairs(labels) },
        namespace: keep(text(one, "sourceNamespace")),
    }
}
