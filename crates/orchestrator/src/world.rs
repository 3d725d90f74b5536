use std::collections::BTreeMap;

use erlmcp_load::proto::command::Command;
use erlmcp_record::{ClusterSample, ConnectionRow, Entry};

use crate::event::{Answer, Change, Event, Said};
use crate::phase::OPERATIONS_BLOCK;

mod seconds;

pub(crate) use seconds::Seconds;

/// How things stand, folded from events and from what was ordered.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    /// By number.
    pub(crate) agents: Vec<AgentView>,
    /// The collector's last sample, and the one before it.
    pub(crate) sample: Option<ClusterSample>,
    pub(crate) previous: Option<ClusterSample>,
    /// Replicas that are out of membership, and since when.
    pub(crate) down: BTreeMap<u16, u64>,
    pub(crate) seconds: Seconds,
}

/// One agent, as its rows say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct AgentView {
    /// Why it is gone; None while it is there.
    pub(crate) gone: Option<String>,
    pub(crate) connections_possible: u64,
    pub(crate) open: u64,
    pub(crate) by_replica: Vec<(u16, u64)>,
    /// Closed by us since the run began.
    pub(crate) closed: u64,
    /// Closed by us since connections were last opened.
    closed_last: u64,
    was_opening: bool,
    row_second: u32,
    /// Operations a second that it has been told to begin; None: none, or it has ended them.
    operations: Option<f64>,
}

impl AgentView {
    /// Ready for work, able to hold so many connections.
    pub(crate) fn ready(connections_possible: u64) -> Self {
        Self { connections_possible, ..Self::default() }
    }

    fn apply(&mut self, row: &ConnectionRow) {
        self.closed += row.closed;
        if row.closed > 0 {
            self.closed_last = row.closed + if self.was_opening { 0 } else { self.closed_last };
            self.was_opening = false;
        }
        self.was_opening |= row.opened > 0;
        if row.second >= self.row_second {
            self.row_second = row.second;
            self.open = row.open;
            self.by_replica.clone_from(&row.by_replica);
        }
    }
}

impl World {
    pub(crate) fn new(agents: Vec<AgentView>) -> Self {
        Self { agents, ..Self::default() }
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Agent { agent, said: Said::Rows(rows) } => rows.iter().for_each(|row| self.apply_row(*agent, row)),
            Event::Agent { agent, said: Said::Gone(why) } => {
                if let Some(agent) = self.agents.get_mut(*agent as usize) {
                    let AgentView { closed, closed_last, .. } = *agent;
                    *agent = AgentView { gone: Some(why.clone()), closed, closed_last, ..AgentView::default() };
                }
            }
            Event::Agent { agent, said: Said::Done { block: OPERATIONS_BLOCK } } => {
                if let Some(agent) = self.agents.get_mut(*agent as usize) {
                    agent.operations = None;
                }
            }
            Event::Sample(sample) => self.previous = self.sample.replace((**sample).clone()),
            Event::Replica { replica, at_us, change } => match change {
                Change::Down => drop(self.down.insert(*replica, *at_us)),
                Change::Up => drop(self.down.remove(replica)),
                Change::Other => {}
            },
            // Those that were told to go are not down.
            Event::Answer(Answer::Scaled(Ok(endpoints))) => {
                self.down.retain(|replica, _| endpoints.iter().any(|(there, _)| there == replica));
            }
            _ => {}
        }
    }

    /// Takes note of what an agent is told.
    pub(crate) fn ordered(&mut self, agent: u32, command: &Command) {
        if let (Command::Operations(order), Some(agent)) = (command, self.agents.get_mut(agent as usize)) {
            agent.operations = Some(order.rate);
        }
    }

    fn apply_row(&mut self, agent: u32, row: &Entry) {
        match row {
            Entry::Connections(row) => {
                if let Some(agent) = self.agents.get_mut(agent as usize) {
                    agent.apply(row);
                }
            }
            Entry::Interval(row) => self.seconds.apply(row),
            _ => {}
        }
    }

    /// The agents that can be given work.
    pub(crate) fn alive(&self) -> Vec<u32> {
        let alive = self.agents.iter().enumerate().filter(|(_, agent)| agent.gone.is_none());
        alive.map(|(index, _)| index as u32).collect()
    }

    /// Operations are under way, or being ended.
    pub(crate) fn operates(&self) -> bool {
        self.agents.iter().any(|agent| agent.operations.is_some())
    }

    /// Of those, begun a second.
    pub(crate) fn operations_rate(&self) -> f64 {
        self.agents.iter().filter_map(|agent| agent.operations).sum()
    }

    /// Connections open now, as the agents count.
    pub(crate) fn open(&self) -> u64 {
        self.agents.iter().map(|agent| agent.open).sum()
    }

    /// Connections that we closed since the run began.
    pub(crate) fn closed(&self) -> u64 {
        self.agents.iter().map(|agent| agent.closed).sum()
    }

    /// Connections that we closed since they were last opened.
    pub(crate) fn closed_last(&self) -> u64 {
        self.agents.iter().map(|agent| agent.closed_last).sum()
    }

    /// The server's own count of the clients' connections, and when it was taken; None: it has none.
    pub(crate) fn gauge(&self) -> Option<(u64, u64)> {
        let sample = self.sample.as_ref()?;
        let mut sum = None;
        for replica in &sample.replicas {
            sum = Some(sum.unwrap_or(0) + replica.connections?);
        }
        Some((sum?, sample.at_us))
    }

    /// Agents that have open connections at a replica.
    pub(crate) fn agents_at(&self, replica: u16) -> Vec<u32> {
        let has = |agent: &AgentView| agent.by_replica.iter().any(|(at, open)| *at == replica && *open > 0);
        self.alive().into_iter().filter(|agent| has(&self.agents[*agent as usize])).collect()
    }

    /// Requests waiting in the queues of all replicas; None: not reported.
    pub(crate) fn queue_depth(&self) -> Option<u64> {
        let replicas = &self.sample.as_ref()?.replicas;
        let depths: Vec<u64> = replicas.iter().filter_map(|replica| replica.queue_depth).collect();
        (!depths.is_empty()).then(|| depths.iter().sum())
    }

    /// True where a queue was full at the last sample, or refused work since the one before it.
    pub(crate) fn queue_was_full(&self) -> bool {
        let Some(sample) = &self.sample else { return false };
        sample.replicas.iter().any(|replica| {
            let is_full = replica.queue_limit.is_some_and(|limit| limit > 0 && replica.queue_depth >= Some(limit));
            let before = self.previous.as_ref().and_then(|previous| {
                previous.replicas.iter().find(|other| other.replica == replica.replica)?.refused_total
            });
            is_full || matches!((before, replica.refused_total), (Some(before), Some(now)) if now > before)
        })
    }
}

#[cfg(test)]
mod tests;
