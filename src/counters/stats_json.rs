//! Envoy's statistics as JSON (`/stats?format=json`), as it comes or set out on many lines:
//! `{"stats":[{"name":…,"value":…},…,{"histograms":…}]}`.

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Stats {
    stats: Vec<Value>,
}

/// Whether a text begins as such a line does.
pub fn tells(text: &[u8]) -> bool {
    let next = |text: &'_ [u8], part: &[u8]| text.trim_ascii_start().strip_prefix(part).map(<[u8]>::to_vec);
    let start = text.get(..64.min(text.len())).unwrap_or(text);
    let inside = next(start, b"{").and_then(|rest| next(&rest, b"\"stats\""));
    inside.and_then(|rest| next(&rest, b":")).and_then(|rest| next(&rest, b"[")).is_some()
}

/// Whether a text ends before what it began.
pub fn ends_early(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text.trim_ascii_end()).is_err_and(|error| error.is_eof())
}

/// Each statistic as the line of the plain text, which has the same names; `None` for a histogram. Nothing where the text is
/// not whole.
pub fn lines(text: &[u8]) -> Option<Vec<Option<String>>> {
    let all: Stats = serde_json::from_slice(text).ok()?;
    let line = |stat: Value| {
        let name = stat.get("name")?.as_str()?;
        Some(match stat.get("value")? {
            Value::Number(value) => format!("{name}: {value}"),
            Value::String(value) => format!("{name}: \"{value}\""),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        })
    };
    Some(all.stats.into_iter().map(line).collect())
}
