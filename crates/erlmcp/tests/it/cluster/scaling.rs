//! More replicas, fewer replicas.

use rustix::process::Signal;
use serde_json::json;

use super::replacing::Kept;
use super::{Cluster, get, is_alive, signal, until};

#[test]
fn up_and_down_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 1);
    let first = cluster.pid(1);
    let mut events = cluster.watch();
    assert_eq!(cluster.ask(json!({"op": "scale", "replicas": 3})), json!({"ok": true, "replicas": 3}));
    let pids = cluster.pids();
    for replica in 1..=3 {
        assert_eq!(get(cluster.own(replica), "/ready").expect("it listens").0, 200);
    }
    events.expect("up", 2);
    assert_eq!(cluster.ask(json!({"op": "scale", "replicas": 1})), json!({"ok": true, "replicas": 1}));
    assert_eq!(cluster.pids(), [first], "the highest numbers go");
    assert!(!pids[1..].iter().copied().any(is_alive));
    assert!(get(cluster.own(2), "/ready").is_none());
    assert_eq!(get(cluster.shared, "/ready").expect("it listens").0, 200);
}

#[test]
fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 1);
    let refused = |request| {
        let answer = cluster.ask(request);
        assert_eq!(answer["ok"], false, "{answer}");
        answer["error"].as_str().expect("a sentence").to_string()
    };
    assert!(refused(json!({"op": "scale", "replicas": 0})).contains("1 to 1000 replicas"));
    let taken = std::net::TcpListener::bind(cluster.own(3)).expect("free");
    assert!(refused(json!({"op": "scale", "replicas": 4})).contains(&format!("{} is in use", cluster.own(3))));
    drop(taken);
    assert_eq!(cluster.pids().len(), 1);
    assert!(refused(json!({"op": "dance"})).starts_with("not a request: "));
    assert_eq!(cluster.ask(json!({"op": "scale", "replicas": 2}))["ok"], true);
}

/// Kills what is started for replica 1 until nothing is started any more.
fn wear_out(cluster: &Cluster) {
    let mut killed = 0;
    until("it is given up", || {
        let replica = cluster.replica(1);
        if let Some(pid) = replica["pid"].as_u64().filter(|pid| *pid != killed) {
            killed = pid;
            signal(u32::try_from(pid).expect("a process id"), Signal::KILL);
        }
        replica["state"] == "failed"
    });
}

#[test]
fn replicas_that_still_end_after_a_scaling_that_failed_are_none_that_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 2, &["--drain-timeout", "60s"]);
    let mut busy = Kept::to(&cluster, 2);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "work", "arguments": {"ms": 60_000}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}}}})
    .to_string();
    busy.send(&format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: work\r\nContent-Length: {}\r\n\r\n{body}",
        cluster.own(2),
        body.len()
    ));
    wear_out(&cluster);
    std::thread::scope(|threads| {
        let scaled = threads.spawn(|| cluster.ask(json!({"op": "scale", "replicas": 1})));
        until("it is started again", || cluster.replica(1)["state"] != "failed");
        wear_out(&cluster);
        assert_eq!(scaled.join().expect("it is answered")["ok"], false);
    });
    assert_eq!(cluster.replica(2)["state"], "draining");
    let refused = cluster.ask(json!({"op": "scale", "replicas": 2}));
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("ask again")), "{refused}");
}
