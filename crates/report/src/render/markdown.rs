use erlmcp_record::names::phase;

use super::tables::{capacity, row, suite, table};
use super::{code_cell, prose};
use crate::capacity::Capacity;
use crate::verdict::Check;
use crate::{FaultLine, Figure, Finish, ScenarioResult, State, Summary, SummaryPhase, Value, format, summary::title};

/// FINAL_REPORT.md: under its title the table of SLAs first.
pub fn markdown(summary: &Summary) -> String {
    let mut text = heading(summary);
    text += &summary.capacity.as_ref().map_or_else(|| sla_table(summary) + &suite(summary), capacity);
    text += &opening(summary);
    text += &configuration(summary);
    text += &timeline(summary);
    summary.phases.iter().for_each(|phase| text += &phase_section(phase));
    text += "## Real performance numbers\n\n";
    for section in &summary.numbers {
        text += &format!("### {}\n\n{}", section.title, figures(&section.figures));
    }
    text += &faults(summary);
    text += &summary.capacity.as_ref().map_or_else(String::new, trials);
    text += &checks(summary);
    text += &ledger(summary);
    text + &generator(summary)
}

fn sla_table(summary: &Summary) -> String {
    let mut text = String::from("| SLA | Target | Actual | Status |\n|-----|--------|--------|--------|\n");
    for check in summary.checks.iter().filter(|check| check.is_headline()) {
        let target = check.threshold.text() + &check.changed();
        text += &row(&[check.name.clone(), target, check.actual(), check.verdict.mark().into()]);
    }
    text + "\n"
}

fn heading(summary: &Summary) -> String {
    let version = summary.run.as_ref().map_or("?", |run| run.version.as_str());
    let run = summary.run.as_ref().map_or("a run without a first row", |run| run.run_id.as_str());
    format!("# erlmcp v{version}: {run}\n\n")
}

fn opening(summary: &Summary) -> String {
    let readiness = &summary.readiness;
    let mut text = format!("**Production readiness: {}**\n\n", readiness.verdict.mark());
    readiness.against.iter().for_each(|against| text += &format!("- {}\n", prose(against)));
    if !readiness.against.is_empty() {
        text += "\n";
    }
    match &summary.finish {
        Finish::Completed => {}
        Finish::Interrupted => text += "The run was interrupted; what was measured until then is below.\n\n",
        Finish::Aborted { reason } => text += &format!("The run ended early: {}.\n\n", prose(reason)),
        Finish::Unfinished => text += "The record ends in the middle of the run.\n\n",
    }
    text += "What the verdicts rest on:\n\n";
    readiness.rests_on.iter().for_each(|method| text += &format!("- {}\n", prose(method)));
    text + "\n"
}

fn configuration(summary: &Summary) -> String {
    let mut text = String::from("## Configuration\n\n| | |\n|---|---|\n");
    if let Some(run) = &summary.run {
        text += &row(&["Started".into(), run.started_at.clone()]);
        text += &format!("| Command | {} |\n", code_cell(&format::command_line(&run.command_line)));
    }
    let mut line = |name: &str, value: String| text += &row(&[name.into(), value]);
    if let Some(config) = &summary.configuration {
        line("Target", config.target.clone());
        match &summary.capacity {
            Some(found) => found.bounds().into_iter().for_each(|(name, value)| line(name, value)),
            None => line("Connections", format::count(config.connections)),
        }
        if config.streams > 0 {
            line("Streams", format::count(config.streams));
        }
        if summary.capacity.is_none() {
            line("Duration", format::duration_ms(config.duration_ms));
        }
        line("Ramp-up rate", format!("{} conn/s", format::rate(config.ramp_rate)));
        match summary.capacity {
            Some(_) => line("Calls", config.calls.clone()),
            None => line("Offered load", format!("{} req/s, {}", format::rate(config.rate), config.calls)),
        }
        if summary.suite.is_empty() && summary.capacity.is_none() {
            let planned = (config.failure_scenarios, config.performance_scenarios);
            line("Failure scenarios", scenarios(summary, phase::FAILURE_RECOVERY, planned.0));
            line("Performance scenarios", scenarios(summary, phase::PERFORMANCE_SCENARIOS, planned.1));
        }
        line("Replicas", config.replicas.to_string());
        line("Agents", config.agents.to_string());
    }
    if let Some(target) = &summary.target {
        line("Server", target.server.clone().unwrap_or_else(|| "does not name itself".into()));
        line("Server figures", target.server_figures.clone());
    }
    let machine = &summary.machine;
    let memory = format::bytes(machine.memory_bytes as f64);
    line("Machine", format!("{}, {} cores, {memory}, {}", machine.cpu, machine.cores, machine.kernel));
    text + "\n"
}

/// How many scenarios of a phase were run: "3", "1 of 3 run, 2 skipped".
fn scenarios(summary: &Summary, name: &str, planned: u32) -> String {
    let Some(phase) = summary.phases.iter().find(|phase| phase.name == name) else { return planned.to_string() };
    match (&phase.state, phase.scenarios.iter().filter(|result| result.is_skipped()).count() as u32) {
        (State::Skipped { .. }, _) => format!("0 of {planned} run, all skipped"),
        (_, 0) => planned.to_string(),
        (_, skipped) => format!("{} of {planned} run, {skipped} skipped", planned.saturating_sub(skipped)),
    }
}

fn timeline(summary: &Summary) -> String {
    let mut text = String::from("## Timeline\n\n| Phase | Planned | Actual |\n|---|---|---|\n");
    let told = |ms: Option<u64>| ms.map_or_else(|| "not measured".into(), format::duration_ms);
    for line in &summary.timeline {
        let actual = match &line.state {
            State::Skipped { reason } => format!("skipped: {reason}"),
            State::Cut => format!("{} (cut short)", told(line.actual_ms)),
            State::Complete => told(line.actual_ms),
        };
        text += &row(&[format!("{}. {}", line.phase, line.title), line.planned(), actual]);
    }
    let sum =
        |of: fn(&crate::TimelineLine) -> Option<u64>| format::duration_ms(summary.timeline.iter().filter_map(of).sum());
    text + &row(&["Total".into(), sum(|line| line.planned_ms), sum(|line| line.actual_ms)]) + "\n"
}

fn figures(figures: &[Figure]) -> String {
    let lines: String = figures.iter().map(|figure| row(&[figure.name.clone(), figure.value.pretty()])).collect();
    format!("| Figure | Value |\n|---|---|\n{lines}\n")
}

fn phase_section(phase: &SummaryPhase) -> String {
    let mut text = format!("## Phase {}: {}\n\n", phase.phase, title(&phase.name));
    if let State::Skipped { reason } = &phase.state {
        text += &format!("SKIPPED: {}\n\n", prose(reason));
    }
    if !phase.figures.is_empty() {
        text += &figures(&phase.figures);
    }
    phase.scenarios.iter().for_each(|result| text += &scenario(result));
    text
}

fn scenario(result: &ScenarioResult) -> String {
    let reason = result.reason.as_ref().map(|reason| format!("{}\n\n", prose(reason))).unwrap_or_default();
    let mut all = vec![result.figure.clone()];
    all.extend(result.figures.iter().cloned());
    let is_empty = result.figures.is_empty() && matches!(result.figure.value, Value::NotMeasured(_));
    let table = if is_empty { String::new() } else { figures(&all) };
    format!("### {}: {}\n\n{reason}{table}", result.name, result.outcome)
}

fn trials(found: &Capacity) -> String {
    format!("## Trials\n\n{}", table(Capacity::TRIAL_HEADING, found.trial_cells()))
}

fn faults(summary: &Summary) -> String {
    if summary.faults.is_empty() {
        return String::new();
    }
    let rows = table(FaultLine::HEADING, summary.faults.iter().map(FaultLine::cells));
    let times = "The effect is since the injection: of a kill, what the kernel took to end the process. The other times are \
                 since the effect: detected (0: known before all of it was there), served and ready (since the heal, where \
                 there was one).";
    format!("## Faults\n\n{times}\n\n{rows}")
}

fn checks(summary: &Summary) -> String {
    let mut text = String::from("## Checks\n\n| Check | Target | Actual | Status | Basis |\n|---|---|---|---|---|\n");
    for check in &summary.checks {
        text += &row(&[
            format!("{} (`{}`)", check.name, check.id),
            check.threshold.text() + &check.changed(),
            check.actual(),
            status(check),
            check.basis(),
        ]);
    }
    text + "\n"
}

fn status(check: &Check) -> String {
    let mut text = String::from(check.verdict.mark());
    if let Some(reason) = check.verdict.reason() {
        text += &format!(": {reason}");
    }
    if let Some(advice) = &check.advice {
        text += &format!(" ({advice})");
    }
    if let Some(entry) = check.see() {
        text += &format!("; see {entry}");
    }
    text
}

fn ledger(summary: &Summary) -> String {
    let mut text = String::from("## Ledger\n\n| Phase | Kind | Planned | Fates |\n|---|---|---|---|\n");
    for line in &summary.ledger {
        let name = summary.phases.iter().find(|phase| phase.phase == line.phase).map_or("?", |phase| &phase.name);
        let fates: Vec<String> =
            line.fates.iter().map(|(fate, count)| format!("{} {}", fate.name(), format::count(count))).collect();
        let kind = format!("{:?}", line.kind).to_lowercase();
        text += &row(&[title(name), kind, format::count(line.planned), fates.join(" + ")]);
    }
    text + "\n"
}

fn generator(summary: &Summary) -> String {
    let mut text = format!("## Generator\n\n{}", figures(&summary.generator.figures));
    summary.generator.advice.iter().for_each(|advice| text += &format!("- {}\n", prose(advice)));
    text
}
