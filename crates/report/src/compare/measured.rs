use super::{Figure, Interval, Side};
use crate::analysis::{Analysis, KindSecond, Part, generators_own};
use crate::facts::Facts;
use crate::format;
use crate::stats::{Percentile, Sparse, percentile_draws, ratio_draws};
use crate::verdict::{Load, doubt, invalid, too_few_beyond};

/// Fewer seconds than this cannot be drawn from.
const SECONDS_MIN: usize = 5;

/// The load of one run, that is compared.
pub(super) struct Run<'a> {
    analysis: &'a Analysis,
    facts: &'a Facts<'a>,
    load: Load<'a>,
    /// One a second; None where there was none.
    loads: Vec<Option<&'a KindSecond>>,
}

/// One figure of one run.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    /// In the figure's unit, or why there is none.
    pub(super) value: Result<f64, String>,
    /// What it came to in each draw over the seconds.
    pub(super) draws: Vec<f64>,
}

impl<'a> Run<'a> {
    /// # Errors
    /// Why nothing of it can be compared: the end of a sentence that begins with its name.
    pub(super) fn of(analysis: &'a Analysis, facts: &'a Facts<'a>) -> Result<Self, String> {
        if let Some(why) = invalid(analysis) {
            return Err(format!("cannot be compared: {why}"));
        }
        let load = Load::of(analysis, facts).ok_or(
            "has no sustained load to compare: it ended before, or is no run of load (stress, comprehensive, chaos)",
        )?;
        if let Some(why) = &load.spoiled {
            return Err(format!("cannot be compared: {why}"));
        }
        let loads = load.window.map(|window| analysis.load_seconds(window)).unwrap_or_default();
        let loaded = loads.iter().flatten().count();
        if loaded < SECONDS_MIN {
            return Err(format!(
                "has {} of load to compare, which are too few to tell chance from a difference: it takes {SECONDS_MIN}",
                format::plural(loaded as u64, "second")
            ));
        }
        Ok(Self { analysis, facts, load, loads })
    }

    /// What makes its latencies worse and is not the target's.
    pub(super) fn doubt(&self) -> Option<String> {
        doubt::lag_of_p95(self.part())
    }

    fn part(&self) -> &Part {
        &self.load.part
    }

    pub(super) fn side(&self, label: char, folder: &str) -> Side {
        let (header, config) = (self.analysis.header.as_ref(), self.analysis.config.as_ref());
        let load = config.map_or_else(String::new, |config| {
            let (connections, rate) = (format::count(config.connections), format::rate(config.rate));
            format!("{connections} connections, {rate} req/s, {}", config.calls)
        });
        Side {
            label: label.into(),
            folder: folder.into(),
            run_id: header.map_or_else(String::new, |header| header.run_id.clone()),
            started_at: header.map_or_else(String::new, |header| header.started_at.clone()),
            server: self.analysis.target.as_ref().and_then(|target| target.server.clone()),
            load,
            seconds: self.loads.len() as u64,
            requests: self.part().planned,
        }
    }

    /// The `nth` run draws its seconds in its own order.
    pub(super) fn measure(&self, figures: &[Figure], nth: u64) -> Vec<Measured> {
        let seed = self.analysis.seed().wrapping_add(nth);
        let percents = figures.iter().filter_map(|figure| match figure {
            Figure::Percentile(percentile) => Some(percentile.quantile()),
            _ => None,
        });
        let quantiles: Vec<f64> = percents.collect();
        let seconds: Vec<Sparse> = self.loads.iter().flatten().map(|load| load.latency.clone()).collect();
        let mut of_percentiles = percentile_draws(&seconds, &quantiles, seed).into_iter();
        let mut of = |figure: &Figure| match figure {
            Figure::Percentile(percentile) => self.percentile(*percentile, of_percentiles.next().unwrap_or_default()),
            Figure::Mean => self.mean(seed),
            Figure::Errors => self.errors(seed),
            Figure::Throughput => self.throughput(seed),
            Figure::Availability => self.availability(seed),
            Figure::Memory => self.memory(seed),
        };
        figures.iter().map(&mut of).collect()
    }

    fn percentile(&self, percentile: Percentile, draws_us: Vec<f64>) -> Measured {
        let latency = self.part().latency.as_ref().filter(|hist| !hist.is_empty());
        let value = latency.and_then(|hist| hist.quantile_us(percentile.quantile())).map(|us| us as f64 / 1e3);
        let few = latency.and_then(|hist| too_few_beyond(hist.count(), percentile));
        let value = match (few, value) {
            (Some(few), _) => Err(few),
            (None, value) => value.ok_or_else(|| "no latency was recorded".into()),
        };
        Measured { value, draws: draws_us.into_iter().map(|us| us / 1e3).collect() }
    }

    fn mean(&self, seed: u64) -> Measured {
        let sums: Vec<(f64, f64)> =
            self.loads.iter().flatten().map(|load| (load.latency_sum_us / 1e3, load.latency_count as f64)).collect();
        ratio(&sums, seed, "no latency was recorded")
    }

    fn errors(&self, seed: u64) -> Measured {
        let sums = self.loads.iter().flatten().map(|load| {
            let countable = load.planned.saturating_sub(generators_own(&load.fates));
            (countable.saturating_sub(load.ok()) as f64 * 100.0, countable as f64)
        });
        ratio(&sums.collect::<Vec<_>>(), seed, "no request was planned")
    }

    fn throughput(&self, seed: u64) -> Measured {
        let ok = |load: &Option<&KindSecond>| load.map_or(0.0, |load| load.ok() as f64);
        let sums: Vec<(f64, f64)> = self.loads.iter().map(|load| (ok(load), 1.0)).collect();
        ratio(&sums, seed, "there was no load")
    }

    fn availability(&self, seed: u64) -> Measured {
        let sums = self.loads.iter().flatten().map(|load| {
            let (slots, available) = load.available_slots();
            (available as f64 * 100.0, slots as f64)
        });
        ratio(&sums.collect::<Vec<_>>(), seed, "no slot of 100 ms had a planned request")
    }

    /// Over the sustained load alone: it is not known of another one.
    fn memory(&self, seed: u64) -> Measured {
        let missing = |why: &str| Measured { value: Err(why.into()), draws: Vec::new() };
        let Some(sustained) = &self.facts.sustained else { return missing("not known of this load") };
        if let Some(why) = &self.facts.memory.used_before {
            return missing(why);
        }
        let each = match sustained.memory_each(&self.facts.memory) {
            Ok(each) => each,
            Err(why) => return missing(&why),
        };
        let sums: Vec<(f64, f64)> = sustained.server.memory.iter().map(|(_, bytes)| (each.of(*bytes), 1.0)).collect();
        ratio(&sums, seed, "the target gives no memory figures")
    }
}

/// Sum over sum.
fn ratio(seconds: &[(f64, f64)], seed: u64, missing: &str) -> Measured {
    let (part, whole) = seconds.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let value = if whole > 0.0 { Ok(part / whole) } else { Err(missing.to_string()) };
    Measured { value, draws: ratio_draws(seconds, seed) }
}

/// How the second stands to the first, with its 95 % interval: as a difference, or in percent of the first. None where
/// one of them has no value, or there is no percentage of it.
pub(super) fn difference(first: &Measured, second: &Measured, as_points: bool) -> Option<Interval> {
    let of = |first: f64, second: f64| if as_points { second - first } else { percent(first, second) };
    let estimate = of(*first.value.as_ref().ok()?, *second.value.as_ref().ok()?);
    let mut drawn: Vec<f64> =
        first.draws.iter().zip(&second.draws).map(|(first, second)| of(*first, *second)).collect();
    drawn.sort_by(f64::total_cmp);
    let beyond = drawn.len() / 40;
    let (low, high) = (*drawn.get(beyond)?, *drawn.get(drawn.len() - 1 - beyond)?);
    let all = [estimate, low, high];
    // Drawn values lie on coarser steps than the estimate, which is in its interval all the same.
    all.iter().all(|value| !value.is_nan()).then(|| Interval {
        estimate,
        low: low.min(estimate),
        high: high.max(estimate),
    })
}

/// Nothing is no more than nothing; anything is infinitely more.
fn percent(first: f64, second: f64) -> f64 {
    match first == second {
        true => 0.0,
        false => (second - first) / first.abs() * 100.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Standing;

    /// Also where chance has put all draws on one side, and of nothing.
    #[test]
    fn equal_figures_are_neither_better_nor_worse() {
        let measured = |value: f64, drawn: f64| Measured { value: Ok(value), draws: vec![drawn; 80] };
        for (value, first, second) in
            [(5.0, 5.0, 5.0), (5.0, 4.0, 6.0), (5.0, 6.0, 4.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0)]
        {
            for as_points in [true, false] {
                let found =
                    difference(&measured(value, first), &measured(value, second), as_points).expect("both are known");
                assert!(found.estimate == 0.0 && found.low <= 0.0 && found.high >= 0.0, "{found:?}");
                assert_eq!(Figure::Mean.standing(Some(found)), Standing::CantTell);
                assert_eq!(Figure::Throughput.standing(Some(found)), Standing::CantTell);
            }
        }
    }
}
