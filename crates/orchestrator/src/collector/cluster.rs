//! A cluster's replicas: their own figures through the control socket, and what /proc says of their processes.

use std::path::PathBuf;
use std::time::Duration;

use erlmcp_record::ReplicaSample;

use crate::driver::control::{Connection, ControlError};
use crate::driver::protocol::{ReplicaStatus, Status};

/// Figures that are older are not of this second: a replica tells its own twice a second.
const AGE_MAX_NS: u64 = 1_500_000_000;

/// A cluster that is asked again and again, on one connection as long as it lasts.
#[derive(Debug)]
pub(super) struct Cluster {
    control: PathBuf,
    connection: Option<Connection>,
}

impl Cluster {
    pub(super) fn new(control: PathBuf) -> Self {
        Self { control, connection: None }
    }

    pub(super) async fn status(&mut self, within: Duration) -> Result<Status, ControlError> {
        // A connection on which an answer is still due is of no more use: it is put back after a good answer only.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.control).await?,
        };
        let status = connection.status(within).await?;
        self.connection = Some(connection);
        Ok(status)
    }
}

/// A replica by its own figures, and why some are missing.
pub(super) fn replica(one: &ReplicaStatus) -> (ReplicaSample, Option<String>) {
    let mut sample = ReplicaSample {
        replica: one.replica,
        pid: one.pid,
        ready: one.state == "ready",
        restarts: Some(one.restarts),
        ..ReplicaSample::default()
    };
    let snapshot = match (&one.snapshot, one.snapshot_age_ns) {
        (Some(snapshot), Some(age_ns)) if age_ns <= AGE_MAX_NS => snapshot,
        (Some(_), Some(age_ns)) => {
            let age = age_ns as f64 / 1e9;
            return (sample, Some(format!("the figures of replica {} are {age:.1} s old", one.replica)));
        }
        _ => return (sample, Some(format!("replica {} ({}) tells no figures", one.replica, one.state))),
    };
    sample.connections = Some(snapshot.connections.mcp);
    sample.requests_total = Some(snapshot.requests.iter().map(|requests| requests.count).sum());
    sample.queue_depth = Some(snapshot.queue.depth);
    sample.queue_limit = Some(snapshot.queue.limit);
    sample.refused_total = Some(snapshot.queue.refused_total);
    sample.streams = Some(snapshot.streams);
    sample.tools = snapshot.components.tools;
    sample.sessions = snapshot.sessions;
    sample.sessions_held = snapshot.sessions_held;
    sample.longest_stall_us = snapshot.shards.iter().map(|shard| shard.longest_stall_last_second_us).max();
    sample.longest_turn_cpu_us = snapshot.shards.iter().filter_map(|shard| shard.longest_turn_cpu_last_second_us).max();
    sample.descriptors = Some(snapshot.descriptors_open);
    (sample, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::fake;

    fn first(change: impl FnOnce(&mut ReplicaStatus)) -> (ReplicaSample, Option<String>) {
        let status = serde_json::from_value::<Status>(fake::status(1, &[Some(4_711)]));
        let mut one = status.expect("the fake speaks the protocol").replicas.remove(0);
        change(&mut one);
        replica(&one)
    }

    #[test]
    fn a_replica_tells_its_figures() {
        let (sample, missing) = first(|_| {});
        assert_eq!(missing, None);
        assert_eq!((sample.replica, sample.pid, sample.ready, sample.restarts), (1, Some(4_711), true, Some(1)));
        assert_eq!((sample.connections, sample.requests_total, sample.streams), (Some(40), Some(42), Some(6)));
        assert_eq!((sample.queue_depth, sample.queue_limit, sample.refused_total), (Some(3), Some(500), Some(4)));
        assert_eq!((sample.tools, sample.sessions, sample.sessions_held), (Some(9), Some(5), Some(2)));
        assert_eq!((sample.longest_stall_us, sample.descriptors), (Some(800), Some(70)));
        assert_eq!(sample.longest_turn_cpu_us, Some(240), "an older server does not tell");
        assert_eq!((sample.memory_bytes, sample.cpu_us), (None, None), "that is not its own to say");
    }

    #[test]
    fn old_figures_are_none() {
        let (sample, missing) = first(|one| one.snapshot_age_ns = Some(AGE_MAX_NS + 1));
        assert_eq!(missing.as_deref(), Some("the figures of replica 1 are 1.5 s old"));
        assert_eq!((sample.connections, sample.queue_depth), (None, None));
        let (sample, missing) = first(|one| {
            (one.pid, one.snapshot, one.state) = (None, None, "backoff".into());
        });
        assert_eq!(missing.as_deref(), Some("replica 1 (backoff) tells no figures"));
        assert_eq!((sample.pid, sample.ready, sample.connections), (None, false, None));
    }
}
