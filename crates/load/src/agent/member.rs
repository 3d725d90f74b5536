//! An agent's part in a run: commands to the engine, what it reports to the orchestrator.

use std::time::Duration;

use erlmcp_record::Entry;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::inbox::Inbox;
use super::line::{self, Line};
use super::target;
use super::work::{Work, failed};
use super::{AgentConfig, AgentError, AgentOrigin};
use crate::engine::Order;
use crate::proto;
use crate::proto::agent_message::Message;
use crate::proto::command::Command;
use crate::report::Report;

/// Reports taken from the engine at once.
const REPORTS_AT_ONCE: usize = 256;
/// How long the orchestrator may take to hang up after the goodbye.
const HANG_UP: Duration = Duration::from_secs(2);

/// Joins, and does what it is told until goodbye.
pub(super) async fn take_part(config: &AgentConfig, descriptors_limit: u64) -> Result<(), AgentError> {
    // Who starts an agent may end it, too; those of a run are the run's.
    let mut ending = match config.origin {
        AgentOrigin::Run(_) => None,
        AgentOrigin::Elsewhere(_) => Some(Ending::watch()?),
    };
    let joined = tokio::select! {
        joined = line::join(config, descriptors_limit) => joined?,
        () = wanted(&mut ending) => return Err(AgentError::Interrupted),
    };
    let (line, commands) = joined;
    let mut inbox = Inbox::open(commands, line.faint_voice());
    let mut member = Member { line, descriptors_limit, work: None, tell: config.tell };
    let result = tokio::select! {
        result = member.serve(&mut inbox) => result,
        () = wanted(&mut ending) => Err(AgentError::Interrupted),
    };
    if let Err(error @ (AgentError::Failed(_) | AgentError::Interrupted)) = &result {
        // Where it cannot be told any more, the end of the stream tells it.
        let said = member.line.say(Message::Failure(proto::Failure { what: error.to_string() }));
        let _ = tokio::time::timeout(HANG_UP, said).await;
    }
    drop(member);
    // What was said last is on its way until the other end hangs up.
    let _ = tokio::time::timeout(HANG_UP, async { while let Some(Ok(_)) = inbox.next().await {} }).await;
    result
}

/// SIGINT and SIGTERM.
struct Ending(Signal, Signal);

impl Ending {
    fn watch() -> Result<Self, AgentError> {
        let watch = |kind| signal(kind).map_err(|error| AgentError::Failed(format!("signals cannot be seen: {error}")));
        Ok(Self(watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?))
    }
}

/// Until its end is wanted.
async fn wanted(ending: &mut Option<Ending>) {
    let Some(Ending(interrupt, terminate)) = ending else { return std::future::pending().await };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

struct Member {
    line: Line,
    descriptors_limit: u64,
    /// None before the setup.
    work: Option<Work>,
    tell: fn(&str),
}

impl Member {
    async fn serve(&mut self, inbox: &mut Inbox) -> Result<(), AgentError> {
        loop {
            tokio::select! {
                command = inbox.next() => match command {
                    Some(command) => {
                        if !self.obey(command?).await? {
                            return Ok(());
                        }
                    }
                    None => return Err(AgentError::Stream("it ended without a goodbye".into())),
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
            return before_setup(&command);
        };
        let order = match command {
            Command::Setup(_) => return Ok(true),
            Command::Reach(reach) => {
                let block = reach.block;
                let reached = work.reach(reach).await;
                self.line.say(Message::Reached(reached)).await?;
                self.line.say(Message::Done(proto::Done { block })).await?;
                return Ok(true);
            }
            Command::Requests(requests) => return self.take_requests(requests).await.map(|()| true),
            Command::Knock(knock) => {
                let doors = work.knock(knock.knocks).await;
                self.line.say(Message::Knocked(proto::Knocked { block: knock.block, doors })).await?;
                return Ok(true);
            }
            Command::Open(open) => {
                if work.find_out().await {
                    let calls = work.calls()?;
                    work.engine.order(calls);
                }
                Order::Open(open)
            }
            Command::Streams(streams) => {
                let calls = work.listen().await?;
                work.engine.order(calls);
                Order::Streams(streams)
            }
            Command::MakeChange(order) => {
                let (changed, voice) = (work.make_change(order).await, self.line.faint_voice());
                // The load goes on meanwhile, and its rows are to be told as they come.
                tokio::spawn(async move { voice.say(Message::Changed(changed.await)).await });
                return Ok(true);
            }
            Command::Slow(order) => {
                hold_slow(work, &self.line, order);
                return Ok(true);
            }
            Command::Misbehave(order) => return misbehave(work, &self.line, order).map(|()| true),
            Command::Operations(wanted) => {
                work.begin_operations(&wanted)?;
                return Ok(true);
            }
            Command::Cut(cut) if work.end_operations(cut.block) || work.end_misbehaving(cut.block) => return Ok(true),
            Command::Cut(cut) => Order::Cut(cut.block),
            Command::Endpoints(list) => {
                work.target.endpoints = target::endpoints(&list.endpoints).map_err(failed)?;
                work.operations.follow(&work.target.endpoints);
                Order::Endpoints(work.target.endpoints.clone())
            }
            Command::Goodbye(_) => {
                work.farewell().await;
                Order::Goodbye
            }
            command => match plain(command) {
                Some(order) => order,
                None => return Ok(true),
            },
        };
        work.engine.order(order);
        Ok(true)
    }

    /// Calls these from here on, and says so where that is wanted.
    async fn take_requests(&mut self, requests: proto::Requests) -> Result<(), AgentError> {
        let Some(work) = &mut self.work else { return Ok(()) };
        let block = requests.block;
        let error = work.take_requests(requests).await;
        work.engine.order(work.calls()?);
        if block != 0 {
            self.line.say(Message::Taken(proto::Taken { block, error })).await?;
        }
        Ok(())
    }

    async fn set_up(&mut self, setup: &proto::Setup) -> Result<(), AgentError> {
        if self.work.is_some() {
            return Err(AgentError::Failed("the agent was set up twice".into()));
        }
        let work = Work::new(setup, self.descriptors_limit)?;
        let connections_possible = work.connections_possible(self.descriptors_limit);
        self.work = Some(work);
        let (agent, agents) = (setup.agent + 1, setup.agents);
        (self.tell)(&format!("agent {agent} of {agents}; it can hold {connections_possible} connections"));
        self.line.say(Message::Ready(proto::Ready { connections_possible })).await
    }

    /// Sends on what the engine has reported. False after its goodbye.
    async fn tell(&mut self) -> Result<bool, AgentError> {
        let Some(work) = &mut self.work else { return Ok(true) };
        if let Some(block) = work.take_ended_operations()? {
            self.line.say(Message::Done(proto::Done { block })).await?;
            return Ok(true);
        }
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
                    let sample = work.sample(second);
                    self.line.row(&Entry::Agent(sample)).await?;
                }
                Report::Planned { block, planned } => {
                    self.line.say(Message::Planned(proto::Planned { block, planned })).await?;
                }
                Report::SessionEnded => {
                    if let Some(order) = work.renew_session().await? {
                        work.engine.order(order);
                    }
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

/// Nothing was begun, so there is nothing to end.
fn before_setup(command: &Command) -> Result<bool, AgentError> {
    match command {
        Command::Goodbye(_) => Ok(false),
        _ => Err(AgentError::Failed("the agent was given work before its setup".into())),
    }
}

/// What is the engine's alone.
fn plain(command: Command) -> Option<Order> {
    match command {
        Command::Load(load) => Some(Order::Load(load)),
        Command::Sweep(sweep) => Some(Order::Sweep(sweep)),
        Command::Sequential(sequential) => Some(Order::Sequential(sequential)),
        Command::Close(close) => Some(Order::Close(close)),
        Command::EndStreams(end) => Some(Order::EndStreams(end)),
        Command::Reconnect(reconnect) => Some(Order::Reconnect(reconnect)),
        Command::Rebalance(rebalance) => Some(Order::Rebalance(rebalance)),
        Command::Change(change) => Some(Order::Change(change)),
        Command::Phase(phase) => Some(Order::Phase(phase.phase as u8)),
        _ => None,
    }
}

/// Holds slow clients beside all else; what came of them is said when they are over.
fn hold_slow(work: &Work, line: &Line, order: proto::Slow) {
    let (slow, voice) = (work.slow(), line.voice());
    tokio::spawn(async move {
        let done = proto::Done { block: order.block };
        let slowed = slow.hold(order).await;
        // Where nobody listens any more nobody needs to know.
        let _ = voice.say(Message::Slowed(slowed)).await;
        let _ = voice.say(Message::Done(done)).await;
    });
}

/// Lets clients misbehave beside all else.
fn misbehave(work: &mut Work, line: &Line, order: proto::Misbehave) -> Result<(), AgentError> {
    let (misbehaving, cut) = work.misbehave(order.block)?;
    tokio::spawn(misbehaving.run(order, line.voice(), cut));
    Ok(())
}

/// Waits for reports, if there is an engine, and for the end of operations. No report at all: its thread has ended.
async fn next_reports(work: Option<&mut Work>) {
    let Some(work) = work else { return std::future::pending().await };
    tokio::select! {
        _ = work.engine.reports.recv_many(&mut work.reports, REPORTS_AT_ONCE) => {}
        () = work.operations.over() => {}
    }
}
