//! Requests, rendered once: what is sent again and again differs only in its id.

#[cfg(test)]
mod tests;

use serde_json::value::RawValue;

use super::canned::CAPABILITIES;
use crate::era::{Era, Version};
use crate::header::{meta, method, name, value};
use crate::http::field::is_token;
use crate::operation;

/// As our clients name themselves.
pub const CLIENT_NAME: &str = "erlmcp";
pub const CLIENT_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Headers that frame a request, which the user cannot set.
const RESERVED: [&str; 5] = ["Content-Length", "Transfer-Encoding", "Connection", "Expect", "Upgrade"];

/// A request that cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    #[error("the header {0:?} is not a header's name, or its value has characters that no header can hold")]
    Header(String),
    #[error("the header {0:?} cannot be set, as it frames the request")]
    Reserved(String),
    #[error("the path {0:?} has characters that no path can hold: write them as %XX")]
    Path(String),
    #[error("the host {0:?} has characters that no host can hold")]
    Authority(String),
    #[error("the arguments are not a JSON object: {0}")]
    Arguments(String),
}

/// The other end, and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Peer<'a> {
    /// `Host`.
    pub authority: &'a str,
    /// With its query.
    pub path: &'a str,
    /// The user's own headers; one of ours with the same name is left out.
    pub headers: &'a [(String, String)],
    pub version: Version,
    /// Of the legacy era, where the server gave one.
    pub session: Option<&'a str>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    pub method: &'a str,
    /// The tool or prompt; for resources the URI.
    pub name: Option<&'a str>,
    /// Of a tool or prompt: a JSON object, sent as it is written.
    pub arguments: Option<&'a str>,
    /// Where a list goes on.
    pub cursor: Option<&'a str>,
    /// What a stream is to tell of: a JSON object.
    pub notifications: Option<&'a str>,
    /// Arguments that the tool wants in headers as well, of the modern era.
    pub params: &'a [(String, String)],
    /// The operation that this is an attempt at, or asks about.
    pub operation: Option<&'a str>,
    /// Which attempt it is; said from the second one on.
    pub attempt: u8,
    /// Asks to be told of its progress.
    pub with_progress: bool,
}

/// A rendered request: to be sent as it is, but for its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Up to the number of `Content-Length`.
    before_length: Box<[u8]>,
    /// From there to the id.
    before_id: Box<[u8]>,
    pub(super) after_id: Box<[u8]>,
    /// Bytes of the body beside the digits of the id.
    body_length: usize,
    /// The id is its progress token as well, and comes before the last three bytes.
    has_token: bool,
}

/// Brackets that close `_meta`, the parameters and the request after a progress token.
const AFTER_TOKEN: usize = 3;

const BODY_BEGIN: &str = r#"{"jsonrpc":"2.0","id":"#;

impl Template {
    /// # Errors
    /// Where a header, the path or the arguments cannot be sent.
    pub fn new(peer: &Peer<'_>, ask: &Ask<'_>) -> Result<Self, BadRequest> {
        let head = head("POST", peer, Some(ask))?;
        Ok(Self { has_token: ask.with_progress, ..Self::of(&head, ask.method, &params(peer, ask)?) })
    }

    /// The legacy handshake's request, which names the version that the client would speak.
    ///
    /// # Errors
    /// Where a header or the path cannot be sent.
    pub fn initialize(peer: &Peer<'_>) -> Result<Self, BadRequest> {
        let params = format!(
            r#"{{"protocolVersion":"{}","capabilities":{CAPABILITIES},"clientInfo":{}}}"#,
            peer.version.as_str(),
            client_info()
        );
        // The version is agreed on by this very request, so no header names it.
        Ok(Self::of(&head("POST", peer, None)?, method::INITIALIZE, &params))
    }

    fn of(head: &str, method: &str, params: &str) -> Self {
        let after_id = format!(r#","method":{},"params":{params}}}"#, quoted(method));
        Self {
            before_length: format!("{head}Content-Length: ").into_bytes().into(),
            before_id: format!("\r\n\r\n{BODY_BEGIN}").into_bytes().into(),
            body_length: BODY_BEGIN.len() + after_id.len(),
            after_id: after_id.into_bytes().into(),
            has_token: false,
        }
    }

    /// Appends the request with this id.
    pub fn write(&self, id: u64, out: &mut Vec<u8>) {
        self.write_up_to_id(id, 0, out);
        out.extend_from_slice(&self.after_id);
        self.put_token(id, AFTER_TOKEN, out);
    }

    /// The token's place is so many bytes before the end.
    fn put_token(&self, id: u64, before_end: usize, out: &mut Vec<u8>) {
        if self.has_token {
            let at = out.len() - before_end;
            out.splice(at..at, itoa::Buffer::new().format(id).bytes());
        }
    }

    /// Appends the request with this id, and with further members of its parameters (`"name":value`, with commas between
    /// them): the next round of a request that was answered with a question.
    pub fn write_round(&self, id: u64, members: &str, out: &mut Vec<u8>) {
        // The parameters and the request end here.
        let inside = self.after_id.len().saturating_sub(2);
        let (params, end) = self.after_id.split_at(inside);
        let comma: &[u8] = if params.ends_with(b"{") { b"" } else { b"," };
        self.write_up_to_id(id, comma.len() + members.len(), out);
        out.extend_from_slice(params);
        // The end of the parameters and of the request is not there yet.
        self.put_token(id, AFTER_TOKEN - 2, out);
        out.extend_from_slice(comma);
        out.extend_from_slice(members.as_bytes());
        out.extend_from_slice(end);
    }

    /// Appends the request with this id up to it, where `length` bytes will follow.
    pub(super) fn write_before(&self, id: u64, length: usize, out: &mut Vec<u8>) {
        let (mut id_digits, mut length_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
        let id = id_digits.format(id).as_bytes();
        out.extend_from_slice(&self.before_length);
        out.extend_from_slice(length_digits.format(BODY_BEGIN.len() + id.len() + length).as_bytes());
        out.extend_from_slice(&self.before_id);
        out.extend_from_slice(id);
    }

    /// `more` bytes will follow beyond those of the template.
    fn write_up_to_id(&self, id: u64, more: usize, out: &mut Vec<u8>) {
        let (mut id_digits, mut length_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
        let id = id_digits.format(id).as_bytes();
        let token_length = if self.has_token { id.len() } else { 0 };
        let body_length = self.body_length + id.len() + token_length + more;
        let length = length_digits.format(body_length).as_bytes();
        out.reserve(self.before_length.len() + length.len() + self.before_id.len() + body_length);
        out.extend_from_slice(&self.before_length);
        out.extend_from_slice(length);
        out.extend_from_slice(&self.before_id);
        out.extend_from_slice(id);
    }
}

/// The head of a legacy client's response to a request of the server's, up to the number of `Content-Length`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead(Box<[u8]>);

impl ResponseHead {
    /// # Errors
    /// Where a header or the path cannot be sent.
    pub fn new(peer: &Peer<'_>) -> Result<Self, BadRequest> {
        let head = head("POST", peer, Some(&Ask::default()))?;
        Ok(Self(format!("{head}Content-Length: ").into_bytes().into()))
    }

    /// Appends the whole of the POST, which is answered with 202.
    pub fn write(&self, response: &str, out: &mut Vec<u8>) {
        let mut length_digits = itoa::Buffer::new();
        out.extend_from_slice(&self.0);
        out.extend_from_slice(length_digits.format(response.len()).as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(response.as_bytes());
    }
}

/// The legacy handshake's request: see [`Template::initialize`].
///
/// # Errors
/// Where a header or the path cannot be sent.
pub fn initialize(peer: &Peer<'_>, id: u64) -> Result<Vec<u8>, BadRequest> {
    let mut request = Vec::new();
    Template::initialize(peer)?.write(id, &mut request);
    Ok(request)
}

/// Puts a rendered request, which begins at `begin`, into a session.
pub fn put_in_session(out: &mut Vec<u8>, begin: usize, session: &str) {
    put_header(out, begin, name::SESSION_ID, session);
}

/// Lets a rendered GET of a stream, which begins at `begin`, go on after the event with this id.
pub fn put_last_event_id(out: &mut Vec<u8>, begin: usize, id: &str) {
    put_header(out, begin, name::LAST_EVENT_ID, id);
}

/// Puts a whole line, with its end, first among the headers of a rendered request.
pub fn put_line(out: &mut Vec<u8>, line: &[u8]) {
    let at = out.iter().position(|byte| *byte == b'\n').map_or(out.len(), |at| at + 1);
    out.splice(at..at, line.iter().copied());
}

fn put_header(out: &mut Vec<u8>, begin: usize, name: &str, value: &str) {
    let line = out[begin..].iter().position(|byte| *byte == b'\n').map_or(out.len(), |at| begin + at + 1);
    out.splice(line..line, format!("{name}: {value}\r\n").into_bytes());
}

/// The legacy handshake's last message, answered with 202.
///
/// # Errors
/// Where a header or the path cannot be sent.
pub fn initialized(peer: &Peer<'_>) -> Result<Vec<u8>, BadRequest> {
    let head = head("POST", peer, Some(&Ask { method: method::INITIALIZED, ..Ask::default() }))?;
    Ok(whole(&head, &format!(r#"{{"jsonrpc":"2.0","method":"{}"}}"#, method::INITIALIZED)))
}

/// Ends a legacy session.
///
/// # Errors
/// Where a header or the path cannot be sent.
pub fn end_session(peer: &Peer<'_>) -> Result<Vec<u8>, BadRequest> {
    Ok((head("DELETE", peer, Some(&Ask::default()))? + "\r\n").into_bytes())
}

/// Asks for the stream of a legacy session; of the modern era, for whatever a GET gets.
///
/// # Errors
/// Where a header or the path cannot be sent.
pub fn open_stream(peer: &Peer<'_>) -> Result<Vec<u8>, BadRequest> {
    let ask = Ask::default();
    let head = head("GET", peer, (peer.version.era() == Era::Legacy).then_some(&ask))?;
    Ok((head + "\r\n").into_bytes())
}

fn whole(head: &str, body: &str) -> Vec<u8> {
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// All headers but the length; a POST alone has a body, and a type of it. Without an `ask` the version is not named.
fn head(verb: &str, peer: &Peer<'_>, ask: Option<&Ask<'_>>) -> Result<String, BadRequest> {
    if !peer.path.starts_with('/') || !peer.path.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return Err(BadRequest::Path(peer.path.to_string()));
    }
    if peer.authority.is_empty() || !peer.authority.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return Err(BadRequest::Authority(peer.authority.to_string()));
    }
    let mut headers = vec![
        ("Host", peer.authority.to_string()),
        ("User-Agent", format!("{CLIENT_NAME}/{CLIENT_VERSION}")),
        ("Accept", "application/json, text/event-stream".to_string()),
    ];
    if verb == "POST" {
        headers.insert(2, ("Content-Type", "application/json".to_string()));
    }
    if let Some(ask) = ask {
        headers.push((name::PROTOCOL_VERSION, peer.version.as_str().to_string()));
        match peer.version.era() {
            Era::Modern => {
                headers.push((name::METHOD, ask.method.to_string()));
                headers.extend(ask.name.map(|named| (name::NAME, value::encode(named).into_owned())));
                headers.extend(ask.params.iter().map(|(name, value)| (name.as_str(), value.clone())));
            }
            Era::Legacy => headers.extend(peer.session.map(|session| (name::SESSION_ID, session.to_string()))),
        }
    }
    let mut head = format!("{verb} {} HTTP/1.1\r\n", peer.path);
    let is_users = |name: &str| peer.headers.iter().any(|(users, _)| users.eq_ignore_ascii_case(name));
    for (name, value) in headers.iter().filter(|(name, _)| !is_users(name)) {
        head += &format!("{name}: {value}\r\n");
    }
    Ok(head + &fields(peer.headers)?)
}

/// The user's own headers as the fields of a request, each a line with its end.
///
/// # Errors
/// Where one of them cannot be sent.
pub fn fields(headers: &[(String, String)]) -> Result<String, BadRequest> {
    headers.iter().try_fold(String::new(), |fields, (name, value)| {
        check(name, value)?;
        Ok(fields + &format!("{name}: {}\r\n", value.trim()))
    })
}

fn check(name: &str, value: &str) -> Result<(), BadRequest> {
    if !is_token(name.as_bytes()) || value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(BadRequest::Header(name.to_string()));
    }
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        return Err(BadRequest::Reserved(name.to_string()));
    }
    Ok(())
}

fn params(peer: &Peer<'_>, ask: &Ask<'_>) -> Result<String, BadRequest> {
    let mut members = Vec::new();
    if let Some(named) = ask.name {
        let key = if ask.method.starts_with("resources/") { "uri" } else { "name" };
        members.push(format!(r#""{key}":{}"#, quoted(named)));
    }
    if let Some(arguments) = ask.arguments {
        let parsed: &RawValue =
            serde_json::from_str(arguments).map_err(|error| BadRequest::Arguments(error.to_string()))?;
        if !parsed.get().starts_with('{') {
            return Err(BadRequest::Arguments(format!("found {}", parsed.get())));
        }
        members.push(format!(r#""arguments":{}"#, parsed.get()));
    }
    members.extend(ask.cursor.map(|cursor| format!(r#""cursor":{}"#, quoted(cursor))));
    members.extend(ask.notifications.map(|filter| format!(r#""notifications":{filter}"#)));
    let asks_about = ask.method == operation::STATUS;
    members.extend(ask.operation.filter(|_| asks_about).map(|id| format!(r#""operation":{}"#, quoted(id))));
    let operation = ask.operation.filter(|_| !asks_about).map(|id| format!(r#""{}":{}"#, operation::META, quoted(id)));
    let attempt = (ask.attempt > 1).then(|| format!(r#""{}":{}"#, operation::ATTEMPT, ask.attempt));
    // The token is put in with the id, and so it comes last.
    let progress = ask.with_progress.then(|| format!(r#""{}":"#, meta::PROGRESS_TOKEN));
    let more = operation.into_iter().chain(attempt).chain(progress).reduce(|all, next| format!("{all},{next}"));
    if peer.version.era() == Era::Modern {
        let more = more.map(|more| format!(",{more}")).unwrap_or_default();
        members.push(format!(
            r#""_meta":{{"{}":"{}","{}":{CAPABILITIES},"{}":{}{more}}}"#,
            meta::PROTOCOL_VERSION,
            peer.version.as_str(),
            meta::CLIENT_CAPABILITIES,
            meta::CLIENT_INFO,
            client_info()
        ));
    } else {
        members.extend(more.map(|more| format!(r#""_meta":{{{more}}}"#)));
    }
    Ok(format!("{{{}}}", members.join(",")))
}

fn client_info() -> String {
    format!(r#"{{"name":"{CLIENT_NAME}","version":"{CLIENT_VERSION}"}}"#)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
