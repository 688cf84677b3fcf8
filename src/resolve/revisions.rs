//! Control planes of several revisions: which one a workload is of, and the mesh as each sees it.
//!
//! A client is answered with the mesh configuration, flags and version of its own control plane; what a server demands
//! is decided by the server's. There is one mesh for each set of settings that differs, and none but the first where
//! there is one control plane.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::ambient::policies::AmbientPolicies;
use super::config::Config;
use super::flags::{Flag, Flags};
use super::gaps::Missing;
use super::legacy::LegacyPolicies;
use super::mesh::{Mesh, Target};
use super::server_mtls::PeerPolicies;
use super::traffic_policy;
use super::workload::Workload;
use crate::model::Text;
use crate::model::pod::ProxyKind;

/// What the mesh of one control plane knows of the others; nothing where there is one.
#[derive(Debug, Clone, Default)]
pub struct Revisions {
    /// By revision, where its settings are not those of the first mesh. Only the first mesh has any.
    meshes: BTreeMap<Text, Arc<Mesh>>,
    /// What the servers of each demand, the first mesh's under the empty revision.
    demands: Option<Arc<FxHashMap<Text, Demands>>>,
    /// The revisions that have a control plane or a mesh configuration of their own, the one without a name among them
    /// as an empty text, each with the keys of what runs of it besides the first; nothing where there is one control
    /// plane.
    known: Arc<BTreeMap<Text, Vec<Text>>>,
}

/// The policies by which servers of a control plane demand TLS.
#[derive(Debug, Clone)]
pub struct Demands {
    /// `PeerAuthentications`.
    pub policies: Arc<PeerPolicies>,
    /// The policies of before 1.6, for those versions.
    pub legacy: Option<Arc<LegacyPolicies>>,
    /// What captured workloads demand.
    pub ambient_policies: Arc<AmbientPolicies>,
    /// The flags, which decide what their sidecars listen for (MT-2.5, MT-6.2).
    pub flags: Flags,
}

/// A control plane besides the first: its revisions, and the mesh as it sees it.
pub(super) type Other = (Vec<Text>, Mesh);

/// Configurations that differ from the first and from each other, each with the revisions that have it.
pub(super) fn differing(first: &Config, all: Vec<(Text, Config)>) -> Vec<(Vec<Text>, Config)> {
    let mut found: Vec<(Vec<Text>, Config)> = Vec::new();
    for (revision, config) in all.into_iter().filter(|(_, config)| config != first) {
        match found.iter_mut().find(|(_, known)| *known == config) {
            Some((revisions, _)) => revisions.push(revision),
            None => found.push((vec![revision], config)),
        }
    }
    found
}

/// Tells the meshes of all control planes what the servers of each other demand.
pub(super) fn introduce(first: &mut Mesh, others: &mut [Other]) {
    if others.is_empty() {
        return;
    }
    let mut demands = FxHashMap::default();
    demands.insert(Text::default(), Demands::of(first));
    for (revisions, mesh) in others.iter() {
        demands.extend(revisions.iter().map(|revision| (Arc::clone(revision), Demands::of(mesh))));
    }
    let demands = Some(Arc::new(demands));
    let mut known: BTreeMap<Text, Vec<Text>> = BTreeMap::new();
    for (revision, key) in Config::revisions(&first.snapshot) {
        known.entry(revision).or_default().extend(key);
    }
    let known = Arc::new(known);
    for mesh in std::iter::once(first).chain(others.iter_mut().map(|(_, mesh)| mesh)) {
        let known = Arc::clone(&known);
        mesh.revisions = Revisions { meshes: BTreeMap::new(), demands: demands.clone(), known };
    }
}

impl Demands {
    fn of(mesh: &Mesh) -> Self {
        Self {
            policies: Arc::clone(&mesh.policies),
            legacy: mesh.legacy.clone(),
            ambient_policies: Arc::clone(&mesh.ambient_policies),
            flags: mesh.config.flags.clone(),
        }
    }
}

impl Revisions {
    /// The meshes of the others, each with all of its revisions.
    pub(super) fn others(&self) -> Vec<Other> {
        let mut found: Vec<(Vec<Text>, &Arc<Mesh>)> = Vec::new();
        for (revision, mesh) in &self.meshes {
            match found.iter_mut().find(|(_, known)| Arc::ptr_eq(known, mesh)) {
                Some((revisions, _)) => revisions.push(Arc::clone(revision)),
                None => found.push((vec![Arc::clone(revision)], mesh)),
            }
        }
        found.into_iter().map(|(revisions, mesh)| (revisions, Mesh::clone(mesh))).collect()
    }

    /// Keeps the meshes of the others.
    pub(super) fn keep(&mut self, others: Vec<Other>) {
        for (revisions, mesh) in others {
            let mesh = Arc::new(mesh);
            self.meshes.extend(revisions.into_iter().map(|revision| (revision, Arc::clone(&mesh))));
        }
    }
}

impl Mesh {
    /// The mesh as a client's control plane sees it, with whose settings it is answered.
    pub fn of_client(&self, client: &Workload) -> &Self {
        self.revisions.meshes.get(&client.revision).map_or(self, |mesh| mesh)
    }

    /// The mesh as each control plane sees it, this one first; one may come more than once.
    pub fn of_all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.revisions.meshes.values().map(|mesh| &**mesh))
    }

    /// Whether a namespace is the root namespace of any control plane.
    pub fn is_a_root(&self, namespace: &str) -> bool {
        self.of_all().any(|mesh| mesh.config.root_namespace == namespace)
    }

    /// Whether a namespace is the root namespace of a workload's own control plane.
    pub fn is_root_of(&self, workload: &Workload, namespace: &str) -> bool {
        self.of_client(workload).config.root_namespace == namespace
    }

    /// The revision of a client, where its control plane has settings of its own.
    pub fn revision_of<'a>(&self, client: &'a Workload) -> Option<&'a Text> {
        self.revisions.meshes.contains_key(&client.revision).then_some(&client.revision)
    }

    /// The meshes of other control planes that may be the client's, where nothing that was read tells which one is: its
    /// pod and namespace do not, or name a revision of which nothing was read (such as a tag), or one that runs in
    /// several versions at a time.
    pub(super) fn others_of(&self, client: &Workload) -> Vec<&Self> {
        let uses_settings =
            matches!(client.proxy, ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Waypoint);
        if !uses_settings || self.revisions.meshes.is_empty() {
            return Vec::new();
        }
        let own = self.of_client(client);
        let mut found: Vec<&Self> = Vec::new();
        let all = || std::iter::once(self).chain(self.revisions.meshes.values().map(|mesh| &**mesh));
        let known = self.revisions.known.get(&client.revision).filter(|_| client.is_revision_told);
        let possible: Vec<&Self> = match known {
            Some(several) => {
                several.iter().map(|key| self.revisions.meshes.get(key).map_or(self, |mesh| mesh)).collect()
            }
            None => all().collect(),
        };
        for mesh in possible {
            if !std::ptr::eq(mesh, own) && !found.iter().any(|one| std::ptr::eq(*one, mesh)) {
                found.push(mesh);
            }
        }
        found
    }

    /// What is missing where control planes that may be the client's have another rule for it, or another definition of
    /// the host.
    pub(super) fn which_control_plane(&self, client: &Workload, target: &Target<'_>) -> Option<Missing> {
        let others = self.others_of(client);
        if others.is_empty() {
            return None;
        }
        let host = &target.service.host;
        let of = |mesh: &Self| {
            let target = mesh.target(client, host)?;
            let choice = mesh.choice(client, &target);
            let numbers = target.service.ports().iter().map(|port| port.number);
            let policies = numbers
                .map(|port| traffic_policy::effective(&mesh.rules, choice.as_ref(), port, None, &mesh.config))
                .map(|policy| policy.blocks);
            let policies: Vec<_> = policies.collect();
            Some((choice, target.service.object.id.clone(), target.ports.clone(), policies))
        };
        let own = of(self.of_client(client));
        others.into_iter().any(|other| of(other) != own).then(|| self.unknown_control_plane(client))
    }

    /// That it is not known which control plane is a client's.
    pub(super) fn unknown_control_plane(&self, client: &Workload) -> Missing {
        let versions: BTreeSet<_> = std::iter::once(self)
            .chain(self.revisions.meshes.values().map(|mesh| &**mesh))
            .map(|mesh| mesh.config.version.value.as_str())
            .collect();
        let versions: Vec<_> = versions.into_iter().collect();
        let names = if client.is_revision_told && !client.revision.is_empty() {
            format!(" by its revision {}", client.revision)
        } else {
            String::new()
        };
        let need = format!(
            "which control plane the client's proxy is of{names}: there are several, whose settings differ (Istio {})",
            versions.join(", ")
        );
        Missing::not_collected("Pod", need)
    }

    /// Whether there are control planes with other settings.
    pub(super) fn is_one_of_several(&self) -> bool {
        self.revisions.demands.is_some()
    }

    /// What the servers of a revision's control plane demand by, those of the first where it is not known; `None` where
    /// there is one control plane, whose policies are this mesh's.
    pub(super) fn demands_of(&self, revision: &str) -> Option<&Demands> {
        let demands = self.revisions.demands.as_ref()?;
        demands.get(revision).or_else(|| demands.get(""))
    }

    /// Whether a flag is on for the servers of a revision.
    pub(super) fn is_on_for_servers(&self, flag: Flag, revision: &str) -> bool {
        self.demands_of(revision).map_or(&self.config.flags, |demands| &demands.flags).is_on(flag)
    }
}
