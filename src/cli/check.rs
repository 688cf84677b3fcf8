//! `check`.

use clap::{Args, ValueEnum};

use super::{Common, Outcome, source};
use crate::answer::check::{self, CheckReport};

/// Flags of `check`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// From which severity on the exit code is 79
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t)]
    pub(super) fail_on: FailOn,
}

/// `--fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum FailOn {
    /// Errors only.
    #[default]
    Error,
    /// Warnings too.
    Warning,
    /// Every finding.
    Info,
    /// Also what cannot be told.
    Unknown,
    /// Nothing.
    Never,
}

pub(super) fn run(common: &Common, flags: &Flags) -> anyhow::Result<Outcome> {
    let read = source::read(common)?;
    let mut report = check::check(&read);
    show(common, &mut report);
    common.write(&report)?;
    Ok(if fails(&report, flags.fail_on) { Outcome::Faulty } else { Outcome::Fine })
}

/// Leaves only findings that touch a namespace that is shown, and counts again.
fn show(common: &Common, report: &mut CheckReport) {
    report.findings.retain(|finding| {
        let objects = finding.objects.iter().map(|one| one.object.namespace.as_deref());
        let clients = finding.edges.iter().map(|edge| edge.client.namespace.as_deref());
        let mut all = objects.chain(clients);
        all.any(|namespace| common.shows(namespace)) || finding.objects.is_empty()
    });
    let count =
        |severity: &str| report.findings.iter().filter(|finding| finding.severity == severity).count();
    (report.summary.error, report.summary.warning, report.summary.info) =
        (count("error"), count("warning"), count("info"));
}

fn fails(report: &CheckReport, limit: FailOn) -> bool {
    let summary = &report.summary;
    let (error, warning, info) = (summary.error > 0, summary.warning > 0, summary.info > 0);
    match limit {
        FailOn::Error => error,
        FailOn::Warning => error || warning,
        FailOn::Info => error || warning || info,
        FailOn::Unknown => error || warning || info || summary.unknown > 0,
        FailOn::Never => false,
    }
}
