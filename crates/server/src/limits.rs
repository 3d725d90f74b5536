//! Every limit of the server, in one struct.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One row of [`Limits`], for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitRow {
    /// The field's name.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// "bytes", "ms", ...
    pub unit: &'static str,
    /// What it bounds, and what happens there.
    pub what: &'static str,
}

/// Declares the struct, its defaults and its table from one list, so that none can lack a limit.
macro_rules! limits {
    ($($name:ident = $default:expr, $unit:literal, $what:literal;)+) => {
        /// Every limit of the server. A limit of zero is not "no limit": it lets nothing through.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Limits {
            $(#[doc = concat!($what, " Unit: ", $unit, ".")] pub $name: u64,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Limits {
            /// Sets the limit of this name; false where there is none.
            pub fn set(&mut self, name: &str, value: u64) -> bool {
                match name {
                    $(stringify!($name) => self.$name = value,)+
                    _ => return false,
                }
                true
            }

            /// All limits in their order, with unit and meaning.
            pub fn rows(&self) -> Vec<LimitRow> {
                vec![$(LimitRow { name: stringify!($name), value: self.$name, unit: $unit, what: $what },)+]
            }
        }
    };
}

limits! {
    connections_max = 1_000_000, "connections", "Open connections of one process; also bounded by its descriptors. Above it: 503 and close.";
    connections_per_address_max = 1_000_000, "connections", "Open connections of one address (IPv6: of a /64), on one process. Above it: 503 and close.";
    memory_max_bytes = 1_099_511_627_776, "bytes", "Memory of one process's own; also bounded by its control group. From 85 % of it no session and stream begins, from 92 % connections end with their answer, from 95 % only what is critical is answered, from 98 % none is accepted.";
    descriptors_reserved = 64, "descriptors", "Descriptors kept for files, pipes and the admin pages.";
    accepts_per_turn_max = 256, "connections", "Connections accepted before the loop looks at the others again.";
    handover_max = 4_096, "connections", "Accepted connections waiting to be taken over by another shard. Full: accepting waits.";
    head_bytes_max = 16_384, "bytes", "Request line and header fields together. Above it: 431 and close.";
    head_fields_max = 64, "fields", "Header fields of a request. Above it: 431 and close.";
    body_bytes_max = 1_048_576, "bytes", "Request body. Above it: 413 and close.";
    json_depth_max = 64, "levels", "Nesting of a JSON body; 512 at the very most. Above it: 400.";
    request_id_bytes_max = 256, "bytes", "A request id as written in JSON. Above it: 400.";
    reads_per_turn_max = 8, "reads", "Full reads from one connection before the loop looks at the others again.";
    read_bytes = 65_536, "bytes", "One read: the shard's own buffer.";
    answers_bytes_soft_max = 65_536, "bytes", "Answers to pipelined requests gathered before they are written; while they are unsent nothing more is read.";
    pool_buffers_max = 64, "buffers", "Free buffers that a shard keeps for partial requests and unsent answers.";
    pool_buffer_bytes_max = 16_384, "bytes", "A free buffer that is larger is given back to the system.";
    head_timeout_ms = 10_000, "ms", "From a connection's first moment, or a request's first byte, to the end of its head. Later: 408 or close.";
    body_timeout_ms = 30_000, "ms", "From a request's first byte to the end of its body. Later: 408 and close.";
    idle_timeout_ms = 3_600_000, "ms", "Silence between two requests of a connection. Later: close.";
    connection_age_max_ms = 86_400_000, "ms", "A connection, counted by each process that has it; ends spread over the last eighth. Later: its next answer says Connection: close.";
    shard_stall_max_ms = 500, "ms", "What a shard may take for one event, without what it waits for a core. Above it: it is blocked, which /health says, and a cluster replaces the replica.";
    tcp_keepalive_ms = 300_000, "ms", "Silence after which the kernel probes whether the peer is still there.";
    write_stall_timeout_ms = 30_000, "ms", "Unsent answers without any progress, or bytes of a stream that its client has not acknowledged. Later: close.";
    linger_timeout_ms = 2_000, "ms", "After an error that ends a connection: how long the rest of its input is read and thrown away. Also how long a connection above connections_max has to ask for a page.";
    linger_bytes_max = 65_536, "bytes", "How much of it is thrown away at most.";
    linger_connections_max = 256, "connections", "Connections above a limit of them that may be there at once, spread over the shards, and as many of the operators' listener; also bounded by a quarter of the descriptors beside connections_max.";
    workers = 50, "workers", "Queued tool calls that run at once.";
    worker_threads = 2, "threads", "Threads that run asynchronous tools; blocking ones have as many of their own.";
    queue_max = 500, "calls", "Queued tool calls that wait for a worker; fewer where calls are longer, see queue_wait_min_ms. Above it: 503 with Retry-After, not executed.";
    queue_min = 1, "calls", "Calls that may wait however long they take.";
    queue_wait_min_ms = 5, "ms", "How long a new call may be expected to wait: as long as calls have taken lately, half of that while more is asked for than a burst, and at least this. Above it: 503 as well, though the queue is not full.";
    queue_wait_max_ms = 30_000, "ms", "How long a new call may be expected to wait at most, however long calls take.";
    call_timeout_ms = 120_000, "ms", "A queued tool call, waiting included. Later: 504.";
    question_wait_ms = 60_000, "ms", "How long a call or a task keeps its worker while its client does not answer what it was asked. Later: an error.";
    retry_after_min_ms = 250, "ms", "Shortest time that a refused client is asked to wait, before jitter.";
    retry_after_max_ms = 10_000, "ms", "Longest time that a refused client is asked to wait, before jitter.";
    call_messages_max = 10_000, "messages", "Progress and log messages of one call. Above it: they are left out.";
    tools_max = 1_000, "tools", "Tools of a registry; also its resources, its templates and its prompts, each for itself.";
    page_entries_max = 250, "entries", "Tools, resources or prompts on one page of their list.";
    streams_max = 1_000_000, "streams", "Open subscription streams of one process. Above it: 503 with Retry-After.";
    stream_resources_max = 64, "resources", "Resources of one subscription stream. Above it: -32602.";
    resource_uri_bytes_max = 2_048, "bytes", "The uri of a resource that a stream or a session wants to be told of. Above it: -32602.";
    stream_bytes_max = 65_536, "bytes", "Unsent bytes of a subscription stream. Above it: the slow reader is closed.";
    stream_comment_ms = 15_000, "ms", "Silence on a subscription stream after which a comment is sent.";
    request_state_lifetime_ms = 600_000, "ms", "From an input_required answer to the end of its requestState. Later: -32602.";
    session_lifetime_ms = 3_600_000, "ms", "From initialize to the end of a legacy session. Later: 404, and the client begins anew.";
    sessions_revoked_max = 65_536, "sessions", "Legacy sessions that clients have ended and that have not expired. Above it: those signed first end too. One principal may have half, on all processes together: 429; so may all without a token: 503.";
    sessions_held_max = 16_384, "sessions", "Legacy sessions with a log level or subscriptions of their own, which have to be held. Above it: 503.";
    session_streams_max = 4, "streams", "Open GET streams of one legacy session on one process. Above it: the oldest one ends.";
    replay_streams_max = 4_096, "streams", "Streams of calls of legacy sessions that are kept for clients that come back. Above it: the oldest is forgotten.";
    replay_bytes_max = 16_777_216, "bytes", "What is kept of all of them. Above it: the oldest stream is forgotten.";
    replay_stream_events_max = 256, "events", "Events that are kept of one of them. Above it: the oldest is dropped, and who comes back is told so.";
    replay_stream_bytes_max = 262_144, "bytes", "What is kept of one of them. Above it: likewise; an answer that is longer can't be fetched again (410).";
    replay_age_ms = 60_000, "ms", "How long one is kept after its end. Later: 410.";
    tasks_max = 4_096, "tasks", "Calls of one process that have become tasks and are not forgotten yet. Above it the oldest one that has ended and was asked after is forgotten; where there is none: 503 with Retry-After. One principal may have half: 429.";
    tasks_bytes_max = 67_108_864, "bytes", "Results of all of them. Above it: likewise.";
    task_lifetime_ms = 300_000, "ms", "From a task's beginning until it is forgotten; what runs longer is ended.";
    task_poll_ms = 500, "ms", "How often clients are told to ask after a task.";
    principals_max = 65_536, "principals", "Principals with a token whose use of one process is counted. Above it: 503 for new ones.";
    principal_requests_max = 1_000_000, "requests", "Requests of one principal in a second, on one process. Above it: 429 with Retry-After.";
    principal_streams_max = 1_000_000, "streams", "Open subscription streams of one principal, on one process. Above it: likewise.";
    principal_sessions_max = 1_000_000, "sessions", "Legacy sessions that one principal begins within a session's life and does not end, on one process. Above it: likewise.";
    principal_sessions_held_max = 8_192, "sessions", "Legacy sessions of one principal that are held, on all processes of a cluster together, with half of what their URIs may take. Above it: likewise.";
    tokens_admitted_max = 65_536, "tokens", "Tokens that were checked and are known to a shard. Above it: they are checked anew.";
    batch_messages_max = 64, "messages", "Messages of a 2025-03-26 batch. Above it: 400.";
    operations_held_max = 8_000_000, "operations", "Operations that a store remembers. Full, and none older than the retention: 503.";
    operation_retention_ms = 86_400_000, "ms", "A settled operation's result. Later: 410, expired; it is never run again while it is remembered.";
    operation_result_bytes_max = 262_144, "bytes", "The result of an operation. Above it: kept as an error that says so.";
    store_backlog_max = 1_024, "questions", "Questions of one replica that its store has not answered. Above it: 503, not executed.";
    store_wait_ms = 2_000, "ms", "Waiting for the store before a tool starts. Later: 503, not executed.";
    store_finish_wait_ms = 10_000, "ms", "Waiting for the store after a tool has run. Later: 500; operation/status tells when it is known.";
    drain_lead_ms = 0, "ms", "From \"not ready\" to the end of accepting, so that balancers look elsewhere first.";
    drain_idle_ms = 500, "ms", "From the end of accepting to the closing of connections without a request.";
    drain_timeout_ms = 10_000, "ms", "A drain; whatever is still open then is cut.";
    shutdown_timeout_ms = 1_000, "ms", "Blocking tools that still run after the drain; then the process ends without them.";
}

/// Nesting is read by recursion, on the stack of a shard.
pub(crate) const JSON_DEPTH_CEILING: u64 = 512;

impl Limits {
    /// The most that the limit of this name may be; None: it has no such end.
    pub fn ceiling(name: &str) -> Option<u64> {
        (name == "json_depth_max").then_some(JSON_DEPTH_CEILING)
    }
}

impl fmt::Display for Limits {
    /// One limit a line: name, value, unit, meaning.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in self.rows() {
            writeln!(f, "{:<27} {:>17} {:<11}  {}", row.name, row.value, row.unit, row.what)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_printed_and_read_back() {
        let limits = Limits { workers: 7, ..Limits::default() };
        let json = serde_json::to_value(&limits).expect("limits are plain");
        assert_eq!(json.as_object().map(|object| object.len()), Some(limits.rows().len()));
        assert_eq!(serde_json::from_value::<Limits>(json).expect("and come back"), limits);
        assert!(limits.to_string().lines().any(|line| line.starts_with("workers ") && line.contains(" 7 workers")));
        assert!(serde_json::from_str::<Limits>(r#"{"wrokers":7}"#).is_err());
        let mut other = Limits::default();
        assert!(other.set("workers", 7) && !other.set("wrokers", 7));
        assert_eq!(other, limits);
    }
}
