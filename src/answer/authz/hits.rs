//! Which rules decided about the lines that are held, pod by pod.

use std::collections::HashMap;
use std::sync::Arc;

use crate::answer::Read;
use crate::answer::common::ObjectRef;
use crate::correlate::rule_hits::RuleHits;
use crate::logs::{Limits, RecentLine, SourceName, Watch, format_time};
use crate::model::Text;

/// The answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuthzHits {
    /// The pods whose proxies wrote any of the lines, by namespace and name.
    pods: HashMap<(Text, Text), HashMap<(String, usize), Hit>>,
    /// Lines that were read and are not held any more.
    pub lost: u64,
}

/// How often a rule decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hit {
    /// Lines.
    pub hits: u64,
    /// How many more may be among them: what lines do not tell decides.
    pub maybe: u64,
    /// Those of them that it refused.
    pub denials: u64,
    /// Those of them that name it themselves; about the others it was held against them.
    pub named: u64,
    /// The last of them, RFC 3339.
    pub last: Option<String>,
}

impl AuthzHits {
    /// How often a rule decided about requests to some pods of a namespace; `None` where no line of theirs is held.
    pub fn of(&self, namespace: &Text, pods: &[Text], policy: &str, rule: usize) -> Option<Hit> {
        let mut sum: Option<Hit> = None;
        for pod in pods {
            let Some(rules) = self.pods.get(&(Arc::clone(namespace), Arc::clone(pod))) else { continue };
            let sum = sum.get_or_insert_default();
            if let Some(hit) = rules.get(&(policy.to_owned(), rule)) {
                sum.hits += hit.hits;
                sum.maybe += hit.maybe;
                sum.denials += hit.denials;
                sum.named += hit.named;
                sum.last = sum.last.take().max(hit.last.clone());
            }
        }
        sum
    }

    /// Whether no line is held.
    pub fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }
}

/// Holds the lines against the policies that were read.
pub fn hits(read: &Read) -> AuthzHits {
    let (recent, all) = read.recent.lines();
    let hits = Arc::new(RuleHits::new(Arc::clone(&read.mesh), None));
    let mut logs = read.logs.empty_like(Limits { joins: 0, ..Limits::default() });
    let watch: Arc<dyn Watch> = Arc::<RuleHits>::clone(&hits);
    logs.set_watch(Some(watch));
    let mut sources: HashMap<SourceName, _> = HashMap::new();
    for RecentLine { source, number, raw, is_cut, .. } in &recent {
        let id = *sources.entry(source.clone()).or_insert_with(|| logs.add_source(source.clone()));
        if !is_cut {
            logs.add_line(id, *number, raw);
        }
    }
    let mut answer = AuthzHits { lost: all.saturating_sub(recent.len() as u64), ..AuthzHits::default() };
    for (guard, counters) in hits.guards() {
        let Some(workload) = read.mesh.workloads.get(guard.workload) else { continue };
        let Some(pod) = &workload.pod else { continue };
        if counters.tally.lines == 0 {
            continue;
        }
        let rules = answer.pods.entry((Arc::clone(&workload.namespace), Arc::clone(pod))).or_default();
        for ((policy, rule), one) in &counters.rules {
            let sum = rules.entry((ObjectRef::of(policy).path(), *rule)).or_default();
            sum.hits += one.hits;
            sum.maybe += one.maybe;
            sum.denials += one.denials;
            sum.named += one.named;
            sum.last = sum.last.take().max(one.last.map(format_time));
        }
    }
    answer
}
