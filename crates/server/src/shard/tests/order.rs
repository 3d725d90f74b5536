//! What is refused first where there is not room for all.

use super::requests::{echo, listen, post, request, statuses, work};
use super::stage::{Peer, Stage};
use crate::limits::Limits;

const INITIALIZE: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\
    \"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"c\",\"version\":\"1\"}}}";

fn initialize() -> String {
    post("", INITIALIZE).replace("MCP-Protocol-Version: 2026-07-28\r\n", "")
}

/// The status of the answer to a request on a connection of its own.
fn ask(stage: &mut Stage, text: &str) -> Vec<u16> {
    let peer = stage.connect();
    stage.send(&peer, text);
    statuses(&peer.received())
}

/// So many calls that wait, each on its own connection.
fn wait(stage: &mut Stage, calls: usize) -> Vec<Peer> {
    let peers: Vec<Peer> = (0..calls).map(|_| stage.connect()).collect();
    for peer in &peers {
        stage.send(peer, work());
        assert_eq!(peer.received(), "", "it waits");
    }
    peers
}

#[test]
fn sessions_and_streams_go_first_and_what_costs_nothing_never() {
    let mut stage = Stage::new(Limits { workers: 1, queue_max: 16, queue_wait_min_ms: 30_000, ..Limits::default() });
    let _running = wait(&mut stage, 1 + 11);
    assert_eq!((ask(&mut stage, &initialize()), ask(&mut stage, &listen())), (vec![200], vec![200]));
    let open = stage.shared.open_streams();
    let _pressed = wait(&mut stage, 1);
    for text in [initialize(), listen()] {
        let peer = stage.connect();
        stage.send(&peer, &text);
        let received = peer.received();
        assert_eq!(statuses(&received), [503], "new ones are put off: {received}");
        assert!(received.contains("\"executed\":false") && received.contains("\r\nRetry-After: "), "{received}");
        assert!(!received.contains("Connection: close"), "to come back would cost more: {received}");
    }
    assert_eq!(stage.shared.open_streams(), open, "the streams that are there stay");
    let _full = wait(&mut stage, 4);
    assert_eq!(ask(&mut stage, &work()), [503]);
    let health = "GET /health HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n".to_string();
    for text in [echo("in place"), request("server/discover", ""), request("tools/list", ""), health] {
        assert_eq!(ask(&mut stage, &text), [200], "{text}");
    }
}
