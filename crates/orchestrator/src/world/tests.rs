use erlmcp_record::{Fate, IntervalRow, Kind, ReplicaSample};

use super::*;

fn row(second: u32, planned: u64, ok: u64, failed: u64) -> IntervalRow {
    let mut row = IntervalRow { planned, ..IntervalRow::empty(0, 3, 1, Kind::Load, second) };
    row.fates.add(Fate::Ok, ok);
    row.fates.add(Fate::TimedOut, failed);
    row
}

fn seconds(rows: &[IntervalRow]) -> Seconds {
    let mut seconds = Seconds::default();
    rows.iter().for_each(|row| seconds.apply(row));
    seconds
}

#[test]
fn five_seconds_of_errors_in_a_row_are_found() {
    let bad: Vec<IntervalRow> = (10..15).map(|second| row(second, 10, 4, 6)).collect();
    assert!(seconds(&bad).mostly_errors_for(5));
    assert!(!seconds(&bad[1..]).mostly_errors_for(5));
}

#[test]
fn half_is_not_more_than_half_and_a_gap_begins_anew() {
    let half: Vec<IntervalRow> = (10..20).map(|second| row(second, 10, 5, 5)).collect();
    assert!(!seconds(&half).mostly_errors_for(5));
    let gap: Vec<IntervalRow> = (10..19).filter(|second| *second != 14).map(|second| row(second, 10, 0, 10)).collect();
    assert!(!seconds(&gap).mostly_errors_for(5));
}

#[test]
fn what_is_under_way_is_no_error_yet() {
    let waiting: Vec<IntervalRow> = (10..20).map(|second| row(second, 10, 0, 0)).collect();
    assert!(!seconds(&waiting).mostly_errors_for(5));
}

#[test]
fn refusals_count_whatever_they_were_of() {
    let mut queued = row(10, 5, 5, 0);
    queued.kind = Kind::Queued;
    queued.refusals = 3;
    let mut load = row(11, 5, 3, 0);
    load.fates.add(Fate::Refused, 2);
    let seconds = seconds(&[queued, load]);
    assert_eq!((seconds.refusals_since(10), seconds.refusals_since(11)), (5, 2));
}

#[test]
fn two_minutes_are_kept() {
    let all: Vec<IntervalRow> = (0..500).map(|second| row(second, 1, 0, 1)).collect();
    let seconds = seconds(&all);
    assert!(seconds.mostly_errors_for(120) && !seconds.mostly_errors_for(121));
}

fn sample(at_us: u64, depth: u64, refused: u64) -> Event {
    let replica = ReplicaSample {
        connections: Some(5),
        queue_depth: Some(depth),
        queue_limit: Some(10),
        refused_total: Some(refused),
        ..ReplicaSample::default()
    };
    Event::Sample(Box::new(ClusterSample { at_us, replicas: vec![replica], ..ClusterSample::default() }))
}

#[test]
fn a_queue_is_full_at_its_limit_or_when_it_refused() {
    let mut world = World::default();
    world.apply(&sample(1, 9, 4));
    assert!(!world.queue_was_full());
    world.apply(&sample(2, 3, 5));
    assert!(world.queue_was_full(), "it refused one");
    world.apply(&sample(3, 3, 5));
    assert!(!world.queue_was_full());
    world.apply(&sample(4, 10, 5));
    assert!(world.queue_was_full(), "it is at its limit");
    assert_eq!((world.gauge(), world.queue_depth()), (Some((5, 4)), Some(10)));
}

#[test]
fn a_replica_without_a_gauge_leaves_the_sum_unknown() {
    let mut world = World::default();
    let replicas = vec![ReplicaSample { connections: Some(5), ..Default::default() }, ReplicaSample::default()];
    world.apply(&Event::Sample(Box::new(ClusterSample { replicas, ..ClusterSample::default() })));
    assert_eq!(world.gauge(), None);
}
