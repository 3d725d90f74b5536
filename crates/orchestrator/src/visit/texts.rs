//! The requests of a visitor, as they are sent.

use std::fmt::Write;

use super::Door;

const MODERN: &str = "2026-07-28";

/// The head of a request up to its own fields, with those of `usual` that the user has not given.
fn begin(door: &Door, line: &str, usual: &[(&str, &str)]) -> String {
    let host = door.authority.clone().or_else(|| door.first().ok().map(|address| address.to_string()));
    let host = host.unwrap_or_default();
    let is_users = |name: &str| door.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    let usual = [("Host", host.as_str())].into_iter().chain(usual.iter().copied());
    let own = door.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut text = format!("{line} HTTP/1.1\r\n");
    for (name, value) in usual.filter(|(name, _)| !is_users(name)).chain(own) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text
}

pub(super) fn get(door: &Door, path: &str) -> Vec<u8> {
    format!("{}\r\n", begin(door, &format!("GET {path}"), &[])).into_bytes()
}

/// The head of a POST whose body has this length.
pub(super) fn post_head(door: &Door, fields: &str, length: usize) -> Vec<u8> {
    let types = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")];
    let begin = begin(door, &format!("POST {}", door.path), &types);
    format!("{begin}{fields}Content-Length: {length}\r\n\r\n").into_bytes()
}

fn post(door: &Door, fields: &str, body: &str) -> Vec<u8> {
    let mut request = post_head(door, fields, body.len());
    request.extend_from_slice(body.as_bytes());
    request
}

/// The fields and the body of a modern request; `params` is empty or ends with a comma.
pub(super) fn modern_parts(method: &str, name: Option<&str>, params: &str) -> (String, String) {
    let name = name.map(|name| format!("Mcp-Name: {name}\r\n")).unwrap_or_default();
    let meta = format!(
        "\"io.modelcontextprotocol/protocolVersion\":\"{MODERN}\",\"io.modelcontextprotocol/clientCapabilities\":{{}},\
         \"io.modelcontextprotocol/clientInfo\":{{\"name\":\"erlmcp\",\"version\":\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    );
    let body =
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{{{params}\"_meta\":{{{meta}}}}}}}");
    (format!("MCP-Protocol-Version: {MODERN}\r\nMcp-Method: {method}\r\n{name}"), body)
}

pub(super) fn modern(door: &Door, method: &str, params: &str) -> Vec<u8> {
    let (fields, body) = modern_parts(method, None, params);
    post(door, &fields, &body)
}

/// `arguments` is a JSON object.
pub(super) fn call(door: &Door, tool: &str, arguments: &str) -> Vec<u8> {
    let (fields, body) =
        modern_parts("tools/call", Some(tool), &format!("\"name\":\"{tool}\",\"arguments\":{arguments},"));
    post(door, &fields, &body)
}

pub(super) fn listen(door: &Door) -> Vec<u8> {
    modern(door, "subscriptions/listen", "\"notifications\":{\"toolsListChanged\":true},")
}

/// The request that opens a session, and its body.
pub(super) fn initialize_body(version: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{{\"protocolVersion\":\"{version}\",\
         \"capabilities\":{{}},\"clientInfo\":{{\"name\":\"erlmcp\",\"version\":\"{}\"}}}}}}",
        env!("CARGO_PKG_VERSION")
    )
}

pub(super) fn initialize(door: &Door, version: &str) -> Vec<u8> {
    post(door, "", &initialize_body(version))
}

/// One message of the older era, without its session.
pub(super) fn message(id: u64, method: &str, params: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{{{params}}}}}")
}

fn of_session((session, version): (&str, &str)) -> String {
    format!("Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: {version}\r\n")
}

pub(super) fn in_session(door: &Door, session: (&str, &str), body: &str) -> Vec<u8> {
    post(door, &of_session(session), body)
}

/// Opens the stream of a session.
pub(super) fn get_stream(door: &Door, session: (&str, &str)) -> Vec<u8> {
    let begin = begin(door, &format!("GET {}", door.path), &[("Accept", "text/event-stream")]);
    format!("{begin}{}\r\n", of_session(session)).into_bytes()
}

pub(super) fn end_session(door: &Door, session: (&str, &str)) -> Vec<u8> {
    let begin = begin(door, &format!("DELETE {}", door.path), &[]);
    format!("{begin}{}\r\n", of_session(session)).into_bytes()
}
