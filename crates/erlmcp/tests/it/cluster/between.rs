//! What is done to the packets and the bytes between clients and replicas.

use std::fs;

use serde_json::Value;

use super::Cluster;
use super::chaos::{can_drop_packets, faults, made};
use crate::finished::{Finished, erlmcp};

/// A run of this list against a cluster of three, and the last row of each fault.
fn chaos(list: &str, more: &[&str]) -> (Finished, Vec<Value>) {
    chaos_of((&[], "http"), list, more)
}

/// The same of one that was started with these flags and speaks so.
pub(super) fn chaos_of((flags, scheme): (&[&str], &str), list: &str, more: &[&str]) -> (Finished, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 3, flags);
    let path = folder.path().join("faults.toml");
    fs::write(&path, list).expect("the folder is ours");
    let (target, path) = (format!("{scheme}://{}", cluster.shared), path.to_str().expect("plain").to_string());
    let common = ["-c", "60", "-r", "120", "--ramp-rate", "500", "--agents", "1", "--seed", "7"];
    let finished = erlmcp(&[["chaos", &target, "--faults", &path].as_slice(), &common, more].concat()).end();
    let rows = faults(&finished);
    assert_eq!(finished.verdict("cooldown.leftovers_count"), "pass", "{}", finished.said());
    assert!((1..=3).all(|replica| cluster.replica(replica)["member"] == true), "all is well afterwards");
    (finished, rows)
}

/// It was seen to work, undone, and that seen as well; replicas and clients came back. False where it was not made.
fn is_done_and_over(row: &Value, said: &str) -> bool {
    let is_made = made(row);
    for mark in ["effect_us", "healed_us", "heal_verified_us", "ready_us"] {
        assert!(!is_made || row[mark].is_u64(), "no {mark}: {row}\n{said}");
    }
    is_made
}

/// A timetable in which each waits for the end of the one before.
pub(super) fn timetable(entries: &[&str]) -> String {
    let entry = |entry: &&str| format!("[[fault]]\nat = \"0s\"\nhold = \"1s\"\n{entry}\n");
    entries.iter().map(entry).collect()
}

#[test]
fn packets_are_dropped_one_way_at_half_and_reset_or_lost() {
    if !can_drop_packets() {
        return;
    }
    let list = timetable(&[
        "kind = \"partition_in\"\nreplicas = [1]",
        "kind = \"partition_out\"\nreplicas = [2]",
        "kind = \"partition\"\ntargets = \"half\"",
        "kind = \"reset\"\nreplicas = [3]",
        "kind = \"loss\"\npercent = 20\nreplicas = [1]",
    ]);
    let (finished, rows) = chaos(&list, &["--for", "10s"]);
    let kinds: Vec<&str> = rows.iter().filter_map(|row| row["kind"].as_str()).collect();
    assert_eq!(kinds, ["partition_in", "partition_out", "partition", "reset", "loss"], "{}", finished.said());
    let seen: Vec<&Value> = rows.iter().filter(|row| is_done_and_over(row, &finished.said())).collect();
    for row in &seen {
        let is_expected = row["expected"]["detected"] == true;
        assert!(!is_expected || row["cluster_detected_us"].as_u64() >= row["effect_us"].as_u64(), "{row}");
    }
    if seen.len() == rows.len() {
        assert_eq!(finished.verdict("faults.undetected_count"), "pass");
    }
    // On a busy machine a fault may find too few operations in flight to say anything of them.
    assert_ne!(finished.verdict("faults.operations_lost_count"), "fail", "{}", finished.said());
}

#[test]
fn the_proxy_stands_before_every_replica_and_harms_only_its_target() {
    let list = timetable(&[
        "kind = \"latency_in\"\nreplicas = [1]",
        "kind = \"slicing\"\nreplicas = [2]",
        "kind = \"black_hole\"\nreplicas = [3]",
        "kind = \"cut\"\nreplicas = [1]",
    ]);
    let (finished, rows) = chaos(&list, &["--for", "10s"]);
    let kinds: Vec<&str> = rows.iter().filter_map(|row| row["kind"].as_str()).collect();
    assert_eq!(kinds, ["latency_in", "slicing", "black_hole", "cut"], "{}", finished.said());
    let seen: Vec<bool> = rows.iter().map(|row| is_done_and_over(row, &finished.said())).collect();
    assert!(finished.output.contains("Traffic to all 3 replicas goes through the fault proxy"), "{}", finished.output);
    let target = &finished.report()["target"];
    assert_eq!(target["proxied"]["replicas"], serde_json::json!([1, 2, 3]));
    assert!(target["proxied"]["through_us"].as_u64() > Some(0), "{target}");
    let addresses = target["endpoints"].as_array().expect("a list");
    assert!(addresses.iter().all(|one| one[1].as_str().is_some_and(|at| at.starts_with("127.66."))), "{target}");
    let of_generator = &finished.report()["generator"]["figures"];
    assert!(of_generator.to_string().contains("fault_proxy_cpu_percent_max"), "{of_generator}");
    // Whose connections were lost is the one whose answers were swallowed or cut off, and nobody else.
    let journal = fs::read_to_string(finished.results().join("journal.jsonl")).expect("a journal");
    let episodes = journal.lines().map(|line| serde_json::from_str::<Value>(line).expect("rows are JSON"));
    let hit: std::collections::BTreeSet<u64> =
        episodes.filter(|row| row["row"] == "episode").filter_map(|row| row["replica"].as_u64()).collect();
    assert!(!hit.contains(&2) && (hit.contains(&1) || !seen[3]), "{hit:?}");
}

#[test]
fn a_list_is_one_more_scenario_of_stress() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("faults.toml");
    fs::write(&path, timetable(&["kind = \"pause\"\nreplicas = [2]"])).expect("the folder is ours");
    let path = path.to_str().expect("plain");
    let arguments =
        ["stress", "-c", "60", "-r", "120", "-d", "4s", "--ramp-rate", "500", "--replicas", "3", "--agents"];
    let finished = erlmcp(&[arguments.as_slice(), &["1", "--phases", "1,4,6", "--faults", path]].concat()).end();
    let rows = faults(&finished);
    let row = rows.iter().find(|row| row["scenario"] == "faults").unwrap_or_else(|| panic!("{}", finished.said()));
    assert_eq!(row["kind"], "pause");
    if is_done_and_over(row, &finished.said()) {
        assert_eq!(finished.verdict("faults.effect_count"), "pass", "{}", finished.said());
    }
    assert_eq!(finished.report()["faults"].as_array().expect("a table").len(), 1);
}
