//! What a server demanded before Istio 1.6: `Policy` and `MeshPolicy` of `authentication.istio.io` (mtls.md section 9).

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::config::IstioVersion;
use super::registry::Service;
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
    /// Istio 1.5 asks `PeerAuthentication` first (MT-9.5).
    both: bool,
}

impl LegacyPolicies {
    /// The policies of a snapshot, for versions that know them; from 1.6 on they are ignored.
    pub fn new(snapshot: &Snapshot, version: &IstioVersion) -> Option<Self> {
        if version.at_least(1, 6) {
            return None;
        }
        let mut policies =
            Self { by_host_first: version.at_least(1, 4), both: version.at_least(1, 5), ..Self::default() };
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
        let list = self.namespaces.get(&service.namespace).map(Vec::as_slice).unwrap_or_default();
        let named = self.named(list, service, port);
        let general = || list.iter().find(|object| targets(object).is_empty());
        if let Some((object, level)) = named {
            return demand(object, level);
        }
        match (general(), &self.mesh) {
            (Some(object), _) => demand(object, PolicyLevel::Namespace),
            (None, Some(object)) => demand(object, PolicyLevel::Mesh),
            (None, None) => Demand {
                mode: if self.both { MtlsMode::Permissive } else { MtlsMode::Disable },
                policy: None,
                field: Cow::Borrowed(""),
                level: PolicyLevel::Default,
            },
        }
    }

    /// The policy that names the service. From 1.4 on one that names the port beats one that names none; before, the
    /// first found counts.
    fn named<'a>(
        &self,
        list: &'a [Arc<Object>],
        service: &Service,
        port: u16,
    ) -> Option<(&'a Arc<Object>, PolicyLevel)> {
        let fits = |object: &Arc<Object>| {
            let targets = targets(object);
            let mut ports =
                targets.iter().filter(|one| is_name(one, service)).map(|one| names_port(one, service, port));
            ports.clone().find(|one| *one == Some(true)).or_else(|| ports.find(Option::is_none))
        };
        let found: Vec<_> = list.iter().filter_map(|object| Some((object, fits(object)?))).collect();
        let level =
            |named: Option<bool>| if named == Some(true) { PolicyLevel::Port } else { PolicyLevel::Workload };
        let best = found
            .iter()
            .find(|(_, named)| !self.by_host_first || *named == Some(true))
            .or_else(|| found.first());
        best.map(|(object, named)| (*object, level(*named)))
    }
}

fn targets(object: &Object) -> &[Value] {
    let targets =
        object.json.as_ref().and_then(|json| json.pointer("/spec/targets")).and_then(Value::as_array);
    targets.map(Vec::as_slice).unwrap_or_default()
}

/// A target with labels selects workloads, which nobody passed in when a service was asked about (MT-9.2).
fn is_name(target: &Value, service: &Service) -> bool {
    target.get("labels").is_none()
        && target.get("name").and_then(Value::as_str) == Some(&service.object.id.name)
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
