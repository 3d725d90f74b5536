//! What the user expects of the load beside the SLAs: `--assert 'p95<100ms,errors<0.05%'`. It is judged by the same
//! rules over the same window as they are; of `chaos`, over the load of its whole phase, faults included.

use erlmcp_record::names::phase;

use super::Limit;
use super::doubt;
use super::estimate::Estimate;
use super::evidence::Evidence;
use super::judge::Judge;
use super::load::Load;
use super::requests::{self, Seconds};
use crate::analysis::{Analysis, KindSecond, Window};
use crate::facts::Facts;
use crate::slo::{Measure, Objective, Slo};
use crate::stats::{Drawn, Percentile, Sparse};

pub(super) fn enter(judge: &mut Judge<'_>) {
    let (analysis, facts) = (judge.analysis, judge.facts);
    let Some(text) = analysis.config.as_ref().and_then(|config| config.asserts.as_ref()) else { return };
    // It was checked before the run; a record of a later version may say more than this one knows.
    let Ok(slo) = Slo::expected(text) else { return };
    let phase = Load::phase_of(analysis);
    let load = Load::of(analysis, facts);
    for objective in slo.objectives() {
        let evidence = load.as_ref().map_or_else(
            || Evidence::none("no such load was run"),
            |load| load.evidence(analysis, facts, objective).spoiled(load.spoiled.clone()),
        );
        let (names, limit) = names(objective);
        judge.enter_own(phase, names, limit, evidence);
    }
}

impl Load<'_> {
    fn evidence(&self, analysis: &Analysis, facts: &Facts<'_>, objective: &Objective) -> Evidence {
        let limit = objective.limit;
        let latency = || format!("latency from the intended send time, {}", self.source);
        let evidence = match objective.measure {
            Measure::Percentile(percentile) => {
                let seconds = requests::seconds_of(analysis, self.window);
                let drawn = self.drawn(facts, percentile, &seconds, analysis.seed());
                requests::percentile(&self.part, percentile, drawn, limit, &latency())
            }
            Measure::Mean => requests::mean(analysis, &self.part, self.window, limit, &latency()),
            Measure::Max => self.max(limit, &latency()),
            Measure::Errors => {
                let source = format!("planned and not ok, over planned, {}", self.source);
                let (errors, of) = (self.part.errors(), self.part.countable());
                let evidence = requests::share_under(errors, of, limit, "requests", &source);
                // "None at all" is said of the requests of this run, which are all counted.
                if limit == 0.0 { evidence.bounded(None) } else { evidence }.advised("see the errors by cause")
            }
            Measure::Throughput => return self.by_second(analysis, requests::throughput, limit),
            Measure::Availability => {
                let evidence = self.by_second(analysis, requests::availability, limit);
                // As with no errors at all.
                return if limit == 100.0 { evidence.bounded(None) } else { evidence };
            }
        };
        let seconds = self.window.map_or(0, Window::seconds).max(1);
        evidence.paced(self.part.planned as f64 / seconds as f64)
    }

    fn by_second(&self, analysis: &Analysis, judge: fn(Seconds<'_>, f64, u64) -> Evidence, limit: f64) -> Evidence {
        let loads = self.window.map(|window| analysis.load_seconds(window)).unwrap_or_default();
        let sum = |of: fn(&KindSecond) -> u64| loads.iter().flatten().map(|load| of(load)).sum();
        let (planned, ok) = (sum(|load| load.planned), sum(KindSecond::ok));
        judge(Seconds { planned, ok, loads: &loads, spoiled: None, over: self.over }, limit, analysis.seed())
    }

    /// The bound of the P95 of the sustained window is drawn once for all that ask for it.
    fn drawn(&self, facts: &Facts<'_>, percentile: Percentile, seconds: &[Sparse], seed: u64) -> Drawn {
        match &facts.sustained {
            Some(sustained) if percentile == Percentile::P95 && self.phase == phase::SUSTAINED_LOAD => {
                sustained.p95_drawn(seed)
            }
            _ => Drawn::of(seconds, percentile, seed),
        }
    }

    /// The greatest of all is exact.
    fn max(&self, limit: f64, source: &str) -> Evidence {
        let latency = self.part.latency.as_ref();
        let estimate = latency.and_then(|hist| hist.max_us()).map(Estimate::ms);
        Evidence::of(estimate, latency.map_or(0, |hist| hist.count()), "requests", source)
            .excused(doubt::lag(&self.part, limit))
    }
}

/// The id and the name of a check, and its limit.
fn names(objective: &Objective) -> ((String, String), Limit) {
    let (figure, suffix) = match objective.measure {
        Measure::Percentile(percentile) => (format!("P{percentile} latency"), "ms"),
        Measure::Mean => ("Mean latency".into(), "ms"),
        Measure::Max => ("Greatest latency".into(), "ms"),
        Measure::Errors => ("Errors".into(), "percent"),
        Measure::Throughput => ("Throughput".into(), "rps"),
        Measure::Availability => ("Availability".into(), "percent"),
    };
    let unit = objective.measure.unit();
    let id = format!("assert.{}_{suffix}", objective.measure.to_string().replace('.', "_"));
    let limit = Limit { value: objective.limit, unit: unit.into(), comparison: objective.comparison, changed: false };
    ((id, format!("{figure} (--assert)")), limit)
}
