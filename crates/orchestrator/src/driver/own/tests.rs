use std::process;

use rustix::process::{getppid, set_parent_process_death_signal};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::driver::fake::{self, FakeCluster};

const CONTROL: &str = "ERLMCP_TEST_CONTROL";
const MANNER: &str = "ERLMCP_TEST_MANNER";

/// Not a test by itself: the supervisor that the others start, of two replicas that sleep.
#[tokio::test]
#[ignore = "it is started by other tests"]
async fn supervise() {
    let Ok(control) = std::env::var(CONTROL) else { return };
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::KILL)).expect("it can be tied");
    // It may have ended before the line above.
    assert_eq!(getppid(), parent);
    let is_deaf = std::env::var(MANNER).is_ok_and(|manner| manner == "deaf");
    let sleeping = || process::Command::new("sleep").arg("60").spawn().expect("sleep is there");
    let mut replicas = [sleeping(), sleeping()];
    let ready = fake::status(process::id(), &[Some(replicas[0].id()), Some(replicas[1].id())]);
    let mut starting = ready.clone();
    starting["state"] = json!("starting");
    starting["replicas"][1]["state"] = json!("starting");
    let cluster = FakeCluster::at(Path::new(&control), starting);
    sleep(Duration::from_millis(50)).await;
    cluster.set(ready);
    while is_deaf || !cluster.asked().iter().any(|line| line.contains("stop")) {
        sleep(LOOK_EVERY).await;
    }
    for replica in &mut replicas {
        replica.kill().expect("it is a child");
        replica.wait().expect("it is a child");
    }
}

/// A folder beside the tests, where programs may be run; in TMPDIR they may not everywhere.
pub(crate) fn folder() -> TempDir {
    let this = std::env::current_exe().expect("this is a process");
    tempfile::tempdir_in(this.parent().expect("it is in a folder")).expect("a folder")
}

/// A command that takes the arguments of `erlmcp` and does what `body` says; `$last` is the control socket.
pub(crate) fn command(folder: &Path, body: &str) -> PathBuf {
    let path = folder.join("erlmcp");
    script(&path, &format!("for last; do :; done\n{body}"));
    path
}

/// A command that does this. Written by another process: a descriptor for writing that a child of another test has inherited
/// would keep it from being run.
pub(crate) fn script(path: &Path, body: &str) {
    let mut writing = process::Command::new("sh");
    writing.args(["-c", "printf '#!/bin/sh\n%s\n' \"$0\" > \"$1\" && chmod 755 \"$1\"", body]).arg(path);
    assert!(writing.status().expect("there is a shell").success());
}

/// One that starts [`supervise`].
pub(crate) fn supervisor(folder: &Path, manner: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this is a process");
    let run = "--exact driver::own::tests::supervise --ignored";
    command(folder, &format!("echo \"$@\"\n{CONTROL}=$last {MANNER}={manner} exec '{}' {run}", this.display()))
}

#[tokio::test]
async fn it_starts_is_ready_and_ends_without_a_trace() {
    let folder = folder();
    let log = folder.path().join("cluster.log");
    let started = OwnCluster::start(&supervisor(folder.path(), "polite"), 2, &log).await;
    let (mut own, status) = started.expect("the supervisor comes up");
    assert!(status.is_complete(2), "{status:?}");
    let control = own.control();
    let arguments = std::fs::read_to_string(&log).expect("its output is there");
    let store = control.with_file_name("operations.db");
    let (store, at) = (store.display(), control.display());
    let expected = format!(
        "cluster --listen 127.0.0.1:0 --tied --replicas 2 --limit operations_held_max=100000000 --store {store} --control {at}"
    );
    assert_eq!(arguments.lines().next(), Some(expected.as_str()));
    assert_eq!(own.stop().await, Vec::<String>::new());
    drop(own);
    assert!(!control.parent().expect("it is in a folder").exists());
}

#[tokio::test]
async fn one_that_ends_at_once_is_quoted() {
    let folder = folder();
    let log = folder.path().join("cluster.log");
    let binary = command(folder.path(), "echo 'error: 127.0.0.11:8080 is in use: choose another port' >&2; exit 1");
    let error = OwnCluster::start(&binary, 2, &log).await.unwrap_err().to_string();
    let expected = "the local cluster cannot be started: 127.0.0.11:8080 is in use: choose another port";
    assert_eq!(error, expected);
    let error = OwnCluster::start(&folder.path().join("none"), 2, &log).await.unwrap_err().to_string();
    assert!(error.contains("none cannot be run: No such file"), "{error}");
    let error = OwnCluster::start(&binary, 2, Path::new("/nowhere/x.log")).await.unwrap_err().to_string();
    assert!(error.contains("its log /nowhere/x.log cannot be written"), "{error}");
}

#[tokio::test]
async fn replicas_that_outlive_their_supervisor_are_told_of_and_killed() {
    let folder = folder();
    let started = OwnCluster::start(&supervisor(folder.path(), "polite"), 2, &folder.path().join("log")).await;
    let (mut own, status) = started.expect("the supervisor comes up");
    let pids: Vec<u32> = status.replicas.iter().filter_map(|one| one.pid).collect();
    let known: Vec<Known> = pids.iter().filter_map(|pid| Known::of(*pid)).collect();
    own.child.kill().await.expect("it is our child");
    assert!(known.iter().all(Known::is_alive), "these replicas were not tied to their supervisor");
    let left = own.stop().await;
    let expected = [1, 2].map(|number| {
        format!("replica {number} (process {}) outlived its supervisor and was killed", pids[number - 1])
    });
    assert_eq!(left, expected);
    let gone = async {
        while known.iter().any(Known::is_alive) {
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(Duration::from_secs(10), gone).await.expect("they were killed");
}
