use proptest::prelude::*;

use super::*;

const LIMITS: HeadLimits = HeadLimits { bytes_max: 16_384, fields_max: 64, body_bytes_max: 1_000 };

/// Status and whether the connection closes; none for a good head; panics on a partial one.
fn refusal(text: &[u8]) -> Option<(u16, bool)> {
    match read_head(text, &LIMITS) {
        HeadRead::Whole(_) => None,
        HeadRead::Refused(refusal) => Some((refusal.status, refusal.closes)),
        HeadRead::Partial => panic!("partial: {}", String::from_utf8_lossy(text)),
    }
}

fn with_fields(fields: &str) -> Vec<u8> {
    format!("POST /mcp HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
}

fn with_line(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: a\r\n\r\n").into_bytes()
}

#[test]
fn a_good_head_is_read() {
    let text = b"\r\nPOST /mcp?x=1 HTTP/1.1\r\nhOsT: a:1\r\nContent-Length: 12\r\nMcp-Name:  echo \t\r\nmcp-METHOD: tools/call\r\n\
        Accept: application/json\r\nX: \xe9\r\nAccept: text/event-stream\r\n\r\nrest";
    let HeadRead::Whole(head) = read_head(text, &LIMITS) else { panic!("not whole") };
    assert_eq!((head.method, head.path, head.body, head.keep_alive), (Method::Post, "/mcp", Body::Length(12), true));
    assert_eq!(head.known.mcp_name, Once::Value(b"echo"));
    assert_eq!(head.known.mcp_method, Once::Value(b"tools/call"));
    assert_eq!(head.known.host, Once::Value(b"a:1"));
    assert!(head.known.accept.both() && !head.expects_continue);
    assert_eq!((head.fields().len(), head.text.len()), (7, text.len() - 4));
}

#[test]
fn request_lines() {
    let cases: [(&str, Option<(u16, bool)>); 26] = [
        ("GET /mcp HTTP/1.1", None),
        ("GET /mcp HTTP/1.0", None),
        ("GET /mcp HTTP/1.2", None),
        ("FOO /mcp HTTP/1.1", None),
        ("post /mcp HTTP/1.1", None),
        ("OPTIONS * HTTP/1.1", None),
        ("GET http://b/mcp HTTP/1.1", None),
        ("GET /%00/../\\ HTTP/1.1", None),
        ("GET /mcp HTTP/2.0", Some((505, true))),
        ("GET /mcp HTTP/3.1", Some((505, true))),
        ("PRI * HTTP/2.0", Some((505, true))),
        ("GET /mcp HTTP/1", Some((400, true))),
        ("GET /mcp HTTP/01.01", Some((400, true))),
        ("GET /mcp HTTP/ 1.1", Some((400, true))),
        ("GET /mcp http/1.1", Some((400, true))),
        ("GET /mcp HTTP/1.1x", Some((400, true))),
        ("GET /", Some((400, true))),
        ("GET  /mcp HTTP/1.1", Some((400, true))),
        ("GET\t/mcp HTTP/1.1", Some((400, true))),
        ("GET /mcp\x0bHTTP/1.1", Some((400, true))),
        ("GET HTTP/1.1", Some((400, true))),
        ("GET /a b HTTP/1.1", Some((400, true))),
        (" GET /mcp HTTP/1.1", Some((400, true))),
        ("GET /\0 HTTP/1.1", Some((400, true))),
        ("GET /\u{e4} HTTP/1.1", Some((400, true))),
        ("GET /mcp#frag HTTP/1.1", Some((400, true))),
    ];
    for (line, expected) in cases {
        assert_eq!(refusal(&with_line(line)), expected, "{line:?}");
    }
    assert_eq!(refusal(&with_line(&format!("GET /{} HTTP/1.1", "a".repeat(8_000)))), None);
    assert_eq!(refusal(format!("GET /{}", "a".repeat(16_384)).as_bytes()), Some((414, true)));
    assert_eq!(refusal(&[b"\r\n".repeat(8), with_line("GET / HTTP/1.1")].concat()), None);
    assert_eq!(refusal(&[b"\r\n".repeat(9), with_line("GET / HTTP/1.1")].concat()), Some((400, true)));
    assert_eq!(refusal(&b"\r\n".repeat(9)), Some((400, true)));
    assert_eq!(refusal(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), Some((400, true)));
    assert_eq!(refusal(&[b'A'; 100_000]), Some((414, true)));
}

#[test]
fn fields() {
    let cases: [(&str, Option<(u16, bool)>); 24] = [
        ("X : a\r\n", Some((400, true))),
        ("X\t: a\r\n", Some((400, true))),
        (" X: a\r\n", Some((400, true))),
        ("X: a\r\n b\r\n", Some((400, true))),
        (": a\r\n", Some((400, true))),
        ("Xa\r\n", Some((400, true))),
        ("X[: a\r\n", Some((400, true))),
        ("X: a\0\r\n", Some((400, true))),
        ("X: a\rb\r\n", Some((400, true))),
        ("X: a\x01\r\n", Some((400, true))),
        ("X: a\n", Some((400, true))),
        ("X: a\r\r\n", Some((400, true))),
        ("Host: a\r\n", Some((400, true))),
        ("Content_Length: x\r\nTransfer_Encoding: y\r\n", None),
        ("Connection: Host, Content-Length\r\n", None),
        ("Content-Type: a\r\nContent-Type: b\r\n", None),
        ("Expect: 100-continue\r\n", None),
        ("Expect: foo\r\n", Some((417, true))),
        ("Expect: foo\r\nContent-Length: 5\r\n", Some((417, true))),
        ("Expect: y 100-continue\r\n", Some((417, true))),
        ("Expect: 100-continue\r\nExpect: 100-continue\r\n", Some((417, true))),
        ("Upgrade: websocket\r\nConnection: Upgrade\r\n", None),
        ("X:\r\n", None),
        ("X: \u{a0}5\u{a0}\r\n", None),
    ];
    for (fields, expected) in cases {
        assert_eq!(refusal(&with_fields(fields)), expected, "{fields:?}");
    }
    assert_eq!(refusal(&with_fields(&"X: a\r\n".repeat(63))), None);
    assert_eq!(refusal(&with_fields(&"X: a\r\n".repeat(64))), Some((431, true)));
    assert_eq!(refusal(&with_fields(&format!("X: {}\r\n", "a".repeat(16_384)))), Some((431, true)));
    assert_eq!(refusal(b"GET / HTTP/1.1\n\n"), Some((400, true)));
    assert_eq!(refusal(b"GET / HTTP/1.1\r\n\r\n"), Some((400, true)));
    assert_eq!(refusal(b"GET / HTTP/1.0\r\n\r\n"), Some((400, true)));
    for host in ["", "user@h", "h/p", "h:99999", "h:x", "a b", "a, b"] {
        assert_eq!(
            refusal(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()),
            Some((400, true)),
            "{host:?}"
        );
    }
}

#[test]
fn framing() {
    let bad_lengths = [
        "+5",
        "-5",
        "-0",
        "0x5",
        "0o5",
        "5_0",
        "5.0",
        "5e0",
        "1Z",
        "\"5\"",
        "",
        "005",
        "00",
        "0200",
        "5, 5",
        "5,6",
        "\u{665}",
        "\u{a0}5",
        "18446744073709551616",
        "99999999999999999999999",
    ];
    for length in bad_lengths {
        assert_eq!(refusal(&with_fields(&format!("Content-Length: {length}\r\n"))), Some((400, true)), "{length:?}");
    }
    for (length, expected) in
        [("0", None), ("1000", None), ("1001", Some((413, true))), ("18446744073709551615", Some((413, true)))]
    {
        assert_eq!(refusal(&with_fields(&format!("Content-Length: {length}\r\n"))), expected, "{length}");
    }
    let bad_codings = ["chunked, gzip", "chunked, chunked", ",chunked", "chunked,", "chunked;a=b", "\"chunked\"", ""];
    for coding in bad_codings {
        assert_eq!(refusal(&with_fields(&format!("Transfer-Encoding: {coding}\r\n"))), Some((400, true)), "{coding:?}");
    }
    for (coding, expected) in [
        ("chunked", None),
        ("CHUNKED", None),
        ("gzip", Some((501, true))),
        ("xchunked", Some((501, true))),
        ("identity", Some((501, true))),
    ] {
        assert_eq!(refusal(&with_fields(&format!("Transfer-Encoding: {coding}\r\n"))), expected, "{coding}");
    }
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\0\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
    ] {
        assert_eq!(refusal(&with_fields(fields)), Some((400, true)), "{fields:?}");
    }
    assert_eq!(refusal(b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), Some((400, true)));
}

#[test]
fn whether_the_connection_lasts() {
    let keeps = |text: &str| {
        let HeadRead::Whole(head) = read_head(text.as_bytes(), &LIMITS) else { panic!("not whole") };
        (head.keep_alive, head.expects_continue)
    };
    assert_eq!(keeps("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n"), (true, true));
    assert_eq!(keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"), (false, false));
    assert_eq!(keeps("GET / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"), (false, false));
}

#[test]
fn a_version_that_has_not_come_whole_is_waited_for() {
    for line in ["PRI * HTTP/2.0", "GET /mcp HTTP/0.9", "\r\nGET /mcp HTTP/3.1"] {
        for end in 0..=line.len() {
            let part = &line[..end];
            assert!(matches!(read_head(part.as_bytes(), &LIMITS), HeadRead::Partial), "{part:?}");
        }
        assert_eq!(refusal(format!("{line}\r\n").as_bytes()), Some((505, true)), "{line:?}");
    }
    let later = with_line("GET /mcp HTTP/1.2");
    for end in 0..later.len() {
        assert!(matches!(read_head(&later[..end], &LIMITS), HeadRead::Partial), "{end}");
    }
    let crowded = format!("GET /mcp HTTP/1.2\r\n{}", "a: b\r\n".repeat(129));
    assert_eq!(refusal(crowded.as_bytes()), Some((431, true)));
    let long = format!("GET /mcp HTTP/1.2\r\na: {}", "b".repeat(16_384));
    assert_eq!(refusal(long.as_bytes()), Some((431, true)));
    let endless = format!("GET /mcp HTTP/2{}", "0".repeat(16_384));
    assert_eq!(refusal(endless.as_bytes()), Some((400, true)));
}

proptest! {
    /// Split at any byte, the parts give what the whole gives.
    #[test]
    fn a_part_is_partial_or_refused_as_the_whole(bad in 0usize..6, cut in any::<prop::sample::Index>()) {
        let text = match bad {
            0 => with_fields("Content-Length: 12\r\nMcp-Name: echo\r\n"),
            1 => with_fields("Content-Length: 1\r\nContent-Length: 2\r\n"),
            2 => with_fields("X : a\r\n"),
            3 => with_line("GET /mcp HTTP/2.0"),
            4 => with_line("GET /a\u{e4} HTTP/1.1"),
            _ => with_fields("Transfer-Encoding: gzip\r\n"),
        };
        let whole = refusal(&text);
        let part = &text[..cut.index(text.len())];
        match read_head(part, &LIMITS) {
            HeadRead::Whole(_) => prop_assert!(false, "a part is whole"),
            HeadRead::Refused(refusal) => {
                prop_assert!(whole.is_some());
                prop_assert!(refusal.closes);
            }
            HeadRead::Partial => {}
        }
    }

    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_head(&bytes, &LIMITS);
        let text = [b"GET / HTTP/1.1\r\nHost: a\r\n", &bytes[..], b"\r\n\r\n"].concat();
        let _ = read_head(&text, &LIMITS);
    }
}
