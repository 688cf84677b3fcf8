//! What a captured workload demands: `PeerAuthentication` as istiod converts it for ztunnel (MT-6.6). It is not
//! what a sidecar makes of the same policies: DISABLE is PERMISSIVE, and some exceptions for ports are lost.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::peer_authentication::{MtlsMode, PeerAuthentication};
use crate::model::{Kind, Labels, Object, Snapshot, Text};
use crate::resolve::config::{Ages, Config};
use crate::resolve::server_mtls::{Demand, PolicyLevel};

/// What becomes of an entry of `portLevelMtls` that ambient mode does not honour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lost {
    /// The converted policy is never sent: what should be strict is not (mtls.md A7).
    Strict,
    /// Only PERMISSIVE is looked for: what should be open stays strict (mtls.md A5).
    Exception,
}

/// What a captured workload demands on a port.
#[derive(Debug, Clone, PartialEq)]
pub struct AmbientDemand {
    /// STRICT or PERMISSIVE, or a word that is not known.
    pub demand: Demand,
    /// The policy whose entry for the port has no effect, and how.
    pub lost: Option<(Lost, Arc<Object>)>,
}

/// All policies by class, each class in the order of age.
#[derive(Debug)]
pub struct AmbientPolicies {
    mesh: Vec<Aged>,
    namespaces: FxHashMap<Text, Vec<Aged>>,
    workloads: FxHashMap<Text, Vec<Aged>>,
    root_namespace: Text,
}

/// A policy and its creation time, which alone decides: names do not (MT-6.6).
type Aged = (Option<i64>, Arc<Object>);

/// The policies of the three classes that decide.
#[derive(Clone, Copy, Default)]
struct Chosen<'a> {
    mesh: Option<&'a Arc<Object>>,
    namespace: Option<&'a Arc<Object>>,
    workload: Option<&'a Arc<Object>>,
}

impl AmbientPolicies {
    /// The policies of a snapshot.
    pub fn new(snapshot: &Snapshot, config: &Config, ages: Ages) -> Self {
        let mut sorted: Vec<_> = snapshot.of_kind(&Kind::PeerAuthentication).collect();
        sorted.sort_by_cached_key(|object| ages.place(object));
        let root = config.root_namespace.as_str();
        let mut policies = Self {
            mesh: Vec::new(),
            namespaces: FxHashMap::default(),
            workloads: FxHashMap::default(),
            root_namespace: root.into(),
        };
        for object in sorted {
            let Some(policy) = object.body.peer_authentication() else { continue };
            let namespace = &object.id.namespace;
            let one = (object.meta.created, Arc::clone(object));
            match (**namespace == *root, policy.selector.is_empty()) {
                (true, true) => policies.mesh.push(one),
                (false, true) => policies.namespaces.entry(Arc::clone(namespace)).or_default().push(one),
                (false, false) => policies.workloads.entry(Arc::clone(namespace)).or_default().push(one),
                // As for sidecars, one with a selector in the root namespace is ignored.
                (true, false) => {}
            }
        }
        policies
    }

    /// What a captured workload demands on one of its ports. Policies of one class and second have no defined order:
    /// where they come to different modes, the mode is a word that says so.
    pub fn on_port(&self, namespace: &str, labels: &Labels, port: u16) -> AmbientDemand {
        let in_root = *namespace == *self.root_namespace;
        let of_namespace = self.namespaces.get(namespace).map(Vec::as_slice).unwrap_or_default();
        let of_workloads = self.workloads.get(namespace).map(Vec::as_slice).unwrap_or_default();
        // A mesh policy with an empty selector is of the root namespace alone here.
        let mesh = oldest(&self.mesh, &|policy| in_root || !policy.has_selector);
        let namespaces = oldest(of_namespace, &|_| true);
        let workloads = oldest(of_workloads, &|policy| policy.selector.is_subset_of(labels));
        let mut found: Option<AmbientDemand> = None;
        for mesh in &mesh {
            for namespace in &namespaces {
                for workload in &workloads {
                    let chosen = Chosen { mesh: *mesh, namespace: *namespace, workload: *workload };
                    let demand = chosen.on_port(port);
                    match &mut found {
                        None => found = Some(demand),
                        Some(known) if known.demand.mode != demand.demand.mode => {
                            let word = "one of several modes (policies of the same second)".to_owned();
                            known.demand.mode = MtlsMode::Other(word);
                            return found.unwrap_or(demand);
                        }
                        Some(_) => {}
                    }
                }
            }
        }
        found.unwrap_or_else(|| Chosen::default().on_port(port))
    }
}

/// The policy that a strict one becomes without exceptions (MT-6.6).
const STATIC_STRICT: &str = "istio_converted_static_strict";

/// What stands before the name of one that is converted as a whole.
const CONVERTED: &str = "converted_peer_authentication_";

/// Whether a policy of ztunnel was made from a PeerAuthentication, by its name without the namespace: the names that
/// istiod gives them have `_`, which no name of Kubernetes can have.
pub fn is_of_peer_authentication(name: &str) -> bool {
    name == STATIC_STRICT || name.starts_with(CONVERTED)
}

impl AmbientPolicies {
    /// The name of the policy that refuses plaintext on a port, as ztunnel logs it; `None` where plaintext is let in.
    ///
    /// # Errors
    ///
    /// What is not known: the port, where they do not all have the same mode, or the mode, where policies of one second
    /// come to different ones.
    pub fn refusing_plaintext(
        &self,
        namespace: &str,
        labels: &Labels,
        port: Option<u16>,
    ) -> Result<Option<String>, String> {
        let of_port = |port: u16| self.on_port(namespace, labels, port).demand.mode;
        // No port is 0: it stands for all that no policy names.
        let mode = of_port(port.unwrap_or_default());
        if port.is_none() {
            let of_workloads = self.workloads.get(namespace).into_iter().flatten();
            let mut named = of_workloads.filter_map(|(_, object)| object.body.peer_authentication());
            if named.any(|policy| policy.ports.iter().any(|(port, _)| of_port(*port) != mode)) {
                return Err("port".to_owned());
            }
        }
        match mode {
            MtlsMode::Strict => {}
            MtlsMode::Other(word) => return Err(format!("the mode of PeerAuthentication: {word}")),
            MtlsMode::Unset | MtlsMode::Permissive | MtlsMode::Disable => return Ok(None),
        }
        let of = |all: &FxHashMap<Text, Vec<Aged>>, labels: Option<&Labels>| {
            let class = all.get(namespace).map(Vec::as_slice).unwrap_or_default();
            let fits = |policy: &PeerAuthentication| {
                labels.is_none_or(|labels| policy.selector.is_subset_of(labels))
            };
            oldest(class, &fits).first().copied().flatten().cloned()
        };
        let in_root = *namespace == *self.root_namespace;
        let mesh = oldest(&self.mesh, &|policy| in_root || !policy.has_selector).first().copied().flatten();
        let (of_namespace, workload) = (of(&self.namespaces, None), of(&self.workloads, Some(labels)));
        let chosen = Chosen { mesh, namespace: of_namespace.as_ref(), workload: workload.as_ref() };
        Ok(Some(match (chosen.is_converted(), chosen.workload) {
            (true, Some(policy)) => {
                format!("{}/{CONVERTED}{}", policy.id.namespace, policy.id.name)
            }
            (_, _) => format!("{}/{STATIC_STRICT}", self.root_namespace),
        }))
    }
}

/// The oldest of a class; several where they are of one second, and `None` where there is none.
fn oldest<'a>(
    class: &'a [Aged],
    wanted: &dyn Fn(&PeerAuthentication) -> bool,
) -> Vec<Option<&'a Arc<Object>>> {
    let mut fitting = class
        .iter()
        .filter(|(_, object)| object.body.peer_authentication().is_some_and(wanted))
        .map(|(created, object)| (created, object));
    let Some((first, object)) = fitting.next() else { return vec![None] };
    let same = fitting.take_while(|(created, _)| created.is_some() && *created == first);
    std::iter::once(Some(object)).chain(same.map(|(_, object)| Some(object))).collect()
}

fn body(object: Option<&Arc<Object>>) -> Option<&PeerAuthentication> {
    object?.body.peer_authentication()
}

fn mode_of(object: Option<&Arc<Object>>) -> &MtlsMode {
    body(object).map_or(&MtlsMode::Unset, |policy| &policy.mode)
}

/// Nothing but STRICT is enforced: everything else that is known is PERMISSIVE (MT-5.3).
fn enforced(mode: &MtlsMode) -> MtlsMode {
    match mode {
        MtlsMode::Strict => MtlsMode::Strict,
        MtlsMode::Unset | MtlsMode::Permissive | MtlsMode::Disable => MtlsMode::Permissive,
        MtlsMode::Other(word) => MtlsMode::Other(word.clone()),
    }
}

impl Chosen<'_> {
    fn on_port(self, port: u16) -> AmbientDemand {
        let all = self.of_workload();
        let sound = |demand| AmbientDemand { demand, lost: None };
        let (Some(object), Some(policy)) = (self.workload, body(self.workload)) else { return sound(all) };
        let entry = policy.ports.iter().find(|(number, _)| *number == port).map(|(_, mode)| mode);
        let Some(entry) = entry.filter(|mode| **mode != MtlsMode::Unset) else { return sound(all) };
        let of_entry = Demand {
            mode: enforced(entry),
            policy: Some(Arc::clone(object)),
            field: format!("spec.portLevelMtls.{port}.mode").into(),
            level: PolicyLevel::Port,
        };
        let lost = |what| AmbientDemand { demand: all.clone(), lost: Some((what, Arc::clone(object))) };
        match (&policy.mode, entry) {
            (MtlsMode::Permissive | MtlsMode::Disable, MtlsMode::Strict) if self.never_sent() => {
                lost(Lost::Strict)
            }
            // Under a strict parent the exceptions of a policy without a mode count together, and only where one of
            // them is PERMISSIVE.
            (MtlsMode::Unset, MtlsMode::Disable)
                if all.mode == MtlsMode::Strict
                    && !policy.ports.iter().any(|(_, mode)| *mode == MtlsMode::Permissive) =>
            {
                lost(Lost::Exception)
            }
            (_, _) => sound(of_entry),
        }
    }

    /// Whether the workload's policy has an entry for a port that its mode does not say already: then it is converted as
    /// a whole.
    fn is_converted(self) -> bool {
        let Some(policy) = body(self.workload) else { return false };
        let has = |wanted: &[MtlsMode]| policy.ports.iter().any(|(_, mode)| wanted.contains(mode));
        match &policy.mode {
            MtlsMode::Strict => has(&[MtlsMode::Permissive, MtlsMode::Disable]),
            MtlsMode::Permissive | MtlsMode::Disable => has(&[MtlsMode::Strict]),
            MtlsMode::Unset => {
                let above = Self { workload: None, ..self }.of_workload().mode;
                has(&[if above == MtlsMode::Strict { MtlsMode::Permissive } else { MtlsMode::Strict }])
            }
            MtlsMode::Other(_) => false,
        }
    }

    /// mtls.md A7: the mesh is strict, the namespace says nothing, and the workload's policy is open but for a port.
    fn never_sent(self) -> bool {
        *mode_of(self.mesh) == MtlsMode::Strict && *mode_of(self.namespace) == MtlsMode::Unset
    }

    /// The mode without entries for ports.
    fn of_workload(self) -> Demand {
        let levels = [
            (self.workload, PolicyLevel::Workload),
            (self.namespace, PolicyLevel::Namespace),
            (self.mesh, PolicyLevel::Mesh),
        ];
        let set = levels.into_iter().find(|(object, _)| *mode_of(*object) != MtlsMode::Unset);
        match set {
            Some((object, level)) => Demand {
                mode: enforced(mode_of(object)),
                policy: object.cloned(),
                field: Cow::Borrowed("spec.mtls.mode"),
                level,
            },
            None => Demand {
                mode: MtlsMode::Permissive,
                policy: None,
                field: Cow::Borrowed(""),
                level: PolicyLevel::Default,
            },
        }
    }
}

#[cfg(test)]
mod tests;
