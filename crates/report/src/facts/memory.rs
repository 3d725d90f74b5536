use erlmcp_record::names::phase;

use crate::analysis::{Analysis, sum_of};

/// Memory of all replicas before there were connections.
pub(crate) struct Memory {
    /// Bytes, or why they are not known.
    pub(crate) reference: Result<f64, String>,
}

impl Memory {
    /// The last sample of the baseline, after its requests had warmed the replicas up, with connections at about 0.
    pub(super) fn of(analysis: &Analysis) -> Self {
        Self { reference: reference(analysis) }
    }
}

fn reference(analysis: &Analysis) -> Result<f64, String> {
    let times = analysis.phase_named(phase::BASELINE).map(|(_, times)| times);
    let Some(started_us) = times.and_then(|times| times.started_us) else {
        return Err("no baseline was run, so the memory without connections is not known".into());
    };
    let ended_us = times.and_then(|times| times.ended_us).unwrap_or(u64::MAX);
    let target = analysis.config.as_ref().map_or(0, |config| config.connections);
    let samples = analysis.seconds.values().filter_map(|second| second.cluster.as_ref());
    let samples = samples.filter(|sample| (started_us..=ended_us).contains(&sample.at_us));
    let last = samples
        .filter(|sample| sum_of(&sample.replicas, |one| one.connections).is_none_or(|open| open * 100 <= target))
        .filter_map(|sample| sum_of(&sample.replicas, |one| one.memory_bytes))
        .next_back();
    last.map(|bytes| bytes as f64).ok_or_else(|| "the memory without connections was not measured".into())
}
