//! Finding a byte in short text. Most fields of a line have fewer bytes than a vectorised search takes to set up,
//! so the first bytes are looked at eight at a time, and only what is longer is searched with `memchr`.

/// How many times eight bytes are looked at before the vectorised search.
const STEPS: usize = 4;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Marks the bytes that are zero: the lowest mark is always right.
/// <https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord>
#[inline(always)]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & HIGH
}

/// Where `byte` first stands.
#[inline(always)]
pub(in crate::logs) fn find(text: &[u8], byte: u8) -> Option<usize> {
    let pattern = LOW * u64::from(byte);
    search(text, |word| zeros(word ^ pattern), |found| found == byte, |rest| memchr::memchr(byte, rest))
}

/// Where either of two bytes first stands.
#[inline(always)]
pub(in crate::logs) fn find_either(text: &[u8], one: u8, two: u8) -> Option<usize> {
    let (first, second) = (LOW * u64::from(one), LOW * u64::from(two));
    search(
        text,
        |word| zeros(word ^ first) | zeros(word ^ second),
        |found| found == one || found == two,
        |rest| memchr::memchr2(one, two, rest),
    )
}

#[inline(always)]
fn search(
    text: &[u8],
    marks: impl Fn(u64) -> u64,
    is_wanted: impl Fn(u8) -> bool,
    long: impl FnOnce(&[u8]) -> Option<usize>,
) -> Option<usize> {
    let mut rest = text;
    let mut at = 0;
    for _ in 0..STEPS {
        let Some((word, after)) = rest.split_first_chunk() else {
            return rest.iter().position(|&found| is_wanted(found)).map(|index| at + index);
        };
        let marked = marks(u64::from_le_bytes(*word));
        if marked != 0 {
            return Some(at + (marked.trailing_zeros() / 8) as usize);
        }
        rest = after;
        at += 8;
    }
    long(rest).map(|index| at + index)
}

/// The text up to `byte` and the text behind it.
#[inline(always)]
pub(super) fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let (before, after) = text.split_at_checked(find(text, byte)?)?;
    Some((before, after.get(1..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_same_as_memchr(text in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b' '), Just(b'!'), Just(0xa0)], 0..80), start in 0_usize..40) {
            let text = text.get(start..).unwrap_or_default();
            prop_assert_eq!(find(text, b'"'), memchr::memchr(b'"', text));
            prop_assert_eq!(find(text, b' '), memchr::memchr(b' ', text));
            prop_assert_eq!(find_either(text, b' ', b'!'), memchr::memchr2(b' ', b'!', text));
        }
    }
}
