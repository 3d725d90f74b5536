//! The supervisor's part that keeps the store alive: started before the replicas, started again when it ends, told which
//! processes live.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::control::{refusal, refusal_for_now};
use super::error::ClusterError;
use super::happening::Happening;
use super::intensity::{Intensity, Next};
use super::line;
use super::process::{Process, Program, Role};
use super::pulse::{self, FENCING_TIME_MS, Judgement, Pulse};
use super::store::{EXPORTS_MAX, FromStore, StoreHello, ToStore};
use super::supervisor::Supervisor;
use crate::clock::monotonic_ns;
use crate::limits::Limits;
use crate::operations::{PrivateFolder, StoreAddress, StorePlace};

/// A store that ends too often is still started again, after this time: nobody else could take its place.
const PATIENCE_NS: u64 = 5_000_000_000;
/// From the word that it is to end to SIGKILL.
const STOP_NS: u64 = 3_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Has no process until then.
    Backoff {
        until_ns: u64,
    },
    Starting,
    Ready,
    /// Killed at `until_ns`.
    Stopping {
        until_ns: u64,
    },
    Stopped,
}

/// What the supervisor knows of the store.
#[derive(Debug)]
pub(super) struct Keeping {
    place: StorePlace,
    listener: UnixListener,
    socket: PathBuf,
    /// Where the socket is, and the file that nobody named; removed at the end.
    _folder: PrivateFolder,
    stage: Stage,
    process: Option<Process>,
    life: u64,
    pulse: Pulse,
    intensity: Intensity,
    last_words: Option<String>,
    was_ready: bool,
    base: u64,
    /// Numbers of processes that were ever started.
    started: u64,
    /// Those of the replicas' processes that live, by replica and life: two of one replica while one takes the place of the
    /// other.
    living: BTreeMap<(u16, u64), u64>,
    is_living_old: bool,
    exports: BTreeMap<u64, oneshot::Sender<Value>>,
    asked: u64,
}

impl Keeping {
    pub(super) fn new(place: Option<StorePlace>) -> Result<Self, ClusterError> {
        let folder = PrivateFolder::create().map_err(ClusterError::system("make a folder for the store"))?;
        let socket = folder.path().join("store.sock");
        let listener = UnixListener::bind(&socket).map_err(ClusterError::system("make the store's socket"))?;
        let place = place.unwrap_or_else(|| StorePlace::File(folder.path().join("operations.db")));
        Ok(Self {
            // Its process may not be where this one is.
            place: place.absolute(),
            listener,
            socket,
            _folder: folder,
            stage: Stage::Backoff { until_ns: 0 },
            process: None,
            life: 0,
            pulse: Pulse::new(0),
            intensity: Intensity::default(),
            last_words: None,
            was_ready: false,
            base: crate::operations::random_base(),
            started: 0,
            living: BTreeMap::new(),
            is_living_old: true,
            exports: BTreeMap::new(),
            asked: 0,
        })
    }

    /// True once replicas can be started.
    pub(super) fn was_ready(&self) -> bool {
        self.was_ready
    }

    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Stopped
    }

    /// A replica's new process: who it is at the store.
    pub(super) fn begin(&mut self, process: (u16, u64), after_another: bool) -> StoreAddress {
        self.started += 1;
        self.living.insert(process, self.started);
        self.is_living_old = true;
        StoreAddress { socket: self.socket.clone(), base: self.base, number: self.started, after_another }
    }

    /// A replica's process has ended.
    pub(super) fn end(&mut self, replica: u16, life: u64) {
        self.living.remove(&(replica, life));
        self.is_living_old = true;
    }

    /// As the control socket shows it.
    pub(super) fn status(&self) -> Value {
        let state = match self.stage {
            Stage::Backoff { .. } => "backoff",
            Stage::Starting => "starting",
            Stage::Ready => "ready",
            Stage::Stopping { .. } | Stage::Stopped => "stopping",
        };
        let pid = self.process.as_ref().map(|process| process.pid);
        json!({"state": state, "pid": pid, "restarts": self.life.saturating_sub(1), "path": self.place.to_string()})
    }

    fn hello(&self, limits: &Limits, nice: i32) -> StoreHello {
        StoreHello {
            supervisor_pid: std::process::id(),
            base: self.base,
            place: self.place.clone(),
            limits: limits.clone(),
            was_ready: self.was_ready,
            nice,
        }
    }

    fn start(
        &mut self,
        program: &Program<'_>,
        hello: &StoreHello,
        happenings: &mpsc::Sender<Happening>,
    ) -> io::Result<()> {
        self.life += 1;
        self.stage = Stage::Starting;
        self.pulse = Pulse::new(monotonic_ns());
        self.is_living_old = true;
        self.process = Some(Process::start(program, hello, &[self.listener.as_fd()], self.life, happenings)?);
        Ok(())
    }

    fn say(&self, message: &ToStore) -> bool {
        let line = Arc::new(line::to_line(message));
        self.process.as_ref().is_some_and(|process| process.try_say(&line))
    }

    /// Tells the store who lives, where that has changed.
    fn tell_living(&mut self) {
        if !self.is_living_old || self.process.is_none() {
            return;
        }
        let living = self.living.values().copied().collect();
        self.is_living_old = !self.say(&ToStore::Living { base: self.base, up_to: self.started, living });
    }

    fn forget_exports(&mut self, why: &str) {
        for answer in std::mem::take(&mut self.exports).into_values() {
            // A client that went away needs to know nothing.
            let _ = answer.send(refusal_for_now(why));
        }
    }

    /// Ends the store, once nobody needs it.
    pub(super) fn stop(&mut self) {
        match self.stage {
            Stage::Stopping { .. } | Stage::Stopped => {}
            _ if self.process.is_none() => self.stage = Stage::Stopped,
            _ => {
                self.say(&ToStore::Stop);
                self.stage = Stage::Stopping { until_ns: monotonic_ns() + STOP_NS };
            }
        }
    }

    fn kill(&self) {
        if let Some(process) = &self.process {
            process.kill();
        }
    }
}

impl Supervisor {
    /// Every look: what is due for the store?
    pub(super) fn look_at_store(&mut self, now_ns: u64) {
        let keeping = &mut self.keeping;
        match keeping.stage {
            Stage::Backoff { until_ns } if until_ns <= now_ns => {
                let program = Program { path: &self.config.program, role: Role::Store, arguments: &[], nice: None };
                let hello = keeping.hello(&self.config.limits, self.nice);
                if let Err(error) = keeping.start(&program, &hello, &self.happenings) {
                    let (life, reason) = (keeping.life, format!("its process cannot be started: {error}"));
                    self.store_ended(life, reason);
                }
            }
            Stage::Stopping { until_ns } if until_ns <= now_ns => keeping.kill(),
            Stage::Starting | Stage::Ready => {
                let Some(pid) = keeping.process.as_ref().map(|process| process.pid) else { return };
                // One that reads a long history sends no heartbeats, and works.
                if keeping.pulse.judge(now_ns, || pulse::look(pid)) == Judgement::Stuck {
                    let seconds = FENCING_TIME_MS / 1_000;
                    keeping.last_words = Some(format!("no heartbeat and no CPU progress for {seconds} s"));
                    keeping.kill();
                }
            }
            _ => {}
        }
        self.keeping.tell_living();
    }

    pub(super) fn store_said(&mut self, life: u64, message: FromStore) {
        let keeping = &mut self.keeping;
        if keeping.life != life {
            return;
        }
        match message {
            FromStore::Ready { operations } => {
                tracing::info!(operations, "the store is ready");
                if keeping.stage == Stage::Starting {
                    keeping.stage = Stage::Ready;
                }
                keeping.was_ready = true;
            }
            FromStore::Beat => keeping.pulse.beat(),
            FromStore::Failed(reason) => keeping.last_words = Some(reason),
            FromStore::Exported { number, rows } => {
                let Some(answer) = keeping.exports.remove(&number) else { return };
                let _ = answer.send(match rows {
                    Ok(rows) => json!({"ok": true, "rows": rows}),
                    Err(why) => refusal(format_args!("the effects cannot be exported: {why}")),
                });
            }
        }
    }

    /// The store's process has ended.
    pub(super) fn store_ended(&mut self, life: u64, reason: String) {
        let now_ns = monotonic_ns();
        let keeping = &mut self.keeping;
        if keeping.life != life {
            return;
        }
        keeping.process = None;
        keeping.forget_exports("the store has ended: ask again");
        if matches!(keeping.stage, Stage::Stopping { .. } | Stage::Stopped) {
            keeping.stage = Stage::Stopped;
            return;
        }
        let said = keeping.last_words.take();
        let has_said = said.is_some();
        let reason = said.unwrap_or(reason);
        let next = keeping.intensity.ended(now_ns);
        if !keeping.was_ready && (has_said || matches!(next, Next::GiveUp)) {
            self.fatal = Some(ClusterError::NoStore { reason });
            return;
        }
        let until_ns = match next {
            Next::RestartAt(until_ns) => until_ns,
            Next::GiveUp => now_ns + PATIENCE_NS,
        };
        keeping.stage = Stage::Backoff { until_ns };
        tracing::warn!("the store: {reason}; it is started again");
    }

    /// Begins an export; answered when it is there.
    pub(super) fn export(&mut self, to: PathBuf, answer: oneshot::Sender<Value>) {
        let keeping = &mut self.keeping;
        if !to.is_absolute() {
            return drop(answer.send(refusal("`to` has to be an absolute path")));
        }
        let refused = if keeping.stage != Stage::Ready || keeping.exports.len() >= EXPORTS_MAX {
            Some("the store is not ready, or makes other exports: ask again")
        } else {
            None
        };
        keeping.asked += 1;
        let number = keeping.asked;
        match refused {
            None if keeping.say(&ToStore::Export { number, to }) => drop(keeping.exports.insert(number, answer)),
            why => drop(answer.send(refusal_for_now(why.unwrap_or("the store reads nothing: ask again")))),
        }
    }
}
