//! Running the program, and fixtures that may be changed.

pub(crate) mod meshes;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder below `fixtures/`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The logs in folders and below, in order.
pub(crate) fn log_files(mut folders: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "log") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What a run gave.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

/// Runs the program in a folder.
pub(crate) fn meshscope(folder: &Path, arguments: &[&str]) -> Ran {
    meshscope_with(folder, arguments, Stdio::null())
}

/// Runs the program with something at its standard input.
pub(crate) fn meshscope_with(folder: &Path, arguments: &[&str], input: impl Into<Stdio>) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_meshscope"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        // Whoever runs the tests may have a configuration of their own.
        .env("XDG_CONFIG_HOME", folder.join(".config"))
        .stdin(input)
        .output()
        .expect("the program starts");
    ran(output)
}

fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("output is UTF-8"),
        err: String::from_utf8(output.stderr).expect("messages are UTF-8"),
    }
}

/// A fixture copied where it may be changed.
pub(crate) fn copy_of(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    copy(&fixture(name), folder.path());
    folder
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("the fixture is there") {
        let entry = entry.expect("the fixture can be listed").path();
        let target = to.join(entry.file_name().expect("entries have names"));
        if entry.is_dir() {
            std::fs::create_dir(&target).expect("a folder can be made");
            copy(&entry, &target);
        } else {
            std::fs::copy(&entry, &target).expect("a file can be copied");
        }
    }
}

/// Replaces a text that must stand in a file.
pub(crate) fn replace(file: &Path, old: &str, new: &str) {
    let text = std::fs::read_to_string(file).expect("the file can be read");
    assert!(text.contains(old), "{old:?} is not in {}", file.display());
    std::fs::write(file, text.replacen(old, new, 1)).expect("the file can be written");
}

/// Says that a test did not look at data that is not part of the package. `cargo test -- --nocapture` shows it.
#[allow(clippy::print_stderr, reason = "it is for whoever runs the tests")]
pub(crate) fn skipped(what: &str, place: &Path) {
    eprintln!("SKIPPED: {what}; there is no {}", place.display());
}
