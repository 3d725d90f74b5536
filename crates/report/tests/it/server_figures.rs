//! The edges of what is judged by the server's own figures and the connections.

use erlmcp_record::names::{detail, scenario};
use erlmcp_record::{Entry, MemorySource};
use erlmcp_report::render;

use crate::story::{LOAD_FROM, Story, analysis, rows};
use crate::{check, reason, verdict};

const MEMORY: &str = "sla.memory_per_connection_bytes";
const GROWTH: &str = "sustained.memory_growth_mb_per_minute";
const STALL: &str = "sustained.longest_stall_ms";
const HELD: &str = "sustained.held_percent";

/// Anonymous memory of so many bytes a connection.
fn with_memory(bytes: u64, source: MemorySource) -> Story {
    Story::short().with_sample(move |_, sample| {
        for replica in &mut sample.replicas {
            replica.memory_bytes = replica.connections.map(|open| 4_000_000 + open * bytes);
            replica.memory_source = source;
        }
    })
}

#[test]
fn a_ramp_whose_openings_were_never_answered_fails_by_a_time_that_can_be_read() {
    let mut rows = Story::short().rows();
    for row in &mut rows {
        if let Entry::Connections(row) = row
            && row.opened > 0
        {
            row.failed = [("connection refused".to_string(), 50)].into();
        }
    }
    let summary = analysis(&rows).summary();
    let late = check(&summary, "ramp.late_p99_ms");
    assert!(late.source.ends_with("or never"), "{late:?}");
    let report: serde_json::Value = serde_json::from_str(&render::json(&summary)).expect("JSON");
    let checks = report["checks"].as_array().expect("checks");
    let failed: Vec<_> = checks.iter().filter(|check| check["verdict"] == "fail").collect();
    assert!(failed.iter().any(|check| check["id"] == "ramp.late_p99_ms"), "{failed:?}");
    assert!(failed.iter().all(|check| check["estimate"].is_number()), "{failed:?}");
}

#[test]
fn memory_at_its_limit_fails() {
    let exact = with_memory(2_048, MemorySource::Anonymous).summary();
    assert_eq!(check(&exact, MEMORY).estimate, Some(2_048.0));
    assert_eq!(verdict(&exact, MEMORY), "FAIL");
    assert_eq!(verdict(&with_memory(2_047, MemorySource::Cgroup).summary(), MEMORY), "PASS");
}

#[test]
fn memory_that_swings_by_more_than_connections_take_does_not_fail() {
    let with = |swing: u64| {
        let story = Story::short().with_sample(move |second, sample| {
            for replica in &mut sample.replicas {
                let swing = if second % 2 == 0 { swing } else { 0 };
                replica.memory_bytes =
                    replica.connections.map(|open| 4_000_000 + open * 4_096 + swing.min(open * 1_000_000));
                replica.memory_source = MemorySource::Anonymous;
            }
        });
        story.summary()
    };
    assert_eq!(verdict(&with(10_000), MEMORY), "FAIL");
    let noisy = with(10_000_000);
    assert_eq!(verdict(&noisy, MEMORY), "INCONCLUSIVE");
    assert!(format!("{:?}", check(&noisy, MEMORY)).contains("too few connections to tell what theirs is"));
}

#[test]
fn resident_memory_alone_is_judged_only_where_it_fails() {
    for source in [MemorySource::Rss, MemorySource::Reported] {
        let summary = with_memory(1_000, source).summary();
        assert_eq!(verdict(&summary, MEMORY), "INCONCLUSIVE", "{source:?}");
        assert_eq!(check(&summary, MEMORY).estimate, Some(1_000.0), "it is shown all the same");
        assert_eq!(verdict(&with_memory(2_048, source).summary(), MEMORY), "FAIL", "{source:?}");
    }
}

#[test]
fn memory_without_a_source_is_inconclusive() {
    let none = Story::short().with_sample(|_, sample| {
        for replica in &mut sample.replicas {
            replica.memory_bytes = None;
            replica.memory_source = MemorySource::None;
        }
    });
    let summary = none.summary();
    assert_eq!(verdict(&summary, MEMORY), "INCONCLUSIVE");
    assert_eq!(check(&summary, MEMORY).estimate, None);
    assert_eq!(verdict(&summary, GROWTH), "INCONCLUSIVE");
}

/// An attached cluster that had answered so many requests when the run began, with so many bytes a connection.
fn used_before(requests: u64, bytes: u64) -> erlmcp_report::Summary {
    counting(Some(requests), bytes)
}

/// The same; None: its requests are not counted.
fn counting(requests: Option<u64>, bytes: u64) -> erlmcp_report::Summary {
    analysis(&rows_counting(requests, bytes)).summary()
}

fn rows_counting(requests: Option<u64>, bytes: u64) -> Vec<Entry> {
    let mut rows = with_memory(bytes, MemorySource::Anonymous).rows();
    for row in &mut rows {
        match row {
            Entry::Config(row) => (row.own_cluster, row.attached) = (false, true),
            Entry::Cluster(sample) => {
                for replica in &mut sample.replicas {
                    replica.requests_total =
                        requests.map(|requests| u64::from(replica.replica == 1) * (100 + requests));
                }
            }
            _ => {}
        }
    }
    rows
}

/// "Memory per Connection" among the resources.
fn memory_figure(summary: &erlmcp_report::Summary) -> String {
    let mut figures = summary.numbers.iter().flat_map(|section| &section.figures);
    figures.find(|figure| figure.name == "Memory per Connection").expect("the figure is there").value.plain()
}

#[test]
fn memory_of_a_server_that_had_connections_before_is_no_pass() {
    // 100 of the baseline are the run's own; as many again are what it asks to know the target.
    assert_eq!(verdict(&used_before(0, 1_500), MEMORY), "PASS");
    assert_eq!(verdict(&used_before(100, 1_500), MEMORY), "PASS");
    let used = used_before(3_000, 1);
    assert_eq!(verdict(&used, MEMORY), "INCONCLUSIVE");
    assert!(memory_figure(&used).contains("not measured (the server had answered 3,000"), "{}", memory_figure(&used));
    assert!(reason(&used, MEMORY).contains("answered 3,000 requests before this run"), "{}", reason(&used, MEMORY));
    assert_eq!(verdict(&used_before(3_000, 2_048), MEMORY), "FAIL", "it can only be more");
}

#[test]
fn knocks_at_every_replica_are_the_runs_own() {
    let of = |requests: u64| {
        let mut rows = rows_counting(Some(requests), 1_500);
        let end = rows.pop().expect("a run has an end");
        for replica in 1..=24 {
            let mut row = rows::scenario(1, &format!("{}{replica}", scenario::ENDPOINT), (0, 1), &[]);
            row.detail.insert(detail::KNOCKS.into(), 5.0);
            rows.push(Entry::Scenario(row));
        }
        rows.push(end);
        verdict(&analysis(&rows).summary(), MEMORY)
    };
    assert_eq!((of(24 * 5 + 100), of(24 * 5 + 101)), ("PASS", "INCONCLUSIVE"));
}

#[test]
fn memory_of_a_server_that_may_have_had_connections_before_is_no_pass() {
    let unknown = counting(None, 1_500);
    assert_eq!(verdict(&unknown, MEMORY), "INCONCLUSIVE");
    assert!(reason(&unknown, MEMORY).contains("does not count its requests"), "{}", reason(&unknown, MEMORY));
    assert_eq!(check(&unknown, MEMORY).estimate, Some(1_500.0), "it is shown all the same");
    assert_eq!(verdict(&counting(None, 2_048), MEMORY), "FAIL", "it can only be more");
}

#[test]
fn memory_that_shrank_or_is_that_of_other_replicas_is_no_pass() {
    let shrunk = Story::short().with_sample(|second, sample| {
        for replica in &mut sample.replicas {
            replica.memory_bytes = Some(if second < LOAD_FROM { 6_000_000 } else { 4_000_000 });
        }
    });
    let shrunk = shrunk.summary();
    assert!(reason(&shrunk, MEMORY).contains("below that without"));
    assert!(memory_figure(&shrunk).contains("below that without"));
    let scaled = Story::short().with_sample(|second, sample| {
        if second > LOAD_FROM + 40 {
            sample.replicas.pop();
        }
    });
    assert!(reason(&scaled.summary(), MEMORY).contains("replicas came or went"));
}

/// Bytes a second, on one replica.
fn growing(bytes: u64, seconds: u32) -> Story {
    let mut story = Story::short().with_sample(move |second, sample| {
        let grown = u64::from(second.saturating_sub(LOAD_FROM)) * bytes;
        sample.replicas[0].memory_bytes = sample.replicas[0].memory_bytes.map(|memory| memory + grown);
    });
    story.seconds = seconds;
    story
}

#[test]
fn memory_growth_has_its_limit_and_its_number_of_samples() {
    // 5 MB a minute are 83,333 and a third bytes a second.
    assert_eq!(verdict(&growing(83_334, 70).summary(), GROWTH), "FAIL");
    assert_eq!(verdict(&growing(83_000, 70).summary(), GROWTH), "PASS");
    for bytes in [0, 1_000_000] {
        let summary = growing(bytes, 69).summary();
        assert_eq!(verdict(&summary, GROWTH), "INCONCLUSIVE");
        assert!(reason(&summary, GROWTH).contains("59 samples"), "{}", reason(&summary, GROWTH));
        assert!(reason(&summary, GROWTH).contains("a duration of 72 s or more"));
    }
}

#[test]
fn one_stall_at_the_limit_fails() {
    let stalled = |us: u64, at: u32| {
        let story = Story::short().with_sample(move |second, sample| {
            if second == at {
                sample.replicas[1].longest_stall_us = Some(us);
            }
        });
        story.summary()
    };
    assert_eq!(verdict(&stalled(50_000, LOAD_FROM + 40), STALL), "FAIL");
    assert_eq!(verdict(&stalled(49_999, LOAD_FROM + 40), STALL), "PASS");
    assert_eq!(verdict(&stalled(50_000, LOAD_FROM + 9), STALL), "PASS", "in the warm-up");
}

#[test]
fn a_stall_that_was_waiting_for_a_core_which_the_load_uses_too_proves_nothing() {
    let stalled = |cpu_us: Option<u64>, colocated: bool| {
        let mut story = Story::short().with_sample(move |second, sample| {
            for replica in &mut sample.replicas {
                replica.longest_turn_cpu_us = Some(300);
            }
            if second == LOAD_FROM + 40 {
                sample.replicas[1].longest_stall_us = Some(216_000);
                sample.replicas[2].longest_turn_cpu_us = cpu_us;
            }
        });
        story.config.colocated = colocated;
        story.summary()
    };
    let waited = stalled(Some(49_999), true);
    assert_eq!(verdict(&waited, STALL), "INCONCLUSIVE");
    assert!(reason(&waited, STALL).contains("waited for a core"), "{}", reason(&waited, STALL));
    assert_eq!(verdict(&stalled(Some(50_000), true), STALL), "FAIL", "one worked so long");
    assert_eq!(verdict(&stalled(None, true), STALL), "FAIL", "one does not say what it did");
    assert_eq!(verdict(&stalled(Some(49_999), false), STALL), "FAIL", "its machine is its own");
}

#[test]
fn stalls_that_are_not_reported_are_no_pass() {
    let silent = Story::short().with_sample(|second, sample| {
        if second.is_multiple_of(2) {
            sample.replicas[0].longest_stall_us = None;
        }
    });
    assert_eq!(verdict(&silent.summary(), STALL), "INCONCLUSIVE");
}

#[test]
fn held_needs_both_counts_in_every_second() {
    let gauge = |change: i64| {
        Story::short().with_sample(move |second, sample| {
            if second == LOAD_FROM + 33 {
                let open = sample.replicas[2].connections.expect("it has a gauge");
                sample.replicas[2].connections = open.checked_add_signed(change);
            }
        })
    };
    assert_eq!(verdict(&gauge(0).summary(), HELD), "PASS");
    for change in [-1, 1] {
        let summary = gauge(change).summary();
        assert_eq!(verdict(&summary, HELD), "INCONCLUSIVE", "{change}");
        assert!(reason(&summary, HELD).contains("counts disagree"));
    }
    // Both say so: one connection was missing for one second.
    let lost = gauge(-1).with_load(|second, load| load.open -= u64::from(second == 33)).summary();
    assert_eq!(verdict(&lost, HELD), "FAIL");
    let agents_only = Story::short().with_load(|second, load| load.open -= u64::from(second == 33));
    assert_eq!(verdict(&agents_only.with_sample(|_, _| {}).summary(), HELD), "FAIL", "its gauge follows the story");
}

#[test]
fn what_the_target_renews_in_order_is_told() {
    let with = |renewing: u64| {
        let mut story = Story::short();
        story.is_foreign = true;
        let mut rows = story.rows();
        for row in &mut rows {
            if let Entry::Connections(row) = row
                && row.agent == 2
                && row.second == LOAD_FROM + 33
            {
                (row.open, row.renewing) = (row.open - 3, renewing);
            }
        }
        analysis(&rows).summary()
    };
    let (lost, renewed) = (with(0), with(3));
    assert_eq!([verdict(&lost, HELD), verdict(&renewed, HELD)], ["FAIL", "FAIL"]);
    assert!(!check(&lost, HELD).source.contains("renewed"));
    assert!(check(&renewed, HELD).source.ends_with("up to 3 at a time were being renewed"));
}

#[test]
fn a_gauge_that_was_not_read_for_long_is_no_pass() {
    let mut rows = Story::short().rows();
    let is_gap = |second: u32| (LOAD_FROM + 20..LOAD_FROM + 26).contains(&second);
    rows.retain(|row| !matches!(row, Entry::Cluster(sample) if is_gap(sample.second)));
    assert!(reason(&analysis(&rows).summary(), HELD).contains("not read in 2 seconds"));
}

#[test]
fn agents_that_are_silent_for_long_are_no_pass() {
    let mut rows = Story::short().rows();
    let is_gap = |second: u32| (LOAD_FROM + 20..LOAD_FROM + 26).contains(&second);
    rows.retain(|row| !matches!(row, Entry::Connections(row) if row.agent == 2 && is_gap(row.second)));
    assert_eq!(verdict(&analysis(&rows).summary(), HELD), "INCONCLUSIVE");
}

#[test]
fn a_foreign_server_without_a_gauge_is_held_by_the_agents_alone() {
    let mut story = Story::short();
    story.is_foreign = true;
    let summary = story.summary();
    assert_eq!(verdict(&summary, HELD), "PASS");
    assert_eq!(check(&summary, HELD).source, "the agents' counts alone");
}

#[test]
fn connections_behind_one_address_are_not_called_evenly_spread() {
    let mut rows = Story::short().rows();
    for row in &mut rows {
        match row {
            Entry::Target(row) => row.endpoints.truncate(1),
            Entry::Connections(row) => row.by_replica = vec![(1, row.open)],
            _ => {}
        }
    }
    let summary = analysis(&rows).summary();
    assert_eq!(verdict(&summary, "ramp.spread_difference_count"), "SKIPPED");
    assert!(reason(&summary, "ramp.spread_difference_count").contains("one address"));
}

#[test]
fn the_closing_sweep_needs_an_answer_on_every_connection() {
    let sweep = "sustained.sweep_percent";
    let mut rows = Story::short().rows();
    for row in &mut rows {
        if let Entry::Interval(row) = row
            && row.kind == erlmcp_record::Kind::Sweep
            && row.agent == 2
        {
            row.fates = crate::story::rows::fates(&[(erlmcp_record::Fate::Ok, 1_499), (erlmcp_record::Fate::Reset, 1)]);
        }
    }
    assert_eq!(verdict(&analysis(&rows).summary(), sweep), "FAIL");
    rows.retain(|row| !matches!(row, Entry::Interval(row) if row.kind == erlmcp_record::Kind::Sweep));
    rows.retain(|row| !matches!(row, Entry::Block(row) if row.kind == erlmcp_record::Kind::Sweep));
    assert_eq!(verdict(&analysis(&rows).summary(), sweep), "INCONCLUSIVE");
}

#[test]
fn connections_for_answers_are_no_disagreement() {
    let told = |answering: u64| {
        let mut rows = Story::short().rows();
        for row in &mut rows {
            match row {
                // They come and go: one is not there when the gauge is read.
                Entry::Agent(row) => row.answering_connections = answering * u64::from(row.second % 3 > 0),
                Entry::Cluster(sample) => {
                    let open = sample.replicas.first_mut().and_then(|replica| replica.connections.as_mut());
                    open.into_iter().for_each(|open| *open += 7 * u64::from(sample.second % 2 > 0));
                }
                _ => {}
            }
        }
        verdict(&analysis(&rows).summary(), HELD)
    };
    assert_eq!((told(4), told(3)), ("PASS", "INCONCLUSIVE"));
}

/// Those are beside the N, and the server counts them with the N.
#[test]
fn connections_of_operations_are_in_no_view_of_the_connections() {
    let mut rows = Story::short().rows();
    for row in &mut rows {
        match row {
            Entry::Agent(row) => row.operation_connections = vec![(1, 20), (2, 3), (3, 2)],
            Entry::Cluster(sample) => {
                for (replica, beside) in sample.replicas.iter_mut().zip([40, 6, 4]) {
                    replica.connections = replica.connections.map(|open| open + beside);
                }
            }
            _ => {}
        }
    }
    let mut analysis = analysis(&rows);
    let second = analysis.take_rest().into_iter().nth(LOAD_FROM as usize + 20).expect("a second of load");
    assert_eq!((second.connections, second.connections_server), (3_000, Some(3_000)));
    assert!(second.replicas.iter().all(|replica| replica.connections == Some(1_000)), "{:?}", second.replicas);
    let summary = analysis.summary();
    let mut figures = summary.numbers.iter().flat_map(|section| &section.figures);
    let by_replica = figures.find(|figure| figure.name == "Connections by Replica").expect("it is a figure");
    assert_eq!(by_replica.value.plain(), "1,000 to 1,000 (3 replicas, coefficient of variation 0.000 %)");
}
