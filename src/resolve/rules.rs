//! `DestinationRules` by pool and host: normalisation, export sets, merging, look-up (destination-rules.md 2 to 6, 12).

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::config::{Ages, Config};
use super::flags::Flag;
use crate::model::destination_rule::{DestinationRule, Subset, TrafficPolicy};
use crate::model::{Kind, Labels, Object, Snapshot, Text};

/// A rule, by its place in the order of DR-6.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(u32);

/// The pool that gave an answer (spec/cli.md, `destinationRule.level`).
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
    pub contributors: Vec<Contributor>,
    exports: Vec<Text>,
    selector: Option<Labels>,
}

impl Entry {
    fn of(id: RuleId, rule: &Rule, body: &DestinationRule) -> Self {
        let mut entry =
            Self { contributors: Vec::new(), exports: rule.exports.clone(), selector: rule.selector.clone() };
        entry.merge(id, body, false);
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
        let known = |name: &Text| self.contributors.iter().any(|one| one.subsets.contains(name));
        let (mut subsets, mut dropped) = (Vec::new(), Vec::new());
        for subset in &body.subsets {
            let twice = known(&subset.name) || subsets.contains(&subset.name);
            if twice { &mut dropped } else { &mut subsets }.push(Arc::clone(&subset.name));
        }
        let gives_policy = body.traffic_policy.is_some() && !has_policy;
        self.contributors.push(Contributor { rule, gives_policy, subsets, dropped });
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

/// Entries by host: exact hosts, and wildcards by what follows the `*`.
#[derive(Debug, Clone, Default)]
pub struct HostTable {
    exact: FxHashMap<Text, Vec<Entry>>,
    wildcard: FxHashMap<Text, Vec<Entry>>,
    /// The lengths of the wildcards' rests, longest first.
    lengths: Vec<usize>,
}

impl HostTable {
    fn slot(&mut self, host: &Text) -> &mut Vec<Entry> {
        match host.strip_prefix('*') {
            None => self.exact.entry(Arc::clone(host)).or_default(),
            Some(rest) => {
                if let Err(at) = self.lengths.binary_search_by(|length| rest.len().cmp(length)) {
                    self.lengths.insert(at, rest.len());
                }
                self.wildcard.entry(rest.into()).or_default()
            }
        }
    }

    /// The most specific host that matches, and its entries (DR-3.2 to DR-3.5).
    pub fn best(&self, host: &str) -> Option<(String, &[Entry])> {
        let name = match host.strip_prefix('*') {
            None => {
                if let Some(entries) = self.exact.get(host) {
                    return Some((host.to_owned(), entries));
                }
                host
            }
            Some(rest) => rest,
        };
        for length in &self.lengths {
            let Some(rest) = name.len().checked_sub(*length).and_then(|at| name.get(at..)) else { continue };
            if let Some(entries) = self.wildcard.get(rest) {
                return Some((format!("*{rest}"), entries));
            }
        }
        None
    }

    /// Whether a wildcard matches a host, however exact other matches are.
    fn has_wildcard_for(&self, host: &str) -> bool {
        let name = host.strip_prefix('*').unwrap_or(host);
        self.lengths.iter().any(|length| {
            let rest = name.len().checked_sub(*length).and_then(|at| name.get(at..));
            rest.is_some_and(|rest| self.wildcard.contains_key(rest))
        })
    }

    /// Whether a rule is among the entries of its host.
    pub fn holds(&self, host: &str, index: &RuleIndex, rule: &Rule) -> bool {
        let entries = match host.strip_prefix('*') {
            None => self.exact.get(host),
            Some(rest) => self.wildcard.get(rest),
        };
        let is = |one: &Contributor| {
            index.get(one.rule).is_some_and(|known| Arc::ptr_eq(&known.object, &rule.object))
        };
        entries.into_iter().flatten().any(|entry| entry.contributors.iter().any(is))
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wildcard.is_empty()
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

/// All rules, in their pools.
#[derive(Debug, Default)]
pub struct RuleIndex {
    rules: Vec<Rule>,
    local: FxHashMap<Text, HostTable>,
    exported: FxHashMap<Text, HostTable>,
    root_private: HostTable,
    /// Whether it is not known which of the root namespace's private rules a wildcard finds (up to 1.11).
    root_wildcards_unsettled: bool,
    /// Rules without wildcard, by host, and those with one.
    by_host: FxHashMap<Text, Vec<RuleId>>,
    wildcards: Vec<RuleId>,
}

/// The answer of a look-up: the entry that counts, and how it was found.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    /// The pool that answered.
    pub level: Level,
    /// The host in that pool.
    pub host: String,
    /// The entries of the host that the client may see.
    pub entries: Vec<&'a Entry>,
}

/// The rules that a client uses for a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The rule that names the entry.
    pub primary: RuleId,
    /// All rules in it, the primary first.
    pub contributors: Vec<Contributor>,
    /// The pool it is from.
    pub level: Level,
}

impl RuleIndex {
    /// The rules of a snapshot.
    pub fn new(snapshot: &Snapshot, config: &Config, ages: Ages) -> Self {
        let mut objects: Vec<_> = snapshot
            .of_kind(&Kind::DestinationRule)
            .filter_map(|object| Some((object, object.body.destination_rule()?)))
            .collect();
        // The order of DR-6.1 gives the ids, whatever the version: control planes of several revisions must mean the
        // same rule by one.
        objects.sort_by_cached_key(|(object, body)| {
            (body.workload_selector.is_none(), ages.place(object), Arc::clone(&object.id.namespace))
        });
        let mut index = Self { root_wildcards_unsettled: !config.version.at_least(1, 12), ..Self::default() };
        let rules: Vec<_> = objects
            .into_iter()
            .map(|(object, body)| {
                let selector = body.workload_selector.clone().filter(|_| config.version.at_least(1, 14));
                let exports = export_set(body, selector.as_ref(), config);
                let host = normalise(&body.host, &object.id.namespace);
                Rule { object: Arc::clone(object), host, exports, selector }
            })
            .collect();
        let mut order: Vec<_> = (0..).map(RuleId).zip(&rules).collect();
        // Selector rules come first from 1.22 on.
        if !config.version.at_least(1, 22) {
            order.sort_by_cached_key(|(_, rule)| {
                (ages.place(&rule.object), Arc::clone(&rule.object.id.namespace))
            });
        }
        for (id, rule) in order {
            index.place(id, rule, config);
        }
        index.rules = rules;
        index
    }

    /// Puts a rule into the pools that it is in.
    fn place(&mut self, id: RuleId, rule: &Rule, config: &Config) {
        let namespace = &rule.object.id.namespace;
        let Some(body) = rule.body() else { return };
        if !rule.host.is_empty() {
            let own = rule.exports_to(".") || rule.exports_to(namespace);
            let private =
                rule.exports.is_empty() && config.rules_private_by_default || rule.exports.len() == 1 && own;
            if rule.exports.is_empty() || rule.exports_to("*") || own {
                insert(self.local.entry(Arc::clone(namespace)).or_default(), id, rule, body, config);
            }
            if !private {
                insert(self.exported.entry(Arc::clone(namespace)).or_default(), id, rule, body, config);
            } else if **namespace == *config.root_namespace && config.version.at_least(1, 8) {
                insert(&mut self.root_private, id, rule, body, config);
            }
        }
        if rule.host.starts_with('*') {
            self.wildcards.push(id);
        } else {
            self.by_host.entry(Arc::clone(&rule.host)).or_default().push(id);
        }
    }

    /// All rules in the order of DR-6.1.
    pub fn all(&self) -> impl Iterator<Item = (RuleId, &Rule)> {
        (0..).map(RuleId).zip(&self.rules)
    }

    /// The rule with this id.
    pub fn get(&self, id: RuleId) -> Option<&Rule> {
        self.rules.get(id.0 as usize)
    }

    /// Whether a namespace has rules of its own that its clients see first.
    pub fn is_own_pool(&self, namespace: &str) -> bool {
        self.local.get(namespace).is_some_and(|table| !table.is_empty())
    }

    /// The namespaces that the export lists name of what a namespace exports for a host.
    pub fn named_for(&self, namespace: &str, host: &str) -> impl Iterator<Item = &str> {
        let found = self.exported.get(namespace).and_then(|table| table.best(host));
        let entries = found.map(|(_, entries)| entries).unwrap_or_default();
        entries.iter().flat_map(|entry| &entry.exports).map(|export| &**export)
    }

    /// Whether a namespace's own rules match a host.
    pub fn own_pool_matches(&self, namespace: &str, host: &str) -> bool {
        self.local.get(namespace).is_some_and(|table| table.best(host).is_some())
    }

    /// Whether a client of the root namespace may use a private rule there that nothing tells: from 1.8 on they are
    /// honoured, and only from 1.12 on the most specific of them. Before, an exact host that no wildcard stands beside
    /// is certain and nothing else is.
    pub fn is_unsettled_in_root(&self, host: &str) -> bool {
        self.root_wildcards_unsettled && self.root_private.has_wildcard_for(host)
    }

    /// The rules whose host matches a service's host, in the order of DR-6.1.
    pub fn matching(&self, host: &str) -> Vec<RuleId> {
        let exact = self.by_host.get(host).into_iter().flatten();
        let wildcard =
            self.wildcards.iter().filter(|id| self.get(**id).is_some_and(|rule| matches(&rule.host, host)));
        let mut found: Vec<_> = exact.chain(wildcard).copied().collect();
        found.sort_unstable();
        found
    }

    /// The pools that a client asks for a service, in order (DR-5.1).
    pub fn pools(&self, client: &str, service: &str, root: &str) -> Vec<(Level, &HostTable)> {
        let first = if client == root { Some(&self.root_private) } else { self.local.get(client) };
        let steps = [
            (Level::Client, first),
            (Level::Service, self.exported.get(service)),
            (Level::Root, self.exported.get(root)),
        ];
        steps.into_iter().filter_map(|(level, table)| Some((level, table?))).collect()
    }

    /// The first pool that answers (DR-5.1 to DR-5.7).
    pub fn look_up(&self, client: &str, service: &str, host: &str, root: &str) -> Option<Found<'_>> {
        for (level, table) in self.pools(client, service, root) {
            let Some((host, entries)) = table.best(host) else { continue };
            let seen = |entry: &&Entry| level == Level::Client || entry.is_visible_to(client);
            let entries: Vec<_> = entries.iter().filter(seen).collect();
            if !entries.is_empty() {
                return Some(Found { level, host, entries });
            }
        }
        None
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
        let of_client = |entry: &&&Entry| {
            let namespace = entry.primary().and_then(|id| self.get(id)).map(|rule| &rule.object.id.namespace);
            selects
                && namespace.is_some_and(|namespace| &**namespace == client)
                && entry.selector.as_ref().is_some_and(|selector| selector.is_subset_of(labels))
        };
        found
            .entries
            .iter()
            .find(of_client)
            .or_else(|| found.entries.iter().rev().find(|entry| !entry.has_selector()))
            .copied()
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

/// Adds a rule to a pool (DR-6.3), with its own comparison of export sets where enhanced merging is on.
fn insert(table: &mut HostTable, id: RuleId, rule: &Rule, body: &DestinationRule, config: &Config) {
    let entries = table.slot(&rule.host);
    let mut append = true;
    for entry in entries.iter_mut() {
        if config.flags.is_on(Flag::EnhancedMerge) {
            let contains = || entry.exports.iter().all(|one| rule.exports.contains(one));
            if entry.exports == rule.exports {
                append = false;
            } else if !entry.exports.is_empty() && contains() {
                append = true;
            } else {
                append = true;
                continue;
            }
        }
        match (&entry.selector, &rule.selector) {
            (Some(old), Some(new)) if old != new => {
                append = true;
                continue;
            }
            (Some(_), Some(_)) | (None, None) => append = false,
            (Some(_), None) | (None, Some(_)) => {}
        }
        let has_policy = entry.has_policy();
        entry.merge(id, body, has_policy);
    }
    if append {
        entries.push(Entry::of(id, rule, body));
    }
}

/// The export set of DR-4.1, sorted. Up to 1.6 the first entry alone counts: `.` is private, anything else public.
fn export_set(body: &DestinationRule, selector: Option<&Labels>, config: &Config) -> Vec<Text> {
    let mut exports = match (selector, body.export_to.first()) {
        (Some(_), _) => vec![Text::from(".")],
        (None, Some(first)) if !config.version.at_least(1, 7) => {
            vec![if **first == *"." { Arc::clone(first) } else { "*".into() }]
        }
        (None, _) => body.export_to.clone(),
    };
    exports.sort();
    exports.dedup();
    exports
}
