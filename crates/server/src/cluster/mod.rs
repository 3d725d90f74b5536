//! The supervised cluster of replicas: processes, each a server with an address of its own, behind one shared address.
//!
//! The supervisor owns the listening sockets and hands them down. It judges a replica on two paths. *Process path*: a
//! replica that sends no heartbeats and makes no progress is killed and started again. *Data path*: a replica that does
//! not answer on its own address is no member until it does again.
//!
//! A cluster of your own tools is one program with three modes, each of which runs on the main thread, in a current-thread
//! runtime: the supervisor ([`run`]), and what it starts that program as, `replica --replica N` ([`run_replica`]) and
//! `store` ([`run_store`]). The example `cluster` of this crate is such a program.

mod address;
mod channel;
mod client;
mod config;
mod control;
mod descriptors;
mod ending;
mod error;
mod handover;
mod happening;
mod intensity;
mod keeping;
mod line;
mod machines;
mod membership;
mod messages;
mod owing;
mod pages;
mod priority;
mod probe;
mod process;
mod pulse;
mod replacing;
mod replica;
mod restarting;
mod scaling;
mod slot;
mod sockets;
mod store;
mod supervisor;
mod updating;
mod watch;
mod watching;

pub use address::{REPLICAS_MAX, default_control_path, replica_address};
pub use client::{AskError, ask, stop};
pub use config::{ClusterConfig, Started, Stopped};
pub use control::Request;
pub use descriptors::descriptors_for;
pub use error::ClusterError;
pub use machines::Machine;
pub use pulse::{FENCING_TIME_MS, HEARTBEAT_MS};
pub use replica::{ReplicaEnd, run_replica};
pub use store::{StoreEnd, run_store};
pub use supervisor::run;
