//! A server that comes to the end of its memory gives up one thing after another, and takes all of them up again.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::serving::{PATIENCE, Serving, answer, get, is_live, sample};

const CAP_BYTES: usize = 128 << 20;
/// What half a head holds, until its other half comes; a body that is longer than what may be critical.
const HALF_BYTES: usize = 512 << 10;

const MODERN: &str = "MCP-Protocol-Version: 2026-07-28\r\n";
const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

fn head(server: &Serving, fields: &str, length: usize) -> String {
    let host = server.address();
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{fields}Content-Length: {length}\r\n\r\n"
    )
}

/// All that comes on a connection of its own, which was there before.
fn ask(server: &Serving, stream: &mut TcpStream, fields: &str, body: &str) -> String {
    // At once: a body that is still to come is not waited for where memory has come to its end.
    stream.write_all(format!("{}{body}", head(server, fields, body.len())).as_bytes()).expect("it listens");
    answer(stream)
}

fn modern(server: &Serving, stream: &mut TcpStream, method: &str, name: Option<&str>) -> String {
    let named = name.map(|name| format!("Mcp-Name: {name}\r\n")).unwrap_or_default();
    let params = name.map(|name| format!(r#""name":"{name}","arguments":{{"text":"x"}},"#)).unwrap_or_default();
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}{META}}}}}"#);
    ask(server, stream, &format!("{MODERN}Mcp-Method: {method}\r\n{named}"), &body)
}

fn pressure(operator: &mut TcpStream) -> u64 {
    sample(operator, "erlmcp_memory_pressure{replica=\"0\"} ")
}

/// A connection that was accepted.
fn accepted(server: &Serving) -> TcpStream {
    let mut stream = server.connect();
    assert!(is_live(&mut stream));
    stream
}

/// What is to be seen at a level of pressure.
fn check(server: &Serving, level: u64, mut spares: [TcpStream; 4]) {
    let served = |answer: &str| answer.starts_with("HTTP/1.1 200 ");
    let [sessions, calls, others, long] = &mut spares;
    let session = ask(server, sessions, "", INITIALIZE);
    assert_eq!(served(&session), level < 1, "{level}: {session}");
    let call = modern(server, calls, "tools/call", Some("echo"));
    assert_eq!(served(&call), level < 3, "{level}: {call}");
    let discovered = modern(server, others, "server/discover", None);
    assert!(served(&discovered), "{level}: {discovered}");
    for (what, answer) in [(&session, level >= 1), (&call, level >= 3)].into_iter().filter(|(_, refused)| *refused) {
        assert!(what.starts_with("HTTP/1.1 503 ") && what.contains("\r\nRetry-After: "), "{answer}: {what}");
    }
    let ends = |answer: &str| answer.contains("\r\nConnection: close\r\n");
    assert_eq!([&session, &call, &discovered].map(|answer| ends(answer)), [level >= 2; 3], "{level}: {session}{call}");
    if level >= 3 {
        write!(long, "{}", head(server, "", HALF_BYTES)).expect("it listens");
        let refused = answer(long);
        assert!(refused.starts_with("HTTP/1.1 503 ") && ends(&refused), "a long body before it comes: {refused}");
    }
    let mut new = server.connect();
    let host = server.address();
    write!(new, "GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("the backlog has room");
    new.set_read_timeout(Some(if level < 4 { PATIENCE } else { Duration::from_millis(400) })).expect("a timeout");
    match new.read(&mut [0; 4_096]) {
        Ok(count) => assert!(level < 4 && count > 0, "{level}: {count} bytes"),
        Err(error) => assert!(level == 4 && error.kind() == ErrorKind::WouldBlock, "{level}: {error}"),
    }
}

#[test]
fn the_less_memory_is_left_the_more_is_given_up() {
    let (cap, most) = (format!("memory_max_bytes={CAP_BYTES}"), format!("head_bytes_max={}", 2 * HALF_BYTES));
    let patience = ["--limit", "head_timeout_ms=600000", "--limit", "body_timeout_ms=600000"];
    let server = Serving::start(&[&["--limit", &cap, "--limit", &most], &patience[..]].concat());
    let mut operator = accepted(&server);
    assert_eq!(sample(&mut operator, "erlmcp_limit_bytes{replica=\"0\",limit=\"memory\"} "), CAP_BYTES as u64);
    let (mut halves, mut seen): (Vec<TcpStream>, BTreeSet<u64>) = (Vec::new(), BTreeSet::new());
    let mut ready: Vec<TcpStream> = (0..CAP_BYTES / HALF_BYTES + 100).map(|_| accepted(&server)).collect();
    let half = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; HALF_BYTES]].concat();
    let mut bodies = [HALF_BYTES, 100].map(|length| {
        let mut begun = ready.pop().expect("there are some");
        write!(begun, "{} ", head(&server, "", length)).expect("it reads");
        begun
    });
    let began = Instant::now();
    while !seen.contains(&4) {
        assert!(began.elapsed() < 2 * PATIENCE, "only {seen:?} with {} halves", halves.len());
        let mut next = ready.pop().expect("more than there is memory");
        next.write_all(&half).expect("it reads");
        halves.push(next);
        // It is looked ten times a second.
        std::thread::sleep(Duration::from_millis(if halves.len() < CAP_BYTES / HALF_BYTES * 3 / 4 { 0 } else { 120 }));
        let level = pressure(&mut operator);
        if !seen.contains(&level) {
            let spares = [(); 4].map(|()| ready.pop().expect("more than are needed"));
            check(&server, level, spares);
            seen.insert(level);
        }
    }
    assert_eq!(seen, BTreeSet::from([0, 1, 2, 3, 4]));
    for begun in &mut bodies {
        let given_up = answer(begun);
        assert!(given_up.starts_with("HTTP/1.1 503 "), "a body that still comes: {given_up}");
    }
    let refused = sample(&mut operator, "erlmcp_limit_reached_total{replica=\"0\",limit=\"memory\"} ");
    assert!(refused >= 10, "4 sessions, 2 calls and 4 bodies, not {refused}");
    assert!(get(&mut operator, "/health").starts_with("HTTP/1.1 200 "), "who looks after it is served all the while");
    drop(halves);
    drop(ready);
    let began = Instant::now();
    while pressure(&mut operator) > 0 {
        assert!(began.elapsed() < PATIENCE, "all of it is free again");
    }
    check(&server, 0, [(); 4].map(|()| accepted(&server)));
}
