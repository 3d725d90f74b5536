//! Arrivals of a Poisson process.

use crate::random::Random;

/// A Poisson process of a known length: first the number of arrivals is drawn, so that it can be told at once,
/// then their times, which given the number are as many independent uniform ones in order.
#[derive(Debug, Clone)]
pub(crate) struct Poisson {
    start_us: u64,
    duration_us: f64,
    random: Random,
    count: u64,
    taken: u64,
    /// Microseconds from the start to the next arrival.
    at: f64,
}

impl Poisson {
    /// Arrivals from `start_us` on and before `start_us + duration_us`, `rate` a second on average.
    pub(crate) fn over(start_us: u64, duration_us: u64, rate: f64, mut random: Random) -> Self {
        let rate = if rate.is_finite() { rate.clamp(0.0, 1e9) } else { 0.0 };
        let count = draw_count(rate * duration_us as f64 / 1e6, &mut random);
        let mut pace = Self { start_us, duration_us: duration_us as f64, random, count, taken: 0, at: 0.0 };
        pace.draw_next();
        pace
    }

    /// The smallest of the `left` uniform times that are still to come.
    fn draw_next(&mut self) {
        let left = self.count - self.taken;
        if left > 0 {
            let share = -(self.random.unit().ln() / left as f64).exp_m1();
            self.at += (self.duration_us - self.at) * share;
        }
    }

    pub(crate) fn planned(&self) -> u64 {
        self.count
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    pub(crate) fn next_us(&self) -> Option<u64> {
        let last = (self.duration_us - 1.0).max(0.0);
        (self.taken < self.count).then(|| self.start_us + self.at.min(last) as u64)
    }

    pub(crate) fn take(&mut self) {
        self.taken += 1;
        self.draw_next();
    }

    pub(crate) fn cut(&mut self) {
        self.count = self.taken;
    }
}

/// Below this mean a Poisson number is drawn by counting, above it by rejection.
const SMALL_MEAN: f64 = 10.0;

fn draw_count(mean: f64, random: &mut Random) -> u64 {
    if mean <= 0.0 {
        return 0;
    }
    if mean < SMALL_MEAN { count_arrivals(mean, random) } else { reject(mean, random) }
}

fn count_arrivals(mean: f64, random: &mut Random) -> u64 {
    let mut at = -random.unit().ln();
    let mut count = 0;
    while at < mean {
        count += 1;
        at -= random.unit().ln();
    }
    count
}

/// Transformed rejection with squeeze (Hörmann 1993, algorithm PTRS): exact for every mean of 10 and more.
fn reject(mean: f64, random: &mut Random) -> u64 {
    let b = 0.931 + 2.53 * mean.sqrt();
    let a = -0.059 + 0.02483 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let v_r = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = random.unit() - 0.5;
        let v = random.unit();
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + mean + 0.43).floor();
        if us >= 0.07 && v <= v_r {
            return k as u64;
        }
        if k < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        let accepted = (v * inverse_alpha / (a / (us * us) + b)).ln();
        if accepted <= -mean + k * mean.ln() - ln_factorial(k) {
            return k as u64;
        }
    }
}

/// Stirling's series; the error is below 10^-9 from 10 on, and smaller numbers are multiplied out.
fn ln_factorial(k: f64) -> f64 {
    if k < 10.0 {
        return (1..=k as u32).map(|factor| f64::from(factor).ln()).sum();
    }
    let n = k + 1.0;
    (n - 0.5) * n.ln() - n + 0.5 * (2.0 * std::f64::consts::PI).ln() + 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3))
        + 1.0 / (1260.0 * n.powi(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(rate: f64, seed: u64) -> Vec<u64> {
        let mut pace = Poisson::over(5_000, 10_000_000, rate, Random::new(seed, 0));
        let mut times = Vec::new();
        while let Some(us) = pace.next_us() {
            times.push(us);
            pace.take();
        }
        assert_eq!(times.len() as u64, pace.planned());
        times
    }

    #[test]
    fn arrivals_are_ordered_and_inside_the_block() {
        let times = times(1_000.0, 3);
        assert!(times.is_sorted());
        assert!(times.iter().all(|us| (5_000..10_005_000).contains(us)));
    }

    #[test]
    fn the_number_has_the_mean_and_variance_of_its_law() {
        for rate in [0.5, 2.0, 100.0] {
            let counts: Vec<f64> = (0..400).map(|seed| times(rate, seed).len() as f64).collect();
            let mean = counts.iter().sum::<f64>() / 400.0;
            let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 399.0;
            let expected = rate * 10.0;
            assert!((mean - expected).abs() < 5.0 * (expected / 400.0).sqrt(), "{rate}: mean {mean}");
            assert!((0.7..1.4).contains(&(variance / expected)), "{rate}: variance {variance}");
        }
    }

    #[test]
    fn gaps_are_exponential() {
        let times = times(10_000.0, 9);
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let longer = gaps.iter().filter(|gap| **gap > 100.0).count() as f64 / gaps.len() as f64;
        assert!((mean - 100.0).abs() < 2.0, "{mean}");
        assert!((longer - (-1.0f64).exp()).abs() < 0.02, "{longer}");
    }

    #[test]
    fn the_seed_decides_the_times() {
        assert_eq!(times(100.0, 1), times(100.0, 1));
        assert_ne!(times(100.0, 1), times(100.0, 2));
        assert_eq!(times(0.0, 1).len(), 0);
    }

    #[test]
    fn factorials_are_exact_enough() {
        let mut sum = 0.0;
        for k in 1..50u32 {
            sum += f64::from(k).ln();
            assert!((ln_factorial(f64::from(k)) - sum).abs() < 1e-9, "{k}");
        }
    }
}
