//! The page of `observe --web`, asked as a browser does; browser/ looks at what it draws.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::finished::erlmcp;
use crate::serving::Serving;

/// Reads the answer until it has this text; None where it ended before.
fn answer(host: &str, head: &str, until: &str) -> Option<String> {
    let mut stream = TcpStream::connect(host).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    stream.write_all(format!("GET {head}\r\n\r\n").as_bytes()).expect("it reads");
    let (mut read, mut part) = (Vec::new(), [0; 16 << 10]);
    loop {
        let count = stream.read(&mut part).expect("it answers");
        read.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&read);
        if text.contains(until) {
            return Some(text.into_owned());
        }
        if count == 0 {
            return None;
        }
    }
}

#[test]
fn a_server_is_shown_on_a_page_to_who_has_its_address() {
    let serving = Serving::start(&[]);
    let observing = erlmcp(&["observe", &serving.url, "--web"]);
    observing.says("/ in a browser");
    let said = observing.output();
    let address =
        said.split_once("http://").and_then(|(_, rest)| rest.split_once(" in a browser")).expect("it says where").0;
    let (host, path) = address.split_at(address.find('/').expect("a path"));
    assert!(host.starts_with("127.0.0.1:") && path.len() == 34, "{address}");

    let page = answer(host, &format!("{path} HTTP/1.1\r\nHost: {host}"), "</html>").expect("a page");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("cache-control: no-store"), "{}", &page[..300]);
    let events = format!("{path}events HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}");
    let told = answer(host, &events, "ready").expect("a message tells of the server");
    assert!(told.contains("content-type: text/event-stream") && told.contains("data: {"), "{told}");
    for (head, status) in [
        (format!("/{}/ HTTP/1.1\r\nHost: {host}", "0".repeat(32)), "404"),
        (format!("/ HTTP/1.1\r\nHost: {host}"), "404"),
        (format!("{path} HTTP/1.1\r\nHost: evil.example"), "403"),
        (format!("{path}events HTTP/1.1\r\nHost: {host}\r\nOrigin: http://evil.example"), "403"),
    ] {
        let refused = answer(host, &head, "\r\n\r\n").expect("an answer");
        assert!(refused.starts_with(&format!("HTTP/1.1 {status}")), "{head}: {refused}");
    }

    let pid = Pid::from_raw(observing.pid() as i32).expect("a process has a number");
    kill_process(pid, Signal::INT).expect("it runs");
    let ended = observing.end();
    assert_eq!(ended.code, 0, "{}", ended.said());
}

#[test]
fn a_port_that_is_taken_is_told_at_once() {
    let serving = Serving::start(&[]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let refused = erlmcp(&["observe", &serving.url, "--web", "--port", &port]).end();
    assert_eq!(refused.code, 1, "{}", refused.said());
    assert!(refused.errors.contains("choose another --port"), "{}", refused.said());
}
