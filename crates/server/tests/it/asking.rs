//! Sessions of the older era whose calls ask their client, on the stream of the call itself.

use std::net::SocketAddr;

use erlmcp_server::tools::{Ask, JobContext, LogLevel, Registry, ToolResult, ToolSpec};
use erlmcp_server::{Limits, Server, ServerConfig};
use serde_json::{Value, json};

use crate::client::{Answer, Client, Texts, start_with, stop};

async fn greet(context: JobContext, _: Box<str>) -> ToolResult<'static> {
    context.log(LogLevel::Info, "asked for a greeting").await;
    context.log(LogLevel::Debug, "in detail").await;
    for progress in [1.0, 0.5, f64::NAN, f64::INFINITY] {
        context.progress(progress, Some(f64::INFINITY), None).await;
    }
    let name = context.elicited("who").and_then(|given| given.get("name")?.as_str());
    match (name, context.state()) {
        (Some(name), Some("asked")) => {
            context.progress(2.0, None, None).await;
            ToolResult::text(format!("Hello, {name}!"))
        }
        _ => ToolResult::ask(Ask::new().elicit("who", "Who?", json!({"type": "object"})).remembering("asked")),
    }
}

async fn model(_: JobContext, _: Box<str>) -> ToolResult<'static> {
    let params =
        json!({"messages": [], "maxTokens": 9, "toolChoice": {"mode": "none"}, "includeContext": "allServers"});
    ToolResult::ask(Ask::new().sample("said", params))
}

fn server(limits: Limits) -> (Server, SocketAddr) {
    let spec = |name: &str| ToolSpec::new(name, "Asks.", json!({"type": "object"}));
    let registry = Registry::new().queued(spec("greet"), greet);
    let registry = registry.and_then(|registry| registry.queued(spec("model"), model)).expect("good tools");
    start_with(ServerConfig { registry, limits, ..ServerConfig::default() })
}

/// A client in a session, and its headers.
pub(crate) fn session(address: SocketAddr, capabilities: &Value) -> (Client, String) {
    session_of(address, "2025-11-25", capabilities)
}

fn session_of(address: SocketAddr, version: &str, capabilities: &Value) -> (Client, String) {
    let mut client = Client::connect(address);
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": capabilities, "clientInfo": {"name": "t", "version": "1"}}});
    let answer = client.ask(Texts(address).post("", &initialize.to_string()));
    let id = answer.field("Mcp-Session-Id").expect("a session");
    (client, format!("Mcp-Session-Id: {id}\r\nMCP-Protocol-Version: {version}\r\n"))
}

fn call(id: u32) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "greet"}}).to_string()
}

/// The message of the next event.
pub(crate) fn message(client: &mut Client) -> Value {
    loop {
        let chunk = client.chunk();
        let data = chunk.lines().find_map(|line| line.strip_prefix("data: "));
        let data = data.unwrap_or_else(|| panic!("no data: {chunk:?}"));
        // The event that begins a stream has none.
        if !data.is_empty() {
            return serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
        }
    }
}

pub(crate) fn respond(address: SocketAddr, headers: &str, response: &Value) -> Answer {
    Client::connect(address).ask(Texts(address).post(headers, &response.to_string()))
}

#[test]
fn a_call_asks_its_client_and_goes_on_with_the_answer() {
    let (server, address) = server(Limits::default());
    let (mut client, headers) = session(address, &json!({"elicitation": {}}));
    client.send(Texts(address).post(&headers, &call(7)));
    assert!(client.head().contains("\r\nContent-Type: text/event-stream\r\n"));
    assert_eq!(message(&mut client)["params"], json!({"level": "info", "data": "asked for a greeting"}));
    let question = message(&mut client);
    assert_eq!((&question["method"], &question["params"]["message"]), (&json!("elicitation/create"), &json!("Who?")));
    let answer =
        json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"name": "Ada"}}});
    // Another session's answer to it is taken, and means nothing.
    let (_, others) = session(address, &json!({}));
    let foreign = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}});
    assert_eq!(respond(address, &others, &foreign).status, 202);
    let too_large = answer.to_string().replace("\"Ada\"", "1e999");
    let refused = Client::connect(address).ask(Texts(address).post(&headers, &too_large));
    assert_eq!((refused.status, refused.code()), (400, -32_600), "it may answer again");
    assert_eq!(respond(address, &headers, &answer).status, 202);
    assert_eq!(message(&mut client)["method"], "notifications/message");
    let result = message(&mut client);
    assert_eq!((&result["id"], &result["result"]["content"][0]["text"]), (&json!(7), &json!("Hello, Ada!")));
    assert_eq!(client.chunk(), "");
    assert_eq!(respond(address, &headers, &answer).status, 202, "nobody waits for it any more");
    stop(server);
}

#[test]
fn progress_rises_through_all_rounds_of_a_call() {
    let (server, address) = server(Limits::default());
    let (mut client, headers) = session(address, &json!({"elicitation": {}}));
    let mut call: Value = serde_json::from_str(&call(7)).expect("a call");
    call["params"]["_meta"] = json!({"progressToken": 5});
    client.send(Texts(address).post(&headers, &call.to_string()));
    client.head();
    message(&mut client);
    assert_eq!(message(&mut client)["params"], json!({"progressToken": 5, "progress": 1}));
    let question = message(&mut client);
    let answer =
        json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"name": "Ada"}}});
    assert_eq!(respond(address, &headers, &answer).status, 202);
    message(&mut client);
    assert_eq!(message(&mut client)["params"], json!({"progressToken": 5, "progress": 2}));
    assert_eq!(message(&mut client)["id"], 7);
    stop(server);
}

#[test]
fn a_client_that_cannot_be_asked_or_does_not_answer_gets_an_error() {
    let (server, address) = server(Limits::default());
    for capabilities in [json!({"sampling": {}}), json!({"elicitation": {"url": {}}})] {
        let (mut client, headers) = session(address, &capabilities);
        client.send(Texts(address).post(&headers, &call(7)));
        client.head();
        message(&mut client);
        assert_eq!(message(&mut client)["error"]["code"], -32_603, "it has no forms");
        assert_eq!(client.chunk(), "");
    }
    let (mut client, headers) = session(address, &json!({"elicitation": {}}));
    client.send(Texts(address).post(&headers, &call(8)));
    client.head();
    message(&mut client);
    let question = message(&mut client);
    let error = json!({"jsonrpc": "2.0", "id": question["id"], "error": {"code": -1, "message": "no"}});
    assert_eq!(respond(address, &headers, &error).status, 202);
    let end = message(&mut client);
    assert_eq!((&end["id"], &end["error"]["code"]), (&json!(8), &json!(-32_603)));
    stop(server);
}

#[test]
fn a_model_is_given_tools_only_where_the_client_has_declared_them() {
    let (server, address) = server(Limits::default());
    for (sampling, is_asked, context) in [
        (json!({}), false, None),
        (json!({"tools": {}}), true, None),
        (json!({"tools": {}, "context": {}}), true, Some("allServers")),
    ] {
        let (mut client, headers) = session(address, &json!({"sampling": sampling}));
        client.send(Texts(address).post(&headers, &call(7).replace("greet", "model")));
        if !is_asked {
            assert_eq!(client.answer().code(), -32_603);
            continue;
        }
        client.head();
        let question = message(&mut client);
        assert_eq!(question["method"], "sampling/createMessage");
        assert_eq!(question["params"]["includeContext"].as_str(), context);
        let error = json!({"jsonrpc": "2.0", "id": question["id"], "error": {"code": -1, "message": "no"}});
        assert_eq!(respond(address, &headers, &error).status, 202);
        assert_eq!(message(&mut client)["error"]["code"], -32_603);
    }
    stop(server);
}

#[test]
fn earlier_versions_are_asked_as_they_have_it_or_not_at_all() {
    let (server, address) = server(Limits::default());
    for (version, asked) in [("2025-06-18", true), ("2025-03-26", false)] {
        let (mut client, headers) = session_of(address, version, &json!({"elicitation": {}}));
        client.send(Texts(address).post(&headers, &call(7)));
        client.head();
        message(&mut client);
        let mut next = message(&mut client);
        if asked {
            assert_eq!(next["params"], json!({"message": "Who?", "requestedSchema": {"type": "object"}}));
            let error = json!({"jsonrpc": "2.0", "id": next["id"], "error": {"code": -1, "message": "no"}});
            assert_eq!(respond(address, &headers, &error).status, 202);
            next = message(&mut client);
        }
        assert_eq!(next["error"]["code"], -32_603, "{next}");
    }
    stop(server);
}

#[test]
fn a_question_without_an_answer_is_given_up_and_keeps_no_worker() {
    let one = Limits { workers: 1, ..Limits::default() };
    for (limits, code) in [
        (Limits { question_wait_ms: 200, ..one.clone() }, -32_603),
        (Limits { call_timeout_ms: 200, ..one.clone() }, 53_004),
    ] {
        let (server, address) = server(limits);
        let (mut client, headers) = session(address, &json!({"elicitation": {}}));
        for id in [7, 8] {
            client.send(Texts(address).post(&headers, &call(id)));
            client.head();
            message(&mut client);
            let question = message(&mut client);
            assert_eq!(question["method"], "elicitation/create");
            let given_up = message(&mut client);
            assert_eq!(given_up["method"], "notifications/cancelled");
            assert_eq!(given_up["params"]["requestId"], question["id"]);
            let end = message(&mut client);
            assert_eq!((&end["id"], &end["error"]["code"]), (&json!(id), &json!(code)));
            assert_eq!(client.chunk(), "");
        }
        stop(server);
    }
}

#[test]
fn a_session_says_how_much_it_wants_to_be_told() {
    let (server, address) = server(Limits::default());
    let (mut client, headers) = session(address, &json!({}));
    for (level, told) in [("debug", 2), ("error", 0), ("info", 1)] {
        let set = json!({"jsonrpc": "2.0", "id": 2, "method": "logging/setLevel", "params": {"level": level}});
        assert_eq!(respond(address, &headers, &set).json()["result"], json!({}));
        client.send(Texts(address).post(&headers, &call(7)));
        if told == 0 {
            assert_eq!(client.answer().code(), -32_603);
            continue;
        }
        client.head();
        for _ in 0..told {
            assert_eq!(message(&mut client)["method"], "notifications/message", "{level}");
        }
        assert_eq!(message(&mut client)["id"], 7, "{level}");
        assert_eq!(client.chunk(), "");
    }
    stop(server);
}
