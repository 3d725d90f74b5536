//! Every method and page, as it is answered.

use erlmcp_server::{Limits, ServerConfig, ServerInfo};
use serde_json::json;

use crate::client::{Client, Texts, start, start_with, stop};

#[test]
fn every_method_is_answered() {
    let info = ServerInfo { instructions: Some("Call echo.".to_string()), ..ServerInfo::new("sample", "7") };
    let registry = erlmcp_server::Registry::builtin();
    let (server, address) = start_with(ServerConfig { info, registry, ..ServerConfig::default() });
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let about = json!({"io.modelcontextprotocol/serverInfo": {"name": "sample", "version": "7"}});

    let discover = client.ask(texts.request("server/discover", ""));
    assert_eq!((discover.status, discover.field("Content-Type").as_deref()), (200, Some("application/json")));
    let result = json!({
        "resultType": "complete", "supportedVersions": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"], "capabilities": {"tools": {"listChanged": true}},
        "instructions": "Call echo.", "ttlMs": 600_000, "cacheScope": "public", "_meta": about,
    });
    assert_eq!(discover.json(), json!({"jsonrpc": "2.0", "id": 7, "result": result}));

    let list = client.ask(texts.request("tools/list", "")).json();
    assert_eq!(list["result"]["resultType"], "complete");
    assert_eq!((&list["result"]["ttlMs"], &list["result"]["cacheScope"]), (&json!(600_000), &json!("public")));
    let names: Vec<_> = list["result"]["tools"].as_array().expect("tools").iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["echo", "work", "append"]);
    assert_eq!(list["result"]["tools"][0]["annotations"]["readOnlyHint"], true);
    assert!(list["result"].get("nextCursor").is_none());

    let echo = client.ask(texts.echo("hello"));
    let result = json!({"resultType": "complete", "content": [{"type": "text", "text": "hello"}], "_meta": about});
    assert_eq!(echo.json(), json!({"jsonrpc": "2.0", "id": 7, "result": result}));
    let work = client.ask(texts.call("work", "{\"ms\":5}"));
    let result = json!({"resultType": "complete", "content": [{"type": "text", "text": "slept 5 ms"}], "_meta": about});
    assert_eq!((work.status, work.json()), (200, json!({"jsonrpc": "2.0", "id": 7, "result": result})));
    let busy = client.ask(texts.call("work", "{\"ms\":5,\"busy\":true}"));
    assert_eq!(busy.json()["result"]["content"][0]["text"], "worked 5 ms");

    let notification = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
    let taken = client.ask(texts.post("MCP-Protocol-Version: 2026-07-28\r\n", notification));
    assert_eq!((taken.status, taken.body.as_str()), (202, ""));
    stop(server);
}

#[test]
fn every_page_is_answered() {
    let (server, address) = start(Limits::default());
    let (mut client, texts) = (Client::connect(address), Texts(address));
    client.ask(texts.echo("counted"));
    for (path, status) in
        [("/health", 200), ("/ready", 200), ("/metrics", 200), ("/status", 200), ("/", 404), ("/mcp/", 404)]
    {
        let answer = client.ask(texts.get(path));
        assert_eq!(answer.status, status, "{path}");
        let mut other = Client::connect(address);
        other.send(texts.get(path).replacen("GET", "HEAD", 1).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        let head = other.head();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains("\r\nContent-Length: "),
            "{path}: {head}"
        );
        assert_eq!(other.rest(), "", "{path}: an answer to HEAD has no body");
    }
    server.set_ready(false);
    assert_eq!(client.ask(texts.get("/ready")).status, 503);
    assert_eq!(client.ask(texts.get("/health")).status, 200);

    let metrics = client.ask(texts.get("/metrics")).body;
    assert!(
        metrics.contains("erlmcp_requests_total{replica=\"0\",method=\"tools/call\",outcome=\"ok\"} 1\n"),
        "{metrics}"
    );
    assert!(metrics.contains("erlmcp_latency_seconds_count{replica=\"0\"} "), "{metrics}");
    let status = client.ask(texts.get("/status")).json();
    assert_eq!((&status["worker_pool"]["size"], &status["queue"]["limit"]), (&json!(50), &json!(50)));
    assert_eq!((&status["tools"], &status["cluster"]), (&json!(["echo", "work", "append"]), &json!(null)));
    stop(server);
}

#[test]
fn other_methods_of_http_are_told_what_is_allowed() {
    let (server, address) = start(Limits::default());
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let cases = [
        ("GET", "/mcp", 405, Some("POST")),
        ("DELETE", "/mcp", 405, Some("POST")),
        ("PUT", "/mcp", 405, Some("GET, POST, DELETE")),
        ("PATCH", "/mcp", 405, Some("GET, POST, DELETE")),
        ("POST", "/health", 405, Some("GET, HEAD")),
        ("TRACE", "/mcp", 405, Some("GET, HEAD, POST, DELETE")),
        ("CONNECT", "a:80", 405, Some("GET, HEAD, POST, DELETE")),
        ("OPTIONS", "*", 204, Some("GET, HEAD, POST, DELETE")),
        ("GET", "*", 400, None),
        ("FOO", "/mcp", 501, None),
        ("post", "/mcp", 501, None),
    ];
    for (method, target, status, allow) in cases {
        let answer = client.ask(texts.get(target).replacen("GET", method, 1));
        assert_eq!((answer.status, answer.field("Allow").as_deref()), (status, allow), "{method} {target}");
        assert_eq!(client.ask(texts.echo("usable")).status, 200, "after {method} {target}");
    }
    stop(server);
}
