//! Arrivals as they were recorded.

use std::sync::Arc;

/// Arrivals at recorded times, again and again until the end.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    start_us: u64,
    /// Microseconds from the start of the trace, in order.
    times: Arc<[u64]>,
    period_us: u64,
    /// Times as fast as it was recorded.
    speed: f64,
    count: u64,
    taken: u64,
}

impl Trace {
    /// Arrivals from `start_us` on and before `start_us + duration_us`; none where the trace has none, or no length.
    pub(crate) fn over(start_us: u64, duration_us: u64, times: Arc<[u64]>, period_us: u64, speed: f64) -> Self {
        let is_good = period_us > 0 && speed.is_finite() && speed > 0.0 && !times.is_empty();
        let mut trace = Self { start_us, times, period_us, speed, count: 0, taken: 0 };
        if is_good {
            let recorded_us = duration_us as f64 * speed;
            let rounds = (recorded_us / period_us as f64).floor();
            let left = recorded_us - rounds * period_us as f64;
            let of_last = trace.times.partition_point(|us| (*us as f64) < left);
            trace.count = rounds as u64 * trace.times.len() as u64 + of_last as u64;
        }
        trace
    }

    pub(crate) fn planned(&self) -> u64 {
        self.count
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    pub(crate) fn next_us(&self) -> Option<u64> {
        if self.taken >= self.count {
            return None;
        }
        let length = self.times.len() as u64;
        let round = self.taken / length * self.period_us;
        let recorded_us = round + self.times[(self.taken % length) as usize];
        Some(self.start_us + (recorded_us as f64 / self.speed) as u64)
    }

    pub(crate) fn take(&mut self) {
        self.taken += 1;
    }

    pub(crate) fn cut(&mut self) {
        self.count = self.taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(mut pace: Trace) -> Vec<u64> {
        assert_eq!(pace.planned(), {
            let mut all = pace.clone();
            std::iter::from_fn(|| all.next_us().inspect(|_| all.taken += 1)).count() as u64
        });
        let mut times = Vec::new();
        while let Some(us) = pace.next_us() {
            times.push(us);
            pace.take();
        }
        times
    }

    #[test]
    fn a_trace_is_repeated_until_the_end() {
        let of = |duration, speed| times(Trace::over(1_000, duration, [0, 10, 70].into(), 100, speed));
        assert_eq!(of(100, 1.0), [1_000, 1_010, 1_070]);
        assert_eq!(of(260, 1.0), [1_000, 1_010, 1_070, 1_100, 1_110, 1_170, 1_200, 1_210]);
        assert_eq!(of(100, 2.0), [1_000, 1_005, 1_035, 1_050, 1_055, 1_085]);
    }

    #[test]
    fn a_trace_without_arrivals_plans_none() {
        for (list, period, speed) in
            [(vec![], 100, 1.0), (vec![0], 0, 1.0), (vec![0], 10, 0.0), (vec![0], 10, f64::NAN)]
        {
            assert_eq!(Trace::over(0, 1_000, list.into(), period, speed).planned(), 0);
        }
    }
}
