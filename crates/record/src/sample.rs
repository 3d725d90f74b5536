use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::interval::is_zero;

/// An agent's own resources over one second: is the generator the bottleneck?
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentSample {
    pub agent: u32,
    pub second: u32,
    /// CPU used in this second, all threads, microseconds.
    pub cpu_us: u64,
    /// Time that one of its threads, the one that waited most, was ready and had no core, in this second (schedstat),
    /// microseconds.
    pub run_delay_us: u64,
    pub rss_bytes: u64,
    pub descriptors: u64,
    pub descriptors_limit: u64,
    /// Longest time between two polls of the engine's loop in this second.
    pub longest_stall_us: u64,
    /// Open connections for operations, by replica: the server's gauge has them, and the N have not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operation_connections: Vec<(u16, u64)>,
    /// Connections on which it answers what a server asks on its streams, at the end of the second: the server's gauge has
    /// them, and the N have not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub answering_connections: u64,
}

/// The server's side of one second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterSample {
    pub at_us: u64,
    pub second: u32,
    pub replicas: Vec<ReplicaSample>,
    pub kernel: KernelSample,
    /// CPU that the run's fault proxy has used since its start, microseconds; None: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_cpu_us: Option<u64>,
    /// When that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_cpu_read_us: Option<u64>,
    /// Resident memory of the process that drives the run and writes this record; None: not read, as in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orchestrator_rss_bytes: Option<u64>,
    /// Why figures of this second are missing; None where none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// One replica. A figure that could not be had is None, never zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaSample {
    pub replica: u16,
    pub pid: Option<u32>,
    pub ready: bool,
    /// Connections that speak MCP, by the server's own gauge.
    pub connections: Option<u64>,
    /// Requests answered since its start.
    pub requests_total: Option<u64>,
    pub queue_depth: Option<u64>,
    pub queue_limit: Option<u64>,
    /// Requests refused because the queue was full, since its start.
    pub refused_total: Option<u64>,
    pub streams: Option<u64>,
    /// Tools in its registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<u64>,
    /// Sessions of the older era with a stream of their own here. Those at rest are not known: they cost nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u64>,
    /// Sessions of the older era with a log level or subscriptions: each replica of a cluster holds all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_held: Option<u64>,
    /// Longest time that a shard did not poll, in the last whole second.
    pub longest_stall_us: Option<u64>,
    /// The most CPU time that one turn of a shard's loop took in that second: a longer stall waited for a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_turn_cpu_us: Option<u64>,
    pub memory_bytes: Option<u64>,
    pub memory_source: MemorySource,
    pub rss_bytes: Option<u64>,
    /// CPU used since its start, microseconds.
    pub cpu_us: Option<u64>,
    /// When that was read, which is up to a second after the sample began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_read_us: Option<u64>,
    pub run_delay_us: Option<u64>,
    pub descriptors: Option<u64>,
    /// Threads of its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// Times that it was restarted.
    pub restarts: Option<u64>,
}

/// What `memory_bytes` is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemorySource {
    /// Anonymous memory from smaps_rollup.
    Anonymous,
    /// A cgroup's anonymous memory.
    Cgroup,
    /// Resident set size only: shown, but not judged unless it already fails.
    Rss,
    /// `process_resident_memory_bytes` from the server's own /metrics: as Rss.
    Reported,
    #[default]
    None,
}

/// The generator's machine: sockets and interference.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KernelSample {
    /// Memory of TCP sockets (/proc/net/sockstat), bytes.
    pub tcp_memory_bytes: Option<u64>,
    pub sockets_in_use: Option<u64>,
    pub time_waits: Option<u64>,
    /// Connections that found the queue of a listener full (ListenOverflows of /proc/net/netstat), since boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_overflows: Option<u64>,
    /// Those that were dropped at a listener, for that or another reason (ListenDrops).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_drops: Option<u64>,
    /// Socket and file slabs (/proc/slabinfo: TCP, sock_inode_cache, filp, ...), bytes.
    pub socket_slab_bytes: Option<u64>,
    /// CPU time taken from this machine by others, microseconds since boot.
    pub steal_us: Option<u64>,
    /// CPU time of this machine that was not idle, microseconds since boot.
    pub busy_us: Option<u64>,
    pub memory_available_bytes: Option<u64>,
}
