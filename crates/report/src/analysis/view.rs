use std::collections::BTreeMap;

use erlmcp_record::{AgentSample, ClusterSample, FateCounts, Kind, ReplicaSample};

use super::bounded::Bounded;
use super::server::sum_of;
use super::{Analysis, LastOpen, Second, cpu_percent_between, sum_by_replica};
use crate::seconds::{ActiveFault, AgentView, QueueView, ReplicaView, SecondView};

/// Seconds that may wait for their view; older ones give up what only a view needs.
const PENDING_MAX: u32 = 600;
/// Rows of a second may come so long after it.
const ROWS_LATE_S: u32 = 2;

/// No view needs seconds that are so far before its own.
const LOOKED_BACK_S: u32 = 10;

/// How far the seconds have been handed out.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The next second to hand out.
    next: u32,
    /// Seconds before this one are closed.
    closed_before: u32,
    /// What each agent had open in the last second that was handed out.
    connections: BTreeMap<u32, LastOpen>,
}

impl Progress {
    pub(super) fn note(&mut self, second: u32, seconds: &mut Bounded<u32, Second>) {
        let keep_from = second.saturating_sub(PENDING_MAX);
        self.close_before(keep_from, seconds);
    }

    pub(super) fn is_closed(&self, second: u32) -> bool {
        second < self.closed_before
    }

    fn close_before(&mut self, before: u32, seconds: &mut Bounded<u32, Second>) {
        let known: Vec<u32> = match self.closed_before < before {
            true => seconds.range(self.closed_before..before).map(|(number, _)| *number).collect(),
            false => return,
        };
        for number in known {
            if let Some(second) = seconds.get_mut(&number) {
                second.close();
            }
        }
        self.closed_before = before;
    }
}

impl Analysis {
    /// Seconds after which every request of a second has its fate: it may wait the timeout for its connection and again
    /// for its answer, and then both have rows to come.
    pub fn lag_s(&self) -> u32 {
        let timeout_ms = self.config.as_ref().map_or(0, |config| config.timeout_ms);
        let waited_s = u32::try_from(timeout_ms.saturating_mul(2).div_ceil(1_000)).unwrap_or(u32::MAX);
        waited_s.saturating_add(1 + 2 * ROWS_LATE_S).min(PENDING_MAX - ROWS_LATE_S)
    }

    /// The seconds, in order and each once, whose requests all have a fate, or that are `lag` seconds or more ago.
    /// `now_second` is the run clock's. The last two seconds are never among them: their rows may be on the way.
    pub fn take_complete(&mut self, now_second: u32, lag: u32) -> Vec<SecondView> {
        let mut taken = Vec::new();
        while self.view.next + 2 <= now_second {
            let number = self.view.next;
            let is_settled = self.seconds.get(&number).is_none_or(Second::is_settled);
            if !is_settled && number.saturating_add(lag) > now_second {
                break;
            }
            taken.push(self.take_next());
        }
        taken
    }

    /// All seconds that were not taken yet: at the end of the run.
    pub fn take_rest(&mut self) -> Vec<SecondView> {
        let Some(last) = self.seconds.keys().next_back().copied() else { return Vec::new() };
        let mut taken = Vec::new();
        while self.view.next <= last {
            taken.push(self.take_next());
        }
        taken
    }

    fn take_next(&mut self) -> SecondView {
        let number = self.view.next;
        self.carry_connections(number);
        let view = self.view_of(number);
        self.view.next += 1;
        self.view.close_before(number + 1, &mut self.seconds);
        if self.is_looked_at {
            self.seconds.drop_before(&number.saturating_sub(LOOKED_BACK_S));
        }
        view
    }

    fn carry_connections(&mut self, number: u32) {
        let Some(second) = self.seconds.get(&number) else { return };
        for &(agent, open) in &second.open {
            let by_replica = second.pending.as_ref().and_then(|pending| pending.by_replica.get(&agent)).cloned();
            let last = LastOpen { second: number, open, by_replica: by_replica.unwrap_or_default() };
            self.view.connections.insert(agent, last);
        }
        self.view.connections.retain(|agent, _| !self.lost_agents.contains(agent));
    }

    fn view_of(&self, number: u32) -> SecondView {
        let open = &self.view.connections;
        let empty = Second::default();
        let second = self.seconds.get(&number).unwrap_or(&empty);
        let mut view = SecondView {
            second: number,
            connections: open.values().map(|last| last.open).sum(),
            connections_by_replica: sum_by_replica(open.values().map(|last| last.by_replica.as_slice())),
            opened: second.opened,
            lost: second.lost,
            closed: second.closed,
            faults: self.faults_in(number),
            ..SecondView::default()
        };
        if let Some(phase) = self.phase_at(number) {
            view.phase = phase;
            view.phase_name.clone_from(&self.phases[&phase].name);
        }
        add_requests(&mut view, second);
        if let Some(sample) = &second.cluster {
            self.add_cluster(&mut view, number, sample);
        }
        view.agents = second.agents.iter().map(agent_view).collect();
        view
    }

    /// The phase that a second's middle lies in.
    fn phase_at(&self, number: u32) -> Option<u8> {
        let middle_us = u64::from(number) * 1_000_000 + 500_000;
        let started = |times: &super::PhaseTimes| times.started_us.is_some_and(|us| us <= middle_us);
        self.phases.iter().filter(|(_, times)| started(times)).map(|(phase, _)| *phase).next_back()
    }

    fn add_cluster(&self, view: &mut SecondView, number: u32, sample: &ClusterSample) {
        let before = self
            .seconds
            .range(number.saturating_sub(5)..number)
            .rev()
            .find_map(|(_, second)| second.cluster.as_deref());
        let beside = self.beside(number, None, sum_of(&sample.replicas, |replica| replica.streams));
        let gauge = sum_of(&sample.replicas, |replica| replica.connections);
        view.connections_server = gauge.map(|open| open.saturating_sub(beside));
        view.memory_bytes = sum_of(&sample.replicas, |replica| replica.memory_bytes);
        view.queue = queue_view(&sample.replicas);
        view.server_missing.clone_from(&sample.missing);
        view.tcp_memory_bytes = sample.kernel.tcp_memory_bytes;
        view.time_waits = sample.kernel.time_waits;
        let of = |replica| ReplicaView {
            connections: self.connections_of(number, replica),
            ..replica_view(before, sample, replica)
        };
        view.replicas = sample.replicas.iter().map(of).collect();
    }

    /// Faults with an effect, in force at any moment of a second: from the injection until undone, or the replica is ready.
    fn faults_in(&self, number: u32) -> Vec<ActiveFault> {
        let from_us = u64::from(number) * 1_000_000;
        let active = |fault: &&erlmcp_record::FaultRow| {
            let over_us = fault.healed_us.or(fault.ready_us).unwrap_or(u64::MAX);
            let is_made = fault.skipped.is_none() && fault.effect_us.is_some();
            is_made && fault.injected_us < from_us + 1_000_000 && over_us >= from_us
        };
        let view = |fault: &erlmcp_record::FaultRow| ActiveFault {
            id: fault.id,
            scenario: fault.scenario.clone(),
            replica: fault.replica,
            method: fault.method.clone(),
        };
        self.faults.values().filter(active).map(view).collect()
    }
}

fn add_requests(view: &mut SecondView, second: &Second) {
    let mut fates = FateCounts::default();
    for (_, kind) in &second.kinds {
        fates.merge(&kind.fates);
    }
    view.fates = fates;
    if let Some(pending) = &second.pending {
        view.errors.clone_from(&pending.causes);
    }
    if let Some(load) = second.kind(Kind::Load) {
        let ms = |us: Option<u64>| us.map(|us| us as f64 / 1_000.0);
        view.offered_rps = load.planned as f64;
        view.answered_rps = load.ok() as f64;
        view.load_countable = load.countable();
        view.load_errors = load.countable().saturating_sub(load.ok());
        view.p50_ms = ms(load.latency.quantile_us(0.5));
        view.p95_ms = ms(load.latency.quantile_us(0.95));
        view.p99_ms = ms(load.latency.quantile_us(0.99));
        view.max_ms = ms(load.latency_max_us);
        view.mean_ms = (load.latency_count > 0).then(|| load.latency_sum_us / load.latency_count as f64 / 1_000.0);
    }
}

fn queue_view(replicas: &[ReplicaSample]) -> Option<QueueView> {
    Some(QueueView {
        depth: sum_of(replicas, |replica| replica.queue_depth)?,
        limit: sum_of(replicas, |replica| replica.queue_limit),
        refused_total: sum_of(replicas, |replica| replica.refused_total),
    })
}

fn replica_view(before: Option<&ClusterSample>, sample: &ClusterSample, replica: &ReplicaSample) -> ReplicaView {
    let earlier = before
        .and_then(|before| before.replicas.iter().find(|one| one.replica == replica.replica).map(|one| (before, one)));
    ReplicaView {
        replica: replica.replica,
        ready: replica.ready,
        connections: replica.connections,
        memory_bytes: replica.memory_bytes,
        rss_bytes: replica.rss_bytes,
        cpu_percent: earlier.and_then(|earlier| cpu_percent_between(earlier, (sample, replica))),
        queue_depth: replica.queue_depth,
        answered_rps: earlier.and_then(|earlier| answered_rps(earlier, (sample, replica))),
        streams: replica.streams,
        tools: replica.tools,
        sessions: replica.sessions,
        sessions_held: replica.sessions_held,
        restarts: replica.restarts,
        longest_stall_ms: replica.longest_stall_us.map(|us| us as f64 / 1_000.0),
    }
}

/// None where the replica began anew in between.
fn answered_rps(
    (before, earlier): (&ClusterSample, &ReplicaSample),
    (after, later): (&ClusterSample, &ReplicaSample),
) -> Option<f64> {
    let answered = later.requests_total?.checked_sub(earlier.requests_total?)?;
    let us = after.at_us.checked_sub(before.at_us).filter(|us| *us > 0)?;
    Some(answered as f64 * 1e6 / us as f64)
}

fn agent_view(agent: &AgentSample) -> AgentView {
    AgentView {
        agent: agent.agent,
        cpu_percent: agent.cpu_us as f64 / 10_000.0,
        // A sample that came late has more than its second in it.
        run_delay_percent: (agent.run_delay_us as f64 / 10_000.0).min(100.0),
        rss_bytes: agent.rss_bytes,
        descriptors: agent.descriptors,
        longest_stall_ms: agent.longest_stall_us as f64 / 1_000.0,
    }
}
