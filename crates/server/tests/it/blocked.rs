//! A shard that a tool blocks: what the rest of the server says of it, and that it goes on.

use std::sync::{Arc, Condvar, Mutex};

use erlmcp_server::tools::{Arguments, CallContext, ToolResult, ToolSpec};
use erlmcp_server::{Registry, ServerConfig};
use serde_json::json;

use crate::client::{Client, Texts, eventually, start_with, stop};

/// Closed until it is opened.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn wait(&self) {
        let open = self.0.lock().expect("nobody panics with it");
        drop(self.1.wait_while(open, |open| !*open).expect("nor here"));
    }

    fn open(&self) {
        *self.0.lock().expect("nobody panics with it") = true;
        self.1.notify_all();
    }
}

fn waiting(gate: Arc<Gate>) -> impl for<'a> Fn(&CallContext<'_>, Arguments<'a>) -> ToolResult<'a> {
    move |_, _| {
        gate.wait();
        ToolResult::text("done")
    }
}

#[test]
fn a_blocked_shard_is_told_by_the_others_and_goes_on() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let spec = ToolSpec::new("block", "Waits in place.", json!({"type": "object"}));
    let registry = Registry::builtin().inline(spec, waiting(held)).expect("a good tool");
    let (server, address) = start_with(ServerConfig { registry, shards: 2, ..ServerConfig::default() });
    let texts = Texts(address);
    // The first connection is the accepting shard's own, the second one the other's.
    let (mut well, mut blocked) = (Client::connect(address), Client::connect(address));
    let health = well.ask(texts.get("/health"));
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("live")));
    blocked.send(texts.call("block", "{}"));
    eventually("it is said", || well.ask(texts.get("/health")).status == 503);
    assert_eq!(well.ask(texts.get("/health")).json(), json!({"status": "blocked", "shards": [1]}));
    assert_eq!(well.ask(texts.echo("hi")).status, 200, "the other shard serves");
    let page = well.ask(texts.get("/metrics")).body;
    for sample in ["erlmcp_shards_blocked{replica=\"0\"} 1\n", "erlmcp_shard_stalls_total{replica=\"0\"} 1\n"] {
        assert!(page.contains(sample), "no {sample}");
    }
    gate.open();
    assert_eq!(blocked.answer().status, 200);
    eventually("it is over", || well.ask(texts.get("/health")).status == 200);
    let snapshot = server.snapshot();
    assert_eq!((snapshot.shards_blocked, snapshot.shard_stalls_total), (0, 1));
    stop(server);
}
