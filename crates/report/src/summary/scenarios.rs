use erlmcp_record::ScenarioRow;
use erlmcp_record::names::{detail, phase, scenario};

use super::faults::moment;
use super::{Figure, ScenarioOutcome, ScenarioResult, Value, phases};
use crate::analysis::{Analysis, SlotCounts};
use crate::facts::{Facts, FaultFacts, Observed, QueueFacts, Recovered};
use crate::verdict::{Check, Verdict, left_out_phase};
use crate::{format, suite};

/// The scenarios of a phase, in the order in which they were run.
pub(super) fn results(analysis: &Analysis, facts: &Facts<'_>, checks: &[Check], number: u8) -> Vec<ScenarioResult> {
    let mut rows: Vec<&ScenarioRow> = analysis.scenarios.values().filter(|row| row.phase == number).collect();
    rows.sort_by_key(|row| (row.started_us, order(&row.name)));
    let name = analysis.phases.get(&number).map_or("", |times| times.name.as_str());
    if suite::phase(analysis, name).is_some() {
        // Numbers at the end of names rise.
        rows.sort_by_key(|row| (row.started_us, row.ended_us, row.name.len(), &row.name));
        return rows.into_iter().map(|row| of_suite(analysis, row)).collect();
    }
    let is_recovery = [phase::FAILURE_RECOVERY, phase::CHAOS].contains(&name);
    let mut results: Vec<ScenarioResult> =
        rows.into_iter().map(|row| result(analysis, facts, checks, row, is_recovery)).collect();
    // What was left out with its phase was left out for that reason.
    if let Some(reason) = left_out_phase(analysis, name) {
        for result in results.iter_mut().filter(|result| result.is_skipped()) {
            result.figure.value = Value::NotMeasured(reason.clone());
            result.reason = Some(reason.clone());
        }
    }
    results
}

/// A scenario of the suite is measured; what is judged is its phase.
fn of_suite(analysis: &Analysis, row: &ScenarioRow) -> ScenarioResult {
    let (outcome, reason) = match (&row.skipped, &row.inconclusive) {
        (Some(why), _) => (ScenarioOutcome::Skipped, Some(why.clone())),
        (None, Some(why)) => (ScenarioOutcome::Inconclusive, Some(why.clone())),
        (None, None) => (ScenarioOutcome::Measured, None),
    };
    shown(row, outcome, reason, || suite::scene_figures(analysis, row))
}

fn shown(
    row: &ScenarioRow,
    outcome: ScenarioOutcome,
    reason: Option<String>,
    figures: impl FnOnce() -> Vec<Figure>,
) -> ScenarioResult {
    let mut figures = if row.skipped.is_some() { Vec::new() } else { figures() };
    let figure = match (&row.skipped, figures.is_empty()) {
        (Some(why), _) => Figure::new("figure", Value::NotMeasured(why.clone())),
        (None, true) => Figure::new("figure", Value::NotMeasured("no data".into())),
        (None, false) => figures.remove(0),
    };
    ScenarioResult { name: row.name.clone(), outcome, figure, reason, figures }
}

/// The plan's order, for scenarios that were skipped at the same moment.
fn order(name: &str) -> usize {
    use scenario::{GRADUAL_COOLDOWN, NETWORK_PARTITION, NODE_FAILURE, QUEUE_OVERFLOW, RAMP_UP, SUSTAINED_LOAD};
    let plan = [
        NODE_FAILURE,
        NETWORK_PARTITION,
        QUEUE_OVERFLOW,
        scenario::FAULTS,
        RAMP_UP,
        SUSTAINED_LOAD,
        scenario::BURST_TRAFFIC,
        GRADUAL_COOLDOWN,
    ];
    plan.iter().position(|known| *known == name).unwrap_or(plan.len())
}

/// The checks that a scenario is judged by.
fn check_ids(name: &str, is_recovery: bool) -> &'static [&'static str] {
    match (is_recovery, name) {
        (true, scenario::NODE_FAILURE) => &["recovery.node_ms"],
        (true, scenario::NETWORK_PARTITION) => &["recovery.partition_detection_ms"],
        (true, scenario::QUEUE_OVERFLOW) => &["recovery.overflow_lost_count", "recovery.overflow_recovered_ms"],
        (false, scenario::RAMP_UP) => &["performance.ramp_cps"],
        (false, scenario::SUSTAINED_LOAD) => &["performance.sustained_mean_ms"],
        (false, scenario::BURST_TRAFFIC) => &["performance.back_pressure_p95_ms", "performance.burst_recovered_ms"],
        (false, scenario::GRADUAL_COOLDOWN) => &["performance.cooldown_open_count"],
        _ => &[],
    }
}

fn result(
    analysis: &Analysis,
    facts: &Facts<'_>,
    checks: &[Check],
    row: &ScenarioRow,
    is_recovery: bool,
) -> ScenarioResult {
    let check = match row.name.as_str() {
        scenario::FAULTS => worst(checks.iter().filter(|check| check.id.starts_with("faults."))),
        name => {
            let ids = check_ids(name, is_recovery);
            worst(checks.iter().filter(|check| ids.contains(&check.id.as_str())))
        }
    };
    let (outcome, reason) = match (&row.skipped, check.map(|check| &check.verdict)) {
        (Some(why), _) => (ScenarioOutcome::Skipped, Some(why.clone())),
        (None, Some(Verdict::Pass)) if is_recovery => (ScenarioOutcome::Recovered, None),
        (None, Some(Verdict::Pass)) => (ScenarioOutcome::Success, None),
        (None, Some(Verdict::Fail)) => (ScenarioOutcome::Failed, None),
        (None, Some(Verdict::Skipped { reason })) => (ScenarioOutcome::Skipped, Some(reason.clone())),
        (None, Some(Verdict::Inconclusive { reason })) => (ScenarioOutcome::Inconclusive, Some(reason.clone())),
        (None, None) => (ScenarioOutcome::Inconclusive, Some("there is no check for it".into())),
    };
    shown(row, outcome, reason, || figures(analysis, facts, row, check))
}

/// The check that stands for several.
pub(super) fn worst<'a>(checks: impl Iterator<Item = &'a Check>) -> Option<&'a Check> {
    checks.min_by_key(|check| match check.verdict {
        Verdict::Fail => 0,
        Verdict::Inconclusive { .. } => 1,
        Verdict::Pass => 2,
        Verdict::Skipped { .. } => 3,
    })
}

/// The first one is the figure of the short form.
fn figures(analysis: &Analysis, facts: &Facts<'_>, row: &ScenarioRow, check: Option<&Check>) -> Vec<Figure> {
    let in_recovery = |name: &str| facts.faults.iter().filter(|fault| fault.fault.scenario == name).collect::<Vec<_>>();
    match row.name.as_str() {
        scenario::NODE_FAILURE => faults("recovered_ms", check, &in_recovery(&row.name)),
        scenario::NETWORK_PARTITION => faults("detected_ms", check, &in_recovery(&row.name)),
        scenario::QUEUE_OVERFLOW => facts.overflow.as_ref().map(overflow).unwrap_or_default(),
        scenario::BURST_TRAFFIC => facts.burst.as_ref().map(burst).unwrap_or_default(),
        scenario::FAULTS => listed(facts),
        scenario::RAMP_UP => ramp(facts),
        scenario::SUSTAINED_LOAD => steady(facts, row),
        scenario::GRADUAL_COOLDOWN => cool_down(analysis, row),
        _ => row.detail.iter().map(|(name, value)| Figure::new(name, Value::Number(*value))).collect(),
    }
}

/// What is judged first, then the longest of all, then every fault by itself.
fn faults(judged: &str, check: Option<&Check>, faults: &[&FaultFacts<'_>]) -> Vec<Figure> {
    let moments = faults.iter().map(|fault| &fault.served_again);
    let longest = moments.clone().filter_map(|moment| match moment {
        Observed::After { us } => Some(*us),
        Observed::NotWithin { .. } | Observed::Unknown(_) => None,
    });
    let open = moments.clone().find(|moment| !matches!(moment, Observed::After { .. }));
    let value = open
        .map(moment)
        .unwrap_or_else(|| Value::or(longest.max(), |us| Value::Ms(us as f64 / 1e3), "no such fault was made"));
    let why = check.and_then(|check| check.verdict.reason()).unwrap_or("it was not judged");
    let mut figures = vec![
        Figure::new(judged, Value::or(check.and_then(|check| check.estimate), Value::Ms, why)),
        Figure::new("all_clients_served_again_ms", value),
        Figure::new("faults", Value::Count(faults.len() as u64)),
    ];
    figures.extend(p99(faults).map(|p99| Figure::new("all_clients_served_again_p99_ms", p99)));
    for (at, fault) in faults.iter().enumerate() {
        let prefix = if faults.len() > 1 { format!("fault_{}_", at + 1) } else { String::new() };
        figures.extend(one_fault(fault, &prefix));
    }
    figures
}

/// How many there were of a list; what each showed stands in the table of faults.
fn listed(facts: &Facts<'_>) -> Vec<Figure> {
    let count =
        |of: fn(&FaultFacts<'_>) -> bool| Value::Count(facts.listed.iter().filter(|fault| of(fault)).count() as u64);
    let kinds: std::collections::BTreeSet<&str> = facts
        .listed
        .iter()
        .filter(|fault| fault.fault.effect_us.is_some())
        .map(|fault| fault.fault.kind.as_str())
        .collect();
    vec![
        Figure::new("faults_with_effect", count(|fault| fault.fault.effect_us.is_some())),
        Figure::new("kinds_with_effect", Value::Count(kinds.len() as u64)),
        Figure::new("faults_skipped", count(|fault| fault.fault.skipped.is_some())),
        Figure::new("connections_affected", Value::Count(facts.listed.iter().map(|fault| fault.affected).sum())),
        Figure::new(
            "connections_served_again",
            Value::Count(facts.listed.iter().map(|fault| fault.reestablished).sum()),
        ),
    ]
}

/// Of fewer faults than this a P99 says nothing.
const P99_FAULTS_MIN: usize = 300;

fn p99(faults: &[&FaultFacts<'_>]) -> Option<Value> {
    let mut served: Vec<u64> = faults
        .iter()
        .filter_map(|fault| match &fault.served_again {
            Observed::After { us } => Some(*us),
            Observed::NotWithin { .. } | Observed::Unknown(_) => None,
        })
        .collect();
    served.sort_unstable();
    let rank = (served.len() * 99).div_ceil(100);
    (served.len() == faults.len() && served.len() >= P99_FAULTS_MIN).then(|| Value::Ms(served[rank - 1] as f64 / 1e3))
}

fn one_fault(facts: &FaultFacts<'_>, prefix: &str) -> Vec<Figure> {
    let named = |name: &str, value: Value| Figure::new(format!("{prefix}{name}"), value);
    let effect = super::faults::between(Some(facts.fault.injected_us), facts.fault.effect_us, "not seen");
    let ready = if facts.fault.healed_us.is_some() { "replica_ready_after_heal_ms" } else { "replica_ready_ms" };
    let mut figures = vec![
        named("method", Value::Text(facts.fault.method.clone())),
        named("replica", Value::or(facts.fault.replica.map(u64::from), Value::Count, "it has none")),
        named("effect_after_injection_ms", effect),
        named("detected_by_cluster_ms", moment(&facts.detected_by_cluster)),
        named("detected_by_cluster_since_injection_ms", moment(&facts.detected_since_injection)),
        named("detected_by_first_client_ms", super::faults::first_client(facts)),
        named("detected_by_clients_ms", moment(&facts.detected_by_clients)),
        named(detail::SERVED_AGAIN_MS, moment(&facts.served_again)),
        named(ready, moment(&facts.ready_again)),
        named("connections_affected", Value::Count(facts.affected)),
        named("reconnected_percent", Value::Share { part: facts.reestablished, whole: facts.affected }),
        named("fates_before", fates(&facts.fates.before, true)),
        named("fates_during", fates(&facts.fates.during, true)),
        named("fates_after", fates(&facts.fates.after, true)),
    ];
    if facts.streams.lost > 0 {
        let (lost, back) = (facts.streams.lost, facts.streams.back().min(facts.streams.lost));
        figures.push(named("streams_back_percent", Value::Share { part: back, whole: lost }));
        figures.push(named("streams_away_max_ms", phases::quantile(&facts.streams.away, 1.0, "none came back")));
    }
    figures.extend(facts.fault.note.iter().map(|note| named("note", Value::Text(note.clone()))));
    figures
}

/// "41,000 planned: ok 40,980, reset 20".
fn fates(counts: &SlotCounts, is_timed: bool) -> Value {
    if counts.planned == 0 {
        let why =
            if is_timed { "no request was planned then" } else { "no excess was seen that parts before from after" };
        return Value::NotMeasured(why.into());
    }
    let each: Vec<String> =
        counts.fates.iter().map(|(fate, count)| format!("{} {}", fate.name(), format::count(count))).collect();
    Value::Text(format!("{} planned: {}", format::count(counts.planned), each.join(", ")))
}

fn recovered(recovered: &Recovered) -> Value {
    match recovered {
        Recovered::Within { ms } => Value::Ms(*ms as f64),
        Recovered::Not { watched_ms } => Value::NotMeasured(format!("not within {}", format::duration_ms(*watched_ms))),
        Recovered::Unknown(why) => Value::NotMeasured(why.clone()),
    }
}

fn overflow(facts: &QueueFacts<'_>) -> Vec<Figure> {
    let part = &facts.queued;
    let none = "no operation was done";
    let mut figures = vec![
        Figure::new("recovered_ms", recovered(&facts.recovered)),
        Figure::new("operations", Value::Count(part.planned)),
        Figure::new("operations_ok", Value::Count(part.ok())),
        Figure::new("operations_lost", Value::Count(part.countable().saturating_sub(part.ok()))),
        Figure::new("operation_p95_ms", phases::quantile(&part.operation, 0.95, none)),
        Figure::new("operation_max_ms", phases::quantile(&part.operation, 1.0, none)),
    ];
    figures.extend(queue(facts));
    figures
}

fn queue(facts: &QueueFacts<'_>) -> Vec<Figure> {
    let none = "the target does not report it";
    let mut all = facts.load.causes.clone();
    facts.queued.causes.iter().for_each(|(cause, count)| *all.entry(cause.clone()).or_default() += count);
    let parts = &facts.fates;
    let is_timed = [&parts.before, &parts.during, &parts.after].iter().any(|part| part.planned > 0);
    let retried = facts.queued.refusals + facts.load.refusals;
    vec![
        Figure::new("refusals", Value::Count(facts.refusals)),
        Figure::new("refused_attempts_retried", Value::Count(retried)),
        Figure::new("requests_refused", Value::Count(facts.refusals.saturating_sub(retried))),
        Figure::new("errors_by_cause", phases::causes(&all)),
        Figure::new("refused_by_server", Value::or(facts.refused_by_server, Value::Count, none)),
        Figure::new("retries", Value::Count(facts.queued.retries)),
        Figure::new("crashes", Value::or(facts.crashes, Value::Count, "the target's processes were not seen")),
        Figure::new("fates_before", fates(&parts.before, is_timed)),
        Figure::new("fates_during", fates(&parts.during, is_timed)),
        Figure::new("fates_after", fates(&parts.after, is_timed)),
    ]
}

fn burst(facts: &QueueFacts<'_>) -> Vec<Figure> {
    let none = "nothing was answered";
    let mut figures = vec![
        Figure::new("p95_latency_ms", phases::quantile(&facts.load.latency, 0.95, none)),
        Figure::new("avg_latency_ms", phases::mean(&facts.load.latency, none)),
        Figure::new("steady_again_ms", recovered(&facts.recovered)),
    ];
    figures.extend(queue(facts));
    figures
}

fn ramp(facts: &Facts<'_>) -> Vec<Figure> {
    let Some(opening) = &facts.unpaced_ramp else { return Vec::new() };
    vec![
        Figure::new("ramp_cps", Value::or(opening.rate(), Value::Rate, "no connection was opened")),
        Figure::new("connections_opened", Value::Count(opening.opened)),
        Figure::new("ramp_ms", Value::or(opening.took_ms, Value::Ms, "no connection was opened")),
    ]
}

fn steady(facts: &Facts<'_>, row: &ScenarioRow) -> Vec<Figure> {
    let Some((_, part)) = &facts.steady else { return Vec::new() };
    let none = "nothing was answered";
    let elapsed = row.ended_us.saturating_sub(row.started_us) / 1_000;
    vec![
        Figure::new("avg_latency_ms", phases::mean(&part.latency, none)),
        Figure::new("p95_latency_ms", phases::quantile(&part.latency, 0.95, none)),
        Figure::new("requests", Value::Count(part.planned)),
        Figure::new("error_rate_percent", Value::Share { part: part.errors(), whole: part.countable() }),
        Figure::new("duration_ms", Value::Count(elapsed)),
    ]
}

fn cool_down(analysis: &Analysis, row: &ScenarioRow) -> Vec<Figure> {
    let told = |name: &str, of: fn(f64) -> Value| Value::or(row.detail.get(name).copied(), of, "it was not told");
    let open = analysis.connections.get(&row.phase).map(|found| found.last.values().map(|last| last.open).sum());
    vec![
        Figure::new("close_ms", told(detail::CLOSE_MS, Value::Ms)),
        Figure::new("connections_closed", told(detail::CONNECTIONS_CLOSED, |count| Value::Count(count as u64))),
        Figure::new("open_after", Value::or(open, Value::Count, "the agents did not report")),
    ]
}
