//! What is told once a second, and how well the loop keeps time.

use erlmcp_record::Entry;

use super::Engine;
use crate::connection_log::OpenNow;
use crate::net::{Net, Woken};
use crate::report::{EngineSecond, Report};

/// A poll that took longer than this has waited; a shorter one found its events there already.
const WAITED_US: u64 = 50;
/// Seconds told of at once, at most, after the loop stood still.
const MISSED_MAX: u32 = 600;

/// When the loop polled.
#[derive(Debug, Default)]
pub(crate) struct LoopTimes {
    returned_us: u64,
    was_full: bool,
    /// An answer that is read now has come after this.
    answers_since_us: u64,
    longest_stall_us: u64,
}

impl LoopTimes {
    /// The loop has polled. What came while the poll waited was there when it returned; what it found at once may
    /// have come any time since the poll before, or before that one, where it could not take all.
    pub(crate) fn polled(&mut self, entered_us: u64, woken: Woken) {
        let Woken { at_us, is_full } = woken;
        if self.returned_us > 0 {
            self.longest_stall_us = self.longest_stall_us.max(entered_us.saturating_sub(self.returned_us));
        }
        let waited = (at_us.saturating_sub(entered_us) > WAITED_US && !is_full) || self.returned_us == 0;
        if waited {
            self.answers_since_us = at_us;
        } else if !self.was_full {
            self.answers_since_us = self.returned_us;
        }
        (self.returned_us, self.was_full) = (at_us, is_full);
    }

    /// How long, at most, an answer that is read now has lain there.
    pub(crate) fn receive_lag_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.answers_since_us)
    }

    fn take_longest_stall_us(&mut self) -> u64 {
        std::mem::take(&mut self.longest_stall_us)
    }
}

impl<N: Net> Engine<N> {
    /// Tells of every second that is over.
    pub(super) fn count_seconds(&mut self, now_us: u64) {
        let now = (now_us / 1_000_000) as u32;
        if now <= self.second {
            return;
        }
        self.second = self.second.max(now.saturating_sub(MISSED_MAX));
        self.tell_intervals(now_us);
        self.tell_episodes();
        while self.second < now {
            if !self.clients.is_empty() || !self.log.is_empty() {
                self.tell_connections();
            }
            self.tell_streams();
            let longest_stall_us = self.loop_times.take_longest_stall_us();
            let second = self.second;
            let (sockets, sides) = (self.net.sockets(), self.sides.open());
            self.outbox.push(Report::Second(EngineSecond { second, longest_stall_us, sockets, sides }));
            self.second += 1;
        }
    }

    /// Tells everything that is known now.
    pub(super) fn tell(&mut self, now_us: u64) {
        self.tell_intervals(now_us);
        self.tell_connections();
        self.tell_streams();
        self.tell_episodes();
    }

    pub(super) fn tell_intervals(&mut self, now_us: u64) {
        let mut rows = Vec::new();
        self.ledger.flush(self.settings.agent, now_us, &self.endpoints.replicas(), &mut rows);
        for row in rows {
            self.outbox.row(Entry::Interval(row));
        }
    }

    /// The row of the second that is being counted. Where it is told again, counts add up.
    pub(super) fn tell_connections(&mut self) {
        let now = OpenNow {
            agent: self.settings.agent,
            phase: self.phase,
            second: self.second,
            by_replica: self.endpoints.open_by_replica(),
        };
        self.outbox.row(Entry::Connections(self.log.take_row(now, self.renewing)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn woken(at_us: u64) -> Woken {
        Woken { at_us, is_full: false }
    }

    #[test]
    fn a_stall_is_the_time_between_two_polls() {
        let mut times = LoopTimes::default();
        times.polled(0, woken(1_000));
        times.polled(1_100, woken(2_000));
        times.polled(9_000, woken(9_010));
        assert_eq!(times.take_longest_stall_us(), 7_000);
        assert_eq!(times.take_longest_stall_us(), 0);
    }

    #[test]
    fn what_a_poll_found_at_once_may_have_lain_there_since_the_one_before() {
        let mut times = LoopTimes::default();
        times.polled(0, woken(1_000));
        times.polled(1_100, woken(2_000));
        assert_eq!(times.receive_lag_us(2_040), 40, "the poll has waited");
        times.polled(5_000, woken(5_005));
        assert_eq!(times.receive_lag_us(5_040), 3_040, "it found them there");
    }

    #[test]
    fn what_a_poll_could_not_take_may_have_lain_there_for_longer() {
        let mut times = LoopTimes::default();
        times.polled(0, woken(1_000));
        times.polled(1_100, woken(2_000));
        times.polled(5_000, Woken { at_us: 5_080, is_full: true });
        assert_eq!(times.receive_lag_us(5_100), 3_100, "so many take a while to tell");
        times.polled(7_000, woken(7_005));
        assert_eq!(times.receive_lag_us(7_100), 5_100);
        times.polled(8_000, woken(8_005));
        assert_eq!(times.receive_lag_us(8_100), 1_095);
    }
}
