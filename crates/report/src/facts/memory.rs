use std::collections::BTreeSet;

use erlmcp_record::ClusterSample;
use erlmcp_record::names::detail;

use crate::analysis::{Analysis, sum_of};
use crate::format;

/// Memory of all replicas before there were connections.
pub(crate) struct Memory {
    /// Bytes, or why they are not known.
    pub(crate) reference: Result<f64, String>,
    /// Why the reference is not the memory without connections: the server had had some before this run.
    pub(crate) used_before: Option<String>,
    /// Why it is not known whether it had: the server does not count its requests.
    pub(crate) unknown_before: Option<String>,
    /// Replicas of the reference's sample.
    pub(crate) replicas: BTreeSet<u16>,
}

/// So many requests beyond the run's own may be those that the run sends to learn what the target is.
const OTHERS_MIN: u64 = 100;

impl Memory {
    /// The last sample of the baseline, after its requests had warmed the replicas up, with connections at about 0.
    pub(super) fn of(analysis: &Analysis) -> Self {
        match reference(analysis) {
            Ok((sample, bytes)) => Self {
                reference: Ok(bytes as f64),
                used_before: used_before(analysis, sample),
                unknown_before: unknown_before(analysis, sample),
                replicas: sample.replicas.iter().map(|one| one.replica).collect(),
            },
            Err(why) => {
                Self { reference: Err(why), used_before: None, unknown_before: None, replicas: BTreeSet::new() }
            }
        }
    }
}

/// A server keeps the room that it made for connections. One that had answered clearly more requests before the ramp
/// than this run had sent has held connections of others, and their room is in the reference.
fn used_before(analysis: &Analysis, sample: &ClusterSample) -> Option<String> {
    let config = analysis.config.as_ref().filter(|config| !config.own_cluster)?;
    let answered = sum_of(&sample.replicas, |one| one.requests_total)?;
    let (number, _) = analysis.baseline()?;
    let knocks = analysis.scenarios.values().filter(|row| row.phase <= number);
    let knocks = knocks.filter_map(|row| row.detail.get(detail::KNOCKS)).sum::<f64>() as u64;
    let own = analysis.part(false, |key| key.phase <= number).planned + knocks;
    let others = answered.saturating_sub(own);
    (others > OTHERS_MIN.max(config.connections / 100)).then(|| {
        format!(
            "the server had answered {} requests before this run, and keeps the room of their connections, which is \
             in the memory before the ramp: restart it for a figure",
            format::count(others)
        )
    })
}

/// Room of earlier connections makes the figure too low, never too high.
fn unknown_before(analysis: &Analysis, sample: &ClusterSample) -> Option<String> {
    let is_own = analysis.config.as_ref().is_none_or(|config| config.own_cluster);
    let is_counted = sum_of(&sample.replicas, |one| one.requests_total).is_some();
    (!is_own && !is_counted).then(|| {
        "the server does not count its requests, so it may have had connections before this run, whose room would be in \
         the memory before the ramp"
            .into()
    })
}

/// The sample and its memory.
fn reference(analysis: &Analysis) -> Result<(&ClusterSample, u64), String> {
    let times = analysis.baseline().map(|(_, times)| times);
    let Some(started_us) = times.and_then(|times| times.started_us) else {
        return Err("no baseline was run, so the memory without connections is not known".into());
    };
    let ended_us = times.and_then(|times| times.ended_us).unwrap_or(u64::MAX);
    let target = analysis.config.as_ref().map_or(0, |config| config.connections);
    let samples = analysis.seconds.values().filter_map(|second| second.cluster.as_deref());
    let samples = samples.filter(|sample| (started_us..=ended_us).contains(&sample.at_us));
    let last = samples
        .filter(|sample| sum_of(&sample.replicas, |one| one.connections).is_none_or(|open| open * 100 <= target))
        .filter_map(|sample| Some((sample, sum_of(&sample.replicas, |one| one.memory_bytes)?)))
        .next_back();
    last.ok_or_else(|| "the memory without connections was not measured".into())
}
