//! The bodies of the fuzz targets (`fuzz/`), tried briefly on good inputs that were tampered with.

#[path = "../../../../fuzz/src/protocol/mod.rs"]
mod bodies;
#[path = "../../../../fuzz/src/inputs.rs"]
mod inputs;

use proptest::prelude::*;

use crate::recorded::recordings;

fn all(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Inputs behind a byte that says how they are cut.
fn cut(good: Vec<Vec<u8>>, together_max: usize) -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), inputs::tampered(good, together_max)).prop_map(|(seed, mut bytes)| {
        bytes.insert(0, seed);
        bytes
    })
}

/// A good head with some of the fields that decide.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let fields = prop::sample::subsequence(
        vec![
            "Content-Length: 12\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Connection: close\r\n",
            "Mcp-Name: echo\r\n",
            "Accept: */*\r\n",
            "Expect: 100-continue\r\n",
            "Host: [::1]:80\r\n",
        ],
        0..=7,
    );
    let lines =
        prop::sample::select(vec!["POST /mcp", "GET http://a:1/mcp?x", "OPTIONS *", "CONNECT a:1", "\r\nPUT /"]);
    let head = (lines, "1\\.[01]", fields).prop_map(|(line, version, fields)| {
        format!("{line} HTTP/{version}\r\nHost: a:1\r\n{}\r\nrest", fields.concat()).into_bytes()
    });
    head.prop_flat_map(|head| inputs::tampered(vec![head], 1))
}

/// Chunks, an extension, trailers, the end.
fn chunks() -> Vec<Vec<u8>> {
    all(&[
        "5\r\nhello\r\n",
        "A\r\n0123456789\r\n",
        "1;a=\"b\\\"c\";d\r\nx\r\n",
        "0\r\nX: 1\r\n\r\n",
        "0\r\n\r\n",
        "fff",
    ])
}

fn messages() -> Vec<Vec<u8>> {
    all(&[
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"text":"a\u00e4\ud83d\ude00"},"_meta":{"progressToken":"t"}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1.5e3}}"#,
        r#"[{"jsonrpc":"2.0","id":"a","result":{}},{"jsonrpc":"2.0","id":-1,"error":{"code":1,"message":""}}]"#,
        r#"{"id":1,"jsonrpc":"2.0","method":"resources/read","params":{"uri":"a:b","cursor":null,"requestState":"x"}}"#,
    ])
}

fn events() -> Vec<Vec<u8>> {
    all(&[
        "data: a\n\n",
        "id: 7\nevent: m\r\ndata\rdata: b\n\n",
        ": keep-alive\n\n",
        "retry: 250\n",
        "\u{feff}data:c\r\r",
    ])
}

fn answers() -> Vec<Vec<u8>> {
    let mut answers: Vec<Vec<u8>> = recordings("answers").into_iter().map(|recording| recording.bytes).collect();
    answers.extend(all(&[
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        "d\r\nid: 1\ndata: {}\r\n2\r\n\n\n\r\n0\r\n\r\n",
        "HTTP/1.0 503 Busy\r\nRetry-After: 3\r\n\r\nbusy",
    ]));
    answers
}

proptest! {
    #![proptest_config(inputs::cases(4_000))]

    #[test]
    fn heads_are_read_as_httparse_reads_them(bytes in heads()) {
        bodies::heads::run(&bytes);
    }

    #[test]
    fn chunks_are_one_body_in_any_pieces(bytes in cut(chunks(), 6)) {
        bodies::chunks::run(&bytes);
    }

    #[test]
    fn messages_are_read_as_serde_json_reads_them(bytes in inputs::tampered(messages(), 1)) {
        bodies::messages::run(&bytes);
    }

    #[test]
    fn values_of_headers_come_back(bytes in inputs::tampered(all(&["echo", "=?base64?w6Q=?=", "\u{e4} b", "=?", "?="]), 2)) {
        bodies::values::run(&bytes);
    }

    #[test]
    fn events_are_the_same_in_any_pieces(bytes in cut(events(), 8)) {
        bodies::events::run(&bytes);
    }
}

proptest! {
    #![proptest_config(inputs::cases(400))]

    #[test]
    fn answers_are_the_same_in_any_pieces(bytes in cut(answers(), 3)) {
        bodies::answers::run(&bytes);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        bodies::answers::run(&bytes);
        bodies::chunks::run(&bytes);
        bodies::events::run(&bytes);
        bodies::heads::run(&bytes);
        bodies::messages::run(&bytes);
        bodies::values::run(&bytes);
    }
}

/// What libFuzzer has found. A version is not judged before its line is there, which httparse does; a later minor one is read as 1.1.
#[test]
fn what_was_found_once_is_tried_again() {
    for head in ["c P  ", "POST /mcp HTTP/2", "\r\n\r\nGET / HTTP/7.\r", "# ! HTTP/1.5\r\n", "GE* T HTTP/1.5\r\nA!!"] {
        bodies::heads::run(head.as_bytes());
        bodies::heads::run(format!("{head}\r\nHost: localhost\r\n\r\n").as_bytes());
    }
}
