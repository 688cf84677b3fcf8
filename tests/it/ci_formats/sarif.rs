//! `check -o sarif`, held to the schema of SARIF and read by `serde-sarif`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use serde_sarif::sarif::Sarif;

use super::{BROKEN, check, hostile, mesh, meshes, untold};
use crate::support::{Ran, fixture, meshscope, meshscope_with};

/// The schema. One pattern in it, for names of languages, has a bracket too many, as later editions show: it is taken
/// out, and no language is ever written.
fn schema() -> Value {
    let text = fs::read_to_string(fixture("sarif/sarif-schema-2.1.0.json")).unwrap();
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    for owner in ["run", "toolComponent"] {
        let language = schema.pointer_mut(&format!("/definitions/{owner}/properties/language")).unwrap();
        assert!(language["pattern"].as_str().is_some_and(|pattern| pattern.ends_with("]?$")), "{owner}");
        language.as_object_mut().unwrap().remove("pattern");
    }
    schema
}

fn sarif_of(ran: &Ran) -> (Value, Sarif) {
    let value = ran.json();
    let schema = jsonschema::options().should_validate_formats(true).build(&schema()).unwrap();
    let errors: Vec<_> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let log = serde_json::from_value(value.clone()).unwrap();
    (value, log)
}

fn sarif(folder: &Path, more: &[&str]) -> (Value, Sarif) {
    sarif_of(&check(folder, "sarif", more))
}

#[test]
fn sarif_has_a_rule_for_every_code_and_a_result_for_every_finding() {
    for folder in meshes() {
        let folder = folder.path();
        let (_, log) = sarif(folder, &[]);
        assert_eq!((log.version.as_str(), log.runs.len()), (Some("2.1.0"), 1));
        let run = &log.runs[0];
        let rules = run.tool.driver.rules.as_ref().unwrap();
        let codes: Vec<_> = meshscope::diagnose::Code::ALL.iter().map(|code| code.code()).collect();
        assert_eq!(rules.iter().map(|rule| &*rule.id).collect::<Vec<_>>(), codes);
        for rule in rules {
            assert!(
                rule.short_description.as_ref().is_some_and(|text| text.text.ends_with('.')),
                "{}",
                rule.id
            );
            assert!(rule.full_description.as_ref().is_some_and(|text| text.text.len() > 60), "{}", rule.id);
            let page = meshscope(folder, &["explain", &rule.id, "-o", "json"]).json();
            assert_eq!(rule.help.as_ref().unwrap().text, page["text"].as_str().unwrap());
            assert_eq!(rule.name.as_deref(), page["title"].as_str());
        }
        let report = check(folder, "json", &[]).json();
        let findings = report["findings"].as_array().unwrap();
        let results = run.results.as_ref().unwrap();
        assert_eq!(results.len(), findings.len());
        for (result, finding) in results.iter().zip(findings) {
            assert_eq!(result.rule_id.as_deref(), finding["code"].as_str());
            let index = usize::try_from(result.rule_index.unwrap()).unwrap();
            assert_eq!(rules[index].id, finding["code"].as_str().unwrap());
            let level = match finding["severity"].as_str().unwrap() {
                "info" => "note",
                other => other,
            };
            assert_eq!(serde_json::to_value(result.level).unwrap(), level);
            let prints = result.partial_fingerprints.as_ref().unwrap();
            assert_eq!(prints["findingId/v1"], finding["id"].as_str().unwrap());
            let bag = serde_json::to_value(&result.properties).unwrap();
            assert_eq!(
                (&bag["confidence"], &bag["edgeCount"]),
                (&finding["confidence"], &finding["edgeCount"])
            );
            assert!(result.baseline_state.is_none());
        }
    }
}

#[test]
fn sarif_places_are_files_that_are_there() {
    for folder in meshes() {
        let folder = folder.path();
        let report = check(folder, "json", &[]).json();
        // Named from outside, a folder below the working one gives the same places.
        let absolute = meshscope(folder, &["check", "-f", folder.to_str().unwrap(), "-o", "sarif"]);
        assert_eq!(sarif_of(&absolute).0["runs"][0]["results"], sarif(folder, &[]).0["runs"][0]["results"]);
        let (value, log) = sarif(folder, &[]);
        let results = log.runs[0].results.as_ref().unwrap();
        for (result, finding) in results.iter().zip(report["findings"].as_array().unwrap()) {
            let places = [&result.locations, &result.related_locations].into_iter().flatten().flatten();
            for place in places {
                let place = place.physical_location.as_ref().expect("code scanning wants one");
                let uri = place.artifact_location.as_ref().unwrap().uri.as_deref().unwrap();
                assert!(
                    uri.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte)),
                    "{uri}"
                );
                let name = percent_encoding::percent_decode_str(uri).decode_utf8().unwrap();
                assert!(folder.join(&*name).exists(), "{name}");
            }
            let first = &result.locations.as_ref().unwrap()[0];
            let line =
                first.physical_location.as_ref().unwrap().region.as_ref().and_then(|one| one.start_line);
            let origin = finding.pointer("/objects/0/origin/line").and_then(Value::as_i64);
            assert_eq!(line, origin.or(line), "{}", finding["id"]);
            let partners = finding["objects"].as_array().unwrap().len().saturating_sub(1);
            assert!(result.related_locations.as_ref().map_or(0, Vec::len) >= partners);
        }
        assert!(!value.to_string().contains("\"uri\":\"-\""));
    }
}

#[test]
fn sarif_of_standard_input_has_lines_and_no_uri() {
    let file = fs::File::open(fixture(BROKEN).join("mesh.yaml")).unwrap();
    let ran = meshscope_with(&fixture(""), &["check", "-f", "-", "-o", "sarif"], Stdio::from(file));
    let (value, _) = sarif_of(&ran);
    let place = &value["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["region"]["startLine"], 116);
    assert!(!value["runs"][0]["results"].to_string().contains("\"uri\""), "{place}");
}

#[test]
fn sarif_names_what_could_not_be_told_and_the_run_is_a_success() {
    let folder = mesh("mesh.json", &untold());
    let (value, log) = sarif(folder.path(), &[]);
    let invocation = &log.runs[0].invocations.as_ref().unwrap()[0];
    assert!(invocation.execution_successful);
    let notes = invocation.tool_execution_notifications.as_ref().unwrap();
    let of = |id: &str| {
        let ours = notes.iter().filter(|one| one.descriptor.as_ref().unwrap().id.as_deref() == Some(id));
        ours.filter_map(|one| one.message.text.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of("cannot-tell").first().map(String::as_str), Some("1 pair cannot be told"));
    let missing = check(folder.path(), "json", &[]).json()["missing"].as_array().unwrap().len();
    assert!(missing > 0 && of("cannot-tell").len() == missing + 1);
    assert!(of("assumed").contains(&"assumed: pods from templates".to_owned()));
    for note in notes {
        let descriptor = note.descriptor.as_ref().unwrap();
        let index = usize::try_from(descriptor.index.unwrap()).unwrap();
        let known = &log.runs[0].tool.driver.notifications.as_ref().unwrap()[index];
        assert_eq!(Some(&known.id), descriptor.id.as_ref());
    }
    assert_eq!(value["runs"][0]["properties"]["summary"]["unknown"], 1);
    // Nothing is said where everything could be told.
    let (value, _) = sarif(&fixture("mtls/sound"), &[]);
    assert_eq!(value["runs"][0]["invocations"][0]["toolExecutionNotifications"], json!([]));
}

#[test]
fn sarif_marks_what_a_baseline_has_and_leaves_out_what_is_ignored() {
    let folder = fixture(BROKEN);
    let earlier = tempfile::NamedTempFile::new().unwrap();
    let known = "MS0101";
    let rest = ["--ignore", "MS0201", "--ignore", "MS0202", "--ignore", "MS0203"];
    fs::write(earlier.path(), check(&folder, "json", &rest).out).unwrap();
    let more = ["--baseline", earlier.path().to_str().unwrap(), "--ignore", "MS0203"];
    let (value, log) = sarif(&folder, &more);
    let states: BTreeSet<_> = log.runs[0]
        .results
        .as_ref()
        .unwrap()
        .iter()
        .map(|result| {
            let state = result.baseline_state.as_ref().and_then(Value::as_str).unwrap().to_owned();
            (result.rule_id.clone().unwrap(), state)
        })
        .collect();
    let wanted = [(known, "unchanged"), ("MS0201", "new"), ("MS0202", "new")];
    assert_eq!(states, wanted.map(|(code, state)| (code.to_owned(), state.to_owned())).into());
    let note = &value["runs"][0]["invocations"][0]["toolExecutionNotifications"][0];
    assert_eq!(note["descriptor"]["id"], "left-out");
    assert!(
        note["message"]["text"].as_str().unwrap().contains("MS0203/DestinationRule/web/short-name"),
        "{note}"
    );
}

#[test]
fn hostile_words_stay_words_in_sarif() {
    let folder = mesh("mesh.json", &hostile());
    let ran = check(folder.path(), "sarif", &[]);
    assert!(ran.out.chars().all(|one| one == '\n' || one >= ' ' && one != '\u{202e}'));
    let (_, log) = sarif_of(&ran);
    let texts: Vec<_> =
        log.runs[0].results.as_ref().unwrap().iter().filter_map(|one| one.message.text.clone()).collect();
    assert!(texts.iter().any(|text| text.contains("[x] (https://evil.example) {{0}}")), "{texts:?}");
    for text in texts {
        assert!(!text.contains("](") && !text.contains(" {0} ") && !text.contains('\u{1b}'), "{text}");
    }
}
