//! Which changes came when: so that a client that comes back to a stream is told of those that it has missed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::config::Change;

/// Resources of which it is known when they changed; with more, all that changed so far may have changed at last.
const URIS_MAX: usize = 1_024;

/// The last time of each change, by numbers that rise. It costs the same however many streams there are: a change
/// carries no data, so that a client has to be told of the last one only.
#[derive(Debug)]
pub(crate) struct History(Mutex<Numbers>);

#[derive(Debug)]
struct Numbers {
    /// Of the last change. 0 is before everything.
    last: u64,
    /// Of each list's last change.
    lists: [u64; Change::ALL.len()],
    uris: HashMap<Arc<str>, u64>,
    /// Any resource may have changed at this number.
    any: u64,
}

/// What has changed since a number.
#[derive(Debug)]
pub(crate) struct Since {
    /// The number that this is complete up to.
    pub(crate) upto: u64,
    /// One bit a [`Change`].
    pub(crate) lists: u32,
    /// Of the resources that were asked for.
    pub(crate) uris: Vec<Box<str>>,
}

impl Default for History {
    fn default() -> Self {
        let lists = [1; Change::ALL.len()];
        // Nothing is known of the time before the process, so that everything may have changed in it.
        Self(Mutex::new(Numbers { last: 1, lists, uris: HashMap::new(), any: 1 }))
    }
}

impl History {
    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A list has changed. `tell` is given the number, and has told the shards when it returns: whoever asks what has
    /// changed sees either both or neither.
    pub(super) fn changed(&self, change: Change, tell: impl FnOnce(u64)) {
        let mut numbers = self.numbers();
        numbers.last += 1;
        numbers.lists[change as usize] = numbers.last;
        tell(numbers.last);
    }

    /// The same for a resource; none for any.
    pub(super) fn updated(&self, uri: Option<&Arc<str>>, tell: impl FnOnce(u64)) {
        let mut numbers = self.numbers();
        numbers.last += 1;
        let last = numbers.last;
        match uri {
            Some(uri) if numbers.uris.len() < URIS_MAX || numbers.uris.contains_key(uri) => {
                numbers.uris.insert(Arc::clone(uri), last);
            }
            _ => {
                numbers.uris = HashMap::new();
                numbers.any = last;
            }
        }
        tell(last);
    }

    /// The number of the last change.
    pub(crate) fn now(&self) -> u64 {
        self.numbers().last
    }

    /// What has changed since the change of that number, of all lists and of these resources.
    pub(crate) fn since(&self, number: u64, mut uris: Vec<Box<str>>) -> Since {
        let numbers = self.numbers();
        let changed = |change: &Change| numbers.lists[*change as usize] > number;
        let lists = Change::ALL.into_iter().filter(changed).map(|change| 1 << change as u32).sum();
        uris.retain(|uri| numbers.any > number || numbers.uris.get(&**uri).is_some_and(|last| *last > number));
        Since { upto: numbers.last, lists, uris }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(history: &History, number: u64) -> (u32, Vec<Box<str>>) {
        let since = history.since(number, vec!["a".into(), "b".into()]);
        assert_eq!(since.upto, history.now());
        (since.lists, since.uris)
    }

    #[test]
    fn only_what_came_later_was_missed() {
        let history = History::default();
        let begun = history.now();
        assert_eq!(since(&history, begun), (0, Vec::new()));
        history.changed(Change::PromptsList, |number| assert_eq!(number, begun + 1));
        history.updated(Some(&"b".into()), |_| ());
        history.updated(Some(&"c".into()), |_| ());
        assert_eq!(since(&history, begun), (1 << Change::PromptsList as u32, vec!["b".into()]));
        assert_eq!(since(&history, begun + 1), (0, vec!["b".into()]));
        assert_eq!(since(&history, begun + 2), (0, Vec::new()));
        history.updated(None, |_| ());
        assert_eq!(since(&history, begun + 3), (0, vec!["a".into(), "b".into()]));
        assert_eq!(since(&history, 0), (7, vec!["a".into(), "b".into()]), "everything, for who knows nothing");
    }

    #[test]
    fn with_too_many_resources_any_may_have_changed() {
        let history = History::default();
        let begun = history.now();
        (0..=URIS_MAX).for_each(|number| history.updated(Some(&number.to_string().into()), |_| ()));
        assert_eq!(since(&history, begun).1.len(), 2);
        assert!(since(&history, history.now()).1.is_empty() && history.numbers().uris.is_empty());
    }
}
