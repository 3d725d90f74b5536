//! The names in rows that the writer and the reader of a record must agree on.

/// Phases of the `stress` plan, as in [`PhaseRow::name`](crate::PhaseRow::name).
pub mod phase {
    pub const BASELINE: &str = "baseline";
    pub const RAMP_UP: &str = "ramp_up";
    pub const SUSTAINED_LOAD: &str = "sustained_load";
    pub const FAILURE_RECOVERY: &str = "failure_recovery";
    pub const PERFORMANCE_SCENARIOS: &str = "performance_scenarios";
    pub const COOL_DOWN: &str = "cool_down";
    /// The one of `chaos`.
    pub const CHAOS: &str = "chaos";
}

/// Scenarios, as in [`ScenarioRow::name`](crate::ScenarioRow::name).
pub mod scenario {
    pub const NODE_FAILURE: &str = "node_failure";
    pub const NETWORK_PARTITION: &str = "network_partition";
    pub const QUEUE_OVERFLOW: &str = "queue_overflow";
    /// Any number of faults from a list, one after another or together.
    pub const FAULTS: &str = "faults";
    pub const RAMP_UP: &str = "ramp_up";
    pub const SUSTAINED_LOAD: &str = "sustained_load";
    pub const BURST_TRAFFIC: &str = "burst_traffic";
    pub const GRADUAL_COOLDOWN: &str = "gradual_cooldown";
}

/// Findings, as in [`FindingRow::name`](crate::FindingRow::name). Where a name is written twice, the last counts,
/// except where it says that they add up.
pub mod finding {
    /// 1 where the target answered the reachability step, 0 where not (`note` says how).
    pub const TARGET_REACHABLE: &str = "target_reachable_count";
    /// How long the answer of the reachability step took (/health, else one MCP request), milliseconds.
    pub const HEALTH_MS: &str = "health_ms";
    /// The first request on a cold connection, connecting included, milliseconds.
    pub const COLD_REQUEST_MS: &str = "cold_request_ms";
    /// Workers busy, of the server's /status; None: not reported.
    pub const WORKERS_ACTIVE: &str = "worker_pool_active_count";
    /// Workers in all, of the server's /status; None: not reported.
    pub const WORKERS_SIZE: &str = "worker_pool_size_count";
    /// Agents that said they are ready.
    pub const AGENTS_READY: &str = "agents_ready_count";
    /// Connections that the ready agents can hold, by their descriptors and ports.
    pub const CONNECTIONS_POSSIBLE: &str = "connections_possible_count";
    /// 1 where the collector's first sample was seen, 0 where none came.
    pub const COLLECTOR_SAMPLE: &str = "collector_sample_count";
    /// A ramp, from its first planned opening to the last one answered, milliseconds.
    pub const RAMP_MS: &str = "ramp_ms";
    /// One more agent died; its number is in `note`'s sentence. They add up.
    pub const AGENT_LOST: &str = "agent_lost_count";
    /// Connections that the server's own gauge still showed after everything was closed.
    pub const CLOSING_GAUGE: &str = "closing_gauge_count";
    /// Operations that were audited; None: none were, `note` says why.
    pub const AUDITED_OPERATIONS: &str = "audited_operations_count";
    /// Those of them, and whatever else the audit is about, that violate an invariant; None: the audit's verdict is
    /// unknown, `note` says why.
    pub const AUDIT_VIOLATIONS: &str = "audit_violations_count";
    /// Connections closed in a phase, as the agents counted them.
    pub const CONNECTIONS_CLOSED: &str = "connections_closed_count";
    /// Memory of all replicas before the first stream was opened and after the last one, bytes; None: not told.
    pub const MEMORY_BEFORE_STREAMS: &str = "memory_before_streams_bytes";
    pub const MEMORY_WITH_STREAMS: &str = "memory_with_streams_bytes";
    /// Streams held when their memory was measured.
    pub const STREAMS_MEASURED: &str = "streams_measured_count";
    /// Agents and replicas of this run that were still there after they were told to go.
    pub const LEFTOVER_PROCESSES: &str = "leftover_processes_count";
    /// Faults of this run that were still in force at its end.
    pub const LEFTOVER_FAULTS: &str = "leftover_faults_count";
}

/// Figures of a scenario, as in [`ScenarioRow::detail`](crate::ScenarioRow::detail).
pub mod detail {
    /// An unpaced ramp, from its first opening to the last one answered, milliseconds.
    pub const RAMP_MS: &str = "ramp_ms";
    /// From the end of a burst until queue depth and P95 had been back for a second, milliseconds.
    pub const STEADY_AGAIN_MS: &str = "steady_again_ms";
    /// Connections closed in a cool-down.
    pub const CONNECTIONS_CLOSED: &str = "connections_closed_count";
    /// From the first close to the last, milliseconds.
    pub const CLOSE_MS: &str = "close_ms";
}

/// Causes, as in [`IntervalRow::causes`](crate::IntervalRow::causes) and
/// [`ConnectionRow::failed`](crate::ConnectionRow::failed).
pub mod cause {
    /// An answer came whose id is not the request's.
    pub const ANOTHER_ID: &str = "answer with another id";
    /// What a cause begins with where the generator, not the target, is to blame ("generator: no descriptor").
    pub const GENERATOR: &str = "generator: ";
}
