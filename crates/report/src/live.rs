//! What the orchestrator tells while a run goes on, and how the console says it.

use std::path::PathBuf;

use erlmcp_record::ConfigRow;

use crate::{Span, Summary};

/// Something that a person who watches wants to know.
#[derive(Debug, Clone)]
pub enum Event {
    /// First, before anything else.
    Banner {
        version: String,
        connections: u64,
    },
    /// What was asked for, the list of phases and the planned timeline.
    Plan {
        config: Box<ConfigRow>,
        phases: Vec<PlannedPhase>,
        folder: PathBuf,
    },
    PhaseStarted(Box<PhaseStart>),
    PhaseSkipped {
        number: u8,
        name: String,
        reason: String,
    },
    /// "[1/4] Testing target reachability: http://localhost:8080".
    Step {
        step: u32,
        steps: u32,
        text: String,
    },
    /// "  ✓ Target reachable and responsive".
    StepOk {
        text: String,
    },
    /// "  ✗ ...", with what to do.
    StepFailed {
        text: String,
    },
    /// "  [5s] 25000 connections established", every 5 s of a ramp.
    RampProgress {
        elapsed_s: u32,
        established: u64,
        target: u64,
    },
    /// "[30s] Latency: ... ms | Throughput: ... req/s | Errors: ...%", every 30 s (5 s in a short run).
    SustainedLine {
        elapsed_s: u32,
        span: Span,
    },
    ScenarioStarted {
        scenario: u32,
        scenarios: u32,
        name: String,
        text: String,
    },
    /// Something seen in a scenario: "  [1.2s] detected by the cluster".
    ScenarioLine {
        text: String,
    },
    ScenarioEnded {
        name: String,
        outcome: String,
        text: String,
    },
    /// Anything else that the user should know, as a sentence.
    Note {
        text: String,
    },
    /// After each phase; the lines are [`Analysis::phase_summary`](crate::Analysis::phase_summary)'s.
    PhaseSummary {
        number: u8,
        name: String,
        lines: Vec<String>,
    },
    /// The whole report, after the last phase.
    Final(Box<Summary>),
    ReportWritten {
        folder: PathBuf,
    },
}

/// One line of the planned timeline.
#[derive(Debug, Clone)]
pub struct PlannedPhase {
    pub number: u8,
    /// As in the record: "ramp_up".
    pub name: String,
    pub estimated_ms: u64,
    /// Why it is not going to run; None where it is.
    pub skipped: Option<String>,
}

/// What a phase's heading says.
#[derive(Debug, Clone)]
pub struct PhaseStart {
    pub number: u8,
    pub name: String,
    pub estimated_ms: u64,
    pub connections: u64,
    /// Connections a second.
    pub ramp_rate: f64,
    /// Of the sustained load.
    pub duration_ms: u64,
}

/// The event in the words and layout of the console, with its line ends.
pub fn console(event: &Event) -> String {
    let _ = event;
    todo!()
}
