//! `authz list`.

use std::sync::Arc;

use clap::Args;

use crate::answer::authz::list;
use crate::cli::{Common, Outcome, message, source};
use crate::correlate::rule_hits::RuleHits;

/// Flags of `authz list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Flags {
    /// The workload: POD, POD.NS, NS/POD, KIND/NAME[.NS] (deploy/web.shop)
    #[arg(value_name = "WORKLOAD")]
    workload: String,
}

pub(in crate::cli) fn run(common: &Common, flags: &Flags) -> anyhow::Result<Outcome> {
    let mut found = None;
    let read = source::read_watched(common, |read| {
        let pods = source::client(read, &flags.workload)?;
        let wanted = pods.iter().copied().collect();
        let hits = Arc::new(RuleHits::new(Arc::clone(&read.mesh), Some(wanted)));
        found = Some((Arc::clone(&hits), pods));
        Ok(hits)
    })?;
    let Some((hits, pods)) = found else { return Ok(Outcome::Fine) };
    let Some(pod) = pods.first().and_then(|at| read.mesh.workloads.get(*at)) else {
        return Ok(Outcome::Fine);
    };
    if pods.iter().filter_map(|at| read.mesh.workloads.get(*at)).any(|other| other.labels != pod.labels) {
        message(&format!(
            "the pods of {} do not have the same labels; these are the rules of {}",
            pod.path(),
            pod.pod.as_deref().unwrap_or("the first")
        ));
    }
    common.write(&list::list(&read.mesh, pod, None).with_counters(&hits, &pods))?;
    Ok(Outcome::Fine)
}
