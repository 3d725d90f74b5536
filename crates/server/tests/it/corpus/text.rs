//! From the pieces of a case to the bytes that are sent.

use std::sync::Arc;

use super::case::{End, Era, Piece, Post};

/// What the names in a case's texts stand for.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) era: Era,
    /// `$host`: the address.
    pub(crate) host: String,
    /// `$session`: of the older era.
    pub(crate) session: String,
    /// `$nonce`: a text that only this run has.
    pub(crate) nonce: String,
    /// Where the endpoint is: "/mcp".
    pub(crate) path: String,
    /// What cases call by a name, and no answer may tell; `$token` is the one of a good call, where the server asks for one.
    pub(crate) tokens: Arc<Vec<(&'static str, String)>>,
}

/// What is done on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    Bytes(Vec<u8>),
    SleepMs(u64),
    Await(usize),
    End(End),
}

impl Names {
    /// A good call of `echo`.
    pub(crate) fn good(&self) -> Vec<u8> {
        self.post(&Post::default())
    }

    /// `$meta`: the members of `_meta` that each request of the era must have.
    fn meta(&self) -> &'static str {
        match self.era {
            Era::Modern => {
                r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#
            }
            Era::Legacy => r#""x":1"#,
        }
    }

    /// `$body`: the message of a good call.
    fn body(&self) -> String {
        let (nonce, meta) = (&self.nonce, self.meta());
        format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{nonce}"}},"_meta":{{{meta}}}}}}}"#
        )
    }

    /// `$fields`: what a good call has but for Host and the framing.
    fn fields(&self) -> String {
        let mut types = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n".to_string();
        if let Some((_, token)) = self.tokens.iter().find(|(name, _)| *name == "$token") {
            types.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        match self.era {
            Era::Modern => {
                format!("{types}MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n")
            }
            Era::Legacy => {
                format!("{types}MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: {}\r\n", self.session)
            }
        }
    }

    fn expand(&self, text: &str) -> String {
        if !text.contains('$') {
            return text.to_string();
        }
        let body = self.body();
        let values = [
            ("$fields", self.fields()),
            ("$length", body.len().to_string()),
            ("$size", format!("{:x}", body.len())),
            ("$session", self.session.clone()),
            ("$nonce", self.nonce.clone()),
            ("$host", self.host.clone()),
            ("$path", self.path.clone()),
            ("$meta", self.meta().to_string()),
            ("$body", body),
        ];
        values.iter().chain(self.tokens.iter()).fold(text.to_string(), |text, (name, value)| text.replace(name, value))
    }

    fn post(&self, post: &Post) -> Vec<u8> {
        let body = match &post.body {
            None => self.body().into_bytes(),
            Some(pieces) => pieces.iter().flat_map(|piece| self.bytes(piece)).collect(),
        };
        let line =
            post.line.as_deref().map_or_else(|| format!("POST {} HTTP/1.1", self.path), |line| self.expand(line));
        let fields = format!("Host: {}\r\n{}", self.host, self.fields());
        let is_left_out = |line: &str| {
            post.without.iter().any(|name| line.split(':').next().is_some_and(|known| known.eq_ignore_ascii_case(name)))
        };
        let kept: String = fields.split_inclusive("\r\n").filter(|line| !is_left_out(line)).collect();
        let framing = post
            .framing
            .as_deref()
            .map_or_else(|| format!("Content-Length: {}\r\n", body.len()), |text| self.expand(text));
        let mut bytes = format!("{line}\r\n{kept}{}{framing}\r\n", self.expand(&post.fields)).into_bytes();
        bytes.extend_from_slice(&body);
        bytes
    }

    fn bytes(&self, piece: &Piece) -> Vec<u8> {
        match piece {
            Piece::Text(text) => self.expand(text).into_bytes(),
            Piece::Hex { hex } => {
                let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
                let value = |pair: &[u8]| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).expect("two digits");
                digits.chunks(2).map(value).collect()
            }
            Piece::Repeat { repeat, times } => self.expand(repeat).repeat(*times).into_bytes(),
            Piece::Post { post } => self.post(post),
            Piece::SleepMs { .. } | Piece::Await { .. } | Piece::End { .. } => Vec::new(),
        }
    }

    /// What a case does, with neighbouring bytes in one piece.
    pub(crate) fn deeds(&self, pieces: &[Piece]) -> Vec<Deed> {
        let mut deeds: Vec<Deed> = Vec::new();
        for piece in pieces {
            match piece {
                Piece::SleepMs { sleep_ms } => deeds.push(Deed::SleepMs(*sleep_ms)),
                Piece::Await { answers } => deeds.push(Deed::Await(*answers)),
                Piece::End { end } => deeds.push(Deed::End(*end)),
                piece => match deeds.last_mut() {
                    Some(Deed::Bytes(bytes)) => bytes.extend(self.bytes(piece)),
                    _ => deeds.push(Deed::Bytes(self.bytes(piece))),
                },
            }
        }
        deeds
    }
}
