//! What a cluster's control socket says, as far as a run needs it. Members that are not named here are passed over.

use std::net::SocketAddr;

use erlmcp_load::clock::RunClock;
use serde::Deserialize;

use crate::event::{Change, Event};

/// The answer to `{"op":"status"}`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Status {
    /// The supervisor's.
    pub(crate) pid: u32,
    /// The shared address.
    pub(crate) shared: SocketAddr,
    /// "starting", "running", "scaling", "stopping".
    pub(crate) state: String,
    pub(crate) replicas: Vec<ReplicaStatus>,
    /// A replica that neither answers nor works for so long is killed; None: the cluster does not say.
    #[serde(default)]
    pub(crate) fence_after_ms: Option<u64>,
    /// None: the cluster has none, or does not say.
    #[serde(default)]
    pub(crate) store: Option<StoreStatus>,
}

/// The process in which operations are made durable.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct StoreStatus {
    /// "starting", "ready", "backoff", "stopping".
    pub(crate) state: String,
    /// None while there is no process.
    #[serde(default)]
    pub(crate) pid: Option<u32>,
    /// A file, or the address of a database.
    #[serde(default)]
    pub(crate) path: String,
}

/// One replica.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct ReplicaStatus {
    pub(crate) replica: u16,
    /// Its own.
    pub(crate) address: SocketAddr,
    /// None while there is no process.
    pub(crate) pid: Option<u32>,
    /// "starting", "ready", "draining", "down", "backoff", "failed".
    pub(crate) state: String,
    pub(crate) member: bool,
    #[serde(default)]
    pub(crate) down_since_ns: Option<u64>,
    pub(crate) restarts: u64,
    #[serde(default)]
    pub(crate) snapshot: Option<Snapshot>,
    #[serde(default)]
    pub(crate) snapshot_age_ns: Option<u64>,
}

/// A replica's figures, as it counted them itself.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) connections: Connections,
    pub(crate) requests: Vec<Requests>,
    pub(crate) queue: Queue,
    pub(crate) streams: u64,
    /// With a stream of their own.
    #[serde(default)]
    pub(crate) sessions: Option<u64>,
    #[serde(default)]
    pub(crate) sessions_held: Option<u64>,
    #[serde(default)]
    pub(crate) components: Components,
    pub(crate) descriptors_open: u64,
    pub(crate) shards: Vec<Shard>,
    /// None where it takes no operations.
    #[serde(default)]
    pub(crate) operations: Option<Operations>,
}

/// Attempts at operations since the replica's process began.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Operations {
    /// By how they ended: "done", "refused", ...
    pub(crate) outcomes: Vec<Ended>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Ended {
    pub(crate) outcome: String,
    pub(crate) count: u64,
}

impl Operations {
    pub(crate) fn ended(&self, outcome: &str) -> u64 {
        self.outcomes.iter().filter(|ended| ended.outcome == outcome).map(|ended| ended.count).sum()
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Connections {
    /// Whose last request was for the MCP endpoint.
    pub(crate) mcp: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Requests {
    pub(crate) count: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Queue {
    pub(crate) depth: u64,
    pub(crate) limit: u64,
    pub(crate) refused_total: u64,
    pub(crate) workers: u64,
    pub(crate) workers_active: u64,
}

/// What an older server does not tell is None.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Components {
    #[serde(default)]
    pub(crate) tools: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Shard {
    pub(crate) longest_stall_last_second_us: u64,
    pub(crate) longest_turn_cpu_last_second_us: Option<u64>,
}

impl Status {
    pub(crate) fn replica(&self, replica: u16) -> Option<&ReplicaStatus> {
        self.replicas.iter().find(|one| one.replica == replica)
    }

    /// True where `replicas` run, take requests and have told their figures.
    pub(crate) fn is_complete(&self, replicas: usize) -> bool {
        let is_up = |one: &ReplicaStatus| one.state == "ready" && one.member && one.snapshot.is_some();
        self.state == "running" && self.replicas.len() == replicas && self.replicas.iter().all(is_up)
    }

    /// Busy and all workers; None where a replica did not tell its own.
    pub(crate) fn workers(&self) -> Option<(u64, u64)> {
        let mut pools = self.replicas.iter().map(|one| one.snapshot.as_ref().map(|snapshot| &snapshot.queue));
        pools.try_fold((0, 0), |(busy, all), queue| {
            let queue = queue?;
            Some((busy + queue.workers_active, all + queue.workers))
        })
    }
}

/// A line of a watched cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Told {
    pub(crate) event: String,
    #[serde(default)]
    replica: Option<u16>,
    #[serde(default)]
    at_ns: Option<u64>,
}

impl Told {
    /// Times of the supervisor are on the clock that all processes of the machine share.
    pub(crate) fn on(&self, clock: &RunClock) -> Event {
        let change = match self.event.as_str() {
            "down" => Change::Down,
            "up" => Change::Up,
            _ => Change::Other,
        };
        let at_us = self.at_ns.map_or_else(|| clock.now_us(), |ns| run_us(clock, ns));
        Event::Replica { replica: self.replica.unwrap_or(0), at_us, change }
    }
}

/// A time of CLOCK_MONOTONIC on the run's clock; zero before the run.
pub(crate) fn run_us(clock: &RunClock, monotonic_ns: u64) -> u64 {
    monotonic_ns.saturating_sub(clock.monotonic_at(0)) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_times_of_the_run() {
        let clock = RunClock::new(5_000_000_000);
        let told = |line: &str| serde_json::from_str::<Told>(line).expect("a line of the protocol").on(&clock);
        let down = told(r#"{"event":"down","replica":3,"at_ns":5000001500,"reason":"process ended: signal 9"}"#);
        assert!(matches!(down, Event::Replica { replica: 3, at_us: 1, change: Change::Down }), "{down:?}");
        let up = told(r#"{"event":"up","replica":3,"at_ns":7000000000}"#);
        assert!(matches!(up, Event::Replica { replica: 3, at_us: 2_000_000, change: Change::Up }), "{up:?}");
        let scaled = told(r#"{"event":"scaled","replicas":4}"#);
        assert!(matches!(scaled, Event::Replica { replica: 0, change: Change::Other, .. }), "{scaled:?}");
        let before = told(r#"{"event":"down","replica":1,"at_ns":1}"#);
        assert!(matches!(before, Event::Replica { at_us: 0, .. }), "{before:?}");
    }

    #[test]
    fn a_cluster_is_complete_when_all_replicas_take_requests() {
        let status = super::super::fake::status(std::process::id(), &[Some(1), Some(2)]);
        let mut status: Status = serde_json::from_value(status).expect("the fake speaks the protocol");
        assert!(status.is_complete(2) && !status.is_complete(3));
        status.replicas[1].member = false;
        assert!(!status.is_complete(2));
    }
}
