use erlmcp_record::names::{episode, phase, scenario};
use erlmcp_record::{EpisodeRow, FaultRow, Kind};

use crate::analysis::{Analysis, Broken, SlotCounts};

/// One node failure or partition, and what was seen of it. Times are from its effect (t0).
pub(crate) struct FaultFacts<'a> {
    pub(crate) fault: &'a FaultRow,
    /// Known before all of the effect was there: after 0 us.
    pub(crate) detected_by_cluster: Observed,
    /// The same from the injection: for a kill from the signal, whatever time the kernel then took to end the process.
    pub(crate) detected_since_injection: Observed,
    /// The first and the last agent that stopped using the address.
    pub(crate) detected_by_first_client: Observed,
    /// A client felt it before its effect was known to be whole.
    pub(crate) felt_before: bool,
    pub(crate) detected_by_clients: Observed,
    pub(crate) served_again: Observed,
    /// From the heal for a partition, where there is one.
    pub(crate) ready_again: Observed,
    pub(crate) affected: u64,
    pub(crate) reestablished: u64,
    /// Connections on the replica by the server's gauge, in the last sample before the fault.
    pub(crate) on_replica: Option<u64>,
    /// When nothing of it was left, or it was watched no longer.
    pub(crate) over_us: u64,
    /// It was watched until then.
    pub(crate) until_us: u64,
    pub(crate) fates: Parts,
    /// Streams of notifications that were lost to it.
    pub(crate) streams: Broken,
}

/// A moment that was waited for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Observed {
    After {
        us: u64,
    },
    /// It did not come in the time that it was watched for.
    NotWithin {
        us: u64,
    },
    Unknown(String),
}

/// The load by fate before, during and after something, by slots of 100 ms of the intended times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts {
    pub(crate) before: SlotCounts,
    pub(crate) during: SlotCounts,
    pub(crate) after: SlotCounts,
}

/// What counts as before: this long.
const BEFORE_US: u64 = 10_000_000;
/// A client may learn so late after a fault that its connection is gone: it had nothing to send before.
const FELT_AFTER_US: u64 = 10_000_000;

/// It is one of a list, so its verdict is its own.
pub(crate) fn is_listed(fault: &FaultRow) -> bool {
    [scenario::FAULTS, scenario::FAULTS_THROUGH_PROXY].contains(&fault.scenario.as_str())
}

/// The faults of a list, in the order in which they were made; those that were skipped among them.
pub(super) fn listed(analysis: &Analysis) -> Vec<FaultFacts<'_>> {
    analysis.faults.values().filter(|fault| is_listed(fault)).map(|fault| facts(analysis, fault)).collect()
}

/// All of the run, by their ids.
pub(crate) fn every_fault(analysis: &Analysis) -> Vec<FaultFacts<'_>> {
    analysis.faults.values().map(|fault| facts(analysis, fault)).collect()
}

/// Those of one scenario of a phase, in the order in which they were made.
pub(crate) fn faults_of<'a>(analysis: &'a Analysis, phase: &str, scenario: &str) -> Vec<FaultFacts<'a>> {
    let Some((number, _)) = analysis.phase_named(phase) else { return Vec::new() };
    let faults = analysis.faults.values().filter(|fault| fault.phase == number && fault.scenario == scenario);
    faults.map(|fault| facts(analysis, fault)).collect()
}

pub(super) fn all(analysis: &Analysis) -> Vec<FaultFacts<'_>> {
    let Some((number, _)) = analysis.phase_named(phase::FAILURE_RECOVERY) else { return Vec::new() };
    let names = [scenario::NODE_FAILURE, scenario::NETWORK_PARTITION];
    let faults = analysis.faults.values().filter(|fault| fault.phase == number);
    faults.filter(|fault| names.contains(&fault.scenario.as_str())).map(|fault| facts(analysis, fault)).collect()
}

fn facts<'a>(analysis: &'a Analysis, fault: &'a FaultRow) -> FaultFacts<'a> {
    let until_us = watched_until(analysis, fault);
    let second = |us: u64| u32::try_from(us / 1_000_000).unwrap_or(u32::MAX);
    let episodes: Vec<&EpisodeRow> = analysis
        .episodes
        .values()
        .filter(|episode| episode.phase == fault.phase && (fault.hits(episode.replica) || is_of_herd(fault, episode)))
        .filter(|episode| (fault.injected_us..=felt_until(fault, until_us)).contains(&episode.detected_us))
        .collect();
    let affected = episodes.iter().map(|episode| episode.affected).sum();
    let reestablished = episodes.iter().map(|episode| episode.served_again).sum();
    let since = |from: Option<u64>, at: Option<u64>| observed(from, at, until_us);
    let t0 = fault.effect_us;
    let detections = || episodes.iter().map(|episode| episode.detected_us);
    let last_served =
        (reestablished >= affected).then(|| episodes.iter().filter_map(|episode| episode.last_served_us).max());
    let no_client = || Observed::Unknown("no agent saw its connections there fail".into());
    let by_clients = |at: Option<u64>| if episodes.is_empty() { no_client() } else { since(t0, at) };
    FaultFacts {
        fault,
        detected_by_cluster: since(t0, fault.cluster_detected_us),
        detected_since_injection: since(t0.map(|_| fault.injected_us), fault.cluster_detected_us),
        detected_by_first_client: by_clients(detections().min()),
        felt_before: t0.zip(detections().min()).is_some_and(|(t0, first)| first < t0),
        detected_by_clients: by_clients(detections().max()),
        served_again: if affected == 0 { no_client() } else { since(t0, last_served.flatten()) },
        ready_again: match fault.ready_unknown {
            true => Observed::Unknown("the target has no /ready that could be asked".into()),
            false => since(fault.healed_us.or(t0), fault.ready_us),
        },
        affected,
        reestablished,
        on_replica: gauge_before(analysis, fault),
        over_us: over_us(fault, &episodes, until_us),
        until_us,
        streams: analysis.streams.broken((second(fault.injected_us), second(until_us))),
        fates: parts(analysis, fault.injected_us, over_us(fault, &episodes, until_us), until_us, &[Kind::Load]),
    }
}

fn is_of_herd(fault: &FaultRow, episode: &EpisodeRow) -> bool {
    fault.expected.clients && episode.how == episode::RECONNECT
}

fn observed(from_us: Option<u64>, at_us: Option<u64>, until_us: u64) -> Observed {
    let Some(from_us) = from_us else { return Observed::Unknown("the fault's effect was not seen".into()) };
    match at_us {
        Some(at_us) => Observed::After { us: at_us.saturating_sub(from_us) },
        None => Observed::NotWithin { us: until_us.saturating_sub(from_us) },
    }
}

/// The end of what clients can have felt of a fault. Long after it was healed and its replica was back, what they feel
/// on the same replica is of something else: of a fault on all of them, say.
fn felt_until(fault: &FaultRow, until_us: u64) -> u64 {
    let is_back = fault.ready_us.is_some() || fault.heal_verified_us.is_some();
    let last = [fault.effect_us, fault.healed_us, fault.heal_verified_us, fault.ready_us].into_iter().flatten().max();
    last.filter(|_| is_back).map_or(until_us, |last| until_us.min(last + FELT_AFTER_US))
}

/// The end of what can belong to a fault: its scenario's, or the next fault on the same replica.
fn watched_until(analysis: &Analysis, fault: &FaultRow) -> u64 {
    let key = (fault.phase, fault.scenario.clone());
    let scenario_end = analysis.scenarios.get(&key).map(|row| row.ended_us).filter(|us| *us > fault.injected_us);
    let phase_end = || analysis.phases.get(&fault.phase).and_then(|times| times.ended_us);
    let last_second = || analysis.seconds.keys().next_back().map_or(0, |second| (u64::from(*second) + 1) * 1_000_000);
    let end = scenario_end.or_else(phase_end).unwrap_or_else(last_second).max(fault.injected_us);
    let next = analysis
        .faults
        .values()
        .filter(|other| other.injected_us > fault.injected_us && share_a_target(other, fault))
        .map(|other| other.injected_us)
        .min();
    next.map_or(end, |next| end.min(next))
}

fn share_a_target(one: &FaultRow, other: &FaultRow) -> bool {
    // Faults of no replica in particular are told apart by their times only.
    one.skipped.is_none()
        && (one.targets() == other.targets() || one.targets().iter().any(|replica| other.hits(*replica)))
}

/// When nothing of the fault is left: undone, ready, all served.
fn over_us(fault: &FaultRow, episodes: &[&EpisodeRow], until_us: u64) -> u64 {
    let is_unready = fault.ready_us.is_none() && fault.awaits_ready();
    let is_open = is_unready || episodes.iter().any(|episode| episode.served_again < episode.affected);
    if is_open {
        return until_us;
    }
    let served = episodes.iter().filter_map(|episode| episode.last_served_us).max();
    let marks = [fault.ready_us, fault.heal_verified_us, fault.healed_us, served];
    marks.into_iter().flatten().max().unwrap_or(until_us).min(until_us)
}

fn gauge_before(analysis: &Analysis, fault: &FaultRow) -> Option<u64> {
    let number = u32::try_from(fault.injected_us / 1_000_000).ok()?;
    let samples = analysis.seconds.range(number.saturating_sub(5)..=number).rev();
    let sample =
        samples.filter_map(|(_, second)| second.cluster.as_ref()).find(|sample| sample.at_us < fault.injected_us)?;
    let has_streams = analysis.config.as_ref().is_some_and(|config| config.streams > 0);
    let of_targets = sample.replicas.iter().filter(|replica| fault.hits(replica.replica));
    let sums = of_targets.map(|replica| {
        let operations = analysis.operation_connections(sample.second, Some(replica.replica));
        // Each stream has a connection of its own, which is none of the N.
        let streams = if has_streams { replica.streams.unwrap_or(0) } else { 0 };
        Some(replica.connections?.saturating_sub(operations + streams))
    });
    sums.reduce(|sum, one| Some(sum? + one?))?
}

/// The requests of some kinds before, during and after: a slot that touches the time between counts as during.
pub(super) fn parts(analysis: &Analysis, from_us: u64, over_us: u64, until_us: u64, kinds: &[Kind]) -> Parts {
    let mut parts = Parts::default();
    let first = u32::try_from(from_us.saturating_sub(BEFORE_US) / 1_000_000).unwrap_or(u32::MAX);
    let last = u32::try_from(until_us / 1_000_000).unwrap_or(u32::MAX);
    for (number, second) in analysis.seconds.range(first..=last) {
        for slots in kinds.iter().filter_map(|kind| second.kind(*kind)?.slots.as_ref()) {
            for (slot, counts) in slots.iter().enumerate() {
                let start_us = u64::from(*number) * 1_000_000 + slot as u64 * 100_000;
                let part = match start_us {
                    _ if start_us + 100_000 <= from_us => &mut parts.before,
                    _ if start_us < over_us => &mut parts.during,
                    _ if start_us < until_us => &mut parts.after,
                    _ => continue,
                };
                part.planned += counts.planned;
                part.fates.merge(&counts.fates);
            }
        }
    }
    parts
}
