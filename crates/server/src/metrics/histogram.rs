//! Latencies in buckets that double.

use serde::{Deserialize, Serialize};

use super::COUNTS;
use super::counters::Cell;

/// The first bucket ends at 2^4 µs, the last bounded one at 2^24 µs, about 17 s.
const FIRST_BIT: u32 = 4;
const LAST_BIT: u32 = 24;
/// One for each power of two, and one for everything above.
pub(crate) const BUCKETS: usize = (LAST_BIT - FIRST_BIT + 2) as usize;

/// A histogram with one writer.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    buckets: [Cell; BUCKETS],
    sum_ns: Cell,
}

impl Latencies {
    /// Counts `count` requests that all took `ns`.
    pub(crate) fn record(&self, ns: u64, count: u64) {
        if COUNTS {
            self.buckets[bucket(ns)].add(count);
            self.sum_ns.add(ns.saturating_mul(count));
        }
    }

    /// Adds what was counted so far to `total`.
    pub(crate) fn add_to(&self, total: &mut Histogram) {
        for (cell, bucket) in self.buckets.iter().zip(&mut total.buckets) {
            *bucket += cell.get();
        }
        total.sum_ns += self.sum_ns.get();
    }
}

/// A latency's bucket: the first whose bound is not below it.
pub(crate) fn bucket(ns: u64) -> usize {
    let us = ns.div_ceil(1_000).max(1);
    // The smallest n with us <= 2^n.
    let bits = u64::BITS - (us - 1).leading_zeros();
    (bits.clamp(FIRST_BIT, LAST_BIT + 1) - FIRST_BIT) as usize
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Histogram {
    /// Counts of each bucket alone, in the order of [`bounds_us`]; the last one has no bound.
    pub buckets: [u64; BUCKETS],
    /// Sum of all latencies, ns.
    pub sum_ns: u64,
}

impl Histogram {
    /// How many latencies it has.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Adds what another one has.
    pub(crate) fn add(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, more)| *sum += more);
        self.sum_ns += other.sum_ns;
    }
}

/// Upper bounds of all buckets but the last, µs.
pub fn bounds_us() -> impl Iterator<Item = u64> {
    (FIRST_BIT..=LAST_BIT).map(|bit| 1 << bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_belong_to_their_bucket() {
        let bounds: Vec<u64> = bounds_us().collect();
        assert_eq!(bounds.len() + 1, BUCKETS);
        for (index, bound) in bounds.iter().enumerate() {
            assert_eq!(bucket(bound * 1_000), index);
            assert_eq!(bucket(bound * 1_000 + 1), index + 1);
        }
        assert_eq!((bucket(0), bucket(u64::MAX)), (0, BUCKETS - 1));
    }

    #[test]
    fn records_are_summed() {
        let latencies = Latencies::default();
        latencies.record(20_000, 3);
        latencies.record(1, 1);
        let mut total = Histogram::default();
        latencies.add_to(&mut total);
        assert_eq!((total.buckets[0], total.buckets[1], total.sum_ns), (1, 3, 60_001));
    }
}
