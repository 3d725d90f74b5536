use erlmcp_record::names::{detail, phase, scenario};
use erlmcp_record::{Kind, ScenarioRow};

use super::failures::of_each;
use super::{SuitePhase, said, said_or_why};
use crate::analysis::Analysis;
use crate::facts::{Facts, FaultFacts, Observed, faults_of, part_of};
use crate::format;
use crate::summary::{Figure, Value, moment};
use crate::verdict::Comparison::{AtLeast, AtMost, Below};
use crate::verdict::{Estimate, Evidence, Judge, Threshold, doubt, requests, row, times};

pub(super) const PHASE: SuitePhase = SuitePhase { name: phase::FAILOVER, thresholds: THRESHOLDS, enter, figures, line };

const SOME: &str = "failover.served_again_ms";
const ALL: &str = "failover.all_served_again_ms";
const RECONNECTED: &str = "failover.reconnected_percent";
const ROLLING: &str = "failover.rolling_error_percent";
const SCALED: &str = "failover.scaled_ms";
const SCALING: &str = "failover.scaling_error_percent";
const SPREAD: &str = "failover.spread_ratio";

const THRESHOLDS: &[Threshold] = &[
    row(SOME, "All clients served again, one or two replicas killed", phase::FAILOVER, Below, 5_000.0, "ms"),
    row(ALL, "All clients served again, all replicas killed", phase::FAILOVER, Below, 15_000.0, "ms"),
    row(RECONNECTED, "Lost connections that were served again", phase::FAILOVER, AtLeast, 100.0, "%"),
    row(ROLLING, "Error rate of a rolling restart", phase::FAILOVER, Below, 1.0, "%"),
    row(SCALED, "Slowest change of the number of replicas", phase::FAILOVER, Below, 30_000.0, "ms"),
    row(SCALING, "Error rate while the number of replicas changes", phase::FAILOVER, Below, 1.0, "%"),
    row(SPREAD, "Most connections of a replica over the mean, after kills", phase::FAILOVER, AtMost, 2.0, "times"),
];

const FEW: [&str; 2] = [scenario::KILLS_IN_TURN, scenario::TWO_AT_ONCE];
const BREAKING: [&str; 4] =
    [scenario::KILLS_IN_TURN, scenario::TWO_AT_ONCE, scenario::ALL_AT_ONCE, scenario::ROLLING_RESTART];

fn scene<'a>(analysis: &'a Analysis, name: &str) -> Option<&'a ScenarioRow> {
    let (number, _) = analysis.phase_named(phase::FAILOVER)?;
    analysis.scenarios.get(&(number, name.to_owned()))
}

/// Why a check has nothing to judge: all of its scenarios were skipped.
fn skipped(analysis: &Analysis, names: &[&str]) -> Option<String> {
    let rows: Vec<&ScenarioRow> = names.iter().filter_map(|name| scene(analysis, name)).collect();
    let is_skipped = !rows.is_empty() && rows.iter().all(|row| row.skipped.is_some());
    rows.first().filter(|_| is_skipped).and_then(|row| row.skipped.clone())
}

fn enter(judge: &mut Judge<'_>) {
    let analysis = judge.analysis;
    let cut = doubt::cut(analysis, phase::FAILOVER);
    let limit = |id| judge.limit(id).value;
    let checks: [(&str, &[&str], Evidence); 7] = [
        (SOME, &FEW, served_again(analysis, &FEW, limit(SOME))),
        (ALL, &[scenario::ALL_AT_ONCE], served_again(analysis, &[scenario::ALL_AT_ONCE], limit(ALL))),
        (RECONNECTED, &BREAKING, reconnected(analysis)),
        (ROLLING, &[scenario::ROLLING_RESTART], errors(analysis, scenario::ROLLING_RESTART, limit(ROLLING))),
        (SCALED, &[scenario::SCALING], scaled(analysis, limit(SCALED))),
        (SCALING, &[scenario::SCALING], errors(analysis, scenario::SCALING, limit(SCALING))),
        (SPREAD, &BREAKING, spread(analysis)),
    ];
    for (id, names, evidence) in checks {
        match skipped(analysis, names) {
            Some(reason) => judge.enter_skipped(id, &reason),
            None => judge.enter(id, evidence.excused(cut.clone()).doubted(unknown(analysis, names))),
        }
    }
}

/// Why not all that was to be seen in these scenarios was: what failed has failed all the same, and nothing passes.
fn unknown(analysis: &Analysis, names: &[&str]) -> Option<String> {
    let rows = names.iter().filter_map(|name| scene(analysis, name));
    let mut why: Vec<String> = rows.filter_map(|row| row.inconclusive.clone()).collect();
    let all = names.iter().flat_map(|name| faults_of(analysis, phase::FAILOVER, name));
    let unseen = all.filter(|fault| fault.fault.skipped.is_none() && fault.fault.effect_us.is_none()).count() as u64;
    why.extend((unseen > 0).then(|| format!("{} had no effect that was seen", format::plural(unseen, "kill"))));
    (!why.is_empty()).then(|| why.join("; "))
}

fn made<'a>(analysis: &'a Analysis, names: &[&str]) -> Vec<FaultFacts<'a>> {
    let all = names.iter().flat_map(|name| faults_of(analysis, phase::FAILOVER, name));
    all.filter(|fault| fault.fault.effect_us.is_some()).collect()
}

/// The longest of the kills that cost connections.
fn served_again(analysis: &Analysis, names: &[&str], limit_ms: f64) -> Evidence {
    let faults = made(analysis, names);
    let affected: Vec<&FaultFacts<'_>> = faults.iter().filter(|fault| fault.affected > 0).collect();
    if affected.is_empty() {
        return Evidence::none("no connection was lost to a kill whose effect was seen");
    }
    let source = "from the process's end until the last of its connections had an answer";
    times(&affected, |fault| vec![&fault.served_again], limit_ms, "kills", source)
}

fn reconnected(analysis: &Analysis) -> Evidence {
    let faults = made(analysis, &BREAKING);
    let affected = faults.iter().map(|fault| fault.affected).sum();
    let served = faults.iter().map(|fault| fault.reestablished.min(fault.affected)).sum();
    let none = (affected == 0).then_some("no connection was lost");
    Evidence::of(Estimate::percent(served, affected), affected, "connections", "lost connections, as agents told")
        .spoiled(none)
}

fn errors(analysis: &Analysis, name: &str, limit: f64) -> Evidence {
    let Some(row) = scene(analysis, name) else { return Evidence::none("the scenario was not reached") };
    let load = part_of(analysis, row, Kind::Load);
    requests::share_under(load.errors(), load.countable(), limit, "requests", "the load of the whole scenario")
        .spoiled(row.inconclusive.clone().filter(|_| load.countable() == 0))
        .spoiled(doubt::unsent(&load))
}

/// The figures of each change, by their number.
fn changes<'a>(row: &'a ScenarioRow, name: &'a str) -> impl Iterator<Item = (u64, f64)> + 'a {
    (1..).map_while(move |change| {
        Some((change, row.detail.get(&format!("{}{change}_{name}", detail::CHANGE)).copied()?))
    })
}

/// The slowest change. One that was not over is a FAIL where it was watched for as long as the limit.
fn scaled(analysis: &Analysis, limit_ms: f64) -> Evidence {
    let Some(row) = scene(analysis, scenario::SCALING) else { return Evidence::none("the scenario was not reached") };
    let mut times: Vec<f64> = changes(row, detail::SCALED_MS).map(|(_, ms)| ms).collect();
    let last = format!("{}{}_{}", detail::CHANGE, times.len() + 1, detail::SCALE_WATCHED_MS);
    let watched = row.detail.get(&last).copied().filter(|ms| *ms >= limit_ms);
    times.extend(watched);
    let slowest = times.iter().copied().max_by(f64::total_cmp);
    let source = "from the order until all are ready, and those that go have drained";
    let source = if watched.is_some() { format!("{source}; the last was not over") } else { source.into() };
    let none = row.inconclusive.clone().filter(|_| times.is_empty());
    Evidence::of(slowest.map(Estimate::Number), times.len() as u64, "changes", &source).spoiled(none)
}

/// At the end of the last scenario in which replicas ended.
fn spread(analysis: &Analysis) -> Evidence {
    let rows = BREAKING.iter().filter_map(|name| scene(analysis, name));
    let last = rows.filter_map(|row| row.detail.get(detail::SPREAD_AFTER_RATIO)).next_back().copied();
    let none = last.is_none().then_some("connections are not told apart by replica");
    let source = "connections by replica after the last of them, as the agents count";
    Evidence::of(last.map(Estimate::Number), 1, "runs", source).spoiled(none)
}

fn figures(analysis: &Analysis, _facts: &Facts<'_>, _number: u8) -> Vec<Figure> {
    let mut figures = Vec::new();
    let all = made(analysis, &BREAKING);
    let killed: usize = all.iter().map(|fault| fault.fault.targets().len()).sum();
    figures.push(Figure::new("replicas_ended", Value::Count(killed as u64)));
    figures.push(Figure::new("connections_lost", Value::Count(all.iter().map(|fault| fault.affected).sum())));
    figures.push(Figure::new("longest_served_again_ms", longest_served_again(&all)));
    for name in BREAKING {
        let Some(row) = scene(analysis, name).filter(|row| row.skipped.is_none()) else { continue };
        let named = |what: &str| format!("{name}_{what}");
        for one in of_each(analysis, &faults_of(analysis, phase::FAILOVER, name)) {
            figures.push(Figure::new(named(&one.name), one.value));
        }
        let told = |key: &str, why: &str| Value::or(row.detail.get(key).copied(), Value::Number, why);
        let not_apart = "connections are not told apart by replica";
        figures.push(Figure::new(named("spread_before_ratio"), told(detail::SPREAD_BEFORE_RATIO, not_apart)));
        figures.push(Figure::new(named("spread_worst_ratio"), told(detail::SPREAD_WORST_RATIO, not_apart)));
        figures.push(Figure::new(named("spread_after_ratio"), told(detail::SPREAD_AFTER_RATIO, not_apart)));
        figures.push(Figure::new(named("gini_after"), told(detail::GINI_AFTER, not_apart)));
        figures.push(Figure::new(named("even_again_ms"), even_again(row)));
    }
    figures.extend(scaling(analysis));
    figures
}

/// The longest of the kills that cost connections; where one of them was not seen to be over, that.
fn longest_served_again(all: &[FaultFacts<'_>]) -> Value {
    let moments = || all.iter().filter(|fault| fault.affected > 0).map(|fault| &fault.served_again);
    if let Some(open) = moments().find(|moment| !matches!(moment, Observed::After { .. })) {
        return moment(open);
    }
    let longest = moments().filter_map(|moment| match moment {
        Observed::After { us } => Some(*us),
        Observed::NotWithin { .. } | Observed::Unknown(_) => None,
    });
    Value::or(longest.max(), |us| Value::Ms(us as f64 / 1e3), "no connection was lost")
}

fn even_again(row: &ScenarioRow) -> Value {
    let ratio = |name: &str| row.detail.get(name).copied();
    let why = match ratio(detail::SPREAD_BEFORE_RATIO).zip(ratio(detail::SPREAD_AFTER_RATIO)) {
        Some((before, after)) if after <= before * 1.1 => "it never was uneven",
        Some(_) => "it was not even again: open connections stay where they are",
        None => "connections are not told apart by replica",
    };
    Value::or(ratio(detail::EVEN_MS), Value::Ms, why)
}

fn scaling(analysis: &Analysis) -> Vec<Figure> {
    let Some(row) = scene(analysis, scenario::SCALING).filter(|row| row.skipped.is_none()) else { return Vec::new() };
    let mut figures = Vec::new();
    for (change, replicas) in changes(row, detail::REPLICAS) {
        let of = |name: &str| row.detail.get(&format!("{}{change}_{name}", detail::CHANGE)).copied();
        let named = |what: &str| format!("to_{replicas:.0}_replicas_{what}");
        let none = "the scenario ended before";
        figures.push(Figure::new(named("scaled_ms"), Value::or(of(detail::SCALED_MS), Value::Ms, none)));
        let least = of(detail::LEAST).map(|count| count as u64);
        figures.push(Figure::new(named("least_on_a_replica"), Value::or(least, Value::Count, none)));
        figures.push(Figure::new(named("spread_ratio"), Value::or(of(detail::SPREAD_RATIO), Value::Number, none)));
        figures.push(Figure::new(named("gini"), Value::or(of(detail::GINI), Value::Number, none)));
        let why = match of(detail::SPREAD_RATIO) {
            Some(ratio) if ratio <= 1.1 => "it never was uneven",
            Some(_) => "it was not even again",
            None => none,
        };
        figures.push(Figure::new(named(detail::EVEN_MS), Value::or(of(detail::EVEN_MS), Value::Ms, why)));
    }
    figures
}

fn line(figures: &[Figure]) -> String {
    let served = said_or_why(figures, "longest_served_again_ms", "served again", |longest| {
        format!("served again within {longest}")
    });
    format!(
        "{} replicas ended, {} connections lost, {served}",
        said(figures, "replicas_ended"),
        said(figures, "connections_lost")
    )
}
