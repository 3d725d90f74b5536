//! One agent's attendant: hears what it says and sees what its process does, and tells the run, in order.

use std::pin::Pin;
use std::time::Duration;

use erlmcp_load::clock::{RunClock, monotonic_ns};
use erlmcp_load::proto::{self, AgentMessage, agent_message::Message, command::Command};
use erlmcp_record::{ClockRow, Entry};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, Sleep, sleep};
use tonic::Streaming;

use super::door::{Arrival, Arrivals, Joined};
use super::process::{AgentProcess, Deed};
use super::pulse::{Answered, EVERY, Offset, Pulse};
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
    /// With what is known of one that was started elsewhere, its clock among it.
    Here(Option<Joined>),
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
    clock: RunClock,
    lines: u32,
    /// What one that was started elsewhere is watched by.
    watched: Option<Watched>,
    /// What it said itself that it cannot go on from.
    failure: Option<String>,
    /// How its process or its stream ended.
    end: Option<String>,
    /// Nothing more is waited for after this.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// An agent that was started elsewhere: without a process here, its words are all that is seen of it.
struct Watched {
    joined: Joined,
    pulse: Pulse,
    questions: Interval,
    /// It has its setup: how its clock goes on is for the record.
    is_set_up: bool,
}

/// Something that an attendant notices.
enum Notice {
    Arrived(Box<Arrival>),
    /// None: the stream has ended, with the reason where it did not end in order.
    Message(Result<Option<Message>, String>),
    Process(Deed),
    ToldToKill,
    Late,
    /// An agent that was started elsewhere is asked for its time.
    Question,
}

impl Attendant {
    pub(super) fn new(
        index: u32,
        process: Option<AgentProcess>,
        arrivals: Arrivals,
        (events, clock): (mpsc::Sender<Event>, RunClock),
    ) -> Self {
        let (messages, watched, failure, end, deadline) = (None, None, None, None, None);
        Self { index, process, messages, arrivals, events, clock, lines: 0, watched, failure, end, deadline }
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
                Notice::Arrived(arrival) => {
                    was_here = true;
                    self.arrived(*arrival);
                }
                Notice::Message(Ok(Some(message))) => {
                    self.hear(message).await;
                    self.watched.iter_mut().for_each(|watched| watched.pulse.heard());
                }
                Notice::Question => self.ask(),
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
        let Self { process, messages, arrivals, deadline, watched, .. } = self;
        tokio::select! {
            // What it has said is heard before its silence is.
            biased;
            Some(()) = arrivals.killed.recv() => Notice::ToldToKill,
            Some(arrival) = arrivals.arrivals.recv(), if messages.is_none() => Notice::Arrived(Box::new(arrival)),
            message = next_message(messages) => Notice::Message(message),
            deed = next_deed(process) => Notice::Process(deed),
            () = until(deadline) => Notice::Late,
            () = next_question(watched) => Notice::Question,
        }
    }

    fn arrived(&mut self, arrival: Arrival) {
        self.messages = Some(arrival.messages);
        let Some(joined) = arrival.joined else {
            self.arrivals.shown.send_replace(Progress::Here(None));
            return;
        };
        let mut questions = tokio::time::interval(EVERY);
        questions.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.watched = Some(Watched { joined, pulse: Pulse::default(), questions, is_set_up: false });
    }

    /// Asks it for its time, if it is still there.
    fn ask(&mut self) {
        let Some(watched) = &mut self.watched else { return };
        if watched.pulse.asks() {
            let clock = proto::Clock { asked_ns: monotonic_ns() };
            // One that takes no commands does not answer this one, either.
            self.arrivals.line.give(proto::Command { command: Some(Command::Clock(clock)) });
        } else if self.messages.is_some() {
            self.failed(
                "nothing was heard of it for almost 2 s: it hangs, or its machine or the way to it is gone".into(),
            );
        }
    }

    /// It has answered; it is here when its clock is known.
    async fn clock_is(&mut self, is: proto::ClockIs) {
        let Some(watched) = &mut self.watched else { return };
        match watched.pulse.answered(is.asked_ns, is.now_ns, monotonic_ns()) {
            Answered::AskAgain => {
                watched.pulse.heard();
                self.ask();
            }
            Answered::First(offset) => {
                watched.joined.offset = offset;
                self.arrivals.shown.send_replace(Progress::Here(Some(watched.joined.clone())));
            }
            Answered::Again(rest) => self.compared(rest).await,
            Answered::Nothing => {}
        }
    }

    async fn compared(&mut self, rest: Offset) {
        if self.watched.as_ref().is_some_and(|watched| watched.is_set_up) {
            let uncertainty_us = rest.uncertainty_ns.div_ceil(1_000);
            let (agent, at_us) = (self.index, self.clock.now_us());
            let row = ClockRow { agent, at_us, off_us: rest.ns / 1_000, uncertainty_us };
            self.tell(Said::Rows(vec![Entry::Clock(row)])).await;
        }
    }

    async fn hear(&mut self, message: Message) {
        let said = match message {
            Message::Hello(_) => return,
            Message::ClockIs(is) => return self.clock_is(is).await,
            Message::Ready(ready) => {
                self.watched.iter_mut().for_each(|watched| watched.is_set_up = true);
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
        // One that only slept learns of it when it wakes up.
        self.arrivals.line.hang_up();
        if let Some(rest) = self.watched.as_mut().and_then(|watched| watched.pulse.rest()) {
            self.compared(rest).await;
        }
        let end = self.end.take().unwrap_or_else(|| "its stream ended".into());
        let why = match self.failure.take() {
            Some(failure) => failure,
            None => end,
        };
        let why = match &self.watched {
            Some(Watched { joined, .. }) => format!("{why} (it ran on {}, {})", joined.host, joined.address),
            None => why,
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

async fn next_question(watched: &mut Option<Watched>) {
    match watched {
        Some(watched) => drop(watched.questions.tick().await),
        None => std::future::pending().await,
    }
}

async fn until(deadline: &mut Option<Pin<Box<Sleep>>>) {
    match deadline {
        Some(deadline) => deadline.as_mut().await,
        None => std::future::pending().await,
    }
}
