//! Durations of a group in little memory.
//!
//! The first few are kept as they are; from then on those up to 255 ms are counted each, and longer ones in a histogram
//! with two significant digits (within one per cent). When the memory for histograms is used up, a group keeps an even sample.

use hdrhistogram::Histogram;

/// Durations that are kept as they are.
pub(super) const KEPT: usize = 16;
/// Durations up to here, in milliseconds, are counted each.
const EXACT: usize = u8::MAX as usize;
/// More bytes than a histogram of two digits takes for the longest duration, `u32::MAX` milliseconds.
const LARGEST: usize = 16 << 10;

/// Quantiles of the durations of a group, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durations {
    /// Half of the lines took no longer.
    pub p50: u64,
    /// 99 of 100 lines took no longer.
    pub p99: u64,
}

#[derive(Debug, Clone)]
pub(super) enum Quantiles {
    Few(Vec<u32>),
    Many(Box<Counted>),
    /// Every `stride`-th duration.
    Sampled {
        kept: Vec<u32>,
        stride: u64,
        seen: u64,
    },
}

/// How often there was each duration.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    /// What is left of each count by 65,536: few groups have as many lines alike.
    exact: [u16; EXACT + 1],
    /// How often each was so many.
    carried: Option<Box<[u16; EXACT + 1]>>,
    longer: Option<Histogram<u32>>,
}

/// Bytes of the budget for each [`Counted`], which takes less: how many there may be decides which groups keep a sample.
const CHARGED: usize = size_of::<([u32; EXACT + 1], Option<Histogram<u32>>)>();

impl Counted {
    #[inline]
    fn add(&mut self, millis: u32, budget: &mut usize) {
        match self.exact.get_mut(millis as usize) {
            Some(count) => {
                *count = count.wrapping_add(1);
                if *count == 0 {
                    self.carry(millis);
                }
            }
            None => self.add_longer(millis, budget),
        }
    }

    /// A count stays as large as it can be.
    #[cold]
    fn carry(&mut self, millis: u32) {
        let at = millis as usize;
        let carried = self.carried.get_or_insert_with(|| Box::new([0; EXACT + 1]));
        match carried.get_mut(at) {
            Some(count) if *count < u16::MAX => *count += 1,
            Some(_) | None => {
                if let Some(count) = self.exact.get_mut(at) {
                    *count = u16::MAX;
                }
            }
        }
    }

    /// How often there was each duration that is counted by itself.
    fn counts(&self) -> impl Iterator<Item = u64> {
        let carried = self.carried.as_deref().unwrap_or(&[0; EXACT + 1]);
        self.exact.iter().zip(carried).map(|(count, carried)| u64::from(*carried) << 16 | u64::from(*count))
    }

    /// Longer ones that there is no memory for count as the longest that is counted.
    fn add_longer(&mut self, millis: u32, budget: &mut usize) {
        if self.longer.is_none() && *budget >= LARGEST {
            self.longer = Histogram::new_with_max(2 * EXACT as u64, 2).ok();
            *budget = budget.saturating_sub(self.longer.as_ref().map_or(0, bytes_of));
        }
        match &mut self.longer {
            Some(longer) => record(longer, millis, budget),
            None => {
                self.add(u32::from(u8::MAX), budget);
            }
        }
    }

    /// The smallest duration that so many of a hundred are not above.
    fn percentile(&self, percent: u64) -> Option<u64> {
        let exact: u64 = self.counts().sum();
        let longer = self.longer.as_ref().map_or(0, Histogram::len);
        let rank = ((exact + longer) * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (millis, count) in (0..).zip(self.counts()) {
            seen += count;
            if seen >= rank {
                return Some(millis);
            }
        }
        let longer = self.longer.as_ref()?;
        let mut seen = exact;
        let at = longer.iter_recorded().find(|step| {
            seen += step.count_since_last_iteration();
            seen >= rank
        })?;
        // A bucket's upper end may lie above the longest duration seen.
        Some(at.value_iterated_to().min(longer.max()))
    }
}

impl Default for Quantiles {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Quantiles {
    /// Adds a duration. `budget` is the number of bytes that histograms may still use.
    #[inline]
    pub(super) fn add(&mut self, millis: u64, budget: &mut usize) {
        let millis = u32::try_from(millis).unwrap_or(u32::MAX);
        match self {
            Self::Many(counted) => counted.add(millis, budget),
            Self::Few(kept) if kept.len() < KEPT => kept.push(millis),
            Self::Few(kept) => {
                let kept = std::mem::take(kept);
                *self = Self::promote(kept, budget);
                self.add(u64::from(millis), budget);
            }
            Self::Sampled { kept, stride, seen } => {
                if *seen % *stride == 0 {
                    if kept.len() >= KEPT {
                        let mut even = false;
                        kept.retain(|_| {
                            even = !even;
                            even
                        });
                        *stride *= 2;
                    }
                    if *seen % *stride == 0 {
                        kept.push(millis);
                    }
                }
                *seen += 1;
            }
        }
    }

    #[cold]
    fn promote(kept: Vec<u32>, budget: &mut usize) -> Self {
        if *budget < LARGEST {
            return Self::Sampled { seen: kept.len() as u64, kept, stride: 1 };
        }
        let mut counted = Box::new(Counted { exact: [0; EXACT + 1], carried: None, longer: None });
        *budget = budget.saturating_sub(CHARGED);
        for millis in kept {
            counted.add(millis, budget);
        }
        Self::Many(counted)
    }

    pub(super) fn quantiles(&self) -> Option<Durations> {
        match self {
            Self::Few(kept) | Self::Sampled { kept, .. } => {
                let mut sorted = kept.clone();
                sorted.sort_unstable();
                Some(Durations { p50: nearest_rank(&sorted, 50)?, p99: nearest_rank(&sorted, 99)? })
            }
            Self::Many(counted) => {
                Some(Durations { p50: counted.percentile(50)?, p99: counted.percentile(99)? })
            }
        }
    }
}

/// Histograms grow with the longest duration; one that may not grow any more counts long ones as its longest.
fn record(histogram: &mut Histogram<u32>, millis: u32, budget: &mut usize) {
    let value = u64::from(millis);
    if value <= histogram.high() || *budget < LARGEST {
        histogram.saturating_record(value);
        return;
    }
    let before = bytes_of(histogram);
    histogram.auto(true);
    if histogram.record(value).is_err() {
        histogram.saturating_record(value);
    }
    *budget = budget.saturating_sub(bytes_of(histogram).saturating_sub(before));
}

fn bytes_of(histogram: &Histogram<u32>) -> usize {
    histogram.distinct_values().saturating_mul(size_of::<u32>())
}

fn nearest_rank(sorted: &[u32], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map(|&millis| u64::from(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantiles_of(millis: impl IntoIterator<Item = u64>, mut budget: usize) -> (Option<Durations>, usize) {
        let mut quantiles = Quantiles::default();
        for millis in millis {
            quantiles.add(millis, &mut budget);
        }
        (quantiles.quantiles(), budget)
    }

    #[test]
    fn none_one_and_few() {
        assert_eq!(quantiles_of([], 0).0, None);
        assert_eq!(quantiles_of([7], 0).0, Some(Durations { p50: 7, p99: 7 }));
        assert_eq!(quantiles_of([3, 1, 2, 100], 0).0, Some(Durations { p50: 2, p99: 100 }));
    }

    #[test]
    fn many_are_counted_within_a_per_cent() {
        let found = quantiles_of(0..100_000, 1 << 20).0.unwrap();
        assert!((49_000..=51_000).contains(&found.p50), "{found:?}");
        assert!((98_500..=100_500).contains(&found.p99), "{found:?}");
        assert_eq!(quantiles_of(1..=200, 1 << 20).0, Some(Durations { p50: 100, p99: 198 }));
    }

    #[test]
    fn without_memory_a_sample_is_kept() {
        let (found, budget) = quantiles_of(0..100_000, 0);
        let found = found.unwrap();
        assert_eq!(budget, 0);
        assert!((30_000..=70_000).contains(&found.p50), "{found:?}");
        assert!(found.p99 > 80_000, "{found:?}");
    }

    /// One duration above another one as long as there are fewer of the other one.
    #[test]
    fn large_counts_are_counted() {
        for (few, many) in [(65_535, 65_537), (65_536, 65_538), (131_073, 131_072), (200_000, 199_999)] {
            let millis = std::iter::repeat_n(3, few).chain(std::iter::repeat_n(9, many));
            let p50 = if few >= many { 3 } else { 9 };
            assert_eq!(quantiles_of(millis, 1 << 20).0, Some(Durations { p50, p99: 9 }), "{few} {many}");
        }
        let mut full = Counted {
            exact: [u16::MAX; EXACT + 1],
            carried: Some(Box::new([u16::MAX; EXACT + 1])),
            longer: None,
        };
        full.add(7, &mut 0);
        assert_eq!(full.counts().nth(7), Some(u64::from(u32::MAX)));
    }

    /// A group with a few lines more than are kept takes little more.
    #[test]
    fn a_count_is_small() {
        assert!(size_of::<Counted>() * 3 < CHARGED * 2, "{} of {CHARGED}", size_of::<Counted>());
    }

    #[test]
    fn growth_is_paid_for() {
        let (_, left) = quantiles_of(0..1_000_000, 1 << 20);
        assert!(left < 1 << 20 && left > (1 << 20) - 20_000, "{left}");
        let (found, _) = quantiles_of((0..100).chain([u64::MAX; 200]), LARGEST);
        assert_eq!(found.unwrap().p99, 255);
    }
}
