//! Clients that move to where there are fewer.

use erlmcp_record::{Fate, Kind};

use super::stage::{S, Stage};
use crate::engine::Order;
use crate::net::simulated::Peer;
use crate::proto;
use crate::tokens::Tokens;
use crate::wire::Calls;

fn tell(stage: &mut Stage, addresses: std::ops::Range<usize>) {
    let list = (0u16..).zip(stage.addresses.clone()).skip(addresses.start).take(addresses.len()).collect();
    stage.engine.order(Order::Endpoints(list));
}

fn rebalance(stage: &mut Stage, rate: f64, lasts_us: u64) {
    let start_us = stage.now_us();
    let until_us = start_us + lasts_us;
    stage.engine.order(Order::Rebalance(proto::Rebalance { block: 9, phase: 3, rate, start_us, until_us }));
}

/// Thirty clients at the first two of three addresses.
fn stage(third: Peer) -> Stage {
    let mut stage = Stage::new(vec![Peer::good(), Peer::good(), third]);
    tell(&mut stage, 0..2);
    stage.open(30);
    assert_eq!(stage.open_now(), [15, 15]);
    stage
}

#[test]
fn clients_move_to_an_address_that_was_added_at_a_bounded_rate_and_lose_nothing() {
    let mut stage = stage(Peer::good());
    stage.order_load(2, 200.0);
    tell(&mut stage, 0..3);
    let began_us = stage.now_us();
    rebalance(&mut stage, 20.0, 60 * S);
    stage.until_done(9);
    assert_eq!(stage.open_now(), [10, 10, 10]);
    assert!(stage.now_us() >= began_us + 9 * S / 20, "ten moves at twenty a second");
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 400, "{:?}", stage.causes(2, Kind::Load));
    let moved = "closed after its client had moved to another address";
    assert_eq!(stage.lost().get(moved), Some(&10), "{:?}", stage.lost());
    assert_eq!((stage.count(|row| row.reopened), stage.sockets()), (10, 30));
    assert!(stage.episodes.is_empty(), "nothing was broken");
}

#[test]
fn a_client_that_moves_stays_in_its_session_and_keeps_its_token() {
    let mut stage = Stage::new(vec![Peer { sessions: Some(1), ..Peer::good() }; 2]);
    stage.engine.order(Order::Calls(Calls::of_own_sessions()));
    let tokens: Vec<String> = (0..7).map(|number| format!("token-{number}")).collect();
    stage.engine.settings.tokens = Tokens::new(&tokens, 0, 1);
    tell(&mut stage, 0..1);
    stage.open(20);
    stage.order_load(2, 100.0);
    tell(&mut stage, 0..2);
    rebalance(&mut stage, 100.0, 60 * S);
    stage.until_done(9);
    stage.until_done(2);
    assert_eq!(stage.open_now(), [10, 10]);
    assert_eq!(stage.engine.net.bearers.len(), 20, "one token a session: {:?}", stage.engine.net.bearers);
}

#[test]
fn an_address_that_has_left_the_list_is_left() {
    let mut stage = stage(Peer::good());
    tell(&mut stage, 1..3);
    rebalance(&mut stage, 1_000.0, 60 * S);
    stage.until_done(9);
    assert_eq!(stage.open_now(), [15, 15]);
}

#[test]
fn where_the_new_address_does_not_answer_clients_stay_where_they_are() {
    let mut stage = stage(Peer { refuses: true, ..Peer::good() });
    stage.order_load(2, 100.0);
    tell(&mut stage, 0..3);
    rebalance(&mut stage, 100.0, 3 * S);
    stage.until_done(9);
    assert_eq!(stage.open_now(), [15, 15, 0]);
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 200);
    assert_eq!(stage.sockets(), 30);
}

#[test]
fn a_cut_ends_it_and_leaves_no_connection_behind() {
    let mut stage = stage(Peer { latency_us: 400_000, ..Peer::good() });
    tell(&mut stage, 0..3);
    rebalance(&mut stage, 100.0, 60 * S);
    stage.run_for(S / 5);
    stage.engine.order(Order::Cut(9));
    stage.until_done(9);
    assert_eq!((stage.open_now().iter().sum::<u64>(), stage.sockets()), (30, 30));
    stage.order_close(4);
    stage.until_done(4);
    assert_eq!(stage.sockets(), 0);
}

#[test]
fn where_all_is_even_nothing_is_done() {
    let mut stage = stage(Peer::good());
    rebalance(&mut stage, 100.0, 60 * S);
    stage.until_done(9);
    assert_eq!(stage.count(|row| row.reopened), 0);
}
