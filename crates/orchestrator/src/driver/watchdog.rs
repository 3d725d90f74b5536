//! The watchdog: a process of its own that knows what must be undone, and undoes it when nobody renews its lease.
//!
//! Orchestrator and watchdog speak over one socket, the watchdog's standard input: a line of JSON a request, a line an
//! answer. What must be undone is told before it is done. The lease ends when nothing was heard for [`LEASE`], and at once
//! when the socket is closed, as the kernel does for a process that is killed. Should the watchdog be killed, its owner
//! undoes everything itself. What the kernel undoes by itself (nftables with an owner, children with a parent-death
//! signal) needs neither of them.

mod debt;
mod keeper;
mod owner;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(super) use debt::{Debt, run};
pub use keeper::keep_watch;
pub(super) use owner::{Program, Ticket, Watchdog};

/// Silence after which everything is undone. A run that is so busy that it says nothing for so long is stuck.
const LEASE: Duration = Duration::from_secs(4);
const RENEW_EVERY: Duration = Duration::from_millis(500);
/// Debts of one fault, and of all: far above what a run has.
const DEBTS_MAX: usize = 10_000;

/// What the owner says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Request {
    /// Nothing new; has no answer.
    Renew,
    /// Undo this one day.
    Hold { ticket: u64, debts: Vec<Debt> },
    /// Undo it now.
    Release { ticket: u64 },
}

/// What the watchdog answers.
#[derive(Debug, Serialize, Deserialize)]
struct Reply {
    /// What could not be undone, as sentences.
    #[serde(default)]
    stuck: Vec<String>,
}

#[cfg(test)]
pub(super) use tests::program_of_tests;

#[cfg(test)]
mod tests;
