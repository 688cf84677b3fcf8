//! What lines are counted in, and what of each is counted.

use super::evidence::Counted;
use super::table::{Key, Table};
use super::{Limits, LineCounts, SAMPLES, Sample};
use crate::logs::access_line::{AccessLine, Format, Sni, value};
use crate::logs::time::parse_time;
use crate::logs::upstream_cluster::Reporter;

/// What is counted of a line besides its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) time: Option<i64>,
    pub(super) duration: Option<u64>,
    pub(super) sni: Option<Sni>,
    pub(super) format: Format,
    pub(super) ambiguous: bool,
    pub(super) answered: bool,
}

impl Facts {
    #[inline(always)]
    pub(super) fn of(line: &AccessLine<'_>, clock: &mut Clock) -> Self {
        Self {
            time: match line.time {
                None => line.start_time.and_then(
                    #[inline(always)]
                    |text| clock.read(text),
                ),
                time => time,
            },
            duration: line.duration,
            sni: line.sni(),
            format: line.format,
            ambiguous: line.ambiguous,
            answered: is_answered(line),
        }
    }
}

/// Reads the times of lines, most of which are of the same minute as the one before.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    /// `2026-11-22T09:09:`.
    minute: [u8; 17],
    micros: i64,
}

impl Clock {
    #[inline(always)]
    fn read(&mut self, text: &[u8]) -> Option<i64> {
        if let Some((minute, &[s1, s2, b'.', f1, f2, f3, b'Z'])) = text.split_first_chunk()
            && *minute == self.minute
            && [s2, f1, f2, f3].iter().all(u8::is_ascii_digit)
            && matches!(s1, b'0'..=b'5')
        {
            let digit = |byte: u8| i64::from(byte - b'0');
            let millis = digit(s1) * 10_000 + digit(s2) * 1000 + digit(f1) * 100 + digit(f2) * 10 + digit(f3);
            return Some(self.micros + millis * 1000);
        }
        self.read_anew(text)
    }

    #[cold]
    fn read_anew(&mut self, text: &[u8]) -> Option<i64> {
        let micros = parse_time(text)?;
        if let Some((minute, [b'0'..=b'5', b'0'..=b'9', b'.', _, _, _, b'Z'])) = text.split_first_chunk() {
            *self = Self { minute: *minute, micros: micros - micros.rem_euclid(60_000_000) };
        }
        Some(micros)
    }
}

/// Whether the other side answered: on TCP anything came back, and of HTTP the details say so, or where there are none the
/// endpoint that is named.
#[inline(always)]
pub(super) fn is_answered(line: &AccessLine<'_>) -> bool {
    if line.response_code.is_none_or(|code| code == 0) {
        return line.bytes_sent.is_some_and(|bytes| bytes > 0);
    }
    match value(line.response_code_details) {
        Some(details) => details == b"via_upstream",
        None => value(line.upstream_host).is_some(),
    }
}

/// What lines are counted in.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    pub(super) lines: LineCounts,
    pub(super) formats: [u64; Format::ALL.len()],
    pub(super) groups: Table,
    pub(super) other_groups: u64,
    pub(super) duration_budget: usize,
}

impl Counts {
    /// The group of a key, which has that hash. `None` where it does not fit into the limit.
    #[inline(always)]
    pub(super) fn group_of(&mut self, key: &Key<'_>, hash: u32, limits: &Limits) -> Option<u32> {
        self.groups.find_or_insert(key, hash, limits.groups)
    }

    /// Counts a line in its group. `None` where there is none.
    #[inline(always)]
    pub(super) fn count(
        &mut self,
        sample: Sample,
        group: Option<u32>,
        reporter: Reporter,
        facts: Facts,
    ) -> Option<Counted> {
        self.lines.read += 1;
        self.lines.parsed += 1;
        self.lines.ambiguous += u64::from(facts.ambiguous);
        if let Some(count) = self.formats.get_mut(facts.format as usize) {
            *count += 1;
        }
        let Some((index, group)) = group.and_then(|index| Some((index, self.groups.get_mut(index)?))) else {
            self.other_groups += 1;
            return None;
        };
        group.count += 1;
        group.answered += u64::from(facts.answered);
        group.times.add(facts.time);
        if group.count <= SAMPLES as u64 {
            group.samples.add(sample);
        }
        if let Some(millis) = facts.duration {
            group.durations.add(millis, &mut self.duration_budget);
        }
        if let Some(count) = facts.sni.and_then(|sni| group.sni.get_mut(sni_index(sni))) {
            *count += 1;
        }
        Some(Counted { group: index, sample, time: facts.time, reporter })
    }
}

pub(super) fn sni_index(sni: Sni) -> usize {
    match sni {
        Sni::None => 0,
        Sni::Istio => 1,
        Sni::Other => 2,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_clock_reads_what_there_is(texts in prop::collection::vec("2026-1[12]-22T09:0[89]:[0-6][0-9a].[0-9]{3}(Z|z|[+]01:00)", 1..6)) {
            let mut clock = Clock::default();
            for text in &texts {
                prop_assert_eq!(clock.read(text.as_bytes()), parse_time(text.as_bytes()), "{:?}", texts);
            }
        }
    }
}
