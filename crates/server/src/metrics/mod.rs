//! What the server knows about itself: counted by the shards, sampled once a second from the system, shown as text.

mod components;
pub(crate) mod counters;
mod families;
mod histogram;
mod openmetrics;
mod process;
mod snapshot;
mod stall;
mod status;
mod text;

pub use components::{ComponentFigures, ShortHistogram, short_bounds_ns};
pub(crate) use components::{SAMPLED, ShardComponents, ShortTimes};
pub use families::metric_families;
pub(crate) use families::{
    About, CLUSTER_MEMBER, CLUSTER_PEER_HEARD, CLUSTER_PEERS, CLUSTER_REPLACEMENTS, CLUSTER_RESTARTS, Sample, Sink,
    tell,
};
pub(crate) use histogram::{BUCKETS, Latencies, bucket};
pub use histogram::{Histogram, bounds_us};
pub use snapshot::{
    ConnectionCounts, LimitCount, LimitValue, Memory, OperationCount, OperationFigures, PrincipalFigures, QueueFigures,
    RequestCount, ShardFigures, Share, Snapshot, State, TelemetryFigures, TlsFigures,
};
pub use status::ClusterReference;

pub(crate) use openmetrics::openmetrics;
pub(crate) use process::ProcessSampler;
pub(crate) use snapshot::{collect_reached, collect_requests, collect_shards};
pub(crate) use stall::StallWatch;
pub(crate) use status::replica_status;
pub(crate) use text::{prometheus_text, snapshot_age, write_family};

/// False in the build that `bench/run telemetry` measures against: no request is counted or timed in it.
pub(crate) const COUNTS: bool = !cfg!(feature = "uncounted");
