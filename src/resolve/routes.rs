//! `VirtualServices` as they are in force: with the routes that they delegate, and bound to the mesh or to gateways.

mod delegates;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::config::Config;
use super::registry::exports_or_default;
use super::rules::normalise;
use super::workload::Workload;
use crate::model::pod::ProxyKind;
use crate::model::virtual_service::{Callers, Destination};
use crate::model::{Kind, Labels, Object, ObjectId, Snapshot, Text};

/// A `VirtualService`, with what is asked of it again and again.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) namespace: Text,
    pub(super) hosts: Vec<Text>,
    pub(super) exports: Vec<Text>,
    /// Destinations by host, made whole.
    pub(super) destinations: FxHashMap<Text, Vec<Placed>>,
    pub(super) is_for_mesh: bool,
    /// The `Gateways` that it is bound to, as [`gateway`] names them.
    gateways: Vec<Text>,
}

/// A destination, and the object that it stands in: the `VirtualService`, or one that it delegates to.
#[derive(Debug)]
pub struct Placed {
    /// The destination.
    pub destination: Destination,
    /// The object.
    pub object: ObjectId,
}

impl Placed {
    /// The namespaces that its matches name.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = &Text> {
        self.destination.callers.iter().map(|callers| &callers.namespace).filter(|name| !name.is_empty())
    }
}

impl Route {
    /// `None` for one that only serves others.
    pub(super) fn new(snapshot: &Snapshot, object: &Object, config: &Config) -> Option<Self> {
        let body = object.body.virtual_service().filter(|body| !body.hosts.is_empty())?;
        let namespace = &object.id.namespace;
        let mut destinations: FxHashMap<Text, Vec<Placed>> = FxHashMap::default();
        let own = body.destinations.iter().map(|one| (one.clone(), object.id.clone()));
        for (destination, object) in own.chain(delegates::destinations(snapshot, object, body, config)) {
            let host = normalise(&destination.host, &object.namespace);
            destinations.entry(host).or_default().push(Placed { destination, object });
        }
        let gateways = body.gateways.iter().filter(|gateway| &***gateway != MESH);
        Some(Self {
            hosts: body.hosts.iter().map(|host| normalise(host, namespace)).collect(),
            exports: exports_or_default(&body.export_to, config.default_virtual_service_export_to.as_ref()),
            gateways: gateways.map(|name| gateway(name, namespace)).collect(),
            is_for_mesh: body.is_for_mesh(),
            namespace: Arc::clone(namespace),
            destinations,
        })
    }

    pub(super) fn names_subsets(&self) -> bool {
        self.destinations.values().flatten().any(|one| one.destination.subset.is_some())
    }

    /// Labels of callers that its matches name.
    pub(super) fn source_labels(&self) -> impl Iterator<Item = (bool, &Labels)> {
        let callers = self.destinations.values().flatten().flat_map(|one| one.destination.callers.iter());
        callers
            .map(|callers| &callers.labels)
            .filter(|labels| !labels.is_empty())
            .map(|labels| (false, labels))
    }
}

/// The name of all sidecars among those of gateways.
const MESH: &str = "mesh";

/// `NAMESPACE/NAME` of a `Gateway` as a `VirtualService` of a namespace names it: `NAME`, `NAMESPACE/NAME`, `./NAME`, or
/// the host of old.
fn gateway(name: &str, own: &str) -> Text {
    match name.split_once('/') {
        Some((".", name)) => format!("{own}/{name}").into(),
        Some(_) => name.into(),
        None => match name.split_once('.') {
            Some((name, rest)) => format!("{}/{name}", rest.split('.').next().unwrap_or_default()).into(),
            None => format!("{own}/{name}").into(),
        },
    }
}

/// Istio's `Gateways` and which proxies they select.
#[derive(Debug, Default)]
pub(super) struct Gateways(FxHashMap<Text, Labels>);

impl Gateways {
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        let all = snapshot.of_kind(&Kind::OtherMesh("Gateway".into()));
        let of_istio = all.filter(|object| object.api_version.starts_with("networking.istio.io/"));
        let selector = |object: &Arc<Object>| {
            let selector = object.json.as_ref()?.pointer("/spec/selector").and_then(Value::as_object);
            let pairs = selector.into_iter().flatten();
            let pairs: Vec<(Text, Text)> = pairs
                .filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into())))
                .collect();
            Some((object.id.path().into(), Labels::from_pairs(pairs)))
        };
        Self(of_istio.filter_map(selector).collect())
    }

    /// Whether a gateway takes notice of a route: a `Gateway` that it is bound to selects it. One without selector
    /// selects all.
    pub(super) fn bind(&self, route: &Route, client: &Workload) -> bool {
        client.proxy == ProxyKind::Gateway && route.gateways.iter().any(|name| self.selects(name, client))
    }

    fn selects(&self, name: &str, client: &Workload) -> bool {
        self.0.get(name).is_some_and(|selector| selector.is_subset_of(&client.labels))
    }

    /// The selectors of the `Gateways` that a route is bound to.
    pub(super) fn of<'a>(&'a self, route: &'a Route) -> impl Iterator<Item = (bool, &'a Labels)> {
        let selectors = route.gateways.iter().filter_map(|name| self.0.get(name));
        selectors.filter(|selector| !selector.is_empty()).map(|selector| (true, selector))
    }

    /// Whether a destination's matches are about a client, of whom the route takes notice.
    pub(super) fn is_from(&self, route: &Route, placed: &Placed, client: &Workload) -> bool {
        let is_http = placed.destination.place.starts_with("http");
        let by_gateway = |callers: &Callers| {
            let is_gateway = client.proxy == ProxyKind::Gateway;
            callers.gateways.iter().any(|name| match &**name {
                MESH => !is_gateway,
                name => is_gateway && self.selects(&gateway(name, &route.namespace), client),
            })
        };
        let by_source = |callers: &Callers| {
            callers.labels.is_subset_of(&client.labels)
                && (callers.namespace.is_empty() || callers.namespace == client.namespace)
        };
        let callers = &placed.destination.callers;
        callers.is_empty()
            || callers.iter().any(|one| match (one.gateways.is_empty(), is_http) {
                (true, _) => by_source(one),
                (false, true) => by_gateway(one),
                (false, false) => by_gateway(one) && by_source(one),
            })
    }
}
