//! `erlmcp serve`, until it is dropped.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::finished::{Finished, Started, erlmcp};
use crate::lacking::lacking;

/// No answer takes so long, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Serving {
    started: Option<Started>,
    pub(crate) url: String,
}

impl Serving {
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::of(erlmcp(&[&["serve", "--tied", "--listen", "127.0.0.1:0"], more].concat()))
    }

    pub(crate) fn of(started: Started) -> Self {
        let address = started.says("listening on ");
        Self { started: Some(started), url: format!("http://{address}") }
    }

    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("it is plain")
    }

    /// Ends it; what it has said.
    pub(crate) fn end(mut self) -> Finished {
        end(self.started.take().expect("it ends once"))
    }

    pub(crate) fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).expect("the backlog has room")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.started.as_ref().map_or(0, Started::pid)
    }
}

/// The next answer of a connection; all that came where the server closes instead.
pub(crate) fn answer(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let (mut answer, mut buffer) = (Vec::new(), [0; 65_536]);
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        let length = |head: &str| head.split_once("Content-Length: ")?.1.split("\r\n").next()?.parse::<usize>().ok();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && length(head).is_some_and(|length| body.len() >= length)
        {
            return text;
        }
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => answer.extend_from_slice(&buffer[..count]),
            Ok(_) => return text,
            Err(error) => panic!("{error} after {text:?}"),
        }
    }
}

/// Head and body of the answer to a GET; all that came where the server closes instead.
pub(crate) fn get(stream: &mut TcpStream, path: &str) -> String {
    // One that was refused is closed, which is found out by reading.
    let host = stream.peer_addr().map_or_else(|_| String::new(), |address| address.to_string());
    let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    answer(stream)
}

/// True where the server says so on this connection.
pub(crate) fn is_live(stream: &mut TcpStream) -> bool {
    get(stream, "/health").starts_with("HTTP/1.1 200 ")
}

/// The value of the sample of /metrics that begins so.
pub(crate) fn sample(stream: &mut TcpStream, start: &str) -> u64 {
    let page = get(stream, "/metrics");
    let value = page.lines().find_map(|line| line.strip_prefix(start)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {start}: {page}"))
}

/// Asks a server in order to end, and waits for it.
fn end(started: Started) -> Finished {
    let pid = Pid::from_raw(started.pid() as i32).expect("a process has a number");
    let _ = kill_process(pid, Signal::TERM);
    started.end()
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.started.take().map(end);
    }
}

#[test]
fn a_server_listens_on_every_address_that_it_is_told() {
    let serving = Serving::start(&["--listen", "127.0.0.2:0", "--listen", "[::1]:0"]);
    let (_, port) = serving.address().rsplit_once(':').expect("an address has a port");
    let mut hosts = vec!["127.0.0.1", "127.0.0.2"];
    match TcpListener::bind("[::1]:0") {
        Ok(_) => hosts.push("[::1]"),
        Err(why) => lacking("ipv6", &format!("a server is not looked for on [::1]: {why}")),
    }
    for host in hosts {
        let address = format!("{host}:{port}");
        serving.started.as_ref().expect("it runs").says(&format!("listening on {address}"));
        assert!(is_live(&mut TcpStream::connect(&address).expect("it listens")), "{address}");
    }
}

#[test]
fn a_server_at_an_address_of_ipv6_is_found_loaded_and_looked_at() {
    if let Err(why) = TcpListener::bind("[::1]:0") {
        return lacking("ipv6", &format!("nothing is loaded on [::1]: {why}"));
    }
    let serving = Serving::of(erlmcp(&["serve", "--tied", "--listen", "[::1]:0"]));
    assert!(serving.url.starts_with("http://[::1]:"), "{}", serving.url);
    let load = ["-c", "20", "-d", "2s", "-r", "40", "--agents", "1", "--phases", "1,2,3"];
    let finished = erlmcp(&[&["stress", &serving.url][..], &load].concat()).end();
    assert_ne!(finished.verdict("sla.error_rate_percent"), "fail", "{}", finished.said());
    assert_eq!(finished.verdict("run.ledger_difference_count"), "pass", "{}", finished.said());
    for command in [&["doctor", "-c", "20"][..], &["observe", "--once"], &["health"]] {
        let finished = erlmcp(&[command, &[&serving.url]].concat()).end();
        assert_eq!(finished.code, 0, "{command:?}: {}", finished.said());
    }
}

#[test]
fn a_server_is_looked_at_without_any_load() {
    let serving = Serving::start(&[]);
    let observed = erlmcp(&["observe", &serving.url, "--once"]).end();
    assert_eq!(observed.code, 0, "{}", observed.said());
    let last = observed.output.trim_end().lines().last().expect("a table");
    assert!(observed.output.contains("/metrics") && last.contains("  ready  "), "{}", observed.said());
    let screen = erlmcp(&["observe", &serving.url]).end();
    assert!(screen.code == 2 && screen.errors.contains("--once"), "{}", screen.said());
}
