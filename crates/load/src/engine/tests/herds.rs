//! Clients that all reconnect at the same instant.

use super::stage::{S, Stage};
use crate::engine::Order;
use crate::net::simulated::Peer;
use crate::proto;
use erlmcp_record::{Fate, Kind};

fn reconnect(stage: &mut Stage, percent: u32) {
    let at_us = stage.now_us() + S / 2;
    stage.engine.order(Order::Reconnect(proto::Reconnect { block: 9, phase: 3, percent, at_us, outage_us: 0 }));
}

#[test]
fn a_herd_closes_at_one_instant_and_is_served_again() {
    let mut stage = Stage::new(vec![Peer::good(), Peer::good()]);
    stage.open(40);
    stage.order_load(2, 20.0);
    reconnect(&mut stage, 100);
    stage.until_done(9);
    let affected: u64 = stage.episodes.values().map(|row| row.affected).sum();
    assert!((39..=40).contains(&affected), "all but one that may have been busy: {affected}");
    let instants: Vec<u64> = stage.episodes.values().map(|row| row.detected_us).collect();
    assert!(instants.len() == 2 && instants[0] == instants[1], "{instants:?}");
    for row in stage.episodes.values() {
        assert_eq!((row.how.as_str(), row.served_again), ("reconnect", row.affected));
        assert!(row.last_served_us >= Some(row.detected_us));
    }
    stage.until_done(2);
    assert_eq!(stage.open_now().iter().sum::<u64>(), 40);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 40, "nothing of the load is lost by it");
}

#[test]
fn a_share_is_a_share() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(200);
    reconnect(&mut stage, 25);
    stage.until_done(9);
    assert_eq!(stage.episodes.values().map(|row| row.affected).sum::<u64>(), 50);
    assert_eq!(stage.count(|row| row.reopened), 50);
}

#[test]
fn who_is_not_served_again_is_not_waited_for_without_end() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(4);
    reconnect(&mut stage, 100);
    stage.peer(0).refuses = true;
    stage.until_done(9);
    let row = stage.episodes.values().next().expect("they were closed");
    assert_eq!((row.affected, row.served_again), (4, 0));
}
