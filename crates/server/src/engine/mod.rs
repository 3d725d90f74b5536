//! A running server.

mod bind;
mod config;

pub use bind::bind;
pub use config::{Change, ClusterPages, Drained, Listening, ServerConfig, ServerError};

use crate::metrics::Snapshot;

/// A running server: its shards, its workers, and what they share.
#[derive(Debug)]
pub struct Server {}

impl Server {
    /// Starts the shards and the workers; the server accepts from now on.
    ///
    /// # Errors
    /// Where the configuration is no good or the system can't give what is needed.
    pub fn start(_config: ServerConfig, _listeners: Vec<Listening>, _ready: bool) -> Result<Self, ServerError> {
        todo!()
    }

    /// What /ready says: 200 or 503.
    pub fn set_ready(&self, _ready: bool) {
        todo!()
    }

    /// All figures at this moment. Cheap: nothing is asked of the system.
    pub fn snapshot(&self) -> Snapshot {
        todo!()
    }

    /// Tells the streams that asked for it.
    pub fn notify(&self, _change: Change) {
        todo!()
    }

    /// What shared listeners answer for /metrics and /status from now on.
    pub fn set_cluster_pages(&self, _pages: ClusterPages) {
        todo!()
    }

    /// When the shard that is furthest behind last polled, CLOCK_MONOTONIC ns.
    pub fn last_poll_ns(&self) -> u64 {
        todo!()
    }

    /// Begins the drain: not ready, streams end with their result, what is in flight is answered, idle connections
    /// are closed.
    pub fn drain(&self) {
        todo!()
    }

    /// Waits until the drain is over.
    pub fn join(self) -> Drained {
        todo!()
    }
}
