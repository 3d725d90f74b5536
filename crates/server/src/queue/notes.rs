//! What a call says before its answer.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::{Answer, ReplyTo};
use crate::clock::Clock;
use crate::session::{Recorder, Tape};
use crate::shard::Note;

/// Between two attempts while the shard is far behind.
const PAUSE: Duration = Duration::from_millis(1);

/// The way of a call's progress and log messages to its client. It ends with the call, whoever still holds it.
#[derive(Clone)]
pub(crate) struct Notes(Arc<Line>);

struct Line {
    reply: ReplyTo,
    budget: Mutex<Budget>,
    /// Of a session's call, whose client may come back to its stream.
    recorder: Option<Recorder>,
    /// That stream, once something was said.
    tape: OnceLock<Arc<Tape>>,
}

/// What may still be said.
#[derive(Debug)]
struct Budget {
    /// Messages.
    left: u64,
    /// The last progress: a call that asks its client begins anew, and the next one must still be more.
    progress: f64,
}

/// Why a message was not taken.
enum NotTaken {
    /// The shard is far behind.
    Yet(Vec<u8>),
    /// The call is over, or has said enough or as much progress before.
    Ever,
}

impl Notes {
    pub(crate) fn new(reply: ReplyTo, recorder: Option<Recorder>, messages_max: u64) -> Self {
        let budget = Mutex::new(Budget { left: messages_max, progress: f64::NEG_INFINITY });
        Self(Arc::new(Line { reply, budget, recorder, tape: OnceLock::new() }))
    }

    /// Sends a message; waits while the shard is far behind. False where the call is over or has said enough, or the
    /// message's progress is no more than was told before.
    pub(crate) async fn send(&self, mut message: Vec<u8>, progress: Option<f64>) -> bool {
        loop {
            match self.try_send(message, progress) {
                Ok(()) => return true,
                Err(NotTaken::Ever) => return false,
                Err(NotTaken::Yet(back)) => message = back,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends a message where there is room for it at once.
    pub(super) fn tell(&self, message: Vec<u8>) {
        let _ = self.try_send(message, None);
    }

    fn try_send(&self, message: Vec<u8>, progress: Option<f64>) -> Result<(), NotTaken> {
        // Held while the message is handed over: nothing may come behind the answer, where another call listens.
        let mut budget = self.0.budget();
        let rises = |progress: f64| progress.is_finite() && progress > budget.progress;
        if budget.left == 0 || progress.is_some_and(|progress| !rises(progress)) {
            return Err(NotTaken::Ever);
        }
        let ReplyTo { mailbox, token, .. } = &self.0.reply;
        match self.0.tape() {
            Some((tape, recorder)) => {
                tape.say(message).map_err(NotTaken::Yet)?;
                recorder.trim();
            }
            None => mailbox.try_note(*token, Note::plain(message)).map_err(|note| NotTaken::Yet(note.message))?,
        }
        budget.left -= 1;
        budget.progress = progress.unwrap_or(budget.progress);
        Ok(())
    }

    /// Closes the stream until the client comes back for the rest. False where it can't.
    pub(crate) async fn pause(&self, retry: Duration) -> bool {
        let retry_ms = u64::try_from(retry.as_millis()).unwrap_or(u64::MAX);
        loop {
            if let Ok(closed) = self.try_pause(retry_ms) {
                return closed;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn try_pause(&self, retry_ms: u64) -> Result<bool, ()> {
        let budget = self.0.budget();
        match self.0.tape() {
            Some((tape, _)) if budget.left > 0 => tape.pause(retry_ms),
            _ => Ok(false),
        }
    }

    /// Sends the answer. Nothing more is sent after it.
    pub(crate) async fn answer(&self, mut answer: Answer, clock: &Clock) {
        self.end();
        let (Some(tape), Some(recorder)) = (self.0.tape.get(), &self.0.recorder) else {
            return self.0.reply.send(answer).await;
        };
        while let Err(back) = tape.finish(answer, clock.now_ns()) {
            answer = back;
            tokio::time::sleep(PAUSE).await;
        }
        recorder.trim();
    }

    /// Nothing more is sent.
    pub(crate) fn end(&self) {
        self.0.budget().left = 0;
    }
}

impl Line {
    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream that can be come back to; it begins with this.
    fn tape(&self) -> Option<(&Arc<Tape>, &Recorder)> {
        let recorder = self.recorder.as_ref()?;
        Some((self.tape.get_or_init(|| recorder.begin(self.reply.clone())), recorder))
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes").field("budget", &self.0.budget).finish_non_exhaustive()
    }
}
