use erlmcp_record::{ConfigRow, Machine, RunHeader, TargetRow};
use serde::Serialize;

use crate::verdict::Check;

/// Everything that a view of a run shows. Renderers read only this.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The version of this shape, for readers of report.json.
    pub report_version: u32,
    pub run: RunHeader,
    pub finish: Finish,
    pub configuration: Option<ConfigRow>,
    pub target: Option<TargetRow>,
    pub machine: Machine,
    pub timeline: Vec<TimelineLine>,
    /// One a phase of the plan, in its order.
    pub phases: Vec<SummaryPhase>,
    /// "Real performance numbers": connections, latency, throughput, errors, resources.
    pub numbers: Vec<Section>,
    pub checks: Vec<Check>,
    pub readiness: Readiness,
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
    /// "recovered", "success", "failed", "inconclusive", "skipped".
    pub outcome: String,
    /// The one figure of the short form, as guide.md has it.
    pub figure: Figure,
    /// Why it is inconclusive, failed or skipped.
    pub reason: Option<String>,
    pub figures: Vec<Figure>,
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
    Number(f64),
    Flag(bool),
    Text(String),
    NotMeasured(String),
}

/// PRODUCTION READINESS: ready only when every check passed.
#[derive(Debug, Clone, Serialize)]
pub struct Readiness {
    pub verdict: crate::verdict::Verdict,
    /// Sentences: what stands against it.
    pub against: Vec<String>,
    /// The methods that the verdicts rest on: what was called, how load was offered, how faults were made.
    pub rests_on: Vec<String>,
}

/// Requests of one phase and kind by fate; `planned` is the sum of the others, or the run is invalid.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerLine {
    pub phase: u8,
    pub kind: erlmcp_record::Kind,
    pub planned: u64,
    pub fates: erlmcp_record::FateCounts,
}

/// What the generator saw of itself.
#[derive(Debug, Clone, Serialize)]
pub struct Generator {
    pub figures: Vec<Figure>,
    /// What to do about it, as sentences.
    pub advice: Vec<String>,
}

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
