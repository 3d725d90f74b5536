//! Why a cluster cannot start or go on.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::intensity::{RESTARTS_MAX, WINDOW_NS};
use crate::engine::ServerError;

/// Why a cluster, or one of its replicas, cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Another process listens there.
    #[error(
        "{0} is in use: stop what listens there (a cluster of yours: `erlmcp cluster stop --port {port}`), \
         or choose another port with --listen",
        port = .0.port()
    )]
    InUse(SocketAddr),
    /// The address can't be listened on for another reason.
    #[error(transparent)]
    Listen(ServerError),
    /// No port was free on all addresses.
    #[error("found no port that is free on all {replicas} addresses: choose one with --listen")]
    NoPort {
        /// Replicas wanted.
        replicas: u16,
    },
    /// Too many or none.
    #[error("a cluster has 1 to {max} replicas, not {asked}", max = super::REPLICAS_MAX)]
    Replicas {
        /// Replicas wanted.
        asked: u16,
    },
    /// The shared addresses don't agree.
    #[error("the shared address needs one port, and no address of a replica (127.0.0.11 and up): change --listen")]
    Shared,
    /// Another cluster answers on the control socket.
    #[error("a cluster already answers on {}: stop it with `erlmcp cluster stop`, or choose another --control", .0.display())]
    ControlTaken(PathBuf),
    /// The control socket can't be made.
    #[error("cannot make the control socket {}: {source}; choose another place with --control", path.display())]
    Control {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No descriptor is left for a connection.
    #[error("only {limit} descriptors may be open and {reserved} of them are kept free: raise the limit (`ulimit -n`)")]
    Descriptors {
        /// Descriptors that may be open.
        limit: u64,
        /// `Limits::descriptors_reserved`.
        reserved: u64,
    },
    /// A replica did not come up.
    #[error("replica {replica} cannot start: {reason}")]
    CannotStart {
        /// Its number.
        replica: u16,
        /// Why, as a sentence.
        reason: String,
    },
    /// Every replica has ended too often and is not started again.
    #[error(
        "no replica is left: each of {replicas} ended more often than {max} times in {seconds} s (replica {replica}: {reason}); \
         find out from the log why they end, and start the cluster again",
        max = RESTARTS_MAX,
        seconds = WINDOW_NS / 1_000_000_000
    )]
    WornOut {
        /// Those that there were.
        replicas: usize,
        /// One of them.
        replica: u16,
        /// How it ended, as a sentence.
        reason: String,
    },
    /// The store did not come up.
    #[error("the store of operations cannot start: {reason}")]
    NoStore {
        /// Why, as a sentence.
        reason: String,
    },
    /// The system refused something that nothing works without.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It starts, scales or stops.
    #[error("the cluster is starting, scaling or stopping: ask again when it runs (`erlmcp cluster status`)")]
    Busy,
    /// `replica` was typed by hand.
    #[error("replicas and stores are started by `erlmcp cluster`; to serve from one process use `erlmcp serve`")]
    NoChannel,
}

impl From<ServerError> for ClusterError {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::InUse(address) => Self::InUse(address),
            other => Self::Listen(other),
        }
    }
}

impl ClusterError {
    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}
