//! Streams of notifications as load: a change on one replica reaches every stream on all of them. What is checked is
//! that it does, and that all of it adds up; never how fast.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::finished::{Finished, erlmcp};
use crate::serving::Serving;
use crate::targets::{Target, Vice};

const STREAMS: u64 = 45;

fn journal(finished: &Finished) -> Vec<Value> {
    let text = fs::read_to_string(finished.results().join("journal.jsonl")).expect("a journal");
    text.lines().map(|line| serde_json::from_str(line).expect("rows are JSON")).collect()
}

fn run(more: &[&str]) -> Finished {
    let mut arguments = vec!["stress", "-c", "30", "-d", "6s", "-r", "100", "--phases", "2,3,6", "--streams", "45"];
    arguments.extend(more);
    let finished = erlmcp(&arguments).end();
    assert!(finished.report.is_some(), "{}", finished.said());
    finished
}

/// Every change was made, and every stream told of it.
fn every_stream_hears_every_change(finished: &Finished, method: &str) {
    let rows = journal(finished);
    let of = |kind: &str| rows.iter().filter(|row| row["row"] == kind).cloned().collect::<Vec<Value>>();
    let changes = of("change");
    assert!(changes.len() >= 2, "{}", finished.said());
    let mut heard: BTreeMap<u64, u64> = BTreeMap::new();
    for row in of("fan_out") {
        assert!(row["missed"].is_null() && row["lost"].is_null(), "{row}");
        *heard.entry(row["change"].as_u64().expect("a number")).or_default() += row["heard"].as_u64().expect("a count");
    }
    for change in &changes {
        assert!(change["failed"].is_null(), "{change}");
        assert_eq!(change["method"], method);
        assert_eq!(heard.get(&change["change"].as_u64().expect("a number")), Some(&STREAMS), "{change}");
    }
    for row in of("streams") {
        assert!(row["surplus"] == 0 && row["strayed"] == 0, "{row}");
    }
    let (asked, held) = (finished.number("Streams Asked For"), finished.number("Streams Held"));
    assert_eq!((asked, held), (STREAMS as f64, STREAMS as f64), "{}", finished.said());
    assert_eq!(finished.number("Streams Lost"), 0.0);
    assert_eq!(finished.number("Events"), (STREAMS * changes.len() as u64) as f64, "no event comes twice");
}

/// The streams are beside the connections, not among them, and are gone with them.
fn streams_are_apart(finished: &Finished) {
    let passed = [
        "sustained.held_percent",
        "sustained.sweep_percent",
        "run.ledger_difference_count",
        "run.surplus_answers_count",
        "cooldown.agents_open_count",
        "cooldown.server_open_count",
    ];
    for id in passed {
        assert_eq!(finished.verdict(id), "pass", "{}", finished.check(id));
    }
}

/// Replicas whose streams the agents held.
fn replicas_with_streams(finished: &Finished) -> BTreeSet<u64> {
    let rows = journal(finished);
    let streams = rows.iter().filter(|row| row["row"] == "streams");
    let by_replica = streams.flat_map(|row| row["by_replica"].as_array().cloned().unwrap_or_default());
    by_replica.filter(|pair| pair[1].as_u64() > Some(0)).filter_map(|pair| pair[0].as_u64()).collect()
}

#[test]
fn a_change_reaches_the_streams_of_every_replica_of_a_cluster() {
    for era in ["modern", "legacy"] {
        let finished = run(&["--replicas", "3", "--era", era]);
        every_stream_hears_every_change(&finished, "notify on the cluster's control socket");
        streams_are_apart(&finished);
        assert_eq!(replicas_with_streams(&finished), BTreeSet::from([1, 2, 3]), "{era}");
        assert_eq!(finished.number("Streams by the Server's Gauge"), STREAMS as f64, "{era}");
        assert!(finished.output.contains("Stream Metrics"), "{}", finished.output);
    }
}

#[test]
fn on_another_server_a_tool_makes_the_change() {
    let serving = Serving::start(&["--fixtures", "conformance"]);
    let pid = serving.pid().to_string();
    let more = ["--change-tool", "test_trigger_tool_change", "--target-pid", &pid];
    for era in ["modern", "legacy"] {
        let finished = run(&[&[serving.url.as_str(), "--era", era], &more[..]].concat());
        every_stream_hears_every_change(&finished, "tools/call test_trigger_tool_change");
        streams_are_apart(&finished);
    }
}

#[test]
fn a_change_that_cannot_be_made_is_told_and_nothing_is_missed() {
    let serving = Serving::start(&[]);
    let none = run(&[&serving.url]);
    assert_eq!(none.number("Streams Held"), STREAMS as f64);
    assert_eq!(none.number("Changes Made"), 0.0);
    assert!(none.output.contains("--change-tool"), "it says what to do: {}", none.output);
    streams_are_apart(&none);
}

#[test]
fn a_server_without_streams_is_loaded_all_the_same() {
    let target = Target::start(Vice::None);
    let finished = run(&[&target.url(), "--tool", "echo"]);
    assert_eq!((finished.number("Openings Acknowledged"), finished.number("Streams Held")), (0.0, 0.0));
    assert!(finished.output.contains("failed openings: "), "{}", finished.output);
    for id in ["sustained.held_percent", "sustained.sweep_percent", "run.ledger_difference_count"] {
        assert_eq!(finished.verdict(id), "pass", "{}", finished.check(id));
    }
}
