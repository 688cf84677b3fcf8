//! `authz`: what policies make of requests.

mod check;

use clap::Subcommand;

use super::{Common, Outcome};

/// The questions of `authz`.
#[derive(Debug, Subcommand)]
pub(super) enum Question {
    /// Whether requests are let in, by which policy and rule
    Check(Box<check::Flags>),
}

pub(super) fn run(common: &Common, question: &Question) -> anyhow::Result<Outcome> {
    match question {
        Question::Check(flags) => check::run(common, flags),
    }
}
