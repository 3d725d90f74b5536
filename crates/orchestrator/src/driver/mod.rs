//! Cluster drivers: a cluster of this machine through its control socket, its faults and their undoing.

use std::net::SocketAddr;
use std::path::Path;

use erlmcp_load::clock::RunClock;
use tokio::sync::mpsc;

use crate::StressError;
use crate::action::Ask;
use crate::event::{Event, Leftovers};
use crate::plan::QueueFacts;

/// A cluster of this machine and this user.
#[derive(Debug)]
pub(crate) struct LocalCluster;

impl LocalCluster {
    /// Starts the run's own cluster, its output to `log`; returns when all replicas are ready.
    pub(crate) async fn start(
        _binary: &Path,
        _replicas: u16,
        _log: &Path,
        _clock: RunClock,
        _events: mpsc::Sender<Event>,
    ) -> Result<Self, StressError> {
        Err(StressError::failed("a cluster of the run's own cannot be started yet"))
    }

    /// Attaches to a running one of the same user.
    pub(crate) async fn attach(
        _control: &Path,
        _clock: RunClock,
        _events: mpsc::Sender<Event>,
    ) -> Result<Self, StressError> {
        Err(StressError::failed("a running cluster cannot be attached to yet"))
    }

    /// The shared address.
    pub(crate) fn shared(&self) -> SocketAddr {
        todo!()
    }

    /// Each replica's own address.
    pub(crate) fn endpoints(&self) -> Vec<(u16, SocketAddr)> {
        todo!()
    }

    /// Workers and places of all replicas.
    pub(crate) fn queue(&self) -> QueueFacts {
        todo!()
    }

    /// Why no replica can be killed; None where one can.
    pub(crate) fn no_kill(&self) -> Option<String> {
        todo!()
    }

    /// Why no replica can be cut off; None where one can.
    pub(crate) fn no_partition(&self) -> Option<String> {
        todo!()
    }

    /// Begins to do what was asked (Workers, Kill, Partition, Heal, AwaitReady, Scale); the answer is an event.
    pub(crate) fn ask(&self, _ask: Ask) {
        todo!()
    }

    /// Undoes faults first and verifies it, then stops a cluster of the run's own; says what is left.
    pub(crate) async fn abandon(&mut self) -> Leftovers {
        todo!()
    }
}
