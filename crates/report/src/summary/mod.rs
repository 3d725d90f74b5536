//! The view model: everything that a view of a run shows.

mod build;
mod faults;
mod generator;
mod lines;
mod misbehaving;
mod numbers;
mod phases;
mod readiness;
mod scenarios;
mod streams;
mod suite_lines;
mod timeline;
mod workload;

use std::fmt;

use erlmcp_record::{ConfigRow, FateCounts, Kind, Machine, RunHeader, TargetRow};
use serde::Serialize;

pub(crate) use build::build;
pub(crate) use faults::{every as every_fault, moment};
pub(crate) use lines::phase_lines;
pub(crate) use phases::{baseline as baseline_figures, found, quantile};
pub(crate) use readiness::skipped_within;
pub(crate) use timeline::title;

use crate::capacity::Capacity;
use crate::format;
use crate::verdict::{Check, Verdict};

/// The version of the shape of report.json.
pub(crate) const REPORT_VERSION: u32 = 1;

/// Everything that a view of a run shows. Renderers read only this.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The version of this shape, for readers of report.json.
    pub report_version: u32,
    /// None where the record has no first row.
    pub run: Option<RunHeader>,
    pub finish: Finish,
    /// Why none of its figures can be trusted: the ledger does not balance. None for a valid run.
    pub invalid: Option<String>,
    pub configuration: Option<ConfigRow>,
    pub target: Option<TargetRow>,
    pub machine: Machine,
    pub timeline: Vec<TimelineLine>,
    /// One a phase of the plan, in its order.
    pub phases: Vec<SummaryPhase>,
    /// "Real performance numbers": connections, latency, throughput, errors, resources.
    pub numbers: Vec<Section>,
    /// Those of a list, in the order in which they were made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultLine>,
    /// Where that was what the run was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    pub checks: Vec<Check>,
    pub readiness: Readiness,
    /// What the comprehensive suite says of each of its phases, in a line; empty for other runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suite: Vec<PhaseLine>,
    pub ledger: Vec<LedgerLine>,
    pub generator: Generator,
}

/// How the run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    Completed,
    Interrupted,
    Aborted {
        reason: String,
    },
    /// The record has no last row: its writer was killed, or is still writing.
    Unfinished,
}

/// Planned and actual duration of one phase.
#[derive(Debug, Clone, Serialize)]
pub struct TimelineLine {
    pub phase: u8,
    pub title: String,
    /// None where the record does not say.
    pub planned_ms: Option<u64>,
    pub actual_ms: Option<u64>,
    pub state: State,
}

impl TimelineLine {
    /// The duration that was announced; "none" where the plan left the phase out.
    pub(crate) fn planned(&self) -> String {
        match (self.planned_ms, &self.state) {
            (Some(0), State::Skipped { .. }) => "none".into(),
            (planned, _) => planned.map_or_else(|| "not measured".into(), format::duration_ms),
        }
    }
}

/// How far a phase or a scenario got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Complete,
    /// Begun, and not ended.
    Cut,
    Skipped {
        reason: String,
    },
}

/// What one phase found.
#[derive(Debug, Clone, Serialize)]
pub struct SummaryPhase {
    pub phase: u8,
    /// As in the record: "ramp_up".
    pub name: String,
    pub state: State,
    pub figures: Vec<Figure>,
    pub scenarios: Vec<ScenarioResult>,
}

/// A scenario's name, outcome and figure, and what stands behind them.
#[derive(Debug, Clone, Serialize)]
pub struct ScenarioResult {
    pub name: String,
    pub outcome: ScenarioOutcome,
    /// The one figure of the short form, as guide.md has it.
    pub figure: Figure,
    /// Why it is inconclusive, failed or skipped.
    pub reason: Option<String>,
    pub figures: Vec<Figure>,
}

impl ScenarioResult {
    pub(crate) fn is_skipped(&self) -> bool {
        self.outcome == ScenarioOutcome::Skipped
    }
}

/// What became of a scenario; shown as its name: "recovered".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScenarioOutcome {
    Recovered,
    Success,
    /// Its phase is judged, not the scenario.
    Measured,
    Failed,
    Inconclusive,
    Skipped,
}

impl fmt::Display for ScenarioOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A titled group of figures.
#[derive(Debug, Clone, Serialize)]
pub struct Section {
    pub title: String,
    pub figures: Vec<Figure>,
}

/// One figure with its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// With its unit at the end: "baseline_latency_ms".
    pub name: String,
    pub value: Value,
}

/// A measured value, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    Count(u64),
    Ms(f64),
    /// Events a second.
    Rate(f64),
    /// A share as whole numbers, shown as a percentage.
    Share {
        part: u64,
        whole: u64,
    },
    Percent(f64),
    Bytes(f64),
    /// Bytes a minute.
    Growth(f64),
    /// Without a unit.
    Number(f64),
    Flag(bool),
    Text(String),
    NotMeasured(String),
}

/// A phase of the suite in one line.
#[derive(Debug, Clone, Serialize)]
pub struct PhaseLine {
    pub phase: u8,
    /// "Load Scaling".
    pub title: String,
    /// The worst of its checks; skipped where the phase was.
    pub verdict: Verdict,
    /// Checks that passed, and all.
    pub passed: u64,
    pub checks: u64,
    /// What was found, or why nothing was.
    pub line: String,
}

/// PRODUCTION READINESS: ready only when every check passed.
#[derive(Debug, Clone, Serialize)]
pub struct Readiness {
    pub verdict: Verdict,
    /// Sentences: what stands against it.
    pub against: Vec<String>,
    /// The methods that the verdicts rest on: what was called, how load was offered, how faults were made.
    pub rests_on: Vec<String>,
}

/// Requests of one phase and kind by fate; `planned` is the sum of the others, or the run is invalid.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerLine {
    pub phase: u8,
    pub kind: Kind,
    pub planned: u64,
    pub fates: FateCounts,
}

/// One fault of a list and what was seen of it. Times are milliseconds; since its effect where nothing else is said.
#[derive(Debug, Clone, Serialize)]
pub struct FaultLine {
    pub id: u32,
    /// "kill", "loss", or the user's own name.
    pub kind: String,
    /// "3", "1, 4", or "the cluster".
    pub targets: String,
    pub method: String,
    /// Since the run began.
    pub injected_ms: u64,
    /// Since it was injected: of a kill, what the kernel took to end the process with all of its connections.
    pub effect_ms: Value,
    /// 0 where it was known before all of the effect was there.
    pub detected_by_cluster_ms: Value,
    /// The same since it was injected.
    pub detected_since_injection_ms: Value,
    /// By the first of them.
    pub detected_by_clients_ms: Value,
    pub detected_by_last_client_ms: Value,
    pub served_again_ms: Value,
    /// Since the heal, where it was healed.
    pub ready_again_ms: Value,
    /// From the heal until it was seen.
    pub healed_ms: Value,
    /// Until the load was as before.
    pub steady_again_ms: Value,
    /// Of the requests from its injection until it was over.
    pub fates: FateCounts,
    pub verdict: Verdict,
    /// What stands against it, or the note of the run.
    pub reason: Option<String>,
}

/// What the generator saw of itself.
#[derive(Debug, Clone, Serialize)]
pub struct Generator {
    pub figures: Vec<Figure>,
    /// What to do about it, as sentences.
    pub advice: Vec<String>,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: Value) -> Self {
        Self { name: name.into(), value }
    }
}

impl Value {
    /// A value, or why there is none.
    pub(crate) fn or<T>(value: Option<T>, of: impl FnOnce(T) -> Value, why_not: &str) -> Value {
        value.map_or_else(|| Value::NotMeasured(why_not.into()), of)
    }

    /// As in the lines `name: value`, whose names carry the unit: "35.23", "100000", "true".
    pub fn plain(&self) -> String {
        match self {
            Value::Count(count) => count.to_string(),
            Value::Ms(value) => format!("{value:.2}"),
            Value::Rate(value) | Value::Percent(value) => format!("{value:.1}"),
            Value::Share { part, whole } => format::share_number(*part, *whole).unwrap_or_else(|| NOTHING.into()),
            Value::Bytes(value) | Value::Growth(value) => format!("{value:.0}"),
            Value::Number(value) => format!("{value:.3}"),
            Value::Flag(flag) => flag.to_string(),
            Value::Text(text) => text.clone(),
            Value::NotMeasured(why) => format!("not measured ({why})"),
        }
    }

    /// For people, with its unit: "35.23 ms", "100,000", "1.80 KB".
    pub fn pretty(&self) -> String {
        match self {
            Value::Count(count) => format::count(*count),
            Value::Ms(value) => format::ms(*value),
            Value::Rate(value) => format!("{} a second", format::rate(*value)),
            Value::Percent(value) => format!("{value:.1}%"),
            Value::Share { part: _, whole: 0 } => NOTHING.into(),
            Value::Share { part, whole } => format::share(*part, *whole),
            Value::Bytes(value) => format::bytes(*value),
            Value::Growth(value) => format!("{} MB/minute", format::grouped(value / 1e6, 3)),
            Value::Number(_) | Value::Flag(_) | Value::Text(_) | Value::NotMeasured(_) => self.plain(),
        }
    }
}

const NOTHING: &str = "not measured (there was nothing to take a share of)";

impl Summary {
    /// The check with this id ("sla.p95_ms").
    pub fn check(&self, id: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.id == id)
    }

    /// The figure of a phase, both by name.
    pub fn figure(&self, phase: &str, name: &str) -> Option<&Value> {
        let phase = self.phases.iter().find(|found| found.name == phase)?;
        phase.figures.iter().find(|figure| figure.name == name).map(|figure| &figure.value)
    }
}
