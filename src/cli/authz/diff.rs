//! `authz diff`.

use std::sync::Arc;

use clap::Args;

use crate::answer::authz::diff;
use crate::bundle;
use crate::cli::{Common, Outcome, Refusal, source};
use crate::correlate::rule_hits::RuleHits;
use crate::model::Snapshot;

/// Flags of `authz diff`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Flags {
    /// The policies before: all that there are [default: those of -f]
    #[arg(long, value_name = "PATH")]
    before: Option<String>,
    /// The policies after: all that there are
    #[arg(long, value_name = "PATH", required_unless_present = "edit")]
    after: Option<String>,
    /// Policies that come in addition, or in place of those of their name
    #[arg(long, value_name = "PATH", conflicts_with = "after")]
    edit: Option<String>,
}

pub(in crate::cli) fn run(common: &Common, flags: &Flags) -> anyhow::Result<Outcome> {
    let mut found = None;
    source::read_watched(common, |read| {
        let of = |path: &Option<String>| path.as_deref().map(|path| policies(common, path)).transpose();
        let before = match of(&flags.before)? {
            Some(before) => diff::with_policies(&read.mesh, Some(&before), None),
            None => Arc::clone(&read.mesh),
        };
        let after = diff::with_policies(&before, of(&flags.after)?.as_ref(), of(&flags.edit)?.as_ref());
        let hits = Arc::new(RuleHits::of_both(Arc::clone(&before), Arc::clone(&after)));
        found = Some((Arc::clone(&hits), before, after));
        Ok(hits)
    })?;
    let Some((hits, before, after)) = found else { return Ok(Outcome::Fine) };
    let answer = diff::diff(&before, &after, &hits);
    common.write(&answer)?;
    let changes = answer.summary.now_denied + answer.summary.now_allowed > 0;
    Ok(if changes { Outcome::Faulty } else { Outcome::Fine })
}

/// The objects of a path.
fn policies(common: &Common, path: &str) -> anyhow::Result<Snapshot> {
    let mut own = common.clone();
    (own.filename, own.log) = (vec![path.to_owned()], Vec::new());
    let bundle: bundle::Bundle = source::bundle(&own)?;
    if let Some(problem) = bundle.problems.first() {
        let text = format!("{}:{}: {}", problem.origin.file, problem.origin.line, problem.text);
        return Err(Refusal::Data(text).into());
    }
    Ok(bundle.snapshot)
}
