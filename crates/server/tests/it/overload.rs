//! The order of refusal over real sockets, where the queue is full: who waits for what, and who has to go.

use erlmcp_server::{Limits, ServerConfig};

use crate::client::{Client, Texts, eventually, start_with, stop};
use crate::gated;
use crate::operations::{attempt, status};

#[test]
fn what_goes_on_goes_before_a_first_attempt() {
    let (registry, gate) = gated::registry();
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits { workers: 1, queue_max: 2, queue_wait_min_ms: 30_000, ..Limits::default() };
    let store = Some(folder.path().join("operations.db").as_path().into());
    let (server, address) = start_with(ServerConfig { limits, registry, store, shards: 2, ..ServerConfig::default() });
    let texts = Texts(address);
    let mut callers: Vec<Client> = (0..3).map(|_| Client::connect(address)).collect();
    for (nth, caller) in (0..).zip(&mut callers) {
        caller.send(texts.call("gated", "{}"));
        let are_there = || {
            let queue = server.snapshot().queue;
            queue.depth == nth && queue.workers_active == 1
        };
        eventually("it is in its place", are_there);
    }
    let refused = Client::connect(address).ask(texts.call("gated", "{}"));
    assert_eq!((refused.status, refused.code()), (503, 53_003), "the queue is full");
    let mut asking = Client::connect(address);
    asking.send(status(&texts, "an-operation", ""));
    let displaced = callers.pop().expect("three").answer();
    assert_eq!((displaced.status, displaced.code()), (503, 53_003), "the last call gives its place");
    assert_eq!(displaced.json()["error"]["data"]["executed"], false);
    assert_eq!((displaced.json()["id"].as_i64(), displaced.field("Connection")), (Some(7), None));
    assert!(displaced.field("Retry-After").is_some(), "{}", displaced.head);
    let mut again = Client::connect(address);
    again.send(attempt(&texts, "\"another\",\"io.erlmcp/attempt\":1", "gated", "{}"));
    assert_eq!(again.answer().status, 503, "a first attempt has to wait for room");
    again.send(attempt(&texts, "\"another\",\"io.erlmcp/attempt\":2", "gated", "{}"));
    assert_eq!(callers.pop().expect("two").answer().status, 503, "what has cost more already goes before");
    gate.add_permits(2);
    assert!(callers.iter_mut().all(|caller| caller.answer().status == 200));
    assert_eq!((asking.answer().status, again.answer().status), (200, 200));
    assert_eq!(server.snapshot().queue.refused_total, 4);
    stop(server);
}
