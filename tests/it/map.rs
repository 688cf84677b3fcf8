//! The map in `ARCHITECTURE.md`: it names every source file that there is, and no file or folder that is not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The words of the map, where a name may stand as `name.rs` or, in a list of files, as `name`.
fn words(page: &str) -> BTreeSet<&str> {
    let (_, part) = page.split_once("## Folder tree").unwrap();
    let map = part.split("```").nth(1).unwrap();
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || "-_./*".contains(letter);
    map.split(|letter| !is_of_name(letter)).map(|word| word.trim_end_matches('.')).collect()
}

/// Files and folders below a folder, a folder with `/` behind it.
fn below(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().replace('\\', "/");
        if path.is_dir() {
            below(&path, found);
            found.push(name + "/");
        } else {
            found.push(name);
        }
    }
}

#[test]
fn the_map_names_what_there_is_and_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let words = words(&page);
    let mut there = Vec::new();
    for folder in ["src", "tests", "benches", "assets", "fixtures"] {
        below(&root.join(folder), &mut there);
        there.push(format!("/{folder}/"));
    }
    for path in &there {
        let Some(stem) = path.strip_suffix(".rs").and_then(|path| path.rsplit('/').next()) else { continue };
        // Tests beside the code are with their file.
        assert!(stem == "tests" || is_named(&words, stem), "{path} is not on the map");
    }
    for word in words.iter().filter(|word| word.contains(".rs") || word.contains('/')) {
        let below = || there.iter().any(|path| path.ends_with(&format!("/{word}")));
        let is_there = root.join(word).exists() || below();
        assert!(
            is_there || word.contains("AREA") || word.contains("NAME"),
            "{word} is on the map and not there"
        );
    }
}

fn is_named(words: &BTreeSet<&str>, stem: &str) -> bool {
    let file = format!("{stem}.rs");
    words.iter().any(|word| *word == stem || word.rsplit('/').next() == Some(&*file))
}
