//! The stream of a session's call, lost and come back to.

use std::sync::Arc;

use erlmcp_protocol::era::Version;
use erlmcp_protocol::server::head::Once;

use super::requests::{HOST, echo, statuses};
use super::stage::{Peer, Stage};
use crate::engine::Place;
use crate::limits::Limits;
use crate::metrics::counters::{Method, Outcome};
use crate::queue::{Answer, ReplyTo};
use crate::session::{Recorder, Tape};

/// A session's id, a connection that has called a tool in it, and the stream that its answer becomes.
fn call(stage: &mut Stage) -> (String, Peer, Arc<Tape>) {
    let now_s = stage.shared.clock.unix_seconds();
    let sessions = &stage.shared.sessions;
    let id = sessions.open(Version::V20251125, 0, now_s, "");
    let session = sessions.find(Once::Value(id.as_bytes()), now_s, "").expect("it was just opened");
    let recorder = Recorder { replays: Arc::clone(&sessions.replays), session, method: Method::ToolsCall };
    let peer = stage.connect();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"work","arguments":{"ms":1}}}"#;
    let length = body.len();
    stage.send(
        &peer,
        format!(
            "POST /mcp HTTP/1.1\r\n{HOST}Mcp-Session-Id: {id}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: {length}\r\n\r\n{body}"
        ),
    );
    let mailbox = Arc::clone(&stage.shared.mailboxes[0]);
    let tape = recorder.begin(ReplyTo { mailbox, token: peer.token, batch: None });
    (id, peer, tape)
}

fn say(stage: &mut Stage, tape: &Tape, text: &str) {
    assert_eq!(tape.say(text.as_bytes().to_vec()), Ok(()));
    stage.turn();
}

fn come_back(stage: &mut Stage, session: &str, last: &str) -> Peer {
    let peer = stage.connect();
    stage.send(
        &peer,
        format!(
            "GET /mcp HTTP/1.1\r\n{HOST}Mcp-Session-Id: {session}\r\nAccept: text/event-stream\r\n\
             Last-Event-ID: {last}\r\n\r\n"
        ),
    );
    peer
}

/// The ids of the events in a text.
fn ids(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_string).collect()
}

#[test]
fn who_has_closed_one_direction_only_gets_the_answer() {
    for closes in [false, true] {
        let mut stage = Stage::new(Limits::default());
        let (_, peer, _) = call(&mut stage);
        let behind = echo("behind");
        stage.send_and_finish(&peer, if closes { "" } else { &behind });
        assert!(!peer.is_closed());
        let answer = Answer::json(200, b"{}".to_vec(), Outcome::Ok);
        assert!(stage.shared.mailboxes[0].try_answer(peer.token, answer).is_ok());
        stage.turn();
        assert_eq!(statuses(&peer.received()).len(), if closes { 1 } else { 2 });
        assert!(peer.is_closed(), "there is nothing more to come");
        assert_eq!(stage.open(), 0);
    }
}

#[test]
fn a_stream_of_a_replica_that_is_away_is_asked_for_again() {
    let mut stage = Stage::new(Limits::default());
    let (session, _, _) = call(&mut stage);
    stage.shared.peers.set([(2, Place::Away)].into());
    let away = come_back(&mut stage, &session, "2-1-1-0").received();
    assert!(statuses(&away) == [503] && away.contains("Retry-After: "), "{away}");
    assert!(away.contains("\"executed\":false"), "{away}");
    assert_eq!(statuses(&come_back(&mut stage, &session, "3-1-1-0").received()), [410], "there is none");
}

#[test]
fn a_stream_goes_on_elsewhere_and_says_that_it_lives() {
    let mut stage = Stage::new(Limits::default());
    let (session, peer, tape) = call(&mut stage);
    say(&mut stage, &tape, "1");
    let begun = peer.received();
    let first = ids(&begun);
    assert!(begun.starts_with("HTTP/1.1 200 ") && first.len() == 2, "a primer and an event: {begun}");
    stage.finish(&peer);
    assert!(peer.is_closed());
    say(&mut stage, &tape, "2");
    let again = come_back(&mut stage, &session, &first[1]);
    let replayed = again.received();
    assert!(replayed.starts_with("HTTP/1.1 200 ") && replayed.contains("\ndata: 2\n") && !replayed.contains("data: 1"));
    stage.wait_ms(15_100);
    assert_eq!(again.received(), "0000000e\r\n: keep-alive\n\n\r\n");
    let end = Answer::json(200, b"3".to_vec(), Outcome::Ok);
    assert!(tape.finish(end, stage.shared.clock.now_ns()).is_ok());
    stage.turn();
    let ended = again.received();
    assert!(ended.contains("\ndata: 3\n") && ended.ends_with("0\r\n\r\n") && !again.is_closed(), "{ended}");
    assert_eq!(ids(&replayed).len() + ids(&ended).len(), 2);
    let snapshot = stage.shared.snapshot();
    let answered = snapshot.requests.iter().find(|row| row.method == "tools/call").map(|row| row.count);
    assert_eq!(answered, Some(1), "the call is answered once");
}

#[test]
fn a_reader_that_is_too_far_behind_is_closed_and_comes_back_for_the_rest() {
    let mut stage = Stage::new(Limits { stream_bytes_max: 1_000, ..Limits::default() });
    let (session, peer, tape) = call(&mut stage);
    say(&mut stage, &tape, "\"first\"");
    let first = ids(&peer.received());
    peer.narrow(10);
    for _ in 0..4 {
        say(&mut stage, &tape, &format!("\"{}\"", "x".repeat(400)));
        stage.widen_by(&peer, 10);
    }
    assert!(peer.is_closed(), "it reads too little");
    let again = come_back(&mut stage, &session, &first[1]);
    assert_eq!(ids(&again.received()).len(), 4);
    let gone = come_back(&mut stage, &session, "0-0-7-0");
    assert!(gone.received().starts_with("HTTP/1.1 410 "));
}

#[test]
fn a_slow_reader_gets_all_that_was_kept() {
    let mut stage = Stage::new(Limits::default());
    let (session, peer, tape) = call(&mut stage);
    say(&mut stage, &tape, "\"first\"");
    let first = ids(&peer.received());
    for _ in 0..20 {
        say(&mut stage, &tape, &format!("\"{}\"", "x".repeat(10_000)));
    }
    stage.finish(&peer);
    let again = stage.connect();
    again.narrow(10);
    stage.send(
        &again,
        format!(
            "GET /mcp HTTP/1.1\r\n{HOST}Mcp-Session-Id: {session}\r\nAccept: text/event-stream\r\n\
             Last-Event-ID: {}\r\n\r\n",
            first[1]
        ),
    );
    stage.widen_by(&again, 10);
    assert!(!again.is_closed(), "nothing is added to what it has to read");
    stage.widen(&again);
    assert_eq!(ids(&again.received()).len(), 20);
}
