//! From where on hits of rules are counted: those that were there when the counters were reset are taken off.

use std::sync::Arc;

use crate::answer::authz::hits::{AuthzHits, Hit};
use crate::answer::authz::list::RuleRow;
use crate::answer::authz::workloads::AuthzWorkload;

/// What stood in the counters when they were reset.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    off: Option<Arc<AuthzHits>>,
}

/// Who a rule is among those of all workloads.
pub fn rule_id(workload: &AuthzWorkload, rule: &RuleRow) -> String {
    let number = rule.rule.map(|number| number.to_string()).unwrap_or_default();
    format!("{} {} {number}", workload.id(), rule.policy.path())
}

impl Counted {
    /// Everything that is counted so far is taken off from now on.
    pub fn from(hits: &Arc<AuthzHits>) -> Self {
        Self { off: Some(Arc::clone(hits)) }
    }

    /// Whether counters were reset.
    pub fn is_reset(&self) -> bool {
        self.off.is_some()
    }

    /// Whether lines that were taken off are not held any more: what was counted since cannot be told then.
    pub fn is_outrun(&self, hits: &AuthzHits) -> bool {
        self.off.as_ref().is_some_and(|off| off.lost != hits.lost)
    }

    /// The counters of a rule; `None` where nothing is counted.
    pub fn counters(&self, hits: &AuthzHits, workload: &AuthzWorkload, rule: &RuleRow) -> Option<Hit> {
        if hits.is_empty() || self.is_outrun(hits) {
            return None;
        }
        let (path, number) = (rule.policy.path(), rule.rule?);
        let of = |hits: &AuthzHits| hits.of(&workload.namespace, &workload.names, &path, number);
        let hit = of(hits)?;
        let off = self.off.as_deref().and_then(of).unwrap_or_default();
        let since = hit.hits.saturating_sub(off.hits);
        Some(Hit {
            hits: since,
            named: hit.named.saturating_sub(off.named),
            maybe: hit.maybe.saturating_sub(off.maybe),
            denials: hit.denials.saturating_sub(off.denials),
            last: hit.last.filter(|_| since > 0),
        })
    }
}
