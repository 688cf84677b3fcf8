//! `explain`.

use clap::Args;

use super::{Common, Outcome, Refusal};
use crate::answer::explain;

/// Flags of `explain`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// A code (MS0101), response flag (UC), response code detail, cause or outcome
    #[arg(value_name = "CODE")]
    code: String,
}

pub(super) fn run(common: &Common, flags: &Flags) -> anyhow::Result<Outcome> {
    let Some(answer) = explain::explain(&flags.code) else {
        let nearest = explain::nearest(&flags.code).map(|name| format!("; did you mean {name}?"));
        let text = format!("nothing is known of {}{}", flags.code, nearest.unwrap_or_default());
        return Err(Refusal::Usage(text).into());
    };
    common.write(&answer)?;
    Ok(Outcome::Fine)
}
