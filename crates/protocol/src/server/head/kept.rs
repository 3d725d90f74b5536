//! Heads that were read before. Clients of one kind send the same head again and again, but for their tokens and sessions: where
//! everything is in such a head need not be found again.

use super::{Head, HeadLimits, HeadRead, KnownOf, Method, OnceOf, read_head};
use crate::server::Body;

/// Heads that are kept; each has its place by how many bytes came with it, so that requests of other kinds mostly leave it alone.
const PLACES: usize = 16;
/// Longer ones are not kept, bytes.
const BYTES_MAX: usize = 2_048;
/// Heads in a row that are another one than is kept in their place, until one of them takes it: where all heads differ, few are kept
/// in vain.
const PASSED_MAX: u8 = 8;

/// Reads heads, and knows some of them again.
#[derive(Debug)]
pub struct Heads {
    limits: HeadLimits,
    kept: [Kept; PLACES],
}

impl Heads {
    /// With these bounds of each head.
    pub fn new(limits: HeadLimits) -> Self {
        Self { limits, kept: Default::default() }
    }

    /// The bounds of each head.
    pub fn limits(&self) -> &HeadLimits {
        &self.limits
    }

    /// As [`read_head`] does.
    pub fn read<'b>(&mut self, bytes: &'b [u8]) -> HeadRead<'b> {
        let kept = &mut self.kept[bytes.len() % PLACES];
        if kept.is_at_the_front_of(bytes) {
            kept.passed = 0;
            return HeadRead::Whole(kept.head(bytes));
        }
        let read = read_head(bytes, &self.limits);
        if let HeadRead::Whole(head) = &read {
            kept.pass(head);
        }
        read
    }
}

/// Where something is in a head: its first byte, and how many there are.
type Span = (u16, u16);

fn span(head: &[u8], part: &[u8]) -> Span {
    let first = part.as_ptr().addr() - head.as_ptr().addr();
    // The heads that are kept are short.
    (first as u16, part.len() as u16)
}

fn part(bytes: &[u8], (first, length): Span) -> &[u8] {
    &bytes[usize::from(first)..][..usize::from(length)]
}

#[derive(Debug, Default)]
struct Kept {
    /// Empty: none is kept here. Blank where a client's own values are.
    text: Vec<u8>,
    /// Those values, in their order. Any other of the same length will do: they are not compared, since how long that takes would tell
    /// one client how far its token is like that of another one.
    own: [Span; 2],
    known: KnownOf<Span>,
    path: Span,
    what: What,
    /// Since it was last the same one.
    passed: u8,
}

/// What is as it is wherever the head is.
#[derive(Debug, Clone, Copy, Default)]
struct What {
    method: Method,
    body: Body,
    keep_alive: bool,
    is_http10: bool,
    expects_continue: bool,
}

impl Kept {
    fn is_at_the_front_of(&self, bytes: &[u8]) -> bool {
        let Some(front) = bytes.get(..self.text.len()).filter(|front| !front.is_empty()) else { return false };
        let mut at = 0;
        for own in self.own {
            let begin = usize::from(own.0);
            if front[at..begin] != self.text[at..begin] || !is_plain(part(front, own)) {
                return false;
            }
            at = begin + usize::from(own.1);
        }
        front[at..] == self.text[at..]
    }

    /// As it was read, of other bytes that are the same.
    fn head<'b>(&self, bytes: &'b [u8]) -> Head<'b> {
        let What { method, body, keep_alive, is_http10, expects_continue } = self.what;
        Head {
            method,
            path: std::str::from_utf8(part(bytes, self.path)).unwrap_or_default(),
            origin: None,
            body,
            keep_alive,
            is_http10,
            expects_continue,
            known: self.known.map(|span| part(bytes, span)),
            text: &bytes[..self.text.len()],
        }
    }

    /// Sees another head in this place, and keeps it where its time has come.
    fn pass(&mut self, head: &Head<'_>) {
        self.passed = self.passed.saturating_add(1);
        if self.passed < PASSED_MAX || head.text.len() > BYTES_MAX || head.origin.is_some() || !may_be_kept(&head.known)
        {
            return;
        }
        self.text.clear();
        self.text.extend_from_slice(head.text);
        self.known = head.known.map(|value| span(head.text, value));
        self.own = [self.known.authorization, self.known.session_id].map(|own| own.value().unwrap_or_default());
        self.own.sort_unstable();
        for (first, length) in self.own {
            self.text[usize::from(first)..][..usize::from(length)].fill(b' ');
        }
        self.path = span(head.text, head.path.as_bytes());
        let Head { method, body, keep_alive, is_http10, expects_continue, .. } = *head;
        self.what = What { method, body, keep_alive, is_http10, expects_continue };
        self.passed = 0;
    }
}

/// True where a client's own values are none or one of each; what resumes a stream comes once.
fn may_be_kept(known: &KnownOf<&[u8]>) -> bool {
    known.last_event_id == OnceOf::Absent
        && [known.authorization, known.session_id]
            .iter()
            .all(|own| own.value().is_none_or(is_plain) && *own != OnceOf::Repeated)
}

/// True for a value that ends no line and from which nothing would be trimmed.
fn is_plain(value: &[u8]) -> bool {
    let is_blank = |end: Option<&u8>| end == Some(&b' ');
    value.iter().fold(true, |is_plain, byte| is_plain & matches!(byte, b' '..=b'~'))
        && !is_blank(value.first())
        && !is_blank(value.last())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: HeadLimits = HeadLimits { bytes_max: 16_384, fields_max: 64, body_bytes_max: 1_000 };

    fn request(fields: &str, body: &str) -> Vec<u8> {
        format!("POST /mcp?a HTTP/1.1\r\nHost: a:1\r\nContent-Length: {}\r\n{fields}\r\n{body}", body.len())
            .into_bytes()
    }

    /// Reads it so often that it is kept, where it may be.
    fn read_often(heads: &mut Heads, bytes: &[u8]) {
        for _ in 0..=PASSED_MAX {
            assert_eq!(heads.read(bytes), read_head(bytes, &LIMITS), "{}", String::from_utf8_lossy(bytes));
        }
    }

    fn keeps(heads: &Heads, bytes: &[u8]) -> bool {
        heads.kept[bytes.len() % PLACES].is_at_the_front_of(bytes)
    }

    #[test]
    fn what_comes_again_is_known_and_nothing_else_is() {
        let mut heads = Heads::new(LIMITS);
        let one = request("Mcp-Name: echo\r\nAccept: */*\r\nX: 1\r\n", "12345");
        read_often(&mut heads, &one);
        assert!(keeps(&heads, &one));
        let HeadRead::Whole(head) = heads.read(&one) else { panic!("it is whole") };
        assert_eq!((head.path, head.known.mcp_name.value(), head.body), ("/mcp", Some(&b"echo"[..]), Body::Length(5)));
        // As long, and another one.
        let other = request("Mcp-Name: Echo\r\nAccept: */*\r\nX: 1\r\n", "12345");
        assert_eq!(heads.read(&other), read_head(&other, &LIMITS));
        assert!(keeps(&heads, &one), "one alone does not take its place");
        read_often(&mut heads, &other);
        assert!(keeps(&heads, &other) && !keeps(&heads, &one));
        // Its beginning, and what would be another head if it were read on.
        assert_eq!(heads.read(&other[..other.len() - 16]), read_head(&other[..other.len() - 16], &LIMITS));
    }

    #[test]
    fn a_client_is_known_by_all_but_its_own_values() {
        let mut heads = Heads::new(LIMITS);
        let of = |token: &str, session: &str| {
            request(&format!("Mcp-Session-Id: {session}\r\nX: 1\r\nAuthorization: {token}\r\n"), "{}")
        };
        read_often(&mut heads, &of("Bearer abc", "s-1"));
        let another = of("Bearer xyz", "s-2");
        assert!(keeps(&heads, &another));
        let HeadRead::Whole(head) = heads.read(&another) else { panic!("it is whole") };
        assert_eq!(
            (head.known.authorization, head.known.session_id),
            (OnceOf::Value(&b"Bearer xyz"[..]), OnceOf::Value(&b"s-2"[..]))
        );
        let kept = format!("{heads:?}");
        let bytes = |text: &str| format!("{:?}", text.as_bytes()).trim_matches(['[', ']']).to_string();
        assert!(
            kept.contains(&bytes("Authorization")) && !kept.contains(&bytes("abc")),
            "nobody's token is remembered"
        );
        // As long, and something else: lines that end there, a value that is trimmed, what no value may have.
        for (token, session) in [
            ("a\r\nHost: b", "s-1"),
            ("a\r\nX: cdef", "s-1"),
            (" earer abc", "s-1"),
            ("Bearer ab ", "s-1"),
            ("Bearer\0abc", "s-1"),
            ("Bearer abc", "\r\n:"),
        ] {
            let bytes = of(token, session);
            assert!(!keeps(&heads, &bytes), "{token:?} {session:?}");
            assert_eq!(heads.read(&bytes), read_head(&bytes, &LIMITS), "{token:?} {session:?}");
        }
    }

    #[test]
    fn targets_of_others_resumptions_and_long_heads_are_not_kept() {
        let mut heads = Heads::new(LIMITS);
        let long = format!("X: {}\r\n", "a".repeat(BYTES_MAX));
        let twice = "Authorization: a\r\nAuthorization: b\r\n";
        for fields in [twice, "Last-Event-ID: a\r\n", &long] {
            let bytes = request(fields, "");
            read_often(&mut heads, &bytes);
            assert!(!keeps(&heads, &bytes), "{fields}");
        }
        let elsewhere = b"GET http://a/mcp HTTP/1.1\r\nHost: a\r\n\r\n";
        read_often(&mut heads, elsewhere);
        assert!(!keeps(&heads, elsewhere));
        let wrong = b"GET /mcp HTTP/1.1\r\n\r\n";
        read_often(&mut heads, wrong);
        assert!(!keeps(&heads, wrong), "what is refused is judged each time");
    }

    proptest! {
        /// Whatever came before, a head is what it is.
        #[test]
        fn heads_are_read_alike(
            requests in prop::collection::vec((0..8usize, "[a-b \r\n:]{0,4}", "[0-9]{0,1}"), 1..120),
        ) {
            const FIELDS: [&str; 8] = [
                "", "Mcp-Name: ", "Accept: application/json, ", "Connection: close, ", "Expect: ", "Transfer-Encoding: ",
                "Authorization: ", "Mcp-Session-Id: 1\r\nAuthorization: ",
            ];
            let mut heads = Heads::new(LIMITS);
            for (field, value, body) in requests {
                let fields = if field == 0 { String::new() } else { format!("{}{value}\r\n", FIELDS[field]) };
                let bytes = request(&fields, &body);
                prop_assert_eq!(heads.read(&bytes), read_head(&bytes, &LIMITS));
            }
        }
    }
}
