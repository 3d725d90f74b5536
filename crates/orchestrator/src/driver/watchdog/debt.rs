use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::driver::engine::{ANSWERED_WITHIN, Engine};
use crate::driver::fault::limit::Limit;
use crate::driver::fault::process::{Known, Process};
use crate::driver::kubernetes::{self, Access};
use crate::driver::replicas;
use crate::driver::swarm::Replicated;

/// Something that must be undone, in a form in which another process can undo it. Undone twice it does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "snake_case")]
pub(in crate::driver) enum Debt {
    /// A stopped process goes on.
    Continue { process: Known },
    /// A process of ours that keeps something in force (a table's owner, a proxy) ends.
    End { process: Known },
    /// A process has its own limit again.
    Limit { process: Known, limit: Limit },
    /// The processes of a cgroup go home, and it is removed.
    Group { group: PathBuf, home: PathBuf },
    /// A cluster of this machine has so many replicas again; `control` is its socket.
    Replicas { control: PathBuf, number: u16 },
    /// A paused container goes on; `engine` is the socket of its Docker engine.
    Unpause { engine: PathBuf, container: String },
    /// A service of Docker Swarm is told to have so many tasks again.
    Tasks { engine: PathBuf, service: String, number: u16 },
    /// Pods are no longer cut off by this NetworkPolicy.
    CutOff { api: Access, policy: String, pods: Vec<String> },
    /// What has pods is told to have so many again: "statefulsets/erlmcp".
    Pods { api: Access, resource: String, number: u16 },
    /// The user's own way to undo it.
    Command { words: Vec<String>, within_ms: u64 },
}

/// An empty cgroup can be removed a moment after its last process has left.
const EMPTIED_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl Debt {
    /// Undoes it.
    ///
    /// # Errors
    /// Where it is still in force, as a sentence that says what to do.
    pub(in crate::driver) async fn pay(&self) -> Result<(), String> {
        match self {
            Debt::Continue { process } => match alive(process) {
                Some(found) => found.signal(Signal::CONT).map_err(|why| format!("{why}: kill -CONT {}", process.pid)),
                None => Ok(()),
            },
            Debt::End { process } => {
                process.kill();
                Ok(())
            }
            Debt::Limit { process, limit } => limit.put_back(process),
            Debt::Group { group, home } => leave(group, home).await,
            Debt::Replicas { control, number } => replicas::give_back(control, *number).await,
            Debt::Unpause { engine, container } => unpause(engine, container).await,
            Debt::Tasks { engine, service, number } => tasks(engine, service, *number).await,
            Debt::CutOff { api, policy, pods } => kubernetes::undo(api, policy, pods).await,
            Debt::Pods { api, resource, number } => kubernetes::set_number(api, resource, *number).await,
            Debt::Command { words, within_ms } => run(words, Duration::from_millis(*within_ms)).await,
        }
    }
}

impl Debt {
    /// How long what is not of this machine's kernel may take.
    pub(super) fn within(&self) -> Duration {
        match self {
            Debt::Replicas { .. } => replicas::SCALED_WITHIN,
            Debt::Unpause { .. } | Debt::Tasks { .. } => 2 * ANSWERED_WITHIN,
            Debt::CutOff { pods, .. } => kubernetes::ANSWERED_WITHIN * (pods.len() as u32 + 3),
            Debt::Pods { .. } => 2 * kubernetes::ANSWERED_WITHIN,
            Debt::Command { within_ms, .. } => Duration::from_millis(*within_ms),
            _ => Duration::ZERO,
        }
    }
}

/// The process, where it is still the one that was meant.
fn alive(known: &Known) -> Option<Process> {
    let process = Process::open(known.pid).ok()?;
    known.is_alive().then_some(process)
}

async fn unpause(engine: &Path, container: &str) -> Result<(), String> {
    let undone = async {
        let engine = Engine::at(engine);
        if engine.state(container).await?.is_some_and(|state| state.is_paused) {
            engine.post(&format!("/containers/{container}/unpause"), "").await?;
        }
        Ok::<_, String>(())
    };
    undone.await.map_err(|why| format!("the container {container} is still paused ({why}): docker unpause {container}"))
}

async fn tasks(engine: &Path, service: &str, number: u16) -> Result<(), String> {
    Replicated::set(engine, service, number).await.map_err(|why| {
        format!("the service may still have another number of tasks than before ({why}): docker service scale {service}={number}")
    })
}

async fn leave(group: &Path, home: &Path) -> Result<(), String> {
    let emptied = async {
        while group.exists() {
            for pid in std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().lines() {
                // It may have ended meanwhile.
                let _ = std::fs::write(home.join("cgroup.procs"), pid);
            }
            if std::fs::remove_dir(group).is_err() {
                sleep(LOOK_EVERY).await;
            }
        }
    };
    let emptied = timeout(EMPTIED_WITHIN, emptied).await;
    let stuck = || format!("the cgroup {} is still there: move its processes away and remove it", group.display());
    emptied.map_err(|_| stuck())
}

/// Runs a command to its end.
///
/// # Errors
/// Where it does not succeed in time, with its last words.
pub(in crate::driver) async fn run(words: &[String], within: Duration) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let mut command = Command::new(program);
    command.args(arguments).process_group(0).kill_on_drop(true);
    let output = command.stdin(Stdio::null()).output();
    let line = words.join(" ");
    let output = timeout(within, output).await.map_err(|_| format!("`{line}` took over {:?}", within))?;
    let output = output.map_err(|error| format!("`{line}` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().map(str::trim).rfind(|said| !said.is_empty()).unwrap_or("it said nothing");
    let said: String = said.chars().take(200).collect();
    Err(format!("`{line}` failed ({}): {said}", output.status))
}
