//! Counters of proxies: lines of Envoy's statistics or of the Prometheus text format in, what grew of each proxy out.
//!
//! [`stat_line`] and [`exposition`] read one line of either text, [`series`] says which counters tell something of a
//! failed request and whose they are, [`mod@traffic`] does so for Istio's own, and [`readings`] takes the difference where a
//! proxy was read more than once. Only series that can be evidence are kept, within a fixed number; every line is counted.
//!
//! Deliberately not here: what a counter proves, which takes the configuration and the other side's counters.

pub mod exposition;
pub mod order;
pub mod readings;
pub mod series;
pub mod stat_line;
pub mod stats_json;
pub mod traffic;

pub use order::Order;
pub use readings::{Counters, Period, Proxy, Seen, Sheet, Writer};
pub use series::{Metric, Subject};
pub use traffic::{Traffic, TrafficKind};

use series::Series;

/// No proxy writes a longer sample.
const LONGEST: usize = 64 * 1024;

/// What one line is.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// Nothing, a comment, or the mark at the end of an `OpenMetrics` text.
    Comment,
    /// A sample that is no counter of interest: a gauge, a histogram, a text, a counter of something else.
    Other,
    /// A counter that can be evidence.
    Counter(Series, u64),
    /// Neither.
    Unreadable,
}

/// Reads one line of either text.
pub fn parse_line(line: &[u8]) -> Line {
    let line = line.trim_ascii();
    if line.len() > LONGEST {
        return Line::Unreadable;
    }
    let Ok(line) = std::str::from_utf8(line) else { return Line::Unreadable };
    if line.is_empty() || line.starts_with('#') {
        return Line::Comment;
    }
    if let Some((name, value)) = stat_line::parse(line) {
        return match value {
            stat_line::Value::Number(value) => {
                Series::of_stat(name).map_or(Line::Other, |series| Line::Counter(series, value))
            }
            stat_line::Value::Other => Line::Other,
        };
    }
    match exposition::parse(line) {
        Some(sample) => {
            let series = sample.count().and_then(|value| Some((Series::of_sample(&sample)?, value)));
            series.map_or(Line::Other, |(series, value)| Line::Counter(series, value))
        }
        None => Line::Unreadable,
    }
}

/// Whether a text is one of counters, by its beginning: nine lines of ten are, and at least one says so by itself. A
/// line such as `replicas: 3` is a statistic by its form only, and `name 3` is a sample by its form only.
pub fn tells(beginning: &[u8]) -> bool {
    if stats_json::tells(beginning) {
        return true;
    }
    let (mut lines, mut fitting, mut sure) = (0_u32, 0_u32, 0_u32);
    // The last line may be cut by where the look ends.
    let whole = memchr::memrchr(b'\n', beginning).and_then(|end| beginning.get(..end)).unwrap_or(beginning);
    for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(100) {
        lines += 1;
        let Ok(text) = std::str::from_utf8(line.trim_ascii()) else { continue };
        let own = stat_line::tells(text) || exposition::tells(text);
        fitting += u32::from(own || parse_line(line) != Line::Unreadable);
        sure += u32::from(own);
    }
    sure > 0 && fitting * 10 >= lines * 9
}

#[cfg(test)]
mod tests;
