use std::path::PathBuf;

use serde::Deserialize;

use crate::plan::QueueFacts;

/// How erlmcp's own server names itself.
const SERVER: &str = "erlmcp-server";

/// What /status of an erlmcp server says, as far as a run needs it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Status {
    #[serde(default)]
    pub(crate) cluster: Option<ClusterReference>,
    #[serde(default)]
    worker_pool: Option<WorkerPool>,
    #[serde(default)]
    queue: Option<Queue>,
    /// What its parts count.
    #[serde(default)]
    components: Option<serde_json::Value>,
    /// Of all replicas, where it speaks for a cluster.
    #[serde(default)]
    pub(crate) connections_limit: Option<u64>,
    /// Only where it speaks for a cluster.
    #[serde(default)]
    replicas: Vec<Replica>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Replica {
    #[serde(default)]
    connections_limit: Option<u64>,
}

/// The cluster that the server belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct ClusterReference {
    /// Path of its control socket.
    pub(crate) control: PathBuf,
    pub(crate) port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct WorkerPool {
    active: u64,
    size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Queue {
    limit: u64,
}

impl Status {
    /// None where it is not an erlmcp server's.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_slice(body).ok()?;
        let is_erlmcp = value.get("server").and_then(|server| server.as_str()) == Some(SERVER);
        // The pages of a whole cluster need not name a server; its reference is sign enough.
        let has_cluster = value.pointer("/cluster/control").is_some();
        if is_erlmcp || has_cluster { serde_json::from_value(value).ok() } else { None }
    }

    /// It says what its parts count.
    pub(crate) fn has_parts(&self) -> bool {
        self.components.is_some()
    }

    /// How many connections one replica takes.
    pub(crate) fn connections_limit_of_one(&self) -> Option<u64> {
        self.replicas.iter().find_map(|replica| replica.connections_limit).or(self.connections_limit)
    }

    /// Workers busy, and all workers.
    pub(crate) fn workers(&self) -> Option<(u64, u64)> {
        self.worker_pool.as_ref().map(|pool| (pool.active, pool.size))
    }

    pub(crate) fn queue(&self) -> Option<QueueFacts> {
        let (workers, places) = (self.worker_pool.as_ref()?.size, self.queue.as_ref()?.limit);
        Some(QueueFacts { workers, places })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_a_lone_server_has_a_pool_and_a_queue() {
        let body = br#"{"server":"erlmcp-server","replica":0,"worker_pool":{"active":3,"size":50},
            "queue":{"depth":0,"limit":500},"cluster":null}"#;
        let status = Status::parse(body).expect("ours");
        assert_eq!((status.workers(), status.cluster.clone()), (Some((3, 50)), None));
        assert_eq!(status.queue(), Some(QueueFacts { workers: 50, places: 500 }));
    }

    #[test]
    fn a_cluster_says_where_its_control_socket_is() {
        let status = Status::parse(br#"{"cluster":{"control":"/tmp/a.sock","port":8080,"replicas":3}}"#).expect("ours");
        assert_eq!(status.cluster, Some(ClusterReference { control: "/tmp/a.sock".into(), port: 8080 }));
        assert_eq!(status.workers(), None);
    }

    #[test]
    fn a_cluster_takes_what_its_replicas_take_together() {
        let of_one = |body: &[u8]| Status::parse(body).expect("ours").connections_limit_of_one();
        let cluster = br#"{"server":"erlmcp-server","connections_limit":16,
            "replicas":[{"state":"down"},{"connections_limit":8}]}"#;
        assert_eq!(of_one(cluster), Some(8));
        assert_eq!(of_one(br#"{"server":"erlmcp-server","connections_limit":8}"#), Some(8));
    }

    #[test]
    fn other_pages_are_none_of_ours() {
        for body in [&b"ok"[..], br#"{"server":"nginx"}"#, br#"{"status":"up"}"#, br#"[1]"#] {
            assert_eq!(Status::parse(body), None);
        }
    }
}
