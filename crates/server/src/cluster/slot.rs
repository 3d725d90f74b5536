//! What the supervisor knows of one replica, over all the processes that it was.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::happening::Happening;
use super::intensity::Intensity;
use super::membership::Reach;
use super::messages::Membership;
use super::probe::Probe;
use super::process::Process;
use super::pulse::Pulse;
use crate::metrics::Snapshot;

/// Where a replica stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its process has not said that it takes requests; it is given up at `until_ns`.
    Starting {
        until_ns: u64,
    },
    Ready,
    /// Finishes what it has; killed at `until_ns`.
    Draining {
        until_ns: u64,
    },
    /// Has no process until then.
    Backoff {
        until_ns: u64,
    },
    /// Is not started again.
    Failed,
}

/// A replica as its state is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shown {
    Starting,
    Ready,
    Draining,
    Down,
    Backoff,
    Failed,
}

/// A replica as the control socket and the shared pages show it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row<'a> {
    pub(super) replica: u16,
    pub(super) address: SocketAddr,
    pub(super) pid: Option<u32>,
    pub(super) state: Shown,
    pub(super) member: bool,
    pub(super) down_since_ns: Option<u64>,
    pub(super) restarts: u64,
    pub(super) snapshot: Option<&'a Snapshot>,
    pub(super) snapshot_age_ns: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) replica: u16,
    pub(super) address: SocketAddr,
    /// None when nobody will accept there any more.
    pub(super) listener: Option<TcpListener>,
    pub(super) stage: Stage,
    /// Tells the processes apart that were this replica.
    pub(super) life: u64,
    pub(super) process: Option<Process>,
    pub(super) prober: Option<Prober>,
    pub(super) pulse: Pulse,
    pub(super) is_starved: bool,
    pub(super) reach: Reach,
    /// Who watches it.
    pub(super) watcher: Option<u16>,
    /// What it was last told.
    pub(super) told: Option<Membership>,
    pub(super) is_member: bool,
    pub(super) down_since_ns: Option<u64>,
    pub(super) restarts: u64,
    pub(super) intensity: Intensity,
    /// Why its process is about to end, as far as that is known before it does.
    pub(super) last_words: Option<String>,
    pub(super) snapshot: Option<Box<Snapshot>>,
}

impl Slot {
    pub(super) fn new(replica: u16, address: SocketAddr, listener: TcpListener) -> Self {
        Self {
            replica,
            address,
            listener: Some(listener),
            stage: Stage::Backoff { until_ns: 0 },
            life: 0,
            process: None,
            prober: None,
            pulse: Pulse::new(0),
            is_starved: false,
            reach: Reach::default(),
            watcher: None,
            told: None,
            is_member: false,
            down_since_ns: None,
            restarts: 0,
            intensity: Intensity::default(),
            last_words: None,
            snapshot: None,
        }
    }

    /// Its process has ended, or is not waited for any more.
    pub(super) fn forget_process(&mut self) {
        self.process = None;
        self.prober = None;
        self.reach = Reach::default();
        self.told = None;
        self.snapshot = None;
        self.is_starved = false;
    }

    /// SIGKILL, where there is a process; its end is told as any other.
    pub(super) fn kill(&self) {
        if let Some(process) = &self.process {
            process.kill();
        }
    }

    /// Out of membership since `since_ns`; true where it was in.
    pub(super) fn leave(&mut self, since_ns: u64) -> bool {
        if let Some(prober) = &self.prober {
            prober.is_member.store(false, Ordering::Relaxed);
        }
        let was_member = std::mem::replace(&mut self.is_member, false);
        if was_member {
            self.down_since_ns = Some(since_ns);
        }
        was_member
    }

    /// A member from now on.
    pub(super) fn enter(&mut self) {
        if let Some(prober) = &self.prober {
            prober.is_member.store(true, Ordering::Relaxed);
        }
        self.is_member = true;
        self.down_since_ns = None;
    }

    fn shown(&self) -> Shown {
        match self.stage {
            Stage::Starting { .. } => Shown::Starting,
            Stage::Draining { .. } => Shown::Draining,
            Stage::Backoff { .. } => Shown::Backoff,
            Stage::Failed => Shown::Failed,
            Stage::Ready if self.is_member => Shown::Ready,
            Stage::Ready if self.down_since_ns.is_some() => Shown::Down,
            Stage::Ready => Shown::Starting,
        }
    }

    pub(super) fn row(&self, now_ns: u64) -> Row<'_> {
        Row {
            replica: self.replica,
            address: self.address,
            pid: self.process.as_ref().map(|process| process.pid),
            state: self.shown(),
            member: self.is_member,
            down_since_ns: self.down_since_ns,
            restarts: self.restarts,
            snapshot: self.snapshot.as_deref(),
            snapshot_age_ns: self.snapshot.as_ref().map(|snapshot| now_ns.saturating_sub(snapshot.taken_at_ns)),
        }
    }
}

/// The supervisor's own prober of a replica; ends when it is dropped.
#[derive(Debug)]
pub(super) struct Prober {
    task: JoinHandle<()>,
    /// The prober is quicker while it is false.
    is_member: Arc<AtomicBool>,
}

impl Prober {
    pub(super) fn start(slot: &Slot, happenings: &mpsc::Sender<Happening>) -> Self {
        let is_member = Arc::new(AtomicBool::new(slot.is_member));
        let (replica, life) = (slot.replica, slot.life);
        let (known, happenings) = (Arc::clone(&is_member), happenings.clone());
        let mut probe = Probe::new(slot.address, None);
        let task = tokio::spawn(async move {
            loop {
                let verdict = probe.next(known.load(Ordering::Relaxed)).await;
                if happenings.send(Happening::Probed { replica, life, verdict }).await.is_err() {
                    return;
                }
            }
        });
        Self { task, is_member }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.task.abort();
    }
}
