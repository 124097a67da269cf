//! Histogram: how long requests of one command took, to two digits.
//!
//! The buckets are those of HdrHistogram (Gil Tene) with two significant digits from 1 ns to 1 s, as in the original:
//! 128 of equal width for each power of two, so that a value is off by less than 1 %.

use alloc::boxed::Box;
use alloc::vec;

/// 7: each power of two has 2^7 buckets.
const HALF_BITS: u32 = 7;
/// One second, in nanoseconds: what takes longer counts as this.
const VALUE_MAX: u64 = 1_000_000_000;
/// Buckets up to that of `VALUE_MAX`.
const BUCKETS: usize = bucket(VALUE_MAX) + 1;

/// Counts by time.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Box<[u64]>,
    total: u64,
}

const fn bucket(value: u64) -> usize {
    // Below 2^8 every value has its own bucket.
    let bits = 63 - (value | 1).leading_zeros();
    let shift = bits.saturating_sub(HALF_BITS);
    ((shift as usize) << HALF_BITS) + (value >> shift) as usize
}

/// The largest value of a bucket.
fn highest(bucket: usize) -> u64 {
    let shift = (bucket >> HALF_BITS).saturating_sub(1);
    let start = bucket - (shift << HALF_BITS);
    ((start as u64 + 1) << shift) - 1
}

impl Histogram {
    /// An empty one.
    pub fn new() -> Histogram {
        Histogram { counts: vec![0; BUCKETS].into(), total: 0 }
    }

    /// `count` requests took `ns` each.
    pub fn record(&mut self, ns: u64, count: u64) {
        self.counts[bucket(ns.min(VALUE_MAX))] += count;
        self.total += count;
    }

    /// All that was recorded.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The time, in nanoseconds, within which so many per cent of the requests were done.
    pub fn percentile(&self, percentile: f64) -> u64 {
        let wanted = ((percentile / 100.0 * self.total as f64 + 0.5) as u64).max(1);
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return highest(at);
            }
        }
        0
    }

    /// Microseconds in powers of two, each with how many requests were done within it. Up to the slowest request, and
    /// only where a power of two has more than the one before.
    pub fn cumulative_us(&self) -> impl Iterator<Item = (u64, u64)> {
        /// The first power of two, in nanoseconds: about a microsecond.
        const FIRST: u64 = 1_024;
        let mut from = 0;
        let (mut seen, mut limit) = (0, FIRST);
        core::iter::from_fn(move || {
            while seen < self.total {
                let to = (bucket(limit) + 1).min(BUCKETS);
                let more: u64 = self.counts[from..to].iter().sum();
                let us = highest(bucket(limit)) / 1_000;
                (from, limit) = (to, limit * 2);
                seen += more;
                if more > 0 {
                    return Some((us, seen));
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_value_is_off_by_less_than_a_hundredth() {
        let mut last = 0;
        for value in (0..300).chain((300..VALUE_MAX).step_by(99_991)) {
            let at = bucket(value);
            assert!(highest(at) >= value && highest(at) - value <= value / 100, "{value}");
            assert!(at >= last && (at == 0 || highest(at - 1) < value), "{value}");
            last = at;
        }
        assert_eq!(highest(BUCKETS - 1).leading_zeros(), VALUE_MAX.leading_zeros());
    }

    #[test]
    fn percentiles_and_powers_of_two() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.cumulative_us().count(), 0);
        histogram.record(900, 2);
        histogram.record(40_000, 1);
        histogram.record(u64::MAX, 1);
        assert_eq!(histogram.percentile(50.0), 903);
        assert_eq!(histogram.percentile(0.0), 903);
        assert_eq!(histogram.percentile(75.0), 40_191);
        let found: Vec<_> = histogram.cumulative_us().collect();
        assert_eq!(found, [(1, 2), (66, 3), (1_082_130, 4)]);
    }
}
