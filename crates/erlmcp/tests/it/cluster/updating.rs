//! Another program in the place of a running one: a rolling update, with two versions side by side on the way.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::modern::{listen, read_until};
use super::replacing::Kept;
use super::sessions::{ask, begin_stream, open, ping};
use super::{Cluster, signal, until};

/// A program that is another version, and does what `before` says first.
fn program(folder: &Path, name: &str, before: &str) -> PathBuf {
    let path = folder.join(name);
    let text = format!("#!/bin/sh\n{before}\nexec '{}' \"$@\" --as-version {name}\n", env!("CARGO_BIN_EXE_erlmcp"));
    // Written by another process: a descriptor for writing that a child of another test has inherited would keep it from being run.
    let wrote =
        std::process::Command::new("sh").args(["-c", "printf %s \"$1\" > \"$2\"", "sh", &text]).arg(&path).status();
    assert!(wrote.expect("there is a shell").success());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it is ours");
    path
}

/// Of which version a replica says to be.
fn version(address: SocketAddr) -> String {
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let (status, answer) = ask(address, "POST", "", &initialize.to_string()).expect("it answers");
    assert_eq!(status, 200, "{answer}");
    let body = answer.rsplit("\r\n\r\n").next().expect("a body");
    let body: Value = serde_json::from_str(body).expect("an answer is JSON");
    body["result"]["serverInfo"]["version"].as_str().expect("a version").to_string()
}

fn update(cluster: &Cluster, program: &Path) -> Value {
    cluster.ask(json!({"op": "update", "program": program}))
}

/// A GET stream of a session, behind the event that begins it, and that event's id.
fn stream(address: SocketAddr, session: &str, after: &str) -> (BufReader<TcpStream>, String) {
    let mut stream = BufReader::new(begin_stream(address, &format!("{session}{after}")));
    let mut line = String::new();
    loop {
        line.clear();
        assert!(stream.read_line(&mut line).expect("a line in time") > 0, "the stream ended");
        if let Some(id) = line.strip_prefix("id: ") {
            return (stream, id.trim().to_string());
        }
    }
}

/// Reads on to the last chunk: what was said before it is whole, and the connection may go on.
fn read_to_end(stream: &mut BufReader<TcpStream>) {
    let mut line = String::new();
    while line.trim_end() != "0" {
        line.clear();
        assert!(stream.read_line(&mut line).expect("a line in time") > 0, "it was cut off");
    }
}

#[test]
fn two_versions_side_by_side_are_one_cluster_and_clients_keep_what_they_have() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 2);
    let own = version(cluster.own(1));
    let session = open(cluster.own(1));
    let mut kept = [Kept::to(&cluster, 1), Kept::to(&cluster, 2)];
    let say = |kept: &mut Kept, at: u8| {
        let body = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
        let host = cluster.own(at);
        kept.send(&format!(
            "POST /mcp HTTP/1.1\r\nHost: {host}\r\nAccept: application/json, text/event-stream\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n{session}\r\n{body}",
            body.len()
        ));
        let head = kept.receive();
        assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("Connection: close"), "{head}");
    };
    let (mut before, event) = stream(cluster.own(2), &session, "");

    // The new version has something against being replica 2: half of the cluster is of it.
    // Beside the tests: in TMPDIR no program may be run everywhere.
    let tests = std::env::current_exe().expect("this is a process");
    let programs = tempfile::tempdir_in(tests.parent().expect("it is in a folder")).expect("a folder");
    let half = program(programs.path(), "0.9.1", "case \"$*\" in *\"--replica 2\"*) exit 7;; esac");
    let refused = update(&cluster, &half);
    let why = refused["error"].as_str().expect("it is refused").to_string();
    assert!(why.contains("replica 2") && why.contains("exit code 7") && why.contains("1 replicas are"), "{why}");
    assert_eq!((version(cluster.own(1)), version(cluster.own(2))), ("0.9.1".into(), own));
    let late = open(cluster.own(1));
    for replica in [1, 2] {
        assert_eq!((ping(cluster.own(replica), &session), ping(cluster.own(replica), &late)), (Some(200), Some(200)));
        say(&mut kept[usize::from(replica) - 1], replica);
    }
    assert_eq!(ask(cluster.own(2), "DELETE", &late, "").map(|answer| answer.0), Some(204));
    assert_eq!((ping(cluster.own(1), &late), ping(cluster.own(2), &late)), (Some(404), Some(404)));
    let mut streams = [
        listen(cluster.own(1), json!({"toolsListChanged": true})),
        listen(cluster.own(2), json!({"toolsListChanged": true})),
    ];
    assert_eq!(cluster.ask(json!({"op": "notify", "list": "tools"})), json!({"ok": true}));
    for stream in &mut streams {
        read_until(stream, "notifications/tools/list_changed");
    }
    read_until(&mut before, "notifications/tools/list_changed");

    // All of it is of the next one; what is said on the way there is told to who comes back.
    let whole = program(programs.path(), "0.9.2", ":");
    assert_eq!(update(&cluster, &whole), json!({"ok": true, "replicas": 2}));
    assert_eq!(cluster.ask(json!({"op": "notify", "list": "tools"})), json!({"ok": true}));
    read_to_end(&mut before);
    let (mut after, _) = stream(cluster.own(2), &session, &format!("Last-Event-ID: {event}\r\n"));
    read_until(&mut after, "notifications/tools/list_changed");
    for replica in [1, 2] {
        assert_eq!((version(cluster.own(replica)), ping(cluster.own(replica), &session)), ("0.9.2".into(), Some(200)));
        say(&mut kept[usize::from(replica) - 1], replica);
    }

    // An update is no accident.
    let restarts = [1, 2].map(|replica| cluster.replica(replica)["restarts"].clone());
    let replacements = [1, 2].map(|replica| cluster.replica(replica)["replacements"].clone());
    assert_eq!((restarts, replacements), ([json!(0), json!(0)], [json!(2), json!(1)]), "{}", cluster.status());

    // It is what is started from now on, too.
    let killed = cluster.pid(2);
    signal(killed, Signal::KILL);
    until("it is there again", || {
        let replica = cluster.replica(2);
        replica["member"] == true && replica["pid"] != killed
    });
    assert_eq!(version(cluster.own(2)), "0.9.2");
    assert_eq!(cluster.ask(json!({"op": "scale", "replicas": 3}))["ok"], true);
    assert_eq!(version(cluster.own(3)), "0.9.2");
}
