//! Requests of foreign clients, read as a server reads them.

use erlmcp_protocol::era::Version;
use erlmcp_protocol::server::check::check_request;
use erlmcp_protocol::server::legacy::{Said, opens_session, said};
use erlmcp_protocol::server::message::{MessageLimits, is_response};
use erlmcp_protocol::server::negotiate::check_post;
use erlmcp_protocol::server::{Body, Head, HeadLimits, HeadRead, Method, read_head, read_message};

use crate::recorded::{assert_complete, recordings};

const HEADS: HeadLimits = HeadLimits { bytes_max: 16_384, fields_max: 64, body_bytes_max: 1_048_576 };
const MESSAGES: MessageLimits = MessageLimits { depth_max: 64, id_bytes_max: 256 };

/// VERB ERA METHOD NAME of the request at the front, and its length.
fn classify(bytes: &[u8]) -> (String, usize) {
    let head = match read_head(bytes, &HEADS) {
        HeadRead::Whole(head) => head,
        other => panic!("{other:?}: {}", String::from_utf8_lossy(bytes)),
    };
    let Body::Length(length) = head.body else { panic!("none of them sends chunks: {head:?}") };
    let length = head.text.len() + usize::try_from(length).expect("they are small");
    let body = &bytes[head.text.len()..length];
    assert_eq!(head.path, "/mcp");
    let said = match head.method {
        Method::Post => post(&head, body),
        Method::Get => format!("GET {} - -", era(said(&head.known))),
        Method::Delete => format!("DELETE {} - -", era(said(&head.known))),
        other => panic!("{other:?}"),
    };
    (said, length)
}

fn era(said: Said) -> &'static str {
    match said {
        Said::Modern => "modern",
        Said::Legacy => "legacy",
        Said::Nothing | Said::Unknown => "unknown",
    }
}

fn post(head: &Head<'_>, body: &[u8]) -> String {
    check_post(&head.known).expect("it says what it sends and takes");
    let of_head = said(&head.known);
    if is_response(body, &MESSAGES) {
        return format!("POST {} response -", era(of_head));
    }
    let message = read_message(body, &MESSAGES).expect("it is one message");
    let of_message = if opens_session(&message) { "legacy" } else { era(of_head) };
    if of_message == "modern" && message.id.is_some() {
        check_request(&head.known, &message, &Version::ALL).expect("headers and body agree");
    }
    let name = message.params.name.or(message.params.uri).map_or("-".into(), |name| name.decode());
    format!("POST {of_message} {} {name}", message.method.decode())
}

#[test]
fn requests_of_foreign_clients_are_what_they_are() {
    let recordings = recordings("requests");
    assert_complete(&recordings, &["fastmcp", "python-mcp", "rmcp", "typescript-v1", "typescript-v2"]);
    for recording in recordings {
        let mut at = 0;
        for expected in &recording.said {
            let (found, length) = classify(&recording.bytes[at..]);
            assert_eq!(found, *expected, "{}", recording.name);
            at += length;
        }
        assert_eq!(at, recording.bytes.len(), "{}: bytes are left", recording.name);
    }
}

#[test]
fn a_part_of_a_head_is_no_head() {
    for recording in recordings("requests") {
        let end = recording.bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        for cut in 0..end {
            let read = read_head(&recording.bytes[..cut], &HEADS);
            assert!(matches!(read, HeadRead::Partial), "{} cut at {cut}: {read:?}", recording.name);
        }
    }
}
