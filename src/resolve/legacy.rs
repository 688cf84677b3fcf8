//! What a server demanded before Istio 1.6: `Policy` and `MeshPolicy` of `authentication.istio.io` (MT-9).

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::config::IstioVersion;
use super::registry::{Endpoint, Service};
use super::rules::normalise;
use super::server_mtls::{Demand, PolicyLevel};
use crate::model::peer_authentication::MtlsMode;
use crate::model::{Kind, Object, Snapshot, Text};

/// The policies of that time.
#[derive(Debug, Default)]
pub struct LegacyPolicies {
    /// `MeshPolicy` `default`.
    mesh: Option<Arc<Object>>,
    /// By namespace, oldest first.
    namespaces: FxHashMap<Text, Vec<Arc<Object>>>,
    /// From 1.4 on the host is looked up before the namespace; up to 1.3 the best match of the namespace counts.
    by_host_first: bool,
    /// From 1.2 on a target with labels selects workloads by them, and not by name.
    knows_labels: bool,
    /// Istio 1.5 asks `PeerAuthentication` first (MT-9.5).
    both: bool,
}

impl LegacyPolicies {
    /// The policies of a snapshot, for versions that know them; from 1.6 on they are ignored.
    pub fn new(snapshot: &Snapshot, version: &IstioVersion) -> Option<Self> {
        if version.at_least(1, 6) {
            return None;
        }
        let mut policies = Self {
            by_host_first: version.at_least(1, 4),
            knows_labels: version.at_least(1, 2),
            both: version.at_least(1, 5),
            ..Self::default()
        };
        policies.mesh =
            snapshot.of_kind(&Kind::LegacyMeshPolicy).find(|one| &*one.id.name == "default").cloned();
        for object in snapshot.of_kind(&Kind::LegacyPolicy) {
            policies.namespaces.entry(Arc::clone(&object.id.namespace)).or_default().push(Arc::clone(object));
        }
        for list in policies.namespaces.values_mut() {
            list.sort_by_key(|object| (object.meta.created, Arc::clone(&object.id.name)));
        }
        Some(policies)
    }

    /// What a service's port demands (MT-9.2, MT-9.3), where a `PeerAuthentication` says `newer` for the namespace.
    pub fn on_port(&self, service: &Service, port: u16, newer: Demand) -> Demand {
        if self.both && newer.policy.is_some() {
            return newer;
        }
        self.policy(service, port).unwrap_or(Demand {
            mode: if self.both { MtlsMode::Permissive } else { MtlsMode::Disable },
            policy: None,
            field: Cow::Borrowed(""),
            level: PolicyLevel::Default,
        })
    }

    /// What the policy of that time says that applies to a service's port; `None` where none does (MT-9.2).
    pub fn policy(&self, service: &Service, port: u16) -> Option<Demand> {
        let list = self.of_namespace(service);
        if let Some((object, level)) = self.best(&self.named(service, port)) {
            return Some(demand(object, level));
        }
        let general = list.iter().find(|object| targets(object).is_empty());
        let general = general.map(|object| demand(object, PolicyLevel::Namespace));
        general.or_else(|| self.mesh.as_ref().map(|object| demand(object, PolicyLevel::Mesh)))
    }

    /// Policies of which the first found counts, where nothing tells which that is (up to 1.3) and they differ; the
    /// oldest is taken. `None` where it is no matter.
    pub fn unsettled_order(&self, service: &Service, port: u16) -> Option<String> {
        let mut named = self.named(service, port).into_iter().map(|(object, _)| object);
        let first = named.next().filter(|_| !self.by_host_first)?;
        let other = named.find(|other| mode(other) != mode(first))?;
        Some(format!("which of {} and {} is found first", first.id, other.id))
    }

    /// A policy that selects endpoints of a port by their labels: nothing tells what counts beside it.
    pub fn unsettled_by_labels(&self, service: &Service, port: u16) -> Option<String> {
        let selected = |target: &Value| {
            let labels = target.get("labels").and_then(Value::as_object);
            labels.is_some_and(|labels| {
                let has = |endpoint: &Endpoint| {
                    labels.iter().all(|(key, value)| endpoint.labels.get(key) == value.as_str())
                };
                service.endpoints(port).iter().any(has)
            })
        };
        let by_labels = self.of_namespace(service).iter().find(|object| targets(object).iter().any(selected));
        let object = by_labels.filter(|_| self.knows_labels)?;
        Some(format!("which policy counts beside {}, whose targets select by labels", object.id))
    }

    fn of_namespace(&self, service: &Service) -> &[Arc<Object>] {
        self.namespaces.get(&service.namespace).map(Vec::as_slice).unwrap_or_default()
    }

    /// The policies that name the service, oldest first, each with whether it names the port too.
    fn named(&self, service: &Service, port: u16) -> Vec<(&Arc<Object>, bool)> {
        let fits = |object: &Arc<Object>| {
            let targets = targets(object).iter().filter(|one| self.is_name(one, service));
            let mut ports = targets.map(|one| names_port(one, service, port));
            let exact = ports.clone().any(|one| one == Some(true));
            (exact || ports.any(|one| one.is_none())).then_some(exact)
        };
        let list = self.of_namespace(service).iter();
        list.filter_map(|object| Some((object, fits(object)?))).collect()
    }

    /// From 1.4 on one that names the port beats one that names none; before, the first counts.
    fn best<'a>(&self, named: &[(&'a Arc<Object>, bool)]) -> Option<(&'a Arc<Object>, PolicyLevel)> {
        let exact = named.iter().find(|(_, exact)| *exact).filter(|_| self.by_host_first);
        let (object, exact) = exact.or_else(|| named.first())?;
        Some((object, if *exact { PolicyLevel::Port } else { PolicyLevel::Workload }))
    }

    /// Whether a target is this service. One with labels selects workloads, which nobody passed in when a service was
    /// asked about (MT-9.2).
    fn is_name(&self, target: &Value, service: &Service) -> bool {
        let by_labels = self.knows_labels && target.get("labels").is_some_and(|labels| !labels.is_null());
        let name = target.get("name").and_then(Value::as_str).filter(|name| !name.is_empty() && !by_labels);
        name.is_some_and(|name| normalise(name, &service.namespace) == service.host)
    }
}

fn targets(object: &Object) -> &[Value] {
    let targets =
        object.json.as_ref().and_then(|json| json.pointer("/spec/targets")).and_then(Value::as_array);
    targets.map(Vec::as_slice).unwrap_or_default()
}

/// Whether a target's ports have this one; `None` where it lists none.
fn names_port(target: &Value, service: &Service, port: u16) -> Option<bool> {
    let ports = target.get("ports").and_then(Value::as_array).filter(|ports| !ports.is_empty())?;
    let name = service.port(port).map(|port| &*port.name);
    Some(ports.iter().any(|one| {
        one.get("number").and_then(Value::as_u64) == Some(u64::from(port))
            || one.get("name").and_then(Value::as_str).is_some_and(|one| Some(one) == name)
    }))
}

fn demand(object: &Arc<Object>, level: PolicyLevel) -> Demand {
    Demand { mode: mode(object), policy: Some(Arc::clone(object)), field: Cow::Borrowed("spec.peers"), level }
}

/// The first entry with `mtls` decides; without one, mutual TLS is off (MT-9.3).
fn mode(object: &Object) -> MtlsMode {
    let peers = object.json.as_ref().and_then(|json| json.pointer("/spec/peers")).and_then(Value::as_array);
    let mtls = peers.into_iter().flatten().find_map(|peer| peer.as_object()?.get("mtls"));
    match mtls.map(|mtls| mtls.get("mode").and_then(Value::as_str)) {
        None => MtlsMode::Disable,
        Some(None | Some("STRICT")) => MtlsMode::Strict,
        Some(Some("PERMISSIVE")) => MtlsMode::Permissive,
        Some(Some(other)) => MtlsMode::Other(other.to_owned()),
    }
}
