//! Everything that answers are made from, built once from a snapshot.

mod change;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ambient::Ambient;
use super::ambient::policies::AmbientPolicies;
use super::config::{Ages, Config, Options};
use super::gaps::Gaps;
use super::legacy::LegacyPolicies;
use super::networks::Networks;
use super::registry::{Registry, Service};
use super::revisions::{self, Other, Revisions};
use super::rules::{Choice, HostRules, Level, RuleIndex};
use super::scope::{Ports, Scopes};
use super::server_mtls::{Demand, PeerPolicies};
use super::workload::{Workload, Workloads};
use crate::model::pod::ProxyKind;
use crate::model::{Kind, ObjectId, Snapshot};

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
    /// Networks, and which have a gateway.
    pub networks: Arc<Networks>,
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
        Arc::new(mesh(config).complete(others, any_contested(snapshot), None))
    }

    /// The mesh as the control plane with these settings sees it.
    fn of(snapshot: &Snapshot, workloads: &Arc<Workloads>, config: Config, options: &Options) -> Self {
        // These two are the most work, and neither needs the other.
        let (registry, rules) = rayon::join(
            || Registry::new(snapshot, workloads, &config, Ages::MissingIsOldest),
            || RuleIndex::new(snapshot, &config, Ages::MissingIsOldest),
        );
        Self {
            other_ages: None,
            revisions: Revisions::default(),
            legacy: LegacyPolicies::new(snapshot, &config.version).map(Arc::new),
            registry: Arc::new(registry),
            scopes: Arc::new(Scopes::new(snapshot, &config, Ages::MissingIsOldest)),
            rules: Arc::new(rules),
            policies: Arc::new(PeerPolicies::new(snapshot, &config, Ages::MissingIsOldest)),
            ambient: Arc::new(Ambient::new(snapshot, workloads, &config)),
            ambient_policies: Arc::new(AmbientPolicies::new(snapshot, &config, Ages::MissingIsOldest)),
            networks: Arc::new(Networks::new(snapshot, &config)),
            gaps: Arc::new(Gaps::new(snapshot, &config)),
            snapshot: snapshot.clone(),
            options: options.clone(),
            workloads: Arc::clone(workloads),
            config,
        }
    }

    /// The same beside those of the other control planes, all with the other order where that may count. `before` is
    /// the mesh that this one was led from, with what changed since.
    fn complete(
        mut self,
        mut others: Vec<Other>,
        contested: bool,
        before: Option<(&Self, &BTreeSet<ObjectId>)>,
    ) -> Self {
        revisions::introduce(&mut self, &mut others);
        if contested {
            let known = before.map(|(mesh, _)| mesh.revisions.others()).unwrap_or_default();
            let led =
                |mesh: &Self, known: Option<&Self>| mesh.in_other_order(known.zip(before.map(|two| two.1)));
            let mut first = led(&self, before.map(|(mesh, _)| mesh));
            let rest = others.iter().enumerate();
            let mut rest: Vec<Other> = rest
                .map(|(at, (names, mesh))| (names.clone(), led(mesh, known.get(at).map(|(_, mesh)| mesh))))
                .collect();
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
        let mesh = Self {
            rules: Arc::new(RuleIndex::new(&self.snapshot, &self.config, ages)),
            policies: Arc::new(PeerPolicies::new(&self.snapshot, &self.config, ages)),
            ambient_policies: Arc::new(AmbientPolicies::new(&self.snapshot, &self.config, ages)),
            other_ages: None,
            ..self.clone()
        };
        mesh.in_scope_by_other_ages()
    }

    /// The same with sidecars and definitions of hosts in the other order, where that counts.
    fn in_scope_by_other_ages(mut self) -> Self {
        let ages = Ages::MissingIsNewest;
        if any_contested_of(&self.snapshot, &Kind::Sidecar) {
            self.scopes = Arc::new(Scopes::new(&self.snapshot, &self.config, ages));
        }
        if any_host_contested(&self.snapshot) {
            self.registry = Arc::new(Registry::new(&self.snapshot, &self.workloads, &self.config, ages));
        }
        self
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
        self.choice_of(client, target, &self.of_client(client).rules_for(target.service))
    }

    /// What the pools of rules hold for a service's host, as this control plane has them.
    pub fn rules_for<'a>(&'a self, service: &'a Service) -> HostRules<'a> {
        self.rules.for_host(&service.namespace, &service.host, &self.config.root_namespace)
    }

    /// The rule that a client uses, where what the pools of its control plane hold for the service is known already.
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
        let mesh = self.of_client(client);
        let entry = mesh.rules.choose(&found, &client.namespace, &client.labels, selects)?;
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
    AGED.iter().chain([&Kind::Sidecar]).any(|kind| any_contested_of(snapshot, kind))
        || any_host_contested(snapshot)
}

/// The same for a kind.
fn any_contested_of(snapshot: &Snapshot, kind: &Kind) -> bool {
    let namespaces: BTreeSet<_> = snapshot.of_kind(kind).map(|object| &object.id.namespace).collect();
    namespaces.into_iter().any(|namespace| is_contested(snapshot, kind, namespace))
}

/// Whether entries of several namespaces define a host, and it is not known which is older (DR-7.5).
fn any_host_contested(snapshot: &Snapshot) -> bool {
    let mut seen: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
    for object in snapshot.of_kind(&Kind::ServiceEntry) {
        for host in object.body.service_entry().into_iter().flat_map(|entry| &entry.hosts) {
            let entry = seen.entry(host).or_default();
            entry.0 += 1;
            entry.1 |= object.meta.created.is_none();
        }
    }
    seen.values().any(|(number, missing)| *number > 1 && *missing)
}

/// The same for a kind in a namespace.
fn is_contested(snapshot: &Snapshot, kind: &Kind, namespace: &str) -> bool {
    let all = || snapshot.in_namespace(kind, namespace);
    all().nth(1).is_some() && all().any(|object| object.meta.created.is_none())
}
