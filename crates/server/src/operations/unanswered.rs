//! The commands of a replica that the store has not answered, over any number of connections. Without IO.
//!
//! Nothing is lost between a replica and its store: what was sent on a connection that broke is sent again on the next
//! one, and the store knows what it has seen. A claim that comes too late for who wanted it is given back.

use std::collections::BTreeMap;

use super::heart::{Abandoned, Command, Outcome};
use super::keeper::Reply;

#[derive(Debug)]
struct Waiting<W> {
    command: Command,
    waiter: Option<W>,
    /// On this connection.
    is_sent: bool,
    /// On this connection or an earlier one: the store may know of it.
    was_sent: bool,
    /// On an earlier connection.
    is_repeated: bool,
    /// The store said that it could not.
    was_refused: bool,
}

/// Unanswered commands, each with whoever waits for its answer.
#[derive(Debug)]
pub(crate) struct Unanswered<W> {
    waiting: BTreeMap<u64, Waiting<W>>,
    next: u64,
    /// Claims and questions above this number are refused; ends of claims never are, and there is one a claim.
    max: usize,
}

/// There are as many as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backlog;

impl<W> Unanswered<W> {
    pub(crate) fn new(max: usize) -> Self {
        Self { waiting: BTreeMap::new(), next: 1, max }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The end of a claim is among them.
    pub(crate) fn has_ends(&self) -> bool {
        self.waiting.values().any(|one| one.command.ends_a_claim())
    }

    pub(crate) fn add(&mut self, command: Command, waiter: Option<W>) -> Result<(), Backlog> {
        if !command.ends_a_claim() && self.waiting.len() >= self.max {
            return Err(Backlog);
        }
        self.waiting.insert(
            self.next,
            Waiting { command, waiter, is_sent: false, was_sent: false, is_repeated: false, was_refused: false },
        );
        self.next += 1;
        Ok(())
    }

    /// Passes on what is to be sent now, in order. Nobody hears of commands that nobody wants any more.
    pub(crate) fn unsent(&mut self, is_wanted: impl Fn(&W) -> bool, mut send: impl FnMut(u64, &Command)) {
        self.waiting
            .retain(|_, one| one.was_sent || one.command.ends_a_claim() || one.waiter.as_ref().is_some_and(&is_wanted));
        for (number, one) in self.waiting.iter_mut().filter(|(_, one)| !one.is_sent) {
            (one.is_sent, one.was_sent) = (true, true);
            send(*number, &one.command);
        }
    }

    /// The connection is a new one.
    pub(crate) fn reconnected(&mut self) {
        for one in self.waiting.values_mut() {
            (one.is_sent, one.is_repeated, one.was_refused) = (false, one.was_sent, false);
        }
    }

    /// The store has answered; with none, that it could not, and that nobody knows what was written. Gives whom to tell.
    pub(crate) fn answered(&mut self, number: u64, reply: Option<&Reply>) -> Option<(W, Command)> {
        let one = self.waiting.get_mut(&number)?;
        // An end must come through, however often it takes.
        let has_failed = reply.is_none_or(|reply| matches!(reply.outcome, Outcome::Full | Outcome::NotWritten));
        if has_failed && one.command.ends_a_claim() {
            one.was_refused = true;
            return None;
        }
        let Waiting { command, waiter, is_repeated, .. } = self.waiting.remove(&number)?;
        // That there was no room for it now does not say what became of it when it was sent before.
        if waiter.is_none() || reply.is_none() || (has_failed && is_repeated) {
            self.unwanted(&command, reply.filter(|_| !has_failed));
        }
        Some((waiter?, command))
    }

    /// What the store could not carry out is to be sent again. True where there is any.
    pub(crate) fn retry(&mut self) -> bool {
        let mut any = false;
        for one in self.waiting.values_mut().filter(|one| one.was_refused) {
            (one.is_sent, one.was_refused, any) = (false, false, true);
        }
        any
    }

    /// Nobody will use what the store answered. A claim that was granted, or may have been, is given back.
    pub(crate) fn unwanted(&mut self, command: &Command, reply: Option<&Reply>) {
        if let Command::Claim { key, ticket, .. } = command
            && reply.is_none_or(|reply| reply.outcome == Outcome::Granted)
        {
            // Ends are always taken.
            let how = Abandoned::Unstarted;
            let _ = self.add(Command::Abandon { key: key.clone(), ticket: *ticket, how }, None);
        }
    }

    /// This incarnation is over: all who wait are to be told so.
    pub(crate) fn end(&mut self) -> Vec<W> {
        std::mem::take(&mut self.waiting).into_values().filter_map(|one| one.waiter).collect()
    }
}
