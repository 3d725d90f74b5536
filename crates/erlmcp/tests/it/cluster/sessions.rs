//! Sessions of the older era: every replica takes what one has signed, until its client ends it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::modern::call;
use super::{Cluster, PATIENCE, signal, until};

const PING: &str = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;

/// Status and head of the answer to a request of its own connection; none where that broke.
pub(super) fn ask(address: SocketAddr, method: &str, headers: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(
        stream,
        "{method} /mcp HTTP/1.1\r\nHost: {address}\r\nAccept: application/json, text/event-stream\r\n\
         Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some((answer.split(' ').nth(1)?.parse().ok()?, answer))
}

/// Opens a session; the header that names it.
pub(super) fn open(address: SocketAddr) -> String {
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": {"name": "t", "version": "1"}}});
    let (status, head) = ask(address, "POST", "", &initialize.to_string()).expect("it answers");
    assert_eq!(status, 200, "{head}");
    let line = head.lines().find(|line| line.starts_with("Mcp-Session-Id: ")).expect("a session");
    format!("{line}\r\n")
}

/// A GET stream of a session; `headers` name it.
pub(super) fn begin_stream(address: SocketAddr, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(stream, "GET /mcp HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n{headers}\r\n")
        .expect("it reads");
    stream
}

pub(super) fn ping(address: SocketAddr, session: &str) -> Option<u16> {
    ask(address, "POST", session, PING).map(|(status, _)| status)
}

#[test]
fn a_session_lives_and_ends_on_all_replicas() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 3);
    let (session, other) = (open(cluster.own(1)), open(cluster.own(2)));
    for replica in 1..=3 {
        for session in [&session, &other] {
            assert_eq!(ping(cluster.own(replica), session), Some(200), "replica {replica}");
        }
    }
    // A stream on one replica ends with a DELETE on another one.
    let mut stream = begin_stream(cluster.own(3), &session);
    until("the stream is open", || cluster.replica(3)["snapshot"]["streams"] == 1);
    let ended = ask(cluster.own(2), "DELETE", &session, "").expect("it answers");
    assert_eq!(ended.0, 204, "{}", ended.1);
    for replica in 1..=3 {
        assert_eq!(ping(cluster.own(replica), &session), Some(404), "replica {replica}");
        assert_eq!(ping(cluster.own(replica), &other), Some(200), "replica {replica}");
    }
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("the stream ends");
    assert!(said.ends_with("0\r\n\r\n"), "{said}");
}

#[test]
fn a_replica_that_comes_back_knows_which_sessions_have_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 2);
    let (session, other) = (open(cluster.own(1)), open(cluster.own(2)));
    assert_eq!(ask(cluster.own(1), "DELETE", &session, "").map(|answer| answer.0), Some(204));
    let mut events = cluster.watch();
    signal(cluster.pid(2), Signal::KILL);
    events.expect("down", 2);
    // While a replica is away, its absence holds up no DELETE.
    let third = open(cluster.own(1));
    assert_eq!(ask(cluster.own(1), "DELETE", &third, "").map(|answer| answer.0), Some(204));
    events.expect("up", 2);
    assert_eq!(ping(cluster.own(2), &session), Some(404));
    assert_eq!(ping(cluster.own(2), &third), Some(404));
    assert_eq!(ping(cluster.own(2), &other), Some(200));
}

#[test]
fn a_replica_that_comes_back_knows_what_sessions_have_subscribed_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 2, &["--fixtures", "conformance"]);
    let session = open(cluster.own(1));
    let subscribe = json!({"jsonrpc": "2.0", "id": 2, "method": "resources/subscribe",
        "params": {"uri": "test://watched-resource"}});
    let (status, answer) = ask(cluster.own(1), "POST", &session, &subscribe.to_string()).expect("it answers");
    assert_eq!(status, 200, "{answer}");
    until("the other one knows", || cluster.replica(2)["snapshot"]["sessions_held"] == 1);
    let mut events = cluster.watch();
    signal(cluster.pid(1), Signal::KILL);
    events.expect("down", 1);
    events.expect("up", 1);
    let before = cluster.pid(2);
    signal(before, Signal::TERM);
    until("another process is there", || cluster.is_elsewhere(2, before));
    for replica in [1, 2] {
        let stream = begin_stream(cluster.own(replica), &session);
        until("the stream is open", || cluster.replica(replica.into())["snapshot"]["streams"] == 1);
        call(cluster.own(1), "test_trigger_resource_change", json!({}));
        let told = message_with(&mut BufReader::new(stream), "method");
        assert_eq!(told["params"]["uri"], "test://watched-resource", "replica {replica}: {told}");
    }
}

#[test]
fn a_call_is_cancelled_from_another_replica() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 2);
    let session = open(cluster.own(1));
    let call = json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call",
        "params": {"name": "work", "arguments": {"ms": 25_000}}});
    let address = cluster.own(1);
    let headers = session.clone();
    let caller = std::thread::spawn(move || ask(address, "POST", &headers, &call.to_string()));
    until("the call runs", || cluster.replica(1)["snapshot"]["queue"]["workers_active"] == 1);
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "c"}});
    assert_eq!(ask(cluster.own(2), "POST", &session, &cancel.to_string()).map(|answer| answer.0), Some(202));
    let (status, answer) = caller.join().expect("it ends").expect("it is answered");
    assert!(status == 200 && answer.ends_with("\r\n\r\n"), "a cancelled call has no result: {answer}");
}

/// Reads on until an event's message has a member.
fn message_with(stream: &mut impl BufRead, member: &str) -> Value {
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).expect("a line in time") > 0, "the stream ended without {member}");
        let message = line.strip_prefix("data: ").and_then(|data| serde_json::from_str::<Value>(data).ok());
        if let Some(message) = message.filter(|message| message.get(member).is_some()) {
            return message;
        }
    }
}

#[test]
fn an_answer_reaches_the_replica_that_has_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 2, &["--fixtures", "conformance"]);
    let session = open(cluster.own(1));
    let call = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call",
        "params": {"name": "test_elicitation", "arguments": {"message": "Who?"}}});
    let call = call.to_string();
    let address = cluster.own(1);
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAccept: application/json, text/event-stream\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n{session}\r\n{call}",
        call.len()
    )
    .expect("it reads");
    let mut stream = BufReader::new(stream);
    let question = message_with(&mut stream, "method");
    assert_eq!(question["method"], "elicitation/create", "{question}");
    let answer = json!({"jsonrpc": "2.0", "id": question["id"],
        "result": {"action": "accept", "content": {"username": "ada", "email": "ada@example.org"}}});
    assert_eq!(ask(cluster.own(2), "POST", &session, &answer.to_string()).map(|answer| answer.0), Some(202));
    let result = message_with(&mut stream, "result");
    assert_eq!(result["id"], 5, "{result}");
}
