//! Calls that wait for a worker.

use super::requests::{echo, statuses, work};
use super::stage::{Peer, Stage};
use crate::limits::Limits;
use crate::metrics::counters::Outcome;
use crate::queue::Answer;
use crate::shard::Note;

fn answer(stage: &mut Stage, peer: &Peer, text: &str) {
    let answer = Answer::json(200, text.as_bytes().to_vec(), Outcome::Ok);
    assert!(stage.shared.mailboxes[0].try_answer(peer.token, answer).is_ok());
    stage.turn();
}

#[test]
fn what_comes_behind_a_call_waits_for_it() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    stage.send(&peer, work() + &echo("second"));
    stage.send(&peer, echo("third"));
    assert_eq!(peer.received(), "");
    assert_eq!(stage.shared.queue.figures().workers, 50);
    answer(&mut stage, &peer, "first");
    let received = peer.received();
    assert_eq!(statuses(&received), [200, 200, 200]);
    let place = |text: &str| received.find(text).expect("it is answered");
    assert!(place("first") < place("second") && place("second") < place("third"));
}

#[test]
fn what_the_kernel_still_holds_behind_a_call_is_read_after_it() {
    let read_bytes = work().len() as u64 + 10;
    let mut stage = Stage::new(Limits { reads_per_turn_max: 1, read_bytes, ..Limits::default() });
    let peer = stage.connect();
    stage.send(&peer, work() + &echo("second"));
    answer(&mut stage, &peer, "first");
    (0..20).for_each(|_| stage.turn());
    assert_eq!(statuses(&peer.received()), [200, 200]);
}

#[test]
fn a_full_queue_refuses_at_once() {
    let mut stage = Stage::new(Limits { workers: 1, queue_max: 2, queue_wait_min_ms: 30_000, ..Limits::default() });
    let peers: Vec<Peer> = (0..5).map(|_| stage.connect()).collect();
    for peer in &peers {
        stage.send(peer, work());
    }
    for peer in &peers[..3] {
        assert_eq!(peer.received(), "");
    }
    for peer in &peers[3..] {
        let received = peer.received();
        assert_eq!(statuses(&received), [503]);
        assert!(received.contains("\r\nRetry-After: 1\r\n"), "{received}");
        assert!(received.contains("\"id\":1,\"error\":{\"code\":53003,"), "{received}");
        assert!(received.contains("\"executed\":false"), "{received}");
        stage.send(peer, echo("still here"));
        assert_eq!(statuses(&peer.received()), [200]);
    }
    let figures = stage.shared.queue.figures();
    assert_eq!((figures.depth, figures.depth_max, figures.refused_total), (2, 2, 2));
}

#[test]
fn who_goes_takes_the_call_along() {
    let mut stage = Stage::new(Limits::default());
    let (gone, reset) = (stage.connect(), stage.connect());
    stage.send(&gone, work());
    stage.finish(&gone);
    assert!(gone.is_closed());
    stage.send(&reset, work());
    stage.reset(&reset);
    assert!(reset.is_closed());
    // The place belongs to another one now; the late answer is not its.
    let other = stage.connect();
    assert!([gone.token.key, reset.token.key].contains(&other.token.key));
    answer(&mut stage, &gone, "late");
    answer(&mut stage, &reset, "late");
    assert_eq!((other.received().as_str(), stage.open()), ("", 1));
}

#[test]
fn who_sends_and_goes_at_once_takes_the_call_along_too() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    peer.narrow(usize::MAX);
    // Both are there before the server looks.
    stage.send_and_finish(&peer, work());
    assert!(peer.is_closed());
    let inline = stage.connect();
    stage.send_and_finish(&inline, echo("hi"));
    assert_eq!(statuses(&inline.received()), [200]);
    assert!(inline.is_closed());
}

#[test]
fn a_call_that_asked_for_it_ends_the_connection() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    stage.send(&peer, work().replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    answer(&mut stage, &peer, "first");
    assert!(peer.received().contains("\r\nConnection: close\r\n"));
    assert!(peer.is_finished());
}

#[test]
fn what_is_added_to_an_unsent_answer_does_not_give_its_client_more_time() {
    let mut stage = Stage::new(Limits::default());
    let [noted, answered] = std::array::from_fn(|_| stage.connect());
    for peer in [&noted, &answered] {
        stage.send(peer, work());
        peer.narrow(0);
    }
    for _ in 0..4 {
        for peer in [&noted, &answered] {
            let note = Note::plain(b"{}".to_vec());
            // One of them has its answer by now.
            assert_eq!(stage.shared.mailboxes[0].try_note(peer.token, note), Ok(()));
        }
        stage.wait_ms(7_000);
        if !answered.is_closed() {
            answer(&mut stage, &answered, "{}");
        }
    }
    assert!(!noted.is_closed() && !answered.is_closed(), "they have 30 seconds");
    stage.wait_ms(3_000);
    assert!(noted.is_closed() && answered.is_closed());
}
