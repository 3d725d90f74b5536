//! The process as the system sees it, sampled once a second away from the shards: reading it can take milliseconds.

use std::sync::Mutex;

use rustix::process::{Resource, getrlimit};

use crate::clock;

/// A sample.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProcessFigures {
    /// Bytes.
    pub(crate) anonymous: u64,
    /// Bytes.
    pub(crate) rss: u64,
    pub(crate) descriptors_open: u64,
    pub(crate) descriptors_limit: u64,
    pub(crate) cpu_ns: u64,
}

/// The last sample, for all who ask.
#[derive(Debug, Default)]
pub(crate) struct ProcessSampler {
    last: Mutex<ProcessFigures>,
}

impl ProcessSampler {
    /// Takes a new sample. What can't be read keeps its last value.
    pub(crate) fn sample(&self) {
        let mut figures = self.last();
        let rollup = procfs::process::Process::myself().and_then(|process| process.smaps_rollup());
        for map in rollup.iter().flat_map(|rollup| &rollup.memory_map_rollup) {
            let part = |name: &str| map.extension.map.get(name).copied();
            figures.anonymous = part("Anonymous").unwrap_or(figures.anonymous);
            figures.rss = part("Rss").unwrap_or(figures.rss);
        }
        figures.descriptors_open = open_descriptors().unwrap_or(figures.descriptors_open);
        figures.descriptors_limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        *self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = figures;
    }

    pub(crate) fn last(&self) -> ProcessFigures {
        let figures = *self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        ProcessFigures { cpu_ns: clock::process_cpu_ns(), ..figures }
    }
}

/// Linux 6.2 and later say it as the folder's size; before that the entries are counted.
fn open_descriptors() -> Option<u64> {
    const FOLDER: &str = "/proc/self/fd";
    let size = std::fs::metadata(FOLDER).ok()?.len();
    if size > 0 {
        return Some(size);
    }
    let counted = std::fs::read_dir(FOLDER).ok()?.count();
    // The folder itself was open while it was counted.
    Some(counted.saturating_sub(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_descriptors() {
        let sampler = ProcessSampler::default();
        sampler.sample();
        let figures = sampler.last();
        assert!(figures.anonymous > 0 && figures.rss >= figures.anonymous, "{figures:?}");
        assert!(figures.descriptors_open >= 3 && figures.descriptors_limit >= figures.descriptors_open, "{figures:?}");
    }
}
