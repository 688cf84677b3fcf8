//! Finding the number of something by its hash.
//!
//! Open addressing over numbers, because the standard map cannot look up a key that is not yet in its owned form. What
//! the numbers stand for is kept by whoever asks.

const FREE: u32 = u32::MAX;

/// The fewest places that there are once there is one.
const LEAST: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    number: u32,
}

/// Numbers by hashes, in a power of two of places that are at most half taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    taken: usize,
}

impl Slots {
    /// The number with that hash that is the one wanted.
    #[inline(always)]
    pub(super) fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots.get(at)?;
            if slot.number == FREE {
                return None;
            }
            if slot.hash == hash && is_it(slot.number) {
                return Some(slot.number);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a number, which may be any but the largest.
    pub(super) fn add(&mut self, hash: u32, number: u32) {
        self.taken += 1;
        if self.taken * 2 > self.slots.len() {
            let wanted = (self.taken * 2).next_power_of_two().max(LEAST);
            let before = std::mem::replace(&mut self.slots, vec![Slot { hash: 0, number: FREE }; wanted]);
            for slot in before.into_iter().filter(|slot| slot.number != FREE) {
                self.place(slot);
            }
        }
        self.place(Slot { hash, number });
    }

    /// Forgets all numbers, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.slots.fill(Slot { hash: 0, number: FREE });
        self.taken = 0;
    }

    /// Puts a slot into the first free place from its own on. There is always one.
    fn place(&mut self, new: Slot) {
        let mask = self.slots.len().saturating_sub(1);
        let mut at = new.hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.number == FREE {
                *slot = new;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Bytes that so many numbers take.
    #[cfg(test)]
    pub(super) fn bytes_of(numbers: usize) -> usize {
        (numbers * 2).next_power_of_two() * size_of::<Slot>()
    }
}
