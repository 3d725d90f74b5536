//! Faults that the run's own clients make, of a server of somebody else's.

use std::fs;

use serde_json::Value;

use crate::cluster::details;
use crate::finished::{Finished, erlmcp};
use crate::targets::{Target, Vice};

const LIST: &str = r#"
[[fault]]
kind = "thundering_reconnect"
at = "0s"
[[fault]]
kind = "retry_storm"
ms = 200
at = "0s"
[[fault]]
kind = "slow_clients"
connections = 10
hold = "1s"
at = "0s"
"#;

/// The last row of each fault.
fn faults(finished: &Finished) -> Vec<Value> {
    let journal = fs::read_to_string(finished.results().join("journal.jsonl")).expect("a journal");
    let rows = journal.lines().map(|line| serde_json::from_str::<Value>(line).expect("rows are JSON"));
    let faults: std::collections::BTreeMap<u64, Value> =
        rows.filter(|row| row["row"] == "fault").map(|row| (row["id"].as_u64().expect("a number"), row)).collect();
    faults.into_values().collect()
}

#[test]
fn clients_come_back_at_once_try_again_within_their_budget_and_are_slow() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("faults.toml");
    fs::write(&list, LIST).expect("the folder is ours");
    let target = Target::start(Vice::None);
    let common = ["--for", "1s", "-c", "30", "-r", "100", "--ramp-rate", "500", "--agents", "1", "--tool", "echo"];
    let more = ["chaos", &target.url(), "--faults", list.to_str().expect("plain")];
    let finished = erlmcp(&[more.as_slice(), &common].concat()).end();
    assert!([0, 3, 99].contains(&finished.code), "{}", finished.said());
    let rows = faults(&finished);
    let [herd, storm, slow] = &rows[..] else { panic!("three faults: {}", finished.said()) };
    let [herd_detail, storm_detail, slow_detail] = details([herd, storm, slow]);
    if let Some(detail) = herd_detail {
        assert_eq!(detail["served_again_count"], detail["reconnected_count"], "{herd}");
    }
    if let Some(detail) = storm_detail {
        let count = |name: &str| detail[name].as_f64().unwrap_or_else(|| panic!("no {name}: {storm}"));
        assert!(count("retries_count") >= 10.0, "what was due in the outage failed: {storm}");
        // The few that a quiet client has besides.
        assert!(count("retries_count") <= count("first_attempts_count") / 10.0 + 10.0, "{storm}");
        assert_eq!(count("served_again_count"), 30.0, "{storm}");
        assert!(storm["effect_us"].is_u64(), "{storm}");
        assert_ne!(finished.verdict("faults.retry_amplification_ratio"), "skipped");
        assert!(finished.output.contains("retry amplification 1."), "{}", finished.output);
    }
    if let Some(detail) = slow_detail {
        assert_eq!(detail["slow_connections_count"].as_f64(), Some(10.0), "{slow}");
        assert_eq!(detail["of_them_not_reading_count"].as_f64(), Some(5.0), "{slow}");
        assert!(detail["answers_left_unread_on_count"].as_f64() >= Some(1.0), "{slow}");
    }
    assert_eq!(finished.verdict("run.ledger_difference_count"), "pass");
}
