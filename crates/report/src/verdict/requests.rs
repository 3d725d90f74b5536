//! Evidence from requests: shares, percentiles, means, throughput, availability.

use erlmcp_record::Kind;

use super::doubt;
use super::estimate::Estimate;
use super::evidence::Evidence;
use crate::analysis::{Analysis, KindSecond, Part, Window};
use crate::facts::Sustained;
use crate::format;
use crate::stats::{
    Drawn, Percentile, Side, Sparse, mean_bound, ratio_bound, share_lower_bound, share_samples_needed,
    share_upper_bound,
};

/// A share of rare events, in percent, to be under its limit: the exact bound.
pub(crate) fn share_under(events: u64, of: u64, limit: f64, samples_of: &'static str, source: &str) -> Evidence {
    let needed = share_samples_needed(events, of, limit / 100.0);
    Evidence::of(Estimate::percent(events, of), of, samples_of, source)
        .bounded((of > 0).then(|| share_upper_bound(events, of) * 100.0))
        .needing(needed)
}

/// A share of what should be the rule, in percent, to be over its limit: the exact bound of the exceptions.
pub(crate) fn share_over(good: u64, of: u64, limit: f64, samples_of: &'static str, source: &str) -> Evidence {
    let needed = share_samples_needed(of.saturating_sub(good), of, 1.0 - limit / 100.0);
    Evidence::of(Estimate::percent(good, of), of, samples_of, source)
        .bounded((of > 0).then(|| share_lower_bound(good, of) * 100.0))
        .needing(needed)
}

/// A percentile of merged histograms, with the bound that was drawn of it.
pub(crate) fn percentile(part: &Part, percentile: Percentile, drawn: Drawn, limit_ms: f64, source: &str) -> Evidence {
    let Some(hist) = part.latency.as_ref().filter(|hist| !hist.is_empty()) else {
        return Evidence::none("no latency was recorded");
    };
    let estimate = hist.quantile_us(percentile.quantile()).map(Estimate::ms);
    let bound = drawn.us().zip(estimate).map(|(bound_us, estimate)| (bound_us / 1e3).max(estimate.value()));
    let needed = needed_for(estimate, bound, limit_ms, hist.count());
    Evidence::of(estimate, hist.count(), "requests", source)
        .bounded(bound)
        .needing_about(needed)
        .spoiled(doubt::too_few_beyond(hist.count(), percentile))
        .excused(doubt::lag(part, limit_ms))
        .doubted(doubt::short_window(drawn.seconds()))
}

/// The P95 of the sustained window.
pub(crate) fn sustained_p95(sustained: &Sustained<'_>, limit_ms: f64, seed: u64) -> Evidence {
    if let Some(why) = doubt::load(sustained) {
        return Evidence::none(why);
    }
    let source = "latency from the intended send time, merged histograms of the sustained window";
    percentile(&sustained.judged, Percentile::P95, sustained.p95_drawn(seed), limit_ms, source)
        .paced(sustained.planned_a_second())
        .advised("see the queue and the CPU of the replicas; add replicas (erlmcp cluster scale N) or offer less")
}

/// The mean latency of the load of some seconds.
pub(crate) fn mean(analysis: &Analysis, part: &Part, window: Option<Window>, limit_ms: f64, source: &str) -> Evidence {
    let Some(hist) = part.latency.as_ref().filter(|hist| !hist.is_empty()) else {
        return Evidence::none("no latency was recorded");
    };
    let estimate = hist.mean_us().map(|us| Estimate::Number(us / 1e3));
    let loads = window.map(|window| analysis.load_seconds(window)).unwrap_or_default();
    let seconds: Vec<(f64, f64)> =
        loads.iter().flatten().map(|load| (load.latency_sum_us, load.latency_count as f64)).collect();
    // The seconds at either end may hold some load beside the part, whose mean no upper bound is below.
    let bound = ratio_bound(&seconds, Side::Upper, analysis.seed())
        .map(|us| (us / 1e3).max(estimate.map_or(0.0, |estimate| estimate.value())));
    let needed = needed_for(estimate, bound, limit_ms, hist.count());
    Evidence::of(estimate, hist.count(), "requests", source)
        .bounded(bound)
        .needing_about(needed)
        .spoiled(doubt::unsent(part))
        .excused(doubt::lag(part, limit_ms))
        .doubted(doubt::short_window(seconds.len() as u64))
}

/// The load of some seconds, for what is said of each of them.
pub(crate) struct Seconds<'a> {
    pub(crate) planned: u64,
    pub(crate) ok: u64,
    /// One a second; None where there was none.
    pub(crate) loads: &'a [Option<&'a KindSecond>],
    /// Why nothing can be said by it.
    pub(crate) spoiled: Option<String>,
    /// In words: "the sustained window".
    pub(crate) over: &'static str,
}

impl<'a> Seconds<'a> {
    pub(crate) fn of(sustained: &'a Sustained<'_>) -> Self {
        let (planned, ok) = (sustained.judged.planned, sustained.judged.ok());
        let spoiled = doubt::load(sustained);
        Self { planned, ok, loads: &sustained.loads, spoiled, over: "the sustained window" }
    }
}

/// Ok answers a second.
pub(crate) fn throughput(load: Seconds<'_>, limit: f64, seed: u64) -> Evidence {
    let seconds = load.loads.len() as u64;
    let offered = Estimate::rate(load.planned, seconds);
    let not_offered = offered.filter(|offered| offered.standing(limit).is_le()).map(|offered| {
        let offered = format::rate(offered.value());
        format!("not offered: {offered} req/s were offered, the limit is {}; raise --rate", format::rate(limit))
    });
    let estimate = Estimate::rate(load.ok, seconds);
    let by_second: Vec<f64> = load.loads.iter().map(|load| load.map_or(0.0, |load| load.ok() as f64)).collect();
    let bound = mean_bound(&by_second, Side::Lower, seed);
    let needed = needed_for(estimate, bound, limit, seconds);
    Evidence::of(estimate, seconds, "seconds", &format!("ok answers over {}", load.over))
        .bounded(bound)
        .needing_about(needed)
        .paced(1.0)
        .spoiled(load.spoiled)
        .spoiled(not_offered)
        .doubted(doubt::short_window(seconds))
        .advised("see the CPU of the replicas and add some (erlmcp cluster scale N)")
}

/// The share of available slots. A slot that was not available is a rare event, so the exact bound counts; where
/// such slots come in runs, the bound drawn over the seconds is wider, and then that one.
pub(crate) fn availability(load: Seconds<'_>, limit: f64, seed: u64) -> Evidence {
    let of = |load: &Option<&KindSecond>| load.map_or((0, 0), KindSecond::available_slots);
    let by_second: Vec<(u64, u64)> = load.loads.iter().map(of).collect();
    let (slots, available) = by_second.iter().fold((0, 0), |sum, second| (sum.0 + second.0, sum.1 + second.1));
    let evidence = share_over(available, slots, limit, "slots of 100 ms", "slots in which 99 % or more ended ok");
    let shares: Vec<(f64, f64)> = by_second.iter().map(|second| (second.1 as f64 * 100.0, second.0 as f64)).collect();
    let drawn = ratio_bound(&shares, Side::Lower, seed);
    let bound = evidence.bound.map(|exact| drawn.map_or(exact, |drawn| drawn.min(exact)));
    let nothing = (slots == 0).then_some("no slot of 100 ms had a planned request");
    let slots_a_second = slots as f64 / by_second.len().max(1) as f64;
    evidence.bounded(bound).paced(slots_a_second).spoiled(load.spoiled).spoiled(nothing)
}

/// How many samples bring a bound within the limit, its distance shrinking with their square root.
pub(crate) fn needed_for(estimate: Option<Estimate>, bound: Option<f64>, limit: f64, samples: u64) -> Option<u64> {
    let estimate = estimate?.value();
    let (wide, room) = ((bound? - estimate).abs(), (limit - estimate).abs());
    (room > 0.0 && wide >= room).then(|| (samples as f64 * (wide / room).powi(2)).ceil() as u64 + 1)
}

/// The load by second of a window, for a percentile's bound.
pub(crate) fn seconds_of(analysis: &Analysis, window: Option<Window>) -> Vec<Sparse> {
    let Some(window) = window else { return Vec::new() };
    let seconds = analysis.seconds_in(window);
    seconds.filter_map(|(_, second)| Some(second.kind(Kind::Load)?.latency.clone())).collect()
}
