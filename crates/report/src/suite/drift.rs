//! The sustained load: what stress expects of it, and what drifts while it goes on.

use std::collections::BTreeMap;

use erlmcp_record::names::phase;

use super::{SuitePhase, said};
use crate::analysis::{Analysis, KindSecond};
use crate::facts::{Facts, Sustained};
use crate::format;
use crate::stats::{Slope, Sparse, slope};
use crate::summary::{Figure, Value};
use crate::verdict::Comparison::Below;
use crate::verdict::{Estimate, Evidence, Judge, Threshold, doubt, enter_sustained, few_samples, row};

pub(super) const PHASE: SuitePhase =
    SuitePhase { name: phase::SUSTAINED_LOAD, thresholds: THRESHOLDS, enter, figures, line };

const THRESHOLDS: &[Threshold] = &[
    row("drift.latency_ms_per_minute", "Drift of the P95 latency", phase::SUSTAINED_LOAD, Below, 1.0, "ms/min"),
    row("drift.descriptors_per_minute", "Drift of the descriptors", phase::SUSTAINED_LOAD, Below, 60.0, "a minute"),
    row("drift.threads_per_minute", "Drift of the tasks (threads)", phase::SUSTAINED_LOAD, Below, 1.0, "a minute"),
];

/// Fewer samples cannot tell a drift from noise, as with the memory.
const SAMPLES_MIN: usize = 60;

/// Of fewer points a line is not even shown.
const SHOWN_MIN: usize = 20;

/// A figure over time, with how fast it drifts.
pub(crate) struct Drift {
    points: Vec<(f64, f64)>,
    /// In a minute; None where there are too few points for a line.
    slope: Option<Slope>,
    /// A point is of a minute, not of a second.
    is_by_minute: bool,
}

impl Drift {
    pub(crate) fn of(points: Vec<(f64, f64)>, seed: u64) -> Self {
        let minute = |slope: Slope| Slope {
            per_second: slope.per_second * 60.0,
            lower: slope.lower * 60.0,
            upper: slope.upper * 60.0,
        };
        let slope = slope(&points, seed).map(minute);
        Self { points, slope, is_by_minute: false }
    }

    /// The same as a figure, or why there is none.
    pub(crate) fn figure(&self, name: &str, (scale, unit): (f64, &str)) -> Figure {
        let why = format!("{} seconds with a figure are too few: needs {SHOWN_MIN}", self.points.len());
        Figure::new(name, Value::or(self.text(scale, unit), Value::Text, &why))
    }

    /// "grows 0.200 ± 0.100 ms/min", in units of `scale`.
    fn text(&self, scale: f64, unit: &str) -> Option<String> {
        let found = self.slope.filter(|_| self.points.len() >= SHOWN_MIN)?;
        let (value, low, high) = (found.per_second / scale, found.lower / scale, found.upper / scale);
        let spread = (high - value).max(value - low);
        let how = match (low > 0.0, high < 0.0) {
            (true, _) => "grows",
            (_, true) => "falls",
            _ => "flat:",
        };
        Some(format!("{how} {} ± {} {unit}", format::grouped(value, 3), format::grouped(spread, 3)))
    }
}

/// P95 of each second of the window, milliseconds; of each minute where some are no longer kept by the second.
fn latency(sustained: &Sustained<'_>, seed: u64) -> Drift {
    let from = sustained.window.map_or(0, |window| window.from);
    let loads = (from..).zip(&sustained.loads);
    let seconds: Vec<(u32, &KindSecond)> = loads.filter_map(|(second, load)| Some((second, (*load)?))).collect();
    of_p95s(&seconds, seed)
}

fn of_p95s(seconds: &[(u32, &KindSecond)], seed: u64) -> Drift {
    let is_by_minute = seconds.iter().any(|(_, load)| load.is_folded());
    let step_s = if is_by_minute { 60 } else { 1 };
    let mut latencies: BTreeMap<u32, Sparse> = BTreeMap::new();
    for (second, load) in seconds {
        latencies.entry(second / step_s).or_default().merge(&load.latency);
    }
    let p95 =
        |(point, latency): (&u32, &Sparse)| Some((f64::from(point * step_s), latency.quantile_us(0.95)? as f64 / 1e3));
    Drift { is_by_minute, ..Drift::of(latencies.iter().filter_map(p95).collect(), seed) }
}

fn enter(judge: &mut Judge<'_>) {
    enter_sustained(judge);
    let seed = judge.analysis.seed();
    let warmup_s = judge.analysis.warmup_us().div_ceil(1_000_000);
    let sustained = judge.facts.sustained.as_ref();
    let drift = |of: &dyn Fn(&Sustained<'_>) -> Drift, source: &str, missing: &str| match sustained {
        None => Evidence::none("no sustained load was run"),
        Some(sustained) => evidence(&of(sustained), warmup_s, source, missing),
    };
    let none = |what: &str| format!("the target's {what} are not known");
    let found = [
        drift(&|sustained| latency(sustained, seed), "slope of the P95 of each second", "no latency was recorded")
            .spoiled(sustained.and_then(doubt::load))
            .excused(sustained.and_then(|sustained| doubt::lag_of_p95(&sustained.judged))),
        drift(
            &|sustained| Drift::of(sustained.server.descriptors.clone(), seed),
            "slope of the open descriptors of all replicas",
            &none("descriptors"),
        ),
        drift(
            &|sustained| Drift::of(sustained.server.threads.clone(), seed),
            "slope of the threads of all replicas",
            &none("threads"),
        ),
    ];
    for (threshold, evidence) in THRESHOLDS.iter().zip(found) {
        judge.enter(threshold.id, evidence);
    }
}

fn evidence(drift: &Drift, warmup_s: u64, source: &str, missing: &str) -> Evidence {
    let samples = drift.points.len();
    if samples == 0 {
        return Evidence::none(missing);
    }
    let few = (samples < SAMPLES_MIN).then(|| few_samples(samples as u64, warmup_s));
    let (of, source) = match drift.is_by_minute {
        true => ("minutes", source.replace("second", "minute")),
        false => ("seconds", source.to_string()),
    };
    Evidence::of(drift.slope.map(|slope| Estimate::Number(slope.per_second)), samples as u64, of, &source)
        .bounded(drift.slope.map(|slope| slope.upper))
        .spoiled(few)
        .advised("let it run longer to see whether it goes on")
}

fn figures(analysis: &Analysis, facts: &Facts<'_>, _number: u8) -> Vec<Figure> {
    let Some(sustained) = &facts.sustained else { return Vec::new() };
    let seed = analysis.seed();
    let server = &sustained.server;
    vec![
        latency(sustained, seed).figure("p95_drift", (1.0, "ms/min")),
        Drift::of(server.memory.clone(), seed).figure("memory_drift", (1e6, "MB/min")),
        Drift::of(server.descriptors.clone(), seed).figure("descriptors_drift", (1.0, "a minute")),
        Drift::of(server.threads.clone(), seed).figure("threads_drift", (1.0, "a minute")),
    ]
}

fn line(figures: &[Figure]) -> String {
    format!(
        "{} held, {} req/s, P95 {}; P95 {}, memory {}",
        said(figures, "connections_held_min"),
        said(figures, "avg_throughput_rps").trim_end_matches(" a second"),
        said(figures, "p95_latency_ms"),
        said(figures, "p95_drift"),
        said(figures, "memory_drift")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drift_is_said_with_its_spread_and_its_sign() {
        let rising: Vec<(f64, f64)> = (0..90).map(|n| (f64::from(n), 1e6 + 5_000.0 * f64::from(n))).collect();
        assert_eq!(Drift::of(rising, 7).text(1e6, "MB/min").as_deref(), Some("grows 0.300 ± 0.000 MB/min"));
        let noise = |n: u32| f64::from(n.wrapping_mul(2_654_435_761) >> 16 & 1_023);
        let flat = Drift::of((0..120).map(|n| (f64::from(n), noise(n))).collect(), 7);
        assert!(flat.text(1.0, "ms/min").is_some_and(|text| text.starts_with("flat: ")), "{:?}", flat.text(1.0, ""));
        assert_eq!(Drift::of(vec![(0.0, 1.0)], 7).text(1.0, "ms/min"), None);
    }

    /// So that what lies far back counts as much as what is near.
    #[test]
    fn minutes_are_drawn_where_seconds_were_folded() {
        let second = |us: u64, kept: u64| {
            let mut second = KindSecond::default();
            second.latency_count = 1;
            second.latency = Sparse::from_buckets([(us, kept)].into_iter().filter(|_| kept > 0));
            second
        };
        let mut all: Vec<KindSecond> = (0..120).map(|n| second(1_000, if n % 60 == 0 { 60 } else { 0 })).collect();
        all.extend((120..180).map(|_| second(3_000, 1)));
        let seconds: Vec<(u32, &KindSecond)> = (0..).zip(&all).collect();
        let found = of_p95s(&seconds, 7);
        assert_eq!((found.points, found.is_by_minute), (vec![(0.0, 1.0), (60.0, 1.0), (120.0, 3.0)], true));
        let near = of_p95s(&seconds[120..], 7);
        assert_eq!((near.points.len(), near.is_by_minute), (60, false));
    }
}
