use std::net::SocketAddr;

use erlmcp_load::proto::{Changed, Knocked, Reached, Slowed};
use erlmcp_record::{ClusterSample, Entry};

use crate::visit::Visited;

/// Everything that can happen in a run, one at a time.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// Time goes on; several a second.
    Tick,
    Agent {
        agent: u32,
        said: Said,
    },
    /// The server's side of one second.
    Sample(Box<ClusterSample>),
    /// The cluster told of one of its replicas.
    Replica {
        replica: u16,
        at_us: u64,
        change: Change,
    },
    /// The target is at these addresses from now on, by replica.
    Moved(Vec<(u16, SocketAddr)>),
    /// What came of an [`Ask`](crate::action::Ask).
    Answer(Answer),
}

impl Event {
    /// The rows that an agent has sent; none where it is something else that happened.
    pub(crate) fn rows(&self) -> &[Entry] {
        match self {
            Event::Agent { said: Said::Rows(rows), .. } => rows,
            _ => &[],
        }
    }
}

/// What an agent said.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    Planned {
        block: u32,
        planned: u64,
    },
    Rows(Vec<Entry>),
    Done {
        block: u32,
    },
    Reached(Reached),
    Changed(Changed),
    Slowed(Slowed),
    /// Requests of this block hold from here on; else why not, as a sentence.
    Taken {
        block: u32,
        error: String,
    },
    Knocked(Knocked),
    /// A line of its standard error.
    Line(String),
    /// It is gone, with the reason as a sentence.
    Gone(String),
}

/// What became of a replica, as its cluster says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Out of membership.
    Down,
    /// A member again.
    Up,
    /// Anything else; it changes nothing that a phase waits for.
    Other,
}

impl Change {
    /// Whether it is a member from then on; None: that did not change.
    pub(crate) fn is_member(self) -> Option<bool> {
        match self {
            Change::Down => Some(false),
            Change::Up => Some(true),
            Change::Other => None,
        }
    }
}

/// The outcome of something that the select loop did for a block.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// GET /health: how long it took, or why there was no good answer.
    Health(Result<f64, String>),
    /// Looking up the target's name took so long, milliseconds; None: it is an address. `Err`: why it failed.
    Resolved(Result<Option<f64>, String>),
    /// Busy and all workers of the target; None: not reported.
    Workers(Option<(u64, u64)>),
    /// A fault is in force, or why not.
    Injected {
        id: u32,
        outcome: Result<Injected, String>,
    },
    /// A fault was undone, and that was seen, at this time.
    Healed {
        id: u32,
        outcome: Result<Healed, HealError>,
    },
    /// When /ready answered on the replica's own address; None: it has none that could be asked.
    Ready {
        replica: u16,
        at_us: Option<u64>,
    },
    /// The cluster has the replicas that it was told to have, at these addresses.
    Scaled(Result<Vec<(u16, SocketAddr)>, String>),
    /// What came of a visit.
    Visited {
        id: u32,
        outcome: Result<Visited, String>,
    },
    /// What the audit of the operations has found, or why there is none.
    Audited(Result<Audited, String>),
    Dismantled(Leftovers),
    /// A change was made at this time, or why not.
    Changed {
        change: u32,
        made: Result<u64, String>,
    },
}

/// A fault whose effect was seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Injected {
    /// What was done: "SIGKILL of the process".
    pub(crate) method: String,
    pub(crate) injected_us: u64,
    pub(crate) effect_us: u64,
    /// It undoes itself, or must be undone, after so long; None: it lasts until it is undone.
    pub(crate) at_most_us: Option<u64>,
    /// Why its later steps were not made, of a fault of several.
    pub(crate) unfinished: Option<String>,
}

impl Injected {
    /// It lasts until it is undone, if at all, and all of it was done.
    pub(crate) fn seen(method: String, injected_us: u64, effect_us: u64) -> Self {
        Self { method, injected_us, effect_us, at_most_us: None, unfinished: None }
    }
}

/// A fault that was undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Healed {
    pub(crate) healed_us: u64,
    pub(crate) verified_us: u64,
}

/// Why a fault is not known to be healed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HealError {
    /// It is still in force.
    #[error("{0}")]
    Stuck(String),
    /// It is not, but not all is as it was.
    #[error("{0}")]
    Otherwise(String),
    /// It was undone by itself, nobody knows when: it shows nothing.
    #[error("it was undone before its time: {0}")]
    Early(String),
}

/// What an audit has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Audited {
    pub(crate) operations: u64,
    /// Of all invariants; None: the verdict is unknown.
    pub(crate) violations: Option<u64>,
    /// Why it is unknown, or what was violated first; empty where all holds.
    pub(crate) why: String,
}

/// What was still there after everything was told to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Leftovers {
    pub(crate) processes: u64,
    pub(crate) faults: u64,
    /// What they are, where there are some.
    pub(crate) note: Option<String>,
}
