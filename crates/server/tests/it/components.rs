//! What the server counts of its own parts, against what a client saw of them.

use erlmcp_server::tools::{Annotations, Arguments, CallContext, ToolResult, ToolSpec};
use erlmcp_server::{Change, ComponentFigures, Limits, Registry, Server, ServerConfig};
use serde_json::json;

use crate::client::{Client, Texts, eventually, start, start_with, stop};
use crate::gated;
use crate::legacy::{Older, request};

fn components(server: &Server) -> ComponentFigures {
    server.snapshot().components
}

#[test]
fn sessions_and_batches_are_counted_as_they_came() {
    let (server, address) = start(Limits { batch_messages_max: 3, ..Limits::default() });
    let mut older = Older::new(address, "2025-03-26");
    let batch = |count: u32| {
        let messages: Vec<String> = (1..=count).map(|id| request(id, "ping", &json!({}))).collect();
        format!("[{}]", messages.join(","))
    };
    for (count, status) in [(2, 200), (3, 200), (4, 400)] {
        assert_eq!(older.ask(&batch(count)).status, status, "{count} messages");
    }
    let figures = components(&server);
    assert_eq!((figures.batches, figures.batch_messages, figures.batches_refused), (2, 5, 1));
    assert_eq!((figures.tokens_good, figures.tokens_refused), (3, 0));
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let headers = "Mcp-Session-Id: none\r\nMCP-Protocol-Version: 2025-03-26\r\n";
    assert_eq!(client.ask(texts.post(headers, &request(1, "ping", &json!({})))).status, 404);
    assert_eq!((components(&server).tokens_good, components(&server).tokens_refused), (3, 1));
    stop(server);
}

#[test]
fn every_notification_on_a_stream_is_counted() {
    let (server, address) = start(Limits::default());
    let mut streams: Vec<Client> = (0..5).map(|_| Client::connect(address)).collect();
    for stream in &mut streams {
        stream.send(Texts(address).listen());
        stream.head();
        stream.chunk();
    }
    for change in 1..=2 {
        server.notify(Change::ToolsList);
        for stream in &mut streams {
            assert!(stream.chunk().contains("list_changed"));
        }
        eventually("both shards have counted", || components(&server).notifications == 5 * change);
    }
    // Of each shard that has streams, one of each change.
    let figures = components(&server);
    assert!((2..=4).contains(&figures.changes), "{figures:?}");
    eventually("the times are there", || components(&server).fan_out.count() == figures.changes);
    stop(server);
}

#[test]
fn the_queue_tells_how_long_calls_waited_and_took() {
    let (registry, gate) = gated::registry();
    let limits = Limits { workers: 1, queue_wait_min_ms: 30_000, ..Limits::default() };
    let (server, address) = start_with(ServerConfig { limits, registry, ..ServerConfig::default() });
    let texts = Texts(address);
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(address)).collect();
    clients.iter_mut().for_each(|client| client.send(texts.call("gated", "{}")));
    eventually("one runs and two wait", || server.snapshot().queue.depth == 2);
    gate.add_permits(3);
    clients.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
    eventually("all are counted", || components(&server).worker_time.count() == 3);
    let figures = components(&server);
    assert_eq!(figures.queue_wait.count(), 3);
    assert!(figures.worker_time.sum_ns > 0 && figures.queue_wait.sum_ns > 0, "{figures:?}");
    assert_eq!(server.snapshot().queue.workers_active_max, 1);
    stop(server);
}

#[test]
fn one_request_in_sixty_four_is_timed_and_the_page_tells_it() {
    let mut registry = Registry::new();
    for number in 0..100 {
        let spec =
            ToolSpec::new(format!("tool-{number}"), "", json!({"type": "object"})).annotated(Annotations::READ_ONLY);
        fn ok<'a>(_: &CallContext<'_>, _: Arguments<'a>) -> ToolResult<'a> {
            ToolResult::text("ok")
        }
        registry = registry.inline(spec, ok).expect("a good name");
    }
    let (server, address) = start_with(ServerConfig { registry, shards: 1, ..ServerConfig::default() });
    let (mut client, texts) = (Client::connect(address), Texts(address));
    for number in 0..128 {
        assert_eq!(client.ask(texts.call(&format!("tool-{}", number % 100), "{}")).status, 200);
    }
    let figures = components(&server);
    assert_eq!((figures.tools, figures.sampled), (100, 64));
    assert_eq!((figures.lookup.count(), figures.router.count(), figures.token_check.count()), (2, 2, 0));
    assert!(figures.lookup.sum_ns > 0);
    let page = client.ask(texts.get("/metrics")).body;
    for line in ["erlmcp_tools{replica=\"0\"} 100\n", "erlmcp_tool_lookup_seconds_count{replica=\"0\"} 2\n"] {
        assert!(page.contains(line), "{page}");
    }
    assert!(page.contains("# TYPE erlmcp_tool_lookup_seconds histogram\n"), "{page}");
    let status = client.ask(texts.get("/status")).json();
    assert_eq!((&status["components"]["tools"], &status["components"]["sampled"]), (&json!(100), &json!(64)));
    stop(server);
}
