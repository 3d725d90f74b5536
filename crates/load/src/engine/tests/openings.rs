use erlmcp_record::{Fate, Hist, Kind};

use super::stage::{S, Stage};
use crate::engine::Order;
use crate::net::simulated::{Peer, Reply};

#[test]
fn a_paced_ramp_opens_evenly() {
    let mut stage = Stage::new(vec![Peer::good(), Peer::good(), Peer::good()]);
    let start_us = stage.now_us();
    stage.order_open(1, 100, 50.0);
    stage.until_done(1);
    let times: Vec<u64> = stage.engine.net.connects.iter().map(|(at_us, _)| *at_us).collect();
    assert!(times.iter().enumerate().all(|(k, at)| *at == start_us + k as u64 * 20_000), "{times:?}");
    assert_eq!(stage.open_now(), [34, 33, 33]);
    assert_eq!(stage.fate(1, Kind::Probe, Fate::Ok), 100);
    assert_eq!((stage.count(|row| row.planned), stage.count(|row| row.opened)), (100, 100));
    let mut late = Hist::new();
    stage.connections.iter().filter_map(|row| row.late.as_ref()).for_each(|hist| late.merge(hist));
    assert!(late.count() == 100 && late.max_us().is_some_and(|us| us < 1_000), "{late:?}");
    assert_eq!(stage.connections.last().map(|row| row.open), Some(100));
}

#[test]
fn an_unpaced_ramp_is_bounded_by_what_is_in_flight() {
    let mut stage = Stage::new(vec![Peer::good()]);
    let start_us = stage.now_us();
    stage.open(500);
    let at_first = stage.engine.net.connects.iter().filter(|(at_us, _)| *at_us == start_us).count();
    assert_eq!(at_first, 64);
    assert_eq!(stage.open_now(), [500]);
    assert_eq!(stage.count(|row| row.planned), 500);
}

#[test]
fn openings_that_fail_are_counted_and_end() {
    let mut stage = Stage::new(vec![Peer { refuses: true, ..Peer::good() }]);
    stage.open(10);
    let fates = stage.fates(1, Kind::Probe);
    assert_eq!(fates.get(Fate::UnsentConnection), 40, "four tries each: {fates:?}");
    assert_eq!(stage.planned[&1], 40, "told again, as it grew");
    let failed: u64 = stage.connections.iter().flat_map(|row| row.failed.get("connect refused")).sum();
    assert_eq!(failed, 40);
    assert_eq!(stage.open_now(), [0]);
    // They go on trying, ever more slowly, for whoever is lost wants to come back.
    stage.peer(0).refuses = false;
    stage.run_for(12 * S);
    assert_eq!(stage.open_now(), [10]);
}

#[test]
fn a_server_that_takes_only_some_keeps_those() {
    let mut stage = Stage::new(vec![Peer { accepts_max: 30, ..Peer::good() }]);
    stage.open(50);
    assert_eq!(stage.open_now(), [30]);
    stage.order_load(2, 50.0);
    stage.until_done(2);
    let fates = stage.fates(2, Kind::Load);
    assert_eq!((fates.get(Fate::Ok), fates.get(Fate::UnsentConnection)), (60, 40), "{fates:?}");
    assert_eq!(stage.open_now(), [30]);
    assert!(stage.episodes.is_empty());
}

#[test]
fn a_dead_address_is_left_out() {
    let dead = Peer { refuses: true, ..Peer::good() };
    let mut stage = Stage::new(vec![Peer::good(), dead, Peer::good()]);
    stage.open(60);
    assert_eq!(stage.open_now(), [30, 0, 30]);
    assert_eq!(stage.fate(1, Kind::Probe, Fate::Ok), 60);
    assert!(stage.episodes.is_empty(), "nobody was there");
}

#[test]
fn without_descriptors_the_generator_blames_itself() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.engine.net.descriptors = 20;
    stage.open(30);
    assert_eq!(stage.open_now(), [20]);
    assert_eq!(stage.fate(1, Kind::Probe, Fate::UnsentNoDescriptor), 40);
    stage.order_load(2, 30.0);
    stage.until_done(2);
    let fates = stage.fates(2, Kind::Load);
    assert_eq!((fates.get(Fate::Ok), fates.get(Fate::UnsentNoDescriptor)), (40, 20), "{fates:?}");
}

#[test]
fn a_foreign_address_is_not_connected_to() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.engine.order(Order::Endpoints(vec![(0, "192.0.2.1:80".parse().expect("an address"))]));
    stage.open(3);
    assert_eq!(stage.engine.net.connects, []);
    let failed: u64 = stage.connections.iter().flat_map(|row| row.failed.values()).sum();
    assert_eq!(failed, 12);
}

#[test]
fn everything_is_closed_after_its_answer() {
    let mut stage = Stage::new(vec![Peer::good(), Peer::good()]);
    stage.open(40);
    stage.peer(0).latency_us = 200_000;
    stage.order_load(2, 100.0);
    stage.run_for(S);
    stage.order_close(3);
    stage.until_done(3);
    stage.until_done(2);
    let fates = stage.fates(2, Kind::Load);
    assert_eq!(fates.get(Fate::Ok), fates.total(), "{fates:?}");
    assert_eq!(stage.sockets(), 0);
    assert_eq!((stage.count(|row| row.closed), stage.connections.last().map(|row| row.open)), (40, Some(0)));
    stage.order_open(4, 10, 0.0);
    stage.until_done(4);
    assert_eq!(stage.open_now(), [5, 5]);
}

#[test]
fn goodbye_withdraws_what_is_left() {
    let mut stage = Stage::new(vec![Peer::with(&[Reply::Good])]);
    stage.open(10);
    stage.peer(0).replies = vec![Reply::Never];
    stage.order_load(2, 20.0);
    stage.run_for(S);
    stage.engine.order(Order::Goodbye);
    stage.step();
    assert!(stage.engine.is_over());
    let fates = stage.fates(2, Kind::Load);
    assert!(fates.get(Fate::Cancelled) > 0, "{fates:?}");
    assert_eq!(stage.engine.ledger.outstanding(2), 0);
    assert_eq!(stage.sockets(), 0);
}

#[test]
fn a_cut_ramp_opens_no_more() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.order_open(1, 100, 50.0);
    stage.run_for(S);
    stage.engine.order(Order::Cut(1));
    stage.until_done(1);
    assert!((50..=52).contains(&stage.planned[&1]), "{:?}", stage.planned);
    assert_eq!(stage.open_now(), [stage.planned[&1]]);
}
