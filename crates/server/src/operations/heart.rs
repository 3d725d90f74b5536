//! What may become of an operation: the decisions, as plain functions over plain data. Every store decides by these.
//!
//! An operation is unknown, or it has a record. A *claim* makes it running, for one epoch: the incarnation of a replica
//! that the store gave this number. Only the claim's epoch and ticket may end it. Fencing an epoch takes its claims away.

use std::fmt;

use super::seeded::Bug;

/// How often a tool may run for one operation. The numbers are in stores, and go between processes; journals of a run have
/// their own, and nothing leads from these to those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    /// Its effect is written together with its result, or not at all.
    Transactional = 0,
    /// It has no effect.
    ReadOnly = 1,
    /// A second run changes nothing more.
    Idempotent = 2,
    /// Its effect is outside and may not happen twice.
    Once = 3,
}

impl Class {
    pub(crate) const ALL: [Self; 4] = [Self::Transactional, Self::ReadOnly, Self::Idempotent, Self::Once];

    /// As it is kept and sent.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.code() == code)
    }

    /// Nothing that it did is left when its claim ends without a result.
    pub(crate) fn leaves_nothing(self) -> bool {
        matches!(self, Self::Transactional | Self::ReadOnly)
    }
}

/// The first half of a fingerprint's digest; all zero where none is known.
pub(crate) type Fingerprint = [u8; 16];

/// Who wants what done once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Empty for who is not known.
    pub(crate) principal: Box<str>,
    pub(crate) operation: Box<str>,
}

/// What a store is asked to do, by the incarnation with this epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Before the tool starts. `ticket` is new for each run within its epoch, so that a claim that is sent again is known.
    Claim { key: Key, ticket: u64, class: Class, fingerprint: Fingerprint },
    /// The tool has its result.
    Finish { key: Key, ticket: u64, hash: u64, result: Box<[u8]>, effect: Option<Box<str>> },
    /// The claim ends without a result.
    Abandon { key: Key, ticket: u64, how: Abandoned },
    /// What became of it? `settle`: where that is open, it is settled now.
    Ask { key: Key, settle: bool },
}

impl Command {
    /// Whoever has the claim has no use for it any more.
    pub(crate) fn ends_a_claim(&self) -> bool {
        matches!(self, Self::Finish { .. } | Self::Abandon { .. })
    }

    pub(crate) fn key(&self) -> &Key {
        match self {
            Self::Claim { key, .. } | Self::Finish { key, .. } | Self::Abandon { key, .. } | Self::Ask { key, .. } => {
                key
            }
        }
    }
}

/// Why a claim ends without a result. The numbers go between processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Abandoned {
    /// The tool was not started: the claim is as if it had never been.
    Unstarted = 0,
    /// The tool broke.
    Broken = 1,
    /// The tool ran out of time.
    Late = 2,
}

impl Abandoned {
    /// As it is sent.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Unstarted, Self::Broken, Self::Late].into_iter().find(|how| how.code() == code)
    }
}

/// What an operation was settled as without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    Never,
    Cancelled,
    /// `executed`: it was done, and its result is no longer kept.
    Expired {
        executed: bool,
    },
    Indeterminate,
}

impl Settled {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Cancelled => "cancelled",
            Self::Expired { .. } => "expired",
            Self::Indeterminate => "indeterminate",
        }
    }

    /// Whether it took effect, where that is known.
    pub(crate) fn executed(self) -> Option<bool> {
        match self {
            Self::Never | Self::Cancelled => Some(false),
            Self::Expired { executed } => Some(executed),
            Self::Indeterminate => None,
        }
    }
}

/// What a store answers. It is durable when it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The tool may start.
    Granted,
    /// It was done; by whom, and the row that has the result.
    Done {
        epoch: u64,
        row: i64,
    },
    /// It runs, elsewhere or here.
    Running {
        epoch: u64,
    },
    /// The id was used for something else.
    Mismatch,
    Settled(Settled),
    /// Nothing is known, or it may be claimed again; it was not to be settled.
    Open,
    /// The result is kept.
    Stored,
    /// The claim is gone.
    Ended,
    /// The claim is another one's, or was taken away.
    Fenced,
    /// There is no room for another operation.
    Full,
    /// It could not be written: nothing has changed.
    NotWritten,
}

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Running(Claim),
    /// May be claimed again: its claim was taken away, and that it runs once more does no harm.
    Open(Class),
    /// `row` has the result.
    Done {
        epoch: u64,
        ticket: u64,
        row: i64,
    },
    Settled(Settled),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) epoch: u64,
    pub(crate) ticket: u64,
    pub(crate) class: Class,
    /// The row of the claim.
    pub(crate) row: i64,
    /// There was a claim before that was taken away.
    pub(crate) again: bool,
}

/// What a store keeps in mind of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) fingerprint: Fingerprint,
    /// Its first row, by which the others name it.
    pub(crate) first: i64,
    /// The row that says where it stands; while it runs, the one that said so before its claim, or 0.
    pub(crate) last: i64,
    /// Of its last change, CLOCK_MONOTONIC ns.
    pub(crate) at_ns: u64,
    pub(crate) state: State,
}

/// What happened to an operation, as the history has it. The numbers are in stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Event {
    /// Accepted, and from then on the tool may have started.
    Claimed = 1,
    Done = 2,
    Cancelled = 3,
    Expired = 4,
    Never = 5,
    Indeterminate = 6,
    Fenced = 7,
}

impl Event {
    pub(crate) const ALL: [Self; 7] =
        [Self::Claimed, Self::Done, Self::Cancelled, Self::Expired, Self::Never, Self::Indeterminate, Self::Fenced];

    /// As it is kept.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|event| i64::from(event.code()) == code)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claimed => "accepted",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Never => "never",
            Self::Indeterminate => "indeterminate",
            Self::Fenced => "fenced",
        })
    }
}

/// A decision: what is answered, and what changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision<O> {
    /// Nothing changes.
    Same(O),
    /// A row is written; the operation stands so from then on.
    Changes(O, Event, State),
    /// The claim's row is taken back; where nothing was before it, so is the record.
    TakenBack(O, Claim),
}

/// What comes of a command. `row` is the number that the next row would have.
pub(crate) fn decide(record: Option<&Record>, command: &Command, epoch: u64, row: i64) -> Decision<Outcome> {
    use Decision::{Changes, Same};
    match command {
        Command::Claim { ticket, class, fingerprint, .. } => claim(record, epoch, *ticket, *class, fingerprint, row),
        Command::Finish { ticket, .. } => match record.map(|record| record.state) {
            Some(State::Running(claim)) if claim.is(epoch, *ticket) => {
                Changes(Outcome::Stored, Event::Done, State::Done { epoch, ticket: *ticket, row })
            }
            // It is sent again.
            Some(State::Done { epoch: by, ticket: with, .. }) if (by, with) == (epoch, *ticket) => {
                Same(Outcome::Stored)
            }
            _ => Same(Outcome::Fenced),
        },
        Command::Abandon { ticket, how, .. } => match record.map(|record| record.state) {
            Some(State::Running(claim)) if claim.is(epoch, *ticket) => match how {
                Abandoned::Unstarted => Decision::TakenBack(Outcome::Ended, claim),
                how => {
                    let (event, state) = broken(claim.class, *how);
                    Changes(Outcome::Ended, event, state)
                }
            },
            _ => Same(Outcome::Ended),
        },
        Command::Ask { settle, .. } => ask(record, *settle),
    }
}

impl Claim {
    fn is(&self, epoch: u64, ticket: u64) -> bool {
        (self.epoch, self.ticket) == (epoch, ticket)
    }
}

fn claim(
    record: Option<&Record>,
    epoch: u64,
    ticket: u64,
    class: Class,
    fingerprint: &Fingerprint,
    row: i64,
) -> Decision<Outcome> {
    use Decision::{Changes, Same};
    let running = |again| State::Running(Claim { epoch, ticket, class, row, again });
    let Some(record) = record else { return Changes(Outcome::Granted, Event::Claimed, running(false)) };
    let is_known = record.fingerprint != Fingerprint::default();
    if is_known && record.fingerprint != *fingerprint {
        return Same(Outcome::Mismatch);
    }
    match record.state {
        // It is sent again.
        State::Running(claim) if claim.is(epoch, ticket) => Same(Outcome::Granted),
        State::Running(claim) => Same(Outcome::Running { epoch: claim.epoch }),
        State::Open(_) => Changes(Outcome::Granted, Event::Claimed, running(true)),
        State::Done { .. } if Bug::RunsTwice.strikes() => Changes(Outcome::Granted, Event::Claimed, running(true)),
        State::Done { epoch, row, .. } => Same(Outcome::Done { epoch, row }),
        State::Settled(settled) => Same(Outcome::Settled(settled)),
    }
}

/// A claim ends after the tool has started and before it had a result.
fn broken(class: Class, how: Abandoned) -> (Event, State) {
    match class {
        class if class.leaves_nothing() && how == Abandoned::Late => {
            (Event::Expired, State::Settled(Settled::Expired { executed: false }))
        }
        class if class.leaves_nothing() => (Event::Cancelled, State::Settled(Settled::Cancelled)),
        class => fence(class),
    }
}

/// A claim is taken away.
pub(crate) fn fence(class: Class) -> (Event, State) {
    match class {
        Class::Once => (Event::Indeterminate, State::Settled(Settled::Indeterminate)),
        class => (Event::Fenced, State::Open(class)),
    }
}

fn ask(record: Option<&Record>, settle: bool) -> Decision<Outcome> {
    use Decision::{Changes, Same};
    let settled = |settled| {
        let event = if settled == Settled::Never { Event::Never } else { Event::Indeterminate };
        Changes(Outcome::Settled(settled), event, State::Settled(settled))
    };
    match record.map(|record| record.state) {
        Some(State::Running(claim)) => Same(Outcome::Running { epoch: claim.epoch }),
        Some(State::Done { epoch, row, .. }) => Same(Outcome::Done { epoch, row }),
        Some(State::Settled(settled)) => Same(Outcome::Settled(settled)),
        None | Some(State::Open(_)) if !settle => Same(Outcome::Open),
        // It may have run, and what it did is outside.
        Some(State::Open(class)) if !class.leaves_nothing() => settled(Settled::Indeterminate),
        None | Some(State::Open(_)) if Bug::ForgetsNever.strikes() => Same(Outcome::Settled(Settled::Never)),
        None | Some(State::Open(_)) => settled(Settled::Never),
    }
}

#[cfg(test)]
mod tests;
