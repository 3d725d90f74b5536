//! Streams of notifications in a report: only where there were some, and apart from what is judged.

use std::collections::BTreeMap;

use erlmcp_record::names::finding;
use erlmcp_record::{ChangeRow, Entry, FanOutRow, StreamRow};
use erlmcp_report::{Summary, render};

use crate::story::rows::{self, SECOND_US};
use crate::story::{AGENTS, LOAD_FROM, Story, analysis};
use crate::verdict;

const TITLE: &str = "Stream Metrics";
const HELD: u64 = 600;

pub(crate) fn stream_row(agent: u32, second: u32) -> StreamRow {
    StreamRow {
        agent,
        phase: 3,
        second,
        held: HELD / 2,
        by_replica: vec![(1, 100), (2, 100), (3, 100)],
        planned: 0,
        acknowledged: 0,
        reopened: 0,
        ended: 0,
        closed: 0,
        events: 0,
        surplus: Some(0),
        strayed: Some(0),
        keep_alives: 0,
        failed: BTreeMap::new(),
        lost: BTreeMap::new(),
        away: None,
        opening: None,
    }
}

fn change(change: u32, failed: Option<&str>) -> Entry {
    Entry::Change(ChangeRow {
        phase: 3,
        change,
        at_us: u64::from(LOAD_FROM + 5 * change) * SECOND_US,
        bound_us: 4_000_000,
        method: "tools/call turn".into(),
        failed: failed.map(Into::into),
    })
}

/// `latencies`: microseconds, and of how many streams.
fn fan_out(agent: u32, number: u32, latencies: &[(u64, u64)], (missed, lost): (u64, u64)) -> Entry {
    let heard = latencies.iter().map(|latency| latency.1).sum();
    let slowest = latencies.iter().map(|latency| latency.0).max().expect("some were heard");
    Entry::FanOut(FanOutRow {
        agent,
        phase: 3,
        change: number,
        streams: heard + missed + lost,
        heard,
        missed,
        lost,
        last_us: Some(u64::from(LOAD_FROM + 5 * number) * SECOND_US + slowest),
        latency: Some(rows::hist(latencies)),
        receive_lag: Some(rows::hist(&[(40, heard)])),
    })
}

/// The rows of a run with streams; both agents have half of them.
fn told() -> Vec<Entry> {
    let story = Story::short().with_sample(|second, sample| {
        // Opened before the load, each on a connection of its own.
        if (LOAD_FROM..LOAD_FROM + 70).contains(&second) {
            for replica in &mut sample.replicas {
                replica.streams = Some(HELD / 3);
                replica.connections = replica.connections.map(|open| open + HELD / 3);
            }
        }
    });
    let mut all = story.rows();
    for row in &mut all {
        if let Entry::Config(config) = row {
            config.streams = HELD;
        }
    }
    let end = all.pop().expect("a run has an end");
    for agent in AGENTS {
        for second in LOAD_FROM..LOAD_FROM + 70 {
            all.push(Entry::Streams(stream_row(agent, second)));
        }
    }
    let opened = StreamRow {
        planned: HELD / 2,
        acknowledged: HELD / 2 + 3,
        reopened: 3,
        ended: 1,
        events: 599,
        keep_alives: 12,
        lost: BTreeMap::from([("reset by peer".to_string(), 2)]),
        opening: Some(rows::hist(&[(2_000, HELD / 2)])),
        ..stream_row(AGENTS[0], LOAD_FROM)
    };
    all.extend([
        Entry::Streams(opened),
        change(1, None),
        change(2, None),
        change(3, Some("there is no tool turn")),
        fan_out(AGENTS[0], 1, &[(1_000, 287), (3_000, 13)], (0, 0)),
        fan_out(AGENTS[1], 1, &[(1_000, 299), (7_000, 1)], (0, 0)),
        fan_out(AGENTS[0], 2, &[(1_000, 297)], (2, 1)),
        fan_out(AGENTS[1], 2, &[(1_000, 300)], (0, 0)),
        rows::finding(3, finding::MEMORY_BEFORE_STREAMS, Some(10_000_000.0), None),
        rows::finding(3, finding::MEMORY_WITH_STREAMS, Some(10_600_000.0), None),
        rows::finding(3, finding::STREAMS_MEASURED, Some(HELD as f64), None),
        end,
    ]);
    all
}

/// A figure as it is read.
fn figure(summary: &Summary, name: &str) -> String {
    let section = summary.numbers.iter().find(|section| section.title == TITLE).expect("there were streams");
    let found = section.figures.iter().find(|figure| figure.name == name);
    found.unwrap_or_else(|| panic!("no {name}")).value.pretty()
}

#[test]
fn without_streams_nothing_is_said_of_them() {
    let summary = Story::short().summary();
    assert!(summary.numbers.iter().all(|section| section.title != TITLE));
    for text in [render::markdown(&summary), render::json(&summary), render::console(&summary)] {
        assert!(!text.contains(TITLE) && !text.contains("Fan-out"), "{text}");
    }
}

#[test]
fn what_became_of_streams_and_changes_is_told() {
    let summary = analysis(&told()).summary();
    let expected = [
        ("Streams Asked For", "600"),
        ("Streams Held", "600"),
        ("Streams by the Server's Gauge", "600"),
        ("Openings Acknowledged", "303"),
        ("P99 from Planned to Acknowledged", "2.00 ms"),
        ("Failed Openings by Cause", "none"),
        ("Streams Lost", "2"),
        ("Streams Ended by the Server", "1"),
        ("Streams Reopened", "3"),
        ("Events", "599"),
        ("Keep-Alives", "12"),
        ("Changes Made", "2"),
        ("Changes That Could Not Be Made", "1"),
        ("Changes Made by", "tools/call turn"),
        ("Fan-Out P50 (each stream)", "1.00 ms"),
        ("Fan-Out P99 (each stream)", "3.00 ms"),
        ("Fan-Out Max (each stream)", "7.00 ms"),
        ("Fan-Out to the Last Stream, Max (each change)", "7.00 ms"),
        ("Notifications Missed", "2 of 1,200"),
        ("Notifications of Streams That Were Lost", "1 of 1,200"),
        ("Fan-Out Receive Lag P99", "0.04 ms"),
    ];
    for (name, value) in expected {
        assert_eq!(figure(&summary, name), value, "{name}");
    }
    assert!(figure(&summary, "Streams Lost by Cause").contains("reset by peer"));
    assert_eq!(figure(&summary, "Server Memory per Stream (its connection included)"), "1000 bytes");
    for text in [render::markdown(&summary), render::json(&summary), render::console(&summary)] {
        assert!(text.contains(TITLE));
    }
    let said = render::markdown(&summary);
    assert!(said.contains("| Notifications Missed | 2 of 1,200 |"), "{said}");
}

#[test]
fn streams_spoil_neither_what_is_held_nor_the_memory_a_connection() {
    let summary = analysis(&told()).summary();
    assert_eq!(verdict(&summary, "sustained.held_percent"), "PASS", "their connections are not taken for connections");
    assert_eq!(verdict(&summary, "sla.memory_per_connection_bytes"), "PASS");
    assert_eq!(verdict(&summary, "run.ledger_difference_count"), "PASS");
}

#[test]
fn streams_without_a_change_have_no_latency() {
    let no_change = |row: &Entry| !matches!(row, Entry::Change(_) | Entry::FanOut(_));
    let rows: Vec<Entry> = told().into_iter().filter(no_change).collect();
    let summary = analysis(&rows).summary();
    assert_eq!(figure(&summary, "Changes Made"), "0");
    for name in ["Fan-Out P95 (each stream)", "Notifications Missed"] {
        assert!(figure(&summary, name).contains("no change was made"), "{name}: {}", figure(&summary, name));
    }
}

#[test]
fn memory_is_not_told_of_streams_where_it_was_not_known() {
    let mut rows = told();
    for row in &mut rows {
        if let Entry::Finding(found) = row
            && found.name == finding::MEMORY_WITH_STREAMS
        {
            (found.value, found.note) = (None, Some("the target gives no figures of its own".into()));
        }
    }
    let memory = figure(&analysis(&rows).summary(), "Server Memory per Stream (its connection included)");
    assert_eq!(memory, "not measured (the target gives no figures of its own)");
}
