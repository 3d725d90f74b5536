//! An agent's part in a run: commands to the engine, what it reports to the orchestrator.

use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_record::{Entry, Hist};
use tonic::Streaming;

use super::engine_thread::EngineThread;
use super::line::{self, Line};
use super::process::connections_possible;
use super::reach::{self, Found, Trouble};
use super::resources::Resources;
use super::target::{self, Eras, Spoken, Target};
use super::{AgentConfig, AgentError};
use crate::clock::RunClock;
use crate::engine::Order;
use crate::proto::agent_message::Message;
use crate::proto::command::Command;
use crate::proto::{self, Reached};
use crate::report::Report;
use crate::wire::Calls;

/// Reports taken from the engine at once.
const REPORTS_AT_ONCE: usize = 256;
/// How long the orchestrator may take to hang up after the goodbye.
const HANG_UP: Duration = Duration::from_secs(2);

/// Joins, and does what it is told until goodbye.
pub(super) async fn take_part(config: &AgentConfig, descriptors_limit: u64) -> Result<(), AgentError> {
    let (line, mut commands) = line::join(config, descriptors_limit).await?;
    let mut member = Member { line, descriptors_limit, work: None };
    let result = member.serve(&mut commands).await;
    if let Err(AgentError::Failed(what)) = &result {
        // Where it cannot be told any more, the end of the stream tells it.
        let _ = member.line.say(Message::Failure(proto::Failure { what: what.clone() })).await;
    }
    drop(member);
    // What was said last is on its way until the other end hangs up.
    let _ = tokio::time::timeout(HANG_UP, async { while let Ok(Some(_)) = commands.message().await {} }).await;
    result
}

struct Member {
    line: Line,
    descriptors_limit: u64,
    /// None before the setup.
    work: Option<Work>,
}

/// What is there after the setup.
struct Work {
    engine: EngineThread,
    target: Target,
    agent: u32,
    spread_sources: bool,
    /// How the target is spoken to; None: not found out yet.
    spoken: Option<Spoken>,
    requests: proto::Requests,
    resources: Resources,
    reports: Vec<Report>,
}

impl Member {
    async fn serve(&mut self, commands: &mut Streaming<proto::Command>) -> Result<(), AgentError> {
        loop {
            tokio::select! {
                command = commands.message() => match command {
                    Ok(Some(command)) => {
                        if let Some(command) = command.command
                            && !self.obey(command).await?
                        {
                            return Ok(());
                        }
                    }
                    Ok(None) => return Err(AgentError::Stream("it ended without a goodbye".into())),
                    Err(status) => return Err(AgentError::Stream(status.message().to_string())),
                },
                () = next_reports(self.work.as_mut()) => {
                    if !self.tell().await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// False where that was the end.
    async fn obey(&mut self, command: Command) -> Result<bool, AgentError> {
        if let Command::Setup(setup) = command {
            self.set_up(&setup).await?;
            return Ok(true);
        }
        let Some(work) = &mut self.work else {
            // Nothing was begun, so there is nothing to end.
            return match command {
                Command::Goodbye(_) => Ok(false),
                _ => Err(AgentError::Failed("the agent was given work before its setup".into())),
            };
        };
        let order = match command {
            Command::Setup(_) => return Ok(true),
            Command::Reach(reach) => {
                let reached = work.reach(reach.block).await;
                self.line.say(Message::Reached(reached)).await?;
                self.line.say(Message::Done(proto::Done { block: reach.block })).await?;
                return Ok(true);
            }
            Command::Requests(requests) => {
                work.requests = requests;
                work.find_out().await;
                work.calls()?
            }
            Command::Open(open) => {
                if work.find_out().await {
                    let calls = work.calls()?;
                    work.engine.order(calls);
                }
                Order::Open(open)
            }
            Command::Load(load) => Order::Load(load),
            Command::Sweep(sweep) => Order::Sweep(sweep),
            Command::Sequential(sequential) => Order::Sequential(sequential),
            Command::Close(close) => Order::Close(close),
            Command::Cut(cut) => Order::Cut(cut.block),
            Command::Phase(phase) => Order::Phase(phase.phase as u8),
            Command::Endpoints(list) => {
                work.target.endpoints = target::endpoints(&list.endpoints).map_err(failed)?;
                Order::Endpoints(work.target.endpoints.clone())
            }
            Command::Goodbye(_) => {
                work.farewell().await;
                Order::Goodbye
            }
        };
        work.engine.order(order);
        Ok(true)
    }

    async fn set_up(&mut self, setup: &proto::Setup) -> Result<(), AgentError> {
        if self.work.is_some() {
            return Err(AgentError::Failed("the agent was set up twice".into()));
        }
        let work = Work::new(setup, self.descriptors_limit)?;
        let connections_possible = work.connections_possible(self.descriptors_limit);
        self.work = Some(work);
        self.line.say(Message::Ready(proto::Ready { connections_possible })).await
    }

    /// Sends on what the engine has reported. False after its goodbye.
    async fn tell(&mut self) -> Result<bool, AgentError> {
        let Some(work) = &mut self.work else { return Ok(true) };
        if work.reports.is_empty() {
            return Err(AgentError::Failed("the agent's engine has ended with an internal error".into()));
        }
        for report in std::mem::take(&mut work.reports) {
            match report {
                Report::Row(mut entry) => {
                    self.line.row(&entry).await?;
                    work.give_back(&mut entry);
                }
                Report::Second(second) => {
                    let sample = work.resources.sample(second);
                    self.line.row(&Entry::Agent(sample)).await?;
                }
                Report::Planned { block, planned } => {
                    self.line.say(Message::Planned(proto::Planned { block, planned })).await?;
                }
                Report::Done { block } => self.line.say(Message::Done(proto::Done { block })).await?,
                Report::Failure(what) => return Err(AgentError::Failed(what)),
                Report::Gone => {
                    self.line.flush().await?;
                    return Ok(false);
                }
            }
        }
        self.line.flush().await?;
        Ok(true)
    }
}

/// Waits for reports, if there is an engine. None at all: its thread has ended.
async fn next_reports(work: Option<&mut Work>) {
    match work {
        Some(work) => drop(work.engine.reports.recv_many(&mut work.reports, REPORTS_AT_ONCE).await),
        None => std::future::pending().await,
    }
}

fn failed(error: impl std::fmt::Display) -> AgentError {
    AgentError::Failed(error.to_string())
}

impl Work {
    fn new(setup: &proto::Setup, descriptors_limit: u64) -> Result<Self, AgentError> {
        let target = Target::of(setup).map_err(failed)?;
        let requests = proto::Requests::default();
        let calls = Calls::new(&target.peer(&target.assumed()), &requests).map_err(failed)?;
        let clock = RunClock::new(setup.monotonic_base_ns);
        let engine = EngineThread::start(clock, target::settings(setup), calls, target.tls.clone())
            .map_err(|error| AgentError::Failed(format!("the agent's engine cannot be started: {error}")))?;
        engine.order(Order::Endpoints(target.endpoints.clone()));
        let spoken = (target.eras == Eras::Modern).then(|| target.assumed());
        Ok(Self {
            engine,
            agent: setup.agent,
            spread_sources: setup.spread_sources,
            spoken,
            requests,
            resources: Resources::new(setup.agent, descriptors_limit),
            reports: Vec::new(),
            target,
        })
    }

    fn connections_possible(&self, descriptors_limit: u64) -> u64 {
        let addresses: Vec<SocketAddr> = self.target.endpoints.iter().map(|(_, address)| *address).collect();
        connections_possible(descriptors_limit, self.spread_sources, &addresses)
    }

    async fn ask(&self) -> Result<Found, Trouble> {
        let (target, first) = (self.target.clone(), self.agent as usize);
        let asked = tokio::task::spawn_blocking(move || reach::reach(&target, first)).await;
        asked.unwrap_or_else(|error| Err(Trouble::Internal(error.to_string())))
    }

    async fn reach(&mut self, block: u32) -> Reached {
        match self.ask().await {
            Ok(found) => {
                let reached = found.reached(block);
                self.spoken = Some(found.spoken);
                reached
            }
            Err(trouble) => Reached { block, ok: false, error: trouble.to_string(), ..Reached::default() },
        }
    }

    /// Finds out the era, and opens this agent's session where it is the legacy one. True where that was new. Where
    /// the target does not answer now it is taken for a modern one, and what comes of it is in the record.
    async fn find_out(&mut self) -> bool {
        if self.spoken.is_some() {
            return false;
        }
        self.spoken = Some(match self.ask().await {
            Ok(found) => found.spoken,
            Err(trouble) => {
                tracing::warn!("{trouble}");
                self.target.assumed()
            }
        });
        true
    }

    /// What is sent from here on.
    fn calls(&self) -> Result<Order, AgentError> {
        let assumed = self.target.assumed();
        let spoken = self.spoken.as_ref().unwrap_or(&assumed);
        Calls::new(&self.target.peer(spoken), &self.requests).map(Order::Calls).map_err(failed)
    }

    async fn farewell(&mut self) {
        let Some(spoken) = self.spoken.take().filter(|spoken| spoken.session.is_some()) else { return };
        let target = self.target.clone();
        let _ = tokio::task::spawn_blocking(move || reach::farewell(&target, &spoken)).await;
    }

    /// Histograms that were written are used again.
    fn give_back(&self, entry: &mut Entry) {
        let hists: Vec<&mut Option<Hist>> = match entry {
            Entry::Interval(row) => vec![
                &mut row.latency,
                &mut row.service,
                &mut row.headers,
                &mut row.first_event,
                &mut row.send_lag,
                &mut row.receive_lag,
                &mut row.operation,
            ],
            Entry::Connections(row) => vec![&mut row.late, &mut row.established, &mut row.first_answer],
            _ => Vec::new(),
        };
        for mut hist in hists.into_iter().filter_map(Option::take) {
            hist.clear();
            self.engine.give_back(hist);
        }
    }
}
