//! What a message says as the answer to a request.

use super::Said;
use crate::client::head::Head;
use crate::client::message::{Id, Kind, Message, NotJsonRpc, Outcome};

/// How long to wait where a refusal does not say.
const RETRY_AFTER_US: u64 = 1_000_000;
/// The longest wait that is told, and what "do not try again" becomes: a day.
const RETRY_AFTER_MAX_US: u64 = 86_400_000_000;

pub(super) fn is_success(head: &Head) -> bool {
    (200..300).contains(&head.status)
}

/// What a message says under this head, as the answer to the request with this id.
pub(super) fn judge(head: &Head, read: Result<Message, NotJsonRpc>, id: u64) -> Said {
    if !is_success(head) {
        return judge_failure(head, read, id);
    }
    let Ok(message) = read else { return Said::NotJsonRpc };
    match (message.id, message.kind) {
        (_, Kind::Call) => Said::NotJsonRpc,
        (Id::Number(given), Kind::Result(outcome)) if given == id => match outcome {
            Outcome::Complete => Said::Ok,
            Outcome::ToolError => Said::ToolError,
            Outcome::InputRequired => Said::InputRequired,
            Outcome::OfAnotherType => Said::OfAnotherType,
        },
        // An error need not have an id where the server could not read ours.
        (Id::Absent, Kind::Error { code, .. }) => Said::RpcError(code),
        (Id::Number(given), Kind::Error { code, .. }) if given == id => Said::RpcError(code),
        (Id::Number(given), _) => Said::AnotherId(Some(given)),
        (Id::Absent | Id::Other, _) => Said::AnotherId(None),
    }
}

/// A status other than 2xx. One of the client's own making counts by its JSON-RPC error, where there is one.
fn judge_failure(head: &Head, read: Result<Message, NotJsonRpc>, id: u64) -> Said {
    let status = head.status;
    let Ok(Message { id: given, kind: Kind::Error { code, executed, retry_after_ms }, .. }) = read else {
        return Said::HttpError(status);
    };
    let is_ours = matches!(given, Id::Absent) || given == Id::Number(id);
    match (status, executed) {
        (503 | 429, Some(false)) if is_ours => Said::Refused { status, after_us: after_us(head, retry_after_ms) },
        (400..=499, _) if is_ours && status != 429 => Said::RpcError(code),
        _ => Said::HttpError(status),
    }
}

/// The server's own milliseconds go before the header's seconds.
fn after_us(head: &Head, retry_after_ms: Option<i64>) -> u64 {
    let us = match (retry_after_ms, head.retry_after_s) {
        (Some(..0), _) => RETRY_AFTER_MAX_US,
        (Some(ms), _) => ms.unsigned_abs().saturating_mul(1_000),
        (None, Some(s)) => u64::from(s) * 1_000_000,
        (None, None) => RETRY_AFTER_US,
    };
    us.min(RETRY_AFTER_MAX_US)
}
