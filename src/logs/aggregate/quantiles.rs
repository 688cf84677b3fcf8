//! Durations of a group in little memory.
//!
//! The first few are kept as they are; from then on a histogram counts them with two significant digits (exact up
//! to 255 ms, within one per cent above). When the memory for histograms is used up, a group keeps an even sample.

use hdrhistogram::Histogram;

/// Durations that are kept as they are.
pub(super) const KEPT: usize = 16;
/// A new histogram counts durations up to here, in milliseconds, and with two digits each of them exactly.
const EXACT: u64 = 255;
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
    Many(Box<Histogram<u32>>),
    /// Every `stride`-th duration.
    Sampled {
        kept: Vec<u32>,
        stride: u64,
        seen: u64,
    },
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
            Self::Many(histogram) => record(histogram, millis, budget),
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
        let new = Histogram::<u32>::new_with_max(EXACT, 2).ok().filter(|_| *budget >= LARGEST);
        let Some(mut histogram) = new else {
            return Self::Sampled { seen: kept.len() as u64, kept, stride: 1 };
        };
        *budget = budget.saturating_sub(bytes_of(&histogram));
        for millis in kept {
            record(&mut histogram, millis, budget);
        }
        Self::Many(Box::new(histogram))
    }

    pub(super) fn quantiles(&self) -> Option<Durations> {
        match self {
            Self::Few(kept) | Self::Sampled { kept, .. } => {
                let mut sorted = kept.clone();
                sorted.sort_unstable();
                Some(Durations { p50: nearest_rank(&sorted, 50)?, p99: nearest_rank(&sorted, 99)? })
            }
            Self::Many(histogram) => {
                // A bucket's upper end may lie above the longest duration seen.
                let at = |quantile| histogram.value_at_quantile(quantile).min(histogram.max());
                Some(Durations { p50: at(0.5), p99: at(0.99) })
            }
        }
    }
}

/// Histograms grow with the longest duration; one that may not grow any more counts long ones as its longest.
#[inline]
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

    #[test]
    fn growth_is_paid_for() {
        let (_, left) = quantiles_of(0..1_000_000, 1 << 20);
        assert!(left < 1 << 20 && left > (1 << 20) - 20_000, "{left}");
        let (found, _) = quantiles_of((0..100).chain([u64::MAX; 200]), LARGEST);
        assert_eq!(found.unwrap().p99, 255);
    }
}
