//! The answers to a batch: those that were there at once, and those of workers, which come one by one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Answer;
use crate::metrics::counters::Outcome;

/// Gathers the answers of a batch. Bounded by the number of its messages.
#[derive(Debug, Default)]
pub(crate) struct Gathering(Mutex<Parts>);

#[derive(Debug, Default)]
struct Parts {
    /// An array that is not closed yet; empty before its first element.
    body: Vec<u8>,
    /// Answers of workers that are still to come.
    awaited: usize,
    /// The batch has been read to its end.
    is_read: bool,
}

impl Parts {
    fn push(&mut self, answer: &[u8]) {
        if !answer.is_empty() {
            self.body.push(if self.body.is_empty() { b'[' } else { b',' });
            self.body.extend_from_slice(answer);
        }
    }

    /// The whole, once nothing is to come any more. It is empty where no message wanted an answer.
    fn whole(&mut self) -> Option<Vec<u8>> {
        if self.awaited > 0 || !self.is_read {
            return None;
        }
        let mut body = std::mem::take(&mut self.body);
        if !body.is_empty() {
            body.push(b']');
        }
        Some(body)
    }
}

impl Gathering {
    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more answer will come from a worker.
    pub(crate) fn expect(&self) {
        self.parts().awaited += 1;
    }

    /// It will not: the queue was full.
    pub(crate) fn expect_no_more(&self) {
        self.parts().awaited -= 1;
    }

    /// An answer that was there at once.
    pub(crate) fn add(&self, answer: &[u8]) {
        self.parts().push(answer);
    }

    /// The batch was read to its end. Gives the whole, where no worker's answer is to come.
    pub(crate) fn read(&self) -> Option<Vec<u8>> {
        let mut parts = self.parts();
        parts.is_read = true;
        parts.whole()
    }

    /// A worker's answer. Gives the whole with the last one.
    pub(super) fn put(&self, answer: Vec<u8>) -> Option<Answer> {
        let mut parts = self.parts();
        parts.push(&answer);
        parts.awaited -= 1;
        parts.whole().map(|body| Answer::json(200, body, Outcome::Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_there_with_the_last_part() {
        let batch = Gathering::default();
        batch.expect();
        batch.add(b"1");
        batch.expect();
        assert!(batch.put(b"2".to_vec()).is_none());
        assert!(batch.read().is_none());
        let whole = batch.put(b"3".to_vec()).expect("it was the last");
        assert_eq!(String::from_utf8_lossy(&whole.body), "[1,2,3]");
    }

    #[test]
    fn a_batch_without_answers_is_empty_and_workers_may_be_early() {
        assert_eq!(Gathering::default().read(), Some(Vec::new()));
        let batch = Gathering::default();
        batch.expect();
        assert!(batch.put(b"1".to_vec()).is_none(), "more of the batch may come");
        batch.expect();
        batch.expect_no_more();
        assert_eq!(batch.read(), Some(b"[1]".to_vec()));
    }
}
