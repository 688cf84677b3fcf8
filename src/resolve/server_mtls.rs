//! Which TLS a workload demands: `PeerAuthentication` policies and their precedence (MT-1).

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::config::{Ages, Config};
use crate::model::peer_authentication::{MtlsMode, PeerAuthentication};
use crate::model::{Kind, Labels, Object, Snapshot, Text};

/// How far down a mode was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicyLevel {
    /// No policy sets one: permissive (MT-1.4).
    Default,
    /// The root namespace's policy.
    Mesh,
    /// The namespace's policy.
    Namespace,
    /// A policy that selects the workload.
    Workload,
    /// Its entry for the port.
    Port,
}

impl PolicyLevel {
    /// The word for it in every answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Mesh => "mesh",
            Self::Namespace => "namespace",
            Self::Workload => "workload",
            Self::Port => "port",
        }
    }
}

/// A mode and where it comes from.
#[derive(Debug, Clone)]
pub struct Demand {
    /// The mode; never [`MtlsMode::Unset`].
    pub mode: MtlsMode,
    /// The policy that set it.
    pub policy: Option<Arc<Object>>,
    /// The field of that policy.
    pub field: Cow<'static, str>,
    /// How far down it was set.
    pub level: PolicyLevel,
}

impl PartialEq for Demand {
    fn eq(&self, other: &Self) -> bool {
        // Demands are compared for every endpoint, and policies are shared: what they say is looked at only where
        // they are not the same one.
        let same_policy = match (&self.policy, &other.policy) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two) || one == two,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.level == other.level && self.mode == other.mode && self.field == other.field && same_policy
    }
}

/// All policies, by the class that counts (MT-1.1).
#[derive(Debug, Default)]
pub struct PeerPolicies {
    mesh: Option<Arc<Object>>,
    namespaces: FxHashMap<Text, Arc<Object>>,
    /// Policies with a selector, oldest first.
    workloads: FxHashMap<Text, Vec<Arc<Object>>>,
}

impl PeerPolicies {
    /// The policies of a snapshot, in each class the oldest first (MT-1.2).
    pub fn new(snapshot: &Snapshot, config: &Config, ages: Ages) -> Self {
        let mut sorted: Vec<_> = snapshot.of_kind(&Kind::PeerAuthentication).collect();
        sorted.sort_by_cached_key(|object| ages.place(object));
        let mut policies = Self::default();
        // The kind came with 1.5 (MT-9.5).
        if !config.version.at_least(1, 5) {
            return policies;
        }
        for object in sorted {
            let Some(policy) = object.body.peer_authentication() else { continue };
            let namespace = &object.id.namespace;
            let in_root = **namespace == *config.root_namespace;
            match (in_root, policy.selector.is_empty()) {
                (true, true) => drop(policies.mesh.get_or_insert_with(|| Arc::clone(object))),
                (false, true) => {
                    policies.namespaces.entry(Arc::clone(namespace)).or_insert_with(|| Arc::clone(object));
                }
                (false, false) => {
                    policies.workloads.entry(Arc::clone(namespace)).or_default().push(Arc::clone(object));
                }
                // A policy with a selector in the root namespace is ignored (MT-1.1).
                (true, false) => {}
            }
        }
        policies
    }

    /// What a workload demands on one of its ports (MT-1.4, MT-1.5).
    pub fn on_port(&self, namespace: &str, labels: &Labels, port: u16) -> Demand {
        let chosen = self.selecting(namespace, labels);
        let workload = self.of_workload(namespace, chosen);
        let Some((object, policy)) = chosen else { return workload };
        match policy.ports.iter().find(|(number, _)| *number == port) {
            Some((_, mode)) if *mode != MtlsMode::Unset => Demand {
                mode: mode.clone(),
                policy: Some(Arc::clone(object)),
                field: format!("spec.portLevelMtls.{port}.mode").into(),
                level: PolicyLevel::Port,
            },
            Some(_) | None => workload,
        }
    }

    /// Whether a namespace, or the mesh, has a policy that selects no workloads, whatever it says.
    pub fn are_of_namespace(&self, namespace: &str) -> bool {
        self.mesh.is_some() || self.namespaces.contains_key(namespace)
    }

    /// The mode of a namespace, without policies that select workloads (MT-4.3).
    pub fn of_namespace(&self, namespace: &str) -> Demand {
        self.of_workload(namespace, None)
    }

    fn selecting(&self, namespace: &str, labels: &Labels) -> Option<(&Arc<Object>, &PeerAuthentication)> {
        let policies = self.workloads.get(namespace)?.iter();
        policies
            .filter_map(|object| Some((object, object.body.peer_authentication()?)))
            .find(|(_, policy)| policy.selector.is_subset_of(labels))
    }

    fn of_workload(&self, namespace: &str, chosen: Option<(&Arc<Object>, &PeerAuthentication)>) -> Demand {
        let levels = [
            (chosen.map(|(object, _)| object), PolicyLevel::Workload),
            (self.namespaces.get(namespace), PolicyLevel::Namespace),
            (self.mesh.as_ref(), PolicyLevel::Mesh),
        ];
        for (object, level) in levels {
            let Some(object) = object else { continue };
            let Some(policy) = object.body.peer_authentication() else { continue };
            if policy.mode != MtlsMode::Unset {
                return Demand {
                    mode: policy.mode.clone(),
                    policy: Some(Arc::clone(object)),
                    field: Cow::Borrowed("spec.mtls.mode"),
                    level,
                };
            }
        }
        Demand {
            mode: MtlsMode::Permissive,
            policy: None,
            field: Cow::Borrowed(""),
            level: PolicyLevel::Default,
        }
    }
}
