//! The line to the orchestrator: messages up, rows gathered into messages of fair size.

use std::time::Duration;

use erlmcp_record::Entry;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

use super::{AgentConfig, AgentError};
use crate::clock::{monotonic_ns, unix_ns};
use crate::proto::agent_message::Message;
use crate::proto::control_client::ControlClient;
use crate::proto::{AgentMessage, Command, Hello, Rows};

/// Messages that may wait for the network.
const MESSAGES_MAX: usize = 64;
/// Rows of one message at most, and their bytes, far below what gRPC takes.
const ROWS_MAX: usize = 256;
const ROW_BYTES_MAX: usize = 512 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An orchestrator on another machine that is gone without a word is noticed after the two together.
const ALIVE_EVERY: Duration = Duration::from_secs(10);
const ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// The way up.
#[derive(Debug)]
pub(super) struct Line {
    messages: mpsc::Sender<AgentMessage>,
    rows: Vec<String>,
    row_bytes: usize,
}

/// Dials in and says hello.
pub(super) async fn join(
    config: &AgentConfig,
    descriptors_limit: u64,
) -> Result<(Line, Streaming<Command>), AgentError> {
    let failed = |what: String| AgentError::Join { join: config.join, what };
    let endpoint = Endpoint::from_shared(format!("http://{}", config.join)).map_err(|e| failed(chain(&e)))?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(ALIVE_EVERY)
        .keep_alive_timeout(ALIVE_TIMEOUT);
    let channel = endpoint.connect().await.map_err(|e| failed(chain(&e)))?;
    let (messages, outgoing) = mpsc::channel(MESSAGES_MAX);
    let line = Line { messages, rows: Vec::new(), row_bytes: 0 };
    line.send(Message::Hello(hello(config, descriptors_limit))).await?;
    let answer = ControlClient::new(channel).join(ReceiverStream::new(outgoing)).await;
    let commands = answer.map_err(|status| failed(status.message().to_string()))?.into_inner();
    Ok((line, commands))
}

fn hello(config: &AgentConfig, descriptors_limit: u64) -> Hello {
    Hello {
        token: config.token.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        index: config.index,
        pid: std::process::id(),
        descriptors_limit,
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
        monotonic_now_ns: monotonic_ns(),
        unix_now_ns: unix_ns(),
    }
}

/// Says what needs no rows before it.
#[derive(Debug, Clone)]
pub(super) struct Voice(mpsc::Sender<AgentMessage>);

impl Voice {
    #[cfg(test)]
    pub(super) fn of_tests(messages: mpsc::Sender<AgentMessage>) -> Self {
        Self(messages)
    }

    pub(super) async fn say(&self, message: Message) -> Result<(), AgentError> {
        let message = AgentMessage { message: Some(message) };
        self.0.send(message).await.map_err(|_| AgentError::Stream("nothing can be said any more".into()))
    }
}

impl Line {
    pub(super) fn voice(&self) -> Voice {
        Voice(self.messages.clone())
    }

    /// Says this after all rows before it.
    pub(super) async fn say(&mut self, message: Message) -> Result<(), AgentError> {
        self.flush().await?;
        self.send(message).await
    }

    pub(super) async fn row(&mut self, entry: &Entry) -> Result<(), AgentError> {
        let line = serde_json::to_string(entry)
            .map_err(|error| AgentError::Failed(format!("a row of the record cannot be written: {error}")))?;
        self.row_bytes += line.len();
        self.rows.push(line);
        if self.rows.len() >= ROWS_MAX || self.row_bytes >= ROW_BYTES_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    pub(super) async fn flush(&mut self) -> Result<(), AgentError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        self.row_bytes = 0;
        let lines = std::mem::take(&mut self.rows);
        self.send(Message::Rows(Rows { lines })).await
    }

    async fn send(&self, message: Message) -> Result<(), AgentError> {
        self.voice().say(message).await
    }
}

/// An error with its causes: tonic's own text is only "transport error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
