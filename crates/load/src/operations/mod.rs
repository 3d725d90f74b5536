//! Operations: calls of a tool that happen once, at a small rate beside the load. Each has an id of its own; every
//! attempt is in the agent's journal before its first byte is sent and at its end. What an attempt's end means for the
//! operation is decided without IO ([`course`]); a *lane* is one connection that carries out one operation after
//! another, and moves on to the next replica when it fails.

mod answer;
mod course;
mod journal;
mod lane;
mod replica_connection;
mod text;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use erlmcp_record::operations::OperationsError;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::allowed::Allowed;
use crate::clock::monotonic_ns;
use crate::net::tls::Tls;
use crate::retry::RetryBudget;
use journal::Journal;
use lane::Lane;
use replica_connection::ReplicaConnection;
use text::Texts;

/// How many connections an agent has for operations, at most.
const LANES_MAX: u32 = 256;
/// How long the operations under way may take to be settled after the last was begun.
const QUIET: Duration = Duration::from_secs(30);

/// What is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Wanted<'a> {
    pub(crate) agent: u32,
    /// The run's folder, where the journal is made.
    pub(crate) folder: &'a Path,
    /// Operations a second.
    pub(crate) rate: f64,
    pub(crate) lanes: u32,
    /// `append`, or another whose effect is a transaction of the store: attempts are journaled as such.
    pub(crate) tool: &'a str,
    /// Where to go: replicas with their addresses.
    pub(crate) endpoints: &'a [(u16, SocketAddr)],
    pub(crate) allowed: Allowed,
    pub(crate) tls: Option<Tls>,
    pub(crate) authority: &'a str,
    pub(crate) path: &'a str,
    pub(crate) seed: u64,
}

/// Why there are no operations, or no more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoOperations {
    #[error(transparent)]
    Journal(#[from] OperationsError),
    #[error("operations cannot be sent: {0}")]
    Request(#[from] erlmcp_protocol::client::request::BadRequest),
    #[error("operations need an address and a rate")]
    Nothing,
}

/// What became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) begun: u64,
    /// Those whose fate is known.
    pub(crate) settled: u64,
    pub(crate) attempts: u64,
}

/// What all lanes share.
#[derive(Debug)]
struct Shared {
    journal: Mutex<Journal>,
    budget: Mutex<RetryBudget>,
    texts: Texts,
    endpoints: Mutex<Endpoints>,
    allowed: Allowed,
    tls: Option<Tls>,
    /// The place of the endpoint that each lane is connected to; `NOWHERE`: none.
    places: Vec<AtomicU32>,
}

/// Replicas with their addresses.
type Endpoints = Arc<[(u16, SocketAddr)]>;

const NOWHERE: u32 = u32::MAX;

impl Shared {
    fn journal<T>(&self, with: impl FnOnce(&mut Journal) -> T) -> T {
        with(&mut self.journal.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn endpoints(&self) -> Endpoints {
        Arc::clone(&self.endpoints.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn connection_to(&self, address: SocketAddr) -> ReplicaConnection {
        ReplicaConnection::to(address, self.allowed, self.tls.clone())
    }

    fn budget<T>(&self, with: impl FnOnce(&mut RetryBudget) -> T) -> T {
        with(&mut self.budget.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// There is an attempt for what need not be.
    fn spares_one(&self) -> bool {
        self.budget(|budget| budget.spare(monotonic_ns() / 1_000))
    }
}

/// Operations under way.
#[derive(Debug)]
pub(crate) struct Operations {
    shared: Arc<Shared>,
    lanes: JoinSet<()>,
    /// True: no more are begun.
    ending: watch::Sender<bool>,
}

impl Operations {
    /// Begins, on the runtime that calls it.
    pub(crate) fn begin(wanted: &Wanted<'_>) -> Result<Self, NoOperations> {
        let lanes = wanted.lanes.clamp(1, LANES_MAX);
        if wanted.endpoints.is_empty() || wanted.rate.is_nan() || wanted.rate <= 0.0 {
            return Err(NoOperations::Nothing);
        }
        let shared = Arc::new(Shared {
            journal: Mutex::new(Journal::create(wanted.folder, wanted.agent)?),
            budget: Mutex::new(RetryBudget::default()),
            texts: Texts::new(wanted.authority, wanted.path, wanted.tool)?,
            endpoints: Mutex::new(wanted.endpoints.into()),
            allowed: wanted.allowed,
            tls: wanted.tls.clone(),
            places: (0..lanes).map(|_| AtomicU32::new(NOWHERE)).collect(),
        });
        let (ending, told) = watch::channel(false);
        let every = Duration::from_secs_f64(f64::from(lanes) / wanted.rate);
        let mut running = JoinSet::new();
        for number in 0..lanes {
            let place = (u64::from(wanted.agent) * u64::from(lanes) + u64::from(number)) as usize;
            let first = every.mul_f64(f64::from(number) / f64::from(lanes));
            let lane = Lane::new(Arc::clone(&shared), (number as usize, place), wanted.seed, told.clone());
            running.spawn(lane.run(first, every));
        }
        Ok(Self { shared, lanes: running, ending })
    }

    /// Lanes go to these from their next operations on.
    pub(crate) fn follow(&self, endpoints: &[(u16, SocketAddr)]) {
        if !endpoints.is_empty() {
            *self.shared.endpoints.lock().unwrap_or_else(PoisonError::into_inner) = endpoints.into();
        }
    }

    /// Open connections by replica.
    pub(crate) fn connections(&self) -> Vec<(u16, u64)> {
        let (mut sums, endpoints) = (BTreeMap::new(), self.shared.endpoints());
        for place in self.shared.places.iter().map(|place| place.load(Ordering::Relaxed)) {
            if let Some((replica, _)) = endpoints.get(place as usize) {
                *sums.entry(*replica).or_default() += 1;
            }
        }
        sums.into_iter().collect()
    }

    /// Begins no more, and waits until those under way are settled, but not for longer than the quiet time.
    pub(crate) async fn end(mut self) -> Result<Counts, NoOperations> {
        let _ = self.ending.send(true);
        let all = async { while self.lanes.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(QUIET, all).await;
        self.lanes.shutdown().await;
        Ok(self.shared.journal(Journal::end)?)
    }
}

#[cfg(test)]
mod storm;
#[cfg(test)]
mod tests;
