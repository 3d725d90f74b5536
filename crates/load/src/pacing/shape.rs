//! Rates that change over time.

use std::f64::consts::TAU;

/// How often a rate is what it is, as a factor of it over time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// Lengths in microseconds and factors, one after another and again from the first.
    Pieces(Box<[(f64, f64)]>),
    /// `1 + amplitude * sin`, which begins at 1 and rises.
    Sine { period_us: f64, amplitude: f64 },
}

impl Shape {
    /// None where no time, or no arrival, would be in it.
    pub(crate) fn pieces(pieces: impl IntoIterator<Item = (u64, f64)>) -> Option<Self> {
        let is_good = |factor: f64| factor.is_finite() && factor >= 0.0;
        let pieces: Box<[(f64, f64)]> = pieces
            .into_iter()
            .filter(|(us, factor)| *us > 0 && is_good(*factor))
            .map(|(us, factor)| (us as f64, factor))
            .collect();
        let sum: f64 = pieces.iter().map(|(us, factor)| us * factor).sum();
        (sum > 0.0).then_some(Shape::Pieces(pieces))
    }

    /// `amplitude` from 0 to 1; None where there is no period.
    pub(crate) fn sine(period_us: u64, amplitude: f64) -> Option<Self> {
        let amplitude = if amplitude.is_finite() { amplitude.clamp(0.0, 1.0) } else { 0.0 };
        (period_us > 0).then_some(Shape::Sine { period_us: period_us as f64, amplitude })
    }

    /// The factor's integral from 0 to `us`: how long the plain rate takes for as many arrivals.
    pub(crate) fn integral(&self, us: f64) -> f64 {
        match self {
            Shape::Pieces(pieces) => {
                let (length, sum) = totals(pieces);
                let rounds = (us / length).floor();
                let (mut left, mut found) = (us - rounds * length, rounds * sum);
                for (piece_us, factor) in pieces {
                    let part = left.min(*piece_us);
                    found += part * factor;
                    left -= part;
                }
                found
            }
            Shape::Sine { period_us, amplitude } => {
                us + amplitude * period_us / TAU * (1.0 - (us / period_us * TAU).cos())
            }
        }
    }

    /// When the integral comes to `sum`.
    pub(crate) fn when(&self, sum: f64) -> f64 {
        match self {
            Shape::Pieces(pieces) => {
                let (length, of_round) = totals(pieces);
                let rounds = (sum / of_round).floor();
                let (mut left, mut at) = (sum - rounds * of_round, rounds * length);
                for (piece_us, factor) in pieces {
                    let part = piece_us * factor;
                    if left < part {
                        return at + left / factor;
                    }
                    left -= part;
                    at += piece_us;
                }
                at
            }
            Shape::Sine { period_us, amplitude } => self.search(sum, amplitude * period_us / TAU * 2.0),
        }
    }

    /// The integral is ahead of the time by `ahead_max` at most: the time is looked for between.
    fn search(&self, sum: f64, ahead_max: f64) -> f64 {
        let (mut from, mut to) = ((sum - ahead_max).max(0.0), sum);
        while to - from > 0.25 {
            let middle = from + (to - from) / 2.0;
            if self.integral(middle) < sum { from = middle } else { to = middle }
        }
        to
    }
}

/// Of one round: its length, and the factor's integral over it.
fn totals(pieces: &[(f64, f64)]) -> (f64, f64) {
    pieces.iter().fold((0.0, 0.0), |(length, sum), (us, factor)| (length + us, sum + us * factor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_shape() -> impl Strategy<Value = Shape> {
        let pieces = proptest::collection::vec((1u64..5_000_000, 0.0f64..4.0), 1..6);
        prop_oneof![
            pieces.prop_filter_map("has arrivals", Shape::pieces),
            (1u64..100_000_000, 0.0f64..=1.0).prop_filter_map("has a period", |(us, a)| Shape::sine(us, a)),
        ]
    }

    #[test]
    fn a_spike_has_its_share() {
        let shape = Shape::pieces([(9_000_000, 1.0), (1_000_000, 5.0)]).expect("a shape");
        assert_eq!(shape.integral(9_000_000.0), 9_000_000.0);
        assert_eq!(shape.integral(10_000_000.0), 14_000_000.0);
        assert_eq!(shape.integral(19_500_000.0), 14_000_000.0 + 9_000_000.0 + 2_500_000.0);
        assert_eq!(shape.when(11_500_000.0), 9_500_000.0);
    }

    #[test]
    fn nothing_is_no_shape() {
        assert_eq!(Shape::pieces([(1_000, 0.0)]), None);
        assert_eq!(Shape::pieces([(0, 1.0), (5, f64::NAN)]), None);
        assert_eq!(Shape::sine(0, 0.5), None);
    }

    proptest! {
        #[test]
        fn the_integral_grows_and_is_undone(shape in any_shape(), us in 0.0f64..1e9) {
            let sum = shape.integral(us);
            prop_assert!(shape.integral(us + 1e6) >= sum);
            // Where the factor is 0 many times have the same sum.
            let again = shape.integral(shape.when(sum));
            prop_assert!((again - sum).abs() <= 2.0 + sum * 1e-9, "{again} for {sum}");
        }
    }
}
