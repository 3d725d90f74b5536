//! The heads of answers.

/// Reason phrase of a status that this server uses.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}

/// The interim answer to `Expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// Ends a body in chunks.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What an answer's head says.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    pub status: u16,
    pub content_type: Option<&'a str>,
    /// None: the body comes in chunks.
    pub length: Option<u64>,
    /// Further fields, each with its CRLF.
    pub fields: &'a str,
    /// The connection ends after this answer.
    pub closes: bool,
    /// Of HTTP.
    pub date: &'a [u8; 29],
}

impl ResponseHead<'_> {
    /// Writes the head with the empty line after it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(digits.format(self.status).as_bytes());
        out.push(b' ');
        out.extend_from_slice(reason(self.status).as_bytes());
        out.extend_from_slice(b"\r\nDate: ");
        out.extend_from_slice(self.date);
        if let Some(content_type) = self.content_type {
            out.extend_from_slice(b"\r\nContent-Type: ");
            out.extend_from_slice(content_type.as_bytes());
        }
        match self.length {
            // A 204 has no body, and must not say how long it is.
            Some(_) if self.status == 204 => {}
            Some(length) => {
                out.extend_from_slice(b"\r\nContent-Length: ");
                out.extend_from_slice(digits.format(length).as_bytes());
            }
            None => out.extend_from_slice(b"\r\nTransfer-Encoding: chunked"),
        }
        if self.closes {
            out.extend_from_slice(b"\r\nConnection: close");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(self.fields.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes one chunk of a body.
pub fn write_chunk(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    const ROOM: &[u8] = b"00000000\r\n";
    let start = out.len();
    out.extend_from_slice(ROOM);
    write(out);
    let length = out.len() - start - ROOM.len();
    // A chunk of nothing would end the body.
    if length == 0 {
        out.truncate(start);
        return;
    }
    match u32::try_from(length) {
        Ok(length) => {
            for (place, digit) in out[start..start + 8].iter_mut().enumerate() {
                *digit = b"0123456789abcdef"[(length >> (28 - 4 * place) & 0xf) as usize];
            }
        }
        // Its length has more digits than there is room for.
        Err(_) => drop(out.splice(start..start + 8, format!("{length:x}").into_bytes())),
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_written_in_order() {
        let head = ResponseHead {
            status: 405,
            content_type: Some("application/json"),
            length: Some(12),
            fields: "Allow: POST\r\n",
            closes: true,
            date: b"Sun, 06 Nov 1994 08:49:37 GMT",
        };
        let mut out = Vec::new();
        head.write(&mut out);
        ResponseHead { status: 200, content_type: None, length: None, fields: "", closes: false, ..head }
            .write(&mut out);
        ResponseHead { status: 204, content_type: None, length: Some(0), fields: "", closes: false, ..head }
            .write(&mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "HTTP/1.1 405 Method Not Allowed\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/json\r\n\
             Content-Length: 12\r\nConnection: close\r\nAllow: POST\r\n\r\n\
             HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nTransfer-Encoding: chunked\r\n\r\n\
             HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
        );
    }

    #[test]
    fn chunks_say_their_length() {
        let mut out = Vec::new();
        write_chunk(&mut out, |out| out.extend_from_slice(&[b'x'; 0x1a]));
        write_chunk(&mut out, |_| ());
        assert_eq!(out, [b"0000001a\r\n", &[b'x'; 0x1a][..], b"\r\n"].concat());
    }
}
