//! The store as a process of its own: its socket, its writer, its file.

use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use super::host;
use super::keeper::Keeper;
use super::sqlite::{OpenError, SqliteStore, export};
use super::table::Keep;
use super::writer::{self, Order, Orders};
use crate::clock::monotonic_ns;
use crate::limits::Limits;

/// Where a replica finds its store, and who it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoreAddress {
    pub(crate) socket: PathBuf,
    /// Of the supervisor.
    pub(crate) base: u64,
    /// Grows from one process of the supervisor to the next.
    pub(crate) number: u64,
    /// It has to wait until the process has ended whose place it takes.
    pub(crate) after_another: bool,
}

/// A store that serves its socket.
pub(crate) struct StoreHost {
    path: PathBuf,
    orders: Orders,
    serving: JoinHandle<()>,
    /// How many operations it had when it was opened.
    pub(crate) recovered: usize,
}

impl StoreHost {
    /// Opens the file and serves the socket. Has to be called in a runtime.
    pub(crate) fn start(path: &Path, listener: StdUnixListener, limits: &Limits) -> Result<Self, OpenError> {
        let failed = |why: String| OpenError::Failed { path: path.to_path_buf(), why };
        let store = SqliteStore::open(path)?;
        let keeper = Keeper::open(store, Keep::from_limits(limits), monotonic_ns());
        let keeper = keeper.map_err(|error| failed(error.to_string()))?;
        let recovered = keeper.len();
        let (orders, _) = writer::start(keeper).map_err(|error| failed(error.to_string()))?;
        listener.set_nonblocking(true).map_err(|error| failed(error.to_string()))?;
        let listener = UnixListener::from_std(listener).map_err(|error| failed(error.to_string()))?;
        let serving = tokio::spawn(host::serve(listener, orders.clone()));
        Ok(Self { path: path.to_path_buf(), orders, serving, recovered })
    }

    /// Of the incarnations of `base` up to number `up_to` only these live, of any other base none.
    pub(crate) async fn living(&self, base: u64, up_to: u64, living: Vec<u64>) {
        // The writer ends with this process only.
        let _ = self.orders.send(Order::Living { base, up_to, living }).await;
    }

    /// Returns when nothing is written any more, which only a mistake can bring about.
    pub(crate) async fn writer_ended(&self) {
        self.orders.closed().await;
    }

    /// Writes history and effects to a file; the number of its lines, or a sentence that says why there are none.
    pub(crate) async fn export(&self, to: PathBuf) -> Result<u64, String> {
        let path = self.path.clone();
        let exported = tokio::task::spawn_blocking(move || export(&path, &to).map_err(|error| error.to_string()));
        exported.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

impl Drop for StoreHost {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
