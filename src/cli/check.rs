//! `check`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::{Common, Outcome, Refusal, source};
use crate::answer::check::{self, CheckReport, Finding};
use crate::diagnose::Code;

/// Flags of `check`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// From which severity on the exit code is 79
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t)]
    pub(super) fail_on: FailOn,
    /// Leave out a code, everywhere or at one object. Repeatable
    #[arg(long, value_name = "CODE[=NS/NAME]")]
    pub(super) ignore: Vec<String>,
    /// An earlier report as JSON: only what is not in it counts
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,
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
    // Nothing else is asked, and the process ends soon: giving back every object of a large mesh would only cost time.
    std::mem::forget(read);
    show(common, &mut report);
    let ignored: Vec<_> = flags.ignore.iter().map(|text| Ignored::read(text)).collect::<Result<_, _>>()?;
    report.findings.retain(|finding| !ignored.iter().any(|one| one.takes(finding)));
    if let Some(path) = &flags.baseline {
        let known = baseline(path)?;
        report.findings.retain(|finding| !known.contains(&finding.id));
    }
    count(&mut report);
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
}

/// Counts the findings that are left.
fn count(report: &mut CheckReport) {
    let count =
        |severity: &str| report.findings.iter().filter(|finding| finding.severity == severity).count();
    (report.summary.error, report.summary.warning, report.summary.info) =
        (count("error"), count("warning"), count("info"));
}

/// What `--ignore` names.
struct Ignored {
    code: String,
    object: Option<(String, String)>,
}

impl Ignored {
    fn read(text: &str) -> anyhow::Result<Self> {
        let (code, object) = text.split_once('=').map_or((text, None), |(code, object)| (code, Some(object)));
        let known = Code::of(code).is_some();
        let object = match object {
            None => None,
            Some(object) => match object.split_once('/') {
                Some((namespace, name)) => Some((namespace.to_owned(), name.to_owned())),
                None => return Err(Refusal::Usage(format!("--ignore {text}: expected CODE=NS/NAME")).into()),
            },
        };
        if !known {
            return Err(Refusal::Usage(format!("--ignore {text}: there is no finding {code}")).into());
        }
        Ok(Self { code: code.to_ascii_uppercase(), object })
    }

    /// The object is the finding's root, which stands first.
    fn takes(&self, finding: &Finding) -> bool {
        finding.code == self.code
            && self.object.as_ref().is_none_or(|(namespace, name)| {
                finding.objects.first().is_some_and(|one| {
                    one.object.namespace.as_deref().unwrap_or_default() == namespace
                        && one.object.name == *name
                })
            })
    }
}

/// The identities of the findings of an earlier report.
fn baseline(path: &Path) -> anyhow::Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let report: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let findings = report.get("findings").and_then(serde_json::Value::as_array);
    let Some(findings) = findings.filter(|_| report.get("kind").is_some_and(|kind| kind == "CheckReport"))
    else {
        let text = format!("{} is no report of `check -o json`", path.display());
        return Err(Refusal::Data(text).into());
    };
    let ids = findings.iter().filter_map(|finding| finding.get("id")?.as_str());
    Ok(ids.map(str::to_owned).collect())
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
