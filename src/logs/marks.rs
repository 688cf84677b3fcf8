//! Where quotes and spaces stand in a line, found for many bytes at a time.
//!
//! Between them stand the fields of nearly all text layouts. Looking for each end behind the one before makes every
//! search wait for the last; with all places known, the fields are cut out independently of each other.

use wide::u8x16;

pub(super) mod registers;

use registers::Registers;

/// Bytes that one word of marks stands for.
pub(super) const WORD: usize = 64;
/// Lines of up to this many words are marked: 1,023 bytes. Longer ones are seldom.
const WORDS: usize = 16;

/// Words behind the last one of a line that can be looked at: none of its marks are there.
const BEHIND: usize = 3;

/// A bit for each byte of a line, and some words more than any line has: a look across its end needs no question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits([u64; WORDS + BEHIND]);

/// The marks of 64 bytes.
pub(super) struct Word {
    quotes: u64,
    spaces: u64,
    line_feeds: u64,
}

/// Where the quotes and spaces of a line stand. It is made once for many lines.
pub(super) struct Places {
    /// How long the line is.
    pub(super) length: usize,
    /// The first is in front of the line, and the end of the line is behind the last.
    quotes: [u32; ROOM],
    pub(super) spaces: Bits,
}

/// Quotes that a line may have.
pub(super) const QUOTES: usize = 22;

/// Quotes of 64 bytes whose places are noted in one go, wanted or not: asking first costs more.
const AT_ONCE: usize = 6;

/// Room for them and what is in front of and behind them: a power of two, so that no number of a quote is outside.
const ROOM: usize = 32;
const FRONT: u32 = u32::MAX;

impl Places {
    pub(super) const fn new() -> Self {
        Self { length: 0, quotes: [FRONT; ROOM], spaces: Bits([0; WORDS + BEHIND]) }
    }

    /// Notes the places of the first line of a text, and says how many quotes it has. `None` for one that has more than
    /// `most`, or that is too long or so near the end of the text that there is no whole word, or that has a colour;
    /// and, where it has to be `PRINTABLE`, for one that has any control character of ASCII, 0x7f among them.
    #[inline(always)]
    pub(super) fn note<const PRINTABLE: bool>(
        &mut self,
        registers: impl Registers,
        text: &[u8],
        most: usize,
    ) -> Option<usize> {
        if most > QUOTES {
            return None;
        }
        let (words, _) = text.as_chunks::<WORD>();
        let (mut count, mut base) = (1, 0);
        for (at, bytes) in words.iter().take(WORDS).enumerate() {
            let Word { quotes: mut left, spaces, line_feeds } = registers.word_of(bytes);
            // All bits where there is no line feed.
            let before = (line_feeds & line_feeds.wrapping_neg()).wrapping_sub(1);
            left &= before;
            let unwanted = if PRINTABLE { registers.controls_of(bytes) } else { registers.escapes_of(bytes) };
            if unwanted & before != 0 {
                return None;
            }
            *self.spaces.0.get_mut(at)? = spaces & before;
            let found = left.count_ones() as usize;
            if count + found > most + 1 {
                return None;
            }
            for place in self.quotes.get_mut(count..count + AT_ONCE)? {
                *place = base | left.trailing_zeros();
                left &= left.wrapping_sub(1);
            }
            // Where nearly every field is a dash.
            let rest = self.quotes.get_mut(count + AT_ONCE..);
            for place in rest.unwrap_or_default().iter_mut().take(found.saturating_sub(AT_ONCE)) {
                *place = base | left.trailing_zeros();
                left &= left.wrapping_sub(1);
            }
            count += found;
            if line_feeds != 0 {
                self.length = at * WORD + line_feeds.trailing_zeros() as usize;
                // The last quote is followed by the end.
                *self.quotes.get_mut(count)? = base | line_feeds.trailing_zeros();
                // The line before may have been longer.
                *self.spaces.0.get_mut(at + 1..)?.first_chunk_mut()? = [0; BEHIND];
                return Some(count - 1);
            }
            base += 64;
        }
        None
    }

    /// Takes these quotes for those from a number on.
    pub(super) fn keep<const M: usize>(&mut self, from: usize, numbers: [usize; M]) {
        let kept = numbers.map(|number| self.quotes.get(number + 1).copied().unwrap_or(0));
        if let Some(places) = self.quotes.get_mut(from + 1..=from + M) {
            places.copy_from_slice(&kept);
        }
    }

    /// Where a quote stands, by its number; the line ends at the one behind the last.
    #[inline(always)]
    pub(super) fn quote(&self, number: usize) -> usize {
        self.quotes.get((number + 1) % ROOM).map_or(0, |at| *at as usize)
    }

    /// Where the part between two quotes begins and ends, by the number of the one behind it.
    #[inline(always)]
    pub(super) fn part(&self, number: u8) -> (usize, usize) {
        let before = self.quotes.get(usize::from(number) % ROOM).map_or(0, |at| at.wrapping_add(1));
        (before as usize, self.quote(usize::from(number)))
    }
}

impl Bits {
    /// The marks of the 64 bytes from that one on.
    #[inline(always)]
    pub(super) fn from(&self, at: usize) -> u64 {
        let word = |index: usize| self.0.get(index).copied().unwrap_or(0);
        let shift = at % WORD;
        word(at / WORD) >> shift | (word(at / WORD + 1) << 1) << (WORD - 1 - shift)
    }

    /// The same, and those of the 64 bytes behind them.
    #[inline(always)]
    pub(super) fn two_from(&self, at: usize) -> (u64, u64) {
        let Some([first, second, third]) = self.0.get(at / WORD..).and_then(<[u64]>::first_chunk) else {
            return (0, 0);
        };
        let shift = at % WORD;
        let both = |low: u64, high: u64| low >> shift | (high << 1) << (WORD - 1 - shift);
        (both(*first, *second), both(*second, *third))
    }

    /// The same, without those from `end` on.
    #[inline(always)]
    pub(super) fn until(&self, at: usize, end: usize) -> u64 {
        let bits = self.from(at);
        if end < at + WORD { bits & ((1 << end.saturating_sub(at)) - 1) } else { bits }
    }
}

/// A number of up to eight digits, which are read together: <https://kholdstare.github.io/technical/2020/05/26/faster-integer-parsing.html>.
#[inline(always)]
pub(super) fn number_of(line: &[u8], (start, end): (usize, usize)) -> Option<u64> {
    const DIGITS: usize = 8;
    let count = end.checked_sub(start).filter(|count| (1..=DIGITS).contains(count))?;
    let Some(bytes) = line.get(..end)?.last_chunk::<DIGITS>() else {
        // At the beginning of a line.
        let digits = line.get(start..end)?.iter();
        return digits
            .map(|digit| digit.is_ascii_digit().then(|| u64::from(digit - b'0')))
            .try_fold(0, |number, digit| Some(number * 10 + digit?));
    };
    let word = u64::from_le_bytes(*bytes);
    // What stands before the number becomes zeros, which are digits of no worth.
    let before = 8 * (DIGITS - count);
    let digits = (word ^ 0x3030_3030_3030_3030) >> before << before;
    if (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(100 + (1_000_000 << 32));
    let high = (pairs >> 16 & 0x0000_00ff_0000_00ff).wrapping_mul(1 + (10_000 << 32));
    Some(low.wrapping_add(high) >> 32)
}

/// A bit for each byte that is a digit.
#[inline(always)]
pub(super) fn digits_of(bytes: &[u8; 16]) -> u32 {
    let values = u8x16::new(*bytes) - u8x16::splat(b'0');
    let nine = u8x16::splat(9);
    values.max(nine).simd_eq(nine).to_bitmask()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::registers::Narrow;
    use super::*;

    /// A place, how much of the line there gives way, and what comes instead.
    pub(in crate::logs) type Change = (prop::sample::Index, usize, &'static str);

    /// A line with changes, each put in place of as many bytes of what the ones before left.
    pub(in crate::logs) fn changed(line: &str, changes: &[Change]) -> String {
        let mut line = line.to_owned();
        for (at, length, piece) in changes {
            let at = if line.is_empty() { 0 } else { at.index(line.len()) };
            line.replace_range(at..(at + length).min(line.len()), piece);
        }
        line
    }

    proptest! {
        #[test]
        fn marks_are_where_the_bytes_are(
            line in prop::collection::vec(prop_oneof![Just(b'"'), Just(b' '), 1_u8..10, b'a'..=255_u8], 0..300),
            at in 0_usize..300,
        ) {
            // Farther behind a line nobody looks.
            let at = at.min(line.len() + 2 * WORD);
            let quotes: Vec<_> = line.iter().enumerate().filter(|(_, byte)| **byte == b'"').map(|(at, _)| at).collect();
            let text = [&*line, b"\n", &[b' '; 64]].concat();
            let mut places = Places::new();
            // What a line before left there is gone.
            places.note::<false>(Narrow, &[b' '; 64 * (WORDS + 1)], QUOTES);
            let noted = places.note::<false>(Narrow, &text, quotes.len());
            // Of more than there is room for nothing is said.
            prop_assert_eq!(noted, (quotes.len() <= QUOTES).then_some(quotes.len()));
            let control = line.iter().any(|byte| *byte < b' ' || *byte == 0x7f);
            prop_assert_eq!(places.note::<true>(Narrow, &text, quotes.len()), noted.filter(|_| !control));
            prop_assert_eq!(places.note::<false>(Narrow, &text, quotes.len().saturating_sub(1)), quotes.is_empty().then_some(0));
            if noted.is_some() {
                prop_assert_eq!(places.length, line.len());
                prop_assert_eq!((0..=quotes.len()).map(|number| places.quote(number)).collect::<Vec<_>>(), [&*quotes, &[line.len()]].concat());
                let spaces = (0..64).filter(|bit| line.get(at + bit) == Some(&b' ')).fold(0, |bits, bit| bits | 1_u64 << bit);
                prop_assert_eq!(places.spaces.from(at), spaces);
                prop_assert_eq!(places.spaces.until(at, at + 10), spaces & 0x3ff);
                if at <= line.len() {
                    prop_assert_eq!(places.spaces.two_from(at), (spaces, places.spaces.from(at + 64)));
                }
            }
        }

        #[test]
        fn bytes_of_a_kind(text in prop::collection::vec(prop_oneof![20 => b' '..0x7f, 1 => any::<u8>()], 0..60)) {
            if let Some(first) = text.first_chunk() {
                let digits = (0..16).filter(|at| text[*at].is_ascii_digit()).fold(0, |bits, at| bits | 1 << at);
                prop_assert_eq!(digits_of(first), digits);
            }
        }

        #[test]
        fn numbers(text in "[0-9a ]{0,12}", start in 0_usize..12, length in 0_usize..12) {
            let end = (start + length).min(text.len());
            let start = start.min(end);
            let wanted = text.get(start..end).unwrap().parse::<u64>().ok().filter(|_| end - start <= 8);
            prop_assert_eq!(number_of(text.as_bytes(), (start, end)), wanted);
        }
    }
}
