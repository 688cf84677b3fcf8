//! The rules of one pool by host, and the merging of those that have one host (DR-3, DR-6).

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Contributor, Entry, Rule, RuleId, RuleIndex};
use crate::model::Text;
use crate::model::destination_rule::DestinationRule;
use crate::resolve::config::Config;
use crate::resolve::flags::Flag;

/// The entries of one host.
#[derive(Debug, Clone)]
pub struct Hosted {
    /// The host, with its `*` where it is a wildcard.
    pub host: Text,
    /// The entries, in the order of their primary rules.
    pub entries: Vec<Entry>,
}

/// Entries by host: exact hosts, and wildcards by what follows the `*`.
#[derive(Debug, Clone, Default)]
pub struct HostTable {
    exact: FxHashMap<Text, Hosted>,
    wildcard: FxHashMap<Text, Hosted>,
    lengths: Lengths,
}

impl HostTable {
    fn slot(&mut self, host: &Text) -> &mut Vec<Entry> {
        let (table, key) = match host.strip_prefix('*') {
            None => (&mut self.exact, Arc::clone(host)),
            Some(rest) => {
                self.lengths.add(rest.len());
                (&mut self.wildcard, rest.into())
            }
        };
        let hosted =
            table.entry(key).or_insert_with(|| Hosted { host: Arc::clone(host), entries: Vec::new() });
        &mut hosted.entries
    }

    /// The most specific host that matches, and its entries (DR-3.2 to DR-3.5).
    pub fn best(&self, host: &str) -> Option<&Hosted> {
        let name = match host.strip_prefix('*') {
            None => {
                if let Some(found) = self.exact.get(host) {
                    return Some(found);
                }
                host
            }
            Some(rest) => rest,
        };
        self.lengths.ends(name).find_map(|rest| self.wildcard.get(rest))
    }

    /// Whether a wildcard matches a host, however exact other matches are.
    pub(super) fn has_wildcard_for(&self, host: &str) -> bool {
        let name = host.strip_prefix('*').unwrap_or(host);
        self.lengths.ends(name).any(|rest| self.wildcard.contains_key(rest))
    }

    /// Whether a rule is among the entries of its host.
    pub fn holds(&self, host: &str, index: &RuleIndex, rule: &Rule) -> bool {
        let hosted = match host.strip_prefix('*') {
            None => self.exact.get(host),
            Some(rest) => self.wildcard.get(rest),
        };
        let is = |one: &Contributor| {
            index.get(one.rule).is_some_and(|known| Arc::ptr_eq(&known.object, &rule.object))
        };
        hosted.into_iter().flat_map(|one| &one.entries).any(|entry| entry.contributors.iter().any(is))
    }

    /// Whether no rule is in it.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wildcard.is_empty()
    }

    /// Adds a rule (DR-6.3), with its own comparison of export sets where enhanced merging is on.
    pub(super) fn insert(&mut self, rule: &Rule, body: &DestinationRule, config: &Config) {
        let entries = self.slot(&rule.host);
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
            entry.merge(rule.id, body, has_policy);
        }
        if append {
            entries.push(Entry::of(rule, body));
        }
    }
}

/// The lengths of the rests of wildcards, longest first.
#[derive(Debug, Clone, Default)]
struct Lengths(Vec<usize>);

impl Lengths {
    fn add(&mut self, length: usize) {
        if let Err(at) = self.0.binary_search_by(|known| length.cmp(known)) {
            self.0.insert(at, length);
        }
    }

    /// The ends of a name that have one of the lengths, longest first.
    fn ends<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(move |length| name.get(name.len().checked_sub(*length)?..))
    }
}

/// Rules by their own host, whatever pool they are in. The lists are shared with the index that this one was made of.
#[derive(Debug, Clone, Default)]
pub(super) struct ByHost {
    exact: FxHashMap<Text, Arc<Vec<RuleId>>>,
    wildcard: FxHashMap<Text, Arc<Vec<RuleId>>>,
    lengths: Lengths,
}

impl ByHost {
    pub(super) fn add(&mut self, host: &Text, id: RuleId) {
        let list = match host.strip_prefix('*') {
            None => self.exact.entry(Arc::clone(host)),
            Some(rest) => {
                self.lengths.add(rest.len());
                self.wildcard.entry(rest.into())
            }
        };
        Arc::make_mut(list.or_default()).push(id);
    }

    pub(super) fn remove(&mut self, host: &str, id: RuleId) {
        let (table, key) = match host.strip_prefix('*') {
            None => (&mut self.exact, host),
            Some(rest) => (&mut self.wildcard, rest),
        };
        if let Some(rules) = table.get_mut(key) {
            Arc::make_mut(rules).retain(|one| *one != id);
            if rules.is_empty() {
                table.remove(key);
            }
        }
    }

    /// The rules whose host matches a service's host (DR-3.1 to DR-3.5), in no order.
    pub(super) fn matching<'a>(&'a self, host: &'a str) -> impl Iterator<Item = RuleId> + 'a {
        let bare = host.strip_prefix('*');
        let exact = bare.is_none().then(|| self.exact.get(host)).flatten();
        let wildcard = self.lengths.ends(bare.unwrap_or(host)).filter_map(|rest| self.wildcard.get(rest));
        exact.into_iter().chain(wildcard).flat_map(|rules| rules.iter().copied())
    }
}
