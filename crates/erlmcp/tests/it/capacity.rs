//! What targets with a known limit carry, and that it is found. The limits are low, so that neither the machine nor the
//! build has a part in them.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::finished::{Finished, erlmcp};
use crate::targets::{Target, Vice};

/// Short trials, and few of them.
fn search<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["capacity", url, "--tool", "echo", "--max-connections", "2000", "--timeout", "1s"];
    if !more.contains(&"--trial") {
        arguments.extend(["--trial", "3s"]);
    }
    arguments.extend(more);
    arguments
}

fn limit<'a>(finished: &'a Finished, axis: &str) -> &'a Value {
    let limits = finished.report()["capacity"]["limits"].as_array().expect("answers");
    limits.iter().find(|limit| limit["axis"] == axis).unwrap_or_else(|| panic!("no answer: {}", finished.said()))
}

/// Whether the target's limit was found, and then within five percent. A busy machine may not let it be found, which is said.
fn is_found(finished: &Finished, axis: &str, check: &str, expected: f64) -> bool {
    let found = limit(finished, axis);
    let is_found = found["by"] == "target";
    if is_found {
        let estimate = found["estimate"].as_f64().unwrap_or_else(|| panic!("no estimate: {}", finished.said()));
        assert!((estimate / expected - 1.0).abs() <= 0.05, "{found}: {}", finished.said());
        assert!(found["low"].as_f64() <= Some(estimate) && found["high"].as_f64() >= Some(estimate), "{found}");
    } else {
        let why = &finished.check(check)["verdict"]["inconclusive"]["reason"];
        assert!(finished.code == 3 && why.as_str().is_some_and(|why| !why.is_empty()), "{found}: {}", finished.said());
    }
    assert_eq!(finished.verdict("run.ledger_difference_count"), "pass");
    assert_eq!(finished.verdict("cooldown.agents_open_count"), "pass");
    let report = std::fs::read_to_string(finished.results().join("FINAL_REPORT.md")).expect("a report");
    assert!(report.contains("| Connections | Requests/s | Sought | Limited by |"), "{report}");
    assert!(report.contains("## Trials"), "{report}");
    is_found
}

#[test]
fn the_most_requests_a_second_are_found_within_five_percent() {
    let target = Target::start(Vice::CarriesOnly(500));
    let more = ["--axis", "rate", "-c", "20", "--start-rate", "300", "--slo", "errors<1%", "--for", "2000/s,40"];
    let finished = erlmcp(&search(&target.url(), &more)).end();
    if is_found(&finished, "rate", "capacity.rate_rps", 500.0) {
        let wanted = &finished.report()["capacity"]["recommended"];
        assert!([4, 5].contains(&wanted["replicas"].as_u64().expect("a number")), "{wanted}");
        assert!([0, 3].contains(&finished.code), "{}", finished.said());
        assert!(finished.output.contains("For 2,000 req/s on 40 connections: "), "{}", finished.output);
    }
}

#[test]
fn the_most_connections_are_found_within_five_percent() {
    let target = Target::start(Vice::AcceptsOnly(300));
    let more = ["--axis", "connections", "-c", "200", "-r", "100", "--slo", "errors<5%"];
    let finished = erlmcp(&search(&target.url(), &more)).end();
    if is_found(&finished, "connections", "capacity.connections_count", 300.0) {
        assert_eq!(finished.verdict("capacity.connections_count"), "pass", "{}", finished.said());
    }
    assert_eq!(finished.verdict("capacity.rate_rps"), "skipped");
}

#[test]
fn the_most_that_was_to_be_tried_is_no_limit_of_the_target() {
    let target = Target::start(Vice::None);
    let more = ["--axis", "rate", "-c", "10", "--max-rate", "120", "--slo", "errors<5%", "--trial", "1s"];
    let finished = erlmcp(&search(&target.url(), &more)).end();
    assert_eq!(limit(&finished, "rate")["by"], "most", "{}", finished.said());
    assert_eq!(finished.verdict("capacity.rate_rps"), "inconclusive");
    assert_eq!(finished.code, 3);
}

#[test]
fn a_target_that_carries_nothing_fails() {
    let target = Target::start(Vice::Fails(3));
    let more = ["--axis", "rate", "-c", "2", "--start-rate", "2", "--slo", "errors<1%", "--warmup", "0s"];
    let finished = erlmcp(&search(&target.url(), &more)).end();
    // One call in three fails at any rate, in the light load between the trials as well.
    assert!(["least", "unsettled"].contains(&limit(&finished, "rate")["by"].as_str().expect("a reason")));
    assert!([99, 3].contains(&finished.code), "{}", finished.said());
}

#[test]
fn an_interrupt_leaves_what_was_found() {
    let target = Target::start(Vice::CarriesOnly(500));
    let url = target.url();
    let started = erlmcp(&search(&url, &["--axis", "rate", "-c", "10", "--slo", "errors<1%"]));
    started.says("[1.1] ");
    let pid = Pid::from_raw(started.pid() as i32).expect("a process has a number");
    kill_process(pid, Signal::INT).expect("it runs");
    let finished = started.end();
    assert_eq!(finished.code, 105, "{}", finished.said());
    let found = limit(&finished, "rate");
    assert!(found["by"] == "cut" && found["low"].as_f64() >= Some(100.0), "{found}");
    assert!(finished.output.contains("CAPACITY SEARCH INTERRUPTED"), "{}", finished.output);
}

#[test]
fn what_cannot_be_sought_is_said_at_once() {
    for (more, word) in [
        (&["--slo", "p99>1s"][..], "no objective"),
        (&["--connections", "5k"], "--connections"),
        (&["--precision", "80%"], "--precision"),
    ] {
        let url = "http://127.0.0.1:9";
        let finished = erlmcp(&search(url, more)).end();
        assert_eq!(finished.code, 2, "{}", finished.said());
        assert!(finished.errors.contains(word), "{}", finished.said());
    }
}
