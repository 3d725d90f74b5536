//! One connection of the engine: what it is doing, and what it needs to go on. It holds no buffer while idle.

use crate::ledger::{Account, NO_ENDPOINT};
use crate::request::{Flight, Queue};
use crate::sources::SourceIndex;
use crate::timers::Armed;
use crate::wire::Reading;

/// The target's clock runs since before its answer was here, and a request must be there before it closes.
const KEEP_ALIVE_MARGIN_US: u64 = 1_000_000;

/// What a connection is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// One of the N that are held; its place among them.
    Client(u32),
    /// The one of a block of sequential requests.
    Sequential(u32),
    /// Asks once whether its endpoint is there.
    Check,
    /// Carries answers to requests of the server's.
    Side,
    /// The next connection of the client with this place, until it is that client's.
    Mover(u32),
    /// A stream of notifications; its place among them.
    Stream(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No socket: not opened yet, or lost and waiting for its turn.
    Resting,
    /// No socket, and its place in the line of those to be opened.
    Lined,
    /// Connect was called.
    Connecting,
    /// Established, with a request in flight; its first one as long as there is an opening.
    Busy,
    /// Open, with nothing in flight.
    Idle,
}

/// How far a session of the connection's own is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hands {
    /// The server does not know it any more: `initialize` comes next.
    Gone,
    /// Opened: `notifications/initialized` comes next.
    Opened,
    /// Nothing is left to do, or there is none of its own.
    Shaken,
}

/// The times of an opening under way, run clock; 0: not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) planned_us: u64,
    pub(crate) started_us: u64,
    pub(crate) established_us: u64,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) role: Role,
    pub(crate) state: State,
    /// Where it is, is being opened, or was last.
    pub(crate) endpoint: u16,
    pub(crate) source: Option<SourceIndex>,
    /// The block that waits for its opening; 0: none.
    pub(crate) block: u32,
    /// Openings failed and connections lost since it was last of use: they make it wait longer.
    pub(crate) failures: u8,
    /// Its last opening failed for want of a descriptor or port of ours.
    pub(crate) lacked_own: bool,
    pub(crate) was_open: bool,
    /// To be closed as soon as nothing is in flight.
    pub(crate) closing: bool,
    /// It is opened when a request waits for it, and says that one first.
    pub(crate) renews: bool,
    /// The target has closed it in order, and it is being opened again at once.
    pub(crate) is_renewing: bool,
    /// The incident in which it was lost; 0: none, or served again.
    pub(crate) incident: u32,
    pub(crate) opening: Option<Opening>,
    pub(crate) opened_us: u64,
    /// From connect to established.
    pub(crate) round_trip_us: u64,
    /// While resting: when it is to be opened; 0: when its block says.
    pub(crate) wake_us: u64,
    pub(crate) flight: Option<Flight>,
    pub(crate) queue: Queue,
    /// Since when it has had nothing in flight.
    pub(crate) free_us: u64,
    /// How long it had been idle when the target last closed it; 0: it was not.
    pub(crate) idle_us: u64,
    /// How long the target keeps it idle, seconds, by its last answer.
    pub(crate) keep_alive_s: Option<u16>,
    pub(crate) armed: Armed,
    /// Of a legacy session of its own the whole header line, with its end.
    pub(crate) session: Option<Box<str>>,
    pub(crate) hands: Hands,
    /// When it was last refused a session, run clock; 0: not since it had one.
    pub(crate) refused_us: u64,
    /// Id of the last request that was answered.
    pub(crate) answered_id: u64,
    /// What the last request counted as.
    pub(crate) account: Option<Account>,
    /// The rest of a request that the socket did not take at once.
    pub(crate) unsent: Option<Box<[u8]>>,
    /// An answer that has come in part.
    pub(crate) reading: Option<Box<Reading>>,
}

impl Connection {
    pub(crate) fn new(role: Role, block: u32) -> Self {
        Self {
            role,
            state: State::Resting,
            endpoint: NO_ENDPOINT,
            source: None,
            block,
            failures: 0,
            lacked_own: false,
            was_open: false,
            closing: false,
            renews: false,
            is_renewing: false,
            incident: 0,
            opening: None,
            opened_us: 0,
            round_trip_us: 0,
            wake_us: 0,
            flight: None,
            queue: Queue::new(),
            free_us: 0,
            idle_us: 0,
            keep_alive_s: None,
            armed: Armed::default(),
            session: None,
            hands: Hands::Shaken,
            refused_us: 0,
            answered_id: 0,
            account: None,
            unsent: None,
            reading: None,
        }
    }

    pub(crate) fn has_socket(&self) -> bool {
        matches!(self.state, State::Connecting | State::Busy | State::Idle)
    }

    /// Established and its first request answered.
    pub(crate) fn is_open(&self) -> bool {
        match self.state {
            State::Idle => true,
            State::Busy => self.opening.is_none() && self.role != Role::Check,
            State::Resting | State::Lined | State::Connecting => false,
        }
    }

    /// It was closed in order, and rests until a request waits for it.
    pub(crate) fn rests(&self) -> bool {
        self.renews && self.state == State::Resting && self.wake_us == 0
    }

    /// When an idle client's connection had better be closed, since the target is about to; None: it says nothing of that.
    pub(crate) fn keep_alive_ends_us(&self) -> Option<u64> {
        let kept_us = u64::from(self.keep_alive_s.filter(|_| self.is_client())?) * 1_000_000;
        Some(self.free_us + kept_us - KEEP_ALIVE_MARGIN_US.min(kept_us / 2))
    }

    pub(crate) fn is_client(&self) -> bool {
        matches!(self.role, Role::Client(_))
    }

    /// Who it bears the token of, of all that this agent holds: a client's or stream's place, whatever connection it is on.
    pub(crate) fn principal(&self, key: u32) -> u32 {
        match self.role {
            Role::Client(place) | Role::Mover(place) | Role::Stream(place) => place,
            Role::Sequential(_) | Role::Check | Role::Side => key,
        }
    }

    pub(crate) fn is_mover(&self) -> bool {
        matches!(self.role, Role::Mover(_))
    }

    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.role, Role::Stream(_))
    }
}
