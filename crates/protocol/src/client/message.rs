//! What a JSON-RPC message says, as far as a client under load must know: read in place, without allocation.

#[cfg(test)]
mod tests;

use crate::json::{JsonError, Scanner, Text};

/// Values inside values at most.
const DEPTH_MAX: u32 = 128;

/// The id of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Id {
    /// None, or null.
    Absent,
    Number(u64),
    /// Anything else: none of ours.
    Other,
}

/// What a result says of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done. A result without a type is one of the legacy era.
    Complete,
    /// `isError`.
    ToolError,
    /// The server wants to know more first.
    InputRequired,
    /// A `resultType` that nobody asked for.
    OfAnotherType,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Result(Outcome),
    Error {
        code: i64,
        /// `data.executed`: false where the server says that it did nothing.
        executed: Option<bool>,
        /// `data.retryAfterMs`; negative: do not try again.
        retry_after_ms: Option<i64>,
    },
    /// A request or notification of the server's.
    Call,
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    pub id: Id,
    /// Where in the text the id begins; 0 where there is none.
    pub id_at: usize,
    pub kind: Kind,
}

/// The text is not one JSON-RPC message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON-RPC message")]
pub struct NotJsonRpc;

impl From<JsonError> for NotJsonRpc {
    fn from(_: JsonError) -> Self {
        NotJsonRpc
    }
}

#[derive(Debug, Default)]
struct Found {
    version: bool,
    id: Option<(Id, usize)>,
    result: Option<Outcome>,
    error: Option<FoundError>,
    is_call: bool,
}

#[derive(Debug, Default)]
struct FoundError {
    code: Option<i64>,
    executed: Option<bool>,
    retry_after_ms: Option<i64>,
}

/// Reads a message.
///
/// # Errors
/// Where the text is not JSON, or not a JSON-RPC 2.0 message.
pub fn read(text: &[u8]) -> Result<Message, NotJsonRpc> {
    let mut scanner = scanner(text).ok_or(NotJsonRpc)?;
    let mut found = Found::default();
    let mut is_repeated = false;
    scanner.object(|scanner, key| {
        let key = &*key.bytes();
        if key == b"result" {
            is_repeated |= found.result.replace(outcome(scanner)?).is_some();
        } else if key == b"id" {
            is_repeated |= found.id.replace(id(text, scanner)?).is_some();
        } else if key == b"jsonrpc" {
            found.version = scanner.text()?.is_some_and(|version| version.is("2.0"));
            return if found.version { Ok(()) } else { Err(JsonError::Syntax) };
        } else if key == b"error" {
            is_repeated |= found.error.replace(error(scanner)?).is_some();
        } else if key == b"method" {
            found.is_call = scanner.text()?.is_some();
        } else {
            scanner.skip()?;
        }
        Ok(())
    })?;
    scanner.end()?;
    if !found.version || is_repeated {
        return Err(NotJsonRpc);
    }
    let kind = match found {
        Found { result: Some(outcome), error: None, is_call: false, .. } => Kind::Result(outcome),
        Found { result: None, error: Some(error), is_call: false, .. } => Kind::Error {
            code: error.code.ok_or(NotJsonRpc)?,
            executed: error.executed,
            retry_after_ms: error.retry_after_ms,
        },
        Found { result: None, error: None, is_call: true, .. } => Kind::Call,
        _ => return Err(NotJsonRpc),
    };
    let (id, id_at) = found.id.unwrap_or((Id::Absent, 0));
    Ok(Message { id, id_at, kind })
}

/// Over what a server has sent; none where it is no UTF-8.
pub(super) fn scanner(text: &[u8]) -> Option<Scanner<'_>> {
    std::str::from_utf8(text).ok().map(|text| Scanner::lenient(text, DEPTH_MAX))
}

/// The id, and where it begins in the text.
fn id(text: &[u8], scanner: &mut Scanner<'_>) -> Result<(Id, usize), JsonError> {
    let value = scanner.value()?;
    let id = match value {
        "null" => Id::Absent,
        id => id.parse().map_or(Id::Other, Id::Number),
    };
    Ok((id, value.as_ptr().addr() - text.as_ptr().addr()))
}

/// `resultType` and `isError` of a result.
fn outcome(scanner: &mut Scanner<'_>) -> Result<Outcome, JsonError> {
    let (mut is_error, mut of_type) = (false, Outcome::Complete);
    members(scanner, |scanner, key| {
        if key.is("isError") {
            is_error = scanner.value()? == "true";
        } else if key.is("resultType") {
            of_type = match scanner.text()? {
                Some(given) if given.is("complete") => Outcome::Complete,
                Some(given) if given.is("input_required") => Outcome::InputRequired,
                _ => Outcome::OfAnotherType,
            };
        } else {
            scanner.skip()?;
        }
        Ok(())
    })?;
    Ok(if is_error && of_type == Outcome::Complete { Outcome::ToolError } else { of_type })
}

fn error(scanner: &mut Scanner<'_>) -> Result<FoundError, JsonError> {
    let mut found = FoundError::default();
    members(scanner, |scanner, key| {
        if key.is("code") {
            found.code = scanner.value()?.parse().ok();
        } else if key.is("data") {
            members(scanner, |scanner, key| found.data(scanner, key))?;
        } else {
            scanner.skip()?;
        }
        Ok(())
    })?;
    Ok(found)
}

impl FoundError {
    fn data(&mut self, scanner: &mut Scanner<'_>, key: Text<'_>) -> Result<(), JsonError> {
        if key.is("executed") {
            self.executed = scanner.value()?.parse().ok();
        } else if key.is("retryAfterMs") {
            self.retry_after_ms = scanner.value()?.parse().ok();
        } else {
            scanner.skip()?;
        }
        Ok(())
    }
}

/// Goes through the members of an object; any other value is skipped.
fn members<'a>(
    scanner: &mut Scanner<'a>,
    member: impl FnMut(&mut Scanner<'a>, Text<'a>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    if scanner.peek() == Some(b'{') { scanner.object(member) } else { scanner.value().map(drop) }
}
