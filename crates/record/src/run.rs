use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The first line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunHeader {
    pub record_version: u32,
    /// "stress-test-20261124-081500".
    pub run_id: String,
    /// The tester's version.
    pub version: String,
    /// "stress", "comprehensive", ...
    pub command: String,
    pub command_line: Vec<String>,
    /// RFC 3339, with the offset of the machine.
    pub started_at: String,
    /// CLOCK_MONOTONIC at the run clock's zero, nanoseconds.
    pub monotonic_base_ns: u64,
    pub machine: Machine,
}

/// Where the generator ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    pub cpu: String,
    pub cores: u32,
    pub memory_bytes: u64,
    pub kernel: String,
    /// Hard limit of descriptors a process.
    pub descriptors: u64,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigRow {
    pub target: String,
    /// True where the run started the cluster itself.
    pub own_cluster: bool,
    /// True where the target is an erlmcp cluster whose control socket the run holds.
    pub attached: bool,
    /// True where target and generator share a machine.
    pub colocated: bool,
    pub connections: u64,
    /// Streams of notifications held beside them during the sustained load.
    #[serde(default, skip_serializing_if = "crate::interval::is_zero")]
    pub streams: u64,
    pub duration_ms: u64,
    /// Requests a second offered in sustained load.
    pub rate: f64,
    /// "constant" or "poisson".
    pub arrivals: String,
    /// Connections a second.
    pub ramp_rate: f64,
    pub warmup_ms: u64,
    pub timeout_ms: u64,
    pub replicas: u32,
    pub agents: u32,
    /// "modern" or "legacy".
    pub era: String,
    /// What the load calls, as in a report: "tools/call echo", "ping".
    pub calls: String,
    /// What clients do in place of one call again and again; None: that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadRow>,
    /// What the queue scenarios call; None where nothing is queued.
    pub queued_calls: Option<String>,
    pub seed: u64,
    /// The names of the plan's phases, in order, those that are to be skipped included.
    pub phases: Vec<String>,
    pub failure_scenarios: u32,
    pub performance_scenarios: u32,
    /// "round robin" (max - min <= 1 an agent), "kernel" or "dns".
    pub spread: String,
    /// "reset" (SO_LINGER 0, loopback) or "fin".
    pub close: String,
    pub require_all: bool,
    pub thresholds: BTreeMap<String, Threshold>,
    /// What the user expects of the load beside them, as it was asked for: "p95<100ms,errors<0.05%".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asserts: Option<String>,
}

/// A workload, as far as its requests are counted apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadRow {
    pub name: String,
    /// The first one has the number 1 in [`IntervalRow::class`](crate::IntervalRow::class).
    pub classes: Vec<ClassRow>,
    /// Beside the connections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub misbehaving: Vec<MisbehavingClients>,
}

/// Clients that are wrong on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MisbehavingClients {
    /// As the workload names it.
    pub way: String,
    pub clients: u64,
}

/// Requests that are counted and judged together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClassRow {
    pub name: String,
    /// Of all requests, as planned: 0 to 1.
    pub share: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<ClassLimit>,
}

/// What the workload expects of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClassLimit {
    /// `percent` of its requests take less than `limit_ms`, from the intended time.
    Latency { percent: f64, limit_ms: f64 },
    /// Fewer of them are not ok, in percent.
    ErrorsPercent(f64),
}

/// A limit by the name of the check that it belongs to ("sla.p95_ms").
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Threshold {
    pub value: f64,
    /// True where the user changed it: every view shows that.
    #[serde(default)]
    pub changed: bool,
}

/// What answered at the other end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetRow {
    /// "erlmcp-server 0.1.0" as the server names itself; None where it does not.
    pub server: Option<String>,
    pub era: String,
    pub versions: Vec<String>,
    /// Addresses that connections are spread over, by replica.
    pub endpoints: Vec<(u16, String)>,
    /// Names of the tools that it lists.
    pub tools: Vec<String>,
    /// Where the server's own figures come from: "erlmcp metrics", "pid 4711", or why there are none.
    pub server_figures: String,
    /// The fault proxy between clients and replicas; None: all connections are direct.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxied: Option<Proxied>,
}

/// Traffic that goes through the run's fault proxy, from the baseline on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Proxied {
    pub replicas: Vec<u16>,
    /// A small page of a replica, fetched without it before there was any load, the median in microseconds.
    pub direct_us: Option<u64>,
    /// The same page, fetched through it in turn.
    pub through_us: Option<u64>,
}

/// The last line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndRow {
    pub at_us: u64,
    pub ended: Ended,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    Completed,
    /// By the user; what was measured is reported.
    Interrupted,
    /// By the run itself, with the reason (an agent died, above 50 % errors on a foreign target).
    Aborted {
        reason: String,
    },
}
