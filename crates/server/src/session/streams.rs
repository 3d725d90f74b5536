//! The GET streams of sessions: how many a session has, and which of them speaks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{EventId, Origin, Session};

/// The open GET streams of this process by session. As many as the limits of streams let be open.
#[derive(Debug)]
pub(crate) struct Streams {
    open: Mutex<HashMap<u128, Vec<u64>>>,
    last: AtomicU64,
    origin: Origin,
}

impl Streams {
    pub(crate) fn new(origin: Origin) -> Self {
        Self { open: Mutex::default(), last: AtomicU64::new(0), origin }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u128, Vec<u64>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more stream of a session, whose client has been told of all changes up to `told`; none where the session has
    /// `max` already.
    pub(crate) fn begin(self: &Arc<Self>, session: Session, max: u64, told: u64) -> Option<Push> {
        let mut open = self.open();
        let has = open.get(&session.id).map_or(0, Vec::len) as u64;
        if has >= max {
            return None;
        }
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        open.entry(session.id).or_default().push(number);
        Some(Push { session, number, places: 0, told, streams: Arc::clone(self) })
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
        self.streams.open().get(&self.session.id).is_some_and(|numbers| numbers.last() == Some(&self.number))
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
        if let Some(numbers) = open.get_mut(&self.session.id) {
            numbers.retain(|other| *other != self.number);
            if numbers.is_empty() {
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
        let mut push = streams.begin(Session::new(Version::V20251125, 0, 0, 9), 1, 4).expect("there is room");
        let ids = [push.first_id(), push.next_id(7, false), push.next_id(7, true), push.next_id(7, true)];
        assert_eq!(ids.map(|id| (id.place, id.told)), [(0, Some(4)), (1, Some(4)), (2, Some(7)), (3, Some(7))]);
    }

    #[test]
    fn a_session_has_few_streams_and_one_that_speaks() {
        let streams = Arc::new(Streams::new(Origin { replica: 1, life: 2 }));
        let session = |id| Session { id, ..Session::new(Version::V20251125, 0, 0, 9) };
        let first = streams.begin(session(1), 2, 0).expect("there is room");
        let second = streams.begin(session(1), 2, 0).expect("there is room");
        assert!(streams.begin(session(1), 2, 0).is_none());
        let other = streams.begin(session(2), 2, 0).expect("there is room");
        assert_eq!(streams.sessions(), 2);
        assert!(second.speaks() && !first.speaks() && other.speaks());
        drop(second);
        assert!(first.speaks() && streams.has(1));
        drop(first);
        assert!(!streams.has(1) && streams.sessions() == 1);
    }
}
