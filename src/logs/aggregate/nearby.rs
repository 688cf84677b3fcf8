//! Finds for a line of one side the nearest in time of the other, where nothing in the lines names the connection: ends
//! and target are the same for many, and only the time tells them apart.
//!
//! Each line meets at most one other. What waits is bounded, and so is how many are looked at for one line.

use std::collections::BTreeMap;
use std::hash::Hash;

use rustc_hash::{FxHashMap, FxHashSet};

/// Of so many lines within the window, the nearest that fits is taken.
const LOOKED_AT: usize = 64;

/// A place in time, and the number of the line, which keeps those of one moment apart.
type At = (u32, i64, u64);

/// Lines of two sides that wait for each other.
#[derive(Debug, Clone)]
pub(super) struct Nearby<K, V> {
    keys: FxHashMap<K, u32>,
    waiting: [BTreeMap<At, V>; 2],
    next: u64,
    next_key: u32,
}

impl<K, V> Default for Nearby<K, V> {
    fn default() -> Self {
        Self { keys: FxHashMap::default(), waiting: [BTreeMap::new(), BTreeMap::new()], next: 0, next_key: 0 }
    }
}

/// The side of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met<V> {
    /// This one waited for it.
    Other(V),
    /// It waits.
    Waits,
    /// There was no room for it.
    Dropped,
}

impl<K: Hash + Eq, V: Clone> Nearby<K, V> {
    /// Has a line meet the nearest of the other side that fits and is no further away than `window`, or wait for it.
    pub(super) fn meet(
        &mut self,
        (side, key, time): (Side, K, i64),
        value: V,
        (window, limit): (i64, usize),
        fits: impl Fn(&V) -> bool,
    ) -> Met<V> {
        let [clients, servers] = &mut self.waiting;
        let (own, others) = match side {
            Side::Client => (clients, servers),
            Side::Server => (servers, clients),
        };
        // Most logs have no lines of the other side.
        if others.is_empty() && own.len() >= limit {
            return Met::Dropped;
        }
        let known = self.keys.get(&key).copied();
        if let Some(key) = known {
            let from = (key, time.saturating_sub(window), 0);
            let until = (key, time.saturating_add(window), u64::MAX);
            let near = others.range(from..=until).take(LOOKED_AT).filter(|(_, other)| fits(other));
            let nearest = near.min_by_key(|((_, other, _), _)| other.abs_diff(time)).map(|(at, _)| *at);
            if let Some(other) = nearest.and_then(|at| others.remove(&at)) {
                return Met::Other(other);
            }
        }
        if own.len() + others.len() >= limit || known.is_none() && self.keys.len() >= limit {
            return Met::Dropped;
        }
        let key = known.unwrap_or_else(|| {
            self.next_key = self.next_key.wrapping_add(1);
            self.keys.insert(key, self.next_key);
            self.next_key
        });
        own.insert((key, time, self.next), value);
        self.next += 1;
        Met::Waits
    }

    /// Forgets lines before that time.
    pub(super) fn forget_before(&mut self, micros: i64) {
        for waiting in &mut self.waiting {
            waiting.retain(|(_, time, _), _| *time >= micros);
        }
        let used: FxHashSet<u32> = self.waiting.iter().flatten().map(|((key, _, _), _)| *key).collect();
        self.keys.retain(|_, key| used.contains(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: (i64, usize) = (1_000, 4);

    fn any<T>(_: &T) -> bool {
        true
    }

    #[test]
    fn the_nearest_that_fits_is_met_once_in_either_order() {
        let mut nearby = Nearby::default();
        assert_eq!(nearby.meet((Side::Client, "a", 1_000), 1_u32, LIMITS, any), Met::Waits);
        assert_eq!(nearby.meet((Side::Client, "a", 1_500), 2, LIMITS, any), Met::Waits);
        assert_eq!(nearby.meet((Side::Server, "b", 1_000), 9, LIMITS, any), Met::Waits, "another connection");
        assert_eq!(nearby.meet((Side::Server, "a", 1_400), 9, LIMITS, any), Met::Other(2));
        assert_eq!(nearby.meet((Side::Server, "a", 1_400), 9, LIMITS, |other| *other != 1), Met::Waits);
        assert_eq!(
            nearby.meet((Side::Client, "a", 2_400), 3, LIMITS, any),
            Met::Other(9),
            "just near enough"
        );
        assert_eq!(
            nearby.meet((Side::Server, "a", 2_001), 4, LIMITS, any),
            Met::Waits,
            "too late for the first"
        );
    }

    #[test]
    fn what_waits_is_bounded_and_forgotten() {
        let mut nearby = Nearby::default();
        for time in 0..4 {
            assert_eq!(nearby.meet((Side::Client, "a", time), 1_u32, LIMITS, any), Met::Waits);
        }
        assert_eq!(nearby.meet((Side::Client, "a", 5), 1, LIMITS, any), Met::Dropped);
        nearby.forget_before(3);
        assert_eq!(nearby.meet((Side::Client, "a", 5), 1, LIMITS, any), Met::Waits);
        assert_eq!(nearby.meet((Side::Server, "a", 2), 1, LIMITS, any), Met::Other(1));
    }

    #[test]
    fn whoever_follows_logs_never_runs_out_of_connections() {
        let mut nearby = Nearby::default();
        for connection in 0..100_i64 {
            nearby.forget_before(connection * 10 - 20);
            let met = nearby.meet((Side::Client, connection, connection * 10), 1_u32, LIMITS, any);
            assert_eq!(met, Met::Waits, "{connection}");
        }
        assert_eq!(nearby.meet((Side::Server, 99, 990), 2, LIMITS, any), Met::Other(1));
        assert_eq!(nearby.meet((Side::Server, 3, 30), 2, LIMITS, any), Met::Waits, "forgotten");
    }
}
