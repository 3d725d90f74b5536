//! What is said on the stream of a call, kept within bounds for a client that loses the stream and comes back.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::event_id::{EventId, Origin};
use crate::metrics::counters::Method;
use crate::queue::{Answer, ReplyTo};
use crate::shard::Note;

/// What an event costs beside its text, bytes.
const EVENT_BYTES: usize = 48;

/// The bounds of one stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TapeBounds {
    pub(crate) events_max: usize,
    pub(crate) bytes_max: usize,
}

/// Whose stream it is, and which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label {
    pub(super) origin: Origin,
    pub(super) stream: u64,
    pub(super) session: u128,
    /// Of the request.
    pub(super) method: Method,
    /// The stream begins with an event that says nothing.
    pub(super) primes: bool,
}

/// The stream of a call of a session.
pub(crate) struct Tape {
    pub(super) session: u128,
    /// Of the request.
    pub(crate) method: Method,
    /// The stream begins with an event that says nothing.
    primes: bool,
    origin: Origin,
    stream: u64,
    bounds: TapeBounds,
    /// Bytes of all streams.
    total: Arc<AtomicU64>,
    state: Mutex<State>,
}

struct State {
    /// With their places, which rise by one.
    events: VecDeque<(u64, Vec<u8>)>,
    bytes: usize,
    /// Of the last event.
    place: u64,
    /// Who gets what is said; none after the answer, and while the stream is closed.
    listener: Option<ReplyTo>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Ended {
        at_ns: u64,
    },
    /// Nothing is kept of it: what is said goes to its listener alone.
    Forgotten,
}

/// What a client has missed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missed {
    pub(crate) events: Vec<(EventId, Vec<u8>)>,
    /// Events before these that were not kept.
    pub(crate) dropped: u64,
    /// The answer was among the events, or has been read: nothing more comes.
    pub(crate) is_over: bool,
    pub(crate) method: Method,
}

impl Tape {
    pub(super) fn new(label: Label, bounds: TapeBounds, total: &Arc<AtomicU64>, listener: ReplyTo) -> Self {
        let Label { origin, stream, session, method, primes } = label;
        let state =
            State { events: VecDeque::new(), bytes: 0, place: 0, listener: Some(listener), phase: Phase::Running };
        let total = Arc::clone(total);
        Self { session, method, primes, origin, stream, bounds, total, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn id(&self, place: u64) -> EventId {
        EventId { origin: self.origin, stream: self.stream, place, told: None }
    }

    fn note(&self, place: u64, message: Vec<u8>) -> Note {
        Note { message, id: Some(self.id(place)), primer: self.primes.then(|| self.id(0)) }
    }

    /// Keeps a message and sends it to whoever listens; gives it back while that one's shard is far behind.
    pub(crate) fn say(&self, message: Vec<u8>) -> Result<(), Vec<u8>> {
        let mut state = self.state();
        let place = state.place + 1;
        let kept = (state.phase == Phase::Running).then(|| message.clone());
        if let Some(listener) = &state.listener {
            let note = self.note(place, message);
            listener.mailbox.try_note(listener.token, note).map_err(|note| note.message)?;
        }
        state.place = place;
        if let Some(kept) = kept {
            self.keep(&mut state, kept);
        }
        Ok(())
    }

    /// The same with the answer, which is the last. One without a message ends the stream as it is.
    pub(crate) fn finish(&self, mut answer: Answer, now_ns: u64) -> Result<(), Answer> {
        let mut state = self.state();
        let place = state.place + 1;
        let message = std::mem::take(&mut answer.body);
        if let Some(listener) = &state.listener {
            let note = (!message.is_empty()).then(|| self.note(place, message.clone()));
            if let Err(back) = listener.mailbox.try_last(listener.token, note, answer) {
                return Err(Answer { body: message, ..back });
            }
        }
        state.listener = None;
        if state.phase != Phase::Running {
            return Ok(());
        }
        if message.len() + EVENT_BYTES > self.bounds.bytes_max {
            self.clear(&mut state);
            return Ok(());
        }
        if !message.is_empty() {
            state.place = place;
            self.keep(&mut state, message);
        }
        state.phase = Phase::Ended { at_ns: now_ns };
        Ok(())
    }

    /// Closes the stream, before its answer: the client is to come back after `retry_ms`. False where its version has
    /// no such thing; an error while the shard is far behind.
    pub(crate) fn pause(&self, retry_ms: u64) -> Result<bool, ()> {
        let mut state = self.state();
        if !self.primes || state.phase != Phase::Running {
            return Ok(false);
        }
        if let Some(listener) = &state.listener {
            listener.mailbox.try_pause(listener.token, self.id(0), retry_ms)?;
        }
        state.listener = None;
        Ok(true)
    }

    /// A client of `session` comes back that has read up to the event at `place`: from now on it listens. None where
    /// the stream is not its own, or not kept any more.
    pub(crate) fn resume(&self, session: u128, place: u64, listener: &ReplyTo) -> Option<Missed> {
        let mut state = self.state();
        if session != self.session || place > state.place || state.phase == Phase::Forgotten {
            return None;
        }
        let first = state.events.front().map_or(state.place + 1, |(first, _)| *first);
        let missed = state.events.iter().filter(|(other, _)| *other > place);
        let missed = Missed {
            events: missed.map(|(place, message)| (self.id(*place), message.clone())).collect(),
            dropped: first.saturating_sub(place + 1),
            is_over: matches!(state.phase, Phase::Ended { .. }),
            method: self.method,
        };
        // A message goes to one stream only: whoever listened until now has lost it.
        let listener = (!missed.is_over).then(|| listener.clone());
        if let Some(before) = std::mem::replace(&mut state.listener, listener) {
            before.mailbox.release(before.token);
        }
        Some(missed)
    }

    pub(super) fn has_expired(&self, now_ns: u64, age_ns: u64) -> bool {
        match self.state().phase {
            Phase::Running => false,
            Phase::Ended { at_ns } => at_ns + age_ns <= now_ns,
            Phase::Forgotten => true,
        }
    }

    /// Lets go of what is kept, for good.
    pub(super) fn forget(&self) {
        self.clear(&mut self.state());
    }

    fn clear(&self, state: &mut State) {
        self.total.fetch_sub(state.bytes as u64, Ordering::Relaxed);
        state.bytes = 0;
        state.events = VecDeque::new();
        state.phase = Phase::Forgotten;
    }

    fn keep(&self, state: &mut State, message: Vec<u8>) {
        let size = |message: &[u8]| message.len() + EVENT_BYTES;
        let before = state.bytes;
        state.bytes += size(&message);
        state.events.push_back((state.place, message));
        while state.events.len() > self.bounds.events_max || state.bytes > self.bounds.bytes_max {
            let Some((_, dropped)) = state.events.pop_front() else { break };
            state.bytes -= size(&dropped);
        }
        self.total.fetch_add(state.bytes as u64, Ordering::Relaxed);
        self.total.fetch_sub(before as u64, Ordering::Relaxed);
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape").field("stream", &self.stream).field("method", &self.method).finish_non_exhaustive()
    }
}
