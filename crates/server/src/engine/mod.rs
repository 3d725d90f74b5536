//! A running server.

mod addresses;
mod bind;
mod config;
mod heir;
mod history;
mod memory;
mod notifier;
mod passed;
mod peers;
mod shared;
mod stalls;
mod starting;

use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

pub(crate) use addresses::AddressPlace;
pub use bind::bind;
pub use config::{Change, ClusterPages, Drained, Listening, ServerConfig, ServerError};
pub(crate) use heir::{Handed, Heir};
pub(crate) use memory::Pressure;
pub use notifier::Notifier;
pub(crate) use notifier::{Outbox, Updates};
pub(crate) use peers::{Forwarded, Place};
pub(crate) use shared::Shared;
pub(crate) use stalls::Stalled;
pub(crate) use starting::{raise_descriptor_limit, share};

use crate::metrics::Snapshot;
use crate::operations::StoreAddress;
use crate::queue::WorkerPool;
use crate::session::Sessions;
use crate::telemetry::Telemetry;

/// A running server: its shards, its workers, and what they share. Dropped without [`Server::join`] it goes on until
/// the process ends.
pub struct Server {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    shards: Vec<JoinHandle<u64>>,
    /// They go on where the server is dropped.
    workers: ManuallyDrop<WorkerPool>,
    /// Sends connections to the process that takes this one's place, by this socket; its end says that nothing is left here.
    handing: Option<(JoinHandle<()>, UnixStream)>,
}

impl Server {
    /// Starts the shards and the workers; the server accepts from now on.
    ///
    /// # Errors
    /// Where the configuration is no good or the system can't give what is needed.
    pub fn start(config: ServerConfig, listeners: Vec<Listening>, ready: bool) -> Result<Self, ServerError> {
        let server = starting::start(config, listeners, ready, None, None)?;
        starting::watch_shards(&server.shared)?;
        Ok(server)
    }

    /// Listens on an address and serves there, ready at once: all that a lone server needs. Port 0 is any free one; see
    /// [`Server::addresses`]. Whoever reaches the address may use it, unless [`ServerConfig::entry`] asks for tokens.
    ///
    /// # Errors
    /// Where the address can't be listened on, and as [`Server::start`].
    pub fn listen(address: SocketAddr, config: ServerConfig) -> Result<Self, ServerError> {
        Self::start(config, vec![Listening { listener: bind(address)?, shared: false, admin: false }], true)
    }

    /// Where it listens, in the order of its listeners.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The same as [`Server::start`] for a replica, whose sessions are those of its cluster.
    pub(crate) fn start_in_cluster(
        config: ServerConfig,
        listeners: Vec<Listening>,
        sessions: Sessions,
        store: Option<StoreAddress>,
    ) -> Result<Self, ServerError> {
        starting::start(config, listeners, true, Some(sessions), store)
    }

    /// What outlives the drain.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// What /ready says: 200 or 503.
    pub fn set_ready(&self, ready: bool) {
        self.shared.ready.store(ready, Ordering::Release);
    }

    /// All figures at this moment; of the process and its memory those of at most a second ago, so that nothing is
    /// asked of the system.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// Tells the streams of this server that asked for it; those of other replicas only [`Server::notifier`] reaches.
    pub fn notify(&self, change: Change) {
        self.shared.notifier.changed_here(change);
    }

    /// Tells subscribers of changes, on all replicas. Tools find the same in their context.
    pub fn notifier(&self) -> &Notifier {
        &self.shared.notifier
    }

    /// What the other replicas are to be told.
    pub(crate) fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.shared.notifier.outbox)
    }

    /// What shared listeners answer for /metrics and /status from now on.
    pub fn set_cluster_pages(&self, pages: ClusterPages) {
        let pages = Some(Arc::new(pages));
        *self.shared.pages.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = pages;
    }

    /// When the shard that is furthest behind last polled, CLOCK_MONOTONIC ns. A shard that serves nothing polls ten
    /// times a second.
    pub fn last_poll_ns(&self) -> u64 {
        self.shared.last_poll_ns()
    }

    /// Looks at what is left of memory. Gives shards that have turned out to be blocked since this was last called, which has
    /// to be every so many ms.
    pub(crate) fn look(&self) -> Vec<Stalled> {
        self.shared.look()
    }

    /// Begins the drain: not ready, streams end with their result, what is in flight is answered, idle connections
    /// are closed.
    pub fn drain(&self) {
        self.shared.drain();
    }

    /// Begins another kind of drain: connections go to the process at the other end as soon as they are idle, and go on
    /// there; streams end with their result.
    ///
    /// # Errors
    /// Where there are no threads left.
    pub(crate) fn hand_over(&mut self, to: UnixStream) -> std::io::Result<()> {
        let (heir, thread) = heir::send(to.try_clone()?)?;
        self.handing = Some((thread, to));
        self.shared.drained_since_ns.store(self.shared.clock.now_ns(), Ordering::Release);
        self.shared.set_heir(Some(heir));
        self.shared.mailboxes.iter().for_each(|mailbox| mailbox.wake());
        Ok(())
    }

    /// Takes over what the process before this one hands over.
    ///
    /// # Errors
    /// Where there are no threads left.
    pub(crate) fn take_over(&self, from: UnixStream) -> std::io::Result<()> {
        heir::receive(from, self.shared())
    }

    /// Waits until the drain is over: without [`Server::drain`], for ever. It blocks its thread: async code that has something else to
    /// do calls it in `tokio::task::spawn_blocking`.
    pub fn join(self) -> Drained {
        // A shard that panicked has cut its connections, but nobody can say how many.
        let cut = self.shards.into_iter().map(|shard| shard.join().unwrap_or(0)).sum();
        self.shared.set_heir(None);
        // What broke there was told there.
        let _until_the_end = self.handing.map(|(thread, to)| (thread.join(), to));
        if let Some(operations) = self.shared.operations.get() {
            let limits = &self.shared.limits;
            let patience_ns = (limits.drain_lead_ms + limits.drain_timeout_ms).saturating_mul(1_000_000);
            let since_ns = self.shared.drained_since_ns.load(Ordering::Acquire);
            operations.wait_for_the_last(since_ns.saturating_add(patience_ns));
        }
        on_plain_thread(|| ManuallyDrop::into_inner(self.workers).stop(&self.shared.queue));
        self.shared.telemetry.get().into_iter().for_each(Telemetry::close);
        if let Some(operations) = self.shared.operations.get() {
            on_plain_thread(|| operations.close());
        }
        Drained { cut }
    }
}

/// Does something on a thread of its own: this one may be in a runtime, where nothing may be waited for.
fn on_plain_thread<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|threads| threads.spawn(act).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("replica", &self.shared.replica).finish_non_exhaustive()
    }
}
