//! The exact (Clopper-Pearson) bounds of a share, from the incomplete beta function.
//! Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 26 (1934).

use super::CONFIDENCE;

/// The share that `events` of `n` do not exceed, 95 % sure, one-sided. 1 where `n` is 0.
pub(crate) fn share_upper_bound(events: u64, n: u64) -> f64 {
    if events >= n {
        return 1.0;
    }
    if events == 0 {
        return 1.0 - ((1.0 - CONFIDENCE).ln() / n as f64).exp();
    }
    beta_quantile(CONFIDENCE, events as f64 + 1.0, (n - events) as f64)
}

/// The share that `events` of `n` do not fall below, 95 % sure, one-sided.
pub(crate) fn share_lower_bound(events: u64, n: u64) -> f64 {
    1.0 - share_upper_bound(n.saturating_sub(events), n)
}

/// How many samples with the same share of events would put the upper bound below `limit`.
/// None where the share itself is not below it.
pub(crate) fn share_samples_needed(events: u64, n: u64, limit: f64) -> Option<u64> {
    let share = if n == 0 { 0.0 } else { events as f64 / n as f64 };
    if !(share < limit && limit < 1.0) {
        return None;
    }
    let enough = |n: u64| share_upper_bound((share * n as f64).ceil() as u64, n) < limit;
    let mut high = 1;
    while !enough(high) {
        high = if high < 1 << 50 { high * 2 } else { return None };
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// The x at which the regularized incomplete beta function of (a, b) is `probability`.
fn beta_quantile(probability: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    // Halving an interval of doubles ends before 1,100 steps; here it ends when its ends are neighbours.
    for _ in 0..1_100 {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if incomplete_beta(middle, a, b) < probability {
            low = middle;
        } else {
            high = middle;
        }
        if high - low < high * 1e-14 {
            break;
        }
    }
    high
}

/// The regularized incomplete beta function I_x(a, b).
pub(super) fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = (a * x.ln() + b * (-x).ln_1p() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b)).exp();
    // The fraction converges fast on the left of the mean; on its right the mirrored one does.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * continued_fraction(x, a, b) / a
    } else {
        1.0 - front * continued_fraction(1.0 - x, b, a) / b
    }
}

/// The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method.
fn continued_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let keep_off_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / keep_off_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    // About sqrt(max(a, b)) terms are needed: 100,000 reach beyond any count of requests here.
    for term in 1..100_000 {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / keep_off_zero(1.0 + even * d);
        c = keep_off_zero(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / keep_off_zero(1.0 + odd * d);
        c = keep_off_zero(1.0 + odd / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

/// The logarithm of the gamma function for x > 0: recurrence up to 10, then Stirling's series (DLMF 5.11.1).
fn ln_gamma(x: f64) -> f64 {
    let mut shift = 0.0;
    let mut x = x;
    while x < 10.0 {
        shift -= x.ln();
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = (1.0 / 12.0
        - square * (1.0 / 360.0 - square * (1.0 / 1_260.0 - square * (1.0 / 1_680.0 - square / 1_188.0))))
        / x;
    shift + (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1e-3), "{found} is not {expected}");
    }

    #[test]
    fn gamma_is_factorial() {
        close(ln_gamma(1.0), 0.0);
        close(ln_gamma(0.5), std::f64::consts::PI.sqrt().ln());
        close(ln_gamma(11.0), 3_628_800.0_f64.ln());
        close(ln_gamma(171.0), 706.573_062_245_787_5);
    }

    #[test]
    fn incomplete_beta_has_its_closed_forms() {
        for x in [0.001, 0.2, 0.5, 0.77, 0.999] {
            close(incomplete_beta(x, 1.0, 1.0), x);
            close(incomplete_beta(x, 3.0, 1.0), x * x * x);
            close(incomplete_beta(x, 1.0, 4.0), 1.0 - (1.0 - x).powi(4));
            // P(Bin(5, x) >= 2)
            let binomial = 1.0 - (1.0 - x).powi(5) - 5.0 * x * (1.0 - x).powi(4);
            close(incomplete_beta(x, 2.0, 4.0), binomial);
        }
    }

    /// The bound is by definition where the binomial tail is 5 %.
    #[test]
    fn the_bound_leaves_the_tail() {
        for (events, n) in [(1_u64, 10_u64), (3, 100), (7, 50), (20, 1_000)] {
            let p = share_upper_bound(events, n);
            let mut tail = 0.0;
            let mut choose = 1.0;
            for k in 0..=events {
                tail += choose * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32);
                choose *= (n - k) as f64 / (k + 1) as f64;
            }
            close(tail, 0.05);
        }
    }

    #[test]
    fn known_bounds() {
        close(share_upper_bound(0, 59), 1.0 - 0.05_f64.powf(1.0 / 59.0));
        assert!(share_upper_bound(0, 59) < 0.05 && share_upper_bound(0, 58) > 0.05, "the rule of 59");
        // Published: 0 of 10 -> 0.2589, 1 of 10 -> 0.3942, 5 of 10 -> 0.7776 (95 % one-sided).
        assert!((share_upper_bound(0, 10) - 0.2589).abs() < 5e-5);
        assert!((share_upper_bound(1, 10) - 0.3942).abs() < 5e-5);
        assert!((share_upper_bound(5, 10) - 0.7776).abs() < 5e-5);
        close(share_lower_bound(10, 10), 0.05_f64.powf(0.1));
        assert_eq!(share_upper_bound(4, 4), 1.0);
        assert_eq!(share_upper_bound(0, 0), 1.0);
        assert_eq!(share_lower_bound(0, 7), 0.0);
    }

    /// With many samples the bound goes to that of a Poisson count: 15.705 for 9 events, 4.744 for 1.
    #[test]
    fn large_counts_stay_exact() {
        assert!((share_upper_bound(1, 10_000_000) * 1e7 - 4.743_86).abs() < 1e-4);
        assert!((share_upper_bound(9, 10_000_000) * 1e7 - 15.705_2).abs() < 1e-3);
        let bound = share_upper_bound(5_000, 10_000_000);
        assert!((0.000_511..0.000_513).contains(&bound), "{bound}");
    }

    #[test]
    fn samples_needed_reach_the_bound() {
        assert_eq!(share_samples_needed(0, 100, 0.0005), Some(5_990));
        let needed = share_samples_needed(1, 10_000, 0.0005).expect("one in 10,000 is below the limit");
        assert!(share_upper_bound((needed as f64 / 10_000.0).ceil() as u64, needed) < 0.0005);
        assert_eq!(share_samples_needed(5, 10_000, 0.0005), None, "the share is at the limit already");
    }
}
