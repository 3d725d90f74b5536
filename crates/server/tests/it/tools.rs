//! Tools: results, failures, the queue.

use erlmcp_server::tools::{Arguments, CallContext, JobContext, ToolResult, ToolSpec};
use erlmcp_server::{Limits, Registry, ServerConfig};
use serde_json::json;

use crate::client::{Client, Texts, eventually, start, start_with, stop};
use crate::gated;

fn panics<'a>(_: &CallContext<'_>, _: Arguments<'a>) -> ToolResult<'a> {
    panic!("a tool that panics, for a test")
}

async fn panics_later(_: JobContext, _: Box<str>) -> ToolResult<'static> {
    panic!("a tool that panics, for a test")
}

#[test]
fn failures_of_tools_are_told_apart() {
    let spec = |name: &str| ToolSpec::new(name, "Panics.", json!({"type": "object"}));
    let registry = Registry::builtin().inline(spec("p"), panics).expect("a good tool");
    let registry = registry.queued(spec("q"), panics_later).expect("a good tool");
    let (server, address) = start_with(ServerConfig { registry, shards: 1, ..ServerConfig::default() });
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let bad = client.ask(texts.call("echo", "{\"text\":1}")).json();
    assert_eq!(bad["result"]["isError"], true, "{bad}");
    for tool in ["p", "q"] {
        let answer = client.ask(texts.call(tool, "{}"));
        assert_eq!((answer.status, answer.code()), (200, -32_603), "{tool}");
        assert_eq!(client.ask(texts.echo("usable")).status, 200);
    }
    let snapshot = server.snapshot();
    let count = |outcome: &str| {
        let is = |request: &&erlmcp_server::RequestCount| request.method == "tools/call" && request.outcome == outcome;
        snapshot.requests.iter().find(is).map(|request| request.count)
    };
    assert_eq!(["ok", "tool_error", "rpc_error"].map(count), [Some(2), Some(1), Some(2)]);
    stop(server);
}

#[test]
fn a_full_queue_refuses_and_loses_nothing() {
    let (registry, gate) = gated::registry();
    let limits = Limits { workers: 1, queue_max: 1, ..Limits::default() };
    let (server, address) = start_with(ServerConfig { limits, registry, ..ServerConfig::default() });
    let texts = Texts(address);
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(address)).collect();
    for (index, client) in clients.iter_mut().enumerate() {
        client.send(texts.call("gated", "{}"));
        let admitted = (index as u64 + 1).min(2);
        eventually("the call is admitted or refused", || {
            let queue = server.snapshot().queue;
            queue.refused_total + queue.workers_active + queue.depth > index as u64
                && queue.workers_active + queue.depth >= admitted
        });
    }
    let refused: Vec<_> = clients.iter_mut().skip(2).map(Client::answer).collect();
    for answer in refused {
        assert_eq!((answer.status, answer.code()), (503, 53_003));
        assert_eq!(answer.json()["error"]["data"]["executed"], false);
        assert!(answer.field("Retry-After").is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|s| s >= 1)));
    }
    gate.add_permits(2);
    for client in clients.iter_mut().take(2) {
        assert_eq!(client.answer().json()["result"]["content"][0]["text"], "done");
    }
    for client in &mut clients {
        assert_eq!(client.ask(texts.call("work", "{\"ms\":0}")).status, 200, "tried again, it is done");
    }
    stop(server);
}

#[test]
fn a_call_has_a_time_limit() {
    let (server, address) = start(Limits { call_timeout_ms: 50, ..Limits::default() });
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let answer = client.ask(texts.call("work", "{\"ms\":20000}"));
    assert_eq!((answer.status, answer.code()), (504, 53_004));
    assert_eq!(client.ask(texts.echo("usable")).status, 200);
    stop(server);
}

/// Does not bear to be dropped.
struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("a tool that panics as it is dropped, for a test")
    }
}

async fn panics_at_its_end(_: JobContext, _: Box<str>) -> ToolResult<'static> {
    let _fragile = Fragile;
    std::future::pending().await
}

#[test]
fn a_tool_that_panics_as_it_is_broken_off_is_answered_and_gives_its_worker_back() {
    let spec = ToolSpec::new("f", "Panics.", json!({"type": "object"}));
    let registry = Registry::builtin().queued(spec, panics_at_its_end).expect("a good tool");
    let limits = Limits { workers: 1, call_timeout_ms: 5_000, ..Limits::default() };
    let (server, address) = start_with(ServerConfig { limits, registry, ..ServerConfig::default() });
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let answer = client.ask(texts.call("f", "{}"));
    assert_eq!((answer.status, answer.code()), (200, -32_603));
    let mut gone = Client::connect(address);
    gone.send(texts.call("f", "{}"));
    eventually("the call runs", || server.snapshot().queue.workers_active == 1);
    drop(gone);
    eventually("the worker is free again", || server.snapshot().queue.workers_active == 0);
    assert_eq!(client.ask(texts.call("work", "{\"ms\":0}")).status, 200);
    stop(server);
}

#[test]
fn a_client_that_goes_cancels_its_call() {
    let (server, address) = start(Limits { workers: 1, ..Limits::default() });
    let texts = Texts(address);
    let mut client = Client::connect(address);
    client.send(texts.call("work", "{\"ms\":60000}"));
    eventually("the call runs", || server.snapshot().queue.workers_active == 1);
    drop(client);
    eventually("the worker is free again", || server.snapshot().queue.workers_active == 0);
    eventually("the connection is gone", || server.snapshot().connections.mcp == 0);
    stop(server);
}

#[test]
fn mirrored_arguments_must_agree_with_their_headers() {
    let schema = json!({"type": "object", "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"}, "count": {"type": "integer", "x-mcp-header": "Count"},
    }});
    fn ok<'a>(_: &CallContext<'_>, _: Arguments<'a>) -> ToolResult<'a> {
        ToolResult::text("ok")
    }
    let registry = Registry::new().inline(ToolSpec::new("m", "Mirrors.", schema), ok).expect("a good tool");
    let (server, address) = start_with(ServerConfig { registry, ..ServerConfig::default() });
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let cases = [
        ("{\"region\":\"eu\",\"count\":42}", "Mcp-Param-Region: eu\r\nMcp-Param-Count: 42\r\n", 200),
        ("{\"region\":\"eu\",\"count\":42}", "mcp-param-region: =?base64?ZXU=?=\r\nMcp-Param-Count: 42.0\r\n", 200),
        ("{\"region\":null}", "", 200),
        ("{\"region\":\"eu\"}", "", 400),
        ("{\"region\":\"eu\"}", "Mcp-Param-Region: us\r\n", 400),
        ("{\"region\":\"eu\"}", "Mcp-Param-Region: eu\r\nMcp-Param-Region: eu\r\n", 400),
        ("{\"region\":null}", "Mcp-Param-Region: eu\r\n", 400),
        ("{\"count\":42}", "Mcp-Param-Count: 43\r\n", 400),
    ];
    for (arguments, headers, status) in cases {
        let text = texts.call("m", arguments).replace("Mcp-Name: m\r\n", &format!("Mcp-Name: m\r\n{headers}"));
        let answer = client.ask(text);
        assert_eq!(answer.status, status, "{arguments} {headers:?}");
        assert!(status == 200 || answer.code() == -32_020, "{}", answer.body);
    }
    stop(server);
}
