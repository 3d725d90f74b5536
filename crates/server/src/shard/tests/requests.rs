//! Texts that the tests send.

pub(super) const HOST: &str = "Host: 127.0.0.1:8080\r\n";

/// Headers and body of a request.
pub(super) fn request(method: &str, params: &str) -> String {
    let name = if method == "tools/call" {
        let name = params.split("\"name\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("x");
        format!("Mcp-Name: {name}\r\n")
    } else {
        String::new()
    };
    post(&format!("Mcp-Method: {method}\r\n{name}"), &body(method, params))
}

pub(super) fn body(method: &str, params: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{{{params}\"_meta\":{{\
         \"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
         \"io.modelcontextprotocol/clientCapabilities\":{{}}}}}}}}"
    )
}

pub(super) fn post(headers: &str, body: &str) -> String {
    format!("{}Content-Length: {}\r\n\r\n{body}", post_head(headers), body.len())
}

fn post_head(headers: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\n{HOST}Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: 2026-07-28\r\n{headers}"
    )
}

pub(super) fn echo(text: &str) -> String {
    request("tools/call", &format!("\"name\":\"echo\",\"arguments\":{{\"text\":\"{text}\"}},"))
}

pub(super) fn work() -> String {
    request("tools/call", "\"name\":\"work\",\"arguments\":{\"ms\":1},")
}

pub(super) fn listen() -> String {
    request("subscriptions/listen", "\"notifications\":{\"toolsListChanged\":true},")
}

/// `echo` with its body in chunks of `size` bytes.
pub(super) fn chunked_echo(text: &str, size: usize) -> String {
    let body = body("tools/call", &format!("\"name\":\"echo\",\"arguments\":{{\"text\":\"{text}\"}},"));
    let mut out = post_head("Mcp-Method: tools/call\r\nMcp-Name: echo\r\nTransfer-Encoding: chunked\r\n") + "\r\n";
    for chunk in body.as_bytes().chunks(size) {
        out += &format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk));
    }
    out + "0\r\n\r\n"
}

/// Statuses of the answers in a text, in order.
pub(super) fn statuses(text: &str) -> Vec<u16> {
    text.split("HTTP/1.1 ").skip(1).map(|rest| rest[..3].parse().expect("a status")).collect()
}
