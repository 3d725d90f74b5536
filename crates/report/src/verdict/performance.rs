use erlmcp_record::ScenarioRow;
use erlmcp_record::names::{finding, phase, scenario};

use super::doubt;
use super::estimate::Estimate;
use super::evidence::Evidence;
use super::judge::Judge;
use super::recovery::{back_again, enter_scenario};
use super::requests;
use crate::analysis::{Analysis, PhaseTimes, Window};
use crate::facts::{Opening, QueueFacts, scenario_row};
use crate::format;
use crate::stats::{Drawn, Percentile};

pub(super) fn enter(judge: &mut Judge<'_>) {
    let (analysis, facts) = (judge.analysis, judge.facts);
    let not_reached = || Evidence::none("the scenario was not reached");

    let limit_cps = judge.limit("performance.ramp_cps").value;
    let waited_ms = scenario_row(analysis, phase::PERFORMANCE_SCENARIOS, scenario::RAMP_UP)
        .map_or(0.0, |row| analysis.waited_for_a_core_ms(row.started_us, row.ended_us));
    let ramp = facts
        .unpaced_ramp
        .as_ref()
        .map_or_else(not_reached, |opening| ramp(opening, limit_cps).excused(waited(opening, waited_ms, limit_cps)));
    enter_scenario(judge, "performance.ramp_cps", scenario::RAMP_UP, ramp);

    let limit_ms = judge.limit("performance.sustained_mean_ms").value;
    let steady = facts.steady.as_ref().map_or_else(not_reached, |(row, part)| {
        let window = Window::touched(row.started_us, row.ended_us);
        requests::mean(analysis, part, window, limit_ms, "latency from the intended send time, the whole scenario")
    });
    enter_scenario(judge, "performance.sustained_mean_ms", scenario::SUSTAINED_LOAD, steady);

    let limit_ms = judge.limit("performance.back_pressure_p95_ms").value;
    let burst = facts.burst.as_ref().map_or_else(not_reached, |burst| back_pressure(analysis, burst, limit_ms));
    enter_scenario(judge, "performance.back_pressure_p95_ms", scenario::BURST_TRAFFIC, burst);

    let limit_ms = judge.limit("performance.burst_recovered_ms").value;
    let again = facts.burst.as_ref().map_or_else(not_reached, |burst| back_again(burst, limit_ms));
    enter_scenario(judge, "performance.burst_recovered_ms", scenario::BURST_TRAFFIC, again);

    let times = analysis.phase_named(phase::PERFORMANCE_SCENARIOS).map(|(_, times)| times);
    judge.enter("performance.crashes_count", crashes(analysis, times));
    let closed = scenario_row(analysis, phase::PERFORMANCE_SCENARIOS, scenario::GRADUAL_COOLDOWN);
    let closed = closed.map_or_else(not_reached, |row| cool_down(analysis, row));
    enter_scenario(judge, "performance.cooldown_open_count", scenario::GRADUAL_COOLDOWN, closed);
}

/// Judged by N over the time that it took; nothing opened of all that was begun is a rate of 0.
fn ramp(opening: &Opening, limit_cps: f64) -> Evidence {
    if opening.started == 0 {
        return Evidence::none("no connection was begun");
    }
    let not_all = (opening.opened * 100 < opening.target * 99).then(|| {
        format!("{} of {} connections were opened", format::count(opening.opened), format::count(opening.target))
    });
    Evidence::of(
        opening.rate().map(Estimate::Number),
        opening.opened,
        "connections",
        "connections opened over the time it took",
    )
    .spoiled(doubt::unsent(&opening.probes))
    .spoiled(too_short(opening, limit_cps))
    .doubted(not_all)
}

/// A ramp over in a blink measures how threads happened to be scheduled. It has no seconds to draw a bound from, so it must
/// have openings for half a second at the limit.
fn too_short(opening: &Opening, limit_cps: f64) -> Option<String> {
    let needed = (limit_cps / 2.0).ceil() as u64;
    (0 < opening.opened && opening.tried < needed).then(|| {
        format!(
            "{} openings are too few: needs {}, half a second's at the limit",
            format::count(opening.tried),
            format::count(needed)
        )
    })
}

/// Without the time that an agent waited for a core, it might have kept the limit.
fn waited(opening: &Opening, waited_ms: f64, limit_cps: f64) -> Option<String> {
    let own_ms = (opening.took_ms? - waited_ms).max(0.0);
    let could_have = opening.opened > 0 && opening.opened as f64 * 1_000.0 >= limit_cps * own_ms;
    could_have.then(|| {
        let waited = format::ms(waited_ms);
        format!(
            "an agent waited for a core for {waited} meanwhile: give load and target more cores, or one machine each"
        )
    })
}

/// Refusals were seen, and accepted requests of the usual load kept the latency limit.
fn back_pressure(analysis: &Analysis, burst: &QueueFacts<'_>, limit_ms: f64) -> Evidence {
    let seconds = requests::seconds_of(analysis, Window::between(burst.row.started_us, burst.row.ended_us));
    let no_refusal = (!burst.has_refusals()).then_some("no refusal was seen");
    let drawn = Drawn::of(&seconds, Percentile::P95, analysis.seed());
    let source = "the load of the burst, from the intended send time";
    requests::percentile(&burst.load, Percentile::P95, drawn, limit_ms, source)
        .spoiled(doubt::unsent(&burst.load))
        .spoiled(no_refusal)
}

/// Replicas that ended in a phase without being told to.
pub(crate) fn crashes(analysis: &Analysis, times: Option<&PhaseTimes>) -> Evidence {
    let Some(started_us) = times.and_then(|times| times.started_us) else { return Evidence::default() };
    let ended_us = times.and_then(|times| times.ended_us).unwrap_or(u64::MAX);
    match analysis.crashes_between(started_us, ended_us) {
        Some(crashes) => {
            Evidence::of(Some(Estimate::count(crashes)), 1, "runs", "process ids and restarts of the replicas")
        }
        None => Evidence::none("the target's processes were not seen, or not to the end"),
    }
}

/// Open connections after it, the larger of both sides' counts.
fn cool_down(analysis: &Analysis, row: &ScenarioRow) -> Evidence {
    let agents: Option<u64> =
        analysis.connections.get(&row.phase).map(|connections| connections.last.values().map(|last| last.open).sum());
    let Some(agents) = agents else { return Evidence::none("no second has the agents' counts") };
    let server = row.detail.get(finding::CLOSING_GAUGE).map(|open| *open as u64);
    let source =
        if server.is_some() { "the agents' counts and the server's gauge" } else { "the agents' counts alone" };
    let has_gauge = analysis.config.as_ref().is_some_and(|config| config.own_cluster || config.attached);
    let unread = (has_gauge && server.is_none()).then(|| "the server's gauge was not read".to_string());
    Evidence::of(Some(Estimate::count(agents.max(server.unwrap_or(0)))), 1, "runs", source).doubted(unread)
}
