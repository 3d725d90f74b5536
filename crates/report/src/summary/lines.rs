//! The summary that stands after each phase while the run goes on.

use erlmcp_record::names::phase;

use super::{Figure, ScenarioResult, Value, phases, scenarios, streams, timeline};
use crate::analysis::Analysis;
use crate::facts::Facts;
use crate::format;
use crate::verdict;

pub(crate) fn phase_lines(analysis: &Analysis, number: u8) -> Vec<String> {
    let Some(times) = analysis.phases.get(&number) else { return Vec::new() };
    let facts = Facts::of(analysis);
    let figures = phases::figures(analysis, &facts, number, &times.name);
    let duration = timeline::duration_ms(times).map_or_else(|| "not measured".into(), seconds);
    match times.name.as_str() {
        phase::BASELINE => vec![format!("Baseline validation complete in {duration}")],
        phase::RAMP_UP => ramp(&figures),
        phase::SUSTAINED_LOAD => {
            let mut lines = sustained(&figures, &duration);
            lines.extend(streams::lines(analysis, &facts));
            lines
        }
        phase::COOL_DOWN => cool_down(&figures, &duration),
        name => {
            let checks = verdict::scenario_checks(analysis, &facts, name);
            let results = scenarios::results(analysis, &facts, &checks, number);
            let mut lines = vec![format!("{} complete:", sentence(name))];
            lines.extend(results.iter().map(scenario_line));
            lines.push(format!("  Duration: {duration}"));
            lines
        }
    }
}

/// "failure_recovery" is "Failure recovery".
fn sentence(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn seconds(ms: u64) -> String {
    if ms < 1_000 { format::duration_ms(ms) } else { format!("{} seconds", format::tenths(ms)) }
}

fn value<'a>(figures: &'a [Figure], name: &str) -> Option<&'a Value> {
    figures.iter().find(|figure| figure.name == name).map(|figure| &figure.value)
}

/// A measured value and its unit, or in words, without one.
fn line(figures: &[Figure], label: &str, name: &str, unit: &str) -> String {
    match value(figures, name) {
        Some(found @ (Value::NotMeasured(_) | Value::Text(_) | Value::Share { whole: 0, .. })) => {
            format!("  {label}: {}", found.plain())
        }
        Some(found) => format!("  {label}: {}{unit}", found.plain()),
        None => format!("  {label}: not measured"),
    }
}

fn ramp(figures: &[Figure]) -> Vec<String> {
    let took = match value(figures, "ramp_ms") {
        Some(Value::Ms(ms)) => format!("  Duration: {}", seconds(*ms as u64)),
        _ => line(figures, "Duration", "ramp_ms", ""),
    };
    vec![
        "Ramp-up complete:".into(),
        line(figures, "Connections established", "connections_established", ""),
        line(figures, "Success rate", "success_percent", "%"),
        line(figures, "Actual rate", "actual_rate_cps", " conn/sec"),
        took,
        line(figures, "Failed openings", "failures_by_cause", ""),
        line(figures, "By replica", "connections_by_replica", ""),
    ]
}

fn sustained(figures: &[Figure], duration: &str) -> Vec<String> {
    vec![
        "Sustained load complete:".into(),
        format!("  Duration: {duration}"),
        line(figures, "Avg latency", "avg_latency_ms", " ms"),
        line(figures, "P95 latency", "p95_latency_ms", " ms"),
        line(figures, "Avg throughput", "avg_throughput_rps", " req/s"),
        line(figures, "Error rate", "error_rate_percent", "%"),
        line(figures, "Connections held", "connections_held_min", ""),
        line(figures, "Closing sweep answered", "sweep_answered_percent", "%"),
        line(figures, "Metrics samples", "metrics_count", ""),
    ]
}

fn cool_down(figures: &[Figure], duration: &str) -> Vec<String> {
    vec![
        "Cool down complete:".into(),
        line(figures, "Connections closed", "connections_closed", ""),
        line(figures, "Open by the server's gauge", "open_by_server", ""),
        line(figures, "Processes left over", "leftover_processes", ""),
        format!("  Duration: {duration}"),
    ]
}

/// "  node_failure: recovered, all_clients_served_again_ms 2500.00".
fn scenario_line(result: &ScenarioResult) -> String {
    let reason = result.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    match &result.figure.value {
        Value::NotMeasured(_) if result.reason.is_some() => format!("  {}: {}{reason}", result.name, result.outcome),
        figure => format!("  {}: {}, {} {}{reason}", result.name, result.outcome, result.figure.name, figure.plain()),
    }
}
