//! Lines out of blocks that come one by one.

use super::blocks::LONGEST;

/// Cuts what is added into lines. A line that is not ended yet waits, up to the longest that is read.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    begun: Vec<u8>,
    number: u64,
    skipping: bool,
}

impl Splitter {
    /// Hands on the lines that are whole by these bytes, with their numbers, from 1.
    pub(super) fn add(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(u64, &[u8])) {
        while let Some(at) = memchr::memchr(b'\n', bytes) {
            let Some((line, rest)) = bytes.split_at_checked(at) else { return };
            bytes = rest.get(1..).unwrap_or_default();
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            self.number += 1;
            if self.begun.is_empty() {
                each(self.number, self.without_mark(line));
            } else {
                self.begun.extend_from_slice(line);
                each(self.number, self.without_mark(&self.begun));
                self.begun.clear();
            }
        }
        if self.skipping {
            return;
        }
        self.begun.extend_from_slice(bytes);
        if self.begun.len() >= LONGEST {
            self.end(each);
        }
    }

    /// Hands on a line that has no end. What comes of it later is left out.
    pub(super) fn end(&mut self, each: &mut dyn FnMut(u64, &[u8])) {
        if !self.begun.is_empty() {
            self.number += 1;
            each(self.number, self.without_mark(&self.begun));
            self.begun = Vec::new();
            self.skipping = true;
        }
    }

    /// The first line without the mark that some programs put at the beginning of a file in UTF-8.
    fn without_mark<'l>(&self, line: &'l [u8]) -> &'l [u8] {
        line.strip_prefix(&[0xef, 0xbb, 0xbf]).filter(|_| self.number == 1).unwrap_or(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::blocks;

    #[test]
    fn blocks_of_any_size_give_the_lines_of_the_whole() {
        let text = "\u{feff}one\r\n\n\ntwo\nthe last";
        let mut wanted = Vec::new();
        blocks::lines(
            text.trim_start_matches('\u{feff}').as_bytes(),
            blocks::Handing::Full,
            |number, line| {
                wanted.push((number, line.to_vec()));
            },
        )
        .unwrap();
        for size in 1..=text.len() {
            let (mut lines, mut seen) = (Splitter::default(), Vec::new());
            let mut each = |number, line: &[u8]| seen.push((number, line.to_vec()));
            text.as_bytes().chunks(size).for_each(|block| lines.add(block, &mut each));
            lines.end(&mut each);
            assert_eq!(seen, wanted, "{size}");
        }
    }

    #[test]
    fn a_line_without_end_is_cut_and_its_rest_left_out() {
        let (mut lines, mut seen) = (Splitter::default(), Vec::new());
        let mut each = |number, line: &[u8]| seen.push((number, line.len()));
        let block = vec![b'x'; LONGEST / 2 + 1];
        for _ in 0..5 {
            lines.add(&block, &mut each);
        }
        lines.add(b"rest\nnext\n", &mut each);
        assert_eq!(seen, [(1, LONGEST + 2), (2, 4)]);
    }
}
