//! One agent's attendant: hears what it says and sees what its process does, and tells the run, in order.

use std::pin::Pin;
use std::time::Duration;

use erlmcp_load::proto::{AgentMessage, agent_message::Message};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};
use tonic::Streaming;

use super::door::Arrivals;
use super::process::{AgentProcess, Deed};
use crate::event::{Event, Said};

/// What a process wrote last to its stream arrives within so long after its end.
const LAST_ROWS: Duration = Duration::from_secs(2);
/// A process whose stream has ended is given so long to end itself.
const LAST_BREATH: Duration = Duration::from_secs(4);
/// Lines of an agent's standard error that are told to the run; the rest is for the log of this process only.
const LINES_MAX: u32 = 50;

/// How far an agent has come.
#[derive(Debug, Clone)]
pub(super) enum Progress {
    Starting,
    Here,
    /// With the connections that it can hold.
    Ready(u64),
    /// With the reason, as part of a sentence.
    Gone(String),
}

pub(super) struct Attendant {
    index: u32,
    /// None: it was started elsewhere, or has ended.
    process: Option<AgentProcess>,
    /// None: it has not come in yet, or has hung up.
    messages: Option<Streaming<AgentMessage>>,
    arrivals: Arrivals,
    events: mpsc::Sender<Event>,
    lines: u32,
    /// What it said itself that it cannot go on from.
    failure: Option<String>,
    /// How its process or its stream ended.
    end: Option<String>,
    /// Nothing more is waited for after this.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// Something that an attendant notices.
enum Notice {
    Arrived(Box<Streaming<AgentMessage>>),
    /// None: the stream has ended, with the reason where it did not end in order.
    Message(Result<Option<Message>, String>),
    Process(Deed),
    ToldToKill,
    Late,
}

impl Attendant {
    pub(super) fn new(
        index: u32,
        process: Option<AgentProcess>,
        arrivals: Arrivals,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let (messages, failure, end, deadline) = (None, None, None, None);
        Self { index, process, messages, arrivals, events, lines: 0, failure, end, deadline }
    }

    /// Until the agent is gone, which is the last thing that is told of it.
    pub(super) async fn attend(mut self) {
        let had_process = self.process.is_some();
        let mut was_here = false;
        loop {
            let is_silent = self.messages.is_none();
            if is_silent && (was_here || had_process) && self.process.is_none() {
                break;
            }
            match self.notice().await {
                Notice::Arrived(messages) => {
                    was_here = true;
                    self.messages = Some(*messages);
                    self.arrivals.shown.send_replace(Progress::Here);
                }
                Notice::Message(Ok(Some(message))) => self.hear(message).await,
                Notice::Message(end) => self.hung_up(end.err()),
                Notice::Process(Deed::Said(line)) => self.line(line),
                Notice::Process(Deed::Ended(how)) => {
                    self.process = None;
                    self.end = Some(how);
                    self.deadline = Some(Box::pin(sleep(LAST_ROWS)));
                }
                Notice::ToldToKill => self.kill("it took no commands any more, or did not go, and was killed"),
                Notice::Late if self.process.is_some() => self.kill("its stream ended without it, and it was killed"),
                Notice::Late => break,
            }
        }
        self.gone().await;
    }

    async fn notice(&mut self) -> Notice {
        let Self { process, messages, arrivals, deadline, .. } = self;
        tokio::select! {
            Some(messages) = arrivals.arrivals.recv(), if messages.is_none() => {
                Notice::Arrived(Box::new(messages))
            }
            message = next_message(messages) => Notice::Message(message),
            deed = next_deed(process) => Notice::Process(deed),
            Some(()) = arrivals.killed.recv() => Notice::ToldToKill,
            () = until(deadline) => Notice::Late,
        }
    }

    async fn hear(&mut self, message: Message) {
        let said = match message {
            Message::Hello(_) => return,
            Message::Ready(ready) => {
                self.arrivals.shown.send_replace(Progress::Ready(ready.connections_possible));
                return;
            }
            Message::Planned(planned) => Said::Planned { block: planned.block, planned: planned.planned },
            Message::Rows(rows) => {
                let rows: Result<Vec<_>, _> = rows.lines.iter().map(|line| serde_json::from_str(line)).collect();
                match rows {
                    Ok(rows) => Said::Rows(rows),
                    Err(error) => return self.failed(format!("it sent a row that cannot be read: {error}")),
                }
            }
            Message::Done(done) => Said::Done { block: done.block },
            Message::Failure(failure) => return self.failed(failure.what),
            Message::Reached(reached) => Said::Reached(reached),
            Message::Changed(changed) => Said::Changed(changed),
            Message::Slowed(slowed) => Said::Slowed(slowed),
            Message::Taken(taken) => Said::Taken { block: taken.block, error: taken.error },
            Message::Knocked(knocked) => Said::Knocked(knocked),
        };
        self.tell(said).await;
    }

    /// It cannot go on: where it does not end by itself, it is ended.
    fn failed(&mut self, why: String) {
        self.failure.get_or_insert(why);
        if self.process.is_none() {
            self.messages = None;
        }
        self.deadline.get_or_insert_with(|| Box::pin(sleep(LAST_BREATH)));
    }

    fn hung_up(&mut self, why: Option<String>) {
        self.messages = None;
        self.arrivals.line.hang_up();
        if let Some(why) = why {
            self.end.get_or_insert(format!("its stream broke: {why}"));
        }
        self.deadline = Some(Box::pin(sleep(LAST_BREATH)));
    }

    fn line(&mut self, line: String) {
        tracing::info!(agent = self.index, "{line}");
        self.lines += 1;
        if self.lines <= LINES_MAX {
            // Where there is no room: a line is not worth waiting for.
            let _ = self.events.try_send(Event::Agent { agent: self.index, said: Said::Line(line) });
        }
    }

    fn kill(&mut self, why: &str) {
        self.failure.get_or_insert_with(|| why.into());
        match &mut self.process {
            Some(process) => process.kill(),
            // It was started elsewhere: without its stream it ends.
            None => self.messages = None,
        }
        self.deadline = None;
    }

    async fn tell(&mut self, said: Said) {
        // Nobody listens any more where the run is over.
        let _ = self.events.send(Event::Agent { agent: self.index, said }).await;
    }

    async fn gone(mut self) {
        let end = self.end.take().unwrap_or_else(|| "its stream ended".into());
        let why = match self.failure.take() {
            Some(failure) => failure,
            None => end,
        };
        self.tell(Said::Gone(why.clone())).await;
        self.arrivals.shown.send_replace(Progress::Gone(why));
    }
}

async fn next_message(messages: &mut Option<Streaming<AgentMessage>>) -> Result<Option<Message>, String> {
    let Some(messages) = messages else { return std::future::pending().await };
    loop {
        match messages.message().await {
            // A message of a kind that this version does not know says nothing to it.
            Ok(Some(AgentMessage { message: None })) => {}
            Ok(message) => return Ok(message.and_then(|message| message.message)),
            Err(status) => return Err(status.message().to_string()),
        }
    }
}

async fn next_deed(process: &mut Option<AgentProcess>) -> Deed {
    match process {
        Some(process) => process.next().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: &mut Option<Pin<Box<Sleep>>>) {
    match deadline {
        Some(deadline) => deadline.as_mut().await,
        None => std::future::pending().await,
    }
}
