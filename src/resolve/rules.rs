//! `DestinationRules` by pool and host: normalisation, export sets, merging, look-up (DR-2 to DR-6).

mod build;
mod pool;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::destination_rule::{DestinationRule, Subset, TrafficPolicy};
use crate::model::{Labels, Object, ObjectId, Text};

use pool::ByHost;
pub use pool::{HostTable, Hosted};

/// A rule. Ids follow the order of DR-6.1; what else they are means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(u64);

/// The pool that gave an answer (`destinationRule.level` in JSON).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The client's namespace, or the root namespace's private rules for a client there.
    Client,
    /// The service's namespace.
    Service,
    /// The root namespace.
    Root,
}

impl Level {
    /// The word for it in every answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Service => "service",
            Self::Root => "root",
        }
    }

    /// Where that is, in words.
    pub fn place(self) -> &'static str {
        match self {
            Self::Client => "the client's namespace",
            Self::Service => "the service's namespace",
            Self::Root => "the root namespace",
        }
    }
}

/// A rule and what the index made of it.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What the index calls it.
    pub id: RuleId,
    /// The object.
    pub object: Arc<Object>,
    /// `spec.host` after DR-2.1.
    pub host: Text,
    /// The export set of DR-4.1, sorted.
    pub exports: Vec<Text>,
    /// Its `workloadSelector`. Control planes of before 1.14 do not know the field: to them the rule has none.
    pub selector: Option<Labels>,
}

impl Rule {
    /// What the rule says. Every rule of the index has a body.
    pub fn body(&self) -> Option<&DestinationRule> {
        self.object.body.destination_rule()
    }

    fn exports_to(&self, entry: &str) -> bool {
        self.exports.iter().any(|export| &**export == entry)
    }

    /// Whether its export set names anybody besides its own namespace.
    pub fn is_exported(&self) -> bool {
        let own = |export: &Text| **export == *"." || *export == self.object.id.namespace;
        self.exports.is_empty() || !self.exports.iter().all(own)
    }

    /// DR-5.3.
    pub fn is_visible_to(&self, namespace: &str) -> bool {
        self.exports.is_empty() || self.exports_to("*") || self.exports_to(namespace)
    }
}

/// What a rule gave to the entry it was merged into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contributor {
    /// The rule.
    pub rule: RuleId,
    /// Whether the entry's traffic policy is its.
    pub gives_policy: bool,
    /// Names of the subsets it gave.
    pub subsets: Vec<Text>,
    /// Names of its subsets that the entry had already.
    pub dropped: Vec<Text>,
}

/// Rules of one host and namespace, merged (DR-6.3, DR-6.4).
#[derive(Debug, Clone)]
pub struct Entry {
    /// The rules, the primary first.
    pub contributors: Arc<Vec<Contributor>>,
    exports: Vec<Text>,
    selector: Option<Labels>,
    /// The names of all subsets.
    named: FxHashSet<Text>,
}

impl Entry {
    fn of(rule: &Rule, body: &DestinationRule) -> Self {
        let mut entry = Self {
            contributors: Arc::default(),
            exports: rule.exports.clone(),
            selector: rule.selector.clone(),
            named: FxHashSet::default(),
        };
        entry.merge(rule.id, body, false);
        entry
    }

    /// The rule that names the entry.
    pub fn primary(&self) -> Option<RuleId> {
        self.contributors.first().map(|first| first.rule)
    }

    /// Whether the entry is for selected clients only.
    pub fn has_selector(&self) -> bool {
        self.selector.is_some()
    }

    fn merge(&mut self, rule: RuleId, body: &DestinationRule, has_policy: bool) {
        let (mut subsets, mut dropped) = (Vec::new(), Vec::new());
        for subset in &body.subsets {
            let is_first = self.named.insert(Arc::clone(&subset.name));
            if is_first { &mut subsets } else { &mut dropped }.push(Arc::clone(&subset.name));
        }
        let gives_policy = body.traffic_policy.is_some() && !has_policy;
        let one = Contributor { rule, gives_policy, subsets, dropped };
        Arc::make_mut(&mut self.contributors).push(one);
    }

    fn has_policy(&self) -> bool {
        self.contributors.iter().any(|one| one.gives_policy)
    }

    /// DR-5.3, for the whole entry.
    pub fn is_visible_to(&self, namespace: &str) -> bool {
        let has = |wanted: &str| self.exports.iter().any(|export| &**export == wanted);
        self.exports.is_empty() || has("*") || has(namespace)
    }
}

/// Whether a rule's normalised host matches a service's host (DR-3.1 to DR-3.5).
pub fn matches(rule_host: &str, service_host: &str) -> bool {
    let service = service_host.strip_prefix('*');
    match rule_host.strip_prefix('*') {
        Some(rest) => service.unwrap_or(service_host).ends_with(rest),
        None => service.is_none() && rule_host == service_host,
    }
}

/// `spec.host` made whole with the rule's own namespace (DR-2.1).
pub fn normalise(host: &str, namespace: &str) -> Text {
    let address = host.parse::<std::net::IpAddr>().is_ok();
    if host.is_empty() || host == "*" || address || host.contains('.') {
        host.into()
    } else {
        format!("{host}.{namespace}.svc.cluster.local").into()
    }
}

/// The pools that a namespace's rules are in, and the rules.
#[derive(Debug, Default)]
struct Pools {
    /// What clients of the namespace find first (DR-4.2).
    local: HostTable,
    /// What the namespace exports (DR-4.3).
    exported: HostTable,
    /// The private rules of the root namespace (DR-4.5).
    private: HostTable,
    rules: Vec<RuleId>,
}

/// All rules, in their pools.
#[derive(Debug, Clone, Default)]
pub struct RuleIndex {
    /// In the order of DR-6.1. They are shared with the index that this one was made of.
    rules: Vec<Arc<Rule>>,
    /// By the namespace of the rules.
    pools: FxHashMap<Text, Arc<Pools>>,
    by_host: ByHost,
    /// Whether it is not known which of the root namespace's private rules a wildcard finds (up to 1.11).
    root_wildcards_unsettled: bool,
}

/// The answer of a look-up: the entries that the client may see, and how they were found.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The pool that answered.
    pub level: Level,
    /// The host in that pool.
    pub host: &'a Text,
    all: &'a [Entry],
    client: &'a str,
}

impl<'a> Found<'a> {
    fn new(level: Level, hosted: &'a Hosted, client: &'a str) -> Option<Self> {
        let found = Self { level, host: &hosted.host, all: &hosted.entries, client };
        found.entries().next().is_some().then_some(found)
    }

    /// The entries of the host that the client may see; at least one.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &'a Entry> + use<'a> {
        let Self { level, client, .. } = *self;
        self.all.iter().filter(move |entry| level == Level::Client || entry.is_visible_to(client))
    }
}

/// The rules that a client uses for a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The rule that names the entry.
    pub primary: RuleId,
    /// All rules in it, the primary first.
    pub contributors: Arc<Vec<Contributor>>,
    /// The pool it is from.
    pub level: Level,
}

impl RuleIndex {
    /// All rules in the order of DR-6.1.
    pub fn all(&self) -> impl Iterator<Item = (RuleId, &Rule)> {
        self.rules.iter().map(|rule| (rule.id, &**rule))
    }

    /// The rule with this id.
    pub fn get(&self, id: RuleId) -> Option<&Rule> {
        // Ids that were given all at once tell the place.
        let likely =
            usize::try_from(id.0 / build::GAP).ok().and_then(|at| self.rules.get(at.checked_sub(1)?));
        let found = likely.filter(|rule| rule.id == id).or_else(|| {
            let at = self.rules.binary_search_by_key(&id, |rule| rule.id).ok()?;
            self.rules.get(at)
        });
        found.map(|rule| &**rule)
    }

    fn exported(&self, namespace: &str) -> Option<&HostTable> {
        self.pools.get(namespace).map(|pools| &pools.exported)
    }

    /// Whether a namespace has rules of its own that its clients see first.
    pub fn is_own_pool(&self, namespace: &str) -> bool {
        self.pools.get(namespace).is_some_and(|pools| !pools.local.is_empty())
    }

    /// The namespaces that the export lists name of what a namespace exports for a host.
    pub fn named_for(&self, namespace: &str, host: &str) -> impl Iterator<Item = &str> {
        let found = self.exported(namespace).and_then(|table| table.best(host));
        let entries = found.map(|found| found.entries.as_slice()).unwrap_or_default();
        entries.iter().flat_map(|entry| &entry.exports).map(|export| &**export)
    }

    /// The namespaces whose clients find rules of their own for a host; one may come more than once.
    pub fn own_pools_matching<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Text> {
        let rules = self.by_host.matching(host).filter_map(|id| self.get(id));
        rules.filter(|rule| rule.is_local()).map(|rule| &rule.object.id.namespace)
    }

    /// Whether a client of the root namespace may use a private rule there that nothing tells: from 1.8 on they are
    /// honoured, and only from 1.12 on the most specific of them. Before, an exact host that no wildcard stands beside
    /// is certain and nothing else is.
    pub fn is_unsettled_in_root(&self, root: &str, host: &str) -> bool {
        let private = || self.pools.get(root).is_some_and(|pools| pools.private.has_wildcard_for(host));
        self.root_wildcards_unsettled && private()
    }

    /// Whether clients of a namespace find rules of their own for a host.
    pub fn own_pool_matches(&self, namespace: &str, host: &str) -> bool {
        self.pools.get(namespace).is_some_and(|pools| pools.local.best(host).is_some())
    }

    /// The rule that an object is.
    pub fn of_object(&self, id: &ObjectId) -> Option<&Rule> {
        let rules = &self.pools.get(&id.namespace)?.rules;
        rules.iter().filter_map(|rule| self.get(*rule)).find(|rule| rule.object.id.name == id.name)
    }

    /// The rules whose host matches a service's host, in the order of DR-6.1.
    pub fn matching(&self, host: &str) -> Vec<RuleId> {
        let mut found: Vec<_> = self.by_host.matching(host).collect();
        found.sort_unstable();
        found
    }

    /// The pools that a client asks for a service, in order (DR-5.1).
    pub fn pools(&self, client: &str, service: &str, root: &str) -> Vec<(Level, &HostTable)> {
        let steps = [
            (Level::Client, self.first_pool(client, root)),
            (Level::Service, self.exported(service)),
            (Level::Root, self.exported(root)),
        ];
        steps.into_iter().filter_map(|(level, table)| Some((level, table?))).collect()
    }

    fn first_pool(&self, client: &str, root: &str) -> Option<&HostTable> {
        self.pools.get(client).map(|pools| if client == root { &pools.private } else { &pools.local })
    }

    /// What the pools hold for a host of a service's namespace, whatever the client.
    pub fn for_host<'a>(&'a self, service: &str, host: &'a str, root: &'a str) -> HostRules<'a> {
        let best = |namespace: &str| self.exported(namespace).and_then(|table| table.best(host));
        HostRules { index: self, host, root, of_service: best(service), of_root: best(root) }
    }

    /// The first pool that answers (DR-5.1 to DR-5.7).
    pub fn look_up<'a>(
        &'a self,
        client: &'a str,
        service: &str,
        host: &'a str,
        root: &'a str,
    ) -> Option<Found<'a>> {
        self.for_host(service, host, root).found(client).next()
    }

    /// The entry of a look-up that a client uses (DR-6.8). `selects` is false for waypoints and on the server side,
    /// which take no notice of rules with a selector (DR-6.10).
    pub fn choose<'a>(
        &self,
        found: &Found<'a>,
        client: &str,
        labels: &Labels,
        selects: bool,
    ) -> Option<&'a Entry> {
        let of_client = |entry: &&Entry| {
            let namespace =
                || entry.primary().and_then(|id| self.get(id)).map(|rule| &rule.object.id.namespace);
            selects
                && entry.selector.as_ref().is_some_and(|selector| selector.is_subset_of(labels))
                && namespace().is_some_and(|namespace| &**namespace == client)
        };
        found.entries().find(of_client).or_else(|| found.entries().rev().find(|entry| !entry.has_selector()))
    }

    /// The policy that an entry has, and the rule it is from.
    pub fn policy_of(&self, contributors: &[Contributor]) -> Option<(RuleId, &TrafficPolicy)> {
        let from = contributors.iter().find(|one| one.gives_policy)?.rule;
        Some((from, self.get(from)?.body()?.traffic_policy.as_ref()?))
    }

    /// The subsets that an entry has, in order, each with the rule it is from.
    pub fn subsets_of<'a>(
        &'a self,
        contributors: &'a [Contributor],
    ) -> impl Iterator<Item = (RuleId, &'a Subset)> + use<'a> {
        contributors.iter().flat_map(move |one| {
            let body = self.get(one.rule).and_then(Rule::body);
            let given = one.subsets.iter();
            given.filter_map(move |name| {
                Some((one.rule, body?.subsets.iter().find(|subset| subset.name == *name)?))
            })
        })
    }
}

/// What the pools hold for one host, so that only the first pool is asked anew for each client.
#[derive(Debug, Clone, Copy)]
pub struct HostRules<'a> {
    index: &'a RuleIndex,
    host: &'a str,
    root: &'a str,
    of_service: Option<&'a Hosted>,
    of_root: Option<&'a Hosted>,
}

impl<'a> HostRules<'a> {
    /// What clients of a namespace find, in the order of the pools (DR-5.1 to DR-5.7): the first counts.
    pub fn found(&self, client: &'a str) -> impl Iterator<Item = Found<'a>> + use<'a> {
        let first = self.index.first_pool(client, self.root).and_then(|table| table.best(self.host));
        let steps = [(Level::Client, first), (Level::Service, self.of_service), (Level::Root, self.of_root)];
        steps.into_iter().filter_map(move |(level, hosted)| Found::new(level, hosted?, client))
    }
}
