//! The comprehensive suite, small: what is checked is that everything was measured and adds up, never how fast it was.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::finished::{Finished, erlmcp};
use crate::targets::{Target, Vice};

fn rows(finished: &Finished, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(finished.results().join("journal.jsonl")).expect("a journal");
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("rows are JSON"));
    rows.filter(|row| row["row"] == kind).collect()
}

/// The scenarios of a phase, by name.
fn scenarios(finished: &Finished, phase: u64) -> BTreeMap<String, Value> {
    let rows = rows(finished, "scenario").into_iter().filter(|row| row["phase"] == phase);
    rows.map(|row| (row["name"].as_str().expect("a name").to_string(), row)).collect()
}

fn phase<'a>(finished: &'a Finished, name: &str) -> &'a Value {
    let phases = finished.report()["phases"].as_array().expect("phases");
    phases.iter().find(|phase| phase["name"] == name).unwrap_or_else(|| panic!("no phase {name}"))
}

/// Requests of a scenario with an ok answer, and those with an event before it.
fn answered(finished: &Finished, scenario: &Value) -> (u64, bool) {
    let blocks = scenario["blocks"].as_array().expect("blocks");
    let intervals = rows(finished, "interval");
    let its: Vec<&Value> = intervals.iter().filter(|row| blocks.contains(&row["block"])).collect();
    let ok = its.iter().filter_map(|row| row["fates"]["ok"].as_u64()).sum();
    (ok, its.iter().any(|row| row.get("first_event").is_some()))
}

fn adds_up(finished: &Finished) {
    for id in [
        "run.ledger_difference_count",
        "run.wrong_id_answers_count",
        "run.surplus_answers_count",
        "cooldown.agents_open_count",
        "cooldown.leftovers_count",
    ] {
        assert_eq!(finished.verdict(id), "pass", "{}", finished.check(id));
    }
}

#[test]
fn the_first_four_phases_measure_everything_on_a_cluster_of_their_own() {
    let size = ["-c", "200", "-d", "2s", "-r", "100", "--ramp-rate", "500", "--steps", "50,100,200", "--replicas", "3"];
    let finished = erlmcp(&[&["comprehensive", "--phases", "1,2,3,4", "--seed", "7"], &size[..]].concat()).end();
    assert!(finished.report.is_some(), "{}", finished.said());
    assert!([3, 99].contains(&finished.code), "2 s tell no drift, and 2,400 req/s no throughput: {}", finished.code);
    adds_up(&finished);
    let measured =
        ["connectivity_and_baseline", "load_scaling", "sustained_load", "throughput_and_latency_distribution"];
    for name in measured {
        assert_eq!(phase(&finished, name)["state"], "complete", "{}", finished.said());
    }
    assert_eq!(finished.verdict("connectivity.endpoints_percent"), "pass");
    assert_eq!(finished.report()["suite"].as_array().map(Vec::len), Some(8));
    assert!(finished.output.contains("COMPREHENSIVE SUITE SUMMARY"), "{}", finished.output);

    let doors: Vec<String> = scenarios(&finished, 1).into_keys().collect();
    assert_eq!(doors, ["endpoint_1", "endpoint_2", "endpoint_3"]);
    let scaled = scenarios(&finished, 2);
    for step in ["50", "100", "200"] {
        assert!(answered(&finished, &scaled[&format!("load_{step}")]).0 > 0, "{step}");
        assert!(scaled[&format!("ramp_{step}")]["detail"]["ramp_ms"].is_number(), "{step}");
    }
    everything_is_compared(&finished);
    let folder = finished.results();
    assert!(fs::read_to_string(folder.join("FINAL_REPORT.md")).expect("a report").contains("2. Load Scaling"));
}

fn everything_is_compared(finished: &Finished) {
    let compared = scenarios(finished, 4);
    let mut names: Vec<&str> = compared.keys().map(String::as_str).collect();
    names.retain(|name| !["percentiles", "rate_sweep"].contains(name));
    let expected = [
        "answer_bytes_100",
        "answer_bytes_1000",
        "answer_bytes_10000",
        "answer_bytes_100000",
        "answer_bytes_1000000",
        "answers_json",
        "answers_sse",
        "era_legacy",
        "era_modern",
        "method_server_discover",
        "method_tools_list",
        "method_usual",
    ];
    assert_eq!(names, expected);
    for (name, row) in &compared {
        assert!(row["skipped"].is_null() && row["inconclusive"].is_null(), "{row}");
        let (ok, has_events) = answered(finished, row);
        assert!(ok > 0, "{name}: {}", finished.said());
        assert_eq!(has_events, name == "answers_sse", "{name}");
    }
    assert!(compared["rate_sweep"]["blocks"].as_array().is_some_and(|blocks| blocks.len() > 1), "{compared:?}");
}

#[test]
fn on_another_server_what_does_not_apply_is_skipped_with_the_reason() {
    let target = Target::start(Vice::None);
    let size = ["-c", "20", "-d", "2s", "-r", "40", "--ramp-rate", "100", "--tool", "echo"];
    let finished =
        erlmcp(&[&["comprehensive", &target.url(), "--phases", "1,4", "--seed", "7"], &size[..]].concat()).end();
    assert!(finished.report.is_some(), "{}", finished.said());
    adds_up(&finished);
    assert_eq!(finished.verdict("connectivity.endpoints_percent"), "pass", "{}", finished.said());
    assert_eq!(finished.verdict("scaling.success_percent"), "skipped");
    let compared = scenarios(&finished, 4);
    for name in ["answer_bytes_100", "answers_sse"] {
        assert!(compared[name]["skipped"].as_str().is_some_and(|why| why.contains("no tool")), "{}", compared[name]);
    }
    assert!(answered(&finished, &compared["method_tools_list"]).0 > 0);
    assert!(answered(&finished, &compared["percentiles"]).0 > 0);
}

#[test]
fn what_cannot_be_asked_for_is_said() {
    for (arguments, why) in [
        (vec!["--phases", "9"], "from 1 to 8"),
        (vec!["--phases", "ramp_up"], "load_scaling"),
        (vec!["-c", "20", "--steps", "10,0"], "--steps must be from 1"),
    ] {
        let finished = erlmcp(&[vec!["comprehensive"], arguments].concat()).end();
        assert_eq!(finished.code, 2, "{}", finished.said());
        assert!(finished.errors.contains(why), "{}", finished.said());
    }
}
