use erlmcp_record::names::{detail, phase, scenario};
use erlmcp_record::{Kind, ScenarioRow};

use super::scene::{self, Scene};
use super::{SuitePhase, said};
use crate::analysis::{Analysis, Part, ServerWindow, Window};
use crate::facts::{Facts, Memory, part_of};
use crate::format;
use crate::stats::{Drawn, Exponent, Percentile, exponent, share_upper_bound};
use crate::summary::{Figure, Value};
use crate::verdict::Comparison::{Above, AtLeast, AtMost, Below};
use crate::verdict::{Estimate, Evidence, Judge, Limit, Threshold, Verdict, doubt, memory_source, requests, row};

pub(super) const PHASE: SuitePhase =
    SuitePhase { name: phase::LOAD_SCALING, thresholds: THRESHOLDS, enter, figures, line };

const SUCCESS: &str = "scaling.success_percent";
const LATE: &str = "scaling.late_p99_ms";
const ERRORS: &str = "scaling.error_rate_percent";
const P95: &str = "scaling.p95_ms";
const LATENCY_GROWTH: &str = "scaling.latency_exponent";
const MEMORY_GROWTH: &str = "scaling.memory_exponent";

const THRESHOLDS: &[Threshold] = &[
    row(SUCCESS, "Openings that succeeded, worst step", phase::LOAD_SCALING, Above, 99.0, "%"),
    row(LATE, "P99 of opened - planned, worst step", phase::LOAD_SCALING, AtMost, 1_000.0, "ms"),
    row(ERRORS, "Error rate, worst step", phase::LOAD_SCALING, Below, 0.1, "%"),
    row(P95, "P95 latency, worst step", phase::LOAD_SCALING, Below, 100.0, "ms"),
    row(LATENCY_GROWTH, "P95 latency grows with N to the power", phase::LOAD_SCALING, Below, 0.5, ""),
    row(MEMORY_GROWTH, "Memory a connection grows with N to the power", phase::LOAD_SCALING, Below, 0.2, ""),
];

/// One step: its ramp, and the same load as on the others.
struct Step<'a> {
    /// Asked for.
    connections: u64,
    /// The fewest that were open under its load.
    open: Option<u64>,
    ramp: Option<(&'a ScenarioRow, Part)>,
    /// Connections opened in each whole second of the ramp.
    opened: Vec<f64>,
    load: Option<Scene<'a>>,
    server: ServerWindow,
}

impl Step<'_> {
    fn ramp_rate(&self) -> Option<f64> {
        let (row, openings) = self.ramp.as_ref()?;
        let ms = row.detail.get(detail::RAMP_MS).copied().filter(|ms| *ms > 0.0)?;
        Some(openings.ok() as f64 * 1e3 / ms)
    }

    /// By second, where there are two of them; else that of the whole ramp.
    fn ramp_rates(&self) -> Vec<f64> {
        if self.opened.len() > 1 { self.opened.clone() } else { Vec::from_iter(self.ramp_rate()) }
    }

    /// "9,100.0 to 10,300.0 a second in 9 whole seconds".
    fn ramp_spread(&self) -> Option<String> {
        let (least, most) =
            (self.opened.iter().copied().reduce(f64::min)?, self.opened.iter().copied().reduce(f64::max)?);
        let seconds = self.opened.len();
        (seconds > 1)
            .then(|| format!("{} to {} a second in {seconds} whole seconds", format::rate(least), format::rate(most)))
    }

    /// P95 of each second, milliseconds.
    fn p95_by_second(&self) -> Vec<f64> {
        let seconds = self.load.iter().flat_map(|scene| &scene.seconds);
        seconds.filter_map(|second| Some(second.latency.quantile_us(0.95)? as f64 / 1e3)).collect()
    }

    fn ok_by_second(&self) -> Vec<f64> {
        self.load.iter().flat_map(|scene| &scene.seconds).map(|second| second.ok() as f64).collect()
    }

    /// Why its load tells nothing of so many connections; None where it does, or there was none.
    fn lacking(&self) -> Option<String> {
        self.load.as_ref()?.window?;
        let Some(open) = self.open else { return Some("how many connections were open is not known".into()) };
        let (open_text, of) = (format::count(open), format::count(self.connections));
        (open * 100 < self.connections * 99).then(|| format!("{open_text} of {of} connections were open"))
    }

    /// What all of them cost, for one; None where not all were open.
    fn each(&self, all: f64) -> Option<f64> {
        self.open.filter(|open| *open > 0 && self.lacking().is_none()).map(|open| all / open as f64)
    }

    /// Memory above that without connections, a connection, sample by sample.
    fn memory_by_sample(&self, memory: &Memory) -> Vec<f64> {
        let Ok(reference) = memory.reference else { return Vec::new() };
        self.server.memory.iter().filter_map(|point| self.each(point.1 - reference)).collect()
    }

    /// CPU of all replicas a connection, microseconds a second.
    fn cpu_us(&self) -> Option<f64> {
        self.each(self.server.cpu_percent_total()? * 1e4)
    }

    fn cpu_us_by_second(&self) -> Vec<f64> {
        self.server.cpu_by_second.iter().filter_map(|percent| self.each(percent * 1e4)).collect()
    }
}

fn steps(analysis: &Analysis, number: u8) -> Vec<Step<'_>> {
    let ramps = scene::numbered(analysis, number, scenario::SCALE_RAMP);
    let loads = scene::numbered(analysis, number, scenario::SCALE_LOAD);
    let find = |rows: &[(u64, &'_ ScenarioRow)], at: u64| rows.iter().position(|(size, _)| *size == at);
    let mut sizes: Vec<u64> = ramps.iter().chain(&loads).map(|(size, _)| *size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let step = |connections: u64| {
        let ramp = find(&ramps, connections).map(|at| ramps[at].1);
        let load = find(&loads, connections).map(|at| Scene::of(analysis, loads[at].1));
        let window = load.as_ref().and_then(|scene| scene.window);
        Step {
            connections,
            open: window.and_then(|window| analysis.fewest_open(window).0),
            ramp: ramp.map(|row| (row, part_of(analysis, row, Kind::Probe))),
            opened: ramp.map(|row| opened_by_second(analysis, row)).unwrap_or_default(),
            load,
            server: window.map(|window| analysis.server_window(window)).unwrap_or_default(),
        }
    };
    sizes.into_iter().map(step).collect()
}

/// From its first planned opening to the last answer.
fn opened_by_second(analysis: &Analysis, ramp: &ScenarioRow) -> Vec<f64> {
    let openings = analysis
        .blocks
        .values()
        .filter(|one| one.phase == ramp.phase && one.kind == Kind::Probe && ramp.blocks.contains(&one.block));
    let window = openings
        .map(|one| one.start_us)
        .min()
        .zip(ramp.detail.get(detail::RAMP_MS))
        .and_then(|(from_us, ms)| Window::between(from_us, from_us.saturating_add((ms * 1e3) as u64)));
    let opened =
        |window: Window| analysis.seconds_in(window).map(|(_, second)| second.opened as f64).collect::<Vec<f64>>();
    window.map(opened).unwrap_or_default()
}

fn enter(judge: &mut Judge<'_>) {
    let (analysis, facts) = (judge.analysis, judge.facts);
    let number = analysis.phase_named(phase::LOAD_SCALING).map_or(0, |(number, _)| number);
    let steps = steps(analysis, number);
    let cut = analysis.is_cut(number).then(|| "the phase was cut short".to_string());
    let seed = analysis.seed();
    let [success_limit, late_limit, errors_limit, p95_limit] = [SUCCESS, LATE, ERRORS, P95].map(|id| judge.limit(id));
    let openings = || steps.iter().filter_map(|step| Some((step.connections, &step.ramp.as_ref()?.1)));
    let success = worst(&success_limit, openings().map(|(size, part)| (size, success(part, success_limit.value))));
    let late = worst(&late_limit, openings().map(|(size, part)| (size, late(part, late_limit.value))));
    let loads = || steps.iter().filter_map(|step| Some((step.connections, step.load.as_ref()?)));
    let errors = worst(&errors_limit, loads().map(|(size, scene)| (size, error_rate(scene, errors_limit.value))));
    let p95 = worst(&p95_limit, loads().map(|(size, scene)| (size, p95(scene, p95_limit.value, seed))));
    judge.enter(SUCCESS, success.doubted(cut.clone()));
    judge.enter(LATE, late.doubted(cut.clone()));
    judge.enter(ERRORS, errors.doubted(cut.clone()));
    judge.enter(P95, p95.doubted(cut.clone()));
    judge
        .enter(LATENCY_GROWTH, growth(&steps, latency_growth(&steps, seed), "P95 of each second").doubted(cut.clone()));
    judge.enter(MEMORY_GROWTH, memory_evidence(&steps, facts, seed).doubted(cut));
}

/// The evidence of the step that stands worst, which is named: one that failed before one that shows nothing.
fn worst(limit: &Limit, steps: impl Iterator<Item = (u64, Evidence)>) -> Evidence {
    let is_better_above = matches!(limit.comparison, Above | AtLeast);
    let badness = |evidence: &Evidence| {
        let weight = match evidence.verdict(limit) {
            Verdict::Fail => 2,
            Verdict::Inconclusive { .. } | Verdict::Skipped { .. } => 1,
            Verdict::Pass => 0,
        };
        let value = evidence.estimate.map_or(f64::NEG_INFINITY, Estimate::value);
        (weight, if is_better_above { -value } else { value })
    };
    let worst = steps.max_by(|(_, one), (_, other)| {
        let (one, other) = (badness(one), badness(other));
        one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))
    });
    let Some((size, mut evidence)) = worst else { return Evidence::none("no step was run") };
    let of = format!("the step of {} connections", format::count(size));
    evidence.source = if evidence.source.is_empty() { of } else { format!("{}; {of}", evidence.source) };
    evidence
}

fn success(openings: &Part, limit: f64) -> Evidence {
    let source = "openings with their first answer, of all of the step";
    requests::share_over(openings.ok(), openings.countable(), limit, "openings", source)
        .spoiled(doubt::unsent(openings))
        .advised("see the failures by cause; raise net.core.somaxconn, or lower --ramp-rate")
}

/// An opening's latency begins when it was planned to begin.
fn late(openings: &Part, limit_ms: f64) -> Evidence {
    let Some(hist) = openings.latency.as_ref().filter(|hist| !hist.is_empty()) else {
        return Evidence::none("no opening was answered");
    };
    let (count, p99) = (hist.count(), Percentile::P99);
    // The exact bound of the rank: a ramp may be over in a second, so that seconds cannot be drawn from.
    let upper = hist.quantile_us(share_upper_bound(p99.rank(count), count)).map(|us| us as f64 / 1e3);
    let source = "from the planned opening to its first answer";
    Evidence::of(hist.quantile_us(p99.quantile()).map(Estimate::ms), count, "openings", source)
        .bounded(upper)
        .spoiled(doubt::too_few_beyond(count, p99))
        .spoiled(doubt::unsent(openings))
        .excused(doubt::lag(openings, limit_ms))
        .advised("lower --ramp-rate, or see what the target's accept path waits for")
}

fn error_rate(scene: &Scene<'_>, limit: f64) -> Evidence {
    let load = &scene.load;
    requests::share_under(load.errors(), load.countable(), limit, "requests", "planned and not ok, over planned")
        .spoiled(scene.trouble())
        .spoiled(doubt::unsent(load))
        .advised("see the errors by cause")
}

fn p95(scene: &Scene<'_>, limit_ms: f64, seed: u64) -> Evidence {
    if let Some(why) = scene.trouble() {
        return Evidence::none(why);
    }
    let seconds: Vec<_> = scene.seconds.iter().map(|second| second.latency.clone()).collect();
    let drawn = Drawn::of(&seconds, Percentile::P95, seed);
    let source = "latency from the intended send time";
    requests::percentile(&scene.load, Percentile::P95, drawn, limit_ms, source).spoiled(doubt::unsent(&scene.load))
}

fn latency_growth(steps: &[Step<'_>], seed: u64) -> Option<Exponent> {
    let values: Vec<_> = steps.iter().map(|step| (step.connections as f64, step.p95_by_second())).collect();
    exponent(&values, seed)
}

fn memory_growth(steps: &[Step<'_>], memory: &Memory, seed: u64) -> Option<Exponent> {
    let values: Vec<_> = steps.iter().map(|step| (step.connections as f64, step.memory_by_sample(memory))).collect();
    exponent(&values, seed)
}

/// Why nothing can be said of how figures grow with the connections.
fn lacking(steps: &[Step<'_>]) -> Option<String> {
    steps.iter().find_map(Step::lacking)
}

fn growth(steps: &[Step<'_>], found: Option<Exponent>, source: &str) -> Evidence {
    if let Some(why) = lacking(steps) {
        return Evidence::none(why);
    }
    let Some(found) = found else {
        return Evidence::none(match steps.len() {
            0 | 1 => "one step shows no growth: ask for more of them with --steps",
            _ => "fewer than two steps have a figure",
        });
    };
    let sizes: Vec<String> = steps.iter().map(|step| format::short_count(step.connections)).collect();
    let source = format!("{source}; fitted over {} connections, off by at most {:.2}x", sizes.join(", "), found.off);
    Evidence::of(Some(Estimate::Number(found.value)), steps.len() as u64, "steps", &source)
        .bounded(found.bounds.map(|bounds| bounds.1))
        .doubted(found.bounds.is_none().then(|| "a step has one value only, which tells no spread".into()))
        .advised("see which step is out of line, and the CPU and queue of the server there")
}

fn memory_evidence(steps: &[Step<'_>], facts: &Facts<'_>, seed: u64) -> Evidence {
    if let Some(why) = facts.memory.reference.as_ref().err().cloned().or_else(|| lacking(steps)) {
        return Evidence::none(why);
    }
    let last = steps.last().map(|step| &step.server);
    let source = last.map_or("memory", |server| memory_source(server.memory_source));
    let missing = steps.iter().find_map(|step| {
        let values = step.memory_by_sample(&facts.memory);
        let is_above = values.iter().all(|bytes| *bytes > 0.0) && !values.is_empty();
        (!is_above).then(|| {
            let size = format::count(step.connections);
            format!("at {size} connections the memory was not above that without: too few to see theirs, or no figures")
        })
    });
    growth(steps, memory_growth(steps, &facts.memory, seed), source)
        .spoiled(missing)
        .doubted(facts.memory.used_before.clone())
        .doubted(facts.memory.unknown_before.clone())
}

fn figures(analysis: &Analysis, facts: &Facts<'_>, number: u8) -> Vec<Figure> {
    let steps = steps(analysis, number);
    let seed = analysis.seed();
    let mut figures = vec![Figure::new("steps", Value::Text(sizes(&steps)))];
    let mut by_step = |name: &str, of: &dyn Fn(&Step<'_>) -> Value| {
        figures.extend(steps.iter().map(|step| Figure::new(format!("{name}_at_{}", step.connections), of(step))));
    };
    let none = "the step was not run";
    by_step("ramp_rate_cps", &|step| Value::or(step.ramp_rate(), Value::Rate, none));
    by_step("ramp_rate_by_second", &|step| {
        Value::or(step.ramp_spread(), Value::Text, "the ramp has fewer than two whole seconds")
    });
    by_step("opened_percent", &|step| match &step.ramp {
        Some((_, openings)) => Value::Share { part: openings.ok(), whole: openings.countable() },
        None => Value::NotMeasured(none.into()),
    });
    for (name, quantile) in [("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)] {
        by_step(name, &|step| {
            let hist = step.load.as_ref().and_then(|scene| scene.load.latency.as_ref());
            Value::or(hist.and_then(|hist| hist.quantile_us(quantile)), |us| Value::Ms(us as f64 / 1e3), none)
        });
    }
    by_step("throughput_rps", &|step| {
        let seconds = step.ok_by_second();
        Value::or((!seconds.is_empty()).then(|| seconds.iter().sum::<f64>() / seconds.len() as f64), Value::Rate, none)
    });
    let no_cpu = "the target's CPU is not known";
    by_step("cpu_percent", &|step| Value::or(step.server.cpu_percent_total(), Value::Percent, no_cpu));
    by_step("cpu_us_a_second_a_connection", &|step| {
        Value::or(step.cpu_us(), Value::Number, &step.lacking().unwrap_or_else(|| no_cpu.into()))
    });
    by_step("memory_per_connection_bytes", &|step| memory_value(step, &facts.memory));
    figures.extend(growths(&steps, facts, seed));
    figures
}

fn sizes(steps: &[Step<'_>]) -> String {
    steps.iter().map(|step| format::short_count(step.connections)).collect::<Vec<_>>().join(" → ")
}

fn memory_value(step: &Step<'_>, memory: &Memory) -> Value {
    let values = step.memory_by_sample(memory);
    let why = memory.reference.as_ref().err().cloned().or_else(|| step.lacking());
    let why = why.or_else(|| step.server.missing.clone());
    let mean = (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    Value::or(mean, Value::Bytes, &why.unwrap_or_else(|| "the target gives no memory figures".into()))
}

/// How each figure grows with N.
fn growths(steps: &[Step<'_>], facts: &Facts<'_>, seed: u64) -> Vec<Figure> {
    let of = |values: fn(&Step<'_>) -> Vec<f64>| {
        let values: Vec<_> = steps.iter().map(|step| (step.connections as f64, values(step))).collect();
        exponent(&values, seed)
    };
    let found = [
        ("ramp_rate_growth", of(|step| step.ramp_rates())),
        ("p95_growth", latency_growth(steps, seed)),
        ("throughput_growth", of(|step| step.ok_by_second())),
        ("cpu_per_connection_growth", of(|step| step.cpu_us_by_second())),
        ("memory_per_connection_growth", memory_growth(steps, &facts.memory, seed)),
    ];
    let lacking = lacking(steps);
    let none = lacking.as_deref().unwrap_or("fewer than two steps have a figure");
    let text = |(name, found): (&str, Option<Exponent>)| {
        let found = found.filter(|_| lacking.is_none());
        Figure::new(name, Value::or(found, |found| Value::Text(power(&found)), none))
    };
    found.into_iter().map(text).collect()
}

/// "N^0.12 (95 %: 0.08 to 0.17; off by at most 1.05x)".
fn power(found: &Exponent) -> String {
    let spread = match found.bounds {
        Some((low, high)) => format!("95 %: {low:.2} to {high:.2}"),
        None => "no spread: a step has one value only".into(),
    };
    format!("N^{:.2} ({spread}; off by at most {:.2}x)", found.value, found.off)
}

fn line(figures: &[Figure]) -> String {
    let short = |name: &str| said(figures, name).split(" (").next().unwrap_or_default().to_string();
    format!(
        "{}: P95 grows as {}, CPU a connection as {}, memory a connection as {}",
        said(figures, "steps"),
        short("p95_growth"),
        short("cpu_per_connection_growth"),
        short("memory_per_connection_growth")
    )
}
