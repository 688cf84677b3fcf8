//! Every folder of `fixtures/` through `check`: a whole bundle in, the whole report out, compared as text.
//!
//! With `MESHSCOPE_BLESS=1` the expected texts are written anew; read the difference before you keep it.

use std::path::{Path, PathBuf};

use crate::support::{fixture, meshscope};

#[test]
fn every_fixture_gives_its_report() {
    let mut found = Vec::new();
    scenarios(&fixture(""), &mut found);
    assert!(found.len() >= 5, "there are fixtures");
    let mut wrong = Vec::new();
    for folder in found {
        let ran = meshscope(&folder, &["check", "-f", "."]);
        let said = format!("{}exit {}\n", ran.out, ran.code);
        let file = folder.join("expected.txt");
        if std::env::var_os("MESHSCOPE_BLESS").is_some() {
            std::fs::write(&file, &said).expect("the expected text can be written");
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if said != expected {
            wrong.push(format!("{}:\n--- expected\n{expected}--- said\n{said}{}", folder.display(), ran.err));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn scenarios(folder: &Path, found: &mut Vec<PathBuf>) {
    if folder.join("mesh.yaml").exists() {
        found.push(folder.to_owned());
        return;
    }
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .expect("fixtures can be listed")
        .map(|entry| entry.expect("fixtures can be listed").path())
        .filter(|path| path.is_dir())
        .collect();
    entries.sort();
    for entry in entries {
        scenarios(&entry, found);
    }
}
