use std::fs;

use erlmcp_record::Machine;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The machine that the generator runs on. What cannot be found out is empty or 0.
pub(crate) fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    Machine {
        cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(0, |cores| cores.get() as u32),
        memory_bytes: field(&read("/proc/meminfo"), "MemTotal").map_or(0, |text| kibibytes(&text) * 1024),
        kernel: read("/proc/sys/kernel/osrelease").trim().into(),
        descriptors: getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX),
    }
}

/// Raises this process's soft limit of descriptors to the hard one: each agent and replica costs it a few.
pub(crate) fn raise_descriptors() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where it fails the limit stays as it is, and what does not fit says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Descriptors that this process may still open, less some for its own work.
pub(crate) fn spare_descriptors() -> u64 {
    const OWN: u64 = 512;
    let open = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(open + OWN)
}

/// The first line `name : value` of a file under /proc.
pub(crate) fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_string())
}

pub(crate) fn kibibytes(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_are_read() {
        let text = "processor\t: 0\nmodel name\t: A CPU\nMemTotal:       16 kB\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A CPU"));
        assert_eq!(field(text, "MemTotal").map(|text| kibibytes(&text)), Some(16));
        assert_eq!(field(text, "nothing"), None);
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        raise_descriptors();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn this_machine_has_cores_and_memory() {
        let machine = machine();
        assert!(machine.cores > 0 && machine.memory_bytes > 0 && machine.descriptors > 0 && !machine.kernel.is_empty());
    }
}
