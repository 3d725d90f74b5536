//! A small MCP server (2026-07-28, JSON answers, keep-alive) with one vice. It shares no code with erlmcp, so
//! that a mistake in the protocol crate cannot hide at both ends.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::hostile::{Trick, in_turn, play};
use super::naming;
use crate::descriptors::descriptors;

/// What is wrong with a target. Those with a number do it at every n-th `tools/call`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Vice {
    None,
    /// Answers with HTTP 500.
    Fails(u64),
    /// Takes this long for every call.
    Slow(Duration),
    /// Answers no call for `length`, once, from this call on.
    Stalls {
        call: u64,
        length: Duration,
    },
    /// Carries so many calls a second, with a twentieth of them saved up, and answers all others with HTTP 503.
    CarriesOnly(u64),
    /// Accepts so many connections and closes the rest at once.
    AcceptsOnly(u64),
    /// Closes the connection in place of an answer.
    Closes(u64),
    /// Answers with the id of another request.
    WrongId(u64),
    /// Answers a second time.
    AnswersTwice(u64),
    /// Never answers.
    Silent(u64),
    /// Ends an SSE answer before its response.
    EndsStream(u64),
    /// Plays this trick in place of every answer.
    Plays(Trick),
    /// Plays one trick after the other.
    TurnsHostile(u64),
    /// Names itself and its tools as nobody should, and says the client's own token.
    NamesBadly,
    /// Answers everything with an HTML page.
    NotMcp,
    /// Answers everything with HTTP 501, as a web server does that takes no POST.
    TakesNoPost,
}

/// A running target; it ends when this is dropped.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// `tools/call` requests that it read.
    pub(crate) calls: Arc<AtomicU64>,
    delay_ms: Arc<AtomicU64>,
    has_tool: Arc<AtomicBool>,
    runtime: Option<Runtime>,
}

impl Target {
    pub(crate) fn start(vice: Vice) -> Self {
        descriptors();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (calls, delay_ms) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let has_tool = Arc::new(AtomicBool::new(true));
        let shared = Shared {
            vice,
            calls: calls.clone(),
            delay_ms: delay_ms.clone(),
            has_tool: has_tool.clone(),
            stall_began: Arc::default(),
            bucket: Arc::default(),
        };
        runtime.spawn(accept(listener, shared));
        Self { address, calls, delay_ms, has_tool, runtime: Some(runtime) }
    }

    /// From now on every call takes so much longer.
    pub(crate) fn turns_slow(&self, delay: Duration) {
        self.delay_ms.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// From now on it lists none.
    pub(crate) fn loses_its_tool(&self) {
        self.has_tool.store(false, Ordering::SeqCst);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Clone)]
struct Shared {
    vice: Vice,
    calls: Arc<AtomicU64>,
    delay_ms: Arc<AtomicU64>,
    has_tool: Arc<AtomicBool>,
    stall_began: Arc<std::sync::OnceLock<Instant>>,
    bucket: Arc<Mutex<Bucket>>,
}

/// Tokens of which each call takes one; they come at a rate. What comes in a tenth of a second is saved up, so that a burst after a stall of a
/// busy machine finds some.
#[derive(Default)]
struct Bucket {
    tokens: f64,
    filled: Option<Instant>,
}

impl Bucket {
    fn takes(&mut self, rate: u64) -> bool {
        let (now, room) = (Instant::now(), rate as f64 / 10.0);
        let since = self.filled.map_or(room, |filled| (now - filled).as_secs_f64() * rate as f64);
        self.filled = Some(now);
        self.tokens = (self.tokens + since).min(room);
        let is_there = self.tokens >= 1.0;
        self.tokens -= if is_there { 1.0 } else { 0.0 };
        is_there
    }
}

async fn accept(listener: TcpListener, shared: Shared) {
    let open = Arc::new(AtomicU64::new(0));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Other tests give descriptors back.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let limit = if let Vice::AcceptsOnly(limit) = shared.vice { limit } else { u64::MAX };
        if open.fetch_add(1, Ordering::SeqCst) >= limit {
            open.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (shared, open) = (shared.clone(), open.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let _ = connection(stream, shared).await;
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Serves one connection until either side ends it.
async fn connection(mut stream: TcpStream, shared: Shared) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let Some((head, body)) = read_request(&mut stream, &mut buffer).await? else { return Ok(()) };
        let path = head.split(' ').nth(1).unwrap_or("");
        if let Vice::Plays(trick) = shared.vice {
            if !play(trick, &mut stream).await? {
                return Ok(());
            }
            continue;
        }
        let answer = if matches!(shared.vice, Vice::TakesNoPost) {
            http(501, "text/html", "<p>Unsupported method ('POST')</p>")
        } else if path != "/mcp" || matches!(shared.vice, Vice::NotMcp) {
            http(404, "text/html", "<p>nothing here</p>")
        } else {
            let request: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            match answer(&request, &shared).await {
                Answer::Bytes(bytes) => bytes,
                Answer::Close => return Ok(()),
                Answer::Nothing => continue,
                Answer::Trick(trick) => match play(trick, &mut stream).await? {
                    true => continue,
                    false => return Ok(()),
                },
                Answer::ThenClose(bytes) => {
                    stream.write_all(&bytes).await?;
                    return Ok(());
                }
            }
        };
        stream.write_all(&answer).await?;
    }
}

/// Head and body of the next request; None at the end of the connection.
pub(super) async fn read_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Option<(String, Vec<u8>)>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().to_string())
                })
                .map_or(0, |number| number.parse().expect("the tester sends a number"));
            if buffer.len() >= end + 4 + length {
                let body = buffer[end + 4..end + 4 + length].to_vec();
                buffer.drain(..end + 4 + length);
                return Ok(Some((head, body)));
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

enum Answer {
    Bytes(Vec<u8>),
    ThenClose(Vec<u8>),
    Close,
    Nothing,
    Trick(Trick),
}

async fn answer(request: &Value, shared: &Shared) -> Answer {
    let id = request["id"].clone();
    match request["method"].as_str().unwrap_or("") {
        method if matches!(shared.vice, Vice::NamesBadly) => Answer::Bytes(naming::answer(&id, method)),
        "server/discover" => Answer::Bytes(result(
            &id,
            json!({"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                   "ttlMs": 0, "cacheScope": "public",
                   "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "vice", "version": "1"}}}),
        )),
        "tools/list" if !shared.has_tool.load(Ordering::SeqCst) => Answer::Bytes(result(
            &id,
            json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "public", "tools": []}),
        )),
        "tools/list" => Answer::Bytes(result(
            &id,
            json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "public", "tools": [
                {"name": "echo", "description": "says it again", "inputSchema": {"type": "object"},
                 "annotations": {"readOnlyHint": true}}]}),
        )),
        "tools/call" => call(&id, shared).await,
        _ => Answer::Bytes(http(
            404,
            "application/json",
            &json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no such method"}}).to_string(),
        )),
    }
}

async fn call(id: &Value, shared: &Shared) -> Answer {
    let number = shared.calls.fetch_add(1, Ordering::SeqCst) + 1;
    let hit = |every: u64| number.is_multiple_of(every);
    let good = call_result(id);
    let delay = Duration::from_millis(shared.delay_ms.load(Ordering::SeqCst));
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match shared.vice {
        Vice::Fails(every) if hit(every) => Answer::Bytes(http(500, "text/plain", "broken")),
        Vice::CarriesOnly(rate) if !shared.bucket.lock().expect("nobody panics with it").takes(rate) => {
            Answer::Bytes(http(503, "text/plain", "too much"))
        }
        Vice::Slow(time) => {
            tokio::time::sleep(time).await;
            Answer::Bytes(good)
        }
        Vice::Stalls { call, length } if number >= call => {
            let until = *shared.stall_began.get_or_init(Instant::now) + length;
            tokio::time::sleep_until(until).await;
            Answer::Bytes(good)
        }
        Vice::Closes(every) if hit(every) => Answer::Close,
        Vice::WrongId(every) if hit(every) => Answer::Bytes(call_result(&json!(999_999_999_999u64))),
        Vice::AnswersTwice(every) if hit(every) => Answer::Bytes([good.clone(), good].concat()),
        Vice::TurnsHostile(every) if hit(every) => Answer::Trick(in_turn(number / every)),
        Vice::Silent(every) if hit(every) => Answer::Nothing,
        Vice::EndsStream(every) if hit(every) => Answer::ThenClose(
            // Who is told of the end sends nothing more that could cross it.
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
              Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
              d\r\n: keep-alive\n\r\n0\r\n\r\n"
                .to_vec(),
        ),
        _ => Answer::Bytes(good),
    }
}

fn call_result(id: &Value) -> Vec<u8> {
    result(id, json!({"resultType": "complete", "content": [{"type": "text", "text": "again"}]}))
}

pub(super) fn result(id: &Value, result: Value) -> Vec<u8> {
    http(200, "application/json", &json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string())
}

pub(super) fn http(status: u16, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Status\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}
