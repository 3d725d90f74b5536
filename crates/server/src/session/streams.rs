//! The GET streams of sessions: how many a session has, and which of them speaks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{EventId, Origin, Session};
use crate::shard::{ConnToken, Mailbox};

/// The open GET streams of this process by session. As many as the limits of streams let be open.
#[derive(Debug)]
pub(crate) struct Streams {
    open: Mutex<HashMap<u128, Vec<Open>>>,
    last: AtomicU64,
    origin: Origin,
}

/// A stream, and the connection that it is on.
#[derive(Debug)]
struct Open {
    number: u64,
    mailbox: Arc<Mailbox>,
    token: ConnToken,
}

impl Streams {
    pub(crate) fn new(origin: Origin) -> Self {
        Self { open: Mutex::default(), last: AtomicU64::new(0), origin }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u128, Vec<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more stream of a session, on this connection, whose client has been told of all changes up to `told`. Where the
    /// session has `max` already its oldest one is ended, which its client has mostly lost, and this is true.
    pub(crate) fn begin(
        self: &Arc<Self>,
        session: Session,
        (mailbox, token): (&Arc<Mailbox>, ConnToken),
        max: u64,
        told: u64,
    ) -> (Push, bool) {
        let mut open = self.open();
        let streams = open.entry(session.id).or_default();
        let oldest = (streams.len() as u64 >= max.max(1)).then(|| streams.remove(0));
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        streams.push(Open { number, mailbox: Arc::clone(mailbox), token });
        drop(open);
        oldest.iter().for_each(|oldest| oldest.mailbox.release(oldest.token));
        (Push { session, number, places: 0, told, streams: Arc::clone(self) }, oldest.is_some())
    }

    pub(crate) fn has(&self, session: u128) -> bool {
        self.open().contains_key(&session)
    }

    /// Sessions with a stream.
    pub(crate) fn sessions(&self) -> u64 {
        self.open().len() as u64
    }
}

/// What makes a stream a GET stream of a session.
#[derive(Debug)]
pub(crate) struct Push {
    pub(crate) session: Session,
    number: u64,
    /// Events so far.
    places: u64,
    /// The last change that its client has been told of.
    told: u64,
    streams: Arc<Streams>,
}

impl Push {
    /// True for the stream that a session's messages go to: each may go to one only. It is the newest, since who opens
    /// another one has mostly lost the first.
    pub(crate) fn speaks(&self) -> bool {
        let open = self.streams.open();
        open.get(&self.session.id).and_then(|streams| streams.last()).is_some_and(|last| last.number == self.number)
    }

    /// The id of the event that begins the stream.
    pub(crate) fn first_id(&self) -> EventId {
        self.id(0)
    }

    /// The id of the next event. With the last one of several the client has been told of all changes up to `upto`;
    /// before that one it has not, whatever the others were of.
    pub(crate) fn next_id(&mut self, upto: u64, is_last: bool) -> EventId {
        self.places += 1;
        if is_last {
            self.told = upto;
        }
        self.id(self.places)
    }

    fn id(&self, place: u64) -> EventId {
        EventId { origin: self.streams.origin, stream: self.number, place, told: Some(self.told) }
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        let mut open = self.streams.open();
        if let Some(streams) = open.get_mut(&self.session.id) {
            streams.retain(|other| other.number != self.number);
            if streams.is_empty() {
                open.remove(&self.session.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use erlmcp_protocol::era::Version;

    use super::*;

    #[test]
    fn only_the_last_of_several_events_says_that_all_was_told() {
        let streams = Arc::new(Streams::new(Origin { replica: 1, life: 2 }));
        let at = (&Arc::new(Mailbox::without_waker(1)), ConnToken::new(0, 0));
        let (mut push, _) = streams.begin(Session::new(Version::V20251125, 0, 0, 9), at, 1, 4);
        let ids = [push.first_id(), push.next_id(7, false), push.next_id(7, true), push.next_id(7, true)];
        assert_eq!(ids.map(|id| (id.place, id.told)), [(0, Some(4)), (1, Some(4)), (2, Some(7)), (3, Some(7))]);
    }

    #[test]
    fn a_session_has_few_streams_and_one_that_speaks() {
        let streams = Arc::new(Streams::new(Origin { replica: 1, life: 2 }));
        let session = |id| Session { id, ..Session::new(Version::V20251125, 0, 0, 9) };
        let mailbox = Arc::new(Mailbox::without_waker(1));
        let begin = |id, key| streams.begin(session(id), (&mailbox, ConnToken::new(key, 0)), 2, 0);
        let [(oldest, none), (first, nor_now), (second, one)] = [1, 2, 3].map(|key| begin(1, key));
        assert_eq!((none, nor_now, one, mailbox.has_news()), (false, false, true, true), "the oldest is told to end");
        drop(oldest);
        let (other, _) = begin(2, 4);
        assert_eq!(streams.sessions(), 2);
        assert!(second.speaks() && !first.speaks() && other.speaks());
        drop(second);
        assert!(first.speaks() && streams.has(1));
        drop(first);
        assert!(!streams.has(1) && streams.sessions() == 1);
    }
}
