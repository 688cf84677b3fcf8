//! `check`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::output::Output;
use super::{Common, Outcome, Refusal, source};
use crate::answer::check;
use crate::answer::check::choice::{Baseline, FailOn, Ignored};
use crate::report::ci::ForCi;
use crate::settings;

/// Flags of `check`.
#[derive(Debug, Default, Args)]
pub(super) struct Flags {
    /// From which severity on the exit code is 79
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t)]
    pub(super) fail_on: FailOn,
    /// Leave out a code, everywhere or at one object. Repeatable
    #[arg(long, value_name = "CODE[=NS/NAME]")]
    pub(super) ignore: Vec<Ignored>,
    /// An earlier report as JSON: only what is not in it counts
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,
}

pub(super) fn run(common: &Common, flags: &Flags) -> anyhow::Result<Outcome> {
    let baseline = flags.baseline.as_deref().map(baseline).transpose()?;
    let read = source::read(common)?;
    let mut report = check::check(&read);
    // Nothing else is asked, and the process ends soon: giving back every object of a large mesh would only cost time.
    std::mem::forget(read);
    report.choose(|namespace| common.shows(namespace), &flags.ignore, baseline.as_ref());
    match common.output.unwrap_or_default() {
        Output::Of(_) => common.write(&report)?,
        Output::Ci(format) => {
            let sources = source::names(common);
            let folder = settings::working_folder();
            let ci = ForCi { fail_on: flags.fail_on, sources: &sources, folder: folder.as_deref() };
            Common::write_with(|out| ci.write(&report, format, out))?;
        }
    }
    Ok(if flags.fail_on.fails(&report) { Outcome::Faulty } else { Outcome::Fine })
}

fn baseline(path: &Path) -> anyhow::Result<Baseline> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Baseline::read(&text).map_err(|why| {
        Refusal::Data(format!("--baseline {}: no report of `check -o json`: {why}", path.display())).into()
    })
}
