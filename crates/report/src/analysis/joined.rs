//! Agents that were started elsewhere.

use erlmcp_record::{ClockRow, JoinedRow};

use super::bounded::Bounded;

/// Who has joined, and how far their clocks were from the run's.
#[derive(Debug)]
pub(crate) struct JoinedAgents {
    hosts: Bounded<u32, String>,
    /// Of all comparisons, the one that may be furthest off: agent, microseconds off, and their uncertainty.
    pub(crate) worst: Option<Compared>,
}

/// A clock that was compared with the run's, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) agent: u32,
    pub(crate) off_us: u64,
    pub(crate) uncertainty_us: u64,
}

impl Compared {
    /// It is not further off than this.
    pub(crate) fn at_most_us(&self) -> u64 {
        self.off_us.saturating_add(self.uncertainty_us)
    }
}

impl JoinedAgents {
    pub(super) fn new() -> Self {
        Self { hosts: Bounded::new(10_000), worst: None }
    }

    pub(super) fn joined(&mut self, row: &JoinedRow) {
        self.hosts.put(row.agent, row.host.clone());
        self.compared(Compared { agent: row.agent, off_us: 0, uncertainty_us: row.uncertainty_us });
    }

    pub(super) fn clock(&mut self, row: &ClockRow) {
        let (agent, off_us) = (row.agent, row.off_us.unsigned_abs());
        self.compared(Compared { agent, off_us, uncertainty_us: row.uncertainty_us });
    }

    fn compared(&mut self, with: Compared) {
        if self.worst.is_none_or(|worst| with.at_most_us() > worst.at_most_us()) {
            self.worst = Some(with);
        }
    }

    pub(super) fn turned_away(&self) -> u64 {
        self.hosts.turned_away()
    }

    pub(crate) fn has(&self, agent: u32) -> bool {
        self.hosts.get(&agent).is_some()
    }

    /// The names of their machines, each once.
    pub(crate) fn hosts(&self) -> Vec<&str> {
        let mut hosts: Vec<&str> = self.hosts.values().map(String::as_str).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }
}
