//! What is on one replica, asked for on another one: the stream of a call, a task.

use std::net::SocketAddr;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::sessions::{ask, open};
use super::{Cluster, signal, until};

const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// Status and text of what a GET with the id of an event is answered with, once the replica knows the others.
fn come_back(address: SocketAddr, session: &str, last: &str) -> (u16, String) {
    ask(address, "GET", &format!("{session}Last-Event-ID: {last}\r\n"), "").expect("it answers")
}

/// A request that declares tasks, about the tool or task of this name.
fn modern(address: SocketAddr, method: &str, name: &str, mut params: Value) -> (u16, Value) {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "extensions": {EXTENSION: {}}},
    });
    let body = json!({"jsonrpc": "2.0", "id": 3, "method": method, "params": params}).to_string();
    let headers = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\nMcp-Name: {name}\r\n");
    let (status, answer) = ask(address, "POST", &headers, &body).expect("it answers");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
}

fn about(address: SocketAddr, method: &str, task: &str, mut params: Value) -> (u16, Value) {
    params["taskId"] = json!(task);
    modern(address, method, task, params)
}

#[test]
fn a_stream_is_come_back_to_on_another_replica() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 2, &["--fixtures", "conformance"]);
    let session = open(cluster.own(1));
    let call = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "test_reconnection"}});
    let (status, begun) = ask(cluster.own(1), "POST", &session, &call.to_string()).expect("it answers");
    assert!(status == 200 && !begun.contains("\"result\""), "the stream ends before its answer: {begun}");
    let id = begun.lines().find_map(|line| line.strip_prefix("id: ")).expect("an event has an id").to_string();
    until("the answer comes on the other replica", || {
        let (status, text) = come_back(cluster.own(2), &session, &id);
        status == 200 && text.contains("\"result\"") && text.ends_with("0\r\n\r\n")
    });
    let stranger = open(cluster.own(2));
    assert_eq!(come_back(cluster.own(2), &stranger, &id).0, 410, "it is another session's");
    let of_none = id.replacen('1', "9", 1);
    assert_eq!(come_back(cluster.own(2), &session, &of_none).0, 410, "there is no such replica");
    let mut events = cluster.watch();
    signal(cluster.pid(1), Signal::KILL);
    events.expect("down", 1);
    events.expect("up", 1);
    until("it is gone with its replica's life", || come_back(cluster.own(2), &session, &id).0 == 410);
}

#[test]
fn a_task_is_asked_after_and_cancelled_on_another_replica() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 2, &["--fixtures", "conformance"]);
    let arguments = json!({"name": "slow_compute", "arguments": {"seconds": 60, "label": "x"}});
    let (_, created) = modern(cluster.own(1), "tools/call", "slow_compute", arguments);
    let task = created["result"]["taskId"].as_str().unwrap_or_else(|| panic!("no task: {created}")).to_string();
    until("the other replica finds it", || {
        let (status, seen) = about(cluster.own(2), "tasks/get", &task, json!({}));
        status == 200 && seen["result"]["status"] == "working" && seen["id"] == 3
    });
    let (status, cancelled) = about(cluster.own(2), "tasks/cancel", &task, json!({}));
    assert_eq!((status, &cancelled["result"]["resultType"]), (200, &json!("complete")), "{cancelled}");
    for replica in [1, 2] {
        let (_, seen) = about(cluster.own(replica), "tasks/get", &task, json!({}));
        assert_eq!(seen["result"]["status"], "cancelled", "{seen}");
    }
    let asking = json!({"name": "confirm_delete", "arguments": {"filename": "f"}});
    let (_, created) = modern(cluster.own(1), "tools/call", "confirm_delete", asking);
    let task = created["result"]["taskId"].as_str().expect("a task").to_string();
    let answers = json!({"inputResponses": {"confirm": {"action": "accept", "content": {"confirm": true}}}});
    until("its answer is taken", || {
        about(cluster.own(2), "tasks/update", &task, answers.clone());
        about(cluster.own(2), "tasks/get", &task, json!({})).1["result"]["status"] == "completed"
    });
    for other in ["9-0-x", "x", "1-0-x"] {
        let (_, unknown) = about(cluster.own(2), "tasks/get", other, json!({}));
        assert_eq!(unknown["error"]["code"], -32_602, "{other}: {unknown}");
    }
}

#[test]
fn a_replica_that_is_away_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 2, &["--fixtures", "conformance"]);
    let mut events = cluster.watch();
    let before = cluster.pid(1);
    signal(before, Signal::STOP);
    events.expect("down", 1);
    // So that no other process takes its place before that was asked.
    signal(cluster.child.id(), Signal::STOP);
    assert_eq!(about(cluster.own(2), "tasks/get", "1-0-x", json!({})).0, 503);
    signal(cluster.child.id(), Signal::CONT);
    until("another process is there", || cluster.is_elsewhere(1, before) && cluster.replica(1)["member"] == true);
    assert_eq!(about(cluster.own(2), "tasks/get", "1-0-x", json!({})).0, 200);
}
