//! The phases of the comprehensive suite, each with its limits, its judgement, its figures and its line. One file a
//! phase: it reads the analysis, and nobody but the summary and the verdicts reads it.

mod connectivity;
mod distribution;
mod drift;
mod failover;
mod failures;
mod integration;
mod limits;
mod scaling;
mod scene;

use erlmcp_record::Kind;

use crate::analysis::{Analysis, Window};
use crate::facts::Facts;
use crate::summary::{Figure, Value};
use crate::verdict::{Judge, Threshold};

pub use distribution::is_rate_kept;
pub(crate) use drift::Drift;
pub(crate) use scene::scene_figures;

/// What one phase of the suite is to the report.
pub(crate) struct SuitePhase {
    /// As in the record.
    pub(crate) name: &'static str,
    pub(crate) thresholds: &'static [Threshold],
    /// Enters the evidence for each of them.
    pub(crate) enter: fn(&mut Judge<'_>),
    /// What was found in the phase with this number.
    pub(crate) figures: fn(&Analysis, &Facts<'_>, u8) -> Vec<Figure>,
    /// What the closing summary says of it, from its figures.
    pub(crate) line: fn(&[Figure]) -> String,
}

/// In the order of the plan.
pub(crate) static PHASES: [SuitePhase; 8] = [
    connectivity::PHASE,
    scaling::PHASE,
    drift::PHASE,
    distribution::PHASE,
    failures::PHASE,
    limits::PHASE,
    failover::PHASE,
    integration::PHASE,
];

/// The phase with this name, where the run is one of the suite.
pub(crate) fn phase(analysis: &Analysis, name: &str) -> Option<&'static SuitePhase> {
    PHASES.iter().find(|phase| phase.name == name).filter(|_| analysis.is_suite())
}

/// What a phase cost beside what it measured: its time outside of loads, ramps and the like, and the agents' CPU.
pub(crate) fn own_cost(analysis: &Analysis, number: u8) -> Vec<Figure> {
    let times = analysis.phases.get(&number);
    let Some((from_us, to_us)) = times.and_then(|times| times.started_us.zip(times.ended_us)) else {
        return Vec::new();
    };
    let measured_us = covered_us(measured(analysis, number), (from_us, to_us));
    let self_us = to_us.saturating_sub(from_us).saturating_sub(measured_us);
    let window = Window::between(from_us, to_us);
    let seconds = window.map(|window| analysis.seconds_in(window)).into_iter().flatten();
    let told = seconds
        .filter(|(_, second)| !second.agents.is_empty())
        .map(|(_, second)| second.folded_cpu_us + second.agents.iter().map(|agent| agent.cpu_us).sum::<u64>());
    let cpu_ms = told.reduce(|sum, us| sum + us).map(|us| us / 1_000);
    let none = "the phase has no whole second with the agents' figures";
    vec![
        Figure::new("self_cost_ms", Value::Count(self_us / 1_000)),
        Figure::new("agents_cpu_ms", Value::or(cpu_ms, Value::Count, none)),
    ]
}

/// The times of a phase's requests, and of the scenarios without any that last for a time of their own.
fn measured(analysis: &Analysis, number: u8) -> Vec<(u64, u64)> {
    let loads = analysis.blocks.values().filter(|row| row.phase == number && row.duration_us > 0);
    let loads: Vec<_> = loads.filter(|row| row.kind != Kind::Probe).collect();
    let is_load = |block: &u32| loads.iter().any(|row| row.block == *block);
    let scenarios = analysis.scenarios.values().filter(|row| row.phase == number && row.skipped.is_none());
    let others = scenarios.filter(|row| !row.blocks.iter().any(is_load)).map(|row| (row.started_us, row.ended_us));
    let times = loads.iter().map(|row| (row.start_us, row.start_us.saturating_add(row.duration_us)));
    others.chain(times).collect()
}

/// How much of `within` these times cover, counted once where they overlap.
fn covered_us(mut times: Vec<(u64, u64)>, within: (u64, u64)) -> u64 {
    times.sort_unstable();
    let mut covered = 0;
    let mut until = within.0;
    for (from, to) in times {
        let (from, to) = (from.max(until), to.min(within.1));
        covered += to.saturating_sub(from);
        until = until.max(to);
    }
    covered
}

/// A figure by its name.
fn value<'a>(figures: &'a [Figure], name: &str) -> Option<&'a Value> {
    figures.iter().find(|figure| figure.name == name).map(|figure| &figure.value)
}

/// A figure for a line of words: "not measured" without the reason.
fn said(figures: &[Figure], name: &str) -> String {
    match value(figures, name) {
        Some(Value::NotMeasured(_)) | None => "not measured".into(),
        Some(value) => value.pretty(),
    }
}

/// A figure for a line of words in these, or why there is none behind `what`: "back after 40 ms at most", "back: not within 30 s".
fn said_or_why(figures: &[Figure], name: &str, what: &str, words: impl FnOnce(&str) -> String) -> String {
    match value(figures, name) {
        Some(Value::NotMeasured(why)) => format!("{what}: {why}"),
        _ => words(&said(figures, name)),
    }
}

#[cfg(test)]
mod tests {
    use erlmcp_record::names::phase;
    use erlmcp_record::{AgentSample, Entry, PhaseEvent, PhaseRow};

    use super::*;

    #[test]
    fn times_that_overlap_count_once() {
        assert_eq!(covered_us(vec![(10, 20), (15, 30), (40, 50)], (0, 45)), 25);
        assert_eq!(covered_us(Vec::new(), (0, 45)), 0);
        assert_eq!(covered_us(vec![(0, 100)], (20, 45)), 25);
    }

    #[test]
    fn the_cpu_of_a_long_load_is_counted_whole() {
        const SECONDS: u32 = 7_600;
        let mut analysis = Analysis::of_long_load();
        for second in 0..SECONDS {
            analysis.push(&Entry::Agent(AgentSample { agent: 1, second, cpu_us: 5_000, ..AgentSample::default() }));
        }
        analysis.push(&Entry::Phase(PhaseRow {
            phase: 3,
            name: phase::SUSTAINED_LOAD.into(),
            event: PhaseEvent::Ended,
            at_us: u64::from(SECONDS) * 1_000_000,
            estimated_ms: 0,
        }));
        let kept = analysis.seconds.values().filter(|second| !second.agents.is_empty()).count();
        assert!(kept < SECONDS as usize, "the first minutes are folded");
        let cost = own_cost(&analysis, 3);
        assert_eq!(value(&cost, "agents_cpu_ms"), Some(&Value::Count(u64::from(SECONDS) * 5)));
    }

    #[test]
    fn each_phase_has_its_own_limits() {
        for phase in &PHASES {
            assert!(phase.thresholds.iter().all(|threshold| threshold.phase == Some(phase.name)), "{}", phase.name);
        }
    }
}
