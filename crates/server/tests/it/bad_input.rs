//! Input that ends a connection, and input that comes in odd ways: reliability.md, B1 to B5.

use erlmcp_server::Limits;

use crate::client::{Client, Texts, message, start, stop};

#[test]
fn what_can_be_read_in_two_ways_ends_the_connection() {
    let (server, address) = start(Limits::default());
    let texts = Texts(address);
    let host = format!("Host: {address}\r\n");
    let line = |line: &str| format!("{line}\r\n{host}\r\n");
    let fields = |fields: &str| format!("POST /mcp HTTP/1.1\r\n{host}{fields}\r\n");
    let chunks = |body: &str| {
        texts.post_plain("", "").replace("Content-Length: 0", &format!("{TYPES}Transfer-Encoding: chunked")) + body
    };
    let cases = [
        ("version 2", 505, line("GET /mcp HTTP/2.0")),
        ("HTTP/2 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_string()),
        ("version", 400, line("GET /mcp HTTP/1.1x")),
        ("no version", 400, line("GET /")),
        ("two spaces", 400, line("GET  /mcp HTTP/1.1")),
        ("no host", 400, "GET /mcp HTTP/1.1\r\n\r\n".to_string()),
        ("two hosts", 400, fields(&host)),
        ("bad host", 400, "GET /mcp HTTP/1.1\r\nHost: a b\r\n\r\n".to_string()),
        ("space before colon", 400, fields("X : a\r\n")),
        ("folded", 400, fields("X: a\r\n b\r\n")),
        ("line feed alone", 400, fields("X: a\n")),
        ("both lengths", 400, fields("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")),
        ("two lengths", 400, fields("Content-Length: 1\r\nContent-Length: 1\r\n")),
        ("signed length", 400, fields("Content-Length: +1\r\n")),
        ("too long", 413, fields("Content-Length: 999999999\r\n")),
        ("gzip", 501, fields("Transfer-Encoding: gzip\r\n")),
        ("chunked twice", 400, fields("Transfer-Encoding: chunked, chunked\r\n")),
        ("expectation", 417, fields("Expect: y 100-continue\r\n")),
        ("many fields", 431, fields(&"X: a\r\n".repeat(101))),
        ("long field", 431, fields(&format!("X: {}\r\n", "a".repeat(17_000)))),
        ("long target", 414, line(&format!("GET /{} HTTP/1.1", "a".repeat(17_000)))),
        ("chunk size", 400, chunks("0x5\r\nabcde\r\n0\r\n\r\n")),
        ("chunk spill", 400, chunks("3\r\nabcde\r\n0\r\n\r\n")),
        ("chunk line", 400, chunks("5\nabcde\r\n0\r\n\r\n")),
        ("chunked body too long", 413, chunks(&format!("fffff\r\n{}\r\n2\r\nab\r\n", "a".repeat(0xf_ffff)))),
    ];
    for (what, status, text) in cases {
        let mut client = Client::connect(address);
        // What comes behind it must never be read as a request.
        client.send(text + &texts.echo("smuggled"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("Connection").as_deref()), (status, Some("close")), "{what}");
        client.finish();
        assert_eq!(client.rest(), "", "after {what}");
    }
    assert_eq!(Client::connect(address).ask(texts.echo("others")).status, 200);
    stop(server);
}

const TYPES: &str = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";

#[test]
fn bodies_may_be_as_long_as_the_limit() {
    let (server, address) = start(Limits { body_bytes_max: 5_000, ..Limits::default() });
    let texts = Texts(address);
    let empty = message("tools/call", "\"name\":\"echo\",\"arguments\":{\"text\":\"\"},").len();
    let full = texts.echo(&"a".repeat(5_000 - empty));
    let mut client = Client::connect(address);
    assert_eq!(client.ask(&full).status, 200);
    assert_eq!(client.ask(&full).status, 200);
    assert_eq!(client.ask(texts.echo(&"a".repeat(5_001 - empty))).status, 413);
    stop(server);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let (server, address) = start(Limits::default());
    let (mut client, texts) = (Client::connect(address), Texts(address));
    for byte in texts.echo("slowly").bytes() {
        client.send([byte]);
    }
    assert_eq!(client.answer().json()["result"]["content"][0]["text"], "slowly");
    stop(server);
}

#[test]
fn many_requests_may_come_at_once() {
    let (server, address) = start(Limits::default());
    let (mut client, texts) = (Client::connect(address), Texts(address));
    client.send((0..2_000).map(|number| texts.echo(&number.to_string())).collect::<String>());
    for number in 0..2_000 {
        assert_eq!(client.answer().json()["result"]["content"][0]["text"], number.to_string());
    }
    stop(server);
}

#[test]
fn a_body_that_nobody_wants_is_never_a_request() {
    let (server, address) = start(Limits::default());
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let inner = texts.get("/metrics");
    let hidden =
        texts.get("/health").replace("\r\n\r\n", &format!("\r\nContent-Length: {}\r\n\r\n{inner}", inner.len()));
    assert_eq!(client.ask(hidden).body, "{\"status\":\"live\"}");
    assert_eq!(client.ask(texts.echo("next")).status, 200);
    let junk = texts.post("", "") + "JUNK\r\n\r\n";
    assert_eq!(client.ask(junk).code(), -32_700);
    assert_eq!(client.answer().status, 400, "the junk is a request of its own, a bad one");
    assert_eq!(client.rest(), "");
    stop(server);
}

#[test]
fn slow_clients_are_told_so_and_closed() {
    let limits = Limits { head_timeout_ms: 2_000, body_timeout_ms: 2_000, linger_timeout_ms: 100, ..Limits::default() };
    let (server, address) = start(limits);
    let texts = Texts(address);
    assert_eq!(Client::connect(address).rest(), "", "who says nothing is told nothing");
    let echo = texts.echo("slow");
    for part in [20, echo.len() - 10] {
        let mut client = Client::connect(address);
        client.send(&echo[..part]);
        assert_eq!(client.answer().status, 408);
        assert_eq!(client.rest(), "");
    }
    stop(server);
}

#[test]
fn old_and_closing_clients_get_one_answer() {
    let (server, address) = start(Limits::default());
    let texts = Texts(address);
    for text in [
        texts.echo("a").replace("HTTP/1.1", "HTTP/1.0"),
        texts.echo("a").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
    ] {
        let mut client = Client::connect(address);
        client.send(text + &texts.echo("never"));
        assert_eq!(client.answer().status, 200);
        client.finish();
        assert_eq!(client.rest(), "");
    }
    let mut half = Client::connect(address);
    half.send(texts.echo("a"));
    half.finish();
    assert_eq!(half.answer().status, 200);
    stop(server);
}
