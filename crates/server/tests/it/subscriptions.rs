//! What a subscription stream tells of, and what it does not.

use erlmcp_server::features::{Failure, PromptArguments, PromptResult, PromptSpec, ResourceRequest, ResourceSpec};
use erlmcp_server::tools::{JobContext, ResourceContents, ToolResult, ToolSpec};
use erlmcp_server::{Change, Limits, Registry, ServerConfig};
use serde_json::{Value, json};

use crate::client::{Client, Texts, start, start_with, stop};
use crate::legacy::{Older, request};

async fn touch(context: JobContext, _: Box<str>) -> ToolResult<'static> {
    context.notifier().updated("app://a");
    context.notifier().updated("app://c");
    context.notifier().changed(Change::PromptsList);
    ToolResult::text("touched")
}

async fn read(_: JobContext, request: ResourceRequest) -> Result<Vec<ResourceContents<'static>>, Failure> {
    Ok(vec![ResourceContents::text(request.uri, "text/plain", "x")])
}

async fn prompt(_: JobContext, _: PromptArguments) -> Result<PromptResult, Failure> {
    Ok(PromptResult::messages(Vec::new()))
}

fn config(limits: Limits) -> ServerConfig {
    let registry = Registry::new()
        .queued(ToolSpec::new("touch", "Changes things.", json!({"type": "object"})), touch)
        .and_then(|registry| registry.resource(ResourceSpec::new("app://a", "a"), read))
        .and_then(|registry| registry.prompt(PromptSpec::new("p", "A prompt."), prompt))
        .expect("good names");
    ServerConfig { registry, limits, shards: 2, ..ServerConfig::default() }
}

fn listen(texts: Texts, filter: &Value) -> String {
    texts.request("subscriptions/listen", &format!("\"notifications\":{filter},"))
}

/// The next message of a stream.
fn message(client: &mut Client) -> Value {
    let chunk = client.chunk();
    let data = chunk.strip_prefix("data: ").unwrap_or_else(|| panic!("no event: {chunk:?}"));
    serde_json::from_str(data.trim_end()).expect("an event is JSON")
}

#[test]
fn a_stream_tells_of_what_was_asked_for_and_nothing_else() {
    let (server, address) = start_with(config(Limits::default()));
    let texts = Texts(address);
    let (mut all, mut some, mut caller) =
        (Client::connect(address), Client::connect(address), Client::connect(address));
    let filter = json!({
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": ["app://a", "app://b", "app://a"],
    });
    all.send(listen(texts, &filter));
    all.head();
    let acknowledged = message(&mut all);
    let mut accepted = filter.clone();
    accepted["resourceSubscriptions"] = json!(["app://a", "app://b"]);
    assert_eq!(acknowledged["params"]["notifications"], accepted);
    some.send(listen(texts, &json!({"toolsListChanged": true, "promptsListChanged": false})));
    some.head();
    assert_eq!(message(&mut some)["params"]["notifications"], json!({"toolsListChanged": true}));

    let called = caller.ask(texts.call("touch", "{}")).json();
    assert_eq!(called["result"]["content"][0]["text"], "touched");
    server.notifier().changed(Change::ResourcesList);
    let mut told = Vec::new();
    while !told.contains(&"notifications/resources/list_changed".to_string()) {
        let found = message(&mut all);
        assert_eq!(found["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 7);
        if found["method"] == "notifications/resources/updated" {
            assert_eq!(found["params"]["uri"], "app://a");
        }
        told.push(found["method"].as_str().expect("a method").to_string());
    }
    assert_eq!(told.iter().filter(|method| *method == "notifications/resources/updated").count(), 1, "{told:?}");
    assert!(told.contains(&"notifications/prompts/list_changed".to_string()), "{told:?}");
    server.notify(Change::ToolsList);
    assert_eq!(message(&mut some)["method"], "notifications/tools/list_changed", "the first that it was told of");
    stop(server);
}

#[test]
fn a_stream_has_no_more_resources_than_the_limit() {
    let (server, address) = start_with(config(Limits { stream_resources_max: 1, ..Limits::default() }));
    let (mut client, texts) = (Client::connect(address), Texts(address));
    for resources in [json!(["a", "b"]), json!("a"), json!([1])] {
        let answer = client.ask(listen(texts, &json!({"resourceSubscriptions": resources})));
        assert_eq!((answer.status, answer.code()), (200, -32_602), "{resources}");
    }
    client.send(listen(texts, &json!({"resourceSubscriptions": ["a"]})));
    client.head();
    assert_eq!(message(&mut client)["params"]["notifications"], json!({"resourceSubscriptions": ["a"]}));
    stop(server);
}

#[test]
fn no_uri_is_held_that_is_longer_than_the_limit() {
    let (server, address) = start_with(config(Limits { resource_uri_bytes_max: 8, ..Limits::default() }));
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let answer = client.ask(listen(texts, &json!({"resourceSubscriptions": ["app://a", "app://abc"]})));
    assert_eq!((answer.status, answer.code()), (200, -32_602));
    let mut older = Older::new(address, "2025-11-25");
    for (uri, code) in [(json!("app://abc"), -32_602), (json!(null), -32_602), (json!(1), -32_602)] {
        let answer = older.ask(&request(2, "resources/subscribe", &json!({"uri": uri})));
        assert_eq!((answer.status, answer.code()), (200, code), "{uri}");
    }
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let answer = older.ask(&request(3, method, &json!({"uri": "app://ab"})));
        assert_eq!(answer.json(), json!({"jsonrpc": "2.0", "id": 3, "result": {}}), "{method}");
    }
    stop(server);
}

#[test]
fn what_a_server_does_not_have_is_left_out() {
    let (server, address) = start(Limits::default());
    let (mut client, texts) = (Client::connect(address), Texts(address));
    client.send(listen(texts, &json!({"promptsListChanged": true, "resourceSubscriptions": ["a"]})));
    client.head();
    assert_eq!(message(&mut client)["params"]["notifications"], json!({}));
    stop(server);
}

#[test]
fn a_session_is_told_of_the_resources_that_it_subscribed_to() {
    let (server, address) = start_with(config(Limits::default()));
    let mut older = Older::new(address, "2025-06-18");
    let mut stream = older.another();
    stream.client.send(stream.get());
    stream.client.head();
    let subscribe = |uri: &str| request(2, "resources/subscribe", &json!({"uri": uri}));
    for uri in ["app://a", "app://b"] {
        assert_eq!(older.ask(&subscribe(uri)).json()["result"], json!({}));
    }
    assert_eq!(older.ask(&request(3, "resources/unsubscribe", &json!({"uri": "app://a"}))).status, 200);
    server.notifier().updated("app://a");
    server.notifier().updated("app://b");
    let said = stream.client.chunk();
    let expected = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"app://b"}}"#;
    assert!(said.starts_with("id: ") && said.trim_end().ends_with(&format!("\ndata: {expected}")), "{said}");
    stop(server);
}
