use std::collections::BTreeMap;

use erlmcp_record::{Entry, EpisodeRow};

use crate::event::{Event, Said};
use crate::world::World;

/// What the agents told of one replica's loss: who noticed, and whose connections are served again.
#[derive(Debug, Default)]
pub(super) struct Episodes {
    replica: u16,
    /// Episodes that began earlier belong to something else.
    since_us: u64,
    /// The agents that had connections there; what each has told since.
    by_agent: BTreeMap<u32, Option<EpisodeRow>>,
}

impl Episodes {
    /// Expects an episode from each agent that has connections at the replica.
    pub(super) fn expect(replica: u16, world: &World, now_us: u64) -> Self {
        let by_agent = world.agents_at(replica).into_iter().map(|agent| (agent, None)).collect();
        Self { replica, since_us: now_us, by_agent }
    }

    pub(super) fn observe(&mut self, event: &Event) {
        for row in event.rows() {
            if let Entry::Episode(row) = row {
                self.note(row);
            }
        }
        // A dead agent tells no more: nobody waits for it.
        if let Event::Agent { agent, said: Said::Gone(_) } = event {
            self.by_agent.remove(agent);
        }
    }

    fn note(&mut self, row: &EpisodeRow) {
        if row.replica == self.replica && row.detected_us >= self.since_us {
            self.by_agent.insert(row.agent, Some(row.clone()));
        }
    }

    fn told(&self) -> impl Iterator<Item = &EpisodeRow> {
        self.by_agent.values().flatten()
    }

    /// When the first agent stopped using the address.
    pub(super) fn detected_us(&self) -> Option<u64> {
        self.told().map(|row| row.detected_us).min()
    }

    pub(super) fn all_detected(&self) -> bool {
        self.by_agent.values().all(Option::is_some)
    }

    /// True when every affected connection has had an answer elsewhere.
    pub(super) fn all_served(&self) -> bool {
        self.by_agent.values().all(|row| row.as_ref().is_some_and(|row| row.served_again >= row.affected))
    }

    /// The same of those agents that told of a loss.
    pub(super) fn all_told_served(&self) -> bool {
        self.told().all(|row| row.served_again >= row.affected)
    }

    /// When the last affected connection was served again; None before all were.
    pub(super) fn served_us(&self) -> Option<u64> {
        let last = self.told().filter_map(|row| row.last_served_us).max();
        last.filter(|_| self.all_served())
    }

    /// Connections that were affected, and how many of them were served again.
    pub(super) fn counts(&self) -> (u64, u64) {
        self.told().fold((0, 0), |(affected, served), row| (affected + row.affected, served + row.served_again))
    }
}
