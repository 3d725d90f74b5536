use std::collections::{BTreeMap, BTreeSet};

use erlmcp_record::names::{cause, phase};

use super::doubt;
use super::estimate::Estimate;
use super::evidence::Evidence;
use super::judge::Judge;
use super::{longest, requests};
use crate::analysis::{Analysis, PhaseConnections, US_A_SECOND};
use crate::facts::{Observed, Opening};
use crate::format;
use crate::stats::{Percentile, Side, Sparse, percentile_bound};

pub(super) fn enter(judge: &mut Judge<'_>) {
    let analysis = judge.analysis;
    let connections =
        analysis.phase_named(phase::RAMP_UP).and_then(|(number, _)| Some((number, analysis.connections.get(&number)?)));
    let opening = judge.facts.ramp.as_ref();
    let (Some((number, connections)), Some(opening)) = (connections, opening) else {
        for id in ["ramp.success_percent", "ramp.starts_percent", "ramp.late_p99_ms", "ramp.spread_difference_count"] {
            judge.enter(id, Evidence::none("no opening was recorded"));
        }
        return;
    };
    let cut = analysis.is_cut(number).then(|| {
        let (begun, of) = (format::count(opening.started), format::count(opening.target));
        format!("cut short: {begun} of {of} openings were begun")
    });
    let success = success(opening, connections, &cut, judge.limit("ramp.success_percent").value);
    judge.enter("ramp.success_percent", success);
    judge.enter("ramp.starts_percent", starts(opening, connections).spoiled(cut.clone()));
    let late = late(analysis, number, connections, judge.limit("ramp.late_p99_ms").value);
    judge.enter("ramp.late_p99_ms", late.doubted(cut.clone()));
    spread(judge, connections, &cut);
}

/// Openings that ended in an open connection, of those that were tried.
fn success(opening: &Opening, connections: &PhaseConnections, cut: &Option<String>, limit: f64) -> Evidence {
    let source = match cut {
        None => "openings with their first answer, of all",
        Some(_) => "openings with their first answer, of those that came to an end",
    };
    let of = opening.tried;
    requests::share_over(opening.opened.min(of), of, limit, "openings", source)
        .spoiled(own_failures(connections))
        .doubted(cut.clone())
        .advised("see the failures by cause; raise net.core.somaxconn, or lower --ramp-rate")
}

fn starts(opening: &Opening, connections: &PhaseConnections) -> Evidence {
    let planned = opening.planned.max(opening.target);
    let estimate = Estimate::percent(opening.started.min(planned), planned);
    Evidence::of(estimate, planned, "openings", "openings begun, of those planned").spoiled(own_failures(connections))
}

/// Openings that failed for the generator's own want.
fn own_failures(connections: &PhaseConnections) -> Option<String> {
    let count = own_failed(connections);
    (count > 0).then(|| {
        format!("{} openings failed for the generator's own want: raise descriptors or --agents", format::count(count))
    })
}

fn own_failed(connections: &PhaseConnections) -> u64 {
    let own = connections.failed.iter().filter(|(name, _)| name.starts_with(cause::GENERATOR));
    own.map(|(_, count)| count).sum()
}

const SLOW_OPENINGS: &str = "lower --ramp-rate, or see what the target's accept path waits for";

fn late(analysis: &Analysis, number: u8, connections: &PhaseConnections, limit_ms: f64) -> Evidence {
    let Some(hist) = connections.late.as_ref().filter(|hist| !hist.is_empty()) else {
        return Evidence::none("no opening was answered");
    };
    // An opening that failed was never done, so it comes after all that were; those of the generator's own want are told
    // apart.
    let failed = connections.failures() - own_failed(connections);
    let (count, p99) = (hist.count() + failed, Percentile::P99);
    let rank = p99.rank(count) as f64 / hist.count() as f64;
    let late_too = format!("; {} that failed count as later than all others", format::plural(failed, "opening"));
    let late_too = if failed > 0 { late_too } else { String::new() };
    let source = &format!("from the planned opening to its first answer{late_too}");
    let (first, last) = connections.opening_seconds.unwrap_or_default();
    if rank > 1.0 {
        // P99 is an opening that was never answered: it is later than it was watched.
        let ended_us = analysis.phases.get(&number).and_then(|times| times.ended_us);
        let until_us = ended_us.unwrap_or((u64::from(last) + 1) * US_A_SECOND);
        let never = Observed::NotWithin { us: until_us.saturating_sub(u64::from(first) * US_A_SECOND) + 1 };
        return longest(std::iter::once(&never), count, limit_ms, "openings", &format!("{source}, or never"))
            .spoiled(doubt::too_few_beyond(count, p99))
            .advised(SLOW_OPENINGS);
    }
    let estimate = hist.quantile_us(rank).map(Estimate::ms);
    let of_phase = |(_, second): &(&u32, &crate::analysis::Second)| second.phase == number || !second.late.is_empty();
    let seconds = analysis.seconds.range(first..=last).filter(of_phase);
    let seconds: Vec<Sparse> = seconds.map(|(_, second)| second.late.clone()).collect();
    let bound = percentile_bound(&seconds, rank, Side::Upper, analysis.seed()).map(|us| us / 1e3);
    let bound = bound.zip(estimate).map(|(bound, estimate)| bound.max(estimate.value()));
    let needed = requests::needed_for(estimate, bound, limit_ms, count);
    Evidence::of(estimate, count, "openings", source)
        .bounded(bound)
        .needing_about(needed)
        .spoiled(doubt::too_few_beyond(count, p99))
        .excused(doubt::lag(&analysis.part_of(number, erlmcp_record::Kind::Probe), limit_ms))
        .advised(SLOW_OPENINGS)
}

/// Connections by replica against the way that they were spread.
fn spread(judge: &mut Judge<'_>, connections: &PhaseConnections, cut: &Option<String>) {
    let analysis = judge.analysis;
    let spread = analysis.config.as_ref().map_or("", |config| config.spread.as_str());
    let told = connections.last.values().any(|last| !last.by_replica.is_empty());
    let replicas = replicas(analysis, connections);
    let id = if spread == "round robin" { "ramp.spread_difference_count" } else { "ramp.spread_ratio" };
    if replicas.len() == 1 {
        judge.enter_skipped(id, "the target has one address, and how connections are spread behind it is not seen");
        return;
    }
    let not_told = (!told).then_some("connections are not told apart by replica");
    let count: u64 = connections.last.values().map(|last| last.open).sum();
    let not_told = if count == 0 { Some("no connection was open") } else { not_told };
    if spread == "round robin" {
        let widest = connections.last.values().map(|last| {
            let (least, most) = extremes(&replicas, &last.by_replica.iter().copied().collect());
            most - least
        });
        let estimate = widest.max().map(Estimate::count);
        let source = "the agents' counts at the end of the ramp; round robin";
        judge.enter(id, Evidence::of(estimate, count, "connections", source).spoiled(not_told).spoiled(cut.clone()));
        return;
    }
    let (least, most) = extremes(&replicas, &connections.by_replica());
    let estimate = Some(Estimate::Ratio { part: u128::from(most), whole: u128::from(least.max(1)) });
    let none = if least == 0 { "; a replica without any is taken as 1" } else { "" };
    let source = format!("the agents' counts at the end of the ramp; spread by {spread}{none}");
    let evidence = Evidence::of(estimate, count, "connections", &source).spoiled(not_told).spoiled(cut.clone());
    judge.enter(id, evidence);
}

/// All replicas that connections could have gone to.
fn replicas(analysis: &Analysis, connections: &PhaseConnections) -> BTreeSet<u16> {
    let endpoints = analysis.target.iter().flat_map(|target| &target.endpoints).map(|endpoint| endpoint.0);
    endpoints.chain(connections.by_replica().into_keys()).collect()
}

fn extremes(replicas: &BTreeSet<u16>, counts: &BTreeMap<u16, u64>) -> (u64, u64) {
    let of = |replica: &u16| counts.get(replica).copied().unwrap_or(0);
    (replicas.iter().map(of).min().unwrap_or(0), replicas.iter().map(of).max().unwrap_or(0))
}
