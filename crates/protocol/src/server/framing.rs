//! Where a request's body ends (RFC 9112, 6), strictly: whatever two readers could see differently is refused.

use super::head::Refusal;
use crate::http::field::is_token;

/// How the body of a request is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// So many bytes; zero where nothing was said.
    Length(u64),
    /// Chunks.
    Chunked,
}

impl Default for Body {
    fn default() -> Self {
        Self::Length(0)
    }
}

/// What the framing fields of a head said.
#[derive(Debug, Default)]
pub(super) struct Framing<'b> {
    pub(super) length: Option<&'b [u8]>,
    pub(super) encoding: Option<&'b [u8]>,
    /// One of them was there twice.
    pub(super) repeated: bool,
}

impl Framing<'_> {
    pub(super) fn body(&self, minor: u8, body_bytes_max: u64) -> Result<Body, Refusal> {
        if self.repeated {
            return Err(Refusal::closing(400, "the length of the body is given twice"));
        }
        match (self.length, self.encoding) {
            (None, None) => Ok(Body::Length(0)),
            (Some(length), None) => self::length(length, body_bytes_max),
            (None, Some(encoding)) if minor > 0 => chunked(encoding),
            (None, Some(_)) => Err(Refusal::closing(400, "HTTP/1.0 has no Transfer-Encoding")),
            (Some(_), Some(_)) => Err(Refusal::closing(400, "Content-Length and Transfer-Encoding exclude each other")),
        }
    }
}

fn length(digits: &[u8], body_bytes_max: u64) -> Result<Body, Refusal> {
    let bad = Refusal::closing(400, "Content-Length is not a plain decimal number");
    if digits.is_empty() || (digits.len() > 1 && digits[0] == b'0') {
        return Err(bad);
    }
    let mut length = 0u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(bad);
        }
        let next = length.checked_mul(10).and_then(|length| length.checked_add(u64::from(digit - b'0')));
        length = next.ok_or(bad)?;
    }
    if length > body_bytes_max {
        return Err(Refusal::closing(413, "the body is larger than this server takes"));
    }
    Ok(Body::Length(length))
}

fn chunked(encoding: &[u8]) -> Result<Body, Refusal> {
    if encoding.eq_ignore_ascii_case(b"chunked") {
        return Ok(Body::Chunked);
    }
    if is_token(encoding) {
        return Err(Refusal::closing(501, "this transfer coding is not supported: use chunked"));
    }
    Err(Refusal::closing(400, "Transfer-Encoding is not \"chunked\""))
}
