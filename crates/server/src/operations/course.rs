//! The course of one attempt at an operation on a replica: what comes next, as a state machine without IO. The claim is
//! durable before the tool starts, the result before it is answered.

use super::heart::{Abandoned, Class, Command, Fingerprint, Key, Outcome, Settled};
use super::keeper::Reply;

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// The store is asked; then comes [`Happened::Replied`] or [`Happened::TimedOut`].
    Ask(Command),
    /// The tool is run; then comes [`Happened::Ran`], [`Happened::Broke`] or [`Happened::Asks`].
    Run,
    Answer(Verdict),
}

/// What the client is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The result of this attempt.
    Fresh {
        result: Box<[u8]>,
    },
    /// The result of an earlier one.
    Replayed {
        result: Box<[u8]>,
        epoch: u64,
    },
    Running,
    Mismatch,
    Settled(Settled),
    /// The store can't be relied on now. Nothing was executed.
    Refused,
    /// The tool has run, and nobody can say yet whether its result is kept.
    Unknown,
    /// The tool did not come to its end: as it would be without an operation.
    AsItEnded,
    /// Nobody waits any more, and nothing was executed.
    Silent,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happened {
    /// None: the store could not.
    Replied(Option<Reply>),
    /// The store did not answer within the time that there is for it.
    TimedOut,
    /// The tool has its result.
    Ran { hash: u64, result: Box<[u8]>, effect: Option<Box<str>> },
    /// The tool broke or was late, be it that there was no time left to begin.
    Broke(Abandoned),
    /// The tool wants to know more first: it has done nothing yet.
    Asks,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Claiming,
    Running,
    /// With the result, which is answered when it is kept.
    Finishing(Box<[u8]>),
    Ending,
    Over,
}

/// One attempt.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    key: Key,
    ticket: u64,
    at: At,
}

impl Course {
    pub(crate) fn begin(key: Key, ticket: u64, class: Class, fingerprint: Fingerprint) -> (Self, Next) {
        let claim = Command::Claim { key: key.clone(), ticket, class, fingerprint };
        (Self { key, ticket, at: At::Claiming }, Next::Ask(claim))
    }

    /// `is_wanted`: somebody still waits for the answer.
    pub(crate) fn next(&mut self, happened: Happened, is_wanted: bool) -> Next {
        match (std::mem::replace(&mut self.at, At::Over), happened) {
            (At::Claiming, Happened::Replied(Some(reply))) => match reply.outcome {
                Outcome::Granted if is_wanted => {
                    self.at = At::Running;
                    Next::Run
                }
                Outcome::Granted => self.abandon(Abandoned::Unstarted),
                Outcome::Done { epoch, .. } => Next::Answer(match reply.result {
                    Some(result) => Verdict::Replayed { result, epoch },
                    None => Verdict::Settled(Settled::Expired { executed: true }),
                }),
                Outcome::Running { .. } => Next::Answer(Verdict::Running),
                Outcome::Mismatch => Next::Answer(Verdict::Mismatch),
                Outcome::Settled(settled) => Next::Answer(Verdict::Settled(settled)),
                _ => Next::Answer(Verdict::Refused),
            },
            // Should it be granted after all, it is given back: see `unanswered`.
            (At::Claiming, Happened::Replied(None) | Happened::TimedOut) => Next::Answer(Verdict::Refused),
            (At::Running, Happened::Ran { hash, result, effect }) => {
                self.at = At::Finishing(result.clone());
                Next::Ask(Command::Finish { key: self.key.clone(), ticket: self.ticket, hash, result, effect })
            }
            (At::Running, Happened::Broke(how)) => self.abandon(how),
            (At::Running, Happened::Asks) => self.abandon(Abandoned::Unstarted),
            (At::Finishing(result), Happened::Replied(Some(Reply { outcome: Outcome::Stored, .. }))) => {
                Next::Answer(Verdict::Fresh { result })
            }
            (At::Finishing(_), _) => Next::Answer(Verdict::Unknown),
            (At::Ending, _) if is_wanted => Next::Answer(Verdict::AsItEnded),
            (At::Ending, _) => Next::Answer(Verdict::Silent),
            // Nothing else can happen at these places.
            (At::Claiming | At::Running | At::Over, _) => Next::Answer(Verdict::Unknown),
        }
    }

    fn abandon(&mut self, how: Abandoned) -> Next {
        self.at = At::Ending;
        Next::Ask(Command::Abandon { key: self.key.clone(), ticket: self.ticket, how })
    }
}
