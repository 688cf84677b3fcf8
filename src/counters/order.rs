//! The order of a proxy's readings, and what grew from one to the next.
//!
//! Readings are put in order by the times of their samples, then by where they stand in one file, then by names of files that
//! differ in nothing but numbers. How long the proxy was up and that counters only grow come after those: a restart sets
//! both back. The order of the files alone is taken last, and is said to be.

use std::cmp::Ordering;

use crate::model::Text;

/// By what readings were put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// The times of their samples.
    Times,
    /// They are of one file, in which one stands behind the other.
    Place,
    /// The numbers in the names of their files.
    Names,
    /// `server.uptime`, as if the proxy did not restart.
    Uptime,
    /// Counters only grow, and in this order all of them do, as if the proxy did not restart.
    Growth,
    /// Nothing says which was first: the files are in the order of their names.
    Files,
}

impl Order {
    /// The order in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Times => "by the times of their samples",
            Self::Uptime => "by server.uptime, unless the proxy restarted in between",
            Self::Place => "as they stand in the file",
            Self::Names => "by the numbers in their files' names",
            Self::Growth => "in the order in which all counters grow, unless the proxy restarted in between",
            Self::Files => "by their files' names, of which nobody knows whether that is their order",
        }
    }
}

/// A sample's value: the number of its series, the value, and its line.
pub(super) type Value = (usize, u64, u64);

/// One reading of a proxy.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    pub(super) file: usize,
    /// Whether it was read as JSON.
    pub(super) is_json: bool,
    /// In milliseconds since the epoch: the latest sample's.
    pub(super) time: Option<i64>,
    /// In seconds.
    pub(super) uptime: Option<u64>,
    /// By the number of the series.
    pub(super) values: Vec<Value>,
}

impl Reading {
    /// Whether two are one moment in the two forms of Envoy's statistics: nothing counts anything else in them.
    pub(super) fn is_other_form_of(&self, other: &Self) -> bool {
        let values =
            |one: &Self| one.values.iter().map(|(series, value, _)| (*series, *value)).collect::<Vec<_>>();
        self.is_json != other.is_json && self.uptime == other.uptime && values(self) == values(other)
    }
}

/// What counters say over all readings.
#[derive(Debug, Clone, Default)]
pub(super) struct Grown {
    pub(super) restarted: bool,
    pub(super) order: Option<Order>,
    /// How much each series grew, or what it says where it was read once, and the file and line of the last sample.
    pub(super) counted: Vec<(u64, (usize, u64))>,
}

/// The last value of each series. What was said before a restart counts no more.
#[derive(Default)]
struct Last {
    values: Vec<Option<(usize, u64)>>,
    restarts: usize,
    uptime: Option<u64>,
}

impl Last {
    fn of(&self, series: usize) -> Option<u64> {
        let (restarts, value) = (*self.values.get(series)?)?;
        (restarts == self.restarts).then_some(value)
    }

    fn set(&mut self, series: usize, value: u64) {
        if self.values.len() <= series {
            self.values.resize(series + 1, None);
        }
        if let Some(known) = self.values.get_mut(series) {
            *known = Some((self.restarts, value));
        }
    }

    /// Whether the proxy restarted before a reading: it is up for less long, or a counter counts less.
    fn falls(&self, reading: &Reading) -> bool {
        let is_up_for_less = reading.uptime.zip(self.uptime).is_some_and(|(now, before)| now < before);
        is_up_for_less
            || reading
                .values
                .iter()
                .any(|(series, value, _)| self.of(*series).is_some_and(|last| *value < last))
    }
}

/// Whether any counter falls in an order.
fn any_falls(readings: &[&Reading]) -> bool {
    let mut last = Last::default();
    readings.iter().any(|reading| {
        let falls = last.falls(reading);
        for (series, value, _) in &reading.values {
            last.set(*series, *value);
        }
        falls
    })
}

/// The readings in their order, and by what.
fn in_order<'a>(readings: &'a [Reading], files: &[Text]) -> (Vec<&'a Reading>, Option<Order>) {
    let as_read: Vec<&Reading> = readings.iter().collect();
    if readings.len() < 2 {
        return (as_read, None);
    }
    let sorted = |by: &dyn Fn(&Reading, &Reading) -> Ordering| {
        let mut sorted = as_read.clone();
        sorted.sort_by(|one, other| by(one, other));
        sorted
    };
    if readings.iter().all(|reading| reading.time.is_some()) {
        return (sorted(&|one, other| one.time.cmp(&other.time)), Some(Order::Times));
    }
    if readings.windows(2).all(|two| matches!(two, [one, other] if one.file == other.file)) {
        return (as_read, Some(Order::Place));
    }
    let name = |reading: &Reading| files.get(reading.file).map_or("", |name| &**name);
    let first = readings.first().map(name).unwrap_or_default();
    if readings.iter().all(|reading| differs_in_numbers(first, name(reading))) {
        return (sorted(&|one, other| by_numbers(name(one), name(other))), Some(Order::Names));
    }
    if readings.iter().all(|reading| reading.uptime.is_some()) {
        // A proxy that restarted was up for longer before.
        let by_uptime = sorted(&|one, other| one.uptime.cmp(&other.uptime));
        if !any_falls(&by_uptime) {
            return (by_uptime, Some(Order::Uptime));
        }
    }
    let sum =
        |reading: &Reading| -> u128 { reading.values.iter().map(|(_, value, _)| u128::from(*value)).sum() };
    let by_growth = sorted(&|one, other| sum(one).cmp(&sum(other)));
    if any_falls(&by_growth) { (as_read, Some(Order::Files)) } else { (by_growth, Some(Order::Growth)) }
}

/// The parts of a name: numbers, and what stands between them.
fn parts(name: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let is_number = rest.chars().next()?.is_ascii_digit();
        let end = rest.find(|one: char| one.is_ascii_digit() != is_number).unwrap_or(rest.len());
        let (part, behind) = rest.split_at_checked(end)?;
        rest = behind;
        Some((is_number, part))
    })
}

fn differs_in_numbers(one: &str, other: &str) -> bool {
    let words = |name| parts(name).map(|(is_number, part)| if is_number { "0" } else { part });
    words(one).eq(words(other))
}

fn by_numbers(one: &str, other: &str) -> Ordering {
    let numbers = |name| {
        parts(name).filter(|(is_number, _)| *is_number).map(|(_, part)| {
            let digits = part.trim_start_matches('0');
            (digits.len(), digits)
        })
    };
    numbers(one).cmp(numbers(other))
}

/// What grew over all readings. A counter or an uptime that fell says that the proxy restarted: then all its counters began anew.
pub(super) fn grown(readings: &[Reading], files: &[Text]) -> Grown {
    let (readings, order) = in_order(readings, files);
    let mut grown = Grown { order, ..Grown::default() };
    let mut last = Last::default();
    for (at, reading) in readings.into_iter().enumerate() {
        if at > 0 && last.falls(reading) {
            last.restarts += 1;
            grown.restarted = true;
        }
        last.uptime = reading.uptime.or(last.uptime);
        for (series, value, line) in &reading.values {
            if grown.counted.len() <= *series {
                grown.counted.resize(series + 1, (0, (0, 0)));
            }
            let before = last.of(*series).unwrap_or(0);
            if let Some(counted) = grown.counted.get_mut(*series) {
                // What was read once is told as it is; of several, what the first one says was before all.
                counted.0 += if at > 0 { value.saturating_sub(before) } else { 0 };
                counted.1 = (reading.file, *line);
            }
            last.set(*series, *value);
        }
    }
    if order.is_none() {
        for (series, counted) in grown.counted.iter_mut().enumerate() {
            counted.0 = last.of(series).unwrap_or(0);
        }
    }
    grown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reading of a file: time, uptime, and the values of as many series.
    fn reading(file: usize, time: Option<i64>, uptime: Option<u64>, values: &[u64]) -> Reading {
        let values = values.iter().enumerate().map(|(series, value)| (series, *value, 1)).collect();
        Reading { file, time, uptime, values, is_json: false }
    }

    /// What grew of each series, by what order, and whether the proxy restarted.
    fn of(files: &[&str], readings: &[Reading]) -> (Vec<u64>, Option<Order>, bool) {
        let files: Vec<Text> = files.iter().map(|name| (*name).into()).collect();
        let grown = grown(readings, &files);
        (grown.counted.iter().map(|(count, _)| *count).collect(), grown.order, grown.restarted)
    }

    #[test]
    fn readings_are_ordered_by_what_they_say_and_by_names_only_where_these_have_an_order() {
        let names = ["after", "before"];
        let by = |first: Reading, second: Reading| of(&names, &[first, second]);
        let told = |count: u64, order: Order| (vec![count], Some(order), false);
        let timed = by(reading(0, Some(20), None, &[9]), reading(1, Some(10), None, &[5]));
        assert_eq!(timed, told(4, Order::Times));
        let up = by(reading(0, None, Some(200), &[9]), reading(1, None, Some(100), &[5]));
        assert_eq!(up, told(4, Order::Uptime));
        // By their names the later one would be the first, and the proxy have restarted.
        assert_eq!(by(reading(0, None, None, &[9]), reading(1, None, None, &[5])), told(4, Order::Growth));
        // Some grow and some fall: one of them is from after a restart, and nobody knows which.
        let open = by(reading(0, None, None, &[9, 1]), reading(1, None, None, &[5, 2]));
        assert_eq!(open, (vec![5, 2], Some(Order::Files), true));
        let numbered = |first: &str, second: &str| {
            of(&[first, second], &[reading(0, None, None, &[9]), reading(1, None, None, &[5])])
        };
        assert_eq!(numbered("s-10.txt", "s-9.txt"), told(4, Order::Names));
        assert_eq!(numbered("s-2026-03-02T09.txt", "s-2026-03-02T08.txt"), told(4, Order::Names));
        // In the order of their numbers it fell.
        assert_eq!(numbered("s-1.txt", "s-2.txt"), (vec![5], Some(Order::Names), true));
        assert_eq!(of(&["a"], &[reading(0, None, None, &[9])]), (vec![9], None, false));
        let one_file = of(&["a"], &[reading(0, None, None, &[5]), reading(0, None, None, &[9])]);
        assert_eq!(one_file, told(4, Order::Place));
    }

    #[test]
    fn a_restart_between_readings_is_told_by_uptimes_and_does_not_turn_their_order() {
        let two = |before: &[u64], after: &[u64]| {
            [reading(0, None, Some(10_000), before), reading(1, None, Some(50), after)]
        };
        for (before, after) in [([50], [0]), ([60], [5]), ([5], [60])] {
            let wanted = |order| (after.to_vec(), Some(order), true);
            assert_eq!(of(&["1", "2"], &two(&before, &after)), wanted(Order::Names));
            let mut one_file = two(&before, &after);
            one_file[1].file = 0;
            assert_eq!(of(&["a"], &one_file), wanted(Order::Place));
            let mut timed = two(&before, &after);
            (timed[0].time, timed[1].time) = (Some(1), Some(2));
            timed.reverse();
            assert_eq!(of(&["a", "b"], &timed), wanted(Order::Times));
        }
        // One that is not known to be up for less long did not restart.
        let silent = [
            reading(0, None, Some(10), &[5]),
            reading(1, None, None, &[6]),
            reading(2, None, Some(20), &[9]),
        ];
        assert_eq!(of(&["1", "2", "3"], &silent), (vec![4], Some(Order::Names), false));
        let fallen = [reading(0, None, Some(500), &[9, 4]), reading(1, None, Some(20), &[12, 1])];
        assert_eq!(of(&["1", "2"], &fallen), (vec![12, 1], Some(Order::Names), true));
    }

    proptest::proptest! {
        /// What only grows, grows by the same whatever the order in which it is read.
        #[test]
        fn the_order_of_files_does_not_matter_where_readings_tell_their_own(
            steps in proptest::collection::vec(0..1000_u64, 1..6), shift in 0..6_usize
        ) {
            let mut sum = 0;
            let mut readings: Vec<_> = steps.iter().enumerate().map(|(at, step)| {
                sum += step;
                reading(at, None, Some(at as u64), &[sum])
            }).collect();
            let wanted = if readings.len() > 1 { sum - steps[0] } else { sum };
            let shift = shift % readings.len();
            readings.rotate_left(shift);
            let files: Vec<_> = (0..readings.len()).map(|at| format!("file {at}")).collect();
            let names: Vec<_> = files.iter().map(String::as_str).collect();
            proptest::prop_assert_eq!(of(&names, &readings).0, vec![wanted]);
        }
    }
}
