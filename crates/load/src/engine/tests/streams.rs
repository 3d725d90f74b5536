//! Streams of notifications beside the connections of requests.

use std::collections::BTreeMap;

use erlmcp_protocol::era::Version;
use erlmcp_record::{FanOutRow, Fate, Hist, Kind, StreamRow};

use super::stage::{S, Stage};
use crate::engine::Order;
use crate::net::simulated::{Listens, Peer, Reply};
use crate::wire::Calls;

/// Three servers of the modern era, and thirty connections.
fn modern(peer: &Peer) -> Stage {
    let mut stage = Stage::new(vec![peer.clone(), peer.clone(), peer.clone()]);
    stage.engine.order(Order::Calls(Calls::with_streams_of(Version::NEWEST)));
    stage.open(30);
    stage
}

/// The same of the legacy era: the connections' own requests need a session, too, which they share.
fn legacy() -> Stage {
    let peer = Peer { sessions: Some(1), ..Peer::good() };
    let mut stage = Stage::new(vec![peer.clone(), peer.clone(), peer]);
    stage.engine.order(Order::Calls(Calls::with_streams_of(Version::NEWEST_LEGACY)));
    stage
}

fn causes(stage: &Stage, which: fn(&StreamRow) -> &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut sum = BTreeMap::new();
    for (cause, count) in stage.streams.iter().flat_map(which) {
        *sum.entry(cause.clone()).or_insert(0) += count;
    }
    sum
}

fn by_replica(stage: &Stage) -> Vec<u64> {
    stage.engine.endpoints.streams_by_replica().into_iter().map(|(_, held)| held).collect()
}

/// A change that reaches the first `count` streams of each server.
fn change(stage: &mut Stage, number: u32, count: usize) -> FanOutRow {
    stage.order_change(number, S);
    for address in stage.addresses.clone() {
        stage.engine.net.announce(address, count);
    }
    stage.run_for(2 * S);
    stage.fan_outs.last().cloned().expect("what became of it was told")
}

#[test]
fn streams_are_spread_held_and_apart_from_all_requests() {
    let mut stage = modern(&Peer::good());
    let (requests, connections) = (stage.intervals.len(), stage.count(|row| row.opened));
    stage.listen(2, 60);
    assert_eq!((stage.held(), by_replica(&stage)), (60, vec![20, 20, 20]));
    assert_eq!((stage.of_streams(|row| row.planned), stage.of_streams(|row| row.acknowledged)), (60, 60));
    assert_eq!((stage.intervals.len(), stage.count(|row| row.opened)), (requests, connections));
    assert_eq!(stage.open_now(), [10, 10, 10], "the gauge of connections has no streams in it");
    let load_us = stage.now_us();
    stage.order_load(3, 100.0);
    stage.until_done(3);
    assert_eq!(stage.fate(3, Kind::Load, Fate::Ok), 200);
    stage.run_for(60 * S);
    assert_eq!(stage.held(), 60, "silence is no loss");
    let held: Vec<u64> =
        stage.streams.iter().filter(|row| u64::from(row.second) * S > load_us).map(|r| r.held).collect();
    assert!(held.len() >= 60 && held.iter().all(|held| *held == 60), "a row a second: {held:?}");
}

#[test]
fn the_pace_of_openings_is_kept() {
    let mut stage = modern(&Peer::good());
    stage.engine.net.connects.clear();
    let start_us = stage.now_us();
    stage.order_streams(2, 50, 100.0);
    stage.until_done(2);
    let times: Vec<u64> = stage.engine.net.connects.iter().map(|(at_us, _)| *at_us).collect();
    assert!(times.iter().enumerate().all(|(k, at)| *at == start_us + k as u64 * 10_000), "{times:?}");
}

#[test]
fn a_change_is_measured_on_every_stream() {
    for pieces in [usize::MAX, 7, 1] {
        let mut stage = modern(&Peer { pieces, ..Peer::good() });
        stage.listen(2, 60);
        let row = change(&mut stage, 1, usize::MAX);
        assert_eq!((row.change, row.streams, row.heard, row.missed, row.lost), (1, 60, 60, 0, 0), "{pieces}");
        let latency = row.latency.as_ref().expect("all were heard");
        assert_eq!(latency.count(), 60);
        assert!(latency.min_us().is_some_and(|us| us >= 300) && latency.max_us().is_some_and(|us| us < 1_000));
        assert_eq!(stage.of_streams(|row| row.events), 60);
    }
}

#[test]
fn who_did_not_tell_in_time_has_missed_it() {
    let mut stage = modern(&Peer::good());
    stage.listen(2, 60);
    let row = change(&mut stage, 1, 5);
    assert_eq!((row.streams, row.heard, row.missed, row.lost), (60, 15, 45, 0));
    // What comes later is an event, but no part of the measurement.
    let late = change(&mut stage, 2, usize::MAX);
    assert_eq!((late.heard, late.missed), (60, 0));
    assert_eq!(stage.of_streams(|row| row.events), 75);
}

#[test]
fn what_is_told_twice_is_a_surplus_event_and_what_is_anothers_has_strayed() {
    let mut stage = modern(&Peer::good());
    stage.listen(2, 60);
    let address = stage.addresses[1];
    change(&mut stage, 1, usize::MAX);
    stage.engine.net.announce(address, 7);
    stage.engine.net.announce_astray(address, u64::MAX);
    change(&mut stage, 2, usize::MAX);
    assert_eq!(stage.of_streams(|row| row.surplus.unwrap_or(0)), 0, "it is told when the streams end");
    stage.order_end_streams(3, 0.0);
    stage.until_done(3);
    let told = [stage.of_streams(|row| row.events), stage.of_streams(|row| row.surplus.unwrap_or(0))];
    assert_eq!((told, stage.of_streams(|row| row.strayed.unwrap_or(0))), ([127, 7], 1));
    assert!(
        stage.streams.iter().all(|row| row.surplus.is_some() && row.strayed.is_some()),
        "they are counted where there are none, too"
    );
}

#[test]
fn a_stream_that_is_lost_meanwhile_is_told_apart() {
    let mut stage = modern(&Peer::good());
    stage.listen(2, 60);
    let address = stage.addresses[1];
    stage.order_change(1, S);
    stage.engine.net.kill(address);
    stage.run_for(2 * S);
    let row = stage.fan_outs.last().expect("it was told");
    assert_eq!((row.streams, row.heard, row.missed, row.lost), (60, 0, 40, 20));
    assert_eq!(by_replica(&stage), [30, 0, 30], "they were opened again elsewhere");
    assert_eq!(stage.of_streams(|row| row.reopened), 20);
    assert_eq!(stage.of_streams(|row| row.away.as_ref().map_or(0, Hist::count)), 20, "how long each was away is known");
    let lost = causes(&stage, |row| &row.lost);
    assert_eq!(lost.values().sum::<u64>(), 20, "{lost:?}");
    assert_eq!(stage.open_now().iter().sum::<u64>(), 30, "and so were the connections");
    assert!(stage.episodes.values().all(|episode| episode.affected == 10), "{:?}", stage.episodes);
}

#[test]
fn a_silent_replica_takes_its_streams_along() {
    let mut stage = modern(&Peer::good());
    stage.listen(2, 60);
    stage.order_load(3, 300.0);
    stage.run_for(S / 2);
    stage.peer(2).cut = true;
    stage.until_done(3);
    stage.run_for(S);
    assert_eq!(by_replica(&stage), [30, 30, 0]);
    assert_eq!(causes(&stage, |row| &row.lost).get("abandoned: its replica did not answer"), Some(&20));
}

#[test]
fn a_replica_that_was_lost_for_a_moment_and_answers_a_stream_is_an_episode() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.engine.order(Order::Calls(Calls::with_streams_of(Version::NEWEST)));
    stage.open(6);
    // Nothing else is answered after the loss.
    stage.peer(0).replies = vec![Reply::Never];
    let address = stage.addresses[0];
    stage.engine.net.reset_all(address, 4);
    stage.run_for(20);
    stage.listen(2, 1);
    stage.run_for(S);
    let [episode] = stage.episodes.values().collect::<Vec<_>>()[..] else { panic!("{:?}", stage.episodes) };
    assert_eq!((episode.replica, episode.how.as_str(), episode.affected), (0, "reset", 4));
}

#[test]
fn an_orderly_end_is_no_loss_and_the_stream_is_opened_again() {
    for mut stage in [modern(&Peer::good()), legacy()] {
        stage.listen(2, 30);
        stage.run_for(2 * S);
        let address = stage.addresses[0];
        stage.engine.net.end_streams(address);
        stage.run_for(S);
        assert_eq!((stage.of_streams(|row| row.ended), stage.of_streams(|row| row.reopened)), (10, 10));
        assert_eq!((stage.held(), stage.engine.net.streams()), (30, 30));
        assert!(causes(&stage, |row| &row.lost).is_empty());
    }
}

#[test]
fn keep_alives_are_counted() {
    let mut stage = modern(&Peer { pieces: 3, ..Peer::good() });
    stage.listen(2, 60);
    let address = stage.addresses[0];
    stage.engine.net.keep_alive(address);
    stage.engine.net.keep_alive(address);
    stage.run_for(S);
    assert_eq!((stage.of_streams(|row| row.keep_alives), stage.of_streams(|row| row.events)), (40, 0));
}

#[test]
fn a_server_without_streams_is_not_asked_for_ever() {
    for (listens, cause) in [
        (Listens::No, "http 405"),
        (Listens::Silent, "first request unanswered"),
        (Listens::Unacknowledged, "first request unanswered"),
        (Listens::Closes, "connection closed before the whole answer"),
    ] {
        let mut stage = modern(&Peer { listens, ..Peer::good() });
        stage.listen(2, 6);
        let failed = causes(&stage, |row| &row.failed);
        assert_eq!(failed, BTreeMap::from([(cause.to_string(), 24)]), "{listens:?}: four tries each");
        let connects = stage.engine.net.connects.len();
        stage.run_for(30 * S);
        assert_eq!((stage.held(), stage.engine.net.connects.len()), (0, connects), "{listens:?}");
        stage.order_load(3, 100.0);
        stage.until_done(3);
        assert_eq!(stage.fate(3, Kind::Load, Fate::Ok), 200, "requests are served as ever");
    }
}

#[test]
fn a_stream_that_is_given_up_leaves_no_session_behind() {
    let mut stage = legacy();
    (0..3).for_each(|index| stage.peer(index).listens = Listens::No);
    stage.listen(2, 6);
    stage.run_for(S);
    assert_eq!((stage.held(), causes(&stage, |row| &row.failed)), (0, BTreeMap::from([("http 405".to_string(), 24)])));
    assert_eq!((stage.engine.net.handshakes, stage.engine.net.ended), ((6, 6), 6));
}

#[test]
fn streams_that_end_at_once_come_back_ever_more_slowly() {
    let mut stage = modern(&Peer { listens: Listens::AtOnceOver, pieces: 9, ..Peer::good() });
    stage.listen(2, 3);
    stage.run_for(60 * S);
    let ended = stage.of_streams(|row| row.ended);
    assert!((30..100).contains(&ended), "{ended}");
    assert!(causes(&stage, |row| &row.lost).is_empty() && causes(&stage, |row| &row.failed).is_empty());
}

#[test]
fn a_legacy_stream_goes_on_after_its_last_event_and_not_before_the_server_wants_it() {
    let mut stage = legacy();
    (0..3).for_each(|index| stage.peer(index).listens = Listens::Retries(2_000));
    stage.listen(2, 6);
    stage.run_for(5 * S);
    let (mut ended, mut resumed) = (stage.engine.net.talks.ended.clone(), stage.engine.net.talks.resumed.clone());
    ended.sort_unstable();
    resumed.sort_unstable();
    assert_eq!((ended.len(), resumed.len()), (18, 12), "three times each");
    assert!(ended.iter().zip(&resumed).all(|(ended, resumed)| *resumed >= ended + 2 * S), "{ended:?} {resumed:?}");
    assert_eq!(stage.engine.net.handshakes, (6, 6), "in the sessions that they have");
    (0..3).for_each(|index| stage.peer(index).listens = Listens::No);
    stage.run_for(10 * S);
    assert_eq!(stage.engine.net.talks.resumed.len(), 18, "a server that refuses it is asked without the event");
}

#[test]
fn a_legacy_stream_has_a_session_of_its_own_and_ends_it() {
    let mut stage = legacy();
    stage.listen(2, 30);
    assert_eq!((stage.held(), stage.engine.net.handshakes), (30, (30, 30)));
    let row = change(&mut stage, 1, usize::MAX);
    assert_eq!((row.heard, row.missed), (30, 0));
    // One that was cut goes on in its session.
    let address = stage.addresses[0];
    stage.engine.net.reset_all(address, 4);
    stage.run_for(S);
    assert_eq!((stage.held(), stage.engine.net.handshakes), (30, (30, 30)));
    // Forgotten sessions are opened anew.
    (0..3).for_each(|index| stage.peer(index).sessions = Some(2));
    stage.engine.net.reset_all(address, 4);
    stage.run_for(S);
    assert_eq!((stage.held(), stage.engine.net.handshakes), (30, (34, 34)));
    assert_eq!(causes(&stage, |row| &row.failed).get("http 404"), Some(&4));
    (0..3).for_each(|index| stage.peer(index).sessions = Some(1));
    stage.order_end_streams(4, 0.0);
    stage.until_done(4);
    assert_eq!((stage.held(), stage.of_streams(|row| row.closed), stage.engine.net.ended), (0, 30, 26));
    assert_eq!((stage.sockets(), stage.streams.last().map(|row| row.held)), (0, Some(0)));
}

#[test]
fn a_server_that_knows_no_such_method_still_knows_the_session() {
    let mut stage = legacy();
    (0..3).for_each(|index| stage.peer(index).listens = Listens::NoMethod);
    stage.listen(2, 6);
    assert_eq!((stage.held(), causes(&stage, |row| &row.failed).values().sum::<u64>()), (0, 24), "four tries each");
    assert_eq!(stage.engine.net.handshakes, (6, 6), "all of them in the session that it has opened");
}

#[test]
fn streams_end_when_they_are_told_to_and_with_the_connections_at_the_latest() {
    let mut stage = modern(&Peer::good());
    stage.listen(2, 60);
    stage.order_end_streams(3, 100.0);
    stage.run_for(S / 10);
    assert!((45..60).contains(&stage.held()), "one after the other: {}", stage.held());
    stage.until_done(3);
    assert_eq!((stage.held(), stage.of_streams(|row| row.closed), stage.sockets()), (0, 60, 30));
    stage.listen(4, 20);
    assert_eq!(stage.held(), 20, "there may be others later");
    stage.order_streams(5, 100, 10.0);
    stage.run_for(S);
    stage.order_close(6);
    stage.until_done(6);
    stage.until_done(5);
    assert_eq!((stage.held(), stage.sockets()), (0, 0));
    assert!(causes(&stage, |row| &row.lost).is_empty());
}

#[test]
fn a_cut_order_opens_no_more_streams() {
    let mut stage = modern(&Peer::good());
    stage.order_streams(2, 100, 50.0);
    stage.run_for(S);
    stage.engine.order(Order::Cut(2));
    stage.until_done(2);
    assert!((50..=52).contains(&stage.held()), "{}", stage.held());
    stage.engine.order(Order::Goodbye);
    stage.step();
    assert_eq!((stage.sockets(), stage.of_streams(|row| row.closed)), (0, stage.of_streams(|row| row.acknowledged)));
}
