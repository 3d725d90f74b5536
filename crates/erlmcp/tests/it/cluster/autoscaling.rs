//! `erlmcp autoscale` on a real cluster: more replicas by connections and by what waits, fewer when both are gone.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::modern::begin;
use super::{Cluster, signal, socket, until};
use crate::encrypted::{certify, flags};
use crate::finished::erlmcp;
use crate::serving::Serving;

#[test]
fn a_cluster_grows_by_its_connections_and_by_its_queue_and_shrinks_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 1, &["--workers", "1", "--queue", "8"]);
    let control = cluster.control.display().to_string();
    let policy = ["--min", "1", "--max", "3", "--connections", "10", "--queue", "50", "--cool-down", "1s"];
    let place = ["autoscale", "--control", &control, "--every", "100ms"];
    let scaling = erlmcp(&[&place[..], &policy[..]].concat());
    scaling.says("1 replica, 0 connections, 0 of 8 places");
    // Told when it is done.
    let shrinks = |times: usize| {
        let told = || scaling.output().matches("to 1 replica: 1 were enough for 1 s: 0 connections, ").count();
        until("one replica is enough again", || told() >= times);
        assert_eq!(cluster.pids().len(), 1, "{}", scaling.output());
    };

    let call = |address: SocketAddr, tool: &str, arguments: Value| {
        begin(address, "tools/call", tool, json!({"name": tool, "arguments": arguments}))
    };
    let connected: Vec<TcpStream> = (0..25).map(|_| call(cluster.shared, "echo", json!({"text": "x"}))).collect();
    until("three replicas for 25 connections", || cluster.pids().len() == 3);
    drop(connected);
    shrinks(1);

    // One is worked on, and six wait: too few connections for another replica, but more than half of the queue.
    let waiting: Vec<TcpStream> = (0..7).map(|_| call(cluster.own(1), "work", json!({"ms": 60_000}))).collect();
    scaling.says(" requests wait in 8 places");
    drop(waiting);
    shrinks(2);

    signal(scaling.pid(), Signal::TERM);
    let finished = scaling.end();
    assert_eq!(finished.code, 0, "{}", finished.said());
}

/// A Docker engine that has a service of one task, whatever it is asked; its socket.
fn engine(folder: &Path) -> String {
    let path = socket(folder);
    let listener = UnixListener::bind(&path).expect("it is ours");
    std::thread::spawn(move || {
        let service = json!({"Version": {"Index": 1}, "Spec": {"Mode": {"Replicated": {"Replicas": 1}}}}).to_string();
        for stream in listener.incoming().flatten() {
            let asked = BufReader::new(&stream).lines().map_while(Result::ok).any(|line| line.is_empty());
            assert!(asked, "a head has an end");
            let mut answering = &stream;
            // Whoever was ended meanwhile takes none.
            let _ = write!(answering, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{service}", service.len());
        }
    });
    path.display().to_string()
}

#[test]
fn the_tasks_of_a_service_with_tls_are_asked_through_it() {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path());
    let flags = flags(folder.path());
    let task = Serving::start(&flags.each_ref().map(String::as_str));
    let (_, port) = task.address().rsplit_once(':').expect("an address has a port");
    let (engine, cert) = (engine(folder.path()), folder.path().join("cert.pem").display().to_string());
    let service =
        ["autoscale", "--swarm", "s", "--engine", &engine, "--tasks", "127.0.0.1", "--port", port, "--dry-run"];
    let plain = erlmcp(&service).end();
    assert!(plain.code == 1 && plain.errors.contains("none of the tasks"), "{}", plain.said());
    let scaling = erlmcp(&[&service[..], &["--tls", "--cacert", &cert]].concat());
    scaling.says("1 replica, 0 connections, ");
    signal(scaling.pid(), Signal::TERM);
    let finished = scaling.end();
    assert_eq!(finished.code, 0, "{}", finished.said());
}
