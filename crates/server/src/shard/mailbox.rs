//! What other threads send to a shard.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mio::net::TcpStream;

use super::ConnToken;
use crate::engine::{Change, Updates};
use crate::queue::Answer;

/// Beside the bits of [`Change`]s.
pub(crate) const SESSIONS_ENDED: u32 = 1 << 31;

/// A shard's inbox. Bounded: workers wait for room, the acceptor keeps what doesn't fit in the kernel's backlog.
#[derive(Debug)]
pub(crate) struct Mailbox {
    inbox: Mutex<Inbox>,
    /// One bit a [`Change`]: changes carry no data, so that many are as good as one.
    changes: AtomicU32,
    /// Set from the first message until the shard looks: one wake-up is enough for many messages.
    signalled: AtomicBool,
    waker: Option<mio::Waker>,
    answers_max: usize,
    connections_max: usize,
}

/// What a worker has for a connection.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// A message before the answer: JSON.
    Note(Vec<u8>),
    Answer(Answer),
}

/// The messages themselves.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) answers: Vec<(ConnToken, Delivery)>,
    /// Resources that are not what they were.
    pub(crate) updates: Updates,
    /// Accepted connections with the index of their listener.
    pub(crate) connections: Vec<(TcpStream, u8)>,
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
            signalled: AtomicBool::new(false),
            waker: None,
            answers_max,
            connections_max: 0,
        }
    }

    /// Hands an answer over; waits while the shard is far behind.
    pub(crate) async fn answer(&self, token: ConnToken, mut answer: Answer) {
        while let Err(back) = self.try_answer(token, answer) {
            answer = back;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn try_answer(&self, token: ConnToken, answer: Answer) -> Result<(), Answer> {
        self.deliver(token, answer, Delivery::Answer)
    }

    /// Hands over a message that comes before an answer; gives it back while the shard is far behind.
    pub(crate) fn try_note(&self, token: ConnToken, note: Vec<u8>) -> Result<(), Vec<u8>> {
        self.deliver(token, note, Delivery::Note)
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
    pub(crate) fn connection(&self, stream: TcpStream, listener: u8) -> Result<(), TcpStream> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        if inbox.connections.len() >= self.connections_max {
            return Err(stream);
        }
        inbox.connections.push((stream, listener));
        drop(inbox);
        self.wake();
        Ok(())
    }

    /// Tells the shard's streams of a change.
    pub(crate) fn change(&self, change: Change) {
        self.changes.fetch_or(1 << change as u32, Ordering::AcqRel);
        self.wake();
    }

    /// Tells the shard that sessions have ended, which may have streams here.
    pub(crate) fn sessions_ended(&self) {
        self.changes.fetch_or(SESSIONS_ENDED, Ordering::AcqRel);
        self.wake();
    }

    /// Tells the shard's streams of a resource; none for any.
    pub(crate) fn update(&self, uri: Option<&Arc<str>>) {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        match uri {
            Some(uri) => inbox.updates.add(Arc::clone(uri)),
            None => inbox.updates.add_any(),
        }
        drop(inbox);
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

    /// Takes all messages out, into `inbox`, which must be empty. Gives the bits of what has changed.
    pub(crate) fn collect(&self, inbox: &mut Inbox) -> u32 {
        if !self.signalled.swap(false, Ordering::AcqRel) {
            return 0;
        }
        std::mem::swap(&mut *self.inbox.lock().unwrap_or_else(PoisonError::into_inner), inbox);
        self.changes.swap(0, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::counters::Outcome;

    fn answer() -> Answer {
        Answer { status: 200, body: Vec::new(), outcome: Outcome::Ok }
    }

    #[test]
    fn messages_arrive_once_and_are_bounded() {
        let mailbox = Mailbox::without_waker(2);
        let token = ConnToken::new(3, 9);
        assert!(mailbox.try_answer(token, answer()).is_ok());
        assert!(mailbox.try_answer(token, answer()).is_ok());
        assert!(mailbox.try_answer(token, answer()).is_err());
        mailbox.change(Change::ToolsList);
        mailbox.change(Change::ToolsList);
        let mut inbox = Inbox::default();
        assert_eq!(mailbox.collect(&mut inbox), 1 << Change::ToolsList as u32);
        assert_eq!(inbox.answers.len(), 2);
        inbox.answers.clear();
        assert_eq!(mailbox.collect(&mut inbox), 0);
        assert!(inbox.answers.is_empty());
    }
}
