//! The generator as the one to blame.

use erlmcp_record::{ClusterSample, Dialogue, Entry, Fate, Kind};
use erlmcp_report::{Value, render};

use crate::story::rows::hist;
use crate::story::{Story, analysis};
use crate::{reason, verdict};

const ON_REQUESTS: [&str; 7] = [
    "sla.p95_ms",
    "sla.error_rate_percent",
    "sla.throughput_rps",
    "sla.availability_percent",
    "sustained.offered_percent",
    "sustained.timeouts_percent",
    "sustained.server_errors_percent",
];

#[test]
fn one_request_that_the_generator_did_not_send_spoils_what_rests_on_it() {
    for fate in [Fate::UnsentNoTime, Fate::UnsentNoDescriptor] {
        let story = Story::short().with_load(move |second, load| {
            if second == 30 {
                load.ok -= 1;
                load.others.push((fate, 1));
            }
        });
        let summary = story.summary();
        for id in ON_REQUESTS {
            assert_eq!(verdict(&summary, id), "INCONCLUSIVE", "{fate:?} {id}");
            assert!(reason(&summary, id).contains("use more --agents"), "{id}: {}", reason(&summary, id));
        }
        assert_eq!(verdict(&summary, "sla.memory_per_connection_bytes"), "PASS");
        assert_eq!(verdict(&summary, "sustained.held_percent"), "PASS");
        assert_eq!(verdict(&summary, "run.ledger_difference_count"), "PASS");
        assert!(!summary.generator.advice.is_empty());
    }
}

#[test]
fn memory_of_the_tester_that_grows_is_seen() {
    let growing = |second: u32, sample: &mut ClusterSample| {
        sample.orchestrator_rss_bytes = Some(50_000_000 + 100_000 * u64::from(second));
    };
    let summary = Story::short().with_sample(growing).summary();
    let figure = |name: &str| {
        let found = summary.generator.figures.iter().find(|figure| figure.name == name);
        found.map(|figure| figure.value.clone())
    };
    assert_eq!(figure("orchestrator_memory_drift"), Some(Value::Text("grows 6.000 ± 0.000 MB/min".into())));
    assert_eq!(figure("agents_memory_bytes_max"), Some(Value::Bytes(180e6)));
}

#[test]
fn what_the_target_kept_from_being_sent_is_an_error_of_its() {
    for fate in [Fate::UnsentBusy, Fate::UnsentConnection] {
        let story = Story::short().with_load(move |_, load| {
            load.ok -= 60;
            load.others.push((fate, 60));
        });
        assert_eq!(verdict(&story.summary(), "sla.error_rate_percent"), "FAIL", "{fate:?}");
    }
}

#[test]
fn lag_softens_a_fail_and_never_spoils_a_pass() {
    let lagging = |us: u64, send_us: u64, receive_us: u64| {
        let story = Story::short().with_load(move |_, load| {
            load.slow.push((us, 1_000));
            load.send_lag_us = send_us;
            load.receive_lag_us = receive_us;
        });
        story.summary()
    };
    // A tenth of the limit is 10 ms.
    assert_eq!(verdict(&lagging(200_000, 9_900, 9_900), "sla.p95_ms"), "FAIL");
    for (send_us, receive_us, which) in [(10_100, 100, "send"), (100, 10_100, "receive")] {
        let failed = lagging(200_000, send_us, receive_us);
        assert_eq!(verdict(&failed, "sla.p95_ms"), "INCONCLUSIVE");
        let why = reason(&failed, "sla.p95_ms");
        assert!(why.contains(which) && why.contains("use more --agents, or a lower --rate"), "{why}");
        assert_eq!(verdict(&lagging(50_000, send_us, receive_us), "sla.p95_ms"), "PASS");
    }
}

#[test]
fn lag_softens_the_latency_at_rest_as_well() {
    for (receive_us, expected) in [(4_900, "FAIL"), (5_100, "INCONCLUSIVE")] {
        let mut rows = Story::short().rows();
        for row in &mut rows {
            if let Entry::Interval(row) = row
                && row.kind == Kind::Sequential
            {
                (row.latency, row.receive_lag) = (Some(hist(&[(60_000, 100)])), Some(hist(&[(receive_us, 100)])));
            }
        }
        assert_eq!(verdict(&analysis(&rows).summary(), "baseline.latency_ms"), expected);
    }
}

#[test]
fn what_the_target_asked_back_is_one_line_and_none_where_it_asked_nothing() {
    let mut rows = Story::short().rows();
    assert!(!render::console(&analysis(&rows).summary()).contains("dialogue"));
    let intervals = rows.iter_mut().filter_map(|row| match row {
        Entry::Interval(row) if row.second == 30 => Some(row),
        _ => None,
    });
    for row in intervals {
        row.dialogue = Dialogue {
            answered: [("elicitation".to_string(), 600), ("roots".to_string(), 1)].into(),
            unanswered: u64::from(row.agent == 2),
            rounds: 4,
            resumed: 0,
        };
    }
    let summary = analysis(&rows).summary();
    let line = "1,200 elicitation requests answered, 2 roots requests answered, 1 server requests not answered, 8 further rounds";
    assert!(render::console(&summary).contains(&format!("\n  dialogue: {line}\n")), "{}", render::console(&summary));
    assert!(render::markdown(&summary).contains(&format!("| dialogue | {line} |")));
    assert!(render::json(&summary).contains(line));
}
