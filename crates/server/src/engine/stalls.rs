//! Is a shard blocked? A tool that works or waits in place keeps all connections of its shard waiting, and only the shard's
//! thread itself knows: from outside it is looked at for the time that it took without having had to wait for a core.

use std::sync::{Mutex, PoisonError};

use crate::metrics::counters::ShardCounters;

/// How often the shards are looked at.
pub(crate) const LOOK_MS: u64 = 100;
/// From here on the thread is looked at: a shard that has nothing to do polls ten times a second.
const SILENCE_NS: u64 = 2 * LOOK_MS * 1_000_000;
/// A look that comes this late says nothing of the time before it: the whole process was stopped, or starved.
const LATE_NS: u64 = 3 * LOOK_MS * 1_000_000;
/// /proc counts CPU time so.
const CPU_TICK_NS: u64 = 10_000_000;

/// A thread as /proc shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    /// In the kernel's ticks of 10 ms.
    cpu_ticks: u64,
    /// It waits for something that is no core and no disk.
    sleeps: bool,
}

/// A shard that was found to be blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stalled {
    pub(crate) shard: usize,
    /// What it took of its own, so far.
    pub(crate) for_ms: u64,
}

/// The shards, as they are seen from outside.
#[derive(Debug)]
pub(crate) struct Stalls {
    stall_max_ns: u64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    looked_ns: u64,
    shards: Vec<Watched>,
    total: u64,
}

/// One shard since it last went on.
#[derive(Debug, Clone, Default)]
struct Watched {
    /// When it last polled, and how often it has gone on within its turn.
    mark: (u64, u64),
    cpu_ticks: Option<u64>,
    /// What it took since then, without what it waited for a core.
    own_ns: u64,
    is_blocked: bool,
}

impl Watched {
    /// True where the shard is blocked, `step_ns` after the last look.
    fn judge(
        &mut self,
        now_ns: u64,
        step_ns: u64,
        mark: (u64, u64),
        stall_max_ns: u64,
        look: impl FnOnce() -> Option<Look>,
    ) -> bool {
        if mark != self.mark {
            *self = Self { mark, ..Self::default() };
        }
        if now_ns.saturating_sub(mark.0) < SILENCE_NS {
            return false;
        }
        let Some(look) = look() else { return self.is_blocked };
        let before = self.cpu_ticks.replace(look.cpu_ticks).unwrap_or(look.cpu_ticks);
        if step_ns <= LATE_NS {
            let worked_ns = (look.cpu_ticks - before.min(look.cpu_ticks)) * CPU_TICK_NS;
            self.own_ns += if look.sleeps { step_ns } else { worked_ns.min(step_ns) };
        }
        self.is_blocked = self.own_ns >= stall_max_ns;
        self.is_blocked
    }
}

impl Stalls {
    pub(crate) fn new(stall_max_ms: u64) -> Self {
        Self { stall_max_ns: stall_max_ms.saturating_mul(1_000_000), seen: Mutex::default() }
    }

    /// Called every [`LOOK_MS`]. Gives the shards that have turned out to be blocked since the last look.
    pub(crate) fn look<'a>(&self, now_ns: u64, shards: impl Iterator<Item = &'a ShardCounters>) -> Vec<Stalled> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let step_ns = now_ns.saturating_sub(std::mem::replace(&mut seen.looked_ns, now_ns));
        let mut found = Vec::new();
        for (shard, counters) in shards.enumerate() {
            if seen.shards.len() <= shard {
                seen.shards.push(Watched::default());
            }
            let watched = &mut seen.shards[shard];
            let (was_blocked, before_ns) = (watched.is_blocked, watched.mark.0);
            let mark = (counters.last_poll_ns.get(), counters.steps.get());
            let is_blocked = watched.judge(now_ns, step_ns, mark, self.stall_max_ns, || look(counters.thread.get()));
            if is_blocked && !was_blocked {
                let for_ms = watched.own_ns / 1_000_000;
                tracing::error!(
                    "shard {shard} is blocked: it went on with nothing for {for_ms} ms of its own; a tool that works or \
                     waits for longer than a moment has to be a queued one"
                );
                found.push(Stalled { shard, for_ms });
            } else if was_blocked && !is_blocked {
                let took_ms = now_ns.saturating_sub(before_ns) / 1_000_000;
                tracing::warn!("shard {shard} goes on, after about {took_ms} ms");
            }
        }
        seen.total += found.len() as u64;
        found
    }

    /// The shards that are blocked.
    pub(crate) fn blocked(&self) -> Vec<usize> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.shards.iter().enumerate().filter_map(|(shard, watched)| watched.is_blocked.then_some(shard)).collect()
    }

    /// How many stalls there were since the start.
    pub(crate) fn total(&self) -> u64 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

/// Reads a thread of this process from /proc.
fn look(thread: u64) -> Option<Look> {
    let process = procfs::process::Process::myself().ok()?;
    let stat = process.task_from_tid(i32::try_from(thread).ok()?).ok()?.stat().ok()?;
    Some(Look { cpu_ticks: stat.utime + stat.stime, sleeps: stat.state == 'S' })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: u64 = LOOK_MS * 1_000_000;
    const MAX_NS: u64 = 500_000_000;

    /// Looks every 100 ms at a shard that polled last at 0; the time of the look that finds it blocked, ms.
    fn found_at(look: impl Fn(u64) -> Look) -> Option<u64> {
        let mut watched = Watched::default();
        let is_blocked = |nth: &u64| watched.judge(nth * STEP, STEP, (0, 0), MAX_NS, || Some(look(*nth)));
        (1..=100).find(is_blocked).map(|nth| nth * LOOK_MS)
    }

    #[test]
    fn a_shard_that_sleeps_or_works_is_found_within_a_second() {
        let asleep = found_at(|_| Look { cpu_ticks: 7, sleeps: true });
        let at_work = found_at(|nth| Look { cpu_ticks: 10 * nth, sleeps: false });
        assert_eq!((asleep, at_work), (Some(600), Some(700)));
        let shared_core = found_at(|nth| Look { cpu_ticks: 6 * nth, sleeps: false });
        assert_eq!(shared_core, Some(1_100), "what it waits for its core does not count");
    }

    #[test]
    fn a_shard_that_gets_no_core_is_not_blocked() {
        assert_eq!(found_at(|_| Look { cpu_ticks: 7, sleeps: false }), None);
    }

    #[test]
    fn a_shard_that_goes_on_or_a_process_that_was_stopped_is_not_blocked() {
        let asleep = || Some(Look { cpu_ticks: 7, sleeps: true });
        let mut watched = Watched::default();
        for nth in 1..100 {
            // It is at its next event every 400 ms.
            assert!(!watched.judge(nth * STEP, STEP, (0, nth / 4), MAX_NS, asleep));
        }
        let mut stopped = Watched::default();
        assert!(!stopped.judge(10_000_000_000, 10_000_000_000, (0, 0), MAX_NS, asleep));
        assert!(!stopped.judge(10_100_000_000, STEP, (0, 0), MAX_NS, asleep), "the time before does not count");
    }

    #[test]
    fn this_very_thread_can_be_read() {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        assert_eq!(look(thread as u64).map(|look| look.sleeps), Some(false));
        assert_eq!(look(0), None);
    }
}
