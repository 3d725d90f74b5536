use erlmcp_record::names::phase;
use erlmcp_record::plain_lines;

use super::LINE;
use crate::capacity::Capacity;
use crate::summary::title;
use crate::verdict::{Check, Verdict};
use crate::{
    ExitCode, FaultLine, Figure, Finish, PhaseLine, ScenarioResult, State, Summary, SummaryPhase, Value, exit_code,
    format,
};

/// The end of the console's output: FINAL REPORT, readiness, closing status line.
pub fn console(summary: &Summary) -> String {
    plain_lines(&report(summary))
}

fn report(summary: &Summary) -> String {
    let mut text = heading(summary);
    if let Some(found) = &summary.capacity {
        return text + &capacity(found) + &ledger(summary) + &generator(summary) + &capacity_end(summary);
    }
    summary.phases.iter().for_each(|phase| text += &phase_section(phase));
    text += &numbers(summary);
    text += &timeline(summary);
    text += &faults(summary);
    text += &ledger(summary);
    text += &generator(summary);
    text += &suite(summary);
    text += &format!("{LINE}\n  PRODUCTION READINESS ASSESSMENT\n{LINE}\n");
    text += &checks(summary);
    text += &overall(summary);
    text + &format!("\n{}\n{LINE}\n", closing(summary))
}

/// The verdict alone: what did not pass, and how the run ended.
pub fn verdict(summary: &Summary) -> String {
    let is_open = |check: &&Check| matches!(check.verdict, Verdict::Fail | Verdict::Inconclusive { .. });
    let mut text: String = summary.checks.iter().filter(is_open).map(check_lines).collect();
    text += if summary.capacity.is_some() { capacity_closing(summary) } else { closing(summary) };
    plain_lines(&text) + "\n"
}

fn heading(summary: &Summary) -> String {
    let version = summary.run.as_ref().map_or("?", |run| run.version.as_str());
    let connections = summary.configuration.as_ref().map_or(0, |config| config.connections);
    let connections = format::short_count(connections);
    let what = match summary.run.as_ref().map(|run| run.command.as_str()) {
        Some("chaos") => "CHAOS",
        Some("comprehensive") => "COMPREHENSIVE",
        Some("capacity") => return format!("{LINE}\n  ERLMCP v{version} - CAPACITY FINAL REPORT\n{LINE}\n\n"),
        _ => "STRESS",
    };
    format!("{LINE}\n  ERLMCP v{version} - {connections} CONCURRENT {what} TEST FINAL REPORT\n{LINE}\n\n")
}

fn phase_title(name: &str) -> String {
    match name {
        phase::BASELINE => "BASELINE VALIDATION".into(),
        phase::RAMP_UP => "RAMP-UP RESULTS".into(),
        phase::PERFORMANCE_SCENARIOS => "PERFORMANCE SCENARIO RESULTS".into(),
        name => format!("{} RESULTS", title(name).to_uppercase()),
    }
}

fn phase_section(phase: &SummaryPhase) -> String {
    let mut text = format!("--- {} ---\n", phase_title(&phase.name));
    match &phase.state {
        State::Skipped { reason } => text += &format!("  [ - SKIPPED ] {reason}\n"),
        State::Cut => text += "  (cut short)\n",
        State::Complete => {}
    }
    phase.figures.iter().for_each(|figure| text += &format!("  {}: {}\n", figure.name, figure.value.plain()));
    if !phase.scenarios.is_empty() {
        let results: Vec<String> = phase.scenarios.iter().map(|result| format!("    {}", short_form(result))).collect();
        text += &format!("  scenario_results: [\n{}\n  ]\n", results.join(",\n"));
        phase.scenarios.iter().for_each(|result| text += &scenario(result));
    }
    text + "\n"
}

/// "{node_failure, recovered, 2500}".
fn short_form(result: &ScenarioResult) -> String {
    let short = |value: f64| format!("{value:.1}").trim_end_matches(".0").to_owned();
    let figure = match &result.figure.value {
        Value::Ms(value) | Value::Rate(value) => short(*value),
        Value::NotMeasured(_) => "not measured".into(),
        figure => figure.plain(),
    };
    format!("{{{}, {}, {figure}}}", result.name, result.outcome)
}

fn scenario(result: &ScenarioResult) -> String {
    let mut text = format!("  {}: {}\n", result.name, result.outcome);
    if let Some(reason) = &result.reason {
        text += &format!("    reason: {reason}\n");
    }
    if result.is_skipped() {
        return text;
    }
    let figures = std::iter::once(&result.figure).chain(&result.figures);
    figures.for_each(|figure| text += &format!("    {}: {}\n", figure.name, figure.value.plain()));
    text
}

fn pretty_lines(figures: &[Figure], indent: &str) -> String {
    figures.iter().map(|figure| format!("{indent}{}: {}\n", figure.name, figure.value.pretty())).collect()
}

fn numbers(summary: &Summary) -> String {
    let mut text = String::from("--- REAL PERFORMANCE NUMBERS ---\n");
    for section in &summary.numbers {
        text += &format!("  {}:\n{}", section.title, pretty_lines(&section.figures, "    "));
    }
    text + "\n"
}

fn timeline(summary: &Summary) -> String {
    let mut text = String::from("--- TIMELINE (planned, actual) ---\n");
    let told = |ms: Option<u64>| ms.map_or_else(|| "not measured".into(), format::duration_ms);
    for line in &summary.timeline {
        let actual = match &line.state {
            State::Skipped { .. } => "skipped".into(),
            State::Cut => format!("{} (cut short)", told(line.actual_ms)),
            State::Complete => told(line.actual_ms),
        };
        text += &format!("  {}. {}: {}, {actual}\n", line.phase, line.title, line.planned());
    }
    let sum =
        |of: fn(&crate::TimelineLine) -> Option<u64>| format::duration_ms(summary.timeline.iter().filter_map(of).sum());
    text + &format!("  Total: {}, {}\n\n", sum(|line| line.planned_ms), sum(|line| line.actual_ms))
}

fn faults(summary: &Summary) -> String {
    if summary.faults.is_empty() {
        return String::new();
    }
    let rows = summary.faults.iter().map(FaultLine::cells);
    format!("--- FAULTS (times since the effect) ---\n{}\n", table(FaultLine::HEADING, rows, 2))
}

/// Columns as wide as they need; the last ones are as long as they are.
fn table<const N: usize>(heading: [&str; N], rows: impl Iterator<Item = [String; N]>, last: usize) -> String {
    let rows: Vec<[String; N]> = std::iter::once(heading.map(String::from)).chain(rows).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N - last).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().enumerate().map(|(at, cell)| match widths.get(at) {
            Some(width) => format!("{cell:<width$}"),
            None => cell.clone(),
        });
        text += &format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

fn capacity(found: &Capacity) -> String {
    let mut text = format!("--- CAPACITY ({}) ---\n", found.asked.slo);
    text += &table(Capacity::CURVE_HEADING, found.curve().into_iter(), 1);
    found.advice().iter().for_each(|line| text += &format!("  {line}\n"));
    text + "\n"
}

/// Only what was tried is judged.
fn capacity_end(summary: &Summary) -> String {
    let mut text = String::from("Checks:\n\n");
    let is_tried = |check: &&Check| !matches!(check.verdict, Verdict::Skipped { .. });
    summary.checks.iter().filter(is_tried).for_each(|check| text += &check_lines(check));
    let closing = capacity_closing(summary);
    format!("{text}\n{closing}\n{LINE}\n")
}

fn capacity_closing(summary: &Summary) -> &'static str {
    match exit_code(summary) {
        ExitCode::Interrupted => "CAPACITY SEARCH INTERRUPTED",
        ExitCode::Error => "CAPACITY SEARCH DID NOT END IN ORDER",
        ExitCode::SlaFailed => "CAPACITY SEARCH COMPLETED: FAILED",
        ExitCode::Inconclusive => "CAPACITY SEARCH COMPLETED: INCONCLUSIVE",
        ExitCode::Pass => "CAPACITY SEARCH COMPLETED SUCCESSFULLY",
    }
}

fn ledger(summary: &Summary) -> String {
    let mut text = String::from("--- LEDGER (requests by phase, kind and fate) ---\n");
    for line in &summary.ledger {
        let name = summary.phases.iter().find(|phase| phase.phase == line.phase).map_or("?", |phase| &phase.name);
        let fates: Vec<String> =
            line.fates.iter().map(|(fate, count)| format!("{} {}", fate.name(), format::count(count))).collect();
        let kind = format!("{:?}", line.kind).to_lowercase();
        text += &format!("  {name}, {kind}: {} planned = {}\n", format::count(line.planned), fates.join(" + "));
    }
    text + "\n"
}

fn generator(summary: &Summary) -> String {
    let mut text = String::from("--- GENERATOR ---\n");
    text += &pretty_lines(&summary.generator.figures, "  ");
    summary.generator.advice.iter().for_each(|advice| text += &format!("  advice: {advice}\n"));
    text + "\n"
}

/// One line a phase of the comprehensive suite.
fn suite(summary: &Summary) -> String {
    if summary.suite.is_empty() {
        return String::new();
    }
    let mut text = format!("{LINE}\n  COMPREHENSIVE SUITE SUMMARY\n{LINE}\n\n");
    for phase in &summary.suite {
        let PhaseLine { phase, title, verdict, passed, checks, line } = phase;
        text += &format!("  [ {} ] {phase}. {title} ({passed} of {checks} checks pass): {line}\n", verdict.mark());
    }
    text + "\n"
}

fn checks(summary: &Summary) -> String {
    let mut text = String::from("\nSLA Compliance:\n\n");
    summary.checks.iter().filter(|check| check.is_headline()).for_each(|check| text += &check_lines(check));
    let mut last = None;
    for check in summary.checks.iter().filter(|check| !check.is_headline()) {
        if last != Some(&check.phase) {
            let name = check.phase.as_ref().map_or_else(|| "Whole Run".into(), |name| title(name));
            text += &format!("\n{name} Expectations:\n\n");
            last = Some(&check.phase);
        }
        text += &check_lines(check);
    }
    text
}

fn check_lines(check: &Check) -> String {
    let mut text = format!("  [ {} ] {} (Actual: {})\n", check.verdict.mark(), check.statement(), check.actual());
    let indent = "             ";
    if let Some(reason) = check.verdict.reason() {
        text += &format!("{indent}{reason}\n");
    }
    let basis = check.basis();
    if !basis.is_empty() {
        text += &format!("{indent}{basis}\n");
    }
    check.advice.iter().for_each(|advice| text += &format!("{indent}advice: {advice}\n"));
    check.see().iter().for_each(|entry| text += &format!("{indent}see {entry}, or ask erlmcp doctor\n"));
    text
}

fn overall(summary: &Summary) -> String {
    let readiness = &summary.readiness;
    let mut text = String::from("\nVerdicts rest on:\n");
    readiness.rests_on.iter().for_each(|method| text += &format!("  - {method}\n"));
    text += &format!("\n  [ {} ] OVERALL PRODUCTION READINESS\n", readiness.verdict.mark());
    readiness.against.iter().for_each(|against| text += &format!("             {against}\n"));
    text
}

fn closing(summary: &Summary) -> &'static str {
    let is_early = matches!(summary.finish, Finish::Aborted { .. });
    match (exit_code(summary), &summary.readiness.verdict) {
        (ExitCode::Interrupted, _) => "TEST EXECUTION INTERRUPTED",
        (ExitCode::Error, _) if summary.invalid.is_some() => "TEST EXECUTION INVALID: ITS LEDGER DOES NOT BALANCE",
        (ExitCode::Error, _) => "TEST EXECUTION DID NOT END IN ORDER",
        (ExitCode::SlaFailed, _) if is_early => "TEST EXECUTION ENDED EARLY: FAILED",
        (ExitCode::SlaFailed, _) => "TEST EXECUTION COMPLETED: FAILED",
        (ExitCode::Inconclusive, _) if is_early => "TEST EXECUTION ENDED EARLY: INCONCLUSIVE",
        (ExitCode::Inconclusive, _) => "TEST EXECUTION COMPLETED: INCONCLUSIVE",
        (ExitCode::Pass, Verdict::Pass) => "TEST EXECUTION COMPLETED SUCCESSFULLY",
        (ExitCode::Pass, _) => "TEST EXECUTION COMPLETED: NOT PRODUCTION READY",
    }
}
