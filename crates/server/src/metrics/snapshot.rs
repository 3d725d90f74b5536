//! All figures of one replica at one moment.

use serde::{Deserialize, Serialize};

use super::components::ComponentFigures;
use super::counters::{MachineLimits, Method, Outcome, Reached, ShardCounters};
use super::histogram::Histogram;
use crate::limits::Limits;

/// Where a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not ready yet.
    Starting,
    /// Takes requests.
    Ready,
    /// Finishes what it has and ends.
    Draining,
}

/// Open connections by what their last request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConnectionCounts {
    /// The MCP endpoint.
    pub mcp: u64,
    /// Another path.
    pub admin: u64,
    /// No request yet.
    pub new: u64,
}

/// Requests of one method that ended in one way, since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCount {
    /// "tools/call", ..., "notification", "other", "unread".
    pub method: String,
    /// "ok", "tool_error", "rpc_error", "http_error", "refused".
    pub outcome: String,
    /// How many.
    pub count: u64,
}

/// How often a limit has ended or refused something, or made it wait, since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitCount {
    /// "head", "body", "json_depth", ..., as in `/metrics`.
    pub limit: String,
    /// Where the limit is.
    #[serde(default)]
    pub value: LimitValue,
    /// How often.
    pub count: u64,
}

/// Where a limit is, in each unit that it has: that of heads is both of bytes and of a number, that of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LimitValue {
    /// Bytes.
    pub bytes: Option<u64>,
    /// Milliseconds.
    pub ms: Option<u64>,
    /// How many.
    pub number: Option<u64>,
}

/// The queue of tool calls and its workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QueueFigures {
    /// Calls that wait.
    pub depth: u64,
    /// Calls that may wait.
    pub limit: u64,
    /// The most that ever waited.
    pub depth_max: u64,
    /// Calls refused because the queue was full.
    pub refused_total: u64,
    /// Calls that may run at once.
    pub workers: u64,
    /// Calls that run.
    pub workers_active: u64,
    /// The most that ever ran at once.
    #[serde(default)]
    pub workers_active_max: u64,
}

/// What principals, who come with a token, use of one replica, and how much of it each may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PrincipalFigures {
    /// Those whose use is counted.
    pub known: u64,
    /// How many these may be.
    pub known_max: u64,
    /// How often another one was refused for that, since the start.
    pub refused_total: u64,
    /// Requests of this second.
    pub requests: Share,
    /// Open subscription streams.
    pub streams: Share,
    /// Sessions that began within this span of a session's life and were not ended.
    pub sessions: Share,
    /// Sessions that are held, of the whole cluster.
    #[serde(default)]
    pub sessions_held: Share,
}

/// What the principal has that has most, and what each may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Share {
    /// Of that principal.
    pub most: u64,
    /// For each.
    pub max: u64,
}

/// Memory, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// Anonymous memory of the process (smaps_rollup), at most a second old.
    pub anonymous: u64,
    /// Resident memory of the process, at most a second old.
    pub rss: u64,
    /// The tables of connections.
    pub connections: u64,
    /// Partial requests, unsent answers, free buffers.
    pub buffers: u64,
    /// Queued calls.
    pub queue: u64,
    /// Streams of calls that are kept for clients that come back.
    #[serde(default)]
    pub replays: u64,
    /// TLS of open connections: what is known of it, without its keys.
    #[serde(default)]
    pub tls: u64,
}

/// TLS of one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TlsFigures {
    /// Open connections with TLS, or on their way to it.
    pub connections: u64,
    /// Handshakes that came to their end.
    pub handshakes_total: u64,
    /// Those that did not: no TLS, none that both sides can, a deadline, a client that went.
    pub handshakes_failed_total: u64,
    /// Certificates that were read again and are shown.
    pub certificates_total: u64,
    /// Certificates that were read again and were no good.
    pub certificates_refused_total: u64,
}

/// Spans for a collector of OpenTelemetry, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TelemetryFigures {
    /// The collector took them.
    pub exported: u64,
    /// The collector did not take them.
    pub failed: u64,
    /// There was no room for them.
    pub dropped: u64,
}

/// Attempts that ended in one way, since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationCount {
    /// "done", "replayed", "running", "mismatch", "settled", "refused", "unknown", "failed", "asked".
    pub outcome: String,
    /// How many.
    pub count: u64,
}

/// What a replica knows of operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationFigures {
    /// Attempts by how they ended.
    pub outcomes: Vec<OperationCount>,
    /// From a question to the store to its answer.
    pub store_latency: Histogram,
    /// Questions without an answer yet.
    pub store_backlog: u64,
    /// The epoch of this process; zero before the store has given it one.
    pub epoch: u64,
}

/// One shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ShardFigures {
    /// Open connections.
    pub connections: u64,
    /// Longest time without a poll since the start, µs.
    pub longest_stall_us: u64,
    /// Longest time without a poll in the last whole second, µs.
    pub longest_stall_last_second_us: u64,
    /// The most CPU time that one turn of the loop took in the last whole second: what of a stall was not waiting.
    pub longest_turn_cpu_last_second_us: u64,
}

/// All figures of one replica at one moment. Travels from a replica to its supervisor as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Version of the server.
    pub version: String,
    /// Number of the replica; 0 for a lone server.
    pub replica: u16,
    /// Process id.
    pub pid: u32,
    /// Where the server stands.
    pub state: State,
    /// When it was taken, CLOCK_MONOTONIC ns.
    pub taken_at_ns: u64,
    /// When the server began, seconds since 1970.
    pub start_time_seconds: f64,
    /// How long ago that was, ms.
    pub uptime_ms: u64,
    /// Open connections.
    pub connections: ConnectionCounts,
    /// Connections that may be open: the limit, or what the descriptors allow.
    #[serde(default)]
    pub connections_limit: u64,
    /// Connections of the address that has most; None where nobody counts, since there is no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections_an_address_max: Option<u64>,
    /// Connections that each address may have; None where there is no such limit.
    #[serde(default)]
    pub connections_an_address_limit: Option<u64>,
    /// Connections refused because their address had as many as it may have.
    #[serde(default)]
    pub connections_refused_address_total: u64,
    /// Connections accepted since the start.
    pub connections_accepted_total: u64,
    /// Connections refused since the start.
    pub connections_refused_total: u64,
    /// Requests since the start; all pairs of method and outcome, zeros too.
    pub requests: Vec<RequestCount>,
    /// Limits that are counted nowhere else; all of them, zeros too.
    #[serde(default)]
    pub limits_reached: Vec<LimitCount>,
    /// Request read to answer handed to the kernel.
    pub latency: Histogram,
    /// Queue and workers.
    pub queue: QueueFigures,
    /// Names of the tools.
    pub tools: Vec<String>,
    /// Open subscription streams.
    pub streams: u64,
    /// Sessions of the older protocol with a stream of their own here. Those at rest are not known: they cost nothing.
    pub sessions: u64,
    /// Sessions of the older protocol that have to be held: with a log level or subscriptions of their own.
    #[serde(default)]
    pub sessions_held: u64,
    /// Memory by part.
    pub memory: Memory,
    /// What is given up for lack of memory: 0 nothing, 1 new sessions and streams, 2 also keep-alive, 3 also all but what is
    /// critical, 4 also new connections.
    #[serde(default)]
    pub memory_pressure: u64,
    /// Asynchronous tasks alive.
    pub tasks: u64,
    /// Open descriptors, at most a second old.
    pub descriptors_open: u64,
    /// Descriptors that may be open.
    pub descriptors_limit: u64,
    /// CPU time of the process, seconds.
    pub cpu_seconds: f64,
    /// The shards.
    pub shards: Vec<ShardFigures>,
    /// Shards that are blocked: a tool works or waits in place.
    #[serde(default)]
    pub shards_blocked: u64,
    /// How often one was, since the start.
    #[serde(default)]
    pub shard_stalls_total: u64,
    /// None where connections are plain.
    #[serde(default)]
    pub tls: Option<TlsFigures>,
    /// Operations; none where there is no store for them.
    #[serde(default)]
    pub operations: Option<OperationFigures>,
    /// None where nobody needs a token.
    #[serde(default)]
    pub principals: Option<PrincipalFigures>,
    /// None where nothing is told to a collector.
    #[serde(default)]
    pub telemetry: Option<TelemetryFigures>,
    /// The parts: registry, router, queue, workers, session tokens, batches, streams.
    #[serde(default)]
    pub components: ComponentFigures,
}

impl Snapshot {
    /// Requests of all methods and outcomes since the start.
    pub fn requests_total(&self) -> u64 {
        self.requests.iter().map(|request| request.count).sum()
    }

    /// Longest time without a poll in the last whole second, over the shards, µs.
    pub fn longest_stall_last_second_us(&self) -> u64 {
        self.shards.iter().map(|shard| shard.longest_stall_last_second_us).max().unwrap_or(0)
    }

    /// The most CPU time of one turn of a loop in the last whole second, over the shards, µs.
    pub fn longest_turn_cpu_last_second_us(&self) -> u64 {
        self.shards.iter().map(|shard| shard.longest_turn_cpu_last_second_us).max().unwrap_or(0)
    }
}

/// Requests over all shards, by method and outcome.
pub(crate) fn collect_requests<'a>(shards: impl Iterator<Item = &'a ShardCounters> + Clone) -> Vec<RequestCount> {
    let mut requests = Vec::with_capacity(Method::ALL.len() * Outcome::ALL.len());
    for method in Method::ALL {
        for outcome in Outcome::ALL {
            let count = shards.clone().map(|shard| shard.requests[method as usize][outcome as usize].get()).sum();
            let (method, outcome) = (method.label().to_string(), outcome.label().to_string());
            requests.push(RequestCount { method, outcome, count });
        }
    }
    requests
}

/// Limits that were reached, over all shards.
pub(crate) fn collect_reached<'a>(
    shards: impl Iterator<Item = &'a ShardCounters> + Clone,
    limits: &Limits,
    machine: &MachineLimits,
) -> Vec<LimitCount> {
    let count = |limit: Reached| shards.clone().map(|shard| shard.times_reached(limit)).sum();
    let row = |limit: &Reached| LimitCount {
        limit: limit.label().to_string(),
        value: limit.value(limits, machine),
        count: count(*limit),
    };
    Reached::ALL.iter().map(row).collect()
}

/// Each shard's own figures.
pub(crate) fn collect_shards<'a>(shards: impl Iterator<Item = &'a ShardCounters>) -> Vec<ShardFigures> {
    shards
        .map(|shard| ShardFigures {
            connections: shard.open_connections(),
            longest_stall_us: shard.stall_longest_ns.get() / 1_000,
            longest_stall_last_second_us: shard.stall_last_second_ns.get() / 1_000,
            longest_turn_cpu_last_second_us: shard.busy_last_second_ns.get() / 1_000,
        })
        .collect()
}
