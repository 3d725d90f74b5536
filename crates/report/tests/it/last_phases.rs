//! Phases 5 to 8 of the comprehensive suite, on records of runs that never were.

use erlmcp_record::names::{detail, phase, scenario};
use erlmcp_record::{Detail, Entry, EpisodeRow, Expected, Fate, FaultRow, Kind, PhaseEvent, ScenarioRow};
use erlmcp_report::verdict::{suite_thresholds, threshold};
use erlmcp_report::{Summary, render};

use crate::story::rows::{self, Block, SECOND_US, fates, hist};
use crate::story::{AGENTS, Story, analysis};
use crate::{check, reason, verdict};

const NAMES: [&str; 4] = [phase::FAILURE_SCENARIOS, phase::RESOURCE_LIMITS, phase::FAILOVER, phase::INTEGRATION];
const FAILURES: u8 = 7;
const LIMITS: u8 = 8;
const FAILOVER: u8 = 9;
const INTEGRATION: u8 = 10;
/// Each of the four phases lasts so long, from the second 200 on.
const LASTS_S: u32 = 60;

fn begins_s(number: u8) -> u32 {
    200 + u32::from(number - FAILURES) * LASTS_S
}

/// What a scenario found out.
fn figures(of: &[(&str, f64)]) -> Detail {
    of.iter().map(|(name, value)| ((*name).to_string(), *value)).collect()
}

/// A scenario of `seconds`, so long after its phase began.
fn scene(number: u8, name: &str, (after_s, seconds): (u32, u32), found: &[(&str, f64)]) -> ScenarioRow {
    let from = begins_s(number) + after_s;
    ScenarioRow { detail: figures(found), ..rows::scenario(number, name, (from, from + seconds), &[block(number)]) }
}

fn block(number: u8) -> u32 {
    u32::from(number) * 10_000
}

/// Load of a whole phase; `latency_us` and resets from a second of it on, for some seconds.
fn load(number: u8, bad: Option<(u32, u32, u64, u64)>) -> Vec<Entry> {
    const RATE: u64 = 1_000;
    let from = begins_s(number);
    let mut entries = Vec::new();
    for agent in AGENTS {
        let block = Block { agent, phase: number, block: block(number), kind: Kind::Load };
        entries.push(block.row(RATE * u64::from(LASTS_S), from, LASTS_S));
        for second in 0..LASTS_S {
            let bad = bad.filter(|(from, seconds, ..)| (*from..from + seconds).contains(&second));
            let (us, lost) = bad.map_or((5_000, 0), |(_, _, us, lost)| (us, lost));
            let mut row = block.interval(from + second, fates(&[(Fate::Ok, RATE - lost), (Fate::Reset, lost)]));
            row.latency = Some(hist(&[(us, RATE)]));
            entries.push(Entry::Interval(row));
        }
    }
    entries
}

/// A run of the suite in which these rows are what the last four phases wrote.
fn suite(own: impl Fn() -> Vec<Entry>) -> Summary {
    let mut entries = Story::short().rows();
    let end = entries.pop();
    for entry in &mut entries {
        match entry {
            Entry::Run(header) => header.command = "comprehensive".into(),
            Entry::Config(config) => config.phases.extend(NAMES.map(String::from)),
            _ => {}
        }
    }
    for (number, name) in (FAILURES..).zip(NAMES) {
        let at = |second: u32| u64::from(second) * SECOND_US;
        entries.push(rows::phase(number, name, PhaseEvent::Started, at(begins_s(number)), 0));
        if number != FAILURES {
            continue;
        }
        entries.extend(own());
    }
    for (number, name) in (FAILURES..).zip(NAMES) {
        entries.push(rows::phase(
            number,
            name,
            PhaseEvent::Ended,
            u64::from(begins_s(number) + LASTS_S) * SECOND_US,
            0,
        ));
    }
    if let Some(Entry::End(mut end)) = end {
        end.at_us = u64::from(begins_s(INTEGRATION) + LASTS_S) * SECOND_US;
        entries.push(Entry::End(end));
    }
    analysis(&entries).summary()
}

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
    assert_eq!(verdict(&summary, "limits.unanswered_count"), "PASS");
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
fn a_visit_that_failed_is_no_pass() {
    let summary = limits(|row| row.inconclusive = Some("no answer within 15000 ms".into()), None);
    assert_eq!(verdict(&summary, "limits.unanswered_count"), "INCONCLUSIVE");
    assert_eq!(reason(&summary, "limits.unanswered_count"), "limit_queue: no answer within 15000 ms");
}

/// A replica killed in a second of its phase, with 100 connections lost by each agent.
fn kill(number: u8, scenario: &str, (id, replica, after_s): (u32, u16, u32), served: u64) -> Vec<Entry> {
    let at_us = u64::from(begins_s(number) + after_s) * SECOND_US;
    let fault = FaultRow {
        id,
        phase: number,
        scenario: scenario.into(),
        kind: "kill".into(),
        method: "SIGKILL of the process".into(),
        replica: Some(replica),
        injected_us: at_us,
        effect_us: Some(at_us + 10_000),
        cluster_detected_us: Some(at_us + 20_000),
        ready_us: Some(at_us + 900_000),
        expected: Expected { detected: true, progress: true, ..Expected::default() },
        ..FaultRow::default()
    };
    let mut entries = vec![Entry::Fault(fault)];
    entries.extend(AGENTS.map(|agent| {
        Entry::Episode(EpisodeRow {
            agent,
            phase: number,
            episode: id,
            replica,
            detected_us: at_us + 15_000,
            how: "reset".into(),
            affected: 100,
            served_again: served,
            last_served_us: Some(at_us + 510_000),
        })
    }));
    entries
}

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

fn failures(bad: Option<(u32, u32, u64, u64)>) -> Summary {
    failures_of(load(FAILURES, bad))
}

fn failures_with(change: impl Fn(&mut erlmcp_record::IntervalRow)) -> Summary {
    let mut load = load(FAILURES, None);
    for row in &mut load {
        if let Entry::Interval(row) = row {
            change(row);
        }
    }
    failures_of(load)
}

fn failures_of(load: Vec<Entry>) -> Summary {
    suite(move || {
        let mut entries = load.clone();
        entries.extend(kill(FAILURES, scenario::FAULTS, (1, 1, 10), 100));
        entries.push(Entry::Scenario(scene(FAILURES, scenario::FAULTS, (2, 40), &[])));
        entries
    })
}

#[test]
fn a_fault_of_the_suite_has_its_dip() {
    let summary = failures(None);
    for id in ["effect_count", "unhealed_count", "undetected_count", "unrecovered_count", "longest_dip_ms"] {
        assert_eq!(verdict(&summary, &format!("failures.{id}")), "PASS", "{id}");
    }
    assert_eq!(check(&summary, "failures.longest_dip_ms").estimate, Some(0.0));
    // Half of a second's requests are lost, which the first slots have.
    let dipped = failures(Some((10, 1, 5_000, 500)));
    assert_eq!(check(&dipped, "failures.longest_dip_ms").estimate, Some(500.0));
    let unsent = failures_with(|row| {
        if row.second == begins_s(FAILURES) + 10 {
            row.slots.iter_mut().for_each(|slot| slot.fates = fates(&[(Fate::UnsentNoTime, slot.planned)]));
            row.fates = fates(&[(Fate::UnsentNoTime, row.planned)]);
        }
    });
    assert_eq!(check(&unsent, "failures.longest_dip_ms").estimate, Some(0.0), "that is the generator's");
    let depth = dipped.figure(phase::FAILURE_SCENARIOS, "kill_dip_depth_percent").expect("a figure");
    assert_eq!(depth.plain(), "100.0");
}

/// What the parts found where server and client agree.
fn integration(change: impl Fn(&str, &mut ScenarioRow)) -> Summary {
    suite(|| {
        let times = [(detail::SAMPLES, 200.0), (detail::MEAN_NS, 60.0), (detail::P95_NS, 128.0)];
        let same = [(detail::TAKEN, 6_400.0), (detail::DIFFERENCE, 0.0)];
        let queue = [
            (detail::TAKEN, 550.0),
            (detail::REFUSED, 100.0),
            (detail::REFUSED_DIFFERENCE, 0.0),
            (detail::TAKEN_DIFFERENCE, 0.0),
            (detail::QUEUE_DEPTH_MAX, 500.0),
            (detail::QUEUE_LIMIT, 500.0),
            (detail::WORKERS_ACTIVE_MAX, 50.0),
            (detail::WORKERS, 50.0),
        ];
        let all = [
            ("registry_10", times.to_vec()),
            ("registry_10000", times.to_vec()),
            (scenario::ROUTER, [times.as_slice(), same.as_slice()].concat()),
            (scenario::QUEUE_AND_WORKERS, queue.to_vec()),
            (scenario::BATCHING, same.to_vec()),
            (scenario::SESSION_TOKENS, [times.as_slice(), same.as_slice()].concat()),
            (scenario::FAN_OUT, same.to_vec()),
        ];
        let scenes = (0..).zip(all).map(|(at, (name, found))| {
            let mut row = scene(INTEGRATION, name, (at, 1), &found);
            change(name, &mut row);
            Entry::Scenario(row)
        });
        scenes.collect()
    })
}

#[test]
fn parts_whose_counts_agree_pass_and_others_fail() {
    let ids = [
        "lookup_p95_us",
        "route_p95_us",
        "token_check_p95_us",
        "requests_difference_count",
        "refusals_difference_count",
        "queue_filled_percent",
        "workers_used_percent",
        "batches_difference_count",
        "tokens_difference_count",
        "notifications_difference_count",
    ];
    let summary = integration(|_, _| {});
    for id in ids {
        assert_eq!(verdict(&summary, &format!("integration.{id}")), "PASS", "{id}");
    }
    let text = render::console(&summary);
    assert!(text.contains("server and client agree on 5 of 5 parts"), "{text}");
    let of = |name: &'static str, figure: &'static str, value: f64| {
        integration(move |at, row| {
            if at == name {
                row.detail.insert(figure.into(), value);
            }
        })
    };
    let cases = [
        ("registry_10000", detail::P95_NS, 20_000.0, "lookup_p95_us", "FAIL"),
        ("registry_10000", detail::SAMPLES, 3.0, "lookup_p95_us", "INCONCLUSIVE"),
        ("registry_10", detail::P95_NS, 20_000.0, "lookup_p95_us", "PASS"),
        (scenario::ROUTER, detail::DIFFERENCE, 1.0, "requests_difference_count", "FAIL"),
        (scenario::QUEUE_AND_WORKERS, detail::REFUSED_DIFFERENCE, 1.0, "refusals_difference_count", "FAIL"),
        (scenario::QUEUE_AND_WORKERS, detail::REFUSED, 0.0, "refusals_difference_count", "INCONCLUSIVE"),
        (scenario::QUEUE_AND_WORKERS, detail::QUEUE_DEPTH_MAX, 499.0, "queue_filled_percent", "FAIL"),
        (scenario::QUEUE_AND_WORKERS, detail::WORKERS_ACTIVE_MAX, 49.0, "workers_used_percent", "FAIL"),
        (scenario::BATCHING, detail::DIFFERENCE, 2.0, "batches_difference_count", "FAIL"),
        (scenario::SESSION_TOKENS, detail::DIFFERENCE, 1.0, "tokens_difference_count", "FAIL"),
        (scenario::FAN_OUT, detail::DIFFERENCE, 1.0, "notifications_difference_count", "FAIL"),
        (scenario::FAN_OUT, detail::TAKEN, 0.0, "notifications_difference_count", "INCONCLUSIVE"),
    ];
    for (name, figure, value, id, expected) in cases {
        assert_eq!(verdict(&of(name, figure, value), &format!("integration.{id}")), expected, "{name} {figure}");
    }
}

#[test]
fn what_was_not_found_out_of_the_queue_is_not_0() {
    let without = |figure: &'static str| {
        integration(move |_, row| {
            row.detail.remove(figure);
        })
    };
    let cases =
        [(detail::QUEUE_DEPTH_MAX, "queue_filled_percent"), (detail::WORKERS_ACTIVE_MAX, "workers_used_percent")];
    for (figure, id) in cases {
        assert_eq!(verdict(&without(figure), &format!("integration.{id}")), "INCONCLUSIVE", "{id}");
    }
}

#[test]
fn the_last_four_phases_have_their_limits_in_the_table() {
    for group in ["failures.", "limits.", "failover.", "integration."] {
        let ids: Vec<&str> = suite_thresholds().map(|one| one.id).filter(|id| id.starts_with(group)).collect();
        assert!(ids.len() >= 6, "{group}: {ids:?}");
        assert!(ids.iter().all(|id| threshold(id).is_some()));
    }
}
