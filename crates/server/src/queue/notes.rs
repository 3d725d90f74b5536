//! What a call says before its answer.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::ReplyTo;

/// The way of a call's progress and log messages to its client. It ends with the call, whoever still holds it.
#[derive(Clone)]
pub(crate) struct Notes(Arc<Line>);

struct Line {
    reply: ReplyTo,
    /// Messages that may still be sent.
    left: Mutex<u64>,
}

/// Why a message was not taken.
enum NotTaken {
    /// The shard is far behind.
    Yet(Vec<u8>),
    /// The call is over, or has said enough.
    Ever,
}

impl Notes {
    pub(crate) fn new(reply: ReplyTo, messages_max: u64) -> Self {
        Self(Arc::new(Line { reply, left: Mutex::new(messages_max) }))
    }

    /// Sends a message; waits while the shard is far behind. False where the call is over or has said enough.
    pub(crate) async fn send(&self, mut message: Vec<u8>) -> bool {
        loop {
            match self.try_send(message) {
                Ok(()) => return true,
                Err(NotTaken::Ever) => return false,
                Err(NotTaken::Yet(back)) => message = back,
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn try_send(&self, message: Vec<u8>) -> Result<(), NotTaken> {
        // Held while the message is handed over: nothing may come behind the answer, where another call listens.
        let mut left = self.0.left.lock().unwrap_or_else(PoisonError::into_inner);
        if *left == 0 {
            return Err(NotTaken::Ever);
        }
        self.0.reply.mailbox.try_note(self.0.reply.token, message).map_err(NotTaken::Yet)?;
        *left -= 1;
        Ok(())
    }

    /// Nothing more is sent.
    pub(crate) fn end(&self) {
        *self.0.left.lock().unwrap_or_else(PoisonError::into_inner) = 0;
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes").field("left", &self.0.left).finish_non_exhaustive()
    }
}
