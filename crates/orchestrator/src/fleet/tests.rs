use erlmcp_load::proto::control_client::ControlClient;
use erlmcp_load::proto::{AgentMessage, Done, Hello, Planned, Ready, Rows, agent_message::Message};
use erlmcp_record::{AgentSample, Entry};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming};

use super::door::STRANGERS_MAX;
use super::*;
use crate::event::Said;

/// An agent of the test's own: what it says is written by the test.
struct FakeAgent {
    messages: mpsc::Sender<AgentMessage>,
    commands: Streaming<proto::Command>,
}

impl FakeAgent {
    async fn join(fleet: &Fleet, index: u32, token: &str) -> Result<Self, Status> {
        let version = env!("CARGO_PKG_VERSION").into();
        Self::hello(fleet, Hello { token: token.into(), version, index, ..Hello::default() }).await
    }

    async fn hello(fleet: &Fleet, hello: Hello) -> Result<Self, Status> {
        let mut client = ControlClient::connect(format!("http://{}", fleet.address)).await.expect("the door is open");
        let (messages, sent) = mpsc::channel(8);
        let mut request = Request::new(ReceiverStream::new(sent));
        let shown = format!("Bearer {}", hello.token).parse().expect("it is ASCII");
        request.metadata_mut().insert("authorization", shown);
        messages.send(message(Message::Hello(hello))).await.expect("there is room");
        let commands = client.join(request).await?.into_inner();
        Ok(Self { messages, commands })
    }

    async fn say(&self, said: Message) {
        self.messages.send(message(said)).await.expect("the stream is there");
    }

    async fn told(&mut self) -> Option<Command> {
        self.commands.message().await.expect("no error").and_then(|command| command.command)
    }
}

fn message(message: Message) -> AgentMessage {
    AgentMessage { message: Some(message) }
}

fn clock() -> RunClock {
    RunClock::new(erlmcp_load::clock::monotonic_ns())
}

/// A fleet whose agents are started elsewhere.
async fn open_door(agents: u32) -> (Fleet, mpsc::Receiver<Event>) {
    let (events, heard) = mpsc::channel(64);
    let mut fleet = Fleet::listen(agents, (events, clock())).await.expect("a port");
    (0..agents).for_each(|agent| fleet.attend(agent, None));
    (fleet, heard)
}

async fn said(heard: &mut mpsc::Receiver<Event>) -> (u32, Said) {
    match timeout(Duration::from_secs(20), heard.recv()).await.expect("in time").expect("the fleet is there") {
        Event::Agent { agent, said } => (agent, said),
        event => panic!("not an agent's: {event:?}"),
    }
}

#[tokio::test]
async fn an_agent_joins_is_set_up_and_is_heard() {
    let (mut fleet, mut heard) = open_door(1).await;
    let mut agent = FakeAgent::join(&fleet, 0, &fleet.token).await.expect("let in");
    fleet.all_here().await.expect("it has come");
    let answers = async {
        let told = agent.told().await;
        agent.say(Message::Ready(Ready { connections_possible: 7 })).await;
        told
    };
    let setup = Setup { agents: 1, seed: 3, ..Setup::default() };
    let (possible, told) = tokio::join!(fleet.set_up(0, setup.clone()), answers);
    assert_eq!((possible, told), (Ok(7), Some(Command::Setup(setup))));

    let row = Entry::Agent(AgentSample { agent: 0, second: 4, ..AgentSample::default() });
    let line = serde_json::to_string(&row).expect("a row");
    agent.say(Message::Planned(Planned { block: 5, planned: 6 })).await;
    agent.say(Message::Rows(Rows { lines: vec![line] })).await;
    agent.say(Message::Done(Done { block: 5 })).await;
    assert!(matches!(said(&mut heard).await, (0, Said::Planned { block: 5, planned: 6 })));
    assert!(matches!(said(&mut heard).await, (0, Said::Rows(rows)) if rows == [row]));
    assert!(matches!(said(&mut heard).await, (0, Said::Done { block: 5 })));

    fleet.command(0, Command::Goodbye(proto::Goodbye {}));
    assert_eq!(agent.told().await, Some(Command::Goodbye(proto::Goodbye {})));
    let FakeAgent { messages, mut commands } = agent;
    drop(messages);
    assert!(matches!(said(&mut heard).await, (0, Said::Gone(_))));
    assert_eq!(commands.message().await.expect("hung up in order"), None);
    assert_eq!(fleet.dismiss().await, 0);
}

#[tokio::test]
async fn a_stranger_is_not_let_in() {
    let (fleet, _heard) = open_door(1).await;
    let wrong = "0".repeat(fleet.token.len());
    for (index, token, code) in [
        (0, "", Code::Unauthenticated),
        (0, wrong.as_str(), Code::Unauthenticated),
        (1, fleet.token.as_str(), Code::InvalidArgument),
    ] {
        let refused = FakeAgent::join(&fleet, index, token).await.err().expect("refused");
        assert_eq!(refused.code(), code, "{refused}");
    }
    let _first = FakeAgent::join(&fleet, 0, &fleet.token).await.expect("let in");
    let second = FakeAgent::join(&fleet, 0, &fleet.token).await.err().expect("its place is taken");
    assert_eq!(second.code(), Code::AlreadyExists);
}

#[tokio::test]
async fn nothing_is_read_of_who_shows_no_token() {
    let (fleet, _heard) = open_door(1).await;
    let mut client = ControlClient::connect(format!("http://{}", fleet.address)).await.expect("the door is open");
    let (_messages, sent) = mpsc::channel::<AgentMessage>(1);
    let answered = timeout(Duration::from_secs(5), client.join(ReceiverStream::new(sent))).await;
    let refused = answered.expect("no message is waited for").expect_err("refused");
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
}

#[tokio::test]
async fn there_are_few_places_for_silent_connections() {
    let (mut fleet, _heard) = open_door(1).await;
    let agent = FakeAgent::join(&fleet, 0, &fleet.token).await.expect("let in");
    fleet.all_here().await.expect("it has come");
    let mut silent = Vec::new();
    for _ in 0..STRANGERS_MAX {
        silent.push(TcpStream::connect(fleet.address).await.expect("it listens"));
    }
    let mut more = TcpStream::connect(fleet.address).await.expect("it listens");
    let read = timeout(Duration::from_secs(5), more.read(&mut [0])).await.expect("it is closed at once");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    drop((silent, agent));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_ends_its_agent() {
    let (mut fleet, mut heard) = open_door(1).await;
    let agent = FakeAgent::join(&fleet, 0, &fleet.token).await.expect("let in");
    fleet.all_here().await.expect("it has come");
    agent.say(Message::Rows(Rows { lines: vec!["{\"row\":\"nonsense\"}".into()] })).await;
    assert!(matches!(said(&mut heard).await, (0, Said::Gone(why)) if why.contains("cannot be read")));
}

#[tokio::test]
async fn its_own_reason_goes_before_the_end_of_its_stream() {
    let (mut fleet, mut heard) = open_door(1).await;
    let agent = FakeAgent::join(&fleet, 0, &fleet.token).await.expect("let in");
    fleet.all_here().await.expect("it has come");
    agent.say(Message::Failure(proto::Failure { what: "no descriptors are left".into() })).await;
    let gone = said(&mut heard).await;
    assert!(matches!(&gone, (0, Said::Gone(why)) if why == "no descriptors are left"), "{gone:?}");
    drop(agent);
}

#[tokio::test]
async fn a_process_that_ends_instead_of_joining_is_named_with_its_reason() {
    let (events, _heard) = mpsc::channel(64);
    let mut fleet = Fleet::listen(1, (events, clock())).await.expect("a port");
    // Any program will do that does not know the word.
    let error = fleet.start(Path::new("/bin/cat")).await.expect_err("cat is no agent").to_string();
    assert!(error.starts_with("agent 0 cannot work: its process ended with exit code 1: "), "{error}");
    assert_eq!(fleet.dismiss().await, 0);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let (events, _heard) = mpsc::channel(64);
    let mut fleet = Fleet::listen(1, (events, clock())).await.expect("a port");
    let error = fleet.start(Path::new("/nowhere/erlmcp")).await.expect_err("nothing there").to_string();
    assert!(error.contains("/nowhere/erlmcp"), "{error}");
}

fn joining(tls: Option<JoiningTls>) -> Joining {
    let (listen, token) = ("127.0.0.1:0".parse().expect("an address"), "0123456789abcdef".to_string());
    Joining { listen, token, wait: Duration::from_secs(20), tls }
}

/// One that was started elsewhere, an hour ahead; with its answers to questions for the time, as many as it is asked.
async fn guest(fleet: &Fleet, token: &str, version: &str) -> Result<FakeAgent, Status> {
    let hello = Hello { token: token.into(), version: version.into(), joins: true, ..Hello::default() };
    FakeAgent::hello(fleet, Hello { host: "elsewhere".into(), cores: 3, ..hello }).await
}

const HOUR_NS: u64 = 3_600_000_000_000;

#[tokio::test]
async fn who_joins_is_mapped_by_its_clock_and_gone_when_it_says_nothing() {
    let (events, mut heard) = mpsc::channel(64);
    let mut fleet = Fleet::invite(1, &joining(None), (events, clock())).await.expect("a port");
    let token = fleet.token.clone();
    let mut agent = guest(&fleet, &token, env!("CARGO_PKG_VERSION")).await.expect("let in");
    let full = guest(&fleet, &token, env!("CARGO_PKG_VERSION")).await.err().expect("no place");
    assert_eq!(full.code(), Code::ResourceExhausted, "{full}");
    // It answers until it has its setup, and then never again.
    let answers = async {
        loop {
            match agent.told().await {
                Some(Command::Clock(asked)) => {
                    let now_ns = erlmcp_load::clock::monotonic_ns() + HOUR_NS;
                    agent.say(Message::ClockIs(proto::ClockIs { asked_ns: asked.asked_ns, now_ns })).await;
                }
                Some(Command::Setup(setup)) => {
                    agent.say(Message::Ready(Ready { connections_possible: 7 })).await;
                    break setup.monotonic_base_ns;
                }
                other => panic!("not told before: {other:?}"),
            }
        }
    };
    let set_up = async {
        let joined = fleet.joined(0).await.expect("it has joined");
        let setup = Setup { monotonic_base_ns: 1_000, ..Setup::default() };
        (fleet.set_up(0, setup).await, joined)
    };
    let (base_ns, (possible, joined)) = tokio::join!(answers, set_up);
    assert_eq!((possible, joined.host.as_str(), joined.cores), (Ok(7), "elsewhere", 3));
    assert!(joined.offset.ns.abs_diff(HOUR_NS as i64) <= joined.offset.uncertainty_ns, "{joined:?}");
    assert_eq!(base_ns, 1_000u64.wrapping_add_signed(joined.offset.ns));
    loop {
        match said(&mut heard).await {
            (0, Said::Gone(why)) => {
                assert!(why.starts_with("nothing was heard of it") && why.contains("elsewhere"), "{why}");
                break;
            }
            (0, Said::Rows(rows)) => assert!(matches!(rows[..], [Entry::Clock(_)]), "{rows:?}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fleet.dismiss().await, 0);
}

#[tokio::test]
async fn a_guest_with_another_token_or_version_is_told_why_it_stays_outside() {
    let (events, _heard) = mpsc::channel(64);
    let fleet = Fleet::invite(1, &joining(None), (events, clock())).await.expect("a port");
    let refused = guest(&fleet, "fedcba9876543210", env!("CARGO_PKG_VERSION")).await.err().expect("another token");
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(!refused.message().contains(&fleet.token));
    let refused = guest(&fleet, &fleet.token, "0.0.1").await.err().expect("another version");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("0.0.1") && refused.message().contains("same version"), "{refused}");
    let own = FakeAgent::join(&fleet, 0, &fleet.token).await.err().expect("no guest");
    assert_eq!(own.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn nobody_is_waited_for_who_never_came() {
    let (events, _heard) = mpsc::channel(64);
    let fleet = Fleet::invite(2, &joining(None), (events, clock())).await.expect("a port");
    let gone = timeout(GOODBYE / 2, fleet.dismiss()).await.expect("at once");
    assert_eq!(gone, 0);
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_said_before_anyone_comes() {
    let (events, _heard) = mpsc::channel(64);
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_string();
    let tls = JoiningTls { certificate: nonsense.clone(), key: nonsense, agents_ca: None };
    let error = Fleet::invite(1, &joining(Some(tls)), (events, clock())).await.expect_err("it does not hold");
    assert!(error.to_string().contains("does not hold"), "{error}");
}
