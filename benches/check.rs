//! `meshscope check` as its user runs it, on a big mesh, against the parser of the same text alone.
//!
//! `cargo bench --bench check` starts the program as a process of its own, so that start, output and end count as well.
//! The peers are `serde_json` and `serde_saphyr`, reading the whole text into their own `Value`, in the same run.

#![allow(missing_docs, reason = "it has no public items that anybody would read about")]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::print_stdout, reason = "what is measured is printed")]
#![allow(clippy::indexing_slicing, reason = "an absent key of a JSON value is null")]
#![allow(unreachable_pub, reason = "a module of a benchmark")]

#[allow(dead_code, reason = "the other benchmark needs more of it")]
mod big;

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How often each is done; the middle one counts.
const RUNS: usize = 7;

fn main() {
    // `cargo test --benches` starts it without the flag: there is nothing to test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (json, yaml) = (folder.path().join("mesh.json"), folder.path().join("mesh.yaml"));
    let text = big::list();
    std::fs::write(&json, &text).expect("the file can be written");
    let list: Value = serde_json::from_slice(&text).expect("it is JSON");
    let documents = list["items"].as_array().expect("it is a list").iter();
    let documents = documents.map(|object| serde_saphyr::to_string(object).expect("it can be written"));
    std::fs::write(&yaml, documents.collect::<Vec<_>>().join("---\n")).expect("the file can be written");
    drop(list);
    let of_json = middle(|| {
        let text = std::fs::read(&json).expect("the file is there");
        serde_json::from_slice::<Value>(&text).expect("it is JSON")
    });
    let of_yaml = middle(|| {
        let text = std::fs::read_to_string(&yaml).expect("the file is there");
        let options = serde_saphyr::options! { budget: None };
        let parse = |document| serde_saphyr::from_str_with_options::<Value>(document, options.clone());
        text.split("---\n").map(|document| parse(document).expect("it is YAML")).collect::<Vec<_>>()
    });
    for (name, path, parse) in [("JSON", &json, of_json), ("YAML", &yaml, of_yaml)] {
        let size = std::fs::metadata(path).map_or(0, |data| data.len() / 1_000_000);
        let check = middle(|| run(path));
        let ratio = check.as_secs_f64() / parse.as_secs_f64();
        println!(
            "R4 check of {size} MB of {name:<5} {check:>10.2?}  {ratio:.1} times parsing it ({parse:.2?}; goal: 3)"
        );
    }
}

/// Starts the program and waits for its end.
fn run(path: &Path) {
    let status = Command::new(env!("CARGO_BIN_EXE_meshscope"))
        .args(["check", "-o", "json", "-f"])
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the program can be started");
    // 79 says that there are errors, as there are in this mesh.
    assert!(matches!(status.code(), Some(0 | 79)), "check ended with {status}");
}

/// The middle one of the times that something takes, without what it takes to give its value's memory back.
fn middle<T>(run: impl Fn() -> T) -> Duration {
    let once = |_| {
        let start = Instant::now();
        let value = black_box(run());
        let time = start.elapsed();
        drop(value);
        time
    };
    let mut times: Vec<_> = (0..RUNS).map(once).collect();
    times.sort_unstable();
    times.get(RUNS / 2).copied().unwrap_or_default()
}
