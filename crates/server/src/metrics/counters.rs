//! What a shard counts while it serves. Each cell has one writer, its shard, so that counting is a plain addition;
//! anyone may read at any time.

use std::sync::atomic::{AtomicU64, Ordering};

use super::COUNTS;
use super::components::ShardComponents;
use super::histogram::Latencies;
use super::snapshot::LimitValue;
use crate::limits::Limits;

/// A counter or a gauge with a single writer.
#[derive(Debug, Default)]
pub(crate) struct Cell(AtomicU64);

impl Cell {
    /// Only the owner may call this: it is no read-modify-write.
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// Only the owner may call this.
    pub(crate) fn subtract(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_sub(count), Ordering::Relaxed);
    }

    /// Only the owner may call this.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a connection's last request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ConnectionKind {
    /// No request yet.
    New = 0,
    /// The last request went to the MCP endpoint.
    Mcp = 1,
    /// The last request went to another path.
    Admin = 2,
}

/// What was asked, as far as it is worth a label of its own. A closed set: a client can't make up labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Method {
    Discover,
    ToolsList,
    ToolsCall,
    Listen,
    ResourcesList,
    TemplatesList,
    ResourcesRead,
    PromptsList,
    PromptsGet,
    Complete,
    OperationStatus,
    Initialize,
    Ping,
    /// A GET stream of a session.
    Get,
    /// The end of a session.
    Delete,
    /// Any notification.
    Notification,
    /// A method that this server does not have.
    Other,
    /// Refused before its method was known.
    Unread,
}

impl Method {
    pub(crate) const ALL: [Self; 18] = [
        Self::Discover,
        Self::ToolsList,
        Self::ToolsCall,
        Self::Listen,
        Self::ResourcesList,
        Self::TemplatesList,
        Self::ResourcesRead,
        Self::PromptsList,
        Self::PromptsGet,
        Self::Complete,
        Self::OperationStatus,
        Self::Initialize,
        Self::Ping,
        Self::Get,
        Self::Delete,
        Self::Notification,
        Self::Other,
        Self::Unread,
    ];

    /// The value of the metric's label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Discover => "server/discover",
            Self::ToolsList => "tools/list",
            Self::ToolsCall => "tools/call",
            Self::Listen => "subscriptions/listen",
            Self::ResourcesList => "resources/list",
            Self::TemplatesList => "resources/templates/list",
            Self::ResourcesRead => "resources/read",
            Self::PromptsList => "prompts/list",
            Self::PromptsGet => "prompts/get",
            Self::Complete => "completion/complete",
            Self::OperationStatus => "operation/status",
            Self::Initialize => "initialize",
            Self::Ping => "ping",
            Self::Get => "GET",
            Self::Delete => "DELETE",
            Self::Notification => "notification",
            Self::Other => "other",
            Self::Unread => "unread",
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub(crate) enum Outcome {
    #[default]
    Ok,
    /// A result with `isError`.
    ToolError,
    /// A JSON-RPC error in an answer 200.
    RpcError,
    /// Any status that is not 2xx, but for refusals.
    HttpError,
    /// Refused under load, not executed.
    Refused,
}

impl Outcome {
    pub(crate) const ALL: [Self; 5] = [Self::Ok, Self::ToolError, Self::RpcError, Self::HttpError, Self::Refused];

    /// The value of the metric's label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ToolError => "tool_error",
            Self::RpcError => "rpc_error",
            Self::HttpError => "http_error",
            Self::Refused => "refused",
        }
    }
}

/// A limit that has ended or refused something, or made it wait, where that is counted nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reached {
    /// Head bytes or fields.
    Head,
    Body,
    JsonDepth,
    /// Answers to pipelined requests that had to be out before more was read.
    Pipelined,
    /// A request that waited for the call before it on its connection.
    InFlight,
    /// Sessions that have to be held.
    Sessions,
    SessionStreams,
    Streams,
    /// Unsent bytes of a stream.
    StreamBytes,
    HeadTime,
    BodyTime,
    IdleTime,
    Age,
    WriteStall,
    /// What a principal may use.
    Principal,
    /// The system gave no descriptor for a connection.
    Descriptors,
    /// So much memory is used that something was refused.
    Memory,
}

/// What the machine gives the process, where that is less than the limits have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MachineLimits {
    pub(crate) descriptors: u64,
    /// Bytes.
    pub(crate) memory: u64,
}

impl Reached {
    pub(crate) const ALL: [Self; 17] = [
        Self::Head,
        Self::Body,
        Self::JsonDepth,
        Self::Pipelined,
        Self::InFlight,
        Self::Sessions,
        Self::SessionStreams,
        Self::Streams,
        Self::StreamBytes,
        Self::HeadTime,
        Self::BodyTime,
        Self::IdleTime,
        Self::Age,
        Self::WriteStall,
        Self::Principal,
        Self::Descriptors,
        Self::Memory,
    ];

    /// The value of the metric's label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Body => "body",
            Self::JsonDepth => "json_depth",
            Self::Pipelined => "pipelined",
            Self::InFlight => "in_flight",
            Self::Sessions => "sessions",
            Self::SessionStreams => "session_streams",
            Self::Streams => "streams",
            Self::StreamBytes => "stream_bytes",
            Self::HeadTime => "head_timeout",
            Self::BodyTime => "body_timeout",
            Self::IdleTime => "idle_timeout",
            Self::Age => "connection_age",
            Self::WriteStall => "write_stall",
            Self::Principal => "principal",
            Self::Descriptors => "descriptors",
            Self::Memory => "memory",
        }
    }

    /// Where the limit is, in each unit that it has. What principals may use is told with what they use.
    pub(crate) fn value(self, limits: &Limits, machine: &MachineLimits) -> LimitValue {
        let none = LimitValue::default();
        let bytes = |bytes| LimitValue { bytes: Some(bytes), ..none };
        let ms = |ms| LimitValue { ms: Some(ms), ..none };
        let number = |number| LimitValue { number: Some(number), ..none };
        match self {
            Self::Head => LimitValue { number: Some(limits.head_fields_max), ..bytes(limits.head_bytes_max) },
            Self::Body => bytes(limits.body_bytes_max),
            Self::JsonDepth => number(limits.json_depth_max),
            Self::Pipelined => bytes(limits.answers_bytes_soft_max),
            Self::InFlight => number(1),
            Self::Sessions => number(limits.sessions_held_max),
            Self::SessionStreams => number(limits.session_streams_max),
            Self::Streams => number(limits.streams_max),
            Self::StreamBytes => bytes(limits.stream_bytes_max),
            Self::HeadTime => ms(limits.head_timeout_ms),
            Self::BodyTime => ms(limits.body_timeout_ms),
            Self::IdleTime => ms(limits.idle_timeout_ms),
            Self::Age => ms(limits.connection_age_max_ms),
            Self::WriteStall => ms(limits.write_stall_timeout_ms),
            Self::Principal => none,
            Self::Descriptors => number(machine.descriptors),
            Self::Memory => bytes(machine.memory),
        }
    }
}

/// One shard's figures.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct ShardCounters {
    /// Open connections by [`ConnectionKind`].
    pub(crate) connections: [Cell; 3],
    /// Of these, those above the limit.
    pub(crate) above: Cell,
    pub(crate) accepted: Cell,
    pub(crate) refused: Cell,
    reached: [Cell; Reached::ALL.len()],
    pub(crate) requests: [[Cell; Outcome::ALL.len()]; Method::ALL.len()],
    pub(crate) latencies: Latencies,
    pub(crate) streams: Cell,
    pub(crate) components: ShardComponents,
    pub(crate) connection_bytes: Cell,
    pub(crate) buffer_bytes: Cell,
    /// When the loop last came back to its poll, CLOCK_MONOTONIC ns.
    pub(crate) last_poll_ns: Cell,
    /// Goes up within a turn of the loop as well, so that a long turn is told from a blocked one.
    pub(crate) steps: Cell,
    /// The thread's id.
    pub(crate) thread: Cell,
    pub(crate) stall_longest_ns: Cell,
    pub(crate) stall_last_second_ns: Cell,
    /// CPU time of the longest turn of that second.
    pub(crate) busy_last_second_ns: Cell,
    /// When the second that `stall_last_second_ns` speaks of ended, CLOCK_MONOTONIC ns.
    pub(crate) stall_second_ended_ns: Cell,
}

impl ShardCounters {
    pub(crate) fn count(&self, method: Method, outcome: Outcome) {
        if COUNTS {
            self.requests[method as usize][outcome as usize].add(1);
        }
    }

    pub(crate) fn reached(&self, limit: Reached) {
        self.reached[limit as usize].add(1);
    }

    pub(crate) fn times_reached(&self, limit: Reached) -> u64 {
        self.reached[limit as usize].get()
    }

    pub(crate) fn open_connections(&self) -> u64 {
        self.connections.iter().map(Cell::get).sum()
    }
}
