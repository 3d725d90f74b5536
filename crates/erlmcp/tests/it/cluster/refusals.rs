//! Starts that cannot be: one sentence that says what to do, and nothing left.

use std::path::Path;
use std::process::Command;

use super::{Cluster, command, get, socket};
use crate::finished::unconfigured;

/// Runs what must fail; the one line that it says.
fn refused(command: &mut Command) -> String {
    let output = unconfigured(command).output().expect("the binary was built");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(output.stdout.is_empty());
    said
}

#[test]
fn a_second_cluster_is_told_that_the_port_is_in_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 1);
    let other = tempfile::tempdir().expect("a folder");
    let said = refused(&mut command(&socket(other.path()), &cluster.shared.to_string(), 1));
    assert!(said.contains(&format!("{} is in use", cluster.shared)), "{said}");
    assert!(said.contains(&format!("erlmcp cluster stop --port {}", cluster.shared.port())), "{said}");
    assert_eq!(get(cluster.shared, "/ready").expect("the first one lives").0, 200);
}

#[test]
fn a_control_socket_that_answers_is_not_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 1);
    let said = refused(&mut command(&cluster.control, "127.0.0.1:0", 1));
    assert!(said.contains("a cluster already answers on"), "{said}");
    assert_eq!(cluster.status()["state"], "running");
}

#[test]
fn a_control_socket_that_cannot_be_made_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("precious");
    std::fs::write(&file, "not a socket").expect("it is ours");
    for path in [file.as_path(), Path::new("/proc/erlmcp/control.sock"), &folder.path().join("x".repeat(120))] {
        let said = refused(&mut command(path, "127.0.0.1:0", 1));
        assert!(said.contains("cannot make the control socket"), "{said}");
    }
    assert_eq!(std::fs::read_to_string(&file).expect("it is still there"), "not a socket");
}

#[test]
fn a_process_of_a_cluster_that_names_its_own_is_not_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 1);
    let (url, pid) = (format!("http://{}", cluster.shared), cluster.pid(1).to_string());
    let finished = crate::finished::erlmcp(&["stress", &url, "-c", "10", "-d", "1s", "--target-pid", &pid]).end();
    assert_eq!(finished.code, 2, "{}", finished.said());
    assert!(finished.errors.contains("--target-pid is not needed"), "{}", finished.said());
    assert!(finished.report.is_none(), "no load, no report");
    assert_eq!(cluster.status()["state"], "running");
}

#[test]
fn too_few_descriptors_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut shell = Command::new("sh");
    let words = "ulimit -n 50; exec \"$0\" cluster --listen 127.0.0.1:0 --replicas 1 --control \"$1\"";
    shell.args(["-c", words, env!("CARGO_BIN_EXE_erlmcp")]).arg(socket(folder.path()));
    let said = refused(&mut shell);
    assert!(said.contains("replica 1 cannot start: only 50 descriptors may be open"), "{said}");
}

#[test]
fn a_replica_is_not_started_by_hand() {
    let mut replica = Command::new(env!("CARGO_BIN_EXE_erlmcp"));
    let said = refused(replica.args(["replica", "--replica", "1"]).stdin(std::process::Stdio::null()));
    assert!(said.contains("started by `erlmcp cluster`"), "{said}");
}
