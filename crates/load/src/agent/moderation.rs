//! Fewer wake-ups where requests are so dense that each one of its own costs more than the request, and where the machine has no
//! core to spare. What is due between two multiples of a step is sent together at the second one.
//!
//! With thousands of requests a second from one loop, the step is as long as some tens of them take, and a millisecond at most. That
//! is half a millisecond of send lag in the mean, in place of a wake-up a request, which costs more than the request itself. It is told
//! with the lag, and latency counts from the intended time, so that it is in there, too. More agents are less dense.
//!
//! A loop that is woken when it asked for it sends each request at its own moment. One that is woken late, because others
//! have the cores, only takes them away more often by asking to the microsecond: it asks for the next multiple of a step
//! instead, at which the other agents of this machine ask, too, and sends together what is due by then. The step is a few
//! times what the loop is late anyway, and a millisecond at most. It adds to the send lag, which is told, and what it saves
//! is the machine's: see docs/performance.md.

/// A step is no longer than so many requests take: more of them at a time save little.
const DENSE: u64 = 32;
/// The longest step is worth its lag for so many.
const DENSE_LEAST: u64 = 8;
/// How long requests are counted for, us.
const COUNTED_US: u64 = 16_384;
/// A loop that is late for no longer has no step, us: so long a wake-up takes on an idle machine.
const LATE_US: u64 = 50;
/// A step is at most so many times the lateness.
const STEP_OF_LATE: u64 = 4;
/// The longest step, us. All are powers of two, so that steps of different lengths meet.
const STEP_MAX_US: u64 = 1_024;
/// What one wake-up counts for at most, us: a loop that stood still once is not late for long.
const SAMPLE_MAX_US: u64 = 8_192;
/// One wake-up's part in the mean is one in so many, a power of two.
const WEIGHT: u64 = 32;

#[derive(Debug, Default)]
pub(super) struct Moderation {
    /// Moving mean of the lateness, us times `WEIGHT`.
    late: u64,
    /// How many requests there had been, and when.
    counted: (u64, u64),
    /// For what is dense, us; 0: none.
    dense_step_us: u64,
}

impl Moderation {
    /// Notes how many requests there have been so far.
    pub(super) fn count(&mut self, requests: u64, now_us: u64) {
        let (before, since_us) = self.counted;
        let took_us = now_us.saturating_sub(since_us);
        if took_us >= COUNTED_US {
            self.dense_step_us = dense_step_us(requests - before, took_us);
            self.counted = (requests, now_us);
        }
    }

    /// How long a step is, us; 1 where each request is worth a wake-up.
    pub(super) fn step_us(&self) -> u64 {
        self.late_step_us().max(self.dense_step_us).max(1)
    }

    /// Notes that the loop goes on at `now_us` where it had asked for `until_us`.
    pub(super) fn woken(&mut self, until_us: u64, now_us: u64) {
        // Before its time: by a socket, which says nothing. 0: at once.
        if until_us > 0 && now_us >= until_us {
            self.late += (now_us - until_us).min(SAMPLE_MAX_US);
            self.late -= self.late / WEIGHT;
        }
    }

    /// For a loop that is late, us; 0: none.
    fn late_step_us(&self) -> u64 {
        let late_us = self.late / WEIGHT;
        if late_us > LATE_US { (1 << (STEP_OF_LATE * late_us).ilog2()).min(STEP_MAX_US) } else { 0 }
    }
}

/// The shortest power of two in which [`DENSE`] requests come, or the longest step, where `requests` came in `took_us`; 0: too few.
fn dense_step_us(requests: u64, took_us: u64) -> u64 {
    if requests * STEP_MAX_US < DENSE_LEAST * took_us {
        return 0;
    }
    (DENSE * took_us / requests).max(1).next_power_of_two().min(STEP_MAX_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late_by(late_us: u64, times: u64) -> Moderation {
        let mut moderation = Moderation::default();
        (1..=times).for_each(|time| moderation.woken(time * 1_000, time * 1_000 + late_us));
        moderation
    }

    #[test]
    fn a_loop_that_is_woken_in_time_has_no_steps() {
        assert_eq!(late_by(45, 1_000).step_us(), 1);
    }

    #[test]
    fn dense_requests_are_sent_together() {
        for (a_second, step_us) in
            [(100, 1), (7_000, 1), (8_000, 1_024), (10_000, 1_024), (20_000, 1_024), (50_000, 1_024), (100_000, 512)]
        {
            let mut moderation = late_by(5, 1_000);
            (0..=100).for_each(|nth| moderation.count(a_second * nth / 100, nth * 10_000));
            assert_eq!(moderation.step_us(), step_us, "{a_second} a second");
            (0..=100).for_each(|nth| moderation.count(a_second, 1_000_000 + nth * 10_000));
            assert_eq!(moderation.step_us(), 1, "there are none any more");
        }
    }

    #[test]
    fn a_loop_that_is_late_asks_in_steps() {
        for (late_us, step_us) in [(70, 256), (150, 512), (260, 512), (300, 1_024), (90_000, 1_024)] {
            assert_eq!(late_by(late_us, 1_000).step_us(), step_us, "{late_us}");
        }
    }

    #[test]
    fn one_late_wake_up_is_forgotten() {
        let mut once = late_by(40, 1_000);
        once.woken(2_000_000, 2_500_000);
        assert!(once.step_us() > 1);
        (1..=300).for_each(|time| once.woken(4_000_000 + time * 1_000, 4_000_000 + time * 1_000 + 40));
        assert_eq!(once.step_us(), 1);
    }
}
