//! Everything that answers are made from, built once from a snapshot.

use std::sync::Arc;

use super::config::{Config, Options};
use super::gaps::Gaps;
use super::registry::{Registry, Service};
use super::rules::{Choice, Level, RuleIndex};
use super::server_mtls::PeerPolicies;
use super::workload::{Workload, Workloads};
use crate::model::Snapshot;
use crate::model::pod::ProxyKind;

/// A mesh, ready to be asked.
#[derive(Debug)]
pub struct Mesh {
    /// The objects it was made from.
    pub snapshot: Snapshot,
    /// Settings.
    pub config: Config,
    /// Pods.
    pub workloads: Workloads,
    /// Services and their endpoints.
    pub registry: Registry,
    /// `DestinationRules`.
    pub rules: RuleIndex,
    /// `PeerAuthentications`.
    pub policies: PeerPolicies,
    /// What is not evaluated.
    pub gaps: Gaps,
}

impl Mesh {
    /// The mesh that a snapshot describes.
    pub fn new(snapshot: &Snapshot, options: &Options) -> Arc<Self> {
        let config = Config::new(snapshot, options);
        let workloads = Workloads::new(snapshot);
        Arc::new(Self {
            registry: Registry::new(snapshot, &workloads, &config),
            rules: RuleIndex::new(snapshot, &config),
            policies: PeerPolicies::new(snapshot, &config),
            gaps: Gaps::new(snapshot, &config),
            snapshot: snapshot.clone(),
            workloads,
            config,
        })
    }

    /// Whether a client's proxy has a cluster for a service (DR-7.1, DR-7.7, DR-7.8).
    pub fn in_scope(&self, client: &Workload, service: &Service) -> bool {
        service.is_visible_to(&client.namespace)
    }

    /// The rule that a client uses for a service (DR-5, DR-6.8); `None` where none applies.
    pub fn choice(&self, client: &Workload, service: &Service) -> Option<Choice> {
        let uses_rules =
            matches!(client.proxy, ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Waypoint);
        if !uses_rules || !self.in_scope(client, service) {
            return None;
        }
        let root = &self.config.root_namespace;
        let found = self.rules.look_up(&client.namespace, &service.namespace, &service.host, root)?;
        let selects = client.proxy != ProxyKind::Waypoint;
        let entry = self.rules.choose(&found, &client.namespace, &client.labels, selects)?;
        Some(Choice {
            primary: entry.primary()?,
            contributors: entry.contributors.clone(),
            level: if client.namespace == service.namespace { Level::Client } else { found.level },
        })
    }
}
