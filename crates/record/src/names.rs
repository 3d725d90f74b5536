//! The names in rows that the writer and the reader of a record must agree on.

/// Phases of plans, as in [`PhaseRow::name`](crate::PhaseRow::name).
pub mod phase {
    pub const BASELINE: &str = "baseline";
    pub const RAMP_UP: &str = "ramp_up";
    pub const SUSTAINED_LOAD: &str = "sustained_load";
    pub const FAILURE_RECOVERY: &str = "failure_recovery";
    pub const PERFORMANCE_SCENARIOS: &str = "performance_scenarios";
    pub const COOL_DOWN: &str = "cool_down";
    /// The one of `chaos`.
    pub const CHAOS: &str = "chaos";
    // Those of `comprehensive`, whose third is the sustained load, and which ends with a cool-down, too.
    pub const CONNECTIVITY: &str = "connectivity_and_baseline";
    pub const LOAD_SCALING: &str = "load_scaling";
    pub const DISTRIBUTION: &str = "throughput_and_latency_distribution";
    pub const FAILURE_SCENARIOS: &str = "failure_scenarios";
    pub const RESOURCE_LIMITS: &str = "resource_limits";
    pub const FAILOVER: &str = "failover_and_recovery";
    pub const INTEGRATION: &str = "component_integration";
    /// The one of `capacity`.
    pub const CAPACITY: &str = "capacity";

    /// Those of `stress`, in their order.
    pub const STRESS: [&str; 6] =
        [BASELINE, RAMP_UP, SUSTAINED_LOAD, FAILURE_RECOVERY, PERFORMANCE_SCENARIOS, COOL_DOWN];
    /// Those of `comprehensive`, in their order; a cool-down follows them.
    pub const SUITE: [&str; 8] = [
        CONNECTIVITY,
        LOAD_SCALING,
        SUSTAINED_LOAD,
        DISTRIBUTION,
        FAILURE_SCENARIOS,
        RESOURCE_LIMITS,
        FAILOVER,
        INTEGRATION,
    ];
}

/// Scenarios, as in [`ScenarioRow::name`](crate::ScenarioRow::name).
pub mod scenario {
    pub const NODE_FAILURE: &str = "node_failure";
    pub const NETWORK_PARTITION: &str = "network_partition";
    pub const QUEUE_OVERFLOW: &str = "queue_overflow";
    /// Any number of faults from a list, one after another or together.
    pub const FAULTS: &str = "faults";
    /// Of the comprehensive suite: those that the fault proxy makes.
    pub const FAULTS_THROUGH_PROXY: &str = "faults_through_proxy";
    pub const RAMP_UP: &str = "ramp_up";
    pub const SUSTAINED_LOAD: &str = "sustained_load";
    pub const BURST_TRAFFIC: &str = "burst_traffic";
    pub const GRADUAL_COOLDOWN: &str = "gradual_cooldown";
    // Of the comprehensive suite. Those that end with `_` go on with a number.
    /// One address of the target, by its replica.
    pub const ENDPOINT: &str = "endpoint_";
    /// A step of the scaling, by its connections: their ramp, and load on them.
    pub const SCALE_RAMP: &str = "ramp_";
    pub const SCALE_LOAD: &str = "load_";
    /// Rates one after another, up to the knee.
    pub const RATE_SWEEP: &str = "rate_sweep";
    /// The usual calls at the usual rate, for as long as the far percentiles need.
    pub const PERCENTILES: &str = "percentiles";
    /// A method, its `/` as `_`.
    pub const METHOD: &str = "method_";
    /// Answers of so many bytes.
    pub const ANSWER: &str = "answer_bytes_";
    /// The same call, answered in JSON and as a stream of events.
    pub const AS_JSON: &str = "answers_json";
    pub const AS_SSE: &str = "answers_sse";
    /// The usual calls in one era or the other.
    pub const ERA: &str = "era_";
    /// Limits of the target that were gone to.
    pub const LIMIT_BODY: &str = "limit_body";
    pub const LIMIT_STREAMS: &str = "limit_streams";
    pub const LIMIT_OPEN_STREAMS: &str = "limit_open_streams";
    pub const LIMIT_SESSIONS: &str = "limit_sessions";
    pub const LIMIT_QUEUE: &str = "limit_queue";
    pub const LIMIT_CONNECTIONS: &str = "limit_connections";
    pub const LIMIT_DESCRIPTORS: &str = "limit_descriptors";
    pub const KILLS_IN_TURN: &str = "kills_in_turn";
    pub const TWO_AT_ONCE: &str = "two_at_once";
    pub const ALL_AT_ONCE: &str = "all_at_once";
    pub const ROLLING_RESTART: &str = "rolling_restart";
    pub const SCALING: &str = "scaling";
    /// A registry of so many tools; the number follows.
    pub const REGISTRY: &str = "registry_";
    pub const ROUTER: &str = "router";
    /// Queue, workers and refusals.
    pub const QUEUE_AND_WORKERS: &str = "queue_and_workers";
    pub const BATCHING: &str = "batching";
    pub const SESSION_TOKENS: &str = "session_tokens";
    pub const FAN_OUT: &str = "fan_out";
}

/// Why the user wanted something not to be run, as in [`PhaseEvent::Skipped`](crate::PhaseEvent::Skipped).
pub mod skip {
    pub const LEFT_OUT: &str = "left out by --phases";
    pub const NO_FAULTS: &str = "--no-faults";
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
    /// Looking up the target's name, milliseconds; None: it has none, `note` says so.
    pub const DNS_MS: &str = "dns_ms";
    /// The median of all knocks at the target's addresses, each on a new connection, milliseconds; `note` says how many.
    pub const COLD_MEDIAN_MS: &str = "cold_median_ms";
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

/// Figures of a scenario, as in [`ScenarioRow::detail`](crate::ScenarioRow::detail), or of a fault.
pub mod detail {
    /// Requests of the load that were planned since a retry storm's outage began, and attempts at them beyond the first.
    pub const FIRST_ATTEMPTS: &str = "first_attempts_count";
    pub const RETRIES: &str = "retries_count";
    /// When the last of those was served again that a fault cut off, milliseconds.
    pub const SERVED_AGAIN_MS: &str = "served_again_ms";
    /// An unpaced ramp, from its first opening to the last one answered, milliseconds.
    pub const RAMP_MS: &str = "ramp_ms";
    /// From the end of a burst until queue depth and P95 had been back for a second, milliseconds.
    pub const STEADY_AGAIN_MS: &str = "steady_again_ms";
    /// Connections closed in a cool-down.
    pub const CONNECTIONS_CLOSED: &str = "connections_closed_count";
    /// From the first close to the last, milliseconds.
    pub const CLOSE_MS: &str = "close_ms";
    /// Of an address: knocks, each on a new connection, and those that were answered in MCP.
    pub const KNOCKS: &str = "knocks_count";
    pub const ANSWERED: &str = "answered_count";
    /// The medians of an address's knocks: to the established connection, for the TLS handshake, from the request to
    /// its answer, and all of it.
    pub const CONNECT_MS: &str = "connect_ms";
    pub const TLS_MS: &str = "tls_ms";
    pub const ANSWER_MS: &str = "answer_ms";
    pub const COLD_MS: &str = "cold_ms";
    /// The status of GET /health and GET /metrics at an address; 0: no answer.
    pub const HEALTH_STATUS: &str = "health_status";
    pub const METRICS_STATUS: &str = "metrics_status";
    /// Connections of a step.
    pub const CONNECTIONS: &str = "connections_count";
    /// When a visitor came and when it had gone, milliseconds on the run's clock.
    pub const FROM_MS: &str = "visit_from_ms";
    pub const TO_MS: &str = "visit_to_ms";
    /// What was taken up to a limit, or answered with success.
    pub const TAKEN: &str = "taken_count";
    pub const REFUSED: &str = "refused_count";
    /// Neither taken nor refused: no answer, or another one.
    pub const OTHER: &str = "other_count";
    /// The largest body that was taken, and the smallest that was not.
    pub const TAKEN_BYTES: &str = "taken_bytes";
    pub const REFUSED_BYTES: &str = "refused_bytes";
    /// 1 where what was beyond the limit was answered, 0 where not.
    pub const REFUSAL_ANSWERED: &str = "refusal_answered_count";
    /// HTTP status, JSON-RPC code and Retry-After of that answer; missing where it has none.
    pub const REFUSED_STATUS: &str = "refused_status";
    pub const REFUSED_CODE: &str = "refused_code";
    pub const RETRY_AFTER_S: &str = "retry_after_s";
    /// From the end of the excess until a request was taken again; missing: it was not.
    pub const BACK_MS: &str = "back_ms";
    /// For how long that was tried, where it was not.
    pub const BACK_WATCHED_MS: &str = "back_watched_ms";
    /// How long it took to give back what was taken.
    pub const CLEARED_MS: &str = "cleared_ms";
    /// The server's own counts of the same.
    pub const SERVER_TAKEN: &str = "server_taken_count";
    pub const SERVER_REFUSED: &str = "server_refused_count";
    /// How far the server's counts and the client's are apart.
    pub const DIFFERENCE: &str = "difference_count";
    pub const REFUSED_DIFFERENCE: &str = "refused_difference_count";
    pub const TAKEN_DIFFERENCE: &str = "taken_difference_count";
    pub const EXPECTED: &str = "expected_count";
    pub const MESSAGES: &str = "messages_count";
    pub const CONNECTIONS_LIMIT: &str = "connections_limit_count";
    /// Open streams that a process, or one principal on it, may have.
    pub const STREAMS_LIMIT: &str = "streams_limit_count";
    /// The most places and workers that were ever used, and all of them when the flood began; missing: all were used before it.
    pub const QUEUE_DEPTH_MAX: &str = "queue_depth_max_count";
    pub const QUEUE_LIMIT: &str = "queue_limit_count";
    pub const WORKERS_ACTIVE_MAX: &str = "workers_active_max_count";
    pub const WORKERS: &str = "workers_count";
    pub const QUEUE_WAIT_MEAN_MS: &str = "queue_wait_mean_ms";
    pub const QUEUE_WAIT_P95_MS: &str = "queue_wait_p95_ms";
    pub const WORKER_TIME_MEAN_MS: &str = "worker_time_mean_ms";
    /// Of short times of the server's own, and how many of them were taken.
    pub const MEAN_NS: &str = "mean_ns";
    /// The upper bound of the bucket that it is in.
    pub const P95_NS: &str = "p95_ns";
    /// 1 where it is in the last bucket, and so above that, which is the last bound.
    pub const P95_ABOVE: &str = "p95_above_count";
    pub const SAMPLES: &str = "samples_count";
    /// What reading the clock takes: it is in each of them.
    pub const CLOCK_NS: &str = "clock_ns";
    pub const TOOLS: &str = "tools_count";
    /// A call as its client saw it, one after another.
    pub const CLIENT_MEAN_US: &str = "client_mean_us";
    /// From a change until the last stream was heard, and the longest of a shard by the server.
    pub const TO_LAST_MS: &str = "to_last_ms";
    pub const SERVER_TO_LAST_MS: &str = "server_to_last_ms";
    /// The most connections on a replica over the mean: before, at worst, and at the end.
    pub const SPREAD_BEFORE_RATIO: &str = "spread_before_ratio";
    pub const SPREAD_WORST_RATIO: &str = "spread_worst_ratio";
    pub const SPREAD_AFTER_RATIO: &str = "spread_after_ratio";
    /// Gini's coefficient of the same.
    pub const GINI_BEFORE: &str = "gini_before";
    pub const GINI_AFTER: &str = "gini_after";
    /// From uneven to even again; missing: never uneven, or still.
    pub const EVEN_MS: &str = "even_again_ms";
    /// What a change of the number of replicas begins with; its number and one of the names below follow.
    pub const CHANGE: &str = "change_";
    pub const SCALED_MS: &str = "scaled_ms";
    /// For how long a change was watched that was not over.
    pub const SCALE_WATCHED_MS: &str = "scale_watched_ms";
    pub const REPLICAS: &str = "replicas_count";
    pub const OPEN: &str = "open_count";
    /// Connections of the replica with the fewest.
    pub const LEAST: &str = "least_count";
    pub const SPREAD_RATIO: &str = "spread_ratio";
    pub const GINI: &str = "gini";
}

/// How a replica's connections were lost, as in [`EpisodeRow::how`](crate::EpisodeRow::how).
pub mod episode {
    pub const RESET: &str = "reset";
    pub const UNANSWERED: &str = "unanswered";
    pub const USER_TIMEOUT: &str = "user_timeout";
    /// Their agent closed them to open them again at once.
    pub const RECONNECT: &str = "reconnect";
}

/// Causes, as in [`IntervalRow::causes`](crate::IntervalRow::causes) and
/// [`ConnectionRow::failed`](crate::ConnectionRow::failed).
pub mod cause {
    /// An answer came whose id is not the request's.
    pub const ANOTHER_ID: &str = "answer with another id";
    /// What a cause begins with where the generator, not the target, is to blame ("generator: no descriptor").
    pub const GENERATOR: &str = "generator: ";
}
