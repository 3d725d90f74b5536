use std::collections::BTreeMap;

use erlmcp_record::{Fate, FateCounts, Kind};

use super::stage::{LOST_US, S, Stage};
use crate::net::simulated::{Peer, Reply};

/// 40 requests on 10 connections of a server that does only this, after it has let them open.
fn load(reply: Reply) -> Stage {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(10);
    stage.peer(0).replies = vec![reply];
    stage.order_load(2, 20.0);
    stage.until_done(2);
    stage.run_for(S);
    stage
}

fn only(fate: Fate) -> FateCounts {
    let mut counts = FateCounts::default();
    counts.add(fate, 40);
    counts
}

#[test]
fn answers_that_are_errors_keep_their_connection() {
    for (reply, fate, cause) in [
        (Reply::ToolError, Fate::ToolError, "tool said isError"),
        (Reply::RpcError, Fate::RpcError, "rpc -32603"),
        (Reply::Http500, Fate::HttpError, "http 500"),
        (Reply::Refuse(100), Fate::Refused, "refused with http 503"),
        (Reply::WrongId, Fate::RpcError, "answer with another id"),
        (Reply::EmptyThenGood, Fate::Reset, "stream ended without its response"),
    ] {
        let stage = load(reply);
        assert_eq!(stage.fates(2, Kind::Load), only(fate), "{reply:?}");
        assert_eq!(stage.causes(2, Kind::Load), BTreeMap::from([(cause.to_string(), 40)]), "{reply:?}");
        assert_eq!(stage.lost(), BTreeMap::new(), "{reply:?}");
    }
}

#[test]
fn a_connection_that_ends_instead_of_an_answer_is_a_reset() {
    for (reply, cause) in [
        (Reply::Close, "connection closed before the whole answer"),
        (Reply::HalfThenClose, "connection closed before the whole answer"),
        (Reply::Reset, "connection reset by the target"),
    ] {
        let mut stage = load(reply);
        let fates = stage.fates(2, Kind::Load);
        assert!(fates.get(Fate::Reset) >= 10, "{reply:?}: {fates:?}");
        assert_eq!(fates.get(Fate::Reset) + fates.get(Fate::UnsentConnection), 40, "{reply:?}: {fates:?}");
        assert!(stage.causes(2, Kind::Load).contains_key(cause), "{reply:?}");
        let latency = stage.latency(2, Kind::Load);
        assert_eq!(latency.count(), 40);
        assert!(latency.min_us().is_some_and(|us| us >= LOST_US), "a lost request is a slow one: {latency:?}");
        // The server is well again: everything comes back.
        stage.peer(0).replies = vec![Reply::Good];
        stage.run_for(10 * S);
        assert_eq!(stage.open_now(), [10]);
    }
}

#[test]
fn a_request_that_crosses_the_close_of_its_idle_connection_is_a_reset_of_that_name() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(1);
    stage.run_for(2 * S);
    let address = stage.addresses[0];
    stage.engine.net.close_idle(address);
    stage.order_load(2, 1.0);
    stage.until_done(2);
    assert_eq!((stage.fate(2, Kind::Load, Fate::Reset), stage.fate(2, Kind::Load, Fate::Ok)), (1, 1));
    let cause = |words: &str| BTreeMap::from([(words.to_string(), 1u64)]);
    assert_eq!(stage.causes(2, Kind::Load), cause("request crossed the close of its idle connection"));
    // What the server has had for a while it did not answer, however long the connection took to be established.
    for established_us in [50, 900_000] {
        let mut stage = Stage::new(vec![Peer { tool_us: 400_000, established_us, ..Peer::good() }]);
        stage.open(1);
        stage.run_for(2 * S);
        stage.peer(0).replies = vec![Reply::Close];
        stage.order_load(2, 0.5);
        stage.until_done(2);
        assert_eq!(stage.causes(2, Kind::Load), cause("connection closed before the whole answer"));
    }
}

#[test]
fn silence_is_a_timeout_and_costs_the_connection() {
    let mut stage = load(Reply::Never);
    let fates = stage.fates(2, Kind::Load);
    assert!(fates.get(Fate::TimedOut) >= 10, "{fates:?}");
    assert_eq!(fates.get(Fate::TimedOut) + fates.get(Fate::UnsentBusy) + fates.get(Fate::UnsentConnection), 40);
    assert!(stage.latency(2, Kind::Load).min_us().is_some_and(|us| us >= LOST_US));
    assert_eq!(stage.lost().get("no answer within the timeout"), Some(&fates.get(Fate::TimedOut)));
    assert!(stage.episodes.is_empty(), "there is no other endpoint to go to");
    stage.peer(0).replies = vec![Reply::Good];
    stage.run_for(10 * S);
    assert_eq!(stage.open_now(), [10]);
}

#[test]
fn a_stream_of_comments_without_an_end_times_out() {
    let stage = load(Reply::Endless);
    let fates = stage.fates(2, Kind::Load);
    assert!(fates.get(Fate::TimedOut) >= 10, "{fates:?}");
    assert_eq!(fates.get(Fate::TimedOut) + fates.get(Fate::UnsentBusy) + fates.get(Fate::UnsentConnection), 40);
    assert_eq!(stage.lost().get("no answer within the timeout"), Some(&fates.get(Fate::TimedOut)));
}

#[test]
fn answers_that_stall_hold_no_more_than_there_is_for_all_together() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.engine.held.bytes_max = 1024 * 1024;
    stage.open(10);
    stage.peer(0).replies = vec![Reply::Stalls(200 * 1024)];
    stage.order_load(2, 20.0);
    stage.until_done(2);
    stage.run_for(S);
    assert!(stage.causes(2, Kind::Load).contains_key("answer is too large"), "{:?}", stage.causes(2, Kind::Load));
    assert!(stage.fate(2, Kind::Load, Fate::TimedOut) >= 3, "some are read on: {:?}", stage.fates(2, Kind::Load));
    stage.peer(0).replies = vec![Reply::Good];
    stage.run_for(30 * S);
    assert_eq!((stage.open_now(), stage.engine.held.bytes), (vec![10], 0));
}

#[test]
fn what_a_read_has_left_is_read_though_nobody_tells_of_it_again() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.engine.net.read_max = 7;
    stage.open(10);
    stage.order_load(2, 20.0);
    stage.until_done(2);
    assert_eq!(stage.fates(2, Kind::Load), only(Fate::Ok));
}

#[test]
fn a_second_answer_is_counted_and_costs_the_connection() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(10);
    stage.peer(0).replies = vec![Reply::Twice, Reply::Good, Reply::Good, Reply::Good];
    stage.order_load(2, 20.0);
    stage.until_done(2);
    stage.run_for(S);
    assert_eq!(stage.fates(2, Kind::Load), only(Fate::Ok), "the first answer counts");
    let surplus: u64 = stage.intervals.iter().map(|row| row.surplus_answers).sum();
    assert!(surplus > 0);
    assert_eq!(stage.lost().get("answer that nothing had asked for"), Some(&surplus));
}

#[test]
fn a_late_second_answer_does_not_spoil_the_next_one() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(1);
    stage.order_load(2, 10.0);
    stage.run_for(S / 2);
    let address = stage.addresses[0];
    stage.engine.net.shout(address);
    stage.until_done(2);
    stage.run_for(S);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 20);
    assert_eq!(stage.intervals.iter().map(|row| row.surplus_answers).sum::<u64>(), 1);
    assert_eq!(stage.lost().get("answer that nothing had asked for"), Some(&1));
}

#[test]
fn a_timeout_of_idle_connections_is_no_answer() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(10);
    let address = stage.addresses[0];
    stage.engine.net.time_out(address);
    stage.run_for(S);
    stage.order_load(2, 20.0);
    stage.until_done(2);
    assert_eq!(stage.fates(2, Kind::Load), only(Fate::Ok));
    assert_eq!(stage.intervals.iter().map(|row| row.surplus_answers).sum::<u64>(), 0);
    assert_eq!(stage.lost(), BTreeMap::from([("connection closed by the target".to_string(), 10)]));
}

#[test]
fn what_is_not_http_is_an_error_of_the_server() {
    let stage = load(Reply::NotHttp);
    let fates = stage.fates(2, Kind::Load);
    assert!(fates.get(Fate::RpcError) >= 10, "{fates:?}");
    assert!(stage.causes(2, Kind::Load).contains_key("answer is not HTTP"));
}

#[test]
fn an_answer_before_the_close_still_counts() {
    let stage = load(Reply::GoodThenClose);
    let fates = stage.fates(2, Kind::Load);
    assert!(fates.get(Fate::Ok) >= 10, "{fates:?}");
    assert!(stage.lost().contains_key("connection closed by the target"), "{:?}", stage.lost());
}

#[test]
fn no_request_is_sent_where_the_end_came_with_the_answer_before() {
    let mut stage = Stage::new(vec![Peer { tool_us: 300_000, ..Peer::with(&[Reply::Good]) }]);
    stage.open(1);
    stage.peer(0).replies = vec![Reply::GoodAndClose];
    stage.order_load(2, 10.0);
    // The first is in flight, and two wait.
    stage.run_for(S / 4);
    *stage.peer(0) = Peer::good();
    stage.until_done(2);
    stage.run_for(S);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 20, "{:?}", stage.causes(2, Kind::Load));
    assert_eq!(stage.lost(), BTreeMap::from([("connection closed by the target".to_string(), 1)]));
}
