//! How soon a replica that ended is started again, and when no more: OTP's restart intensity, with a back-off.

use std::collections::VecDeque;

/// A replica that ended more often than this within [`WINDOW_NS`] has failed.
pub(super) const RESTARTS_MAX: usize = 5;
pub(super) const WINDOW_NS: u64 = 30_000_000_000;
const DELAY_FIRST_NS: u64 = 100_000_000;
const DELAY_MAX_NS: u64 = 5_000_000_000;

/// What follows the end of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is started again at this moment, ns.
    RestartAt(u64),
    /// It has failed too often.
    GiveUp,
}

/// The restarts of one replica, as far as they still count.
#[derive(Debug, Default)]
pub(super) struct Intensity {
    /// At most [`RESTARTS_MAX`], oldest first.
    restarts: VecDeque<u64>,
}

impl Intensity {
    /// The replica has ended.
    pub(super) fn ended(&mut self, now_ns: u64) -> Next {
        while self.restarts.front().is_some_and(|at| now_ns.saturating_sub(*at) > WINDOW_NS) {
            self.restarts.pop_front();
        }
        if self.restarts.len() == RESTARTS_MAX {
            return Next::GiveUp;
        }
        let delay = (DELAY_FIRST_NS << self.restarts.len()).min(DELAY_MAX_NS);
        self.restarts.push_back(now_ns);
        Next::RestartAt(now_ns + delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn delays_double_until_it_is_given_up() {
        let mut intensity = Intensity::default();
        let mut now = 1_000 * MS;
        for delay in [100, 200, 400, 800, 1_600] {
            assert_eq!(intensity.ended(now), Next::RestartAt(now + delay * MS));
            now += delay * MS;
        }
        assert_eq!(intensity.ended(now), Next::GiveUp);
    }

    #[test]
    fn old_restarts_do_not_count() {
        let mut intensity = Intensity::default();
        for index in 0..50 {
            // One in 7.5 s: never more than five within 30 s.
            let now = index * 7_500 * MS;
            assert!(matches!(intensity.ended(now), Next::RestartAt(_)), "restart {index}");
        }
        let calm = 49 * 7_500 * MS + WINDOW_NS + 1;
        assert_eq!(intensity.ended(calm), Next::RestartAt(calm + 100 * MS));
    }

    #[test]
    fn the_sixth_end_in_thirty_seconds_is_the_last() {
        let mut intensity = Intensity::default();
        for second in [0, 6, 12, 18, 24] {
            assert!(matches!(intensity.ended(second * 1_000 * MS), Next::RestartAt(_)));
        }
        assert_eq!(intensity.ended(WINDOW_NS), Next::GiveUp);
        assert!(matches!(intensity.ended(WINDOW_NS + 1), Next::RestartAt(_)));
    }
}
