//! Phases 5 to 8 of the comprehensive suite on a real cluster. What is checked is that each part is driven, seen and
//! counted; never how fast.

use serde_json::Value;

use super::Cluster;
use crate::encrypted::{certify, flags};
use crate::finished::{Finished, erlmcp};

/// Connections that one replica may have: enough for the load, few enough to be filled.
const MOST: &str = "900";

fn comprehensive(target: &str, phases: &str, more: &[&str]) -> Finished {
    let common = ["-c", "120", "-d", "6s", "-r", "120", "--ramp-rate", "500", "--agents", "1", "--seed", "7"];
    let arguments = [["comprehensive", target, "--phases", phases].as_slice(), &common, more].concat();
    let finished = erlmcp(&arguments).end();
    assert!([0, 3, 99].contains(&finished.code), "{}", finished.said());
    finished
}

/// The scenarios of a phase by name: what they found out, or why they did not.
fn scenarios(finished: &Finished) -> Vec<Value> {
    let journal = std::fs::read_to_string(finished.results().join("journal.jsonl")).expect("a journal");
    let rows = journal.lines().map(|line| serde_json::from_str::<Value>(line).expect("rows are JSON"));
    rows.filter(|row| row["row"] == "scenario").collect()
}

fn passes(finished: &Finished, ids: &[&str]) {
    for id in ids {
        assert_eq!(finished.verdict(id), "pass", "{id}: {}\n{}", finished.check(id), finished.said());
    }
}

#[test]
fn limits_are_found_answered_and_left_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let few = ["--max-connections", MOST, "--workers", "4", "--queue", "40", "--limit", "streams_max=300"];
    let cluster = Cluster::start_with(folder.path(), 3, &few);
    let finished = comprehensive(&format!("http://{}", cluster.shared), "6", &[]);
    let found = scenarios(&finished);
    let names: Vec<&str> =
        found.iter().filter_map(|row| row["name"].as_str()).filter(|name| name.starts_with("limit_")).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    for row in found.iter().filter(|row| row["name"].as_str().is_some_and(|name| name.starts_with("limit_"))) {
        assert!(row["skipped"].is_null() && row["inconclusive"].is_null(), "{row}");
    }
    let of = |name: &str, figure: &str| {
        let row = found.iter().find(|row| row["name"] == name).expect("it was gone to");
        row["detail"][figure].as_f64()
    };
    assert_eq!((of("limit_body", "refused_status"), of("limit_body", "taken_bytes")), (Some(413.0), Some(1_048_576.0)));
    assert_eq!((of("limit_streams", "refused_status"), of("limit_streams", "taken_count")), (None, Some(4.0)));
    // Subscriptions and streams of sessions together.
    assert_eq!(
        (of("limit_open_streams", "refused_status"), of("limit_open_streams", "streams_limit_count")),
        (Some(503.0), Some(300.0))
    );
    assert!(of("limit_open_streams", "taken_count") >= Some(300.0), "{found:?}");
    assert!(of("limit_open_streams", "server_refused_count") >= Some(2.0), "{found:?}");
    assert!(of("limit_open_streams", "back_ms").is_some(), "{found:?}");
    assert_eq!(of("limit_queue", "refused_status"), Some(503.0));
    // 4 run and 40 wait; one that has ended meanwhile makes room for another.
    assert!(of("limit_queue", "taken_count") >= Some(44.0), "{found:?}");
    assert_eq!(of("limit_queue", "refused_difference_count"), Some(0.0));
    // A slow machine does not come to the limit in the time that it has for it.
    assert!([None, Some(503.0)].contains(&of("limit_sessions", "refused_status")), "{:?}", found);
    assert!(of("limit_sessions", "taken_count") > Some(0.0));
    assert_eq!(of("limit_connections", "refused_status"), Some(503.0));
    passes(&finished, &["limits.unanswered_count", "limits.no_retry_after_count", "limits.crashes_count"]);
}

#[test]
fn server_and_client_count_the_same_of_each_part() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 2, &["--workers", "4", "--queue", "40"]);
    let finished = comprehensive(&format!("http://{}", cluster.shared), "8", &[]);
    let ids = [
        "integration.requests_difference_count",
        "integration.refusals_difference_count",
        "integration.queue_filled_percent",
        "integration.workers_used_percent",
        "integration.batches_difference_count",
        "integration.tokens_difference_count",
        "integration.notifications_difference_count",
    ];
    passes(&finished, &ids);
    let found = scenarios(&finished);
    for tools in [10, 1_000, 10_000] {
        let row = found.iter().find(|row| row["name"] == format!("registry_{tools}")).expect("it was measured");
        assert_eq!(row["detail"]["tools_count"], f64::from(tools), "{row}");
        assert!(row["detail"]["samples_count"].as_f64() >= Some(100.0), "{row}");
    }
}

#[test]
fn limits_are_gone_to_through_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path());
    let tls = flags(folder.path());
    let few = ["--max-connections", MOST, "--workers", "4", "--queue", "40", "--limit", "streams_max=300"];
    let cluster = Cluster::start_with(folder.path(), 2, &[&tls.each_ref().map(String::as_str)[..], &few].concat());
    let target = format!("https://localhost:{}", cluster.shared.port());
    let finished = comprehensive(&target, "6", &["--cacert", &tls[1]]);
    assert_eq!(finished.report()["configuration"]["attached"], true, "{}", finished.said());
    for row in scenarios(&finished).iter().filter(|row| row["phase"] == 6) {
        assert!(row["skipped"].is_null() && row["inconclusive"].is_null(), "{row}");
    }
    let short =
        scenarios(&finished).into_iter().find(|row| row["name"] == "limit_descriptors").expect("it was gone to");
    assert_eq!(short["detail"]["taken_count"], 0.0, "none is answered before there are descriptors again: {short}");
    passes(&finished, &["limits.unanswered_count", "limits.no_retry_after_count", "limits.crashes_count"]);
}

#[test]
fn clients_are_served_again_after_each_failover() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 3, &[]);
    let finished = comprehensive(&format!("http://{}", cluster.shared), "7", &[]);
    passes(&finished, &["failover.reconnected_percent"]);
    let found = scenarios(&finished);
    for name in ["kills_in_turn", "two_at_once", "all_at_once", "rolling_restart", "scaling"] {
        let row = found.iter().find(|row| row["name"] == name).expect("it was done");
        assert!(row["skipped"].is_null() && row["inconclusive"].is_null(), "{row}");
    }
    let scaling = found.iter().find(|row| row["name"] == "scaling").expect("it was done");
    assert_eq!(
        (&scaling["detail"]["change_1_replicas_count"], &scaling["detail"]["change_2_replicas_count"]),
        (&4.0.into(), &3.0.into())
    );
    let status = cluster.status();
    assert_eq!(status["replicas"].as_array().map(Vec::len), Some(3), "as many as before: {status}");
}

#[test]
fn a_server_that_is_not_ours_is_not_exhausted() {
    let serving = crate::serving::Serving::start(&[]);
    let finished = comprehensive(&serving.url, "6,7,8", &[]);
    let found = scenarios(&finished);
    let skipped = |name: &str| found.iter().find(|row| row["name"] == name).expect("it is told")["skipped"].clone();
    let exhausting = ["limit_open_streams", "limit_sessions", "limit_queue", "limit_connections", "limit_descriptors"];
    for name in exhausting.into_iter().chain(["router", "kills_in_turn"]) {
        assert!(skipped(name).is_string(), "{name}: {}", finished.said());
    }
    assert!(skipped("limit_body").is_null() && skipped("limit_streams").is_null(), "{}", finished.said());
    assert_eq!(finished.verdict("failover.served_again_ms"), "skipped");
}
