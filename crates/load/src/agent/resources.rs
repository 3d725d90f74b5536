//! What the agent itself uses, once a second.

use std::collections::BTreeMap;

use erlmcp_record::AgentSample;
use procfs::process::{Process, Schedstat};

use super::process::descriptors_in_use;
use crate::report::EngineSecond;

/// Samples of this process. A figure that /proc does not give stays zero.
#[derive(Debug)]
pub(super) struct Resources {
    agent: u32,
    descriptors_limit: u64,
    /// Descriptors in use before the first connection: counting all of them each second would be dear.
    descriptors_base: u64,
    threads: BTreeMap<i32, Scheduled>,
}

/// Of one thread since it began, nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Scheduled {
    cpu_ns: u64,
    /// Ready, and without a core.
    waited_ns: u64,
}

impl Resources {
    pub(super) fn new(agent: u32, descriptors_limit: u64) -> Self {
        Self { agent, descriptors_limit, descriptors_base: descriptors_in_use(), threads: scheduled() }
    }

    pub(super) fn sample(&mut self, engine: EngineSecond) -> AgentSample {
        let before = std::mem::replace(&mut self.threads, scheduled());
        let since = self.threads.iter().map(|(thread, now)| {
            let before = before.get(thread).copied().unwrap_or_default();
            (now.cpu_ns.saturating_sub(before.cpu_ns), now.waited_ns.saturating_sub(before.waited_ns))
        });
        // Threads wait side by side: only the longest wait of one of them is a share of the second.
        let (cpu_ns, waited_ns) = since.fold((0, 0), |(cpu, waited), one| (cpu + one.0, waited.max(one.1)));
        AgentSample {
            agent: self.agent,
            second: engine.second,
            cpu_us: cpu_ns / 1_000,
            run_delay_us: waited_ns / 1_000,
            rss_bytes: rss_bytes().unwrap_or(0),
            descriptors: self.descriptors_base + u64::from(engine.sockets),
            descriptors_limit: self.descriptors_limit,
            longest_stall_us: engine.longest_stall_us,
            operation_connections: Vec::new(),
            answering_connections: u64::from(engine.sides),
        }
    }
}

/// All threads of this process, by their numbers.
fn scheduled() -> BTreeMap<i32, Scheduled> {
    let Ok(tasks) = Process::myself().and_then(|process| process.tasks()) else { return BTreeMap::new() };
    let of = |time: Schedstat| Scheduled { cpu_ns: time.sum_exec_runtime, waited_ns: time.run_delay };
    tasks.flatten().filter_map(|task| Some((task.tid, of(task.schedstat().ok()?)))).collect()
}

fn rss_bytes() -> Option<u64> {
    let pages = Process::myself().ok()?.statm().ok()?.resident;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_of_this_process_and_its_second() {
        let mut resources = Resources::new(3, 20_000);
        let mut work = 0u64;
        for number in 0..20_000_000u64 {
            work = std::hint::black_box(work ^ number);
        }
        let sample = resources.sample(EngineSecond { second: 9, longest_stall_us: 42, sockets: 7, sides: 2 });
        assert_eq!((sample.agent, sample.second, sample.longest_stall_us), (3, 9, 42));
        assert_eq!(sample.answering_connections, 2);
        assert!(sample.cpu_us > 0 && sample.rss_bytes > 0 && sample.descriptors > 7, "{sample:?}");
        let next = resources.sample(EngineSecond { second: 10, longest_stall_us: 0, sockets: 7, sides: 0 });
        assert!(next.cpu_us < 60_000_000, "only what was used since: {next:?}");
    }
}
