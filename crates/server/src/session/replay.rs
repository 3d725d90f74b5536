//! The streams of calls that clients of the older era may come back to: as many, as long and as large as the limits
//! allow. A call that is answered without a stream is never here, and neither is a session as such.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use erlmcp_protocol::era::Version;

use super::Session;
use super::event_id::{EventId, Origin};
use super::tape::{Label, Missed, Tape, TapeBounds};
use crate::limits::Limits;
use crate::metrics::counters::Method;
use crate::queue::ReplyTo;

/// The streams that are kept.
#[derive(Debug)]
pub(crate) struct Replays {
    pub(crate) origin: Origin,
    streams_max: usize,
    bytes_max: u64,
    age_ns: u64,
    bounds: TapeBounds,
    /// By their numbers, and so from the oldest to the newest.
    tapes: Mutex<BTreeMap<u64, Arc<Tape>>>,
    /// Bytes of all of them.
    total: Arc<AtomicU64>,
    last: AtomicU64,
}

impl Replays {
    pub(crate) fn new(origin: Origin, limits: &Limits) -> Self {
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            origin,
            streams_max: size(limits.replay_streams_max),
            bytes_max: limits.replay_bytes_max,
            age_ns: limits.replay_age_ms.saturating_mul(1_000_000),
            bounds: TapeBounds {
                events_max: size(limits.replay_stream_events_max),
                bytes_max: size(limits.replay_stream_bytes_max),
            },
            tapes: Mutex::default(),
            total: Arc::default(),
            last: AtomicU64::new(0),
        }
    }

    fn tapes(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Tape>>> {
        self.tapes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream of a call begins.
    fn begin(&self, session: &Session, method: Method, listener: ReplyTo) -> Arc<Tape> {
        let stream = self.last.fetch_add(1, Ordering::Relaxed);
        // Earlier versions know no event without data, and no stream that is closed before its answer.
        let primes = session.version == Version::V20251125;
        let label = Label { origin: self.origin, stream, session: session.id, method, primes };
        let tape = Arc::new(Tape::new(label, self.bounds, &self.total, listener));
        self.tapes().insert(stream, Arc::clone(&tape));
        self.trim();
        tape
    }

    /// A client of `session` comes back to the stream of a call, and listens from now on. None where there is nothing
    /// that it could be given.
    pub(crate) fn resume(&self, session: u128, last: &EventId, listener: &ReplyTo) -> Option<Missed> {
        let tape = self.tapes().get(&last.stream).filter(|_| last.origin == self.origin).cloned();
        tape?.resume(session, last.place, listener)
    }

    /// Forgets the oldest until the rest is within the bounds.
    pub(crate) fn trim(&self) {
        let mut tapes = self.tapes();
        while tapes.len() > self.streams_max || self.total.load(Ordering::Relaxed) > self.bytes_max {
            let Some((_, oldest)) = tapes.pop_first() else { return };
            oldest.forget();
        }
    }

    /// Forgets those that have ended long ago.
    pub(crate) fn sweep(&self, now_ns: u64) {
        self.tapes().retain(|_, tape| {
            let stays = !tape.has_expired(now_ns, self.age_ns);
            if !stays {
                tape.forget();
            }
            stays
        });
    }

    /// Bytes of all of them.
    pub(crate) fn bytes(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

/// What makes a stream of a call one that can be come back to, once it begins.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    pub(crate) replays: Arc<Replays>,
    pub(crate) session: Session,
    pub(crate) method: Method,
}

impl Recorder {
    pub(crate) fn begin(&self, listener: ReplyTo) -> Arc<Tape> {
        self.replays.begin(&self.session, self.method, listener)
    }

    /// To be called when something was said.
    pub(crate) fn trim(&self) {
        if self.replays.total.load(Ordering::Relaxed) > self.replays.bytes_max {
            self.replays.trim();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::counters::Outcome;
    use crate::queue::Answer;
    use crate::shard::{ConnToken, Mailbox};

    const ORIGIN: Origin = Origin { replica: 1, life: 7 };

    fn listener(mailbox: &Arc<Mailbox>, key: u32) -> ReplyTo {
        ReplyTo { mailbox: Arc::clone(mailbox), token: ConnToken::new(key, 1), batch: None }
    }

    fn recorder(limits: &Limits, version: Version) -> Recorder {
        let session = Session { id: 5, ..Session::new(version, 0, 0, 9) };
        Recorder { replays: Arc::new(Replays::new(ORIGIN, limits)), session, method: Method::ToolsCall }
    }

    fn answer(text: &str) -> Answer {
        Answer { status: 200, body: text.as_bytes().to_vec(), outcome: Outcome::Ok, retry_after_ms: None }
    }

    fn id(stream: u64, place: u64) -> EventId {
        EventId { origin: ORIGIN, stream, place, told: None }
    }

    /// What a client has missed: the places, what was dropped, and whether it is over.
    type Missing = (Vec<(u64, String)>, u64, bool);

    fn missed(recorder: &Recorder, last: EventId) -> Option<Missing> {
        let mailbox = Arc::new(Mailbox::without_waker(8));
        let missed = recorder.replays.resume(5, &last, &listener(&mailbox, 9))?;
        let text = |(id, message): (EventId, Vec<u8>)| (id.place, String::from_utf8_lossy(&message).into_owned());
        Some((missed.events.into_iter().map(text).collect(), missed.dropped, missed.is_over))
    }

    #[test]
    fn what_was_missed_comes_back_to_its_own_session_only() {
        let recorder = recorder(&Limits::default(), Version::V20251125);
        let mailbox = Arc::new(Mailbox::without_waker(8));
        let tape = recorder.begin(listener(&mailbox, 3));
        assert_eq!((tape.say(b"a".to_vec()), tape.say(b"b".to_vec())), (Ok(()), Ok(())));
        let b = (2, "b".to_string());
        assert_eq!(missed(&recorder, id(0, 1)), Some((vec![b.clone()], 0, false)));
        assert!(tape.finish(answer("end"), 1_000).is_ok());
        assert_eq!(missed(&recorder, id(0, 1)), Some((vec![b, (3, "end".to_string())], 0, true)));
        assert_eq!(missed(&recorder, id(0, 3)), Some((Vec::new(), 0, true)), "all was read");
        let elsewhere = EventId { origin: Origin { life: 8, ..ORIGIN }, ..id(0, 1) };
        for other in [id(0, 4), id(1, 0), elsewhere] {
            assert_eq!(missed(&recorder, other), None, "{other}");
        }
        assert_eq!(recorder.replays.resume(6, &id(0, 0), &listener(&mailbox, 1)), None, "another session");
        assert_eq!(recorder.replays.tapes().len(), 1);
        recorder.replays.sweep(1_000 + 59_999_999_999);
        assert!(missed(&recorder, id(0, 0)).is_some());
        recorder.replays.sweep(1_000 + 60_000_000_000);
        assert_eq!(missed(&recorder, id(0, 0)), None);
        assert_eq!((recorder.replays.tapes().len(), recorder.replays.bytes()), (0, 0));
    }

    #[test]
    fn a_stream_is_bounded_and_says_what_it_has_dropped() {
        let limits = Limits { replay_stream_events_max: 2, replay_stream_bytes_max: 1_000, ..Limits::default() };
        let recorder = recorder(&limits, Version::V20250618);
        let mailbox = Arc::new(Mailbox::without_waker(64));
        let tape = recorder.begin(listener(&mailbox, 3));
        (0..5).for_each(|_| assert_eq!(tape.say(b"x".to_vec()), Ok(())));
        let found = missed(&recorder, id(0, 1)).expect("it is kept");
        assert_eq!((found.0.iter().map(|(place, _)| *place).collect::<Vec<_>>(), found.1), (vec![4, 5], 2));
        assert_eq!(tape.say(vec![b'y'; 2_000]), Ok(()));
        assert_eq!(missed(&recorder, id(0, 5)), Some((Vec::new(), 1, false)), "it is too long to be kept");
        assert_eq!((recorder.replays.tapes().len(), recorder.replays.bytes()), (1, 0));
        assert!(tape.finish(answer(&"z".repeat(2_000)), 0).is_ok());
        assert_eq!(missed(&recorder, id(0, 6)), None, "without its answer a stream is of no use");
    }

    #[test]
    fn all_streams_together_are_bounded() {
        let limits = Limits { replay_streams_max: 2, replay_bytes_max: 500, ..Limits::default() };
        let recorder = recorder(&limits, Version::V20251125);
        let mailbox = Arc::new(Mailbox::without_waker(64));
        let tapes: Vec<_> = (0..3).map(|_| recorder.begin(listener(&mailbox, 3))).collect();
        assert!(missed(&recorder, id(0, 0)).is_none() && missed(&recorder, id(1, 0)).is_some());
        for tape in &tapes {
            assert_eq!(tape.say(vec![b'x'; 300]), Ok(()), "who listens is told, kept or not");
            recorder.trim();
        }
        assert!(missed(&recorder, id(1, 0)).is_none() && missed(&recorder, id(2, 0)).is_some());
        assert!(recorder.replays.bytes() <= 500);
        tapes.iter().for_each(|tape| assert!(tape.finish(answer("z"), 0).is_ok()));
        assert!(missed(&recorder, id(2, 0)).is_some());
    }

    #[test]
    fn while_a_shard_is_far_behind_nothing_is_kept_twice() {
        let recorder = recorder(&Limits::default(), Version::V20251125);
        let mailbox = Arc::new(Mailbox::without_waker(1));
        let tape = recorder.begin(listener(&mailbox, 3));
        assert_eq!(tape.say(b"a".to_vec()), Ok(()));
        assert_eq!(tape.say(b"b".to_vec()), Err(b"b".to_vec()));
        assert_eq!(tape.finish(answer("c"), 0).map_err(|back| back.body), Err(b"c".to_vec()));
        assert_eq!(tape.pause(1), Err(()));
        assert_eq!(missed(&recorder, id(0, 0)), Some((vec![(1, "a".to_string())], 0, false)));
    }

    #[test]
    fn only_the_version_that_has_it_closes_a_stream_early() {
        let mailbox = Arc::new(Mailbox::without_waker(8));
        for (version, closes) in [(Version::V20251125, true), (Version::V20250618, false), (Version::V20250326, false)]
        {
            let recorder = recorder(&Limits::default(), version);
            let tape = recorder.begin(listener(&mailbox, 3));
            assert_eq!(tape.pause(1), Ok(closes), "{version:?}");
            assert_eq!(tape.say(b"a".to_vec()), Ok(()));
            assert!(missed(&recorder, id(0, 0)).is_some_and(|missed| missed.0.len() == 1));
        }
    }
}
