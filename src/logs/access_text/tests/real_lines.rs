//! Lines that were published or recorded, where the folder with them is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;
use crate::logs::reading::Reader;

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data");

/// Says that nothing was looked at. `cargo test -- --nocapture` shows it.
#[allow(clippy::print_stderr, reason = "it is for whoever runs the tests")]
fn skipped(what: &str) {
    eprintln!("SKIPPED: {what}; there is no {SHARED}");
}

/// Real lines that were published somewhere, wrapped and broken as they were, with the fields that each is known to
/// have. The folder is not part of the package; without it there is nothing to check.
#[test]
fn published_lines() {
    let Ok(lines) = fs::read_to_string(format!("{SHARED}/public-log-lines/lines.jsonl")) else {
        return skipped("published lines");
    };
    let mut by_format: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut by_field: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for entry in lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
        let (text, format) = (entry["line"].as_str().unwrap(), entry["format"].as_str().unwrap());
        let expect = entry["expect"].as_object().unwrap();
        let found = read(text, expect.keys());
        let mut complaints = Vec::new();
        for (name, value) in expect {
            let wanted = if value.is_null() {
                "-".to_owned()
            } else {
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            };
            let found = found.get(name).map_or("not read", String::as_str);
            if found != wanted {
                complaints.push(format!("{name}: {found} instead of {wanted}"));
            }
            let score = by_field.entry(name.clone()).or_default();
            *score = (score.0 + usize::from(found == wanted), score.1 + 1);
        }
        let score = by_format.entry(format.to_owned()).or_default();
        *score = (score.0 + usize::from(complaints.is_empty()), score.1 + 1);
        if !complaints.is_empty() {
            wrong.push((format.to_owned(), format!("{}: {text}", complaints.join("; "))));
        }
    }
    let right: usize = by_format.values().map(|score| score.0).sum();
    println!("{by_format:#?}\n{by_field:#?}\n{right} of {} lines", lines.lines().count());
    // What its author wrote behind a line could as well be a field of another layout, or a caller's words.
    let known = |(format, line): &&(String, String)| format == "custom" || line.contains(" # <");
    let unexpected: Vec<_> = wrong.iter().filter(|entry| !known(entry)).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    assert!(right >= RIGHT, "{right} lines are right, and {RIGHT} were");
}

/// So many published lines are read right.
const RIGHT: usize = 229;

/// The fields of the one access-log line in a text.
fn read<'n>(text: &str, names: impl Iterator<Item = &'n String>) -> BTreeMap<String, String> {
    let (mut reader, mut lines) = (Reader::default(), 0);
    let mut fields = BTreeMap::new();
    let names: Vec<_> = names.collect();
    for (number, line) in (1..).zip(text.lines()) {
        reader.read(number, line.as_bytes(), &crate::logs::Formats::default(), &mut |_, _, line| {
            lines += 1;
            fields = names.iter().map(|name| ((*name).clone(), field(line, name))).collect();
        });
    }
    assert!(lines <= 1, "{lines} lines in {text}");
    fields
}

/// Recorded lines: every text line is read, and says the same as the JSON line of the same request.
#[test]
fn recorded_lines() {
    let Ok(scenarios) = fs::read_dir(format!("{SHARED}/envoy")) else { return skipped("recorded lines") };
    let mut counts = (0, 0, 0);
    for scenario in scenarios.map(|scenario| scenario.unwrap().path()).filter(|path| path.is_dir()) {
        for side in ["client", "server"] {
            let read = |name: &str| fs::read(scenario.join(format!("{side}.{name}.log"))).unwrap_or_default();
            let (istio, envoy, json) = (read("istio-text"), read("envoy-default"), read("istio-json"));
            let lines =
                |bytes: &'static [u8]| bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
            let mut json_lines = lines(json.leak());
            for line in lines(istio.leak()) {
                let line = whole(line, Format::IstioText19, &scenario);
                let json: serde_json::Value = serde_json::from_slice(json_lines.next().unwrap()).unwrap();
                same_as_json(&line, &json);
                same_as_read_json(&line, &json);
                counts.0 += 1;
                counts.2 += usize::from(line.ambiguous);
            }
            for line in lines(envoy.leak()) {
                whole(line, Format::EnvoyDefault, &scenario);
                counts.1 += 1;
            }
        }
    }
    println!("istio-text {}, envoy-default {}, ambiguous {}", counts.0, counts.1, counts.2);
}

fn whole<'a>(line: &'a [u8], format: Format, scenario: &Path) -> AccessLine<'a> {
    let text = || format!("{}: {}", scenario.display(), String::from_utf8_lossy(line));
    let parsed = parse_text(line).unwrap_or_else(|| panic!("{}", text()));
    assert_eq!(parsed.format, format, "{}", text());
    parsed
}

/// What is compared and counted is the same, whichever way the line was read.
fn same_as_read_json(line: &AccessLine<'_>, json: &serde_json::Value) {
    let read = crate::logs::parse_json(json.to_string().as_bytes(), |read| {
        for name in json.as_object().unwrap().keys() {
            if field(line, name).is_ascii() {
                assert_eq!(field(read, name), field(line, name), "{name}: {json}");
            }
        }
        assert_eq!((read.flags, read.format), (line.flags, Format::IstioJson), "{json}");
    });
    assert!(read.is_some(), "not read: {json}");
}

fn same_as_json(line: &AccessLine<'_>, json: &serde_json::Value) {
    for (name, value) in json.as_object().unwrap() {
        let wanted = if value.is_null() {
            "-".to_owned()
        } else {
            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
        };
        let found = field(line, name);
        // JSON writes each byte that is not UTF-8 as a character of its own, and escapes others its own way.
        if found.is_ascii() {
            assert_eq!(found, wanted, "{name}: {line:?}");
        }
    }
}
