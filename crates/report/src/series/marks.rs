use serde::Serialize;

use crate::Value;
use crate::analysis::Analysis;
use crate::summary;
use crate::verdict::Verdict;

/// A phase, from its start to its end in seconds of the run's clock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Band {
    pub phase: u8,
    pub title: String,
    pub from_s: f64,
    pub to_s: f64,
}

/// A fault, and what was seen of it; the times are as a [`FaultLine`](crate::FaultLine) has them.
#[derive(Debug, Clone, Serialize)]
pub struct FaultMark {
    /// From 1, by the time of the injection: what marks it in charts and tables.
    pub number: usize,
    /// "kill", "loss"; of a scenario that is a fault itself its name.
    pub kind: String,
    pub targets: String,
    pub method: String,
    pub injected_s: f64,
    /// When nothing of it was left, or it was watched no longer.
    pub over_s: f64,
    pub effect: Value,
    pub detected_by_cluster: Value,
    pub detected_by_clients: Value,
    pub served_again: Value,
    pub ready_again: Value,
    pub healed: Value,
    /// None where the checks of its phase judge it.
    pub verdict: Option<Verdict>,
    pub reason: Option<String>,
}

/// The phases that were begun; one that did not end is drawn up to `last_s`.
pub(super) fn bands(analysis: &Analysis, last_s: f64) -> Vec<Band> {
    let seconds = |us: u64| us as f64 / 1e6;
    let band = |(number, times): (&u8, &crate::analysis::PhaseTimes)| {
        let from_s = seconds(times.started_us?);
        let to_s = times.ended_us.map_or(last_s, seconds).max(from_s);
        Some(Band { phase: *number, title: summary::title(&times.name), from_s, to_s })
    };
    analysis.phases.iter().filter_map(band).collect()
}

pub(super) fn faults(analysis: &Analysis, last_s: f64) -> Vec<FaultMark> {
    let mut marks: Vec<FaultMark> = summary::every_fault(analysis)
        .into_iter()
        .map(|(line, over_us, is_judged)| FaultMark {
            number: 0,
            kind: line.kind,
            targets: line.targets,
            method: line.method,
            injected_s: line.injected_ms as f64 / 1e3,
            over_s: (over_us as f64 / 1e6).min(last_s),
            effect: line.effect_ms,
            detected_by_cluster: line.detected_by_cluster_ms,
            detected_by_clients: line.detected_by_clients_ms,
            served_again: line.served_again_ms,
            ready_again: line.ready_again_ms,
            healed: line.healed_ms,
            verdict: is_judged.then_some(line.verdict),
            reason: if is_judged { line.reason } else { None },
        })
        .collect();
    marks.sort_by(|one, other| one.injected_s.total_cmp(&other.injected_s));
    marks.iter_mut().zip(1..).for_each(|(mark, number)| mark.number = number);
    marks
}
