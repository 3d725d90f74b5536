//! What the orchestrator says, read apart from all work: a question about the time is answered when it comes.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Streaming;

use super::AgentError;
use super::line::FaintVoice;
use crate::clock::monotonic_ns;
use crate::proto::agent_message::Message;
use crate::proto::command::Command;
use crate::proto::{self, ClockIs};

/// Commands that wait for the work before them. The orchestrator does not send more.
const COMMANDS_MAX: usize = 256;
/// Once it asks for the time it does so several times a second. When it has asked no more for so long, its run goes on
/// without this agent, and the target must not be loaded by a generator that nobody looks after.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// The commands, in their order. None: the stream has ended.
pub(super) struct Inbox(mpsc::Receiver<Result<Command, AgentError>>);

impl Inbox {
    pub(super) fn open(commands: Streaming<proto::Command>, voice: FaintVoice) -> Self {
        let (forward, taken) = mpsc::channel(COMMANDS_MAX);
        tokio::spawn(read(commands, voice, forward));
        Self(taken)
    }

    /// Can be dropped and called again.
    pub(super) async fn next(&mut self) -> Option<Result<Command, AgentError>> {
        self.0.recv().await
    }
}

async fn read(
    mut commands: Streaming<proto::Command>,
    voice: FaintVoice,
    forward: mpsc::Sender<Result<Command, AgentError>>,
) {
    let mut is_asked = false;
    loop {
        let next = match is_asked {
            true => timeout(SILENCE_MAX, commands.message()).await,
            false => Ok(commands.message().await),
        };
        let command = match next {
            Ok(Ok(Some(command))) => command.command,
            Ok(Ok(None)) => return,
            Ok(Err(status)) => {
                let _ = forward.send(Err(AgentError::Stream(status.message().to_string()))).await;
                return;
            }
            Err(_) => {
                let what = format!("nothing was heard of it for {} s", SILENCE_MAX.as_secs());
                let _ = forward.send(Err(AgentError::Stream(what))).await;
                return;
            }
        };
        // A command of a kind that this version does not know says nothing to it.
        let Some(command) = command else { continue };
        let Command::Clock(clock) = command else {
            match forward.send(Ok(command)).await {
                Ok(()) => continue,
                Err(_) => return,
            }
        };
        is_asked = true;
        voice.say(Message::ClockIs(ClockIs { asked_ns: clock.asked_ns, now_ns: monotonic_ns() })).await;
    }
}
