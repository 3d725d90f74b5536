//! The request target (RFC 9112, 3.2) and the Host field.

use super::head::{Method, Refusal};

/// A target in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target<'b> {
    /// Of an absolute-form target: its scheme, "://", and its authority.
    pub(super) origin: Option<&'b str>,
    /// Without the query; "*" for the asterisk form.
    pub(super) path: &'b str,
}

impl<'b> Target<'b> {
    pub(super) fn read(method: Method, target: &'b str) -> Result<Self, Refusal> {
        if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(Refusal::closing(400, "the request target holds characters that no target may"));
        }
        let (origin, path) = match target.as_bytes()[0] {
            b'/' => (None, target),
            // CONNECT names an authority; it is refused by its method, whatever it names.
            _ if target == "*" || method == Method::Connect => (None, target),
            _ => {
                let rest = target
                    .split_once("://")
                    .filter(|(scheme, _)| ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)));
                let (_, rest) = rest.ok_or(Refusal::closing(400, "the request target has no form that HTTP knows"))?;
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let path = if rest[end..].starts_with('/') { &rest[end..] } else { "/" };
                if !is_host(&rest.as_bytes()[..end]) {
                    // RFC 9110, 4.2.1: no host is none; 4.2.4: a name and a password before it are a trick.
                    return Err(Refusal::closing(400, "the request target names no host"));
                }
                (Some(&target[..target.len() - rest.len() + end]), path)
            }
        };
        let end = path.bytes().position(|byte| byte == b'?').unwrap_or(path.len());
        Ok(Self { origin, path: &path[..end] })
    }
}

/// True for `host`, `host:port`, `[v6]`, `[v6]:port`; says nothing of whether such a host exists. Nothing is escaped in it: no name
/// of DNS needs that, and readers differ in what they make of it.
pub(super) fn is_host(text: &[u8]) -> bool {
    let (host, port) = if text.first() == Some(&b'[') {
        let Some(end) = memchr::memchr(b']', text) else { return false };
        let inner = &text[1..end];
        if inner.is_empty() || !inner.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')) {
            return false;
        }
        match text[end + 1..].split_first() {
            None => return true,
            Some((b':', port)) => (&b"v6"[..], port),
            Some(_) => return false,
        }
    } else {
        match text.iter().position(|byte| *byte == b':') {
            None => (text, &b"0"[..]),
            Some(colon) => (&text[..colon], &text[colon + 1..]),
        }
    };
    !host.is_empty() && host.iter().all(|byte| HOST_BYTES[usize::from(*byte)]) && is_port(port)
}

/// Looked up: every request has a Host.
const HOST_BYTES: [bool; 256] = {
    let mut is_in = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        is_in[byte] = is_host_byte(byte as u8);
        byte += 1;
    }
    is_in
};

/// RFC 3986, 3.2.2: `unreserved` and `sub-delims`, but no comma, by which some readers split.
const fn is_host_byte(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&'..=b'+' | b'-' | b'.' | b';' | b'=' | b'_' | b'~') || byte.is_ascii_alphanumeric()
}

fn is_port(digits: &[u8]) -> bool {
    let number = |digits: &[u8]| digits.iter().fold(0u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) && number(digits) <= 65_535
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_what_is_none() {
        for good in ["localhost", "127.0.0.1:8080", "[::1]", "[::1]:80", "a-b.c:0", "a:65535"] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "", "user@h", "h/p", "h:99999", "h:x", "h:", "a b", "a, b", ":80", "[::1", "[]", "[::1]x", "[::1]:",
            "h:1:2", "h\u{e4}", "%61", "a%",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn targets_come_in_four_forms() {
        let read = |target| Target::read(Method::Get, target).map(|target| (target.origin, target.path));
        assert_eq!(read("/mcp?a=/b"), Ok((None, "/mcp")));
        assert_eq!(read("*"), Ok((None, "*")));
        assert_eq!(read("http://a:1/mcp?x"), Ok((Some("http://a:1"), "/mcp")));
        assert_eq!(read("http://a"), Ok((Some("http://a"), "/")));
        assert_eq!(read("HTTPS://a?/x"), Ok((Some("HTTPS://a"), "/")));
        assert_eq!(Target::read(Method::Connect, "a:1").map(|target| target.path), Ok("a:1"));
        for bad in
            ["mcp", "ftp://a/", "a:80", "/a#b", "/\u{e4}", "**", "http:///a", "http://", "http://b@a/", "http://a:/"]
        {
            assert!(read(bad).is_err_and(|refusal| refusal.status == 400 && refusal.closes), "{bad}");
        }
    }
}
