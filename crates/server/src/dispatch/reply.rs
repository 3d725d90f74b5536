//! Answers, head and body, as they go out.

use std::sync::Arc;

use erlmcp_protocol::code;
use erlmcp_protocol::server::Refusal;
use erlmcp_protocol::server::respond::{LAST_CHUNK, ResponseHead};
use serde_json::json;

use super::mcp::Handled;
use super::pages::Shown;
use super::{Dispatcher, write_message};
use crate::answer::{AnswerWriter, RpcError};
use crate::clock::http_date;
use crate::conn::Call;
use crate::metrics::counters::{Method, Outcome, Reached};
use crate::queue::Answer;

const JSON: &str = "application/json";

/// Why a request is refused.
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) error: RpcError,
    /// When to come back.
    pub(super) retry_after_ms: Option<u64>,
}

impl Refused {
    /// It would be refused again.
    pub(super) fn for_good(status: u16, why: &'static str) -> Self {
        Self { status, error: RpcError::new(code::INVALID_REQUEST, why), retry_after_ms: None }
    }
}

/// The date of HTTP, and the head that most answers have up to their length, made once a second.
#[derive(Debug)]
pub(super) struct Dates {
    date: [u8; 29],
    /// Of a 200 with JSON, without the digits of its length.
    json_ok: Vec<u8>,
    pub(super) unix_seconds: u64,
}

impl Dates {
    pub(super) fn new() -> Self {
        let mut dates = Self { date: http_date(0), json_ok: Vec::new(), unix_seconds: u64::MAX };
        dates.set(0);
        dates
    }

    fn set(&mut self, unix_seconds: u64) {
        if unix_seconds == self.unix_seconds {
            return;
        }
        self.unix_seconds = unix_seconds;
        self.date = http_date(unix_seconds);
        let head = ResponseHead {
            status: 200,
            content_type: Some(JSON),
            length: Some(0),
            fields: "",
            closes: false,
            date: &self.date,
        };
        self.json_ok.clear();
        head.write(&mut self.json_ok);
        let without_length = self.json_ok.len() - b"0\r\n\r\n".len();
        self.json_ok.truncate(without_length);
    }
}

impl Dispatcher {
    /// Tells what the time is, seconds since 1970.
    pub(crate) fn set_time(&mut self, unix_seconds: u64) {
        self.dates.set(unix_seconds);
    }

    /// Seconds since 1970.
    pub(super) fn unix_seconds(&self) -> u64 {
        self.dates.unix_seconds
    }

    /// Writes answers as the era of the request has them.
    pub(super) fn answers(&self) -> &Arc<AnswerWriter> {
        self.shared.answers_of(self.current.session.is_some())
    }

    pub(crate) fn count(&mut self, method: Method, outcome: Outcome) {
        self.counters.count(method, outcome);
        self.current.outcome = outcome;
        self.answered += 1;
    }

    /// Writes an answer with JSON: what is in `self.body`.
    pub(super) fn send(&self, out: &mut Vec<u8>, status: u16, fields: &str, closes: bool) {
        self.send_json(out, status, fields, closes, &self.body);
    }

    fn send_json(&self, out: &mut Vec<u8>, status: u16, fields: &str, closes: bool, body: &[u8]) {
        if status == 200 && !closes && fields.is_empty() {
            let mut digits = itoa::Buffer::new();
            out.extend_from_slice(&self.dates.json_ok);
            out.extend_from_slice(digits.format(body.len()).as_bytes());
            out.extend_from_slice(b"\r\n\r\n");
        } else {
            self.head(status, Some(JSON), Some(body.len() as u64), fields, closes).write(out);
        }
        out.extend_from_slice(body);
    }

    pub(super) fn head<'a>(
        &'a self,
        status: u16,
        content_type: Option<&'a str>,
        length: Option<u64>,
        fields: &'a str,
        closes: bool,
    ) -> ResponseHead<'a> {
        ResponseHead { status, content_type, length, fields, closes, date: &self.dates.date }
    }

    /// Refuses what was no message yet. Gives where in `out` the body of the answer begins.
    pub(super) fn refuse(&mut self, out: &mut Vec<u8>, refusal: &Refusal, allow: Option<&str>, closes: bool) -> usize {
        if refusal.status == 503 {
            return self.refuse_for_now(out, refusal, closes);
        }
        self.count(Method::Unread, Outcome::HttpError);
        match refusal.status {
            431 => self.counters.reached(Reached::Head),
            413 => self.counters.reached(Reached::Body),
            _ => {}
        }
        self.body.clear();
        self.shared.answers.error(&mut self.body, None, &RpcError::new(code::INVALID_REQUEST, refusal.why));
        let allow = || allow.map(|allow| format!("Allow: {allow}\r\n"));
        let fields = self.current.challenge.take().or_else(allow).unwrap_or_default();
        self.send(out, refusal.status, &fields, closes);
        out.len() - self.body.len()
    }

    /// The same where it may come again.
    fn refuse_for_now(&mut self, out: &mut Vec<u8>, refusal: &Refusal, closes: bool) -> usize {
        self.count(Method::Unread, Outcome::Refused);
        let retry_after_ms = self.retry_after(1_000);
        self.body.clear();
        let error = RpcError { message: refusal.why.into(), ..RpcError::overloaded(retry_after_ms) };
        self.shared.answers.error(&mut self.body, None, &error);
        self.send(out, refusal.status, &retry_field(retry_after_ms), closes);
        out.len() - self.body.len()
    }

    /// Makes it the answer to the request with this id.
    pub(super) fn refused(&mut self, id: Option<&str>, refused: &Refused) -> Handled {
        self.body.clear();
        self.shared.answers.error(&mut self.body, id.map(str::as_bytes), &refused.error);
        let outcome = if matches!(refused.status, 429 | 503) { Outcome::Refused } else { Outcome::HttpError };
        Handled::Replied { status: refused.status, outcome, retry_after_ms: refused.retry_after_ms }
    }

    /// There is no room: header and body say the same time to come back.
    pub(super) fn busy(&mut self, asked_ms: u64) -> Refused {
        let retry_after_ms = self.retry_after(asked_ms);
        Refused { status: 503, error: RpcError::overloaded(retry_after_ms), retry_after_ms: Some(retry_after_ms) }
    }

    /// No stream begins any more.
    pub(super) fn going_away(&mut self) -> Refused {
        let data = json!({"executed": false, "scope": "node", "retryElsewhere": true});
        let error = RpcError::new(code::DRAINING, "this server is going away").with(data);
        Refused { status: 503, error, retry_after_ms: Some(self.retry_after(0)) }
    }

    /// Refuses a connection above the limit.
    pub(crate) fn too_many(&mut self, out: &mut Vec<u8>) {
        self.counters.refused.add(1);
        let retry_after_ms = self.retry_after(0);
        self.body.clear();
        self.shared.answers.error(&mut self.body, None, &RpcError::overloaded(retry_after_ms));
        self.send(out, 503, &retry_field(retry_after_ms), true);
    }

    pub(super) fn show(&self, out: &mut Vec<u8>, shown: &Shown, head_only: bool, closes: bool) {
        let length = shown.body.len() as u64;
        let fields = "Cache-Control: no-store\r\n";
        self.head(shown.status, Some(shown.content_type), Some(length), fields, closes).write(out);
        if !head_only {
            out.extend_from_slice(&shown.body);
        }
    }

    pub(super) fn no_content(&self, out: &mut Vec<u8>, fields: &str, closes: bool) {
        self.head(204, None, Some(0), fields, closes).write(out);
    }

    /// Writes a worker's answer.
    pub(crate) fn answered(&mut self, out: &mut Vec<u8>, answer: &Answer, call: &Call, closes: bool) {
        self.count(call.method, answer.outcome);
        if call.streams {
            if !answer.body.is_empty() {
                write_message(out, None, &answer.body);
            }
            return out.extend_from_slice(LAST_CHUNK);
        }
        let closes = closes || self.draining;
        if answer.status == 204 {
            return self.no_content(out, "", closes);
        }
        if answer.body.is_empty() {
            // Of a call that was cancelled: a stream on which nothing came.
            return self.head(answer.status, Some("text/event-stream"), Some(0), "", closes).write(out);
        }
        let fields = answer.retry_after_ms.map(retry_field).unwrap_or_default();
        self.send_json(out, answer.status, &fields, closes, &answer.body);
    }

    /// How long a refused client is asked to wait: what the queue says, within the limits, spread by a half either way
    /// so that those who were refused together do not come back together.
    pub(super) fn retry_after(&mut self, asked_ms: u64) -> u64 {
        let limits = &self.shared.limits;
        let least = limits.retry_after_min_ms.min(limits.retry_after_max_ms);
        let base = asked_ms.clamp(least, limits.retry_after_max_ms);
        (base / 2).saturating_add(self.next_random() % base.saturating_add(1))
    }

    /// xorshift64: cheap, and good enough to spread clients.
    pub(super) fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

/// `Retry-After` knows whole seconds only, and zero would mean "at once".
pub(super) fn retry_field(ms: u64) -> String {
    format!("Retry-After: {}\r\n", ms.div_ceil(1_000).max(1))
}
