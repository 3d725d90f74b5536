use erlmcp_record::names::{detail, phase, scenario};
use erlmcp_record::{Kind, ScenarioRow};

use super::{SuitePhase, said};
use crate::analysis::{Analysis, Window};
use crate::facts::Facts;
use crate::stats::Sparse;
use crate::summary::{Figure, Value};
use crate::verdict::Comparison::{AtMost, Below};
use crate::verdict::{Estimate, Evidence, Judge, Threshold, row};

pub(super) const PHASE: SuitePhase =
    SuitePhase { name: phase::RESOURCE_LIMITS, thresholds: THRESHOLDS, enter, figures, line };

const UNANSWERED: &str = "limits.unanswered_count";
const NO_RETRY_AFTER: &str = "limits.no_retry_after_count";
const BACK: &str = "limits.back_ms";
const OTHERS_P95: &str = "limits.others_p95_ms";
const OTHERS_ERRORS: &str = "limits.others_error_percent";
const CRASHES: &str = "limits.crashes_count";

const THRESHOLDS: &[Threshold] = &[
    row(UNANSWERED, "Limits beyond which there is no answer", phase::RESOURCE_LIMITS, AtMost, 0.0, "limits"),
    row(
        NO_RETRY_AFTER,
        "Refusals for load (429, 503) without Retry-After",
        phase::RESOURCE_LIMITS,
        AtMost,
        0.0,
        "limits",
    ),
    row(BACK, "Longest from a limit until requests are taken again", phase::RESOURCE_LIMITS, Below, 5_000.0, "ms"),
    row(OTHERS_P95, "P95 latency of others meanwhile", phase::RESOURCE_LIMITS, Below, 100.0, "ms"),
    row(OTHERS_ERRORS, "Error rate of others meanwhile", phase::RESOURCE_LIMITS, Below, 0.1, "%"),
    row(CRASHES, "Replicas crashed at a limit", phase::RESOURCE_LIMITS, AtMost, 0.0, "crashes"),
];

const NAMES: [&str; 6] = [
    scenario::LIMIT_BODY,
    scenario::LIMIT_STREAMS,
    scenario::LIMIT_SESSIONS,
    scenario::LIMIT_QUEUE,
    scenario::LIMIT_DESCRIPTORS,
    scenario::LIMIT_CONNECTIONS,
];

/// The limits that were gone to, in the order of the plan.
fn gone_to(analysis: &Analysis, number: u8) -> Vec<&ScenarioRow> {
    let rows = NAMES.iter().filter_map(|name| analysis.scenarios.get(&(number, (*name).to_owned())));
    rows.filter(|row| row.skipped.is_none()).collect()
}

fn found(row: &ScenarioRow, name: &str) -> Option<f64> {
    row.detail.get(name).copied()
}

/// A limit was found: something was refused, or got no answer.
fn has_limit(row: &ScenarioRow) -> bool {
    row.detail.contains_key(detail::REFUSAL_ANSWERED)
}

fn enter(judge: &mut Judge<'_>) {
    let analysis = judge.analysis;
    let number = analysis.phase_named(phase::RESOURCE_LIMITS).map_or(0, |(number, _)| number);
    let rows = gone_to(analysis, number);
    let mut troubles: Vec<String> = Vec::new();
    for row in &rows {
        troubles.extend(row.inconclusive.as_ref().map(|why| format!("{}: {why}", row.name)));
    }
    let unknown = (!troubles.is_empty()).then(|| troubles.join("; "));
    let limits: Vec<&&ScenarioRow> = rows.iter().filter(|row| has_limit(row)).collect();
    let of = limits.len() as u64;
    let none = limits.is_empty().then_some("no limit was found");
    let count = |is_so: &dyn Fn(&ScenarioRow) -> bool| limits.iter().filter(|row| is_so(row)).count() as u64;
    let evidence = |count: u64, source: &str| {
        // What failed has failed, whatever is not known of others.
        Evidence::of(Some(Estimate::count(count)), of, "limits", source).spoiled(none).doubted(unknown.clone())
    };
    let unanswered = count(&|row| found(row, detail::REFUSAL_ANSWERED) == Some(0.0));
    judge.enter(UNANSWERED, evidence(unanswered, "what was sent beyond the limit, and what came back"));
    let is_for_load = |row: &ScenarioRow| [Some(429.0), Some(503.0)].contains(&found(row, detail::REFUSED_STATUS));
    let no_retry = count(&|row| is_for_load(row) && found(row, detail::RETRY_AFTER_S).is_none());
    judge.enter(NO_RETRY_AFTER, evidence(no_retry, "the Retry-After field of the refusals"));
    judge.enter(BACK, back(&limits).doubted(unknown.clone()));
    let others = Others::of(analysis, &rows);
    judge.enter(OTHERS_P95, others.p95().doubted(unknown.clone()));
    judge.enter(OTHERS_ERRORS, others.errors().doubted(unknown));
    judge.enter(CRASHES, crashes(analysis, number));
}

/// The longest; one that never came back has no time, and that is the worst.
fn back(limits: &[&&ScenarioRow]) -> Evidence {
    let never: Vec<&str> =
        limits.iter().filter(|row| found(row, detail::BACK_MS).is_none()).map(|row| row.name.as_str()).collect();
    let longest = limits.iter().filter_map(|row| found(row, detail::BACK_MS)).max_by(f64::total_cmp);
    let estimate = if never.is_empty() { longest } else { Some(f64::INFINITY) };
    let source = match never.as_slice() {
        [] => "requests again and again after the excess".to_string(),
        never => format!("requests again and again after the excess; never after {}", never.join(", ")),
    };
    let none = limits.is_empty().then_some("no limit was found");
    Evidence::of(estimate.map(Estimate::Number), limits.len() as u64, "limits", &source).spoiled(none)
}

/// What the load beside the visitor was, while it was there.
#[derive(Debug, Default)]
struct Others {
    latency: Sparse,
    planned: u64,
    bad: u64,
}

impl Others {
    fn of(analysis: &Analysis, rows: &[&ScenarioRow]) -> Self {
        let mut others = Self::default();
        rows.iter().filter_map(|row| during(row)).for_each(|window| others.add(analysis, window));
        others
    }

    fn add(&mut self, analysis: &Analysis, window: Window) {
        for (_, second) in analysis.seconds_in(window) {
            let Some(load) = second.kind(Kind::Load) else { continue };
            self.latency.merge(&load.latency);
            self.planned += load.planned;
            self.bad += load.planned.saturating_sub(load.ok());
        }
    }

    fn p95(&self) -> Evidence {
        let us = self.latency.quantile_us(0.95);
        let none = us.is_none().then_some("nothing was answered meanwhile");
        let source = "the steady load from its intended send time, while a visitor was at a limit";
        Evidence::of(us.map(Estimate::ms), self.latency.count(), "requests", source).spoiled(none)
    }

    fn errors(&self) -> Evidence {
        let none = (self.planned == 0).then_some("nothing was sent meanwhile");
        let source = "the steady load while a visitor was at a limit";
        Evidence::of(Estimate::percent(self.bad, self.planned), self.planned, "requests", source).spoiled(none)
    }
}

/// The seconds of a visit: those that it only touches too, since it may be short.
fn during(row: &ScenarioRow) -> Option<Window> {
    let (from_ms, to_ms) = (found(row, detail::FROM_MS)?, found(row, detail::TO_MS)?);
    let (from, to) = ((from_ms / 1e3).floor() as u32, (to_ms / 1e3).ceil() as u32);
    Some(Window { from, to: to.max(from + 1) })
}

fn crashes(analysis: &Analysis, number: u8) -> Evidence {
    let times = analysis.phases.get(&number);
    let Some((from_us, to_us)) = times.and_then(|times| times.started_us.zip(times.ended_us)) else {
        return Evidence::default();
    };
    match analysis.crashes_between(from_us, to_us) {
        Some(crashes) => {
            Evidence::of(Some(Estimate::count(crashes)), 1, "runs", "process ids and restarts of the replicas")
        }
        None => Evidence::none("the target's processes were not seen, or not to the end"),
    }
}

fn figures(analysis: &Analysis, _facts: &Facts<'_>, number: u8) -> Vec<Figure> {
    let rows = gone_to(analysis, number);
    let limits = rows.iter().filter(|row| has_limit(row));
    let slowest = limits.clone().filter_map(|row| found(row, detail::BACK_MS)).max_by(f64::total_cmp);
    let mut figures = vec![
        Figure::new("limits_gone_to", Value::Count(rows.len() as u64)),
        Figure::new("limits_found", Value::Count(limits.count() as u64)),
        Figure::new("slowest_back_ms", Value::or(slowest, Value::Ms, "no limit was found")),
    ];
    let all = Others::of(analysis, &rows);
    let none = "nothing was answered meanwhile";
    figures.push(Figure::new("others_p95_ms", ms(&all.latency, 0.95, none)));
    for row in rows {
        let short = row.name.strip_prefix("limit_").unwrap_or(&row.name);
        figures.extend(of_one(analysis, row, short));
    }
    figures
}

/// P99 of the others before a visit and while it lasted, and how many times it was.
fn of_one(analysis: &Analysis, row: &ScenarioRow, short: &str) -> Vec<Figure> {
    let named = |what: &str, value: Value| Figure::new(format!("{short}_{what}"), value);
    let Some(during) = during(row) else {
        let why = row.inconclusive.clone().unwrap_or_else(|| "the visit was not over".into());
        return vec![named("refused_status", Value::NotMeasured(why))];
    };
    let first = u32::try_from(row.started_us / 1_000_000).unwrap_or(u32::MAX).saturating_add(1);
    let (mut before, mut meanwhile) = (Others::default(), Others::default());
    meanwhile.add(analysis, during);
    if first < during.from {
        before.add(analysis, Window { from: first, to: during.from });
    }
    let p99 = |others: &Others| others.latency.quantile_us(0.99);
    let ratio = p99(&before).zip(p99(&meanwhile)).map(|(before, now)| now as f64 / before.max(1) as f64);
    let none = "nothing was answered";
    let bytes = |name: &str| found(row, name).map(Value::Bytes);
    let count = |name: &str| found(row, name).map(|count| Value::Count(count as u64));
    let taken = bytes(detail::TAKEN_BYTES).or_else(|| count(detail::TAKEN));
    let mut figures = vec![
        named("taken", taken.unwrap_or_else(|| Value::NotMeasured(none.into()))),
        named(
            "refused_status",
            Value::or(found(row, detail::REFUSED_STATUS), |status| Value::Count(status as u64), "nothing was refused"),
        ),
        named("back_ms", Value::or(found(row, detail::BACK_MS), Value::Ms, "it was not seen to be back")),
        named("others_p99_before_ms", ms(&before.latency, 0.99, none)),
        named("others_p99_ms", ms(&meanwhile.latency, 0.99, none)),
        named("others_p99_ratio", Value::or(ratio, Value::Number, none)),
    ];
    figures.extend(found(row, detail::RETRY_AFTER_S).map(|seconds| named("retry_after_s", Value::Number(seconds))));
    figures
}

fn ms(latency: &Sparse, quantile: f64, none: &str) -> Value {
    Value::or(latency.quantile_us(quantile), |us| Value::Ms(us as f64 / 1e3), none)
}

fn line(figures: &[Figure]) -> String {
    format!(
        "{} limits gone to, {} found; back after {} at most, P95 of the others {}",
        said(figures, "limits_gone_to"),
        said(figures, "limits_found"),
        said(figures, "slowest_back_ms"),
        said(figures, "others_p95_ms")
    )
}
