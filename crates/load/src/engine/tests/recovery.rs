use erlmcp_record::{Fate, Kind};

use super::stage::{S, Stage};
use crate::net::simulated::Peer;

fn four() -> Stage {
    let mut stage = Stage::new(vec![Peer::good(), Peer::good(), Peer::good(), Peer::good()]);
    stage.open(100);
    stage
}

#[test]
fn a_killed_replica_is_an_episode_and_its_clients_go_elsewhere() {
    let mut stage = four();
    stage.order_load(2, 200.0);
    stage.run_for(S);
    let address = stage.addresses[1];
    let killed_us = stage.now_us();
    stage.engine.net.kill(address);
    stage.until_done(2);
    let episodes: Vec<_> = stage.episodes.values().collect();
    let [episode] = episodes.as_slice() else { panic!("one episode, not {episodes:?}") };
    assert_eq!((episode.replica, episode.how.as_str(), episode.affected, episode.served_again), (1, "reset", 25, 25));
    assert!((killed_us..killed_us + 10_000).contains(&episode.detected_us), "{episode:?}");
    assert!(episode.last_served_us.is_some_and(|us| us < killed_us + 100_000), "{episode:?}");
    assert_eq!(stage.open_now(), [34, 0, 33, 33]);
    assert_eq!(stage.fate(0, Kind::Probe, Fate::Ok), 25, "one probe each, of no block");
    let fates = stage.fates(2, Kind::Load);
    assert_eq!(fates.total(), 400);
    assert!(fates.get(Fate::Ok) >= 395, "{fates:?}");
    // It comes back, and new connections find it.
    stage.peer(1).refuses = false;
    stage.run_for(S);
    let other = stage.addresses[0];
    stage.engine.net.reset_all(other, 8);
    stage.run_for(S);
    assert_eq!(stage.open_now()[1], 8);
}

#[test]
fn a_replica_back_before_all_its_resets_are_read_is_an_episode() {
    let mut stage = four();
    stage.order_load(2, 200.0);
    stage.run_for(S);
    let address = stage.addresses[1];
    stage.engine.net.reset_all(address, 8);
    stage.run_for(S / 10);
    assert!(stage.episodes.is_empty(), "a third of its connections, and it answers: {:?}", stage.episodes);
    stage.engine.net.reset_all(address, 17);
    stage.until_done(2);
    stage.run_for(S);
    let episodes: Vec<_> = stage.episodes.values().collect();
    let [episode] = episodes.as_slice() else { panic!("one episode, not {episodes:?}") };
    assert_eq!((episode.replica, episode.affected, episode.served_again), (1, 25, 25));
    assert_eq!(stage.open_now().iter().sum::<u64>(), 100);
}

#[test]
fn what_is_in_flight_is_answered_where_a_server_closes_its_idle_connections() {
    let mut stage = four();
    stage.peer(1).tool_us = 200_000;
    stage.order_load(2, 100.0);
    stage.run_for(S);
    let address = stage.addresses[1];
    stage.engine.net.close_idle(address);
    stage.until_done(2);
    stage.run_for(S);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 200, "{:?}", stage.causes(2, Kind::Load));
    let [episode] = stage.episodes.values().collect::<Vec<_>>()[..] else { panic!("{:?}", stage.episodes) };
    assert_eq!((episode.replica, episode.affected, episode.served_again), (1, 25, 25));
    assert_eq!(stage.open_now().iter().sum::<u64>(), 100);
}

#[test]
fn a_partitioned_replica_is_found_by_its_silence() {
    let mut stage = four();
    stage.order_load(2, 200.0);
    stage.run_for(S);
    let cut_us = stage.now_us();
    stage.peer(2).cut = true;
    stage.until_done(2);
    let episode = stage.episodes.values().next().expect("an episode");
    assert_eq!((episode.replica, episode.how.as_str()), (2, "unanswered"));
    assert_eq!((episode.affected, episode.served_again), (25, 25));
    let detected_us = episode.detected_us - cut_us;
    assert!((500_000..700_000).contains(&detected_us), "{detected_us}");
    assert_eq!(stage.open_now(), [34, 33, 0, 33]);
    let causes = stage.causes(2, Kind::Load);
    assert!(causes.contains_key("abandoned: its replica did not answer"), "{causes:?}");
    assert_eq!(stage.fate(2, Kind::Load, Fate::TimedOut), causes.values().sum::<u64>());
    // Healed: it is used again.
    let checks = stage.engine.net.connects.len();
    stage.run_for(3 * S);
    assert!(stage.engine.net.connects.len() >= checks + 5, "it is asked again and again");
    stage.peer(2).cut = false;
    stage.run_for(4 * S);
    let other = stage.addresses[0];
    stage.engine.net.reset_all(other, 5);
    stage.run_for(S);
    assert_eq!(stage.open_now()[2], 5);
}

#[test]
fn single_lost_connections_are_no_episode() {
    let mut stage = four();
    stage.order_load(2, 200.0);
    for _ in 0..5 {
        stage.run_for(S / 5);
        let address = stage.addresses[3];
        stage.engine.net.reset_all(address, 2);
    }
    stage.until_done(2);
    stage.run_for(S);
    assert!(stage.episodes.is_empty(), "{:?}", stage.episodes);
    assert_eq!(stage.open_now().iter().sum::<u64>(), 100);
    assert_eq!(stage.count(|row| row.reopened), 10);
    assert_eq!(stage.lost().get("connection reset by the target"), Some(&10));
}

#[test]
fn a_slow_tool_does_not_condemn_its_replica() {
    let mut stage = four();
    stage.peer(0).tool_us = 1_200_000;
    stage.order_load(2, 40.0);
    stage.until_done(2);
    assert!(stage.episodes.is_empty(), "{:?}", stage.episodes);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 80);
}

#[test]
fn the_only_endpoint_is_waited_for() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(50);
    stage.order_load(2, 100.0);
    stage.run_for(S / 2);
    stage.peer(0).latency_us = 1_500_000;
    stage.run_for(S / 2);
    stage.peer(0).latency_us = 300;
    stage.until_done(2);
    assert!(stage.episodes.is_empty());
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 200);
    assert!(stage.latency(2, Kind::Load).quantile_us(0.99).is_some_and(|us| us > 1_000_000), "the stall is seen");
}

#[test]
fn all_replicas_dead_is_waited_out() {
    let mut stage = four();
    stage.order_load(2, 100.0);
    stage.run_for(S / 2);
    for index in 0..4 {
        let address = stage.addresses[index];
        stage.engine.net.kill(address);
    }
    stage.until_done(2);
    assert_eq!(stage.open_now(), [0, 0, 0, 0]);
    assert!(stage.fate(2, Kind::Load, Fate::UnsentConnection) > 100);
    for index in 0..4 {
        stage.peer(index).refuses = false;
    }
    stage.run_for(12 * S);
    assert_eq!(stage.open_now().iter().sum::<u64>(), 100);
    assert!(stage.episodes.values().all(|episode| episode.served_again == episode.affected), "{:?}", stage.episodes);
}
