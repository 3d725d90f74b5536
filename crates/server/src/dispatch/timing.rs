//! What the parts of the way to an answer take, of one request in [`SAMPLED`].

use erlmcp_protocol::server::Head;

use super::Dispatcher;
use crate::metrics::{COUNTS, SAMPLED, ShardComponents, ShortTimes};
use crate::session::{NoSession, Session};

/// Which requests are timed.
#[derive(Debug, Default)]
pub(super) struct Timing {
    requests: u64,
    is_timed: bool,
}

impl Timing {
    pub(super) fn next_request(&mut self) {
        self.requests = self.requests.wrapping_add(1);
        self.is_timed = COUNTS && self.requests.is_multiple_of(SAMPLED);
    }
}

impl Dispatcher {
    /// The time, where this request is one that is timed.
    pub(super) fn began(&self) -> Option<u64> {
        self.timing.is_timed.then(|| self.shared.clock.now_ns())
    }

    /// What began then is over.
    pub(super) fn took(&self, began_ns: Option<u64>, part: fn(&ShardComponents) -> &ShortTimes) {
        if let Some(began_ns) = began_ns {
            part(&self.counters.components).record(self.shared.clock.now_ns().saturating_sub(began_ns));
        }
    }

    /// The session that a request of the older era names.
    pub(super) fn find_session(&self, head: &Head<'_>) -> Result<Session, NoSession> {
        let began_ns = self.began();
        let found = self.shared.sessions.find(head.known.session_id, self.unix_seconds(), self.principal_name());
        self.took(began_ns, |components| &components.token_check);
        let components = &self.counters.components;
        if found.is_ok() { &components.tokens_good } else { &components.tokens_refused }.add(1);
        found
    }
}
