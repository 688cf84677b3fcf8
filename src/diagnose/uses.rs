//! What became of every rule over all clients and hosts: used, merged without its policy, hidden by another pool's,
//! lost to one that it does not merge with, or not exported. Collected while pairs are judged; the checks of rules read it.

mod compare;
mod lost;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::finding::ClientName;
use crate::model::Text;
use crate::model::pod::ProxyKind;
use crate::resolve::rules::{Contributor, Entry, Found, HostRules, Rule, matches};
use crate::resolve::{Choice, Group, Level, Mesh, RuleId, Service, Target, Workload};

use compare::{Comparisons, Side};
pub use lost::Lost;

/// At most so many pairs of a rule are kept, and one more for each rule that it loses to; how many there are is counted.
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
    /// What the pools hold for it.
    pub rules: &'a HostRules<'a>,
    /// The subsets of it that routes in force for the clients name.
    pub called: &'a BTreeSet<&'a Text>,
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

/// Rules that lose, by the rule and by the one that counts in its place; `None` where none does.
pub type Losses = BTreeMap<RuleId, BTreeMap<Option<RuleId>, Lost>>;

/// What is to be known of the rules before any pair is looked at.
#[derive(Debug)]
pub struct Ground {
    restricted: Restricted,
    policies: compare::Policies,
}

impl Ground {
    /// Of the rules of a mesh.
    pub fn new(mesh: &Mesh) -> Self {
        let mut restricted = Restricted::default();
        for (id, rule) in mesh.rules.all() {
            let selects = rule.selector.is_some();
            if rule.exports.is_empty() || selects || rule.is_visible_to("*") {
                continue;
            }
            let place = if rule.host.starts_with('*') {
                restricted.wildcard.entry(rule.object.id.namespace.clone())
            } else {
                restricted.exact.entry(rule.host.clone())
            };
            place.or_default().push(id);
        }
        Self { restricted, policies: compare::policies(mesh) }
    }
}

/// What became of the rules.
#[derive(Debug)]
pub struct Uses<'a> {
    /// Rules in force, alone or merged, with the hosts that they are in force for, sorted.
    pub used: BTreeMap<RuleId, Vec<Text>>,
    /// Rules of the service's or the root namespace that an earlier pool hides.
    pub hidden: Losses,
    /// Rules of the same host and namespace that do not merge with the one that counts.
    pub apart: Losses,
    /// Rules hidden by a rule with a selector that selects none of the clients, under that rule.
    pub stopped: Losses,
    /// Rules that their export list hides.
    pub not_exported: Losses,
    /// Rules that are merged and whose traffic policy is not the one that counts, under the rule whose is.
    pub policy_dropped: Losses,
    /// Subsets dropped for those of an older rule: names by rule and the rule that has them.
    pub dropped: BTreeMap<(RuleId, RuleId), BTreeSet<Text>>,
    /// Subsets that rules give to what is in force for anybody.
    given: FxHashSet<(RuleId, Text)>,
    /// The merges that were looked at, by their address in the mesh.
    merges: FxHashSet<usize>,
    /// Whether there was any client that takes notice of rules.
    pub any_client: bool,
    restricted: &'a Restricted,
    comparisons: Comparisons<'a>,
    here: Here,
    /// How many pairs are kept of each rule.
    listed: FxHashMap<RuleId, usize>,
}

/// Rules with an export list that does not name everybody.
#[derive(Debug, Default)]
struct Restricted {
    /// By host.
    exact: FxHashMap<Text, Vec<RuleId>>,
    /// By namespace.
    wildcard: FxHashMap<Text, Vec<RuleId>>,
}

/// The service in hand: its address in the mesh, and what is the same for all its clients.
#[derive(Debug, Default)]
struct Here {
    service: usize,
    side: Side,
    /// The merge that was in force for the clients before, by its address; most have the same.
    merge: usize,
    /// The rules of [`Restricted`] that concern any client.
    restricted: Vec<RuleId>,
}

impl<'a> Uses<'a> {
    /// Ready to be shown the pairs, host by host in their order.
    pub fn new(ground: &'a Ground) -> Self {
        Self {
            used: BTreeMap::new(),
            hidden: Losses::new(),
            apart: Losses::new(),
            stopped: Losses::new(),
            not_exported: Losses::new(),
            policy_dropped: Losses::new(),
            given: FxHashSet::default(),
            merges: FxHashSet::default(),
            dropped: BTreeMap::new(),
            any_client: false,
            restricted: &ground.restricted,
            comparisons: Comparisons::new(&ground.policies),
            here: Here::default(),
            listed: FxHashMap::default(),
        }
    }

    /// Takes over what became of the rules for later hosts.
    pub fn absorb(&mut self, later: Self) {
        self.any_client |= later.any_client;
        for (rule, hosts) in later.used {
            self.used.entry(rule).or_default().extend(hosts);
        }
        for (pair, names) in later.dropped {
            self.dropped.entry(pair).or_default().extend(names);
        }
        self.given.extend(later.given);
        let listed = &mut self.listed;
        let pools = [
            (&mut self.hidden, later.hidden),
            (&mut self.apart, later.apart),
            (&mut self.stopped, later.stopped),
            (&mut self.not_exported, later.not_exported),
            (&mut self.policy_dropped, later.policy_dropped),
        ];
        for (losses, later) in pools {
            for (loser, later) in later {
                let known = losses.entry(loser).or_default();
                let listed = listed.entry(loser).or_default();
                for (winner, lost) in later {
                    let known = known.entry(winner).or_default();
                    let most = MOST_EDGES.saturating_sub(*listed).max(usize::from(known.edges.is_empty()));
                    *listed += known.absorb(lost, most);
                }
            }
        }
    }

    /// Looks at a class of clients and a host.
    pub fn visit(&mut self, visit: &Visit<'_>) {
        let proxy = visit.client.proxy;
        let uses_rules = matches!(proxy, ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Waypoint);
        if !uses_rules || !visit.target.is_in_scope() {
            return;
        }
        self.any_client = true;
        let service = visit.target.service;
        let address = std::ptr::from_ref(service).addr();
        if self.here.service != address {
            let side = self.comparisons.side(visit.mesh, service);
            self.here = Here { service: address, side, merge: 0, restricted: self.restricted(visit) };
        }
        if let Some(choice) = visit.choice {
            self.in_force(&choice.contributors, service);
        }
        let chosen = visit.choice.map(|choice| choice.contributors.as_slice()).unwrap_or_default();
        self.policy_dropped(visit, chosen);
        let mut first: Option<Found<'_>> = None;
        for here in visit.rules.found(&visit.client.namespace) {
            if let Some(first) = &first {
                self.hidden_pool(visit, first, &here, chosen);
            } else {
                self.same_list(visit, &here, chosen);
                first = Some(here);
            }
        }
        self.not_exported(visit, first.as_ref(), chosen);
    }

    fn in_force(&mut self, chosen: &Arc<Vec<Contributor>>, service: &Service) {
        let merge = Arc::as_ptr(chosen).addr();
        if std::mem::replace(&mut self.here.merge, merge) == merge {
            return;
        }
        for one in chosen.iter() {
            let hosts = self.used.entry(one.rule).or_default();
            if hosts.last() != Some(&service.host) {
                hosts.push(service.host.clone());
            }
        }
        // A rule may be in several merges: what one of them drops another has.
        if !self.merges.insert(merge) {
            return;
        }
        for one in chosen.iter() {
            self.given.extend(one.subsets.iter().map(|name| (one.rule, name.clone())));
            for name in &one.dropped {
                // The rule that has the name first; itself, where it has it twice.
                let owner = chosen.iter().find(|other| other.subsets.contains(name));
                if let Some(owner) = owner {
                    self.dropped.entry((one.rule, owner.rule)).or_default().insert(name.clone());
                }
            }
        }
    }

    /// Whether every merge that is in force for anybody drops a rule's subset, which MS0205 tells.
    pub fn drops(&self, rule: RuleId, subset: &Text) -> bool {
        !self.given.contains(&(rule, subset.clone()))
    }

    /// Rules merged into the one in force that set a traffic policy after another one did: the first is taken whole and
    /// the others count for nothing (DR-6.4, DR-6.5). A rule for selected clients is there to say something else than
    /// the one for all, which loses nothing that it was meant for.
    fn policy_dropped(&mut self, visit: &Visit<'_>, chosen: &[Contributor]) {
        let Some(at) = chosen.iter().position(|one| one.gives_policy) else { return };
        let Some((giver, later)) = chosen.get(at..).and_then(<[_]>::split_first) else { return };
        let selects = |id: RuleId| visit.mesh.rules.get(id).is_some_and(|rule| rule.selector.is_some());
        for one in later.iter().filter(|one| self.comparisons.has_policy(one.rule)).collect::<Vec<_>>() {
            if selects(giver.rule) && !selects(one.rule) {
                continue;
            }
            let alone = Contributor { gives_policy: true, ..one.clone() };
            self.lose(Pool::PolicyDropped, visit, (one.rule, &[alone]), chosen, Some(giver.rule));
        }
    }

    /// Rules of the list that answered, which do not count: they do not merge with the one that does.
    fn same_list(&mut self, visit: &Visit<'_>, found: &Found<'_>, chosen: &[Contributor]) {
        let Some(winner) = chosen.first() else { return self.merged_away(visit, found) };
        let by_selector =
            found.entries().any(|entry| entry.primary() == Some(winner.rule) && entry.has_selector());
        if by_selector {
            return;
        }
        for entry in found.entries().filter(|entry| !entry.has_selector()) {
            for one in entry.contributors.iter().filter(|one| !is_in(chosen, one.rule)) {
                self.lose(Pool::Apart, visit, (one.rule, &entry.contributors), chosen, Some(winner.rule));
            }
        }
    }

    /// Rules for all clients that are kept in the entries of rules for selected ones only (DR-6.3): clients that nothing
    /// selects have none.
    fn merged_away(&mut self, visit: &Visit<'_>, found: &Found<'_>) {
        let mut seen = BTreeSet::new();
        for entry in found.entries().filter(|entry| entry.has_selector()) {
            for one in entry.contributors.iter() {
                let for_all = visit.mesh.rules.get(one.rule).filter(|rule| rule.selector.is_none());
                let Some(rule) = for_all.filter(|rule| seen.insert(rule.id)) else { continue };
                let gives_policy = rule.body().is_some_and(|body| body.traffic_policy.is_some());
                let alone = Contributor { gives_policy, ..one.clone() };
                self.lose(Pool::Stopped, visit, (one.rule, &[alone]), &[], entry.primary());
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
        let in_first = |rule: RuleId| first.entries().any(|entry| is_in(&entry.contributors, rule));
        for one in entry.contributors.iter().filter(|one| !is_in(chosen, one.rule) && !in_first(one.rule)) {
            if let Some(winner) = chosen.first() {
                self.lose(Pool::Hidden, visit, (one.rule, &entry.contributors), chosen, Some(winner.rule));
            } else {
                let stops = first.entries().find(|entry| entry.has_selector());
                let stops = stops.and_then(Entry::primary);
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
        let what = self.comparisons.what(visit, self.here.side, (loser, losing), chosen);
        let Some(what) = what else { return };
        let losses = match pool {
            Pool::Hidden => &mut self.hidden,
            Pool::Apart => &mut self.apart,
            Pool::Stopped => &mut self.stopped,
            Pool::NotExported => &mut self.not_exported,
            Pool::PolicyDropped => &mut self.policy_dropped,
        };
        let lost = losses.entry(loser).or_default().entry(winner).or_default();
        let listed = self.listed.entry(loser).or_default();
        let most = MOST_EDGES.saturating_sub(*listed).max(usize::from(lost.edges.is_empty()));
        *listed += lost.add(visit, &what, most);
        lost.routed.extend(what.subsets.iter().filter(|name| visit.called.contains(name)).cloned());
    }

    /// The restricted rules of a service's host that stand where every client of it looks.
    fn restricted(&self, visit: &Visit<'_>) -> Vec<RuleId> {
        let service = visit.target.service;
        let root = visit.mesh.config.root_namespace.as_str();
        let exact = self.restricted.exact.get(&service.host);
        let of_service = self.restricted.wildcard.get(&service.namespace);
        let of_root = self.restricted.wildcard.get(root).filter(|_| *service.namespace != *root);
        [exact, of_service, of_root].into_iter().flatten().flatten().copied().collect()
    }

    /// Rules of the host whose export list leaves the client out, where nothing of their pool answers instead.
    fn not_exported(&mut self, visit: &Visit<'_>, found: Option<&Found<'_>>, chosen: &[Contributor]) {
        let (mesh, service, namespace) = (visit.mesh, visit.target.service, &visit.client.namespace);
        let elsewhere = *namespace != service.namespace && **namespace != *mesh.config.root_namespace;
        let own = self.restricted.wildcard.get(namespace).filter(|_| elsewhere);
        let candidates = self.here.restricted.iter().chain(own.into_iter().flatten());
        let hides = |id: RuleId| {
            let rule = mesh.rules.get(id)?;
            let level = level_of(rule, visit)?;
            let first = found.is_none_or(|found| level < found.level);
            (first && matches(&rule.host, &service.host) && !sees(rule, visit)).then_some(rule)
        };
        let hidden: Vec<_> = candidates.filter_map(|id| hides(*id)).collect();
        for rule in hidden {
            let Some(body) = rule.body() else { continue };
            let alone = Contributor {
                rule: rule.id,
                gives_policy: body.traffic_policy.is_some(),
                subsets: body.subsets.iter().map(|subset| subset.name.clone()).collect(),
                dropped: Vec::new(),
            };
            let winner = chosen.first().map(|one| one.rule);
            self.lose(Pool::NotExported, visit, (rule.id, &[alone]), chosen, winner);
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
    PolicyDropped,
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
