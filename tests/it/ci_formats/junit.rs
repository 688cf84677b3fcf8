//! `check -o junit`, read by `junit-parser`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use junit_parser::{TestCase, TestStatus, TestSuites};

use super::{BROKEN, check, conflict, hostile, mesh, meshes, rule, untold, workloads};
use crate::support::{Ran, fixture, meshscope_with};

fn junit_of(ran: &Ran) -> TestSuites {
    junit_parser::from_reader(ran.out.as_bytes()).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
}

fn junit(folder: &Path, more: &[&str]) -> TestSuites {
    junit_of(&check(folder, "junit", more))
}

fn cases(suites: &TestSuites) -> impl Iterator<Item = &TestCase> {
    suites.suites.iter().flat_map(|suite| &suite.cases)
}

fn case<'a>(suites: &'a TestSuites, name: &str) -> &'a TestCase {
    cases(suites).find(|case| case.original_name == name).unwrap_or_else(|| panic!("no case {name}"))
}

#[test]
fn junit_has_a_suite_for_every_code_and_a_case_for_every_finding() {
    for folder in meshes() {
        let folder = folder.path();
        let suites = junit(folder, &[]);
        let names: Vec<_> = suites.suites.iter().map(|suite| suite.name.clone()).collect();
        let codes = meshscope::diagnose::Code::ALL.iter();
        let codes = codes.map(|code| format!("{} {}", code.code(), code.name()));
        assert_eq!(names, std::iter::once("meshscope".to_owned()).chain(codes).collect::<Vec<_>>());
        let all: Vec<_> = cases(&suites).collect();
        let identities: BTreeSet<_> =
            all.iter().map(|case| (case.classname.clone(), case.original_name.clone())).collect();
        assert_eq!(identities.len(), all.len(), "cases are known by class and name");
        let count = |is: fn(&TestStatus) -> bool| all.iter().filter(|case| is(&case.status)).count() as u64;
        assert_eq!(suites.tests, all.len() as u64);
        assert_eq!(suites.failures, count(TestStatus::is_failure));
        assert_eq!(suites.skipped, count(TestStatus::is_skipped));
        assert_eq!(suites.errors, count(TestStatus::is_error));
        for suite in &suites.suites {
            assert!(!suite.cases.is_empty(), "{} is empty", suite.name);
        }
        let report = check(folder, "json", &[]).json();
        let findings = report["findings"].as_array().unwrap();
        let of_code = |suite: &&junit_parser::TestSuite| suite.name.starts_with("MS");
        let told = suites.suites.iter().filter(of_code).flat_map(|suite| &suite.cases);
        assert_eq!(told.filter(|case| case.original_name != "nothing found").count(), findings.len());
    }
}

#[test]
fn junit_fails_exactly_where_the_exit_code_says_so() {
    for folder in meshes() {
        for limit in ["error", "warning", "info", "unknown", "never"] {
            let ran = check(folder.path(), "junit", &["--fail-on", limit]);
            let suites = junit_of(&ran);
            assert_eq!(suites.failures + suites.errors > 0, ran.code == 79, "{limit}: {}", ran.out);
        }
    }
}

#[test]
fn junit_says_of_each_finding_whether_it_counts() {
    let folder = fixture(BROKEN);
    let report = check(&folder, "json", &[]).json();
    let of = |code: &str| {
        let mut all = report["findings"].as_array().unwrap().iter();
        all.find(|one| one["code"] == code).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let suites = junit(&folder, &[]);
    let error = case(&suites, &of("MS0101"));
    let failure = error.status.failure_as_ref();
    assert_eq!(failure.failure_type, "error");
    assert_eq!(failure.message, report["findings"][0]["message"].as_str().unwrap());
    assert!(failure.text.contains("fix 1") && failure.text.contains("kubectl patch"), "{}", failure.text);
    assert_eq!((error.file.as_deref(), error.line), (Some("mesh.yaml"), Some(116)));
    assert_eq!(error.classname.as_deref(), Some("meshscope.MS0101"));
    let warning = case(&suites, &of("MS0201"));
    assert!(warning.status.is_success());
    assert!(warning.system_out.as_ref().unwrap().contains("rule-never-used"));
    assert!(case(&junit(&folder, &["--fail-on", "warning"]), &of("MS0201")).status.is_failure());
    let ignored = junit(&folder, &["--ignore", "MS0101"]);
    let skipped = case(&ignored, &of("MS0101")).status.skipped_as_ref();
    assert_eq!(skipped.message, "left out by --ignore");
    let earlier = tempfile::NamedTempFile::new().unwrap();
    fs::write(earlier.path(), check(&folder, "json", &[]).out).unwrap();
    let known = junit(&folder, &["--baseline", earlier.path().to_str().unwrap()]);
    assert_eq!(case(&known, &of("MS0101")).status.skipped_as_ref().message, "known from the baseline");
}

#[test]
fn junit_passes_no_case_without_ground() {
    let of = |suites: &TestSuites, code: &str| {
        let suite = suites.suites.iter().find(|suite| suite.name.starts_with(code)).unwrap();
        let case = suite.cases.iter().find(|case| case.original_name == "nothing found").unwrap();
        if case.status.is_success() { String::new() } else { case.status.skipped_as_ref().message.clone() }
    };
    let sound = junit(&fixture("mtls/sound"), &[]);
    assert_eq!(["MS0102", "MS0301", "MS0904"].map(|code| of(&sound, code)), ["", "", ""]);
    assert!(case(&sound, "every pair can be told").status.is_success());
    let conflict = mesh("mesh.json", &conflict(1));
    let without_lines = junit(conflict.path(), &[]);
    let said = ["MS0102", "MS0301", "MS0904"].map(|code| of(&without_lines, code));
    assert_eq!(said, ["", "nothing found, but no log line was read", ""]);
    let folder = mesh("mesh.json", &untold());
    let suites = junit(folder.path(), &[]);
    assert_eq!(of(&suites, "MS0102"), "nothing found, but 1 pair cannot be told");
    assert_eq!(of(&suites, "MS0904"), "");
    let unknown = case(&suites, "every pair can be told").status.skipped_as_ref();
    assert!(unknown.text.contains("cannot tell:"), "{}", unknown.text);
    let counted = junit(folder.path(), &["--fail-on", "unknown"]);
    assert_eq!(case(&counted, "every pair can be told").status.error_as_ref().error_type, "unknown");
    let folder = mesh("mesh.json", &[rule("r", "a"), workloads(0).remove(1)]);
    assert_eq!(of(&junit(folder.path(), &[]), "MS0101"), "nothing found, but no pair was judged");
}

#[test]
fn hostile_words_stay_words_in_xml() {
    let folder = mesh("mesh.json", &hostile());
    let ran = check(folder.path(), "junit", &["--fail-on", "info"]);
    for one in ran.out.chars() {
        assert!(one == '\n' || one >= ' ' && one != '\u{7f}' && one != '\u{fffe}' && one != '\u{202e}');
    }
    let suites = junit_of(&ran);
    let named: Vec<_> = cases(&suites).filter(|case| case.original_name.contains("<img src=x")).collect();
    assert!(named.len() >= 2, "{}", ran.out);
    for case in named {
        assert!(case.original_name.contains("␁␛[31m<U+FFFE><U+202E>"), "{}", case.original_name);
        assert!(case.original_name.contains("</details>␊␊# head"), "{}", case.original_name);
    }
}

#[test]
fn junit_of_standard_input_has_no_file() {
    let file = fs::File::open(fixture(BROKEN).join("mesh.yaml")).unwrap();
    let ran = meshscope_with(&fixture(""), &["check", "-f", "-", "-o", "junit"], Stdio::from(file));
    assert!(cases(&junit_of(&ran)).all(|case| case.file.is_none()));
}
