use std::time::Duration;

use crate::fault;

/// What a visitor of the target does, beside the agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// The largest body.
    Body,
    /// The most streams of one session.
    SessionStreams,
    /// Streams of all clients to the limit of one process; those of sessions, too, where there are any.
    OpenStreams { has_sessions: bool },
    /// The most sessions that a server holds something of.
    HeldSessions,
    /// More queued calls than there is room for.
    Queue,
    /// Connections to the limit of one process.
    Connections,
    /// So many connections to a process that has no descriptors for them.
    Descriptors { connections: u64 },
    /// A server with so many tools, beside the target.
    Registry { tools: u64 },
    /// Plain requests.
    Router,
    /// Batches of 2025-03-26.
    Batches,
    /// Tokens of sessions, good and bad.
    Tokens,
    /// Changes told to so many streams.
    FanOut { streams: u64 },
}

impl Visit {
    fn estimate(self) -> Duration {
        Duration::from_secs(match self {
            Visit::Queue | Visit::Connections | Visit::OpenStreams { .. } => 8,
            Visit::HeldSessions => 15,
            Visit::Descriptors { .. } => 5,
            _ => 2,
        })
    }
}

/// A visit, and the load beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Visiting {
    pub visit: Visit,
    /// Requests a second, all agents together; None: nothing else is done meanwhile.
    pub rate: Option<f64>,
    /// Steady load before the visit and after it.
    pub window: Duration,
    /// Is in force during the visit, on the replica that is visited.
    pub under: Option<fault::Fault>,
}

impl Visiting {
    pub(super) fn estimate(&self) -> Duration {
        let windows = if self.rate.is_some() { 2 * self.window + Duration::from_secs(2) } else { Duration::ZERO };
        windows + self.visit.estimate()
    }
}

/// The number of replicas changed under load, one time after another.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    pub rate: f64,
    /// Steady load before the first change, and after each.
    pub window: Duration,
    pub replicas: Vec<u16>,
    /// Of one change.
    pub bound: Duration,
    /// Clients that move a second, all agents together.
    pub move_rate: f64,
    /// How many move in all: for the estimate.
    pub moves: u64,
}

impl Scaling {
    pub(super) fn estimate(&self) -> Duration {
        let moving = Duration::from_secs_f64(self.moves as f64 / self.move_rate.max(1.0));
        self.window + (self.window + Duration::from_secs(5)) * self.replicas.len() as u32 + moving
    }
}
