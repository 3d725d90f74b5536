//! What is not waited for where memory comes to its end.

use super::requests::{HOST, chunked_echo, echo, post, request, statuses};
use super::stage::Stage;
use crate::engine::Pressure;
use crate::limits::Limits;
use crate::metrics::counters::Reached;

/// The front of a text, up to so many bytes behind the end of its head.
fn front(text: &str, behind: usize) -> &str {
    &text[..text.find("\r\n\r\n").expect("a head ends") + 4 + behind]
}

#[test]
fn a_long_body_is_refused_before_it_comes() {
    let mut stage = Stage::new(Limits::default());
    stage.shared.memory.press(Pressure::CriticalOnly);
    let long = echo(&"x".repeat(20_000));
    let expecting = post("Expect: 100-continue\r\n", &"x".repeat(20_000));
    for text in [front(&long, 0), front(&long, 9), front(&expecting, 0), front(&chunked_echo("hi", 9), 9)] {
        let peer = stage.connect();
        stage.send(&peer, text);
        let received = peer.received();
        assert!(statuses(&received) == [503] && received.contains("\r\nRetry-After: "), "{received}");
        assert!(received.contains("\r\nConnection: close\r\n") && peer.is_finished());
    }
    assert_eq!(stage.shared.counters[0].times_reached(Reached::Memory), 4);
    let (peer, critical) = (stage.connect(), request("server/discover", ""));
    stage.send(&peer, front(&critical, 9));
    assert_eq!(peer.received(), "", "a short one may be critical");
    stage.send(&peer, &critical[front(&critical, 9).len()..]);
    assert_eq!(statuses(&peer.received()), [200]);
}

#[test]
fn bodies_that_still_come_are_given_up_with_the_last_memory() {
    let mut stage = Stage::new(Limits { pool_buffers_max: 0, ..Limits::default() });
    let [long, short, chunked, half, idle] = std::array::from_fn(|_| stage.connect());
    let head = format!("POST /mcp HTTP/1.1\r\n{HOST}");
    stage.send(&long, front(&echo(&"x".repeat(200_000)), 100_000));
    stage.send(&short, front(&echo("hi"), 9));
    stage.send(&chunked, front(&chunked_echo("hi", 9), 9));
    stage.send(&half, &head);
    stage.send(&idle, echo("hi"));
    assert_eq!(statuses(&idle.received()), [200]);
    stage.shared.memory.press(Pressure::NoConnections);
    stage.wait_ms(200);
    for peer in [&long, &short, &chunked] {
        let received = peer.received();
        assert!(statuses(&received) == [503] && received.contains("\r\nRetry-After: "), "{received}");
        assert!(received.contains("\r\nConnection: close\r\n") && peer.is_finished());
    }
    assert_eq!(stage.shared.counters[0].times_reached(Reached::Memory), 3);
    let held = stage.shared.snapshot().memory.buffers - Limits::default().read_bytes;
    assert!((head.len() as u64..10_000).contains(&held), "only what is not a body yet: {held} bytes");
    stage.send(&idle, front(&echo("hi"), 9));
    assert_eq!(statuses(&idle.received()), [503], "nor does another one begin");
}
