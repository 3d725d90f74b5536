//! SIGTERM with thousands of calls in flight: each of them is answered, or refused so that it can be sent elsewhere.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::descriptors::descriptors;
use crate::finished::erlmcp;
use crate::lacking::lacking;

pub(crate) const CALLS: u64 = 10_000;
/// What all the rest needs.
const DESCRIPTORS_APART: u64 = 1_000;
/// Half of the calls run at once; the others wait for a worker meanwhile.
pub(crate) const WORKERS: u64 = CALLS / 2;
/// So long that none is over before the last one is sent, also on a slow machine, and both rounds within the drain's time.
const WORK_MS: u64 = 10_000;
/// Nothing here takes so long, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many of so many calls this process and the server can have open.
fn possible(calls: u64) -> u64 {
    let most = descriptors();
    let possible = calls.min(most.saturating_sub(DESCRIPTORS_APART).max(most / 10));
    if possible < calls {
        lacking("descriptors", &format!("a process may have {most}: {possible} calls in flight, not {calls}"));
    }
    possible
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

fn work(address: SocketAddr, id: u64, ms: u64) -> String {
    let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
    "name": "work", "arguments": {"ms": ms}, "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }}})
    .to_string();
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
         Mcp-Method: tools/call\r\nMcp-Name: work\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Status and body of the next answer.
fn answer(stream: &mut BufReader<TcpStream>) -> (u16, Value) {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let from = head.len();
        assert!(stream.read_line(&mut head).expect("an answer in time") > 0, "it ended after {head:?}");
        let line = head[from..].trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("the body in time");
    (head[9..12].parse().expect("a status"), serde_json::from_slice(&body).expect("an answer is JSON"))
}

/// Calls that run or wait, as the server says.
fn in_flight(address: SocketAddr) -> u64 {
    let mut stream = connect(address);
    write!(stream, "GET /status HTTP/1.1\r\nHost: {address}\r\n\r\n").expect("it reads");
    let (_, status) = answer(&mut BufReader::new(stream));
    let of =
        |part: &str, name: &str| status[part][name].as_u64().unwrap_or_else(|| panic!("no {part}.{name}: {status}"));
    of("worker_pool", "active") + of("queue", "depth")
}

/// The calls are sent, or as many as can be, `end` ends who serves them, and each of them is answered once.
pub(crate) fn outlived(address: SocketAddr, end: impl FnOnce()) {
    // Of two at once this process could not have the connections.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let calls = possible(CALLS);
    let mut clients: Vec<BufReader<TcpStream>> =
        (0..calls).map(|_| BufReader::with_capacity(1_024, connect(address))).collect();
    for (id, client) in (1..).zip(&mut clients) {
        client.get_mut().write_all(work(address, id, WORK_MS).as_bytes()).expect("it is open");
    }
    // A cluster's page is as old as its replicas' last words.
    let began = Instant::now();
    while in_flight(address) <= calls / 4 {
        assert!(began.elapsed() < PATIENCE, "there were never many in flight");
    }
    end();
    let (mut done, mut refused) = (0, 0);
    for (id, client) in (1..).zip(&mut clients) {
        let (status, message) = answer(client);
        assert_eq!(message["id"].as_u64(), Some(id), "{message}");
        match status {
            200 if message["result"].is_object() => done += 1,
            503 if message["error"]["data"]["executed"] == false => refused += 1,
            _ => panic!("{status}: {message}"),
        }
    }
    assert_eq!(done + refused, calls, "none is lost");
}

#[test]
fn ten_thousand_calls_in_flight_outlive_the_word_to_end() {
    let (workers, queue) = (WORKERS.to_string(), CALLS.to_string());
    let limits = ["--workers", &workers, "--queue", &queue, "--drain-timeout", "60s"];
    let serving = erlmcp(&[&["serve", "--tied", "--listen", "127.0.0.1:0"], &limits[..]].concat());
    let address = serving.says("listening on ").parse().expect("an address");
    let pid = Pid::from_raw(serving.pid() as i32).expect("a process has a number");
    outlived(address, || kill_process(pid, Signal::TERM).expect("it is there and ours"));
    let finished = serving.end();
    assert_eq!(finished.code, 0, "{}", finished.said());
}

#[test]
fn the_second_word_to_end_is_obeyed_at_once() {
    let serving = erlmcp(&["serve", "--tied", "--listen", "127.0.0.1:0", "--drain-timeout", "60s"]);
    let address = serving.says("listening on ").parse().expect("an address");
    let mut client = connect(address);
    client.write_all(work(address, 1, 30_000).as_bytes()).expect("it is open");
    let began = Instant::now();
    while in_flight(address) == 0 {
        assert!(began.elapsed() < PATIENCE, "the call does not begin");
    }
    let pid = Pid::from_raw(serving.pid() as i32).expect("a process has a number");
    let began = Instant::now();
    for _ in 0..2 {
        kill_process(pid, Signal::INT).expect("it is there and ours");
        // Two so close together would be one.
        std::thread::sleep(Duration::from_millis(500));
    }
    let finished = serving.end();
    assert_eq!(finished.code, 105, "{}", finished.said());
    assert!(began.elapsed() < Duration::from_secs(15), "the call was waited for: {:?}", began.elapsed());
}
