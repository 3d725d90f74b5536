//! A replica: attempts at their course, and what the store has not answered.

use std::collections::{BTreeMap, HashSet};

use crate::operations::course::{Course, Next, Verdict};
use crate::operations::heart::Command;
use crate::operations::keeper::Reply;
use crate::operations::table::Incarnation;
use crate::operations::unanswered::Unanswered;

/// What waits for an answer of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Waiter {
    Attempt(u64),
    /// A client's question about its operation.
    Question(usize),
}

#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) operation: usize,
    pub(super) course: Course,
    /// The tool is at work.
    pub(super) runs: bool,
    /// Its client still waits.
    pub(super) is_wanted: bool,
}

#[derive(Debug)]
pub(super) struct Replica {
    pub(super) incarnation: Incarnation,
    /// The connection to the store, and the epoch there.
    pub(super) connection: Option<(u64, u64)>,
    pub(super) attempts: BTreeMap<u64, Attempt>,
    pub(super) unanswered: Unanswered<Waiter>,
    /// Those who wait no more.
    pub(super) gone: HashSet<Waiter>,
    pub(super) next_ticket: u64,
}

impl Replica {
    pub(super) fn new(incarnation: Incarnation) -> Self {
        Self {
            incarnation,
            connection: None,
            attempts: BTreeMap::new(),
            unanswered: Unanswered::new(8),
            gone: HashSet::new(),
            next_ticket: 1,
        }
    }

    /// Asks the store; false where there is too much that it has not answered.
    pub(super) fn ask(&mut self, command: Command, waiter: Waiter) -> bool {
        self.gone.remove(&waiter);
        self.unanswered.add(command, Some(waiter)).is_ok()
    }

    /// What is to be sent.
    pub(super) fn unsent(&mut self) -> Vec<(u64, Command)> {
        let mut sent = Vec::new();
        let gone = &self.gone;
        self.unanswered.unsent(|waiter| !gone.contains(waiter), |number, command| sent.push((number, command.clone())));
        sent
    }

    /// The store's answer; whom to tell.
    pub(super) fn hear(&mut self, number: u64, reply: Option<&Reply>) -> Option<Waiter> {
        let (waiter, command) = self.unanswered.answered(number, reply)?;
        if self.gone.remove(&waiter) {
            if let Some(reply) = reply {
                self.unanswered.unwanted(&command, Some(reply));
            }
            return None;
        }
        Some(waiter)
    }

    /// Goes on with an attempt; its answer, once it has one.
    pub(super) fn go_on(&mut self, id: u64, mut next: Next) -> Option<Verdict> {
        loop {
            match next {
                Next::Ask(command) => {
                    if self.ask(command, Waiter::Attempt(id)) {
                        return None;
                    }
                    let attempt = self.attempts.get_mut(&id)?;
                    next = attempt.course.next(super::super::course::Happened::TimedOut, attempt.is_wanted);
                }
                Next::Run => {
                    self.attempts.get_mut(&id)?.runs = true;
                    return None;
                }
                Next::Answer(verdict) => return Some(verdict),
            }
        }
    }
}
