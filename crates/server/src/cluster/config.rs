//! What a cluster is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::machines::Machine;
use crate::entry::EntryConfig;
use crate::limits::Limits;
use crate::operations::StorePlace;
use crate::session::SessionKey;
use crate::telemetry::TelemetryConfig;

/// What a cluster is started with.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// The program whose subcommand `replica` is one replica, by [`run_replica`](super::run_replica), and whose subcommand `store` is
    /// their store, by [`run_store`](super::run_store): each on the main thread, in a current-thread runtime.
    pub program: PathBuf,
    /// What else the program is told, after `replica --replica N`.
    pub arguments: Vec<String>,
    /// The shared addresses, all on one port; port 0 for one that is free.
    pub shared: Vec<SocketAddr>,
    /// Where the pages of the whole cluster are shown, in plain HTTP, and nowhere else; none: on the shared addresses and,
    /// each replica's own, on its.
    pub admin: Vec<SocketAddr>,
    /// How many replicas.
    pub replicas: u16,
    /// Where the control socket is; none for the default place.
    pub control: Option<PathBuf>,
    /// Where operations are kept; none for a file that ends with the cluster.
    pub store: Option<StorePlace>,
    /// Signs the ids of sessions. Clusters with the same key and the same database as their store are one; none for a
    /// random one.
    pub session_key: Option<SessionKey>,
    /// Who it is among them.
    pub machine: Machine,
    /// The limits of each replica.
    pub limits: Limits,
    /// Threads that serve connections, in each replica.
    pub shards: usize,
    /// Further hosts that requests may name.
    pub allowed_hosts: Vec<String>,
    /// Who may come in.
    pub entry: EntryConfig,
    /// What each replica tells a collector.
    pub telemetry: TelemetryConfig,
}

impl ClusterConfig {
    /// What a cluster whose replicas are this same program is started with: the cores are shared out, all else is at its default.
    pub fn of(shared: Vec<SocketAddr>, replicas: u16) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            // Not the path: the program may have been replaced since, and replicas should be of the supervisor's version.
            program: "/proc/self/exe".into(),
            arguments: Vec::new(),
            shared,
            admin: Vec::new(),
            replicas,
            control: None,
            store: None,
            session_key: None,
            machine: Machine::default(),
            limits: Limits::default(),
            shards: (cores / usize::from(replicas.max(1))).max(1),
            allowed_hosts: Vec::new(),
            entry: EntryConfig::default(),
            telemetry: TelemetryConfig::default(),
        }
    }
}

/// A cluster that has come up.
#[derive(Debug, Clone)]
pub struct Started {
    /// The shared addresses.
    pub shared: Vec<SocketAddr>,
    /// The replicas' own, in order from replica 1.
    pub replicas: Vec<SocketAddr>,
    /// The control socket.
    pub control: PathBuf,
}

/// How a cluster ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Every replica finished what it had, or had its time to.
    InOrder,
    /// A second signal: the replicas were killed.
    AtOnce,
}
