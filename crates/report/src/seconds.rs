use std::collections::BTreeMap;

use erlmcp_record::FateCounts;
use serde::{Deserialize, Serialize};

use crate::Span;
use crate::format;

/// One second of the run: one line of metrics.jsonl. What was not measured is null, never 0.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SecondView {
    /// Of the run's clock, from 0.
    pub second: u32,
    /// 0 before the first phase.
    pub phase: u8,
    pub phase_name: String,
    /// Open at the end of the second, as the agents count.
    pub connections: u64,
    /// The same, by the server's gauge, without the connections that the run has beside them: for operations and streams.
    pub connections_server: Option<u64>,
    /// By replica, as the agents count.
    pub connections_by_replica: BTreeMap<u16, u64>,
    pub opened: u64,
    pub lost: u64,
    pub closed: u64,
    /// Load planned for this second.
    pub offered_rps: f64,
    /// Load of this second that was answered ok, whenever that was.
    pub answered_rps: f64,
    /// Load of this second that was not ok, without what the generator itself did not send.
    #[serde(default)]
    pub load_errors: u64,
    /// What they are a share of: load planned, less the generator's own unsent.
    #[serde(default)]
    pub load_countable: u64,
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub max_ms: Option<f64>,
    pub mean_ms: Option<f64>,
    /// Requests of every kind by fate.
    pub fates: FateCounts,
    /// Why requests were not ok, counted by cause.
    pub errors: BTreeMap<String, u64>,
    /// Of all replicas.
    pub memory_bytes: Option<u64>,
    pub queue: Option<QueueView>,
    pub replicas: Vec<ReplicaView>,
    pub agents: Vec<AgentView>,
    pub faults: Vec<ActiveFault>,
    /// Memory of TCP sockets of the generator's machine (sockstat).
    pub tcp_memory_bytes: Option<u64>,
    pub time_waits: Option<u64>,
    /// Why the server's figures are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_missing: Option<String>,
}

/// The queues of all replicas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueView {
    pub depth: u64,
    pub limit: Option<u64>,
    /// Since the replicas started.
    pub refused_total: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaView {
    pub replica: u16,
    pub ready: bool,
    /// By its own gauge, without those beside, as [`SecondView::connections_server`].
    pub connections: Option<u64>,
    pub memory_bytes: Option<u64>,
    pub rss_bytes: Option<u64>,
    /// Since the sample before, in percent of one core.
    pub cpu_percent: Option<f64>,
    pub queue_depth: Option<u64>,
    /// Requests answered a second, since the sample before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_rps: Option<f64>,
    /// Open event streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<u64>,
    /// Tools in its registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<u64>,
    /// Sessions with a stream of their own here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u64>,
    /// Sessions with a log level or subscriptions: each replica of a cluster holds all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_held: Option<u64>,
    /// Times that it was restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u64>,
    pub longest_stall_ms: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentView {
    pub agent: u32,
    /// In percent of one core.
    pub cpu_percent: f64,
    /// Time that one of its threads, the one that waited most, was ready and had no core, in percent of the second.
    pub run_delay_percent: f64,
    pub rss_bytes: u64,
    pub descriptors: u64,
    pub longest_stall_ms: f64,
}

/// A fault in force in a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActiveFault {
    pub id: u32,
    pub scenario: String,
    pub replica: Option<u16>,
    pub method: String,
}

impl SecondView {
    /// True where agents of ours load the server, so that their figures are there.
    pub fn is_loaded(&self) -> bool {
        !self.agents.is_empty() || self.offered_rps > 0.0
    }

    /// Open connections, by the agents, or without them by the server's gauge; None where neither says.
    pub fn open(&self) -> Option<u64> {
        if self.is_loaded() { Some(self.connections) } else { self.connections_server }
    }

    /// The load's errors as a percentage.
    pub fn error_share(&self) -> String {
        format::share(self.load_errors, self.load_countable)
    }

    /// One line of metrics.jsonl, with its line end.
    pub fn to_json_line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("a second has only names and numbers");
        line.push('\n');
        line
    }
}

impl Span {
    /// One line of metrics.log, with its line end: the figures of a span for people.
    pub fn log_line(&self, elapsed_s: u32, phase: &str) -> String {
        let ms = |value: Option<f64>| value.map_or_else(|| "not measured".into(), format::ms);
        let cpu = |value: Option<f64>| value.map_or_else(|| "not measured".into(), |cpu| format!("{cpu:.0}%"));
        format!(
            "[{elapsed_s}s] {phase} | Connections: {} | Offered: {} req/s | Answered: {} req/s | P50: {} | P95: {} | \
             P99: {} | Max: {} | Errors: {} | Memory: {} | Queue: {} | CPU cluster: {} | CPU agents: {}\n",
            format::count(self.connections),
            format::rate(self.offered_rps),
            format::rate(self.answered_rps),
            ms(self.p50_ms),
            ms(self.p95_ms),
            ms(self.p99_ms),
            ms(self.max_ms),
            self.error_share(),
            self.memory_bytes.map_or_else(|| "not measured".into(), |bytes| format::bytes(bytes as f64)),
            self.queue_depth.map_or_else(|| "not measured".into(), format::count),
            cpu(self.cluster_cpu_percent),
            cpu(self.agents_cpu_percent),
        )
    }

    /// Errors as a percentage.
    pub(crate) fn error_share(&self) -> String {
        match self.errors + self.ok {
            0 => "not measured (nothing was sent)".into(),
            countable => format::share(self.errors, countable),
        }
    }
}
