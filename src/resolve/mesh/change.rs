//! From one mesh to the next: what a delta decides is made again, and all else is shared.
//!
//! Rules and policies change often and one at a time, so a changed rule is put into the index that is there. What
//! pods, services and scopes decide is built anew, and a change of the mesh's settings makes a new mesh.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{AGED, Mesh, any_contested, is_contested};
use crate::model::snapshot::Delta;
use crate::model::{Change, Kind, ObjectId, Snapshot};
use crate::resolve::ambient::Ambient;
use crate::resolve::ambient::policies::AmbientPolicies;
use crate::resolve::config::{Ages, Config};
use crate::resolve::gaps::Gaps;
use crate::resolve::legacy::LegacyPolicies;
use crate::resolve::networks::Networks;
use crate::resolve::registry::Registry;
use crate::resolve::revisions::{self, Revisions};
use crate::resolve::rules::RuleIndex;
use crate::resolve::scope::Scopes;
use crate::resolve::server_mtls::PeerPolicies;
use crate::resolve::workload::Workloads;

/// What objects of a kind decide about, besides the gaps that they may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Config,
    Workloads,
    Registry,
    Scopes,
    Rules,
    Policies,
    Legacy,
}

/// The parts that a kind decides.
fn parts(kind: &Kind) -> &'static [Part] {
    match kind {
        Kind::Deployment | Kind::Pod => &[Part::Config, Part::Workloads],
        Kind::Namespace
        | Kind::StatefulSet
        | Kind::DaemonSet
        | Kind::ReplicaSet
        | Kind::Job
        | Kind::CronJob => &[Part::Workloads],
        Kind::Service | Kind::EndpointSlice | Kind::Endpoints | Kind::ServiceEntry | Kind::WorkloadEntry => {
            &[Part::Registry]
        }
        Kind::ConfigMap => &[Part::Config],
        Kind::DestinationRule => &[Part::Rules],
        Kind::PeerAuthentication => &[Part::Policies],
        Kind::Sidecar | Kind::VirtualService => &[Part::Scopes],
        // To which proxies routes are bound.
        Kind::OtherMesh(name) if &**name == "Gateway" => &[Part::Scopes],
        Kind::LegacyPolicy | Kind::LegacyMeshPolicy => &[Part::Legacy],
        Kind::Secret
        | Kind::AuthorizationPolicy
        | Kind::RequestAuthentication
        | Kind::EnvoyFilter
        | Kind::BackendPolicy
        | Kind::OtherMesh(_)
        | Kind::Unrelated(_) => &[],
    }
}

impl Mesh {
    /// The mesh as it would be after changes.
    #[must_use]
    pub fn with_changes(&self, delta: Delta) -> Self {
        self.apply(delta).0
    }

    /// The mesh after a delta, and the objects that are not the same in it. It is the one that [`Mesh::new`] makes of
    /// the same objects.
    #[must_use]
    pub fn apply(&self, delta: Delta) -> (Self, BTreeSet<ObjectId>) {
        let named: BTreeSet<ObjectId> = delta.iter().map(Change::id).cloned().collect();
        let (snapshot, _) = self.snapshot.apply(delta);
        let differs = |id: &ObjectId| match (self.snapshot.get(id), snapshot.get(id)) {
            (Some(before), Some(after)) => !Arc::ptr_eq(before, after),
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        };
        let changed: BTreeSet<ObjectId> = named.into_iter().filter(differs).collect();
        (self.next(&snapshot, &changed), changed)
    }

    fn next(&self, snapshot: &Snapshot, changed: &BTreeSet<ObjectId>) -> Self {
        let touched: BTreeSet<Part> = changed.iter().flat_map(|id| parts(&id.kind)).copied().collect();
        if touched.contains(&Part::Config) && !self.has_settings_of(snapshot) {
            return Arc::unwrap_or_clone(Self::new(snapshot, &self.options));
        }
        let contested = self.is_contested_in(snapshot, changed);
        let workloads = if touched.contains(&Part::Workloads) {
            Arc::new(Workloads::new(snapshot))
        } else {
            Arc::clone(&self.workloads)
        };
        let led = |mesh: &Self| mesh.led(snapshot, &workloads, &touched, changed);
        let others = self.revisions.others().into_iter().map(|(names, mesh)| (names, led(&mesh))).collect();
        led(self).complete(others, contested, Some((self, changed)))
    }

    /// Whether all control planes have the settings that a snapshot gives them.
    fn has_settings_of(&self, snapshot: &Snapshot) -> bool {
        let first = Config::new(snapshot, &self.options);
        let others = revisions::differing(&first, Config::of_revisions(snapshot, &self.options));
        let known = self.revisions.others();
        first == self.config
            && others.len() == known.len()
            && others
                .iter()
                .all(|(names, config)| known.iter().any(|(of, mesh)| of == names && mesh.config == *config))
    }

    /// The mesh of one control plane with what changed made again, in one order of ages.
    fn led(
        &self,
        snapshot: &Snapshot,
        workloads: &Arc<Workloads>,
        touched: &BTreeSet<Part>,
        changed: &BTreeSet<ObjectId>,
    ) -> Self {
        let is = |part: Part| touched.contains(&part);
        let mut mesh = Self {
            snapshot: snapshot.clone(),
            workloads: Arc::clone(workloads),
            revisions: Revisions::default(),
            other_ages: None,
            ..self.clone()
        };
        let (snapshot, config) = (&mesh.snapshot, &mesh.config);
        if is(Part::Workloads) {
            mesh.ambient = Arc::new(Ambient::new(snapshot, &mesh.workloads, config));
        }
        if is(Part::Workloads) || is(Part::Registry) {
            let services = [Kind::Service, Kind::ServiceEntry];
            let of_services = |id: &&ObjectId| parts(&id.kind).contains(&Part::Registry);
            let alone = !is(Part::Workloads)
                && changed.iter().filter(of_services).all(|id| services.contains(&id.kind));
            let (workloads, ages) = (&mesh.workloads, Ages::MissingIsOldest);
            mesh.registry = Arc::new(if alone {
                self.registry.with_changes(snapshot, workloads, config, ages, changed)
            } else {
                Registry::new(snapshot, workloads, config, ages)
            });
            mesh.networks = Arc::new(Networks::new(snapshot, config));
        }
        if is(Part::Scopes) {
            mesh.scopes = Arc::new(Scopes::new(snapshot, config, Ages::MissingIsOldest));
        }
        if is(Part::Legacy) {
            mesh.legacy = LegacyPolicies::new(snapshot, &config.version).map(Arc::new);
        }
        if self.any_gap(snapshot, changed) {
            mesh.gaps = Arc::new(Gaps::new(snapshot, config));
        }
        mesh.by_age(self, Ages::MissingIsOldest, changed);
        mesh
    }

    /// The same mesh in the other order of ages, led from what was before, with what changed since, where that is held.
    pub(super) fn in_other_order(&self, before: Option<(&Self, &BTreeSet<ObjectId>)>) -> Self {
        let before = before.and_then(|(mesh, changed)| Some((mesh.other_ages.as_deref()?, changed)));
        match before {
            Some((before, changed)) => {
                let mut other = Self { other_ages: None, ..self.clone() };
                other.by_age(before, Ages::MissingIsNewest, changed);
                other.in_scope_by_other_ages()
            }
            None => self.with_other_ages(),
        }
    }

    /// Takes over what age decides from the mesh before, with the objects that changed since.
    fn by_age(&mut self, before: &Self, ages: Ages, changed: &BTreeSet<ObjectId>) {
        let of_kind = |kind: Kind| changed.iter().filter(move |id| id.kind == kind);
        let rules: BTreeSet<&ObjectId> = of_kind(Kind::DestinationRule).collect();
        self.rules = if rules.is_empty() {
            Arc::clone(&before.rules)
        } else {
            Arc::new(RuleIndex::with_changes(&before.rules, &self.snapshot, &self.config, ages, &rules))
        };
        if of_kind(Kind::PeerAuthentication).next().is_none() {
            self.policies = Arc::clone(&before.policies);
            self.ambient_policies = Arc::clone(&before.ambient_policies);
        } else {
            self.policies = Arc::new(PeerPolicies::new(&self.snapshot, &self.config, ages));
            self.ambient_policies = Arc::new(AmbientPolicies::new(&self.snapshot, &self.config, ages));
        }
    }

    /// Whether age decides and is not known. Where it was not before, only what changed can make it so.
    fn is_contested_in(&self, snapshot: &Snapshot, changed: &BTreeSet<ObjectId>) -> bool {
        let mut aged = changed.iter().filter(|id| AGED.contains(&id.kind));
        let of_scopes = [Kind::Sidecar, Kind::ServiceEntry];
        if self.other_ages.is_some() || changed.iter().any(|id| of_scopes.contains(&id.kind)) {
            return any_contested(snapshot);
        }
        aged.any(|id| is_contested(snapshot, &id.kind, &id.namespace))
    }

    fn any_gap(&self, snapshot: &Snapshot, changed: &BTreeSet<ObjectId>) -> bool {
        let versions = changed.iter().flat_map(|id| [self.snapshot.get(id), snapshot.get(id)]);
        versions.flatten().any(|object| Gaps::leaves_any(object, &self.config))
    }
}
