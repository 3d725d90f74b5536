//! The head of an answer.

#[cfg(test)]
mod tests;

use std::mem::MaybeUninit;

use httparse::{EMPTY_HEADER, ParserConfig, Response, Status};

use crate::http::field::is_named;

/// Bytes of a head at most.
pub const HEAD_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 100;
/// The longest wait that a server may ask for, seconds: a day.
const RETRY_AFTER_MAX_S: u32 = 86_400;

/// Where the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
    /// Where the connection does.
    Close,
}

/// What the body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// JSON, or whatever else is one text.
    Text,
    /// An event stream.
    Events,
}

/// What a client under load must know of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    pub framing: Framing,
    pub content: Content,
    /// The connection can be used again after it.
    pub stays_open: bool,
    /// `Retry-After`, where it is in seconds.
    pub retry_after_s: Option<u32>,
    /// How long the connection is kept when nothing comes (`Keep-Alive: timeout`), seconds.
    pub keep_alive_s: Option<u16>,
}

impl Head {
    /// Before one has come.
    pub(super) const NONE: Self = Self {
        status: 0,
        framing: Framing::Close,
        content: Content::Text,
        stays_open: false,
        retry_after_s: None,
        keep_alive_s: None,
    };
}

/// The bytes are no head of an HTTP/1 answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    #[error("the answer is not HTTP/1.1")]
    NotHttp,
    #[error("the head of the answer is too large")]
    TooLarge,
}

/// Reads a head and its length; None where it is not whole yet.
///
/// # Errors
/// Where the bytes are no head, or one whose body has no certain end.
pub fn read(bytes: &[u8]) -> Result<Option<(Head, usize)>, BadHead> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut response = Response::new(&mut []);
    let used = match ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut headers) {
        Ok(Status::Complete(used)) if used <= HEAD_MAX => used,
        Ok(Status::Partial) if bytes.len() < HEAD_MAX => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(BadHead::TooLarge),
        Err(_) => return Err(BadHead::NotHttp),
    };
    let status = response.code.ok_or(BadHead::NotHttp)?;
    let mut found = Found::default();
    for header in response.headers.iter() {
        found.take(header.name.as_bytes(), header.value)?;
    }
    let is_11 = response.version == Some(1);
    Ok(Some((found.head(status, is_11)?, used)))
}

/// True for the beginning of an answer that says that no request came in time (RFC 9110, 15.5.9).
pub fn is_request_timeout(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.") && bytes.get(8..12).is_some_and(|status| status == b" 408")
}

/// The value of the first header of this name in a head that was read before.
pub fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = Response::new(&mut headers);
    response.parse(head).ok()?;
    response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

#[derive(Debug, Default)]
struct Found {
    length: Option<u64>,
    is_chunked: bool,
    is_events: bool,
    closes: bool,
    keeps: bool,
    retry_after_s: Option<u32>,
    keep_alive_s: Option<u16>,
}

impl Found {
    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), BadHead> {
        // The length tells most of them apart.
        match name.len() {
            14 if is_named(name, b"content-length") => {
                let length = digits(value).ok_or(BadHead::NotHttp)?;
                if self.length.is_some_and(|before| before != length) {
                    return Err(BadHead::NotHttp);
                }
                self.length = Some(length);
            }
            17 if is_named(name, b"transfer-encoding") => {
                if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(BadHead::NotHttp);
                }
                self.is_chunked = true;
            }
            12 if is_named(name, b"content-type") => {
                let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
                self.is_events = essence.eq_ignore_ascii_case(b"text/event-stream");
            }
            10 if is_named(name, b"connection") => {
                for option in value.split(|byte| *byte == b',') {
                    self.closes |= option.trim_ascii().eq_ignore_ascii_case(b"close");
                    self.keeps |= option.trim_ascii().eq_ignore_ascii_case(b"keep-alive");
                }
            }
            10 if is_named(name, b"keep-alive") => {
                for parameter in value.split(|byte| *byte == b',') {
                    self.keep_alive(parameter);
                }
            }
            11 if is_named(name, b"retry-after") => {
                let seconds = digits(value).and_then(|seconds| u32::try_from(seconds).ok());
                self.retry_after_s = seconds.map(|seconds| seconds.min(RETRY_AFTER_MAX_S));
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes one parameter of `Keep-Alive`. Of `max` only 0 tells anything: some count what is left, others all.
    fn keep_alive(&mut self, parameter: &[u8]) {
        let Some(at) = parameter.iter().position(|byte| *byte == b'=') else { return };
        let (name, number) = (parameter[..at].trim_ascii(), digits(parameter[at + 1..].trim_ascii()));
        let is_timeout = name.eq_ignore_ascii_case(b"timeout");
        match number {
            Some(0) => self.closes |= is_timeout || name.eq_ignore_ascii_case(b"max"),
            Some(seconds) if is_timeout => self.keep_alive_s = Some(u16::try_from(seconds).unwrap_or(u16::MAX)),
            _ => {}
        }
    }

    fn head(self, status: u16, is_11: bool) -> Result<Head, BadHead> {
        // A length beside chunks, or a protocol that was not asked for: where the body ends is anyone's guess.
        if (self.is_chunked && (self.length.is_some() || !is_11)) || status == 101 {
            return Err(BadHead::NotHttp);
        }
        let framing = match (status, self.is_chunked, self.length) {
            (100..=199 | 204 | 304, ..) => Framing::Length(0),
            (_, true, _) => Framing::Chunked,
            (_, false, Some(length)) => Framing::Length(length),
            (_, false, None) => Framing::Close,
        };
        let keeps = if is_11 { !self.closes } else { self.keeps && !self.closes };
        Ok(Head {
            status,
            framing,
            content: if self.is_events { Content::Events } else { Content::Text },
            stays_open: keeps && framing != Framing::Close,
            retry_after_s: self.retry_after_s,
            keep_alive_s: self.keep_alive_s,
        })
    }
}

/// A number without sign or blank.
fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}
