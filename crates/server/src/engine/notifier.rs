//! From whoever changes something to the streams of those who want to know: here, and on the other replicas.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::config::Change;
use super::history::History;
use crate::clock::monotonic_ns;
use crate::shard::Mailbox;

/// Different resources that may wait to be told of; with more, every subscriber of any resource is told.
const UPDATED_MAX: usize = 1_024;
/// What changes within this time is told to the other replicas together.
const GATHERED: Duration = Duration::from_millis(20);

/// Resources that are not what they were.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Updates {
    uris: BTreeSet<Arc<str>>,
    /// There were too many to keep.
    any: bool,
}

impl Updates {
    pub(crate) fn is_empty(&self) -> bool {
        self.uris.is_empty() && !self.any
    }

    pub(crate) fn has(&self, uri: &str) -> bool {
        self.any || self.uris.contains(uri)
    }

    pub(crate) fn add(&mut self, uri: Arc<str>) {
        if self.any {
            return;
        }
        self.uris.insert(uri);
        if self.uris.len() > UPDATED_MAX {
            self.add_any();
        }
    }

    pub(crate) fn add_any(&mut self) {
        *self = Self { uris: BTreeSet::new(), any: true };
    }

    /// None: any.
    pub(crate) fn uris(&self) -> Option<&BTreeSet<Arc<str>>> {
        (!self.any).then_some(&self.uris)
    }
}

/// What the other replicas are still to be told.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// One bit a [`Change`].
    lists: u32,
    updates: Updates,
    /// When it is told, CLOCK_MONOTONIC ns. Whoever waits for it may be called away and come back.
    due_ns: Option<u64>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.lists == 0 && self.updates.is_empty()
    }
}

impl Outbox {
    /// A list is another one.
    pub(crate) fn list(&self, change: Change) {
        self.waiting().lists |= 1 << change as u32;
        self.filled.notify_one();
    }

    /// A resource is not what it was; none for any.
    pub(crate) fn resource(&self, uri: Option<Arc<str>>) {
        match uri {
            Some(uri) => self.waiting().updates.add(uri),
            None => self.waiting().updates.add_any(),
        }
        self.filled.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for changes; gives the bits of the lists, and the resources. May be dropped while it waits.
    pub(crate) async fn next(&self) -> (u32, Updates) {
        loop {
            let filled = self.filled.notified();
            if self.waiting().is_empty() {
                filled.await;
            }
            let now_ns = monotonic_ns();
            let due_ns = *self.waiting().due_ns.get_or_insert(now_ns + GATHERED.as_nanos() as u64);
            tokio::time::sleep(Duration::from_nanos(due_ns.saturating_sub(now_ns))).await;
            let changes = self.take();
            if changes.0 != 0 || !changes.1.is_empty() {
                return changes;
            }
        }
    }

    /// What is there already.
    pub(crate) fn take(&self) -> (u32, Updates) {
        let Waiting { lists, updates, .. } = std::mem::take(&mut *self.waiting());
        (lists, updates)
    }
}

/// Tells subscribers that something has changed, on all replicas. Cheap, and never waits: changes carry no data, so
/// that many of the same are told as one.
#[derive(Clone)]
pub struct Notifier {
    pub(super) mailboxes: Arc<[Arc<Mailbox>]>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) history: Arc<History>,
}

impl Notifier {
    pub(crate) fn new(mailboxes: &[Arc<Mailbox>]) -> Self {
        Self { mailboxes: mailboxes.into(), outbox: Arc::default(), history: Arc::default() }
    }

    /// A list is another one.
    pub fn changed(&self, change: Change) {
        self.changed_here(change);
        self.outbox.list(change);
    }

    /// A resource is not what it was.
    pub fn updated(&self, uri: &str) {
        let uri: Arc<str> = uri.into();
        self.updated_here(Some(&uri));
        self.outbox.resource(Some(uri));
    }

    pub(crate) fn changed_here(&self, change: Change) {
        self.history.changed(change, |number| {
            self.mailboxes.iter().for_each(|mailbox| mailbox.change(change, number));
        });
    }

    /// None: any resource.
    pub(crate) fn updated_here(&self, uri: Option<&Arc<str>>) {
        self.history.updated(uri, |number| self.mailboxes.iter().for_each(|mailbox| mailbox.update(uri, number)));
    }

    /// Which changes came when.
    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// Leads nowhere.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        Self::new(&[])
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("outbox", &self.outbox).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_resources_become_any() {
        let mut updates = Updates::default();
        assert!(updates.is_empty() && !updates.has("a"));
        updates.add("a".into());
        assert!(updates.has("a") && !updates.has("b") && !updates.is_empty());
        (0..=UPDATED_MAX).for_each(|number| updates.add(number.to_string().into()));
        assert!(updates.has("b") && updates.uris().is_none());
    }

    #[test]
    fn other_replicas_are_told_once_of_what_happened_often() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let notifier = Notifier::nowhere();
            (0..100).for_each(|_| notifier.changed(Change::PromptsList));
            (0..100).for_each(|_| notifier.updated("app://a"));
            let (lists, updates) = notifier.outbox.next().await;
            assert_eq!(lists, 1 << Change::PromptsList as u32);
            assert_eq!(updates.uris().map(BTreeSet::len), Some(1));
            notifier.changed_here(Change::ToolsList);
            let more = tokio::time::timeout(Duration::from_millis(60), notifier.outbox.next()).await;
            assert!(more.is_err(), "what came from them is not told back");
        });
    }

    #[test]
    fn who_is_called_away_again_and_again_is_told_all_the_same() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let notifier = Notifier::nowhere();
            notifier.changed(Change::ToolsList);
            for _ in 0..1_000 {
                tokio::select! {
                    (lists, _) = notifier.outbox.next() => return assert_eq!(lists, 1 << Change::ToolsList as u32),
                    () = tokio::time::sleep(GATHERED / 10) => {}
                }
            }
            panic!("it is never told");
        });
    }
}
