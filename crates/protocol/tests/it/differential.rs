//! The reader of heads beside httparse: what the one takes, the other takes alike; it refuses more, and never less.

use erlmcp_protocol::server::{Body, HeadLimits, HeadRead, read_head, slots};
use proptest::prelude::*;

const LIMITS: HeadLimits = HeadLimits { bytes_max: 16_384, fields_max: 64, body_bytes_max: 1_048_576 };

/// A good head with some of its bytes replaced, left out or put in.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::sample::subsequence(
        vec![
            "Content-Length: 12\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Connection: close\r\n",
            "Mcp-Name: echo\r\n",
            "Accept: */*\r\n",
            "Expect: 100-continue\r\n",
        ],
        0..=6,
    );
    let odd = prop::sample::select(b"\r\n\t :,;\0\x0b\x7f\x80\xa0aA0+-_/*#".to_vec());
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0u8..3, odd), 0..4);
    (lines, edits).prop_map(|(lines, edits)| {
        let text = format!("POST /mcp HTTP/1.1\r\nHost: a:1\r\n{}\r\nrest", lines.concat());
        let mut bytes = text.into_bytes();
        for (at, kind, byte) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_is_taken_is_what_httparse_takes(bytes in heads()) {
        let mut slots = slots();
        let HeadRead::Whole(head) = read_head(&bytes, &LIMITS, &mut slots) else { return Ok(()) };
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(&bytes) {
            Ok(status) => {
                prop_assert_eq!(status, httparse::Status::Complete(head.length));
                prop_assert_eq!(request.headers.len(), head.fields.len());
            }
            // A later minor version is read as 1.1 here.
            Err(error) => prop_assert_eq!(error, httparse::Error::Version),
        }
        let named = |name: &str| -> Vec<&[u8]> {
            head.fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value).collect()
        };
        let (lengths, codings) = (named("content-length"), named("transfer-encoding"));
        let digits = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
        match head.body {
            Body::Chunked => prop_assert!(lengths.is_empty() && codings.len() == 1 && codings[0].eq_ignore_ascii_case(b"chunked")),
            Body::Length(length) => {
                prop_assert!(codings.is_empty() && lengths.len() <= 1);
                prop_assert_eq!(length, lengths.first().map_or(Some(0), |text| digits(text)).expect("a number"));
            }
        }
        prop_assert!(bytes[..head.length].ends_with(b"\r\n\r\n"));
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut slots = slots();
        let _ = read_head(&bytes, &LIMITS, &mut slots);
    }
}
