//! The MCP server engine and the supervised cluster of it.

mod answer;
pub mod clock;
pub mod cluster;
mod conn;
mod dispatch;
mod engine;
pub mod features;
mod limits;
mod metrics;
mod queue;
mod session;
mod shard;
pub mod tools;

pub use answer::ServerInfo;
pub use engine::{Change, ClusterPages, Drained, Listening, Notifier, Server, ServerConfig, ServerError, bind};
pub use limits::{LimitRow, Limits};
pub use metrics::{
    ClusterReference, ConnectionCounts, Histogram, Memory, QueueFigures, RequestCount, SNAPSHOT_AGE_METRIC,
    ShardFigures, Snapshot, State, bounds_us, prometheus_text, replica_status, snapshot_age_line,
};
pub use tools::Registry;
