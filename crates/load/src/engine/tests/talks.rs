//! Servers that ask before they respond, and streams that end before their response.

use erlmcp_record::{Fate, Kind};

use super::stage::{S, Stage};
use crate::engine::Order;
use crate::net::simulated::{Peer, Reply};
use crate::proto::Sequential;
use crate::wire::Calls;

/// 100 requests on ten connections of a server that does only this.
fn load(calls: Calls, reply: Reply) -> Stage {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.engine.order(Order::Calls(calls));
    stage.open(10);
    stage.peer(0).replies = vec![reply];
    stage.order_load(2, 50.0);
    stage.until_done(2);
    stage
}

fn legacy() -> Calls {
    Calls::of_session(Some("s-1"))
}

#[test]
fn a_result_that_asks_is_answered_in_rounds_of_one_request() {
    let stage = load(Calls::for_tests(), Reply::Rounds(3));
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 100);
    assert_eq!((stage.dialogue().rounds, stage.dialogue().resumed), (300, 0));
    assert_eq!(stage.engine.net.writes.len(), 10 + 400, "four legs a request");
    let (latency, service) = (stage.latency(2, Kind::Load), stage.hist(2, Kind::Load, |row| row.service.as_ref()));
    assert_eq!((latency.count(), service.count()), (100, 100));
    // A leg takes at least three quarters of 300 us.
    assert!(service.min_us().is_some_and(|us| us >= 899), "from the first leg to the last: {service:?}");
    assert!(latency.min_us() >= service.min_us());
    assert_eq!(stage.open_now(), [10]);
}

#[test]
fn rounds_have_an_end() {
    let stage = load(Calls::for_tests(), Reply::Rounds(5));
    assert_eq!(stage.fate(2, Kind::Load, Fate::RpcError), 100);
    assert_eq!(stage.causes(2, Kind::Load).get("result is input_required"), Some(&100));
    assert_eq!(stage.dialogue().rounds, 400);
    assert_eq!(load(Calls::for_tests(), Reply::Rounds(4)).fate(2, Kind::Load, Fate::Ok), 100, "the last one counts");
}

#[test]
fn a_round_that_is_not_answered_times_out_from_the_first_leg_on() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(1);
    stage.peer(0).replies = vec![Reply::Rounds(2)];
    stage.peer(0).tool_us = S;
    stage.order_load(2, 0.5);
    stage.until_done(2);
    // Three legs of a second are more than the timeout of two.
    assert_eq!(stage.fate(2, Kind::Load, Fate::TimedOut), 1);
    let latency = stage.latency(2, Kind::Load);
    assert!(latency.max_us().is_some_and(|us| us < 2 * S + S / 10), "{latency:?}");
}

#[test]
fn questions_on_a_stream_are_answered_beside_it() {
    let mut stage = load(legacy(), Reply::Asks(2));
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 100);
    // Its answer may be on its way after the last response.
    stage.run_for(S);
    assert_eq!(stage.dialogue().answered.into_iter().collect::<Vec<_>>(), [("roots".to_string(), 200)]);
    assert_eq!(stage.engine.net.talks.answered, 200);
    assert_eq!(stage.open_now(), [10], "the others are not held");
    let connects = stage.engine.net.connects.len();
    assert!((11..=26).contains(&connects), "they are kept alive and shared: {connects}");
    assert!((1..=16).contains(&stage.sides_max), "and told of: {}", stage.sides_max);
    stage.run_for(3 * S);
    assert_eq!(stage.sockets(), 10, "and closed when they are not used");
}

#[test]
fn a_burst_of_questions_waits_for_the_few_connections() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.engine.order(Order::Calls(legacy()));
    stage.open(200);
    stage.peer(0).replies = vec![Reply::Asks(3)];
    stage.order_load(2, 1_000.0);
    let mut most = 0;
    for step in 0.. {
        if stage.done.contains(&2) {
            break;
        }
        // A generator that stood still sends all that was due at once.
        stage.engine.net.now_us += if step == 1_000 { S / 5 } else { 0 };
        stage.step();
        most = most.max(stage.sockets());
    }
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 2_000, "{:?}", stage.causes(2, Kind::Load));
    stage.run_for(S);
    assert_eq!(stage.dialogue().answered.get("roots"), Some(&6_000));
    assert_eq!(most, 216);
    stage.order_close(3);
    stage.until_done(3);
    assert_eq!(stage.sockets(), 0, "with the last client the others go as well");
}

#[test]
fn an_answer_that_is_not_taken_is_counted_and_its_request_lost() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.engine.order(Order::Calls(legacy()));
    stage.open(10);
    (stage.peer(0).replies, stage.peer(0).refuses_answers) = (vec![Reply::Asks(1)], true);
    stage.order_load(2, 4.0);
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::TimedOut), 8);
    let dialogue = stage.dialogue();
    assert!(dialogue.unanswered >= 8 && dialogue.answered.is_empty(), "{dialogue:?}");
}

#[test]
fn a_legacy_request_that_timed_out_is_cancelled() {
    for (calls, cancelled) in [(legacy(), 2), (Calls::for_tests(), 0)] {
        let mut stage = Stage::new(vec![Peer::good()]);
        stage.engine.order(Order::Calls(calls));
        stage.open(4);
        stage.peer(0).replies = vec![Reply::Never];
        stage.order_load(2, 1.0);
        stage.until_done(2);
        stage.run_for(S / 2);
        assert_eq!(stage.fate(2, Kind::Load, Fate::TimedOut), 2, "{:?}", stage.causes(2, Kind::Load));
        assert_eq!(stage.engine.net.talks.cancelled.len(), cancelled);
        assert!(stage.dialogue().is_empty(), "{:?}", stage.dialogue());
    }
}

#[test]
fn an_answer_goes_into_the_session_that_was_asked() {
    let mut stage = Stage::new(vec![Peer::good(), Peer::good()]);
    (stage.peer(0).sessions, stage.peer(1).sessions) = (Some(1), Some(2));
    stage.engine.order(Order::Calls(Calls::of_own_sessions()));
    stage.open(10);
    (stage.peer(0).replies, stage.peer(1).replies) = (vec![Reply::Asks(1)], vec![Reply::Asks(1)]);
    stage.order_load(2, 50.0);
    stage.until_done(2);
    // Each server knows only the sessions of its own.
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 100);
    stage.run_for(S);
    assert_eq!(stage.dialogue().answered.get("roots"), Some(&100));
}

#[test]
fn a_modern_server_must_not_ask_on_a_stream() {
    let stage = load(Calls::for_tests(), Reply::Asks(1));
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 0);
    assert!(stage.dialogue().is_empty());
    assert_eq!(stage.engine.net.talks.answered, 0);
}

#[test]
fn a_stream_that_ends_early_is_gone_on_with_after_the_wait() {
    let stage = load(legacy(), Reply::Resumes(100));
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 100);
    assert_eq!((stage.dialogue().resumed, stage.dialogue().rounds), (100, 0));
    let latency = stage.latency(2, Kind::Load);
    assert!(latency.min_us().is_some_and(|us| us >= 99_900), "the clock runs on: {latency:?}");
    let talks = &stage.engine.net.talks;
    let (mut ended, mut resumed) = (talks.ended.clone(), talks.resumed.clone());
    ended.sort_unstable();
    resumed.sort_unstable();
    assert_eq!((ended.len(), resumed.len()), (100, 100));
    assert!(ended.iter().zip(&resumed).all(|(ended, resumed)| *resumed >= ended + 100_000));
    assert_eq!(stage.open_now(), [10], "on the same connections");
    assert!(stage.lost().is_empty(), "{:?}", stage.lost());
}

#[test]
fn a_stream_is_not_gone_on_with_sooner_than_the_server_wants() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.engine.order(Order::Calls(legacy()));
    stage.open(4);
    stage.peer(0).replies = vec![Reply::Resumes(3_000)];
    stage.order_load(2, 1.0);
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::TimedOut), 2, "{:?}", stage.causes(2, Kind::Load));
    stage.run_for(2 * S);
    assert!(stage.engine.net.talks.resumed.is_empty(), "{:?}", stage.engine.net.talks.resumed);
    assert!(stage.lost().is_empty(), "nothing is wrong with their connections: {:?}", stage.lost());
}

#[test]
fn a_connection_that_is_lost_in_the_wait_is_no_loss_of_the_stream() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.engine.order(Order::Calls(legacy()));
    stage.open(4);
    stage.peer(0).replies = vec![Reply::Resumes(800)];
    stage.order_load(2, 2.0);
    while !stage.engine.connections.iter().any(|(key, _)| stage.engine.is_kept(key as u32)) {
        stage.step();
    }
    let address = stage.addresses[0];
    stage.peer(0).replies = vec![Reply::Good];
    stage.engine.net.reset_all(address, usize::MAX);
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 4, "{:?}", stage.causes(2, Kind::Load));
    assert_eq!(stage.dialogue().resumed, 1);
}

#[test]
fn without_a_legacy_era_a_broken_stream_is_a_loss() {
    let stage = load(Calls::for_tests(), Reply::Resumes(1));
    assert_eq!(stage.fate(2, Kind::Load, Fate::Reset), 100);
    assert!(stage.dialogue().is_empty());
}

#[test]
fn sequential_requests_go_on_as_well() {
    for (calls, reply) in
        [(Calls::for_tests(), Reply::Rounds(2)), (legacy(), Reply::Resumes(5)), (legacy(), Reply::Asks(1))]
    {
        let mut stage = Stage::new(vec![Peer::good()]);
        stage.engine.order(Order::Calls(calls));
        stage.open(1);
        stage.peer(0).replies = vec![reply];
        stage.engine.order(Order::Sequential(Sequential { block: 4, phase: 1, count: 20 }));
        stage.until_done(4);
        assert_eq!(stage.fate(4, Kind::Sequential, Fate::Ok), 20, "{reply:?}: {:?}", stage.causes(4, Kind::Sequential));
    }
}

#[test]
fn a_stream_that_is_left_open_after_its_response_is_answered_by_it() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.engine.order(Order::Calls(legacy()));
    stage.open(10);
    stage.peer(0).replies = vec![Reply::LeavesOpen];
    stage.order_load(2, 5.0);
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 10, "{:?}", stage.causes(2, Kind::Load));
    let latency = stage.latency(2, Kind::Load);
    assert!(latency.max_us().is_some_and(|us| us < S / 100), "as of the response: {latency:?}");
    stage.peer(0).replies = vec![Reply::Good];
    stage.run_for(10 * S);
    let lost = stage.lost();
    assert!(lost.get("stream left open after its response").is_some_and(|lost| *lost >= 10), "{lost:?}");
    assert!(stage.engine.net.talks.cancelled.is_empty(), "it was answered");
    stage.order_load(3, 20.0);
    stage.until_done(3);
    assert_eq!((stage.fate(3, Kind::Load, Fate::Ok), stage.open_now()), (40, vec![10]));
}
