use std::collections::BTreeMap;

use super::*;
use crate::watch::{Asked, change_line, check_lines, count_line};

/// A check of the day's n-th quarter of an hour.
fn check(n: usize, p95_ms: f64, errors: u64) -> Check {
    let at = format!("2026-11-26T{:02}:{:02}:00+01:00", n / 4, n % 4 * 15);
    let asked =
        Asked { target: "http://a/mcp".into(), connections: 4, rate: 20.0, seconds: 20.0, calls: "ping".into() };
    let slo = "p95<100ms".parse().expect("an objective");
    Check {
        planned: 400,
        errors,
        latency: BTreeMap::from([("max_ms".into(), p95_ms * 9.0), ("p95_ms".into(), p95_ms)]),
        ..Check::without_load(at, asked, &slo, Outcome::Kept, Vec::new())
    }
}

/// A level that spreads by some percent, the same each time.
fn around(level: f64, n: usize) -> f64 {
    level * [1.0, 1.03, 0.98, 1.01, 0.97, 1.02, 0.99][n * 5 % 7]
}

/// Adds a check as a watch does, and gives what it came to.
fn add(history: &mut History, mut check: Check) -> Check {
    history.name_changes(&mut check);
    history.push(check.clone());
    check
}

#[test]
fn a_change_is_named_once_with_its_time_and_size() {
    let mut history = History::default();
    for n in 0..58 {
        let steady = add(&mut history, check(n, around(10.0, n), 0));
        assert!(steady.changes.is_empty() && steady.perhaps.is_empty(), "{n}: {steady:?}");
    }
    let later: Vec<Check> = (58..64).map(|n| add(&mut history, check(n, around(14.0, n), 0))).collect();
    let named: Vec<&Check> = later.iter().filter(|check| !check.changes.is_empty()).collect();
    assert_eq!(named.len(), 1, "{later:?}");
    assert_eq!((named[0].changes.len(), &*named[0].at), (1, "2026-11-26T15:00:00+01:00"), "after three checks");
    let line = change_line(&named[0].changes[0], named[0]);
    assert!(line.starts_with("P95 rose 41 % at 14:30 (from 10.00 ms to 14.14 ms; "), "{line}");
    assert!(line.contains("58 checks before, 3 since; p < 1e-12"), "{line}");
    // And back again: compared with the new level only.
    let back: Vec<Check> = (64..70).map(|n| add(&mut history, check(n, around(7.0, n), 0))).collect();
    let fell: Vec<&Change> = back.iter().flat_map(|check| &check.changes).collect();
    assert_eq!(fell.len(), 1, "{back:?}");
    assert!(change_line(fell[0], &back[5]).contains(" at 16:00 (from "), "{fell:?}");
    assert_eq!(fell[0].before, 6);
}

#[test]
fn what_shows_nothing_does_not_hide_a_violation() {
    let mut history = History::default();
    for outcome in [Outcome::Kept, Outcome::Violated, Outcome::Inconclusive, Outcome::Failed] {
        history.push(Check { outcome, ..check(0, 10.0, 0) });
    }
    let newest = check(2, 10.0, 0);
    assert!(history.last_judged(&newest).is_some_and(Check::is_violation));
    history.push(check(1, 10.0, 0));
    assert!(history.last_judged(&newest).is_some_and(|check| check.outcome == Outcome::Kept));
}

#[test]
fn a_watch_knows_only_its_own_checks_of_a_shared_history() {
    let mut history = History::default();
    history.push(Check { outcome: Outcome::Violated, ..check(0, 900.0, 0) });
    let own = check(1, 10.0, 0);
    assert!(history.last_judged(&own).is_some_and(Check::is_violation));
    let changes: [fn(&mut Check); 3] = [
        |other| other.asked.target = "http://a/other".into(),
        |other| other.asked.calls = "tools/call search".into(),
        |other| other.slo = "p99<1s".into(),
    ];
    for change in changes {
        let mut other = own.clone();
        change(&mut other);
        assert_eq!(history.akin(&other).count(), 0, "{other:?}");
    }
    let mut gone = Check { outcome: Outcome::Unreachable, ..check(2, 0.0, 0) };
    gone.asked.calls.clear();
    history.push(gone);
    assert!(history.last_judged(&own).is_some_and(|last| last.outcome == Outcome::Unreachable));
}

#[test]
fn another_day_is_named() {
    let mut history = History::default();
    (0..10).for_each(|n| drop(add(&mut history, check(n, around(10.0, n), 0))));
    let mut last = check(12, 30.0, 0);
    (10..12).for_each(|n| drop(add(&mut history, check(n, around(30.0, n), 0))));
    last.at = "2026-11-27T00:00:00+01:00".into();
    let last = add(&mut history, last);
    assert!(change_line(&last.changes[0], &last).contains("on 2026-11-26 at 02:30"), "{last:?}");
}

#[test]
fn what_may_be_a_change_is_said_to_be_unsure_and_said_once() {
    let mut history = History::default();
    let spread = |n: usize| 10.0 * [1.0, 1.15, 0.87, 1.08, 0.92, 1.1, 0.95][n % 7];
    (0..12).for_each(|n| drop(add(&mut history, check(n, spread(n), 0))));
    let mut said = Vec::new();
    for n in 12..18 {
        let mut one = check(n, spread(n) * 1.4, 0);
        history.name_changes(&mut one);
        said.push(check_lines(&one, &history));
        history.push(one);
    }
    let unsure: Vec<&String> = said.iter().filter(|text| text.contains("P95 may have risen")).collect();
    assert_eq!(unsure.len(), 1, "{said:?}");
    assert!(unsure[0].contains("which is not sure yet"), "{unsure:?}");
    assert!(said[2] == *unsure[0] && said[5].contains("P95 rose 42 % at 03:00 ("), "{said:?}");
}

#[test]
fn errors_have_levels_too() {
    let mut history = History::default();
    (0..10).for_each(|n| drop(add(&mut history, check(n, around(10.0, n), 0))));
    let last = (10..13).map(|n| add(&mut history, check(n, around(10.0, n), 10))).last().expect("three checks");
    let line = change_line(&last.changes[0], &last);
    assert!(line.starts_with("errors rose from 0.000% to 2.500% at 02:30 (10 checks before"), "{line}");
}

#[test]
fn small_changes_and_other_loads_are_none() {
    let mut history = History::default();
    (0..20).for_each(|n| drop(add(&mut history, check(n, 10.0 + 0.001 * n as f64, 0))));
    let all = (20..40).map(|n| add(&mut history, check(n, 10.8, 0)));
    assert!(all.into_iter().all(|check| check.changes.is_empty()), "8 % is not of interest");
    let mut heavier = check(40, 80.0, 0);
    heavier.asked.rate = 100.0;
    for n in 40..50 {
        let one = Check { at: check(n, 1.0, 0).at, ..heavier.clone() };
        assert!(add(&mut history, one).changes.is_empty(), "another load");
    }
    assert_eq!(history.too_few(), None);
    assert_eq!(History::default().too_few(), Some((0, 6)));
}

#[test]
fn a_watch_is_counted() {
    let mut count = Count::default();
    let mut history = History::default();
    for n in 0..3 {
        let one = check(n, 10.0, 0);
        count.add(&one);
        history.push(one);
    }
    assert_eq!(count.exit_code(), crate::ExitCode::Pass);
    let gone = Check::without_load(
        "2026-11-26T01:00:00+01:00".into(),
        Asked::default(),
        &"p95<1s".parse().expect("an objective"),
        Outcome::Unreachable,
        vec!["nobody listens".into()],
    );
    assert_eq!(check_lines(&gone, &history), "2026-11-26 01:00:00  UNREACHABLE \n  nobody listens\n");
    count.add(&gone);
    assert_eq!(count.exit_code(), crate::ExitCode::SlaFailed);
    let said = count_line(&count, &history);
    assert!(
        said.starts_with(
            "4 checks: 3 kept the objective, 1 found nobody; 0 of 1,200 requests failed (95 %: at most 0.249%)"
        ),
        "{said}"
    );
    assert!(said.ends_with("3 checks of this load, and it takes 6"), "{said}");
}

#[test]
fn a_line_of_the_history_is_read_again() {
    let mut whole = check(3, 10.0, 2);
    whole.causes.insert("HTTP 500".into(), 2);
    whole.changes.push(Change {
        measure: "p95_ms".into(),
        at: whole.at.clone(),
        from: 1.0,
        to: 2.0,
        p: 1e-5,
        before: 7,
        since: 3,
    });
    let line = whole.to_json_line();
    assert_eq!(serde_json::from_str::<Check>(&line).expect("a check"), whole);
    assert!(line.contains(r#""target":"http://a/mcp""#) && line.ends_with("}\n"), "{line}");
}

#[test]
fn the_history_is_bounded() {
    let mut history = History::default();
    (0..CHECKS_MAX + 5).for_each(|n| history.push(check(n % 90, 1.0, 0)));
    assert_eq!(history.len(), CHECKS_MAX);
}
