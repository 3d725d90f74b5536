//! What sessions have asked for and no token can carry: a log level, subscriptions.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::tools::LogLevel;

/// What is held of the sessions that have asked for something. Most never do.
#[derive(Debug)]
pub(crate) struct Held {
    sessions: Mutex<HashMap<u128, Wishes>>,
    sessions_max: u64,
    uris_max: u64,
}

#[derive(Debug, Default)]
struct Wishes {
    level: Option<LogLevel>,
    uris: Vec<Box<str>>,
    /// Seconds since 1970.
    expires: u64,
}

impl Held {
    pub(crate) fn new(sessions_max: u64, uris_max: u64) -> Self {
        Self { sessions: Mutex::default(), sessions_max, uris_max }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<u128, Wishes>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self) -> u64 {
        self.sessions().len() as u64
    }

    /// Changes what a session wishes; false where there is no room.
    fn change(&self, session: u128, expires: u64, now_s: u64, change: impl FnOnce(&mut Wishes) -> bool) -> bool {
        let mut sessions = self.sessions();
        if sessions.len() as u64 >= self.sessions_max && !sessions.contains_key(&session) {
            sessions.retain(|_, wishes| wishes.expires > now_s);
            if sessions.len() as u64 >= self.sessions_max {
                return false;
            }
        }
        let wishes = sessions.entry(session).or_insert_with(|| Wishes { expires, ..Wishes::default() });
        let has_room = change(wishes);
        if wishes.level.is_none() && wishes.uris.is_empty() {
            sessions.remove(&session);
        }
        has_room
    }

    pub(crate) fn set_level(&self, session: u128, expires: u64, now_s: u64, level: LogLevel) -> bool {
        self.change(session, expires, now_s, |wishes| {
            wishes.level = Some(level);
            true
        })
    }

    pub(crate) fn subscribe(&self, session: u128, expires: u64, now_s: u64, uri: &str, wanted: bool) -> bool {
        self.change(session, expires, now_s, |wishes| {
            let has = wishes.uris.iter().any(|own| **own == *uri);
            if !wanted {
                wishes.uris.retain(|own| **own != *uri);
            } else if !has && wishes.uris.len() as u64 >= self.uris_max {
                return false;
            } else if !has {
                wishes.uris.push(uri.into());
            }
            true
        })
    }

    pub(crate) fn level(&self, session: u128) -> Option<LogLevel> {
        self.sessions().get(&session)?.level
    }

    /// The resources that a session wants to be told of.
    pub(crate) fn uris(&self, session: u128) -> Vec<Box<str>> {
        self.sessions().get(&session).map(|wishes| wishes.uris.clone()).unwrap_or_default()
    }

    /// The session has ended.
    pub(crate) fn forget(&self, session: u128) {
        self.sessions().remove(&session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_held_within_bounds_and_as_long_as_their_session() {
        let held = Held::new(2, 2);
        assert!(held.set_level(1, 100, 0, LogLevel::Error) && held.subscribe(2, 50, 0, "a", true));
        assert!(held.subscribe(2, 50, 0, "a", true) && held.subscribe(2, 50, 0, "b", true));
        assert!(!held.subscribe(2, 50, 0, "c", true), "it has as many as it may");
        assert!(!held.set_level(3, 100, 49, LogLevel::Info), "there is no room");
        assert_eq!((held.level(1), held.level(2), held.uris(2).len()), (Some(LogLevel::Error), None, 2));
        assert!(held.set_level(3, 100, 50, LogLevel::Info), "the second session has expired");
        assert!(held.uris(2).is_empty());
        held.forget(1);
        assert!(held.subscribe(4, 100, 50, "a", true) && held.subscribe(4, 100, 50, "a", false));
        assert_eq!(held.sessions().len(), 1, "who wishes nothing is not held");
    }
}
