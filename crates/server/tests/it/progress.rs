//! What a call says before its answer.

use erlmcp_server::tools::{JobContext, LogLevel, ToolResult, ToolSpec};
use erlmcp_server::{Limits, Registry, ServerConfig};
use serde_json::{Value, json};

use crate::client::{Client, Texts, start_with, stop};

async fn tell(context: JobContext, _: Box<str>) -> ToolResult<'static> {
    for done in 1..=3 {
        context.progress(f64::from(done), Some(3.0), None).await;
        context.log(LogLevel::Info, "on my way").await;
        context.log(LogLevel::Debug, "too small").await;
    }
    // What is said after the end must reach nobody.
    let late = context.clone();
    tokio::spawn(async move {
        late.cancellation().cancelled().await;
        late.progress(4.0, None, None).await;
    });
    ToolResult::text("done")
}

fn config(limits: Limits) -> ServerConfig {
    let spec = ToolSpec::new("tell", "Tells how far it is.", json!({"type": "object"}));
    let registry = Registry::builtin().queued(spec, tell).expect("a good tool").logging();
    ServerConfig { registry, limits, ..ServerConfig::default() }
}

/// A call with more in its `_meta`.
fn call(texts: Texts, meta: &str) -> String {
    let plain = texts.call("tell", "{}");
    let (head, body) = plain.split_once("\r\n\r\n").expect("a head and a body");
    let longer = body.replace("\"_meta\":{", &format!("\"_meta\":{{{meta}"));
    let length = |text: &str| format!("Content-Length: {}", text.len());
    format!("{}\r\n\r\n{longer}", head.replace(&length(body), &length(&longer)))
}

fn event(chunk: &str) -> Value {
    let data = chunk.strip_prefix("data: ").and_then(|data| data.strip_suffix("\n\n"));
    serde_json::from_str(data.unwrap_or_else(|| panic!("no event: {chunk:?}"))).expect("an event is JSON")
}

/// The messages of a stream.
fn messages(client: &mut Client) -> Vec<Value> {
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("\r\nContent-Type: text/event-stream\r\n"), "{head}");
    assert!(head.contains("\r\nX-Accel-Buffering: no\r\n"), "{head}");
    let chunks = std::iter::from_fn(|| Some(client.chunk()).filter(|chunk| !chunk.is_empty()));
    chunks.map(|chunk| event(&chunk)).collect()
}

#[test]
fn progress_and_log_come_before_the_result_where_they_are_asked_for() {
    let (server, address) = start_with(config(Limits::default()));
    let (mut client, texts) = (Client::connect(address), Texts(address));
    client.send(call(texts, "\"progressToken\":\"p-9\",\"io.modelcontextprotocol/logLevel\":\"info\","));
    let found = messages(&mut client);
    let progress = |done: i32| {
        json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": "p-9", "progress": done, "total": 3}})
    };
    let log = json!({"jsonrpc": "2.0", "method": "notifications/message",
        "params": {"level": "info", "data": "on my way"}});
    let before = (1..=3).flat_map(|done| [progress(done), log.clone()]).collect::<Vec<_>>();
    assert_eq!(found[..6], before);
    assert_eq!((&found[6]["id"], &found[6]["result"]["content"][0]["text"]), (&json!(7), &json!("done")));
    assert_eq!(found.len(), 7);

    let plain = client.ask(texts.call("tell", "{}"));
    assert_eq!(plain.field("Content-Type").as_deref(), Some("application/json"), "nobody asked");
    client.send(call(texts, "\"progressToken\":5,"));
    let tokens: Vec<_> =
        messages(&mut client).iter().map(|message| message["params"]["progressToken"].clone()).collect();
    assert_eq!(tokens, [json!(5), json!(5), json!(5), Value::Null], "and the connection goes on");
    assert_eq!(client.ask(texts.echo("usable")).status, 200);
    stop(server);
}

#[test]
fn a_call_may_not_say_more_than_the_limit() {
    let (server, address) = start_with(config(Limits { call_messages_max: 2, ..Limits::default() }));
    let (mut client, texts) = (Client::connect(address), Texts(address));
    client.send(call(texts, "\"progressToken\":1,"));
    let found = messages(&mut client);
    assert_eq!(found.len(), 3);
    assert_eq!(found[2]["result"]["content"][0]["text"], "done");
    stop(server);
}

#[test]
fn an_old_client_gets_a_plain_answer() {
    let (server, address) = start_with(config(Limits::default()));
    let mut client = Client::connect(address);
    client.send(call(Texts(address), "\"progressToken\":1,").replace("HTTP/1.1", "HTTP/1.0"));
    let rest = client.rest();
    assert!(rest.contains("\r\nContent-Type: application/json\r\n") && rest.ends_with("}}}"), "{rest}");
    stop(server);
}
