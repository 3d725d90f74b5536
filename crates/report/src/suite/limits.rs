use std::collections::BTreeSet;

use erlmcp_record::names::{detail, phase, scenario};
use erlmcp_record::{Hist, Kind, ScenarioRow};

use super::{SuitePhase, said, said_or_why};
use crate::analysis::{Analysis, Part, Window};
use crate::facts::{Facts, Observed, part_of};
use crate::format;
use crate::stats::{Drawn, Percentile, Sparse};
use crate::summary::{Figure, Value, quantile};
use crate::verdict::Comparison::{AtMost, Below};
use crate::verdict::{Estimate, Evidence, Judge, Threshold, crashes, doubt, longest, requests, row};

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

const NAMES: [&str; 7] = [
    scenario::LIMIT_BODY,
    scenario::LIMIT_STREAMS,
    scenario::LIMIT_OPEN_STREAMS,
    scenario::LIMIT_SESSIONS,
    scenario::LIMIT_QUEUE,
    scenario::LIMIT_DESCRIPTORS,
    scenario::LIMIT_CONNECTIONS,
];

const NONE_REFUSED: &str = "nothing was refused";

/// For so long a record says that a server was not back, where it does not say for how long.
const WATCHED_US: u64 = 20_000_000;

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

/// It was left, or should have been. Who has no descriptor answers nobody, and still has to be back.
fn has_end(row: &ScenarioRow) -> bool {
    let is_watched = || [detail::BACK_MS, detail::BACK_WATCHED_MS].iter().any(|name| row.detail.contains_key(*name));
    has_limit(row) || (row.name == scenario::LIMIT_DESCRIPTORS && is_watched())
}

/// Those that were gone to and not found, and how far that was.
fn not_found(rows: &[&ScenarioRow]) -> Vec<String> {
    let is_missing = |row: &&&ScenarioRow| {
        // Descriptors are taken away, not gone to.
        row.name != scenario::LIMIT_DESCRIPTORS && row.inconclusive.is_none() && !has_limit(row)
    };
    rows.iter().filter(is_missing).map(|row| format!("{} ({})", row.name, how_far(row))).collect()
}

fn how_far(row: &ScenarioRow) -> String {
    let count = |name: &str| found(row, name).map(|count| format::count(count as u64));
    let taken = found(row, detail::TAKEN_BYTES).map(format::bytes).or_else(|| count(detail::TAKEN));
    match (taken, count(detail::STREAMS_LIMIT)) {
        (Some(taken), _) => format!("{taken} taken, none refused"),
        (None, Some(limit)) => format!("too far: {limit}"),
        (None, None) => NONE_REFUSED.into(),
    }
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
    let missing = not_found(&rows);
    let missing = if missing.is_empty() { String::new() } else { format!("; not found: {}", missing.join(", ")) };
    let evidence = |count: u64, source: &str| {
        let source = format!("{source}{missing}");
        // What failed has failed, whatever is not known of others.
        Evidence::of(Some(Estimate::count(count)), of, "limits", &source).spoiled(none).doubted(unknown.clone())
    };
    let unanswered = count(&|row| found(row, detail::REFUSAL_ANSWERED) == Some(0.0));
    judge.enter(UNANSWERED, evidence(unanswered, "what was sent beyond the limit, and what came back"));
    let is_for_load = |row: &ScenarioRow| [Some(429.0), Some(503.0)].contains(&found(row, detail::REFUSED_STATUS));
    let no_retry = count(&|row| is_for_load(row) && found(row, detail::RETRY_AFTER_S).is_none());
    judge.enter(NO_RETRY_AFTER, evidence(no_retry, "the Retry-After field of the refusals"));
    let mut back = back(&rows, judge.limit(BACK).value);
    back.source += &missing;
    judge.enter(BACK, back.doubted(unknown.clone()));
    let others = Others::of(analysis, &rows);
    let (p95_limit, errors_limit) = (judge.limit(OTHERS_P95).value, judge.limit(OTHERS_ERRORS).value);
    judge.enter(OTHERS_P95, others.p95(p95_limit, analysis.seed()).doubted(unknown.clone()));
    judge.enter(OTHERS_ERRORS, others.errors(errors_limit).doubted(unknown));
    judge.enter(CRASHES, crashes(analysis, analysis.phases.get(&number)));
}

/// When requests were taken again after a limit was left.
fn came_back(row: &ScenarioRow) -> Observed {
    let us = |name: &str| found(row, name).map(|ms| (ms * 1e3) as u64);
    match us(detail::BACK_MS) {
        Some(us) => Observed::After { us },
        None => Observed::NotWithin { us: us(detail::BACK_WATCHED_MS).unwrap_or(WATCHED_US) },
    }
}

/// The longest; one that never came back took at least as long as it was watched.
fn back(rows: &[&ScenarioRow], limit_ms: f64) -> Evidence {
    let limits: Vec<&&ScenarioRow> = rows.iter().filter(|row| has_end(row)).collect();
    let moments: Vec<Observed> = limits.iter().map(|row| came_back(row)).collect();
    let never = limits.iter().zip(&moments).filter(|(_, moment)| matches!(moment, Observed::NotWithin { .. }));
    let never: Vec<&str> = never.map(|(row, _)| row.name.as_str()).collect();
    let source = match never.as_slice() {
        [] => "requests again and again after the excess".to_string(),
        never => {
            let names = never.join(", ");
            format!("requests again and again after the excess; never after {names}, as long as that was tried")
        }
    };
    let none = limits.is_empty().then_some("no limit was found");
    longest(moments.iter(), limits.len() as u64, limit_ms, "limits", &source).spoiled(none)
}

/// What the load beside the visitor was, while it was there.
#[derive(Debug, Default)]
struct Others {
    part: Part,
    /// The latencies of each second.
    seconds: Vec<Sparse>,
}

impl Others {
    fn of(analysis: &Analysis, rows: &[&ScenarioRow]) -> Self {
        let windows = rows.iter().filter_map(|row| during(row));
        // A second that two visits share counts once.
        let seconds: BTreeSet<u32> = windows.flat_map(|window| window.from..window.to).collect();
        let mut others = Self::in_seconds(analysis, seconds);
        // The generator's lag is that of the whole scenarios.
        for load in rows.iter().map(|row| part_of(analysis, row, Kind::Load)) {
            let lags = Part { send_lag: load.send_lag, receive_lag: load.receive_lag, ..Part::default() };
            others.part.merge(&lags);
        }
        others
    }

    fn in_seconds(analysis: &Analysis, seconds: impl IntoIterator<Item = u32>) -> Self {
        let mut others = Self::default();
        for load in seconds.into_iter().filter_map(|number| analysis.seconds.get(&number)?.kind(Kind::Load)) {
            let mut latency = Hist::new();
            load.latency.entries().iter().for_each(|(us, count)| latency.record_many_us((*us).into(), (*count).into()));
            let (planned, fates) = (load.planned, load.fates);
            others.part.merge(&Part { planned, fates, latency: Some(latency), ..Part::default() });
            others.seconds.push(load.latency.clone());
        }
        others
    }

    fn p95(&self, limit_ms: f64, seed: u64) -> Evidence {
        let source = "the steady load from its intended send time, while a visitor was at a limit";
        let drawn = Drawn::of(&self.seconds, Percentile::P95, seed);
        requests::percentile(&self.part, Percentile::P95, drawn, limit_ms, source).spoiled(doubt::requests(&self.part))
    }

    fn errors(&self, limit: f64) -> Evidence {
        let source = "the steady load while a visitor was at a limit";
        requests::share_under(self.part.errors(), self.part.countable(), limit, "requests", source)
            .spoiled(doubt::requests(&self.part))
    }
}

/// The seconds of a visit: those that it only touches too, since it may be short.
fn during(row: &ScenarioRow) -> Option<Window> {
    let (from_ms, to_ms) = (found(row, detail::FROM_MS)?, found(row, detail::TO_MS)?);
    let (from, to) = ((from_ms / 1e3).floor() as u32, (to_ms / 1e3).ceil() as u32);
    Some(Window { from, to: to.max(from + 1) })
}

fn figures(analysis: &Analysis, _facts: &Facts<'_>, number: u8) -> Vec<Figure> {
    let rows = gone_to(analysis, number);
    let limits = rows.iter().filter(|row| has_limit(row));
    let missing = match not_found(&rows) {
        names if names.is_empty() => "none".to_string(),
        names => names.join(", "),
    };
    let mut figures = vec![
        Figure::new("limits_gone_to", Value::Count(rows.len() as u64)),
        Figure::new("limits_found", Value::Count(limits.count() as u64)),
        Figure::new("limits_not_found", Value::Text(missing)),
        Figure::new("slowest_back_ms", slowest_back(&rows)),
    ];
    let all = Others::of(analysis, &rows);
    let none = "nothing was answered meanwhile";
    figures.push(Figure::new("others_p95_ms", quantile(&all.part.latency, 0.95, none)));
    for row in rows {
        let short = row.name.strip_prefix("limit_").unwrap_or(&row.name);
        figures.extend(of_one(analysis, row, short));
    }
    figures
}

/// The longest of all; where one never came back, that.
fn slowest_back(rows: &[&ScenarioRow]) -> Value {
    let left = || rows.iter().filter(|row| has_end(row));
    let never = left().find_map(|row| match came_back(row) {
        Observed::NotWithin { us } => Some(format!("not within {} after {}", format::ms(us as f64 / 1e3), row.name)),
        Observed::After { .. } | Observed::Unknown(_) => None,
    });
    let slowest = || left().filter_map(|row| found(row, detail::BACK_MS)).max_by(f64::total_cmp);
    never.map_or_else(|| Value::or(slowest(), Value::Ms, "no limit was found"), Value::NotMeasured)
}

/// P99 of the others before a visit and while it lasted, and how many times it was.
fn of_one(analysis: &Analysis, row: &ScenarioRow, short: &str) -> Vec<Figure> {
    let named = |what: &str, value: Value| Figure::new(format!("{short}_{what}"), value);
    let Some(during) = during(row) else {
        let why = row.inconclusive.clone().unwrap_or_else(|| "the visit was not over".into());
        return vec![named("refused_status", Value::NotMeasured(why))];
    };
    let first = u32::try_from(row.started_us / 1_000_000).unwrap_or(u32::MAX).saturating_add(1);
    let before = Others::in_seconds(analysis, first..during.from);
    let meanwhile = Others::in_seconds(analysis, during.from..during.to);
    let p99 = |others: &Others| others.part.latency.as_ref().and_then(|hist| hist.quantile_us(0.99));
    let ratio = p99(&before).zip(p99(&meanwhile)).map(|(before, now)| now as f64 / before.max(1) as f64);
    let none = "nothing was answered";
    let not_back = if has_end(row) { "it was not seen to be back" } else { NONE_REFUSED };
    let bytes = |name: &str| found(row, name).map(Value::Bytes);
    let count = |name: &str| found(row, name).map(|count| Value::Count(count as u64));
    let taken = bytes(detail::TAKEN_BYTES).or_else(|| count(detail::TAKEN));
    let mut figures = vec![
        named("taken", taken.unwrap_or_else(|| Value::NotMeasured(none.into()))),
        named(
            "refused_status",
            Value::or(found(row, detail::REFUSED_STATUS), |status| Value::Count(status as u64), NONE_REFUSED),
        ),
        named("back_ms", Value::or(found(row, detail::BACK_MS), Value::Ms, not_back)),
        named("others_p99_before_ms", quantile(&before.part.latency, 0.99, none)),
        named("others_p99_ms", quantile(&meanwhile.part.latency, 0.99, none)),
        named("others_p99_ratio", Value::or(ratio, Value::Number, none)),
    ];
    figures.extend(found(row, detail::RETRY_AFTER_S).map(|seconds| named("retry_after_s", Value::Number(seconds))));
    figures
}

fn line(figures: &[Figure]) -> String {
    let back = said_or_why(figures, "slowest_back_ms", "back", |longest| format!("back after {longest} at most"));
    format!(
        "{} limits gone to, {} found, not found: {}; {back}, P95 of the others {}",
        said(figures, "limits_gone_to"),
        said(figures, "limits_found"),
        said(figures, "limits_not_found"),
        said(figures, "others_p95_ms")
    )
}
