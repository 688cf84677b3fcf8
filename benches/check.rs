//! `meshscope check` as its user runs it, on a big mesh, against the parser of the same text alone.
//!
//! `cargo bench --bench check` starts the program as a process of its own, so that start, output and end count as well.
//! The peers are `serde_json` and `serde_saphyr`, which read the whole text into values in the same run, as processes
//! too: both sides begin with no memory.

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
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, flag, path] = arguments.as_slice()
        && flag == PARSE
    {
        return parse(Path::new(path));
    }
    // `cargo test --benches` starts it without the flag: there is nothing to test.
    if !arguments.iter().any(|argument| argument == "--bench") {
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
    let this = std::env::current_exe().expect("a benchmark has a path");
    for (name, path) in [("JSON", &json), ("YAML", &yaml)] {
        let size = std::fs::metadata(path).map_or(0, |data| data.len() / 1_000_000);
        let check = middle(|| run(Command::new(env!("CARGO_BIN_EXE_meshscope")).args(CHECK).arg(path)));
        let parse = middle(|| run(Command::new(&this).arg(PARSE).arg(path)));
        let ratio = check.as_secs_f64() / parse.as_secs_f64();
        println!(
            "R4 check of {size} MB of {name:<5} {check:>10.2?}  {ratio:.1} times parsing it ({parse:.2?}; goal: 3)"
        );
    }
}

/// What the program is asked, and what this benchmark is asked when it is its own peer.
const CHECK: [&str; 4] = ["check", "-o", "json", "-f"];
const PARSE: &str = "--parse";

/// The peer: the whole text into values, which are left for the end of the process to take.
fn parse(path: &Path) {
    let text = std::fs::read_to_string(path).expect("the file is there");
    if path.extension().is_some_and(|extension| extension == "json") {
        std::mem::forget(black_box(serde_json::from_str::<Value>(&text).expect("it is JSON")));
        return;
    }
    let options = serde_saphyr::options! { budget: None };
    let value = |document| serde_saphyr::from_str_with_options::<Value>(document, options.clone());
    let values = text.split("---\n").map(|document| value(document).expect("it is YAML"));
    std::mem::forget(black_box(values.collect::<Vec<_>>()));
}

/// Starts a program and waits for its end.
fn run(program: &mut Command) {
    let status = program.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it can be started");
    // 79 says that there are errors, as there are in this mesh.
    assert!(matches!(status.code(), Some(0 | 79)), "it ended with {status}");
}

/// The middle one of the times that something takes.
fn middle(run: impl Fn()) -> Duration {
    let once = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    let mut times: Vec<_> = (0..RUNS).map(once).collect();
    times.sort_unstable();
    times.get(RUNS / 2).copied().unwrap_or_default()
}
