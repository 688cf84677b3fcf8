//! The rules of `ARCHITECTURE.md` that can be checked by reading `src`: which layer may use which, which crates and
//! standard modules stay at the edges, and how long a file may be.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing; what is around a test function counts as a test too"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What a layer may use of the others.
enum May {
    Use(&'static [&'static str]),
    UseAll,
}

const PURE: [&str; 9] =
    ["model", "resolve", "diagnose", "logs", "counters", "correlate", "remedy", "answer", "text"];

/// The table *Layers*, row by row.
const LAYERS: [(&str, May); 17] = [
    ("model", May::Use(&[])),
    ("text", May::Use(&[])),
    ("resolve", May::Use(&["model"])),
    ("diagnose", May::Use(&["resolve", "model"])),
    ("logs", May::Use(&["model"])),
    ("counters", May::Use(&["logs", "model"])),
    ("correlate", May::Use(&["logs", "counters", "diagnose", "resolve", "model"])),
    ("remedy", May::Use(&["diagnose", "resolve", "model", "text"])),
    ("answer", May::Use(&["correlate", "remedy", "logs", "counters", "diagnose", "resolve", "model"])),
    ("report", May::Use(&["answer", "correlate", "logs", "diagnose", "resolve", "model", "text"])),
    ("bundle", May::Use(&["logs", "counters", "model"])),
    ("demo", May::Use(&["bundle", "resolve", "logs", "model", "text"])),
    ("app", May::Use(&PURE)),
    (
        "ui",
        May::Use(&["app", "model", "resolve", "diagnose", "logs", "correlate", "remedy", "answer", "text"]),
    ),
    ("cli", May::UseAll),
    ("runtime", May::UseAll),
    ("settings", May::UseAll),
];

/// What reaches outside, and the only layers that may name it. The screen is drawn in `ui`; `runtime` owns the
/// terminal that it is drawn to.
const EDGES: [(&str, &[&str]); 6] = [
    ("tokio", &["runtime", "cli"]),
    ("crossterm", &["runtime", "settings"]),
    ("ratatui", &["ui", "runtime"]),
    ("std::fs", &["bundle", "cli", "runtime", "demo"]),
    ("std::env", &["settings", "runtime", "main"]),
    ("std::net", &["runtime"]),
];

/// Types of `std::net` that are values and reach nothing.
const ADDRESSES: [&str; 7] =
    ["IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr", "SocketAddrV4", "SocketAddrV6", "AddrParseError"];

/// Marks of unfinished work.
const MARKS: [&str; 6] = ["TODO", "FIXME", "XXX", "todo!", "unimplemented!", "dbg!"];

/// The longest a file may be before its tests.
const LONGEST: usize = 500;

#[test]
fn the_sources_keep_to_the_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    assert!(files.len() > 40, "no sources found under {}", root.display());
    let mut found = String::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        for violation in check(&name, &fs::read_to_string(&file).unwrap()) {
            writeln!(found, "src/{name}:{violation}").unwrap();
        }
    }
    assert!(found.is_empty(), "\n{found}");
}

#[test]
fn the_page_and_this_table_agree() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let page = fs::read_to_string(page).unwrap();
    let rows: BTreeMap<_, _> = page.lines().filter_map(row_of_page).collect();
    for (layer, may) in &LAYERS {
        let Some(uses) = rows.get(*layer) else { panic!("ARCHITECTURE.md has no row for {layer}") };
        let mut wanted: Vec<&str> = match may {
            May::Use(layers) => layers.to_vec(),
            May::UseAll => vec!["everything"],
        };
        wanted.sort_unstable();
        assert_eq!(*uses, wanted, "{layer}");
    }
}

/// The layer of a table row, and what it may use, sorted.
fn row_of_page(line: &str) -> Option<(String, Vec<String>)> {
    let cells: Vec<_> = line.split('|').map(str::trim).collect();
    let [_, layer, uses, ..] = cells.as_slice() else { return None };
    let layer = layer.strip_prefix('`')?.strip_suffix('`')?;
    let names = uses.split(", ").map(|name| name.trim_matches('`').to_owned());
    let mut names: Vec<_> = names.filter(|name| name != "nothing").collect();
    names.sort();
    Some((layer.to_owned(), names))
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

/// What a file, named from `src`, does against the rules: each with its line.
fn check(name: &str, text: &str) -> Vec<String> {
    let mut found = marks(text);
    let stem = name.strip_suffix(".rs").unwrap_or(name);
    let module: Vec<&str> = stem.split('/').collect();
    if module.last() == Some(&"mod") {
        found.push("1: a module is NAME.rs beside NAME/, never mod.rs".to_owned());
    }
    // The examples of a module that has too many for its own file.
    if module.contains(&"tests") {
        return found;
    }
    let before_tests = text.lines().position(|line| line.trim_start() == "#[cfg(test)]");
    let length = before_tests.unwrap_or_else(|| text.lines().count());
    if length > LONGEST {
        found.push(format!("{length}: longer than {LONGEST} lines without its tests"));
    }
    let tokens = without_tests(&tokens(text));
    let module = if matches!(module.as_slice(), ["main" | "lib"]) { Vec::new() } else { module };
    let layer = module.first().copied().unwrap_or("main");
    for (line, path) in paths(&tokens) {
        let names: Vec<_> = path.iter().map(String::as_str).collect();
        found.extend(outside(layer, &names).map(|what| format!("{line}: {layer} may not use {what}")));
        if let Some(other) = layer_of(&module, &names)
            && let Some(problem) = inside(layer, other)
        {
            found.push(format!("{line}: {problem}"));
        }
    }
    found.sort();
    found.dedup();
    found
}

fn marks(text: &str) -> Vec<String> {
    let lines = text.lines().zip(1..);
    let found = lines.flat_map(|(line, number)| {
        MARKS.iter().filter(move |mark| line.contains(**mark)).map(move |mark| format!("{number}: {mark}"))
    });
    found.collect()
}

/// The layer that a path leads to, where it leads into this crate.
fn layer_of<'a>(module: &[&str], path: &[&'a str]) -> Option<&'a str> {
    match path {
        ["crate", layer, ..] => Some(layer),
        ["meshscope", layer, ..] if module.is_empty() => Some(layer),
        ["super", ..] => {
            let ups = path.iter().take_while(|name| **name == "super").count();
            // As many steps up as the module is deep lead to the root of the crate.
            if ups >= module.len() { path.get(ups).copied() } else { None }
        }
        _ => None,
    }
}

fn inside(layer: &str, other: &str) -> Option<String> {
    if layer == "main" || layer == other || !other.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        return None;
    }
    match LAYERS.iter().find(|(name, _)| *name == layer) {
        None => Some(format!("{layer} has no row in the table of layers")),
        Some((_, May::UseAll)) => None,
        Some((_, May::Use(allowed))) if allowed.contains(&other) => None,
        Some((_, May::Use(_))) => Some(format!("{layer} may not use {other}")),
    }
}

/// What of the outside a path names that the layer may not.
fn outside(layer: &str, path: &[&str]) -> Option<String> {
    let edge = EDGES.iter().find(|(edge, _)| {
        let wanted: Vec<_> = edge.split("::").collect();
        path.starts_with(&wanted)
    });
    let (edge, allowed) = edge?;
    let address = *edge == "std::net" && path.get(2).is_some_and(|name| ADDRESSES.contains(name));
    (!allowed.contains(&layer) && !address).then(|| (*edge).to_owned())
}

/// A word or sign of a source, and its line.
type Token = (usize, String);

/// The words and signs of a source, without comments, texts and numbers.
fn tokens(text: &str) -> Vec<Token> {
    let letters: Vec<char> = text.chars().collect();
    let at = |index: usize| letters.get(index).copied().unwrap_or('\0');
    let (mut tokens, mut index, mut line) = (Vec::new(), 0, 1);
    while index < letters.len() {
        let from = index;
        let letter = at(index);
        if letter == '/' && at(index + 1) == '/' {
            while index < letters.len() && at(index) != '\n' {
                index += 1;
            }
        } else if letter == '/' && at(index + 1) == '*' {
            index = end_of_comment(&letters, index);
        } else if letter == '"' {
            index = end_of_text(&letters, index + 1);
        } else if letter == '\'' {
            index = end_of_letter(&letters, index);
        } else if letter.is_alphabetic() || letter == '_' {
            while at(index).is_alphanumeric() || at(index) == '_' {
                index += 1;
            }
            let word: String = letters[from..index].iter().collect();
            let prefix = matches!(word.as_str(), "r" | "b" | "br" | "c" | "cr");
            if prefix && word.ends_with('r') && matches!(at(index), '"' | '#') {
                index = end_of_raw(&letters, index);
            } else if prefix && at(index) == '"' {
                index = end_of_text(&letters, index + 1);
            } else if prefix && at(index) == '\'' {
                index = end_of_letter(&letters, index);
            } else {
                tokens.push((line, word));
            }
        } else if letter == ':' && at(index + 1) == ':' {
            tokens.push((line, "::".to_owned()));
            index += 2;
        } else {
            if !letter.is_whitespace() {
                tokens.push((line, letter.to_string()));
            }
            index += 1;
        }
        line += letters[from..index.min(letters.len())].iter().filter(|letter| **letter == '\n').count();
    }
    tokens
}

fn end_of_comment(letters: &[char], from: usize) -> usize {
    let (mut index, mut depth) = (from, 0);
    while index < letters.len() {
        match (letters[index], letters.get(index + 1)) {
            ('/', Some('*')) => (depth, index) = (depth + 1, index + 2),
            ('*', Some('/')) => (depth, index) = (depth - 1, index + 2),
            _ => index += 1,
        }
        if depth == 0 {
            break;
        }
    }
    index
}

fn end_of_text(letters: &[char], from: usize) -> usize {
    let mut index = from;
    while index < letters.len() && letters[index] != '"' {
        index += if letters[index] == '\\' { 2 } else { 1 };
    }
    index + 1
}

/// The end of `'x'`, or of the quote alone where it begins a lifetime.
fn end_of_letter(letters: &[char], from: usize) -> usize {
    match (letters.get(from + 1), letters.get(from + 2)) {
        (Some('\\'), _) => {
            let mut index = from + 3;
            while index < letters.len() && letters[index] != '\'' {
                index += 1;
            }
            index + 1
        }
        (Some(_), Some('\'')) => from + 3,
        _ => from + 1,
    }
}

fn end_of_raw(letters: &[char], from: usize) -> usize {
    let hashes = letters[from..].iter().take_while(|letter| **letter == '#').count();
    let mut index = from + hashes;
    if letters.get(index) != Some(&'"') {
        // A raw name, r#type.
        return index;
    }
    loop {
        index += 1;
        let rest = letters.get(index + 1..index + 1 + hashes);
        match (letters.get(index), rest) {
            (None, _) => return index,
            (Some('"'), Some(rest)) if rest.iter().all(|letter| *letter == '#') => return index + 1 + hashes,
            _ => {}
        }
    }
}

/// The tokens without what stands under `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let is = |index: usize, words: &[&str]| {
        words.iter().enumerate().all(|(at, word)| tokens.get(index + at).is_some_and(|(_, is)| is == word))
    };
    let (mut kept, mut index) = (Vec::new(), 0);
    while index < tokens.len() {
        if is(index, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            index = end_of_item(tokens, index + 7);
        } else {
            kept.push(tokens[index].clone());
            index += 1;
        }
    }
    kept
}

/// Past the item that begins here: its closing brace, or the semicolon of one without.
fn end_of_item(tokens: &[Token], from: usize) -> usize {
    let (mut depth, mut index) = (0_usize, from);
    while let Some((_, word)) = tokens.get(index) {
        index += 1;
        match word.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && word == "}" {
                    break;
                }
            }
            ";" if depth == 0 => break,
            _ => {}
        }
    }
    index
}

/// Every path of the source, trees of `use` opened into one path a leaf.
fn paths(tokens: &[Token]) -> Vec<(usize, Vec<String>)> {
    let word = |index: usize| tokens.get(index).map_or("", |(_, word)| word.as_str());
    let (mut found, mut index) = (Vec::new(), 0);
    while index < tokens.len() {
        let before = if index == 0 { "" } else { word(index - 1) };
        let begins = is_name(word(index)) && !matches!(before, "::" | ".");
        if before == "use" || begins && word(index + 1) == "::" {
            let start = if word(index) == "::" { index + 1 } else { index };
            index = path_tree(tokens, start, &[], &mut found).max(index + 1);
        } else {
            index += 1;
        }
    }
    found
}

/// Reads one path, or a tree of them, and gives the place after it.
fn path_tree(
    tokens: &[Token],
    from: usize,
    prefix: &[String],
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let word = |index: usize| tokens.get(index).map_or("", |(_, word)| word.as_str());
    let line = tokens.get(from).map_or(0, |(line, _)| *line);
    let (mut path, mut index) = (prefix.to_vec(), from);
    loop {
        if word(index) == "{" {
            index += 1;
            while !matches!(word(index), "}" | "") {
                index = path_tree(tokens, index, &path, found);
                // Over `as NAME` and the comma.
                while !matches!(word(index), "," | "}" | "") {
                    index += 1;
                }
                if word(index) == "," {
                    index += 1;
                }
            }
            return index + 1;
        }
        if is_name(word(index)) {
            path.push(word(index).to_owned());
            index += 1;
        } else if word(index) == "*" {
            index += 1;
        }
        if word(index) != "::" || !(is_name(word(index + 1)) || matches!(word(index + 1), "{" | "*")) {
            found.push((line, path));
            return index;
        }
        index += 1;
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

/// The checker itself: each rule broken once, and each near miss.
mod checker {
    use super::{LONGEST, check};

    fn says(name: &str, text: &str, wanted: &[&str]) {
        assert_eq!(check(name, text), wanted, "{text}");
    }

    #[test]
    fn a_layer_may_not_use_one_above_it() {
        says("model/id.rs", "use crate::resolve::Mesh;", &["1: model may not use resolve"]);
        says("resolve.rs", "use crate::model::Kind;", &[]);
        says("resolve.rs", "use crate::resolve::pair;", &[]);
        says("bundle/yaml.rs", "\nuse crate::answer::Read;", &["2: bundle may not use answer"]);
        says("cli/check.rs", "use crate::ui::draw;", &[]);
        says("main.rs", "fn main() { meshscope::cli::run() }", &[]);
        says("novel.rs", "use crate::model::Kind;", &["1: novel has no row in the table of layers"]);
    }

    #[test]
    fn trees_bodies_and_steps_up_are_seen() {
        let tree = "use crate::{model::{Kind, Object}, answer::{self, check as c}, logs::*};";
        says("remedy.rs", tree, &["1: remedy may not use answer", "1: remedy may not use logs"]);
        let body = "fn f() {\n    let x: Vec<crate::ui::Row> = g::<crate::app::App>();\n}";
        says("text.rs", body, &["2: text may not use app", "2: text may not use ui"]);
        says("logs/time.rs", "use super::super::diagnose::Code;", &["1: logs may not use diagnose"]);
        says("logs/time.rs", "use super::access_line;", &[]);
        says("logs.rs", "use super::diagnose::Code;", &["1: logs may not use diagnose"]);
        says("model.rs", "pub(crate) use crate::demo as d;", &["1: model may not use demo"]);
    }

    #[test]
    fn comments_texts_and_tests_do_not_count() {
        says(
            "model.rs",
            "// use crate::ui::draw;\n/* crate::ui::x /* crate::app::y */ */ //! crate::ui",
            &[],
        );
        let texts = "const A: &str = \"crate::ui::x \\\" crate::app::y\"; const B: &str = r#\"use crate::ui::z; \"\"#;";
        says("model.rs", texts, &[]);
        says(
            "model.rs",
            "fn f<'a>(x: &'a str) -> char { '\"' } use crate::ui::x;",
            &["1: model may not use ui"],
        );
        let test =
            "#[cfg(test)]\nmod tests {\n    use crate::ui::x;\n    fn f() { todo() }\n}\nuse crate::app::y;";
        says("model.rs", test, &["6: model may not use app"]);
        says("model.rs", "#[cfg(test)]\nmod tests;\n", &[]);
        says("model/tests.rs", "use crate::ui::x;", &[]);
        says("model/tests/more.rs", "use crate::ui::x;", &[]);
    }

    #[test]
    fn the_outside_stays_at_the_edges() {
        says("resolve.rs", "use std::{fs, io};", &["1: resolve may not use std::fs"]);
        says("resolve.rs", "fn f() { \"1\".parse::<std::net::IpAddr>(); }", &[]);
        says("resolve.rs", "use std::net::TcpStream;", &["1: resolve may not use std::net"]);
        says("app.rs", "fn f() { std::env::var(\"X\"); }", &["1: app may not use std::env"]);
        says("app.rs", "use ratatui::Frame;", &["1: app may not use ratatui"]);
        says("ui.rs", "use ratatui::Frame;\nuse crossterm::event;", &["2: ui may not use crossterm"]);
        says("report.rs", "use tokio::sync::mpsc;", &["1: report may not use tokio"]);
        says("runtime/terminal.rs", "use crossterm::event; use tokio::task;", &[]);
        says("model.rs", "let tokio = x.tokio::<u8>();", &[]);
    }

    #[test]
    fn files_are_short_named_and_finished() {
        let long = "\n".repeat(LONGEST + 1);
        says("model.rs", &long, &["501: longer than 500 lines without its tests"]);
        says("model.rs", &format!("{}#[cfg(test)]\nmod tests;\n{long}", "\n".repeat(LONGEST)), &[]);
        says("model/mod.rs", "", &["1: a module is NAME.rs beside NAME/, never mod.rs"]);
        says("model.rs", "\n// TODO: later", &["2: TODO"]);
        says("model.rs", "fn f() { todo!() }", &["1: todo!"]);
    }
}
