//! Requests and their answers, whole and in pieces.

use proptest::prelude::*;

use super::requests::{HOST, chunked_echo, echo, post, request, statuses};
use super::stage::Stage;
use crate::limits::Limits;

#[test]
fn an_answer_is_these_bytes() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    stage.send(&peer, echo("hi"));
    assert_eq!(
        peer.received(),
        "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:16:40 GMT\r\nContent-Type: application/json\r\nContent-Length: 186\r\n\r\n\
         {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}],\"_meta\":{\
         \"io.modelcontextprotocol/serverInfo\":{\"name\":\"mcp-server\",\"version\":\"0.1.0\"}}}}"
    );
    assert!(!peer.is_closed() && !peer.is_finished());
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    let mut stage = Stage::new(Limits { pool_buffers_max: 0, ..Limits::default() });
    let peers: Vec<_> = (0..100).map(|_| stage.connect()).collect();
    for peer in &peers {
        for part in [&echo("hi")[..100], &echo("hi")[100..]] {
            stage.send(peer, part);
        }
        assert_eq!(statuses(&peer.received()), [200]);
    }
    stage.wait_ms(100);
    let memory = stage.shared.snapshot().memory;
    assert_eq!(memory.buffers, Limits::default().read_bytes, "only the shard's own buffer");
    assert_eq!(stage.shared.snapshot().connections.mcp, 100);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut stage = Stage::new(Limits { answers_bytes_soft_max: 1_000, ..Limits::default() });
    let peer = stage.connect();
    let texts: Vec<String> = (0..500).map(|number| format!("text {number}")).collect();
    stage.send(&peer, texts.iter().map(|text| echo(text)).collect::<String>());
    let received = peer.received();
    let mut at = 0;
    for text in &texts {
        at += received[at..].find(&format!("\"{text}\"")).expect("each is answered, after the one before it");
    }
    assert_eq!(statuses(&received).len(), 500);
}

#[test]
fn a_client_that_does_not_read_is_not_read() {
    let mut stage = Stage::new(Limits { answers_bytes_soft_max: 1_000, ..Limits::default() });
    let peer = stage.connect();
    peer.narrow(1_500);
    for _ in 0..10 {
        stage.send(&peer, (0..1_000).map(|number| echo(&number.to_string())).collect::<String>());
    }
    let first = peer.received();
    assert_eq!(first.len(), 1_500);
    // What is kept is bounded: one read, and the answers gathered before it was found out.
    let kept = stage.shared.snapshot().memory.buffers;
    assert!(kept < 4 * Limits::default().read_bytes, "{kept}");
    stage.widen(&peer);
    assert_eq!(statuses(&(first + &peer.received())).len(), 10_000);
}

#[test]
fn requests_that_waited_for_their_client_are_timed_when_they_are_answered() {
    let mut stage = Stage::new(Limits { answers_bytes_soft_max: 1_000, ..Limits::default() });
    let peer = stage.connect();
    peer.narrow(1_500);
    stage.send(&peer, (0..100).map(|number| echo(&number.to_string())).collect::<String>());
    assert!(stage.shared.snapshot().latency.count() < 100);
    stage.widen(&peer);
    assert_eq!((statuses(&peer.received()).len(), stage.shared.snapshot().latency.count()), (100, 100));
}

#[test]
fn errors_that_end_a_connection_end_it_gently() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    stage.send(
        &peer,
        format!("GET /mcp HTTP/1.1\r\n{HOST}Content-Length: 5\r\nContent-Length: 5\r\n\r\n{}", echo("never")),
    );
    let received = peer.received();
    assert_eq!(statuses(&received), [400]);
    assert!(received.contains("\r\nConnection: close\r\n"));
    assert!(peer.is_finished() && !peer.is_closed(), "the rest of the input is read first");
    stage.send(&peer, echo("never"));
    assert_eq!(peer.received(), "");
    stage.finish(&peer);
    assert!(peer.is_closed());
    let other = stage.connect();
    stage.send(&other, "x y z\r\n\r\n");
    stage.send(&other, vec![b'x'; 70_000]);
    assert!(other.is_closed(), "nobody is listened to for ever");
    assert_eq!(stage.open(), 0);
}

#[test]
fn errors_before_the_body_leave_the_connection_usable() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    let foreign = echo("no").replace("127.0.0.1:8080", "evil.example");
    let (head, body) = foreign.split_at(foreign.find("\r\n\r\n").expect("a head") + 4);
    stage.send(&peer, head);
    assert_eq!(statuses(&peer.received()), [403], "before the body has come");
    stage.send(&peer, &body[..10]);
    stage.send(&peer, format!("{}{}", &body[10..], echo("yes")));
    assert_eq!(statuses(&peer.received()), [200]);
    stage.send(&peer, format!("GET /nothing HTTP/1.1\r\n{HOST}Content-Length: 70000\r\n\r\n"));
    assert_eq!(statuses(&peer.received()), [404]);
    assert!(peer.is_finished(), "so much is not read for nothing");
}

#[test]
fn who_waits_for_100_gets_it_once() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    let whole = echo("hi").replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let (head, body) = whole.split_at(whole.find("\r\n\r\n").expect("a head") + 4);
    stage.send(&peer, head);
    assert_eq!(peer.received(), "HTTP/1.1 100 Continue\r\n\r\n");
    stage.send(&peer, &body[..1]);
    assert_eq!(peer.received(), "");
    stage.send(&peer, &body[1..]);
    assert_eq!(statuses(&peer.received()), [200]);
    stage.send(&peer, &whole);
    assert_eq!(statuses(&peer.received()), [200], "nobody waits where the body is there");
    let refused = head.replace("127.0.0.1:8080", "evil.example");
    stage.send(&peer, refused);
    assert_eq!(statuses(&peer.received()), [403]);
    assert!(peer.is_finished(), "whether the body still comes is not known");
}

#[test]
fn a_half_closed_client_gets_what_it_is_owed() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    peer.narrow(10);
    stage.send(&peer, echo("hi"));
    stage.finish(&peer);
    assert!(!peer.is_closed());
    stage.widen(&peer);
    assert_eq!(statuses(&peer.received()), [200]);
    assert!(peer.is_closed());
    let silent = stage.connect();
    stage.send(&silent, &echo("hi")[..50]);
    stage.finish(&silent);
    assert_eq!((silent.received().as_str(), silent.is_closed()), ("", true));
}

/// Requests of all kinds, one after the other, and what they are answered with when they come whole.
fn conversation() -> String {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\n{HOST}\r\n");
    [
        echo("one"),
        chunked_echo("two", 7),
        get("/health"),
        request("tools/list", ""),
        post("", "not json"),
        get("/nothing"),
        format!("OPTIONS * HTTP/1.1\r\n{HOST}\r\n"),
        format!("PUT /mcp HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nabcde"),
        post("", "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}"),
        request("no/such", ""),
        request("server/discover", ""),
        chunked_echo("three", 1_000),
        format!("\r\nHEAD /ready HTTP/1.1\r\n{HOST}\r\n"),
        format!("GET /mcp HTTP/1.0\r\n{HOST}\r\n"),
    ]
    .concat()
}

const STATUSES: [u16; 14] = [200, 200, 200, 200, 400, 404, 204, 405, 202, 404, 200, 200, 200, 405];

#[test]
fn a_conversation_whole_and_byte_by_byte() {
    let mut stage = Stage::new(Limits::default());
    let whole = stage.connect();
    stage.send(&whole, conversation());
    let expected = whole.received();
    assert_eq!(statuses(&expected), STATUSES);
    assert!(whole.is_finished(), "HTTP/1.0 ends the connection");
    let pieces = stage.connect();
    for byte in conversation().bytes() {
        stage.send(&pieces, [byte]);
    }
    assert_eq!(pieces.received(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_conversation_in_any_pieces(cuts in prop::collection::vec(1usize..400, 1..60), narrow in any::<bool>()) {
        let mut stage = Stage::new(Limits { answers_bytes_soft_max: 300, ..Limits::default() });
        let whole = stage.connect();
        stage.send(&whole, conversation());
        let expected = whole.received();
        let peer = stage.connect();
        let text = conversation();
        let mut rest = text.as_bytes();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (part, after) = rest.split_at(rest.len().min(*cut));
            rest = after;
            if narrow {
                peer.narrow(*cut);
            }
            stage.send(&peer, part);
            if narrow {
                stage.widen(&peer);
            }
        }
        prop_assert_eq!(peer.received(), expected);
    }
}

#[test]
fn a_body_in_chunks_is_of_its_own_connection() {
    let mut stage = Stage::new(Limits::default());
    let (uploads, looks) = (stage.connect(), stage.connect());
    let request = chunked_echo("hi", 10);
    let (front, rest) = request.split_at(request.len() - 20);
    stage.send(&uploads, front);
    stage.send(&looks, format!("GET /health HTTP/1.1\r\n{HOST}\r\n"));
    stage.send(&uploads, rest);
    assert_eq!((statuses(&uploads.received()), statuses(&looks.received())), (vec![200], vec![200]));
    let connections = stage.shared.snapshot().connections;
    assert_eq!((connections.mcp, connections.admin), (1, 1));
}
