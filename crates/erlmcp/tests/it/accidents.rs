//! A run that does not come to its planned end still closes down in order and writes what it measured.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::finished::{erlmcp, erlmcp_after};
use crate::lacking::lacking;
use crate::targets::{Target, Vice};

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid as i32).expect("a process has a number");
    kill_process(pid, signal).expect("it is there and ours");
}

/// Processes whose parent is this one.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("procfs").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)) == Some(&parent.to_string())
    };
    pids.filter(is_child).collect()
}

#[test]
fn ctrl_c_ends_in_order_with_a_report() {
    let target = Target::start(Vice::None);
    let run = erlmcp(&["stress", &target.url(), "-c", "40", "-d", "60s", "-r", "200", "--tool", "echo"]);
    run.says("[5s] Latency");
    signal(run.pid(), Signal::INT);
    let finished = run.end();
    assert_eq!(finished.code, 105, "{}", finished.said());
    assert_eq!(finished.report()["finish"], "interrupted");
    assert_eq!(finished.verdict("run.ledger_difference_count"), "pass");
    assert_eq!(finished.verdict("cooldown.agents_open_count"), "pass");
    assert_eq!(finished.verdict("performance.ramp_cps"), "skipped");
    assert!(finished.output.contains("FINAL REPORT"), "{}", finished.output);
    for file in ["FINAL_REPORT.md", "metrics.jsonl", "metrics.log", "run.log"] {
        let text = fs::read_to_string(finished.results().join(file)).unwrap_or_default();
        assert!(!text.is_empty(), "{file} is there");
    }
}

/// SIGHUP is the first of the signals, and so the first bit of the mask.
fn is_deaf_to_hangups() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    ignored.trim().ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f'])
}

#[test]
fn a_terminal_that_is_closed_ends_it_in_order_unless_that_is_not_to_be_heard() {
    let target = Target::start(Vice::None);
    let url = target.url();
    let load =
        |time: &'static str| ["stress", &url, "-c", "40", "-d", time, "-r", "200", "--tool", "echo", "--warmup", "2s"];
    if is_deaf_to_hangups() {
        lacking("hangup", "whoever runs the tests ignores SIGHUP, and so does what they start");
    } else {
        let run = erlmcp(&load("60s"));
        run.says("[5s] Latency");
        signal(run.pid(), Signal::HUP);
        // The shell tells of it, and the kernel as well.
        run.says("PHASE 6");
        signal(run.pid(), Signal::HUP);
        let finished = run.end();
        assert_eq!(finished.code, 105, "{}", finished.said());
        assert_eq!(finished.report()["finish"], "interrupted");
    }
    let run = erlmcp_after("trap '' HUP", &load("8s"));
    run.says("[5s] Latency");
    signal(run.pid(), Signal::HUP);
    let finished = run.end();
    assert!([0, 3, 99].contains(&finished.code), "{}", finished.said());
    assert_eq!(finished.report()["finish"], "completed");
}

#[test]
fn a_second_ctrl_c_begins_no_second_cool_down() {
    let target = Target::start(Vice::None);
    let run = erlmcp(&["stress", &target.url(), "-c", "40", "-d", "60s", "-r", "200", "--tool", "echo"]);
    run.says("PHASE 3");
    signal(run.pid(), Signal::INT);
    run.says("PHASE 6");
    signal(run.pid(), Signal::INT);
    let finished = run.end();
    assert_eq!(finished.code, 105, "{}", finished.said());
    assert_eq!(finished.output.matches("=== PHASE 6: COOL DOWN ===").count(), 1, "{}", finished.output);
}

#[test]
fn an_agent_that_dies_makes_the_run_inconclusive() {
    let target = Target::start(Vice::None);
    let run =
        erlmcp(&["stress", &target.url(), "-c", "40", "-d", "60s", "-r", "200", "--tool", "echo", "--agents", "2"]);
    run.says("[5s] Latency");
    let agents = children(run.pid());
    assert_eq!(agents.len(), 2, "one process an agent");
    signal(agents[0], Signal::KILL);
    let finished = run.end();
    assert_eq!(finished.code, 3, "{}", finished.said());
    assert_eq!(finished.verdict("sla.p95_ms"), "inconclusive");
    let unknown: u64 = finished.report()["ledger"]
        .as_array()
        .expect("a report has a ledger")
        .iter()
        .map(|line| line["fates"]["unknown"].as_u64().unwrap_or(0))
        .sum();
    assert!(unknown > 0, "the dead agent's requests end as unknown: {}", finished.report()["ledger"]);
    // 100 a second of its own: what it would have sent later was never due.
    assert!(unknown < 5_000, "most of its 60 s was still to come: {unknown} unknown");
    assert_eq!(finished.verdict("run.ledger_difference_count"), "pass");
}

#[test]
fn an_agent_that_dies_leaves_no_operation_of_the_others_open() {
    let run = erlmcp(&[
        "stress",
        "-c",
        "60",
        "-d",
        "30s",
        "-r",
        "200",
        "--replicas",
        "2",
        "--agents",
        "2",
        "--phases",
        "1,2,3,6",
    ]);
    run.says("[5s] Latency");
    let mut agents = children(run.pid());
    agents.retain(|pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("--join")));
    assert_eq!(agents.len(), 2, "one process an agent");
    signal(agents[0], Signal::KILL);
    let finished = run.end();
    assert_eq!(finished.code, 3, "{}", finished.said());
    assert_eq!(finished.verdict("cooldown.server_open_count"), "pass");
    assert_eq!(finished.verdict("run.ledger_difference_count"), "pass");
    let audit = erlmcp(&["audit", &finished.results().display().to_string()]).end();
    assert_ne!(audit.code, 99, "no operation was lost or doubled: {}", audit.said());
    assert!(audit.output.contains("operations"), "{}", audit.output);
}
