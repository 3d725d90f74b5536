//! A client of 2026-07-28 with capabilities of its own.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::client::{Answer, Client, Texts};

pub(crate) struct Asker {
    client: Client,
    texts: Texts,
    pub(crate) capabilities: Value,
}

impl Asker {
    pub(crate) fn connect(address: SocketAddr, capabilities: Value) -> Self {
        Self { client: Client::connect(address), texts: Texts(address), capabilities }
    }

    /// Sends a request about `name`, which is a uri where it has a scheme.
    pub(crate) fn send(&mut self, method: &str, name: &str, more: &Value) {
        let mut params = more.clone();
        params[if name.contains("://") { "uri" } else { "name" }] = json!(name);
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        let message = json!({"jsonrpc": "2.0", "id": 8, "method": method, "params": params});
        let headers = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\nMcp-Name: {name}\r\n");
        self.client.send(self.texts.post(&headers, &message.to_string()));
    }

    pub(crate) fn ask(&mut self, method: &str, name: &str, more: &Value) -> Answer {
        self.send(method, name, more);
        self.client.answer()
    }

    pub(crate) fn call(&mut self, name: &str, more: &Value) -> Value {
        let answer = self.ask("tools/call", name, more);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// The messages of an answer that is a stream, to its end.
    pub(crate) fn messages(&mut self) -> Vec<Value> {
        let head = self.client.head();
        assert!(head.contains("\r\nContent-Type: text/event-stream\r\n"), "{head}");
        let chunks = std::iter::from_fn(|| Some(self.client.chunk()).filter(|chunk| !chunk.is_empty()));
        chunks.map(|chunk| message(&chunk)).collect()
    }
}

fn message(chunk: &str) -> Value {
    let data = chunk.strip_prefix("data: ").unwrap_or_else(|| panic!("no event: {chunk:?}"));
    serde_json::from_str(data.trim_end()).expect("an event is JSON")
}

/// The text of a tool's result.
pub(crate) fn text(answer: &Value) -> &str {
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    answer["result"]["content"][0]["text"].as_str().expect("a text")
}
