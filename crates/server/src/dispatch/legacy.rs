//! The older era (2025-03-26 to 2025-11-25) on the same endpoint: `initialize`, and requests of sessions. Everything
//! here is off the modern path, which leaves it after one look at a message.

use erlmcp_protocol::code;
use erlmcp_protocol::era::Version;
use erlmcp_protocol::header::{method, name};
use erlmcp_protocol::server::head::Once;
use erlmcp_protocol::server::legacy::{Said, negotiate, opens_session, said};
use erlmcp_protocol::server::message::is_response;
use erlmcp_protocol::server::{Fault, Head, Message};

use super::listen::URI_TOO_LONG;
use super::mcp::{Handled, Request, id, label};
use super::reply::Refused;
use super::{Asker, Dispatcher, Step};
use crate::answer::RpcError;
use crate::metrics::counters::{Method, Outcome, Reached};
use crate::session::{NoSession, Said as Word, Session, Taken, capability};
use crate::tools::{LogLevel, has_capability};

impl Dispatcher {
    /// Answers a message without modern metadata, where it is one of the older era.
    #[cold]
    pub(super) fn older(
        &mut self,
        head: &Head<'_>,
        message: &Message<'_>,
        used: usize,
        asker: &Asker,
        out: &mut Vec<u8>,
    ) -> Option<Step> {
        let closes = self.closes_after(head);
        let answered = Step::Answered { used, left: 0, closes };
        if opens_session(message) {
            // Who names a session that has ended begins anew, as it should.
            if head.known.session_id != Once::Absent && self.find_session(head).is_ok() {
                let none = NoSession {
                    status: 400,
                    why: "the session is open already: initialize opens another without Mcp-Session-Id",
                };
                self.no_session(Method::Initialize, message.id, none, closes, out);
            } else {
                self.initialize(message, closes, out);
            }
            return Some(answered);
        }
        match said(&head.known) {
            Said::Legacy => {}
            // What modern notifications there are name their version, and nobody takes the others without a session.
            Said::Nothing if message.id.is_none() => {}
            // A request is refused with the versions that are served; a notification has no such answer.
            Said::Unknown if message.id.is_none() => {
                let why = "MCP-Protocol-Version names no version that is served";
                let fault = Fault::new(None, code::UNSUPPORTED_VERSION, why);
                self.fault(Method::Notification, &fault.into(), closes, out);
                return Some(answered);
            }
            Said::Nothing | Said::Modern | Said::Unknown => return None,
        }
        let session = match self.find_session(head) {
            Ok(session) => session,
            Err(none) => {
                self.no_session(label(message), message.id, none, closes, out);
                return Some(answered);
            }
        };
        if message.id.is_none() {
            let taken = self.take_notification(&session, message);
            self.tell_taken(taken, closes, out);
            return Some(answered);
        }
        self.current.trace.set_version(session.version.as_str());
        self.current.session = Some(session);
        let (method, handled) = self.answer_older(Request { head, message, closes, asker });
        Some(self.settle(handled, method, used, closes, out))
    }

    /// A body that is no message: a response or a batch of the older era, or nothing that can be answered.
    #[cold]
    pub(super) fn no_message(
        &mut self,
        head: &Head<'_>,
        body: &[u8],
        fault: &Fault<'_>,
        used: usize,
        asker: &Asker,
        out: &mut Vec<u8>,
    ) -> Step {
        let closes = self.closes_after(head);
        let answered = Step::Answered { used, left: 0, closes };
        if fault.is_too_deep {
            self.counters.reached(Reached::JsonDepth);
        }
        let is_batch = body.trim_ascii_start().first() == Some(&b'[');
        let is_older = said(&head.known) == Said::Legacy && fault.code == code::INVALID_REQUEST;
        if !is_older || !(is_batch || is_response(body, &self.message_limits)) {
            self.fault(Method::Unread, &(*fault).into(), closes, out);
            return answered;
        }
        match self.find_session(head) {
            Err(none) => self.no_session(Method::Unread, None, none, closes, out),
            Ok(session) if is_batch && has_batches(head, &session) => {
                return self.answer_batch(head, session, body, used, asker, out);
            }
            Ok(_) if is_batch => {
                let why = "the version of this session, or the one that this request names, has no batches";
                self.fault(Method::Unread, &Fault { why, ..*fault }.into(), closes, out);
            }
            Ok(session) => {
                let taken = self.take_response(&session, body);
                self.tell_taken(taken, closes, out);
            }
        }
        answered
    }

    pub(super) fn no_session(
        &mut self,
        method: Method,
        id: Option<&str>,
        none: NoSession,
        closes: bool,
        out: &mut Vec<u8>,
    ) {
        let fault = Fault { status: none.status, ..Fault::new(id, code::INVALID_REQUEST, none.why) };
        self.fault(method, &fault.into(), closes, out);
    }

    fn initialize(&mut self, message: &Message<'_>, closes: bool, out: &mut Vec<u8>) {
        let asked = message.params.protocol_version.map(|version| version.decode()).unwrap_or_default();
        let version = negotiate(&asked);
        let capabilities = message.params.capabilities.map_or(0, |object| capabilities(object, version));
        if self.is_pressed() {
            let handled = self.overloaded(message, self.shared.limits.retry_after_max_ms);
            self.settle(handled, Method::Initialize, 0, closes, out);
            return;
        }
        if !self.has_room_for_session() {
            let handled = self.quota_used_up(message.id);
            self.settle(handled, Method::Initialize, 0, closes, out);
            return;
        }
        self.current.trace.set_version(version.as_str());
        let now_s = self.unix_seconds();
        let token = self.shared.sessions.open(version, capabilities, now_s, self.principal_name());
        self.body.clear();
        let fields = &self.shared.catalog.initialize;
        self.shared.plain_answers.result(&mut self.body, id(message), |out| {
            out.extend_from_slice(format!("\"protocolVersion\":\"{}\",", version.as_str()).as_bytes());
            out.extend_from_slice(fields);
        });
        self.count(Method::Initialize, Outcome::Ok);
        self.send(out, 200, &format!("{}: {token}\r\n", name::SESSION_ID), closes);
    }

    pub(super) fn take_notification(&mut self, session: &Session, message: &Message<'_>) -> Taken {
        let taken = match message.params.request_id {
            // That it may come too late is in its nature.
            Some(id) if message.method.is(method::CANCELLED) && id.len() <= self.message_limits.id_bytes_max => {
                self.shared.sessions.hear(session, Word::Cancelled(id.to_string()), self.unix_seconds())
            }
            _ => Taken::Yes,
        };
        self.count_taken(taken)
    }

    /// Takes a response, be it one that nobody waits for.
    pub(super) fn take_response(&mut self, session: &Session, response: &[u8]) -> Taken {
        let taken = self.shared.sessions.hear_response(session, response, self.unix_seconds());
        self.count_taken(taken)
    }

    /// What was not taken is counted with its answer.
    fn count_taken(&mut self, taken: Taken) -> Taken {
        if taken == Taken::Yes {
            self.count(Method::Notification, Outcome::Ok);
        }
        taken
    }

    /// Answers notifications and responses.
    pub(super) fn tell_taken(&mut self, taken: Taken, closes: bool, out: &mut Vec<u8>) {
        let refused = match taken {
            Taken::Yes => return self.head(202, None, Some(0), "", closes).write(out),
            Taken::Busy => self.busy(0),
            Taken::TooLong => Refused::for_good(413, "the response is too long for a cluster"),
            Taken::Unreadable => {
                Refused::for_good(400, "a number in the response is too large, or it has too many levels")
            }
        };
        self.refuse_session(Method::Notification, &refused, closes, out);
    }

    /// Answers a request of a session.
    pub(super) fn answer_older(&mut self, request: Request<'_, '_>) -> (Method, Handled) {
        let message = request.message;
        let method = label(message);
        if let Some(handled) = self.answer(method, request) {
            return (method, handled);
        }
        let is = |name| message.method.is(name);
        let bad = |why| RpcError::new(code::INVALID_PARAMS, why);
        if is(method::PING) {
            (Method::Ping, self.empty(message))
        } else if is(method::SET_LEVEL) {
            let level = message.params.level.map(|level| level.decode());
            match level.filter(|level| LogLevel::parse(level).is_some()) {
                Some(level) => (method, self.wish(message, Word::Level(level.into_owned()))),
                None => (method, self.rpc_error(message, 200, bad("level is none of the eight that there are"))),
            }
        } else if is(method::SUBSCRIBE) || is(method::UNSUBSCRIBE) {
            (method, self.subscribe(message, is(method::SUBSCRIBE)))
        } else {
            (method, self.no_method_of_session(message))
        }
    }

    fn no_method_of_session(&mut self, message: &Message<'_>) -> Handled {
        let error = RpcError::new(code::METHOD_NOT_FOUND, "this server has no such method in this session");
        self.rpc_error(message, 200, error)
    }

    /// A session wants to be told of a resource, or no longer.
    fn subscribe(&mut self, message: &Message<'_>, wanted: bool) -> Handled {
        if !self.shared.registry.offers.has_resources() {
            return self.no_method_of_session(message);
        }
        let bad = |why| RpcError::new(code::INVALID_PARAMS, why);
        let Some(uri) = message.params.uri.map(|uri| uri.decode()) else {
            return self.rpc_error(message, 200, bad("uri is missing or not a string"));
        };
        if uri.len() as u64 > self.shared.limits.resource_uri_bytes_max {
            return self.rpc_error(message, 200, bad(URI_TOO_LONG));
        }
        self.wish(message, Word::Subscribed { uri: uri.into_owned(), wanted })
    }

    /// Holds what a session asks for.
    fn wish(&mut self, message: &Message<'_>, said: Word) -> Handled {
        if let (Some(session), Some(_)) = (&self.current.session, &self.current.principal)
            && !self.shared.sessions.held.has_share(session.id, &said, self.shared.limits.principal_sessions_held_max)
        {
            return self.quota_used_up(message.id);
        }
        let taken = self.current.session.map(|session| self.shared.sessions.hear(&session, said, self.unix_seconds()));
        if taken == Some(Taken::Yes) {
            return self.empty(message);
        }
        self.counters.reached(Reached::Sessions);
        self.overloaded(message, 0)
    }

    /// The answer that there is nothing to say.
    fn empty(&mut self, message: &Message<'_>) -> Handled {
        self.body.clear();
        self.shared.plain_answers.result(&mut self.body, id(message), |_| ());
        Handled::ok()
    }
}

fn has_batches(head: &Head<'_>, session: &Session) -> bool {
    let named = head.known.protocol_version.value();
    session.version == Version::V20250326 && named.is_none_or(|named| named == session.version.as_str().as_bytes())
}

/// The bits of what a client says it can do. 2025-03-26 has no elicitation; before 2025-11-25 sampling has no tools, and
/// context is asked of whoever samples.
fn capabilities(object: &str, version: Version) -> u8 {
    let declared = capability::ALL.into_iter().filter(|(name, _)| has_capability(object, name));
    let mut bits = declared.fold(0, |bits, (_, bit)| bits | bit);
    if version == Version::V20250326 {
        bits &= !capability::ELICITATION;
    }
    if version < Version::V20251125 {
        bits &= !capability::SAMPLING_TOOLS;
        bits |= if bits & capability::SAMPLING == 0 { 0 } else { capability::SAMPLING_CONTEXT };
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_bits() {
        let of = capabilities;
        let capabilities = |object| of(object, Version::V20251125);
        assert_eq!(capabilities(r#"{"sampling":{},"roots":{"listChanged":true},"x":{}}"#), 5);
        assert_eq!(capabilities(r#"{"elicitation":{}}"#), 2);
        assert_eq!(of(r#"{"elicitation":{},"roots":{}}"#, Version::V20250326), 4);
        for (object, now, before) in [
            (r#"{"sampling":{"tools":{}}}"#, 9, 17),
            (r#"{"sampling":{"context":{}}}"#, 17, 17),
            (r#"{"sampling":{}}"#, 1, 17),
            (r#"{"sampling":true}"#, 0, 0),
        ] {
            let both = [Version::V20251125, Version::V20250618].map(|version| of(object, version));
            assert_eq!(both, [now, before], "{object}");
        }
        for none in ["{}", "[]", "null", r#"{"sampling":true}"#, r#"{"elicitation":{"url":{}}}"#] {
            assert_eq!(capabilities(none), 0, "{none}");
        }
    }
}
