//! Start and end.

use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::json;

use super::{Cluster, get, is_alive, signal, socket, until};
use crate::finished::unconfigured;

#[test]
fn every_address_answers_and_the_shared_one_for_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 2);
    for address in [cluster.shared, cluster.own(1), cluster.own(2)] {
        assert_eq!(get(address, "/ready").expect("it listens").0, 200, "{address}");
    }
    let shared = |path| get(cluster.shared, path).expect("it listens").1;
    // Its pages are of a moment before, when the second may not have been a member yet.
    until("the shared address speaks of both", || {
        let page = shared("/metrics");
        let lines = [
            "erlmcp_workers{replica=\"1\"}",
            "erlmcp_workers{replica=\"2\"}",
            "erlmcp_cluster_member{replica=\"2\"} 1",
        ];
        lines.iter().all(|line| page.contains(line))
    });
    assert!(shared("/metrics").contains("\nerlmcp_snapshot_age_seconds "));
    let status: serde_json::Value = serde_json::from_str(&shared("/status")).expect("JSON");
    assert_eq!(status["replicas"].as_array().map(Vec::len), Some(2), "{status}");
    assert_eq!(status["cluster"]["control"], json!(cluster.control), "{status}");
    assert_eq!(status["worker_pool"]["size"], 100, "50 workers a replica");

    let own = get(cluster.own(2), "/metrics").expect("it listens").1;
    assert!(own.contains("replica=\"2\"") && !own.contains("replica=\"1\""), "{own}");
    let status = cluster.status();
    assert_eq!((&status["state"], &status["port"]), (&json!("running"), &json!(cluster.shared.port())));
    assert_eq!(cluster.replica(1)["address"], json!(cluster.own(1)));
    until("figures are there", || cluster.replica(1)["snapshot"]["replica"] == 1);
}

#[test]
fn a_stop_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cluster = Cluster::start(folder.path(), 3);
    let pids = cluster.pids();
    assert_eq!(pids.len(), 3);
    assert_eq!(cluster.ask(json!({"op": "stop"})), json!({"ok": true}));
    assert_eq!(cluster.end(), Some(0));
    assert!(!cluster.control.exists());
    assert!(!pids.into_iter().any(is_alive));
    assert!(get(cluster.shared, "/ready").is_none() && get(cluster.own(1), "/ready").is_none());
}

#[test]
fn a_terminated_supervisor_ends_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cluster = Cluster::start(folder.path(), 2);
    let pids = cluster.pids();
    signal(cluster.child.id(), Signal::TERM);
    assert_eq!(cluster.end(), Some(0));
    assert!(!pids.into_iter().any(is_alive));
}

#[test]
fn a_killed_supervisor_takes_its_replicas_along_and_blocks_no_successor() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cluster = Cluster::start(folder.path(), 2);
    let pids = cluster.pids();
    signal(cluster.child.id(), Signal::KILL);
    assert_eq!(cluster.end(), None);
    until("the replicas are gone", || !pids.iter().copied().any(is_alive));
    assert!(cluster.control.exists(), "nobody was there to remove it");
    let successor = Cluster::start(folder.path(), 2);
    assert_eq!(successor.status()["state"], "running");
}

#[test]
fn a_tied_cluster_dies_with_whoever_started_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let control = socket(folder.path());
    let mut command = Command::new("sh");
    command
        .args(["-c", "\"$0\" cluster --tied --listen 127.0.0.1:0 --replicas 1 --control \"$1\" & wait"])
        .args([env!("CARGO_BIN_EXE_erlmcp").as_ref(), control.as_os_str()])
        .stdout(Stdio::null());
    let mut shell = unconfigured(&mut command).spawn().expect("a shell");
    let ask = || {
        let mut stream = std::os::unix::net::UnixStream::connect(&control).ok()?;
        std::io::Write::write_all(&mut stream, b"{\"op\":\"status\"}\n").ok()?;
        Some(super::next(&mut std::io::BufReader::new(stream)))
    };
    until("the cluster runs", || ask().is_some_and(|status| status["state"] == "running"));
    let status = ask().expect("it answers");
    let pids = [&status["pid"], &status["replicas"][0]["pid"]].map(|pid| pid.as_u64().expect("a process") as u32);
    shell.kill().expect("it is ours");
    shell.wait().expect("it is ours");
    until("both are gone", || !pids.into_iter().any(is_alive));
}

#[test]
fn a_second_signal_ends_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cluster = Cluster::start(folder.path(), 1);
    let pid = cluster.pid(1);
    // A stopped replica cannot drain, so the first signal alone would have to wait for it.
    signal(pid, Signal::STOP);
    signal(cluster.child.id(), Signal::INT);
    // Signals that are close together are one.
    until("it stops", || cluster.child.try_wait().expect("ours").is_some() || cluster.status()["state"] == "stopping");
    std::thread::sleep(std::time::Duration::from_millis(500));
    signal(cluster.child.id(), Signal::INT);
    assert_eq!(cluster.end(), Some(105));
    assert!(!is_alive(pid));
}

#[test]
fn the_command_line_speaks_to_a_running_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cluster = Cluster::start(folder.path(), 1);
    let run = |words: &[&str]| {
        let mut erlmcp = Command::new(env!("CARGO_BIN_EXE_erlmcp"));
        erlmcp.arg("cluster").args(words).arg("--control").arg(&cluster.control);
        let output = unconfigured(&mut erlmcp).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, table) = run(&["status"]);
    assert!(code == Some(0) && table.contains("1 of 1 replicas are members"), "{table}");
    let (code, json) = run(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((code, &status["ok"]), (Some(0), &json!(true)));
    assert_eq!(run(&["scale", "2"]), (Some(0), "2 replicas\n".to_string()));
    assert_eq!(run(&["stop"]), (Some(0), "stopped\n".to_string()));
    assert_eq!(run(&["status"]).0, Some(1), "nobody answers any more");
    assert_eq!(cluster.end(), Some(0));
}
