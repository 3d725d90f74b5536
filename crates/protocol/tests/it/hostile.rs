//! Answers of hostile servers: each comes to a named end, after a bounded number of bytes.

use erlmcp_protocol::client::answer::{Answer, Broken, Progress, Said};

const JSON: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
/// More than any limit of a client here.
const MUCH: usize = 20 << 20;

/// How the answer to request 7 ended, and after how many bytes; `piece` comes again and again behind `start`.
fn end(start: &str, piece: &str) -> (Option<Broken>, usize) {
    let mut answer = Answer::default();
    answer.begin(7);
    let piece = piece.repeat((65_536 / piece.len()).max(1));
    let mut fed = 0;
    for bytes in std::iter::once(start.as_bytes()).chain(std::iter::repeat(piece.as_bytes())) {
        fed += bytes.len();
        match answer.feed(bytes) {
            Progress::More if fed < MUCH => {}
            Progress::More => return (None, fed),
            Progress::Broken(broken) => return (Some(broken), fed),
            Progress::Whole { said, .. } => panic!("what has no end was taken for whole: {said:?}"),
        }
    }
    unreachable!("the pieces have no end")
}

/// What a whole answer said, fed at once and byte by byte.
fn said(text: &[u8]) -> Result<Said, Broken> {
    let read = |pieces: usize| {
        let mut answer = Answer::default();
        answer.begin(7);
        for piece in text.chunks(pieces) {
            match answer.feed(piece) {
                Progress::More => {}
                Progress::Whole { said, .. } => return Ok(said),
                Progress::Broken(broken) => return Err(broken),
            }
        }
        panic!("{:?} is not whole", String::from_utf8_lossy(text))
    };
    let whole = read(text.len());
    assert_eq!(whole, read(1), "{:?}", String::from_utf8_lossy(text));
    whole
}

fn with_length(more: &str, body: &str) -> Vec<u8> {
    format!("{JSON}{more}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn what_has_no_end_is_too_large() {
    for (what, start, piece, at_most) in [
        ("headers", "HTTP/1.1 200 OK\r\n", "X: a\r\n", 1 << 18),
        ("one header", "HTTP/1.1 200 OK\r\nX: ", "a", 1 << 18),
        ("chunks", &format!("{JSON}Transfer-Encoding: chunked\r\n\r\n"), "400\r\n", 1 << 20),
        ("an event", EVENTS, "8000\r\n", 1 << 20),
    ] {
        let (piece, at_most) = match what {
            "chunks" | "an event" => {
                let size = if what == "chunks" { 0x400 } else { 0x8000 };
                (format!("{piece}{}\r\n", "a".repeat(size)), 18 << 20)
            }
            _ => (piece.to_string(), at_most),
        };
        let (broken, fed) = end(start, &piece);
        assert!(broken.is_some() && fed <= at_most, "{what}: {broken:?} after {fed} bytes");
    }
}

#[test]
fn ten_gigabytes_are_refused_at_their_announcement() {
    let text = format!("{JSON}Content-Length: 10000000000\r\n\r\n");
    assert_eq!(said(text.as_bytes()), Err(Broken::TooLarge));
}

#[test]
fn a_stream_of_comments_holds_nothing() {
    let comment = format!("3f4\r\n:{}\n\r\n", "a".repeat(1_010));
    assert_eq!(end(EVENTS, &comment).0, None, "it is for the deadline of the request to end it");
}

#[test]
fn tricks_with_chunks_are_no_http() {
    let head = format!("{JSON}Transfer-Encoding: chunked\r\n\r\n");
    for chunks in [
        "0x2\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n",
        "2\n{}\n0\n\n",
        "1\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n",
        "2;\r\n{}\r\n",
    ] {
        assert_eq!(said(format!("{head}{chunks}").as_bytes()), Err(Broken::NotHttp), "{chunks:?}");
    }
    assert_eq!(said(format!("{head}ffffffffffffffff\r\n").as_bytes()), Err(Broken::TooLarge));
}

#[test]
fn what_is_no_answer_to_the_request_is_told_so() {
    let result = |id: &str| with_length("", &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    assert!(matches!(said(&result("8")), Ok(Said::AnotherId(_))), "another id");
    assert!(matches!(said(&result("null")), Ok(Said::NotJsonRpc | Said::NoResponse | Said::AnotherId(_))), "no id");
    let gzip = [&b"\x1f\x8b\x08\x00"[..], &[0xff; 40]].concat();
    let head = format!("{JSON}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", gzip.len());
    assert_eq!(said(&[head.as_bytes(), &gzip].concat()), Ok(Said::NotJsonRpc), "gzip that nobody asked for");
    let redirect = "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(said(redirect.as_bytes()), Ok(Said::HttpError(307)), "redirects are not followed");
    assert_eq!(said(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), Err(Broken::NotHttp));
}
