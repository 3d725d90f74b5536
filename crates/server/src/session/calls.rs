//! Calls of sessions that can be cancelled by a notification. As many as the queue admits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::tools::Cancellation;

/// A session and the id of a request, as JSON text.
type Key = (u128, Box<[u8]>);

/// The calls under way.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// An entry a job, which takes it along when it ends: the queue bounds both.
    under_way: Mutex<HashMap<Key, Cancellation>>,
}

impl Calls {
    fn under_way(&self) -> MutexGuard<'_, HashMap<Key, Cancellation>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins; it can be cancelled for as long as the entry lives.
    pub(crate) fn begin(self: &Arc<Self>, session: u128, id: &[u8], cancellation: &Cancellation) -> Entry {
        let key: Key = (session, id.into());
        self.under_way().insert(key.clone(), cancellation.clone());
        Entry { calls: Arc::clone(self), key, cancellation: cancellation.clone() }
    }

    /// Cancels a call, where it is under way.
    pub(crate) fn cancel(&self, session: u128, id: &[u8]) -> bool {
        let cancellation = self.under_way().get(&(session, id.into())).cloned();
        cancellation.map(|cancellation| cancellation.cancel()).is_some()
    }
}

impl Entry {
    pub(crate) fn session(&self) -> u128 {
        self.key.0
    }
}

/// A call's place among those under way.
#[derive(Debug)]
pub(crate) struct Entry {
    calls: Arc<Calls>,
    key: Key,
    cancellation: Cancellation,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut under_way = self.calls.under_way();
        // A client that used an id twice has only the later call to cancel.
        if under_way.get(&self.key).is_some_and(|other| other.is(&self.cancellation)) {
            under_way.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_call_that_is_meant_is_cancelled_while_it_is_under_way() {
        let calls = Arc::<Calls>::default();
        let (first, second) = (Cancellation::default(), Cancellation::default());
        let entry = calls.begin(1, b"7", &first);
        let _other = calls.begin(2, b"7", &second);
        assert!(!calls.cancel(1, b"8") && !calls.cancel(3, b"7") && calls.cancel(1, b"7"));
        assert!(first.is_cancelled() && !second.is_cancelled());
        drop(entry);
        assert!(!calls.cancel(1, b"7"));
    }

    #[test]
    fn an_id_that_is_used_twice_means_the_later_call() {
        let calls = Arc::<Calls>::default();
        let (first, second) = (Cancellation::default(), Cancellation::default());
        let entry = calls.begin(1, b"7", &first);
        let later = calls.begin(1, b"7", &second);
        drop(entry);
        assert!(calls.cancel(1, b"7") && second.is_cancelled() && !first.is_cancelled());
        drop(later);
        assert!(calls.under_way().is_empty());
    }
}
