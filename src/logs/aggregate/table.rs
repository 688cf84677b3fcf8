//! The groups, and finding the one of a line without allocating.
//!
//! A key is looked up from borrowed bytes and copied only when its group is new.

use super::evidence::EvidenceStore;
use super::quantiles::Quantiles;
use super::slots::Slots;
use super::{FirstSamples, TimeRange};
use crate::logs::response_flags::FlagSet;
use crate::logs::upstream_cluster::Reporter;

/// How the reporter's pod is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PodKind {
    /// `NAMESPACE/NAME`.
    Named,
    /// An address without port.
    Address,
    Unknown,
}

/// The parts of a key that are text: pod, upstream cluster, response code details, connection termination details,
/// transport failure reason, peer. A part without value is empty.
pub(super) const PARTS: usize = 6;

/// What makes two lines one group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) fixed: Fixed,
    pub(super) parts: [&'a [u8]; PARTS],
}

/// The parts of a key that are not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fixed {
    pub(super) reporter: Reporter,
    pub(super) pod: PodKind,
    pub(super) response_code: Option<u16>,
    pub(super) flags: FlagSet,
    /// The reporter's own port, of connections that no filter chain wanted; 0 for all others.
    pub(super) own_port: u16,
    /// A caller's text makes more than one reading of the lines possible (data fact 17).
    pub(super) ambiguous: bool,
}

impl Key<'_> {
    #[inline(always)]
    pub(super) fn hash(&self) -> u32 {
        let code = self.fixed.response_code.map_or(u64::from(u16::MAX), u64::from);
        let small = code << 8 | (self.fixed.reporter as u64) << 4 | self.fixed.pod as u64;
        let mut hash = (self.fixed.flags.as_u64() << 24 ^ small ^ u64::from(self.fixed.own_port) << 48)
            .wrapping_mul(MIX);
        for part in self.parts {
            hash = add_text(hash, part);
        }
        // Both halves: the low bits choose the slot, and all of them are compared before the key is.
        #[expect(clippy::cast_possible_truncation, reason = "a hash is folded")]
        let folded = (hash ^ (hash >> 32)) as u32;
        folded
    }
}

/// An odd number without pattern: the fraction of the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// Adds a text to a hash, eight bytes at a time; the last eight may be among those before them.
#[inline(always)]
fn add_text(mut hash: u64, text: &[u8]) -> u64 {
    let mut add = |word: u64| hash = (hash.rotate_left(23) ^ word).wrapping_mul(MIX);
    let (words, rest) = text.as_chunks::<8>();
    if let Some(last) = text.last_chunk() {
        for word in words {
            add(u64::from_le_bytes(*word));
        }
        add(u64::from_le_bytes(*last));
    } else if let ([first, ..], [.., last]) = (rest, rest) {
        let middle = rest.get(rest.len() / 2).copied().unwrap_or(0);
        let all = rest.first_chunk::<4>().map_or(0, |four| u64::from(u32::from_le_bytes(*four)));
        let four = rest.last_chunk::<4>().map_or(0, |four| u64::from(u32::from_le_bytes(*four)));
        add(all << 32 | four ^ u64::from(*first) << 24 ^ u64::from(middle) << 16 ^ u64::from(*last));
    }
    hash
}

/// One group as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) fixed: Fixed,
    /// The parts of the key, one behind the other.
    text: Box<[u8]>,
    /// Where each part ends.
    ends: [u32; PARTS],
    pub(super) count: u64,
    /// Lines that the other side answered.
    pub(super) answered: u64,
    pub(super) times: TimeRange,
    pub(super) durations: Quantiles,
    pub(super) samples: FirstSamples,
    /// Lines with an SNI field, by its kind: none, Istio's, another.
    pub(super) sni: [u64; 3],
    pub(super) evidence: Option<Box<EvidenceStore>>,
}

impl Stored {
    fn new(key: &Key<'_>) -> Option<Self> {
        let mut text = Vec::with_capacity(key.parts.iter().map(|part| part.len()).sum());
        let mut ends = [0; PARTS];
        for (part, end) in key.parts.iter().zip(&mut ends) {
            text.extend_from_slice(part);
            *end = u32::try_from(text.len()).ok()?;
        }
        Some(Self {
            fixed: key.fixed,
            text: text.into_boxed_slice(),
            ends,
            count: 0,
            answered: 0,
            times: TimeRange::default(),
            durations: Quantiles::default(),
            samples: FirstSamples::default(),
            sni: [0; 3],
            evidence: None,
        })
    }

    #[inline(always)]
    fn is(&self, key: &Key<'_>) -> bool {
        self.fixed == key.fixed && are_parts(&key.parts, &self.text, &self.ends)
    }

    /// The text parts of the key.
    pub(super) fn parts(&self) -> [&[u8]; PARTS] {
        parts_of(&self.text, &self.ends)
    }
}

/// Whether the parts of a key are these, which stand one behind the other, by where each ends.
#[inline(always)]
pub(super) fn are_parts(parts: &[&[u8]; PARTS], text: &[u8], ends: &[u32; PARTS]) -> bool {
    let mut rest = text;
    let mut start = 0;
    for (part, &end) in parts.iter().zip(ends) {
        let length = (end - start) as usize;
        if part.len() != length {
            return false;
        }
        if length == 0 {
            continue;
        }
        let Some((stored, after)) = rest.split_at_checked(length) else { return false };
        if stored != *part {
            return false;
        }
        rest = after;
        start = end;
    }
    true
}

/// The parts of a key that stand so one behind the other.
pub(super) fn parts_of<'a>(text: &'a [u8], ends: &[u32; PARTS]) -> [&'a [u8]; PARTS] {
    let mut parts: [&[u8]; PARTS] = [b""; PARTS];
    let mut start = 0;
    for (part, &end) in parts.iter_mut().zip(ends) {
        *part = text.get(start..end as usize).unwrap_or_default();
        start = end as usize;
    }
    parts
}

/// Bytes that so many groups take, the text of their keys and their histograms and links not counted.
#[cfg(test)]
pub(super) fn bytes_of(groups: usize) -> usize {
    let each = size_of::<Stored>() + super::quantiles::KEPT * size_of::<u32>();
    groups * each + Slots::bytes_of(groups)
}

/// The groups in the order in which they were first seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    groups: Vec<Stored>,
    slots: Slots,
}

impl Table {
    pub(super) fn groups(&self) -> &[Stored] {
        &self.groups
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut Stored> {
        self.groups.get_mut(index as usize)
    }

    /// The group of that key, which has that hash. A new one is made unless there are `limit` already: then `None`.
    #[inline(always)]
    pub(super) fn find_or_insert(&mut self, key: &Key<'_>, hash: u32, limit: usize) -> Option<u32> {
        let found = self.find(key, hash);
        if found.is_some() {
            return found;
        }
        // A copy: what is handed on by reference is in memory, also where it is not handed on.
        let key = *key;
        self.insert(&key, hash, limit)
    }

    #[inline(always)]
    fn find(&self, key: &Key<'_>, hash: u32) -> Option<u32> {
        self.slots.find(
            hash,
            #[inline(always)]
            |index| self.groups.get(index as usize).is_some_and(|group| group.is(key)),
        )
    }

    #[cold]
    fn insert(&mut self, key: &Key<'_>, hash: u32, limit: usize) -> Option<u32> {
        if self.groups.len() >= limit {
            return None;
        }
        let index = u32::try_from(self.groups.len()).ok().filter(|&index| index != u32::MAX)?;
        let new = Stored::new(key)?;
        if self.groups.len() == self.groups.capacity() {
            // Doubling, but not beyond the limit.
            self.groups.reserve_exact((limit - self.groups.len()).min(self.groups.len().max(64)));
        }
        self.groups.push(new);
        self.slots.add(hash, index);
        Some(index)
    }
}
