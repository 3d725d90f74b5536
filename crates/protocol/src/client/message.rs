//! What a JSON-RPC message says, as far as a client under load must know: read in place, without allocation.

#[cfg(test)]
mod tests;

use super::json::{Cursor, NotJson, Quoted};

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
    pub kind: Kind,
}

/// The text is not one JSON-RPC message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON-RPC message")]
pub struct NotJsonRpc;

impl From<NotJson> for NotJsonRpc {
    fn from(_: NotJson) -> Self {
        NotJsonRpc
    }
}

#[derive(Debug, Default)]
struct Found {
    version: bool,
    id: Option<Id>,
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
    if std::str::from_utf8(text).is_err() {
        return Err(NotJsonRpc);
    }
    let mut cursor = Cursor::new(text);
    let mut found = Found::default();
    let mut is_repeated = false;
    cursor.object(|key, cursor| {
        if key.is("result") {
            is_repeated |= found.result.replace(outcome(cursor)?).is_some();
        } else if key.is("id") {
            is_repeated |= found.id.replace(id(cursor)?).is_some();
        } else if key.is("jsonrpc") {
            found.version = cursor.peek() == Some(b'"') && cursor.string()?.is("2.0");
            return if found.version { Ok(()) } else { Err(NotJson) };
        } else if key.is("error") {
            is_repeated |= found.error.replace(error(cursor)?).is_some();
        } else if key.is("method") {
            found.is_call = cursor.peek() == Some(b'"');
            cursor.skip()?;
        } else {
            cursor.skip()?;
        }
        Ok(())
    })?;
    if !cursor.is_at_end() || !found.version || is_repeated {
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
    Ok(Message { id: found.id.unwrap_or(Id::Absent), kind })
}

fn id(cursor: &mut Cursor<'_>) -> Result<Id, NotJson> {
    match cursor.peek() {
        Some(b'n') => cursor.skip().map(|()| Id::Absent),
        Some(b'-' | b'0'..=b'9') => {
            let text = std::str::from_utf8(cursor.number()?).map_err(|_| NotJson)?;
            Ok(text.parse().map_or(Id::Other, Id::Number))
        }
        _ => cursor.skip().map(|()| Id::Other),
    }
}

/// `resultType` and `isError` of a result.
fn outcome(cursor: &mut Cursor<'_>) -> Result<Outcome, NotJson> {
    let (mut is_error, mut of_type) = (false, Outcome::Complete);
    object_or_skip(cursor, |key, cursor| {
        if key.is("isError") {
            is_error = cursor.boolean()? == Some(true);
            return Ok(());
        }
        if !key.is("resultType") {
            return cursor.skip();
        }
        if cursor.peek() != Some(b'"') {
            of_type = Outcome::OfAnotherType;
            return cursor.skip();
        }
        let given = cursor.string()?;
        of_type = match () {
            () if given.is("complete") => Outcome::Complete,
            () if given.is("input_required") => Outcome::InputRequired,
            () => Outcome::OfAnotherType,
        };
        Ok(())
    })?;
    Ok(if is_error && of_type == Outcome::Complete { Outcome::ToolError } else { of_type })
}

fn error(cursor: &mut Cursor<'_>) -> Result<FoundError, NotJson> {
    let mut found = FoundError::default();
    object_or_skip(cursor, |key, cursor| {
        if key.is("code") {
            found.code = cursor.integer()?;
            return Ok(());
        }
        if !key.is("data") {
            return cursor.skip();
        }
        object_or_skip(cursor, |key, cursor| {
            if key.is("executed") {
                found.executed = cursor.boolean()?;
            } else if key.is("retryAfterMs") {
                found.retry_after_ms = cursor.integer()?;
            } else {
                cursor.skip()?;
            }
            Ok(())
        })
    })?;
    Ok(found)
}

fn object_or_skip<'a>(
    cursor: &mut Cursor<'a>,
    member: impl FnMut(Quoted<'a>, &mut Cursor<'a>) -> Result<(), NotJson>,
) -> Result<(), NotJson> {
    if cursor.peek() == Some(b'{') { cursor.object(member) } else { cursor.skip() }
}
