//! The loop stands still, as when its process is not scheduled.

use erlmcp_record::{Fate, Kind};

use super::stage::{S, Stage, TIMEOUT_US};
use crate::net::simulated::{Peer, Reply};

const STALL_US: u64 = 700_000;

/// Four replicas with a hundred connections, and load whose requests take a while each.
fn busy() -> Stage {
    let mut stage = Stage::new(vec![Peer::good(), Peer::good(), Peer::good(), Peer::good()]);
    for index in 0..4 {
        stage.peer(index).tool_us = 150_000;
    }
    stage.open(100);
    stage.order_load(2, 200.0);
    stage.run_for(S / 2);
    stage
}

/// The time passes, and the first that the loop does is to judge: what has come meanwhile is not read yet.
fn stall(stage: &mut Stage) {
    stall_for(stage, STALL_US);
}

fn stall_for(stage: &mut Stage, us: u64) {
    stage.engine.net.now_us += us;
    stage.engine.turn();
}

#[test]
fn a_loop_that_stood_still_condemns_nobody() {
    let mut stage = busy();
    for _ in 0..2 {
        stall(&mut stage);
        assert_eq!(stage.open_now(), [25; 4], "all are still used");
        stage.run_for(S / 4);
    }
    stage.until_done(2);
    stage.run_for(S);
    assert!(stage.episodes.is_empty(), "{:?}", stage.episodes);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 400);
}

#[test]
fn a_check_under_way_is_waited_for_as_if_the_loop_had_not_stood_still() {
    let mut stage = busy();
    stage.peer(1).tool_us = 1_200_000;
    stage.peer(1).latency_us = 60_000;
    // So late that the check of the slow replica is under way.
    let checks = stage.engine.net.connects.len();
    while stage.engine.net.connects.len() == checks {
        stage.step();
    }
    stall(&mut stage);
    stage.until_done(2);
    assert!(stage.episodes.is_empty(), "{:?}", stage.episodes);
}

#[test]
fn a_silent_replica_is_found_by_the_silence_that_was_observed() {
    let mut stage = busy();
    let cut_us = stage.now_us();
    stage.peer(2).cut = true;
    stage.run_for(S / 5);
    stall(&mut stage);
    assert!(stage.episodes.is_empty(), "{:?}", stage.episodes);
    stage.run_for(S);
    let [episode] = stage.episodes.values().collect::<Vec<_>>()[..] else { panic!("{:?}", stage.episodes) };
    assert_eq!((episode.replica, episode.how.as_str()), (2, "unanswered"));
    let observed_us = episode.detected_us - cut_us - STALL_US;
    assert!((500_000..560_000).contains(&observed_us), "{observed_us}");
}

#[test]
fn answers_that_came_while_the_loop_stood_still_are_read_before_their_requests_are_given_up() {
    let mut stage = busy();
    stall_for(&mut stage, TIMEOUT_US + S / 10);
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::TimedOut), 0, "{:?}", stage.causes(2, Kind::Load));
}

#[test]
fn a_loop_that_is_held_up_again_and_again_gives_up_what_is_not_answered() {
    let mut stage = busy();
    (0..4).for_each(|index| stage.peer(index).replies = vec![Reply::Never]);
    stage.run_for(S / 10);
    for _ in 0..4 {
        stall(&mut stage);
    }
    // Only to take what it has told.
    stage.step();
    assert!(stage.fate(2, Kind::Load, Fate::TimedOut) > 0, "{:?}", stage.fates(2, Kind::Load));
}
