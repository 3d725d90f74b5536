use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use erlmcp_load::proto::agent_message::Message;
use erlmcp_load::proto::command::Command;
use erlmcp_load::proto::{self, Request, Requests};
use erlmcp_record::{Entry, Fate, FateCounts, Kind};

use crate::control::Agent;
use crate::server::{self, Manner};

const CONNECTIONS: u64 = 40;

fn tool_call() -> Request {
    Request {
        method: "tools/call".into(),
        name: "one".into(),
        arguments: r#"{"text":"hi"}"#.into(),
        ..Request::default()
    }
}

/// What the rows tell of a block's requests of one kind; as many have a fate as were planned.
fn fates(rows: &[Entry], block: u32, kind: Kind) -> FateCounts {
    let mut sum = FateCounts::default();
    let mut planned = 0;
    for row in rows {
        if let Entry::Interval(row) = row
            && row.block == block
            && row.kind == kind
        {
            planned += row.planned;
            sum.merge(&row.fates);
        }
    }
    assert_eq!(sum.total(), planned, "each planned request of block {block} has one fate");
    sum
}

fn causes(rows: &[Entry]) -> BTreeMap<String, u64> {
    let mut sum = BTreeMap::new();
    for row in rows {
        if let Entry::Interval(row) = row {
            for (cause, count) in &row.causes {
                *sum.entry(cause.clone()).or_insert(0) += count;
            }
        }
    }
    sum
}

/// Opens, loads, sweeps and closes; every block gets its end.
async fn whole_run(manner: Manner, change: impl FnOnce(&mut proto::Setup)) -> (Vec<Entry>, u64, u64) {
    let server = server::start(manner).await;
    let mut agent = Agent::set_up(server.address, change).await;
    agent.tell(Command::Requests(Requests { load: Some(tool_call()), ..Requests::default() })).await;
    agent.tell(Command::Phase(proto::Phase { phase: 2 })).await;
    let open = proto::Open { block: 1, phase: 2, connections: CONNECTIONS, ..proto::Open::default() };
    agent.tell(Command::Open(open)).await;
    assert_eq!(agent.done(1).await, CONNECTIONS);
    let load = proto::Load {
        block: 2,
        phase: 3,
        rate: 300.0,
        duration_us: 1_000_000,
        retry_refused: true,
        settle_rate: 1_000.0,
        ..proto::Load::default()
    };
    agent.tell(Command::Load(load)).await;
    let planned = agent.done(2).await;
    agent.tell(Command::Sweep(proto::Sweep { block: 3, phase: 3, start_us: 0, duration_us: 100_000 })).await;
    assert_eq!(agent.done(3).await, CONNECTIONS);
    agent.tell(Command::Close(proto::Close { block: 4, phase: 6, ..proto::Close::default() })).await;
    assert_eq!(agent.done(4).await, 0);
    (agent.goodbye().await, planned, server.calls.load(Ordering::SeqCst))
}

async fn sweep(agent: &mut Agent, block: u32) {
    agent.tell(Command::Sweep(proto::Sweep { block, phase: 3, start_us: 0, duration_us: 1 })).await;
    agent.done(block).await;
}

/// The connections that the last row with any of them tells of.
fn open_at_the_end(rows: &[Entry]) -> Option<u64> {
    rows.iter().rev().find_map(|row| match row {
        Entry::Connections(row) => Some(row.open),
        _ => None,
    })
}

#[tokio::test]
async fn a_run_balances_from_the_first_connection_to_the_last() {
    let (rows, planned, calls) = whole_run(Manner::Modern, |_| {}).await;
    assert_eq!(planned, 300);
    assert_eq!(calls, 300, "the server has seen each of them once");
    for (block, kind, count) in [(1, Kind::Probe, CONNECTIONS), (2, Kind::Load, 300), (3, Kind::Sweep, CONNECTIONS)] {
        let fates = fates(&rows, block, kind);
        assert_eq!((fates.get(Fate::Ok), fates.total()), (count, count), "block {block}: {:?}", causes(&rows));
    }
    assert_eq!(open_at_the_end(&rows), Some(0));
    let samples = rows.iter().filter(|row| matches!(row, Entry::Agent(sample) if sample.rss_bytes > 0));
    assert!(samples.count() > 0, "the agent tells of itself once a second");
}

#[tokio::test]
async fn an_agent_takes_a_trace_of_millions_of_requests() {
    let server = server::start(Manner::Modern).await;
    let mut agent = Agent::set_up(server.address, |_| {}).await;
    let arrivals = 4 << 20;
    let trace = proto::Trace { after_us: vec![1; arrivals], sessions: vec![0; arrivals], period_us: arrivals as u64 };
    let workload = proto::Workload {
        steps: vec![proto::Step { request: Some(tool_call()), class: 1, ..proto::Step::default() }],
        sessions: vec![proto::Session { weight: 1, first: 0, steps: 1 }],
        values: Vec::new(),
        trace: Some(trace),
    };
    assert!(erlmcp_load::workload_bytes(&workload) >= 8 << 20);
    let (load, workload) = (Some(tool_call()), Some(workload));
    agent.tell(Command::Requests(Requests { load, workload, block: 1, ..Requests::default() })).await;
    let Message::Taken(taken) = agent.next().await else { panic!("it says that it has taken them") };
    assert_eq!((taken.block, taken.error.as_str()), (1, ""));
    agent.goodbye().await;
}

#[tokio::test]
async fn answers_in_event_streams_are_answers() {
    let (rows, planned, _) = whole_run(Manner::Streaming, |_| {}).await;
    assert_eq!(fates(&rows, 2, Kind::Load).get(Fate::Ok), planned, "{:?}", causes(&rows));
    let has_events = rows.iter().any(|row| matches!(row, Entry::Interval(row) if row.first_event.is_some()));
    assert!(has_events, "the time to the first event is told");
}

#[tokio::test]
async fn what_is_refused_is_tried_again_until_it_is_done() {
    let (rows, planned, calls) = whole_run(Manner::Busy, |_| {}).await;
    assert_eq!(fates(&rows, 2, Kind::Load).get(Fate::Ok), planned, "{:?}", causes(&rows));
    assert!(calls > planned, "refusals came in between");
}

#[tokio::test]
async fn a_legacy_server_is_loaded_in_a_session() {
    let (rows, planned, _) = whole_run(Manner::Legacy, |_| {}).await;
    assert_eq!(fates(&rows, 1, Kind::Probe).get(Fate::Ok), CONNECTIONS, "{:?}", causes(&rows));
    assert_eq!(fates(&rows, 2, Kind::Load).get(Fate::Ok), planned, "{:?}", causes(&rows));
}

#[tokio::test]
async fn a_session_that_the_server_has_forgotten_is_opened_anew() {
    let server = server::start(Manner::Forgetful(20)).await;
    let mut agent = Agent::set_up(server.address, |_| {}).await;
    agent.tell(Command::Requests(Requests { load: Some(tool_call()), ..Requests::default() })).await;
    agent.tell(Command::Open(proto::Open { block: 1, phase: 2, connections: 4, ..proto::Open::default() })).await;
    assert_eq!(agent.done(1).await, 4);
    let load = proto::Load { block: 2, phase: 3, rate: 100.0, duration_us: 300_000, ..proto::Load::default() };
    agent.tell(Command::Load(load)).await;
    let planned = agent.done(2).await;
    // The new session comes when it comes: all connections are asked until one of them speaks in it.
    let mut block = 3;
    while server.calls.load(Ordering::SeqCst) <= planned {
        assert!(block < 600, "no new session is opened");
        tokio::time::sleep(Duration::from_millis(50)).await;
        sweep(&mut agent, block).await;
        block += 1;
    }
    sweep(&mut agent, block).await;
    let rows = agent.goodbye().await;
    let load = fates(&rows, 2, Kind::Load);
    assert_eq!(load.get(Fate::Ok) + load.get(Fate::HttpError), planned, "{:?}", causes(&rows));
    assert!(load.get(Fate::HttpError) > 0, "what the old session has cost is counted");
    assert_eq!(fates(&rows, block, Kind::Sweep).get(Fate::Ok), 4, "the connections go on in a new session");
}

#[tokio::test]
async fn each_connection_has_a_session_of_its_own_where_that_is_wanted() {
    let (rows, planned, handshakes) = whole_run(Manner::ManySessions, |setup| setup.own_sessions = true).await;
    for (block, kind, count) in [(1, Kind::Probe, CONNECTIONS), (2, Kind::Load, planned), (3, Kind::Sweep, CONNECTIONS)]
    {
        assert_eq!(fates(&rows, block, kind).get(Fate::Ok), count, "block {block}: {:?}", causes(&rows));
    }
    assert_eq!(handshakes, CONNECTIONS + 1, "one each, and that by which the agent has found out the era");
    let (_, _, shared) = whole_run(Manner::ManySessions, |_| {}).await;
    assert_eq!(shared, 1);
}

/// The call is not answered before the test says so.
#[tokio::test]
async fn a_change_that_takes_its_time_holds_up_nothing() {
    let server = server::start(Manner::AskingAside).await;
    let mut agent = Agent::set_up(server.address, |_| {}).await;
    let change = proto::MakeChange { change: 1, tool: "old".into(), arguments: String::new() };
    agent.tell(Command::MakeChange(change)).await;
    assert!(agent.reach().await.ok);
    server.calls.store(1, Ordering::SeqCst);
    let Message::Changed(changed) = agent.next().await else { panic!("the change is told of") };
    assert_eq!((changed.change, changed.error.as_str()), (1, ""));
    agent.goodbye().await;
}

#[tokio::test]
async fn a_modern_server_is_known_with_all_pages_of_its_tools() {
    let server = server::start(Manner::Modern).await;
    let mut agent = Agent::set_up(server.address, |_| {}).await;
    let reached = agent.reach().await;
    assert!(reached.ok, "{reached:?}");
    assert_eq!((reached.era.as_str(), reached.server.as_str()), ("modern", "tiny 1"));
    assert_eq!(reached.versions, ["2026-07-28"]);
    let tools: Vec<(&str, bool)> = reached.tools.iter().map(|tool| (tool.name.as_str(), tool.read_only)).collect();
    assert_eq!(tools, [("one", true), ("two", false)]);
    agent.goodbye().await;
}

#[tokio::test]
async fn a_legacy_server_is_known_by_its_handshake() {
    let server = server::start(Manner::Legacy).await;
    let mut agent = Agent::set_up(server.address, |_| {}).await;
    let reached = agent.reach().await;
    assert!(reached.ok, "{reached:?}");
    assert_eq!((reached.era.as_str(), reached.server.as_str()), ("legacy", "old 3"));
    assert_eq!((reached.versions.len(), reached.tools.len()), (1, 1));
    agent.goodbye().await;
    let mut modern_only = Agent::set_up(server.address, |setup| setup.era = "modern".into()).await;
    let reached = modern_only.reach().await;
    assert!(!reached.ok && !reached.error.is_empty(), "{reached:?}");
    modern_only.goodbye().await;
}

#[tokio::test]
async fn each_way_of_not_being_an_mcp_server_has_its_sentence() {
    for (manner, words) in [
        (Manner::Page, "web page"),
        (Manner::Status(404), "is the path right"),
        (Manner::Status(401), "credentials"),
        (Manner::Status(403), "credentials"),
        (Manner::Status(301), "redirects"),
        (Manner::Status(500), "not able to answer now"),
        (Manner::Status(503), "not able to answer now"),
        (Manner::Gibberish, "does not speak HTTP"),
        (Manner::Closes, "closed the connection"),
    ] {
        let server = server::start(manner).await;
        let mut agent = Agent::set_up(server.address, |_| {}).await;
        let reached = agent.reach().await;
        assert!(!reached.ok && reached.error.contains(words), "{manner:?}: {reached:?}");
        agent.goodbye().await;
    }
}

#[tokio::test]
async fn where_nobody_listens_that_is_said() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let mut agent = Agent::set_up(address, |_| {}).await;
    let reached = agent.reach().await;
    assert!(!reached.ok && reached.error.contains("nobody listens"), "{reached:?}");
    agent.goodbye().await;
    let foreign = "192.0.2.1:80".parse().expect("an address");
    let mut agent = Agent::set_up(foreign, |_| {}).await;
    let reached = agent.reach().await;
    assert!(!reached.ok && reached.error.contains("--allow-host"), "{reached:?}");
    agent.goodbye().await;
}

#[tokio::test]
async fn a_wrong_setup_is_a_failure_in_a_sentence() {
    let mut agent = Agent::start().await;
    agent.tell(Command::Setup(proto::Setup { era: "future".into(), ..proto::Setup::default() })).await;
    match agent.next().await {
        Message::Failure(failure) => assert!(failure.what.contains("future"), "{failure:?}"),
        other => panic!("it cannot go on: {other:?}"),
    }
    agent.forsake().await.expect_err("it has failed");
}

#[tokio::test]
async fn an_agent_ends_when_its_orchestrator_is_gone() {
    let server = server::start(Manner::Modern).await;
    let mut agent = Agent::set_up(server.address, |_| {}).await;
    let open = proto::Open { block: 1, phase: 2, connections: CONNECTIONS, ..proto::Open::default() };
    agent.tell(Command::Open(open)).await;
    agent.done(1).await;
    agent.forsake().await.expect_err("there was no goodbye");
}
