//! Why lines failed, against what was known of the bench that they were recorded on: each cause out of the logs of both
//! sides, and of one side alone.
//!
//! `fixtures/causes` has a few lines of each scenario of Envoy's, and `fixtures/causes-ztunnel` of ztunnel's. All of them
//! lie beside the project; where they are not there, that part says so and is skipped.

#![allow(clippy::print_stdout, reason = "the table is for whoever asks for it with --nocapture")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{fixture, meshscope};

mod objects;

/// How an answer stands to what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    RightCertain,
    RightLikely,
    /// The label, or one of its alternatives.
    RightPossible,
    /// No cause, or `unknown` without this alternative.
    Unknown,
    WrongPossible,
    WrongLikely,
    WrongCertain,
}

/// Labels of scenarios in which nothing went wrong but answers of the application itself, and odd requests of callers.
const SOUND: [&str; 2] = ["ok", "ok-plaintext"];
const HARMLESS: [&str; 5] = ["app-error", "timeout", "caller-gave-up", "bad-request", "unknown-host"];

/// The labels of a scenario: that of most lines, and those of the others.
pub(crate) type Wanted = Vec<String>;

/// The verdict on the main cause, which has the most lines.
pub(crate) fn verdict(all: &[String], causes: &[Value]) -> Verdict {
    let word = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let wanted = all.first().map(String::as_str).unwrap();
    if SOUND.contains(&wanted) {
        let is_harmless = |cause: &str| HARMLESS.contains(&cause) || all.iter().any(|one| one == cause);
        let harmful = causes.iter().find(|cause| !is_harmless(&word(cause, "cause")));
        return match harmful.map(|cause| word(cause, "confidence")).as_deref() {
            None => Verdict::RightCertain,
            Some("certain") => Verdict::WrongCertain,
            Some("likely") => Verdict::WrongLikely,
            Some(_) => Verdict::WrongPossible,
        };
    }
    let Some(main) = causes.first() else { return Verdict::Unknown };
    let also = main["alternatives"].as_array().into_iter().flatten().any(|other| other == wanted);
    match (word(main, "cause") == wanted, &*word(main, "confidence")) {
        (true, "certain") => Verdict::RightCertain,
        (true, "likely") => Verdict::RightLikely,
        (true, _) => Verdict::RightPossible,
        (false, "certain") => Verdict::WrongCertain,
        (false, _) if also => Verdict::RightPossible,
        _ if word(main, "cause") == "unknown" => Verdict::Unknown,
        (false, "likely") => Verdict::WrongLikely,
        (false, _) => Verdict::WrongPossible,
    }
}

/// The causes of some logs of a folder, and of the objects of its scenario where they are at hand, most lines first.
fn causes(folder: &Path, logs: &[PathBuf]) -> Vec<Value> {
    let mut arguments = vec!["logs".to_owned(), "-o".to_owned(), "json".to_owned()];
    for log in logs {
        arguments.extend(["-f".to_owned(), log.to_str().unwrap().to_owned()]);
    }
    let ran = meshscope(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    // Nothing that can be read: a log with nothing but chatter.
    if ran.code == 65 { Vec::new() } else { ran.json()["causes"].as_array().unwrap().clone() }
}

/// Verdicts by what was read, and how many scenarios had each.
pub(crate) type Table = BTreeMap<(&'static str, Verdict), Vec<String>>;

/// Asks for each scenario what both logs say, and each alone, and what the objects of its setup make of both and of the
/// client's; a log without a line is as none.
fn table(
    root: &Path,
    files: [&str; 2],
    labels: &BTreeMap<String, Wanted>,
    objects_of: impl Fn(&str) -> String,
) -> Table {
    let mut table = Table::new();
    for (name, wanted) in labels {
        let folder = root.join(name);
        // Some have all that the container wrote.
        let container = |file: &str| file.replace("istio-text.log", "container.log");
        let either = |file: &str| Some(folder.join(file)).filter(|path| path.exists());
        let logs = files.map(|file| either(file).unwrap_or_else(|| folder.join(container(file))));
        let is_filled = |log: &PathBuf| log.metadata().is_ok_and(|data| data.len() > 0);
        let [client, server] = logs.map(|log| Some(log).filter(is_filled));
        let both: Vec<_> = [&client, &server].into_iter().flatten().cloned().collect();
        let objects = tempfile::tempdir().unwrap();
        let mesh = objects.path().join("mesh.yaml");
        std::fs::write(&mesh, objects_of(name)).unwrap();
        for (what, mut logs, with_objects) in [
            ("both", both.clone(), false),
            ("client", client.iter().cloned().collect::<Vec<_>>(), false),
            ("server", server.into_iter().collect(), false),
            ("objects", both, true),
            ("client, objects", client.into_iter().collect(), true),
        ] {
            if logs.is_empty() {
                continue;
            }
            logs.extend(with_objects.then(|| mesh.clone()));
            let causes = causes(&folder, &logs);
            let said = causes.first().map_or("nothing".to_owned(), |main| {
                let word = |key: &str| main[key].as_str().unwrap_or_default().to_owned();
                format!("{} {} {}", word("cause"), word("confidence"), main["alternatives"])
            });
            let line = format!("{name}: {}; said {said}", wanted.join(" and "));
            table.entry((what, verdict(wanted, &causes))).or_default().push(line);
        }
    }
    table
}

pub(crate) fn print(table: &Table) {
    for ((what, verdict), scenarios) in table {
        println!("{what:<16} {verdict:?}: {}", scenarios.len());
        if *verdict > Verdict::RightLikely {
            for line in scenarios {
                println!("        {line}");
            }
        }
    }
}

fn count(table: &Table, what: &str, verdicts: &[Verdict]) -> usize {
    let rows = table.iter().filter(|((read, verdict), _)| *read == what && verdicts.contains(verdict));
    rows.map(|(_, scenarios)| scenarios.len()).sum()
}

const SURE: [Verdict; 2] = [Verdict::RightCertain, Verdict::RightLikely];
const POSSIBLE: [Verdict; 1] = [Verdict::RightPossible];
const NOTHING: [Verdict; 1] = [Verdict::Unknown];
const WRONG: [Verdict; 3] = [Verdict::WrongPossible, Verdict::WrongLikely, Verdict::WrongCertain];

/// Holds what was reached: how many are right and sure at least, how many right and possible with others named, and how
/// many leave a log in which nothing failed. Nothing may be told that is not so.
pub(crate) fn reached<const N: usize>(table: &Table, wanted: [(&str, usize, usize, usize); N]) {
    for (what, sure, possible, nothing) in wanted {
        assert_eq!(count(table, what, &WRONG), 0, "{what}: nothing is told that is not so");
        let right = count(table, what, &SURE);
        assert!(right >= sure, "{what}: {right} of {sure} are sure");
        let named = right + count(table, what, &POSSIBLE);
        assert!(named >= sure + possible, "{what}: {named} of {} are named", sure + possible);
        assert!(count(table, what, &NOTHING) <= nothing, "{what}: more are not known");
    }
}

pub(crate) fn labels(text: &str) -> BTreeMap<String, Wanted> {
    let labels: BTreeMap<String, String> = serde_json::from_str(text).unwrap();
    labels
        .into_iter()
        .map(|(name, label)| (name, label.split(" and ").map(str::to_owned).collect()))
        .collect()
}

/// The labels of the recorded scenarios of a folder, where it is there.
fn recorded(root: &Path) -> Option<BTreeMap<String, Wanted>> {
    let Ok(text) = std::fs::read_to_string(root.join("scenarios.json")) else {
        println!("the recorded scenarios are not there: skipped");
        return None;
    };
    let known: Value = serde_json::from_str(&text).unwrap();
    let word = |scenario: &Value, key: &str| scenario[key].as_str().unwrap().to_owned();
    let labels = known["scenarios"].as_array().unwrap().iter().map(|scenario| {
        let main = word(scenario, "cause");
        let others = scenario["causes"].as_object().into_iter().flatten().map(|(label, _)| label.clone());
        (word(scenario, "scenario"), std::iter::once(main).chain(others).collect())
    });
    // Several causes in one log have no label of their own.
    Some(
        labels
            .filter(|(_, causes): &(String, Wanted)| !causes.iter().any(|one| one.contains("mixed")))
            .collect(),
    )
}

#[test]
fn a_few_lines_of_each_scenario_tell_its_cause() {
    let root = fixture("causes");
    let labels = labels(&std::fs::read_to_string(root.join("labels.json")).unwrap());
    let table = table(&root, ["client.log", "server.log"], &labels, objects::of);
    print(&table);
    reached(
        &table,
        [
            ("both", 34, 5, 0),
            ("client", 22, 16, 1),
            ("server", 14, 9, 2),
            ("objects", 37, 2, 0),
            // The client's pod names no account here, so the policy for `curl` is for somebody else.
            ("client, objects", 30, 8, 1),
        ],
    );
}

#[test]
fn the_cause_of_each_recorded_scenario_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/envoy");
    let Some(labels) = recorded(&root) else { return };
    let table = table(&root, ["client.istio-text.log", "server.istio-text.log"], &labels, objects::of);
    print(&table);
    reached(
        &table,
        [
            ("both", 58, 10, 0),
            ("client", 33, 33, 1),
            ("server", 35, 11, 2),
            ("objects", 62, 6, 0),
            ("client, objects", 50, 16, 1),
        ],
    );
}

#[test]
fn a_few_lines_of_each_scenario_of_ztunnel_tell_its_cause() {
    let root = fixture("causes-ztunnel");
    let labels = labels(&std::fs::read_to_string(root.join("labels.json")).unwrap());
    let table = table(&root, ["node1.log", "node2.log"], &labels, objects::of);
    print(&table);
    reached(&table, [("both", 44, 7, 0), ("client", 34, 5, 2), ("server", 24, 7, 0)]);
}

#[test]
fn the_cause_of_each_recorded_scenario_of_ztunnel_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/ztunnel");
    let Some(labels) = recorded(&root) else { return };
    for layout in ["text", "json"] {
        println!("{layout}:");
        let files = [1, 2].map(|node| format!("node{node}.{layout}.log"));
        let table = table(&root, [&files[0], &files[1]], &labels, |name| objects::ambient(&root, name));
        print(&table);
        reached(
            &table,
            [
                ("both", 66, 7, 3),
                ("client", 53, 6, 5),
                ("server", 42, 6, 4),
                ("objects", 69, 4, 3),
                ("client, objects", 53, 6, 5),
            ],
        );
    }
}

/// A caller can send any `x-forwarded-for`, and then its address stands where the proxy's own is sought.
#[test]
fn forwarded_callers_of_one_proxy_are_no_other_proxies() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    let line = |second: u32, what: &str, local: &str, remote: &str| {
        format!(
            "[2026-03-02T09:00:{second:02}.000Z] \"GET / HTTP/1.1\" {what} - \"-\" 0 19 0 - \"-\" \"curl\" \"id-{second}\" \
             \"cart\" \"-\" outbound|80||cart.shop.svc.cluster.local {local} 10.9.0.1:80 {remote} - default\n"
        )
    };
    let failed = line(1, "503 - via_upstream", "10.8.1.8:4000", "10.8.1.8:5000");
    let own = line(2, "503 UH no_healthy_upstream", "-", "10.8.1.8:5001");
    let forwarded = line(3, "503 UH no_healthy_upstream", "-", "203.0.113.9:0");
    std::fs::write(&log, failed + &own + &forwarded).unwrap();
    let causes = causes(folder.path(), &[log]);
    let main = (&causes[0]["cause"], &causes[0]["confidence"], &causes[0]["count"]);
    assert_eq!(main, (&"outlier-ejected".into(), &"likely".into(), &2.into()), "{causes:?}");
}
