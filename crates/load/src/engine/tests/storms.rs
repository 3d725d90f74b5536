//! What fails in an outage is tried again, and never more than the budget has room for.

use super::stage::{S, Stage};
use crate::engine::Order;
use crate::net::simulated::{Peer, Reply};
use crate::proto;
use erlmcp_record::{Fate, IntervalRow, Kind};

const CONNECTIONS: u64 = 40;
const RATE: f64 = 200.0;

/// A load of 20 s, in which all clients have an outage of a second.
fn storm(mut stage: Stage) -> Stage {
    stage.open(CONNECTIONS);
    let start_us = stage.now_us().next_multiple_of(S);
    let load = proto::Load { block: 2, phase: 3, rate: RATE, start_us, duration_us: 20 * S, ..proto::Load::default() };
    stage.engine.order(Order::Load(load));
    let at_us = start_us + 2 * S;
    let order = proto::Reconnect { block: 9, phase: 3, percent: 100, at_us, outage_us: S };
    stage.engine.order(Order::Reconnect(order));
    stage
}

fn of_load(stage: &Stage, which: fn(&IntervalRow) -> u64) -> u64 {
    stage.rows(2, Kind::Load).map(which).sum()
}

/// Attempts beyond the first, of first attempts since the outage began.
fn retries(stage: &Stage) -> (u64, u64) {
    let first = stage.intervals.iter().filter(|row| row.kind == Kind::Load).map(|row| row.second).min();
    let from = first.expect("there was load") + 2;
    let firsts = stage.rows(2, Kind::Load).filter(|row| row.second >= from).map(|row| row.planned).sum();
    (of_load(stage, |row| row.retries), firsts)
}

#[test]
fn what_fails_in_an_outage_is_tried_again_within_the_budget() {
    let mut stage = storm(Stage::new(vec![Peer::good(), Peer::good()]));
    stage.until_done(9);
    let (retries, firsts) = retries(&stage);
    assert!(retries >= RATE as u64, "each that failed, at least once: {retries}");
    assert!(retries * 10 <= firsts, "{retries} retries of {firsts}");
    assert!(of_load(&stage, |row| row.held_back) > RATE as u64 / 2, "most had to wait");
    let affected: u64 = stage.episodes.values().map(|row| row.affected).sum();
    assert_eq!(affected, CONNECTIONS, "in an outage none is left alone");
    assert!(stage.episodes.values().all(|row| row.served_again == row.affected));
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), stage.planned[&2], "{:?}", stage.causes(2, Kind::Load));
    assert_eq!(of_load(&stage, |row| row.refusals), 0, "nobody refused");
}

#[test]
fn in_an_outage_nothing_is_sent_and_nobody_connects() {
    let mut stage = Stage::new(vec![Peer::good(), Peer::good()]);
    stage.open(20);
    // So slow that requests wait for clients that are left alone; others are still to be opened.
    (0..2).for_each(|index| stage.peer(index).tool_us = 200_000);
    let start_us = stage.now_us();
    stage.order_load(2, RATE);
    stage.order_open(4, 10, 5.0);
    let at_us = start_us + S;
    let order = proto::Reconnect { block: 9, phase: 3, percent: 50, at_us, outage_us: S };
    stage.engine.order(Order::Reconnect(order));
    [2, 4, 9].into_iter().for_each(|block| stage.until_done(block));
    let in_the_dark = |us: u64| (at_us + 1..at_us + S).contains(&us);
    let net = &stage.engine.net;
    assert_eq!(net.writes.iter().filter(|us| in_the_dark(**us)).count(), 0);
    assert_eq!(net.connects.iter().filter(|(us, _)| in_the_dark(*us)).count(), 0);
    assert_eq!(stage.open_now().iter().sum::<u64>(), 30, "all are there after it");
}

#[test]
fn a_target_that_goes_on_to_refuse_gets_no_more_of_them() {
    let mut stage = storm(Stage::new(vec![Peer::good()]));
    stage.run_for(3 * S);
    // Two of three are refused from here on, retries among them.
    stage.peer(0).replies = vec![Reply::Refuse(200), Reply::Refuse(200), Reply::Good];
    stage.until_done(9);
    let (retries, firsts) = retries(&stage);
    assert!(retries > 0 && retries * 10 <= firsts, "{retries} retries of {firsts}");
    stage.peer(0).replies = vec![Reply::Good];
    stage.until_done(2);
    let fates = stage.fates(2, Kind::Load);
    assert_eq!(fates.total(), stage.planned[&2], "each has one: {fates:?}");
    assert!(fates.get(Fate::Refused) > 0, "patience has an end: {fates:?}");
}

#[test]
fn what_can_never_be_sent_has_its_fate_in_the_end() {
    let mut stage = storm(Stage::new(vec![Peer::good()]));
    stage.run_for(3 * S);
    stage.peer(0).refuses = true;
    stage.until_done(2);
    stage.until_done(9);
    let fates = stage.fates(2, Kind::Load);
    assert_eq!(fates.total(), stage.planned[&2]);
    assert!(fates.get(Fate::UnsentConnection) + fates.get(Fate::Reset) > 0, "{fates:?}");
}
