//! A small MCP server whose tool asks its client before it answers. It takes only the answers that a client must give.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::server::{http, read_request, result};

/// How the tool asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// 2026-07-28: by results, so many times.
    InRounds(u64),
    /// 2025-11-25: on the stream of the call.
    OnStream,
}

/// A running server; it ends when this is dropped.
pub(crate) struct Asking {
    pub(crate) address: SocketAddr,
    pub(crate) counts: Arc<Counts>,
    runtime: Option<Runtime>,
}

/// What it has seen.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// First `tools/call` requests: those with no answers in them.
    pub(crate) calls: AtomicU64,
    /// Answers that it took.
    pub(crate) answers: AtomicU64,
    /// Answers, or states, that were wrong.
    pub(crate) wrong: AtomicU64,
    open: Mutex<BTreeMap<String, oneshot::Sender<()>>>,
}

impl Asking {
    pub(crate) fn start(asks: Asks) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let counts = Arc::new(Counts::default());
        let shared = counts.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(connection(stream, asks, shared.clone()));
            }
        });
        Self { address, counts, runtime: Some(runtime) }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn connection(mut stream: TcpStream, asks: Asks, counts: Arc<Counts>) {
    let mut buffer = Vec::new();
    while let Ok(Some((head, body))) = read_request(&mut stream, &mut buffer).await {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let written = match asks {
            Asks::InRounds(rounds) => stream.write_all(&modern(&body, rounds, &counts)).await,
            Asks::OnStream if body["method"] == "tools/call" => ask_on_stream(&mut stream, &body["id"], &counts).await,
            Asks::OnStream => stream.write_all(&legacy(&head, &body, &counts)).await,
        };
        if written.is_err() {
            return;
        }
    }
}

const FORM: &str = r#"{"message":"Who?","requestedSchema":{"type":"object","required":["name"],
    "properties":{"name":{"type":"string","default":"Ada"},"level":{"type":"string","enum":["low","high"]}}}}"#;

fn is_right(answer: &Value) -> bool {
    answer["action"] == "accept" && answer["content"] == json!({"name": "Ada", "level": "low"})
}

fn tools() -> Value {
    json!([{"name": "ask", "description": "asks", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}}])
}

fn modern(body: &Value, rounds: u64, counts: &Counts) -> Vec<u8> {
    let (id, params) = (&body["id"], &body["params"]);
    match body["method"].as_str().unwrap_or_default() {
        "server/discover" => result(
            id,
            json!({"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                   "ttlMs": 0, "cacheScope": "public"}),
        ),
        "tools/list" => {
            result(id, json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "public", "tools": tools()}))
        }
        "tools/call" => {
            let round = params["requestState"].as_str().map_or(0, |state| state.parse::<u64>().unwrap_or(99));
            match round {
                0 => counts.calls.fetch_add(1, Ordering::SeqCst),
                1.. if is_right(&params["inputResponses"]["who"]) => counts.answers.fetch_add(1, Ordering::SeqCst),
                1.. => counts.wrong.fetch_add(1, Ordering::SeqCst),
            };
            if round >= rounds {
                return result(id, json!({"resultType": "complete", "content": []}));
            }
            let form: Value = serde_json::from_str(FORM).expect("JSON");
            result(
                id,
                json!({"resultType": "input_required", "requestState": (round + 1).to_string(),
                       "inputRequests": {"who": {"method": "elicitation/create", "params": form}}}),
            )
        }
        _ => http(404, "application/json", ""),
    }
}

fn legacy(head: &str, body: &Value, counts: &Counts) -> Vec<u8> {
    let id = &body["id"];
    if body["method"] == "initialize" {
        let offer = json!({"jsonrpc": "2.0", "id": id, "result": {"protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}}, "serverInfo": {"name": "asking", "version": "1"}}});
        let declared = body["params"]["capabilities"]["elicitation"].is_object();
        counts.wrong.fetch_add(u64::from(!declared), Ordering::SeqCst);
        let offer = offer.to_string();
        let length = offer.len();
        return format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: s-1\r\nContent-Length: {length}\r\n\r\n{offer}"
        )
        .into_bytes();
    }
    if !head.to_ascii_lowercase().contains("mcp-session-id: s-1") {
        return http(400, "text/plain", "no session");
    }
    match body["method"].as_str() {
        Some("notifications/initialized") => http(202, "text/plain", ""),
        Some("ping") => result(id, json!({})),
        Some("tools/list") => result(id, json!({"tools": tools()})),
        Some(_) => http(404, "text/plain", ""),
        None if head.starts_with("POST ") => take_answer(body, counts),
        None if head.starts_with("DELETE ") => http(204, "text/plain", ""),
        None => http(405, "text/plain", ""),
    }
}

/// A response to what was asked on a stream, whose call may go on then.
fn take_answer(body: &Value, counts: &Counts) -> Vec<u8> {
    let asked = body["id"].as_str().unwrap_or_default();
    let waiting = counts.open.lock().expect("no thread panics with it").remove(asked);
    match waiting {
        Some(waiting) if is_right(&body["result"]) => {
            counts.answers.fetch_add(1, Ordering::SeqCst);
            let _ = waiting.send(());
            http(202, "text/plain", "")
        }
        _ => {
            counts.wrong.fetch_add(1, Ordering::SeqCst);
            http(400, "text/plain", "")
        }
    }
}

async fn ask_on_stream(stream: &mut TcpStream, id: &Value, counts: &Counts) -> std::io::Result<()> {
    let number = counts.calls.fetch_add(1, Ordering::SeqCst);
    let (answered, waiting) = oneshot::channel();
    let name = format!("q-{number}");
    counts.open.lock().expect("no thread panics with it").insert(name.clone(), answered);
    let form = FORM.replace('\n', " ");
    let question = format!(r#"{{"jsonrpc":"2.0","id":"{name}","method":"elicitation/create","params":{form}}}"#);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(format!("{head}{}", chunk(&question)).as_bytes()).await?;
    if waiting.await.is_err() {
        return Err(std::io::ErrorKind::ConnectionAborted.into());
    }
    let response = json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}}).to_string();
    stream.write_all(format!("{}0\r\n\r\n", chunk(&response)).as_bytes()).await
}

fn chunk(message: &str) -> String {
    let event = format!("event: message\ndata: {message}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len())
}
