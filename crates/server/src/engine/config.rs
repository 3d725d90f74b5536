//! What a server is started with, and what it says when it can't start.

use std::io;
use std::net::{SocketAddr, TcpListener};

use serde_json::Value;

use crate::answer::ServerInfo;
use crate::entry::{EntryConfig, EntryError};
use crate::limits::Limits;
use crate::metrics::ClusterReference;
use crate::operations::{OpenError, StorePlace};
use crate::session::SessionKey;
use crate::telemetry::TelemetryConfig;
use crate::tools::Registry;

/// What a server is started with.
#[derive(Debug, Clone, Default)]
pub struct ServerConfig {
    /// Every limit.
    pub limits: Limits,
    /// Who the server says it is.
    pub info: ServerInfo,
    /// What it offers.
    pub registry: Registry,
    /// Threads that serve connections; at least one is started.
    pub shards: usize,
    /// Number of the replica; 0 for a lone server.
    pub replica: u16,
    /// Hosts that requests may name in Host and Origin, beyond localhost, loopback addresses and the listeners' own
    /// addresses; with or without a port.
    pub allowed_hosts: Vec<String>,
    /// Where operations are kept; none for a server that takes no operations.
    pub store: Option<StorePlace>,
    /// Who may come in.
    pub entry: EntryConfig,
    /// What is told to a collector of telemetry.
    pub telemetry: TelemetryConfig,
    /// Signs sessions and the state of requests, for servers that take each other's; a random one where there is none.
    pub session_key: Option<SessionKey>,
    /// The cluster that this replica belongs to.
    pub cluster: Option<ClusterReference>,
}

impl ServerConfig {
    /// What a lone server that offers this is started with: a shard for each core, every limit at its default.
    pub fn of(registry: Registry) -> Self {
        let shards = std::thread::available_parallelism().map_or(1, usize::from);
        Self { registry, shards, ..Self::default() }
    }
}

/// A socket that listens.
#[derive(Debug)]
pub struct Listening {
    /// The socket.
    pub listener: TcpListener,
    /// True where /metrics and /status answer for the whole cluster, once there are [`ClusterPages`].
    pub shared: bool,
    /// True where /metrics and /status are shown, to anyone, and nothing else but /health and /ready. With such a socket
    /// the others do not show them.
    pub admin: bool,
}

/// The pages of the whole cluster, as the supervisor made them.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterPages {
    /// Prometheus text of all replicas.
    pub metrics: String,
    /// The JSON of /status.
    pub status: Value,
    /// When the figures were taken, CLOCK_MONOTONIC ns. The pages say how old they are when they are asked for.
    pub taken_at_ns: u64,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ToolsList, Self::PromptsList, Self::ResourcesList];
}

/// Something that subscribers may want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Change {
    /// The list of tools is another one.
    ToolsList = 0,
    /// The list of prompts is another one.
    PromptsList = 1,
    /// The list of resources, or of their templates, is another one.
    ResourcesList = 2,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Connections that were still busy at the timeout and were cut.
    pub cut: u64,
}

/// Why a server can't start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken.
    #[error("{0} is in use: another server listens there; stop it or choose another port")]
    InUse(SocketAddr),
    /// The address can't be listened on for another reason.
    #[error("cannot listen on {address}: {source}; choose an address of this machine and a port that you may use")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// More tools than the limit.
    #[error("the registry has {tools} tools, more than tools_max = {max}: raise the limit or remove tools")]
    TooManyTools {
        /// Tools registered.
        tools: u64,
        /// `Limits::tools_max`.
        max: u64,
    },
    /// More resources, templates or prompts than the limit.
    #[error(
        "the registry has {offers} resources, templates or prompts, more than tools_max = {max}: raise the limit or remove some"
    )]
    TooManyOffers {
        /// Of the kind that has most.
        offers: u64,
        /// `Limits::tools_max`.
        max: u64,
    },
    /// There is nothing to listen on.
    #[error("no socket to listen on was given: name at least one address")]
    NoListener,
    /// It can't be said who may come in.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The store of operations can't be had.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A collector's certificate can't be checked.
    #[error("telemetry cannot be sent over TLS: {0}")]
    Telemetry(io::Error),
    /// A thread, a poll or the workers' runtime could not be made.
    #[error("cannot start the server's {what}: {source}; the machine is short of threads, memory or descriptors")]
    System {
        /// What could not be made.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}
