//! What the supervisor knows of one replica, over all the processes that it was.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
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
use crate::entry::Inside;
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
    pub(super) replacements: u64,
    pub(super) snapshot: Option<&'a Snapshot>,
    pub(super) snapshot_age_ns: Option<u64>,
}

/// A process of a replica beside the one that is the replica.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) life: u64,
    pub(super) process: Process,
    pub(super) bequest: Option<OwnedFd>,
    /// What it was started from.
    pub(super) program: Arc<Path>,
    /// Why it is about to end, as far as that is known before it does.
    pub(super) last_words: Option<String>,
    /// Killed then.
    pub(super) until_ns: u64,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) replica: u16,
    pub(super) address: SocketAddr,
    /// None when nobody will accept there any more.
    pub(super) listener: Option<TcpListener>,
    pub(super) stage: Stage,
    /// Processes that were ever started for it.
    pub(super) lives: u64,
    /// Tells its process from the others that were this replica.
    pub(super) life: u64,
    pub(super) process: Option<Process>,
    /// By which that one's connections go to the process that takes its place.
    pub(super) bequest: Option<OwnedFd>,
    /// What its processes are started from.
    pub(super) program: Arc<Path>,
    /// The process that is to take its place, and is not ready yet.
    pub(super) successor: Option<Other>,
    /// The process whose place was taken, until it has ended.
    pub(super) leaving: Option<Other>,
    pub(super) prober: Option<Prober>,
    pub(super) pulse: Pulse,
    pub(super) is_starved: bool,
    pub(super) reach: Reach,
    /// Who watches it.
    pub(super) watcher: Option<u16>,
    /// What it was last told.
    pub(super) told: Option<Membership>,
    /// It did not take what it was told of a change.
    pub(super) has_missed: bool,
    pub(super) is_member: bool,
    pub(super) down_since_ns: Option<u64>,
    /// Processes that came after one that had ended.
    pub(super) restarts: u64,
    /// Processes that took the place of one that was still there.
    pub(super) replacements: u64,
    pub(super) intensity: Intensity,
    /// Why its process is about to end, as far as that is known before it does.
    pub(super) last_words: Option<String>,
    pub(super) snapshot: Option<Box<Snapshot>>,
}

impl Slot {
    pub(super) fn new(replica: u16, address: SocketAddr, listener: TcpListener, program: Arc<Path>) -> Self {
        Self {
            replica,
            address,
            listener: Some(listener),
            stage: Stage::Backoff { until_ns: 0 },
            lives: 0,
            life: 0,
            process: None,
            bequest: None,
            program,
            successor: None,
            leaving: None,
            prober: None,
            pulse: Pulse::new(0),
            is_starved: false,
            reach: Reach::default(),
            watcher: None,
            told: None,
            has_missed: false,
            is_member: false,
            down_since_ns: None,
            restarts: 0,
            replacements: 0,
            intensity: Intensity::default(),
            last_words: None,
            snapshot: None,
        }
    }

    /// Its process has ended, or is not waited for any more.
    pub(super) fn forget_process(&mut self) {
        self.process = None;
        self.bequest = None;
        self.prober = None;
        self.reach = Reach::default();
        self.told = None;
        self.has_missed = false;
        self.snapshot = None;
        self.is_starved = false;
    }

    /// All of its processes, with their lives.
    pub(super) fn processes(&self) -> impl Iterator<Item = (u64, &Process)> {
        let others = self.successor.iter().chain(&self.leaving).map(|other| (other.life, &other.process));
        self.process.iter().map(|process| (self.life, process)).chain(others)
    }

    pub(super) fn process_of(&self, life: u64) -> Option<&Process> {
        self.processes().find(|(of, _)| *of == life).map(|(_, process)| process)
    }

    /// SIGKILL, where there is a process; its end is told as any other.
    pub(super) fn kill(&self) {
        self.process.iter().for_each(Process::kill);
    }

    /// This process is the replica from now on; it has not said yet that it takes requests.
    pub(super) fn become_process(&mut self, other: Other) {
        self.life = other.life;
        self.process = Some(other.process);
        self.program = other.program;
        self.bequest = other.bequest;
        self.stage = Stage::Starting { until_ns: other.until_ns };
    }

    /// One that was not started again gets a new chance.
    pub(super) fn revive(&mut self, listener: TcpListener) {
        self.listener = Some(listener);
        self.intensity = Intensity::default();
        self.stage = Stage::Backoff { until_ns: 0 };
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
            replacements: self.replacements,
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
    pub(super) fn start(slot: &Slot, inside: &Inside, happenings: &mpsc::Sender<Happening>) -> Self {
        let is_member = Arc::new(AtomicBool::new(slot.is_member));
        let (replica, life) = (slot.replica, slot.life);
        let (known, happenings) = (Arc::clone(&is_member), happenings.clone());
        let mut probe = Probe::new(slot.address, None, inside.clone());
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
