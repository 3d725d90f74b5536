//! The server's reader of heads beside httparse: it takes nothing that the other refuses and ends heads where the other
//! does. What it refuses beyond that, it refuses for a reason that is true.

use erlmcp_protocol::server::{Body, Head, HeadLimits, HeadRead, Heads, Refusal, read_head};
use httparse::{Error, Header, Request, Status};

const LIMITS: HeadLimits = HeadLimits { bytes_max: 16_384, fields_max: 64, body_bytes_max: 1_048_576 };

/// A whole connection's bytes, or any.
pub fn run(bytes: &[u8]) {
    let ours = read_head(bytes, &LIMITS);
    // What comes again and again is known by then, and no other.
    let mut heads = Heads::new(LIMITS);
    for _ in 0..10 {
        assert_eq!(heads.read(bytes), ours);
    }
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = Request::new(&mut fields);
    let theirs = request.parse(bytes);
    match ours {
        HeadRead::Whole(head) => taken(bytes, &head, &request, theirs),
        HeadRead::Partial => match theirs {
            // Before its line has come whole, a version is not judged here; a later minor one is read as 1.1.
            Err(Error::Version) => assert!(line(bytes).is_none_or(is_of_a_later_minor), "the line is there"),
            theirs => assert_eq!(theirs, Ok(Status::Partial), "more is waited for"),
        },
        HeadRead::Refused(refusal) => {
            assert!((400..600).contains(&refusal.status) && !refusal.why.is_empty());
            if let Ok(Status::Complete(length)) = theirs {
                assert!(is_true(&refusal, &bytes[..length], &request), "{refusal:?}");
            }
        }
    }
}

/// The first line that is not empty, where it has come to its end.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    let empty = bytes.chunks(2).take_while(|line| *line == b"\r\n").count();
    let line = &bytes[2 * empty..];
    line.windows(2).position(|two| two == b"\r\n").map(|end| &line[..end])
}

fn is_of_a_later_minor(line: &[u8]) -> bool {
    matches!(line, [rest @ .., b'2'..=b'9'] if rest.ends_with(b" HTTP/1."))
}

fn taken(bytes: &[u8], head: &Head<'_>, request: &Request<'_, '_>, theirs: Result<Status<usize>, Error>) {
    match theirs {
        Ok(status) => {
            assert_eq!(status, Status::Complete(head.text.len()));
            assert_eq!(request.headers.len(), head.fields().len());
        }
        // A later minor version is read as 1.1 here.
        Err(error) => assert_eq!(error, Error::Version),
    }
    assert!(bytes[..head.text.len()].ends_with(b"\r\n\r\n"));
    let all = head.fields();
    let (lengths, codings) = (named(&all, "content-length"), named(&all, "transfer-encoding"));
    match head.body {
        Body::Chunked => {
            assert!(lengths.is_empty() && codings.len() == 1 && codings[0].eq_ignore_ascii_case(b"chunked"))
        }
        Body::Length(length) => {
            assert!(codings.is_empty() && lengths.len() <= 1);
            assert_eq!(Some(length), lengths.first().map_or(Some(0), |text| number(text)));
        }
    }
    assert!(named(&all, "host").len() == 1 && named(&all, "expect").len() <= 1);
}

fn named<'b>(fields: &[Header<'b>], name: &str) -> Vec<&'b [u8]> {
    fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value).collect()
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok())
}

/// Whether a head that httparse takes is what the refusal says of it.
fn is_true(refusal: &Refusal, bytes: &[u8], request: &Request<'_, '_>) -> bool {
    let (lengths, codings) = (named(request.headers, "content-length"), named(request.headers, "transfer-encoding"));
    let hosts = named(request.headers, "host");
    let target = request.path.unwrap_or("");
    match (refusal.status, refusal.why) {
        (400, why) if why.starts_with("a line does not end with CRLF") => {
            let bare = |at: usize| bytes[at] == b'\n' && (at == 0 || bytes[at - 1] != b'\r');
            (0..bytes.len()).any(bare) || bytes.starts_with(b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n")
        }
        (400, why) if why.starts_with("the request target holds") => {
            target.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'#')
        }
        (400, why) if why.starts_with("the request target has no form") => {
            !target.starts_with(['/', '*']) || (target.starts_with('*') && target.len() > 1)
        }
        (400, "the request target names no host") => {
            let named = target.split_once("://").map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
            named.is_some_and(|host| !is_plain_host(host.as_bytes()))
        }
        (400, why) if why.starts_with("the length of the body is given twice") => {
            lengths.len() > 1 || codings.len() > 1
        }
        (400, why) if why.starts_with("HTTP/1.0 has no") => request.version == Some(0) && !codings.is_empty(),
        (400, why) if why.starts_with("Content-Length and") => !lengths.is_empty() && !codings.is_empty(),
        (400, why) if why.starts_with("Content-Length is not") => {
            let plain = |text: &[u8]| number(text).is_some_and(|length| length.to_string().as_bytes() == text);
            lengths.iter().any(|text| !plain(text))
        }
        (413, _) => lengths.iter().any(|text| number(text).is_some_and(|length| length > LIMITS.body_bytes_max)),
        (400 | 501, why) if why.contains("coding") => codings.iter().any(|text| !text.eq_ignore_ascii_case(b"chunked")),
        (400, "Host is missing") => hosts.is_empty(),
        (400, "Host is there twice") => hosts.len() > 1,
        (400, "Host is malformed") => hosts.iter().any(|host| !is_plain_host(host)),
        (417, _) => {
            let met = |value: &&[u8]| value.eq_ignore_ascii_case(b"100-continue");
            let all = named(request.headers, "expect");
            all.len() > 1 || !all.iter().all(met)
        }
        (414 | 431, _) => bytes.len() > LIMITS.bytes_max,
        _ => false,
    }
}

/// A name or an address and a port, of the letters that these usually have.
fn is_plain_host(host: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(host) else { return false };
    let (name, port) = text.rsplit_once(':').unwrap_or((text, "1"));
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    !name.is_empty()
        && name.bytes().all(letters)
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.len() <= 5
        && port.parse::<u16>().is_ok()
}
