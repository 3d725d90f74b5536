//! The figures of each phase, by the names that guide.md gives them.

use erlmcp_record::names::{detail, finding, phase, scenario};
use erlmcp_record::{Hist, Kind};

use super::timeline::duration_ms;
use super::{Figure, Value};
use crate::analysis::{Analysis, Part, PhaseTimes, Window};
use crate::facts::{self, Facts, NO_WINDOW, Sustained};
use crate::{format, suite};

pub(super) fn figures(analysis: &Analysis, facts: &Facts<'_>, number: u8, name: &str) -> Vec<Figure> {
    let Some(times) = analysis.phases.get(&number).filter(|times| times.started_us.is_some()) else {
        return Vec::new();
    };
    let mut figures = match name {
        phase::BASELINE => baseline(analysis, number),
        phase::RAMP_UP => ramp(analysis, facts, number),
        phase::SUSTAINED_LOAD => facts.sustained.as_ref().map(|found| sustained(analysis, found)).unwrap_or_default(),
        phase::FAILURE_RECOVERY | phase::PERFORMANCE_SCENARIOS => vec![tested(analysis, number)],
        phase::COOL_DOWN => cool_down(analysis, number),
        _ => Vec::new(),
    };
    if [phase::SUSTAINED_LOAD, phase::FAILURE_RECOVERY, phase::CHAOS].contains(&name) {
        figures.push(lost_without_fault(analysis, times));
    }
    if let Some(phase) = suite::phase(analysis, name) {
        figures.extend((phase.figures)(analysis, facts, number));
        figures.extend(suite::own_cost(analysis, number));
    }
    let duration = Value::or(duration_ms(times), Value::Count, "the phase did not end");
    figures.push(Figure::new("duration_ms", duration));
    figures
}

/// A cluster that gives up a replica which nothing was done to.
fn lost_without_fault(analysis: &Analysis, times: &PhaseTimes) -> Figure {
    let (from_us, until_us) = (times.started_us.unwrap_or(0), times.ended_us.unwrap_or(u64::MAX));
    let value = match facts::lost_without_fault(analysis, from_us, until_us) {
        Ok(count) => Value::Count(count),
        Err(why) => Value::NotMeasured(why.into()),
    };
    Figure::new("replicas_lost_without_fault", value)
}

/// Microseconds of a histogram's quantile, in milliseconds.
pub(crate) fn quantile(hist: &Option<Hist>, quantile: f64, why_not: &str) -> Value {
    let us = hist.as_ref().and_then(|hist| hist.quantile_us(quantile));
    Value::or(us, |us| Value::Ms(us as f64 / 1e3), why_not)
}

pub(super) fn mean(hist: &Option<Hist>, why_not: &str) -> Value {
    Value::or(hist.as_ref().and_then(Hist::mean_us), |us| Value::Ms(us / 1e3), why_not)
}

/// A finding as a value; its note says why there is none.
pub(crate) fn found(analysis: &Analysis, number: u8, name: &str, of: impl FnOnce(f64) -> Value) -> Value {
    match analysis.finding(number, name) {
        Some(row) => Value::or(row.value, of, row.note.as_deref().unwrap_or("it could not be found out")),
        None => Value::NotMeasured("it was not looked for".into()),
    }
}

fn count(value: f64) -> Value {
    Value::Count(value.max(0.0) as u64)
}

pub(crate) fn baseline(analysis: &Analysis, number: u8) -> Vec<Figure> {
    let part = analysis.part_of(number, Kind::Sequential);
    let latency = part.latency.clone().or_else(|| part.service.clone());
    let none = "no sequential request was answered";
    let has_samples = analysis
        .seconds
        .values()
        .any(|second| second.cluster.as_ref().is_some_and(|sample| !sample.replicas.is_empty()));
    let metrics = match analysis.finding(number, finding::COLLECTOR_SAMPLE) {
        Some(row) if row.value != Some(1.0) => {
            Value::Text(format!("false ({})", row.note.as_deref().unwrap_or("no sample came")))
        }
        _ => Value::Flag(has_samples),
    };
    let workers = analysis
        .finding_value(number, finding::WORKERS_ACTIVE)
        .zip(analysis.finding_value(number, finding::WORKERS_SIZE))
        .map(|(active, size)| Value::Text(format!("{active:.0}/{size:.0} active workers")));
    vec![
        Figure::new("baseline_latency_ms", quantile(&latency, 0.5, none)),
        Figure::new("baseline_latency_p95_ms", quantile(&latency, 0.95, none)),
        Figure::new("cold_request_ms", found(analysis, number, finding::COLD_REQUEST_MS, Value::Ms)),
        Figure::new("health_ms", found(analysis, number, finding::HEALTH_MS, Value::Ms)),
        Figure::new(
            "target_reachable",
            found(analysis, number, finding::TARGET_REACHABLE, |value| Value::Flag(value >= 1.0)),
        ),
        Figure::new("sequential_ok_percent", Value::Share { part: part.ok(), whole: part.planned }),
        Figure::new("worker_pool", workers.unwrap_or_else(|| found(analysis, number, finding::WORKERS_SIZE, count))),
        Figure::new("agents_ready", found(analysis, number, finding::AGENTS_READY, count)),
        Figure::new("connections_possible", found(analysis, number, finding::CONNECTIONS_POSSIBLE, count)),
        Figure::new("metrics_enabled", metrics),
    ]
}

fn ramp(analysis: &Analysis, facts: &Facts<'_>, number: u8) -> Vec<Figure> {
    let none = "no opening was recorded";
    let connections = analysis.connections.get(&number);
    let Some((opening, connections)) = facts.ramp.as_ref().zip(connections) else {
        return vec![Figure::new("target_connections", Value::NotMeasured(none.into()))];
    };
    let asked = analysis.config.as_ref().map(|config| config.ramp_rate);
    let of = opening.tried;
    vec![
        Figure::new("target_connections", Value::Count(opening.target)),
        Figure::new("connections_established", Value::Count(opening.opened)),
        Figure::new("success_percent", Value::Share { part: opening.opened.min(of), whole: of }),
        Figure::new("actual_rate_cps", Value::or(opening.rate(), Value::Rate, "no connection was opened")),
        Figure::new("asked_rate_cps", Value::or(asked, Value::Rate, none)),
        Figure::new("ramp_ms", Value::or(opening.took_ms, Value::Ms, none)),
        Figure::new("late_p99_ms", quantile(&connections.late, 0.99, "no opening was answered")),
        Figure::new("established_p99_ms", quantile(&connections.established, 0.99, "no connection was established")),
        Figure::new("first_answer_p99_ms", quantile(&connections.first_answer, 0.99, "no opening was answered")),
        Figure::new("failed_openings", Value::Count(connections.failures())),
        Figure::new("failures_by_cause", causes(&connections.failed)),
        Figure::new("connections_by_replica", spread(&connections.by_replica())),
    ]
}

/// "http 500: 3, reset: 1".
pub(super) fn causes(causes: &std::collections::BTreeMap<String, u64>) -> Value {
    let mut counted: Vec<(&String, &u64)> = causes.iter().collect();
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let text: Vec<String> = counted.iter().map(|(name, count)| format!("{name}: {}", format::count(**count))).collect();
    Value::Text(if text.is_empty() { "none".into() } else { text.join(", ") })
}

/// "8,333 to 8,334 (12 replicas, coefficient of variation 0.006 %)".
pub(super) fn spread(counts: &std::collections::BTreeMap<u16, u64>) -> Value {
    let (Some(least), Some(most)) = (counts.values().min(), counts.values().max()) else {
        return Value::NotMeasured("connections are not told apart by replica".into());
    };
    let n = counts.len() as f64;
    let mean = counts.values().sum::<u64>() as f64 / n;
    let variance = counts.values().map(|count| (*count as f64 - mean).powi(2)).sum::<f64>() / n;
    let variation = if mean > 0.0 { variance.sqrt() / mean * 100.0 } else { 0.0 };
    Value::Text(format!(
        "{} to {} ({}, coefficient of variation {variation:.3} %)",
        format::count(*least),
        format::count(*most),
        format::plural(counts.len() as u64, "replica")
    ))
}

/// What was answered in the window, and why there is nothing of it where there is nothing.
pub(super) fn in_window<'a>(found: &'a Sustained<'_>, empty: &'a Part) -> (&'a Part, &'static str) {
    match found.window {
        Some(_) => (&found.judged, "nothing was answered in the window"),
        None => (empty, NO_WINDOW),
    }
}

/// Why the server's gauge says nothing of the window.
fn no_gauge(found: &Sustained<'_>) -> String {
    match &found.server.missing {
        _ if found.window.is_none() => NO_WINDOW.into(),
        Some(missing) => missing.clone(),
        None if found.server.samples == 0 => "no sample of the server came in the window".into(),
        None => "the target has no gauge".into(),
    }
}

fn sustained(analysis: &Analysis, found: &Sustained<'_>) -> Vec<Figure> {
    let empty = Part::default();
    let (part, none) = in_window(found, &empty);
    let seconds = found.seconds();
    let rate =
        |count: u64| Value::or((seconds > 0).then(|| count as f64 / seconds.max(1) as f64), Value::Rate, NO_WINDOW);
    let counted = |count: Option<u64>, why: &str| Value::or(count, Value::Count, why);
    let share = |part: u64, whole: u64| match found.window {
        Some(_) => Value::Share { part, whole },
        None => Value::NotMeasured(NO_WINDOW.into()),
    };
    let unheld = if found.window.is_none() { NO_WINDOW } else { "the agents did not report" };
    let gauge = no_gauge(found);
    let lost = found.connections.map(|connections| connections.lost.values().sum());
    vec![
        Figure::new("window_seconds", Value::Count(seconds)),
        Figure::new("avg_latency_ms", mean(&part.latency, none)),
        Figure::new("p50_latency_ms", quantile(&part.latency, 0.5, none)),
        Figure::new("p95_latency_ms", quantile(&part.latency, 0.95, none)),
        Figure::new("p99_latency_ms", quantile(&part.latency, 0.99, none)),
        Figure::new("max_latency_ms", quantile(&part.latency, 1.0, none)),
        Figure::new("service_p95_ms", quantile(&part.service, 0.95, none)),
        Figure::new("avg_throughput_rps", rate(part.ok())),
        Figure::new("offered_rps", rate(part.planned)),
        Figure::new("error_rate_percent", share(part.errors(), part.countable())),
        Figure::new("errors_by_cause", causes(&found.judged.causes)),
        Figure::new("metrics_count", Value::Count(recorded(analysis, found.phase))),
        Figure::new("connections_held_min", counted(found.held.agents_min, unheld)),
        Figure::new("connections_server_min", counted(found.held.server_min, &gauge)),
        Figure::new("connections_server_max", counted(found.held.server_max, &gauge)),
        Figure::new("connections_lost", counted(lost, "the agents did not report")),
        Figure::new(
            "connections_reopened",
            counted(found.connections.map(|found| found.reopened), "the agents did not report"),
        ),
        Figure::new(
            "sweep_answered_percent",
            match found.sweep.planned.max(found.held.target) {
                0 => Value::NotMeasured("the closing sweep was not reached".into()),
                whole => Value::Share { part: found.sweep.ok(), whole },
            },
        ),
    ]
}

/// Whole seconds of a phase that have rows: the same while the run goes on and from its record.
fn recorded(analysis: &Analysis, number: u8) -> u64 {
    let times = analysis.phases.get(&number);
    let Some(from_us) = times.and_then(|times| times.started_us) else { return 0 };
    let to_us = times.and_then(|times| times.ended_us).unwrap_or(u64::MAX);
    let window = Window::between(from_us, to_us);
    window.map_or(0, |window| analysis.seconds_in(window).count() as u64)
}

fn tested(analysis: &Analysis, number: u8) -> Figure {
    let of_phase = analysis.scenarios.iter().filter(|((phase, _), _)| *phase == number);
    Figure::new("scenarios_tested", Value::Count(of_phase.filter(|(_, row)| row.skipped.is_none()).count() as u64))
}

fn cool_down(analysis: &Analysis, number: u8) -> Vec<Figure> {
    let closed = closed_in(analysis, number);
    let method = analysis.config.as_ref().map(|config| config.close.clone());
    let method = match closed {
        Some(0) => Value::NotMeasured("no connection was left to close".into()),
        _ => Value::or(method, Value::Text, "the record does not say"),
    };
    let closed = Value::or(closed, Value::Count, "the agents did not report");
    let mut figures = vec![
        Figure::new("connections_closed", closed),
        Figure::new("closed_with", method),
        Figure::new("open_by_agents", Value::Count(analysis.open_now())),
        Figure::new("open_by_server", found(analysis, number, finding::CLOSING_GAUGE, count)),
        Figure::new("leftover_processes", found(analysis, number, finding::LEFTOVER_PROCESSES, count)),
        Figure::new("leftover_faults", found(analysis, number, finding::LEFTOVER_FAULTS, count)),
    ];
    figures
        .extend(closed_before(analysis).map(|closed| Figure::new("closed_by_gradual_cooldown", Value::Count(closed))));
    figures
}

/// Connections that a cool-down closed itself: where all were closed before, its finding tells of those, with a note.
fn closed_in(analysis: &Analysis, number: u8) -> Option<u64> {
    match analysis.finding(number, finding::CONNECTIONS_CLOSED) {
        Some(row) if row.note.is_some() => Some(0),
        Some(row) => row.value.map(|closed| closed.max(0.0) as u64),
        None => analysis.connections.get(&number).map(|connections| connections.closed),
    }
}

/// What the graceful cool-down of the performance scenarios had closed before.
fn closed_before(analysis: &Analysis) -> Option<u64> {
    let (number, _) = analysis.phase_named(phase::PERFORMANCE_SCENARIOS)?;
    let row = analysis.scenarios.get(&(number, scenario::GRADUAL_COOLDOWN.to_owned()))?;
    let closed = row.detail.get(detail::CONNECTIONS_CLOSED).copied()?;
    Some(closed.max(0.0) as u64).filter(|closed| *closed > 0)
}
