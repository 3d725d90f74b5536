//! A small MCP server of the test's own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Modern,
    /// Answers calls with an event stream.
    Streaming,
    /// Refuses every second call.
    Busy,
    Legacy,
    /// Legacy, and the first session is forgotten after so many calls; pings of the second one count as calls.
    Forgetful(u64),
    /// Legacy, with a new session for each handshake; handshakes count as calls.
    ManySessions,
    /// Refuses its own version at first.
    Capricious,
    /// Legacy, and a call has its response only when what is asked on its stream was answered.
    Asking,
    /// The same, and asks on the session's own stream.
    AskingAside,
    /// Legacy, and the stream of a call ends before the response, which comes to a GET.
    Leaving,
    /// A web page, whatever is asked.
    Page,
    /// Always this status, with no body.
    Status(u16),
    /// Takes the connection and says something else than HTTP.
    Gibberish,
    /// Closes at once.
    Closes,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) calls: Arc<AtomicU64>,
}

pub(crate) async fn start(manner: Manner) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let calls = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&calls);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve(stream, manner, Arc::clone(&counter)));
        }
    });
    Server { address, calls }
}

async fn serve(mut stream: TcpStream, manner: Manner, calls: Arc<AtomicU64>) {
    let mut bytes = Vec::new();
    if manner == Manner::Closes {
        return;
    }
    if manner == Manner::Gibberish {
        let _ = stream.write_all(b"220 mail.example ready\r\n").await;
    }
    loop {
        while let Some((head, body)) = take_request(&mut bytes) {
            if asks(manner, &head, &body) {
                if wait_for_answer(&mut stream, manner, &head, &body["id"], &calls).await.is_err() {
                    return;
                }
                continue;
            }
            if stream.write_all(&answer(manner, &head, &body, &calls)).await.is_err() {
                return;
            }
        }
        let mut more = [0; 4_096];
        match stream.read(&mut more).await {
            Ok(0) | Err(_) => return,
            Ok(count) => bytes.extend_from_slice(&more[..count]),
        }
    }
}

pub(crate) fn answer(manner: Manner, head: &str, body: &Value, calls: &AtomicU64) -> Vec<u8> {
    match manner {
        Manner::Page => http(200, "text/html", "<html>hello</html>"),
        Manner::Status(status) => http(status, "text/plain", ""),
        Manner::Gibberish => b"500 what?\r\n".to_vec(),
        Manner::Legacy => legacy(head, body, "s-1"),
        Manner::ManySessions => {
            let opened = if body["method"] == "initialize" { calls.fetch_add(1, Ordering::SeqCst) + 1 } else { 0 };
            let given = header(head, "Mcp-Session-Id").filter(|given| given.starts_with("s-"));
            if head.starts_with("DELETE ") {
                return http(if given.is_some() { 204 } else { 400 }, "text/plain", "");
            }
            legacy(head, body, &given.map_or(format!("s-{opened}"), str::to_string))
        }
        Manner::Capricious if calls.fetch_add(1, Ordering::SeqCst) == 0 => {
            let data = json!({"supported": ["2026-07-28"], "requested": "2026-07-28"});
            let error = json!({"code": -32_022, "message": "not now", "data": data});
            let refusal = json!({"jsonrpc": "2.0", "id": body["id"], "error": error});
            http(400, "application/json", &refusal.to_string())
        }
        Manner::Asking | Manner::AskingAside if body["id"] == "q-1" => {
            let is_right = body["result"] == json!({"roots": []}) && header(head, "Mcp-Session-Id") == Some("s-1");
            calls.fetch_add(u64::from(is_right), Ordering::SeqCst);
            http(if is_right { 202 } else { 400 }, "text/plain", "")
        }
        Manner::Leaving if body["method"] == "tools/call" => {
            let id = &body["id"];
            http(200, "text/event-stream", &format!("id: e-{id}\nretry: 20\ndata:\n\n"))
        }
        Manner::Leaving if head.starts_with("GET ") => match header(head, "Last-Event-ID") {
            Some(after) => {
                calls.fetch_add(1, Ordering::SeqCst);
                let id: Value = after.trim_start_matches("e-").parse().expect("an id");
                stream(&[json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}})])
            }
            None => http(405, "text/plain", ""),
        },
        Manner::Asking | Manner::AskingAside | Manner::Leaving => legacy(head, body, "s-1"),
        Manner::Forgetful(after) => {
            let is_new = header(head, "Mcp-Session-Id") == Some("s-2");
            let is_call = body["method"] == "tools/call" || (is_new && body["method"] == "ping");
            let count = if is_call { calls.fetch_add(1, Ordering::SeqCst) } else { calls.load(Ordering::SeqCst) };
            legacy(head, body, if count < after { "s-1" } else { "s-2" })
        }
        _ => modern(manner, head, body, calls),
    }
}

/// True for requests whose stream brings a question.
fn asks(manner: Manner, head: &str, body: &Value) -> bool {
    match manner {
        Manner::Asking | Manner::AskingAside if body["method"] == "tools/call" => true,
        Manner::AskingAside => head.starts_with("GET "),
        _ => false,
    }
}

/// An event stream: a question, and once that was answered the response; on a GET none.
async fn wait_for_answer(
    stream: &mut TcpStream,
    manner: Manner,
    head: &str,
    id: &Value,
    calls: &AtomicU64,
) -> std::io::Result<()> {
    let is_get = head.starts_with("GET ");
    let open = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    stream.write_all(open.as_bytes()).await?;
    if is_get == (manner == Manner::AskingAside) {
        let question = json!({"jsonrpc": "2.0", "id": "q-1", "method": "roots/list"});
        stream.write_all(format!("data: {question}\n\n").as_bytes()).await?;
    }
    while calls.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    if is_get {
        std::future::pending::<()>().await;
    }
    let response = json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}});
    stream.write_all(format!("data: {response}\n\n").as_bytes()).await?;
    Err(std::io::ErrorKind::ConnectionAborted.into())
}

/// The first request of what has come, once it is whole.
pub(crate) fn take_request(bytes: &mut Vec<u8>) -> Option<(String, Value)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = header(&head, "Content-Length").map_or(0, |length| length.parse().expect("a number"));
    let body = serde_json::from_slice(bytes.get(end + 4..end + 4 + length)?).unwrap_or_default();
    bytes.drain(..end + 4 + length);
    Some((head, body))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let of_line = |line: &'a str| line.split_once(':').filter(|(found, _)| found.eq_ignore_ascii_case(name));
    head.lines().find_map(of_line).map(|(_, value)| value.trim())
}

fn modern(manner: Manner, head: &str, body: &Value, calls: &AtomicU64) -> Vec<u8> {
    let id = &body["id"];
    let meta = &body["params"]["_meta"];
    let version = meta["io.modelcontextprotocol/protocolVersion"].as_str();
    let is_right = version == Some("2026-07-28")
        && header(head, "MCP-Protocol-Version") == version
        && header(head, "Mcp-Method") == body["method"].as_str()
        && header(head, "Mcp-Name") == body["params"]["name"].as_str()
        && header(head, "Mcp-Param-Text") == body["params"]["arguments"]["text"].as_str()
        && header(head, "Accept") == Some("application/json, text/event-stream")
        && meta["io.modelcontextprotocol/clientCapabilities"].is_object();
    if !is_right {
        return error(400, id, -32_020, "headers and body differ");
    }
    match body["method"].as_str().unwrap_or_default() {
        "server/discover" => result(
            id,
            json!({"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                   "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "tiny", "version": "1"}}}),
        ),
        "tools/list" => match body["params"]["cursor"].as_str() {
            None => result(id, json!({"resultType": "complete", "tools": [tool("one", true)], "nextCursor": ""})),
            Some(_) => result(id, json!({"resultType": "complete", "tools": [tool("two", false)]})),
        },
        "tools/call" => {
            let number = calls.fetch_add(1, Ordering::SeqCst);
            let given = json!({"resultType": "complete", "content": [{"type": "text", "text": "isError"}]});
            match manner {
                Manner::Busy if number.is_multiple_of(2) => http(
                    503,
                    "application/json",
                    &json!({"jsonrpc": "2.0", "id": id, "error": {"code": 53_003, "message": "busy",
                            "data": {"executed": false, "retryAfterMs": 20}}})
                    .to_string(),
                ),
                Manner::Streaming => stream(&[
                    json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}),
                    json!({"jsonrpc": "2.0", "id": id, "result": given}),
                ]),
                _ => result(id, given),
            }
        }
        _ => error(404, id, -32_601, "no such method"),
    }
}

/// A session is opened by a handshake and asked for with every request after it.
fn legacy(head: &str, body: &Value, session: &str) -> Vec<u8> {
    let id = &body["id"];
    let method = body["method"].as_str().unwrap_or_default();
    if method == "initialize" {
        let body = json!({"jsonrpc": "2.0", "id": id, "result": {"protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}}, "serverInfo": {"name": "old", "version": "3"}}});
        let body = body.to_string();
        return format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: {session}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes();
    }
    match header(head, "Mcp-Session-Id") {
        None => return http(400, "text/plain", "Bad Request: no session"),
        Some(given) if given != session => return http(404, "text/plain", "no such session"),
        Some(_) => {}
    }
    match method {
        "notifications/initialized" => http(202, "text/plain", ""),
        "ping" => result(id, json!({})),
        "tools/list" => result(id, json!({"tools": [tool("old", true)]})),
        "tools/call" => result(id, json!({"content": []})),
        _ => error(200, id, -32_601, "no such method"),
    }
}

fn tool(name: &str, read_only: bool) -> Value {
    let schema = json!({"type": "object", "properties": {"text": {"type": "string", "x-mcp-header": "Text"}}});
    json!({"name": name, "inputSchema": schema, "annotations": {"readOnlyHint": read_only}})
}

fn result(id: &Value, result: Value) -> Vec<u8> {
    http(200, "application/json", &json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string())
}

fn error(status: u16, id: &Value, code: i64, message: &str) -> Vec<u8> {
    let error = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}});
    http(status, "application/json", &error.to_string())
}

fn stream(events: &[Value]) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = |event: &Value| {
        let data = format!("data: {event}\n\n");
        format!("{:x}\r\n{data}\r\n", data.len())
    };
    let chunks: String = events.iter().map(chunk).collect();
    format!("{head}{chunks}0\r\n\r\n").into_bytes()
}

fn http(status: u16, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Status\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}
