//! What sessions have asked for and no token can carry: a log level, subscriptions. Each process has all of it, and the
//! supervisor, for those that start later.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::token::owner;
use super::words::{Said, Word};
use crate::tools::LogLevel;

/// All that is held, as [`Wishes::bytes`] counts: it has to fit into one message to a new process.
const BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// What a URI takes beside its own bytes.
const URI_BYTES: usize = 64;

/// What is held of the sessions that have asked for something. Most never do.
#[derive(Debug)]
pub(crate) struct Held {
    table: Mutex<Table>,
    sessions_max: u64,
    uris_max: u64,
}

#[derive(Debug, Default)]
struct Table {
    sessions: HashMap<u128, Wishes>,
    /// Of all of them.
    bytes: usize,
    /// What is whose; as many as there are sessions at most.
    owners: HashMap<u32, Use>,
}

/// What the sessions of one owner take.
#[derive(Debug, Default)]
struct Use {
    sessions: u64,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Wishes {
    level: Option<LogLevel>,
    uris: Vec<Box<str>>,
    /// Seconds since 1970.
    expires: u64,
}

impl Wishes {
    fn bytes(&self) -> usize {
        self.uris.iter().map(|uri| uri.len() + URI_BYTES).sum()
    }
}

impl Table {
    fn has_room(&self, session: u128, bytes: usize, sessions_max: u64) -> bool {
        let is_known = self.sessions.contains_key(&session);
        (is_known || (self.sessions.len() as u64) < sessions_max) && self.bytes + bytes <= BYTES_MAX
    }

    fn sweep(&mut self, now_s: u64) {
        let over = self.sessions.iter().filter(|(_, wishes)| wishes.expires <= now_s);
        let over: Vec<u128> = over.map(|(session, _)| *session).collect();
        for session in over {
            self.take(session);
        }
    }

    fn put(&mut self, session: u128, wishes: Wishes) {
        let used = self.owners.entry(owner(session)).or_default();
        used.sessions += 1;
        used.bytes += wishes.bytes();
        self.bytes += wishes.bytes();
        self.sessions.insert(session, wishes);
    }

    fn take(&mut self, session: u128) -> Option<Wishes> {
        let wishes = self.sessions.remove(&session)?;
        let (bytes, owner) = (wishes.bytes(), owner(session));
        self.bytes -= bytes;
        if let Some(used) = self.owners.get_mut(&owner) {
            used.sessions -= 1;
            used.bytes -= bytes;
            if used.sessions == 0 {
                self.owners.remove(&owner);
            }
        }
        Some(wishes)
    }
}

/// What one more word of a session may take.
fn more(said: &Said) -> usize {
    match said {
        Said::Subscribed { uri, wanted: true } => uri.len() + URI_BYTES,
        _ => 0,
    }
}

impl Held {
    pub(crate) fn new(sessions_max: u64, uris_max: u64) -> Self {
        Self { table: Mutex::default(), sessions_max, uris_max }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self) -> u64 {
        self.table().sessions.len() as u64
    }

    /// Sessions of the owner that has most.
    pub(crate) fn most(&self) -> u64 {
        self.table().owners.values().map(|used| used.sessions).max().unwrap_or(0)
    }

    /// True where a word leaves the session's owner with so many sessions, and half of the bytes, at most.
    pub(crate) fn has_share(&self, session: u128, said: &Said, sessions_max: u64) -> bool {
        let (table, more) = (self.table(), more(said));
        let (sessions, bytes) = table.owners.get(&owner(session)).map_or((0, 0), |used| (used.sessions, used.bytes));
        let is_known = table.sessions.contains_key(&session);
        (is_known || sessions < sessions_max) && (more == 0 || bytes + more <= BYTES_MAX / 2)
    }

    /// Takes what a client wishes; false where there is no room, or it is no wish.
    pub(crate) fn take(&self, word: &Word, now_s: u64) -> bool {
        let (uris_max, mut is_taken) = (self.uris_max, true);
        let change = |wishes: &mut Wishes| match &word.said {
            Said::Level(level) => {
                let level = LogLevel::parse(level);
                is_taken = level.is_some();
                wishes.level = level.or(wishes.level);
            }
            Said::Subscribed { uri, wanted: false } => wishes.uris.retain(|own| **own != **uri),
            Said::Subscribed { uri, wanted: true } if wishes.uris.iter().any(|own| **own == **uri) => {}
            Said::Subscribed { uri, wanted: true } if (wishes.uris.len() as u64) < uris_max => {
                wishes.uris.push(uri.as_str().into());
            }
            _ => is_taken = false,
        };
        self.change(word, now_s, change) && is_taken
    }

    /// Changes what a session wishes; false where there is no room.
    fn change(&self, word: &Word, now_s: u64, change: impl FnOnce(&mut Wishes)) -> bool {
        let mut table = self.table();
        let Word { session, expires, .. } = *word;
        let more = more(&word.said);
        if !table.has_room(session, more, self.sessions_max) {
            table.sweep(now_s);
            if !table.has_room(session, more, self.sessions_max) {
                return false;
            }
        }
        let mut wishes = table.take(session).unwrap_or_else(|| Wishes { expires, ..Wishes::default() });
        change(&mut wishes);
        if wishes.level.is_some() || !wishes.uris.is_empty() {
            table.put(session, wishes);
        }
        true
    }

    pub(crate) fn level(&self, session: u128) -> Option<LogLevel> {
        self.table().sessions.get(&session)?.level
    }

    /// The resources that a session wants to be told of.
    pub(crate) fn uris(&self, session: u128) -> Vec<Box<str>> {
        self.table().sessions.get(&session).map(|wishes| wishes.uris.clone()).unwrap_or_default()
    }

    /// All of it, in the words that would bring it about.
    pub(crate) fn words(&self) -> Vec<Word> {
        let mut words = Vec::new();
        for (session, Wishes { level, uris, expires }) in &self.table().sessions {
            let levels = level.map(|level| Said::Level(level.word().into()));
            let subscribed = uris.iter().map(|uri| Said::Subscribed { uri: (**uri).into(), wanted: true });
            let said = levels.into_iter().chain(subscribed);
            words.extend(said.map(|said| Word { session: *session, expires: *expires, said }));
        }
        words
    }

    /// The session has ended.
    pub(crate) fn forget(&self, session: u128) {
        self.table().take(session);
    }

    /// Forgets sessions that have expired.
    pub(crate) fn sweep(&self, now_s: u64) {
        self.table().sweep(now_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(session: u128, expires: u64) -> Word {
        Word { session, expires, said: Said::Level("error".into()) }
    }

    fn subscribed(session: u128, expires: u64, uri: &str, wanted: bool) -> Word {
        Word { session, expires, said: Said::Subscribed { uri: uri.into(), wanted } }
    }

    #[test]
    fn wishes_are_held_within_bounds_and_as_long_as_their_session() {
        let held = Held::new(2, 2);
        assert!(held.take(&level(1, 100), 0) && held.take(&subscribed(2, 50, "a", true), 0));
        assert!(held.take(&subscribed(2, 50, "a", true), 0) && held.take(&subscribed(2, 50, "b", true), 0));
        assert!(!held.take(&subscribed(2, 50, "c", true), 0), "it has as many as it may");
        assert!(!held.take(&level(3, 100), 49), "there is no room");
        assert_eq!((held.level(1), held.level(2), held.uris(2).len()), (Some(LogLevel::Error), None, 2));
        assert!(held.take(&level(3, 100), 50), "the second session has expired");
        assert!(held.uris(2).is_empty());
        held.forget(1);
        assert!(held.take(&subscribed(4, 90, "a", true), 50) && held.take(&subscribed(4, 90, "a", false), 50));
        assert_eq!(held.count(), 1, "who wishes nothing is not held");
        assert!(held.take(&subscribed(4, 90, "a", true), 50));
        held.sweep(90);
        assert_eq!((held.count(), held.table().bytes), (1, 0));
    }

    #[test]
    fn long_names_are_held_within_bounds() {
        let (held, long) = (Held::new(100, 100), "a".repeat(BYTES_MAX / 2));
        assert!(held.take(&subscribed(1, 50, &long, true), 0));
        assert!(!held.take(&subscribed(2, 90, &long, true), 49) && held.uris(2).is_empty());
        assert!(held.take(&subscribed(2, 90, &long, true), 50), "the first session has expired");
        assert!(held.take(&subscribed(2, 90, &long, false), 50) && held.table().bytes == 0);
    }

    #[test]
    fn one_owner_has_its_share() {
        let (held, own, other) = (Held::new(9, 9), |id: u128| (1u128 << 96) | id, 2u128 << 96);
        let said = |text: &str, wanted| Said::Subscribed { uri: text.into(), wanted };
        for session in [own(1), own(2), other] {
            assert!(held.has_share(session, &said("a", true), 2) && held.take(&subscribed(session, 50, "a", true), 0));
        }
        assert_eq!(held.most(), 2);
        assert!(!held.has_share(own(3), &said("a", true), 2), "it has two");
        assert!(held.has_share(own(1), &said("b", true), 2), "which may wish for more");
        let half = "a".repeat(BYTES_MAX / 2 - URI_BYTES);
        assert!(!held.has_share(own(1), &said(&half, true), 2) && held.has_share(3u128 << 96, &said(&half, true), 2));
        assert!(held.take(&subscribed(own(1), 50, &half, true), 0), "another process has let it in");
        assert!(held.has_share(own(1), &said("a", false), 2) && !held.has_share(own(1), &said("b", true), 2));
        held.forget(own(2));
        assert!(held.has_share(own(3), &Said::Level("error".into()), 2));
        held.sweep(50);
        assert!(held.most() == 0 && held.table().owners.is_empty());
    }

    #[test]
    fn all_of_it_can_be_told_to_another_process() {
        let (held, other) = (Held::new(9, 9), Held::new(9, 9));
        for word in [level(1, 50), subscribed(1, 50, "a", true), subscribed(2, 60, "b", true)] {
            assert!(held.take(&word, 0));
        }
        assert!(held.words().iter().all(|word| other.take(word, 0)));
        let known = |held: &Held| (held.level(1), held.uris(1), held.level(2), held.uris(2));
        assert_eq!(known(&other), known(&held));
        assert_eq!(known(&other), (Some(LogLevel::Error), vec!["a".into()], None, vec!["b".into()]));
    }
}
