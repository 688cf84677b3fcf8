//! The last lines as they were written, within fixed memory, for whoever wants to look at them again.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::aggregate::{GroupIndex, PodOf, SourceName, Watch};
use super::fields::AnyLine;

/// So many lines are kept, and of each so much.
const MOST: usize = 5000;
const LONGEST: usize = 4096;

/// A line that is kept.
#[derive(Debug, Clone)]
pub struct RecentLine {
    /// Where it comes from.
    pub source: SourceName,
    /// Its number there.
    pub number: u64,
    /// The line.
    pub raw: Vec<u8>,
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
    lines: VecDeque<RecentLine>,
    seen: u64,
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
    }

    fn access(&self, _: AnyLine<'_>, _: &PodOf, group: Option<GroupIndex>) {
        let mut kept = self.kept();
        kept.seen += 1;
        let Some(source) = kept.source.clone() else { return };
        // The text of a line that goes is the room for the next one.
        let gone = if kept.lines.len() >= MOST { kept.lines.pop_front() } else { None };
        let room = gone.map(|line| line.raw).unwrap_or_default();
        let raw = std::mem::replace(&mut kept.raw, room);
        let number = kept.number;
        kept.lines.push_back(RecentLine { source, number, raw, group });
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
}
