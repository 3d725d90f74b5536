//! The line to the orchestrator: messages up, rows gathered into messages of fair size.

use std::time::Duration;

use erlmcp_record::Entry;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Streaming};

use super::{AgentConfig, AgentError, AgentOrigin, JoinTls, Pass};
use crate::MESSAGE_BYTES_MAX;
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
/// Between two tries of an agent that waits for its run.
const AGAIN: Duration = Duration::from_millis(500);

/// The way up.
#[derive(Debug)]
pub(super) struct Line {
    messages: mpsc::Sender<AgentMessage>,
    rows: Vec<String>,
    row_bytes: usize,
}

/// Dials in and says hello. One that was started elsewhere tries again while nobody listens or there is no room, and tells why it
/// waits: once for each reason in a row.
pub(super) async fn join(
    config: &AgentConfig,
    descriptors_limit: u64,
) -> Result<(Line, Streaming<Command>), AgentError> {
    let AgentOrigin::Elsewhere(wait) = config.origin else {
        return dial(config, descriptors_limit).await;
    };
    // What is no good from the beginning is not waited for.
    endpoint(config, &pass(config)?)?;
    let until_ns = monotonic_ns().saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
    let mut told = None;
    loop {
        match dial(config, descriptors_limit).await {
            Err(AgentError::Join { what, .. }) if monotonic_ns() < until_ns => {
                let why = if what.contains("Connection refused") { "nobody listens yet".to_string() } else { what };
                if told.as_ref() != Some(&why) {
                    (config.tell)(&format!("waiting for an orchestrator with a place at {}: {why}", config.join));
                    told = Some(why);
                }
                tokio::time::sleep(AGAIN).await;
            }
            Ok(joined) => {
                (config.tell)(&format!("joined the orchestrator at {}", config.join));
                return Ok(joined);
            }
            outcome => return outcome,
        }
    }
}

fn pass(config: &AgentConfig) -> Result<Pass, AgentError> {
    (config.pass)().map_err(|what| AgentError::Join { join: config.join.clone(), what })
}

fn endpoint(config: &AgentConfig, pass: &Pass) -> Result<Endpoint, AgentError> {
    let failed = |what: String| AgentError::Join { join: config.join.clone(), what };
    let scheme = if pass.tls.is_some() { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{}", config.join)).map_err(|e| failed(chain(&e)))?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(ALIVE_EVERY)
        .keep_alive_timeout(ALIVE_TIMEOUT);
    let Some(tls) = &pass.tls else { return Ok(endpoint) };
    let mut own = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.ca_pem));
    if let Some((certificate, key)) = &tls.own {
        own = own.identity(Identity::from_pem(certificate, key));
    }
    endpoint.tls_config(own).map_err(|e| failed(chain(&e)))
}

async fn dial(config: &AgentConfig, descriptors_limit: u64) -> Result<(Line, Streaming<Command>), AgentError> {
    let failed = |what: String| AgentError::Join { join: config.join.clone(), what };
    let pass = pass(config)?;
    let channel = endpoint(config, &pass)?.connect().await.map_err(|e| failed(explained(config, &pass, chain(&e))))?;
    let (messages, outgoing) = mpsc::channel(MESSAGES_MAX);
    let line = Line { messages, rows: Vec::new(), row_bytes: 0 };
    line.send(Message::Hello(hello(config, &pass, descriptors_limit))).await?;
    let mut client = ControlClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let mut request = Request::new(ReceiverStream::new(outgoing));
    request.metadata_mut().insert("authorization", shown(config, &pass)?);
    let answer = client.join(request).await;
    let commands = answer.map_err(|status| {
        let what = explained(config, &pass, status.message().to_string());
        match status.code() {
            // There may be room later, or the run of then may be over.
            Code::ResourceExhausted | Code::Unavailable | Code::Unknown => failed(what),
            _ => AgentError::Refused { join: config.join.clone(), what },
        }
    })?;
    Ok((line, commands.into_inner()))
}

/// The token, for the door to see before it reads anything else.
fn shown(config: &AgentConfig, pass: &Pass) -> Result<MetadataValue<Ascii>, AgentError> {
    let shown = format!("Bearer {}", pass.token).parse();
    let mut shown: MetadataValue<Ascii> = shown.map_err(|_| AgentError::Refused {
        join: config.join.clone(),
        what: "its token has characters that a header cannot have".into(),
    })?;
    shown.set_sensitive(true);
    Ok(shown)
}

fn hello(config: &AgentConfig, pass: &Pass, descriptors_limit: u64) -> Hello {
    let (index, joins) = match config.origin {
        AgentOrigin::Run(index) => (index, false),
        AgentOrigin::Elsewhere(_) => (0, true),
    };
    Hello {
        token: pass.token.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        index,
        pid: std::process::id(),
        descriptors_limit,
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
        monotonic_now_ns: monotonic_ns(),
        unix_now_ns: unix_ns(),
        joins,
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
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

/// A voice that does not keep the line open.
#[derive(Debug, Clone)]
pub(super) struct FaintVoice(mpsc::WeakSender<AgentMessage>);

impl FaintVoice {
    /// Nothing where the line is closed.
    pub(super) async fn say(&self, message: Message) {
        if let Some(messages) = self.0.upgrade() {
            let _ = Voice(messages).say(message).await;
        }
    }
}

impl Line {
    pub(super) fn voice(&self) -> Voice {
        Voice(self.messages.clone())
    }

    pub(super) fn faint_voice(&self) -> FaintVoice {
        FaintVoice(self.messages.downgrade())
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

/// A handshake that the other side ends says nothing of why: with what it may want, by what this agent has.
fn explained(config: &AgentConfig, pass: &Pass, what: String) -> String {
    if what.contains("corrupt message") {
        return format!("{what} (does the run speak TLS? without --agents-cert leave --tls-ca out)");
    }
    let is_mute = ["http2 error", "operation was canceled", "transport error"].iter().any(|end| what.ends_with(end));
    if !is_mute || !matches!(config.origin, AgentOrigin::Elsewhere(_)) {
        return what;
    }
    let hint = match &pass.tls {
        None => "the run may speak TLS: --tls-ca with its certificate's root",
        Some(JoinTls { own: None, .. }) => "the run may ask for a certificate: --tls-cert and --tls-key",
        Some(JoinTls { own: Some(_), .. }) => {
            "the run may not trust --tls-cert: it must be signed by a certificate in its --agents-ca, and be no CA itself"
        }
    };
    format!("{what} ({hint})")
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
