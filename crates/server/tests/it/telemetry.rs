//! Spans and figures, as a collector of the test's own gets them.

use std::net::{SocketAddr, TcpListener};

use erlmcp_server::{Registry, Server, ServerConfig, ServerInfo, TelemetryConfig};
use serde_json::{Value, json};

use crate::client::{Client, eventually, start_with, stop};
use crate::collector::{Collector, Told, attribute};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn traced(otlp: String, sample: f64) -> (Server, SocketAddr) {
    let telemetry = TelemetryConfig { otlp: Some(otlp), sample };
    let (registry, allowed_hosts) = (Registry::builtin(), vec!["localhost".to_string()]);
    let info = ServerInfo::new("erlmcp-server", "7");
    start_with(ServerConfig { info, registry, allowed_hosts, shards: 1, telemetry, ..ServerConfig::default() })
}

/// A client's trace, which it samples or not.
fn parent(flags: &str) -> Value {
    json!({"traceparent": format!("00-{TRACE}-b7ad6b7169203331-{flags}"), "tracestate": "vendor=1"})
}

fn request(id: &Value, tool: &str, arguments: &Value, meta: &Value) -> String {
    let mut all = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    all.as_object_mut().expect("an object").extend(meta.as_object().expect("an object").clone());
    let params = json!({"name": tool, "arguments": arguments, "_meta": all});
    let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string();
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
         Mcp-Method: tools/call\r\nMcp-Name: {tool}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn call(client: &mut Client, id: &Value, tool: &str, arguments: &Value, meta: &Value) -> Value {
    let answer = client.ask(request(id, tool, arguments, meta));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn spans(told: &Told) -> Vec<&Value> {
    told.spans.iter().map(|(_, span)| span).collect()
}

fn ns(span: &Value, name: &str) -> u64 {
    span[name].as_str().and_then(|ns| ns.parse().ok()).unwrap_or_else(|| panic!("no {name}: {span}"))
}

/// The sum of a metric's points that have this attribute.
fn total(metrics: &[Value], name: &str, (key, value): (&str, &str)) -> u64 {
    let metric = metrics.iter().find(|metric| metric["name"] == json!(name)).unwrap_or_else(|| panic!("no {name}"));
    let points = metric["sum"]["dataPoints"].as_array().unwrap_or_else(|| panic!("no sum: {metric}"));
    let of = points.iter().filter(|point| attribute(point, key) == Some(value));
    of.map(|point| point["asInt"].as_str().and_then(|count| count.parse::<u64>().ok()).expect("a number")).sum()
}

#[test]
fn a_clients_trace_goes_on_in_the_server() {
    let collector = Collector::start();
    let (server, address) = traced(format!("{}/", collector.url()), 0.0);
    let mut client = Client::connect(address);
    call(&mut client, &json!(1), "echo", &json!({"text": "a"}), &parent("01"));
    call(&mut client, &json!("two"), "work", &json!({"ms": 1}), &parent("01"));
    call(&mut client, &json!(3), "no-such-tool", &json!({}), &parent("01"));
    call(&mut client, &json!(4), "echo", &json!({"text": "b"}), &parent("00"));
    call(&mut client, &json!(5), "echo", &json!({"text": "c"}), &json!({}));
    // Its end sends what is left.
    stop(server);
    let told = collector.posted();
    let (spans, metrics) = (spans(&told), told.metrics.values().next().expect("its end tells the figures"));
    let names: Vec<&Value> = spans.iter().map(|span| &span["name"]).collect();
    assert_eq!(names, ["tools/call echo", "tools/call work", "tools/call"], "{spans:?}");
    for span in spans.iter().copied() {
        assert_eq!((&span["traceId"], &span["parentSpanId"]), (&json!(TRACE), &json!("b7ad6b7169203331")));
        assert_eq!((&span["traceState"], &span["kind"]), (&json!("vendor=1"), &json!(2)));
        assert_eq!(span["spanId"].as_str().map(str::len), Some(16), "{span}");
        assert!(ns(span, "startTimeUnixNano") > 1_700_000_000_000_000_000, "{span}");
        assert!(ns(span, "startTimeUnixNano") <= ns(span, "endTimeUnixNano"), "{span}");
        for (key, value) in [
            ("mcp.method.name", "tools/call"),
            ("gen_ai.operation.name", "execute_tool"),
            ("mcp.protocol.version", "2026-07-28"),
            ("network.transport", "tcp"),
        ] {
            assert_eq!(attribute(span, key), Some(value), "{span}");
        }
    }
    let (echo, work, none) = (spans[0], spans[1], spans[2]);
    assert_eq!((attribute(echo, "gen_ai.tool.name"), &echo["status"]), (Some("echo"), &Value::Null), "{echo}");
    assert_eq!([echo, work].map(|span| attribute(span, "jsonrpc.request.id")), [Some("1"), Some("two")]);
    assert!(ns(work, "endTimeUnixNano") - ns(work, "startTimeUnixNano") >= 1_000_000, "it worked: {work}");
    assert_eq!((attribute(none, "gen_ai.tool.name"), &none["status"]["code"]), (Some("no-such-tool"), &json!(2)));
    assert_eq!(["error.type", "rpc.response.status_code"].map(|key| attribute(none, key)), [Some("-32602"); 2]);
    assert!(none["status"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{none}");
    assert_eq!(total(metrics, "erlmcp_requests_total", ("outcome", "ok")), 4);
    assert_eq!(total(metrics, "erlmcp_telemetry_spans_total", ("outcome", "exported")), 3);
    let latency = metrics.iter().find(|metric| metric["name"] == json!("erlmcp_latency_seconds")).expect("latencies");
    let point = &latency["histogram"]["dataPoints"][0];
    let length = |name: &str| point[name].as_array().map(Vec::len).expect("a list");
    assert_eq!((&point["count"], length("bucketCounts")), (&json!("5"), length("explicitBounds") + 1), "{point}");
}

#[test]
fn a_client_that_goes_leaves_a_span_without_an_answer() {
    let collector = Collector::start();
    let (server, address) = traced(collector.url(), 0.0);
    let mut client = Client::connect(address);
    client.send(request(&json!(1), "work", &json!({"ms": 60_000}), &parent("01")));
    let mut other = Client::connect(address);
    eventually("the call runs", || server.snapshot().queue.workers_active == 1);
    call(&mut other, &json!(2), "echo", &json!({"text": "a"}), &json!({}));
    drop(client);
    eventually("its connection is gone", || server.snapshot().connections.mcp == 1);
    stop(server);
    let told = collector.posted();
    let spans = spans(&told);
    assert_eq!(spans.iter().map(|span| attribute(span, "error.type")).collect::<Vec<_>>(), [Some("no_answer")]);
}

#[test]
fn all_can_be_sampled_and_each_trace_is_its_own() {
    let collector = Collector::start();
    let (server, address) = traced(collector.url(), 1.0);
    let mut client = Client::connect(address);
    (0..2).for_each(|id| drop(call(&mut client, &json!(id), "echo", &json!({"text": "a"}), &json!({}))));
    stop(server);
    let told = collector.posted();
    let spans = spans(&told);
    assert_eq!(spans.len(), 2, "{spans:?}");
    assert!(spans.iter().all(|span| span.get("parentSpanId").is_none()), "{spans:?}");
    assert_ne!(spans[0]["traceId"], spans[1]["traceId"]);
}

#[test]
fn a_collector_that_is_not_there_holds_up_nobody_and_what_is_lost_is_counted() {
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let (server, address) = traced(format!("http://{dead}"), 1.0);
    let mut client = Client::connect(address);
    // Many in a turn: what waits at most is there soon.
    let many = request(&json!(1), "echo", &json!({"text": "a"}), &json!({})).repeat(64);
    let mut sent = 0;
    eventually("some are dropped", || {
        client.send(&many);
        (0..64).for_each(|_| assert_eq!(client.answer().status, 200));
        sent += 64;
        server.snapshot().telemetry.is_some_and(|spans| spans.dropped > 0)
    });
    let page = client.ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").body;
    assert!(page.contains("erlmcp_telemetry_spans_total{replica=\"0\",outcome=\"exported\"} 0\n"), "{page}");
    let spans = server.snapshot().telemetry.expect("it tells");
    assert!(spans.exported == 0 && spans.dropped > 0 && spans.dropped + spans.failed <= sent, "{spans:?} of {sent}");
    stop(server);
}
