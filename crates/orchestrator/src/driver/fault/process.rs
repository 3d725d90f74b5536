use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tokio::process::Child;
use tokio::task::spawn_blocking;

use crate::driver::control;

/// One process and no other: a pidfd stays with it when its number is given to another one.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    fd: Arc<OwnedFd>,
}

impl Process {
    /// # Errors
    /// Where there is none of that number, as a sentence.
    pub(crate) fn open(pid: u32) -> Result<Self, String> {
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(|| format!("{pid} is no process id"))?;
        let fd = pidfd_open(raw, PidfdFlags::empty()).map_err(|error| format!("process {pid}: {error}"))?;
        Ok(Self { pid, fd: Arc::new(fd) })
    }

    /// The process that is this replica now.
    pub(crate) async fn of_replica(control: &Path, replica: u16) -> Result<Self, String> {
        let named = || async {
            let status = control::status(control).await.map_err(|error| error.to_string())?;
            let pid = status.replica(replica).ok_or_else(|| format!("the cluster has no replica {replica}"))?.pid;
            Ok::<_, String>((status.pid, pid.ok_or_else(|| format!("replica {replica} has no process now"))?))
        };
        Self::child_of_supervisor(named, &format!("replica {replica}")).await
    }

    /// A supervisor's child, which is named by it both before and after the handle was opened. `named` gives the supervisor's
    /// process id and the child's, `who` is what the child is.
    ///
    /// # Errors
    /// Where it is no such child, or was restarted meanwhile, as a sentence.
    pub(crate) async fn child_of_supervisor<F, Fut>(named: F, who: &str) -> Result<Self, String>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<(u32, u32), String>>,
    {
        let (supervisor, pid) = named().await?;
        let process = Self::open(pid)?;
        if parent(pid) != Some(supervisor) {
            return Err(format!("process {pid} is not a child of the supervisor (process {supervisor}): nothing done"));
        }
        match named().await? {
            (_, now) if now == pid => Ok(process),
            (_, now) => Err(format!("{who} was restarted just now (process {pid}, then {now})")),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), String> {
        pidfd_send_signal(&*self.fd, signal).map_err(|error| format!("process {}: {error}", self.pid))
    }

    /// When it was seen to have ended; None: it has not, after so long. The time is read where the kernel tells it, not
    /// when a busy loop comes round to it.
    pub(crate) async fn ended(&self, within: Duration, clock: &RunClock) -> Option<u64> {
        let (fd, clock) = (Arc::clone(&self.fd), *clock);
        let waited = spawn_blocking(move || {
            let within = Timespec::try_from(within).ok();
            let is_over = poll(&mut [PollFd::new(&*fd, PollFlags::IN)], within.as_ref()) == Ok(1);
            is_over.then(|| clock.now_us())
        });
        waited.await.ok().flatten()
    }

    /// As `ps` shows it: 'R', 'S', 'T' where it was stopped; None: it is no more.
    pub(crate) fn state(&self) -> Option<char> {
        stat(self.pid)?.state
    }
}

/// What /proc/PID/stat says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    state: Option<char>,
    parent: u32,
    /// A first thread that has ended keeps its place until the last one has.
    threads: u32,
    /// In clock ticks since the machine began: with the number it names one process and no other.
    started: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

impl Stat {
    fn is_over(&self) -> bool {
        matches!(self.state, Some('Z' | 'X')) && self.threads <= 1
    }
}

/// The name in brackets may hold blanks and brackets itself: fields are counted after its last one.
fn parse_stat(text: &str) -> Option<Stat> {
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next();
    let parent = fields.next()?.parse().ok()?;
    // Fields 20 and 22 of the line; the state is field 3.
    let threads = fields.nth(15)?.parse().ok()?;
    let started = fields.nth(1)?.parse().ok()?;
    Some(Stat { state, parent, threads, started })
}

pub(crate) fn parent(pid: u32) -> Option<u32> {
    Some(stat(pid)?.parent)
}

/// A process as it can be found again: by number and start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) pid: u32,
    started: u64,
}

impl Known {
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, started: stat(pid)?.started })
    }

    /// It is neither gone nor waiting to be buried: while one of its threads is still ending, so are its sockets.
    pub(crate) fn is_alive(&self) -> bool {
        stat(self.pid).is_some_and(|now| now.started == self.started && !now.is_over())
    }

    pub(crate) fn kill(&self) {
        // The handle is opened first and looked at afterwards, so that it is of the process that was looked at.
        if let Ok(process) = Process::open(self.pid)
            && self.is_alive()
        {
            let _ = process.signal(Signal::KILL);
        }
    }
}

/// Sends a signal to a child of our own: its number is its own until it is waited for.
pub(crate) fn signal_child(child: &Child, signal: Signal) {
    if let Some(process) = child.id().and_then(|pid| Process::open(pid).ok()) {
        let _ = process.signal(signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_name_with_brackets_does_not_confuse() {
        let text = "4711 (a (b) c) T 12 4711 4711 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 3 0 987654 1 2 3";
        assert_eq!(parse_stat(text), Some(Stat { state: Some('T'), parent: 12, threads: 3, started: 987_654 }));
        assert!(
            !parse_stat(&text.replace(" T ", " Z ")).expect("as before").is_over(),
            "threads of it are still ending"
        );
        let buried = text.replace(" T ", " Z ").replace(" 20 0 3 ", " 20 0 1 ");
        assert!(parse_stat(&buried).expect("as before").is_over());
        assert_eq!(parse_stat("4711 (short) S 12"), None);
        assert_eq!(parse_stat("nothing"), None);
    }

    #[tokio::test]
    async fn a_process_is_known_until_it_ends() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep is there");
        let process = Process::open(child.id()).expect("it was just started");
        let known = Known::of(child.id()).expect("it has a start time");
        assert_eq!(parent(child.id()), Some(std::process::id()));
        let clock = RunClock::new(0);
        assert!(known.is_alive() && process.ended(Duration::from_millis(1), &clock).await.is_none());
        assert!(!Known { started: known.started + 1, ..known }.is_alive(), "another one of the same number");
        known.kill();
        assert!(process.ended(Duration::from_secs(10), &clock).await.is_some());
        assert!(!known.is_alive(), "a process that waits to be buried is gone");
        child.wait().expect("it was a child");
        assert_eq!(process.state(), None);
        assert!(process.signal(Signal::TERM).is_err());
    }
}
