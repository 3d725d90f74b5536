use std::collections::BTreeMap;

use erlmcp_record::{ConnectionRow, Hist};

use super::bounded::add_causes;
use super::flow::merge_hist;

/// The connections of one phase, all its rows added up.
#[derive(Debug, Default)]
pub(crate) struct PhaseConnections {
    pub(crate) planned: u64,
    pub(crate) started: u64,
    pub(crate) opened: u64,
    pub(crate) reopened: u64,
    pub(crate) closed: u64,
    pub(crate) failed: BTreeMap<String, u64>,
    pub(crate) lost: BTreeMap<String, u64>,
    pub(crate) late: Option<Hist>,
    pub(crate) established: Option<Hist>,
    pub(crate) first_answer: Option<Hist>,
    /// The seconds in which openings were planned or made: the first and the last.
    pub(crate) opening_seconds: Option<(u32, u32)>,
    /// The last row of each agent.
    pub(crate) last: BTreeMap<u32, LastOpen>,
}

/// What an agent's last row said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LastOpen {
    pub(crate) second: u32,
    pub(crate) open: u64,
    pub(crate) by_replica: Vec<(u16, u64)>,
}

impl PhaseConnections {
    pub(crate) fn push(&mut self, row: &ConnectionRow) {
        self.planned += row.planned;
        self.started += row.started;
        self.opened += row.opened;
        self.reopened += row.reopened;
        self.closed += row.closed;
        add_causes(&mut self.failed, &row.failed);
        add_causes(&mut self.lost, &row.lost);
        merge_hist(&mut self.late, row.late.as_ref());
        merge_hist(&mut self.established, row.established.as_ref());
        merge_hist(&mut self.first_answer, row.first_answer.as_ref());
        if row.planned + row.started + row.opened > 0 {
            let (first, last) = self.opening_seconds.unwrap_or((row.second, row.second));
            self.opening_seconds = Some((first.min(row.second), last.max(row.second)));
        }
        keep_last(&mut self.last, row);
    }

    /// Openings that failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Open connections by replica at the end of the phase, all agents together.
    pub(crate) fn by_replica(&self) -> BTreeMap<u16, u64> {
        sum_by_replica(self.last.values().map(|last| last.by_replica.as_slice()))
    }
}

pub(crate) fn keep_last(last: &mut BTreeMap<u32, LastOpen>, row: &ConnectionRow) {
    let known = last.entry(row.agent).or_default();
    if row.second >= known.second {
        *known = LastOpen { second: row.second, open: row.open, by_replica: row.by_replica.clone() };
    }
}

pub(crate) fn sum_by_replica<'a>(parts: impl Iterator<Item = &'a [(u16, u64)]>) -> BTreeMap<u16, u64> {
    let mut sums = BTreeMap::new();
    for (replica, count) in parts.flatten() {
        *sums.entry(*replica).or_default() += count;
    }
    sums
}
