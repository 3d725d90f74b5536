use erlmcp_record::names::{phase, scenario};
use erlmcp_record::{Hist, Kind};

use super::scene::{self, Scene};
use super::{SuitePhase, said, value};
use crate::analysis::{Analysis, Part, Window};
use crate::facts::Facts;
use crate::format;
use crate::stats::{Drawn, Percentile, Side, mean_bound};
use crate::summary::{Figure, Value};
use crate::verdict::Comparison::{Above, Below};
use crate::verdict::{Estimate, Evidence, Judge, Threshold, doubt, requests, row};

pub(super) const PHASE: SuitePhase =
    SuitePhase { name: phase::DISTRIBUTION, thresholds: THRESHOLDS, enter, figures, line };

const KNEE: &str = "distribution.knee_rps";
const P99: &str = "distribution.p99_ms";
const ERRORS: &str = "distribution.error_rate_percent";

const THRESHOLDS: &[Threshold] = &[
    row(KNEE, "Throughput at the knee", phase::DISTRIBUTION, Above, 10_000.0, "req/s"),
    row(P99, "P99 latency at the run's rate", phase::DISTRIBUTION, Below, 150.0, "ms"),
    row(ERRORS, "Error rate of all methods, sizes, kinds of answer and eras", phase::DISTRIBUTION, Below, 0.1, "%"),
];

const KEPT_PERCENT: u64 = 99;
const KEPT_P95_US: u64 = 100_000;

/// True where a rate of the sweep is kept: 99 of a hundred requests end ok, and P95 is 100 ms at most.
pub fn is_rate_kept(planned: u64, ok: u64, p95_us: Option<u64>) -> bool {
    planned > 0 && ok * 100 >= planned * KEPT_PERCENT && p95_us.is_some_and(|us| us <= KEPT_P95_US)
}

/// One rate of the sweep.
struct Rate {
    offered: f64,
    load: Part,
    window: Option<Window>,
}

impl Rate {
    fn is_kept(&self) -> bool {
        let p95 = self.load.latency.as_ref().and_then(|hist| hist.quantile_us(0.95));
        is_rate_kept(self.load.planned, self.load.ok(), p95)
    }

    /// Why it may have been the generator that did not keep it: one of its lags at P99 is above a tenth of the limit.
    fn generators(&self) -> Option<String> {
        doubt::unsent(&self.load).or_else(|| doubt::lag(&self.load, KEPT_P95_US as f64 / 1e3))
    }
}

/// The sweep's rates, rising.
fn rates(analysis: &Analysis, number: u8) -> Vec<Rate> {
    let row = analysis.scenarios.get(&(number, scenario::RATE_SWEEP.to_owned())).filter(|row| row.skipped.is_none());
    let Some(row) = row else { return Vec::new() };
    let rate = |block: &u32| {
        let its = analysis.blocks.values().filter(|one| one.phase == number && one.block == *block);
        Rate {
            offered: its.map(|one| one.rate).sum(),
            load: analysis.part(false, |key| key.phase == number && key.block == *block && key.kind == Kind::Load),
            window: scene::window(analysis, row, |one| one == *block),
        }
    };
    row.blocks.iter().map(rate).filter(|rate| rate.load.planned > 0).collect()
}

/// The highest rate before the first one that was not kept, and that one.
fn knee(rates: &[Rate]) -> (Option<&Rate>, Option<&Rate>) {
    let kept = rates.iter().take_while(|rate| rate.is_kept()).count();
    (kept.checked_sub(1).map(|last| &rates[last]), rates.get(kept))
}

fn enter(judge: &mut Judge<'_>) {
    let analysis = judge.analysis;
    let number = analysis.phase_named(phase::DISTRIBUTION).map_or(0, |(number, _)| number);
    let cut = analysis.is_cut(number).then(|| "the phase was cut short".to_string());
    let (knee_limit, p99_limit, errors_limit) =
        (judge.limit(KNEE).value, judge.limit(P99).value, judge.limit(ERRORS).value);
    judge.enter(KNEE, throughput(analysis, number, knee_limit).doubted(cut.clone()));
    judge.enter(P99, p99(analysis, number, p99_limit).doubted(cut.clone()));
    judge.enter(ERRORS, errors(analysis, number, errors_limit).doubted(cut));
}

fn throughput(analysis: &Analysis, number: u8, limit: f64) -> Evidence {
    let rates = rates(analysis, number);
    let Some(highest) = rates.last() else { return Evidence::none("no rate was tried") };
    let (kept, lost) = knee(&rates);
    let seconds = kept.and_then(|rate| rate.window).map(|window| analysis.load_seconds(window)).unwrap_or_default();
    let ok: Vec<f64> = seconds.iter().map(|load| load.map_or(0.0, |load| load.ok() as f64)).collect();
    let source = match (kept, lost) {
        (_, None) => "ok answers at the highest rate of the sweep; the knee was not reached".to_string(),
        (None, Some(_)) => "no rate of the sweep was kept".to_string(),
        (Some(_), Some(lost)) => {
            format!("ok answers at the last rate that was kept; {} req/s were not", format::rate(lost.offered))
        }
    };
    // What is at the limit when it is offered at the limit was not tried beyond it.
    let not_offered = (lost.is_none() && highest.offered <= limit).then(|| {
        let (offered, limit) = (format::rate(highest.offered), format::rate(limit));
        format!("not offered: the highest rate of the sweep is {offered} req/s, the limit is {limit}; raise --rate")
    });
    let estimate = match kept {
        Some(rate) => Estimate::rate(rate.load.ok(), rate.window.map_or(0, Window::seconds)),
        None => Some(Estimate::count(0)),
    };
    Evidence::of(estimate, ok.len() as u64, "seconds", &source)
        .bounded(mean_bound(&ok, Side::Lower, analysis.seed()))
        .spoiled(not_offered)
        .spoiled(kept.and_then(|rate| doubt::unsent(&rate.load)))
        .excused(lost.and_then(Rate::generators))
        .advised("see the CPU of the replicas at the knee, and add some (erlmcp cluster scale N)")
}

fn p99(analysis: &Analysis, number: u8, limit_ms: f64) -> Evidence {
    let Some(scene) = Scene::named(analysis, number, scenario::PERCENTILES) else {
        return Evidence::none("the percentiles were not measured");
    };
    if let Some(why) = scene.trouble() {
        return Evidence::none(why);
    }
    let seconds: Vec<_> = scene.seconds.iter().map(|second| second.latency.clone()).collect();
    let drawn = Drawn::of(&seconds, Percentile::P99, analysis.seed());
    let source = "latency from the intended send time, at the run's own rate";
    requests::percentile(&scene.load, Percentile::P99, drawn, limit_ms, source).spoiled(doubt::unsent(&scene.load))
}

/// The names of what is compared, which is all that is not the sweep nor the curve.
const COMPARED: [&str; 4] = [scenario::METHOD, scenario::ANSWER, "answers_", scenario::ERA];

fn errors(analysis: &Analysis, number: u8, limit: f64) -> Evidence {
    let rows = analysis.scenarios.values().filter(|row| row.phase == number && row.skipped.is_none());
    let compared = rows.filter(|row| COMPARED.iter().any(|prefix| row.name.starts_with(prefix)));
    let (mut all, mut troubles, mut worst) = (Part::default(), Vec::new(), None);
    for row in compared {
        let scene = Scene::of(analysis, row);
        troubles.extend(scene.trouble().map(|why| format!("{}: {why}", row.name)));
        if scene.load.errors() > worst.as_ref().map_or(0, |(errors, _)| *errors) {
            worst = Some((scene.load.errors(), row.name.clone()));
        }
        all.merge(&scene.load);
    }
    let source = match worst {
        None => "planned and not ok, over planned, of everything that was compared".to_string(),
        Some((errors, name)) => {
            let most = format::plural(errors, "error");
            format!("planned and not ok, over planned, of everything that was compared; {most} in {name}")
        }
    };
    let nothing = (all.planned == 0).then_some("nothing was compared");
    requests::share_under(all.errors(), all.countable(), limit, "requests", &source)
        .spoiled(nothing)
        .spoiled((!troubles.is_empty()).then(|| troubles.join("; ")))
        .spoiled(doubt::unsent(&all))
        .advised("see the fates of what was compared, one by one")
}

fn figures(analysis: &Analysis, _facts: &Facts<'_>, number: u8) -> Vec<Figure> {
    let rates = rates(analysis, number);
    let (kept, lost) = knee(&rates);
    let rate = |rate: &Rate| Value::Rate(rate.load.ok() as f64 / rate.window.map_or(1, Window::seconds).max(1) as f64);
    let why = match (&lost, lost.and_then(Rate::generators)) {
        (None, _) => Value::Text("not reached: the highest rate of the sweep was kept".into()),
        (Some(lost), Some(why)) => {
            Value::Text(format!("perhaps the generator's limit at {} req/s: {why}", format::rate(lost.offered)))
        }
        (Some(lost), None) => Value::Text(format!("not kept: {} req/s offered", format::rate(lost.offered))),
    };
    let mut figures = vec![
        Figure::new("knee_rps", Value::or(kept, rate, "no rate of the sweep was kept")),
        Figure::new(
            "beyond_the_knee",
            if rates.is_empty() { Value::NotMeasured("no rate was tried".into()) } else { why },
        ),
    ];
    figures.extend(rates.iter().map(|rate| {
        let p95 = rate.load.latency.as_ref().and_then(|hist| hist.quantile_us(0.95));
        let p95 = p95.map_or_else(|| "no latency".into(), |us| format!("P95 {}", format::ms(us as f64 / 1e3)));
        let share = format::share(rate.load.ok(), rate.load.planned);
        Figure::new(format!("rate_{:.0}_rps", rate.offered), Value::Text(format!("{share} ok, {p95}")))
    }));
    let curve = Scene::named(analysis, number, scenario::PERCENTILES).and_then(|scene| scene.load.latency);
    figures.extend(percentiles(curve.as_ref()));
    figures.extend(compared(analysis, number));
    figures
}

/// P50 to P99.99 and the longest of all; one with too few samples beyond it is not a figure.
fn percentiles(hist: Option<&Hist>) -> Vec<Figure> {
    let curve = [
        ("p50_ms", Percentile::P50),
        ("p75_ms", Percentile::P75),
        ("p90_ms", Percentile::P90),
        ("p95_ms", Percentile::P95),
        ("p99_ms", Percentile::P99),
        ("p99_9_ms", Percentile::P99_9),
        ("p99_99_ms", Percentile::P99_99),
    ];
    let value = |percentile: Percentile| {
        let hist = hist.filter(|hist| !hist.is_empty());
        let Some(hist) = hist else { return Value::NotMeasured("nothing was answered".into()) };
        if let Some(few) = doubt::too_few_beyond(hist.count(), percentile) {
            return Value::NotMeasured(few);
        }
        let us = hist.quantile_us(percentile.quantile());
        Value::or(us, |us| Value::Ms(us as f64 / 1e3), "nothing was answered")
    };
    let mut figures: Vec<Figure> = curve.into_iter().map(|(name, at)| Figure::new(name, value(at))).collect();
    let max = hist.and_then(Hist::max_us);
    figures.push(Figure::new("max_ms", Value::or(max, |us| Value::Ms(us as f64 / 1e3), "nothing was answered")));
    figures
}

/// What one thing costs against the other, at the median of the service times: the rates are the same.
fn compared(analysis: &Analysis, number: u8) -> Vec<Figure> {
    let median = |name: &str| {
        let scene = Scene::named(analysis, number, name)?;
        scene.load.service.as_ref()?.quantile_us(0.5).map(|us| us as f64)
    };
    let ratio = |name: &str, (one, other): (&str, &str)| {
        let found = median(one).zip(median(other).filter(|us| *us > 0.0)).map(|(one, other)| one / other);
        Figure::new(name, Value::or(found, Value::Number, "one of the two was not measured"))
    };
    let era = |era: &str| format!("{}{era}", scenario::ERA);
    let answer = |bytes: u64| format!("{}{bytes}", scenario::ANSWER);
    vec![
        ratio("stream_to_json_service_p50", (scenario::AS_SSE, scenario::AS_JSON)),
        ratio("legacy_to_modern_service_p50", (&era("legacy"), &era("modern"))),
        ratio("answer_1_mb_to_100_b_service_p50", (&answer(1_000_000), &answer(100))),
    ]
}

fn line(figures: &[Figure]) -> String {
    let knee = said(figures, "knee_rps").replace(" a second", " req/s");
    let why = match value(figures, "beyond_the_knee") {
        Some(Value::Text(text)) if text.starts_with("perhaps") => ", perhaps the generator's",
        Some(Value::Text(text)) if text.starts_with("not reached") => " or more",
        _ => "",
    };
    format!(
        "knee at {knee}{why}; P50 {}, P99 {}, P99.99 {}",
        said(figures, "p50_ms"),
        said(figures, "p99_ms"),
        said(figures, "p99_99_ms")
    )
}
