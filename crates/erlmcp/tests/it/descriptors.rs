//! A server that runs out of descriptors: it refuses while it has some in reserve; and where even those are gone, it
//! neither spins nor forgets who is there.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::finished::erlmcp_with_descriptors;
use crate::serving::{PATIENCE, Serving, answer};

fn connect(server: &Serving) -> TcpStream {
    TcpStream::connect(server.address()).expect("the backlog has room")
}

/// Head and body of the answer to a GET; all that came where the server closes instead.
fn get(stream: &mut TcpStream, path: &str) -> String {
    // One that was refused is closed, which is found out by reading.
    let host = stream.peer_addr().map_or_else(|_| String::new(), |address| address.to_string());
    let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    answer(stream)
}

fn is_live(stream: &mut TcpStream) -> bool {
    get(stream, "/health").starts_with("HTTP/1.1 200 ")
}

fn sample(stream: &mut TcpStream, start: &str) -> u64 {
    let page = get(stream, "/metrics");
    let value = page.lines().find_map(|line| line.strip_prefix(start)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {start}: {page}"))
}

/// How often the system has given no descriptor.
fn starved(stream: &mut TcpStream) -> u64 {
    sample(stream, "erlmcp_limit_reached_total{replica=\"0\",limit=\"descriptors\"} ")
}

/// CPU time of all threads, in the kernel's ticks of 10 ms.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("a name").split(' ').collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

fn open(pid: u32) -> u64 {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it is ours").count() as u64
}

#[test]
fn some_descriptors_are_held_in_reserve() {
    let server = Serving::of(erlmcp_with_descriptors(120, &["serve", "--listen", "127.0.0.1:0"]));
    let mut first = connect(&server);
    let most = sample(&mut first, "erlmcp_connections_limit{replica=\"0\"} ");
    assert_eq!(most, 120 - 64);
    let mut rest: Vec<TcpStream> = (1..most).map(|_| connect(&server)).collect();
    rest.iter_mut().for_each(|stream| assert!(is_live(stream)));
    for _ in 0..20 {
        let refused = get(&mut connect(&server), "/health");
        assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("\r\nRetry-After: "), "{refused:?}");
    }
    assert!(open(server.pid()) < 120 && starved(&mut first) == 0, "it never came to the end of them");
    drop(rest.pop());
    let again = || is_live(&mut connect(&server));
    let began = Instant::now();
    while !again() {
        assert!(began.elapsed() < PATIENCE, "there is room again");
    }
}

#[test]
fn without_descriptors_it_waits_serves_and_goes_on() {
    let server = Serving::start(&["--shards", "1"]);
    let mut first = connect(&server);
    assert!(is_live(&mut first));
    let pid = Pid::from_raw(server.pid() as i32).expect("a process has a number");
    // Whoever limits a running process takes away what it has counted on.
    let left = open(server.pid()) + 10;
    let limit = Rlimit { current: Some(left), maximum: Some(left) };
    prlimit(Some(pid), Resource::Nofile, limit).expect("it is ours");
    let mut more: Vec<TcpStream> = (0..30).map(|_| connect(&server)).collect();
    let began = Instant::now();
    while starved(&mut first) == 0 {
        assert!(began.elapsed() < PATIENCE, "it comes to the end of them");
    }
    // It asks again ten times a second, and does little else, while nobody wants anything of it.
    let (tried, used, since) = (starved(&mut first), cpu_ticks(server.pid()), Instant::now());
    std::thread::sleep(Duration::from_millis(1_500));
    let (used, took) = (cpu_ticks(server.pid()) - used, since.elapsed());
    let tried = starved(&mut first) - tried;
    assert!(tried >= 1 && u128::from(tried) <= took.as_millis() / 100 + 3, "{tried} times in {took:?}");
    assert!(u128::from(used) * 10 < took.as_millis() / 4, "{used} ticks of CPU time in {took:?}");
    assert!(more[..10].iter_mut().all(is_live), "who was let in is served");
    // Those who wait are let in as others go, though nobody connects.
    drop(more.drain(..10));
    assert!(more[..9].iter_mut().all(is_live));
    drop(more.drain(..10));
    assert!(more.iter_mut().all(is_live) && is_live(&mut first));
}
