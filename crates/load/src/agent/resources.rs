//! What the agent itself uses, once a second.

use erlmcp_record::AgentSample;
use procfs::process::Process;

use super::process::descriptors_in_use;
use crate::report::EngineSecond;

/// Samples of this process. A figure that /proc does not give stays zero.
#[derive(Debug)]
pub(super) struct Resources {
    agent: u32,
    descriptors_limit: u64,
    /// Descriptors in use before the first connection: counting all of them each second would be dear.
    descriptors_base: u64,
    cpu_ns: u64,
    run_delay_ns: u64,
}

impl Resources {
    pub(super) fn new(agent: u32, descriptors_limit: u64) -> Self {
        let (cpu_ns, run_delay_ns) = scheduled();
        Self { agent, descriptors_limit, descriptors_base: descriptors_in_use(), cpu_ns, run_delay_ns }
    }

    pub(super) fn sample(&mut self, engine: EngineSecond) -> AgentSample {
        let (cpu_ns, run_delay_ns) = scheduled();
        let sample = AgentSample {
            agent: self.agent,
            second: engine.second,
            cpu_us: cpu_ns.saturating_sub(self.cpu_ns) / 1_000,
            run_delay_us: run_delay_ns.saturating_sub(self.run_delay_ns) / 1_000,
            rss_bytes: rss_bytes().unwrap_or(0),
            descriptors: self.descriptors_base + u64::from(engine.sockets),
            descriptors_limit: self.descriptors_limit,
            longest_stall_us: engine.longest_stall_us,
            operation_connections: Vec::new(),
        };
        (self.cpu_ns, self.run_delay_ns) = (cpu_ns, run_delay_ns);
        sample
    }
}

/// Time on a core and time waiting for one, all threads, nanoseconds.
fn scheduled() -> (u64, u64) {
    let Ok(tasks) = Process::myself().and_then(|process| process.tasks()) else { return (0, 0) };
    let times = tasks.flatten().filter_map(|task| task.schedstat().ok());
    times.fold((0, 0), |(cpu, delay), time| (cpu + time.sum_exec_runtime, delay + time.run_delay))
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
        let sample = resources.sample(EngineSecond { second: 9, longest_stall_us: 42, sockets: 7 });
        assert_eq!((sample.agent, sample.second, sample.longest_stall_us), (3, 9, 42));
        assert!(sample.cpu_us > 0 && sample.rss_bytes > 0 && sample.descriptors > 7, "{sample:?}");
        let next = resources.sample(EngineSecond { second: 10, longest_stall_us: 0, sockets: 7 });
        assert!(next.cpu_us < 60_000_000, "only what was used since: {next:?}");
    }
}
