//! What /proc says of one process.

use std::fs;

use erlmcp_load::clock::RunClock;
use erlmcp_record::{MemorySource, ReplicaSample};
use procfs::process::{Process, Stat};
use rustix::param::{clock_ticks_per_second, page_size};

/// A figure that cannot be read is None.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ProcessFigures {
    /// Anonymous memory (smaps_rollup), bytes.
    pub(super) anonymous_bytes: Option<u64>,
    pub(super) rss_bytes: Option<u64>,
    /// Since its start, microseconds.
    pub(super) cpu_us: Option<u64>,
    /// When that was read, run clock.
    pub(super) cpu_read_us: Option<u64>,
    /// Time that its threads, those that live, were ready and had no core, microseconds.
    pub(super) run_delay_us: Option<u64>,
    pub(super) descriptors: Option<u64>,
    pub(super) threads: Option<u64>,
}

impl ProcessFigures {
    /// Into the sample of the replica that the process is.
    pub(super) fn fill(self, into: &mut ReplicaSample) {
        (into.memory_bytes, into.memory_source) = match (self.anonymous_bytes, self.rss_bytes) {
            (Some(bytes), _) => (Some(bytes), MemorySource::Anonymous),
            (None, Some(bytes)) => (Some(bytes), MemorySource::Rss),
            (None, None) => (None, MemorySource::None),
        };
        into.rss_bytes = self.rss_bytes;
        into.cpu_us = self.cpu_us;
        into.cpu_read_us = self.cpu_read_us;
        into.run_delay_us = self.run_delay_us;
        into.threads = self.threads;
        into.descriptors = self.descriptors.or(into.descriptors);
    }
}

/// None: there is no such process, or nothing of it may be read.
pub(super) fn figures(pid: u32, clock: &RunClock) -> Option<ProcessFigures> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    let stat = process.stat().ok().filter(|stat| !matches!(stat.state, 'Z' | 'X'))?;
    let cpu_read_us = Some(clock.now_us());
    let (anonymous_bytes, rss_bytes) = memory(&process);
    Some(ProcessFigures {
        anonymous_bytes,
        rss_bytes,
        cpu_us: Some(cpu_of(&stat)),
        cpu_read_us,
        run_delay_us: run_delay_us(&process),
        descriptors: descriptors(pid),
        threads: u64::try_from(stat.num_threads).ok(),
    })
}

/// CPU that a process has used since its start, and when that was read, microseconds.
pub(super) fn cpu_us(pid: u32, clock: &RunClock) -> Option<(u64, u64)> {
    Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok().map(|stat| (cpu_of(&stat), clock.now_us()))
}

fn cpu_of(stat: &Stat) -> u64 {
    (stat.utime + stat.stime) * 1_000_000 / clock_ticks_per_second()
}

/// Resident memory of this process.
pub(super) fn own_rss_bytes() -> Option<u64> {
    resident(&Process::myself().ok()?)
}

fn resident(process: &Process) -> Option<u64> {
    process.statm().ok().map(|statm| statm.resident * page_size() as u64)
}

fn memory(process: &Process) -> (Option<u64>, Option<u64>) {
    let Ok(rollup) = process.smaps_rollup() else {
        // Of another user's process only the resident size may be read.
        return (None, resident(process));
    };
    let part = |name: &str| rollup.memory_map_rollup.iter().find_map(|map| map.extension.map.get(name).copied());
    (part("Anonymous"), part("Rss"))
}

fn run_delay_us(process: &Process) -> Option<u64> {
    let tasks = process.tasks().ok()?;
    let delays: Vec<u64> = tasks.filter_map(|task| Some(task.ok()?.schedstat().ok()?.run_delay)).collect();
    (!delays.is_empty()).then(|| delays.iter().sum::<u64>() / 1_000)
}

/// Linux 6.2 and later say it as the folder's size; before that it is not counted: of a server with many connections
/// that would take long.
fn descriptors(pid: u32) -> Option<u64> {
    let size = fs::metadata(format!("/proc/{pid}/fd")).ok()?.len();
    (size > 0).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_figures() {
        let mut work = 0u64;
        for number in 0..20_000_000u64 {
            work = std::hint::black_box(work ^ number);
        }
        let figures = figures(std::process::id(), &RunClock::new(0)).expect("it runs");
        assert!(figures.anonymous_bytes > Some(0) && figures.rss_bytes >= figures.anonymous_bytes, "{figures:?}");
        assert!(figures.threads > Some(0), "{figures:?}");
        assert!(figures.cpu_us.min(figures.cpu_read_us) > Some(0) && figures.run_delay_us.is_some(), "{figures:?}");
    }

    #[test]
    fn memory_is_labelled_by_its_source() {
        let filled = |anonymous_bytes, rss_bytes| {
            let mut sample = ReplicaSample { descriptors: Some(7), ..ReplicaSample::default() };
            ProcessFigures { anonymous_bytes, rss_bytes, ..ProcessFigures::default() }.fill(&mut sample);
            assert_eq!(sample.descriptors, Some(7), "what the server itself said stands where nothing is better");
            (sample.memory_bytes, sample.memory_source)
        };
        assert_eq!(filled(Some(1), Some(2)), (Some(1), MemorySource::Anonymous));
        assert_eq!(filled(None, Some(2)), (Some(2), MemorySource::Rss));
        assert_eq!(filled(None, None), (None, MemorySource::None));
    }

    #[test]
    fn one_that_ended_has_none() {
        let mut child = std::process::Command::new("true").spawn().expect("it is there");
        let pid = child.id();
        while figures(pid, &RunClock::new(0)).is_some() {
            std::thread::yield_now();
        }
        child.wait().expect("it was a child");
        assert_eq!(figures(pid, &RunClock::new(0)), None);
        assert_eq!(figures(u32::MAX, &RunClock::new(0)), None);
    }
}
