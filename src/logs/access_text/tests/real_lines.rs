//! Lines that were published or recorded, where the folder with them is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data");

/// Says that nothing was looked at. `cargo test -- --nocapture` shows it.
#[allow(clippy::print_stderr, reason = "it is for whoever runs the tests")]
fn skipped(what: &str) {
    eprintln!("SKIPPED: {what}; there is no {SHARED}");
}

/// Real lines that were published somewhere, with the fields that each is known to have. The folder is not part of
/// the package; without it there is nothing to check.
#[test]
fn published_lines() {
    let Ok(lines) = fs::read_to_string(format!("{SHARED}/public-log-lines/lines.jsonl")) else {
        return skipped("published lines");
    };
    let mut read: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for entry in lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
        let line = entry["line"].as_str().unwrap();
        let format = match entry["format"].as_str().unwrap() {
            "istio-text-1.0-1.1pre" => "istio-text-1.0",
            format => format,
        };
        let is_text = Format::ALL.iter().any(|known| *known != Format::Custom && known.name() == format);
        // A layout of its own, or a line inside another one: read by other readers.
        let note = entry["note"].as_str().unwrap_or_default();
        let wrapped = note.starts_with("prefix before") || note.starts_with("hard-wrapped") || note.starts_with("trailing listener")
            || line.contains(" # <") // a remark of the author behind the line
            || (note.starts_with("no (complete) timestamp") && !line.starts_with(['"', '[', '2']));
        let parsed = parse_text(line.as_bytes());
        if !is_text || wrapped {
            let (of, count) = if is_text { ("wrapped", 1) } else { ("other layouts", 1) };
            let entry = read.entry(format!("{format} ({of})")).or_default();
            *entry = (entry.0 + usize::from(parsed.is_some()), entry.1 + count);
            continue;
        }
        let score = read.entry(format.to_owned()).or_default();
        score.1 += 1;
        let Some(parsed) = parsed else {
            wrong.push(format!("not read: {line}"));
            continue;
        };
        let mut complaints = Vec::new();
        if parsed.format.name() != format {
            complaints.push(format!("format {}", parsed.format));
        }
        for (name, value) in entry["expect"].as_object().unwrap() {
            let wanted = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let found = field(&parsed, name);
            if found != wanted {
                complaints.push(format!("{name}: {found} instead of {wanted}"));
            }
        }
        if complaints.is_empty() {
            score.0 += 1;
        } else {
            wrong.push(format!("{}: {line}", complaints.join("; ")));
        }
    }
    println!("{read:#?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
