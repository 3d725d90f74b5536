//! The older era over real sockets: protocol.md, section 8 and the legacy half of section 12.

use std::net::SocketAddr;

use erlmcp_server::tools::{Arguments, CallContext, Content, JobContext, ToolResult, ToolSpec};
use erlmcp_server::{Change, Limits, Registry, Server, ServerConfig};
use serde_json::{Value, json};

use crate::client::{Answer, Client, Texts, eventually, start, start_with, stop};

/// A client in a session.
pub(crate) struct Older {
    pub(crate) client: Client,
    texts: Texts,
    /// The headers of each request.
    headers: String,
}

impl Older {
    pub(crate) fn new(address: SocketAddr, version: &str) -> Self {
        let (mut client, texts) = (Client::connect(address), Texts(address));
        let answer = client.ask(texts.post("", &initialize(version)));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let session = answer.field("Mcp-Session-Id").expect("a session");
        let headers = format!("Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: {version}\r\n");
        Self { client, texts, headers }
    }

    pub(crate) fn another(&self) -> Self {
        Self { client: Client::connect(self.texts.0), texts: self.texts, headers: self.headers.clone() }
    }

    fn text(&self, body: &str) -> String {
        self.texts.post(&self.headers, body)
    }

    pub(crate) fn ask(&mut self, body: &str) -> Answer {
        self.client.ask(self.texts.post(&self.headers, body))
    }

    pub(crate) fn get(&self) -> String {
        let headers = format!("Accept: text/event-stream\r\n{}", self.headers);
        self.texts.get("/mcp").replace("\r\n\r\n", &format!("\r\n{headers}\r\n"))
    }

    fn delete(&self) -> String {
        self.get().replacen("GET", "DELETE", 1)
    }
}

fn initialize(version: &str) -> String {
    let params = json!({"protocolVersion": version, "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "t", "version": "1"}});
    request(1, "initialize", &params)
}

pub(crate) fn request(id: u32, method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

fn notification(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
}

fn call(id: u32, tool: &str, arguments: &Value) -> String {
    request(id, "tools/call", &json!({"name": tool, "arguments": arguments}))
}

fn running(server: &Server) -> u64 {
    server.snapshot().queue.workers_active
}

#[test]
fn initialize_negotiates_a_version_and_opens_a_session() {
    let (server, address) = start(Limits::default());
    let (mut client, texts) = (Client::connect(address), Texts(address));
    for (asked, spoken) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2026-07-28", "2025-11-25"),
        ("2024-11-05", "2025-11-25"),
        ("1.0", "2025-11-25"),
    ] {
        let answer = client.ask(texts.post("", &initialize(asked)));
        let result = &answer.json()["result"];
        assert_eq!((answer.status, &result["protocolVersion"]), (200, &json!(spoken)), "{asked}");
        assert_eq!(result["serverInfo"]["name"], "mcp-server");
        assert_eq!(result["capabilities"]["tools"], json!({"listChanged": true}));
        for absent in ["resultType", "_meta", "ttlMs", "cacheScope"] {
            assert_eq!(result.get(absent), None, "{absent}");
        }
        let session = answer.field("Mcp-Session-Id").expect("a session");
        assert!(session.bytes().all(|byte| (0x21..=0x7e).contains(&byte)), "{session}");
    }
    // A version in the head does not matter here, be it the older era's or not.
    for version in ["2025-11-25", "2026-07-28", "x"] {
        let headers = format!("MCP-Protocol-Version: {version}\r\nMcp-Method: initialize\r\n");
        assert_eq!(client.ask(texts.post(&headers, &initialize("2025-06-18"))).status, 200, "{version}");
    }
    stop(server);
}

#[test]
fn requests_of_a_session_are_answered_as_its_era_has_it() {
    let (server, address) = start(Limits::default());
    for version in ["2025-11-25", "2025-06-18", "2025-03-26"] {
        let mut older = Older::new(address, version);
        let initialized = older.ask(&notification("notifications/initialized", &json!({})));
        assert_eq!((initialized.status, initialized.body.as_str()), (202, ""));
        for (method, params) in [("ping", json!({})), ("logging/setLevel", json!({"level": "debug"}))] {
            let answer = older.ask(&request(2, method, &params));
            assert_eq!(answer.json(), json!({"jsonrpc": "2.0", "id": 2, "result": {}}), "{method}");
        }
        let listed = older.ask(&request(3, "tools/list", &json!({}))).json();
        let members: Vec<&String> = listed["result"].as_object().expect("a result").keys().collect();
        assert_eq!((members.len(), &listed["result"]["tools"][0]["name"]), (1, &json!("echo")), "{members:?}");
        for (tool, arguments, text) in [("echo", json!({"text": "a"}), "a"), ("work", json!({"ms": 1}), "slept 1 ms")] {
            let answer = older.ask(&call(4, tool, &arguments));
            let result = &answer.json()["result"];
            assert_eq!(answer.status, 200);
            assert!(result.get("resultType").is_none() && result.get("_meta").is_none(), "{result}");
            let said = result["content"][0]["text"].as_str().expect("a text");
            assert_eq!(said, text);
        }
        // Errors are messages like any other.
        for (code, body) in [
            (-32_601, request(5, "no/such", &json!({}))),
            (-32_601, request(5, "server/discover", &json!({}))),
            (-32_601, request(5, "subscriptions/listen", &json!({"notifications": {}}))),
            (-32_602, call(5, "nothing", &json!({}))),
            (-32_602, request(5, "logging/setLevel", &json!({"level": "loud"}))),
            // It has no resources, and says so in its capabilities.
            (-32_601, request(5, "resources/subscribe", &json!({"uri": "a://b"}))),
            (-32_601, request(5, "resources/unsubscribe", &json!({"uri": "a://b"}))),
            (-32_602, request(5, "tools/list", &json!({"cursor": "x"}))),
        ] {
            let answer = older.ask(&body);
            assert_eq!((answer.status, answer.code(), &answer.json()["id"]), (200, code, &json!(5)), "{body}");
        }
        let response = older.ask(&json!({"jsonrpc": "2.0", "id": 9, "result": {}}).to_string());
        assert_eq!((response.status, response.body.as_str()), (202, ""));
    }
    stop(server);
}

#[test]
fn sessions_get_only_what_their_version_knows() {
    fn result() -> ToolResult<'static> {
        let pieces = ToolResult::pieces(vec![Content::link("app://a", "a")]);
        pieces.with_structured(&[1, 2]).expect("numbers are JSON")
    }
    fn inline<'a>(_: &CallContext<'_>, _: Arguments<'a>) -> ToolResult<'a> {
        result()
    }
    async fn queued(_: JobContext, _: Box<str>) -> ToolResult<'static> {
        result()
    }
    let spec = |name: &str| ToolSpec::new(name, "Has a link.", json!({"type": "object"}));
    let registry = Registry::new().inline(spec("inline"), inline);
    let registry = registry.and_then(|registry| registry.queued(spec("queued"), queued)).expect("good tools");
    let (server, address) = start_with(ServerConfig { registry, ..ServerConfig::default() });
    let link = json!({"type": "resource_link", "uri": "app://a", "name": "a"});
    for (version, piece) in [("2025-06-18", &link), ("2025-03-26", &json!({"type": "text", "text": "a: app://a"}))] {
        let mut older = Older::new(address, version);
        for tool in ["inline", "queued"] {
            assert_eq!(
                older.ask(&call(2, tool, &json!({}))).json()["result"],
                json!({"content": [piece]}),
                "{version}"
            );
        }
    }
    let modern = Client::connect(address).ask(Texts(address).call("inline", "{}")).json();
    assert_eq!((&modern["result"]["content"][0], &modern["result"]["structuredContent"]), (&link, &json!([1, 2])));
    stop(server);
}

#[test]
fn a_session_must_be_named_and_live() {
    let (server, address) = start(Limits::default());
    let mut older = Older::new(address, "2025-11-25");
    let ping = request(2, "ping", &json!({}));
    let (texts, version) = (older.texts, "MCP-Protocol-Version: 2025-11-25\r\n");
    let session = older.headers.lines().next().expect("a session").to_string();
    let forged = session.replace(&session[20..22], if &session[20..22] == "AA" { "BB" } else { "AA" });
    let initialized = notification("notifications/initialized", &json!({}));
    for (what, status, text) in [
        ("missing", 400, texts.post(version, &ping)),
        ("missing on a notification", 400, texts.post(version, &initialized)),
        ("missing on a notification without a version", 400, texts.post("", &initialized)),
        ("twice", 400, texts.post(&format!("{session}\r\n{session}\r\n"), &ping)),
        ("unknown", 404, texts.post(&format!("{version}Mcp-Session-Id: x\r\n"), &ping)),
        ("forged", 404, texts.post(&format!("{version}{forged}\r\n"), &ping)),
        ("unknown on a notification", 404, texts.post("Mcp-Session-Id: x\r\n", &initialized)),
        (
            "a version that is not served",
            400,
            texts.post(&format!("{session}\r\nMCP-Protocol-Version: 2024-11-05\r\n"), &ping),
        ),
        (
            "none such on a notification",
            400,
            texts.post(&format!("{session}\r\nMCP-Protocol-Version: x\r\n"), &initialized),
        ),
        ("a modern version", 404, texts.post(&format!("{session}\r\nMCP-Protocol-Version: 2026-07-28\r\n"), &ping)),
        ("no version", 200, texts.post(&format!("{session}\r\n"), &ping)),
        (
            "another one that is served",
            200,
            texts.post(&format!("{session}\r\nMCP-Protocol-Version: 2025-03-26\r\n"), &ping),
        ),
    ] {
        let answer = older.client.ask(text);
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
    }
    // Modern clients are not asked for any of this.
    assert_eq!(older.client.ask(texts.echo("a")).status, 200);
    stop(server);
    let (server, address) = start(Limits { session_lifetime_ms: 2_000, ..Limits::default() });
    let mut older = Older::new(address, "2025-11-25");
    eventually("the session expires", || older.ask(&ping).status == 404);
    stop(server);
}

#[test]
fn batches_are_answered_in_the_version_that_has_them() {
    let (server, address) = start(Limits { batch_messages_max: 6, ..Limits::default() });
    let mut older = Older::new(address, "2025-03-26");
    let batch = |messages: &[String]| format!("[{}]", messages.join(","));
    let initialized = notification("notifications/initialized", &json!({}));
    let answer = older.ask(&batch(&[
        call(1, "echo", &json!({"text": "a"})),
        call(2, "work", &json!({"ms": 20})),
        initialized.clone(),
        initialize("2025-03-26").replace("\"id\":1", "\"id\":3"),
        "7".to_string(),
        call(4, "work", &json!({"ms": 1})),
    ]));
    let answers = answer.json();
    let mut ids: Vec<String> = answers.as_array().expect("a list").iter().map(|one| one["id"].to_string()).collect();
    ids.sort();
    assert_eq!((answer.status, ids.join(" ")), (200, "1 2 3 4 null".to_string()), "{answers}");
    let inline = older.ask(&batch(&[call(1, "echo", &json!({"text": "a"})), request(2, "ping", &json!({}))])).json();
    assert_eq!((inline[0]["id"].as_u64(), &inline[1]["result"]), (Some(1), &json!({})));
    let silent =
        older.ask(&batch(&[initialized.clone(), json!({"jsonrpc": "2.0", "id": 9, "result": {}}).to_string()]));
    assert_eq!((silent.status, silent.body.as_str()), (202, ""));
    let unread = json!({"jsonrpc": "2.0", "id": 9, "result": {"n": 1}}).to_string().replace(":1}", ":1e999}");
    let refused = older.ask(&batch(&[initialized.clone(), unread]));
    assert_eq!((refused.status, refused.code()), (400, -32_600), "{}", refused.body);
    let too_long = batch(&vec![initialized.clone(); 7]);
    for bad in ["[]", "[", &too_long] {
        assert_eq!(older.ask(bad).status, 400, "{bad}");
    }
    for version in ["2025-06-18", "2025-11-25"] {
        let answer = Older::new(address, version).ask(&batch(std::slice::from_ref(&initialized)));
        assert_eq!((answer.status, answer.code()), (400, -32_600), "{version}");
    }
    stop(server);
}

#[test]
fn a_client_that_goes_leaves_its_call_and_a_notification_cancels_it() {
    let (server, address) = start(Limits { call_timeout_ms: 60_000, ..Limits::default() });
    let mut older = Older::new(address, "2025-11-25");
    let mut gone = older.another();
    gone.client.send(gone.text(&call(7, "work", &json!({"ms": 50_000}))));
    eventually("the call runs", || running(&server) == 1);
    drop(gone);
    let mut held = older.another();
    held.client.send(held.text(&call(8, "work", &json!({"ms": 50_000}))));
    // The second call runs, and the first one still does.
    eventually("both calls run", || running(&server) == 2);
    let cancel = |id: u32| notification("notifications/cancelled", &json!({"requestId": id, "reason": "enough"}));
    assert_eq!(older.ask(&cancel(99)).status, 202);
    let mut stranger = Older::new(address, "2025-11-25");
    assert_eq!(stranger.ask(&cancel(7)).status, 202);
    assert_eq!(running(&server), 2, "only the session's own calls are meant");
    assert_eq!(older.ask(&cancel(8)).status, 202);
    let answer = held.client.answer();
    assert_eq!((answer.status, answer.body.as_str()), (200, ""), "a cancelled request has no response");
    assert_eq!(held.ask(&request(9, "ping", &json!({}))).status, 200, "and its connection is usable");
    assert_eq!(older.ask(&cancel(7)).status, 202);
    eventually("both have ended", || running(&server) == 0);
    stop(server);
}

#[test]
fn sessions_at_rest_cost_nothing() {
    let (server, address) = start(Limits::default());
    let (mut client, texts) = (Client::connect(address), Texts(address));
    for _ in 0..2_000 {
        assert_eq!(client.ask(texts.post("", &initialize("2025-11-25"))).status, 200);
    }
    let after = server.snapshot();
    assert_eq!(after.sessions, 0);
    assert!(after.memory.buffers < 1 << 20, "{:?}", after.memory);
    stop(server);
}

#[test]
fn a_session_ends_with_delete() {
    let (server, address) = start(Limits::default());
    let mut older = Older::new(address, "2025-11-25");
    let mut other = Older::new(address, "2025-11-25");
    let ping = request(2, "ping", &json!({}));
    assert_eq!(older.ask(&ping).status, 200);
    let end = older.delete();
    let with_body = end.replace("\r\n\r\n", "\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!(older.another().client.ask(with_body).status, 400);
    let unserved = end.replace("2025-11-25", "2024-11-05");
    assert_eq!(older.client.ask(unserved).status, 400);
    assert_eq!(older.client.ask(&end).status, 204);
    for text in
        [end, older.get(), older.text(&ping), older.text(&notification("notifications/initialized", &json!({})))]
    {
        assert_eq!(older.client.ask(text).status, 404);
    }
    assert_eq!(other.ask(&ping).status, 200);
    for bad in [
        older.texts.get("/mcp").replacen("GET", "DELETE", 1),
        other.delete().replace(&other.headers, "MCP-Protocol-Version: 2026-07-28\r\n"),
    ] {
        let answer = other.client.ask(bad);
        assert_eq!((answer.status, answer.field("Allow").as_deref()), (405, Some("POST")));
    }
    let unnamed = other.delete().replace(&other.headers, "MCP-Protocol-Version: 2025-06-18\r\n");
    assert_eq!(other.client.ask(unnamed).status, 400);
    stop(server);
}

#[test]
fn who_ends_many_sessions_ends_none_of_others() {
    let (server, address) = start(Limits { sessions_revoked_max: 3, ..Limits::default() });
    let mut lasting = Older::new(address, "2025-11-25");
    let ping = request(2, "ping", &json!({}));
    for (status, after) in [(204, 404), (204, 404), (503, 200), (503, 200)] {
        let mut older = Older::new(address, "2025-11-25");
        let ended = older.client.ask(older.delete());
        assert_eq!((ended.status, ended.field("Retry-After").is_some()), (status, status == 503));
        assert_eq!(older.ask(&ping).status, after);
    }
    assert_eq!(lasting.ask(&ping).status, 200);
    stop(server);
}

#[test]
fn a_session_has_streams_of_its_own() {
    let (server, address) = start(Limits { stream_comment_ms: 200, session_streams_max: 2, ..Limits::default() });
    let older = Older::new(address, "2025-11-25");
    let mut oldest = older.another();
    oldest.client.send(oldest.get());
    oldest.client.head();
    let mut streams = [older.another(), older.another()];
    for stream in &mut streams {
        stream.client.send(stream.get());
        let head = stream.client.head();
        assert!(
            head.starts_with("HTTP/1.1 200 ") && head.contains("\r\nContent-Type: text/event-stream\r\n"),
            "{head}"
        );
        let priming = stream.client.chunk();
        assert!(
            priming.starts_with("id: ") && priming.contains("\nretry: ") && priming.ends_with("\ndata: \n\n"),
            "{priming}"
        );
    }
    assert!(oldest.client.rest().ends_with("0\r\n\r\n"), "there may be two");
    let json_only = older.get().replace("text/event-stream", "application/json");
    assert_eq!(older.another().client.ask(json_only).status, 406);
    assert_eq!((server.snapshot().streams, server.snapshot().sessions), (2, 1));
    assert_eq!(streams[0].client.chunk(), ": keep-alive\n\n");
    server.notify(Change::ToolsList);
    let mut said = streams[1].client.chunk();
    while said.starts_with(':') {
        said = streams[1].client.chunk();
    }
    assert!(said.contains("notifications/tools/list_changed") && !said.contains("subscriptionId"), "{said}");
    // Each message goes to one stream: on the other one there are only comments until the session ends.
    assert_eq!(older.another().client.ask(older.delete()).status, 204);
    for stream in streams {
        let rest = stream.client.rest();
        assert!(rest.ends_with("0\r\n\r\n") && !rest.contains("list_changed"), "{rest}");
    }
    eventually("the streams are gone", || server.snapshot().streams == 0 && server.snapshot().sessions == 0);
    stop(server);
}

#[test]
fn a_stream_that_is_taken_up_again_tells_what_may_have_been_missed() {
    let (server, address) = start(Limits::default());
    for (version, primes) in [("2025-11-25", true), ("2025-06-18", false), ("2025-03-26", false)] {
        let older = Older::new(address, version);
        let mut stream = older.another();
        stream.client.send(stream.get().replace("\r\n\r\n", "\r\nLast-Event-ID: 0-1-1-1-0\r\n\r\n"));
        stream.client.head();
        if primes {
            assert!(stream.client.chunk().starts_with("id: "));
        }
        let said = stream.client.chunk();
        assert!(said.contains("notifications/tools/list_changed"), "{version}: {said}");
    }
    stop(server);
}

#[test]
fn a_stream_ends_with_its_session_and_with_the_server() {
    // In whole seconds: one of the two may be nearly over.
    let limits = Limits { stream_comment_ms: 200, session_lifetime_ms: 2_000, ..Limits::default() };
    let (server, address) = start(limits);
    let mut expiring = Older::new(address, "2025-06-18");
    expiring.client.send(expiring.get());
    assert!(expiring.client.rest().ends_with("0\r\n\r\n"));
    stop(server);
    // One whose session does not end before it is asked for.
    let (server, address) = start(Limits { stream_comment_ms: 200, ..Limits::default() });
    let mut drained = Older::new(address, "2025-06-18");
    drained.client.send(drained.get());
    drained.client.head();
    server.drain();
    assert!(drained.client.rest().ends_with("0\r\n\r\n"));
    assert_eq!(server.join().cut, 0);
}
