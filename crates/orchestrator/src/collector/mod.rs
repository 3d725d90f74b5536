//! The server's side of a run: once a second a [`ClusterSample`](erlmcp_record::ClusterSample).

mod page;

use std::path::PathBuf;

use erlmcp_load::clock::RunClock;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::event::Event;
pub(crate) use page::Page;

/// Where the server's figures come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Figures {
    /// A cluster of this machine and user: its control socket, and /proc of its processes.
    Cluster { control: PathBuf },
    /// Any other server: its page of metrics, its process or both.
    Server { metrics: Option<Page>, pid: Option<u32> },
    /// Nothing of the server; the kernel's figures all the same.
    Nothing,
}

/// Begins to sample, at each whole second of the run's clock, until the handle is aborted or nobody listens.
pub(crate) fn start(_figures: Figures, _clock: RunClock, _events: mpsc::Sender<Event>) -> JoinHandle<()> {
    todo!()
}

/// What the run's record says of the source.
pub(crate) fn describe(_figures: &Figures) -> String {
    todo!()
}
