//! A client of the older era comes back to the stream of a call that it has lost.

use std::sync::Arc;

use erlmcp_protocol::header::method;
use erlmcp_protocol::server::Head;
use erlmcp_protocol::server::respond::LAST_CHUNK;
use serde_json::json;

use super::forwarding::{Way, resumption};
use super::listen::write_message;
use super::reply::Refused;
use super::{Asker, Dispatcher, RETRY_MS, Step};
use crate::conn::Call;
use crate::metrics::counters::{Method, Outcome};
use crate::queue::ReplyTo;
use crate::session::{EventId, Missed, Session};
use crate::tools::{Cancellation, LogLevel};

impl Dispatcher {
    /// Sends what came on the stream after the event `last`, and goes on with it where its call does.
    pub(super) fn resume_call(
        &mut self,
        head: &Head<'_>,
        session: &Session,
        last: &EventId,
        closes: bool,
        asker: &Asker,
        out: &mut Vec<u8>,
    ) -> Step {
        let used = head.text.len();
        let request = resumption(head, last);
        match request.map(|request| self.forward(last.origin.replica, Method::Get, None, &request, asker)) {
            Some(Way::There(call)) => return Step::Called { used, call },
            Some(Way::Refused(refused)) => {
                self.refuse_session(Method::Get, &refused, closes, out);
                return Step::Answered { used, left: 0, closes };
            }
            Some(Way::Here) | None => {}
        }
        let reply = ReplyTo { mailbox: Arc::clone(&self.mailbox), token: asker.token, batch: None };
        let Some(missed) = self.shared.sessions.replays.resume(session.id, last, &reply) else {
            self.refuse_session(Method::Get, &gone(), closes, out);
            return Step::Answered { used, left: 0, closes };
        };
        self.count(Method::Get, Outcome::Ok);
        self.begin_stream(out, None, RETRY_MS, closes);
        self.tell_dropped(session, &missed, out);
        for (id, message) in &missed.events {
            write_message(out, Some(id), message);
        }
        if missed.is_over {
            out.extend_from_slice(LAST_CHUNK);
            return Step::Answered { used, left: 0, closes };
        }
        // Its answer is counted as the request's own: where that came from, nobody waits any more.
        let waiting = Call::waiting(missed.method, Cancellation::default(), asker.now_ns, closes);
        Step::Called { used, call: Box::new(Call { streams: true, outlives: true, ..waiting }) }
    }

    /// What was not kept is not passed over in silence, unless the client wants no warnings.
    fn tell_dropped(&self, session: &Session, missed: &Missed, out: &mut Vec<u8>) {
        let level = self.shared.sessions.held.level(session.id).unwrap_or(LogLevel::Info);
        if missed.dropped == 0 || level > LogLevel::Warning {
            return;
        }
        let data = format!("{} earlier messages of this stream were not kept and are lost", missed.dropped);
        let params = json!({"level": LogLevel::Warning, "logger": "erlmcp", "data": data});
        let message = json!({"jsonrpc": "2.0", "method": method::LOG_MESSAGE, "params": params});
        write_message(out, None, message.to_string().as_bytes());
    }
}

/// There is nothing to go on with.
fn gone() -> Refused {
    let why = "what came on that stream is not kept any more: send its request again, where it may be executed twice";
    Refused::for_good(410, why)
}
