//! Servers without keep-alive.

use erlmcp_record::{Fate, Kind};

use super::stage::{S, Stage};
use crate::engine::Order;
use crate::net::simulated::{Peer, Reply};
use crate::proto::Sequential;

#[test]
fn each_request_has_a_connection_of_its_own_where_none_is_kept() {
    for reply in [Reply::GoodAndLast, Reply::LeavesOpen] {
        let mut stage = Stage::new(vec![Peer::with(&[reply])]);
        stage.open(10);
        stage.order_load(2, 20.0);
        stage.until_done(2);
        assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 40, "{reply:?}: {:?}", stage.causes(2, Kind::Load));
        assert_eq!(stage.fates(0, Kind::Probe).total(), 0, "{reply:?}: no more probes than those of the ramp");
        assert_eq!(stage.engine.net.connects.len(), 50, "{reply:?}");
        let latency = stage.latency(2, Kind::Load);
        assert!(latency.max_us().is_some_and(|us| us < S / 100), "{reply:?}: {latency:?}");
        assert_eq!(stage.hist(2, Kind::Load, |row| row.send_lag.as_ref()).count(), 40, "{reply:?}");
        assert!(stage.episodes.is_empty(), "{reply:?}");
        assert_eq!(stage.open_now(), [0], "{reply:?}");
    }
}

#[test]
fn so_have_sequential_requests() {
    let mut stage = Stage::new(vec![Peer::with(&[Reply::GoodAndLast])]);
    stage.engine.order(Order::Sequential(Sequential { block: 4, phase: 1, count: 20 }));
    stage.until_done(4);
    assert_eq!(stage.fate(4, Kind::Sequential, Fate::Ok), 20);
    assert_eq!(stage.engine.net.connects.len(), 21);
}

#[test]
fn a_request_that_finds_nobody_waits_for_the_next_connection() {
    let mut stage = Stage::new(vec![Peer::with(&[Reply::GoodAndLast])]);
    stage.open(1);
    stage.peer(0).refuses = true;
    stage.order_load(2, 1.0);
    stage.run_for(S / 2);
    stage.peer(0).refuses = false;
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 2, "{:?}", stage.causes(2, Kind::Load));
}

#[test]
fn a_connection_that_has_carried_load_is_opened_again_at_once() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(10);
    stage.order_load(2, 20.0);
    stage.run_for(S);
    stage.peer(0).replies = vec![Reply::GoodAndLast];
    stage.run_for(S / 4);
    stage.peer(0).replies = vec![Reply::Good];
    stage.until_done(2);
    stage.run_for(S);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 40);
    assert_eq!(stage.open_now(), [10], "held again");
}

#[test]
fn those_that_are_opened_again_are_told_beside_those_that_are_open() {
    let mut stage = Stage::new(vec![Peer { tool_us: 300_000, ..Peer::good() }]);
    stage.open(10);
    stage.order_load(2, 10.0);
    stage.run_for(S);
    stage.peer(0).replies = vec![Reply::GoodAndLast];
    stage.run_for(S / 4);
    // Two or three are closed after their answers, and opened again slowly.
    *stage.peer(0) = Peer { latency_us: 1_500_000, ..Peer::good() };
    stage.until_done(2);
    let held: Vec<_> = stage.connections.iter().skip_while(|row| row.open < 10).collect();
    assert!(held.iter().any(|row| row.renewing > 0), "{held:?}");
    assert!(held.iter().all(|row| row.open + row.renewing == 10), "{held:?}");
}

#[test]
fn what_is_closed_after_the_same_idle_time_again_rests_until_it_is_asked() {
    let mut stage = Stage::new(vec![Peer { idle_us: Some(5 * S), ..Peer::good() }]);
    stage.open(100);
    stage.order_load_for(60 * S, 2, 1.0);
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 60, "{:?}", stage.causes(2, Kind::Load));
    let (connects, requests) = (stage.engine.net.connects.len(), stage.engine.net.writes.len());
    // Each is opened again at once the first time; every 5 s it would be 1,200 times.
    assert!(connects <= 280 && requests <= 280, "{connects} connects and {requests} requests");
    assert!(stage.lost().contains_key("connection closed by the target after the same idle time again"));
}

#[test]
fn what_the_target_says_it_will_close_is_closed_before_and_rests() {
    let mut stage = Stage::new(vec![Peer { idle_us: Some(5 * S), ..Peer::with(&[Reply::GoodAndKept(5)]) }]);
    stage.open(100);
    stage.order_load_for(60 * S, 2, 1.0);
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 60, "{:?}", stage.causes(2, Kind::Load));
    // Those that have carried a request in their first seconds are opened again once.
    let connects = stage.engine.net.connects.len();
    assert!(connects <= 170, "{connects} connects");
    assert_eq!(stage.lost().into_keys().collect::<Vec<_>>(), ["closed before the target's keep-alive timeout"]);
    assert!(stage.episodes.is_empty(), "that says nothing against it");
}

#[test]
fn a_connection_that_carries_more_than_that_stays() {
    let mut stage = Stage::new(vec![Peer::with(&[Reply::GoodAndKept(3)])]);
    stage.open(10);
    stage.order_load_for(20 * S, 2, 20.0);
    stage.until_done(2);
    assert_eq!((stage.fate(2, Kind::Load, Fate::Ok), stage.engine.net.connects.len()), (400, 10));
}
