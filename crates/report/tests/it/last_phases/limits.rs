//! Phase 6: limits.

use erlmcp_record::names::{detail, phase, scenario};
use erlmcp_record::{Entry, ScenarioRow};
use erlmcp_report::{Summary, Value};

use super::{LIMITS, begins_s, figures, load, scene, suite};
use crate::{check, reason, verdict};

/// A limit that behaved: refused with a status, and back soon.
fn limit(name: &str, after_s: u32, more: &[(&str, f64)]) -> ScenarioRow {
    let from_ms = f64::from(begins_s(LIMITS) + after_s + 3) * 1e3;
    let good = [
        (detail::TAKEN, 550.0),
        (detail::REFUSAL_ANSWERED, 1.0),
        (detail::REFUSED_STATUS, 503.0),
        (detail::RETRY_AFTER_S, 2.0),
        (detail::BACK_MS, 40.0),
        (detail::FROM_MS, from_ms),
        (detail::TO_MS, from_ms + 3_000.0),
    ];
    let mut row = scene(LIMITS, name, (after_s, 8), &good);
    row.detail.extend(figures(more));
    row
}

fn limits(change: impl Fn(&mut ScenarioRow), bad: Option<(u32, u32, u64, u64)>) -> Summary {
    suite(|| {
        let mut queue = limit(scenario::LIMIT_QUEUE, 0, &[]);
        change(&mut queue);
        let body = limit(scenario::LIMIT_BODY, 10, &[(detail::REFUSED_STATUS, 413.0), (detail::TAKEN_BYTES, 1e6)]);
        let mut entries = load(LIMITS, bad);
        entries.extend([Entry::Scenario(queue), Entry::Scenario(body)]);
        entries
    })
}

#[test]
fn limits_that_are_answered_and_left_pass() {
    let summary = limits(|_| {}, None);
    for id in ["unanswered_count", "no_retry_after_count", "back_ms", "others_p95_ms", "others_error_percent"] {
        assert_eq!(verdict(&summary, &format!("limits.{id}")), "PASS", "{id}");
    }
    assert_eq!(check(&summary, "limits.back_ms").estimate, Some(40.0));
    let ratio = summary.figure(phase::RESOURCE_LIMITS, "queue_others_p99_ratio").expect("a figure");
    assert_eq!(ratio.plain(), "1.000");
}

#[test]
fn a_limit_without_an_answer_a_time_or_a_way_back_fails() {
    let without = |name: &'static str| {
        move |row: &mut ScenarioRow| {
            row.detail.remove(name);
        }
    };
    let summary = limits(without(detail::RETRY_AFTER_S), None);
    assert_eq!(verdict(&summary, "limits.no_retry_after_count"), "FAIL");
    assert_eq!(verdict(&summary, "limits.unanswered_count"), "PASS");
    let silent = |row: &mut ScenarioRow| {
        row.detail.insert(detail::REFUSAL_ANSWERED.into(), 0.0);
    };
    assert_eq!(verdict(&limits(silent, None), "limits.unanswered_count"), "FAIL");
    let summary = limits(without(detail::BACK_MS), None);
    assert_eq!(verdict(&summary, "limits.back_ms"), "FAIL");
    assert!(check(&summary, "limits.back_ms").source.contains("never after limit_queue"));
    assert_eq!(check(&summary, "limits.back_ms").estimate, Some(20_000.0), "as long as older records were watched");
}

#[test]
fn a_way_back_that_was_watched_for_less_than_the_limit_did_not_fail() {
    let watched = |ms: f64| {
        let change = move |row: &mut ScenarioRow| {
            row.detail.remove(detail::BACK_MS);
            row.detail.insert(detail::BACK_WATCHED_MS.into(), ms);
        };
        limits(change, None)
    };
    let summary = watched(5_000.0);
    assert_eq!(verdict(&summary, "limits.back_ms"), "FAIL");
    assert_eq!(check(&summary, "limits.back_ms").estimate, Some(5_000.0));
    let summary = watched(4_999.0);
    assert_eq!(verdict(&summary, "limits.back_ms"), "INCONCLUSIVE");
    assert!(reason(&summary, "limits.back_ms").contains("not seen within"));
}

#[test]
fn a_server_that_does_not_come_back_when_it_has_descriptors_again_fails() {
    let descriptors = |back: (&'static str, f64)| {
        suite(move || {
            let mut entries = load(LIMITS, None);
            entries.push(Entry::Scenario(limit(scenario::LIMIT_QUEUE, 0, &[])));
            let found = [(detail::TAKEN, 0.0), (detail::REFUSED, 64.0), back];
            entries.push(Entry::Scenario(scene(LIMITS, scenario::LIMIT_DESCRIPTORS, (10, 8), &found)));
            entries
        })
    };
    let summary = descriptors((detail::BACK_MS, 900.0));
    assert_eq!(check(&summary, "limits.back_ms").estimate, Some(900.0));
    assert_eq!(verdict(&summary, "limits.back_ms"), "PASS");
    let summary = descriptors((detail::BACK_WATCHED_MS, 30_000.0));
    assert_eq!(verdict(&summary, "limits.back_ms"), "FAIL");
    assert!(check(&summary, "limits.back_ms").source.contains("never after limit_descriptors"));
    assert_eq!(check(&summary, "limits.back_ms").estimate, Some(30_000.0));
    assert_eq!(verdict(&summary, "limits.unanswered_count"), "PASS");
}

#[test]
fn a_way_back_that_was_not_seen_is_longer_than_one_that_was() {
    let slowest = |change: fn(&mut ScenarioRow)| {
        let summary = limits(change, None);
        let figure = summary.figure(phase::RESOURCE_LIMITS, "slowest_back_ms").expect("a figure").plain();
        let line = summary.suite.iter().find(|line| line.phase == LIMITS).expect("a line");
        (figure, line.line.clone())
    };
    let (figure, line) = slowest(|row| row.detail.extend(figures(&[(detail::BACK_MS, 900.0)])));
    assert!(figure == "900.00" && line.contains("back after 900.00 ms at most"), "{figure}: {line}");
    // The body's limit was left after 40 ms.
    let (figure, line) = slowest(|row| {
        row.detail.remove(detail::BACK_MS);
        row.detail.insert(detail::BACK_WATCHED_MS.into(), 30_000.0);
    });
    assert_eq!(figure, "not measured (not within 30,000.00 ms after limit_queue)");
    assert!(line.contains("; back: not within 30,000.00 ms after limit_queue, "), "{line}");
}

#[test]
fn what_others_feel_meanwhile_is_judged_and_no_more() {
    let slow = limits(|_| {}, Some((3, 2, 250_000, 0)));
    assert_eq!(verdict(&slow, "limits.others_p95_ms"), "FAIL");
    let ratio = slow.figure(phase::RESOURCE_LIMITS, "queue_others_p99_ratio").expect("a figure").plain();
    assert!(ratio.parse::<f64>().expect("a number") > 40.0, "{ratio}");
    let lossy = limits(|_| {}, Some((3, 2, 5_000, 10)));
    assert_eq!(verdict(&lossy, "limits.others_error_percent"), "FAIL");
    // One lost of 12,000 is under the limit, and its bound is not.
    assert_eq!(verdict(&limits(|_| {}, Some((3, 1, 5_000, 4))), "limits.others_error_percent"), "INCONCLUSIVE");
    let elsewhere = limits(|_| {}, Some((30, 5, 250_000, 10)));
    assert_eq!(verdict(&elsewhere, "limits.others_p95_ms"), "PASS", "no visitor was there then");
    assert_eq!(verdict(&elsewhere, "limits.others_error_percent"), "PASS");
}

#[test]
fn a_limit_that_was_not_found_is_named() {
    let summary = suite(|| {
        let mut entries = load(LIMITS, None);
        entries.push(Entry::Scenario(limit(scenario::LIMIT_QUEUE, 0, &[])));
        let of_session = [(detail::TAKEN, 4.0), (detail::FROM_MS, 1e3), (detail::TO_MS, 2e3)];
        entries.push(Entry::Scenario(scene(LIMITS, scenario::LIMIT_STREAMS, (10, 8), &of_session)));
        let open = [(detail::STREAMS_LIMIT, 1e6), (detail::FROM_MS, 1e3), (detail::TO_MS, 2e3)];
        entries.push(Entry::Scenario(scene(LIMITS, scenario::LIMIT_OPEN_STREAMS, (20, 8), &open)));
        entries
    });
    let named = "limit_streams (4 taken, none refused), limit_open_streams (too far: 1,000,000)";
    for id in ["limits.unanswered_count", "limits.no_retry_after_count", "limits.back_ms"] {
        let check = check(&summary, id);
        assert!(check.samples == 1 && check.source.ends_with(&format!("; not found: {named}")), "{check:?}");
    }
    let figure = |name: &str| summary.figure(phase::RESOURCE_LIMITS, name).cloned();
    assert_eq!(figure("limits_not_found"), Some(Value::Text(named.into())));
    assert_eq!(figure("streams_back_ms"), Some(Value::NotMeasured("nothing was refused".into())));
}

#[test]
fn a_visit_that_failed_is_no_pass() {
    let summary = limits(|row| row.inconclusive = Some("no answer within 15000 ms".into()), None);
    assert_eq!(verdict(&summary, "limits.unanswered_count"), "INCONCLUSIVE");
    assert_eq!(reason(&summary, "limits.unanswered_count"), "limit_queue: no answer within 15000 ms");
}
