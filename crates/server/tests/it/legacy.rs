//! The older era over real sockets: protocol.md, section 8 and the legacy half of section 12.

use std::net::SocketAddr;

use erlmcp_server::{Limits, Server};
use serde_json::{Value, json};

use crate::client::{Answer, Client, Texts, eventually, start, stop};

/// A client in a session.
struct Older {
    client: Client,
    texts: Texts,
    /// The headers of each request.
    headers: String,
}

impl Older {
    fn new(address: SocketAddr, version: &str) -> Self {
        let (mut client, texts) = (Client::connect(address), Texts(address));
        let answer = client.ask(texts.post("", &initialize(version)));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let session = answer.field("Mcp-Session-Id").expect("a session");
        let headers = format!("Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: {version}\r\n");
        Self { client, texts, headers }
    }

    fn another(&self) -> Self {
        Self { client: Client::connect(self.texts.0), texts: self.texts, headers: self.headers.clone() }
    }

    fn text(&self, body: &str) -> String {
        self.texts.post(&self.headers, body)
    }

    fn ask(&mut self, body: &str) -> Answer {
        self.client.ask(self.texts.post(&self.headers, body))
    }

    fn get(&self) -> String {
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

fn request(id: u32, method: &str, params: &Value) -> String {
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
        assert_eq!(result["serverInfo"]["name"], "erlmcp-server");
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
        for (method, params) in [
            ("ping", json!({})),
            ("logging/setLevel", json!({"level": "debug"})),
            ("resources/subscribe", json!({"uri": "a://b"})),
            ("resources/unsubscribe", json!({"uri": "a://b"})),
        ] {
            let answer = older.ask(&request(2, method, &params));
            assert_eq!(answer.json(), json!({"jsonrpc": "2.0", "id": 2, "result": {}}), "{method}");
        }
        let listed = older.ask(&request(3, "tools/list", &json!({}))).json();
        let members: Vec<&String> = listed["result"].as_object().expect("a result").keys().collect();
        assert_eq!((members.len(), &listed["result"]["tools"][0]["name"]), (1, &json!("echo")), "{members:?}");
        for (tool, arguments, text) in [("echo", json!({"text": "a"}), "a"), ("work", json!({"ms": 1}), "done")] {
            let answer = older.ask(&call(4, tool, &arguments));
            let result = &answer.json()["result"];
            assert_eq!(answer.status, 200);
            assert!(result.get("resultType").is_none() && result.get("_meta").is_none(), "{result}");
            let said = result["content"][0]["text"].as_str().expect("a text");
            assert!(tool == "work" || said == text, "{said}");
        }
        // Errors are messages like any other.
        for (code, body) in [
            (-32_601, request(5, "no/such", &json!({}))),
            (-32_601, request(5, "server/discover", &json!({}))),
            (-32_601, request(5, "subscriptions/listen", &json!({"notifications": {}}))),
            (-32_602, call(5, "nothing", &json!({}))),
            (-32_602, request(5, "logging/setLevel", &json!({"level": "loud"}))),
            (-32_602, request(5, "resources/subscribe", &json!({}))),
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
fn a_session_must_be_named_and_live() {
    let (server, address) = start(Limits { session_lifetime_ms: 2_000, ..Limits::default() });
    let mut older = Older::new(address, "2025-11-25");
    let ping = request(2, "ping", &json!({}));
    let (texts, version) = (older.texts, "MCP-Protocol-Version: 2025-11-25\r\n");
    let session = older.headers.lines().next().expect("a session").to_string();
    let forged = session.replace(&session[20..22], if &session[20..22] == "AA" { "BB" } else { "AA" });
    let initialized = notification("notifications/initialized", &json!({}));
    for (what, status, text) in [
        ("missing", 400, texts.post(version, &ping)),
        ("missing on a notification", 400, texts.post(version, &initialized)),
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
    eventually("the session expires", || older.ask(&ping).status == 404);
    // Modern clients are not asked for any of this.
    assert_eq!(older.client.ask(texts.echo("a")).status, 200);
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
    let too_long = batch(&vec![initialized.clone(); 7]);
    for bad in ["[]", "[", &too_long] {
        assert_eq!(older.ask(bad).status, 400, "{bad}");
    }
    for version in ["2025-06-18", "2025-11-25"] {
        let answer = Older::new(address, version).ask(&batch(&[initialized.clone()]));
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
