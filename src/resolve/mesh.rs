//! Everything that answers are made from, built once from a snapshot.

mod change;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ambient::Ambient;
use super::ambient::policies::AmbientPolicies;
use super::config::{Ages, Config, Options};
use super::gaps::Gaps;
use super::legacy::LegacyPolicies;
use super::registry::{Registry, Service};
use super::rules::{Choice, HostRules, Level, RuleIndex};
use super::scope::{Ports, Scopes};
use super::server_mtls::PeerPolicies;
use super::workload::{Workload, Workloads};
use crate::model::pod::ProxyKind;
use crate::model::{Kind, Snapshot};

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
    options: Options,
}

impl Mesh {
    /// The mesh that a snapshot describes.
    pub fn new(snapshot: &Snapshot, options: &Options) -> Arc<Self> {
        let config = Config::new(snapshot, options);
        let workloads = Workloads::new(snapshot);
        let contested = any_contested(snapshot);
        let mut mesh = Self {
            other_ages: None,
            legacy: LegacyPolicies::new(snapshot, &config.version).map(Arc::new),
            registry: Arc::new(Registry::new(snapshot, &workloads, &config)),
            scopes: Arc::new(Scopes::new(snapshot, &config)),
            rules: Arc::new(RuleIndex::new(snapshot, &config, Ages::MissingIsOldest)),
            policies: Arc::new(PeerPolicies::new(snapshot, &config, Ages::MissingIsOldest)),
            ambient: Arc::new(Ambient::new(snapshot, &workloads, &config)),
            ambient_policies: Arc::new(AmbientPolicies::new(snapshot, &config, Ages::MissingIsOldest)),
            gaps: Arc::new(Gaps::new(snapshot, &config)),
            snapshot: snapshot.clone(),
            options: options.clone(),
            workloads: Arc::new(workloads),
            config,
        };
        if contested {
            mesh.other_ages = Some(Arc::new(mesh.with_other_ages()));
        }
        Arc::new(mesh)
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

    /// What a client calls by a host: the definition that it uses and the ports of it that it has, or, where the host
    /// is not in its scope, a definition that stands for it. `None` where no such host was read.
    pub fn target(&self, client: &Workload, host: &str) -> Option<Target<'_>> {
        if let Some(scoped) = self.scopes.find(&self.registry, client, host) {
            return Some(Target { service: scoped.service, ports: Some(scoped.ports) });
        }
        Some(Target { service: self.registry.by_host(host)?, ports: None })
    }

    /// Whether a client has traffic for a service of its own accord: a waypoint has for those that it stands before.
    pub fn calls(&self, client: &Workload, service: &Service) -> bool {
        client.proxy != ProxyKind::Waypoint || self.ambient.serves(client, service)
    }

    /// The rule that a client uses for a service (DR-5, DR-6.8); `None` where none applies.
    pub fn choice(&self, client: &Workload, target: &Target<'_>) -> Option<Choice> {
        self.choice_of(client, target, &self.rules_for(target.service))
    }

    /// What the pools of rules hold for a service's host.
    pub fn rules_for<'a>(&'a self, service: &'a Service) -> HostRules<'a> {
        self.rules.for_host(&service.namespace, &service.host, &self.config.root_namespace)
    }

    /// The rule that a client uses, where what the pools hold for the service is known already.
    pub fn choice_of<'a>(
        &'a self,
        client: &'a Workload,
        target: &Target<'_>,
        rules: &HostRules<'a>,
    ) -> Option<Choice> {
        let uses_rules =
            matches!(client.proxy, ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Waypoint);
        if !uses_rules || !target.is_in_scope() {
            return None;
        }
        let found = rules.found(&client.namespace).next()?;
        let selects = client.proxy != ProxyKind::Waypoint;
        let entry = self.rules.choose(&found, &client.namespace, &client.labels, selects)?;
        let own = client.namespace == target.service.namespace;
        Some(Choice {
            primary: entry.primary()?,
            contributors: Arc::clone(&entry.contributors),
            level: if own { Level::Client } else { found.level },
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

/// The kinds of which age decides between objects.
const AGED: [Kind; 2] = [Kind::DestinationRule, Kind::PeerAuthentication];

/// Whether policies that could stand in each other's place lack the creation time that would decide between them.
fn any_contested(snapshot: &Snapshot) -> bool {
    AGED.iter().any(|kind| {
        let namespaces: BTreeSet<_> = snapshot.of_kind(kind).map(|object| &object.id.namespace).collect();
        namespaces.into_iter().any(|namespace| is_contested(snapshot, kind, namespace))
    })
}

/// The same for a kind in a namespace.
fn is_contested(snapshot: &Snapshot, kind: &Kind, namespace: &str) -> bool {
    let all = || snapshot.in_namespace(kind, namespace);
    all().nth(1).is_some() && all().any(|object| object.meta.created.is_none())
}
