//! Replicas that die, hang, or will not live.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use serde_json::Value;

use super::operations::store;
use super::{Cluster, PATIENCE, command, get, is_alive, signal, socket, until};

#[test]
fn a_killed_replica_is_down_at_once_and_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 2);
    let (first, second) = (cluster.pid(1), cluster.pid(2));
    let mut events = cluster.watch();
    signal(second, Signal::KILL);
    let down = events.expect("down", 2);
    // By its channel or by its end, whichever was seen first.
    assert!(down["reason"].as_str().is_some_and(|reason| reason.starts_with("process end")), "{down}");
    let restarting = events.expect("restarting", 2);
    assert_eq!(restarting["reason"], "process ended: signal 9");
    assert!(down["at_ns"].as_u64() <= restarting["at_ns"].as_u64(), "{down} {restarting}");
    let up = events.expect("up", 2);
    assert!(up["at_ns"].as_u64() > down["at_ns"].as_u64(), "{down} {up}");
    let back = cluster.replica(2);
    assert!(back["restarts"] == 1 && back["member"] == true && back["down_since_ns"].is_null(), "{back}");
    assert_ne!(cluster.pid(2), second);
    assert_eq!(cluster.pid(1), first, "one_for_one");
    assert_eq!(get(cluster.own(2), "/ready").expect("it listens").0, 200);
}

/// The kernel closes a dead process's files from the highest down.
#[test]
fn nothing_of_a_replica_is_closed_before_its_channel() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 1);
    let descriptors = format!("/proc/{}/fd", cluster.pid(1));
    let file = |number: u64| std::fs::read_link(format!("{descriptors}/{number}")).ok();
    let number = |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    let numbers: Vec<u64> = std::fs::read_dir(&descriptors).expect("/proc").filter_map(number).collect();
    let highest = *numbers.iter().max().expect("some are open");
    let channel = file(highest).expect("it stays open");
    assert!(channel.to_str().is_some_and(|name| name.starts_with("socket:")), "{highest}: {channel:?}");
    let is_it = |number: &&u64| file(**number).as_ref() == Some(&channel);
    assert_eq!(numbers.iter().filter(is_it).count(), 1, "it ends with the highest");
    assert!(highest > 1_000 && highest > 100 + numbers.len() as u64, "connections lie below {highest}");
}

#[test]
fn a_stopped_replica_is_fenced() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 2);
    let pid = cluster.pid(1);
    let (mut events, mut downs) = (cluster.watch(), cluster.watch());
    signal(pid, Signal::STOP);
    let fenced = events.expect("fenced", 1);
    assert!(fenced["reason"].as_str().is_some_and(|reason| reason.contains("no heartbeat")), "{fenced}");
    events.expect("up", 1);
    assert!(!is_alive(pid));
    // By whichever path it was seen first.
    let down = downs.expect("down", 1);
    assert!(down["at_ns"].as_u64() <= fenced["at_ns"].as_u64(), "{down} {fenced}");
    assert_ne!(cluster.pid(1), pid);
}

/// Nobody has stopped it, and its other threads go on; it is the shard that is of no use.
#[test]
fn a_replica_with_a_blocked_shard_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 2, &["--fixtures", "blocking"]);
    for (replica, works) in [(1, true), (2, false)] {
        let pid = cluster.pid(replica.into());
        let mut events = cluster.watch();
        let mut caller = super::modern::begin(
            cluster.own(replica),
            "tools/call",
            "block",
            serde_json::json!({"name": "block", "arguments": {"ms": 600_000, "works": works}}),
        );
        let fenced = events.expect("fenced", replica.into());
        assert!(fenced["reason"].as_str().is_some_and(|reason| reason.contains("was blocked for ")), "{fenced}");
        events.expect("up", replica.into());
        assert!(!is_alive(pid) && cluster.pid(replica.into()) != pid);
        assert_eq!(caller.read(&mut [0]).unwrap_or(0), 0, "the call went with its replica");
        assert_eq!(get(cluster.own(replica), "/health").expect("it listens").0, 200);
    }
}

#[test]
fn a_short_stop_is_no_death() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 2);
    let pid = cluster.pid(1);
    signal(pid, Signal::STOP);
    std::thread::sleep(std::time::Duration::from_millis(300));
    signal(pid, Signal::CONT);
    until("it is a member", || cluster.replica(1)["member"] == true);
    assert_eq!((cluster.pid(1), &cluster.replica(1)["restarts"]), (pid, &serde_json::json!(0)));
}

#[test]
fn one_that_dies_too_often_is_given_up_and_a_scale_revives_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 2);
    let other = cluster.pid(1);
    let mut events = cluster.watch();
    for _ in 0..6 {
        until("it has a process", || cluster.replica(2)["pid"].is_u64());
        let pid = cluster.pid(2);
        signal(pid, Signal::KILL);
        until("the process is gone", || cluster.replica(2)["pid"] != pid);
    }
    events.expect("failed", 2);
    assert_eq!(cluster.replica(2)["state"], "failed");
    assert!(get(cluster.own(2), "/ready").is_none(), "nobody may wait there for an answer");
    assert_eq!(cluster.pid(1), other, "the others stay");

    assert_eq!(cluster.ask(serde_json::json!({"op": "scale", "replicas": 2}))["ok"], true);
    assert_eq!(get(cluster.own(2), "/ready").expect("it listens").0, 200);
}

/// The process of the first replica, where there is one, and a supervisor to say so.
fn first_pid(cluster: &Cluster) -> Option<u32> {
    let mut stream = UnixStream::connect(&cluster.control).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    writeln!(stream, "{{\"op\":\"status\"}}").ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    let status: Value = serde_json::from_str(&line).ok()?;
    u32::try_from(status["replicas"][0]["pid"].as_u64()?).ok()
}

#[test]
fn a_cluster_whose_replicas_are_all_given_up_ends_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let (control, said) = (socket(folder.path()), folder.path().join("said"));
    let log = File::create(&said).expect("the folder is ours");
    let mut cluster = Cluster::of(control.clone(), command(&control, "127.0.0.1:0", 1).stderr(log));
    let store = store(&cluster);
    let mut killed = None;
    until("the supervisor ends", || {
        let pid = first_pid(&cluster).filter(|pid| Some(*pid) != killed);
        if let Some(pid) = pid.filter(|pid| is_alive(*pid)) {
            signal(pid, Signal::KILL);
            killed = Some(pid);
        }
        cluster.child.try_wait().expect("it is our child").is_some()
    });
    let said = fs::read_to_string(said).expect("it is there");
    assert_eq!(cluster.end(), Some(1), "{said}");
    let error = said.lines().last().unwrap_or_default();
    for what in ["no replica is left", "more often than 5 times in 30 s", "(replica 1: ", "start the cluster again"] {
        assert!(error.contains(what), "{what}: {said}");
    }
    assert!(!is_alive(store) && !control.exists(), "nothing is left of it");
}
