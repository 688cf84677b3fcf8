//! What became of every rule over all clients and hosts: used, hidden by another pool's, lost to one that it does not
//! merge with, or not exported. Collected while pairs are judged; the checks of rules read it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::finding::{ClientName, Edge};
use crate::model::Text;
use crate::model::destination_rule::TlsMode;
use crate::model::pod::ProxyKind;
use crate::resolve::rules::{Contributor, Entry, Found, Rule, matches};
use crate::resolve::traffic_policy::effective;
use crate::resolve::{Choice, Group, Level, Mesh, RuleId, Service, Target, Workload};

/// At most so many pairs of a rule are kept; how many there are is counted.
const MOST_EDGES: usize = 100;

/// So many namespaces of a rule's clients are told apart; of a large group only its first is kept then.
pub const MANY_NAMESPACES: usize = 64;

/// A class of clients and a host that is in its scope.
#[derive(Debug)]
pub struct Visit<'a> {
    /// The mesh.
    pub mesh: &'a Mesh,
    /// One of the clients.
    pub client: &'a Workload,
    /// The clients.
    pub group: &'a Group<'a>,
    /// What they call.
    pub target: &'a Target<'a>,
    /// The rule in force.
    pub choice: Option<&'a Choice>,
}

impl Visit<'_> {
    /// The workloads of the group, sorted.
    pub fn clients(&self) -> Arc<[ClientName]> {
        let mut names: Vec<_> = self.group.names(self.mesh).collect();
        names.sort();
        names.dedup();
        names.into()
    }
}

/// Pairs that a rule does not reach, and what they lose.
#[derive(Debug, Default)]
pub struct Lost {
    /// The pairs, as many as are kept.
    pub edges: Vec<Edge>,
    /// How many there are.
    pub pairs: usize,
    /// The hosts.
    pub hosts: BTreeSet<Text>,
    /// The namespaces of the clients.
    pub namespaces: BTreeSet<Text>,
    /// Blocks that nothing stands for.
    pub blocks: BTreeSet<String>,
    /// Blocks that are set otherwise.
    pub otherwise: BTreeSet<String>,
    /// Subsets that are not there.
    pub subsets: BTreeSet<Text>,
    /// Those of them that routes in force name.
    pub routed: BTreeSet<Text>,
}

impl Lost {
    /// Whether anything is.
    pub fn is_nothing(&self) -> bool {
        self.blocks.is_empty() && self.otherwise.is_empty() && self.subsets.is_empty()
    }

    /// What is lost, in words.
    pub fn words(&self) -> String {
        let mut parts: Vec<String> = self.blocks.iter().cloned().collect();
        parts.extend(self.subsets.iter().map(|subset| format!("subset {subset}")));
        parts.extend(self.otherwise.iter().map(|block| format!("{block} (set otherwise)")));
        parts.join(", ")
    }

    /// Adds a group's pairs and lists at most so many of them; how many it listed.
    fn add(&mut self, visit: &Visit<'_>, most: usize) -> usize {
        let before = self.edges.len();
        let service = visit.target.service;
        self.namespaces.insert(visit.client.namespace.clone());
        for namespace in visit.group.namespaces(visit.mesh) {
            if self.namespaces.len() >= MANY_NAMESPACES {
                break;
            }
            self.namespaces.insert(namespace.clone());
        }
        if !self.hosts.contains(&service.host) {
            self.hosts.insert(service.host.clone());
        }
        for port in service.ports().iter().filter(|port| port.tcp && visit.target.has(port.number)) {
            self.pairs += usize::try_from(visit.group.workloads()).unwrap_or(usize::MAX);
            let left = (before + most).saturating_sub(self.edges.len());
            for client in visit.group.names(visit.mesh).take(left) {
                let host = service.host.clone();
                self.edges.push(Edge { client, host, port: port.number, subset: None });
            }
        }
        self.edges.len() - before
    }
}

/// Rules that lose, by the rule and by the one that counts in its place; `None` where none does.
pub type Losses = BTreeMap<RuleId, BTreeMap<Option<RuleId>, Lost>>;

/// What became of the rules.
#[derive(Debug, Default)]
pub struct Uses {
    /// Rules in force, alone or merged, with the hosts that they are in force for.
    pub used: BTreeMap<RuleId, BTreeSet<Text>>,
    /// Rules of the service's or the root namespace that an earlier pool hides.
    pub hidden: Losses,
    /// Rules of the same host and namespace that do not merge with the one that counts.
    pub apart: Losses,
    /// Rules hidden by a rule with a selector that selects none of the clients, under that rule.
    pub stopped: Losses,
    /// Rules that their export list hides.
    pub not_exported: Losses,
    /// Subsets dropped for those of an older rule: names by rule and the rule that has them.
    pub dropped: BTreeMap<(RuleId, RuleId), BTreeSet<Text>>,
    /// Whether there was any client that takes notice of rules.
    pub any_client: bool,
    restricted: Restricted,
    /// What is lost between two rules, for the host in hand.
    compared: FxHashMap<(RuleId, Option<RuleId>), Compared>,
    host: Option<Text>,
    /// How many pairs are kept of each rule.
    listed: FxHashMap<RuleId, usize>,
    met: FxHashSet<(RuleId, Text)>,
}

/// Rules with an export list that does not name everybody.
#[derive(Debug, Default)]
struct Restricted {
    exact: FxHashMap<Text, Vec<RuleId>>,
    wildcard: Vec<RuleId>,
}

/// What is lost between two rules for a host.
#[derive(Debug, Default, Clone)]
struct Compared {
    blocks: BTreeSet<String>,
    otherwise: BTreeSet<String>,
    subsets: BTreeSet<Text>,
}

impl Uses {
    /// Ready to be shown the pairs.
    pub fn new(mesh: &Mesh) -> Self {
        let mut uses = Self::default();
        for (id, rule) in mesh.rules.all() {
            let selects = rule.selector.is_some();
            if rule.exports.is_empty() || selects || rule.is_visible_to("*") {
                continue;
            }
            if rule.host.starts_with('*') {
                uses.restricted.wildcard.push(id);
            } else {
                uses.restricted.exact.entry(rule.host.clone()).or_default().push(id);
            }
        }
        uses
    }

    /// Looks at a class of clients and a host.
    pub fn visit(&mut self, visit: &Visit<'_>) {
        let proxy = visit.client.proxy;
        let uses_rules = matches!(proxy, ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Waypoint);
        if !uses_rules || !visit.target.is_in_scope() {
            return;
        }
        self.any_client = true;
        if self.host.as_ref() != Some(&visit.target.service.host) {
            self.host = Some(visit.target.service.host.clone());
            self.compared.clear();
        }
        let (mesh, client, service) = (visit.mesh, visit.client, visit.target.service);
        let chosen = visit.choice.map(|choice| choice.contributors.as_slice()).unwrap_or_default();
        self.in_force(chosen, service);
        let root = mesh.config.root_namespace.as_str();
        let mut found: Option<Found<'_>> = None;
        for (level, table) in mesh.rules.pools(&client.namespace, &service.namespace, root) {
            let Some((host, entries)) = table.best(&service.host) else { continue };
            let seen = |entry: &&Entry| level == Level::Client || entry.is_visible_to(&client.namespace);
            let entries: Vec<_> = entries.iter().filter(seen).collect();
            if entries.is_empty() {
                continue;
            }
            let here = Found { level, host, entries };
            if let Some(first) = &found {
                self.hidden_pool(visit, first, &here, chosen);
            } else {
                self.same_list(visit, &here, chosen);
                found = Some(here);
            }
        }
        self.not_exported(visit, found.as_ref(), chosen);
    }

    fn in_force(&mut self, chosen: &[Contributor], service: &Service) {
        let Some(first) = chosen.first() else { return };
        if !self.met.insert((first.rule, service.host.clone())) {
            return;
        }
        for one in chosen {
            self.used.entry(one.rule).or_default().insert(service.host.clone());
            for name in &one.dropped {
                // The rule that has the name first; itself, where it has it twice.
                let owner = chosen.iter().find(|other| other.subsets.contains(name));
                if let Some(owner) = owner {
                    self.dropped.entry((one.rule, owner.rule)).or_default().insert(name.clone());
                }
            }
        }
    }

    /// Rules of the list that answered, which do not count: they do not merge with the one that does.
    fn same_list(&mut self, visit: &Visit<'_>, found: &Found<'_>, chosen: &[Contributor]) {
        let Some(winner) = chosen.first() else { return };
        let by_selector =
            found.entries.iter().any(|entry| entry.primary() == Some(winner.rule) && entry.has_selector());
        if by_selector {
            return;
        }
        for entry in found.entries.iter().filter(|entry| !entry.has_selector()) {
            for one in entry.contributors.iter().filter(|one| !is_in(chosen, one.rule)) {
                self.lose(Pool::Apart, visit, (one.rule, &entry.contributors), chosen, Some(winner.rule));
            }
        }
    }

    /// Rules of a later pool, which the client would use if the earlier one had not answered.
    fn hidden_pool(
        &mut self,
        visit: &Visit<'_>,
        first: &Found<'_>,
        here: &Found<'_>,
        chosen: &[Contributor],
    ) {
        let (mesh, client) = (visit.mesh, visit.client);
        let selects = client.proxy != ProxyKind::Waypoint;
        let Some(entry) = mesh.rules.choose(here, &client.namespace, &client.labels, selects) else { return };
        let in_first = |rule: RuleId| first.entries.iter().any(|entry| is_in(&entry.contributors, rule));
        for one in entry.contributors.iter().filter(|one| !is_in(chosen, one.rule) && !in_first(one.rule)) {
            if let Some(winner) = chosen.first() {
                self.lose(Pool::Hidden, visit, (one.rule, &entry.contributors), chosen, Some(winner.rule));
            } else {
                let stops = first.entries.iter().find(|entry| entry.has_selector());
                let stops = stops.and_then(|entry| entry.primary());
                self.lose(Pool::Stopped, visit, (one.rule, &entry.contributors), chosen, stops);
            }
        }
    }

    fn lose(
        &mut self,
        pool: Pool,
        visit: &Visit<'_>,
        (loser, losing): (RuleId, &[Contributor]),
        chosen: &[Contributor],
        winner: Option<RuleId>,
    ) {
        let compared = self.compared.entry((loser, winner));
        let compared = compared.or_insert_with(|| compare(visit, loser, losing, chosen));
        if compared.blocks.is_empty() && compared.otherwise.is_empty() && compared.subsets.is_empty() {
            return;
        }
        let compared = compared.clone();
        let losses = match pool {
            Pool::Hidden => &mut self.hidden,
            Pool::Apart => &mut self.apart,
            Pool::Stopped => &mut self.stopped,
            Pool::NotExported => &mut self.not_exported,
        };
        let lost = losses.entry(loser).or_default().entry(winner).or_default();
        let listed = self.listed.entry(loser).or_default();
        *listed += lost.add(visit, MOST_EDGES.saturating_sub(*listed));
        if !compared.subsets.is_empty() {
            let called = visit.mesh.scopes.subsets_called(visit.client, &visit.target.service.host);
            lost.routed.extend(compared.subsets.iter().filter(|name| called.contains(name)).cloned());
        }
        lost.blocks.extend(compared.blocks);
        lost.otherwise.extend(compared.otherwise);
        lost.subsets.extend(compared.subsets);
    }

    /// Rules of the host whose export list leaves the client out, where nothing of their pool answers instead.
    fn not_exported(&mut self, visit: &Visit<'_>, found: Option<&Found<'_>>, chosen: &[Contributor]) {
        let (mesh, service) = (visit.mesh, visit.target.service);
        let exact = self.restricted.exact.get(&service.host).into_iter().flatten();
        let candidates: Vec<RuleId> = exact.chain(&self.restricted.wildcard).copied().collect();
        for id in candidates {
            let Some(rule) = mesh.rules.get(id) else { continue };
            let Some(level) = level_of(rule, visit) else { continue };
            let first = found.is_none_or(|found| level < found.level);
            if !first || !matches(&rule.host, &service.host) || sees(rule, visit) {
                continue;
            }
            let Some(body) = rule.body() else { continue };
            let alone = Contributor {
                rule: id,
                gives_policy: body.traffic_policy.is_some(),
                subsets: body.subsets.iter().map(|subset| subset.name.clone()).collect(),
                dropped: Vec::new(),
            };
            self.lose(Pool::NotExported, visit, (id, &[alone]), chosen, chosen.first().map(|one| one.rule));
        }
    }
}

/// How a rule loses.
#[derive(Debug, Clone, Copy)]
enum Pool {
    Hidden,
    Apart,
    Stopped,
    NotExported,
}

fn is_in(contributors: &[Contributor], rule: RuleId) -> bool {
    contributors.iter().any(|one| one.rule == rule)
}

/// The step of the look-up at which a client would find a rule's namespace (DR-5.1).
fn level_of(rule: &Rule, visit: &Visit<'_>) -> Option<Level> {
    let namespace = &rule.object.id.namespace;
    let is_root = **namespace == *visit.mesh.config.root_namespace;
    if *namespace == visit.client.namespace && !is_root {
        Some(Level::Client)
    } else if *namespace == visit.target.service.namespace {
        Some(Level::Service)
    } else {
        is_root.then_some(Level::Root)
    }
}

/// Whether a client finds a rule with an export list at all (DR-4.2 to DR-4.5, DR-5.3).
fn sees(rule: &Rule, visit: &Visit<'_>) -> bool {
    let client = &*visit.client.namespace;
    let namespace = &*rule.object.id.namespace;
    let own = rule.exports.iter().any(|export| &**export == "." || &**export == namespace);
    let private = own && rule.exports.len() == 1;
    let in_root = client == visit.mesh.config.root_namespace;
    let local = namespace == client && own && (!in_root || private);
    local || !private && rule.is_visible_to(client)
}

/// What a rule's entry gives to clients of a host, and the one in force does not.
fn compare(visit: &Visit<'_>, loser: RuleId, losing: &[Contributor], chosen: &[Contributor]) -> Compared {
    let (mesh, service) = (visit.mesh, visit.target.service);
    let mut compared = Compared::default();
    let Some(own) = losing.iter().find(|one| one.rule == loser) else { return compared };
    compared.subsets = own.subsets.iter().cloned().collect();
    for one in chosen {
        for name in &one.subsets {
            compared.subsets.remove(name);
        }
    }
    if !own.gives_policy {
        return compared;
    }
    let choice = |contributors: &[Contributor]| {
        let primary = contributors.first()?.rule;
        Some(Choice { primary, contributors: contributors.to_vec(), level: Level::Client })
    };
    let (before, after) = (choice(losing), choice(chosen));
    for port in service.ports().iter().filter(|port| port.tcp) {
        let blocks =
            |choice: Option<&Choice>| effective(&mesh.rules, choice, port.number, None, &mesh.config).blocks;
        let (before, after) = (blocks(before.as_ref()), blocks(after.as_ref()));
        for (name, block) in before {
            match after.get(&name) {
                None if name == "tls" && is_automatic(visit, &block) => {}
                None => {
                    compared.blocks.insert(name);
                }
                Some(other) if *other != block => {
                    compared.otherwise.insert(name);
                }
                Some(_) => {}
            }
        }
    }
    compared
}

/// Automatic mTLS sends what the block says.
fn is_automatic(visit: &Visit<'_>, block: &serde_json::Value) -> bool {
    visit.mesh.config.auto_mtls
        && !visit.target.service.is_external
        && TlsMode::of_block(block) == TlsMode::IstioMutual
}
