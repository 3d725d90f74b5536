//! What a call says before its answer.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
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
    /// Messages that may still be sent.
    left: Mutex<u64>,
    /// Of a session's call, whose client may come back to its stream.
    recorder: Option<Recorder>,
    /// That stream, once something was said.
    tape: OnceLock<Arc<Tape>>,
}

/// Why a message was not taken.
enum NotTaken {
    /// The shard is far behind.
    Yet(Vec<u8>),
    /// The call is over, or has said enough.
    Ever,
}

impl Notes {
    pub(crate) fn new(reply: ReplyTo, recorder: Option<Recorder>, messages_max: u64) -> Self {
        Self(Arc::new(Line { reply, left: Mutex::new(messages_max), recorder, tape: OnceLock::new() }))
    }

    /// Sends a message; waits while the shard is far behind. False where the call is over or has said enough.
    pub(crate) async fn send(&self, mut message: Vec<u8>) -> bool {
        loop {
            match self.try_send(message) {
                Ok(()) => return true,
                Err(NotTaken::Ever) => return false,
                Err(NotTaken::Yet(back)) => message = back,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn try_send(&self, message: Vec<u8>) -> Result<(), NotTaken> {
        // Held while the message is handed over: nothing may come behind the answer, where another call listens.
        let mut left = self.0.left.lock().unwrap_or_else(PoisonError::into_inner);
        if *left == 0 {
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
        *left -= 1;
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
        let left = self.0.left.lock().unwrap_or_else(PoisonError::into_inner);
        match self.0.tape() {
            Some((tape, _)) if *left > 0 => tape.pause(retry_ms),
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
        *self.0.left.lock().unwrap_or_else(PoisonError::into_inner) = 0;
    }
}

impl Line {
    /// The stream that can be come back to; it begins with this.
    fn tape(&self) -> Option<(&Arc<Tape>, &Recorder)> {
        let recorder = self.recorder.as_ref()?;
        Some((self.tape.get_or_init(|| recorder.begin(self.reply.clone())), recorder))
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes").field("left", &self.0.left).finish_non_exhaustive()
    }
}
