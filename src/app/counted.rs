//! From where on hits of rules are counted: counters are never lost, those that were there are taken off.

use std::collections::HashMap;

use crate::answer::authz::list::RuleRow;
use crate::answer::authz::workloads::{AuthzWorkload, AuthzWorkloads};

/// Hits and denials that are not counted any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Off {
    hits: u64,
    denials: u64,
}

/// What stood in the counters when they were reset.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    off: HashMap<String, Off>,
    is_reset: bool,
}

/// Who a rule is among those of all workloads.
pub fn rule_id(workload: &AuthzWorkload, rule: &RuleRow) -> String {
    let number = rule.rule.map(|number| number.to_string()).unwrap_or_default();
    format!("{} {} {number}", workload.id(), rule.policy.path())
}

impl Counted {
    /// Everything that is counted so far is taken off from now on.
    pub fn of(all: &AuthzWorkloads) -> Self {
        let rules = all.workloads.iter().flat_map(|one| one.list.rules.iter().map(move |rule| (one, rule)));
        let counted = rules.filter(|(_, rule)| rule.hits.is_some_and(|hits| hits > 0));
        let off = |rule: &RuleRow| Off {
            hits: rule.hits.unwrap_or_default(),
            denials: rule.denials.unwrap_or_default(),
        };
        let off = counted.map(|(workload, rule)| (rule_id(workload, rule), off(rule)));
        Self { off: off.collect(), is_reset: true }
    }

    /// Whether counters were reset.
    pub fn is_reset(&self) -> bool {
        self.is_reset
    }

    /// The rule as it counts since then.
    pub fn counters(&self, workload: &AuthzWorkload, rule: &RuleRow) -> Counters {
        let off = if self.off.is_empty() { None } else { self.off.get(&rule_id(workload, rule)) };
        let off = off.copied().unwrap_or_default();
        let hits = rule.hits.map(|hits| hits.saturating_sub(off.hits));
        Counters {
            hits,
            denials: rule.denials.map(|denials| denials.saturating_sub(off.denials)),
            last: rule.last_hit.clone().filter(|_| hits != Some(0)),
        }
    }
}

/// How often a rule decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counters {
    /// Lines that it decided; `None` where nothing is counted.
    pub hits: Option<u64>,
    /// Those of them that it refused.
    pub denials: Option<u64>,
    /// The last of them.
    pub last: Option<String>,
}
