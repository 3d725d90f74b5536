//! Where agents come in: the gRPC service, and the token that they must show.

use std::io::Read;
use std::sync::Mutex;
use std::time::Duration;

use erlmcp_load::proto::control_server::{Control, ControlServer};
use erlmcp_load::proto::{self, AgentMessage, Hello, agent_message::Message};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use super::CommandLine;
use super::attendant::Progress;

/// From a connection to its Hello.
const HELLO: Duration = Duration::from_secs(10);
/// Rows of some seconds, with all their histograms.
const MESSAGE_BYTES_MAX: usize = 32 << 20;
/// An agent that answers no ping for so long is gone. Its main thread may wait for a core.
const PING: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_secs(30);

/// What an agent says after its Hello.
pub(super) type Arrival = Streaming<AgentMessage>;

/// The place of one agent at the door.
pub(super) struct Slot {
    /// Taken by the first that comes in.
    commands: Mutex<Option<mpsc::Receiver<proto::Command>>>,
    arrived: mpsc::Sender<Arrival>,
}

/// What an agent's attendant needs.
#[derive(Debug)]
pub(super) struct Arrivals {
    pub(super) arrivals: mpsc::Receiver<Arrival>,
    pub(super) killed: mpsc::Receiver<()>,
    pub(super) shown: watch::Sender<Progress>,
    pub(super) line: CommandLine,
}

impl Slot {
    pub(super) fn new(commands: mpsc::Receiver<proto::Command>) -> (Self, mpsc::Receiver<Arrival>) {
        let (arrived, arrivals) = mpsc::channel(1);
        (Self { commands: Mutex::new(Some(commands)), arrived }, arrivals)
    }
}

pub(super) struct Door {
    token: String,
    slots: Vec<Slot>,
}

impl Door {
    pub(super) fn new(token: String, slots: Vec<Slot>) -> Self {
        Self { token, slots }
    }

    /// Lets agents in until it is aborted.
    pub(super) async fn serve(self, listener: TcpListener) {
        let service = ControlServer::new(self).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = Server::builder().http2_keepalive_interval(Some(PING)).http2_keepalive_timeout(Some(PONG));
        if let Err(error) = server.serve_with_incoming(service, incoming).await {
            tracing::error!(%error, "no agent can come in any more");
        }
    }

    fn check(&self, hello: &Hello) -> Result<&Slot, Status> {
        if !same(hello.token.as_bytes(), self.token.as_bytes()) {
            return Err(Status::unauthenticated("the token is not this run's"));
        }
        let own = env!("CARGO_PKG_VERSION");
        if hello.version != own {
            return Err(Status::failed_precondition(format!("the agent is of version {}, not {own}", hello.version)));
        }
        let slot = self.slots.get(hello.index as usize);
        slot.ok_or_else(|| Status::invalid_argument(format!("this run has no agent {}", hello.index)))
    }
}

#[tonic::async_trait]
impl Control for Door {
    type JoinStream = std::pin::Pin<Box<dyn Stream<Item = Result<proto::Command, Status>> + Send>>;

    async fn join(&self, request: Request<Streaming<AgentMessage>>) -> Result<Response<Self::JoinStream>, Status> {
        let mut messages = request.into_inner();
        let first = tokio::time::timeout(HELLO, messages.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no Hello came"))??;
        let Some(Message::Hello(hello)) = first.and_then(|message| message.message) else {
            return Err(Status::invalid_argument("the first message is not a Hello"));
        };
        let slot = self.check(&hello)?;
        let twice = || Status::already_exists(format!("agent {} is here already", hello.index));
        let commands = slot.commands.lock().ok().and_then(|mut commands| commands.take()).ok_or_else(twice)?;
        slot.arrived.try_send(messages).map_err(|_| Status::unavailable("the run is over"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(commands).map(Ok))))
    }
}

/// Compares without telling by its time where the difference is.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// 128 random bits.
pub(super) fn random_token() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
