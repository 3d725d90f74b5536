//! Sessions of the older era. A session at rest costs nothing: its id is a signed token that every server with the key
//! accepts. Held is only what no token can carry: sessions that ended early, calls under way, open streams.

mod calls;
mod event_id;
mod held;
mod questions;
mod replay;
mod revoked;
mod rounds;
mod streams;
mod tape;
mod token;
mod words;

use std::sync::{Arc, PoisonError, RwLock};

use erlmcp_protocol::era::Version;
use erlmcp_protocol::server::head::Once;
use tokio::sync::mpsc;

use crate::limits::Limits;
use crate::queue::ReplyTo;

pub(crate) use calls::{Calls, Entry};
pub(crate) use event_id::{EventId, Origin};
pub(crate) use held::Held;
pub(crate) use questions::{Question, Questions};
pub(crate) use replay::{Recorder, Replays};
pub(crate) use revoked::{Ended, Revoked, oldest_epoch};
pub(crate) use rounds::{About, Rounds};
pub(crate) use streams::{Push, Streams};
pub(crate) use tape::{Missed, Tape};
pub use token::SessionKey;
pub(crate) use token::{Session, Signer, capability, random_text};
pub(crate) use words::{Said, Taken, Word};

/// Ids of other servers are shorter than this, too.
const ID_BYTES_MAX: usize = 1_024;

/// Why a request has no session, with its HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoSession {
    pub(crate) status: u16,
    pub(crate) why: &'static str,
}

impl Session {
    /// What names it among those that ended.
    pub(crate) fn end(&self) -> Ended {
        Ended { epoch: self.epoch, id: self.id }
    }
}

/// A session that its client has ended, on the way to the other replicas. Who ended it has its answer when all know.
pub(crate) struct Ending {
    pub(crate) ended: Ended,
    pub(crate) reply: ReplyTo,
}

/// How the end of a session went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// There is nobody else to tell.
    AtOnce,
    /// The others are being told.
    Later,
    /// There is no room for it now.
    Busy,
    /// Its principal has ended as many as it may.
    HasItsShare,
}

/// The sessions of a server.
pub(crate) struct Sessions {
    signer: Signer,
    revoked: RwLock<Revoked>,
    lifetime_s: u64,
    /// Signs with the same key what modern requests bring back.
    pub(crate) rounds: Arc<Rounds>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) questions: Arc<Questions>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) replays: Arc<Replays>,
    pub(crate) held: Held,
    /// To the other replicas, where there are any.
    endings: Option<mpsc::Sender<Ending>>,
    words: Option<mpsc::Sender<Word>>,
}

impl Sessions {
    pub(crate) fn new(key: &SessionKey, limits: &Limits, replica: u16) -> Self {
        let own = token::random_number();
        let origin = Origin { replica, life: own as u32 };
        Self {
            signer: Signer::new(key),
            rounds: Arc::new(Rounds::new(key, limits.request_state_lifetime_ms)),
            revoked: RwLock::new(Revoked::new(limits.sessions_revoked_max)),
            lifetime_s: (limits.session_lifetime_ms / 1_000).max(1),
            calls: Arc::default(),
            questions: Arc::new(Questions::new(own, limits.question_wait_ms)),
            streams: Arc::new(Streams::new(origin)),
            replays: Arc::new(Replays::new(origin, limits)),
            held: Held::new(limits.sessions_held_max, limits.stream_resources_max),
            endings: None,
            words: None,
        }
    }

    /// The same as a part of a cluster: the ends of sessions go to `endings`, what others must know to `words`.
    pub(crate) fn in_cluster(self, endings: mpsc::Sender<Ending>, words: mpsc::Sender<Word>) -> Self {
        Self { endings: Some(endings), words: Some(words), ..self }
    }

    /// Takes what a client has said, here and, where it may matter there, on the other replicas.
    pub(crate) fn hear(&self, session: &Session, said: Said, now_s: u64) -> Taken {
        let word = Word { session: session.id, expires: session.expires, said };
        let is_done = match (&word.said, self.take(&word, now_s)) {
            // What was waiting for it was here.
            (Said::Response(_) | Said::Cancelled(_), taken) => taken,
            (Said::Level(_) | Said::Subscribed { .. }, true) => false,
            (Said::Level(_) | Said::Subscribed { .. }, false) => return Taken::Busy,
        };
        match &self.words {
            Some(words) if !is_done && words.try_send(word).is_err() => Taken::Busy,
            _ => Taken::Yes,
        }
    }

    /// The same for a response, as it came.
    pub(crate) fn hear_response(&self, session: &Session, response: &[u8], now_s: u64) -> Taken {
        match serde_json::from_slice(response) {
            Ok(response_value) if response.len() <= words::RESPONSE_BYTES_MAX || self.words.is_none() => {
                self.hear(session, Said::Response(response_value), now_s)
            }
            Ok(response_value) if self.questions.take(session.id, &response_value) => Taken::Yes,
            Ok(_) => Taken::TooLong,
            Err(_) => Taken::Unreadable,
        }
    }

    /// Takes what a client has said here or elsewhere. False where there was no use or no room for it.
    pub(crate) fn take(&self, word: &Word, now_s: u64) -> bool {
        let Word { session, said, .. } = word;
        match said {
            Said::Response(response) => self.questions.take(*session, response),
            Said::Cancelled(id) => self.calls.cancel(*session, id.as_bytes()),
            Said::Level(_) | Said::Subscribed { .. } => self.held.take(word, now_s),
        }
    }

    /// A new session of a principal, and its id.
    pub(crate) fn open(&self, version: Version, capabilities: u8, now_s: u64, principal: &str) -> String {
        let epoch = self.revoked.read().unwrap_or_else(PoisonError::into_inner).epoch(now_s);
        let session = Session::new(version, capabilities, epoch, now_s + self.lifetime_s);
        self.signer.sign(&session.owned_by(self.signer.owner(principal)), principal)
    }

    /// The session that a request of a principal names.
    pub(crate) fn find(&self, named: Once<'_>, now_s: u64, principal: &str) -> Result<Session, NoSession> {
        let text = match named {
            Once::Value(text) => text,
            Once::Absent => {
                let why = "Mcp-Session-Id is missing: send initialize first, then the id that its answer carries";
                return Err(NoSession { status: 400, why });
            }
            Once::Repeated => return Err(NoSession { status: 400, why: "Mcp-Session-Id is there twice" }),
        };
        let session = self.signer.read(text, principal).filter(|session| self.lives(session, now_s));
        session.ok_or_else(|| no_session(text))
    }

    /// True until a session expires or is ended.
    pub(crate) fn lives(&self, session: &Session, now_s: u64) -> bool {
        now_s < session.expires && !self.revoked.read().unwrap_or_else(PoisonError::into_inner).has(session.end())
    }

    /// Ends a session of a principal, here and on all other replicas.
    pub(crate) fn end(&self, session: &Session, principal: &str, now_s: u64, reply: impl FnOnce() -> ReplyTo) -> Told {
        let ended = session.end();
        if !self.has_share(ended, now_s) {
            // All who are not known by name are one.
            return if principal.is_empty() { Told::Busy } else { Told::HasItsShare };
        }
        let told = match &self.endings {
            None => Told::AtOnce,
            // One that ended here alone could not be ended anew: it is told first.
            Some(endings) if endings.try_send(Ending { ended, reply: reply() }).is_err() => return Told::Busy,
            Some(_) => Told::Later,
        };
        self.revoke(0, &[ended], now_s);
        told
    }

    fn has_share(&self, ended: Ended, now_s: u64) -> bool {
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        revoked.forget_expired(now_s, self.lifetime_s);
        revoked.has_share(ended)
    }

    /// Ends sessions, and all that were signed before epoch `floor`. True where an epoch has ended.
    pub(crate) fn revoke(&self, floor: u32, ended: &[Ended], now_s: u64) -> bool {
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        let before = revoked.floor();
        revoked.forget_expired(now_s, self.lifetime_s);
        revoked.raise(floor);
        for ended in ended {
            revoked.insert(*ended);
            self.held.forget(ended.id);
        }
        revoked.floor() > before
    }
}

/// Nobody's session: one that has ended, or what no server gives out as an id.
#[cold]
fn no_session(text: &[u8]) -> NoSession {
    if text.is_empty() || text.len() > ID_BYTES_MAX || !text.iter().all(u8::is_ascii_graphic) {
        return NoSession {
            status: 400,
            why: "Mcp-Session-Id is malformed: send the id that the answer to initialize carries",
        };
    }
    NoSession { status: 404, why: "there is no such session, or it has ended: send initialize anew" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(limits: &Limits) -> Sessions {
        Sessions::new(&SessionKey::random(), limits, 0)
    }

    fn status(sessions: &Sessions, named: Once<'_>, now_s: u64) -> Result<Version, u16> {
        sessions.find(named, now_s, "").map(|session| session.version).map_err(|none| none.status)
    }

    #[test]
    fn a_session_lives_until_it_expires() {
        let sessions = sessions(&Limits::default());
        let token = sessions.open(Version::V20251125, 0, 1_000_000, "");
        let named = Once::Value(token.as_bytes());
        assert_eq!(status(&sessions, named, 1_000_000), Ok(Version::V20251125));
        assert_eq!(status(&sessions, named, 1_003_599), Ok(Version::V20251125));
        assert_eq!(status(&sessions, named, 1_003_600), Err(404));
        assert_eq!(status(&sessions, Once::Absent, 1_000_000), Err(400));
        assert_eq!(status(&sessions, Once::Repeated, 1_000_000), Err(400));
        assert_eq!(status(&sessions, Once::Value(b"x"), 1_000_000), Err(404));
    }

    #[test]
    fn a_session_that_was_ended_is_no_more_and_others_live() {
        let sessions = sessions(&Limits { sessions_revoked_max: 2, ..Limits::default() });
        let tokens: Vec<String> = (0..4).map(|_| sessions.open(Version::V20250618, 0, 900, "")).collect();
        let find = |token: &String| sessions.find(Once::Value(token.as_bytes()), 900, "");
        let end = |token: &String| {
            let ended = find(token).expect("it lives").end();
            sessions.revoke(0, &[ended], 900);
        };
        end(&tokens[0]);
        assert!(find(&tokens[0]).is_err() && find(&tokens[1]).is_ok());
        end(&tokens[1]);
        end(&tokens[2]);
        assert!(find(&tokens[3]).is_err(), "the set was full: the epoch has ended");
        let anew = sessions.open(Version::V20250618, 0, 900, "");
        assert!(find(&anew).is_ok(), "and a new session is of another one");
    }

    #[test]
    fn who_ends_many_sessions_ends_none_of_another() {
        for (principal, refused) in [("flood", Told::HasItsShare), ("", Told::Busy)] {
            let sessions = sessions(&Limits { sessions_revoked_max: 4, ..Limits::default() });
            let find = |token: &str, principal: &str| sessions.find(Once::Value(token.as_bytes()), 900, principal);
            let lasting = sessions.open(Version::V20251125, 0, 900, "other");
            let told = [(); 9].map(|()| {
                let token = sessions.open(Version::V20251125, 0, 900, principal);
                let session = find(&token, principal).expect("it lives");
                let told = sessions.end(&session, principal, 900, || unreachable!("there is nobody to tell"));
                assert_eq!(find(&token, principal).is_ok(), told == refused);
                told
            });
            assert_eq!((told[1], told[2], told[8]), (Told::AtOnce, refused, refused));
            let session = find(&lasting, "other").expect("it lives on");
            assert_eq!(sessions.end(&session, "other", 900, || unreachable!("there is nobody to tell")), Told::AtOnce);
        }
    }
}
