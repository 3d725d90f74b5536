use std::collections::BTreeMap;

use erlmcp_record::{Fate, FateCounts, Hist, IntervalRow, Kind};
use proptest::prelude::*;

use super::*;

const LOAD: Account = Account { block: 3, phase: 2, kind: Kind::Load, class: 0 };
const PROBE: Account = Account { block: 0, phase: 2, kind: Kind::Probe, class: 0 };

fn outcome(fate: Fate) -> Outcome {
    Outcome {
        fate,
        cause: (fate != Fate::Ok).then_some(Cause::TimedOut),
        latency_us: Some(1_500),
        service_us: Some(1_000),
        headers_us: None,
        first_event_us: None,
        receive_lag_us: Some(3),
        operation_us: None,
    }
}

/// Rows with the same key add up, as a reader of the record does it.
fn sum(rows: &[IntervalRow]) -> BTreeMap<(u32, Kind, u32), (u64, FateCounts, u64)> {
    let mut sums = BTreeMap::new();
    for row in rows {
        let sum: &mut (u64, FateCounts, u64) = sums.entry((row.block, row.kind, row.second)).or_default();
        sum.0 += row.planned;
        sum.1.merge(&row.fates);
        sum.2 += row.latency.as_ref().map_or(0, Hist::count);
    }
    sums
}

#[test]
fn a_request_counts_where_it_was_planned() {
    let mut ledger = Ledger::default();
    let ticket = ledger.plan(LOAD, 4_250_000, 1);
    ledger.sent(&ticket, 12);
    ledger.settle(ticket, outcome(Fate::Reset));
    let mut rows = Vec::new();
    ledger.flush(7, 9_000_000, &[10, 11], &mut rows);
    let [row] = rows.as_slice() else { panic!("one row, not {rows:?}") };
    assert_eq!((row.agent, row.phase, row.block, row.kind, row.second), (7, 2, 3, Kind::Load, 4));
    assert_eq!((row.planned, row.fates.get(Fate::Reset)), (1, 1));
    assert_eq!((row.slots[0].slot, row.slots[0].planned, row.slots[0].fates.get(Fate::Reset)), (2, 1, 1));
    assert_eq!((row.by_replica[0].replica, row.by_replica[0].fates.total()), (11, 1));
    assert_eq!(row.causes, BTreeMap::from([("no answer within the timeout".to_string(), 1)]));
    assert_eq!(row.send_lag.as_ref().and_then(Hist::max_us), Some(12));
    assert_eq!(row.latency.as_ref().map(Hist::count), Some(1));
}

#[test]
fn what_a_block_planned_is_forgotten_after_its_end() {
    let mut ledger = Ledger::default();
    let mut rows = Vec::new();
    for block in 1..=50 {
        let account = Account { block, ..LOAD };
        let second_us = u64::from(block) * 1_000_000;
        let ticket = ledger.plan(account, second_us, 0);
        ledger.flush(7, second_us + 500_000, &[10], &mut rows);
        assert_eq!((ledger.tally(block).planned, ledger.outstanding(block)), (1, 1), "it goes on");
        ledger.settle(ticket, outcome(Fate::Ok));
        ledger.end(block);
        assert_eq!((ledger.tally(block).settled, ledger.balances()), (1, true));
    }
    ledger.flush(7, 60_000_000, &[10], &mut rows);
    assert!(ledger.tallies.len() < 5, "{:?}", ledger.tallies);
    assert_eq!(rows.iter().map(|row| row.planned).sum::<u64>(), 50);
    // An answer that nothing had asked for may come later.
    ledger.surplus(Account { block: 3, ..LOAD }, 61_000_000);
    ledger.flush(7, 63_000_000, &[10], &mut rows);
    assert!(ledger.tallies.iter().all(|tally| tally.block == NO_BLOCK));
}

#[test]
fn what_is_told_once_is_not_told_again() {
    let mut ledger = Ledger::default();
    let first = ledger.plan(LOAD, 100, 0);
    let second = ledger.plan(LOAD, 200, 0);
    ledger.settle(first, outcome(Fate::Ok));
    let mut rows = Vec::new();
    ledger.flush(0, 2_000_000, &[0], &mut rows);
    assert_eq!(ledger.outstanding(3), 1);
    ledger.settle(second, outcome(Fate::TimedOut));
    ledger.flush(0, 9_000_000, &[0], &mut rows);
    ledger.flush(0, 9_000_000, &[0], &mut rows);
    assert_eq!(rows.len(), 2, "a row each time something changed");
    let sums = sum(&rows);
    let (planned, fates, latencies) = &sums[&(3, Kind::Load, 0)];
    assert_eq!((*planned, fates.get(Fate::Ok), fates.get(Fate::TimedOut), *latencies), (2, 1, 1, 2));
    assert_eq!(ledger.buckets.len(), 0, "a second that is over and settled is forgotten");
}

#[test]
fn causes_are_bounded() {
    let mut ledger = Ledger::default();
    for code in 0..1_000 {
        let ticket = ledger.plan(LOAD, 100, 0);
        ledger.settle(ticket, Outcome { cause: Some(Cause::Rpc(code)), ..outcome(Fate::RpcError) });
    }
    let mut rows = Vec::new();
    ledger.flush(0, 0, &[0], &mut rows);
    assert_eq!(rows[0].causes.values().sum::<u64>(), 1_000);
    assert!(rows[0].causes.len() <= 65, "{}", rows[0].causes.len());
}

#[derive(Debug, Clone)]
enum Step {
    Plan { load: bool, intended_us: u64, endpoint: u16 },
    Settle { which: usize, fate: usize },
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), 0u64..5_000_000, 0u16..4)
            .prop_map(|(load, intended_us, endpoint)| Step::Plan { load, intended_us, endpoint }),
        3 => (any::<usize>(), 0..Fate::ALL.len()).prop_map(|(which, fate)| Step::Settle { which, fate }),
        1 => Just(Step::Flush),
    ]
}

proptest! {
    /// Whatever happens in whatever order: planned = settled + outstanding, and the rows add up to it.
    #[test]
    fn the_ledger_always_balances(steps in proptest::collection::vec(step(), 1..200)) {
        let mut ledger = Ledger::default();
        let mut open: Vec<(Ticket, (u32, Kind, u32))> = Vec::new();
        let mut expected: BTreeMap<(u32, Kind, u32), (u64, FateCounts, u64)> = BTreeMap::new();
        let mut rows = Vec::new();
        let mut now_us = 0;
        for step in steps {
            match step {
                Step::Plan { load, intended_us, endpoint } => {
                    let account = if load { LOAD } else { PROBE };
                    let key = (account.block, account.kind, (intended_us / 1_000_000) as u32);
                    expected.entry(key).or_default().0 += 1;
                    let endpoint = if endpoint == 3 { NO_ENDPOINT } else { endpoint };
                    open.push((ledger.plan(account, intended_us, endpoint), key));
                }
                Step::Settle { which, fate } if !open.is_empty() => {
                    let (ticket, key) = open.swap_remove(which % open.len());
                    let sums = expected.get_mut(&key).expect("planned before");
                    sums.1.add(Fate::ALL[fate], 1);
                    sums.2 += 1;
                    ledger.settle(ticket, outcome(Fate::ALL[fate]));
                }
                Step::Settle { .. } => {}
                Step::Flush => {
                    now_us += 700_000;
                    ledger.flush(1, now_us, &[0, 1, 2], &mut rows);
                }
            }
            prop_assert!(ledger.balances());
            let outstanding = ledger.outstanding(LOAD.block) + ledger.outstanding(PROBE.block);
            prop_assert_eq!(outstanding, open.len() as u64);
        }
        ledger.flush(1, now_us, &[0, 1, 2], &mut rows);
        prop_assert_eq!(sum(&rows), expected);
        for row in &rows {
            prop_assert_eq!(row.slots.iter().map(|slot| slot.planned).sum::<u64>(), row.planned);
            prop_assert_eq!(row.slots.iter().map(|slot| slot.fates.total()).sum::<u64>(), row.fates.total());
        }
    }
}
