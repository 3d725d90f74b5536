//! Connections above the limit.

use super::requests::{HOST, echo, post, statuses};
use super::stage::{Peer, Stage};
use crate::limits::Limits;

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\n{HOST}\r\n")
}

/// A server that may have one connection, and has it.
fn full(limits: Limits) -> (Stage, Peer) {
    let mut stage = Stage::new(Limits { connections_max: 1, ..limits });
    let first = stage.connect();
    stage.send(&first, echo("hi"));
    assert_eq!(statuses(&first.received()), [200]);
    (stage, first)
}

#[test]
fn connections_above_the_limit_are_told() {
    let foreign = get("/health").replace("GET", "HELLO");
    for request in
        [echo("hi"), post("", "not json"), get("/nothing"), get("/.well-known/oauth-protected-resource"), foreign]
    {
        let (mut stage, first) = full(Limits::default());
        let second = stage.connect();
        let (front, rest) = request.split_at(20);
        stage.send(&second, front);
        assert_eq!(second.received(), "", "it may be a page");
        stage.send(&second, rest);
        let received = second.received();
        assert_eq!(statuses(&received), [503], "{request}");
        assert!(received.contains("\r\nRetry-After: ") && received.contains("\"executed\":false"), "{received}");
        assert!(received.contains("\r\nConnection: close\r\n") && second.is_finished());
        stage.finish(&second);
        assert!(second.is_closed() && !first.is_closed());
        let snapshot = stage.shared.snapshot();
        assert_eq!((snapshot.connections_accepted_total, snapshot.connections_refused_total), (1, 1));
    }
}

#[test]
fn who_looks_after_a_full_server_is_answered() {
    let (mut stage, _first) = full(Limits::default());
    for (path, status) in [("/health", 200), ("/ready", 503), ("/metrics", 200), ("/status", 200)] {
        let operator = stage.connect();
        stage.send(&operator, get(path).repeat(2));
        let received = operator.received();
        assert_eq!(statuses(&received), [status], "{path}: one page, and no more");
        assert!(received.contains("\r\nConnection: close\r\n") && operator.is_finished(), "{received}");
        assert_eq!(path == "/ready", received.ends_with("{\"status\":\"full\"}"), "{received}");
        stage.finish(&operator);
        assert!(operator.is_closed());
    }
    let snapshot = stage.shared.snapshot();
    assert_eq!((snapshot.connections_accepted_total, snapshot.connections_refused_total), (5, 0));
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    let (mut stage, first) = full(Limits::default());
    let (silent, slow) = (stage.connect(), stage.connect());
    for byte in get("/health").bytes().take(15) {
        stage.send(&slow, [byte]);
        stage.wait_ms(100);
    }
    assert!(!silent.is_closed() && !slow.is_closed());
    stage.wait_ms(Limits::default().linger_timeout_ms);
    for peer in [silent, slow] {
        assert_eq!((statuses(&peer.received()).as_slice(), peer.is_closed()), (&[503][..], true));
    }
    assert!(!first.is_closed());
    assert_eq!(stage.shared.snapshot().connections_refused_total, 2);
}

#[test]
fn nobody_can_hold_the_places_of_others() {
    let (mut stage, first) = full(Limits { linger_connections_max: 2, ..Limits::default() });
    let silent: Vec<Peer> = (0..5).map(|_| stage.connect()).collect();
    let closed: Vec<bool> = silent.iter().map(Peer::is_closed).collect();
    assert_eq!(closed, [true, true, true, false, false], "the oldest goes for the next");
    assert_eq!(statuses(&silent[0].received()), [503]);
    assert_eq!(stage.open(), 3);
    let operator = stage.connect();
    stage.send(&operator, get("/health"));
    assert_eq!(statuses(&operator.received()), [200]);
    // Nor do they stand in the way of who may come in.
    stage.finish(&first);
    let next = stage.connect();
    stage.send(&next, echo("hi"));
    assert_eq!(statuses(&next.received()), [200]);
    assert!(!next.is_finished() && !silent[4].is_closed());
}
