//! Requests of the modern era, each on a connection of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

use super::PATIENCE;

/// Sends a request.
pub(super) fn begin(address: SocketAddr, method: &str, name: &str, mut params: Value) -> TcpStream {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({"elicitation": {}});
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
    stream
}

/// The same; gives the connection behind the head of the answer, and the length of its body where it has one.
fn send(address: SocketAddr, method: &str, name: &str, params: Value) -> (BufReader<TcpStream>, usize) {
    let mut stream = BufReader::new(begin(address, method, name, params));
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

/// The answer to a call of a tool.
pub(super) fn call(address: SocketAddr, tool: &str, mut params: Value) -> Value {
    params["name"] = json!(tool);
    let (mut stream, length) = send(address, "tools/call", tool, params);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    serde_json::from_slice(&body).expect("an answer is JSON")
}

/// Reads on until a line has `text`.
pub(super) fn read_until(stream: &mut BufReader<TcpStream>, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(stream.read_line(&mut line).expect("a line in time") > 0, "the stream ended before {text:?}");
    }
}

/// A stream of the changes that the filter names, behind its acknowledgement.
pub(super) fn listen(address: SocketAddr, filter: Value) -> BufReader<TcpStream> {
    let (mut stream, _) = send(address, "subscriptions/listen", "", json!({"notifications": filter}));
    read_until(&mut stream, "notifications/subscriptions/acknowledged");
    stream
}
