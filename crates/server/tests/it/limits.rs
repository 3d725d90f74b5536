//! Limits that end or refuse something: reached from outside, answered as they say, and counted. Service goes on.

use erlmcp_server::Limits;

use crate::client::{Client, Texts, eventually, start, stop};

/// How often the server says that a limit was reached.
fn reached(client: &mut Client, texts: &Texts, limit: &str) -> u64 {
    let page = client.ask(texts.get("/metrics")).body;
    let start = format!("erlmcp_limit_reached_total{{replica=\"0\",limit=\"{limit}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_else(|| panic!("no {limit}"));
    line.parse().expect("a number")
}

#[test]
fn what_is_too_large_is_refused_and_counted() {
    let (server, address) = start(Limits { head_bytes_max: 2_000, head_fields_max: 20, ..Limits::default() });
    let texts = Texts(address);
    let mut other = Client::connect(address);
    for fields in [format!("X-Long: {}\r\n", "x".repeat(3_000)), "X: y\r\n".repeat(30)] {
        let mut client = Client::connect(address);
        let refused = client.ask(texts.post(&fields, "{}"));
        assert_eq!((refused.status, client.rest().as_str()), (431, ""));
        assert_eq!(other.ask(texts.echo("hi")).status, 200);
    }
    let mut client = Client::connect(address);
    client.send(format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
        Accept: application/json, text/event-stream\r\nContent-Length: 9999999\r\n\r\n"
    ));
    assert_eq!((client.answer().status, client.rest().as_str()), (413, ""));
    assert_eq!((reached(&mut other, &texts, "head"), reached(&mut other, &texts, "body")), (2, 1));
    stop(server);
}

#[test]
fn who_is_too_slow_is_ended_and_counted() {
    let times = Limits { head_timeout_ms: 300, body_timeout_ms: 300, write_stall_timeout_ms: 300, ..Limits::default() };
    let (server, address) = start(times);
    let texts = Texts(address);
    let (mut head, mut body) = (Client::connect(address), Client::connect(address));
    head.send("POST /mcp HTTP/1.1\r\nHo");
    let whole = texts.echo("hi");
    body.send(&whole[..whole.len() - 3]);
    assert_eq!((head.answer().status, body.answer().status), (408, 408));
    assert_eq!((head.rest(), body.rest(), Client::connect(address).rest()), Default::default(), "all three are closed");
    // Nobody reads what is answered to these, until the server has had enough.
    let mut deaf = Client::connect(address);
    deaf.send(texts.echo(&"x".repeat(60_000)).repeat(400));
    let mut other = Client::connect(address);
    for (limit, times) in [("head_timeout", 2), ("body_timeout", 1), ("write_stall", 1)] {
        eventually(limit, || reached(&mut other, &texts, limit) == times);
    }
    assert_eq!(other.ask(texts.echo("hi")).status, 200);
    stop(server);
    let (server, address) = start(Limits { idle_timeout_ms: 300, ..Limits::default() });
    let mut idle = Client::connect(address);
    assert_eq!((idle.ask(Texts(address).echo("hi")).status, idle.rest().as_str()), (200, ""));
    assert_eq!(reached(&mut Client::connect(address), &Texts(address), "idle_timeout"), 1);
    stop(server);
}
