//! Bounds by a circular block bootstrap over seconds: whole stretches of neighbouring seconds are drawn, so that
//! what lasts longer than a second is not taken for chance. Seeded: the same record gives the same bound.
//! Politis and Romano, "A circular block-resampling procedure for stationary data" (1992).

use std::collections::BTreeSet;

use super::{CONFIDENCE, Percentile, Sparse};

/// Which end of the estimate the bound is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Upper,
    Lower,
}

const REPLICATES: usize = 1_000;

/// Windows longer than this many seconds are drawn in groups of neighbouring seconds.
const GROUPS_MAX: usize = 900;

/// The bound of a percentile (`quantile` from 0 to 1) over seconds, microseconds. None where nothing was recorded.
pub(crate) fn percentile_bound(seconds: &[Sparse], quantile: f64, side: Side, seed: u64) -> Option<f64> {
    pick(percentile_draws(seconds, &[quantile], seed).pop()?, side)
}

/// The upper bound of a percentile with the number of seconds that it was drawn over: there is none without them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawn {
    us: Option<f64>,
    seconds: u64,
}

impl Drawn {
    pub(crate) fn of(seconds: &[Sparse], percentile: Percentile, seed: u64) -> Self {
        let us = percentile_bound(seconds, percentile.quantile(), Side::Upper, seed);
        Self { us, seconds: seconds.len() as u64 }
    }

    /// Microseconds; None where nothing was recorded.
    pub(crate) fn us(self) -> Option<f64> {
        self.us
    }

    pub(crate) fn seconds(self) -> u64 {
        self.seconds
    }
}

/// What each draw over seconds gives for each of some percentiles (from 0 to 1), microseconds; nothing where nothing was
/// recorded.
pub(crate) fn percentile_draws(seconds: &[Sparse], quantiles: &[f64], seed: u64) -> Vec<Vec<f64>> {
    let mut found = vec![Vec::new(); quantiles.len()];
    let groups = grouped(seconds);
    let values: BTreeSet<u32> = groups.iter().flat_map(|group| group.entries()).map(|entry| entry.0).collect();
    let values: Vec<u32> = values.into_iter().collect();
    if values.is_empty() {
        return found;
    }
    let rows: Vec<Vec<u64>> = groups.iter().map(|group| dense(group, &values)).collect();
    let mut draws = Draws::new(groups.len(), seed);
    let mut totals = vec![0_u64; values.len()];
    for _ in 0..REPLICATES {
        totals.fill(0);
        for (row, &times) in rows.iter().zip(draws.next_weights()) {
            if times > 0 {
                totals.iter_mut().zip(row).for_each(|(total, count)| *total += times * count);
            }
        }
        let all: u64 = totals.iter().sum();
        for (quantile, found) in quantiles.iter().zip(&mut found) {
            let rank = ((all as f64 * quantile).ceil() as u64).max(1);
            let mut seen = 0;
            let at = totals.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            found.extend(at.map(|at| f64::from(values[at])));
        }
    }
    found
}

/// The bound of sum(part) / sum(whole) over seconds. None where no whole was seen.
pub(crate) fn ratio_bound(seconds: &[(f64, f64)], side: Side, seed: u64) -> Option<f64> {
    pick(ratio_draws(seconds, seed), side)
}

/// What each draw gives for sum(part) / sum(whole) over seconds.
pub(crate) fn ratio_draws(seconds: &[(f64, f64)], seed: u64) -> Vec<f64> {
    let seconds: Vec<(f64, f64)> = grouped_sums(seconds);
    let mut draws = Draws::new(seconds.len(), seed);
    let found = (0..REPLICATES).filter_map(|_| {
        let weights = draws.next_weights();
        let (part, whole) = seconds.iter().zip(weights).fold((0.0, 0.0), |sum, (second, &times)| {
            (sum.0 + times as f64 * second.0, sum.1 + times as f64 * second.1)
        });
        (whole > 0.0).then(|| part / whole)
    });
    found.collect()
}

/// The bound of the mean of one value a second.
pub(crate) fn mean_bound(seconds: &[f64], side: Side, seed: u64) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = seconds.iter().map(|&value| (value, 1.0)).collect();
    ratio_bound(&pairs, side, seed)
}

/// The sums of neighbouring seconds, in as many groups as are drawn from.
pub(super) fn grouped_sums(seconds: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let sum = |group: &[(f64, f64)]| group.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    seconds.chunks(group_width(seconds.len())).map(sum).collect()
}

pub(super) fn group_width(seconds: usize) -> usize {
    seconds.div_ceil(GROUPS_MAX).max(1)
}

fn grouped(seconds: &[Sparse]) -> Vec<Sparse> {
    let width = group_width(seconds.len());
    let merge = |group: &[Sparse]| {
        let mut merged = Sparse::default();
        group.iter().for_each(|second| merged.merge(second));
        merged.coarsened()
    };
    seconds.chunks(width).map(merge).collect()
}

fn dense(group: &Sparse, values: &[u32]) -> Vec<u64> {
    let mut row = vec![0; values.len()];
    for &(us, count) in group.entries() {
        if let Ok(at) = values.binary_search(&us) {
            row[at] += u64::from(count);
        }
    }
    row
}

pub(super) fn pick(mut found: Vec<f64>, side: Side) -> Option<f64> {
    found.sort_by(f64::total_cmp);
    let rank = (found.len() as f64 * CONFIDENCE).ceil() as usize;
    let at = match side {
        Side::Upper => rank.checked_sub(1)?,
        Side::Lower => found.len() - rank,
    };
    found.get(at).copied()
}

/// How often each of `n` seconds is drawn, replicate by replicate.
pub(super) struct Draws {
    n: usize,
    block: usize,
    state: u64,
    weights: Vec<u64>,
}

impl Draws {
    pub(super) fn new(n: usize, seed: u64) -> Self {
        Self { n, block: block_length(n), state: seed, weights: vec![0; n] }
    }

    pub(super) fn next_weights(&mut self) -> &[u64] {
        self.weights.fill(0);
        let mut left = self.n;
        while left > 0 {
            let start = self.below(self.n);
            let length = self.block.min(left);
            for step in 0..length {
                self.weights[(start + step) % self.n] += 1;
            }
            left -= length;
        }
        &self.weights
    }

    /// The seconds drawn, in order, for statistics that need the order.
    pub(super) fn next_order(&mut self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.n);
        while order.len() < self.n {
            let start = self.below(self.n);
            let length = self.block.min(self.n - order.len());
            order.extend((0..length).map(|step| (start + step) % self.n));
        }
        order
    }

    /// A number from 0 to `n` - 1, by SplitMix64 (Steele, Lea, Flood 2014) and a multiplication.
    fn below(&mut self, n: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        ((u128::from(mixed) * n as u128) >> 64) as usize
    }
}

/// The cube root of the number of seconds: long enough for what lasts some seconds, short enough to draw from.
fn block_length(n: usize) -> usize {
    (n as f64).cbrt().ceil().max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(us: u64, count: u64) -> Sparse {
        Sparse::from_buckets([(us, count)].into_iter())
    }

    #[test]
    fn the_same_seed_gives_the_same_bound() {
        let seconds: Vec<f64> = (0..200).map(|n| f64::from(n * 37 % 101)).collect();
        assert_eq!(mean_bound(&seconds, Side::Upper, 7), mean_bound(&seconds, Side::Upper, 7));
    }

    #[test]
    fn bounds_lie_around_the_mean_and_close_in() {
        let noise = |n: u32| f64::from(n.wrapping_mul(2_654_435_761) >> 16 & 1023);
        let width = |n: u32| {
            let seconds: Vec<f64> = (0..n).map(noise).collect();
            let mean = seconds.iter().sum::<f64>() / f64::from(n);
            let low = mean_bound(&seconds, Side::Lower, 1).expect("there are seconds");
            let high = mean_bound(&seconds, Side::Upper, 1).expect("there are seconds");
            assert!(low < mean && mean < high, "{low} {mean} {high}");
            high - low
        };
        // Uniform on 0..1023: standard error 295 / sqrt(n), and 2 * 1.645 of them between the bounds.
        let wide = width(100);
        assert!((60.0..140.0).contains(&wide), "{wide}");
        assert!(width(6_400) < wide / 5.0);
    }

    /// Two halves that differ: single seconds would hide that half of the run was slow.
    #[test]
    fn what_lasts_widens_the_bound() {
        let lasting: Vec<f64> = (0..400).map(|n| if n / 40 % 2 == 0 { 0.0 } else { 1.0 }).collect();
        let mixed: Vec<f64> = (0..400).map(|n| f64::from(n % 2)).collect();
        let upper = |seconds: &[f64]| mean_bound(seconds, Side::Upper, 3).expect("there are seconds");
        assert!(upper(&lasting) > upper(&mixed) + 0.03);
    }

    #[test]
    fn a_percentile_of_equal_seconds_is_itself() {
        let seconds = vec![second(1_000, 50); 30];
        let bound = percentile_bound(&seconds, 0.95, Side::Upper, 1).expect("there are values");
        assert!((1_000.0..1_008.0).contains(&bound), "{bound}");
        assert_eq!(percentile_bound(&[], 0.95, Side::Upper, 1), None);
    }

    #[test]
    fn one_slow_second_of_twenty_is_in_the_bound_of_p95() {
        let mut seconds = vec![second(1_000, 100); 20];
        seconds[7] = second(500_000, 100);
        let bound = percentile_bound(&seconds, 0.95, Side::Upper, 1).expect("there are values");
        assert!(bound >= 500_000.0, "{bound}");
    }

    #[test]
    fn long_windows_are_grouped() {
        let seconds = vec![second(2_000, 3); 2_500];
        assert_eq!(grouped(&seconds).len(), 834);
        assert_eq!(grouped(&seconds).iter().map(Sparse::count).sum::<u64>(), 7_500);
    }
}
