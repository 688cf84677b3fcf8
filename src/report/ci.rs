//! The report of `check` for continuous integration: SARIF for code scanning, JUnit XML for test reports, Markdown
//! for a comment. The exit code does not depend on the format.

mod junit;
mod markdown;
mod place;
mod sarif;

use std::io::{self, Write};
use std::path::Path;

use crate::answer::check::choice::FailOn;
use crate::answer::check::{CheckReport, Finding, InvolvedRef};

/// A format of `check` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CiFormat {
    /// SARIF 2.1.0, for code scanning; `check` only.
    Sarif,
    /// JUnit XML, for reports of tests; `check` only.
    Junit,
    /// Markdown, for a comment on a change; `check` only.
    Markdown,
}

/// What these formats need besides the report.
#[derive(Debug, Clone, Copy)]
pub struct ForCi<'a> {
    /// From which severity on a test case fails.
    pub fail_on: FailOn,
    /// What was read, as it was named.
    pub sources: &'a [String],
    /// The folder in which the program runs: files below it are named from there.
    pub folder: Option<&'a Path>,
}

impl ForCi<'_> {
    /// Writes the report.
    ///
    /// # Errors
    ///
    /// Only what the writer says.
    pub fn write(&self, report: &CheckReport, format: CiFormat, out: &mut dyn Write) -> io::Result<()> {
        match format {
            CiFormat::Sarif => sarif::write(report, self, out),
            CiFormat::Junit => junit::write(report, self, out),
            CiFormat::Markdown => markdown::write(report, out),
        }
    }
}

/// The object to blame: the cause, and where none is named what stands first.
fn root(finding: &Finding) -> Option<&InvolvedRef> {
    finding.objects.iter().find(|one| one.role == "cause").or(finding.objects.first())
}
