//! Everything that answers are made from, built once from a snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ambient::Ambient;
use super::ambient::policies::AmbientPolicies;
use super::config::{Ages, Config, Options};
use super::gaps::Gaps;
use super::legacy::LegacyPolicies;
use super::registry::{Registry, Service};
use super::revisions::{self, Other, Revisions};
use super::rules::{Choice, Level, RuleIndex};
use super::scope::{Ports, Scopes};
use super::server_mtls::{Demand, PeerPolicies};
use super::workload::{Workload, Workloads};
use crate::model::pod::ProxyKind;
use crate::model::{Change, Kind, Snapshot};

/// A mesh, ready to be asked.
#[derive(Debug, Clone)]
pub struct Mesh {
    /// The objects it was made from.
    pub snapshot: Snapshot,
    /// Settings.
    pub config: Config,
    /// Pods.
    pub workloads: Arc<Workloads>,
    /// Services and their endpoints.
    pub registry: Arc<Registry>,
    /// Sidecars and routes.
    pub scopes: Arc<Scopes>,
    /// `DestinationRules`.
    pub rules: Arc<RuleIndex>,
    /// `PeerAuthentications`.
    pub policies: Arc<PeerPolicies>,
    /// The same with the other order of objects that have no creation time, where that may count.
    pub other_ages: Option<Arc<Self>>,
    /// The policies of before 1.6, for those versions.
    pub legacy: Option<Arc<LegacyPolicies>>,
    /// Ambient mode: switches and waypoints.
    pub ambient: Arc<Ambient>,
    /// What captured workloads demand.
    pub ambient_policies: Arc<AmbientPolicies>,
    /// What is not evaluated.
    pub gaps: Arc<Gaps>,
    /// The control planes of other revisions.
    pub revisions: Revisions,
    /// What the user fixed.
    pub options: Options,
}

impl Mesh {
    /// The mesh that a snapshot describes.
    pub fn new(snapshot: &Snapshot, options: &Options) -> Arc<Self> {
        let workloads = Arc::new(Workloads::new(snapshot));
        let config = Config::new(snapshot, options);
        let others = revisions::differing(&config, Config::of_revisions(snapshot, options));
        let mesh = |config| Self::of(snapshot, &workloads, config, options);
        let others = others.into_iter().map(|(names, config)| (names, mesh(config))).collect();
        Arc::new(mesh(config).complete(others, contested(snapshot)))
    }

    /// The mesh as the control plane with these settings sees it.
    fn of(snapshot: &Snapshot, workloads: &Arc<Workloads>, config: Config, options: &Options) -> Self {
        Self {
            other_ages: None,
            revisions: Revisions::default(),
            legacy: LegacyPolicies::new(snapshot, &config.version).map(Arc::new),
            registry: Arc::new(Registry::new(snapshot, workloads, &config)),
            scopes: Arc::new(Scopes::new(snapshot, &config)),
            rules: Arc::new(RuleIndex::new(snapshot, &config, Ages::MissingIsOldest)),
            policies: Arc::new(PeerPolicies::new(snapshot, &config, Ages::MissingIsOldest)),
            ambient: Arc::new(Ambient::new(snapshot, workloads, &config)),
            ambient_policies: Arc::new(AmbientPolicies::new(snapshot, &config, Ages::MissingIsOldest)),
            gaps: Arc::new(Gaps::new(snapshot, &config)),
            snapshot: snapshot.clone(),
            options: options.clone(),
            workloads: Arc::clone(workloads),
            config,
        }
    }

    /// The same beside those of the other control planes, all with the other order where that may count.
    fn complete(mut self, mut others: Vec<Other>, contested: bool) -> Self {
        revisions::introduce(&mut self, &mut others);
        if contested {
            let mut first = self.with_other_ages();
            let mut rest: Vec<Other> =
                others.iter().map(|(names, mesh)| (names.clone(), mesh.with_other_ages())).collect();
            revisions::introduce(&mut first, &mut rest);
            self.other_ages = Some(Arc::new(first));
            for ((_, mesh), (_, other)) in others.iter_mut().zip(rest) {
                mesh.other_ages = Some(Arc::new(other));
            }
        }
        self.revisions.keep(others);
        self
    }

    fn with_other_ages(&self) -> Self {
        let ages = Ages::MissingIsNewest;
        Self {
            rules: Arc::new(RuleIndex::new(&self.snapshot, &self.config, ages)),
            policies: Arc::new(PeerPolicies::new(&self.snapshot, &self.config, ages)),
            ambient_policies: Arc::new(AmbientPolicies::new(&self.snapshot, &self.config, ages)),
            other_ages: None,
            ..self.clone()
        }
    }

    /// The mesh as it would be after changes. Of rules and policies only what they decide is made anew.
    #[must_use]
    pub fn with_changes(&self, delta: Vec<Change>) -> Self {
        let (snapshot, touched) = self.snapshot.apply(delta);
        let is_policy = |kind: &Kind| matches!(kind, Kind::DestinationRule | Kind::PeerAuthentication);
        if !touched.iter().all(|(kind, _)| is_policy(kind)) {
            return Self::clone(&Self::new(&snapshot, &self.options));
        }
        let of = |wanted: &Kind| touched.iter().any(|(kind, _)| kind == wanted);
        let others = self.revisions.others().into_iter();
        let others = others.map(|(names, mesh)| (names, mesh.with_kinds(of, &snapshot))).collect();
        self.with_kinds(of, &snapshot).complete(others, contested(&snapshot))
    }

    /// The same with what rules and policies of the kinds decide made anew.
    fn with_kinds(&self, of: impl Fn(&Kind) -> bool, snapshot: &Snapshot) -> Self {
        let mut mesh = Self { snapshot: snapshot.clone(), other_ages: None, ..self.clone() };
        if of(&Kind::DestinationRule) {
            mesh.rules = Arc::new(RuleIndex::new(&mesh.snapshot, &mesh.config, Ages::MissingIsOldest));
        }
        if of(&Kind::PeerAuthentication) {
            let ages = Ages::MissingIsOldest;
            mesh.policies = Arc::new(PeerPolicies::new(&mesh.snapshot, &mesh.config, ages));
            mesh.ambient_policies = Arc::new(AmbientPolicies::new(&mesh.snapshot, &mesh.config, ages));
        }
        mesh
    }

    /// What a client calls by a host: the definition that it uses and the ports of it that it has, or, where the host
    /// is not in its scope, a definition that stands for it. `None` where no such host was read.
    pub fn target(&self, client: &Workload, host: &str) -> Option<Target<'_>> {
        let mesh = self.of_client(client);
        if let Some(scoped) = mesh.scopes.find(&mesh.registry, client, host) {
            return Some(Target { service: scoped.service, ports: Some(scoped.ports) });
        }
        Some(Target { service: mesh.registry.by_host(host)?, ports: None })
    }

    /// What a service's port demands before anything selects workloads, which is what clients go by (MT-4.3). Before 1.6
    /// the policy of 2019 that applies to the service says it.
    pub fn hint(&self, service: &Service, port: u16) -> Demand {
        let demand = self.policies.of_namespace(&service.namespace);
        match &self.legacy {
            None => demand,
            Some(legacy) => legacy.on_port(service, port, demand),
        }
    }

    /// Whether a client has traffic for a service of its own accord: a waypoint has for those that it stands before.
    pub fn calls(&self, client: &Workload, service: &Service) -> bool {
        client.proxy != ProxyKind::Waypoint || self.of_client(client).ambient.serves(client, service)
    }

    /// The rule that a client uses for a service (DR-5, DR-6.8); `None` where none applies.
    pub fn choice(&self, client: &Workload, target: &Target<'_>) -> Option<Choice> {
        let uses_rules =
            matches!(client.proxy, ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Waypoint);
        if !uses_rules || !target.is_in_scope() {
            return None;
        }
        let service = target.service;
        let mesh = self.of_client(client);
        let root = &mesh.config.root_namespace;
        let found = mesh.rules.look_up(&client.namespace, &service.namespace, &service.host, root)?;
        let selects = client.proxy != ProxyKind::Waypoint;
        let entry = mesh.rules.choose(&found, &client.namespace, &client.labels, selects)?;
        Some(Choice {
            primary: entry.primary()?,
            contributors: entry.contributors.clone(),
            level: if client.namespace == service.namespace { Level::Client } else { found.level },
        })
    }
}

/// What a client calls by a host.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// The definition of the host.
    pub service: &'a Service,
    /// The ports that the client has; `None` where the host is not in its scope.
    pub ports: Option<Ports>,
}

impl Target<'_> {
    /// Whether the host is in the client's scope.
    pub fn is_in_scope(&self) -> bool {
        self.ports.is_some()
    }

    /// Whether a port of it is.
    pub fn has(&self, port: u16) -> bool {
        self.ports.as_ref().is_some_and(|ports| ports.has(port)) && self.service.port(port).is_some()
    }
}

/// Whether policies that could stand in each other's place lack the creation time that would decide between them.
fn contested(snapshot: &Snapshot) -> bool {
    [Kind::DestinationRule, Kind::PeerAuthentication].iter().any(|kind| {
        let mut seen: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
        for object in snapshot.of_kind(kind) {
            let entry = seen.entry(&object.id.namespace).or_default();
            entry.0 += 1;
            entry.1 |= object.meta.created.is_none();
        }
        seen.values().any(|(number, missing)| *number > 1 && *missing)
    })
}
