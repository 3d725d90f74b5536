//! How long a loop did not look at its connections.

use super::counters::ShardCounters;

const SECOND_NS: u64 = 1_000_000_000;
/// The thread's CPU time is a system call away, so that short turns are taken together over this time.
const READ_EVERY_NS: u64 = 1_000_000;

/// Keeps the longest stall of the running second, of the last whole one, and of all time; and the most CPU time of a
/// turn, which tells a loop that worked from one that waited for a core.
#[derive(Debug)]
pub(crate) struct StallWatch {
    second_began_ns: u64,
    longest_ns: u64,
    /// The thread's CPU time when it was read last, and when that was.
    cpu_ns: u64,
    read_ns: u64,
    busiest_ns: u64,
}

impl StallWatch {
    /// `cpu_ns`: CPU time of the thread, now.
    pub(crate) fn new(now_ns: u64, cpu_ns: u64) -> Self {
        Self { second_began_ns: now_ns, longest_ns: 0, cpu_ns, read_ns: now_ns, busiest_ns: 0 }
    }

    /// The loop did not poll from `began_ns` to `ended_ns`; by then its thread has used `cpu_ns()` of CPU time. The stall
    /// belongs to the second it ended in.
    pub(crate) fn worked(
        &mut self,
        began_ns: u64,
        ended_ns: u64,
        cpu_ns: impl FnOnce() -> u64,
        counters: &ShardCounters,
    ) {
        let seconds = ended_ns.saturating_sub(self.second_began_ns) / SECOND_NS;
        if seconds > 0 {
            self.second_began_ns += seconds * SECOND_NS;
            // A second that went by without a turn had no stall of its own: its stall ends only now.
            counters.stall_last_second_ns.set(if seconds == 1 { self.longest_ns } else { 0 });
            counters.busy_last_second_ns.set(if seconds == 1 { self.busiest_ns } else { 0 });
            counters.stall_second_ended_ns.set(self.second_began_ns);
            (self.longest_ns, self.busiest_ns) = (0, 0);
        }
        let stall = ended_ns.saturating_sub(began_ns);
        self.longest_ns = self.longest_ns.max(stall);
        if ended_ns.saturating_sub(self.read_ns) >= READ_EVERY_NS {
            let cpu_ns = cpu_ns();
            // Short turns and the poll before it are counted, too: what a stall is excused for gets less by them.
            self.busiest_ns = self.busiest_ns.max(cpu_ns.saturating_sub(self.cpu_ns).min(stall));
            (self.cpu_ns, self.read_ns) = (cpu_ns, ended_ns);
        }
        if stall > counters.stall_longest_ns.get() {
            counters.stall_longest_ns.set(stall);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_reported_when_its_second_is_over() {
        let counters = ShardCounters::default();
        let mut watch = StallWatch::new(0, 7);
        watch.worked(100, 2_000_100, || 500_007, &counters);
        watch.worked(500_000_000, 509_000_000, || 2_500_007, &counters);
        assert_eq!(counters.stall_last_second_ns.get(), 0);
        watch.worked(1_000_000_100, 1_000_000_150, || 2_500_050, &counters);
        assert_eq!((counters.stall_last_second_ns.get(), counters.stall_longest_ns.get()), (9_000_000, 9_000_000));
        assert_eq!(counters.busy_last_second_ns.get(), 2_000_000, "the rest of the 9 ms it waited");
        watch.worked(2_000_000_000, 2_000_000_010, || 2_500_060, &counters);
        assert_eq!((counters.stall_last_second_ns.get(), counters.busy_last_second_ns.get()), (50, 43));
    }

    #[test]
    fn short_turns_do_not_ask_for_the_time_each() {
        let counters = ShardCounters::default();
        let mut watch = StallWatch::new(0, 0);
        let mut asked = 0;
        for turn in 1..=1_000 {
            let ended_ns = turn * 20_000;
            let cpu_ns = || {
                asked += 1;
                ended_ns / 2
            };
            watch.worked(ended_ns - 10_000, ended_ns, cpu_ns, &counters);
        }
        assert_eq!(asked, 20, "once a millisecond");
        assert_eq!(watch.busiest_ns, 10_000, "no turn can have used more than it took");
    }

    #[test]
    fn a_stall_over_several_seconds_shows_in_the_second_of_its_end() {
        let counters = ShardCounters::default();
        let mut watch = StallWatch::new(0, 0);
        watch.worked(500_000_000, 3_200_000_000, || 2_000_000_000, &counters);
        assert_eq!((counters.stall_last_second_ns.get(), counters.stall_longest_ns.get()), (0, 2_700_000_000));
        watch.worked(4_000_000_000, 4_000_000_001, || 2_000_000_001, &counters);
        assert_eq!(counters.stall_last_second_ns.get(), 2_700_000_000);
        assert_eq!(counters.busy_last_second_ns.get(), 2_000_000_000);
    }
}
