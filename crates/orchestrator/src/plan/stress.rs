use std::time::Duration;

use erlmcp_record::names::{phase, scenario, skip};

use super::block::{Block, Burst, Close, Connect, Fault, Load, Operations, Probe, Streams};
use super::{Found, Overflow, PhasePlan, Plan, QueueFacts, Step, chaos, choose};
use crate::fault::{self, Kind};
use crate::{StressConfig, StressError};

/// The phases of `stress`, as records and `--phases` name them.
pub const STRESS_PHASES: [&str; 6] = phase::STRESS;

/// Requests of the baseline, one after another.
pub(super) const SEQUENTIAL_REQUESTS: u32 = 100;
/// Connections of the warm-up, at least: one for each of so many agents.
const WARM_UP_MIN: u64 = 64;
/// The closing sweep's requests a second on this machine.
const SWEEP_RATE: f64 = 10_000.0;
const SUSTAINED_SCENARIO_MAX: Duration = Duration::from_secs(600);
const BURST_MAX: Duration = Duration::from_secs(30);
pub(super) const LEFT_OUT: &str = skip::LEFT_OUT;
pub(super) const AUDIT: &str = "audit of the operations";

/// The six phases, for what was asked and what was found.
pub fn stress(config: &StressConfig, found: &Found) -> Result<Plan, StressError> {
    let chosen = choose(&config.phases, &STRESS_PHASES)?;
    let bodies = [baseline, ramp_up, sustained_load, failure_recovery, performance_scenarios, cool_down];
    let (mut are_open, mut are_begun) = (false, false);
    let mut phases = Vec::new();
    for (index, body) in bodies.into_iter().enumerate() {
        let mut planned =
            PhasePlan { number: index as u8 + 1, name: STRESS_PHASES[index].into(), ..body(config, found) };
        if !chosen[index] {
            planned.skip = Some(LEFT_OUT.into());
        } else if planned.skip.is_none() && planned.steps.iter().all(|step| step.skip.is_some()) {
            planned.skip = planned.steps.first().and_then(|step| step.skip.clone());
        }
        if planned.skip.is_none() {
            operate(&mut planned, STRESS_PHASES[index], (config, found), &mut are_begun);
            match STRESS_PHASES[index] {
                phase::RAMP_UP => are_open = true,
                phase::SUSTAINED_LOAD | phase::FAILURE_RECOVERY if !are_open => {
                    planned.steps.insert(0, Step::quiet("opening the connections first", ramp(config)));
                    are_open = true;
                }
                phase::PERFORMANCE_SCENARIOS if are_open => {
                    planned.steps.insert(0, Step::quiet("closing before the ramp", close_all(config)));
                    are_open = false;
                }
                _ => {}
            }
        }
        phases.push(planned);
    }
    keep_streams(&mut phases);
    end_operations(&mut phases);
    Ok(Plan { name: "stress".into(), phases })
}

/// Streams are held through the failures as well, where there are any: how soon they come back is one of the figures.
fn keep_streams(phases: &mut [PhasePlan]) {
    let is_run = |planned: &&mut PhasePlan| planned.name == phase::FAILURE_RECOVERY && planned.skip.is_none();
    if !phases.iter_mut().any(|planned| is_run(&planned)) {
        return;
    }
    let closes = |step: &Step| matches!(step.block, Block::EndStreams { .. });
    let held = phases.iter_mut().filter(|planned| planned.skip.is_none()).find_map(|planned| {
        let at = planned.steps.iter().position(closes)?;
        Some(planned.steps.remove(at))
    });
    let Some(closing) = held else { return };
    if let Some(failures) = phases.iter_mut().find(is_run) {
        let is_audit = |step: &Step| matches!(step.block, Block::Audit(_));
        let at = failures.steps.iter().position(is_audit).unwrap_or(failures.steps.len());
        failures.steps.insert(at, closing);
    }
}

/// Where the phase that audits operations is not run, the one that begins them ends and audits them: their connections
/// would be open after the cool-down.
fn end_operations(phases: &mut [PhasePlan]) {
    let has = |planned: &PhasePlan, is_it: fn(&Block) -> bool| {
        planned.skip.is_none() && planned.steps.iter().any(|step| is_it(&step.block))
    };
    let is_audited = phases.iter().any(|planned| has(planned, |block| matches!(block, Block::Audit(_))));
    let begun = phases.iter_mut().find(|planned| has(planned, |block| matches!(block, Block::Operations(_))));
    if let Some(begun) = begun.filter(|_| !is_audited) {
        begun.steps.push(Step::quiet(AUDIT, Block::Audit(Ok(()))));
    }
}

/// Operations run beside sustained load and faults, and are audited after the faults.
pub(super) fn operate(
    planned: &mut PhasePlan,
    name: &str,
    (config, found): (&StressConfig, &Found),
    are_begun: &mut bool,
) {
    let Some(tool) = found.operations.clone() else { return };
    let rate = config.operations();
    let is_beside = matches!(name, phase::SUSTAINED_LOAD | phase::FAILURE_RECOVERY | phase::CHAOS);
    if is_beside && rate > 0.0 && !*are_begun {
        *are_begun = true;
        planned.steps.insert(0, Step::quiet("operations", Block::Operations(Operations { rate, tool })));
    }
    if matches!(name, phase::FAILURE_RECOVERY | phase::CHAOS) {
        let begun = if *are_begun { Ok(()) } else { Err("--operations 0".to_string()) };
        planned.steps.push(Step::quiet(AUDIT, Block::Audit(begun)));
    }
}

pub(super) fn phase_of(title: &str, about: String, steps: Vec<Step>) -> PhasePlan {
    PhasePlan { number: 0, name: String::new(), title: title.into(), about, steps, skip: None }
}

pub(super) fn baseline(config: &StressConfig, found: &Found) -> PhasePlan {
    let mut steps = vec![
        Step::new("target reachability", Block::Probe(Probe::Reachability)),
        Step::new("baseline latency", Block::Probe(Probe::Sequential { count: SEQUENTIAL_REQUESTS })),
        Step::new("connection pool", Block::Probe(Probe::Readiness)),
        Step::new("metrics collection", Block::Probe(Probe::Metrics)),
    ];
    steps.extend(warm_up(config, found));
    phase_of("Baseline", "Infrastructure verification".into(), steps)
}

/// Touches every replica, by every agent, so that what a server allocates on its first use is not charged to connections.
pub(super) fn warm_up(config: &StressConfig, found: &Found) -> Vec<Step> {
    let connections = (u64::from(found.replicas) * 8).max(WARM_UP_MIN).min(config.connections());
    // What the target bears is not known before it was sought.
    let most = config.purpose.capacity().map_or(500, |capacity| capacity.start_rate.min(500));
    let rate = config.rate().min(most as f64);
    let second = Duration::from_secs(1);
    vec![
        Step::quiet(
            "warm-up: opening",
            Block::Connect(Connect { connections, rate: Some(config.ramp_rate.min(500.0)) }),
        ),
        Step::quiet("warm-up", Block::Load(Load { rate, duration: second, line_every: None, shaped: false })),
        Step::quiet("warm-up: closing", Block::Close(Close { connections, rate: None, verify: false })),
        Step::quiet("memory reference", Block::Probe(Probe::MemoryReference)),
    ]
}

pub(super) fn ramp_up(config: &StressConfig, _found: &Found) -> PhasePlan {
    let about = format!("Establish {} connections", short_count(config.connections()));
    phase_of("Ramp Up", about, vec![Step::new("ramp-up", ramp(config))])
}

pub(super) fn ramp(config: &StressConfig) -> Block {
    Block::Connect(Connect { connections: config.connections(), rate: Some(config.ramp_rate) })
}

pub(super) fn sustained_load(config: &StressConfig, found: &Found) -> PhasePlan {
    let duration = config.duration();
    let line_every = Some(line_every(duration));
    let load = Load { rate: config.rate(), duration, line_every, shaped: true };
    let about = format!("Hold {} for {}", short_count(config.connections()), short_duration(duration));
    let sweep = Step::new("closing sweep", Block::Probe(sweep(config, found)));
    let steps = match config.streams {
        0 => vec![Step::new("sustained load", Block::Load(load)), sweep],
        streams => {
            let opening = Streams { streams, rate: config.ramp_rate };
            let changes = found.changes.clone();
            vec![
                Step::new("opening the streams", Block::Streams(opening)),
                Step::new("sustained load", Block::Streaming { load, changes }),
                sweep,
                Step::quiet("closing the streams", Block::EndStreams { streams }),
            ]
        }
    };
    phase_of("Sustained Load", about, steps)
}

/// A line each 30 s, each 5 s in a run under two minutes.
pub(super) fn line_every(duration: Duration) -> Duration {
    Duration::from_secs(if duration < Duration::from_secs(120) { 5 } else { 30 })
}

pub(super) fn sweep(config: &StressConfig, found: &Found) -> Probe {
    let rate = if found.colocated { config.rate().max(SWEEP_RATE) } else { config.rate() };
    let duration = Duration::from_secs_f64((config.connections() as f64 / rate).clamp(1.0, 120.0));
    Probe::Sweep { connections: config.connections(), duration }
}

/// Steady load before and after what happens: 3 s, more in longer runs.
pub(super) fn window(config: &StressConfig) -> Duration {
    (config.duration() / 30).clamp(Duration::from_secs(3), Duration::from_secs(15))
}

pub(super) fn failure_recovery(config: &StressConfig, found: &Found) -> PhasePlan {
    let (rate, window) = (config.rate(), window(config));
    let no_faults = || config.no_faults.then(|| skip::NO_FAULTS.to_string());
    let queue = queue(config, found);
    let no_queue = no_faults().or(queue.as_ref().err().cloned());
    let queue = queue.unwrap_or(QueueFacts { workers: 1, places: 1 });
    let overflow = Overflow::plan(queue, config.timeout);
    let outage = |scenario: &str, kind: Kind| {
        Block::Fault(Fault::Outage {
            scenario: scenario.into(),
            rate,
            window,
            fault: fault::Fault::of(kind, Vec::new()),
            among: found.field.held(),
        })
    };
    let node = outage(scenario::NODE_FAILURE, Kind::Kill);
    let partition = outage(scenario::NETWORK_PARTITION, Kind::Partition);
    let flood = Block::Fault(Fault::QueueOverflow { rate, window, overflow });
    let mut steps = vec![
        Step::scenario(scenario::NODE_FAILURE, "node failure", node).skipped(no_faults().or(found.lacks(Kind::Kill))),
        Step::scenario(scenario::NETWORK_PARTITION, "network partition", partition)
            .skipped(no_faults().or(found.lacks(Kind::Partition))),
    ];
    steps.extend(more_connections(config, queue).map(|step| step.skipped(no_queue.clone())));
    steps.push(Step::scenario(scenario::QUEUE_OVERFLOW, "queue overflow", flood).skipped(no_queue));
    if let Some(list) = &config.faults {
        // As long as the timetable, or as the sustained load.
        let duration = list.ends().unwrap_or(config.duration());
        let faults = Block::Faults(chaos::faults(list, config, found, duration));
        steps.push(Step::scenario(scenario::FAULTS, "faults of the list", faults).skipped(no_faults()));
    }
    phase_of("Failure Recovery", "Test resilience scenarios".into(), steps)
}

/// What may be called to fill the queue, where there are connections enough to fill it.
fn queue(config: &StressConfig, found: &Found) -> Result<QueueFacts, String> {
    let queue = found.queue.clone()?;
    let (needed, connections) = (queue.connections(), config.connections());
    // Streams are held meanwhile.
    if needed.saturating_sub(connections) + config.streams <= found.spare || needed <= connections {
        return Ok(queue);
    }
    Err(format!(
        "a queue of {} places and {} workers takes {needed} connections to fill, and there are only {connections}: \
         ask for more",
        queue.places, queue.workers
    ))
}

/// Connections beyond those that were asked for, where it takes more of them to fill the queue.
fn more_connections(config: &StressConfig, queue: QueueFacts) -> Option<Step> {
    let connections = queue.connections().saturating_sub(config.connections());
    let connect = Block::Connect(Connect { connections, rate: Some(config.ramp_rate) });
    (connections > 0).then(|| Step::quiet("more connections, to fill the queue", connect))
}

fn performance_scenarios(config: &StressConfig, found: &Found) -> PhasePlan {
    let (rate, connections, window) = (config.rate(), config.connections(), window(config));
    let queue = queue(config, found).ok();
    let sustained = (config.duration() * 2 / 3).min(SUSTAINED_SCENARIO_MAX);
    let burst = Burst {
        rate,
        extra: rate,
        duration: (config.duration() / 3).min(BURST_MAX),
        queued: queue.map(|queue| Overflow::plan(queue, config.timeout)),
        window,
    };
    let load = Load { rate, duration: sustained, line_every: Some(line_every(sustained)), shaped: false };
    let close = Close { connections, rate: Some(config.ramp_rate * 2.0), verify: true };
    let mut steps = vec![
        Step::scenario(scenario::RAMP_UP, "ramp from zero", Block::Connect(Connect { connections, rate: None })),
        Step::scenario(scenario::SUSTAINED_LOAD, "sustained load", Block::Load(load)),
    ];
    steps.extend(queue.and_then(|queue| more_connections(config, queue)));
    steps.push(Step::scenario(scenario::BURST_TRAFFIC, "burst", Block::Burst(burst)));
    steps.push(Step::scenario(scenario::GRADUAL_COOLDOWN, "graceful cool-down", Block::Close(close)));
    phase_of("Performance Scenarios", "Validate performance characteristics".into(), steps)
}

pub(super) fn cool_down(config: &StressConfig, found: &Found) -> PhasePlan {
    let steps = vec![
        Step::quiet(AUDIT, Block::AuditRemaining),
        Step::new("closing", close_all(config)),
        Step::new("dismantling", Block::Dismantle { own_cluster: found.own_cluster }),
    ];
    phase_of("Cool Down", "Graceful shutdown".into(), steps)
}

pub(super) fn close_all(config: &StressConfig) -> Block {
    Block::Close(Close { connections: config.connections(), rate: None, verify: true })
}

/// 100000 as "100K", 12345 as "12,345".
pub(super) fn short_count(count: u64) -> String {
    match count {
        count if count >= 1_000_000 && count.is_multiple_of(1_000_000) => format!("{}M", count / 1_000_000),
        count if count >= 1_000 && count.is_multiple_of(1_000) => format!("{}K", count / 1_000),
        count if count >= 1_000 => format!("{},{:03}", count / 1_000, count % 1_000),
        count => count.to_string(),
    }
}

/// "15 minutes", "1 minute", "30 seconds".
fn short_duration(duration: Duration) -> String {
    let (count, unit) = match duration.as_secs_f64() {
        seconds if seconds >= 60.0 => (seconds / 60.0, "minute"),
        seconds => (seconds, "second"),
    };
    let count = (count * 10.0).round() / 10.0;
    format!("{count} {unit}{}", if count == 1.0 { "" } else { "s" })
}

#[cfg(test)]
pub(super) mod tests;
