//! How a server goes.

use std::sync::atomic::Ordering;

use super::requests::{HOST, echo, listen, statuses, work};
use super::stage::Stage;
use crate::limits::Limits;
use crate::metrics::State;
use crate::metrics::counters::{ConnectionKind, Outcome};
use crate::queue::Answer;
use crate::shard::draining::GO_TOGETHER;

fn drain(stage: &mut Stage) {
    stage.shared.draining.store(true, Ordering::Release);
    stage.turn();
}

#[test]
fn everyone_gets_what_they_are_owed() {
    let mut stage = Stage::new(Limits::default());
    let [idle, stream, call, late] = std::array::from_fn(|_| stage.connect());
    stage.send(&idle, echo("hi"));
    stage.send(&stream, listen());
    stage.send(&call, work());
    stage.send(&late, echo("hi"));
    for peer in [&idle, &stream, &late] {
        peer.received();
    }
    assert!(stage.shard.accepts());
    drain(&mut stage);
    assert!(!stage.shard.accepts());
    assert_eq!(stage.shared.snapshot().state, State::Draining);
    let end = stream.received();
    assert!(end.contains("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\",\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":1,"), "{end}");
    assert!(end.ends_with("\r\n0\r\n\r\n") && stream.is_finished());
    stage.send(&late, echo("late"));
    let received = late.received();
    assert!(statuses(&received) == [200] && received.contains("\r\nConnection: close\r\n"), "{received}");
    assert!(!idle.is_finished(), "a request may be on its way");
    stage.wait_ms(600);
    assert!(idle.is_finished());
    for peer in [&idle, &stream, &late] {
        stage.finish(peer);
        assert!(peer.is_closed());
    }
    assert_eq!(stage.shard.ended(), None, "the call is waited for");
    let answer = Answer::json(200, b"{}".to_vec(), Outcome::Ok);
    assert!(stage.shared.mailboxes[0].try_answer(call.token, answer).is_ok());
    stage.turn();
    assert!(call.received().contains("\r\nConnection: close\r\n"));
    stage.finish(&call);
    assert_eq!(stage.shard.ended(), Some(0));
}

#[test]
fn who_wants_a_stream_too_late_is_asked_to_wait_as_anybody_who_is_refused() {
    let mut stage = Stage::new(Limits { retry_after_min_ms: 10_000, ..Limits::default() });
    let peer = stage.connect();
    stage.send(&peer, echo("hi"));
    peer.received();
    drain(&mut stage);
    stage.send(&peer, listen());
    let received = peer.received();
    assert!(statuses(&received) == [503] && received.contains("\"retryElsewhere\":true"), "{received}");
    let waits = received.contains("\r\nRetry-After: ") && !received.contains("\r\nRetry-After: 1\r\n");
    assert!(waits, "{received}");
}

#[test]
fn who_was_still_being_answered_when_the_idle_were_told_ends_with_the_answer() {
    let mut stage = Stage::new(Limits::default());
    let (slow, discarded) = (stage.connect(), stage.connect());
    slow.narrow(100);
    stage.send(&slow, echo("hi"));
    let unwanted = format!("GET /none HTTP/1.1\r\n{HOST}Content-Length: 9\r\n\r\n");
    stage.send(&discarded, unwanted + "1234");
    assert_eq!(statuses(&discarded.received()), [404]);
    drain(&mut stage);
    stage.wait_ms(600);
    assert!(!slow.is_finished() && !discarded.is_finished());
    stage.send(&discarded, "56789");
    stage.widen(&slow);
    assert_eq!(statuses(&slow.received()), [200]);
    for peer in [&slow, &discarded] {
        assert!(peer.is_finished());
        stage.finish(peer);
    }
    assert_eq!(stage.shard.ended(), Some(0));
}

#[test]
fn an_heir_takes_connections_over_as_they_become_idle() {
    let mut stage = Stage::new(Limits::default());
    let [idle, fresh, stream, call, half] = std::array::from_fn(|_| stage.connect());
    stage.send(&idle, echo("hi"));
    stage.send(&stream, listen());
    stage.send(&call, work());
    stage.send(&half, &echo("hi")[..20]);
    for peer in [&idle, &stream] {
        peer.received();
    }
    let (heir, mut handed) = tokio::sync::mpsc::channel(1);
    stage.shared.set_heir(Some(heir));
    stage.turn();
    assert!(!stage.shard.accepts(), "the heir accepts");
    assert!(stream.received().ends_with("\r\n0\r\n\r\n") && stream.is_finished(), "a stream does not go over");
    for peer in [&idle, &fresh] {
        assert!(peer.is_closed() && !peer.is_finished() && peer.received().is_empty(), "its client notices nothing");
    }
    stage.send(&half, &echo("hi")[20..]);
    let received = half.received();
    assert!(statuses(&received) == [200] && !received.contains("Connection: close"), "{received}");
    assert!(!half.is_closed(), "the heir has room for one batch");
    let kinds = handed.try_recv().map(|batch| batch.iter().map(|one| one.kind).collect::<Vec<_>>());
    assert_eq!(kinds, Ok(vec![ConnectionKind::New, ConnectionKind::Mcp]));
    stage.turn();
    assert!(half.is_closed() && handed.try_recv().is_ok());
    let answer = Answer::json(200, b"{}".to_vec(), Outcome::Ok);
    assert!(stage.shared.mailboxes[0].try_answer(call.token, answer).is_ok());
    stage.turn();
    assert!(!call.received().contains("Connection: close"));
    assert!(handed.try_recv().is_ok());
    stage.finish(&stream);
    assert_eq!(stage.shard.ended(), Some(0));
}

#[test]
fn many_go_over_a_few_at_a_time_and_requests_are_served_in_between() {
    const CONNECTIONS: usize = 1_000;
    let mut stage = Stage::new(Limits::default());
    let peers: Vec<_> = (0..CONNECTIONS).map(|_| stage.connect()).collect();
    let (heir, mut handed) = tokio::sync::mpsc::channel(CONNECTIONS);
    stage.shared.set_heir(Some(heir));
    let mut batches = Vec::new();
    // Who comes first goes last.
    let (last, open) = (&peers[0], |stage: &Stage| stage.open() as usize);
    while open(&stage) > GO_TOGETHER {
        stage.wait_ms(100);
        let left = open(&stage);
        let batch = handed.try_recv().expect("a look's connections are one batch");
        batches.push(batch.len());
        assert_eq!(left + batches.iter().sum::<usize>(), CONNECTIONS);
        if left > GO_TOGETHER {
            stage.send(last, echo("hi"));
            assert_eq!(statuses(&last.received()), [200]);
            assert_eq!(open(&stage), left, "the time of the next ones has not come");
        }
    }
    assert!(batches.len() == CONNECTIONS / GO_TOGETHER && batches.iter().all(|batch| *batch == GO_TOGETHER));
    stage.turn();
    assert_eq!((open(&stage), handed.try_recv().map(|batch| batch.len())), (0, Ok(CONNECTIONS % GO_TOGETHER)));
}

#[test]
fn more_go_together_where_a_drain_has_little_time() {
    let mut stage = Stage::new(Limits { drain_timeout_ms: 80, ..Limits::default() });
    let _peers: Vec<_> = (0..1_000).map(|_| stage.connect()).collect();
    let (heir, mut handed) = tokio::sync::mpsc::channel(1);
    stage.shared.set_heir(Some(heir));
    stage.turn();
    let batch = handed.try_recv().expect("the first ones go at once");
    assert_eq!(batch.len(), 100, "ten looks are half of that time");
}

#[test]
fn streams_end_a_few_at_a_time_too() {
    let mut stage = Stage::new(Limits::default());
    let streams: Vec<_> = (0..100).map(|_| stage.connect()).collect();
    streams.iter().for_each(|stream| stage.send(stream, listen()));
    let (heir, _handed) = tokio::sync::mpsc::channel(1);
    stage.shared.set_heir(Some(heir));
    let ended = || streams.iter().filter(|stream| stream.is_finished()).count();
    stage.turn();
    stage.turn();
    assert_eq!(ended(), GO_TOGETHER);
    stage.wait_ms(300);
    assert_eq!(ended(), streams.len());
}

#[test]
fn ten_thousand_in_flight_are_all_answered_and_go_over() {
    const CALLS: usize = 10_000;
    let mut stage = Stage::new(Limits { queue_max: CALLS as u64, queue_wait_min_ms: 30_000, ..Limits::default() });
    let calls: Vec<_> = (0..CALLS).map(|_| stage.connect()).collect();
    calls.iter().for_each(|call| stage.send(call, work()));
    assert!(calls.iter().all(|call| call.received().is_empty()), "none is refused");
    let (heir, mut handed) = tokio::sync::mpsc::channel(64);
    stage.shared.set_heir(Some(heir));
    let mut gone = 0;
    for some in calls.chunks(16) {
        for call in some {
            let answer = Answer::json(200, b"{}".to_vec(), Outcome::Ok);
            assert!(stage.shared.mailboxes[0].try_answer(call.token, answer).is_ok());
        }
        stage.wait_ms(100);
        gone += std::iter::from_fn(|| handed.try_recv().ok()).flatten().count();
    }
    assert_eq!((gone, stage.shard.ended()), (CALLS, Some(0)));
    for call in &calls {
        let received = call.received();
        assert!(statuses(&received) == [200] && !received.contains("Connection: close"), "{received}");
        assert!(call.is_closed() && !call.is_finished(), "it is not cut");
    }
}

#[test]
fn where_the_heir_is_gone_the_drain_is_an_ordinary_one() {
    let mut stage = Stage::new(Limits::default());
    let peer = stage.connect();
    stage.send(&peer, echo("hi"));
    peer.received();
    let (heir, handed) = tokio::sync::mpsc::channel(1);
    drop(handed);
    stage.shared.set_heir(Some(heir));
    stage.turn();
    assert!(!peer.is_closed());
    stage.send(&peer, echo("hi"));
    assert!(peer.received().contains("\r\nConnection: close\r\n"));
    stage.finish(&peer);
    assert_eq!(stage.shard.ended(), Some(0));
}

#[test]
fn a_drain_ends() {
    let mut stage = Stage::new(Limits { head_timeout_ms: 60_000, ..Limits::default() });
    let (call, slow) = (stage.connect(), stage.connect());
    stage.send(&call, work());
    stage.send(&slow, &echo("hi")[..20]);
    drain(&mut stage);
    stage.wait_ms(9_000);
    assert_eq!(stage.shard.ended(), None);
    stage.wait_ms(1_100);
    assert_eq!(stage.shard.ended(), Some(2));
    assert!(call.is_closed() && slow.is_closed());
}

#[test]
fn the_lead_time_is_kept() {
    let mut stage = Stage::new(Limits { drain_lead_ms: 2_000, ..Limits::default() });
    let peer = stage.connect();
    drain(&mut stage);
    stage.wait_ms(1_900);
    assert!(stage.shard.accepts());
    stage.send(&peer, echo("hi"));
    assert!(!peer.received().contains("Connection: close"));
    stage.wait_ms(200);
    assert!(!stage.shard.accepts());
}

#[test]
fn an_empty_shard_waits_for_connections_that_are_still_handed_over() {
    let mut stage = Stage::new(Limits::default());
    stage.shared.accepting_ended.store(false, Ordering::Release);
    drain(&mut stage);
    assert_eq!(stage.shard.ended(), None, "the shard that accepts may have one for it");
    stage.shard.end_accepting();
    assert_eq!(stage.shard.ended(), None, "it may be in the mailbox");
    stage.turn();
    assert_eq!(stage.shard.ended(), Some(0));
}

#[test]
fn a_drain_ends_also_where_the_shard_that_accepts_is_gone() {
    let mut stage = Stage::new(Limits::default());
    stage.shared.accepting_ended.store(false, Ordering::Release);
    drain(&mut stage);
    stage.wait_ms(10_100);
    assert_eq!(stage.shard.ended(), Some(0));
}
