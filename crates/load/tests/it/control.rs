//! The orchestrator's end of the control protocol, as small as a test needs it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use erlmcp_load::agent::{AgentConfig, AgentError, AgentOrigin, Pass};
use erlmcp_load::proto::agent_message::Message;
use erlmcp_load::proto::command::Command;
use erlmcp_load::proto::control_server::{Control, ControlServer};
use erlmcp_load::proto::{self, AgentMessage};
use erlmcp_record::Entry;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

/// Nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

struct Door {
    joined: mpsc::Sender<Joined>,
}

struct Joined {
    messages: Streaming<AgentMessage>,
    commands: mpsc::Sender<Result<proto::Command, Status>>,
}

#[tonic::async_trait]
impl Control for Door {
    type JoinStream = Pin<Box<dyn Stream<Item = Result<proto::Command, Status>> + Send>>;

    async fn join(&self, request: Request<Streaming<AgentMessage>>) -> Result<Response<Self::JoinStream>, Status> {
        let (commands, given) = mpsc::channel(16);
        let joined = Joined { messages: request.into_inner(), commands };
        self.joined.send(joined).await.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(given))))
    }
}

/// One agent, running in a thread of this process.
pub(crate) struct Agent {
    joined: Joined,
    thread: JoinHandle<Result<(), AgentError>>,
    pub(crate) rows: Vec<Entry>,
}

impl Agent {
    /// Starts one, and takes its hello.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let join = listener.local_addr().expect("it is bound");
        let (joined, mut taken) = mpsc::channel(1);
        tokio::spawn(async move {
            let server = tonic::transport::Server::builder();
            let incoming = TcpListenerStream::new(listener);
            server.serve_with_incoming(ControlServer::new(Door { joined }), incoming).await
        });
        let pass = Arc::new(|| Ok::<_, String>(Pass { token: "secret".into(), tls: None }));
        let config = AgentConfig { join: join.to_string(), origin: AgentOrigin::Run(4), pass, tell: |_| {} };
        let thread = std::thread::spawn(move || erlmcp_load::agent::run(config));
        let joined = taken.recv().await.expect("the agent joins");
        let mut agent = Self { joined, thread, rows: Vec::new() };
        let Message::Hello(hello) = agent.next().await else { panic!("it says hello first") };
        assert_eq!((hello.token.as_str(), hello.index, hello.pid), ("secret", 4, std::process::id()));
        agent
    }

    /// Starts one that is set up for a target.
    pub(crate) async fn set_up(target: SocketAddr, change: impl FnOnce(&mut proto::Setup)) -> Self {
        let mut agent = Self::start().await;
        let mut setup = proto::Setup {
            agents: 1,
            seed: 7,
            monotonic_base_ns: erlmcp_load::clock::monotonic_ns(),
            endpoints: vec![proto::Endpoint { replica: 1, address: target.to_string() }],
            authority: target.to_string(),
            path: "/mcp".into(),
            era: "auto".into(),
            timeout_us: 20_000_000,
            connect_timeout_us: 20_000_000,
            spread_sources: true,
            reset_on_close: true,
            ..proto::Setup::default()
        };
        change(&mut setup);
        agent.tell(Command::Setup(setup)).await;
        match agent.next().await {
            Message::Ready(ready) => assert!(ready.connections_possible > 100, "{ready:?}"),
            other => panic!("it is ready after its setup: {other:?}"),
        }
        agent
    }

    pub(crate) async fn tell(&mut self, command: Command) {
        let command = proto::Command { command: Some(command) };
        self.joined.commands.send(Ok(command)).await.expect("the agent listens");
    }

    /// The next message that is no row.
    pub(crate) async fn next(&mut self) -> Message {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.joined.messages.next()).await.expect("in time");
            let message = message.expect("the stream goes on").expect("the stream is well");
            match message.message.expect("a message says something") {
                Message::Rows(rows) => self.rows.extend(
                    rows.lines.iter().map(|line| serde_json::from_str::<Entry>(line).expect("a row of the record")),
                ),
                other => return other,
            }
        }
    }

    /// What the block planned, when it is done.
    pub(crate) async fn done(&mut self, block: u32) -> u64 {
        let mut planned = None;
        loop {
            match self.next().await {
                Message::Planned(told) if told.block == block => planned = Some(told.planned),
                Message::Done(done) if done.block == block => return planned.expect("it was told what is planned"),
                other => panic!("only block {block} is under way: {other:?}"),
            }
        }
    }

    pub(crate) async fn reach(&mut self) -> proto::Reached {
        self.tell(Command::Reach(proto::Reach { block: 99, wanted: None })).await;
        let Message::Reached(reached) = self.next().await else { panic!("a probe is answered") };
        assert!(matches!(self.next().await, Message::Done(done) if done.block == 99));
        reached
    }

    pub(crate) async fn goodbye(mut self) -> Vec<Entry> {
        self.tell(Command::Goodbye(proto::Goodbye {})).await;
        while let Some(message) = tokio::time::timeout(PATIENCE, self.joined.messages.next()).await.expect("in time") {
            match message.expect("the stream is well").message {
                Some(Message::Rows(rows)) => {
                    self.rows.extend(rows.lines.iter().map(|line| serde_json::from_str(line).expect("a row")));
                }
                other => panic!("only rows are left: {other:?}"),
            }
        }
        drop(self.joined);
        let ended = tokio::task::spawn_blocking(move || self.thread.join()).await.expect("it can be waited for");
        ended.expect("it does not panic").expect("it ends in order");
        self.rows
    }

    /// The orchestrator is gone: how the agent ends.
    pub(crate) async fn forsake(self) -> Result<(), AgentError> {
        drop(self.joined);
        let ended = tokio::task::spawn_blocking(move || self.thread.join()).await.expect("it can be waited for");
        ended.expect("it does not panic")
    }
}
