use super::*;

fn head(text: &str) -> Result<Head, BadHead> {
    let bytes = text.replace('\n', "\r\n");
    read(bytes.as_bytes()).map(|read| {
        let (head, used) = read.expect("the head is whole");
        assert_eq!(used, bytes.len());
        head
    })
}

#[test]
fn the_usual_answer() {
    let found = head("HTTP/1.1 200 OK\ncontent-type: application/json\ncontent-length: 17\n\n").expect("a head");
    assert_eq!(
        found,
        Head {
            status: 200,
            framing: Framing::Length(17),
            content: Content::Text,
            stays_open: true,
            retry_after_s: None,
            keep_alive_s: None
        }
    );
}

#[test]
fn streams_refusals_and_the_end_of_connections() {
    let stream = "HTTP/1.1 200 OK\nContent-Type: Text/Event-Stream; charset=utf-8\nTransfer-Encoding: chunked\n\n";
    let found = head(stream).expect("a head");
    assert_eq!((found.content, found.framing, found.stays_open), (Content::Events, Framing::Chunked, true));
    let refusal =
        head("HTTP/1.1 503 Busy\nRetry-After: 3\nContent-Length: 0\nConnection: x, Close\n\n").expect("a head");
    assert_eq!((refusal.retry_after_s, refusal.stays_open), (Some(3), false));
    let endless = head("HTTP/1.1 200 OK\n\n").expect("a head");
    assert_eq!((endless.framing, endless.stays_open), (Framing::Close, false));
    assert!(!head("HTTP/1.0 200 OK\nContent-Length: 1\n\n").expect("a head").stays_open);
    assert!(head("HTTP/1.0 200 OK\nContent-Length: 1\nConnection: keep-alive\n\n").expect("a head").stays_open);
    assert_eq!(head("HTTP/1.1 204 No\n\n").expect("a head").framing, Framing::Length(0));
    let date = head("HTTP/1.1 503 Busy\nRetry-After: Fri, 31 Dec 2027 23:59:59 GMT\n\n").expect("a head");
    assert_eq!(date.retry_after_s, None);
}

#[test]
fn how_long_an_idle_connection_is_kept() {
    for (value, keep_alive_s, stays_open) in [
        ("timeout=5", Some(5), true),
        ("timeout=5, max=1000", Some(5), true),
        ("max=1,Timeout = 75", Some(75), true),
        ("timeout=99999", Some(u16::MAX), true),
        ("timeout=5, max=0", Some(5), false),
        ("timeout=0", None, false),
        ("timeout=-1", None, true),
        ("timeout=99999999999999999999, max", None, true),
        ("x-timeout=5", None, true),
        ("", None, true),
    ] {
        let found = head(&format!("HTTP/1.1 200 OK\nContent-Length: 1\nKeep-Alive: {value}\n\n")).expect("a head");
        assert_eq!((found.keep_alive_s, found.stays_open), (keep_alive_s, stays_open), "{value:?}");
    }
}

#[test]
fn bodies_without_a_certain_end_are_not_read() {
    for headers in [
        "Content-Length: 5\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length:",
        "Content-Length: 99999999999999999999",
        "Content-Length: 5\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\nTransfer-Encoding: chunked",
    ] {
        assert_eq!(head(&format!("HTTP/1.1 200 OK\n{headers}\n\n")), Err(BadHead::NotHttp), "{headers}");
    }
    assert_eq!(head("HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n"), Err(BadHead::NotHttp));
    assert_eq!(head("HTTP/1.1 101 Switching\nUpgrade: x\n\n"), Err(BadHead::NotHttp));
}

#[test]
fn other_protocols_are_seen_from_their_first_bytes() {
    for text in ["SSH-2.0-x", "<html>", "HTTP/2 200 OK\n\n", "\u{16}\u{3}\u{1}", "HTTP/1.1 2x0 OK\n\n"] {
        assert_eq!(read(text.as_bytes()), Err(BadHead::NotHttp), "{text:?}");
    }
    assert_eq!(read(b"HTTP/1.1 200 O"), Ok(None));
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(HEAD_MAX));
    assert_eq!(read(long.as_bytes()), Err(BadHead::TooLarge));
}

#[test]
fn one_header_is_found() {
    let bytes = b"HTTP/1.1 200 OK\r\nMCP-Session-Id: abc\r\n\r\n";
    assert_eq!(header(bytes, "Mcp-Session-Id"), Some(&b"abc"[..]));
    assert_eq!(header(bytes, "Location"), None);
}

#[test]
fn a_timeout_of_an_idle_connection_is_known_by_its_beginning() {
    assert!(is_request_timeout(b"HTTP/1.1 408 Request Timeout\r\n"));
    assert!(is_request_timeout(b"HTTP/1.0 408"));
    for other in ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 40", "408", ""] {
        assert!(!is_request_timeout(other.as_bytes()), "{other:?}");
    }
}
