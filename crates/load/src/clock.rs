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
    base_ns: u64,
}

impl RunClock {
    /// `base_ns` is CLOCK_MONOTONIC at the run clock's zero.
    pub fn new(base_ns: u64) -> Self {
        Self { base_ns }
    }

    /// Microseconds since the run began; zero before that.
    pub fn now_us(&self) -> u64 {
        monotonic_ns().saturating_sub(self.base_ns) / 1_000
    }

    /// CLOCK_MONOTONIC at a time of the run, nanoseconds.
    pub fn monotonic_at(&self, us: u64) -> u64 {
        self.base_ns.saturating_add(us.saturating_mul(1_000))
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
}
