//! Operations of a cluster: what dies in between changes nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Cluster, PATIENCE, is_alive, signal, until};

/// Status and body of the answer; none where the connection broke.
fn post(address: SocketAddr, method: &str, name: &str, params: &str, meta: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let body = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{{{params}\"_meta\":{{\
         \"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
         \"io.modelcontextprotocol/clientCapabilities\":{{}}{meta}}}}}}}"
    );
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n\
         {name}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, serde_json::from_str(body).ok()?))
}

pub(super) fn append(address: SocketAddr, id: &str) -> Option<(u16, Value)> {
    let params = format!("\"name\":\"append\",\"arguments\":{{\"value\":\"v\",\"nonce\":\"n-{id}\"}},");
    post(address, "tools/call", "Mcp-Name: append\r\n", &params, &format!(",\"io.erlmcp/operation\":\"{id}\""))
}

fn state(address: SocketAddr, id: &str) -> Value {
    let params = format!("\"operation\":\"{id}\",");
    post(address, "operation/status", "", &params, "").map_or(Value::Null, |(_, body)| body["result"]["state"].clone())
}

pub(super) fn about(answer: &Value) -> &Value {
    &answer["result"]["_meta"]["io.erlmcp/operation"]
}

/// The process of the store, once it is ready.
pub(super) fn store(cluster: &Cluster) -> u32 {
    until("the store is ready", || cluster.status()["store"]["state"] == "ready");
    u32::try_from(cluster.status()["store"]["pid"].as_u64().expect("it has a process")).expect("a process id")
}

#[test]
fn a_result_is_the_same_on_every_replica_and_outlives_replica_and_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("operations.db");
    let path_text = path.display().to_string();
    let cluster = Cluster::start_with(folder.path(), 2, &["--store", &path_text]);
    let (status, first) = append(cluster.own(1), "a").expect("an answer");
    assert_eq!((status, &about(&first)["replayed"]), (200, &json!(false)), "{first}");
    let (status, again) = append(cluster.own(2), "a").expect("an answer");
    assert_eq!((status, &about(&again)["replayed"]), (200, &json!(true)), "{again}");

    let pid = cluster.pid(1);
    signal(pid, Signal::KILL);
    until("replica 1 is back", || cluster.replica(1)["member"] == true && cluster.replica(1)["pid"] != pid);
    let (_, after) = append(cluster.own(1), "a").expect("an answer");
    assert_eq!(about(&after), about(&again));
    let (_, next) = append(cluster.own(1), "b").expect("an answer");
    assert!(about(&next)["epoch"].as_u64() > about(&after)["epoch"].as_u64(), "{next}");

    let pid = store(&cluster);
    signal(pid, Signal::KILL);
    until("the store is back", || {
        let store = &cluster.status()["store"];
        store["state"] == "ready" && store["pid"] != pid && store["restarts"] == 1
    });
    let (status, after) = append(cluster.own(2), "a").expect("an answer");
    assert_eq!((status, about(&after)), (200, about(&again)));
    let (status, third) = append(cluster.own(1), "c").expect("an answer");
    assert_eq!((status, &about(&third)["epoch"]), (200, &about(&next)["epoch"]), "the same process");

    let to = folder.path().join("effects");
    let exported = cluster.ask(json!({"op": "effects", "to": to}));
    let text = std::fs::read_to_string(&to).expect("it is there");
    assert_eq!(exported, json!({"ok": true, "rows": text.lines().count()}));
    for id in ["a", "b", "c"] {
        let of = |event: &str| {
            let is = |line: &&str| line.split('\t').collect::<Vec<_>>()[1..4] == [event, "-", id];
            text.lines().filter(is).count()
        };
        assert_eq!(["accepted", "started", "effect", "done"].map(of), [1; 4], "{text}");
    }
    let refused = cluster.ask(json!({"op": "effects", "to": "effects"}));
    assert_eq!(refused["ok"], false);
}

#[test]
fn without_its_store_a_cluster_refuses_operations_and_serves_calls() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 1);
    assert_eq!(append(cluster.own(1), "a").expect("an answer").0, 200);
    let pid = store(&cluster);
    signal(pid, Signal::STOP);
    let (status, refused) = append(cluster.own(1), "b").expect("an answer");
    assert_eq!((status, &refused["error"]["code"]), (503, &json!(53_003)), "{refused}");
    let data = &refused["error"]["data"];
    assert_eq!((&data["executed"], &data["scope"]), (&json!(false), &json!("store")));
    let params = "\"name\":\"echo\",\"arguments\":{\"text\":\"x\"},";
    let plain = post(cluster.own(1), "tools/call", "Mcp-Name: echo\r\n", params, "").expect("an answer");
    assert_eq!(plain.0, 200);
    // It is not fenced before two seconds, which the refusal took; either way it comes back.
    signal_where_alive(pid, Signal::CONT);
    until("operations go on", || append(cluster.own(1), "b").is_some_and(|(status, _)| status == 200));
    assert_eq!(state(cluster.own(1), "b"), "done");
}

fn signal_where_alive(pid: u32, which: Signal) {
    if is_alive(pid) {
        signal(pid, which);
    }
}

#[test]
fn a_private_store_goes_with_its_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cluster = Cluster::start(folder.path(), 1);
    let pid = store(&cluster);
    let path = cluster.status()["store"]["path"].as_str().expect("a path").to_string();
    assert!(std::path::Path::new(&path).exists());
    assert_eq!(cluster.ask(json!({"op": "stop"}))["ok"], true);
    assert_eq!(cluster.end(), Some(0));
    assert!(!std::path::Path::new(&path).exists() && !is_alive(pid));
}

#[test]
fn a_store_that_cannot_be_had_is_said_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let control = super::socket(folder.path());
    let output = super::command(&control, "127.0.0.1:0", 1)
        .args(["--store", "/nowhere/at/all/operations.db"])
        .output()
        .expect("the binary was built");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("/nowhere/at/all/operations.db") && said.contains("--store"), "{said}");
}
