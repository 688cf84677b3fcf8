//! A text in blocks of whole lines, and the lines of it.

use std::io::{ErrorKind, Read, Result};

use super::BLOCK;

/// A line longer than this is read up to here and its rest skipped: no proxy writes one.
pub(super) const LONGEST: usize = 4 * 1024 * 1024;

/// When a block is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handing {
    /// As soon as there is a whole line: somebody waits for it.
    Soon,
    /// When it is full.
    Full,
}

/// Cuts a text into blocks of whole lines.
#[derive(Debug)]
pub(super) struct Blocks<R> {
    text: R,
    handing: Handing,
    /// What was read behind the last whole line.
    carry: Vec<u8>,
    /// Within a line that was too long.
    skipping: bool,
    ended: bool,
    failed: Option<std::io::Error>,
}

impl<R: Read> Blocks<R> {
    /// Blocks of a text.
    pub(super) fn new(text: R, handing: Handing) -> Self {
        Self { text, handing, carry: Vec::new(), skipping: false, ended: false, failed: None }
    }

    /// The next block, in the memory of `spent`: lines with their line feeds. Only the last line of a block can be
    /// without, at the end of the text or where a line is too long. `None` at the end. What was read before an error
    /// is handed on before it.
    pub(super) fn next(&mut self, spent: Vec<u8>) -> Result<Option<Vec<u8>>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        // What is in it stays, and is written over: clearing costs as much as reading.
        let mut block = spent;
        let mut filled = self.carry.len();
        if block.len() < filled {
            block.resize(filled, 0);
        }
        if let Some(begin) = block.get_mut(..filled) {
            begin.copy_from_slice(&self.carry);
        }
        self.carry.clear();
        // Where the last whole line ends.
        let mut whole = 0;
        while !self.ended {
            let room = if filled < BLOCK { BLOCK } else { (filled * 2).min(LONGEST) };
            if block.len() < room {
                block.resize(room, 0);
            }
            let mut begin = filled;
            match self.text.read(block.get_mut(filled..room).unwrap_or_default()) {
                Ok(0) => self.ended = true,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => (self.ended, self.failed) = (true, Some(error)),
            }
            if self.skipping {
                let read = block.get(..filled).unwrap_or_default();
                let Some(newline) = memchr::memchr(b'\n', read) else {
                    filled = 0;
                    continue;
                };
                block.copy_within(newline + 1..filled, 0);
                (begin, filled) = (0, filled - newline - 1);
                self.skipping = false;
            }
            let new = block.get(begin..filled).unwrap_or_default();
            if let Some(newline) = memchr::memrchr(b'\n', new) {
                whole = begin + newline + 1;
            } else if self.ended {
                break;
            }
            if whole > 0 && (self.handing == Handing::Soon || filled >= BLOCK) {
                break;
            }
            if whole == 0 && filled >= LONGEST {
                self.skipping = true;
                block.truncate(filled);
                return Ok(Some(block));
            }
        }
        block.truncate(filled);
        if !self.ended {
            self.carry.extend_from_slice(block.get(whole..).unwrap_or_default());
            block.truncate(whole);
        }
        match self.failed.take() {
            Some(error) if block.is_empty() => Err(error),
            failed => {
                self.failed = failed;
                Ok((!block.is_empty()).then_some(block))
            }
        }
    }
}

impl<R> Blocks<R> {
    /// Whether everything was handed on.
    pub(super) fn is_over(&self) -> bool {
        self.ended && self.failed.is_none()
    }

    /// Whether the text is within a line that was too long.
    pub(super) fn is_skipping(&self) -> bool {
        self.skipping
    }
}

/// Hands on each line with its number, from 1, without its line end. The number of the last is returned where it has
/// no line end.
pub(super) fn lines(
    text: impl Read,
    handing: Handing,
    mut each: impl FnMut(u64, &[u8]),
) -> Result<Option<u64>> {
    lines_while(text, handing, |number, line| {
        each(number, line);
        true
    })
}

/// The same as long as more lines are wanted.
pub(super) fn lines_while(
    text: impl Read,
    handing: Handing,
    mut wants_more: impl FnMut(u64, &[u8]) -> bool,
) -> Result<Option<u64>> {
    let mut blocks = Blocks::new(text, handing);
    let (mut block, mut number, mut unended) = (Vec::new(), 0, false);
    while let Some(next) = blocks.next(block)? {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &next) {
            number += 1;
            if !wants_more(number, next.get(start..end).unwrap_or_default()) {
                return Ok(None);
            }
            start = end + 1;
        }
        unended = start < next.len();
        if unended {
            number += 1;
            if !wants_more(number, next.get(start..).unwrap_or_default()) {
                return Ok(None);
            }
        }
        block = next;
    }
    Ok((unended && !blocks.skipping).then_some(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text that comes in pieces of that size.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            let size = self.1.min(buffer.len());
            self.0
                .take(size as u64)
                .read(buffer)
                .inspect(|read| self.0 = self.0.get(*read..).unwrap_or_default())
        }
    }

    fn seen(text: &[u8], piece: usize, handing: Handing) -> (Vec<(u64, usize)>, Option<u64>) {
        let mut seen = Vec::new();
        let last =
            lines(Pieces(text, piece), handing, |number, line| seen.push((number, line.len()))).unwrap();
        (seen, last)
    }

    #[test]
    fn lines_are_whole_whatever_the_blocks() {
        let text = format!("a\r\n{}\n\nlast", "x".repeat(BLOCK * 3));
        for (piece, handing) in [
            (usize::MAX, Handing::Full),
            (1000, Handing::Full),
            (1000, Handing::Soon),
            (BLOCK - 1, Handing::Soon),
        ] {
            let (lines, last) = seen(text.as_bytes(), piece, handing);
            assert_eq!(lines, [(1, 2), (2, BLOCK * 3), (3, 0), (4, 4)]);
            assert_eq!(last, Some(4));
        }
    }

    #[test]
    fn a_line_without_end_costs_bounded_memory_and_one_number() {
        let text = [vec![b'x'; LONGEST * 2 + 5], b"\nnext\n".to_vec()].concat();
        for piece in [usize::MAX, 70_000] {
            assert_eq!(seen(&text, piece, Handing::Full), (vec![(1, LONGEST), (2, 4)], None));
            let cut = text.get(..LONGEST + 9).unwrap();
            assert_eq!(seen(cut, piece, Handing::Soon).0, [(1, LONGEST)]);
        }
    }

    #[test]
    fn a_block_is_handed_on_soon_or_full() {
        let text = "line\n".repeat(10);
        let first =
            |handing| Blocks::new(Pieces(text.as_bytes(), 12), handing).next(Vec::new()).unwrap().unwrap();
        assert_eq!(first(Handing::Soon).len(), 10);
        assert_eq!(first(Handing::Full).len(), 50);
    }

    #[test]
    fn what_was_read_before_an_error_is_handed_on() {
        struct Broken(bool);
        impl Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(std::io::Error::other("cut"));
                }
                b"one\ntw".as_slice().read(buffer)
            }
        }
        for handing in [Handing::Soon, Handing::Full] {
            let mut seen = Vec::new();
            let read = lines(Broken(false), handing, |_, line| seen.push(line.to_vec()));
            assert_eq!(seen, [b"one".to_vec(), b"tw".to_vec()]);
            assert_eq!(read.unwrap_err().to_string(), "cut");
        }
    }

    #[test]
    fn nothing_and_a_lone_line_end() {
        assert_eq!(seen(b"", 1, Handing::Full), (vec![], None));
        assert_eq!(seen(b"\n", 1, Handing::Full), (vec![(1, 0)], None));
    }
}
