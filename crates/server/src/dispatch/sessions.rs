//! GET and DELETE of the older era: a session's stream, and a session's end.

use std::sync::Arc;

use erlmcp_protocol::era::Version;
use erlmcp_protocol::server::head::Once;
use erlmcp_protocol::server::legacy::{Said, said};
use erlmcp_protocol::server::{Body, Head, Refusal};

use super::listen::{all_offered, write_changes};
use super::reply::Refused;
use super::route::Route;
use super::{Asker, Dispatcher, Step};
use crate::conn::{Call, Stream, Watched};
use crate::entry::StreamPlace;
use crate::metrics::counters::{Method, Outcome, Reached};
use crate::queue::ReplyTo;
use crate::session::{EventId, NoSession, Session, Told};
use crate::shard::ConnToken;
use crate::tools::Cancellation;

/// How long a client waits before it comes back to a stream that was lost, ms.
pub(crate) const RETRY_MS: u64 = 1_000;

impl Dispatcher {
    pub(super) fn session_request(
        &mut self,
        bytes: &[u8],
        head: &Head<'_>,
        route: Route,
        asker: &Asker,
        out: &mut Vec<u8>,
    ) -> Step {
        if head.body != Body::Length(0) {
            return self.turn_away(bytes, head, &Refusal::closing(400, "this method takes no body"), None, out);
        }
        let closes = self.closes_after(head);
        if !self.is_within_quota() {
            self.over_quota(Method::Unread, closes, out);
            return Step::Answered { used: head.text.len(), left: 0, closes };
        }
        let (used, method) = (head.text.len(), if route == Route::Push { Method::Get } else { Method::Delete });
        let found = if said(&head.known) == Said::Unknown {
            Err(NoSession { status: 400, why: "MCP-Protocol-Version names no version that is served" })
        } else {
            self.find_session(head)
        };
        match found {
            Err(none) => {
                self.no_session(method, None, none, closes, out);
                Step::Answered { used, left: 0, closes }
            }
            Ok(session) if method == Method::Get => self.get(head, session, closes, asker, out),
            Ok(session) => self.end(&session, used, closes, asker, out),
        }
    }

    /// Opens a session's stream, or goes on with one that its client has lost.
    fn get(&mut self, head: &Head<'_>, session: Session, closes: bool, asker: &Asker, out: &mut Vec<u8>) -> Step {
        let used = head.text.len();
        let (last, is_forged) = match head.known.last_event_id {
            Once::Absent => (None, false),
            Once::Value(text) => EventId::parse(text).map_or((None, true), |id| (Some(id), self.is_ahead(&id))),
            Once::Repeated => (None, true),
        };
        let retry_max_ms = self.shared.limits.retry_after_max_ms;
        let refused = if !head.known.accept.events() {
            Refused::for_good(406, "Accept must list text/event-stream")
        } else if head.is_http10 {
            Refused::for_good(505, "a stream needs HTTP/1.1")
        } else if is_forged {
            Refused::for_good(400, "Last-Event-ID names no event of this server")
        } else if self.draining {
            self.going_away()
        } else if let Some(last) = last.filter(|last| last.told.is_none()) {
            return self.resume_call(head, &session, &last, closes, asker, out);
        } else if self.shared.open_streams() >= self.shared.limits.streams_max {
            self.counters.reached(Reached::Streams);
            self.busy(retry_max_ms)
        } else if self.is_pressed() {
            self.busy(retry_max_ms)
        } else if self.shared.limits.session_streams_max == 0 {
            self.counters.reached(Reached::SessionStreams);
            Refused::for_good(409, "sessions have no streams here")
        } else {
            let Ok(place) = self.stream_place() else {
                self.over_quota(Method::Get, closes, out);
                return Step::Answered { used, left: 0, closes };
            };
            let stream = self.push(session, last, place, closes, asker.token, out);
            return Step::Opened { used, stream };
        };
        self.refuse_session(Method::Get, &refused, closes, out);
        Step::Answered { used, left: 0, closes }
    }

    /// True for an event of this process that is still to come.
    fn is_ahead(&self, id: &EventId) -> bool {
        let shared = &self.shared;
        id.origin == shared.sessions.replays.origin
            && id.told.is_some_and(|told| told > shared.notifier.history().now())
    }

    /// Opens a session's stream. `last` is what its client has read of the one before, if anything.
    fn push(
        &mut self,
        session: Session,
        last: Option<EventId>,
        place: Option<StreamPlace>,
        closes: bool,
        token: ConnToken,
        out: &mut Vec<u8>,
    ) -> Box<Stream> {
        let shared = Arc::clone(&self.shared);
        let history = shared.notifier.history();
        // Whoever comes back from another process may have missed any change.
        let known = |last: EventId| last.told.filter(|_| last.origin == shared.sessions.replays.origin);
        let told = last.map_or_else(|| history.now(), |last| known(last).unwrap_or(0));
        let (streams, max) = (&shared.sessions.streams, shared.limits.session_streams_max);
        let (push, has_ended_one) = streams.begin(session, (&self.mailbox, token), max, told);
        if has_ended_one {
            self.counters.reached(Reached::SessionStreams);
        }
        self.count(Method::Get, Outcome::Ok);
        // Earlier versions know no event without data.
        let primer = (session.version == Version::V20251125).then(|| push.first_id());
        self.begin_stream(out, primer.as_ref(), RETRY_MS, closes);
        let uris = shared.sessions.held.uris(session.id);
        let missed = history.since(told, uris);
        let wanted = all_offered(&shared.registry.offers);
        let resources = missed.uris.into_iter().map(|uri| Watched { uri, is_owed: true }).collect();
        let owed = missed.lists & wanted;
        let mut stream = Stream { id: Box::default(), wanted, owed, push: Some(push), resources, place };
        let notifications = write_changes(out, &mut stream, missed.upto);
        self.counters.components.notifications.add(notifications);
        Box::new(stream)
    }

    /// Ends a session. Where there are other replicas, the answer waits until they know.
    fn end(&mut self, session: &Session, used: usize, closes: bool, asker: &Asker, out: &mut Vec<u8>) -> Step {
        let (mailbox, token) = (&self.mailbox, asker.token);
        let reply = || ReplyTo { mailbox: Arc::clone(mailbox), token, batch: None };
        let told = self.shared.end_session(session, self.principal_name(), self.unix_seconds(), reply);
        if matches!(told, Told::AtOnce | Told::Later) {
            self.session_ended(session);
        }
        match told {
            Told::AtOnce => {
                self.count(Method::Delete, Outcome::Ok);
                self.no_content(out, "", closes);
            }
            Told::Later => {
                let waiting = Call::waiting(Method::Delete, Cancellation::default(), asker.now_ns, closes);
                return Step::Called { used, call: Box::new(Call { outlives: true, ..waiting }) };
            }
            Told::Busy => {
                let refused = self.busy(0);
                self.refuse_session(Method::Delete, &refused, closes, out);
            }
            Told::HasItsShare => self.over_quota(Method::Delete, closes, out),
        }
        Step::Answered { used, left: 0, closes }
    }

    pub(super) fn refuse_session(&mut self, method: Method, refused: &Refused, closes: bool, out: &mut Vec<u8>) {
        let handled = self.refused(None, refused);
        self.settle(handled, method, 0, closes, out);
    }
}
