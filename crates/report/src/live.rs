//! What the orchestrator tells while a run goes on, and how the console says it.

use std::path::PathBuf;

use erlmcp_record::names::phase;
use erlmcp_record::{ConfigRow, ScenarioRow, plain_json, plain_lines};
use serde::Serialize;

use crate::{SecondView, Span, Summary, format, render, summary};

/// Something that a person who watches wants to know. As JSON it is an object with its name as `event`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// First, before anything else.
    Banner {
        version: String,
        connections: u64,
    },
    /// In place of a run: a server that is only looked at, and by what.
    Looking {
        at: String,
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
    /// A whole second of the run, for those who show more than lines.
    Second(Box<SecondView>),
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
        outcome: ScenarioEnd,
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

/// How a scenario ended; whether it was a success is for its checks to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScenarioEnd {
    Complete,
    Inconclusive,
    Skipped,
}

impl Event {
    /// What the row of a scenario says of its end. `text`: where it is complete; else it is the row's reason.
    pub fn scenario_ended(row: &ScenarioRow, text: String) -> Self {
        let (outcome, text) = match (&row.skipped, &row.inconclusive) {
            (Some(why), _) => (ScenarioEnd::Skipped, why.clone()),
            (None, Some(why)) => (ScenarioEnd::Inconclusive, why.clone()),
            (None, None) => (ScenarioEnd::Complete, text),
        };
        Event::ScenarioEnded { name: row.name.clone(), outcome, text }
    }
}

/// One line of the planned timeline.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedPhase {
    pub number: u8,
    /// As in the record: "ramp_up".
    pub name: String,
    /// None: not known yet.
    pub estimated_ms: Option<u64>,
    /// Why it is not going to run; None where it is.
    pub skipped: Option<String>,
    /// Scenarios of it that are not going to run.
    pub left_out: u32,
}

/// What a phase's heading says.
#[derive(Debug, Clone, Serialize)]
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

/// "2/5 queue overflow": where a phase has come to; of its only scenario there is no number.
pub fn scenario_name(scenario: u32, scenarios: u32, name: &str) -> String {
    let name = name.replace('_', " ");
    if scenarios == 1 { name } else { format!("{scenario}/{scenarios} {name}") }
}

/// The event as one line of JSON, with its line end.
pub fn json(event: &Event) -> String {
    // Only the name of a folder can be no text.
    let line = serde_json::to_string(event)
        .unwrap_or_else(|error| serde_json::json!({"event": "note", "text": error.to_string()}).to_string());
    plain_json(&line) + "\n"
}

/// What is said where nothing but the verdict is wanted.
pub fn quiet(event: &Event) -> String {
    match event {
        Event::Final(summary) => render::verdict(summary),
        Event::ReportWritten { .. } => console(event),
        _ => String::new(),
    }
}

/// The event in the words and layout of the console, with its line ends. What others have sent moves no cursor.
pub fn console(event: &Event) -> String {
    plain_lines(&said(event))
}

fn said(event: &Event) -> String {
    match event {
        Event::Banner { version, connections } => banner(version, *connections),
        Event::Looking { at } => format!("Looking at {at}\n"),
        Event::Plan { config, phases, folder } => plan(config, phases, &folder.display().to_string()),
        Event::PhaseStarted(start) => phase_started(start),
        Event::PhaseSkipped { number, name, reason } => {
            format!("\n=== PHASE {number}: {} ===\n[ - SKIPPED ] {reason}\n", summary::title(name).to_uppercase())
        }
        Event::Step { step, steps, text } => format!("[{step}/{steps}] {text}\n"),
        Event::StepOk { text } => format!("  ✓ {text}\n"),
        Event::StepFailed { text } => format!("  ✗ {text}\n"),
        Event::RampProgress { elapsed_s, established, .. } => {
            format!("  [{elapsed_s}s] {established} connections established\n")
        }
        Event::SustainedLine { elapsed_s, span } => sustained_line(*elapsed_s, span),
        Event::Second(_) => String::new(),
        Event::ScenarioStarted { scenario, scenarios, text, .. } => format!("[{scenario}/{scenarios}] {text}\n"),
        Event::ScenarioLine { text } => format!("  {text}\n"),
        Event::ScenarioEnded { name, outcome, text } => format!("  {} {name}: {text}\n", scenario_mark(*outcome)),
        Event::Note { text } => format!("{text}\n"),
        Event::PhaseSummary { lines, .. } => lines.iter().fold(String::from("\n"), |text, line| text + line + "\n"),
        Event::Final(summary) => format!("\n{}", render::console(summary)),
        Event::ReportWritten { folder } => format!("Report written to {}\n", folder.display()),
    }
}

fn banner(version: &str, connections: u64) -> String {
    format!(
        "{line}\n  ERLMCP MASTER STRESS TEST ORCHESTRATOR - v{version}\n  Complete End-to-End Validation at {} Concurrent \
         Connections\n{line}\n",
        format::short_count(connections),
        line = render::LINE
    )
}

fn plan(config: &ConfigRow, phases: &[PlannedPhase], folder: &str) -> String {
    let mut text = configuration(config, phases, folder);
    let is_suite = phases.iter().any(|planned| planned.name == phase::CONNECTIVITY);
    // The suite's own end is none of its phases.
    let count = phases.iter().filter(|planned| !is_suite || planned.name != phase::COOL_DOWN).count();
    text += &format!("\nRunning {count}-phase comprehensive validation:\n");
    for planned in phases {
        let title = short_title(&planned.name);
        text += &format!("  {}. {title} - {}\n", planned.number, purpose(&planned.name, config));
    }
    let planned = phases.iter().filter(|planned| planned.skipped.is_none());
    // A record that is read again does not tell it.
    let Some(total) = planned.map(|planned| planned.estimated_ms).sum::<Option<u64>>() else { return text };
    text += "\nPlanned timeline:\n";
    for planned in phases {
        let title = summary::title(&planned.name);
        let takes = match &planned.skipped {
            Some(reason) => format!("skipped ({reason})"),
            None => format::duration_ms(planned.estimated_ms.unwrap_or_default()),
        };
        text += &format!("  {}. {title}: {takes}\n", planned.number);
    }
    text + &format!("  Total: {}\n", format::duration_ms(total))
}

fn configuration(config: &ConfigRow, phases: &[PlannedPhase], folder: &str) -> String {
    let mut text = String::from("\nTest Configuration:\n");
    let mut line = |name: &str, value: String| text += &format!("  - {name}: {value}\n");
    line("Target", config.target.clone());
    if phases.iter().any(|planned| planned.name == phase::CAPACITY) {
        line("Connections at most", format::count(config.connections));
        line("Calls", config.calls.clone());
        line("Replicas", config.replicas.to_string());
        line("Agents", config.agents.to_string());
        line("Results", folder.into());
        return text;
    }
    line("Connections", format::count(config.connections));
    if config.streams > 0 {
        line("Streams", format::count(config.streams));
    }
    line("Duration", format::duration_ms(config.duration_ms));
    line("Ramp-up rate", format!("{} conn/sec", format::count(config.ramp_rate.round() as u64)));
    line(
        "Offered load",
        format!("{} req/s, {} arrivals, {}", format::rate(config.rate), config.arrivals, config.calls),
    );
    line("Warm-up", format::duration_ms(config.warmup_ms));
    let scenarios = |name: &str, planned: u32| match phases.iter().find(|phase| phase.name == name) {
        Some(PlannedPhase { skipped: Some(reason), .. }) => format!("none ({reason})"),
        Some(PlannedPhase { left_out: left_out @ 1.., .. }) => {
            format!("{} of {planned}, {left_out} left out", planned.saturating_sub(*left_out))
        }
        _ => planned.to_string(),
    };
    if !config.phases.iter().any(|name| name == phase::CONNECTIVITY) {
        line("Failure scenarios", scenarios(phase::FAILURE_RECOVERY, config.failure_scenarios));
        line("Performance scenarios", scenarios(phase::PERFORMANCE_SCENARIOS, config.performance_scenarios));
    }
    line("Replicas", config.replicas.to_string());
    line("Agents", config.agents.to_string());
    line("Results", folder.into());
    if let Some(asserts) = &config.asserts {
        line("Expected of the load", asserts.clone());
    }
    for (id, threshold) in config.thresholds.iter().filter(|(_, threshold)| threshold.changed) {
        line("Threshold changed", format!("{id} is {}", threshold.value));
    }
    text
}

/// As guide.md has it in its list of phases.
fn short_title(name: &str) -> String {
    match name {
        phase::PERFORMANCE_SCENARIOS => "Performance".into(),
        name => summary::title(name),
    }
}

/// What a phase is for, in the words of guide.md.
fn purpose(name: &str, config: &ConfigRow) -> String {
    let connections = format::short_count(config.connections);
    match name {
        phase::BASELINE => "Infrastructure verification".into(),
        phase::RAMP_UP => format!("Establish {connections} connections"),
        phase::SUSTAINED_LOAD => format!("Hold {connections} for {}", format::duration_ms(config.duration_ms)),
        phase::FAILURE_RECOVERY => "Test resilience scenarios".into(),
        phase::PERFORMANCE_SCENARIOS => "Validate performance characteristics".into(),
        phase::COOL_DOWN => "Graceful shutdown".into(),
        phase::CONNECTIVITY => "Every endpoint, and latency at rest".into(),
        phase::LOAD_SCALING => "What grows with the number of connections, and how".into(),
        phase::DISTRIBUTION => "Rates to the knee, percentiles, methods, sizes, eras".into(),
        phase::FAILURE_SCENARIOS => "What faults cost, and how fast they are over".into(),
        phase::RESOURCE_LIMITS => "The server at its limits and over them".into(),
        phase::FAILOVER => "Replicas lost, restarted and added under load".into(),
        phase::INTEGRATION => "The server's parts by its own histograms".into(),
        phase::CAPACITY => "Search for the most that the target carries".into(),
        phase::CHAOS => format!("Faults under load for {}", format::duration_ms(config.duration_ms)),
        name => summary::title(name),
    }
}

fn phase_started(start: &PhaseStart) -> String {
    let connections = format::short_count(start.connections);
    let duration = format::duration_ms(start.duration_ms);
    let (title, line) = match start.name.as_str() {
        phase::BASELINE => ("BASELINE VALIDATION".into(), None),
        phase::RAMP_UP => (
            format!("RAMP UP TO {connections} CONNECTIONS"),
            Some(format!("Target: {} connections at {:.0} conn/sec", start.connections, start.ramp_rate)),
        ),
        phase::SUSTAINED_LOAD => (
            format!("SUSTAINED LOAD ({duration})"),
            Some(format!("Maintaining {connections} concurrent connections for {duration}")),
        ),
        phase::FAILURE_RECOVERY => ("FAILURE RECOVERY".into(), None),
        name => (summary::title(name).to_uppercase(), None),
    };
    let line = line.map(|line| line + "\n").unwrap_or_default();
    let estimated = format::tenths(start.estimated_ms);
    format!("\n=== PHASE {}: {title} ===\n{line}Estimated duration: {estimated} seconds\n", start.number)
}

fn sustained_line(elapsed_s: u32, span: &Span) -> String {
    let latency = span.mean_ms.map_or_else(|| "not measured".into(), format::ms);
    format!(
        "[{elapsed_s}s] Latency: {latency} | Throughput: {} req/s | Errors: {} | Connections: {}\n",
        format::rate(span.answered_rps),
        span.error_share(),
        format::count(span.connections)
    )
}

/// That a scenario came to its end says nothing of its success: the summary after the phase does.
fn scenario_mark(outcome: ScenarioEnd) -> &'static str {
    match outcome {
        ScenarioEnd::Complete => "•",
        ScenarioEnd::Inconclusive => "?",
        ScenarioEnd::Skipped => "-",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_that_ended_has_no_check_mark() {
        let line = |outcome: ScenarioEnd| {
            let (name, text) = ("ramp_up".to_owned(), "0 connections opened".to_owned());
            console(&Event::ScenarioEnded { name, outcome, text })
        };
        assert_eq!(line(ScenarioEnd::Complete), "  • ramp_up: 0 connections opened\n");
        assert_eq!(line(ScenarioEnd::Inconclusive), "  ? ramp_up: 0 connections opened\n");
        assert_eq!(line(ScenarioEnd::Skipped), "  - ramp_up: 0 connections opened\n");
    }
}
