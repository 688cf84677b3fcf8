//! `config`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::Subcommand;
use serde::Serialize;

use super::{Common, Outcome};
use crate::answer::common::API_VERSION;
use crate::report::Report;
use crate::report::table::Style;
use crate::resolve::Flag;
use crate::settings::file::DEFAULT;

/// What is asked of the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum Question {
    /// Print the configuration as it is by default, with what each setting means
    Default,
}

/// The configuration as it is by default: what is set, and the file that says so.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    api_version: &'static str,
    kind: &'static str,
    settings: Settings,
    text: &'static str,
}

#[derive(Debug, Serialize)]
struct Settings {
    istiod: Istiod,
}

#[derive(Debug, Serialize)]
struct Istiod {
    flags: BTreeMap<&'static str, bool>,
}

impl Configuration {
    fn by_default() -> Self {
        let flags = Flag::ALL.iter().map(|flag| (flag.name(), flag.default_is_on())).collect();
        let settings = Settings { istiod: Istiod { flags } };
        Self { api_version: API_VERSION, kind: "Configuration", settings, text: DEFAULT }
    }
}

impl Report for Configuration {
    fn table(&self, out: &mut dyn Write, _style: Style, _wide: bool) -> io::Result<()> {
        out.write_all(self.text.as_bytes())
    }

    fn names(&self) -> Vec<String> {
        self.settings.istiod.flags.keys().map(|name| format!("istiod.flags.{name}")).collect()
    }
}

pub(super) fn run(common: &Common, question: Question) -> anyhow::Result<Outcome> {
    match question {
        Question::Default => common.write(&Configuration::by_default())?,
    }
    Ok(Outcome::Fine)
}
