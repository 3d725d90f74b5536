//! Phase 7: replicas that end, and more and fewer of them.

use erlmcp_record::names::{detail, phase, scenario};
use erlmcp_record::{Entry, FaultRow};
use erlmcp_report::Summary;

use super::{FAILOVER, kill, load, scene, suite};
use crate::{check, reason, verdict};

fn failover(served: u64, spread: f64, bad: Option<(u32, u32, u64, u64)>) -> Summary {
    let around = |name: &str, times: (u32, u32), ratio: f64| {
        let found = [
            (detail::SPREAD_BEFORE_RATIO, 1.0),
            (detail::SPREAD_WORST_RATIO, 1.5),
            (detail::SPREAD_AFTER_RATIO, ratio),
        ];
        Entry::Scenario(scene(FAILOVER, name, times, &found))
    };
    suite(move || {
        let mut entries = load(FAILOVER, bad);
        entries.extend(kill(FAILOVER, scenario::KILLS_IN_TURN, (1, 1, 5), served));
        entries.push(around(scenario::KILLS_IN_TURN, (2, 10), 1.2));
        entries.extend(kill(FAILOVER, scenario::ALL_AT_ONCE, (2, 2, 20), 100));
        entries.push(around(scenario::ALL_AT_ONCE, (15, 10), spread));
        let scaling = [("change_1_scaled_ms", 900.0), ("change_1_replicas_count", 4.0), ("change_1_least_count", 0.0)];
        entries.push(Entry::Scenario(scene(FAILOVER, scenario::SCALING, (40, 10), &scaling)));
        entries
    })
}

#[test]
fn kills_are_judged_by_when_their_clients_are_served_again() {
    let summary = failover(100, 1.4, None);
    for id in ["served_again_ms", "all_served_again_ms", "reconnected_percent", "scaled_ms", "spread_ratio"] {
        assert_eq!(verdict(&summary, &format!("failover.{id}")), "PASS", "{id}");
    }
    assert_eq!(check(&summary, "failover.served_again_ms").estimate, Some(500.0));
    let lost = failover(99, 1.4, None);
    assert_eq!(verdict(&lost, "failover.reconnected_percent"), "FAIL");
    assert_eq!(verdict(&lost, "failover.served_again_ms"), "FAIL", "some were never served");
    let longest = |summary: &Summary| {
        let figure = summary.figure(phase::FAILOVER, "longest_served_again_ms").expect("a figure").plain();
        let line = summary.suite.iter().find(|line| line.phase == FAILOVER).expect("a line");
        (figure, line.line.clone())
    };
    let (figure, line) = longest(&summary);
    assert!(figure == "500.00" && line.ends_with("served again within 500.00 ms"), "{figure}: {line}");
    let (figure, line) = longest(&lost);
    assert_eq!(figure, "not measured (not within 6,990.00 ms)", "the other kill's 500 ms are not the longest");
    assert!(line.ends_with("served again: not within 6,990.00 ms"), "{line}");
    assert_eq!(verdict(&failover(100, 2.1, None), "failover.spread_ratio"), "FAIL");
    let least = summary.figure(phase::FAILOVER, "to_4_replicas_least_on_a_replica").expect("a figure");
    assert_eq!(least.plain(), "0");
}

#[test]
fn what_was_not_done_is_not_judged() {
    let summary = failover(100, 1.4, None);
    assert_eq!(verdict(&summary, "failover.rolling_error_percent"), "INCONCLUSIVE");
    assert_eq!(reason(&summary, "failover.rolling_error_percent"), "the scenario was not reached");
    let skipped = suite(|| {
        let mut row = scene(FAILOVER, scenario::SCALING, (0, 1), &[]);
        row.skipped = Some("no fault driver".into());
        vec![Entry::Scenario(row)]
    });
    assert_eq!(verdict(&skipped, "failover.scaled_ms"), "SKIPPED");
    assert_eq!(reason(&skipped, "failover.scaled_ms"), "no fault driver");
}

#[test]
fn a_kill_that_was_not_seen_is_no_pass_and_hides_no_failure() {
    let with_unseen = |served: u64| {
        suite(move || {
            let mut entries = load(FAILOVER, None);
            entries.extend(kill(FAILOVER, scenario::KILLS_IN_TURN, (1, 1, 5), served));
            entries.extend(kill(FAILOVER, scenario::KILLS_IN_TURN, (2, 2, 20), 100).into_iter().take(1).map(|row| {
                let Entry::Fault(row) = row else { unreachable!("a kill begins with its fault") };
                Entry::Fault(FaultRow { effect_us: None, ..row })
            }));
            entries.push(Entry::Scenario(scene(FAILOVER, scenario::KILLS_IN_TURN, (2, 30), &[])));
            entries
        })
    };
    let summary = with_unseen(100);
    for id in ["served_again_ms", "reconnected_percent"] {
        assert_eq!(verdict(&summary, &format!("failover.{id}")), "INCONCLUSIVE", "{id}");
        assert!(reason(&summary, &format!("failover.{id}")).contains("1 kill had no effect that was seen"));
    }
    assert_eq!(verdict(&with_unseen(99), "failover.served_again_ms"), "FAIL");
}

#[test]
fn clients_that_were_watched_for_less_than_the_limit_did_not_fail() {
    let served = |watched_s: u32| {
        suite(move || {
            let mut entries = load(FAILOVER, None);
            entries.extend(kill(FAILOVER, scenario::KILLS_IN_TURN, (1, 1, 5), 99));
            entries.push(Entry::Scenario(scene(FAILOVER, scenario::KILLS_IN_TURN, (2, 3 + watched_s), &[])));
            entries
        })
    };
    assert_eq!(verdict(&served(3), "failover.served_again_ms"), "INCONCLUSIVE");
    assert_eq!(verdict(&served(6), "failover.served_again_ms"), "FAIL");
    assert!(check(&served(6), "failover.served_again_ms").estimate.is_some_and(f64::is_finite));
}

#[test]
fn a_change_that_was_not_over_hides_no_slow_one_and_is_slow_itself() {
    let scaled = |found: &'static [(&'static str, f64)]| {
        suite(move || {
            let mut row = scene(FAILOVER, scenario::SCALING, (0, 50), found);
            row.inconclusive = Some("not scaled within 60 s".into());
            let mut entries = load(FAILOVER, Some((5, 20, 5_000, 100)));
            entries.push(Entry::Scenario(row));
            entries
        })
    };
    let slow = scaled(&[("change_1_scaled_ms", 45_000.0)]);
    assert_eq!(verdict(&slow, "failover.scaled_ms"), "FAIL");
    assert_eq!(verdict(&slow, "failover.scaling_error_percent"), "FAIL", "3.3 % of the requests were lost");
    let watched = scaled(&[("change_1_scaled_ms", 900.0), ("change_2_scale_watched_ms", 60_000.0)]);
    assert_eq!(verdict(&watched, "failover.scaled_ms"), "FAIL");
    assert_eq!(check(&watched, "failover.scaled_ms").estimate, Some(60_000.0));
    let briefly = scaled(&[("change_1_scaled_ms", 900.0), ("change_2_scale_watched_ms", 20_000.0)]);
    assert_eq!(verdict(&briefly, "failover.scaled_ms"), "INCONCLUSIVE");
    assert_eq!(reason(&briefly, "failover.scaled_ms"), "not scaled within 60 s");
    assert_eq!(reason(&scaled(&[]), "failover.scaled_ms"), "not scaled within 60 s");
}
