//! JUnit XML as GitLab, Jenkins and others read it.
//!
//! A code is a suite and a finding a test case, which is known by the finding's identity from run to run. It fails
//! where the finding counts for `--fail-on`, so that a report has a failed case (or one with an error) exactly where
//! the exit code is 79; below that the case passes and its output has the finding. `skipped` is for what was not
//! judged: findings that are ignored or known from a baseline, and pairs that cannot be told.
//!
//! A code without finding is a case that passes, so that the report says what was looked for. It is skipped where the
//! ground for "nothing found" is missing: no pair, no line, or pairs that cannot be told.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::place::below;
use super::{ForCi, root};
use crate::answer::check::choice::FailOn;
use crate::answer::check::{CheckReport, Finding};
use crate::diagnose::Code;
use crate::report::check::{plural, write_finding};
use crate::report::table::Style;
use crate::text::visible;

const TOOL: &str = "meshscope";
const NOTHING: &str = "nothing found";

pub(super) fn write(report: &CheckReport, ci: &ForCi<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut all = Report::new(TOOL);
    all.add_test_suite(about(report, ci));
    for code in Code::ALL {
        all.add_test_suite(suite(*code, report, ci)?);
    }
    all.serialize(out).map_err(io::Error::other)
}

/// What was looked at, and what could not be told.
fn about(report: &CheckReport, ci: &ForCi<'_>) -> TestSuite {
    let mut suite = TestSuite::new(TOOL);
    let mut read = case("what was looked at", TOOL, TestCaseStatus::success());
    let assumed = report.assumed.iter().map(|text| format!("assumed: {text}"));
    let mut texts: Vec<_> = std::iter::once(report.looked_at()).chain(assumed).collect();
    texts.extend(report.left_out.text());
    texts.push(report.counted());
    read.set_system_out(lines(&texts));
    suite.add_test_case(read);
    let status = match untold(report) {
        None => TestCaseStatus::success(),
        Some(text) => {
            let counts = ci.fail_on == FailOn::Unknown && report.summary.unknown > 0;
            let mut status = if counts {
                TestCaseStatus::non_success(NonSuccessKind::Error)
            } else {
                TestCaseStatus::skipped()
            };
            status.set_message(shown(&text)).set_type("unknown");
            let texts: Vec<_> = std::iter::once(text).chain(report.untold()).collect();
            status.set_description(lines(&texts));
            status
        }
    };
    suite.add_test_case(case("every pair can be told", TOOL, status));
    suite
}

/// What could not be told, `None` where everything could.
fn untold(report: &CheckReport) -> Option<String> {
    match (report.summary.unknown, report.missing.is_empty()) {
        (0, true) => None,
        (0, false) => Some("something is missing for an answer".to_owned()),
        (pairs, _) => Some(format!("{} cannot be told", plural(pairs, "pair"))),
    }
}

fn suite(code: Code, report: &CheckReport, ci: &ForCi<'_>) -> io::Result<TestSuite> {
    let mut suite = TestSuite::new(format!("{} {}", code.code(), code.name()));
    let of_code = |finding: &&Finding| finding.code == code.code();
    for finding in report.findings.iter().filter(of_code) {
        let text = text(finding)?;
        if ci.fail_on.counts(&finding.severity) {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_message(shown(&finding.message))
                .set_type(shown(&finding.severity))
                .set_description(text);
            suite.add_test_case(of(finding, ci, status));
        } else {
            let mut case = of(finding, ci, TestCaseStatus::success());
            case.set_system_out(text);
            suite.add_test_case(case);
        }
    }
    let ignored = report.left_out.ignored.iter().map(|finding| (finding, "left out by --ignore"));
    let known = report.left_out.known().iter().map(|finding| (finding, "known from the baseline"));
    for (finding, why) in ignored.chain(known).filter(|(finding, _)| of_code(finding)) {
        let mut status = TestCaseStatus::skipped();
        status.set_message(why).set_description(text(finding)?);
        suite.add_test_case(of(finding, ci, status));
    }
    if suite.test_cases.is_empty() {
        let status = no_ground(code, report).map_or_else(TestCaseStatus::success, |why| {
            let mut status = TestCaseStatus::skipped();
            status.set_message(shown(&format!("{NOTHING}, but {why}")));
            status
        });
        suite.add_test_case(case(NOTHING, code.code(), status));
    }
    Ok(suite)
}

/// What the checks of a code look at.
enum Ground {
    /// The input itself.
    Input,
    /// Pairs of client and service port.
    Pairs,
    /// Log lines, held against pairs.
    Lines,
}

fn ground(code: Code) -> Ground {
    match code {
        Code::NotReadable | Code::NotUnderstood | Code::TwoOrigins => Ground::Input,
        Code::ClientWithoutProxyToStrict
        | Code::MtlsFailureInTraffic
        | Code::ConflictTrafficFlows
        | Code::UpstreamClosesConnections
        | Code::OverflowOrLimit
        | Code::RequestsDenied
        | Code::DeniedBecausePlaintext
        | Code::EvidenceIncomplete
        | Code::ControlPlaneTrouble => Ground::Lines,
        Code::UpstreamUnreachable
        | Code::PlaintextToStrict
        | Code::MtlsToPlaintext
        | Code::OneWayTlsToStrict
        | Code::ForeignTlsToSidecar
        | Code::MtlsToExternal
        | Code::HiddenByPolicyLevel
        | Code::HeadlessAllOrNothing
        | Code::PortLevelOnServicePort
        | Code::PeerAuthenticationIgnored
        | Code::PlaintextInPermissive
        | Code::TlsModeMissing
        | Code::PortSettingsDropTls
        | Code::CredentialIgnored
        | Code::MissingTlsOrigination
        | Code::ProbeNotRewritten
        | Code::AmbientStrictPortNotEnforced
        | Code::AmbientPortExceptionLost
        | Code::RuleNeverUsed
        | Code::RuleShadowed
        | Code::HostMatchesNothing
        | Code::RulesNotMerged
        | Code::DuplicateSubset
        | Code::SubsetMissing
        | Code::SubsetSelectsNoPod
        | Code::NotExported
        | Code::SelectorRuleStopsLookup
        | Code::AllowMatchesNothing
        | Code::DenyWidenedOnTcp
        | Code::PolicySelectsNothing
        | Code::PrincipalWithoutMtls
        | Code::L7PolicyWithoutWaypoint
        | Code::NegativeOnlyRule
        | Code::UnknownIdentity
        | Code::HostWithPort
        | Code::EverythingDenied
        | Code::TemplateEnvoyRefuses
        | Code::DenyMatchesNothing
        | Code::RemoteAddressOfCallersChoice
        | Code::PreflightRefused
        | Code::FromAndToInSeparateRules => Ground::Pairs,
    }
}

/// Why "nothing found" is not said of a code, `None` where it is.
fn no_ground(code: Code, report: &CheckReport) -> Option<String> {
    match ground(code) {
        Ground::Input => None,
        Ground::Lines if report.scanned.log_lines == 0 && report.scanned.counters == 0 => {
            Some("no log line was read".to_owned())
        }
        Ground::Lines | Ground::Pairs if report.scanned.pairs == 0 => Some("no pair was judged".to_owned()),
        Ground::Lines | Ground::Pairs => untold(report),
    }
}

/// The test case of a finding. Its name is the finding's identity.
fn of(finding: &Finding, ci: &ForCi<'_>, status: TestCaseStatus) -> TestCase {
    let mut case = case(&finding.id, &finding.code, status);
    let origin = root(finding).and_then(|root| root.origin.as_ref()).filter(|origin| &*origin.file != "-");
    if let Some(origin) = origin {
        let file = below(&origin.file, ci.folder).display().to_string();
        case.extra.insert("file".into(), shown(&file).into());
        case.extra.insert("line".into(), origin.line.to_string().into());
    }
    case
}

fn case(name: &str, class: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(shown(name), status);
    case.set_classname(if class == TOOL { TOOL.to_owned() } else { format!("{TOOL}.{}", shown(class)) });
    case
}

/// The finding as the table has it, line by line made fit to be shown.
fn text(finding: &Finding) -> io::Result<String> {
    let mut text = Vec::new();
    write_finding(finding, &mut text, Style { colours: false, columns: None }, false)?;
    Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
}

/// A text in which XML can hold everything, in one line: what it cannot is written out and not dropped.
fn shown(text: &str) -> String {
    visible(text).into_owned()
}

/// Such texts below each other.
fn lines(texts: &[String]) -> String {
    texts.iter().map(|text| visible(text)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn any_name_and_message_can_be_read_back(name in any::<String>(), text in "[\u{0}-\u{9f}<>&'\"\u{fffe}]*") {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(shown(&text));
            let mut suite = TestSuite::new("suite");
            suite.add_test_case(case(&name, "class", status));
            let mut report = Report::new("report");
            report.add_test_suite(suite);
            let mut xml = Vec::new();
            report.serialize(&mut xml).unwrap();
            let read = junit_parser::from_reader(&*xml).unwrap();
            let case = &read.suites[0].cases[0];
            prop_assert_eq!(&case.original_name, &*visible(&name));
            prop_assert_eq!(&case.status.failure_as_ref().message, &*visible(&text));
        }
    }
}
