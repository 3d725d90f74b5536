//! Arrivals whose rate changes over time.

use super::{Pace, Shape};

/// Arrivals at an even rate, or of a Poisson process, on a clock that goes as fast as the shape says: whatever window is
/// looked at, it has as many of them as the rate's integral over it.
#[derive(Debug, Clone)]
pub(crate) struct Shaped {
    start_us: u64,
    shape: Shape,
    /// On the shape's clock, from 0.
    even: Pace,
    last_us: u64,
    /// Of the arrival after those that were taken, if there is one.
    next_us: u64,
}

impl Shaped {
    /// Arrivals from `start_us` on and before `start_us + duration_us`. `even` makes those of so many microseconds, from
    /// 0 on.
    pub(crate) fn over(start_us: u64, duration_us: u64, shape: Shape, even: impl FnOnce(u64) -> Pace) -> Self {
        let even = even(shape.integral(duration_us as f64) as u64);
        let last_us = start_us + duration_us.saturating_sub(1);
        let mut pace = Self { start_us, shape, even, last_us, next_us: start_us };
        pace.reach_next();
        pace
    }

    /// Looks for it once: that takes a search where the shape is a sine.
    fn reach_next(&mut self) {
        if let Some(at_us) = self.even.next_us() {
            self.next_us = (self.start_us + self.shape.when(at_us as f64) as u64).min(self.last_us);
        }
    }

    pub(crate) fn planned(&self) -> u64 {
        self.even.planned()
    }

    pub(crate) fn taken(&self) -> u64 {
        self.even.taken()
    }

    pub(crate) fn next_us(&self) -> Option<u64> {
        self.even.next_us().map(|_| self.next_us)
    }

    pub(crate) fn take(&mut self) {
        self.even.take();
        self.reach_next();
    }

    pub(crate) fn cut(&mut self) {
        self.even.cut();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pacing::{Constant, Poisson};
    use crate::random::Random;
    use proptest::prelude::*;

    fn times(mut pace: Shaped) -> Vec<u64> {
        let mut times = Vec::new();
        while let Some(us) = pace.next_us() {
            times.push(us);
            pace.take();
        }
        times
    }

    fn shaped(start_us: u64, duration_us: u64, rate: f64, shape: &Shape) -> Shaped {
        let even = |us: u64| Pace::Constant(Constant::over(0, us, rate, 0.0));
        Shaped::over(start_us, duration_us, shape.clone(), even)
    }

    fn any_shape() -> impl Strategy<Value = Shape> {
        let pieces = proptest::collection::vec((1u64..2_000_000, 0.0f64..4.0), 1..5);
        prop_oneof![
            pieces.prop_filter_map("has arrivals", Shape::pieces),
            (1_000u64..10_000_000, 0.0f64..=1.0).prop_filter_map("has a period", |(us, a)| Shape::sine(us, a)),
        ]
    }

    proptest! {
        #[test]
        fn a_window_has_as_many_arrivals_as_the_rates_integral(
            shape in any_shape(), rate in 1.0f64..5_000.0, from in 0u64..2_000_000, length in 1u64..2_000_000,
        ) {
            let (start, duration) = (7_000_000, 4_000_000);
            let times = times(shaped(start, duration, rate, &shape));
            prop_assert!(times.is_sorted());
            prop_assert!(times.iter().all(|us| (start..start + duration).contains(us)));
            let to = from + length;
            let count = times.iter().filter(|us| (start + from..start + to).contains(us)).count() as f64;
            let expected = (shape.integral(to as f64) - shape.integral(from as f64)) * rate / 1e6;
            // Whole arrivals, and those within a microsecond of either end.
            let edge = 2.0 + rate * 4.0 * 2.0 / 1e6;
            prop_assert!((count - expected).abs() <= edge, "{count} arrivals, {expected} expected");
        }
    }

    #[test]
    fn agents_share_a_shape_evenly() {
        let shape = Shape::sine(1_000_000, 0.9).expect("a shape");
        let of = |rate: f64, offset: f64| {
            let even = |us: u64| Pace::Constant(Constant::over(0, us, rate, offset));
            times(Shaped::over(0, 2_000_000, shape.clone(), even))
        };
        let (whole, mut parts) = (of(1_000.0, 0.0), [of(500.0, 0.0), of(500.0, 0.5)].concat());
        parts.sort_unstable();
        assert_eq!(whole.len(), parts.len());
        assert!(whole.iter().zip(&parts).all(|(one, other)| one.abs_diff(*other) <= 2));
    }

    #[test]
    fn a_poisson_process_is_shaped_as_well() {
        let shape = Shape::pieces([(1_000_000, 0.0), (1_000_000, 2.0)]).expect("a shape");
        let even = |us: u64| Pace::Poisson(Poisson::over(0, us, 1_000.0, Random::new(5, 0)));
        let times = times(Shaped::over(0, 10_000_000, shape, even));
        assert!((9_500..10_500).contains(&times.len()), "{}", times.len());
        assert!(times.iter().all(|us| us / 1_000_000 % 2 == 1), "nothing where the factor is 0");
    }
}
