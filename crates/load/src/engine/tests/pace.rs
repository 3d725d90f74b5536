use erlmcp_record::{Fate, Hist, Kind};

use super::stage::{S, Stage, TIMEOUT_US};
use crate::engine::Order;
use crate::net::simulated::{Peer, Reply};
use crate::proto;

#[test]
fn load_is_sent_when_it_is_planned_on_every_connection() {
    let mut stage = Stage::new(vec![Peer::good(), Peer::good()]);
    stage.open(50);
    stage.engine.net.writes.clear();
    let start_us = stage.now_us();
    stage.order_load(2, 100.0);
    stage.until_done(2);
    assert_eq!(stage.planned[&2], 200);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 200);
    let writes = &stage.engine.net.writes;
    assert!(writes.iter().enumerate().all(|(k, at)| *at == start_us + k as u64 * 10_000), "{writes:?}");
    let by_replica: Vec<u64> = stage.rows(2, Kind::Load).flat_map(|row| &row.by_replica).map(|r| r.planned).collect();
    assert_eq!(by_replica.iter().sum::<u64>(), 200, "each is bound to a replica");
    let lag = stage.hist(2, Kind::Load, |row| row.send_lag.as_ref());
    assert_eq!((lag.count(), lag.max_us()), (200, Some(1)), "no lag, which is kept as one microsecond");
}

#[test]
fn what_is_due_within_a_step_is_sent_together_at_its_end() {
    const STEP_US: u64 = 1_024;
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(50);
    stage.engine.net.writes.clear();
    stage.engine.step_us = STEP_US;
    let start_us = stage.now_us();
    stage.order_load(2, 10_000.0);
    // Answers wake the loop in between.
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), 20_000);
    let writes = &stage.engine.net.writes;
    let ends = |k: usize| (start_us + k as u64 * 100).next_multiple_of(STEP_US);
    assert!(writes.iter().enumerate().all(|(k, at)| *at == ends(k)), "{writes:?}");
    let lag = stage.hist(2, Kind::Load, |row| row.send_lag.as_ref());
    assert!(lag.max_us().is_some_and(|us| (900..=1_100).contains(&us)), "it is told: {lag:?}");
}

#[test]
fn what_is_cut_within_a_step_has_been_sent_by_then() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(50);
    stage.engine.step_us = 1_024;
    let start_us = stage.now_us();
    stage.order_load(2, 10_000.0);
    stage.run_for(S / 2);
    stage.engine.net.now_us += 300;
    stage.engine.order(Order::Cut(2));
    let due = (stage.now_us() - start_us) / 100 + 1;
    stage.until_done(2);
    assert_eq!((stage.planned[&2], stage.fate(2, Kind::Load, Fate::Ok)), (due, due));
}

#[test]
fn latency_runs_from_the_intended_time() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(1);
    stage.peer(0).latency_us = 40_000;
    // One connection, 40 ms a request, 50 requests a second: each waits for those before it.
    stage.order_load(2, 50.0);
    stage.until_done(2);
    let service = stage.hist(2, Kind::Load, |row| row.service.as_ref());
    let latency = stage.latency(2, Kind::Load);
    assert!(service.max_us().is_some_and(|us| us < 60_000), "{service:?}");
    assert!(latency.max_us().is_some_and(|us| us > 1_500_000), "{latency:?}");
    let lag = stage.hist(2, Kind::Load, |row| row.send_lag.as_ref());
    assert!(lag.max_us().is_some_and(|us| us <= 2), "a busy connection is not the generator's lag: {lag:?}");
}

#[test]
fn what_waits_beyond_the_timeout_is_unsent() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(1);
    stage.peer(0).latency_us = 900_000;
    stage.order_load(2, 20.0);
    stage.until_done(2);
    let fates = stage.fates(2, Kind::Load);
    assert_eq!(fates.total(), 40);
    assert!(fates.get(Fate::UnsentBusy) > 30, "{fates:?}");
    assert!(fates.get(Fate::Ok) >= 3, "{fates:?}");
    let latency = stage.latency(2, Kind::Load);
    assert_eq!(latency.count(), 40, "the lost ones are in it");
    let late: u64 = latency.buckets().filter(|(us, _)| *us > TIMEOUT_US - 10_000).map(|(_, count)| count).sum();
    assert!(late >= fates.get(Fate::UnsentBusy), "{latency:?}");
}

#[test]
fn those_that_wait_for_one_connection_are_given_up_together() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(1);
    stage.peer(0).replies = vec![Reply::Never];
    stage.order_load(2, 5_000.0);
    stage.run_for(TIMEOUT_US);
    let begin_us = stage.now_us();
    let mut looks = 0;
    while !stage.done.contains(&2) {
        stage.step();
        looks += 1;
    }
    assert_eq!(stage.fates(2, Kind::Load).total(), 10_000);
    assert!(stage.now_us() < begin_us + TIMEOUT_US + S / 10, "none waits for longer");
    assert!(looks < 3_000, "one a millisecond is enough: {looks}");
}

#[test]
fn a_generator_that_stood_still_blames_itself() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(10);
    stage.order_load(2, 100.0);
    stage.engine.net.now_us += 3 * S;
    stage.until_done(2);
    let fates = stage.fates(2, Kind::Load);
    assert_eq!(fates.get(Fate::UnsentNoTime), 101, "those intended more than the timeout ago: {fates:?}");
    assert_eq!(fates.get(Fate::Ok), 99);
    assert_eq!(stage.latency(2, Kind::Load).count(), 99);
    assert!(stage.causes(2, Kind::Load).keys().all(|cause| cause.starts_with("generator: ")));
}

#[test]
fn a_cut_block_plans_less_and_still_balances() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(10);
    stage.order_load(2, 100.0);
    stage.run_for(S / 2);
    stage.engine.order(Order::Cut(2));
    stage.until_done(2);
    assert!((50..=52).contains(&stage.planned[&2]), "{:?}", stage.planned);
    stage.engine.order(Order::Cut(2));
}

#[test]
fn poisson_tells_its_number_before_it_begins() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(10);
    let start_us = stage.now_us();
    let load = proto::Load {
        block: 2,
        phase: 3,
        rate: 300.0,
        poisson: true,
        start_us,
        duration_us: 2 * S,
        ..proto::Load::default()
    };
    stage.engine.order(Order::Load(load));
    stage.until_done(2);
    assert_eq!(stage.fates(2, Kind::Load).total(), stage.planned[&2]);
    assert!((450..750).contains(&stage.planned[&2]));
}

#[test]
fn refused_operations_are_tried_again_until_done() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(20);
    stage.peer(0).replies = vec![Reply::Refuse(300), Reply::Refuse(300), Reply::Good];
    let start_us = stage.now_us();
    let load = proto::Load {
        block: 2,
        phase: 4,
        queued: true,
        rate: 50.0,
        start_us,
        duration_us: 2 * S,
        retry_refused: true,
        settle_rate: 100.0,
        ..proto::Load::default()
    };
    stage.engine.order(Order::Load(load));
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Queued, Fate::Ok), 100, "{:?}", stage.fates(2, Kind::Queued));
    let retries: u64 = stage.rows(2, Kind::Queued).map(|row| row.retries).sum();
    let refusals: u64 = stage.rows(2, Kind::Queued).map(|row| row.refusals).sum();
    assert!(retries > 50 && retries == refusals, "{retries} {refusals}");
    let operation = stage.hist(2, Kind::Queued, |row| row.operation.as_ref());
    assert!(operation.min_us().is_some_and(|us| us >= 299_000), "{operation:?}");
}

#[test]
fn the_latency_of_what_was_refused_first_runs_from_when_it_was_to_be_sent() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(1);
    stage.peer(0).replies = vec![Reply::Refuse(200)];
    let start_us = stage.now_us();
    let load = proto::Load { block: 2, phase: 4, rate: 1.0, start_us, duration_us: S, ..proto::Load::default() };
    let before = stage.engine.net.writes.len();
    stage.engine.order(Order::Load(proto::Load { retry_refused: true, ..load }));
    while stage.engine.net.writes.len() == before {
        stage.step();
    }
    stage.peer(0).replies = vec![Reply::Good];
    stage.until_done(2);
    let rows = || stage.rows(2, Kind::Load);
    assert_eq!((stage.fate(2, Kind::Load, Fate::Ok), rows().map(|row| row.retries).sum::<u64>()), (1, 1));
    let latency = stage.latency(2, Kind::Load);
    assert!(latency.min_us().is_some_and(|us| us >= 199_000), "{latency:?}");
    let service = stage.hist(2, Kind::Load, |row| row.service.as_ref());
    assert!(service.max_us().is_some_and(|us| us < 100_000), "its last attempt was quick: {service:?}");
    let lag = stage.hist(2, Kind::Load, |row| row.send_lag.as_ref());
    assert!(lag.max_us().is_none_or(|us| us < 100_000), "each attempt was sent when it was due: {lag:?}");
}

#[test]
fn the_usual_load_does_not_wait_behind_queued_work() {
    let mut stage = Stage::new(vec![Peer { queued_us: S, ..Peer::good() }]);
    stage.open(80);
    let start_us = stage.now_us();
    let load = proto::Load { phase: 4, rate: 50.0, start_us, duration_us: 2 * S, ..proto::Load::default() };
    stage.engine.order(Order::Load(proto::Load { block: 2, queued: true, ..load.clone() }));
    stage.engine.order(Order::Load(proto::Load { block: 3, ..load }));
    stage.until_done(2);
    stage.until_done(3);
    assert_eq!(stage.fate(2, Kind::Queued, Fate::Ok), 100, "{:?}", stage.fates(2, Kind::Queued));
    assert_eq!(stage.fate(3, Kind::Load, Fate::Ok), 100);
    assert!(stage.latency(2, Kind::Queued).min_us().is_some_and(|us| us >= 999_000));
    assert!(stage.latency(3, Kind::Load).max_us().is_some_and(|us| us < 100_000), "{:?}", stage.latency(3, Kind::Load));
}

#[test]
fn patience_ends() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.open(5);
    stage.peer(0).replies = vec![Reply::Refuse(7_000)];
    let start_us = stage.now_us();
    let load = proto::Load {
        block: 2,
        phase: 4,
        rate: 5.0,
        start_us,
        duration_us: 2 * S,
        retry_refused: true,
        ..proto::Load::default()
    };
    stage.engine.order(Order::Load(load));
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Refused), 10);
    assert!(stage.now_us() <= start_us + 70 * S);
    assert_eq!(stage.latency(2, Kind::Load), Hist::new());
}

#[test]
fn sequential_requests_follow_each_other() {
    let mut stage = Stage::new(vec![Peer::good()]);
    stage.engine.order(Order::Sequential(proto::Sequential { block: 7, phase: 1, count: 20 }));
    stage.until_done(7);
    assert_eq!(stage.planned[&7], 20, "without the cold one");
    assert_eq!(stage.fate(7, Kind::Sequential, Fate::Ok), 20);
    assert_eq!(stage.fate(0, Kind::Probe, Fate::Ok), 1);
    assert_eq!(stage.engine.net.connects.len(), 1);
    assert_eq!(stage.findings[0].name, "cold_request_ms");
    assert_eq!(stage.sockets(), 0);
    assert_eq!(stage.connections.iter().map(|row| row.started).sum::<u64>(), 0, "it is none of the N");
}

#[test]
fn a_sequence_survives_its_connection_but_not_its_server() {
    let mut stage = Stage::new(vec![Peer::with(&[Reply::Good, Reply::Good, Reply::Close])]);
    stage.engine.order(Order::Sequential(proto::Sequential { block: 7, phase: 1, count: 20 }));
    stage.until_done(7);
    let fates = stage.fates(7, Kind::Sequential);
    assert_eq!(fates.total(), 20, "{fates:?}");
    assert!(fates.get(Fate::Reset) > 0);
    let mut dead = Stage::new(vec![Peer { refuses: true, ..Peer::good() }]);
    dead.engine.order(Order::Sequential(proto::Sequential { block: 7, phase: 1, count: 20 }));
    dead.until_done(7);
    assert_eq!(dead.fate(7, Kind::Sequential, Fate::UnsentConnection), 20);
    assert_eq!(dead.sockets(), 0);
    let mut poor = Stage::new(vec![Peer::good()]);
    poor.engine.net.descriptors = 0;
    poor.engine.order(Order::Sequential(proto::Sequential { block: 7, phase: 1, count: 20 }));
    poor.until_done(7);
    assert_eq!(poor.fate(7, Kind::Sequential, Fate::UnsentNoDescriptor), 20, "the generator blames itself");
}

#[test]
fn a_sweep_asks_every_connection_once() {
    let mut stage = Stage::new(vec![Peer::good(), Peer::good()]);
    stage.open(30);
    let start_us = stage.now_us();
    stage.engine.order(Order::Sweep(proto::Sweep { block: 5, phase: 3, start_us, duration_us: S }));
    stage.until_done(5);
    assert_eq!((stage.planned[&5], stage.fate(5, Kind::Sweep, Fate::Ok)), (30, 30));
}
