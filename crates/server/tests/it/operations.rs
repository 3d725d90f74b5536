//! Operations over real sockets, with a store in a file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use erlmcp_server::tools::{Annotations, JobContext, ToolResult, ToolSpec};
use erlmcp_server::{Limits, Registry, Server, ServerConfig};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::client::{Answer, Client, Texts, eventually, start_with, stop};

fn start(store: &Path, registry: Registry, limits: Limits) -> (Server, Texts) {
    let store = Some(store.into());
    let (server, address) = start_with(ServerConfig { registry, limits, shards: 1, store, ..ServerConfig::default() });
    (server, Texts(address))
}

fn meta(more: &str) -> String {
    format!(
        "\"_meta\":{{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
         \"io.modelcontextprotocol/clientCapabilities\":{{}}{more}}}"
    )
}

/// A call that is an attempt at an operation; `id` is JSON text, behind which more of `_meta` may stand.
pub(crate) fn attempt(texts: &Texts, id: &str, tool: &str, arguments: &str) -> String {
    let meta = meta(&format!(",\"io.erlmcp/operation\":{id}"));
    let body = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\
         \"params\":{{\"name\":\"{tool}\",\"arguments\":{arguments},{meta}}}}}"
    );
    let headers = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n");
    texts.post(&headers, &body)
}

pub(crate) fn append(texts: &Texts, id: &str, value: &str) -> String {
    attempt(texts, &format!("\"{id}\""), "append", &format!("{{\"value\":\"{value}\",\"nonce\":\"n-{id}\"}}"))
}

pub(crate) fn status(texts: &Texts, id: &str, more: &str) -> String {
    texts.request("operation/status", &format!("\"operation\":\"{id}\",{more}"))
}

fn state(client: &mut Client, texts: &Texts, id: &str) -> Value {
    client.ask(status(texts, id, "")).json()["result"]["state"].clone()
}

fn about(answer: &Answer) -> Value {
    answer.json()["result"]["_meta"]["io.erlmcp/operation"].clone()
}

#[test]
fn an_operation_is_done_once_and_its_result_outlives_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("operations.db");
    let (server, texts) = start(&path, Registry::builtin(), Limits::default());
    let mut client = Client::connect(texts.0);
    let first = client.ask(append(&texts, "a", "x"));
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(about(&first), json!({"operation": "a", "epoch": 1, "replayed": false}));
    assert_eq!(first.json()["result"]["content"], json!([{"type": "text", "text": "n-a"}]));
    let again = client.ask(append(&texts, "a", "x"));
    assert_eq!(about(&again), json!({"operation": "a", "epoch": 1, "replayed": true}));
    assert_eq!(again.json()["result"]["content"], first.json()["result"]["content"]);
    let other = client.ask(append(&texts, "a", "y"));
    assert_eq!((other.status, other.code()), (422, 53_022));
    stop(server);

    let (server, texts) = start(&path, Registry::builtin(), Limits::default());
    let mut client = Client::connect(texts.0);
    let after = client.ask(append(&texts, "a", "x"));
    assert_eq!(about(&after), json!({"operation": "a", "epoch": 1, "replayed": true}));
    let asked = client.ask(status(&texts, "a", "")).json();
    assert_eq!((&asked["result"]["state"], &asked["result"]["epoch"]), (&json!("done"), &json!(1)));
    assert_eq!(asked["result"]["result"], json!({"content": [{"type": "text", "text": "n-a"}]}));
    let next = client.ask(append(&texts, "b", "x"));
    assert_eq!(about(&next)["epoch"], 2);
    stop(server);
}

#[test]
fn never_means_never() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, texts) = start(&folder.path().join("db"), Registry::builtin(), Limits::default());
    let mut client = Client::connect(texts.0);
    let unsettled = client.ask(status(&texts, "a", "\"settle\":false,")).json();
    assert_eq!(unsettled["result"]["state"], "unknown");
    assert_eq!(state(&mut client, &texts, "a"), "never");
    let late = client.ask(append(&texts, "a", "x"));
    assert_eq!((late.status, late.code()), (410, 53_010));
    assert_eq!(late.json()["error"]["data"], json!({"state": "never", "executed": false}));
    stop(server);
}

#[test]
fn bad_ids_and_missing_ones_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, texts) = start(&folder.path().join("db"), Registry::builtin(), Limits::default());
    let mut client = Client::connect(texts.0);
    for id in ["1", "\"\"", "\"a b\"", "null", &format!("\"{}\"", "x".repeat(129))] {
        let answer = client.ask(attempt(&texts, id, "echo", "{\"text\":\"x\"}"));
        assert_eq!((answer.status, answer.code()), (400, -32_602), "{id}");
    }
    let answer = client.ask(texts.call("append", "{\"value\":\"x\"}"));
    assert_eq!((answer.status, answer.code()), (400, -32_602), "without an operation");
    let answer = client.ask(texts.request("operation/status", "\"operation\":7,"));
    assert_eq!((answer.status, answer.code()), (400, -32_602));
    stop(server);
}

#[test]
fn without_a_store_operations_are_refused_and_calls_are_not() {
    let (server, address) = start_with(ServerConfig { registry: Registry::builtin(), ..ServerConfig::default() });
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let answer = client.ask(append(&texts, "a", "x"));
    assert_eq!((answer.status, answer.code()), (503, 53_003));
    let data = answer.json()["error"]["data"].clone();
    assert_eq!((&data["executed"], &data["scope"]), (&json!(false), &json!("store")));
    assert!(answer.field("Retry-After").is_some());
    assert_eq!(client.ask(texts.echo("x")).status, 200);
    stop(server);
}

/// A tool that counts its runs, which end as the gate lets them.
fn slow(runs: &Arc<AtomicU64>, gate: &Arc<Semaphore>, annotations: Annotations) -> Registry {
    let (runs, gate) = (Arc::clone(runs), Arc::clone(gate));
    let tool = move |context: JobContext, _: Box<str>| {
        let (runs, gate) = (Arc::clone(&runs), Arc::clone(&gate));
        async move {
            runs.fetch_add(1, Ordering::SeqCst);
            gate.acquire().await.expect("it stays open").forget();
            ToolResult::text(context.operation().map(|operation| operation.id().to_string()).unwrap_or_default())
        }
    };
    let spec = ToolSpec::new("slow", "Takes its time.", json!({"type": "object"})).annotated(annotations);
    Registry::new().queued(spec, tool).expect("a good tool")
}

#[test]
fn what_runs_is_not_run_again_and_is_finished_though_its_client_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (runs, gate) = (Arc::<AtomicU64>::default(), Arc::new(Semaphore::new(0)));
    let registry = slow(&runs, &gate, Annotations::default());
    let (server, texts) = start(&folder.path().join("db"), registry, Limits::default());
    let mut first = Client::connect(texts.0);
    first.send(attempt(&texts, "\"a\"", "slow", "{}"));
    eventually("it runs", || runs.load(Ordering::SeqCst) == 1);
    let mut second = Client::connect(texts.0);
    let answer = second.ask(attempt(&texts, "\"a\"", "slow", "{}"));
    assert_eq!((answer.status, answer.code()), (409, 53_009), "{}", answer.body);
    assert_eq!(answer.json()["error"]["data"]["executed"], "running");
    assert!(answer.field("Retry-After").is_some());
    assert_eq!(state(&mut second, &texts, "a"), "running");
    drop(first);
    gate.add_permits(1);
    eventually("it is done", || state(&mut second, &texts, "a") == "done");
    let answer = second.ask(attempt(&texts, "\"a\"", "slow", "{}"));
    assert_eq!(about(&answer)["replayed"], true);
    assert_eq!(answer.json()["result"]["content"][0]["text"], "a");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    let figures = server.snapshot().operations.expect("there is a store");
    let count = |outcome: &str| figures.outcomes.iter().find(|one| one.outcome == outcome).map(|one| one.count);
    assert_eq!(["done", "replayed", "running"].map(count), [Some(1); 3]);
    stop(server);
}

#[test]
fn what_has_begun_is_finished_though_its_clients_time_is_over() {
    for annotations in [Annotations::default(), Annotations::READ_ONLY] {
        let folder = tempfile::tempdir().expect("a folder");
        let (runs, gate) = (Arc::<AtomicU64>::default(), Arc::new(Semaphore::new(0)));
        let registry = slow(&runs, &gate, annotations);
        let (server, texts) = start(&folder.path().join("db"), registry, Limits::default());
        let mut client = Client::connect(texts.0);
        client.send(attempt(&texts, "\"a\",\"io.erlmcp/deadlineMs\":1000", "slow", "{}"));
        eventually("it runs", || runs.load(Ordering::SeqCst) == 1);
        std::thread::sleep(Duration::from_millis(1_100));
        gate.add_permits(1);
        let answer = client.answer();
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(state(&mut client, &texts, "a"), "done");
        stop(server);
    }
}

#[test]
fn a_drain_waits_for_what_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("db");
    let (runs, gate) = (Arc::<AtomicU64>::default(), Arc::new(Semaphore::new(0)));
    let (server, texts) = start(&path, slow(&runs, &gate, Annotations::default()), Limits::default());
    let mut client = Client::connect(texts.0);
    client.send(attempt(&texts, "\"a\"", "slow", "{}"));
    eventually("it runs", || runs.load(Ordering::SeqCst) == 1);
    drop(client);
    server.drain();
    gate.add_permits(1);
    server.join();
    // The writer has let go of the file when its last answer was taken.
    let (server, texts) = start(&path, slow(&runs, &gate, Annotations::default()), Limits::default());
    let mut client = Client::connect(texts.0);
    assert_eq!(state(&mut client, &texts, "a"), "done");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    stop(server);
}

#[test]
fn what_does_not_end_in_time_depends_on_its_tool() {
    for (annotations, expected) in
        [(Annotations::default(), json!("indeterminate")), (Annotations::READ_ONLY, json!("expired"))]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let (runs, gate) = (Arc::<AtomicU64>::default(), Arc::new(Semaphore::new(0)));
        // Long enough for what only asks.
        let limits = Limits { call_timeout_ms: 1_000, ..Limits::default() };
        let (server, texts) = start(&folder.path().join("db"), slow(&runs, &gate, annotations), limits);
        let mut client = Client::connect(texts.0);
        let answer = client.ask(attempt(&texts, "\"a\"", "slow", "{}"));
        assert_eq!((answer.status, answer.code()), (504, 53_004), "{}", answer.body);
        assert_eq!(state(&mut client, &texts, "a"), expected);
        let again = client.ask(attempt(&texts, "\"a\"", "slow", "{}"));
        assert_eq!((again.status, again.code()), (410, 53_010));
        assert_eq!(again.json()["error"]["data"]["state"], expected);
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        stop(server);
    }
}

#[test]
fn many_at_once_are_each_done_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, texts) = start(&folder.path().join("db"), Registry::builtin(), Limits::default());
    let clients: Vec<_> = (0..8)
        .map(|thread| {
            std::thread::spawn(move || {
                let mut client = Client::connect(texts.0);
                for round in 0..25 {
                    // Each id is wanted by two of them.
                    let id = format!("o-{}-{round}", thread / 2);
                    let answer = loop {
                        let answer = client.ask(append(&texts, &id, "x"));
                        if answer.status != 409 {
                            break answer;
                        }
                    };
                    assert_eq!(answer.status, 200, "{}", answer.body);
                    assert_eq!(answer.json()["result"]["content"][0]["text"], format!("n-{id}"));
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().expect("no failure"));
    let figures = server.snapshot().operations.expect("there is a store");
    let done = figures.outcomes.iter().find(|one| one.outcome == "done").map(|one| one.count);
    assert_eq!((done, figures.store_backlog), (Some(100), 0));
    let mut client = Client::connect(texts.0);
    let page = client.ask(texts.get("/metrics")).body;
    assert!(page.contains("erlmcp_operations_total{replica=\"0\",outcome=\"done\"} 100\n"), "{page}");
    assert!(
        page.contains("erlmcp_store_backlog{replica=\"0\"} 0\n") && page.contains("erlmcp_store_latency_seconds_count")
    );
    stop(server);
}
