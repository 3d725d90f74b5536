//! Faults of a cluster of the run's own, under load and operations: each is seen and is over, and no operation is lost,
//! done twice, or left open.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use serde_json::{Value, json};

use super::chaos::{in_force, made};
use super::operations::{append, store};
use super::{Cluster, is_alive, signal, until};
use crate::finished::{Finished, erlmcp};

/// `chaos` with these faults, one after another, on a cluster of its own.
fn chaos(replicas: &str, faults: &str) -> Finished {
    chaos_with(replicas, faults, &[])
}

fn chaos_with(replicas: &str, faults: &str, more: &[&str]) -> Finished {
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("faults.toml");
    fs::write(&list, faults).expect("the folder is ours");
    let list = list.to_str().expect("plain");
    let run = ["chaos", "--faults", list, "--for", "10s", "--replicas", replicas, "--operations", "600"];
    let common = ["-c", "60", "-r", "120", "--ramp-rate", "500", "--agents", "1", "--seed", "7"];
    erlmcp(&[run.as_slice(), &common, more].concat()).end()
}

/// All of them had an effect and are over, and no operation was lost, done twice, or left open.
fn check(finished: &Finished, kinds: &[&str]) {
    let faults = finished.report()["faults"].as_array().expect("a table");
    let told: Vec<&str> = faults.iter().filter_map(|fault| fault["kind"].as_str()).collect();
    assert_eq!(told, kinds, "{}", finished.said());
    let seen: Vec<&Value> = faults.iter().filter(|fault| made(fault)).collect();
    for fault in &seen {
        // A busy machine may let a second go by in which nothing succeeds.
        let only_stalled = |why: &str| why.starts_with("no request succeeded in ") && !why.contains("; ");
        let is_stalled = fault["verdict"] == "fail" && fault["reason"].as_str().is_some_and(only_stalled);
        assert!(fault["verdict"] == "pass" || is_stalled, "{fault}: {}", finished.said());
    }
    let verdict = if seen.len() == faults.len() { "pass" } else { "inconclusive" };
    for id in ["faults.unhealed_count", "faults.undetected_count", "faults.unrecovered_count"] {
        assert_eq!(finished.verdict(id), verdict, "{id}: {}", finished.said());
    }
    assert!(
        ["pass", "inconclusive"].contains(&finished.verdict("faults.operations_lost_count")),
        "{}",
        finished.said()
    );
    assert_eq!(finished.verdict("cooldown.leftovers_count"), "pass", "{}", finished.said());
    audited(&finished.results());
}

fn audited(results: &Path) -> Value {
    let audit = erlmcp(&["audit", results.to_str().expect("plain"), "--json"]).end();
    let found: Value = serde_json::from_str(&audit.output).expect("JSON");
    // Whether an operation was in flight in the very moment of a kill is chance, and all that may be left open.
    let invariants = found["invariants"].as_array().expect("a list");
    let is_open = |one: &&Value| one["standing"] != "holds" && one["standing"]["not_applicable"].is_null();
    let open: Vec<&Value> = invariants.iter().filter(is_open).map(|one| &one["id"]).collect();
    assert!(open.iter().all(|id| *id == "I8") && found["verdict"] != "invalid", "{}", audit.said());
    assert_eq!(audit.code, if open.is_empty() { 0 } else { 3 }, "{}", audit.said());
    assert!(found["operations"]["attempted"].as_u64() > Some(500), "{}", audit.said());
    assert_eq!(found["operations"]["unresolved"], 0, "{}", audit.said());
    found
}

#[test]
fn streams_that_were_held_over_a_kill_tell_of_each_change_after_it_once() {
    let finished = chaos_with("3", "[[fault]]\nkind = \"kill\"\nat = \"0s\"\n", &["--streams", "30"]);
    check(&finished, &["kill"]);
    assert_ne!(finished.verdict("faults.streams_gone_count"), "fail", "{}", finished.said());
    let found = audited(&finished.results());
    let invariants = found["invariants"].as_array().expect("a list");
    let streams = invariants.iter().find(|one| one["id"] == "I10").expect("it is one of them");
    assert!(streams["standing"] == "holds" && streams["checked"].as_u64() >= Some(60), "{streams}");
}

#[test]
fn a_store_that_is_killed_slow_and_full_loses_nothing() {
    let faults = r#"
[[fault]]
kind = "store_killed"
at = "0s"
[[fault]]
kind = "store_slow"
at = "0s"
hold = "2s"
[[fault]]
kind = "store_full"
at = "0s"
hold = "2s"
"#;
    check(&chaos("2", faults), &["store_killed", "store_slow", "store_full"]);
}

#[test]
fn what_was_done_outlives_all_replicas_and_their_supervisor() {
    let faults = r#"
[[fault]]
kind = "kill"
at = "0s"
targets = "all"
[[fault]]
kind = "supervisor"
at = "0s"
"#;
    check(&chaos("3", faults), &["kill", "supervisor"]);
}

#[test]
fn replicas_that_end_again_and_again_and_in_numbers_lose_nothing() {
    let faults = r#"
[[fault]]
kind = "crash_loop"
times = 2
at = "0s"
replicas = [1]
[[fault]]
kind = "kill"
targets = "two"
at = "0s"
[[fault]]
kind = "kill"
targets = "half"
at = "0s"
[[fault]]
kind = "terminate"
at = "0s"
"#;
    check(&chaos("4", faults), &["crash_loop", "kill", "kill", "terminate"]);
}

fn limit_files(pid: u32, bytes: Option<u64>) {
    let pid = Pid::from_raw(pid as i32).expect("a process has a number");
    let own = getrlimit(Resource::Fsize);
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes.or(own.current), ..own }).expect("it is ours");
}

#[test]
fn a_store_that_may_write_nothing_refuses_and_goes_on_when_it_may() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 2);
    let pid = store(&cluster);
    assert_eq!(append(cluster.own(1), "before").expect("an answer").0, 200);
    limit_files(pid, Some(0));
    for number in 0..5 {
        let (status, refused) = append(cluster.own(1 + number % 2), &format!("full-{number}")).expect("an answer");
        let data = &refused["error"]["data"];
        assert_eq!((status, &data["executed"], &data["scope"]), (503, &json!(false), &json!("store")), "{refused}");
    }
    let (status, again) = append(cluster.own(2), "before").expect("an answer");
    assert_eq!((status, &super::operations::about(&again)["replayed"]), (200, &json!(true)), "it is on the disk");
    limit_files(pid, None);
    for number in 0..5 {
        let (status, done) = append(cluster.own(1 + number % 2), &format!("full-{number}")).expect("an answer");
        let about = super::operations::about(&done);
        assert_eq!((status, &about["replayed"]), (200, &json!(false)), "it was not executed before: {done}");
    }
    assert!(is_alive(pid) && store(&cluster) == pid, "it was not started again for that");
}

/// The soft limit of the size of files of a process.
fn file_limit(pid: u32) -> String {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max file size"));
    line.and_then(|line| line.split_whitespace().next()).unwrap_or_default().to_string()
}

#[test]
fn a_full_store_has_room_again_when_the_run_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 2);
    let pid = store(&cluster);
    let before = file_limit(pid);
    let list = "[[fault]]\nkind = \"store_full\"\nat = \"0s\"\nhold = \"300s\"\n";
    let run = super::chaos::chaos(folder.path(), &format!("http://{}", cluster.shared), list);
    if !in_force(&run, || file_limit(pid) == "0") {
        return;
    }
    signal(run.pid(), Signal::KILL);
    until("it is undone", || file_limit(pid) == before);
    assert_eq!(run.end().code, -1, "it was killed");
    until("operations go on", || append(cluster.own(1), "after").is_some_and(|(status, _)| status == 200));
    assert_eq!(store(&cluster), pid, "it bore it");
}
