//! How many lines there were over time, and how many of them failed, in as many columns as there is room for.

use super::wording::{date, time_span};
use crate::logs::format_time;

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// The shortest time from which a rate is made, in microseconds.
const LEAST: u64 = 10_000_000;

/// Widths of a column that are easy to think in, in microseconds.
const STEPS: [i64; 19] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    60 * SECOND,
    2 * 60 * SECOND,
    5 * 60 * SECOND,
    10 * 60 * SECOND,
    15 * 60 * SECOND,
    30 * 60 * SECOND,
    3600 * SECOND,
    2 * 3600 * SECOND,
    6 * 3600 * SECOND,
    12 * 3600 * SECOND,
    24 * 3600 * SECOND,
    7 * 24 * 3600 * SECOND,
    30 * 24 * 3600 * SECOND,
];

/// Lines over time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// The time of each column, in microseconds.
    pub step: i64,
    /// The first line, in microseconds since the epoch.
    pub first: i64,
    /// The last.
    pub last: i64,
    /// Lines by column, the oldest first.
    pub all: Vec<u64>,
    /// Those that failed.
    pub failed: Vec<u64>,
}

impl Histogram {
    /// Of lines, each with its time and whether it failed; at most so many columns. None where no line has a time.
    pub fn of(lines: impl Iterator<Item = (i64, bool)> + Clone, columns: usize) -> Option<Self> {
        let (first, last) = lines.clone().fold(None, |span, (time, _)| match span {
            None => Some((time, time)),
            Some((first, last)) => Some((time.min(first), time.max(last))),
        })?;
        let columns = i64::try_from(columns.max(1)).unwrap_or(i64::MAX);
        let used = |step: i64| last.div_euclid(step).saturating_sub(first.div_euclid(step)).saturating_add(1);
        let wide = || last.saturating_sub(first) / columns + SECOND;
        let step = STEPS.into_iter().find(|step| used(*step) <= columns).unwrap_or_else(wide);
        let count = usize::try_from(used(step)).unwrap_or(1);
        let (mut all, mut failed) = (vec![0; count], vec![0; count]);
        let begin = first.div_euclid(step);
        for (time, has_failed) in lines {
            let at = usize::try_from(time.div_euclid(step) - begin).unwrap_or(0);
            for bars in [Some(&mut all), has_failed.then_some(&mut failed)].into_iter().flatten() {
                if let Some(bar) = bars.get_mut(at) {
                    *bar += 1;
                }
            }
        }
        Some(Self { step, first, last, all, failed })
    }

    /// The most lines of a column.
    pub fn most(&self) -> u64 {
        self.all.iter().copied().max().unwrap_or(0)
    }

    /// How often something that happened so many times did in a minute; none where that was too short to tell, or so
    /// seldom that no number tells it.
    pub fn per_minute(&self, count: u64) -> Option<String> {
        let micros =
            u64::try_from(self.last.saturating_sub(self.first)).ok().filter(|micros| *micros >= LEAST)?;
        let tenths = u128::from(count) * 600 * 1_000_000 / u128::from(micros);
        let (whole, tenth) = (tenths / 10, tenths % 10);
        let text =
            if whole < 100 && tenth > 0 { format!("{whole}.{tenth}/min") } else { format!("{whole}/min") };
        (tenths > 0).then_some(text)
    }

    /// The time of the first and last line, with dates where they are not the same.
    pub fn span_text(&self) -> String {
        let (first, last) = (format_time(self.first), format_time(self.last));
        if date(&first) == date(&last) {
            return time_span(Some(&first), Some(&last));
        }
        let short =
            |time: &str| time.chars().take("2026-03-02T09:00".len()).collect::<String>().replace('T', " ");
        format!("{} … {}", short(&first), short(&last))
    }

    /// The width of a column in words.
    pub fn step_text(&self) -> String {
        let (seconds, day) = (self.step / SECOND, 24 * 3600);
        match seconds {
            0..60 => format!("{seconds} s"),
            60..3600 => format!("{} min", seconds / 60),
            _ if seconds < day => format!("{} h", seconds / 3600),
            _ => format!("{} d", seconds / day),
        }
    }
}

/// Bars as text, one character each. Whatever happened at all is seen.
pub fn bars(counts: &[u64], most: u64) -> String {
    const GLYPHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let bar = |count: &u64| match (*count * 8).div_ceil(most.max(1)) {
        0 => ' ',
        height => GLYPHS.get(usize::try_from(height).unwrap_or(8) - 1).copied().unwrap_or('█'),
    };
    counts.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[(i64, bool)], columns: usize) -> Histogram {
        Histogram::of(lines.iter().copied(), columns).unwrap()
    }

    #[test]
    fn every_line_stands_in_the_column_of_its_time() {
        let lines: Vec<_> = (0..60).map(|second| (second * SECOND, second % 20 == 0)).collect();
        let found = of(&lines, 12);
        assert_eq!((found.step, found.step_text()), (5 * SECOND, "5 s".to_owned()));
        assert_eq!(found.all, [5; 12]);
        assert_eq!(found.failed, [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(bars(&found.failed, found.most()), "▂   ▂   ▂   ");
        assert_eq!(bars(&found.all, found.most()), "████████████");
        assert_eq!(found.per_minute(59).as_deref(), Some("60/min"));
        assert_eq!(found.per_minute(3).as_deref(), Some("3/min"));
    }

    #[test]
    fn one_line_none_and_times_at_the_ends_of_the_world() {
        assert_eq!(Histogram::of(std::iter::empty(), 10), None);
        let one = of(&[(7, true)], 10);
        assert_eq!((one.all.len(), one.per_minute(1)), (1, None));
        for columns in [0, 1, 3, 500] {
            let far = of(&[(i64::MIN / 4, true), (i64::MAX / 4, false)], columns);
            assert!(far.all.len() <= columns.max(1) + 1, "{columns}: {}", far.all.len());
            assert_eq!(far.all.iter().sum::<u64>(), 2);
        }
    }

    #[test]
    fn a_span_has_dates_where_they_differ() {
        let day = 24 * 3600 * SECOND;
        assert_eq!(of(&[(0, true), (61 * SECOND, true)], 10).span_text(), "00:00:00 … 00:01:01");
        let days = of(&[(0, true), (70 * day, true)], 12);
        assert_eq!(days.span_text(), "1970-01-01 00:00 … 1970-03-12 00:00");
        assert_eq!((days.per_minute(2), days.step_text().as_str()), (None, "7 d"));
    }

    #[test]
    fn a_single_failure_among_many_is_seen() {
        assert_eq!(bars(&[1, 0, 1000], 1000), "▁ █");
    }
}
