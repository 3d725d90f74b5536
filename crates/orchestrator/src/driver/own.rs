//! The run's own cluster: its process from start to end.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::control::{self, Done};
use super::fault::process::{Known, Process, signal_child};
use super::last_words::last_words;
use super::private_folder::PrivateFolder;
use super::protocol::Status;
use crate::StressError;
use crate::phase::OPERATIONS_HELD;

/// A start during which nothing changes for so long does not end.
const PROGRESS_WITHIN: Duration = Duration::from_secs(30);
/// The supervisor finds a port that is free.
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Stands where a replica's number would: no replica of a cluster has it.
const STORE: u16 = 0;
/// An orderly stop drains: what nobody closed is cut after 10 s.
const STOP_WITHIN: Duration = Duration::from_secs(20);
const TERM_WITHIN: Duration = Duration::from_secs(5);
const KILL_WITHIN: Duration = Duration::from_secs(5);
/// Replicas of a supervisor that was killed die with it; the kernel takes its time over their thousands of sockets.
pub(super) const GONE_WITHIN: Duration = Duration::from_secs(5);

/// All of that together, and what is asked before.
pub(super) const STOPPED_WITHIN: Duration = control::ANSWER_WITHIN
    .saturating_mul(4)
    .saturating_add(STOP_WITHIN)
    .saturating_add(TERM_WITHIN)
    .saturating_add(KILL_WITHIN)
    .saturating_add(GONE_WITHIN);

/// A supervisor that this process started.
#[derive(Debug)]
pub(super) struct OwnCluster {
    child: Child,
    folder: PrivateFolder,
    /// The replicas' processes at the start, for the case that nobody can name them at the end.
    first: Vec<(u16, Known)>,
    /// How it was started, for the case that it has to be started again.
    binary: PathBuf,
    log: PathBuf,
    /// The shared address, and how many replicas it has.
    stands: (SocketAddr, u16),
}

/// What came of waiting for the start.
enum Start {
    Complete(Box<Status>),
    Ended,
    Stuck,
}

impl OwnCluster {
    /// Starts it and waits until all replicas take requests; dropped before that, it is killed.
    pub(super) async fn start(binary: &Path, replicas: u16, log: &Path) -> Result<(Self, Status), StressError> {
        let failed = |why: String| StressError::failed(format!("the local cluster cannot be started: {why}"));
        let folder = PrivateFolder::create().map_err(failed)?;
        let (child, log_start) = spawn(binary, (ANY_PORT, replicas), &folder, log).map_err(failed)?;
        let stands = (ANY_PORT, replicas);
        let mut own =
            Self { child, folder, first: Vec::new(), binary: binary.to_path_buf(), log: log.to_path_buf(), stands };
        let start = own.wait_for_start(usize::from(replicas)).await;
        if let Start::Complete(status) = start {
            own.first = processes(&status);
            own.stands.0 = status.shared;
            return Ok((own, *status));
        }
        let _ = own.child.kill().await;
        let said = last_words(log, log_start);
        Err(match (start, said) {
            (Start::Ended, Some(said)) => failed(said),
            (Start::Ended, None) => failed(format!("it ended and said nothing (see {})", log.display())),
            (_, said) => {
                let said = said.map(|said| format!("; it said last: {said}")).unwrap_or_default();
                failed(format!("nothing went on for {} s{said}", PROGRESS_WITHIN.as_secs()))
            }
        })
    }

    pub(super) fn control(&self) -> PathBuf {
        self.folder.control()
    }

    /// Kills the supervisor. When it and all of its processes were seen to be gone, and how many of these outlived it and
    /// were killed, too.
    ///
    /// # Errors
    /// Where some were not; what was killed was started again then, or the error says that it was not.
    pub(super) async fn kill(&mut self, clock: &RunClock) -> Result<(u64, usize), String> {
        let status = control::status(&self.control()).await.map_err(|error| error.to_string())?;
        let known = processes(&status);
        self.stands = (status.shared, status.replicas.len() as u16);
        let supervisor = self.child.id().ok_or("the supervisor has ended already")?;
        let supervisor = Process::open(supervisor)?;
        supervisor.signal(Signal::KILL)?;
        match self.died(&supervisor, &known, clock).await {
            Ok(outlived) => Ok((clock.now_us(), outlived)),
            // Nobody else would start it: a fault without an effect is not healed.
            Err(why) => Err(match self.start_again().await {
                Ok(()) => why,
                Err(again) => format!("{why}; the cluster was not started again: {again}"),
            }),
        }
    }

    async fn died(&mut self, supervisor: &Process, known: &[(u16, Known)], clock: &RunClock) -> Result<usize, String> {
        let stays = || "the supervisor was still there after SIGKILL".to_string();
        supervisor.ended(KILL_WITHIN, clock).await.ok_or_else(stays)?;
        let _ = self.child.wait().await;
        let outlived = gone(known).await.len();
        let left = gone(known).await;
        if left.is_empty() { Ok(outlived) } else { Err(left.join("; ")) }
    }

    /// A supervisor in the place of one that was killed, at the same addresses.
    pub(super) async fn start_again(&mut self) -> Result<(), String> {
        let (child, log_start) = spawn(&self.binary, self.stands, &self.folder, &self.log)?;
        self.child = child;
        match self.wait_for_start(usize::from(self.stands.1)).await {
            Start::Complete(status) => {
                self.first = processes(&status);
                Ok(())
            }
            _ => Err(last_words(&self.log, log_start).unwrap_or_else(|| "it said nothing".into())),
        }
    }

    async fn wait_for_start(&mut self, replicas: usize) -> Start {
        let mut last = None;
        loop {
            let waited = timeout(PROGRESS_WITHIN, self.change(&mut last)).await;
            match waited {
                Ok(Some(status)) if status.is_complete(replicas) => return Start::Complete(Box::new(status)),
                Ok(Some(_)) => {}
                Ok(None) => return Start::Ended,
                Err(_) => return Start::Stuck,
            }
        }
    }

    /// The next status that shows another stand of the replicas; None: the supervisor has ended.
    async fn change(&mut self, last: &mut Option<Vec<(String, bool, bool)>>) -> Option<Status> {
        loop {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return None;
            }
            if let Ok(status) = control::status(&self.control()).await {
                let stand =
                    |one: &super::protocol::ReplicaStatus| (one.state.clone(), one.member, one.snapshot.is_some());
                let mut now: Vec<_> = status.replicas.iter().map(stand).collect();
                now.push((status.state.clone(), true, true));
                if last.replace(now) != *last {
                    return Some(status);
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Stops it in order, then less politely; says what was left of it, which is killed.
    pub(super) async fn stop(&mut self) -> Vec<String> {
        let mut known = std::mem::take(&mut self.first);
        if let Ok(status) = control::status(&self.control()).await {
            known.extend(processes(&status).into_iter().filter(|one| !known.contains(one)).collect::<Vec<_>>());
        }
        let _ = control::ask::<Done>(&self.control(), ("stop", None), control::ANSWER_WITHIN).await;
        let mut left = Vec::new();
        if !self.ended(STOP_WITHIN).await {
            signal_child(&self.child, Signal::TERM);
            if !self.ended(TERM_WITHIN).await {
                let _ = self.child.start_kill();
                let how = if self.ended(KILL_WITHIN).await { "had to be killed" } else { "could not be killed" };
                left.push(format!("the cluster's supervisor {how}"));
            }
        }
        left.extend(gone(&known).await);
        left
    }

    async fn ended(&mut self, within: Duration) -> bool {
        timeout(within, self.child.wait()).await.is_ok_and(|ended| ended.is_ok())
    }
}

/// Waits until none of them is there; those that stay are killed and named.
async fn gone(known: &[(u16, Known)]) -> Vec<String> {
    let gone = async {
        while known.iter().any(|(_, process)| process.is_alive()) {
            sleep(LOOK_EVERY).await;
        }
    };
    let _ = timeout(GONE_WITHIN, gone).await;
    let left = known.iter().filter(|(_, process)| process.is_alive());
    let killed = |(replica, process): &(u16, Known)| {
        process.kill();
        let who = if *replica == STORE { "the store".into() } else { format!("replica {replica}") };
        format!("{who} (process {}) outlived its supervisor and was killed", process.pid)
    };
    left.map(killed).collect()
}

/// The cluster's processes, by replica.
fn processes(status: &Status) -> Vec<(u16, Known)> {
    let pids = status.replicas.iter().filter_map(|one| Some((one.replica, one.pid?)));
    let store = status.store.iter().filter_map(|store| Some((STORE, store.pid?)));
    let pids = pids.chain(store);
    pids.filter_map(|(replica, pid)| Some((replica, Known::of(pid)?))).collect()
}

/// Starts the supervisor; also the length of the log before it wrote there.
fn spawn(
    binary: &Path,
    (shared, replicas): (SocketAddr, u16),
    folder: &PrivateFolder,
    log: &Path,
) -> Result<(Child, u64), String> {
    let unwritable = |error: std::io::Error| format!("its log {} cannot be written: {error}", log.display());
    let out = File::options().create(true).append(true).open(log).map_err(unwritable)?;
    let log_start = out.metadata().map_err(unwritable)?.len();
    let errors = out.try_clone().map_err(unwritable)?;
    let mut command = Command::new(binary);
    let (shared, replicas) = (shared.to_string(), replicas.to_string());
    command.args(["cluster", "--listen", &shared, "--tied", "--replicas", &replicas]);
    command.args(["--limit", &format!("operations_held_max={OPERATIONS_HELD}")]);
    // What was done once stays done when the supervisor is killed and another one takes its place.
    command.arg("--store").arg(folder.store()).arg("--control").arg(folder.control());
    // A process group of its own: Ctrl-C is for us, who stop it in order.
    command.process_group(0).kill_on_drop(true);
    let spawned = command.stdin(Stdio::null()).stdout(out).stderr(errors).spawn();
    let child = spawned.map_err(|error| format!("{} cannot be run: {error}", binary.display()))?;
    Ok((child, log_start))
}

#[cfg(test)]
pub(crate) mod tests;
