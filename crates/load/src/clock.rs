//! The only place where this crate reads the time.

use rustix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC, nanoseconds. All processes of a machine share it.
pub fn monotonic_ns() -> u64 {
    read(ClockId::Monotonic)
}

/// Nanoseconds since 1970.
pub fn unix_ns() -> u64 {
    read(ClockId::Realtime)
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// The run's clock: microseconds since the run began.
#[derive(Debug, Clone, Copy)]
pub struct RunClock {
    /// Below zero on a machine that has booted since.
    base_ns: i64,
}

impl RunClock {
    /// `base_ns` is CLOCK_MONOTONIC at the run clock's zero; of a machine that has booted since, it is below zero and wraps.
    pub fn new(base_ns: u64) -> Self {
        Self { base_ns: base_ns as i64 }
    }

    /// Microseconds since the run began; zero before that.
    pub fn now_us(&self) -> u64 {
        (monotonic_ns() as i64).saturating_sub(self.base_ns).max(0) as u64 / 1_000
    }

    /// CLOCK_MONOTONIC at a time of the run, nanoseconds.
    pub fn monotonic_at(&self, us: u64) -> u64 {
        us.saturating_mul(1_000).saturating_add_signed(self.base_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_clock_counts_from_its_base() {
        let base = monotonic_ns();
        let clock = RunClock::new(base);
        assert_eq!(clock.monotonic_at(7), base + 7_000);
        let later = RunClock::new(base + 3_600_000_000_000);
        assert_eq!(later.now_us(), 0);
        assert!(clock.now_us() < 3_600_000_000);
    }

    #[test]
    fn a_machine_that_has_booted_since_the_run_began_keeps_its_time() {
        let base = 0u64.wrapping_sub(20_000_000_000);
        let clock = RunClock::new(base);
        assert!(clock.now_us() >= 20_000_000);
        assert_eq!((clock.monotonic_at(25_000_000), clock.monotonic_at(7)), (5_000_000_000, 0));
    }
}
