//! An answer that is passed on: how far it has come.

use erlmcp_protocol::client::head::{self, BadHead, Framing};
use erlmcp_protocol::http::chunked::Chunked;

use crate::dispatch::decode;

/// An answer whose head is known, and what is still to come of its body.
#[derive(Debug)]
pub(super) struct Passed {
    /// HTTP status.
    pub(super) status: u16,
    rest: Rest,
}

#[derive(Debug)]
enum Rest {
    Bytes(u64),
    Chunks(Box<Chunked>),
    /// No certain end, or one that does not come any more.
    Never,
}

impl Passed {
    /// From the first bytes; none where the head is not whole in them.
    pub(super) fn begin(bytes: &[u8]) -> Result<Option<Self>, BadHead> {
        let Some((head, used)) = head::read(bytes)? else { return Ok(None) };
        let rest = match head.framing {
            Framing::Length(length) => Rest::Bytes(length),
            Framing::Chunked => Rest::Chunks(Box::new(Chunked::new(u64::MAX))),
            Framing::Close => Rest::Never,
        };
        let mut answer = Self { status: head.status, rest };
        answer.add(&bytes[used..]);
        Ok(Some(answer))
    }

    /// More bytes have come.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        match &mut self.rest {
            Rest::Bytes(left) => *left = left.saturating_sub(bytes.len() as u64),
            Rest::Chunks(chunked) => {
                if decode(chunked, bytes, |_| ()).is_err() {
                    self.rest = Rest::Never;
                }
            }
            Rest::Never => {}
        }
    }

    /// It has come to its end.
    pub(super) fn is_whole(&self) -> bool {
        match &self.rest {
            Rest::Bytes(left) => *left == 0,
            Rest::Chunks(chunked) => chunked.has_ended(),
            Rest::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_where_its_framing_says_so() {
        let answers = [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ];
        for (text, status) in answers.into_iter().zip([200, 503]) {
            let head = text.find("\r\n\r\n").expect("there is one") + 4;
            for at in 0..text.len() {
                let (front, rest) = text.as_bytes().split_at(at);
                let begun = Passed::begin(front).expect("it is good");
                assert_eq!(begun.is_some(), at >= head, "{at}");
                let Some(mut answer) = begun else { continue };
                assert!(!answer.is_whole() && answer.status == status);
                answer.add(rest);
                assert!(answer.is_whole());
            }
        }
        assert!(Passed::begin(b"nothing of the kind").is_err());
    }
}
