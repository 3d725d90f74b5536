//! The server's reading of a whole connection beside hyper's: the same requests with the same bodies, in the same order,
//! until one of the two refuses. Where hyper goes on, the refusal must be one in which this server is stricter on purpose.
#![allow(unreachable_pub, reason = "targets and smokes see more, or less, of it")]

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use erlmcp_protocol::http::chunked::{Chunk, Chunked};
use erlmcp_protocol::server::{Body, HeadLimits, HeadRead, read_head};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

const LIMITS: HeadLimits = HeadLimits { bytes_max: 16_384, fields_max: 100, body_bytes_max: 1_048_576 };
/// More than any input here needs.
const POLLS_MAX: usize = 10_000;

/// A request that was taken, with its whole body.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Taken {
    method: String,
    path: String,
    body: Vec<u8>,
}

/// Why this server takes no more.
#[derive(Debug)]
enum End {
    /// More is waited for.
    Partial,
    Refused(&'static str),
    /// The chunks of a body, which begin at this byte.
    Chunks(usize),
    /// The client has asked for it, or the other side may do otherwise with good reason.
    Closed,
}

/// Each request with whether only this server may take it.
fn ours(bytes: &[u8]) -> (Vec<(Taken, bool)>, End) {
    let mut taken = Vec::new();
    let mut at = 0;
    loop {
        let head = match read_head(&bytes[at..], &LIMITS) {
            HeadRead::Whole(head) => head,
            HeadRead::Partial => return (taken, End::Partial),
            HeadRead::Refused(refusal) => return (taken, End::Refused(refusal.why)),
        };
        let only_we = is_lenient(&bytes[at..at + head.text.len()]);
        at += head.text.len();
        let mut body = Vec::new();
        match head.body {
            Body::Length(length) => {
                let Some(whole) = bytes.get(at..at + length as usize) else { return (taken, End::Partial) };
                body.extend_from_slice(whole);
                at += whole.len();
            }
            Body::Chunked => {
                let (mut chunked, begin) = (Chunked::new(LIMITS.body_bytes_max), at);
                loop {
                    match chunked.decode(&bytes[at..]) {
                        Ok(Chunk::Data { data, used }) => {
                            body.extend_from_slice(data);
                            at += used;
                        }
                        Ok(Chunk::More) => return (taken, End::Partial),
                        Ok(Chunk::End { used }) => {
                            at += used;
                            break;
                        }
                        Err(_) => return (taken, End::Chunks(begin)),
                    }
                }
            }
        }
        let method = format!("{:?}", head.method).to_uppercase();
        let is_tunnel =
            method == "CONNECT" || head.fields().iter().any(|field| field.name.eq_ignore_ascii_case("upgrade"));
        taken.push((Taken { method, path: head.path.to_string(), body }, only_we));
        if !head.keep_alive || is_tunnel {
            return (taken, End::Closed);
        }
    }
}

/// Bytes that were sent before the connection's end; what is answered goes nowhere.
struct Sent {
    bytes: Vec<u8>,
    at: usize,
}

impl Read for Sent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<Result<(), io::Error>> {
        let count = into.remaining().min(self.bytes.len() - self.at);
        into.put_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

impl Write for Sent {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The requests whose bodies hyper has given whole.
pub fn theirs(bytes: &[u8]) -> Vec<Taken> {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let taken = Arc::clone(&taken);
        async move {
            let (method, path) = (request.method().to_string(), request.uri().path().to_string());
            if let Ok(body) = request.into_body().collect().await {
                let body = body.to_bytes().to_vec();
                taken.lock().expect("one thread").push(Taken { method, path, body });
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let sent = Sent { bytes: bytes.to_vec(), at: 0 };
    let mut connection = pin!(http1::Builder::new().half_close(true).serve_connection(sent, service));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..POLLS_MAX {
        if connection.as_mut().poll(&mut context).is_ready() {
            return std::mem::take(&mut taken.lock().expect("one thread"));
        }
    }
    panic!("hyper does not come to an end");
}

/// A whole connection's bytes, or any.
pub fn run(bytes: &[u8]) {
    let (ours, end) = ours(bytes);
    let theirs = theirs(bytes);
    for (index, (request, only_we)) in ours.iter().enumerate() {
        match theirs.get(index) {
            Some(other) => assert_eq!(&comparable(request), &comparable(other), "request {index}"),
            None => return assert!(only_we, "hyper refuses request {index}, which this server takes"),
        }
    }
    if theirs.len() == ours.len() {
        return;
    }
    match end {
        End::Closed => {}
        End::Partial => panic!("hyper takes a request whose end this server still waits for: {:?}", theirs[ours.len()]),
        End::Refused(why) => assert!(STRICTER.iter().any(|reason| why.contains(reason)), "only we refuse it: {why}"),
        End::Chunks(begin) => assert!(has_more_than_chunks(&bytes[begin..]), "only we refuse these chunks"),
    }
}

/// Methods that no standard has are one to this server.
fn comparable(taken: &Taken) -> Taken {
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"];
    let method = if known.contains(&taken.method.as_str()) { taken.method.clone() } else { "UNKNOWN".to_string() };
    Taken { method, ..taken.clone() }
}

/// In what this server is stricter than hyper (docs/wire.md).
const STRICTER: [&str; 11] = [
    "does not end with CRLF",
    "Content-Length is not a plain decimal number",
    "the length of the body is given twice",
    "exclude each other",
    "HTTP/1.0 has no Transfer-Encoding",
    "Host is",
    "this expectation can't be met",
    "the body is larger",
    "the request target",
    "too long",
    "coding",
];

/// What only this server takes: a later minor version of HTTP/1, and targets with letters that no URI has, which are no path
/// of its own.
fn is_lenient(head: &[u8]) -> bool {
    let start = head.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(0);
    let line = head[start..].split(|byte| *byte == b'\r').next().unwrap_or_default();
    let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    !matches!(version, b"HTTP/1.0" | b"HTTP/1.1") || line.iter().any(|byte| b"\"<>\\^`{|}".contains(byte))
}

/// Extensions, trailers, blanks beside a size, or more digits than it needs: hyper reads over all of these.
fn has_more_than_chunks(body: &[u8]) -> bool {
    let mut left = body;
    loop {
        let Some(end) = left.windows(2).position(|two| two == b"\r\n") else { return true };
        let Ok(digits) = std::str::from_utf8(&left[..end]) else { return true };
        if digits.len() > 16 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return true;
        }
        let Ok(size) = usize::from_str_radix(digits, 16) else { return true };
        let rest = &left[end + 2..];
        if size == 0 {
            return !rest.starts_with(b"\r\n");
        }
        match rest.get(size..).and_then(|rest| rest.strip_prefix(b"\r\n")) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
}
