//! What a tool may know about its call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::Notify;

use super::caller::{Caller, LogLevel};
use crate::clock::Clock;
use crate::engine::Notifier;
use crate::operations::Operation;
use crate::queue::Notes;

/// What an inline tool may know. It runs on a shard: it must end within microseconds and may not block.
#[derive(Debug, Clone, Copy)]
pub struct CallContext<'a> {
    pub(crate) tool: &'a str,
    pub(crate) replica: u16,
    pub(crate) principal: &'a str,
}

impl CallContext<'_> {
    /// The name it was called by.
    pub fn tool(&self) -> &str {
        self.tool
    }

    /// The replica that it runs on.
    pub fn replica(&self) -> u16 {
        self.replica
    }

    /// Who calls: see [`JobContext::principal`].
    pub fn principal(&self) -> Option<&str> {
        named(self.principal)
    }
}

/// What a queued tool may know.
#[derive(Debug, Clone)]
pub struct JobContext {
    pub(crate) replica: u16,
    pub(crate) deadline_ns: u64,
    pub(crate) clock: Clock,
    pub(crate) cancellation: Cancellation,
    pub(crate) caller: Arc<Caller>,
    pub(crate) notes: Notes,
    pub(crate) notifier: Notifier,
    pub(crate) operation: Option<Arc<Operation>>,
}

impl JobContext {
    /// The replica that it runs on.
    pub fn replica(&self) -> u16 {
        self.replica
    }

    /// Who calls: the principal of the request's token, as the file of tokens has it, or `jwt:` and `sub` of a signed one. None where
    /// the server asks nobody for a token.
    pub fn principal(&self) -> Option<&str> {
        named(&self.caller.principal)
    }

    /// Time left until the call is given up.
    pub fn remaining(&self) -> Duration {
        Duration::from_nanos(self.deadline_ns.saturating_sub(self.clock.now_ns()))
    }

    /// Tells the client how far the call is. Nothing is sent where the client has not asked for it, where `progress` is
    /// no more than was told before or not finite, where the call is over, or where it has said more than the limit
    /// allows. Waits while the server has too much to send.
    pub async fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        if let Some(message) = self.caller.progress(progress, total, message) {
            self.notes.send(message, Some(progress)).await;
        }
    }

    /// Sends the client a log message: text, or any other value. As with progress, only where it was asked for.
    pub async fn log(&self, level: LogLevel, data: impl Into<Value>) {
        if let Some(message) = self.caller.log(level, &data.into()) {
            self.notes.send(message, None).await;
        }
    }

    /// Closes the stream on which this call speaks, before its answer: what is said from now on is kept, and the client
    /// comes back for it after `retry`. It frees a connection that a long call would hold. Only clients of 2025-11-25
    /// can do that: with others nothing happens, and false is returned.
    pub async fn close_stream(&self, retry: Duration) -> bool {
        self.notes.pause(retry).await
    }

    /// What the client answers to a question of the round before, by the question's key.
    pub fn input(&self, key: &str) -> Option<&Value> {
        self.caller.inputs.get(key)
    }

    /// The values that the user gave to an elicitation of the round before; none where there are none.
    pub fn elicited(&self, key: &str) -> Option<&Map<String, Value>> {
        let answer = self.input(key)?;
        answer.get("content").filter(|_| answer.get("action").is_some_and(|action| action == "accept"))?.as_object()
    }

    /// What the round before gave to this one, as [`Ask::remembering`](super::Ask::remembering) has it.
    pub fn state(&self) -> Option<&str> {
        self.caller.state.as_deref()
    }

    /// True where the client has declared a capability, such as "sampling", or a part of one, such as "sampling.tools".
    /// "elicitation" is that by forms.
    pub fn client_has(&self, capability: &str) -> bool {
        self.caller.has(capability)
    }

    /// The operation that this call is the only run of; none where the client did not ask for one.
    pub fn operation(&self) -> Option<&Operation> {
        self.operation.as_deref()
    }

    /// Tells subscribers that something has changed, on all replicas.
    pub fn notifier(&self) -> &Notifier {
        &self.notifier
    }

    /// Tells when the caller has gone. An async tool is dropped by itself; a blocking part must look.
    pub fn cancellation(&self) -> &Cancellation {
        &self.cancellation
    }
}

fn named(principal: &str) -> Option<&str> {
    Some(principal).filter(|name| !name.is_empty())
}

/// Whether a call's answer is still wanted.
#[derive(Debug, Clone, Default)]
pub struct Cancellation(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    set: AtomicBool,
    changed: Notify,
}

impl Cancellation {
    /// True once nobody waits for the answer any more.
    pub fn is_cancelled(&self) -> bool {
        self.0.set.load(Ordering::Acquire)
    }

    /// Ends when nobody waits for the answer any more.
    pub async fn cancelled(&self) {
        let changed = self.0.changed.notified();
        if !self.is_cancelled() {
            changed.await;
        }
    }

    /// True for the same one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn cancel(&self) {
        self.0.set.store(true, Ordering::Release);
        self.0.changed.notify_waiters();
    }
}
