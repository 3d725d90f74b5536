//! The agents of a run: processes that dial in over gRPC, take commands and send rows.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use erlmcp_load::proto::{self, Setup, command::Command};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::StressError;
use crate::config::{Joining, JoiningTls};
use crate::event::Event;

mod attendant;
mod door;
mod newcomer;
mod process;
mod pulse;

use attendant::{Attendant, Progress};
pub(crate) use door::Joined;
use door::{Door, Guests, Slot};
use process::AgentProcess;

/// Commands that an agent has not taken yet; an agent that takes none of so many is stuck.
const COMMANDS_MAX: usize = 256;
/// From an agent's start to its Hello. Many agents on few cores start slowly.
const HELLO: Duration = Duration::from_secs(30);
/// From Setup to Ready.
const READY: Duration = Duration::from_secs(15);
/// From Goodbye to the end of its process.
const GOODBYE: Duration = Duration::from_secs(8);
/// From a kill to the end of the process.
const KILLED: Duration = Duration::from_secs(2);

/// The agents of a run. Dropped, it kills what is left of them.
#[derive(Debug)]
pub(crate) struct Fleet {
    members: Vec<Member>,
    /// Where agents dial in.
    address: SocketAddr,
    token: String,
    events: mpsc::Sender<Event>,
    clock: RunClock,
    server: JoinHandle<()>,
    /// Each member's half of the door, until it is attended to.
    waiting: Vec<Option<door::Arrivals>>,
}

/// The way to an agent; hung up when its own stream has ended, which it waits for.
#[derive(Debug, Clone)]
struct CommandLine(Arc<Mutex<Option<mpsc::Sender<proto::Command>>>>);

impl CommandLine {
    fn new(commands: mpsc::Sender<proto::Command>) -> Self {
        Self(Arc::new(Mutex::new(Some(commands))))
    }

    /// False where the agent takes no commands any more. One that is gone takes all.
    fn give(&self, command: proto::Command) -> bool {
        let line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(commands) = line.as_ref() else { return true };
        !matches!(commands.try_send(command), Err(mpsc::error::TrySendError::Full(_)))
    }

    fn hang_up(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[derive(Debug)]
struct Member {
    line: CommandLine,
    progress: watch::Receiver<Progress>,
    kill: mpsc::Sender<()>,
    attendant: Option<JoinHandle<()>>,
    /// It is a process of this one.
    is_process: bool,
    /// Its CLOCK_MONOTONIC less ours.
    offset_ns: i64,
}

impl Fleet {
    /// Listens for `agents` agents of its own; none is started yet.
    ///
    /// # Errors
    /// Where no port of loopback is free, or the system has no random numbers.
    pub(crate) async fn listen(
        agents: u32,
        (events, clock): (mpsc::Sender<Event>, RunClock),
    ) -> Result<Self, StressError> {
        let cannot = |error: std::io::Error| StressError::failed(format!("cannot listen for agents: {error}"));
        let token = door::random_token().map_err(cannot)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let (members, slots, waiting) = places(agents);
        let server = tokio::spawn(Door::new(token.clone(), Guests::Own, slots).serve(listener, None));
        Ok(Self { members, address, token, events, clock, server, waiting })
    }

    /// Listens for `agents` agents that are started elsewhere.
    ///
    /// # Errors
    /// Where that address cannot be listened on, or what is to encrypt the lines does not hold.
    pub(crate) async fn invite(
        agents: u32,
        joining: &Joining,
        (events, clock): (mpsc::Sender<Event>, RunClock),
    ) -> Result<Self, StressError> {
        let cannot = |what: String| {
            StressError::failed(format!(
                "cannot listen for agents on {}: {what}; --agents-listen says where",
                joining.listen
            ))
        };
        let tls = joining.tls.as_ref().map(encrypted).transpose().map_err(cannot)?;
        let listener = TcpListener::bind(joining.listen).await.map_err(|error| cannot(error.to_string()))?;
        let address = listener.local_addr().map_err(|error| cannot(error.to_string()))?;
        let (members, slots, waiting) = places(agents);
        let token = joining.token.clone();
        let server = tokio::spawn(Door::new(token.clone(), Guests::Joining, slots).serve(listener, tls));
        let mut fleet = Self { members, address, token, events, clock, server, waiting };
        (0..agents).for_each(|agent| fleet.attend(agent, None));
        Ok(fleet)
    }

    /// Where agents dial in.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until this agent has joined and its clock is known. Can be dropped and called again.
    ///
    /// # Errors
    /// Where one that had joined is gone again.
    pub(crate) async fn joined(&mut self, agent: u32) -> Result<Joined, StressError> {
        let index = agent as usize;
        let Member { progress, offset_ns, .. } = &mut self.members[index];
        let here = progress.wait_for(|progress| !matches!(progress, Progress::Starting)).await;
        let joined = match here.as_deref() {
            Ok(Progress::Here(Some(joined))) => joined.clone(),
            Ok(Progress::Gone(why)) => return Err(gone(index, why)),
            _ => return Err(gone(index, "nobody attends to it")),
        };
        *offset_ns = joined.offset.ns;
        Ok(joined)
    }

    /// Starts every agent as a process of `binary`, and waits for each one's Hello.
    ///
    /// # Errors
    /// Names the agent that could not be started or did not come, with its own last words.
    pub(crate) async fn start(&mut self, binary: &Path) -> Result<(), StressError> {
        for index in 0..self.members.len() as u32 {
            let process = AgentProcess::start(binary, self.address, index, &self.token).map_err(|error| {
                StressError::failed(format!("cannot start agent {index} ({} agent): {error}", binary.display()))
            })?;
            self.attend(index, Some(process));
        }
        self.all_here().await
    }

    /// Begins to listen to what an agent says, however it was started.
    fn attend(&mut self, index: u32, process: Option<AgentProcess>) {
        let Some(arrivals) = self.waiting[index as usize].take() else { return };
        self.members[index as usize].is_process = process.is_some();
        let attendant = Attendant::new(index, process, arrivals, (self.events.clone(), self.clock));
        self.members[index as usize].attendant = Some(tokio::spawn(attendant.attend()));
    }

    async fn all_here(&mut self) -> Result<(), StressError> {
        let mut waited_for = 0;
        let all = async {
            for (index, member) in self.members.iter_mut().enumerate() {
                waited_for = index;
                let here = member.progress.wait_for(|progress| !matches!(progress, Progress::Starting)).await;
                match here.as_deref() {
                    Ok(Progress::Gone(why)) => return Err(gone(index, why)),
                    Ok(_) => {}
                    Err(_) => return Err(gone(index, "nobody attends to it")),
                }
            }
            Ok(())
        };
        let outcome = timeout(HELLO, all).await;
        outcome.unwrap_or_else(|_| Err(silent(waited_for, "did not dial in", HELLO)))
    }

    /// Gives an agent its setup, and waits until it is ready. Answers with the connections that it can hold.
    ///
    /// # Errors
    /// Says why it cannot be.
    pub(crate) async fn set_up(&mut self, agent: u32, mut setup: Setup) -> Result<u64, StressError> {
        let index = agent as usize;
        setup.monotonic_base_ns = setup.monotonic_base_ns.wrapping_add_signed(self.members[index].offset_ns);
        self.command(agent, Command::Setup(setup));
        let progress = &mut self.members[index].progress;
        let ready = progress.wait_for(|progress| matches!(progress, Progress::Ready(_) | Progress::Gone(_)));
        match timeout(READY, ready).await {
            Ok(Ok(progress)) => match &*progress {
                Progress::Ready(possible) => Ok(*possible),
                Progress::Gone(why) => Err(gone(index, why)),
                _ => Err(gone(index, "it is in no known state")),
            },
            Ok(Err(_)) => Err(gone(index, "nobody attends to it")),
            Err(_) => Err(silent(index, "is not ready", READY)),
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.members.len() as u32
    }

    /// Gives an agent a command; one that is gone is passed over, one that takes none any more is killed.
    pub(crate) fn command(&mut self, agent: u32, command: Command) {
        let Some(member) = self.members.get(agent as usize) else { return };
        let command = proto::Command { command: Some(command) };
        if !member.line.give(command) {
            tracing::warn!(agent, "takes no commands any more");
            // Full: it was told already.
            let _ = member.kill.try_send(());
        }
    }

    /// Says goodbye to every agent, waits, and kills those that do not go. Answers with the number of processes
    /// that were still there after that.
    pub(crate) async fn dismiss(mut self) -> u64 {
        for agent in 0..self.len() {
            self.command(agent, Command::Goodbye(proto::Goodbye {}));
        }
        if self.all_gone(GOODBYE).await > 0 {
            for member in &self.members {
                let _ = member.kill.try_send(());
            }
        }
        self.all_gone(KILLED).await
    }

    /// Waits until all are gone, `bound` at most; how many are not.
    async fn all_gone(&mut self, bound: Duration) -> u64 {
        // One that has not come, and was not started here, is not there.
        let is_there = |member: &&mut Member| {
            let is_awaited = matches!(*member.progress.borrow(), Progress::Starting) && !member.is_process;
            member.attendant.is_some() && !is_awaited
        };
        let attended: Vec<&mut Member> = self.members.iter_mut().filter(is_there).collect();
        let mut left = attended.len() as u64;
        let all = async {
            for member in attended {
                // An error: its attendant has ended, and with it the agent.
                let _ = member.progress.wait_for(|progress| matches!(progress, Progress::Gone(_))).await;
                left -= 1;
            }
        };
        let _ = timeout(bound, all).await;
        left
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.server.abort();
        for attendant in self.members.iter().filter_map(|member| member.attendant.as_ref()) {
            attendant.abort();
        }
    }
}

/// So many places: the members, their places at the door, and what their attendants need.
fn places(agents: u32) -> (Vec<Member>, Vec<Slot>, Vec<Option<door::Arrivals>>) {
    let (mut members, mut slots, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..agents {
        let (commands, taken) = mpsc::channel(COMMANDS_MAX);
        let (slot, arrivals) = Slot::new(taken);
        let (kill, killed) = mpsc::channel(1);
        let (shown, progress) = watch::channel(Progress::Starting);
        let line = CommandLine::new(commands);
        waiting.push(Some(door::Arrivals { arrivals, killed, shown, line: line.clone() }));
        members.push(Member { line, progress, kill, attendant: None, is_process: false, offset_ns: 0 });
        slots.push(slot);
    }
    (members, slots, waiting)
}

/// What the lines are encrypted with. What does not hold would be said only when the first agent comes.
fn encrypted(tls: &JoiningTls) -> Result<ServerTlsConfig, String> {
    let mut config = ServerTlsConfig::new().identity(Identity::from_pem(&tls.certificate, &tls.key));
    if let Some(ca) = &tls.agents_ca {
        config = config.client_ca_root(Certificate::from_pem(ca));
    }
    match Server::builder().tls_config(config.clone()) {
        Ok(_) => Ok(config),
        Err(error) => Err(format!("the certificate, its key or --agents-ca does not hold ({error})")),
    }
}

fn gone(index: usize, why: &str) -> StressError {
    StressError::failed(format!("agent {index} cannot work: {why}"))
}

fn silent(index: usize, what: &str, bound: Duration) -> StressError {
    StressError::failed(format!(
        "agent {index} {what} within {} s: the machine is too busy for so many agents, or the agent hangs; \
         try fewer --agents",
        bound.as_secs()
    ))
}

#[cfg(test)]
mod tests;
