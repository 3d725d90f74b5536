//! Where agents come in: the gRPC service, and the token that they must show.

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use erlmcp_load::MESSAGE_BYTES_MAX;
use erlmcp_load::proto::control_server::{Control, ControlServer};
use erlmcp_load::proto::{self, AgentMessage, Hello, agent_message::Message};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use super::CommandLine;
use super::attendant::Progress;
use super::newcomer::{Newcomer, Way};
use super::pulse::Offset;

/// From a request to its Hello.
const HELLO: Duration = Duration::from_secs(10);
/// From a connection to the agent that is let in by it: TLS, HTTP/2 and its Hello.
const KNOCK: Duration = Duration::from_secs(20);
/// Connections beside those of all agents.
pub(super) const STRANGERS_MAX: usize = 64;
/// Requests at once on a connection; an agent has one.
const STREAMS_MAX: u32 = 4;
/// An agent that answers no ping for so long is gone. Its main thread may wait for a core.
const PING: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_secs(30);

/// An agent that was let in.
#[derive(Debug)]
pub(super) struct Arrival {
    /// What it says after its Hello.
    pub(super) messages: Streaming<AgentMessage>,
    /// What it says of itself where it was started elsewhere.
    pub(super) joined: Option<Joined>,
}

/// An agent that was started elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) host: String,
    pub(crate) address: String,
    pub(crate) cores: u32,
    pub(crate) descriptors: u64,
    pub(crate) offset: Offset,
}

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

/// Who may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guests {
    /// Processes of the run, each in the place of its number.
    Own,
    /// Agents that were started elsewhere, in the first free place.
    Joining,
}

pub(super) struct Door {
    token: String,
    guests: Guests,
    slots: Vec<Slot>,
}

impl Door {
    pub(super) fn new(token: String, guests: Guests, slots: Vec<Slot>) -> Self {
        Self { token, guests, slots }
    }

    /// Lets agents in until it is aborted.
    pub(super) async fn serve(self, listener: TcpListener, tls: Option<ServerTlsConfig>) {
        let places = Arc::new(Semaphore::new(self.slots.len() + STRANGERS_MAX));
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).filter_map(move |come| match come {
            // Whoever finds no place is closed.
            Ok(stream) => {
                let place = Arc::clone(&places).try_acquire_owned().ok()?;
                Some(Ok(Newcomer::new(stream, place, KNOCK)))
            }
            Err(error) => Some(Err(error)),
        });
        let service = ControlServer::new(self).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let server = Server::builder()
            .max_concurrent_streams(STREAMS_MAX)
            .http2_keepalive_interval(Some(PING))
            .http2_keepalive_timeout(Some(PONG));
        let server = match tls {
            Some(tls) => server.tls_config(tls),
            None => Ok(server),
        };
        let served = match server {
            Ok(server) => server.serve_with_incoming(service, incoming).await,
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            tracing::error!(%error, "no agent can come in any more");
        }
    }

    fn check_token(&self, token: &[u8]) -> Result<(), Status> {
        match same(token, self.token.as_bytes()) {
            true => Ok(()),
            false => Err(Status::unauthenticated("its token is not this run's")),
        }
    }

    fn check(&self, hello: &Hello) -> Result<(), Status> {
        self.check_token(hello.token.as_bytes())?;
        let own = env!("CARGO_PKG_VERSION");
        if hello.version != own {
            let theirs = &hello.version;
            let what = format!("it is erlmcp {theirs}, and the run is of {own}: both must be of the same version");
            return Err(Status::failed_precondition(what));
        }
        match (self.guests, hello.joins) {
            (Guests::Own, true) => {
                Err(Status::failed_precondition("the run has agents of its own, and waits for none"))
            }
            (Guests::Joining, false) => Err(Status::failed_precondition("the run starts no agents of its own")),
            _ => Ok(()),
        }
    }

    /// Takes a place for an agent: the way to it, and its commands.
    fn place(&self, hello: &Hello) -> Result<(&Slot, mpsc::Receiver<proto::Command>), Status> {
        let take = |slot: &Slot| slot.commands.lock().ok().and_then(|mut commands| commands.take());
        if self.guests == Guests::Joining {
            let free = self.slots.iter().find_map(|slot| take(slot).map(|commands| (slot, commands)));
            let places = self.slots.len();
            return free.ok_or_else(|| Status::resource_exhausted(format!("all {places} places of the run are taken")));
        }
        let slot = self.slots.get(hello.index as usize);
        let slot = slot.ok_or_else(|| Status::invalid_argument(format!("this run has no agent {}", hello.index)))?;
        let twice = || Status::already_exists(format!("agent {} is here already", hello.index));
        Ok((slot, take(slot).ok_or_else(twice)?))
    }

    fn let_in(&self, hello: Hello, messages: Streaming<AgentMessage>, address: String) -> Result<Commands, Status> {
        self.check(&hello)?;
        let (slot, commands) = self.place(&hello)?;
        let Hello { host, cores, descriptors_limit: descriptors, .. } = hello;
        let offset = Offset::default();
        let joined = hello.joins.then_some(Joined { host, address, cores, descriptors, offset });
        let arrival = Arrival { messages, joined };
        slot.arrived.try_send(arrival).map_err(|_| Status::unavailable("the run is over"))?;
        Ok(Box::pin(ReceiverStream::new(commands).map(Ok)))
    }

    /// Whoever shows no token with its request has no message read, which would take memory.
    async fn receive(&self, request: Request<Streaming<AgentMessage>>, from: String) -> Result<Commands, Status> {
        let shown = request.metadata().get("authorization").and_then(|shown| shown.as_bytes().strip_prefix(b"Bearer "));
        let nothing = || Status::unauthenticated("it shows no token: is it of another version of erlmcp?");
        self.check_token(shown.ok_or_else(nothing)?)?;
        let mut messages = request.into_inner();
        let first = tokio::time::timeout(HELLO, messages.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no Hello came"))??;
        let Some(Message::Hello(hello)) = first.and_then(|message| message.message) else {
            return Err(Status::invalid_argument("the first message is not a Hello"));
        };
        self.let_in(hello, messages, from)
    }
}

type Commands = std::pin::Pin<Box<dyn Stream<Item = Result<proto::Command, Status>> + Send>>;

#[tonic::async_trait]
impl Control for Door {
    type JoinStream = Commands;

    async fn join(&self, request: Request<Streaming<AgentMessage>>) -> Result<Response<Commands>, Status> {
        let way = request.extensions().get::<Way>().cloned();
        let way = way.ok_or_else(|| Status::internal("nobody knows by which connection it came"))?;
        let outcome = self.receive(request, way.from.clone()).await;
        match &outcome {
            Ok(_) => way.let_in(),
            Err(refused) => tracing::warn!("an agent from {} was not let in: {}", way.from, refused.message()),
        }
        outcome.map(Response::new)
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
