//! The keys of the lines of a block, each kept once.
//!
//! Lines of one source have few different keys. Whoever folds the block looks each of them up once, and has no need of
//! the text, which another thread has just written and whose bytes would have to come from there. A block that is used
//! again keeps its keys, as the next lines will have most of them.

use super::Limits;
use super::counts::Counts;
use super::slots::Slots;
use super::table::{Fixed, Key, PARTS, are_parts, parts_of};

/// Beyond so many a block forgets its keys before it is used again.
pub(super) const KEPT: usize = 4096;

/// Keys by their numbers, in the order in which they were first seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    all: Vec<Kept>,
    /// Their texts, one behind the other.
    text: Vec<u8>,
    slots: Slots,
    groups: Vec<Known>,
}

/// What is known of the group of a key.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// It has not been looked up.
    Nothing,
    /// There is no room for it.
    None,
    Group(u32),
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    fixed: Fixed,
    hash: u32,
    /// Where its text begins, and where each part ends, counted from there.
    start: usize,
    ends: [u32; PARTS],
}

impl Keys {
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.text.clear();
        self.slots.clear();
        self.groups.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The group of the key of that number, which is looked up once, with the key and its hash.
    #[inline]
    pub(super) fn group(
        &mut self,
        number: u32,
        look_up: impl FnOnce(&Key<'_>, u32) -> Option<u32>,
    ) -> Option<u32> {
        let at = number as usize;
        match self.groups.get(at) {
            Some(Known::Group(group)) => return Some(*group),
            Some(Known::None) => return None,
            Some(Known::Nothing) | None => {}
        }
        let (key, hash) = self.get(number)?;
        let group = look_up(&key, hash);
        if self.groups.len() <= at {
            self.groups.resize(self.all.len(), Known::Nothing);
        }
        *self.groups.get_mut(at)? = group.map_or(Known::None, Known::Group);
        group
    }

    /// The key of that number, and its hash.
    pub(super) fn get(&self, number: u32) -> Option<(Key<'_>, u32)> {
        let kept = self.all.get(number as usize)?;
        let parts = parts_of(self.text.get(kept.start..)?, &kept.ends);
        Some((Key { fixed: kept.fixed, parts }, kept.hash))
    }

    /// The number of a key, which has that hash. `None` where there is no room for its text.
    #[inline(always)]
    pub(super) fn number_of(&mut self, key: &Key<'_>, hash: u32) -> Option<u32> {
        let found = self.slots.find(
            hash,
            #[inline(always)]
            |number| self.all.get(number as usize).is_some_and(|kept| self.is(kept, key)),
        );
        if found.is_some() {
            return found;
        }
        // A copy: what is handed on by reference is in memory, also where it is not handed on.
        let key = *key;
        self.insert(&key, hash)
    }

    #[inline(always)]
    fn is(&self, kept: &Kept, key: &Key<'_>) -> bool {
        let text = self.text.get(kept.start..).unwrap_or_default();
        kept.fixed == key.fixed && are_parts(&key.parts, text, &kept.ends)
    }

    #[inline(never)]
    fn insert(&mut self, key: &Key<'_>, hash: u32) -> Option<u32> {
        let number = u32::try_from(self.all.len()).ok().filter(|number| *number != u32::MAX)?;
        let (mut ends, mut end) = ([0; PARTS], 0);
        for (part, place) in key.parts.iter().zip(&mut ends) {
            end += part.len();
            *place = u32::try_from(end).ok()?;
        }
        let start = self.text.len();
        key.parts.iter().for_each(|part| self.text.extend_from_slice(part));
        self.all.push(Kept { fixed: key.fixed, hash, start, ends });
        self.slots.add(hash, number);
        Some(number)
    }
}

/// The key of a line.
pub(super) trait LineKey {
    fn key(&self) -> Option<Key<'_>>;

    /// Its group; `None` where it does not fit into the limit.
    fn group(&mut self, counts: &mut Counts, limits: &Limits) -> Option<u32>;
}

impl LineKey for (Key<'_>, u32) {
    #[inline(always)]
    fn key(&self) -> Option<Key<'_>> {
        Some(self.0)
    }

    #[inline(always)]
    fn group(&mut self, counts: &mut Counts, limits: &Limits) -> Option<u32> {
        counts.group_of(&self.0, self.1, limits)
    }
}

/// By its number among the keys of a block.
impl LineKey for (&mut Keys, u32) {
    fn key(&self) -> Option<Key<'_>> {
        self.0.get(self.1).map(|(key, _)| key)
    }

    #[inline(always)]
    fn group(&mut self, counts: &mut Counts, limits: &Limits) -> Option<u32> {
        self.0.group(self.1, |key, hash| counts.group_of(key, hash, limits))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logs::aggregate::table::PodKind;
    use crate::logs::response_flags::FlagSet;
    use crate::logs::upstream_cluster::Reporter;

    fn key(parts: [&[u8]; PARTS], code: u16) -> Key<'_> {
        let fixed = Fixed {
            reporter: Reporter::Client,
            pod: PodKind::Address,
            response_code: Some(code),
            flags: FlagSet::default(),
            own_port: 0,
            ambiguous: false,
        };
        Key { fixed, parts }
    }

    proptest! {
        /// Whatever the hashes are: equal keys have one number, and others another.
        #[test]
        fn each_key_has_a_number(lines in prop::collection::vec(("[ab]{0,3}", "[ab]{0,2}", 0_u16..3), 0..2000)) {
            let mut keys = Keys::default();
            for _ in 0..2 {
                keys.clear();
                let mut seen = Vec::new();
                for (first, last, code) in &lines {
                    let parts: [&[u8]; PARTS] = [first.as_bytes(), b"", last.as_bytes(), b"", b"", b"x"];
                    let wanted = seen.iter().position(|known| *known == (first, last, code)).unwrap_or(seen.len());
                    if wanted == seen.len() {
                        seen.push((first, last, code));
                    }
                    // Equal keys have equal hashes; others may have.
                    let hash = if *code == 0 { 7 } else { u32::from(*code) + u32::try_from(first.len()).unwrap() };
                    let number = keys.number_of(&key(parts, *code), hash);
                    prop_assert_eq!(number.map(|number| number as usize), Some(wanted));
                    let (found, its) = keys.get(number.unwrap()).unwrap();
                    prop_assert_eq!((found.parts, found.fixed.response_code, its), (parts, Some(*code), hash));
                }
                prop_assert_eq!(keys.len(), seen.len());
                for number in 0..u32::try_from(seen.len()).unwrap() {
                    let wanted = (number % 3 > 0).then_some(number + 5);
                    prop_assert_eq!(keys.group(number, |_, _| wanted), wanted);
                    prop_assert_eq!(keys.group(number, |_, _| Some(1)), wanted);
                }
            }
            prop_assert!(keys.get(u32::MAX).is_none());
        }
    }
}
