//! A search for what a target carries: its lines while it goes on, and what it comes to.

use erlmcp_record::{Axis, CapacityAsked, CapacityRow, LimitBy, LimitRow, TrialOutcome, TrialRow};
use serde::Serialize;

use crate::format;

/// Trials and answers that are kept of a record: more than any search makes.
const ROWS_MAX: usize = 10_000;

/// What a search was about, tried and found.
#[derive(Debug, Clone, Serialize)]
pub struct Capacity {
    pub asked: CapacityAsked,
    pub limits: Vec<LimitRow>,
    pub trials: Vec<TrialRow>,
    /// Where a load was wanted: how many replicas carry it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recommended: Option<Recommended>,
}

/// Replicas for a wanted load, each as those that were tested.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommended {
    /// Requests a second.
    pub rate: f64,
    pub connections: u64,
    /// None: nothing that was measured carries it, with however many of them.
    pub replicas: Option<u64>,
    /// The measured loads are less than what the target carries: fewer may do.
    pub is_upper_bound: bool,
    /// The load of one replica then.
    pub rate_each: f64,
    pub connections_each: f64,
}

/// The rows of a record.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) asked: Option<CapacityAsked>,
    pub(crate) limits: Vec<LimitRow>,
    pub(crate) trials: Vec<TrialRow>,
    pub(crate) turned_away: u64,
}

impl Rows {
    pub(crate) fn push(&mut self, row: &CapacityRow) {
        match row {
            CapacityRow::Asked(row) => self.asked = Some(row.clone()),
            _ if self.trials.len() + self.limits.len() >= ROWS_MAX => self.turned_away += 1,
            CapacityRow::Trial(row) => self.trials.push(row.clone()),
            CapacityRow::Limit(row) => self.limits.push(row.clone()),
        }
    }

    /// None where nothing was sought.
    pub(crate) fn view(&self) -> Option<Capacity> {
        let asked = self.asked.clone()?;
        let recommended = recommended(&asked, &self.limits);
        Some(Capacity { asked, limits: self.limits.clone(), trials: self.trials.clone(), recommended })
    }
}

/// A load that held: requests a second and connections, at the lower ends of their intervals.
fn carried(limits: &[LimitRow]) -> impl Iterator<Item = (f64, f64, LimitBy)> {
    limits.iter().filter(|limit| limit.low >= 1.0).map(|limit| match limit.axis {
        Axis::Rate => (limit.low, limit.fixed, limit.by),
        Axis::Connections => (limit.fixed, limit.low, limit.by),
    })
}

/// So many times the target that each one's part of the load is within a load that held: no line is drawn between
/// measured points, and a share of a load is not taken to be easier than that of another shape.
fn recommended(asked: &CapacityAsked, limits: &[LimitRow]) -> Option<Recommended> {
    let (rate, connections) = asked.wanted?;
    let times = |(held_rate, held_connections, by): (f64, f64, LimitBy)| {
        let targets = (rate / held_rate).max(connections as f64 / held_connections);
        ((targets * f64::from(asked.replicas.max(1))).ceil() as u64, by)
    };
    let best = carried(limits).map(times).min_by_key(|(replicas, _)| *replicas);
    let replicas = best.map(|(replicas, _)| replicas.max(1));
    let each = replicas.unwrap_or(1) as f64;
    Some(Recommended {
        rate,
        connections,
        replicas,
        is_upper_bound: best.is_some_and(|(_, by)| by != LimitBy::Target),
        rate_each: rate / each,
        connections_each: connections as f64 / each,
    })
}

/// "Search 1: the most requests/s on 1,000 connections that keep p99<100ms".
pub fn search_line(search: u32, axis: Axis, fixed: f64, slo: &str) -> String {
    match axis {
        Axis::Rate => {
            format!("\nSearch {search}: the most requests/s on {} that keep {slo}", connections(fixed as u64))
        }
        Axis::Connections => {
            format!("\nSearch {search}: the most connections at {} req/s that keep {slo}", whole(fixed))
        }
    }
}

/// "[1.7] 640 req/s on 1,000 connections: held (p99 3.20 ms, 0 of 3,200 failed)".
pub fn trial_line(trial: &TrialRow) -> String {
    let (search, number) = (trial.search, trial.trial);
    let latency =
        trial.latency.get("p99_ms").map_or_else(|| "no answer".into(), |ms| format!("p99 {}", format::ms(*ms)));
    let (errors, planned) = (format::count(trial.errors), format::count(trial.planned));
    let why = if trial.why.is_empty() { String::new() } else { format!("; {}", trial.why) };
    let (load, outcome) = (load(trial), outcome(trial.outcome));
    format!("[{search}.{number}] {load}: {outcome} ({latency}, {errors} of {planned} failed{why})")
}

fn load(trial: &TrialRow) -> String {
    format!("{} req/s on {}", whole(trial.rate), connections(trial.connections))
}

fn outcome(outcome: TrialOutcome) -> &'static str {
    match outcome {
        TrialOutcome::Held => "held",
        TrialOutcome::Violated => "not held",
        TrialOutcome::Generator => "the generator's limit",
        TrialOutcome::Cut => "cut",
    }
}

fn connections(count: u64) -> String {
    format::plural(count, "connection")
}

fn whole(number: f64) -> String {
    format::grouped(number, 0)
}

/// What one search has found, as a sentence without its end.
pub fn limit_line(limit: &LimitRow) -> String {
    let (what, at) = match limit.axis {
        Axis::Rate => ("req/s", format!("on {}", connections(limit.fixed as u64))),
        Axis::Connections => ("connections", format!("at {} req/s", whole(limit.fixed))),
    };
    let why = if limit.why.is_empty() { String::new() } else { format!(": {}", limit.why) };
    format!("{} {what} {at} ({}; {}{why})", figure(limit), by(limit), format::plural(u64::from(limit.trials), "trial"))
}

/// "5,010 (95 %: 4,950 to 5,070)", "at least 3,000".
fn figure(limit: &LimitRow) -> String {
    let low = whole(limit.low.floor());
    match (limit.estimate, limit.high) {
        (Some(estimate), Some(high)) => {
            format!("{} (95 %: {low} to {})", whole(estimate), whole(high.ceil()))
        }
        (_, Some(high)) if limit.low < 1.0 => format!("less than {}", whole(high)),
        (_, Some(high)) => format!("at least {low}, less than {}", whole(high)),
        _ => format!("at least {low}"),
    }
}

fn by(limit: &LimitRow) -> &'static str {
    match limit.by {
        LimitBy::Target => "the target's limit",
        LimitBy::Generator => "the generator's limit, not the target's",
        LimitBy::Most => "the most that was to be tried",
        LimitBy::Least => "the least that was to be tried did not hold",
        LimitBy::Noise => "the edge is too noisy for a narrower answer",
        LimitBy::Unsettled => "the target did not come back",
        LimitBy::Cut => "ended early",
    }
}

impl Capacity {
    /// The heading of [`Capacity::curve`].
    pub(crate) const CURVE_HEADING: [&'static str; 4] = ["Connections", "Requests/s", "Sought", "Limited by"];
    /// The heading of [`Capacity::trial_cells`].
    pub(crate) const TRIAL_HEADING: [&'static str; 6] = ["Trial", "Load", "Outcome", "P99", "Failed", "Why"];

    /// "Capacity, p99<100ms, up to 200,000 req/s and 20,000 connections".
    pub(crate) fn heading(&self) -> String {
        let most: Vec<String> = self.asked.bounds.map_or_else(Vec::new, |bounds| {
            let rate = bounds.most_rate.map(|rate| format!("{} req/s", format::count(rate)));
            [rate, bounds.most_connections.map(connections)].into_iter().flatten().collect()
        });
        let most = if most.is_empty() { String::new() } else { format!(", up to {}", most.join(" and ")) };
        format!("Capacity, {}{most}", self.asked.slo)
    }

    /// What was to be tried, as names and values; nothing of records that do not say it.
    pub(crate) fn bounds(&self) -> Vec<(&'static str, String)> {
        let Some(bounds) = self.asked.bounds else { return Vec::new() };
        let most = [("Connections at most", bounds.most_connections), ("Requests/s at most", bounds.most_rate)];
        let mut rows: Vec<_> = most.into_iter().filter_map(|(name, most)| Some((name, format::count(most?)))).collect();
        rows.push(("Trial", format!("{} s after {} s of warm-up", bounds.trial_s, bounds.warmup_s)));
        rows
    }

    /// A row for each answer, from few connections to many.
    pub(crate) fn curve(&self) -> Vec<[String; 4]> {
        let mut limits: Vec<&LimitRow> = self.limits.iter().collect();
        let connections_of = |limit: &LimitRow| if limit.axis == Axis::Rate { limit.fixed } else { limit.low };
        limits.sort_by(|one, other| connections_of(one).total_cmp(&connections_of(other)));
        let cells = |limit: &&LimitRow| match limit.axis {
            Axis::Rate => [whole(limit.fixed), figure(limit), sought(limit.axis).into(), told(limit)],
            Axis::Connections => [figure(limit), whole(limit.fixed), sought(limit.axis).into(), told(limit)],
        };
        limits.iter().map(cells).collect()
    }

    pub(crate) fn trial_cells(&self) -> Vec<[String; 6]> {
        let cells = |trial: &TrialRow| {
            [
                format!("{}.{}", trial.search, trial.trial),
                load(trial),
                outcome(trial.outcome).to_string(),
                trial.latency.get("p99_ms").map_or_else(|| "-".into(), |ms| format::ms(*ms)),
                format!("{} of {}", format::count(trial.errors), format::count(trial.planned)),
                trial.why.clone(),
            ]
        };
        self.trials.iter().map(cells).collect()
    }

    /// Sentences about the wanted load; none where none was.
    pub(crate) fn advice(&self) -> Vec<String> {
        let Some(wanted) = &self.recommended else { return Vec::new() };
        let load = format!("{} req/s on {}", whole(wanted.rate), connections(wanted.connections));
        let Some(replicas) = wanted.replicas else {
            return vec![format!("For {load}: no load was found that the target carries")];
        };
        let most = if wanted.is_upper_bound { "at most " } else { "" };
        let tested = format::plural(u64::from(self.asked.replicas), "replica");
        vec![
            format!(
                "For {load}: {most}{}, each with {} req/s and {} connections, and one more if one may be down",
                format::plural(replicas, "replica"),
                whole(wanted.rate_each),
                whole(wanted.connections_each)
            ),
            format!(
                "That is the load that {tested} held here, times what it takes: it is not measured that more of them carry \
                 as much each"
            ),
        ]
    }
}

/// What a search along an axis finds the most of.
pub(crate) fn sought(axis: Axis) -> &'static str {
    match axis {
        Axis::Rate => "requests/s",
        Axis::Connections => "connections",
    }
}

/// Why a search ended where it did, in words.
pub(crate) fn told(limit: &LimitRow) -> String {
    let why = if limit.why.is_empty() { String::new() } else { format!(": {}", limit.why) };
    format!("{}{why}", by(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(axis: Axis, fixed: f64, low: f64, by: LimitBy) -> LimitRow {
        LimitRow {
            search: 1,
            axis,
            fixed,
            by,
            estimate: (by == LimitBy::Target).then_some(low * 1.01),
            low,
            high: (by == LimitBy::Target).then_some(low * 1.02),
            trials: 17,
            why: String::new(),
        }
    }

    fn replicas(wanted: (f64, u64), limits: &[LimitRow]) -> Option<(Option<u64>, bool)> {
        let asked =
            CapacityAsked { slo: "errors<1%".into(), precision: 0.03, replicas: 2, bounds: None, wanted: Some(wanted) };
        recommended(&asked, limits).map(|found| (found.replicas, found.is_upper_bound))
    }

    #[test]
    fn replicas_carry_what_was_measured_and_no_more() {
        let top = limit(Axis::Rate, 1_000.0, 10_000.0, LimitBy::Target);
        let wide = limit(Axis::Connections, 5_000.0, 20_000.0, LimitBy::Target);
        let both = [top.clone(), wide];
        assert_eq!(replicas((50_000.0, 5_000), &both), Some((Some(10), false)), "5 times 2 by the first point");
        assert_eq!(replicas((50_000.0, 200_000), &both), Some((Some(20), false)), "10 times 2 by the second");
        assert_eq!(replicas((50_001.0, 5_000), &both), Some((Some(11), false)));
        let bound = limit(Axis::Rate, 1_000.0, 10_000.0, LimitBy::Generator);
        assert_eq!(replicas((20_000.0, 10), &[bound]), Some((Some(4), true)), "fewer may do");
        assert_eq!(replicas((20_000.0, 10), &[limit(Axis::Rate, 10.0, 0.0, LimitBy::Least)]), Some((None, false)));
    }

    #[test]
    fn an_answer_says_what_it_is() {
        let line = limit_line(&limit(Axis::Rate, 1_000.0, 5_000.0, LimitBy::Target));
        assert_eq!(line, "5,050 (95 %: 5,000 to 5,100) req/s on 1,000 connections (the target's limit; 17 trials)");
        let line = limit_line(&limit(Axis::Connections, 500.0, 3_000.0, LimitBy::Generator));
        assert_eq!(
            line,
            "at least 3,000 connections at 500 req/s (the generator's limit, not the target's; 17 trials)"
        );
        let nothing = LimitRow { high: Some(1.0), ..limit(Axis::Rate, 1.0, 0.0, LimitBy::Least) };
        assert!(limit_line(&nothing).starts_with("less than 1 req/s on 1 connection ("), "{}", limit_line(&nothing));
    }
}
