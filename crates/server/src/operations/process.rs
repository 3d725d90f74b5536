//! The store as a process of its own: its socket, its writer, its file or database.

use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use super::host;
use super::opening::{OpenError, Opened, export, look_around, open};
use super::place::StorePlace;
use super::writer::{Order, Orders};
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
    place: StorePlace,
    orders: Orders,
    writer: Option<std::thread::JoinHandle<()>>,
    tasks: [JoinHandle<()>; 2],
    /// How many operations it had when it was opened.
    pub(crate) recovered: usize,
}

impl StoreHost {
    /// Opens the store for the processes of `base` and serves the socket.
    pub(crate) async fn start(
        place: StorePlace,
        base: u64,
        listener: StdUnixListener,
        limits: Limits,
    ) -> Result<Self, OpenError> {
        let text = place.to_string();
        let failed = |why: String| OpenError::Failed { place: text.clone(), why };
        let opening = tokio::task::spawn_blocking(move || open(&place, base, &limits).map(|opened| (place, opened)));
        let (place, opened) = opening.await.map_err(|error| failed(error.to_string()))??;
        let Opened { orders, writer, operations } = opened;
        listener.set_nonblocking(true).map_err(|error| failed(error.to_string()))?;
        let listener = UnixListener::from_std(listener).map_err(|error| failed(error.to_string()))?;
        let serving = tokio::spawn(host::serve(listener, orders.clone()));
        let looking = tokio::spawn(look_around(orders.clone()));
        Ok(Self { place, orders, writer: Some(writer), tasks: [serving, looking], recovered: operations })
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
        let place = self.place.clone();
        let exported = tokio::task::spawn_blocking(move || export(&place, &to));
        exported.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Nobody needs the store any more, and no process of `base` lives: what has been ordered is done, and it is let go of.
    pub(crate) async fn end(&mut self, base: u64) {
        self.living(base, u64::MAX, Vec::new()).await;
        let _ = self.orders.send(Order::Stop).await;
        if let Some(writer) = self.writer.take() {
            // One that panicked has let go too.
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
    }
}

impl Drop for StoreHost {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
