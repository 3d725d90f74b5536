//! The body of the fuzz target `served` (`fuzz/`), tried briefly: whole connections, read as hyper reads them.

#[path = "../../../../fuzz/src/served.rs"]
mod body;
#[path = "../../../../fuzz/src/inputs.rs"]
mod inputs;

use proptest::prelude::*;

/// Requests whose framing matters, good ones and tricks.
fn requests() -> Vec<Vec<u8>> {
    [
        "POST /mcp HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\n\r\nhello",
        "POST /mcp?q HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nT: 1\r\n\r\n",
        "GET http://b/mcp HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 0\r\n\r\n",
        "DELETE /mcp HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "\r\nFOO /%00 HTTP/1.1\r\nHost: a\r\nX: \u{e4}\r\n\r\n",
        "PUT /\"{|}^`<>\\ HTTP/1.2\r\nHost: a\r\n\r\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

#[test]
fn a_body_that_is_smuggled_is_seen_by_neither() {
    let two = "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 31\r\n\r\nGET /x HTTP/1.1\r\nHost: evil\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    body::run(two.as_bytes());
    assert_eq!(body::theirs(two.as_bytes()).len(), 2);
}

proptest! {
    #![proptest_config(inputs::cases(2_000))]

    #[test]
    fn connections_are_read_as_hyper_reads_them(bytes in inputs::tampered(requests(), 3)) {
        body::run(&bytes);
    }
}
