//! What a short load says: is the target slow, does it carry what is offered, and who is at the limit?

use erlmcp_report::{SecondView, bytes};

use super::command;
use super::finding::{Finding, Weight};
use crate::StressConfig;

/// Below this share of the offered requests a target does not carry them.
const CARRIED_PERCENT: f64 = 99.0;
/// The limit of a report's P95.
const P95_MS: f64 = 100.0;
/// Of one core: from here on a thread has nothing left.
const BUSY_PERCENT: f64 = 90.0;
/// Of the time, in which a thread was ready and had no core.
const WAITED_PERCENT: f64 = 10.0;
/// Of all cores together.
const MACHINE_PERCENT: f64 = 95.0;
const QUEUE_PERCENT: f64 = 50.0;
const RETRANSMITTED_PERCENT: f64 = 0.1;
/// A way that takes this share of the latency is most of it.
const WAY_PERCENT: f64 = 50.0;
/// Growth of memory that is more than caches that fill.
const GROWN_BYTES: u64 = 4 << 20;
/// More than the generators of most small runs.
const AGENTS: u64 = 4;
/// Phases without faults.
const LOAD_ALONE: &str = "1,2,3,6";

/// What was seen while the load went on. What was not measured is None.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Usage {
    pub(super) seconds: u64,
    pub(super) offered_rps: f64,
    pub(super) answered_rps: f64,
    /// The middle one of the seconds' own.
    pub(super) p50_ms: Option<f64>,
    pub(super) p95_ms: Option<f64>,
    /// Requests that the generator itself did not send.
    pub(super) unsent: u64,
    /// Of the busiest agent, in percent of one core.
    pub(super) agent_cpu_percent: Option<f64>,
    pub(super) agent_waited_percent: Option<f64>,
    /// Of the busiest replica, in percent of one core.
    pub(super) replica_cpu_percent: Option<f64>,
    /// Of all replicas and agents, in percent of all cores.
    pub(super) machine_percent: Option<f64>,
    /// Requests that waited for a worker, the most, and the places.
    pub(super) queue: Option<(u64, Option<u64>)>,
    pub(super) refused: Option<u64>,
    /// Of all replicas at the beginning and at the end of the load, bytes.
    pub(super) memory: Option<(u64, u64)>,
    /// Segments sent again, and all of them, of the whole machine.
    pub(super) retransmitted: Option<(u64, u64)>,
    /// A connect to the target, milliseconds: once there and back.
    pub(super) way_ms: Option<f64>,
}

/// Who runs the target, which is what a command can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    /// Replicas of an erlmcp cluster, and its port; None: it is something else.
    pub(super) cluster: Option<(u64, u16)>,
    pub(super) is_colocated: bool,
}

impl Usage {
    /// From the seconds of the load after its warm-up. `cores` of this machine.
    pub(super) fn of(seconds: &[SecondView], cores: u32, is_colocated: bool) -> Self {
        let mean = |of: fn(&SecondView) -> f64| seconds.iter().map(of).sum::<f64>() / seconds.len().max(1) as f64;
        let queues: Vec<_> = seconds.iter().filter_map(|second| second.queue.as_ref()).collect();
        let refused: Vec<u64> = queues.iter().filter_map(|queue| queue.refused_total).collect();
        let memory: Vec<u64> = seconds.iter().filter_map(|second| second.memory_bytes).collect();
        let agents = |of: fn(&erlmcp_report::AgentView) -> f64| {
            most(seconds, |second| second.agents.iter().map(of).max_by(f64::total_cmp))
        };
        Self {
            seconds: seconds.len() as u64,
            offered_rps: mean(|second| second.offered_rps),
            answered_rps: mean(|second| second.answered_rps),
            p50_ms: middle(seconds.iter().filter_map(|second| second.p50_ms)),
            p95_ms: middle(seconds.iter().filter_map(|second| second.p95_ms)),
            unsent: seconds.iter().map(unsent).sum(),
            agent_cpu_percent: agents(|agent| agent.cpu_percent),
            agent_waited_percent: agents(|agent| agent.run_delay_percent),
            replica_cpu_percent: most(seconds, |second| {
                second.replicas.iter().filter_map(|replica| replica.cpu_percent).max_by(f64::total_cmp)
            }),
            machine_percent: middle(seconds.iter().filter_map(|second| of_machine(second, cores, is_colocated))),
            queue: queues.iter().map(|queue| (queue.depth, queue.limit)).max(),
            refused: refused.first().zip(refused.last()).map(|(first, last)| last.saturating_sub(*first)),
            memory: memory.first().copied().zip(memory.last().copied()),
            retransmitted: None,
            way_ms: None,
        }
    }

    fn carries_all(&self) -> bool {
        self.answered_rps * 100.0 >= self.offered_rps * CARRIED_PERCENT
    }

    fn is_quick(&self) -> bool {
        self.p95_ms.is_some_and(|ms| ms < P95_MS)
    }

    fn half_the_rate(&self) -> String {
        format!("{:.0}", (self.offered_rps / 2.0).max(1.0))
    }
}

/// Requests that the generator itself did not send.
fn unsent(second: &SecondView) -> u64 {
    second.fates.iter().filter(|(fate, _)| fate.is_generators()).map(|(_, count)| count).sum()
}

/// Agents, and replicas where they are here; None where nobody says.
fn of_machine(second: &SecondView, cores: u32, is_colocated: bool) -> Option<f64> {
    let agents: f64 = second.agents.iter().map(|agent| agent.cpu_percent).sum();
    let replicas: Option<f64> = second.replicas.iter().map(|replica| replica.cpu_percent).sum();
    let replicas = replicas.filter(|_| !second.replicas.is_empty());
    let replicas = if is_colocated { replicas? } else { 0.0 };
    (!second.agents.is_empty()).then(|| (agents + replicas) / f64::from(cores.max(1)))
}

/// The mean of the seconds: one that stands out is no limit.
fn most(seconds: &[SecondView], of: impl Fn(&SecondView) -> Option<f64>) -> Option<f64> {
    let found: Vec<f64> = seconds.iter().filter_map(of).collect();
    (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
}

fn middle(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// What the load showed, and who is at the limit. `run` is the one that was thought of.
pub(super) fn diagnose(usage: &Usage, held: Held, run: &StressConfig) -> Vec<Finding> {
    if usage.seconds == 0 || usage.offered_rps <= 0.0 {
        return vec![Finding::unknown("load", "no whole second of it was measured")];
    }
    let limits = limits(usage, held, run);
    let names: Vec<&str> = limits.iter().map(|finding| finding.topic).collect();
    let mut found = vec![throughput(usage, &names, run), latency(usage, &names, run)];
    found.extend(limits);
    found.extend(memory(usage, run));
    found
}

/// Who may be why, in words.
fn because(usage: &Usage, names: &[&str]) -> String {
    match names {
        [] if usage.replica_cpu_percent.is_none() => {
            "nothing that is measured here was at its limit, and the target's CPU and queue were not measured \
             (--target-pid PID, or /metrics)"
                .into()
        }
        [] => "nothing that is measured here was at its limit: the target itself waits for something".into(),
        names => format!("at the limit: {}", names.join(", ")),
    }
}

fn throughput(usage: &Usage, limits: &[&str], run: &StressConfig) -> Finding {
    let topic = "throughput";
    let said = format!("{:.0} of {:.0} requests/s were answered", usage.answered_rps, usage.offered_rps);
    match usage.carries_all() {
        true => Finding::ok(topic, said),
        false => Finding::complaint(
            (topic, "low-throughput", Weight::Warning),
            said,
            because(usage, limits),
            [command::capacity(run)],
        ),
    }
}

fn latency(usage: &Usage, limits: &[&str], run: &StressConfig) -> Finding {
    let topic = "latency";
    let Some((p50, p95)) = usage.p50_ms.zip(usage.p95_ms) else {
        return Finding::unknown(topic, "no request was answered");
    };
    let said = format!("P50 {p50:.2} ms, P95 {p95:.2} ms");
    match usage.is_quick() {
        true => Finding::ok(topic, said),
        false => Finding::complaint(
            (topic, "high-latency", Weight::Warning),
            said,
            because(usage, limits),
            [command::stress(run, &[("-r", &usage.half_the_rate()), ("--phases", LOAD_ALONE)])],
        ),
    }
}

/// Everything that was at its limit, whether or not it held anything up.
fn limits(usage: &Usage, held: Held, run: &StressConfig) -> Vec<Finding> {
    [generator(usage, run), machine(usage, run), target_cpu(usage, held), workers(usage, held), overflow(usage, held)]
        .into_iter()
        .chain([network(usage), way(usage)])
        .flatten()
        .collect()
}

/// More replicas, where it is ours to say so.
fn scale(held: Held, otherwise: &str) -> String {
    match held.cluster {
        Some((replicas, port)) => format!("erlmcp cluster scale {} --port {port}", replicas * 2),
        None => otherwise.into(),
    }
}

fn generator(usage: &Usage, run: &StressConfig) -> Option<Finding> {
    let cpu = usage.agent_cpu_percent.filter(|percent| *percent >= BUSY_PERCENT);
    let waited = usage.agent_waited_percent.filter(|percent| *percent >= WAITED_PERCENT);
    let said = [
        (usage.unsent > 0).then(|| format!("{} requests were not sent", usage.unsent)),
        cpu.map(|percent| format!("an agent used {percent:.0} % of a core")),
        waited.map(|percent| format!("an agent waited for a core {percent:.0} % of the time")),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    let agents = run.connections().min(AGENTS).to_string();
    (!said.is_empty()).then(|| {
        Finding::complaint(
            ("generator", "generator-limit", Weight::Warning),
            said.join(", "),
            "its own waiting is in the latencies: a verdict that it could have bent is INCONCLUSIVE",
            [command::stress(run, &[("-r", &usage.half_the_rate())]), command::stress(run, &[("--agents", &agents)])],
        )
    })
}

fn machine(usage: &Usage, run: &StressConfig) -> Option<Finding> {
    let percent = usage.machine_percent.filter(|percent| *percent >= MACHINE_PERCENT)?;
    Some(Finding::complaint(
        ("this machine", "machine-limit", Weight::Warning),
        format!("target and generator used {percent:.0} % of all cores"),
        "what one of them uses the other has not: the target carries more on a machine of its own",
        [command::stress_from_elsewhere(run)],
    ))
}

fn target_cpu(usage: &Usage, held: Held) -> Option<Finding> {
    let percent = usage.replica_cpu_percent.filter(|percent| *percent >= BUSY_PERCENT)?;
    Some(Finding::complaint(
        ("CPU of the target", "target-cpu", Weight::Warning),
        format!("its busiest process used {percent:.0} % of a core"),
        "a server of one thread carries no more than that; of one with several, the others may have room",
        [scale(held, "docker service scale SERVICE=16")],
    ))
}

fn workers(usage: &Usage, held: Held) -> Option<Finding> {
    let (depth, limit) = usage.queue?;
    let percent = depth as f64 * 100.0 / limit.filter(|limit| *limit > 0)? as f64;
    (percent >= QUEUE_PERCENT).then(|| {
        Finding::complaint(
            ("workers of the target", "workers-busy", Weight::Warning),
            format!("{depth} of {} places in its queue were taken", limit.unwrap_or(0)),
            "requests wait for a worker: their latency is the queue's",
            [scale(held, "erlmcp serve --workers 200"), "erlmcp cluster --workers 200".to_string()],
        )
    })
}

fn overflow(usage: &Usage, held: Held) -> Option<Finding> {
    let refused = usage.refused.filter(|refused| *refused > 0)?;
    Some(Finding::complaint(
        ("queue of the target", "queue-overflow", Weight::Warning),
        format!("it was full, and {refused} requests were refused"),
        "they count as errors, and a client has to say them again",
        [scale(held, "erlmcp serve --queue 2000"), "erlmcp cluster --queue 2000".to_string()],
    ))
}

fn network(usage: &Usage) -> Option<Finding> {
    // They are those of all that this machine sends: only where answers are slow are they a reason.
    let (again, all) = usage.retransmitted.filter(|(_, all)| *all > 0 && !usage.is_quick())?;
    let percent = again as f64 * 100.0 / all as f64;
    (percent >= RETRANSMITTED_PERCENT).then(|| {
        Finding::complaint(
            ("network", "network-loss", Weight::Warning),
            format!("{again} of {all} segments of the whole machine had to be sent again ({percent:.2} %)"),
            "each waits 200 ms or more: the long latencies are the network's",
            ["nstat -az TcpRetransSegs TcpExtListenDrops".to_string()],
        )
    })
}

fn way(usage: &Usage) -> Option<Finding> {
    let (way, p50) = usage.way_ms.zip(usage.p50_ms)?;
    // On one machine the way is as short as the rest.
    (way >= 1.0 && way * 100.0 >= p50 * WAY_PERCENT).then(|| {
        Finding::complaint(
            ("way to the target", "long-way", Weight::Note),
            format!("there and back takes {way:.1} ms of the {p50:.1} ms that an answer takes"),
            "the latency is the way's: what the target itself needs is the rest",
            ["ping -c 5 HOST".to_string()],
        )
    })
}

fn memory(usage: &Usage, run: &StressConfig) -> Option<Finding> {
    let topic = "memory of the target";
    let (first, last) = usage.memory?;
    let said = format!("{}, and {} after {} s of load", bytes(first as f64), bytes(last as f64), usage.seconds);
    let grown = last.saturating_sub(first);
    Some(if grown >= GROWN_BYTES && grown * 20 >= first {
        Finding::complaint(
            (topic, "memory-grows", Weight::Note),
            said,
            "seconds cannot tell a leak from caches that fill; a longer load can",
            [command::stress(run, &[("-d", "15m"), ("--phases", LOAD_ALONE)])],
        )
    } else {
        Finding::ok(topic, said)
    })
}

#[cfg(test)]
mod tests;
