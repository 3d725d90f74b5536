//! Everything that can happen to a supervisor, in one queue.

use serde_json::Value;
use tokio::sync::oneshot;

use super::control::Request;
use super::machines;
use super::membership::Verdict;
use super::messages::{FromReplica, ListChange};
use super::store::FromStore;

/// Happenings that may wait; whoever brings one more waits too.
pub(super) const WAITING_MAX: usize = 1_024;

/// `life` tells the processes that were one replica after the other apart: what a dead one said no longer counts.
#[derive(Debug)]
pub(super) enum Happening {
    Said {
        replica: u16,
        life: u64,
        message: FromReplica,
    },
    /// Its process's channel is closed: it is about to end.
    Closed {
        replica: u16,
        life: u64,
    },
    /// Its process is gone.
    Ended {
        replica: u16,
        life: u64,
        reason: String,
    },
    StoreSaid {
        life: u64,
        message: FromStore,
    },
    /// The store's process is gone.
    StoreEnded {
        life: u64,
        reason: String,
    },
    /// The supervisor's own probe.
    Probed {
        replica: u16,
        life: u64,
        verdict: Verdict,
    },
    /// A user says that a list has changed.
    Changed(ListChange),
    /// The same on another machine.
    ChangedElsewhere(ListChange),
    /// By the database that is shared with other machines.
    Machines(machines::Said),
    Asked {
        request: Request,
        answer: oneshot::Sender<Value>,
    },
}
