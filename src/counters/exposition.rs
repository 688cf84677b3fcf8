//! One line of the Prometheus text format, or of `OpenMetrics`:
//! `NAME{LABEL="VALUE",…} VALUE [TIME] [# EXEMPLAR]`, `# TYPE`, `# HELP`.
//!
//! See <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::borrow::Cow;

/// A sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'a> {
    /// The name.
    pub name: &'a str,
    /// The labels, in their order.
    labels: Vec<(&'a str, Cow<'a, str>)>,
    /// The value: may be `NaN` or infinite.
    pub value: f64,
    /// The time, in milliseconds since the epoch.
    pub time: Option<i64>,
}

/// More labels than any series has.
const MOST_LABELS: usize = 256;

impl Sample<'_> {
    /// The value of a label; what is missing and what is empty are the same.
    pub fn label(&self, name: &str) -> Option<&str> {
        let mut labels = self.labels.iter();
        labels.find(|(own, _)| *own == name).map(|(_, value)| &**value).filter(|value| !value.is_empty())
    }

    /// The value, where it can be one of a counter.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    pub fn count(&self) -> Option<u64> {
        // Past 2^53 a float does not count by ones any more.
        (0.0..9e15).contains(&self.value).then(|| self.value.round() as u64)
    }
}

/// The sample of a line that is no comment.
pub fn parse(line: &str) -> Option<Sample<'_>> {
    let end = line.find(|one: char| one == '{' || one.is_whitespace())?;
    let (name, mut rest) = line.split_at_checked(end)?;
    if !is_name(name) {
        return None;
    }
    rest = rest.trim_start();
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            rest = rest.trim_start();
            if let Some(behind) = rest.strip_prefix('}') {
                rest = behind;
                break;
            }
            let (label, behind) = rest.split_once('=')?;
            let label = label.trim();
            let (value, behind) = quoted(behind.trim_start().strip_prefix('"')?)?;
            if !is_name(label) || labels.len() == MOST_LABELS {
                return None;
            }
            labels.push((label, value));
            rest = behind.trim_start();
            rest = match rest.strip_prefix(',') {
                Some(behind) => behind,
                None => rest.starts_with('}').then_some(rest)?,
            };
        }
    }
    // An exemplar stands behind ` # `.
    let rest = rest.split(" # ").next().unwrap_or(rest);
    let mut parts = rest.split_ascii_whitespace();
    let value = number(parts.next()?)?;
    let time = parts.next();
    let is_time = time.is_none_or(|time| number(time).is_some());
    let time = time.and_then(millis);
    (is_time && parts.next().is_none()).then_some(Sample { name, labels, value, time })
}

/// A time: whole milliseconds, or in `OpenMetrics` seconds with a fraction or without, which are fewer.
fn millis(time: &str) -> Option<i64> {
    let whole: Option<i64> = time.parse().ok();
    match whole {
        Some(whole) if whole.unsigned_abs() >= 100_000_000_000 => Some(whole),
        Some(whole) => whole.checked_mul(1000),
        None => {
            let (seconds, fraction) = time.split_once('.')?;
            let seconds: i64 = seconds.parse().ok()?;
            let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
            seconds.checked_mul(1000)?.checked_add(digits.parse().ok()?)
        }
    }
}

/// The text up to the quote that ends it, without its escapes, and what follows.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = text.find(['"', '\\'])?;
    if text.as_bytes().get(end) == Some(&b'"') {
        let (value, rest) = text.split_at_checked(end)?;
        return Some((Cow::Borrowed(value), rest.strip_prefix('"')?));
    }
    let mut value = String::new();
    let mut letters = text.chars();
    loop {
        match letters.next()? {
            '"' => return Some((Cow::Owned(value), letters.as_str())),
            '\\' => match letters.next()? {
                'n' => value.push('\n'),
                other @ ('"' | '\\') => value.push(other),
                // The format has no other escape; readers take it as it stands.
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    name.bytes().next().is_some_and(|first| plain(first) && !first.is_ascii_digit())
        && name.bytes().all(plain)
}

fn number(text: &str) -> Option<f64> {
    // Rust also reads `infinity` and the like, which begin with a letter, as the format does `NaN` and `Inf`.
    text.parse().ok()
}

/// Whether a line can be nothing else: the head of a family, or a sample with labels and a name such as proxies have.
pub fn tells(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
            let kinds = [
                "counter",
                "gauge",
                "histogram",
                "summary",
                "untyped",
                "unknown",
                "info",
                "stateset",
                "gaugehistogram",
            ];
            is_name(name) && kinds.contains(&kind)
        }
        (Some(first), ..) => {
            let of_proxy =
                first.starts_with("istio_") || first.starts_with("envoy_") || first.starts_with("pilot_");
            of_proxy && line.contains('{') && parse(line).is_some()
        }
        _ => false,
    }
}
