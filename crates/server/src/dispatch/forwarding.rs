//! Requests that are about something of another replica: they are answered there.

use std::sync::Arc;
use std::time::Duration;

use erlmcp_protocol::code;
use erlmcp_protocol::header::{method as methods, name};
use erlmcp_protocol::server::{Head, Message};
use serde_json::json;

use super::catalog::MODERN;
use super::reply::Refused;
use super::{Asker, Dispatcher};
use crate::answer::RpcError;
use crate::conn::Call;
use crate::engine::{Forwarded, Place};
use crate::metrics::counters::{Method, Outcome};
use crate::queue::{Answer, ReplyTo};
use crate::session::EventId;
use crate::tools::Cancellation;

/// What is asked for here is answered in place.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a request goes that names a replica.
pub(super) enum Way {
    /// It is this one's to answer.
    Here,
    /// It is on its way to the other one, whose answer comes as the call's.
    There(Box<Call>),
    /// As many are on the way as may be, or the other one is away.
    Refused(Refused),
}

impl Dispatcher {
    /// Sends a request to the replica that it is for, where that is another one. `id` is what the request is answered with
    /// where that one does not.
    pub(super) fn forward(
        &mut self,
        replica: u16,
        method: Method,
        id: Option<&str>,
        request: &str,
        asker: &Asker,
    ) -> Way {
        let address = match self.shared.peers.find(replica) {
            _ if replica == self.shared.replica => return Way::Here,
            Place::Nowhere => return Way::Here,
            Place::Away => return Way::Refused(self.away()),
            Place::At(address) => address,
        };
        let (Some(runtime), Some(room)) = (self.shared.runtime.get().cloned(), self.shared.peers.room()) else {
            return Way::Refused(self.busy(0));
        };
        let (first, rest) = request.split_once("\r\n").unwrap_or((request, ""));
        let request = format!("{first}\r\nHost: {address}\r\nConnection: close\r\n{rest}").into_bytes();
        let cancellation = Cancellation::default();
        let forwarded = Forwarded {
            address,
            inside: self.shared.peers.inside.clone(),
            request,
            reply: ReplyTo { mailbox: Arc::clone(&self.mailbox), token: asker.token, batch: None },
            cancellation: cancellation.clone(),
            unreachable: self.unreachable(id),
            silent: self.silent(id),
            patience: PATIENCE,
            room,
        };
        runtime.spawn(forwarded.run());
        // The other one has its span.
        self.current.trace.forget();
        // Only the way to it goes with the client: whatever it asked for is the other replica's.
        Way::There(Box::new(Call::waiting(method, cancellation, asker.now_ns, true)))
    }

    /// The other one is not there now.
    fn away(&mut self) -> Refused {
        let ms = self.retry_after(0);
        let data = json!({"executed": false, "retryAfterMs": ms, "scope": "node"});
        let error = RpcError::new(code::DRAINING, "the replica that has what this is about is not reached").with(data);
        Refused { status: 503, error, retry_after_ms: Some(ms) }
    }

    /// The request did not get there.
    fn unreachable(&mut self, id: Option<&str>) -> Answer {
        let Refused { status, error, retry_after_ms } = self.away();
        Answer { status, body: self.error_text(id, &error), outcome: Outcome::Refused, retry_after_ms }
    }

    /// It got there, as far as is known, and was not answered.
    fn silent(&self, id: Option<&str>) -> Answer {
        let why = "the replica that has what this is about went without an answer";
        let error = RpcError::new(code::INTERNAL, why).with(json!({"executed": "unknown", "scope": "node"}));
        Answer::json(502, self.error_text(id, &error), Outcome::HttpError)
    }

    fn error_text(&self, id: Option<&str>, error: &RpcError) -> Vec<u8> {
        let mut body = Vec::new();
        self.shared.answers.error(&mut body, id.map(str::as_bytes), error);
        body
    }
}

/// The other replica is the same server, and asks who comes as this one did.
fn authorization(head: &Head<'_>) -> String {
    let named = head.known.authorization.value().and_then(|value| std::str::from_utf8(value).ok());
    named.map(|named| format!("Authorization: {named}\r\n")).unwrap_or_default()
}

/// A client comes back to a stream.
pub(super) fn resumption(head: &Head<'_>, last: &EventId) -> Option<String> {
    let session = std::str::from_utf8(head.known.session_id.value()?).ok()?;
    let version = head.known.protocol_version.value().and_then(|version| std::str::from_utf8(version).ok());
    let version = version.map(|version| format!("{}: {version}\r\n", name::PROTOCOL_VERSION)).unwrap_or_default();
    Some(format!(
        "GET /mcp HTTP/1.1\r\nAccept: text/event-stream\r\n{}{}: {session}\r\n{version}{}: {last}\r\n\r\n",
        authorization(head),
        name::SESSION_ID,
        name::LAST_EVENT_ID
    ))
}

/// A request about a task, and the replica that its id names.
pub(super) fn about_task(head: &Head<'_>, message: &Message<'_>, body: &[u8], task: &str) -> Option<(u16, String)> {
    let replica = u16::from_str_radix(task.split('-').next()?, 16).ok()?;
    let is_plain = task.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let known = [methods::TASKS_GET, methods::TASKS_UPDATE, methods::TASKS_CANCEL];
    let method = known.into_iter().find(|known| message.method.is(known)).filter(|_| is_plain)?;
    let body = std::str::from_utf8(body).ok()?;
    let request = format!(
        "POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         {}{}: {}\r\n{}: {method}\r\n{}: {task}\r\nContent-Length: {}\r\n\r\n{body}",
        authorization(head),
        name::PROTOCOL_VERSION,
        MODERN[0].as_str(),
        name::METHOD,
        name::NAME,
        body.len()
    );
    Some((replica, request))
}
