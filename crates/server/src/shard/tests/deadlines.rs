//! Slow clients.

use super::requests::{chunked_echo, echo, statuses, work};
use super::stage::Stage;
use crate::limits::Limits;
use crate::metrics::counters::Outcome;
use crate::queue::Answer;

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    stage.wait_ms(9_900);
    assert!(!peer.is_closed());
    stage.wait_ms(300);
    assert_eq!((peer.is_closed(), peer.received().as_str()), (true, ""));
}

#[test]
fn a_limit_may_be_as_large_as_a_number_can_be() {
    let mut stage = Stage::new(Limits { idle_timeout_ms: u64::MAX, ..Limits::default() });
    let peer = stage.connect();
    stage.send(&peer, echo("hi"));
    stage.wait_ms(60_000);
    assert!(!peer.is_closed());
}

#[test]
fn a_slow_head_is_told_so() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    stage.send(&peer, echo("first"));
    assert_eq!(statuses(&peer.received()), [200]);
    stage.wait_ms(60_000);
    let text = echo("second");
    for line in text.split_inclusive("\r\n").take(5) {
        stage.send(&peer, line);
        stage.wait_ms(2_000);
    }
    stage.wait_ms(200);
    let received = peer.received();
    assert_eq!(statuses(&received), [408]);
    assert!(received.contains("\r\nConnection: close\r\n") && peer.is_finished());
    stage.wait_ms(2_100);
    assert!(peer.is_closed(), "and nobody lingers for ever");
}

#[test]
fn a_slow_head_behind_another_request_is_told_so_too() {
    let slow = echo("second");
    let (first, slow) = slow.split_at(20);
    let begun = |stage: &mut Stage, text: &str| {
        let peer = stage.connect();
        stage.send(&peer, text);
        peer
    };
    let mut stage = Stage::new(Limits::default());
    // Behind one that waits for a worker, behind one that came with it, and behind one that came in two pieces.
    let called = begun(&mut stage, &(work() + first));
    let answer = Answer::json(200, b"{}".to_vec(), Outcome::Ok);
    assert!(stage.shared.mailboxes[0].try_answer(called.token, answer).is_ok());
    let pipelined = begun(&mut stage, &(echo("first") + first));
    let halves = echo("first");
    let pieces = begun(&mut stage, &halves[..100]);
    stage.send(&pieces, halves[100..].to_string() + first);
    for peer in [&called, &pipelined, &pieces] {
        stage.turn();
        assert_eq!(statuses(&peer.received()), [200]);
    }
    for byte in slow.bytes().take(12) {
        for peer in [&called, &pipelined, &pieces] {
            stage.send(peer, [byte]);
        }
        stage.wait_ms(1_000);
    }
    for peer in [&called, &pipelined, &pieces] {
        assert_eq!(statuses(&peer.received()), [408]);
    }
}

#[test]
fn a_slow_body_is_told_so() {
    for text in [echo("a long text, byte by byte"), chunked_echo("a long text, byte by byte", 3)] {
        let mut stage = Stage::new(Limits::default());
        let peer = stage.connect();
        let head = text.find("\r\n\r\n").expect("a head") + 4;
        stage.send(&peer, &text[..head]);
        for byte in text[head..].bytes().take(29) {
            stage.send(&peer, [byte]);
            stage.wait_ms(1_000);
        }
        assert_eq!(peer.received(), "");
        stage.wait_ms(1_200);
        assert_eq!(statuses(&peer.received()), [408]);
    }
}

#[test]
fn a_silent_connection_is_closed_after_an_hour() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    stage.send(&peer, echo("hi"));
    peer.received();
    stage.wait_ms(3_599_000);
    assert!(!peer.is_closed());
    stage.send(&peer, echo("hi"));
    stage.wait_ms(3_599_000);
    assert!(!peer.is_closed());
    stage.wait_ms(1_200);
    assert_eq!((peer.is_closed(), statuses(&peer.received())), (true, vec![200]));
}

#[test]
fn a_client_that_takes_nothing_is_closed() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    peer.narrow(10);
    stage.send(&peer, echo("hi"));
    for _ in 0..3 {
        stage.wait_ms(20_000);
        assert!(!peer.is_closed(), "some progress is progress");
        stage.widen_by(&peer, 5);
    }
    stage.wait_ms(30_200);
    assert!(peer.is_closed());
}

#[test]
fn a_call_is_waited_for() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    stage.send(&peer, work());
    stage.wait_ms(300_000);
    assert!(!peer.is_closed(), "the queue has a time limit of its own");
}

#[test]
fn twenty_thousand_slow_clients_are_cut_at_their_deadline() {
    const SLOW: usize = 20_000;
    let mut stage = Stage::new(Limits::default());
    let good = stage.connect();
    stage.send(&good, echo("good"));
    assert_eq!(statuses(&good.received()), [200]);
    let text = echo("slow");
    let mut slow = Vec::new();
    for index in 0..SLOW {
        let peer = stage.connect();
        // A quarter says nothing, a quarter begins a head, a quarter a body, and a quarter reads nothing.
        match index % 4 {
            0 => {}
            1 => stage.send(&peer, &text[..40]),
            2 => stage.send(&peer, &text[..text.len() - 5]),
            _ => {
                peer.narrow(10);
                stage.send(&peer, &text);
            }
        }
        slow.push(peer);
    }
    let held = stage.shared.snapshot().memory;
    assert!(held.connections + held.buffers < 64 << 20, "{held:?}");
    for second in 0..40 {
        stage.wait_ms(1_000);
        stage.send(&good, echo("good"));
        assert_eq!(statuses(&good.received()), [200], "after {second} s");
    }
    assert!(slow.iter().all(super::stage::Peer::is_closed), "{} are open", stage.open());
    assert_eq!(stage.open(), 1, "the good one");
    let left = stage.shared.snapshot().memory;
    assert!(left.buffers < 4 << 20, "{left:?}");
}

#[test]
fn an_old_connection_ends_with_its_next_answer() {
    let mut stage = Stage::new(Limits { connection_age_max_ms: 6_400, ..Limits::default() });
    let old = stage.connect();
    let streams = stage.connect();
    stage.send(&old, echo("young"));
    stage.send(&streams, super::requests::listen());
    stage.wait_ms(5_500);
    stage.send(&old, echo("not old yet"));
    assert!(!old.received().contains("Connection: close"));
    stage.wait_ms(1_200);
    assert!(!old.is_finished(), "who asks nothing is left alone, since its next request may be on its way");
    let young = stage.connect();
    stage.send(&old, echo("old") + &echo("behind the last one"));
    let received = old.received();
    assert_eq!((statuses(&received), old.is_finished()), (vec![200], true));
    assert!(received.contains("\r\nConnection: close\r\n"), "{received}");
    stage.send(&young, echo("young"));
    assert!(!young.received().contains("Connection: close"));
    assert!(!streams.is_finished(), "a stream is one request, and goes on");
    let counted = stage.shared.snapshot().limits_reached;
    assert_eq!(
        counted.iter().find(|one| one.limit == "connection_age").map(|one| (one.count, one.value.ms)),
        Some((1, Some(6_400)))
    );
}
