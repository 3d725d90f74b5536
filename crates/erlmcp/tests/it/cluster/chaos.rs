//! Faults by `erlmcp chaos`: seen, healed, and gone whatever is killed.

use std::fs;
use std::sync::OnceLock;

use rustix::process::Signal;
use serde_json::{Map, Value, json};

use super::{Cluster, is_alive, signal, until};
use crate::finished::{Finished, Started, erlmcp};
use crate::lacking::lacking;

/// `chaos` against a cluster, with this list of faults.
pub(super) fn chaos(folder: &std::path::Path, target: &str, faults: &str) -> Started {
    let list = folder.join("faults.toml");
    fs::write(&list, faults).expect("the folder is ours");
    let list = list.to_str().expect("plain");
    let common = ["--for", "5s", "-c", "60", "-r", "120", "--ramp-rate", "500", "--agents", "1", "--seed", "7"];
    erlmcp(&[["chaos", target, "--faults", list].as_slice(), &common].concat())
}

/// The last row of each fault.
pub(super) fn faults(finished: &Finished) -> Vec<Value> {
    let journal = fs::read_to_string(finished.results().join("journal.jsonl")).expect("a journal");
    let rows = journal.lines().map(|line| serde_json::from_str::<Value>(line).expect("rows are JSON"));
    let faults: std::collections::BTreeMap<u64, Value> =
        rows.filter(|row| row["row"] == "fault").map(|row| (row["id"].as_u64().expect("a number"), row)).collect();
    faults.into_values().collect()
}

/// Why a fault was rightly not made, of its row or its line in the report: on a busy machine the load before it may never be
/// steady, and others then wait in vain for their turn.
fn excuse(row: &Value) -> Option<&str> {
    let mut told = ["note", "skipped", "reason"].into_iter().filter_map(|name| row[name].as_str());
    told.find(|why| {
        why.starts_with("not injected: the load was not steady for ") || why.starts_with("its turn did not come: ")
    })
}

/// Whether it was made; where a busy machine is why it was not, that is said.
pub(super) fn made(row: &Value) -> bool {
    excuse(row).inspect(|why| lacking("steadiness", &format!("{}: {why}", row["kind"]))).is_none()
}

/// Waits until it is so; false where this run's only fault was not made.
pub(super) fn in_force(run: &Started, mut is_so: impl FnMut() -> bool) -> bool {
    let mut is_made = true;
    until("the fault is in force", || {
        let journal = run.journal();
        // Its last line may not be whole yet.
        let rows = journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        is_made = rows.filter(|row| row["row"] == "fault").all(|row| made(&row));
        !is_made || is_so()
    });
    is_made
}

/// What each of these has found out, where it was made.
pub(crate) fn details<const N: usize>(rows: [&Value; N]) -> [Option<&Map<String, Value>>; N] {
    let details = rows.map(|row| {
        assert!(row["detail"].is_object() || !made(row), "{row}");
        row["detail"].as_object()
    });
    assert!(details.iter().any(Option::is_some), "none of them was made: {rows:?}");
    details
}

/// Processes whose command line has this word.
fn helpers(parent: u32, word: &str) -> Vec<u32> {
    let pids = fs::read_dir("/proc").expect("procfs").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_it = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let of = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).map(str::to_string);
        line.split(|byte| *byte == 0).nth(1) == Some(word.as_bytes()) && of == Some(parent.to_string())
    };
    pids.filter(is_it).collect()
}

/// The soft limit of descriptors of a process.
fn descriptors(pid: u32) -> String {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()).unwrap_or_default().to_string()
}

const TWO: &str = r#"
[[fault]]
kind = "kill"
at = "0s"
replicas = [1]
[[fault]]
kind = "pause"
at = "0s"
replicas = [2]
hold = "500ms"
[[fault]]
kind = "command"
name = "touch"
at = "0s"
inject = ["touch", "broken"]
effect = ["test", "-e", "broken"]
heal = ["rm", "broken"]
verify = ["test", "!", "-e", "broken"]
"#;

#[test]
fn faults_are_made_healed_and_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 3);
    let run = chaos(folder.path(), &format!("http://{}", cluster.shared), TWO);
    let finished = run.end();
    assert!([0, 3, 99].contains(&finished.code), "{}", finished.said());
    let rows = faults(&finished);
    let kinds: Vec<&str> = rows.iter().filter_map(|row| row["kind"].as_str()).collect();
    assert_eq!(kinds, ["kill", "pause", "touch"], "{}", finished.said());
    let seen: Vec<&Value> = rows.iter().filter(|row| made(row)).collect();
    for row in &seen {
        assert!(row["effect_us"].as_u64() >= row["injected_us"].as_u64() && row["effect_us"].is_u64(), "{row}");
        match row["kind"] == "kill" {
            true => assert!(row["ready_us"].is_u64() && row["healed_us"].is_null(), "{row}"),
            false => assert!(row["heal_verified_us"].is_u64(), "{row}"),
        }
    }
    assert_eq!(finished.report()["faults"].as_array().expect("a table").len(), 3);
    if seen.len() == rows.len() {
        assert_eq!(finished.verdict("faults.unhealed_count"), "pass");
    }
    assert_eq!(finished.verdict("cooldown.leftovers_count"), "pass");
    assert!(finished.output.contains("CHAOS TEST FINAL REPORT"), "{}", finished.output);
    assert!(!finished.folder().join("broken").exists());
    assert_eq!(cluster.replica(2)["member"], true, "it is left running");
}

const IN_ORDER: &str = r#"
[[fault]]
kind = "rolling_restart"
at = "0s"
[[fault]]
kind = "thundering_reconnect"
at = "1s"
[[fault]]
kind = "slow_clients"
connections = 20
hold = "2s"
at = "2s"
"#;

#[test]
fn a_rolling_restart_loses_nothing_a_herd_comes_back_and_the_slow_are_borne() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 3);
    let finished = chaos(folder.path(), &format!("http://{}", cluster.shared), IN_ORDER).end();
    assert!([0, 3, 99].contains(&finished.code), "{}", finished.said());
    let rows = faults(&finished);
    let [rolling, herd, slow] = &rows[..] else { panic!("three faults: {}", finished.said()) };
    if made(rolling) {
        assert!(rolling["effect_us"].is_u64() && rolling["ready_us"].is_u64(), "{rolling}");
        for replica in 1..=3 {
            assert_eq!(cluster.replica(replica)["replacements"], 1, "{}", cluster.status());
        }
        let fates = finished.report()["faults"][0]["fates"].as_object().expect("counts");
        let is_lost = |fate: &&str| fates.contains_key(*fate);
        assert_eq!(["refused", "reset", "unsent_connection"].into_iter().find(is_lost), None, "{fates:?}");
    }
    let [herd_detail, slow_detail] = details([herd, slow]);
    if let Some(detail) = herd_detail {
        assert!(detail["reconnected_count"].as_f64() >= Some(30.0), "{herd}");
        assert_eq!(detail["served_again_count"], detail["reconnected_count"], "{herd}");
    }
    if let Some(detail) = slow_detail {
        assert_eq!(
            (detail["slow_connections_count"].as_f64(), detail["cut_by_the_target_count"].as_f64()),
            (Some(20.0), Some(0.0))
        );
        assert!(slow["heal_verified_us"].as_u64() >= slow["effect_us"].as_u64().map(|us| us + 2_000_000), "{slow}");
    }
}

const STARVED: &str = "[[fault]]\nkind = \"descriptors\"\nat = \"0s\"\nreplicas = [2]\nhold = \"300s\"\n";

#[test]
fn a_fault_ends_with_the_run_that_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 3);
    let (pid, run) = (cluster.pid(2), chaos(folder.path(), &format!("http://{}", cluster.shared), STARVED));
    let before = descriptors(pid);
    if !in_force(&run, || descriptors(pid) != before) {
        return;
    }
    let watchdogs = helpers(run.pid(), "watchdog");
    assert_eq!(watchdogs.len(), 1);
    signal(run.pid(), Signal::KILL);
    until("it is undone", || descriptors(pid) == before);
    until("the watchdog ends", || !is_alive(watchdogs[0]));
    let finished = run.end();
    assert_eq!(finished.code, -1, "it was killed");
    assert_eq!(cluster.pid(2), pid, "nothing else happened to it");
    // What it has left behind is a record all the same.
    let left = finished.results().display().to_string();
    let report = erlmcp(&["report", &left, "--format", "json"]).end();
    let found: Value = serde_json::from_str(&report.output).unwrap_or_else(|_| panic!("{}", report.said()));
    assert_eq!((report.code, &found["finish"]), (0, &"unfinished".into()), "{}", report.errors);
    let audit = erlmcp(&["audit", &left]).end();
    assert!([0, 3].contains(&audit.code) && audit.errors.is_empty(), "{}", audit.said());
}

#[test]
fn a_fault_ends_with_the_watchdog_that_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 3);
    let (pid, run) = (cluster.pid(2), chaos(folder.path(), &format!("http://{}", cluster.shared), STARVED));
    let before = descriptors(pid);
    if !in_force(&run, || descriptors(pid) != before) {
        return;
    }
    let [watchdog] = helpers(run.pid(), "watchdog")[..] else { panic!("one watchdog") };
    signal(watchdog, Signal::KILL);
    until("it is undone", || descriptors(pid) == before);
    signal(run.pid(), Signal::INT);
    let finished = run.end();
    assert_eq!(finished.code, 105, "{}", finished.said());
    assert_eq!(finished.verdict("cooldown.leftovers_count"), "pass");
}

fn nft(words: &str) -> Result<String, String> {
    let asked = std::process::Command::new("nft").arg(words).output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if asked.status.success() { Ok(text(&asked.stdout)) } else { Err(text(&asked.stderr)) }
}

/// Whether packets can be dropped here: by a table that goes with its owner, as a run makes it.
pub(super) fn can_drop_packets() -> bool {
    static TRIED: OnceLock<Result<String, String>> = OnceLock::new();
    let table = format!("add table ip erlmcp_trial_{} {{ flags owner; }}", std::process::id());
    let tried = TRIED.get_or_init(|| nft(&table));
    tried.as_ref().map_err(|why| lacking("nft", why.trim())).is_ok()
}

/// What nftables has of that process's tables.
fn tables(pid: u32) -> Vec<String> {
    let text = nft("list tables").expect("it made one");
    text.lines().filter(|line| line.contains(&format!("erlmcp_{pid}_"))).map(String::from).collect()
}

#[test]
fn packets_flow_again_when_run_and_watchdog_are_killed_together() {
    let folder = tempfile::tempdir().expect("a folder");
    if !can_drop_packets() {
        return;
    }
    let cluster = Cluster::start(folder.path(), 3);
    let list = "[[fault]]\nkind = \"loss\"\nat = \"0s\"\nreplicas = [2]\nhold = \"300s\"\n";
    let run = chaos(folder.path(), &format!("http://{}", cluster.shared), list);
    if !in_force(&run, || helpers(run.pid(), "watchdog").len() == 1 && !tables(run.pid()).is_empty()) {
        return;
    }
    let watchdogs = helpers(run.pid(), "watchdog");
    // So that it cannot do anything about the death of the watchdog.
    signal(run.pid(), Signal::STOP);
    signal(watchdogs[0], Signal::KILL);
    signal(run.pid(), Signal::KILL);
    until("the kernel has removed the table", || tables(run.pid()).is_empty());
    assert_eq!(run.end().code, -1);
}

#[test]
fn only_a_load_that_is_not_steady_excuses() {
    let unsteady = "not injected: the load was not steady for 30 s before it";
    let late = "its turn did not come: the faults before it took too long";
    for row in [json!({"note": unsteady}), json!({"reason": unsteady}), json!({"skipped": late})] {
        assert!(excuse(&row).is_some(), "{row}");
    }
    for row in [json!({"effect_us": 1}), json!({"note": "no effect was seen"}), json!({"skipped": "no such kind"})] {
        assert_eq!(excuse(&row), None, "{row}");
    }
}

#[test]
fn a_list_that_is_wrong_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let finished = chaos(folder.path(), "http://127.0.0.1:9", "[[fault]]\nkind = \"earthquake\"\n").end();
    assert_eq!(finished.code, 2, "{}", finished.said());
    assert!(finished.errors.contains("there is no kind \"earthquake\""), "{}", finished.errors);
}
