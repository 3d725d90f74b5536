//! Did the level of a series change, and where? The largest two-sample statistic over all places where the series can be
//! cut in two, with Bonferroni's bound over the places: Worsley, "On the likelihood ratio test for a shift in location
//! of normal populations", JASA 74 (1979). For counts of rare events the two parts are compared as Poisson counts,
//! given their sum: Przyborowski and Wilenski, Biometrika 31 (1940).
//!
//! The statistic alone takes a few outliers for a change. Only places are looked at where that is not so: the values next
//! to them are each nearer to the level on their own side. That can only make what never changed look less as if it had.

use super::beta::incomplete_beta;

/// The place where a series is most likely to have changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shift {
    /// The first value of the later part.
    pub(crate) at: usize,
    /// Means of the two parts.
    pub(crate) before: f64,
    pub(crate) after: f64,
    /// The chance of so large a difference, at any place, in a series that never changed: at most so much.
    pub(crate) p: f64,
}

/// Where the mean of normal values with a common spread changed, with at least `least` values on each side that show it.
/// None where there are too few of them. Where there is no such place, the chance is 1.
pub(crate) fn level_shift(values: &[f64], least: usize) -> Option<Shift> {
    let least = least.max(2);
    let places = places(values.len(), least)?;
    let count = places.len() as f64;
    let lasting = places.filter(|at| lasts(values, *at, least));
    let best = lasting
        .map(|at| (at, t_statistic(&values[..at], &values[at..])))
        .max_by(|one, other| one.1.total_cmp(&other.1));
    let (at, p) = match best {
        Some((at, t)) => (at, (count * two_sided(t, (values.len() - 2) as f64)).min(1.0)),
        None => (least, 1.0),
    };
    Some(Shift { at, before: mean(&values[..at]), after: mean(&values[at..]), p })
}

/// The values next to the place are each nearer to the level of their own side.
fn lasts(values: &[f64], at: usize, least: usize) -> bool {
    let (before, after) = (mean(&values[..at]), mean(&values[at..]));
    let is_nearer = |value: &f64, own: f64, other: f64| (value - own).abs() < (value - other).abs();
    values[at - least..at].iter().all(|value| is_nearer(value, before, after))
        && values[at..at + least].iter().all(|value| is_nearer(value, after, before))
}

/// The same of shares, each of so many events in so many: both that the shares differ by more than they spread, and
/// that the counts do by more than chance, must hold. Means are shares of the parts.
pub(crate) fn share_shift(counts: &[(u64, u64)], least: usize) -> Option<Shift> {
    // The square root's arcsine of a share spreads the same whatever the share is.
    let angle = |(events, whole): &(u64, u64)| (*events as f64 / (*whole).max(1) as f64).min(1.0).sqrt().asin();
    let angles: Vec<f64> = counts.iter().map(angle).collect();
    let found = level_shift(&angles, least)?;
    let sum = |part: &[(u64, u64)]| part.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let (before, after) = (sum(&counts[..found.at]), sum(&counts[found.at..]));
    let places = places(counts.len(), least.max(2))?.len() as f64;
    let p = found.p.max((places * counts_differ(before, after)).min(1.0));
    let share = |(events, whole): (u64, u64)| events as f64 / whole.max(1) as f64;
    Some(Shift { before: share(before), after: share(after), p, ..found })
}

/// Where so many values can be cut in two.
fn places(values: usize, least: usize) -> Option<std::ops::Range<usize>> {
    (values >= 2 * least).then(|| least..values - least + 1)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Student's, of two samples with a common spread; infinite where they differ and do not spread at all.
fn t_statistic(left: &[f64], right: &[f64]) -> f64 {
    let squares = |values: &[f64], mean: f64| values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let (left_mean, right_mean) = (mean(left), mean(right));
    let difference = (left_mean - right_mean).abs();
    let (m, n) = (left.len() as f64, right.len() as f64);
    let variance = (squares(left, left_mean) + squares(right, right_mean)) / (m + n - 2.0);
    let error = (variance * (1.0 / m + 1.0 / n)).sqrt();
    match (difference > 0.0, error > 0.0) {
        (false, _) => 0.0,
        (true, false) => f64::INFINITY,
        (true, true) => difference / error,
    }
}

/// P(|T| > t) of Student's distribution.
fn two_sided(t: f64, degrees: f64) -> f64 {
    if t.is_infinite() { 0.0 } else { incomplete_beta(degrees / (degrees + t * t), degrees / 2.0, 0.5) }
}

/// Two-sided: given all events, those of the later part are binomial with its share of the whole.
fn counts_differ(before: (u64, u64), after: (u64, u64)) -> f64 {
    let (events, whole) = (before.0 + after.0, before.1 + after.1);
    if events == 0 || whole == 0 {
        return 1.0;
    }
    let share = after.1 as f64 / whole as f64;
    let at_least = |k: u64| match k {
        0 => 1.0,
        k => incomplete_beta(share, k as f64, (events - k) as f64 + 1.0),
    };
    let more = at_least(after.0);
    let less = if after.0 == events { 1.0 } else { 1.0 - at_least(after.0 + 1) };
    (2.0 * more.min(less)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Normal values by the sum of twelve uniform ones.
    fn noise(seed: u64, n: usize) -> Vec<f64> {
        let mut state = seed;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / (1_u64 << 31) as f64
        };
        (0..n).map(|_| (0..12).map(|_| uniform()).sum::<f64>() - 6.0).collect()
    }

    #[test]
    fn students_distribution_is_that_of_the_tables() {
        for (t, degrees, p) in [(12.706, 1.0, 0.05), (2.228, 10.0, 0.05), (4.587, 10.0, 0.001), (1.96, 1e6, 0.05)] {
            assert!((two_sided(t, degrees) - p).abs() < p * 0.002, "{t} {degrees}: {}", two_sided(t, degrees));
        }
    }

    #[test]
    fn a_step_is_found_where_it_is() {
        let mut values = noise(1, 30);
        values[20..].iter_mut().for_each(|value| *value += 8.0);
        let shift = level_shift(&values, 3).expect("enough values");
        assert_eq!(shift.at, 20);
        assert!(shift.p < 1e-9 && shift.after > shift.before + 6.0, "{shift:?}");
    }

    /// The bound holds: of series that never change, at most so many look as if they had.
    #[test]
    fn what_never_changed_seldom_looks_so() {
        let below = |level: f64| {
            let found = (1..=2_000).filter_map(|seed| level_shift(&noise(seed, 24), 3)).filter(|shift| shift.p < level);
            found.count()
        };
        assert!(below(0.05) <= 100, "{}", below(0.05));
        assert!(below(0.001) <= 8, "{}", below(0.001));
    }

    /// Neither at the end nor at the beginning, and two are none either.
    #[test]
    fn outliers_are_no_change() {
        for places in [&[59][..], &[58, 59], &[57, 59], &[0], &[0, 2], &[30], &[30, 31]] {
            let mut values = noise(3, 60);
            places.iter().for_each(|place| values[*place] += 50.0);
            let shift = level_shift(&values, 3).expect("enough values");
            assert!(shift.p > 0.01, "{places:?}: {shift:?}");
        }
    }

    #[test]
    fn too_few_values_show_nothing() {
        assert_eq!(level_shift(&[1.0, 1.0, 1.0, 9.0, 9.0], 3), None);
        assert_eq!(level_shift(&[1.0; 6], 3).map(|shift| shift.p), Some(1.0));
        assert_eq!(level_shift(&[1.0, 1.0, 1.0, 9.0, 9.0, 9.0], 3).map(|shift| (shift.at, shift.p)), Some((3, 0.0)));
    }

    #[test]
    fn rare_errors_are_compared_as_counts() {
        // P(X >= 3) of three events that each fall on the later half with 1/2 is 1/8.
        assert!((counts_differ((0, 500), (3, 500)) - 0.25).abs() < 1e-9);
        assert!((counts_differ((3, 500), (0, 500)) - 0.25).abs() < 1e-9);
        assert_eq!(counts_differ((0, 500), (0, 500)), 1.0);
        // One error a check, where there was none before, is no proof; ten are.
        let series =
            |later: u64| -> Vec<(u64, u64)> { (0..10).map(|n| (if n < 7 { 0 } else { later }, 400)).collect() };
        assert!(share_shift(&series(1), 3).expect("enough").p > 0.05);
        let proof = share_shift(&series(10), 3).expect("enough");
        assert!(proof.p < 1e-10 && proof.at == 7 && proof.after == 0.025, "{proof:?}");
        // All of them in one check: an accident, no new level.
        let mut accident = series(0);
        accident[8] = (30, 400);
        assert!(share_shift(&accident, 3).expect("enough").p > 0.05);
    }
}
