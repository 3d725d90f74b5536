//! What the engine tells the agent's main thread.

use std::collections::VecDeque;

use erlmcp_record::Entry;

/// Reports that may wait for the main thread.
pub(crate) const OUTBOX_MAX: usize = 1 << 16;

#[derive(Debug)]
pub(crate) enum Report {
    Planned {
        block: u32,
        planned: u64,
    },
    Row(Box<Entry>),
    Done {
        block: u32,
    },
    /// A second of the run's clock is over.
    Second(EngineSecond),
    /// The target does not know the session any more: a new one is wanted.
    SessionEnded,
    /// The engine cannot go on, as a sentence for the user.
    Failure(String),
    /// Goodbye was done: nothing follows.
    Gone,
}

/// The engine's own figures of one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EngineSecond {
    pub(crate) second: u32,
    /// Longest time between two polls.
    pub(crate) longest_stall_us: u64,
    pub(crate) sockets: u32,
    /// Those of them on which it answers what servers ask.
    pub(crate) sides: u32,
}

/// Reports in their order, until the channel takes them.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    reports: VecDeque<Report>,
    overflowed: bool,
}

impl Outbox {
    pub(crate) fn push(&mut self, report: Report) {
        if self.reports.len() < OUTBOX_MAX {
            self.reports.push_back(report);
        } else if !self.overflowed {
            self.overflowed = true;
            let why = "the orchestrator does not take the agent's rows: it is overloaded or hangs";
            self.reports.push_back(Report::Failure(why.into()));
        }
    }

    pub(crate) fn row(&mut self, entry: Entry) {
        self.push(Report::Row(Box::new(entry)));
    }

    pub(crate) fn pop(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// Puts back what could not be given away.
    pub(crate) fn put_back(&mut self, report: Report) {
        self.reports.push_front(report);
    }
}
