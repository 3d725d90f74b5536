//! What one replica begins and another one goes on with.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

use super::{Cluster, PATIENCE};

/// Sends a request; gives the connection behind the head of the answer, and the length of its body where it has one.
fn send(address: SocketAddr, method: &str, name: &str, mut params: Value) -> (BufReader<TcpStream>, usize) {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
         Mcp-Method: {method}\r\nMcp-Name: {name}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("it reads");
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).expect("a head");
        if let Some(digits) = line.strip_prefix("Content-Length: ") {
            length = digits.trim().parse().expect("a length");
        }
        if line.trim().is_empty() {
            return (stream, length);
        }
    }
}

fn call(address: SocketAddr, tool: &str, mut params: Value) -> Value {
    params["name"] = json!(tool);
    let (mut stream, length) = send(address, "tools/call", tool, params);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    serde_json::from_slice(&body).expect("an answer is JSON")
}

fn read_until(stream: &mut BufReader<TcpStream>, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(stream.read_line(&mut line).expect("a line in time") > 0, "the stream ended before {text:?}");
    }
}

#[test]
fn what_a_tool_changes_on_one_replica_is_told_by_the_others_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 2, &["--fixtures", "conformance"]);
    let filter = json!({"promptsListChanged": true, "resourceSubscriptions": ["test://watched-resource"]});
    let (mut stream, _) = send(cluster.own(2), "subscriptions/listen", "", json!({"notifications": filter}));
    read_until(&mut stream, "notifications/subscriptions/acknowledged");
    call(cluster.own(1), "test_trigger_prompt_change", json!({}));
    read_until(&mut stream, "notifications/prompts/list_changed");
    call(cluster.own(1), "test_trigger_resource_change", json!({}));
    read_until(&mut stream, "\"uri\":\"test://watched-resource\"");
}

#[test]
fn what_one_replica_asked_another_one_takes_the_answer_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 2, &["--fixtures", "conformance"]);
    let tool = "test_input_required_result_request_state";
    let asked = call(cluster.own(1), tool, json!({}));
    let state = asked["result"]["requestState"].as_str().expect("a state").to_string();
    let inputs = json!({"confirm": {"action": "accept", "content": {"ok": true}}});
    let retry = |state: &str| json!({"inputResponses": inputs, "requestState": state});
    let done = call(cluster.own(2), tool, retry(&state));
    assert_eq!(done["result"]["content"][0]["text"], "state-ok", "{done}");
    let changed = call(cluster.own(2), tool, retry(&format!("{state}x")));
    assert_eq!(changed["error"]["code"], -32_602, "{changed}");
}
