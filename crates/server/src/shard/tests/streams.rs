//! Subscription streams.

use std::sync::atomic::Ordering;
use std::time::Duration;

use erlmcp_protocol::era::Version;

use super::requests::{HOST, echo, listen, request};
use super::stage::Stage;
use crate::engine::Change;
use crate::limits::Limits;
use crate::shard::telling::TELL_MAX;

const CHANGED: &str = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\",\"params\":{\"_meta\":{\
    \"io.modelcontextprotocol/subscriptionId\":1}}}\n\n";

fn changed(stage: &mut Stage) {
    stage.shared.notifier.changed_here(Change::ToolsList);
    stage.turn();
}

#[test]
fn a_stream_is_acknowledged_first() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    changed(&mut stage);
    stage.send(&peer, listen());
    let received = peer.received();
    let (head, body) = received.split_once("\r\n\r\n").expect("a head");
    assert!(
        head.contains("\r\nContent-Type: text/event-stream\r\n") && head.contains("\r\nTransfer-Encoding: chunked")
    );
    let event = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{\"_meta\":{\
        \"io.modelcontextprotocol/subscriptionId\":1},\"notifications\":{\"toolsListChanged\":true}}}\n\n";
    assert_eq!(body, format!("{:08x}\r\n{event}\r\n", event.len()));
    assert_eq!(stage.shared.open_streams(), 1);
    let within_ms = stage.shared.limits.write_stall_timeout_ms;
    assert_eq!(peer.wire.borrow().unacknowledged_max, Some(Duration::from_millis(within_ms)));
    changed(&mut stage);
    assert_eq!(peer.received(), format!("{:08x}\r\n{CHANGED}\r\n", CHANGED.len()));
    stage.finish(&peer);
    assert!(peer.is_closed());
    assert_eq!(stage.shared.open_streams(), 0);
}

#[test]
fn only_what_was_asked_for_is_sent() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    stage.send(
        &peer,
        request(
            "subscriptions/listen",
            "\"notifications\":{\"toolsListChanged\":false,\"resourceSubscriptions\":[\"a\"]},",
        ),
    );
    assert!(peer.received().contains("\"notifications\":{}}}"));
    changed(&mut stage);
    assert_eq!(peer.received(), "");
    let other = stage.connect();
    stage.send(&other, request("subscriptions/listen", "\"notifications\":[],"));
    assert!(other.received().contains("-32602"));
}

#[test]
fn a_silent_stream_says_that_it_lives() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    stage.send(&peer, listen());
    peer.received();
    stage.wait_ms(14_900);
    assert_eq!(peer.received(), "");
    stage.wait_ms(200);
    assert_eq!(peer.received(), "0000000e\r\n: keep-alive\n\n\r\n");
    stage.wait_ms(10_000);
    changed(&mut stage);
    peer.received();
    stage.wait_ms(14_000);
    assert_eq!(peer.received(), "", "it was not silent");
}

#[test]
fn a_reader_that_is_behind_gets_a_change_once() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    stage.send(&peer, listen());
    peer.received();
    peer.narrow(20);
    for _ in 0..1_000 {
        changed(&mut stage);
    }
    stage.widen(&peer);
    assert_eq!(peer.received().matches("list_changed").count(), 2);
    peer.narrow(0);
    changed(&mut stage);
    stage.wait_ms(30_200);
    assert!(peer.is_closed(), "without progress it is closed");
}

#[test]
fn a_reader_that_is_always_behind_does_not_outlive_its_session() {
    let mut stage = Stage::new(Limits { session_lifetime_ms: 2_000, ..Limits::default() });
    let now_s = stage.shared.clock.unix_seconds();
    let session = stage.shared.sessions.open(Version::V20250326, 0, now_s, "");
    let peer = stage.connect();
    let text = format!("GET /mcp HTTP/1.1\r\n{HOST}Mcp-Session-Id: {session}\r\nAccept: text/event-stream\r\n\r\n");
    stage.send(&peer, text);
    assert!(peer.received().starts_with("HTTP/1.1 200 "));
    peer.narrow(20);
    changed(&mut stage);
    stage.wait_ms(2_000);
    assert!(!peer.is_finished(), "it has not caught up since");
    for _ in 0..20 {
        changed(&mut stage);
        stage.widen_by(&peer, 50);
        stage.wait_ms(100);
    }
    assert!(peer.is_finished(), "it ends as soon as it has caught up");
    let received = peer.received();
    assert!(received.ends_with("\r\n0\r\n\r\n") && received.matches("list_changed").count() == 2, "{received}");
    assert_eq!(stage.shared.open_streams(), 0);
}

#[test]
fn streams_are_bounded() {
    let mut stage = Stage::new(Limits { streams_max: 1, ..Limits::default() });
    let (first, second) = (stage.connect(), stage.connect());
    stage.send(&first, listen());
    stage.send(&second, listen());
    let received = second.received();
    assert!(received.starts_with("HTTP/1.1 503 ") && received.contains("\r\nRetry-After: "), "{received}");
    stage.send(&second, echo("still here"));
    assert!(second.received().starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_change_does_not_keep_others_waiting_until_all_streams_are_told() {
    let mut stage = Stage::new(Limits::default());
    let peers: Vec<_> = (0..TELL_MAX * 2 + 1).map(|_| stage.connect()).collect();
    for peer in &peers {
        stage.send(peer, listen());
        peer.received();
    }
    stage.shared.notifier.changed_here(Change::ToolsList);
    let mut told = Vec::new();
    loop {
        let goes_on = stage.one_turn();
        told.push(peers.iter().filter(|peer| peer.received().contains("list_changed")).count());
        if told.len() == 1 {
            // Who is owed one change is told of another one with it.
            stage.shared.notifier.changed_here(Change::ToolsList);
        }
        if !goes_on {
            break;
        }
    }
    assert_eq!(told, [TELL_MAX, TELL_MAX, TELL_MAX, 1]);
}

#[test]
fn a_stream_that_ends_is_told_first_of_what_it_is_owed() {
    let mut stage = Stage::new(Limits::default());
    let peers: Vec<_> = (0..TELL_MAX * 2).map(|_| stage.connect()).collect();
    for peer in &peers {
        stage.send(peer, listen());
        peer.received();
    }
    stage.shared.notifier.changed_here(Change::ToolsList);
    stage.shared.draining.store(true, Ordering::Release);
    assert!(stage.one_turn(), "half of them were not told in their turn");
    for peer in &peers {
        let end = peer.received();
        assert!(end.contains("list_changed") && end.ends_with("\r\n0\r\n\r\n"), "{end}");
    }
}
