//! A server that runs out of descriptors: it refuses while it has some in reserve; and where even those are gone, it
//! neither spins nor forgets who is there.

use std::net::TcpStream;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

use crate::finished::erlmcp_with_descriptors;
use crate::serving::{PATIENCE, Serving, get, is_live, sample};

/// How many this process may have: all tests together, as many as the hard limit says, since the soft one may be for a
/// shell's needs.
pub(crate) fn descriptors() -> u64 {
    static MOST: LazyLock<u64> = LazyLock::new(|| {
        let limit = getrlimit(Resource::Nofile);
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
        getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
    });
    *MOST
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
    let alone = ["serve", "--tied", "--listen", "127.0.0.1:0", "--shards", "1"];
    let server = Serving::of(erlmcp_with_descriptors(120, &alone));
    let mut first = server.connect();
    let most = sample(&mut first, "erlmcp_connections_limit{replica=\"0\"} ");
    assert_eq!(most, 120 - 64);
    let mut rest: Vec<TcpStream> = (1..most).map(|_| server.connect()).collect();
    rest.iter_mut().for_each(|stream| assert!(is_live(stream)));
    for _ in 0..20 {
        let refused = get(&mut server.connect(), "/nothing");
        assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("\r\nRetry-After: "), "{refused:?}");
        assert!(is_live(&mut server.connect()), "who looks after it is answered from the reserve");
    }
    // As many at once as would take the whole reserve, while they linger.
    let patient: Vec<TcpStream> = (0..100).map(|_| server.connect()).collect();
    let (mut most_open, began) = (0, Instant::now());
    while sample(&mut first, "erlmcp_connections_refused_total{replica=\"0\"} ") < 120 {
        assert!(began.elapsed() < PATIENCE, "all of them are refused");
        most_open = most_open.max(open(server.pid()));
    }
    most_open = most_open.max(open(server.pid()));
    drop(patient);
    assert!(most_open < 120 && starved(&mut first) == 0, "it never came to the end of them, with {most_open}");
    drop(rest.pop());
    let again = || get(&mut server.connect(), "/nothing").starts_with("HTTP/1.1 404 ");
    let began = Instant::now();
    while !again() {
        assert!(began.elapsed() < PATIENCE, "there is room again");
    }
}

#[test]
fn without_descriptors_it_waits_serves_and_goes_on() {
    let server = Serving::start(&["--shards", "1"]);
    let mut first = server.connect();
    assert!(is_live(&mut first));
    let pid = Pid::from_raw(server.pid() as i32).expect("a process has a number");
    // Whoever limits a running process takes away what it has counted on.
    let left = open(server.pid()) + 10;
    let limit = Rlimit { current: Some(left), maximum: Some(left) };
    prlimit(Some(pid), Resource::Nofile, limit).expect("it is ours");
    let mut more: Vec<TcpStream> = (0..30).map(|_| server.connect()).collect();
    let began = Instant::now();
    while starved(&mut first) == 0 {
        assert!(began.elapsed() < PATIENCE, "it comes to the end of them");
    }
    // It asks again ten times a second, and does little else, while nobody wants anything of it.
    let (tried, used, since) = (starved(&mut first), cpu_ticks(server.pid()), Instant::now());
    std::thread::sleep(Duration::from_millis(1_500));
    while starved(&mut first) == tried {
        assert!(since.elapsed() < PATIENCE, "it asks again");
        std::thread::sleep(Duration::from_millis(100));
    }
    let tried = starved(&mut first) - tried;
    let (used, took) = (cpu_ticks(server.pid()) - used, since.elapsed());
    assert!(u128::from(tried) <= took.as_millis() / 100 + 3, "{tried} times in {took:?}");
    assert!(u128::from(used) * 10 < took.as_millis() / 4, "{used} ticks of CPU time in {took:?}");
    assert!(more[..10].iter_mut().all(is_live), "who was let in is served");
    // Those who wait are let in as others go, though nobody connects.
    drop(more.drain(..10));
    assert!(more[..9].iter_mut().all(is_live));
    drop(more.drain(..10));
    assert!(more.iter_mut().all(is_live) && is_live(&mut first));
}
