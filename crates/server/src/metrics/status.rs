//! The JSON of /status.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::snapshot::Snapshot;

/// The cluster that a replica belongs to, as its status names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterReference {
    /// Path of the cluster's control socket.
    pub control: String,
    /// The cluster's port.
    pub port: u16,
    /// How many replicas it has.
    pub replicas: u16,
}

/// What /status says of one replica.
pub(crate) fn replica_status(snapshot: &Snapshot, cluster: Option<&ClusterReference>) -> Value {
    json!({
        "server": "erlmcp-server",
        "version": snapshot.version,
        "replica": snapshot.replica,
        "pid": snapshot.pid,
        "state": snapshot.state,
        "uptime_ms": snapshot.uptime_ms,
        "connections": snapshot.connections,
        "connections_limit": snapshot.connections_limit,
        "connections_refused_total": snapshot.connections_refused_total,
        "requests_total": snapshot.requests_total(),
        "worker_pool": {
            "active": snapshot.queue.workers_active,
            "active_max": snapshot.queue.workers_active_max,
            "size": snapshot.queue.workers,
        },
        "queue": {
            "depth": snapshot.queue.depth,
            "limit": snapshot.queue.limit,
            "depth_max": snapshot.queue.depth_max,
            "refused_total": snapshot.queue.refused_total,
        },
        "tools": snapshot.tools,
        "streams": snapshot.streams,
        "sessions": snapshot.sessions,
        "sessions_held": snapshot.sessions_held,
        "memory": snapshot.memory,
        "tasks": snapshot.tasks,
        "descriptors": {"open": snapshot.descriptors_open, "limit": snapshot.descriptors_limit},
        "tls": snapshot.tls,
        "operations": snapshot.operations,
        "components": snapshot.components,
        "shards": snapshot.shards,
        "shards_blocked": snapshot.shards_blocked,
        "cluster": cluster,
    })
}
