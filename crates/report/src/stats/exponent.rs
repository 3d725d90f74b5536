use super::Side;
use super::bootstrap::{Draws, pick};

/// How a value grows with another: as its power, with the 95 % bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Exponent {
    pub(crate) value: f64,
    /// Both sides; None where each step has one value only, which cannot be drawn from.
    pub(crate) bounds: Option<(f64, f64)>,
    /// The step that is farthest from the line, as a factor of at least 1: how well a power describes it.
    pub(crate) off: f64,
}

const REPLICATES: usize = 1_000;

/// The least-squares line through the logarithms of n and of the mean of the values at n; its bounds by drawing from the
/// values of each step, neighbouring ones together. A mean that is not above zero has no logarithm: its step, or its draw,
/// is left out. None for fewer than two steps.
pub(crate) fn exponent(steps: &[(f64, Vec<f64>)], seed: u64) -> Option<Exponent> {
    let steps: Vec<(f64, &[f64])> = steps
        .iter()
        .map(|(n, values)| (n.ln(), values.as_slice()))
        .filter(|(_, values)| mean(values.iter().copied()) > 0.0)
        .collect();
    let means: Vec<(f64, f64)> = steps.iter().map(|(n, values)| (*n, mean(values.iter().copied()).ln())).collect();
    let (value, base) = fit(&means)?;
    let off = means.iter().map(|(n, log)| (log - base - value * n).abs().exp()).fold(1.0, f64::max);
    let bounds = steps.iter().all(|(_, values)| values.len() > 1).then(|| bounds(&steps, seed)).flatten();
    Some(Exponent { value, bounds: bounds.map(|(low, high)| (low.min(value), high.max(value))), off })
}

fn bounds(steps: &[(f64, &[f64])], seed: u64) -> Option<(f64, f64)> {
    let mut draws: Vec<Draws> =
        steps.iter().zip(seed..).map(|((_, values), seed)| Draws::new(values.len(), seed)).collect();
    let found: Vec<f64> = (0..REPLICATES)
        .filter_map(|_| {
            let drawn = steps.iter().zip(&mut draws).map(|((n, values), draws)| {
                let drawn = mean(draws.next_order().into_iter().map(|at| values[at]));
                (drawn > 0.0).then(|| (*n, drawn.ln()))
            });
            fit(&drawn.collect::<Option<Vec<_>>>()?).map(|line| line.0)
        })
        .collect();
    Some((pick(found.clone(), Side::Lower)?, pick(found, Side::Upper)?))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

/// Slope and intercept; None without a spread in x.
fn fit(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let (x, y) = (mean(points.iter().map(|point| point.0)), mean(points.iter().map(|point| point.1)));
    let squares: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let products: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    (squares > 0.0).then(|| (products / squares, y - products / squares * x))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(middle: f64) -> Vec<f64> {
        (0..10_u32).map(|n| middle * (0.9 + f64::from(n.wrapping_mul(2_654_435_761) >> 16 & 1023) / 5_115.0)).collect()
    }

    #[test]
    fn a_power_has_its_exponent_and_no_doubt() {
        let steps = [1e3, 1e4, 1e5].map(|n: f64| (n, vec![2.0 * n.sqrt(); 5]));
        let found = exponent(&steps, 7).expect("three steps");
        assert!((found.value - 0.5).abs() < 1e-9 && (found.off - 1.0).abs() < 1e-9, "{found:?}");
        let (low, high) = found.bounds.expect("five values each");
        assert!(high - low < 1e-9);
    }

    #[test]
    fn noise_widens_the_bounds_around_the_truth() {
        let steps = [1e3, 1e4, 1e5].map(|n: f64| (n, noisy(3.0)));
        let found = exponent(&steps, 7).expect("three steps");
        let (low, high) = found.bounds.expect("ten values each");
        assert!(low < 0.0 && high > 0.0 && high - low < 0.05, "{found:?}");
    }

    #[test]
    fn what_is_no_power_is_told_by_its_distance() {
        let steps = [(1e3, vec![1.0; 3]), (1e4, vec![1.0; 3]), (1e5, vec![100.0; 3])];
        assert!(exponent(&steps, 7).expect("three steps").off > 4.0);
    }

    #[test]
    fn seconds_in_which_nothing_happened_count_as_much_as_the_others() {
        let stalled = [(1e3, vec![100.0; 4]), (1e4, vec![100.0, 100.0, 0.0, 0.0])];
        let found = exponent(&stalled, 7).expect("two steps");
        assert!((found.value - 0.5_f64.log10()).abs() < 1e-9, "{found:?}");
        let (low, high) = found.bounds.expect("four values each");
        assert!(low < found.value && found.value < high, "{found:?}");
        assert_eq!(exponent(&[(1e3, vec![100.0; 4]), (1e4, vec![0.0; 4])], 7), None);
    }

    #[test]
    fn one_step_shows_no_growth() {
        assert_eq!(exponent(&[(1e3, vec![1.0, 2.0])], 7), None);
        assert_eq!(exponent(&[(1e3, vec![1.0]), (1e4, vec![-1.0])], 7), None);
        assert_eq!(exponent(&[(1e3, vec![1.0]), (1e4, vec![10.0])], 7).expect("two").bounds, None);
    }
}
