//! Clients of the older era that lose a stream and come back to it with Last-Event-ID.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use erlmcp_server::features::{Failure, ResourceRequest, ResourceSpec};
use erlmcp_server::tools::{JobContext, LogLevel, Registry, ResourceContents, ToolResult, ToolSpec};
use erlmcp_server::{Change, Limits, Server, ServerConfig};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::client::{Answer, Client, Texts, eventually, start_with, stop};

async fn read(_: JobContext, request: ResourceRequest) -> Result<Vec<ResourceContents<'static>>, Failure> {
    Ok(vec![ResourceContents::text(request.uri, "text/plain", "x")])
}

async fn polled(context: JobContext, _: Box<str>) -> ToolResult<'static> {
    let closed = context.close_stream(Duration::from_millis(250)).await;
    context.log(LogLevel::Info, "after").await;
    ToolResult::text(format!("closed: {closed}"))
}

/// A server whose tool `steps` says "one", and "two" and its answer as the gate lets it.
fn server(limits: Limits) -> (Server, SocketAddr, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let inner = Arc::clone(&gate);
    let steps = move |context: JobContext, _: Box<str>| {
        let gate = Arc::clone(&inner);
        async move {
            context.log(LogLevel::Info, "one").await;
            gate.acquire().await.expect("it stays open").forget();
            context.log(LogLevel::Info, "two").await;
            gate.acquire().await.expect("it stays open").forget();
            ToolResult::text("done")
        }
    };
    let spec = |name: &str| ToolSpec::new(name, "Speaks.", json!({"type": "object"}));
    let registry = Registry::new()
        .queued(spec("steps"), steps)
        .and_then(|registry| registry.queued(spec("polled"), polled))
        .and_then(|registry| registry.resource(ResourceSpec::new("app://a", "A"), read))
        .expect("good names");
    let (server, address) = start_with(ServerConfig { registry, limits, replica: 3, shards: 2, ..Default::default() });
    (server, address, gate)
}

/// A session, by the headers of its requests.
struct Session {
    texts: Texts,
    headers: String,
}

impl Session {
    fn new(address: SocketAddr, version: &str) -> Self {
        let texts = Texts(address);
        let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let answer = Client::connect(address).ask(texts.post("", &initialize.to_string()));
        let id = answer.field("Mcp-Session-Id").expect("a session");
        Self { texts, headers: format!("Mcp-Session-Id: {id}\r\nMCP-Protocol-Version: {version}\r\n") }
    }

    fn request(&self, id: u32, method: &str, params: &Value) -> String {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.texts.post(&self.headers, &message.to_string())
    }

    /// A connection that has called a tool, behind the head of its stream.
    fn call(&self, tool: &str) -> Client {
        let mut client = Client::connect(self.texts.0);
        client.send(self.request(5, "tools/call", &json!({"name": tool})));
        assert!(client.head().contains("\r\nContent-Type: text/event-stream\r\n"));
        client
    }

    fn get(&self, last: Option<&str>) -> String {
        let last = last.map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
        let headers = format!("Accept: text/event-stream\r\n{}{last}", self.headers);
        self.texts.get("/mcp").replace("\r\n\r\n", &format!("\r\n{headers}\r\n"))
    }

    /// A connection that has come back, behind the head of its stream.
    fn resume(&self, last: &str) -> Client {
        let mut client = Client::connect(self.texts.0);
        client.send(self.get(Some(last)));
        let head = client.head();
        assert!(
            head.starts_with("HTTP/1.1 200 ") && head.contains("\r\nContent-Type: text/event-stream\r\n"),
            "{head}"
        );
        client
    }

    fn refused(&self, last: &str) -> Answer {
        Client::connect(self.texts.0).ask(self.get(Some(last)))
    }
}

/// An event: its id and its message, null where it has no data.
fn event(client: &mut Client) -> (String, Value) {
    let mut chunk = client.chunk();
    while chunk.starts_with(':') {
        chunk = client.chunk();
    }
    let field = |name: &str| chunk.lines().find_map(|line| line.strip_prefix(name)).map(str::to_string);
    let data = field("data: ").unwrap_or_else(|| panic!("no event: {chunk:?}"));
    let message = if data.is_empty() { Value::Null } else { serde_json::from_str(&data).expect("an event is JSON") };
    (field("id: ").unwrap_or_default(), message)
}

/// What a message says.
fn said((_, message): &(String, Value)) -> Value {
    match message.get("result") {
        Some(result) => result["content"][0]["text"].clone(),
        None => message["params"]["data"].clone(),
    }
}

#[test]
fn a_call_goes_on_where_its_client_has_lost_it() {
    let (server, address, gate) = server(Limits::default());
    for version in ["2025-11-25", "2025-06-18", "2025-03-26"] {
        let session = Session::new(address, version);
        let mut lost = session.call("steps");
        if version == "2025-11-25" {
            let (id, nothing) = event(&mut lost);
            assert!(!id.is_empty() && nothing.is_null(), "{id} {nothing}");
        }
        let one = event(&mut lost);
        assert_eq!(said(&one), "one", "{version}");
        drop(lost);
        let mut again = session.resume(&one.0);
        gate.add_permits(1);
        let two = event(&mut again);
        assert_eq!(said(&two), "two", "{version}");
        // Once more, while the connection before is still there: that one is let go.
        let mut third = session.resume(&one.0);
        assert_eq!(event(&mut third), two, "{version}");
        assert_eq!(again.chunk(), "");
        assert_eq!(again.ask(session.request(6, "ping", &json!({}))).status, 200, "its connection is usable");
        gate.add_permits(1);
        let done = event(&mut third);
        assert_eq!((said(&done), &done.1["id"]), (json!("done"), &json!(5)), "{version}");
        assert_eq!(third.chunk(), "");
        assert_eq!(third.ask(session.request(7, "ping", &json!({}))).status, 200);
    }
    stop(server);
}

#[test]
fn an_answer_waits_for_its_client_and_for_nobody_else() {
    let (server, address, gate) = server(Limits::default());
    let session = Session::new(address, "2025-11-25");
    let mut lost = session.call("steps");
    let first = event(&mut lost).0;
    drop(lost);
    gate.add_permits(2);
    eventually("the call has ended", || server.snapshot().queue.workers_active == 0);
    let mut again = session.resume(&first);
    let all: Vec<_> = (0..3).map(|_| event(&mut again)).collect();
    assert_eq!(all.iter().map(said).collect::<Vec<_>>(), ["one", "two", "done"]);
    assert_eq!(again.chunk(), "");
    let mut end = session.resume(&all[2].0);
    assert_eq!(end.chunk(), "", "all was read");
    assert_eq!(Session::new(address, "2025-11-25").refused(&first).status, 410, "another session's");
    let later = first.rsplit_once('-').map(|(rest, _)| format!("{rest}-99")).expect("an id has parts");
    let mut parts: Vec<&str> = first.split('-').collect();
    parts[1] = "0";
    let of_another_life = parts.join("-");
    for other in [later, of_another_life] {
        let answer = session.refused(&other);
        assert_eq!((answer.status, answer.code()), (410, -32_600), "{other}");
    }
    stop(server);
}

#[test]
fn a_tool_closes_its_stream_and_its_client_polls() {
    let (server, address, _) = server(Limits::default());
    let session = Session::new(address, "2025-11-25");
    let mut polled = session.call("polled");
    let primer = polled.chunk();
    assert!(primer.contains("\nretry: 250\n") && primer.ends_with("\ndata: \n\n"), "{primer}");
    assert_eq!(polled.chunk(), "");
    assert_eq!(polled.ask(session.request(6, "ping", &json!({}))).status, 200, "its connection is free");
    let id = primer.lines().find_map(|line| line.strip_prefix("id: ")).expect("an id");
    let mut again = session.resume(id);
    assert_eq!(said(&event(&mut again)), "after");
    assert_eq!(said(&event(&mut again)), "closed: true");
    assert_eq!(again.chunk(), "");
    let mut older = Session::new(address, "2025-06-18").call("polled");
    assert_eq!((said(&event(&mut older)), said(&event(&mut older))), (json!("after"), json!("closed: false")));
    stop(server);
}

#[test]
fn what_was_not_kept_is_told() {
    let (server, address, gate) = server(Limits { replay_stream_events_max: 1, ..Limits::default() });
    let session = Session::new(address, "2025-11-25");
    let mut lost = session.call("steps");
    let first = event(&mut lost).0;
    gate.add_permits(2);
    eventually("the call has ended", || server.snapshot().queue.workers_active == 0);
    let mut again = session.resume(&first);
    let (id, warning) = event(&mut again);
    assert_eq!((id.as_str(), &warning["params"]["level"]), ("", &json!("warning")), "{warning}");
    assert!(warning["params"]["data"].as_str().is_some_and(|text| text.starts_with("2 ")), "{warning}");
    assert_eq!(said(&event(&mut again)), "done");
    let level = session.request(6, "logging/setLevel", &json!({"level": "error"}));
    assert_eq!(Client::connect(address).ask(level).status, 200);
    assert_eq!(said(&event(&mut session.resume(&first))), "done", "it wants no warnings");
    stop(server);
}

#[test]
fn a_stream_that_was_lost_is_told_of_what_has_changed_since() {
    let (server, address, _) = server(Limits::default());
    for version in ["2025-11-25", "2025-06-18"] {
        let session = Session::new(address, version);
        let subscribe = session.request(2, "resources/subscribe", &json!({"uri": "app://a"}));
        assert_eq!(Client::connect(address).ask(subscribe).status, 200);
        let mut stream = Client::connect(address);
        stream.send(session.get(None));
        stream.head();
        let method = |event: &(String, Value)| event.1["method"].as_str().unwrap_or_default().to_string();
        let next = |stream: &mut Client| {
            std::iter::repeat_with(|| event(stream)).find(|event| !event.1.is_null()).expect("an event with data")
        };
        server.notify(Change::ToolsList);
        let tools = next(&mut stream);
        assert_eq!(method(&tools), "notifications/tools/list_changed");
        drop(stream);
        eventually("the stream is gone", || server.snapshot().streams == 0);
        server.notify(Change::ResourcesList);
        server.notifier().updated("app://a");
        server.notifier().updated("app://b");
        let mut stream = session.resume(&tools.0);
        let resources = next(&mut stream);
        assert_eq!(method(&resources), "notifications/resources/list_changed", "{version}");
        let updated = next(&mut stream);
        assert_eq!(
            (method(&updated).as_str(), &updated.1["params"]["uri"]),
            ("notifications/resources/updated", &json!("app://a"))
        );
        drop(stream);
        eventually("the stream is gone", || server.snapshot().streams == 0);
        // Between the two the client had only read of the first.
        let mut stream = session.resume(&resources.0);
        let again = [next(&mut stream), next(&mut stream)].map(|event| method(&event));
        assert_eq!(again, ["notifications/resources/list_changed", "notifications/resources/updated"]);
        drop(stream);
        eventually("the stream is gone", || server.snapshot().streams == 0);
        let mut stream = session.resume(&updated.0);
        eventually("the stream is open", || server.snapshot().streams == 1);
        server.notify(Change::ToolsList);
        assert_eq!(method(&next(&mut stream)), "notifications/tools/list_changed", "nothing was missed before it");
        drop(stream);
        eventually("the stream is gone", || server.snapshot().streams == 0);
    }
    stop(server);
}
