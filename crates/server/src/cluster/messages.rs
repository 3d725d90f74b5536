//! What supervisor and replica say to each other: JSON, one message a line.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::line;
use crate::engine::Change;
use crate::limits::Limits;
use crate::metrics::{ClusterReference, Snapshot};

/// The longest message of a replica.
pub(super) const FROM_REPLICA_BYTES_MAX: usize = 256 * 1_024;
/// The longest message to a replica, and the longest text behind it: the pages of [`REPLICAS_MAX`](super::REPLICAS_MAX) replicas.
pub(super) const TO_REPLICA_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// Messages to a replica that may wait; one that leaves so many unread is stuck.
pub(super) const TO_REPLICA_WAITING_MAX: usize = 32;

/// The first message; the listening sockets come with it, the shared ones first, the replica's own last.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) replica: u16,
    pub(super) supervisor_pid: u32,
    pub(super) shards: usize,
    pub(super) limits: Limits,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) cluster: ClusterReference,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToReplica {
    Membership(Membership),
    /// The shared pages. The text of /metrics follows the line as it is: it is long and full of quotes.
    Pages {
        metrics_bytes: usize,
        status: Value,
        taken_at_ns: u64,
    },
    Changed(ListChange),
    Drain,
}

/// A message as it is written: made once for all replicas.
pub(super) type Line = Arc<Vec<u8>>;

impl ToReplica {
    pub(super) fn to_line(&self) -> Line {
        Arc::new(line::to_line(self))
    }
}

/// Who belongs to the cluster, and whom this replica has to watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Membership {
    pub(super) members: Vec<Member>,
    pub(super) watch: Vec<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) replica: u16,
    pub(super) address: SocketAddr,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromReplica {
    /// It takes requests.
    Ready,
    /// Its loops turn.
    Beat,
    Snapshot(Box<Snapshot>),
    /// What came of a probe of another replica.
    Probe {
        replica: u16,
        good: bool,
        at_ns: u64,
    },
    Changed(ListChange),
    /// It cannot start, for this reason.
    Failed(String),
    Drained {
        cut: u64,
    },
}

/// A list that subscribers may want to read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ListChange {
    Tools,
}

impl From<ListChange> for Change {
    fn from(change: ListChange) -> Self {
        match change {
            ListChange::Tools => Self::ToolsList,
        }
    }
}
