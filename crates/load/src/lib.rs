//! The load engine: pacing, connections, recorder, ledger, and the agent around them.
//!
//! An agent is a process with two threads. Its main thread speaks the control protocol ([`proto`]) with the
//! orchestrator; its engine thread is one epoll loop that holds the connections and sends the load. What the loop
//! decides (pacing, ledger, health of the endpoints, states of the connections) does no IO and reads no clock,
//! so that a test can drive it with a simulated network. This crate knows not who breaks things nor how
//! results are shown: it sends rows of the run record.

#![forbid(unsafe_code)]

pub mod agent;
mod allowed;
mod block;
mod cause;
pub mod clock;
mod connection;
mod connection_log;
mod endpoint;
mod engine;
mod episodes;
#[doc(hidden)]
pub mod hot;
mod ledger;
mod misbehaviour;
mod net;
mod opening_queue;
mod operations;
mod pacing;
mod permutation;
mod random;
mod report;
mod request;
mod retry;
mod settings;
mod sources;
mod stream;
mod stream_log;
mod timers;
mod tokens;
mod wire;
mod workload;

pub use erlmcp_protocol::client::gaps;
pub use erlmcp_protocol::client::request::fields as header_fields;
pub use misbehaviour::Misbehaviour;
pub use net::byte_stream::ByteStream;
pub use sources::CONNECTIONS_MAX as CONNECTIONS_PER_SOURCE;

/// The control protocol of `proto/agent.proto`, both ends.
#[allow(clippy::all, unreachable_pub, missing_docs)]
pub mod proto {
    tonic::include_proto!("erlmcp.agent.v1");
}

/// Bytes of a message of the control protocol at most, either way: rows of some seconds with all their histograms, or a
/// workload.
pub const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// How many of them a workload takes.
pub fn workload_bytes(workload: &proto::Workload) -> usize {
    prost::Message::encoded_len(workload)
}
