//! A request's head, read in place by httparse and judged in one pass over its fields.

mod kept;

use std::mem::MaybeUninit;

use httparse::{Error, Header, Request, Status};

use super::framing::{Body, Framing};
use super::target::{Target, is_host};
use crate::VALIDATES;
use crate::http::field::{is_named, is_token};

pub use kept::Heads;

/// Fields that a head may have at most, whatever the limits say.
const FIELDS_MAX: usize = 128;
/// Empty lines that may stand before a request.
const LEADING_LINES_MAX: usize = 8;

/// The bounds of a head.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Request line and fields together.
    pub bytes_max: usize,
    /// Fields.
    pub fields_max: usize,
    /// What Content-Length may say.
    pub body_bytes_max: u64,
}

/// Why a request is refused before its message is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The connection can't be used again: where the next request begins is not certain.
    pub closes: bool,
    /// For people.
    pub why: &'static str,
}

impl Refusal {
    /// The connection ends after the answer.
    pub const fn closing(status: u16, why: &'static str) -> Self {
        Self { status, closes: true, why }
    }

    /// The connection stays usable.
    pub const fn keeping(status: u16, why: &'static str) -> Self {
        Self { status, closes: false, why }
    }
}

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Connect,
    Trace,
    /// None that HTTP defines.
    #[default]
    Unknown,
}

impl Method {
    fn read(name: &str) -> Self {
        match name {
            "POST" => Self::Post,
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "PATCH" => Self::Patch,
            "CONNECT" => Self::Connect,
            "TRACE" => Self::Trace,
            _ => Self::Unknown,
        }
    }
}

/// A field that may be there once: absent, its value, or more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnceOf<V> {
    #[default]
    Absent,
    Value(V),
    Repeated,
}

/// The same, of a head that is being read.
pub type Once<'b> = OnceOf<&'b [u8]>;

impl<V: Copy> OnceOf<V> {
    fn put(&mut self, value: V) {
        *self = if matches!(self, Self::Absent) { Self::Value(value) } else { Self::Repeated };
    }

    /// The value, where there is exactly one.
    pub fn value(self) -> Option<V> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Repeated => None,
        }
    }

    fn map<W>(self, each: impl Fn(V) -> W) -> OnceOf<W> {
        match self {
            Self::Absent => OnceOf::Absent,
            Self::Value(value) => OnceOf::Value(each(value)),
            Self::Repeated => OnceOf::Repeated,
        }
    }
}

/// The fields that this server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownOf<V> {
    pub host: OnceOf<V>,
    pub origin: OnceOf<V>,
    pub sec_fetch_site: OnceOf<V>,
    pub content_type: OnceOf<V>,
    pub content_encoding: OnceOf<V>,
    pub authorization: OnceOf<V>,
    pub protocol_version: OnceOf<V>,
    pub mcp_method: OnceOf<V>,
    pub mcp_name: OnceOf<V>,
    /// Of the older era only.
    pub session_id: OnceOf<V>,
    /// Of the older era only.
    pub last_event_id: OnceOf<V>,
    /// What the Accept fields take, all of them together.
    pub accept: super::negotiate::Accept,
}

/// The same, of a head that is being read.
pub type Known<'b> = KnownOf<&'b [u8]>;

impl<V: Copy> KnownOf<V> {
    fn map<W>(&self, each: impl Fn(V) -> W) -> KnownOf<W> {
        let each = &each;
        KnownOf {
            host: self.host.map(each),
            origin: self.origin.map(each),
            sec_fetch_site: self.sec_fetch_site.map(each),
            content_type: self.content_type.map(each),
            content_encoding: self.content_encoding.map(each),
            authorization: self.authorization.map(each),
            protocol_version: self.protocol_version.map(each),
            mcp_method: self.mcp_method.map(each),
            mcp_name: self.mcp_name.map(each),
            session_id: self.session_id.map(each),
            last_event_id: self.last_event_id.map(each),
            accept: self.accept,
        }
    }
}

/// A request's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head<'b> {
    pub method: Method,
    /// Without the query; "*" for the asterisk form.
    pub path: &'b str,
    /// Of an absolute-form target: its scheme, "://", and its authority, which then wins over Host.
    pub origin: Option<&'b str>,
    /// Where the body ends.
    pub body: Body,
    /// The client takes another answer on this connection.
    pub keep_alive: bool,
    /// HTTP/1.0: the client knows no chunks.
    pub is_http10: bool,
    /// The client waits for 100 before it sends the body.
    pub expects_continue: bool,
    pub known: Known<'b>,
    /// All of it.
    pub text: &'b [u8],
}

impl<'b> Head<'b> {
    /// All fields, for those that are looked for by name: they are read again.
    pub fn fields(&self) -> Vec<Header<'b>> {
        let mut fields = vec![httparse::EMPTY_HEADER; FIELDS_MAX];
        let Ok(Some(line_end)) = first_line_end(self.text) else { return Vec::new() };
        match httparse::parse_headers(&self.text[line_end + 2..], &mut fields) {
            Ok(Status::Complete((_, found))) => found.to_vec(),
            _ => Vec::new(),
        }
    }
}

/// How far a head has come.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for every request")]
pub enum HeadRead<'b> {
    /// More is needed.
    Partial,
    Whole(Head<'b>),
    Refused(Refusal),
}

/// Reads a head from the front of `bytes`.
pub fn read_head<'b>(bytes: &'b [u8], limits: &HeadLimits) -> HeadRead<'b> {
    let fields_max = limits.fields_max.min(FIELDS_MAX);
    // On the stack, and not written to before it is used.
    let mut slots = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut request = Request::new(&mut []);
    let window = &bytes[..bytes.len().min(limits.bytes_max)];
    let read = match request.parse_with_uninit_headers(window, &mut slots[..fields_max]) {
        Ok(Status::Complete(length)) => {
            let (method, target) = (request.method.unwrap_or(""), request.path.unwrap_or(""));
            let minor = request.version.unwrap_or(0);
            judge(&bytes[..length], method, target, minor, request.headers, limits)
        }
        Ok(Status::Partial) if bytes.len() >= limits.bytes_max => Err(too_long(window)),
        Ok(Status::Partial) if leading_lines(bytes).is_none() => Err(BAD_LINES),
        Ok(Status::Partial) => return HeadRead::Partial,
        Err(Error::TooManyHeaders) => Err(TOO_MANY_FIELDS),
        Err(Error::Version) if window.len() < limits.bytes_max && first_line_end(window) == Ok(None) => {
            return HeadRead::Partial;
        }
        Err(Error::Version) => match other_version(window, fields_max, limits) {
            Ok(Some(head)) => Ok(head),
            Ok(None) if bytes.len() < limits.bytes_max => return HeadRead::Partial,
            Ok(None) => Err(too_long(window)),
            Err(refusal) => Err(refusal),
        },
        Err(Error::HeaderName | Error::HeaderValue) => Err(Refusal::closing(400, "a header field is malformed")),
        Err(_) => Err(Refusal::closing(400, "the request line is malformed")),
    };
    match read {
        Ok(head) => HeadRead::Whole(head),
        Err(refusal) => HeadRead::Refused(refusal),
    }
}

const TOO_MANY_FIELDS: Refusal = Refusal::closing(431, "the request has too many header fields");
const BAD_LINES: Refusal = Refusal::closing(400, "a line does not end with CRLF, or too many empty lines came first");

fn too_long(window: &[u8]) -> Refusal {
    let start = leading_lines(window).unwrap_or(0);
    if memchr::memchr(b'\n', &window[start..]).is_none() {
        return Refusal::closing(414, "the request line is too long");
    }
    Refusal::closing(431, "the header fields are too long")
}

/// Bytes of empty lines at the front; none where there are too many.
fn leading_lines(bytes: &[u8]) -> Option<usize> {
    let lines = bytes.chunks(2).take_while(|line| *line == b"\r\n").count();
    (lines <= LEADING_LINES_MAX).then_some(lines * 2)
}

/// Where the first line that is not empty ends; none while it has not come whole.
fn first_line_end(window: &[u8]) -> Result<Option<usize>, Refusal> {
    let start = leading_lines(window).ok_or(BAD_LINES)?;
    Ok(memchr::memmem::find(&window[start..], b"\r\n").map(|end| start + end))
}

/// Another version than 1.0 or 1.1. A later minor version is read as 1.1 (RFC 9110, 2.5); none while it has not come whole.
#[cold]
fn other_version<'b>(window: &'b [u8], fields_max: usize, limits: &HeadLimits) -> Result<Option<Head<'b>>, Refusal> {
    let bad = Refusal::closing(400, "the request line names no version of HTTP");
    let start = leading_lines(window).ok_or(BAD_LINES)?;
    let line_end = first_line_end(window)?.ok_or(bad)?;
    let line = std::str::from_utf8(&window[start..line_end]).map_err(|_| bad)?;
    let mut parts = line.split(' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(bad);
    };
    let digits = version.strip_prefix("HTTP/").map(str::as_bytes);
    match digits {
        Some([b'1', b'.', b'2'..=b'9']) if is_token(method.as_bytes()) && !target.is_empty() => {}
        Some([b'0' | b'2'..=b'9', b'.', b'0'..=b'9']) => {
            return Err(Refusal::closing(505, "this server speaks HTTP/1.1"));
        }
        _ => return Err(bad),
    }
    let mut fields = vec![httparse::EMPTY_HEADER; fields_max];
    let after_line = line_end + 2;
    match httparse::parse_headers(&window[after_line..], &mut fields) {
        Ok(Status::Complete((length, found))) => {
            judge(&window[..after_line + length], method, target, 1, found, limits).map(Some)
        }
        Ok(Status::Partial) => Ok(None),
        Err(Error::TooManyHeaders) => Err(TOO_MANY_FIELDS),
        Err(_) => Err(Refusal::closing(400, "a header field is malformed")),
    }
}

/// True where a line does not end with CRLF. Without a way out in the midst, so that it is many bytes at once.
fn has_bare_line_feed(head: &[u8]) -> bool {
    let is_bare = |(before, byte): (&u8, &u8)| (*byte == b'\n') & (*before != b'\r');
    head.starts_with(b"\n") | head.iter().zip(&head[1..]).fold(false, |found, pair| found | is_bare(pair))
}

/// What decides about the connection, from the fields of one head.
fn judge<'b>(
    bytes: &'b [u8],
    method: &'b str,
    target: &'b str,
    minor: u8,
    fields: &[Header<'b>],
    limits: &HeadLimits,
) -> Result<Head<'b>, Refusal> {
    if (VALIDATES && has_bare_line_feed(bytes)) || (bytes[0] == b'\r' && leading_lines(bytes).is_none()) {
        return Err(BAD_LINES);
    }
    let method = Method::read(method);
    let target = Target::read(method, target)?;
    let mut found = Found { keep_alive: minor > 0, ..Found::default() };
    for field in fields {
        found.take(field.name.as_bytes(), field.value);
    }
    let body = found.framing.body(minor, limits.body_bytes_max)?;
    match found.known.host {
        Once::Value(host) if !VALIDATES || is_host(host) => {}
        Once::Value(_) => return Err(Refusal::closing(400, "Host is malformed")),
        Once::Absent => return Err(Refusal::closing(400, "Host is missing")),
        Once::Repeated => return Err(Refusal::closing(400, "Host is there twice")),
    }
    let expects_continue = match found.expect {
        Once::Absent => false,
        Once::Value(value) if value.eq_ignore_ascii_case(b"100-continue") => minor > 0,
        _ => return Err(Refusal::closing(417, "this expectation can't be met")),
    };
    Ok(Head {
        method,
        path: target.path,
        origin: target.origin,
        body,
        keep_alive: found.keep_alive,
        is_http10: minor == 0,
        expects_continue,
        known: found.known,
        text: bytes,
    })
}

#[derive(Debug, Default)]
struct Found<'b> {
    known: Known<'b>,
    framing: Framing<'b>,
    expect: Once<'b>,
    keep_alive: bool,
}

impl<'b> Found<'b> {
    /// Sorts a field by its name: first by the name's length, which leaves one or two to compare with.
    fn take(&mut self, name: &[u8], value: &'b [u8]) {
        let known = &mut self.known;
        match name.len() {
            4 if is_named(name, b"host") => known.host.put(value),
            6 if is_named(name, b"accept") => known.accept.add(value),
            6 if is_named(name, b"origin") => known.origin.put(value),
            6 if is_named(name, b"expect") => self.expect.put(value),
            8 if is_named(name, b"mcp-name") => known.mcp_name.put(value),
            10 if is_named(name, b"mcp-method") => known.mcp_method.put(value),
            10 if is_named(name, b"connection") => self.connection(value),
            12 if is_named(name, b"content-type") => known.content_type.put(value),
            13 if is_named(name, b"authorization") => known.authorization.put(value),
            13 if is_named(name, b"last-event-id") => known.last_event_id.put(value),
            14 if is_named(name, b"content-length") => {
                self.framing.repeated |= self.framing.length.replace(value).is_some();
            }
            14 if is_named(name, b"sec-fetch-site") => known.sec_fetch_site.put(value),
            14 if is_named(name, b"mcp-session-id") => known.session_id.put(value),
            16 if is_named(name, b"content-encoding") => known.content_encoding.put(value),
            17 if is_named(name, b"transfer-encoding") => {
                self.framing.repeated |= self.framing.encoding.replace(value).is_some();
            }
            20 if is_named(name, b"mcp-protocol-version") => known.protocol_version.put(value),
            _ => {}
        }
    }

    /// Only `close` and `keep-alive` mean anything here: fields that it names keep their meaning.
    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.keep_alive = false;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
