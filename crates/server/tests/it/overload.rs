//! The order of refusal over real sockets, where the queue is full: who waits for what, and who has to go.

use std::time::Duration;

use erlmcp_server::{Limits, ServerConfig};

use crate::client::{Client, Texts, eventually, message, start_with, stop};
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

#[test]
fn what_its_client_waits_for_no_more_is_not_begun() {
    let (registry, gate) = gated::registry();
    let limits = Limits { workers: 1, ..Limits::default() };
    let (server, address) = start_with(ServerConfig { limits, registry, ..ServerConfig::default() });
    let texts = Texts(address);
    let patient_for = |deadline_ms: u64| {
        let body = message("tools/call", "\"name\":\"gated\",\"arguments\":{},");
        let meta = format!("\"_meta\":{{\"io.erlmcp/deadlineMs\":{deadline_ms},");
        let headers = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: gated\r\n";
        texts.post(headers, &body.replacen("\"_meta\":{", &meta, 1))
    };
    let (mut patient, mut waiting, mut late) =
        (Client::connect(address), Client::connect(address), Client::connect(address));
    patient.send(patient_for(100_000));
    eventually("it runs", || server.snapshot().queue.workers_active == 1);
    waiting.send(patient_for(20));
    eventually("it waits", || server.snapshot().queue.depth == 1);
    std::thread::sleep(Duration::from_millis(30));
    gate.add_permits(1);
    assert_eq!(patient.answer().status, 200);
    for answer in [waiting.answer(), late.ask(patient_for(0))] {
        assert_eq!((answer.status, answer.code()), (504, 53_004));
        assert_eq!(answer.json()["error"]["data"]["executed"], false);
    }
    late.send(patient_for(20));
    let cut = late.answer();
    assert_eq!((cut.status, cut.code()), (504, 53_004), "its tool never ends by itself");
    stop(server);
}
