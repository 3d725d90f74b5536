//! The process path: is a replica that sends no heartbeats stuck, or only starved?

/// How often a replica sends its heartbeat, and how often the supervisor looks.
pub const HEARTBEAT_MS: u64 = 100;
/// A replica without heartbeats and without CPU progress is killed after this time. It is longer than the data path
/// needs to take a replica out of membership (1.25 s), so that a replica that is only stopped for a while, as a
/// stand-in for a partition, is seen to be down before it is fenced.
pub const FENCING_TIME_MS: u64 = 2_000;

/// From here on the supervisor looks at the process itself.
const SILENCE_NS: u64 = 2 * HEARTBEAT_MS * 1_000_000;
/// A look that comes this late says nothing: heartbeats may lie unread, for the supervisor itself was starved.
const LATE_NS: u64 = 3 * HEARTBEAT_MS * 1_000_000;
const FENCING_TIME_NS: u64 = FENCING_TIME_MS * 1_000_000;

/// A process as /proc shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// CPU time of all threads, in the kernel's ticks of 10 ms: what the thread that sends heartbeats uses by itself
    /// does not show.
    pub(super) cpu_ticks: u64,
    /// A thread is runnable or waits for the disk: it would go on if it were let.
    pub(super) wants_to_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Alive,
    /// No heartbeats, yet it works or wants to: overloaded, not dead.
    Starved,
    /// No heartbeats and no progress for the fencing time.
    Stuck,
}

/// The heartbeats of one process.
#[derive(Debug)]
pub(super) struct Pulse {
    looked_at_ns: u64,
    silence_ns: u64,
    /// The part of the silence without any progress.
    still_ns: u64,
    cpu_ticks: Option<u64>,
}

impl Pulse {
    pub(super) fn new(now_ns: u64) -> Self {
        Self { looked_at_ns: now_ns, silence_ns: 0, still_ns: 0, cpu_ticks: None }
    }

    /// A heartbeat has arrived.
    pub(super) fn beat(&mut self) {
        *self = Self::new(self.looked_at_ns);
    }

    /// Called every [`HEARTBEAT_MS`]. `look` reads the process; none where that can't be done.
    pub(super) fn judge(&mut self, now_ns: u64, look: impl FnOnce() -> Option<Look>) -> Judgement {
        let step_ns = now_ns.saturating_sub(self.looked_at_ns);
        self.looked_at_ns = now_ns;
        if step_ns > LATE_NS {
            self.beat();
            return Judgement::Alive;
        }
        self.silence_ns += step_ns;
        if self.silence_ns < SILENCE_NS {
            return Judgement::Alive;
        }
        let Some(look) = look() else { return Judgement::Alive };
        let progress = self.cpu_ticks.replace(look.cpu_ticks) != Some(look.cpu_ticks);
        if progress || look.wants_to_run {
            self.still_ns = 0;
            return if self.silence_ns < FENCING_TIME_NS { Judgement::Alive } else { Judgement::Starved };
        }
        self.still_ns += step_ns;
        if self.still_ns < FENCING_TIME_NS { Judgement::Alive } else { Judgement::Stuck }
    }
}

/// Reads a process from /proc.
pub(super) fn look(pid: u32) -> Option<Look> {
    let process = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?;
    let stat = process.stat().ok()?;
    let wants_to_run =
        process.tasks().ok()?.filter_map(|task| task.ok()?.stat().ok()).any(|task| matches!(task.state, 'R' | 'D'));
    Some(Look { cpu_ticks: stat.utime + stat.stime, wants_to_run })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: u64 = HEARTBEAT_MS * 1_000_000;

    /// Judges every tick from `from` on; the time of the first judgement that is not `Alive`, and it.
    fn run(pulse: &mut Pulse, from: u64, ticks: u64, look: impl Fn(u64) -> Option<Look>) -> Option<(u64, Judgement)> {
        (1..=ticks).find_map(|tick| {
            let judgement = pulse.judge(from + tick * TICK, || look(tick));
            (judgement != Judgement::Alive).then_some((tick, judgement))
        })
    }

    fn still(_: u64) -> Option<Look> {
        Some(Look { cpu_ticks: 7, wants_to_run: false })
    }

    #[test]
    fn a_stopped_process_is_stuck_after_the_fencing_time() {
        let mut pulse = Pulse::new(0);
        let (tick, judgement) = run(&mut pulse, 0, 100, still).expect("a judgement");
        assert_eq!(judgement, Judgement::Stuck);
        let took = tick * HEARTBEAT_MS;
        assert!((FENCING_TIME_MS..=FENCING_TIME_MS + 3 * HEARTBEAT_MS).contains(&took), "{took} ms");
    }

    #[test]
    fn heartbeats_keep_it_alive_without_a_look() {
        let mut pulse = Pulse::new(0);
        for tick in 1..100 {
            assert_eq!(pulse.judge(tick * TICK, || panic!("looked")), Judgement::Alive);
            pulse.beat();
        }
    }

    #[test]
    fn a_busy_process_is_starved_and_never_stuck() {
        let busy = |tick| Some(Look { cpu_ticks: tick, wants_to_run: false });
        let waiting = |_| Some(Look { cpu_ticks: 7, wants_to_run: true });
        for look in [&busy as &dyn Fn(u64) -> Option<Look>, &waiting] {
            let mut pulse = Pulse::new(0);
            assert_eq!(run(&mut pulse, 0, 100, look), Some((20, Judgement::Starved)));
            for tick in 21..100 {
                assert_eq!(pulse.judge(tick * TICK, || look(tick)), Judgement::Starved);
            }
        }
    }

    #[test]
    fn progress_starts_the_fencing_time_again() {
        let mut pulse = Pulse::new(0);
        let slow = |tick: u64| Some(Look { cpu_ticks: tick / 15, wants_to_run: false });
        for tick in 1..200 {
            assert_ne!(pulse.judge(tick * TICK, || slow(tick)), Judgement::Stuck, "tick {tick}");
        }
    }

    #[test]
    fn a_late_supervisor_judges_nobody() {
        let mut pulse = Pulse::new(0);
        assert_eq!(run(&mut pulse, 0, 15, still), None);
        assert_eq!(pulse.judge(15 * TICK + 5_000_000_000, || still(0)), Judgement::Alive);
        assert_eq!(run(&mut pulse, 15 * TICK + 5_000_000_000, 19, still), None);
    }

    #[test]
    fn a_process_that_cannot_be_read_is_left_alone() {
        assert_eq!(run(&mut Pulse::new(0), 0, 100, |_| None), None);
    }

    #[test]
    fn this_very_process_can_be_read() {
        let seen = look(std::process::id()).expect("/proc");
        assert!(seen.wants_to_run, "a thread that reads its own state runs");
    }
}
