//! Arrivals at a constant rate.

/// One arrival a second, in the unit in which rates are kept.
const MICRO: f64 = 1e6;
/// Microseconds in a second, times the unit of rates.
const US_MICRO: u64 = 1_000_000_000_000;

/// Arrival `k` is planned at `start + (k + offset) / rate`, computed from `k` in integers, so that no error adds
/// up however long it goes on. The rate is kept as so many arrivals in so many microseconds: one that is asked for a
/// second to a millionth of an arrival, one over a duration as it is.
#[derive(Debug, Clone)]
pub(crate) struct Constant {
    start_us: u64,
    arrivals: u64,
    in_us: u64,
    offset_q32: u64,
    count: u64,
    taken: u64,
    next_us: u64,
}

impl Constant {
    /// All arrivals from `start_us` on and before `start_us + duration_us`. `offset` (0 to 1) is where in its period
    /// the first one is. No arrivals where `rate` (a second) is not more than 0.
    pub(crate) fn over(start_us: u64, duration_us: u64, rate: f64, offset: f64) -> Self {
        let mut pace = Self::endless(start_us, rate, offset);
        // Shifted as the offset is.
        let arrivals = (u128::from(duration_us) * u128::from(pace.arrivals)) << 32;
        let in_us = u128::from(pace.in_us);
        let offset = u128::from(pace.offset_q32) * in_us;
        pace.count = u64::try_from(arrivals.saturating_sub(offset).div_ceil(in_us << 32)).unwrap_or(u64::MAX);
        pace.reach()
    }

    /// `count` arrivals, the first at `start_us`. With a `rate` of 0 none.
    pub(crate) fn counted(start_us: u64, count: u64, rate: f64) -> Self {
        let mut pace = Self::endless(start_us, rate, 0.0);
        pace.count = if pace.arrivals == 0 { 0 } else { count };
        pace.reach()
    }

    /// `count` arrivals spread evenly over `duration_us`, the first at `start_us`.
    pub(crate) fn spread(start_us: u64, count: u64, duration_us: u64) -> Self {
        let pace = Self::endless(start_us, 0.0, 0.0);
        Self { arrivals: count, in_us: duration_us, count, ..pace }.reach()
    }

    fn endless(start_us: u64, rate: f64, offset: f64) -> Self {
        let arrivals = if rate.is_finite() && rate > 0.0 { (rate.min(1e9) * MICRO).round() as u64 } else { 0 };
        let offset = if offset.is_finite() { offset.clamp(0.0, 1.0) } else { 0.0 };
        let offset_q32 = (offset * 4_294_967_296.0) as u64;
        Self { start_us, arrivals, in_us: US_MICRO, offset_q32, count: 0, taken: 0, next_us: start_us }
    }

    fn reach(mut self) -> Self {
        self.next_us = self.at(0);
        self
    }

    fn at(&self, k: u64) -> u64 {
        if self.arrivals == 0 {
            return self.start_us;
        }
        let shifted = (u128::from(k) << 32) + u128::from(self.offset_q32);
        let us = (shifted * u128::from(self.in_us) / u128::from(self.arrivals)) >> 32;
        self.start_us + us as u64
    }

    pub(crate) fn planned(&self) -> u64 {
        self.count
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    pub(crate) fn next_us(&self) -> Option<u64> {
        (self.taken < self.count).then_some(self.next_us)
    }

    pub(crate) fn take(&mut self) {
        self.taken += 1;
        self.next_us = self.at(self.taken);
    }

    pub(crate) fn cut(&mut self) {
        self.count = self.taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(mut pace: Constant) -> Vec<u64> {
        let mut times = Vec::new();
        while let Some(us) = pace.next_us() {
            times.push(us);
            pace.take();
        }
        times
    }

    #[test]
    fn a_whole_period_gives_equal_gaps() {
        let times = all(Constant::over(1_000, 1_000_000, 1_000.0, 0.0));
        assert_eq!(times.len(), 1_000);
        assert_eq!(times[0], 1_000);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 1_000));
    }

    #[test]
    fn no_error_adds_up() {
        // 1,000/3 a second for 15 minutes: 300,000 arrivals, the last one period before the end.
        let pace = Constant::over(0, 900_000_000, 1_000.0 / 3.0, 0.0);
        assert_eq!(pace.planned(), 300_000);
        // The rate is kept to a millionth: 333.333333 is short of a third by 10^-9 of itself.
        assert!(pace.at(299_999).abs_diff(899_997_000) <= 1);
    }

    #[test]
    fn agents_share_a_rate_evenly() {
        let agents = 4;
        let mut times: Vec<u64> = (0..agents)
            .flat_map(|agent| all(Constant::over(0, 2_000_000, 250.0, f64::from(agent) / f64::from(agents))))
            .collect();
        times.sort_unstable();
        assert_eq!(times.len(), 2_000);
        assert!(times.windows(2).all(|pair| (999..=1_001).contains(&(pair[1] - pair[0]))));
    }

    #[test]
    fn a_spread_fills_its_duration() {
        let times = all(Constant::spread(500, 7, 7_000));
        assert_eq!(times, [500, 1_500, 2_500, 3_500, 4_500, 5_500, 6_500]);
        // 10^9 + 1 arrivals in a day: no rate in millionths gives it.
        let long = Constant::spread(0, 1_000_000_001, 86_400_000_000);
        assert_eq!((long.at(500_000_000), long.at(1_000_000_001)), (43_199_999_956, 86_400_000_000));
        assert_eq!(all(Constant::spread(500, 3, 0)).len(), 3);
        assert_eq!(all(Constant::spread(500, 0, 1_000)).len(), 0);
    }

    #[test]
    fn a_cut_plans_no_more() {
        let mut pace = Constant::over(0, 1_000_000, 100.0, 0.5);
        for _ in 0..10 {
            pace.take();
        }
        pace.cut();
        assert_eq!((pace.planned(), pace.next_us()), (10, None));
    }

    #[test]
    fn senseless_rates_plan_nothing() {
        for rate in [0.0, -5.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Constant::over(0, 1_000_000, rate, 0.0).planned(), 0, "{rate}");
        }
        assert_eq!(Constant::counted(0, 5, 0.0).planned(), 0);
    }

    proptest! {
        #[test]
        fn arrivals_are_inside_the_block_and_none_is_missing(
            start in 0u64..1_000_000_000, duration in 0u64..5_000_000, rate in 0.01f64..20_000.0, offset in 0.0f64..1.0,
        ) {
            let pace = Constant::over(start, duration, rate, offset);
            let planned = pace.planned();
            let beyond = pace.at(planned);
            let times = all(pace);
            prop_assert_eq!(times.len() as u64, planned);
            prop_assert!(times.iter().all(|us| (start..start + duration).contains(us)));
            prop_assert!(times.is_sorted());
            prop_assert!(beyond >= start + duration);
        }
    }
}
