//! Answers that another replica makes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::requests::{statuses, work};
use super::stage::{Peer, Stage};
use crate::engine::Forwarded;
use crate::entry::Inside;
use crate::limits::Limits;
use crate::metrics::counters::Outcome;
use crate::queue::{Answer, ReplyTo};
use crate::tools::Cancellation;

const REQUEST: &[u8] = b"GET /x HTTP/1.1\r\n\r\n";

/// A replica that reads the request, answers this, and closes.
fn other_replica(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    let address = listener.local_addr().expect("it listens");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody comes");
        // All of it: what is unread at the end would reset the connection.
        let mut request = [0; REQUEST.len()];
        stream.read_exact(&mut request).expect("and asks");
        // Who asked may have gone.
        let _ = stream.write_all(&answer);
    });
    address
}

/// Has a request of a new connection answered there.
fn pass_on(stage: &mut Stage, runtime: &Runtime, address: SocketAddr) -> Peer {
    let peer = stage.connect();
    stage.send(&peer, work());
    let mailbox = Arc::clone(&stage.shared.mailboxes[0]);
    let room = stage.shared.peers.room().expect("there is room");
    let forwarded = Forwarded {
        address,
        inside: Inside::default(),
        request: REQUEST.to_vec(),
        reply: ReplyTo { mailbox, token: peer.token, batch: None },
        cancellation: Cancellation::default(),
        unreachable: Answer::json(503, b"unreachable".to_vec(), Outcome::Refused),
        silent: Answer::json(502, b"silent".to_vec(), Outcome::HttpError),
        patience: Duration::from_secs(2),
        room,
    };
    runtime.spawn(forwarded.run());
    peer
}

/// What the client has received by then.
fn received(stage: &mut Stage, peer: &Peer, done: impl Fn(&Peer, &str) -> bool) -> String {
    let mut text = String::new();
    while !done(peer, &text) {
        stage.turn();
        text += &peer.received();
        std::thread::yield_now();
    }
    text
}

fn requests(stage: &Stage, outcome: &str) -> u64 {
    let snapshot = stage.shared.snapshot();
    snapshot.requests.iter().filter(|row| row.outcome == outcome).map(|row| row.count).sum()
}

#[test]
fn only_what_did_not_get_there_was_not_executed() {
    let runtime = Runtime::new().expect("a runtime");
    let mut stage = Stage::new(Limits::default());
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address");
    let peer = pass_on(&mut stage, &runtime, nobody);
    let answer = received(&mut stage, &peer, |_, text| !text.is_empty());
    assert!(statuses(&answer) == [503] && answer.ends_with("unreachable"), "{answer}");
    for broken in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-", b"what?\r\n\r\n"] {
        let peer = pass_on(&mut stage, &runtime, other_replica(broken.to_vec()));
        let answer = received(&mut stage, &peer, |_, text| !text.is_empty());
        assert!(statuses(&answer) == [502] && answer.ends_with("silent"), "{answer}");
    }
    // It accepts, by its kernel, and says nothing.
    let frozen = TcpListener::bind("127.0.0.1:0").expect("an address");
    let peer = pass_on(&mut stage, &runtime, frozen.local_addr().expect("it listens"));
    let answer = received(&mut stage, &peer, |_, text| !text.is_empty());
    assert!(statuses(&answer) == [502] && answer.ends_with("silent"), "{answer}");
}

#[test]
fn answers_are_counted_as_what_they_are() {
    let runtime = Runtime::new().expect("a runtime");
    let mut stage = Stage::new(Limits::default());
    let counted = [
        ("ok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
        ("http_error", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}"),
        ("http_error", "HTTP/1.1 410 Gone\r\nContent-Length: 2\r\n\r\n{}"),
        ("refused", "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}"),
    ];
    for (outcome, answer) in counted {
        let before = requests(&stage, outcome);
        let peer = pass_on(&mut stage, &runtime, other_replica(answer.into()));
        assert_eq!(received(&mut stage, &peer, |peer, _| peer.is_finished()), answer);
        assert_eq!(requests(&stage, outcome), before + 1, "{answer}");
    }
    assert_eq!(stage.shared.snapshot().latency.count(), 4);
}

#[test]
fn a_slow_reader_gets_the_whole_of_a_long_answer() {
    const LENGTH: usize = 1_000_000;
    let runtime = Runtime::new().expect("a runtime");
    let mut stage = Stage::new(Limits::default());
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
    let peer = pass_on(&mut stage, &runtime, other_replica([head.as_bytes(), &[b'x'; LENGTH]].concat()));
    peer.narrow(0);
    let mut text = String::new();
    while !peer.is_finished() {
        stage.widen_by(&peer, 1_000);
        text += &peer.received();
        std::thread::yield_now();
    }
    assert_eq!(text.len(), head.len() + LENGTH);
    assert_eq!(requests(&stage, "ok"), 1);
}
