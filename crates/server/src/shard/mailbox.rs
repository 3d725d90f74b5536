//! What other threads send to a shard.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::ConnToken;
use crate::engine::{Change, Updates};
use crate::metrics::counters::ConnectionKind;
use crate::queue::Answer;
use crate::session::EventId;

/// Beside the bits of [`Change`]s.
pub(crate) const SESSIONS_ENDED: u32 = 1 << 31;

/// A shard's inbox. Bounded: workers wait for room, the acceptor keeps what doesn't fit in the kernel's backlog.
#[derive(Debug)]
pub(crate) struct Mailbox {
    inbox: Mutex<Inbox>,
    /// One bit a [`Change`]: changes carry no data, so that many are as good as one.
    changes: AtomicU32,
    /// The number of the last change that is among the bits and the updates, or was.
    told: AtomicU64,
    /// Set from the first message until the shard looks: one wake-up is enough for many messages.
    signalled: AtomicBool,
    waker: Option<mio::Waker>,
    answers_max: usize,
    connections_max: usize,
}

/// What a worker has for a connection.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// A message before the answer.
    Note(Note),
    Answer(Answer),
    /// The stream of the call is closed before its answer; the client is to come back after so long.
    Pause {
        primer: EventId,
        retry_ms: u64,
    },
    /// The client has come back elsewhere: the stream is closed.
    Release,
    /// Bytes of an answer that another replica makes, with the room for them.
    Raw(Vec<u8>, OwnedSemaphorePermit),
    RawEnd(RawEnd),
}

/// An answer of another replica is over, or was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawEnd {
    /// HTTP status.
    pub(crate) status: u16,
    pub(crate) is_whole: bool,
}

/// A message on a stream: JSON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) message: Vec<u8>,
    /// Where the client may come back to the stream.
    pub(crate) id: Option<EventId>,
    /// Of the event without data that comes first.
    pub(crate) primer: Option<EventId>,
}

impl Note {
    pub(crate) fn plain(message: Vec<u8>) -> Self {
        Self { message, id: None, primer: None }
    }
}

/// The messages themselves.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) answers: Vec<(ConnToken, Delivery)>,
    /// Resources that are not what they were.
    pub(crate) updates: Updates,
    /// Accepted connections.
    pub(crate) connections: Vec<(TcpStream, Origin)>,
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Index of its listener.
    pub(crate) listener: u8,
    /// What it was where it was idle in the process before this one; None: it is new.
    pub(crate) kind: Option<ConnectionKind>,
}

impl Origin {
    pub(crate) fn new(listener: u8) -> Self {
        Self { listener, kind: None }
    }
}

impl Mailbox {
    pub(crate) fn new(waker: mio::Waker, answers_max: usize, connections_max: usize) -> Self {
        Self { waker: Some(waker), connections_max, ..Self::without_waker(answers_max) }
    }

    /// For a shard that is driven by hand.
    pub(crate) fn without_waker(answers_max: usize) -> Self {
        Self {
            inbox: Mutex::default(),
            changes: AtomicU32::new(0),
            told: AtomicU64::new(0),
            signalled: AtomicBool::new(false),
            waker: None,
            answers_max,
            connections_max: 0,
        }
    }

    /// Hands an answer over; waits while the shard is far behind.
    pub(crate) async fn answer(&self, token: ConnToken, answer: Answer) {
        self.deliver_with_room(token, answer, Delivery::Answer).await;
    }

    pub(crate) fn try_answer(&self, token: ConnToken, answer: Answer) -> Result<(), Answer> {
        self.deliver(token, answer, Delivery::Answer)
    }

    /// Hands over a message that comes before an answer; gives it back while the shard is far behind.
    pub(crate) fn try_note(&self, token: ConnToken, note: Note) -> Result<(), Note> {
        self.deliver(token, note, Delivery::Note)
    }

    /// Hands over the last message of a stream, and with it the end; gives the end back while the shard is far behind.
    pub(crate) fn try_last(&self, token: ConnToken, note: Option<Note>, end: Answer) -> Result<(), Answer> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        if inbox.answers.len() >= self.answers_max {
            return Err(end);
        }
        inbox.answers.extend(note.map(|note| (token, Delivery::Note(note))));
        inbox.answers.push((token, Delivery::Answer(end)));
        drop(inbox);
        self.wake();
        Ok(())
    }

    /// Has a stream closed before its answer; an error while the shard is far behind.
    pub(crate) fn try_pause(&self, token: ConnToken, primer: EventId, retry_ms: u64) -> Result<(), ()> {
        self.deliver(token, (), |()| Delivery::Pause { primer, retry_ms })
    }

    /// Hands over bytes of an answer that another replica makes; waits while the shard is far behind. `room` is given
    /// back when the client has taken them, or has gone.
    pub(crate) async fn raw(&self, token: ConnToken, bytes: Vec<u8>, room: OwnedSemaphorePermit) {
        self.deliver_with_room(token, (bytes, room), |(bytes, room)| Delivery::Raw(bytes, room)).await;
    }

    /// That answer is over.
    pub(crate) async fn raw_end(&self, token: ConnToken, end: RawEnd) {
        self.deliver_with_room(token, end, Delivery::RawEnd).await;
    }

    /// Has a stream closed that another connection goes on with. There is at most one a connection of the shard, so
    /// that it needs no room.
    pub(crate) fn release(&self, token: ConnToken) {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).answers.push((token, Delivery::Release));
        self.wake();
    }

    /// Hands it over as soon as the shard is not far behind.
    async fn deliver_with_room<T>(&self, token: ConnToken, mut what: T, wrap: impl Fn(T) -> Delivery) {
        while let Err(back) = self.deliver(token, what, &wrap) {
            what = back;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn deliver<T>(&self, token: ConnToken, what: T, wrap: impl FnOnce(T) -> Delivery) -> Result<(), T> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        if inbox.answers.len() >= self.answers_max {
            return Err(what);
        }
        inbox.answers.push((token, wrap(what)));
        drop(inbox);
        self.wake();
        Ok(())
    }

    /// Hands an accepted connection over; gives it back when the shard is far behind.
    pub(crate) fn connection(&self, stream: TcpStream, origin: Origin) -> Result<(), TcpStream> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        if inbox.connections.len() >= self.connections_max {
            return Err(stream);
        }
        inbox.connections.push((stream, origin));
        drop(inbox);
        self.wake();
        Ok(())
    }

    /// Hands accepted connections over together, as far as no more than `at_most` wait then. False where some are left in `all`:
    /// the shard is behind.
    pub(crate) fn connections(&self, all: &mut Vec<(TcpStream, Origin)>, at_most: usize) -> bool {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let room = at_most.min(self.connections_max).saturating_sub(inbox.connections.len());
        inbox.connections.extend(all.drain(..room.min(all.len())));
        drop(inbox);
        self.wake();
        all.is_empty()
    }

    /// Tells the shard's streams of a change, and its number.
    pub(crate) fn change(&self, change: Change, number: u64) {
        self.changes.fetch_or(1 << change as u32, Ordering::AcqRel);
        self.told.store(number, Ordering::Release);
        self.wake();
    }

    /// Tells the shard that sessions have ended, which may have streams here.
    pub(crate) fn sessions_ended(&self) {
        self.changes.fetch_or(SESSIONS_ENDED, Ordering::AcqRel);
        self.wake();
    }

    /// The same for a resource; none for any.
    pub(crate) fn update(&self, uri: Option<&Arc<str>>, number: u64) {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        match uri {
            Some(uri) => inbox.updates.add(Arc::clone(uri)),
            None => inbox.updates.add_any(),
        }
        drop(inbox);
        self.told.store(number, Ordering::Release);
        self.wake();
    }

    /// Makes the shard look around.
    pub(crate) fn wake(&self) {
        if !self.signalled.swap(true, Ordering::AcqRel)
            && let Some(waker) = &self.waker
        {
            // It fails only without descriptors or memory; the shard looks at each tick anyway.
            let _ = waker.wake();
        }
    }

    /// True where there is something that was not collected.
    pub(crate) fn has_news(&self) -> bool {
        self.signalled.load(Ordering::Acquire)
    }

    /// Takes all messages out, into `inbox`, which must be empty. Gives the bits of what has changed, and the number of
    /// the last change that was collected with this or before; none where there is no news.
    pub(crate) fn collect(&self, inbox: &mut Inbox) -> Option<(u32, u64)> {
        if !self.signalled.swap(false, Ordering::AcqRel) {
            return None;
        }
        // Before the rest: whatever else is collected may be newer, but what has this number must not be left.
        let told = self.told.load(Ordering::Acquire);
        std::mem::swap(&mut *self.inbox.lock().unwrap_or_else(PoisonError::into_inner), inbox);
        Some((self.changes.swap(0, Ordering::AcqRel), told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::counters::Outcome;

    fn answer() -> Answer {
        Answer::json(200, Vec::new(), Outcome::Ok)
    }

    #[test]
    fn messages_arrive_once_and_are_bounded() {
        let mailbox = Mailbox::without_waker(2);
        let token = ConnToken::new(3, 9);
        assert!(mailbox.try_answer(token, answer()).is_ok());
        assert!(mailbox.try_answer(token, answer()).is_ok());
        assert!(mailbox.try_answer(token, answer()).is_err());
        mailbox.change(Change::ToolsList, 7);
        mailbox.change(Change::ToolsList, 8);
        let mut inbox = Inbox::default();
        assert_eq!(mailbox.collect(&mut inbox), Some((1 << Change::ToolsList as u32, 8)));
        assert_eq!(inbox.answers.len(), 2);
        inbox.answers.clear();
        assert_eq!(mailbox.collect(&mut inbox), None);
        assert!(inbox.answers.is_empty());
    }

    #[test]
    fn connections_that_come_together_wait_where_the_shard_is_behind() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("an address");
        let address = listener.local_addr().expect("it listens");
        let connect = |_| (TcpStream::connect(address).expect("it begins"), Origin::new(0));
        let mut five: Vec<_> = (0..5).map(connect).collect();
        let mailbox = Mailbox { connections_max: 9, ..Mailbox::without_waker(1) };
        let mut inbox = Inbox::default();
        assert!(!mailbox.connections(&mut five, 2) && !mailbox.connections(&mut five, 3));
        mailbox.collect(&mut inbox);
        assert_eq!((std::mem::take(&mut inbox.connections).len(), five.len()), (3, 2));
        assert!(mailbox.connections(&mut five, 3));
    }
}
