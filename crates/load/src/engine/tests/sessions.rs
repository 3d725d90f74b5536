//! A server that forgets the session, and one that wants to know more; a session for each connection.

use erlmcp_record::{Fate, Kind};

use super::stage::{S, Stage};
use crate::engine::Order;
use crate::net::simulated::{Peer, Reply};
use crate::wire::Calls;

/// A legacy server with fifty connections in one session.
fn in_session() -> Stage {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.engine.order(Order::Calls(Calls::of_session(Some("s-1"))));
    stage.open(50);
    stage
}

#[test]
fn a_forgotten_session_is_asked_for_once_by_all_connections() {
    let mut stage = in_session();
    stage.order_load(2, 500.0);
    stage.run_for(S / 2);
    stage.peer(0).replies = vec![Reply::Forgotten];
    stage.run_for(S / 10);
    assert_eq!(stage.sessions_ended, 1, "one session, however many connections have heard of its end");
    // What is on its way in the old session while the new one comes says nothing about the new one.
    stage.peer(0).tool_us = 1_200_000;
    stage.run_for(S / 20);
    stage.engine.order(Order::Calls(Calls::of_session(Some("s-2"))));
    *stage.peer(0) = Peer::good();
    stage.until_done(2);
    assert_eq!(stage.sessions_ended, 1);
    let (ok, lost) = (stage.fate(2, Kind::Load, Fate::Ok), stage.fate(2, Kind::Load, Fate::HttpError));
    assert!(ok + lost == 1_000 && (40..=90).contains(&lost), "each 404 is counted: {:?}", stage.fates(2, Kind::Load));
    assert_eq!(stage.causes(2, Kind::Load).get("http 404"), Some(&lost));
    assert_eq!(stage.open_now(), [50], "no connection was given up for it");
}

#[test]
fn a_server_that_forgets_all_the_time_is_asked_once_a_second() {
    let mut stage = in_session();
    stage.peer(0).replies = vec![Reply::Forgotten];
    stage.order_load(2, 500.0);
    stage.until_done(2);
    assert!((2..=3).contains(&stage.sessions_ended), "{}", stage.sessions_ended);
    assert_eq!(stage.fate(2, Kind::Load, Fate::HttpError), 1_000);
}

#[test]
fn without_a_session_a_404_is_only_an_error() {
    let mut stage = Stage::new(vec![Peer::with(&[Reply::Forgotten])]);
    stage.order_open(1, 5, 0.0);
    stage.run_for(S);
    assert_eq!(stage.sessions_ended, 0);
}

#[test]
fn a_result_that_asks_for_input_is_no_success() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(10);
    stage.peer(0).replies = vec![Reply::InputRequired];
    stage.order_load(2, 50.0);
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::RpcError), 100);
    assert_eq!(stage.causes(2, Kind::Load).get("result is input_required"), Some(&100));
    assert_eq!(stage.open_now(), [10]);
}

/// Two legacy servers, and fifty connections with a session each.
fn each_in_its_own() -> Stage {
    let mut stage = Stage::new(vec![Peer::good(), Peer::good()]);
    (stage.peer(0).sessions, stage.peer(1).sessions) = (Some(1), Some(1));
    stage.engine.order(Order::Calls(Calls::of_own_sessions()));
    stage.open(50);
    stage
}

#[test]
fn each_connection_opens_a_session_of_its_own_and_keeps_it() {
    let mut stage = each_in_its_own();
    stage.order_load(2, 200.0);
    stage.run_for(S / 2);
    assert_eq!(stage.engine.net.handshakes, (50, 50));
    // A connection that is opened again goes on in its session.
    let address = stage.addresses[0];
    stage.engine.net.reset_all(address, 2);
    stage.until_done(2);
    assert_eq!(stage.engine.net.handshakes, (50, 50));
    assert_eq!(stage.open_now().iter().sum::<u64>(), 50);
    assert_eq!(stage.fate(1, Kind::Probe, Fate::Ok), 50, "the handshake is the first request");
    assert!(stage.fate(2, Kind::Load, Fate::Ok) >= 398, "{:?}", stage.causes(2, Kind::Load));
    assert_eq!(stage.sessions_ended, 0);
}

#[test]
fn a_forgotten_session_of_its_own_is_opened_anew_by_the_connection() {
    let mut stage = each_in_its_own();
    stage.order_load(2, 200.0);
    stage.run_for(S / 2);
    (stage.peer(0).sessions, stage.peer(1).sessions) = (Some(2), Some(2));
    stage.until_done(2);
    assert_eq!(stage.engine.net.handshakes, (100, 100), "once for each session");
    assert_eq!(stage.fate(2, Kind::Load, Fate::HttpError), 50, "each session's end is an error once");
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 350);
    stage.order_close(3);
    stage.until_done(3);
    assert_eq!((stage.open_now().iter().sum::<u64>(), stage.engine.net.ended), (0, 50), "and is ended with it");
}

#[test]
fn a_handshake_that_is_not_answered_costs_the_connection() {
    let mut stage = each_in_its_own();
    stage.peer(1).cut = true;
    stage.order_load(2, 200.0);
    stage.until_done(2);
    let [episode] = stage.episodes.values().collect::<Vec<_>>()[..] else { panic!("{:?}", stage.episodes) };
    assert_eq!((episode.replica, episode.affected, episode.served_again), (1, 25, 25));
    assert_eq!(stage.open_now(), [50, 0]);
}

#[test]
fn sequential_requests_have_a_session_of_their_own() {
    for reply in [Reply::Good, Reply::GoodAndLast] {
        let mut stage = Stage::new(vec![Peer { sessions: Some(1), ..Peer::with(&[reply]) }]);
        stage.engine.order(Order::Calls(Calls::of_own_sessions()));
        stage.engine.order(Order::Sequential(crate::proto::Sequential { block: 4, phase: 1, count: 20 }));
        stage.until_done(4);
        assert_eq!(stage.fate(4, Kind::Sequential, Fate::Ok), 20, "{reply:?}");
        assert_eq!(stage.engine.net.handshakes, (1, 1), "{reply:?}");
    }
}

#[test]
fn a_session_of_its_own_outlives_its_connection() {
    let mut stage = Stage::new(vec![Peer { sessions: Some(1), ..Peer::with(&[Reply::GoodAndLast]) }]);
    stage.engine.order(Order::Calls(Calls::of_own_sessions()));
    stage.open(10);
    stage.order_load(2, 20.0);
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 40, "{:?}", stage.causes(2, Kind::Load));
    assert_eq!(stage.engine.net.handshakes, (10, 10), "one session each");
    assert_eq!(stage.fates(0, Kind::Probe).total(), 0, "no more probes than those of the ramp");
    assert_eq!(stage.engine.net.connects.len(), 60, "a connection for each step and each request");
    stage.order_close(3);
    stage.until_done(3);
    assert_eq!((stage.sockets(), stage.engine.net.ended), (0, 10), "and is ended on one more");
}

#[test]
fn a_check_leaves_no_session_behind() {
    let mut stage = each_in_its_own();
    stage.peer(1).cut = true;
    stage.order_load(2, 200.0);
    stage.until_done(2);
    stage.peer(1).cut = false;
    stage.run_for(4 * S);
    stage.order_close(3);
    stage.until_done(3);
    assert_eq!((stage.engine.net.handshakes.0, stage.engine.net.ended), (50, 50));
}

#[test]
fn a_server_that_refuses_sessions_is_asked_once_a_second_by_each_connection() {
    let mut stage = each_in_its_own();
    let before = stage.engine.net.initializes;
    (0..2).for_each(|index| *stage.peer(index) = Peer::with(&[Reply::Forgotten]));
    stage.order_load(2, 200.0);
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::HttpError), 400, "{:?}", stage.causes(2, Kind::Load));
    let asked = stage.engine.net.initializes - before;
    assert!((50..=100).contains(&asked), "{asked} times by 50 connections in two seconds");
}
