//! The last lines as they were written, within fixed memory, for whoever wants to look at them again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::aggregate::{GroupIndex, PodOf, SourceName, Watch};
use super::fields::AnyLine;

/// So many lines are kept, so many bytes of them all, and of each so many.
const MOST: usize = 100_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;
const LONGEST: usize = 64 * 1024;

/// A line that is kept.
#[derive(Debug, Clone)]
pub struct RecentLine {
    /// Where it comes from.
    pub source: SourceName,
    /// Its number there.
    pub number: u64,
    /// Its number among all access lines that were read. Numbers in a file begin again where it is rotated or emptied.
    pub serial: u64,
    /// The line. It is shared with whoever looks at it.
    pub raw: Arc<[u8]>,
    /// Whether its end is missing, because it is longer than what is kept of a line.
    pub is_cut: bool,
    /// The group in which it was counted.
    pub group: Option<GroupIndex>,
}

/// The last lines.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    source: Option<SourceName>,
    number: u64,
    raw: Vec<u8>,
    is_cut: bool,
    lines: VecDeque<RecentLine>,
    bytes: usize,
    seen: u64,
}

impl Kept {
    /// Makes room for a line.
    fn make_room(&mut self, bytes: usize) {
        while self.lines.len() >= MOST || self.bytes + bytes > MOST_BYTES {
            let Some(gone) = self.lines.pop_front() else { return };
            self.bytes -= gone.raw.len();
        }
    }
}

impl Recent {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines, the oldest first, and how many there were in all.
    pub fn lines(&self) -> (Vec<RecentLine>, u64) {
        let kept = self.kept();
        (kept.lines.iter().cloned().collect(), kept.seen)
    }
}

impl Watch for Recent {
    fn line(&self, source: &SourceName, number: u64, bytes: &[u8]) {
        let mut kept = self.kept();
        if kept.source.as_ref() != Some(source) {
            kept.source = Some(source.clone());
        }
        kept.number = number;
        kept.raw.clear();
        kept.raw.extend_from_slice(bytes.get(..LONGEST.min(bytes.len())).unwrap_or_default());
        kept.is_cut = bytes.len() > LONGEST;
    }

    fn access(&self, _: AnyLine<'_>, _: &PodOf, group: Option<GroupIndex>) {
        let mut kept = self.kept();
        kept.seen += 1;
        let Some(source) = kept.source.clone() else { return };
        let raw: Arc<[u8]> = Arc::from(kept.raw.as_slice());
        let (number, serial, is_cut) = (kept.number, kept.seen, kept.is_cut);
        kept.make_room(raw.len());
        kept.bytes += raw.len();
        kept.lines.push_back(RecentLine { source, number, serial, raw, is_cut, group });
    }

    fn other(&self) {}

    fn goes_on(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::Aggregate;
    use std::sync::Arc;

    #[test]
    fn the_last_lines_are_kept_and_all_are_counted() {
        let recent = Arc::new(Recent::default());
        let mut logs = Aggregate::new();
        let watch: Arc<dyn Watch> = Arc::<Recent>::clone(&recent);
        logs.set_watch(Some(watch));
        let source = logs.add_source(SourceName { file: "a.log".into(), pod: None });
        let line = "[2026-03-02T09:00:00.101Z] \"GET / HTTP/1.1\" 200 - 0 91 12 - \"-\" \"curl\" \"id\" \"cart\" \
                    \"10.8.1.8:80\"";
        for number in 1..=MOST as u64 + 10 {
            logs.add_line(source, number, line.as_bytes());
            logs.add_line(source, number, b"none of the log");
        }
        let (lines, seen) = recent.lines();
        assert_eq!((lines.len(), seen), (MOST, MOST as u64 + 10));
        assert_eq!((lines[0].number, &*lines[0].raw), (11, line.as_bytes()));
    }

    #[test]
    fn long_lines_are_kept_within_the_same_memory() {
        let recent = Arc::new(Recent::default());
        let mut logs = Aggregate::new();
        let watch: Arc<dyn Watch> = Arc::<Recent>::clone(&recent);
        logs.set_watch(Some(watch));
        let source = logs.add_source(SourceName { file: "a.log".into(), pod: None });
        let line = |length: usize| {
            format!(
                "[2026-03-02T09:00:00.101Z] \"GET /{} HTTP/1.1\" 200 - 0 91 12 - \"-\" \"curl\" \"id\" \"cart\" \
                 \"10.8.1.8:80\"",
                "a".repeat(length)
            )
        };
        let (long, longer) = (line(LONGEST / 2), line(2 * LONGEST));
        for number in 1..=2 * (MOST_BYTES / long.len()) as u64 {
            logs.add_line(source, number, long.as_bytes());
        }
        logs.add_line(source, 9, longer.as_bytes());
        let (lines, _) = recent.lines();
        let held: usize = lines.iter().map(|line| line.raw.len()).sum();
        assert!(held <= MOST_BYTES && held > MOST_BYTES / 2, "{held}");
        assert_eq!((lines[0].raw.len(), lines[0].is_cut), (long.len(), false), "a long line is kept whole");
        let last = lines.last().unwrap();
        assert_eq!((last.raw.len(), last.is_cut), (LONGEST, true));
    }
}
