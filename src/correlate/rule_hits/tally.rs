//! What the requests of a proxy come to, rule by rule.

use std::collections::{BTreeMap, BTreeSet};

use super::{Guard, Ruled, SeenRequests};
use crate::correlate::line_request::Ruling;
use crate::model::authorization_policy::Action;
use crate::model::{ObjectId, Origin};
use crate::resolve::ambient::policies::is_of_peer_authentication;
use crate::resolve::authorize::decision::Passing;
use crate::resolve::authorize::evaluator::RuleNamed;
use crate::resolve::authorize::rule::Rule;

/// Lines counted as they come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// All.
    pub lines: u64,
    /// Those that ended before any policy was asked.
    pub not_asked: u64,
    /// Those whose token was refused.
    pub tokens: u64,
    /// Those of requests beyond the number that is told apart.
    pub beyond: u64,
}

impl Tally {
    pub(super) fn count(&mut self, ruling: Ruling<'_>) {
        self.lines += 1;
        match ruling {
            Ruling::NotAsked => self.not_asked += 1,
            Ruling::Token => self.tokens += 1,
            Ruling::Refused(_) | Ruling::RefusedByNone | Ruling::Authorizer | Ruling::Passed => {}
        }
    }
}

/// Lines that come to the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    /// How many.
    pub hits: u64,
    /// Those that were refused by it.
    pub denials: u64,
    /// Those of which the line itself names it; the others were evaluated.
    pub named: u64,
    /// How many more may be among them: what lines do not tell decides whether they are.
    pub maybe: u64,
    /// The time of the last, in microseconds since the epoch.
    pub last: Option<i64>,
    /// One of them.
    pub sample: Option<Origin>,
}

impl Hits {
    /// Takes up others.
    pub fn merge(&mut self, other: &Self) {
        self.hits += other.hits;
        self.denials += other.denials;
        self.named += other.named;
        self.maybe += other.maybe;
        self.last = self.last.max(other.last);
        if self.sample.is_none() {
            self.sample.clone_from(&other.sample);
        }
    }

    fn add(&mut self, seen: &SeenRequests, is_denial: bool, is_named: bool) {
        self.hits += seen.count;
        self.denials += if is_denial { seen.count } else { 0 };
        self.named += if is_named { seen.count } else { 0 };
        self.last = self.last.max(seen.last);
        self.sample.get_or_insert_with(|| seen.sample.clone());
    }
}

/// The counters of a proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// What was counted as it came.
    pub tally: Tally,
    /// By policy and number of the rule.
    pub rules: BTreeMap<(ObjectId, usize), Hits>,
    /// Refused, since no ALLOW rule matched.
    pub none: Hits,
    /// Refused by external authorizers.
    pub authorizers: Hits,
    /// Let in where no ALLOW policy applies.
    pub no_policy: Hits,
    /// What no rule that was read explains, by why it does not.
    pub unexplained: BTreeMap<String, Hits>,
    /// What is not decided.
    pub undecided: Hits,
    /// What would decide it.
    pub missing: BTreeSet<String>,
}

impl Counters {
    pub(super) fn of(tally: Tally) -> Self {
        Self { tally, ..Self::default() }
    }

    fn rule(&mut self, rule: &Rule) -> &mut Hits {
        self.rules.entry((rule.policy.id.clone(), rule.index)).or_default()
    }

    fn unexplained(&mut self, why: String, seen: &SeenRequests, is_denial: bool) {
        self.unexplained.entry(why).or_default().add(seen, is_denial, false);
    }

    /// Takes up requests that are alike.
    pub(super) fn add(&mut self, guard: &Guard, seen: &SeenRequests) {
        match &seen.ruled {
            Ruled::Refused(name) => self.refused(guard, seen, name),
            Ruled::RefusedByNone => self.refused_by_none(guard, seen),
            Ruled::Authorizer => {
                self.authorizers.add(seen, true, true);
                // Where only one rule asks, it is the one.
                if let [rule] = guard.evaluator.asking(seen.protocol, &seen.request).as_slice() {
                    self.rule(rule).add(seen, true, false);
                }
            }
            Ruled::Passed => self.passed(guard, seen),
        }
    }

    fn refused(&mut self, guard: &Guard, seen: &SeenRequests, name: &str) {
        match guard.evaluator.rule_named(seen.protocol, &seen.request, name) {
            RuleNamed::Rule(rule) => {
                self.rule(rule).add(seen, true, true);
                self.marked(guard, seen, false);
            }
            RuleNamed::OneOfSeveral => {
                self.undecided.add(seen, true, true);
                for (_, _, rule) in guard.evaluator.rules(seen.protocol) {
                    if rule.name == name {
                        self.rule(rule).maybe += seen.count;
                    }
                }
            }
            RuleNamed::NotInForce
                if name.split_once('/').is_some_and(|(_, policy)| is_of_peer_authentication(policy)) =>
            {
                self.unexplained(format!("refused by {name}, which a PeerAuthentication became"), seen, true);
            }
            RuleNamed::NotInForce => {
                self.unexplained(format!("refused by {name}, which is not in force"), seen, true);
            }
        }
    }

    /// Rules that refuse nothing are evaluated before the one that refused.
    fn marked(&mut self, guard: &Guard, seen: &SeenRequests, up_to_allow: bool) {
        for rule in guard.evaluator.marked(seen.protocol, &seen.request, up_to_allow) {
            self.rule(rule).add(seen, false, false);
        }
    }

    fn refused_by_none(&mut self, guard: &Guard, seen: &SeenRequests) {
        match guard.evaluator.passing(seen.protocol, &seen.request) {
            Some(Passing::NoPolicy { .. }) => {
                let why = "refused because no ALLOW rule matched, and no ALLOW policy is in force";
                self.unexplained(why.to_owned(), seen, true);
            }
            Some(Passing::Rule { rule, is_sure: true, .. }) => {
                let why = format!("refused because no ALLOW rule matched, though {} does", rule.name);
                self.unexplained(why, seen, true);
            }
            Some(
                Passing::Rule { .. } | Passing::OneOf { .. } | Passing::RefusedBy(_) | Passing::AllowedByNone,
            )
            | None => {
                self.none.add(seen, true, true);
                self.marked(guard, seen, true);
            }
        }
    }

    fn passed(&mut self, guard: &Guard, seen: &SeenRequests) {
        match guard.evaluator.passing(seen.protocol, &seen.request) {
            Some(Passing::NoPolicy { besides }) => {
                self.no_policy.add(seen, false, false);
                for rule in besides {
                    self.rule(rule).add(seen, false, false);
                }
            }
            Some(Passing::Rule { rule, besides, .. }) => {
                self.rule(rule).add(seen, false, false);
                for rule in besides {
                    self.rule(rule).add(seen, false, false);
                }
            }
            Some(Passing::OneOf { candidates, missing }) => {
                self.undecided.add(seen, false, false);
                for rule in candidates {
                    self.rule(rule).maybe += seen.count;
                }
                self.missing.extend(missing);
            }
            Some(Passing::RefusedBy(rule)) => {
                self.unexplained(format!("let in, though {} refuses it", rule.name), seen, false);
            }
            Some(Passing::AllowedByNone) => {
                self.unexplained("let in, though no ALLOW rule matches".to_owned(), seen, false);
            }
            None => {
                self.undecided.add(seen, false, false);
                // None that refuses: it got in.
                for (action, is_dry_run, rule) in guard.evaluator.rules(seen.protocol) {
                    if action != Action::Deny || is_dry_run {
                        self.rule(rule).maybe += seen.count;
                    }
                }
                self.missing.extend(guard.evaluator.policies.not_understood.iter().cloned());
            }
        }
    }
}
