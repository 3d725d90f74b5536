//! Blocks of work under way.

use crate::ledger::Account;
use crate::pacing::{Constant, Pace};
use crate::permutation::Permutation;
use crate::request::Call;
use crate::workload::Walks;

/// Blocks under way at once, at most.
pub(crate) const BLOCKS_MAX: usize = 64;

#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) id: u32,
    pub(crate) phase: u8,
    /// What the orchestrator was told that it plans.
    pub(crate) planned_told: u64,
    pub(crate) work: Work,
}

#[derive(Debug)]
pub(crate) enum Work {
    Open(OpenWork),
    Arrivals(ArrivalWork),
    Sessions(SessionWork),
    Sequential(SequentialWork),
    Close(CloseWork),
    Reconnect(ReconnectWork),
    Rebalance(RebalanceWork),
}

/// Whose places a block counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Clients,
    Streams,
}

/// Connections, or streams, to be opened. Their places are `first..first + count`.
#[derive(Debug)]
pub(crate) struct OpenWork {
    pub(crate) of: Of,
    /// None: unpaced.
    pub(crate) pace: Option<Constant>,
    pub(crate) start_us: u64,
    pub(crate) first: u32,
    pub(crate) count: u32,
    /// How many were put into the line.
    pub(crate) lined: u32,
    /// How many of those are neither open nor given up.
    pub(crate) pending: u32,
    /// Openings in flight at most.
    pub(crate) at_once_max: u32,
}

/// Requests at a pace, each bound to a client.
#[derive(Debug)]
pub(crate) struct ArrivalWork {
    pub(crate) pace: Pace,
    pub(crate) order: Permutation,
    pub(crate) account: Account,
    pub(crate) call: Call,
    /// Refused operations are tried again until this time; 0: not at all.
    pub(crate) patience_us: u64,
    /// Once all are planned: retries a second, where fewer are earned.
    pub(crate) settle_rate: f64,
}

/// Sessions of a workload at a pace, each bound to a client, and the steps of those that have begun.
#[derive(Debug)]
pub(crate) struct SessionWork {
    /// When sessions begin.
    pub(crate) pace: Pace,
    pub(crate) order: Permutation,
    pub(crate) account: Account,
    /// Refused operations are tried again until this time; 0: not at all.
    pub(crate) patience_us: u64,
    /// Steps that were to come then are not planned.
    pub(crate) end_us: u64,
    /// They begin as a recorded trace has them.
    pub(crate) is_trace: bool,
    /// Those begun before the pace's first.
    pub(crate) ahead: u64,
    pub(crate) walks: Walks,
}

impl SessionWork {
    pub(crate) fn next_us(&self) -> Option<u64> {
        self.pace.next_us().into_iter().chain(self.walks.next_us()).min()
    }

    /// The next thing is that a session begins.
    pub(crate) fn begins(&self) -> bool {
        let begins_us = self.pace.next_us();
        begins_us.is_some_and(|at_us| self.walks.next_us().is_none_or(|next_us| at_us <= next_us))
    }
}

/// Requests one after another on a connection of their own.
#[derive(Debug)]
pub(crate) struct SequentialWork {
    pub(crate) key: u32,
    /// Requests that were not planned yet.
    pub(crate) left: u32,
    pub(crate) call: Call,
    pub(crate) cold_told: bool,
}

/// Clients, or streams, to be closed; those before `next` have been told.
#[derive(Debug)]
pub(crate) struct CloseWork {
    pub(crate) of: Of,
    /// None: unpaced.
    pub(crate) pace: Option<Constant>,
    pub(crate) start_us: u64,
    pub(crate) next: usize,
    pub(crate) end: usize,
    /// Streams before this place are to be closed as well.
    pub(crate) streams_end: usize,
}

impl CloseWork {
    pub(crate) fn next_us(&self) -> Option<u64> {
        let paced = || self.pace.as_ref().map_or(Some(self.start_us), Constant::next_us);
        if self.next == self.end { None } else { paced() }
    }
}

/// Clients to be closed at one instant, and opened again at once.
#[derive(Debug)]
pub(crate) struct ReconnectWork {
    /// Of each hundred clients so many.
    pub(crate) percent: u32,
    pub(crate) at_us: u64,
    /// For so long nothing can be sent or opened by anybody; 0: those with a request in flight are left alone.
    pub(crate) outage_us: u64,
    /// It ends then, whoever is not served again.
    pub(crate) until_us: u64,
    /// Incidents to which they belong, once they are closed: one an endpoint.
    pub(crate) incidents: Option<Vec<u32>>,
}

/// An outage that the clients make for themselves, and what comes after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    /// Nothing can be sent or opened.
    pub(crate) dark_until_us: u64,
    /// What failed in it is tried again until then at most.
    pub(crate) until_us: u64,
}

/// Clients to be moved from addresses with more connections to ones with fewer.
#[derive(Debug, Default)]
pub(crate) struct RebalanceWork {
    pub(crate) phase: u8,
    /// When the next one is to be moved.
    pub(crate) next_us: u64,
    pub(crate) every_us: u64,
    /// It ends then, even or not.
    pub(crate) until_us: u64,
    /// The place of the client that is looked at next.
    pub(crate) cursor: usize,
    pub(crate) moves: Vec<Moving>,
    pub(crate) is_over: bool,
}

/// A client whose next connection is being opened, or waits for the last request on the old one.
#[derive(Debug)]
pub(crate) struct Moving {
    /// The new one.
    pub(crate) key: u32,
    pub(crate) place: u32,
    /// The endpoint that it leaves.
    pub(crate) from: u16,
    pub(crate) since_us: u64,
}

impl Block {
    pub(crate) fn account(&self, kind: erlmcp_record::Kind) -> Account {
        Account { block: self.id, phase: self.phase, kind, class: 0 }
    }

    /// When it next has something to do by the clock; None: it waits for something else, or has ended.
    pub(crate) fn next_us(&self) -> Option<u64> {
        match &self.work {
            Work::Open(open) if open.lined == open.count => None,
            Work::Open(open) => open.pace.as_ref().map_or(Some(open.start_us), Constant::next_us),
            Work::Arrivals(arrivals) => arrivals.pace.next_us(),
            Work::Sessions(sessions) => sessions.next_us(),
            Work::Sequential(_) => None,
            Work::Reconnect(reconnect) if reconnect.incidents.is_none() => Some(reconnect.at_us),
            Work::Reconnect(reconnect) => Some(reconnect.until_us),
            Work::Rebalance(work) => (!work.is_over).then_some(work.next_us.min(work.until_us)),
            Work::Close(close) => close.next_us(),
        }
    }
}
