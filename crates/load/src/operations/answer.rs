//! What an answer says of an attempt, and of an operation that was asked about.

use erlmcp_protocol::client::answer::Said;
use erlmcp_protocol::operation;
use erlmcp_record::operations::Reason;
use ring::digest::{SHA256, digest};
use serde_json::Value;

use super::course::End;

/// A whole answer.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) said: Said,
    pub(super) retry_after_s: Option<u32>,
    pub(super) message: Vec<u8>,
}

/// What the result of an ok says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Echoed {
    pub(super) hash: u64,
    pub(super) nonce: u64,
    pub(super) epoch: u64,
    pub(super) replayed: bool,
}

/// How an attempt ended that was answered.
pub(super) fn of_attempt(whole: &Whole) -> (End, Echoed) {
    let nothing = Echoed::default();
    match whole.said {
        Said::AnotherId(_) => return (End::Info(Reason::NotAnAnswer), nothing),
        Said::NoResponse => return (End::Info(Reason::Closed), nothing),
        _ => {}
    }
    let Ok(message) = serde_json::from_slice::<Value>(&whole.message) else {
        return (End::of_bare_status(whole.status), nothing);
    };
    if let Some(result) = message.get("result") {
        let about = &result["_meta"][operation::META];
        let epoch = about["epoch"].as_u64().unwrap_or(0);
        let replayed = about["replayed"].as_bool().unwrap_or(false);
        return (End::Ok, Echoed { epoch, replayed, ..of_result(result) });
    }
    if message.get("error").is_none() {
        return (End::of_bare_status(whole.status), nothing);
    }
    let data = &message["error"]["data"];
    let after_us = data["retryAfterMs"].as_u64().map(|ms| ms.saturating_mul(1_000));
    let after_us = after_us.or_else(|| whole.retry_after_s.map(|s| u64::from(s) * 1_000_000));
    let fail = |reason| End::Fail { reason, after_us };
    let end = match (whole.status, state(&data["state"])) {
        (410, Some(state)) => End::Settled(state),
        (422, _) => fail(Reason::OtherPayload),
        _ if data["executed"] == "running" => fail(Reason::Running),
        _ if data["executed"] == false => fail(refused_by(&data["scope"])),
        (400..500, _) => fail(Reason::BadRequest),
        // A refusal that hides itself cannot be told from an accident.
        (500.., _) if data.get("executed").is_none() => End::Info(Reason::Unmarked),
        _ => End::Info(Reason::RpcError),
    };
    (end, nothing)
}

fn refused_by(scope: &Value) -> Reason {
    match scope.as_str() {
        None | Some("node") => Reason::Refused,
        Some(_) => Reason::RefusedElsewhere,
    }
}

impl End {
    /// Of an answer without a message.
    fn of_bare_status(status: u16) -> Self {
        match status {
            400..500 => End::Fail { reason: Reason::BadRequest, after_us: None },
            500.. => End::Info(Reason::Unmarked),
            _ => End::Info(Reason::NotAnAnswer),
        }
    }
}

/// How an operation is settled that was asked about; None where it is not, or the answer is none.
pub(super) fn of_question(whole: &Whole) -> Option<(Reason, Echoed)> {
    let message: Value = serde_json::from_slice(&whole.message).ok()?;
    let result = message.get("result").filter(|_| whole.said == Said::Ok)?;
    let state = state(&result["state"])?;
    let epoch = result["epoch"].as_u64().unwrap_or(0);
    let of_result = result.get("result").map(of_result).unwrap_or_default();
    Some((state, Echoed { epoch, ..of_result }))
}

fn of_result(result: &Value) -> Echoed {
    let text = operation::result_text(result.to_string().as_bytes()).unwrap_or_default();
    let hash = operation::short(digest(&SHA256, text.as_bytes()).as_ref());
    let echo = result["content"][0]["text"].as_str().and_then(|text| u64::from_str_radix(text, 16).ok());
    Echoed { hash, nonce: echo.unwrap_or(0), ..Echoed::default() }
}

fn state(value: &Value) -> Option<Reason> {
    match value.as_str()? {
        "done" => Some(Reason::Done),
        "never" => Some(Reason::Never),
        "cancelled" => Some(Reason::Cancelled),
        "expired" => Some(Reason::Expired),
        "indeterminate" => Some(Reason::Indeterminate),
        _ => None,
    }
}
