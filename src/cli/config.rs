//! `config`.

use std::io::Write as _;

use clap::Subcommand;

use super::Outcome;
use crate::settings;

/// What is asked of the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum Question {
    /// Print the configuration as it is by default, with what each setting means
    Default,
}

pub(super) fn run(question: Question) -> anyhow::Result<Outcome> {
    match question {
        Question::Default => std::io::stdout().lock().write_all(settings::file::DEFAULT.as_bytes())?,
    }
    Ok(Outcome::Fine)
}
