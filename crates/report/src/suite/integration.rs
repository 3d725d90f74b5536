use erlmcp_record::ScenarioRow;
use erlmcp_record::names::{detail, phase, scenario};

use super::{SuitePhase, said, scene};
use crate::analysis::Analysis;
use crate::facts::Facts;
use crate::format;
use crate::summary::{Figure, Value};
use crate::verdict::Comparison::{AtLeast, AtMost};
use crate::verdict::{Estimate, Evidence, Judge, Threshold, row};

pub(super) const PHASE: SuitePhase =
    SuitePhase { name: phase::INTEGRATION, thresholds: THRESHOLDS, enter, figures, line };

const LOOKUP: &str = "integration.lookup_p95_us";
const ROUTE: &str = "integration.route_p95_us";
const TOKEN: &str = "integration.token_check_p95_us";
const REQUESTS: &str = "integration.requests_difference_count";
const REFUSALS: &str = "integration.refusals_difference_count";
const DEPTH: &str = "integration.queue_filled_percent";
const WORKERS: &str = "integration.workers_used_percent";
const BATCHES: &str = "integration.batches_difference_count";
const TOKENS: &str = "integration.tokens_difference_count";
const FAN_OUT: &str = "integration.notifications_difference_count";

const THRESHOLDS: &[Threshold] = &[
    row(LOOKUP, "P95 of a lookup in the largest registry", phase::INTEGRATION, AtMost, 10.0, "us"),
    row(ROUTE, "P95 of the router", phase::INTEGRATION, AtMost, 50.0, "us"),
    row(TOKEN, "P95 of the check of a session's token", phase::INTEGRATION, AtMost, 50.0, "us"),
    row(REQUESTS, "Requests, server against client", phase::INTEGRATION, AtMost, 0.0, "requests"),
    row(REFUSALS, "Refusals and calls taken, server against client", phase::INTEGRATION, AtMost, 0.0, "calls"),
    row(DEPTH, "Places of the queue that were used when it was flooded", phase::INTEGRATION, AtLeast, 100.0, "%"),
    row(WORKERS, "Workers that were used meanwhile", phase::INTEGRATION, AtLeast, 100.0, "%"),
    row(BATCHES, "Batches and their messages, server against client", phase::INTEGRATION, AtMost, 0.0, "batches"),
    row(TOKENS, "Tokens checked, server against client", phase::INTEGRATION, AtMost, 0.0, "tokens"),
    row(FAN_OUT, "Notifications told, server against client", phase::INTEGRATION, AtMost, 0.0, "notifications"),
];

/// From what a scenario found out to the evidence for a check.
type Judging = fn(&ScenarioRow) -> Evidence;

const USED_BEFORE: &str = "all were in use before as well, so the most that ever were does not tell of this flood";

/// A percentile of fewer than so many times says little.
const SAMPLES_MIN: u64 = 50;

fn enter(judge: &mut Judge<'_>) {
    let analysis = judge.analysis;
    let number = analysis.phase_named(phase::INTEGRATION).map_or(0, |(number, _)| number);
    let named = |name: &str| analysis.scenarios.get(&(number, name.to_owned()));
    let registry = registries(analysis, number).pop().map(|(_, row)| row);
    let any_registry =
        analysis.scenarios.values().find(|row| row.phase == number && row.name.starts_with(scenario::REGISTRY));
    let queue = named(scenario::QUEUE_AND_WORKERS);
    let checks: [(&str, Option<&ScenarioRow>, Judging); 10] = [
        (LOOKUP, registry.or(any_registry), short_time),
        (ROUTE, named(scenario::ROUTER), short_time),
        (TOKEN, named(scenario::SESSION_TOKENS), short_time),
        (REQUESTS, named(scenario::ROUTER), difference),
        (REFUSALS, queue, refusals),
        (DEPTH, queue, depth),
        (WORKERS, queue, workers),
        (BATCHES, named(scenario::BATCHING), difference),
        (TOKENS, named(scenario::SESSION_TOKENS), difference),
        (FAN_OUT, named(scenario::FAN_OUT), difference),
    ];
    for (id, row, evidence) in checks {
        match row.map(|row| (row, row.skipped.as_ref())) {
            Some((_, Some(reason))) => judge.enter_skipped(id, reason),
            Some((row, None)) => judge.enter(id, evidence(row).spoiled(row.inconclusive.clone())),
            None => judge.enter(id, Evidence::none("the scenario was not reached")),
        }
    }
}

/// Those that were measured, the largest last.
fn registries(analysis: &Analysis, number: u8) -> Vec<(u64, &ScenarioRow)> {
    scene::numbered(analysis, number, scenario::REGISTRY)
}

fn found(row: &ScenarioRow, name: &str) -> Option<f64> {
    row.detail.get(name).copied()
}

fn count(row: &ScenarioRow, name: &str) -> u64 {
    found(row, name).unwrap_or(0.0).max(0.0) as u64
}

/// The upper bound of the bucket that P95 is in, or of the one below where its own has none.
fn short_time(row: &ScenarioRow) -> Evidence {
    let samples = count(row, detail::SAMPLES);
    let few = (samples < SAMPLES_MIN).then(|| format!("{samples} times are too few: needs {SAMPLES_MIN}"));
    let us = found(row, detail::P95_NS).map(|ns| Estimate::Number(ns / 1e3));
    let above = is_above(row).then(|| "it is more than that, the last bound of the server's histogram".to_string());
    let more = if above.is_some() { "more than that, by " } else { "" };
    let source = format!("{more}the server's own histogram, of one request in 64; reading the clock is in it");
    Evidence::of(us, samples, "times", &source).spoiled(few).doubted(above)
}

fn is_above(row: &ScenarioRow) -> bool {
    count(row, detail::P95_ABOVE) > 0
}

fn difference(row: &ScenarioRow) -> Evidence {
    let estimate = found(row, detail::DIFFERENCE).map(Estimate::Number);
    let taken = count(row, detail::TAKEN);
    // A server that counts what nobody got differs all the same.
    let nothing = (taken == 0).then(|| "nothing was answered that could be counted".to_string());
    Evidence::of(estimate, taken, "answers", "the server's counters and the client's").doubted(nothing)
}

fn refusals(row: &ScenarioRow) -> Evidence {
    let both = found(row, detail::REFUSED_DIFFERENCE).zip(found(row, detail::TAKEN_DIFFERENCE));
    let none = (count(row, detail::REFUSED) == 0).then_some("no refusal was seen");
    let (calls, source) = (
        count(row, detail::TAKEN) + count(row, detail::REFUSED),
        "erlmcp_queue_refused_total and the queue's waits, against the client's answers",
    );
    Evidence::of(both.map(|(refused, taken)| Estimate::Number(refused + taken)), calls, "calls", source).spoiled(none)
}

fn depth(row: &ScenarioRow) -> Evidence {
    let estimate = share(row, detail::QUEUE_DEPTH_MAX, detail::QUEUE_LIMIT);
    Evidence::of(estimate, 1, "floods", "the deepest that the queue ever was, and its limit when it was flooded")
        .spoiled(used_before(row, detail::QUEUE_DEPTH_MAX, detail::QUEUE_LIMIT))
}

fn workers(row: &ScenarioRow) -> Evidence {
    let estimate = share(row, detail::WORKERS_ACTIVE_MAX, detail::WORKERS);
    Evidence::of(estimate, 1, "floods", "the most workers that ever ran at once, and all of them").spoiled(used_before(
        row,
        detail::WORKERS_ACTIVE_MAX,
        detail::WORKERS,
    ))
}

fn used_before(row: &ScenarioRow, part: &str, whole: &str) -> Option<&'static str> {
    (found(row, part).is_none() && found(row, whole).is_some()).then_some(USED_BEFORE)
}

/// None where one of the two was not found out.
fn share(row: &ScenarioRow, part: &str, whole: &str) -> Option<Estimate> {
    found(row, part).zip(found(row, whole))?;
    Estimate::percent(count(row, part), count(row, whole))
}

fn figures(analysis: &Analysis, _facts: &Facts<'_>, number: u8) -> Vec<Figure> {
    let mut figures = Vec::new();
    let ns = |row: &ScenarioRow, name: &str| Value::or(found(row, name), Value::Number, "it could not be found out");
    let p95 = |row: &ScenarioRow| match is_above(row) {
        true => Value::Text(format!("more than {}", format::count(count(row, detail::P95_NS)))),
        false => ns(row, detail::P95_NS),
    };
    for (tools, row) in registries(analysis, number) {
        figures.push(Figure::new(format!("lookup_{tools}_tools_mean_ns"), ns(row, detail::MEAN_NS)));
        figures.push(Figure::new(format!("lookup_{tools}_tools_p95_ns"), p95(row)));
        figures.push(Figure::new(format!("call_{tools}_tools_mean_us"), ns(row, detail::CLIENT_MEAN_US)));
    }
    let of = |name: &str| {
        analysis
            .scenarios
            .get(&(number, name.to_owned()))
            .filter(|row| row.skipped.is_none() && row.inconclusive.is_none())
    };
    if let Some(row) = of(scenario::ROUTER) {
        figures.push(Figure::new("route_mean_ns", ns(row, detail::MEAN_NS)));
        figures.push(Figure::new("route_p95_ns", p95(row)));
        figures.push(Figure::new("clock_ns", ns(row, detail::CLOCK_NS)));
    }
    if let Some(row) = of(scenario::SESSION_TOKENS) {
        figures.push(Figure::new("token_check_mean_ns", ns(row, detail::MEAN_NS)));
        figures.push(Figure::new("token_check_p95_ns", p95(row)));
    }
    let differing = [
        scenario::ROUTER,
        scenario::QUEUE_AND_WORKERS,
        scenario::BATCHING,
        scenario::SESSION_TOKENS,
        scenario::FAN_OUT,
    ];
    let rows: Vec<&ScenarioRow> = differing.into_iter().filter_map(of).collect();
    let agree = rows.iter().filter(|row| differences(row) == 0.0).count() as u64;
    figures.push(Figure::new("parts_that_agree", Value::Count(agree)));
    figures.push(Figure::new("parts_compared", Value::Count(rows.len() as u64)));
    if let Some(row) = of(scenario::QUEUE_AND_WORKERS) {
        figures.extend(queue(row));
    }
    if let Some(row) = of(scenario::FAN_OUT) {
        figures.push(Figure::new("notifications_heard", Value::Count(count(row, detail::TAKEN))));
        let last = Value::or(found(row, detail::TO_LAST_MS), Value::Ms, "no change was made");
        figures.push(Figure::new("fan_out_to_last_ms", last));
    }
    figures
}

/// How far server and client are apart in all that they both counted.
fn differences(row: &ScenarioRow) -> f64 {
    let names = [detail::DIFFERENCE, detail::REFUSED_DIFFERENCE, detail::TAKEN_DIFFERENCE];
    names.into_iter().filter_map(|name| found(row, name)).sum()
}

fn queue(row: &ScenarioRow) -> Vec<Figure> {
    let none = "no call was taken";
    let most = |name: &str| Value::or(found(row, name), |most| Value::Count(most as u64), USED_BEFORE);
    vec![
        Figure::new("calls_taken", Value::Count(count(row, detail::TAKEN))),
        Figure::new("calls_refused", Value::Count(count(row, detail::REFUSED))),
        Figure::new("queue_depth_max", most(detail::QUEUE_DEPTH_MAX)),
        Figure::new("workers_active_max", most(detail::WORKERS_ACTIVE_MAX)),
        Figure::new("queue_wait_mean_ms", Value::or(found(row, detail::QUEUE_WAIT_MEAN_MS), Value::Ms, none)),
        Figure::new("queue_wait_p95_ms", Value::or(found(row, detail::QUEUE_WAIT_P95_MS), Value::Ms, none)),
        Figure::new("worker_time_mean_ms", Value::or(found(row, detail::WORKER_TIME_MEAN_MS), Value::Ms, none)),
    ]
}

fn line(figures: &[Figure]) -> String {
    format!(
        "server and client agree on {} of {} parts; a lookup in 10,000 tools takes {} ns in the mean",
        said(figures, "parts_that_agree"),
        said(figures, "parts_compared"),
        said(figures, "lookup_10000_tools_mean_ns")
    )
}
