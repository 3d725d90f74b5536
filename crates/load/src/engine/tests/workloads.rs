use erlmcp_record::{Fate, Kind};

use super::stage::{S, Stage};
use crate::engine::Order;
use crate::net::simulated::{Peer, Reply};
use crate::proto;
use crate::wire::Calls;
use crate::workload::tests::{mixed, step};

fn stage(workload: &proto::Workload, seed: u64) -> Stage {
    let mut stage = Stage::seeded(vec![Peer::good(), Peer::good()], seed);
    stage.engine.order(Order::Calls(Calls::with_workload_of_tests(workload, seed)));
    stage
}

fn order(stage: &mut Stage, block: u32, rate: f64, shape: Option<proto::Shape>) {
    let start_us = stage.now_us() + S;
    let load = proto::Load { block, phase: 3, rate, start_us, duration_us: 4 * S, shape, ..proto::Load::default() };
    stage.engine.order(Order::Load(load));
}

/// Planned requests of a class, by second since the block's start.
fn planned(stage: &Stage, block: u32, class: u8) -> u64 {
    stage.rows(block, Kind::Load).filter(|row| row.class == class).map(|row| row.planned).sum()
}

#[test]
fn each_class_gets_its_share_from_the_first_second_on() {
    let mut stage = stage(&mixed(), 3);
    stage.open(200);
    order(&mut stage, 2, 1_200.0, None);
    let start_s = (stage.now_us() / S) as u32 + 1;
    stage.until_done(2);
    let of = |class| planned(&stage, 2, class);
    let (short, first, others) = (of(1), of(2), of(3));
    assert_eq!(short + first + others, stage.planned[&2], "what was told is what was planned in the end");
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), stage.planned[&2]);
    // 1,000 sessions a second for 4 s; a tenth of them are long.
    assert_eq!(short + first, 4_000);
    assert!((330..470).contains(&first), "{first}");
    assert!((600..1_000).contains(&others), "those that began before the block are among them: {others}");
    let in_first: u64 = stage
        .rows(2, Kind::Load)
        .filter(|row| row.class == 3 && row.second <= start_s + 1)
        .map(|row| row.planned)
        .sum();
    assert!(in_first > 0, "clients are found in the midst of their sessions");
    assert!(stage.engine.ledger.balances());
}

#[test]
fn a_seed_gives_the_same_run_to_the_byte() {
    let bytes = |seed: u64| {
        let mut stage = stage(&mixed(), seed);
        stage.open(50);
        order(&mut stage, 2, 240.0, None);
        stage.until_done(2);
        (stage.engine.net.writes.clone(), stage.planned[&2], planned(&stage, 2, 3))
    };
    assert_eq!(bytes(11), bytes(11));
    assert_ne!(bytes(11), bytes(12));
}

#[test]
fn a_step_that_asks_is_answered_in_rounds_of_one_request() {
    let mut stage = stage(&mixed(), 3);
    stage.open(50);
    (0..2).for_each(|index| stage.peer(index).replies = vec![Reply::Rounds(2)]);
    order(&mut stage, 2, 120.0, None);
    stage.until_done(2);
    assert_eq!(stage.fate(2, Kind::Load, Fate::Ok), stage.planned[&2], "{:?}", stage.causes(2, Kind::Load));
    assert_eq!(stage.dialogue().rounds, 2 * stage.planned[&2]);
}

#[test]
fn a_slow_target_does_not_slow_its_clients_down() {
    let think = (100_000, 100_000);
    let steps = (0..5).map(|_| step(1, r#"{"text":"hi"}"#, think)).collect();
    let sessions = vec![proto::Session { weight: 1, first: 0, steps: 5 }];
    let mut stage = stage(&proto::Workload { steps, sessions, ..proto::Workload::default() }, 1);
    stage.open(10);
    stage.peer(0).latency_us = 300_000;
    stage.peer(1).latency_us = 300_000;
    order(&mut stage, 2, 50.0, None);
    stage.until_done(2);
    assert_eq!(stage.planned[&2], 200, "50 a second for 4 s, however long answers take");
    let latency = stage.latency(2, Kind::Load);
    assert!(latency.max_us().is_some_and(|us| us > 900_000), "the wait for the step before is in it: {latency:?}");
}

#[test]
fn a_shape_changes_the_rate_over_time() {
    let mut stage = stage(&mixed(), 5);
    stage.open(100);
    let piece = |duration_us, factor| proto::Piece { duration_us, factor };
    let pieces = vec![piece(S, 0.0), piece(S, 2.0)];
    order(&mut stage, 2, 600.0, Some(proto::Shape { pieces, ..proto::Shape::default() }));
    let from = stage.now_us() / S + 1;
    stage.until_done(2);
    let begun = |second: u64| -> u64 {
        let is_begin = |class: u8| class == 1 || class == 2;
        let rows = stage.rows(2, Kind::Load).filter(|row| is_begin(row.class) && u64::from(row.second) == second);
        rows.map(|row| row.planned).sum()
    };
    // The stage's clock is not at a whole second: two seconds of it have what one of the shape has.
    assert_eq!((from..from + 5).map(begun).sum::<u64>(), 2_000);
}

#[test]
fn a_cut_workload_plans_no_more_and_balances() {
    let mut stage = stage(&mixed(), 5);
    stage.open(100);
    order(&mut stage, 2, 600.0, None);
    stage.run_for(2 * S);
    stage.engine.order(Order::Cut(2));
    stage.until_done(2);
    let told = stage.planned[&2];
    assert!((500..800).contains(&told), "one second of four: {told}");
    let all: u64 = stage.rows(2, Kind::Load).map(|row| row.planned).sum();
    assert_eq!(all, told);
}

#[test]
fn a_trace_is_sent_as_it_was_recorded() {
    let recorded = proto::Trace { after_us: vec![0, 100_000, 300_000], sessions: vec![1, 0, 0], period_us: S };
    let mut workload = mixed();
    workload.sessions[1].steps = 1;
    workload.trace = Some(recorded);
    let mut stage = stage(&workload, 5);
    stage.open(10);
    stage.engine.net.writes.clear();
    order(&mut stage, 2, 3.0, Some(proto::Shape { trace_speed: 1.0, ..proto::Shape::default() }));
    let start_us = stage.now_us() + S;
    stage.until_done(2);
    assert_eq!((planned(&stage, 2, 1), planned(&stage, 2, 2)), (8, 4));
    let expected: Vec<u64> =
        (0..4).flat_map(|round| [0, 100_000, 400_000].map(|at| start_us + round * S + at)).collect();
    assert_eq!(stage.engine.net.writes, expected);
}
