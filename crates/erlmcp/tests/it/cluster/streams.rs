//! What one replica's subscribers have to learn from elsewhere.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::json;

use super::{Cluster, PATIENCE, until};

/// An open stream of list changes.
fn listen(address: SocketAddr) -> BufReader<TcpStream> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": {
        "notifications": {"toolsListChanged": true},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }});
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
         Mcp-Method: subscriptions/listen\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("it reads");
    BufReader::new(stream)
}

/// Reads on until a line has `text`.
fn read_until(stream: &mut BufReader<TcpStream>, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(stream.read_line(&mut line).expect("a line in time") > 0, "the stream ended before {text:?}");
    }
}

#[test]
fn a_list_change_reaches_the_streams_of_all_replicas() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 2);
    let mut streams = [listen(cluster.own(1)), listen(cluster.own(2))];
    for stream in &mut streams {
        read_until(stream, "notifications/subscriptions/acknowledged");
    }
    assert_eq!(cluster.ask(json!({"op": "notify", "list": "tools"})), json!({"ok": true}));
    for stream in &mut streams {
        read_until(stream, "notifications/tools/list_changed");
    }
    assert_eq!(cluster.ask(json!({"op": "notify", "list": "spoons"}))["ok"], false);
}

#[test]
fn a_replica_that_goes_ends_its_streams_with_their_result() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 2);
    let mut stream = listen(cluster.own(2));
    read_until(&mut stream, "notifications/subscriptions/acknowledged");
    until("the stream is counted", || cluster.replica(2)["snapshot"]["streams"] == 1);
    assert_eq!(cluster.ask(json!({"op": "scale", "replicas": 1}))["ok"], true);
    read_until(&mut stream, "\"resultType\":\"complete\"");
}
