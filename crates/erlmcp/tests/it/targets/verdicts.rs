//! Each vice, and the verdict that it must get. The run is short and its load small: what is judged here is the
//! judgement, never the speed. Whatever the vice, every planned request has exactly one fate.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::server::{Target, Vice};
use crate::finished::{Finished, erlmcp};

/// Nine seconds of load on 40 connections, without a baseline and the phases that need a cluster.
pub(super) fn run(vice: Vice, more: &[&str]) -> Finished {
    let target = Target::start(vice);
    let url = target.url();
    let mut arguments = vec!["stress", &url, "-d", "9s", "--warmup", "2s", "--tool", "echo"];
    let has = |flag: &str| more.contains(&flag);
    for (flag, value) in [("-c", "40"), ("-r", "400"), ("--timeout", "1s"), ("--phases", "2,3,6")] {
        if !has(flag) {
            arguments.extend([flag, value]);
        }
    }
    arguments.extend(more);
    let finished = erlmcp(&arguments).end();
    assert!(finished.report.is_some(), "{}", finished.said());
    let ledger = "run.ledger_difference_count";
    assert_eq!(finished.verdict(ledger), "pass", "{}", finished.check(ledger));
    the_target_agrees(&finished, target.calls.load(Ordering::SeqCst));
    finished
}

/// What the target read is what the ledger says was sent: everything planned that did not end unsent.
fn the_target_agrees(finished: &Finished, read: u64) {
    assert_eq!(sent(finished), read, "calls sent and read");
}

/// Calls that the ledger says were sent.
pub(super) fn sent(finished: &Finished) -> u64 {
    let lines = finished.report()["ledger"].as_array().expect("a report has a ledger");
    let calls = lines.iter().filter(|line| line["kind"] == "load" || line["kind"] == "sequential");
    let of_line = calls.map(|line| {
        let fates = line["fates"].as_object().expect("fates");
        let unsent = fates.iter().filter(|(name, _)| name.starts_with("unsent"));
        line["planned"].as_u64().expect("a count") - unsent.filter_map(|(_, count)| count.as_u64()).sum::<u64>()
    });
    of_line.sum()
}

fn fails(finished: &Finished, ids: &[&str]) {
    for id in ids {
        assert_eq!(finished.verdict(id), "fail", "{id}: {}", finished.check(id));
    }
    assert_eq!(finished.code, 99);
}

/// A latency past its limit. On a machine that kept the generator itself waiting it is no FAIL, and never a PASS.
fn is_too_slow(finished: &Finished, id: &str) {
    let check = finished.check(id);
    let excuse = check["verdict"]["inconclusive"]["reason"].as_str().unwrap_or_default();
    assert!(finished.verdict(id) == "fail" || excuse.contains("generator's"), "{check}");
    assert_ne!(finished.code, 0);
}

#[test]
fn no_vice_passes_what_was_measured_and_nothing_else() {
    let finished = run(Vice::None, &["--phases", "1,2,3,6", "--timeout", "10s"]);
    for id in ["baseline.reachable_percent", "sustained.held_percent", "sustained.sweep_percent"] {
        assert_eq!(finished.verdict(id), "pass", "{id}: {}", finished.check(id));
    }
    // 400 requests a second were offered: more than 10,000 can be neither met nor missed.
    assert_eq!(finished.verdict("sla.throughput_rps"), "inconclusive");
    // There is no /metrics.
    assert_eq!(finished.verdict("sla.memory_per_connection_bytes"), "inconclusive");
    assert_eq!(finished.verdict("recovery.node_ms"), "skipped");
    // The target is in a process that is busy with other tests: it may be slow, and nothing else.
    let checks = finished.report()["checks"].as_array().expect("a report has checks");
    let failed: Vec<&str> =
        checks.iter().filter(|check| check["verdict"] == "fail").filter_map(|check| check["id"].as_str()).collect();
    assert!(failed.iter().all(|id| id.ends_with("_ms")), "{failed:?}");
    assert_eq!(finished.code, if failed.is_empty() { 3 } else { 99 });
    assert!(!finished.output.contains("✓ PASS ] OVERALL"), "{}", finished.output);
}

#[test]
fn one_error_in_a_thousand_fails() {
    let finished = run(Vice::Fails(500), &[]);
    fails(&finished, &["sla.error_rate_percent", "sustained.server_errors_percent"]);
}

#[test]
fn a_p95_of_twice_the_limit_fails() {
    let finished = run(Vice::Slow(Duration::from_millis(200)), &["-r", "100"]);
    is_too_slow(&finished, "sla.p95_ms");
    is_too_slow(&finished, "sustained.p95_ms");
    assert!(finished.number("P50 Latency") >= 200.0);
}

#[test]
fn a_stall_is_in_the_latency_from_the_intended_time() {
    // 800 calls come in the warm-up, and 2,800 are judged.
    let stall = Vice::Stalls { call: 1_600, length: Duration::from_secs(2) };
    let finished = run(stall, &["--timeout", "5s"]);
    assert!(finished.number("P99 Latency") > 1_500.0, "{}", finished.number("P99 Latency"));
    assert!(finished.number("Max Latency") >= 1_900.0);
    is_too_slow(&finished, "sla.p95_ms");
}

#[test]
fn a_target_that_takes_only_some_connections_fails_the_ramp() {
    let finished = run(Vice::AcceptsOnly(500), &["-c", "600", "-r", "1000"]);
    fails(&finished, &["ramp.success_percent", "sustained.held_percent"]);
}

#[test]
fn connections_closed_at_random_are_errors() {
    let finished = run(Vice::Closes(50), &[]);
    fails(&finished, &["sla.error_rate_percent", "sustained.connection_errors_percent"]);
}

#[test]
fn an_answer_with_another_id_is_found() {
    let finished = run(Vice::WrongId(100), &[]);
    fails(&finished, &["run.wrong_id_answers_count", "sla.error_rate_percent"]);
}

#[test]
fn a_second_answer_is_found() {
    let finished = run(Vice::AnswersTwice(100), &[]);
    fails(&finished, &["run.surplus_answers_count"]);
}

#[test]
fn a_request_without_an_answer_times_out() {
    let finished = run(Vice::Silent(100), &[]);
    fails(&finished, &["sla.error_rate_percent", "sustained.timeouts_percent"]);
    assert!(finished.number("Max Latency") >= 1_000.0, "a lost request is a slow one");
}

#[test]
fn a_stream_that_ends_without_its_response_is_a_loss() {
    let finished = run(Vice::EndsStream(100), &[]);
    fails(&finished, &["sla.error_rate_percent"]);
    let journal = std::fs::read_to_string(finished.results().join("journal.jsonl")).expect("a journal");
    assert!(journal.contains("stream ended without its response"));
}
