//! How quiet a machine is: measured for a moment by a thread that sleeps and works in turns, as load does.

use std::fs;
use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use erlmcp_load::clock::{monotonic_ns, unix_ns};

use crate::collector::kernel;

const NAP: Duration = Duration::from_millis(1);
/// Work between two naps: a fifth of a core.
const WORK_NS: u64 = 250_000;

/// What was seen in that moment. A figure that could not be read is None.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Quiet {
    /// How long it was watched, microseconds.
    pub(crate) watched_us: u64,
    /// CPU that the watching thread used, and how long it was ready and had no core, microseconds.
    pub(crate) used_us: Option<u64>,
    pub(crate) waited_us: Option<u64>,
    /// Cores that this process may use.
    pub(crate) cores: u32,
    /// Their time that was not idle, and that other machines took, microseconds.
    pub(crate) busy_us: Option<u64>,
    pub(crate) steal_us: Option<u64>,
    /// The most by which a sleep of 1 ms was too long, microseconds.
    pub(crate) overslept_us: u64,
    /// By how much the time of day went further than the steady clock, microseconds.
    pub(crate) shift_us: i64,
}

/// Watches for so long; it waits, so it is called on a thread that may. `allowed` are the processors that this process may use.
pub(crate) fn watch(length: Duration, allowed: &[RangeInclusive<u32>]) -> Quiet {
    let used_now = || used(&fs::read_to_string("/proc/stat").unwrap_or_default(), allowed);
    let ((cpu, _), thread) = (used_now(), own_thread());
    let (began, offset) = (monotonic_ns(), offset_ns());
    let until = began + length.as_nanos() as u64;
    let mut overslept_us = 0;
    loop {
        let asleep = monotonic_ns();
        if asleep >= until {
            break;
        }
        thread::sleep(NAP);
        let awake = monotonic_ns();
        overslept_us = overslept_us.max((awake - asleep).saturating_sub(NAP.as_nanos() as u64) / 1_000);
        while monotonic_ns() < awake + WORK_NS {
            std::hint::spin_loop();
        }
    }
    let shift_us = ((offset_ns() - offset) / 1_000) as i64;
    let ((cpu_after, cores), thread_after) = (used_now(), own_thread());
    let more = |before: Option<(u64, u64)>, after: Option<(u64, u64)>| {
        let (before, after) = (before?, after?);
        Some((after.0.saturating_sub(before.0), after.1.saturating_sub(before.1)))
    };
    let (busy_us, steal_us) = more(cpu, cpu_after).unzip();
    let (used_us, waited_us) = more(thread, thread_after).unzip();
    let watched_us = (monotonic_ns() - began) / 1_000;
    Quiet { watched_us, used_us, waited_us, cores, busy_us, steal_us, overslept_us, shift_us }
}

/// Between the time of day and the steady clock. Of several readings the quickest is the most exact.
fn offset_ns() -> i128 {
    const READINGS: usize = 9;
    let reading = || {
        let before = monotonic_ns();
        let unix = unix_ns();
        let after = monotonic_ns();
        (after - before, i128::from(unix) - i128::from(before + (after - before) / 2))
    };
    let readings = (0..READINGS).map(|_| reading());
    readings.min_by_key(|(took, _)| *took).map_or(0, |(_, offset)| offset)
}

/// Time of these processors that was not idle, and that others took, microseconds; and how many of them there are.
fn used(stat: &str, allowed: &[RangeInclusive<u32>]) -> (Option<(u64, u64)>, u32) {
    let is_allowed = |number: u32| allowed.iter().any(|range| range.contains(&number));
    let times = kernel::each_processor(stat).filter(|(number, _)| is_allowed(*number)).map(|(_, times)| times);
    let (mut sum, mut count) = ((0, 0), 0);
    for (busy, steal) in times {
        sum = (sum.0 + busy, sum.1 + steal);
        count += 1;
    }
    ((count > 0).then_some(sum), count)
}

/// CPU used and waited for by this thread, microseconds.
fn own_thread() -> Option<(u64, u64)> {
    schedstat(&fs::read_to_string("/proc/thread-self/schedstat").ok()?)
}

fn schedstat(text: &str) -> Option<(u64, u64)> {
    let mut words = text.split_ascii_whitespace().map(str::parse::<u64>);
    Some((words.next()?.ok()? / 1_000, words.next()?.ok()? / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_watched() {
        let quiet = watch(Duration::from_millis(30), &[0..=0, 1..=u32::MAX]);
        assert!(quiet.watched_us >= 30_000, "{quiet:?}");
        assert!(quiet.used_us.is_none_or(|used| used > 0), "it has worked: {quiet:?}");
        assert_eq!(quiet.used_us.is_some(), quiet.waited_us.is_some());
    }

    #[test]
    fn only_processors_that_may_be_used_count() {
        let stat =
            "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 0 0 7 0 0 0 2 0 0\ncpu1 5 0 0 7 0 0 0 5 0 0\ncpu2 3 0 0 7 0 0 0 4 0 0\n";
        let (of_two, count) = used(stat, &[0..=0, 2..=2]);
        let (of_all, all) = used(stat, &[0..=1, 2..=9]);
        let ((busy, steal), (all_busy, all_steal)) = (of_two.expect("two"), of_all.expect("three"));
        assert_eq!((count, all, busy * 9, steal * 11), (2, 3, all_busy * 4, all_steal * 6));
        assert_eq!((used(stat, &[]), used("", &[0..=1, 2..=9])), ((None, 0), (None, 0)));
    }

    #[test]
    fn times_of_a_thread_are_nanoseconds() {
        assert_eq!(schedstat("980349 696647 4\n"), Some((980, 696)));
        assert_eq!((schedstat(""), schedstat("1 x 2")), (None, None));
    }
}
