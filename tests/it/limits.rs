//! What fails `check` and what is left out: `--fail-on`, `--ignore`, `--baseline`, in every format.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::meshes::{GIT_FOLDER, SECOND_POLICY};
use crate::support::{Ran, fixture, meshscope};

const FORMATS: [&str; 9] = ["table", "wide", "json", "yaml", "ndjson", "name", "sarif", "junit", "markdown"];
const LIMITS: [&str; 5] = ["error", "warning", "info", "unknown", "never"];

fn check(folder: &Path, more: &[&str]) -> Ran {
    meshscope(folder, &[&["check", "-f", "."], more].concat())
}

fn json(folder: &Path, more: &[&str]) -> Value {
    check(folder, &[more, &["-o", "json"]].concat()).json()
}

fn codes(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

/// The flags that leave out these codes.
fn ignoring<'a>(codes: &[&'a str]) -> Vec<&'a str> {
    codes.iter().flat_map(|code| ["--ignore", *code]).collect()
}

#[test]
fn every_limit_counts_its_severities_in_every_format() {
    let broken = fixture("mtls/bookinfo-2019");
    let report = json(&broken, &[]);
    assert_eq!(codes(&report), ["MS0101", "MS0201", "MS0203", "MS0202"]);
    let (errors, warnings, infos): (&[_], &[_], &[_]) = (&["MS0101"], &["MS0201", "MS0203"], &["MS0202"]);
    // What is left, and the exit code for each limit.
    let meshes = [
        (vec![], [79, 79, 79, 79, 0]),
        (ignoring(errors), [0, 79, 79, 79, 0]),
        (ignoring(&[errors, warnings].concat()), [0, 0, 79, 79, 0]),
        (ignoring(&[errors, warnings, infos].concat()), [0, 0, 0, 0, 0]),
    ];
    for (flags, wanted) in &meshes {
        for (limit, wanted) in LIMITS.iter().zip(wanted) {
            for format in FORMATS {
                let ran = check(&broken, &[flags, &["--fail-on", limit, "-o", format][..]].concat());
                assert_eq!(ran.code, *wanted, "{flags:?} --fail-on {limit} -o {format}: {}", ran.err);
                assert!(format == "ndjson" || format == "name" || !ran.out.is_empty());
            }
        }
    }
    assert_eq!(check(&broken, &[]).code, 79, "the limit is error where none is given");
}

#[test]
fn what_cannot_be_told_counts_for_unknown_only() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mesh.yaml"), [GIT_FOLDER, SECOND_POLICY].concat()).unwrap();
    let report = json(folder.path(), &[]);
    assert_eq!(report["summary"]["unknown"], 1);
    let all = ignoring(&codes(&report)).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    assert_eq!(codes(&json(folder.path(), &all)), [""; 0]);
    for (limit, wanted) in LIMITS.iter().zip([0, 0, 0, 79, 0]) {
        for format in FORMATS {
            let ran = check(folder.path(), &[&all, &["--fail-on", limit, "-o", format][..]].concat());
            assert_eq!(ran.code, wanted, "--fail-on {limit} -o {format}");
        }
    }
}

#[test]
fn values_that_are_none_are_wrong_usage() {
    let folder = fixture("mtls/bookinfo-2019");
    for (flags, why) in [
        (["--fail-on", "fatal"], "possible values: error, warning, info, unknown, never"),
        (["--fail-on", ""], "--fail-on"),
        (["--ignore", "MS9999"], "there is no finding MS9999"),
        (["--ignore", "plaintext-to-strict"], "there is no finding"),
        (["--ignore", ""], "--ignore"),
        (["--ignore", "MS0101=x"], "expected CODE=NS/NAME"),
        (["--ignore", "MS0101=x/"], "expected CODE=NS/NAME"),
        (["-o", "xml"], "possible values: table, wide, json, yaml, ndjson, name, sarif, junit, markdown"),
    ] {
        let ran = check(&folder, &flags);
        assert_eq!((ran.code, &*ran.out), (64, ""), "{flags:?}");
        assert!(ran.err.contains(why), "{flags:?}: {}", ran.err);
    }
    // They are found before anything is read.
    assert_eq!(meshscope(&folder, &["check", "-f", "missing", "--ignore", "MS9999"]).code, 64);
}

#[test]
fn formats_of_check_are_refused_by_other_commands() {
    let folder = fixture("mtls/bookinfo-2019");
    for format in ["sarif", "junit", "markdown"] {
        for command in [
            &["tls-check", "-f", "."][..],
            &["authn", "tls-check", "-f", "."],
            &["resolve", "-f", "."],
            &["why", "-f", ".", "productpage.bookinfo"],
            &["logs", "-f", "."],
            &["explain", "MS0101"],
            &["demo", "logs"],
        ] {
            for words in [[command, &["-o", format]].concat(), [&["-o", format], command].concat()] {
                let ran = meshscope(&folder, &words);
                assert_eq!((ran.code, &*ran.out), (64, ""), "{words:?}");
                let said = format!("-o {format} is for `check` only");
                assert!(
                    ran.err.contains(&said) && ran.err.contains("table, wide, json"),
                    "{words:?}: {}",
                    ran.err
                );
            }
        }
        for words in [["-o", format, "check", "-f", "."], ["check", "-o", format, "-f", "."]] {
            assert_eq!(meshscope(&folder, &words).code, 79, "{words:?}");
        }
        for words in [&["demo", "-o", format][..], &["demo", "check", "-o", format, "--fail-on", "never"]] {
            assert_eq!(meshscope(&folder, words).code, 0, "{words:?}");
        }
    }
    // A format before the demo's command is that command's.
    assert_eq!(meshscope(&folder, &["demo", "-o", "json", "check"]).json()["kind"], "CheckReport");
}

#[test]
fn help_offers_what_a_command_has() {
    for (command, has) in [
        (vec!["check"], true),
        (vec!["demo"], true),
        (vec!["tls-check"], false),
        (vec!["authn", "tls-check"], false),
        (vec!["resolve"], false),
        (vec!["why"], false),
        (vec!["logs"], false),
        (vec!["explain"], false),
    ] {
        let help = meshscope(&fixture(""), &[&command, &["--help"][..]].concat());
        assert_eq!(help.code, 0);
        assert!(help.out.contains("- ndjson:"), "{command:?}: {}", help.out);
        for format in ["sarif", "junit", "markdown"] {
            assert_eq!(help.out.contains(&format!("- {format}:")), has, "{command:?}: {}", help.out);
        }
    }
}

#[test]
fn what_is_ignored_is_counted_and_named() {
    let folder = fixture("mtls/bookinfo-2019");
    let all = json(&folder, &[]);
    assert_eq!(all["leftOut"], json!({"ignored": [], "otherNamespaces": 0, "baseline": null}));
    let report = json(&folder, &["--ignore", "ms0101=bookinfo/destrule-productpage", "--ignore", "MS0202"]);
    assert_eq!(report["summary"], json!({"error": 0, "warning": 2, "info": 0, "unknown": 0}));
    let ids = [&all["findings"][0]["id"], &all["findings"][3]["id"]];
    assert_eq!(report["leftOut"]["ignored"], json!(ids));
    // Another object's finding of the code stays.
    let report = json(&folder, &["--ignore", "MS0101=web/short-name"]);
    assert_eq!(
        (report["findings"].as_array().unwrap().len(), &report["leftOut"]["ignored"]),
        (4, &json!([]))
    );
    let everything = ignoring(&["MS0101", "MS0201", "MS0202", "MS0203"]);
    for format in ["table", "wide", "markdown", "sarif", "junit"] {
        let ran = check(&folder, &[&everything, &["-o", format][..]].concat());
        assert!(ran.out.replace('`', "").contains("left out: 4 by --ignore"), "{format}: {}", ran.out);
        assert!(!ran.out.contains("\nnothing found") && !ran.out.contains(": nothing found"), "{format}");
    }
}

#[test]
fn findings_of_namespaces_that_are_not_shown_are_counted() {
    let folder = fixture("mtls/bookinfo-2019");
    let report = json(&folder, &["-n", "other"]);
    assert_eq!((codes(&report), &report["leftOut"]["otherNamespaces"]), (vec!["MS0201"], &json!(3)));
    assert!(check(&folder, &["-n", "nowhere"]).out.contains("left out: 4 of other namespaces"));
}

#[test]
fn of_a_baseline_only_what_is_new_counts() {
    let folder = fixture("mtls/bookinfo-2019");
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("earlier.json");
    let path = file.to_str().unwrap();
    fs::write(&file, check(&folder, &["-o", "json"]).out).unwrap();
    for format in FORMATS {
        let ran = check(&folder, &["--baseline", path, "--fail-on", "info", "-o", format]);
        assert_eq!(ran.code, 0, "{format}");
    }
    let second = check(&folder, &["--baseline", path, "-o", "json"]);
    let report = second.json();
    assert_eq!(
        (codes(&report).len(), report["leftOut"]["baseline"]["known"].as_array().unwrap().len()),
        (0, 4)
    );
    assert!(check(&folder, &["--baseline", path]).out.contains("left out: 4 known from the baseline"));
    // The report against a baseline can be the next baseline.
    fs::write(&file, second.out).unwrap();
    assert_eq!(
        json(&folder, &["--baseline", path])["leftOut"]["baseline"]["known"],
        report["leftOut"]["baseline"]["known"]
    );
    // What is not in it counts, and what is no longer found is named.
    let gone = "MS0102/DestinationRule/x/r/spec.trafficPolicy.tls.mode";
    let mut earlier = json(&folder, &["--ignore", "MS0101"]);
    earlier["findings"].as_array_mut().unwrap().push(json!({ "id": gone }));
    fs::write(&file, earlier.to_string()).unwrap();
    let ran = check(&folder, &["--baseline", path, "-o", "json"]);
    assert_eq!((ran.code, codes(&ran.json())), (79, vec!["MS0101"]));
    assert_eq!(ran.json()["leftOut"]["baseline"]["gone"], json!([gone]));
    assert!(check(&folder, &["--baseline", path]).out.contains("1 of the baseline no longer found"));
}

#[test]
fn a_baseline_that_is_no_report_is_refused_before_anything_is_read() {
    let folder = fixture("mtls/bookinfo-2019");
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("earlier.json");
    let path = file.to_str().unwrap();
    let ran = check(&folder, &["--baseline", path]);
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert!(ran.err.contains("cannot read") && ran.err.contains("earlier.json"), "{}", ran.err);
    assert_eq!(check(&folder, &["--baseline", place.path().to_str().unwrap()]).code, 1, "a folder");
    let tls_check = meshscope(&folder, &["tls-check", "-f", ".", "-o", "json"]).out;
    let sarif = check(&folder, &["-o", "sarif"]).out;
    let yaml = check(&folder, &["-o", "yaml"]).out;
    for (text, why) in [
        ("", "no JSON"),
        (&*yaml, "no JSON"),
        ("{}", "of no kind"),
        (&*sarif, "of no kind"),
        (&*tls_check, "of kind TlsCheck"),
        (r#"{"kind":"CheckReport","findings":[{"code":"MS0101"}]}"#, "without id"),
    ] {
        fs::write(&file, text).unwrap();
        for format in FORMATS {
            let ran = check(&folder, &["--baseline", path, "-o", format]);
            assert_eq!((ran.code, &*ran.out), (65, ""), "{why} -o {format}");
            assert!(ran.err.contains(why), "{why}: {}", ran.err);
        }
    }
    fs::write(&file, [0xff, 0xfe, 0x00]).unwrap();
    assert_eq!(check(&folder, &["--baseline", path]).code, 65);
}
