//! A replica that is told to end hands its connections to the process that takes its place.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::process::Signal;
use serde_json::json;

use super::{Cluster, PATIENCE, is_alive, signal, until};
use crate::terminating::{CALLS, WORKERS, outlived};

/// A connection that is kept.
pub(super) struct Kept(BufReader<TcpStream>, SocketAddr);

impl Kept {
    pub(super) fn to(cluster: &Cluster, replica: u8) -> Self {
        let address = cluster.own(replica);
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self(BufReader::new(stream), address)
    }

    /// What a request is, in two halves.
    fn halves(&self) -> (String, String) {
        ("GET /health HTTP/1.1\r\nHo".into(), format!("st: {}\r\n\r\n", self.1))
    }

    pub(super) fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).expect("it is open");
    }

    /// Status line and fields; the body is read and thrown away.
    pub(super) fn receive(&mut self) -> String {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let from = head.len();
            assert!(self.0.read_line(&mut head).expect("an answer in time") > 0, "it ended after {head:?}");
            let line = head[from..].trim_end();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("the body in time");
        head
    }

    fn get(&mut self) -> String {
        let (first, second) = self.halves();
        self.send(&(first + &second));
        self.receive()
    }
}

#[test]
fn connections_go_on_in_the_process_that_takes_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 2);
    let mut kept: Vec<Kept> = (0..100).map(|_| Kept::to(&cluster, 1)).collect();
    // Half of them have spoken before.
    kept.iter_mut().step_by(2).for_each(|one| drop(one.get()));
    let mut half = Kept::to(&cluster, 1);
    let (first, second) = half.halves();
    half.send(&first);
    for _ in 0..2 {
        let before = cluster.pid(1);
        signal(before, Signal::TERM);
        until("another process is there", || cluster.is_elsewhere(1, before));
        for one in &mut kept {
            let head = one.get();
            assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("Connection: close"), "{head}");
        }
        half.send(&second);
        let head = half.receive();
        assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("Connection: close"), "{head}");
        until("the old one has ended", || !is_alive(before));
        half.send(&first);
    }
    let replica = cluster.replica(1);
    assert_eq!((&replica["restarts"], &replica["replacements"]), (&json!(0), &json!(2)), "{replica}");
    assert!(replica["state"] == "ready" && replica["member"] == true, "{replica}");
    until("it counts them", || cluster.replica(1)["snapshot"]["connections"]["admin"].as_u64() >= Some(101));
}

#[test]
fn ten_thousand_calls_in_flight_outlive_their_replica() {
    let folder = tempfile::tempdir().expect("a folder");
    let (workers, queue) = (WORKERS.to_string(), CALLS.to_string());
    let limits = ["--workers", &workers, "--queue", &queue, "--drain-timeout", "60s"];
    let cluster = Cluster::start_with(folder.path(), 2, &limits);
    let before = cluster.pid(1);
    outlived(cluster.own(1), || signal(before, Signal::TERM));
    until("the old one has ended", || !is_alive(before));
    until("another process is there", || cluster.is_elsewhere(1, before));
}

#[test]
fn whoever_says_it_twice_does_not_wait_for_another_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 1);
    let before = cluster.pid(1);
    // The supervisor cannot start another one now.
    signal(cluster.child.id(), Signal::STOP);
    signal(before, Signal::TERM);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(is_alive(before), "it waits for another process");
    // Two that come before it has looked at the first are one.
    until("it ends", || {
        signal(before, Signal::TERM);
        !is_alive(before)
    });
    signal(cluster.child.id(), Signal::CONT);
    until("the next one is ready", || cluster.replica(1)["member"] == true && cluster.is_elsewhere(1, before));
}
