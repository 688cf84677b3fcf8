//! How the index is made, and made again where a few rules changed (DR-2, DR-4, DR-6).
//!
//! A rule is in the pools of its own namespace only, so those alone are merged again. The others refer to their rules
//! by ids, which stay: ids only have to follow the order of DR-6.1, and there is room between any two.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::pool::HostTable;
use super::{Pools, Rule, RuleId, RuleIndex, normalise};
use crate::model::destination_rule::DestinationRule;
use crate::model::{Kind, Labels, Object, ObjectId, Snapshot, Text};
use crate::resolve::config::{Ages, Config, Place};

/// What lies between the ids of two rules when all are made at once: room for some thirty halvings.
pub(super) const GAP: u64 = 1 << 32;

/// The place of a rule in the order of DR-6.1: selector rules first, then by age, name, namespace. It gives the ids
/// whatever the version, so that control planes of several revisions mean the same rule by one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Order(bool, (i64, Place), Text);

impl Order {
    fn of(object: &Object, body: &DestinationRule, ages: Ages) -> Self {
        Self(body.workload_selector.is_none(), ages.place(object), Arc::clone(&object.id.namespace))
    }
}

impl Rule {
    fn new(object: &Arc<Object>, body: &DestinationRule, id: RuleId, config: &Config) -> Self {
        let namespace = &object.id.namespace;
        let selector = body.workload_selector.clone().filter(|_| config.version.at_least(1, 14));
        let exports = export_set(body, selector.as_ref(), config);
        let host = normalise(&body.host, namespace);
        Self { id, object: Arc::clone(object), host, exports, selector }
    }

    /// Whether it names its own namespace.
    fn is_own(&self) -> bool {
        self.exports_to(".") || self.exports_to(&self.object.id.namespace)
    }

    /// Whether clients of its own namespace find it first (DR-4.2).
    pub(super) fn is_local(&self) -> bool {
        !self.host.is_empty() && (self.exports.is_empty() || self.exports_to("*") || self.is_own())
    }

    fn is_private(&self, config: &Config) -> bool {
        self.exports.is_empty() && config.rules_private_by_default || self.exports.len() == 1 && self.is_own()
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

impl Pools {
    /// The pools of a namespace's rules, which are in the order of DR-6.1.
    fn new<'a>(rules: impl Iterator<Item = &'a Rule>, config: &Config, ages: Ages) -> Self {
        let mut rules: Vec<_> = rules.collect();
        let mut pools = Self { rules: rules.iter().map(|rule| rule.id).collect(), ..Self::default() };
        // Selector rules come first from 1.22 on.
        if !config.version.at_least(1, 22) {
            rules.sort_by_cached_key(|rule| ages.place(&rule.object));
        }
        for rule in rules {
            let Some(body) = rule.body().filter(|_| !rule.host.is_empty()) else { continue };
            let insert = |table: &mut HostTable| table.insert(rule, body, config);
            if rule.is_local() {
                insert(&mut pools.local);
            }
            if !rule.is_private(config) {
                insert(&mut pools.exported);
            } else if *rule.object.id.namespace == *config.root_namespace && config.version.at_least(1, 8) {
                insert(&mut pools.private);
            }
        }
        pools
    }
}

impl RuleIndex {
    /// The rules of a snapshot.
    pub fn new(snapshot: &Snapshot, config: &Config, ages: Ages) -> Self {
        let mut objects: Vec<_> = snapshot
            .of_kind(&Kind::DestinationRule)
            .filter_map(|object| Some((object, object.body.destination_rule()?)))
            .collect();
        objects.sort_by_cached_key(|(object, body)| Order::of(object, body, ages));
        let mut index = Self {
            rules: Vec::with_capacity(objects.len()),
            root_wildcards_unsettled: !config.version.at_least(1, 12),
            ..Self::default()
        };
        for ((object, body), at) in objects.into_iter().zip(1..) {
            let rule = Rule::new(object, body, RuleId(at * GAP), config);
            index.by_host.add(&rule.host, rule.id);
            index.rules.push(Arc::new(rule));
        }
        let mut of_namespace: Vec<&Rule> = index.rules.iter().map(|rule| &**rule).collect();
        // A stable sort keeps the order within each namespace.
        of_namespace.sort_by(|a, b| a.object.id.namespace.cmp(&b.object.id.namespace));
        for rules in of_namespace.chunk_by(|a, b| a.object.id.namespace == b.object.id.namespace) {
            let Some(first) = rules.first() else { continue };
            let pools = Pools::new(rules.iter().copied(), config, ages);
            index.pools.insert(Arc::clone(&first.object.id.namespace), Arc::new(pools));
        }
        index
    }

    /// The index as it is where these objects, and no others, may have changed since. The settings are the same.
    #[must_use]
    pub fn with_changes(
        &self,
        snapshot: &Snapshot,
        config: &Config,
        ages: Ages,
        changed: &BTreeSet<&ObjectId>,
    ) -> Self {
        let mut index = self.clone();
        let mut given = Vec::new();
        for id in changed {
            let object = snapshot.get(id);
            let body = object.and_then(|object| Some((object, object.body.destination_rule()?)));
            let order = |object: &Object, body: &DestinationRule| Order::of(object, body, ages);
            let known = index.of_object(id).map(|rule| rule.id);
            let known = known.and_then(|id| index.rules.binary_search_by_key(&id, |rule| rule.id).ok());
            let stays =
                known.and_then(|at| index.rules.get(at)).zip(body).filter(|(rule, (object, body))| {
                    rule.body().is_some_and(|old| order(&rule.object, old) == order(object, body))
                });
            let place = stays.map(|(rule, _)| rule.id);
            if let Some(at) = known {
                let rule = index.rules.remove(at);
                index.by_host.remove(&rule.host, rule.id);
            }
            let Some((object, body)) = body else { continue };
            let wanted = order(object, body);
            let at = index.rules.partition_point(|rule| {
                rule.body().is_some_and(|body| order(&rule.object, body).cmp(&wanted) == Ordering::Less)
            });
            let Some(place) = place.or_else(|| index.between(at)) else {
                // No room is left: all ids are given anew.
                return Self::new(snapshot, config, ages);
            };
            let rule = Rule::new(object, body, place, config);
            index.by_host.add(&rule.host, rule.id);
            given.push(rule.id);
            index.rules.insert(at, Arc::new(rule));
        }
        let namespaces: BTreeSet<_> = changed.iter().map(|id| &id.namespace).collect();
        for namespace in namespaces {
            let known = index.pools.get(namespace).map(|pools| pools.rules.as_slice()).unwrap_or_default();
            let ids: BTreeSet<RuleId> = known.iter().chain(&given).copied().collect();
            // An id that one namespace's rule gave up may be another's now.
            let rules = ids.into_iter().filter_map(|id| index.get(id));
            let rules = rules.filter(|rule| rule.object.id.namespace == *namespace);
            let pools = Pools::new(rules, config, ages);
            if pools.rules.is_empty() {
                index.pools.remove(namespace);
            } else {
                index.pools.insert(Arc::clone(namespace), Arc::new(pools));
            }
        }
        index
    }

    /// An id for a rule that comes before the one at this place.
    fn between(&self, at: usize) -> Option<RuleId> {
        let before = at.checked_sub(1).and_then(|at| self.rules.get(at)).map_or(0, |rule| rule.id.0);
        let after = match self.rules.get(at) {
            Some(rule) => rule.id.0,
            None => before.checked_add(2 * GAP)?,
        };
        let middle = before + (after - before) / 2;
        (middle != before).then_some(RuleId(middle))
    }
}
