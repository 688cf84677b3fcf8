//! `authz explain`.

use std::io::{self, Read as _};

use anyhow::Context as _;
use clap::Args;

use crate::answer::authz::explain;
use crate::cli::{Common, Outcome, Refusal, message, source};

/// So many bytes of lines are explained at most.
const MOST: u64 = 64 << 20;

/// Flags of `authz explain`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Flags {
    /// A line of an access log, or a proxy's message about a policy; - reads lines from standard input
    #[arg(value_name = "LINE")]
    line: String,
}

pub(in crate::cli) fn run(common: &Common, flags: &Flags) -> anyhow::Result<Outcome> {
    if flags.line == "-" && common.filename.iter().any(|name| name == "-") {
        return Err(Refusal::Usage("standard input cannot be both the lines and -f -".to_owned()).into());
    }
    let read = source::read(common)?;
    let lines: Vec<Vec<u8>> = if flags.line == "-" {
        let mut bytes = Vec::new();
        io::stdin().take(MOST).read_to_end(&mut bytes).context("standard input")?;
        bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    } else {
        vec![flags.line.clone().into_bytes()]
    };
    let mut answer = explain::explain(&read, &lines);
    if answer.decisions.is_empty() {
        let text = "neither an access line nor a message about a policy";
        return Err(Refusal::Data(text.to_owned()).into());
    }
    if answer.other > 0 {
        message(&format!("{} lines are neither access lines nor messages about policies", answer.other));
    }
    if flags.line == "-" {
        common.write(&answer)?;
    } else if let Some(one) = answer.decisions.pop() {
        common.write(&one)?;
    }
    Ok(Outcome::Fine)
}
