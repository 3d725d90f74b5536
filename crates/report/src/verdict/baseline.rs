use erlmcp_record::Kind;
use erlmcp_record::names::{finding, phase};

use super::doubt;
use super::estimate::Estimate;
use super::evidence::Evidence;
use super::judge::Judge;
use crate::analysis::Analysis;
use crate::format;
use crate::stats::share_upper_bound;

/// The median of fewer answers says little.
const OK_MIN: u64 = 20;

pub(super) fn enter(judge: &mut Judge<'_>) {
    let number = judge.analysis.phase_named(phase::BASELINE).map_or(0, |(number, _)| number);
    judge.enter("baseline.reachable_percent", reachable(judge.analysis, number));
    let limit_ms = judge.limit("baseline.latency_ms").value;
    judge.enter("baseline.latency_ms", latency(judge.analysis, number, limit_ms));
}

/// The first knock and the sequential requests of a phase.
pub(crate) fn reachable(analysis: &Analysis, number: u8) -> Evidence {
    let part = analysis.part_of(number, Kind::Sequential);
    let answered = analysis.finding_value(number, finding::TARGET_REACHABLE);
    // The first knock counts as one more request.
    let knocks = u64::from(answered.is_some());
    let ok = part.ok() + u64::from(answered == Some(1.0));
    let of = part.countable() + knocks;
    Evidence::of(Estimate::percent(ok, of), of, "requests", "reachability and the sequential requests")
        .spoiled((part.planned == 0 && answered != Some(0.0)).then_some("no sequential request was sent"))
        .advised("see whether the target runs, and its path (default /mcp)")
}

/// The median of the sequential requests of a phase; its bound from the order of the samples.
pub(crate) fn latency(analysis: &Analysis, number: u8, limit_ms: f64) -> Evidence {
    let part = analysis.part_of(number, Kind::Sequential);
    let Some(hist) = part.latency.as_ref().or(part.service.as_ref()).filter(|hist| !hist.is_empty()) else {
        return Evidence::none("no sequential request was answered");
    };
    let count = hist.count();
    // The histogram has the answers that were not ok, too: with more than a few of them its median is not theirs.
    let (ok, of) = (part.ok(), part.countable());
    let few = (ok < OK_MIN).then(|| format!("{} ok answers are too few: needs {OK_MIN}", format::count(ok)));
    let not_ok = (ok * 100 < of * 99)
        .then(|| format!("only {} of {} sequential requests ended ok", format::count(ok), format::count(of)));
    let upper = hist.quantile_us(share_upper_bound(count / 2, count)).map(|us| us as f64 / 1e3);
    Evidence::of(hist.quantile_us(0.5).map(Estimate::ms), count, "requests", "sequential requests on a warm connection")
        .bounded(upper)
        .spoiled(few)
        .spoiled(not_ok)
        .excused(doubt::lag(&part, limit_ms))
}
