//! `authz check`.

use std::fs;
use std::io::{self, Read as _};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use crate::answer::authz::{AuthzDecisions, cases};
use crate::cli::{Common, Outcome, Refusal};

/// Flags of `authz check`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Flags {
    /// Answer whole cases: settings, policies and requests, with nothing from anywhere else
    #[arg(long, value_name = "FILE")]
    cases: Option<String>,
}

pub(in crate::cli) fn run(common: &Common, flags: &Flags) -> anyhow::Result<Outcome> {
    if let Some(file) = &flags.cases {
        let answers = cases::answer(&json(file)?, file).map_err(|text| data(file, &text))?;
        common.write(&AuthzDecisions::new(answers))?;
        return Ok(Outcome::Fine);
    }
    Err(Refusal::Usage("authz check needs --to or --cases".to_owned()).into())
}

fn data(file: &str, text: &str) -> anyhow::Error {
    Refusal::Data(format!("{file}: {text}")).into()
}

/// A file of JSON; `-` is standard input.
fn json(file: &str) -> anyhow::Result<Value> {
    let text = if file == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context("standard input")?;
        text
    } else {
        fs::read_to_string(file).with_context(|| file.to_owned())?
    };
    serde_json::from_str(&text).map_err(|error| data(file, &error.to_string()))
}
