//! `authz`: what policies make of requests.

mod check;
mod diff;
mod explain;
mod list;

use clap::Subcommand;

use super::{Common, Outcome};

/// The questions of `authz`.
#[derive(Debug, Subcommand)]
pub(super) enum Question {
    /// Whether requests are let in, by which policy and rule
    Check(Box<check::Flags>),
    /// Which requests in the logs another set of policies decides otherwise
    Diff(diff::Flags),
    /// Why the request of a log line was let in or refused
    Explain(explain::Flags),
    /// The rules in force for a workload in the order of evaluation, with what log lines each decided
    List(list::Flags),
}

pub(super) fn run(common: &Common, question: &Question) -> anyhow::Result<Outcome> {
    match question {
        Question::Check(flags) => check::run(common, flags),
        Question::Diff(flags) => diff::run(common, flags),
        Question::Explain(flags) => explain::run(common, flags),
        Question::List(flags) => list::run(common, flags),
    }
}
