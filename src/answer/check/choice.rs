//! Which findings of a report count: those of the namespaces that are shown, that are not ignored and that an earlier
//! report does not have. What is left out is kept aside and named, so that nothing goes away in silence.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{CheckReport, Finding};
use crate::diagnose::Code;

/// From which severity on a report fails: `--fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum FailOn {
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

impl FailOn {
    /// Whether a finding of this severity fails the report.
    pub fn counts(self, severity: &str) -> bool {
        match self {
            Self::Error => severity == "error",
            Self::Warning => severity == "error" || severity == "warning",
            Self::Info | Self::Unknown => true,
            Self::Never => false,
        }
    }

    /// Whether the report fails.
    pub fn fails(self, report: &CheckReport) -> bool {
        report.findings.iter().any(|finding| self.counts(&finding.severity))
            || self == Self::Unknown && report.summary.unknown > 0
    }
}

/// What `--ignore` names: a code, everywhere or at one root object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    code: Code,
    /// Namespace (empty for an object of the cluster) and name.
    object: Option<(String, String)>,
}

impl FromStr for Ignored {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (code, object) = text.split_once('=').map_or((text, None), |(code, object)| (code, Some(object)));
        let code = Code::of(code).ok_or_else(|| format!("there is no finding {code}"))?;
        let object = match object.map(|object| object.split_once('/')) {
            None => None,
            Some(Some((namespace, name))) if !name.is_empty() => {
                Some((namespace.to_owned(), name.to_owned()))
            }
            Some(_) => return Err("expected CODE=NS/NAME".to_owned()),
        };
        Ok(Self { code, object })
    }
}

impl Ignored {
    /// Whether a finding is meant. Its root is the object that stands first.
    fn takes(&self, finding: &Finding) -> bool {
        finding.code == self.code.code()
            && self.object.as_ref().is_none_or(|(namespace, name)| {
                finding.objects.first().is_some_and(|one| {
                    one.object.namespace.as_deref().unwrap_or_default() == namespace
                        && one.object.name == *name
                })
            })
    }
}

/// The identities of the findings of an earlier report: `--baseline`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Baseline(BTreeSet<String>);

impl Baseline {
    /// Reads a report of `check -o json`. What that report knew from a baseline of its own is known as well, so that
    /// each report can be the baseline of the next.
    ///
    /// # Errors
    ///
    /// What makes the text no such report.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let report: Value = serde_json::from_slice(json).map_err(|error| format!("no JSON: {error}"))?;
        let kind = report.get("kind").and_then(Value::as_str);
        if kind != Some("CheckReport") {
            let kind = kind.map_or_else(|| "of no kind".to_owned(), |kind| format!("of kind {kind}"));
            return Err(format!("{kind} and not a CheckReport"));
        }
        let findings = report.get("findings").and_then(Value::as_array);
        let findings = findings.ok_or("a CheckReport without findings")?;
        let known = report.pointer("/leftOut/baseline/known").and_then(Value::as_array);
        let known = known.into_iter().flatten().map(Some);
        let ids = findings.iter().map(|finding| finding.get("id")).chain(known);
        let ids: Option<_> = ids.map(|id| Some(id?.as_str()?.to_owned())).collect();
        ids.map(Self).ok_or_else(|| "a CheckReport with a finding without id".to_owned())
    }
}

/// Findings that hold and do not count.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// Those that `--ignore` names, written as their identities.
    #[serde(serialize_with = "identities")]
    pub ignored: Vec<Finding>,
    /// How many touch only namespaces that are not shown.
    pub other_namespaces: usize,
    /// What the baseline says, where there is one.
    pub baseline: Option<AgainstBaseline>,
}

impl LeftOut {
    /// The findings that the baseline has too.
    pub fn known(&self) -> &[Finding] {
        self.baseline.as_ref().map_or(&[], |baseline| &baseline.known)
    }

    /// What was left out in one line, `None` where nothing was.
    pub fn text(&self) -> Option<String> {
        let gone = self.baseline.as_ref().map_or(0, |baseline| baseline.gone.len());
        let parts = [
            (self.ignored.len(), "by --ignore"),
            (self.known().len(), "known from the baseline"),
            (self.other_namespaces, "of other namespaces"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let mut parts: Vec<_> = parts.map(|(count, why)| format!("{count} {why}")).collect();
        let gone = (gone > 0).then(|| format!("{gone} of the baseline no longer found"));
        if !parts.is_empty() {
            parts = vec![format!("left out: {}", parts.join(", "))];
        }
        parts.extend(gone);
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// A report held against an earlier one.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct AgainstBaseline {
    /// Findings that both have, written as their identities.
    #[serde(serialize_with = "identities")]
    pub known: Vec<Finding>,
    /// Identities of the earlier one that are no longer found at all.
    pub gone: Vec<String>,
}

fn identities<S: Serializer>(findings: &[Finding], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(findings.iter().map(|finding| &finding.id))
}

impl CheckReport {
    /// Leaves the findings that count, and counts them. `shows` says which namespaces are shown: a finding belongs to
    /// those of its objects and of its clients, and to every one where it has neither.
    pub fn choose(
        &mut self,
        shows: impl Fn(Option<&str>) -> bool,
        ignored: &[Ignored],
        baseline: Option<&Baseline>,
    ) {
        let all: BTreeSet<_> = self.findings.iter().map(|finding| finding.id.clone()).collect();
        let mut left = LeftOut::default();
        let mut against = baseline.map(|baseline| AgainstBaseline {
            known: Vec::new(),
            gone: baseline.0.difference(&all).cloned().collect(),
        });
        let known = |id: &String| baseline.is_some_and(|baseline| baseline.0.contains(id));
        for finding in std::mem::take(&mut self.findings) {
            let objects = finding.objects.iter().map(|one| one.object.namespace.as_deref());
            let clients = finding.client_namespaces.as_ref();
            let is_shown = finding.objects.is_empty()
                || objects.into_iter().any(&shows)
                || clients.is_none_or(|clients| clients.iter().any(|one| shows(Some(one))));
            if !is_shown {
                left.other_namespaces += 1;
            } else if ignored.iter().any(|one| one.takes(&finding)) {
                left.ignored.push(finding);
            } else if let Some(against) = against.as_mut().filter(|_| known(&finding.id)) {
                against.known.push(finding);
            } else {
                self.findings.push(finding);
            }
        }
        left.baseline = against;
        self.left_out = left;
        let count =
            |severity: &str| self.findings.iter().filter(|finding| finding.severity == severity).count();
        (self.summary.error, self.summary.warning, self.summary.info) =
            (count("error"), count("warning"), count("info"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_a_code_with_or_without_an_object() {
        let read = |text: &str| text.parse::<Ignored>();
        assert_eq!(read("ms0101").unwrap(), Ignored { code: Code::PlaintextToStrict, object: None });
        let object = Some(("x".to_owned(), "r".to_owned()));
        assert_eq!(read("MS0101=x/r").unwrap(), Ignored { code: Code::PlaintextToStrict, object });
        assert!(read("MS0901=/cluster-wide").is_ok());
        for bad in ["", "MS9999", "plaintext-to-strict", "MS0101=", "MS0101=x", "MS0101=x/"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_baseline_is_a_report_and_nothing_else() {
        let read = |text: &str| Baseline::read(text.as_bytes());
        let ids = |ids: &[&str]| Ok(Baseline(ids.iter().map(|id| (*id).to_owned()).collect()));
        assert_eq!(read(r#"{"kind":"CheckReport","findings":[]}"#), ids(&[]));
        let again =
            r#"{"kind":"CheckReport","findings":[{"id":"a"}],"leftOut":{"baseline":{"known":["b"]}}}"#;
        assert_eq!(read(again), ids(&["a", "b"]));
        for (bad, why) in [
            ("", "no JSON"),
            ("apiVersion: v1", "no JSON"),
            ("{}", "of no kind"),
            ("[]", "of no kind"),
            (r#"{"kind":"TlsCheck","rows":[]}"#, "of kind TlsCheck"),
            (r#"{"kind":"CheckReport"}"#, "without findings"),
            (r#"{"kind":"CheckReport","findings":[{}]}"#, "without id"),
            (r#"{"kind":"CheckReport","findings":[{"id":7}]}"#, "without id"),
        ] {
            assert!(read(bad).is_err_and(|error| error.contains(why)), "{bad}");
        }
        assert!(Baseline::read(b"\xff\xfe").is_err());
    }

    #[test]
    fn the_limit_is_the_severity_that_counts() {
        let all = ["error", "warning", "info"];
        let counted = |limit: FailOn| all.iter().filter(|severity| limit.counts(severity)).count();
        let limits = [FailOn::Error, FailOn::Warning, FailOn::Info, FailOn::Unknown, FailOn::Never];
        assert_eq!(limits.map(counted), [1, 2, 3, 3, 0]);
    }
}
