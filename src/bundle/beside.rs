//! Reads the lines of one log on several threads.
//!
//! Every thread does whatever comes next: it folds the blocks whose turn it is, if nobody else does, or it takes the
//! next block of the text and reads its lines. Blocks are folded in the order of the text, so the outcome is that of
//! one thread; and a thread that folds keeps none of the others waiting, unless they are far ahead.

use std::collections::BTreeMap;
use std::io::{Read, Result};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::blocks::Blocks;
use crate::logs::{Aggregate, Block, SourceId};

/// Blocks that may wait for their turn, for each thread.
const AHEAD: usize = 3;
/// More threads than this would wait for the one that folds.
const MOST: usize = 6;

/// How many threads a log is read on.
pub(super) fn threads() -> usize {
    rayon::current_num_threads().min(MOST)
}

struct Input<R> {
    blocks: Blocks<R>,
    /// The number of the next block; none when the text has ended, with or without an error.
    next: Option<u64>,
    failed: Option<std::io::Error>,
}

struct Fold<'a> {
    logs: &'a mut Aggregate,
    /// The number of the block whose turn it is, and that of its first line.
    block: u64,
    line: u64,
    /// The last line, where it has no line feed, and whether it is one of an access log.
    unended: Option<(u64, bool)>,
}

struct Shared<'a, R> {
    input: Mutex<Input<R>>,
    fold: Mutex<Fold<'a>>,
    ready: Mutex<BTreeMap<u64, Block>>,
    spent: Mutex<Vec<Block>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Folds the lines of a text into the logs. The number of the last line is returned where it has no line feed, with
/// whether it is one of an access log.
pub(super) fn fold_lines<R: Read + Send>(
    blocks: Blocks<R>,
    source: SourceId,
    logs: &mut Aggregate,
    threads: usize,
) -> (Option<(u64, bool)>, Result<()>) {
    let reader = logs.block_reader(source);
    let shared = Shared {
        input: Mutex::new(Input { blocks, next: Some(0), failed: None }),
        fold: Mutex::new(Fold { logs, block: 0, line: 1, unended: None }),
        ready: Mutex::default(),
        spent: Mutex::default(),
    };
    let fold_ready = |mut fold: MutexGuard<'_, Fold<'_>>| {
        while let Some(mut block) = {
            let turn = fold.block;
            lock(&shared.ready).remove(&turn)
        } {
            let first = fold.line;
            let access = fold.logs.add_block(source, &reader, first, &mut block);
            fold.block += 1;
            fold.line += block.lines();
            fold.unended = (!block.is_ended()).then(|| (fold.line.saturating_sub(1), access));
            lock(&shared.spent).push(block);
        }
    };
    // False at the end of the text.
    let step = || {
        if let Ok(fold) = shared.fold.try_lock() {
            fold_ready(fold);
        }
        if lock(&shared.ready).len() > AHEAD * threads {
            fold_ready(lock(&shared.fold));
        }
        let mut spent = lock(&shared.spent).pop().unwrap_or_default();
        let text = spent.take_text();
        let Some((number, text)) = next_block(&mut lock(&shared.input), text) else { return false };
        let block = reader.read(text, spent);
        lock(&shared.ready).insert(number, block);
        true
    };
    // What is one block only is not worth a thread.
    step();
    if !lock(&shared.input).blocks.is_over() {
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| while step() {});
            }
            while step() {}
        });
    }
    // The last blocks may have become ready while another thread was about to stop folding.
    fold_ready(lock(&shared.fold));
    let input = shared.input.into_inner().unwrap_or_else(PoisonError::into_inner);
    let unended = lock(&shared.fold).unended.filter(|_| !input.blocks.is_skipping());
    (unended, input.failed.map_or(Ok(()), Err))
}

fn next_block<R: Read>(input: &mut Input<R>, spent: Vec<u8>) -> Option<(u64, Vec<u8>)> {
    let number = input.next.take()?;
    match input.blocks.next(spent) {
        Ok(text) => {
            let text = text?;
            input.next = Some(number + 1);
            Some((number, text))
        }
        Err(error) => {
            input.failed = Some(error);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::bundle::blocks::Handing;
    use crate::logs::SourceName;

    fn said(text: &str, threads: usize) -> String {
        let mut logs = Aggregate::new();
        let source = logs.add_source(SourceName { file: "a.log".into(), pod: None });
        let blocks = Blocks::new(text.as_bytes(), Handing::Full);
        let (last, read) = fold_lines(blocks, source, &mut logs, threads);
        read.unwrap();
        format!("{last:?} {:?} {:?}", logs.lines(), logs.groups().collect::<Vec<_>>())
    }

    #[test]
    fn any_number_of_threads_counts_the_same() {
        let mut text = String::new();
        for number in 0..20_000 {
            let (service, port, failed) = (number % 11, 1024 + number % 60_000, number % 9 == 0);
            let code = if failed { "503 UC" } else { "200 -" };
            let _ = writeln!(
                text,
                "[2026-11-22T09:09:09.{:03}Z] \"GET /{number} HTTP/1.1\" {code} via_upstream - \"-\" 0 9 {number} 1 \"-\" \"c\" \"id-{number}\" \"h\" \"10.2.0.1:9080\" outbound|9080||s{service}.n.svc.cluster.local 10.1.0.2:{port} 10.96.0.1:9080 10.1.0.9:1 - default",
                number % 1000
            );
            if number % 1000 == 0 {
                text.push_str("info\tready\n");
            }
        }
        for end in ["", "[2026-11-22T09:09:09.000Z] \"GET"] {
            let text = format!("{text}{end}");
            let one = said(&text, 1);
            assert!(one.contains("parsed: 20000"));
            assert_eq!(said(&text, 2), one);
            assert_eq!(said(&text, 5), one);
        }
    }

    #[test]
    fn an_empty_text_is_read() {
        assert!(said("", 3).starts_with("None"));
    }
}
