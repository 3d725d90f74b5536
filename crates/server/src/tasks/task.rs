//! One task: a call of a tool that goes on when its request has been answered.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::clock::{Clock, iso_time};
use crate::tools::Cancellation;

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Working,
    InputRequired,
    Completed,
    Failed,
    Cancelled,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// What a task promises its client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// From its beginning until it is forgotten.
    pub(crate) lifetime_ms: u64,
    /// How often it should be asked after.
    pub(crate) poll_ms: u64,
}

/// A task.
pub(crate) struct Task {
    pub(crate) id: Box<str>,
    /// Whose it is; empty where nobody is known by name.
    pub(super) principal: Box<str>,
    /// ms since 1970.
    created_ms: u64,
    /// The same on the clock that nobody sets.
    pub(super) began_ns: u64,
    clock: Clock,
    terms: Terms,
    pub(crate) cancellation: Cancellation,
    /// Bytes of all tasks' outcomes.
    total: Arc<AtomicU64>,
    state: Mutex<State>,
    /// The last question was answered.
    answered: Notify,
}

struct State {
    status: Status,
    updated_ms: u64,
    /// Questions to the client that it has not answered, by their keys.
    asked: Map<String, Value>,
    answers: Map<String, Value>,
    /// The result, or the error.
    outcome: Option<Box<RawValue>>,
    /// Its client has asked after it since it ended.
    is_known: bool,
}

impl State {
    /// What its outcome takes.
    fn bytes(&self) -> u64 {
        self.outcome.as_ref().map_or(0, |outcome| outcome.get().len()) as u64
    }
}

impl Task {
    pub(super) fn new(
        id: String,
        principal: &str,
        terms: Terms,
        cancellation: &Cancellation,
        total: &Arc<AtomicU64>,
        clock: &Clock,
    ) -> Self {
        let created_ms = clock.unix_ns() / 1_000_000;
        let state = State {
            status: Status::Working,
            updated_ms: created_ms,
            asked: Map::new(),
            answers: Map::new(),
            outcome: None,
            is_known: false,
        };
        Self {
            id: id.into(),
            principal: principal.into(),
            created_ms,
            began_ns: clock.now_ns(),
            clock: clock.clone(),
            terms,
            cancellation: cancellation.clone(),
            total: Arc::clone(total),
            state: Mutex::new(state),
            answered: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_expired(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.began_ns) / 1_000_000 >= self.terms.lifetime_ms
    }

    pub(super) fn bytes(&self) -> u64 {
        self.state().bytes()
    }

    /// True where it has ended, and its client knows.
    pub(super) fn is_known(&self) -> bool {
        self.state().is_known
    }

    /// Writes what a client is told of a task that has begun: as it was then, for it may have gone on already.
    pub(crate) fn write_created(&self, out: &mut Vec<u8>) {
        write_members(out, &self.members(Status::Working, self.created_ms));
    }

    /// Writes all that there is to know of it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut state = self.state();
        state.is_known = state.status.is_over();
        let mut members = self.members(state.status, state.updated_ms);
        if state.status == Status::InputRequired {
            members["inputRequests"] = json!(state.asked);
        }
        write_members(out, &members);
        let name: &[u8] = match state.status {
            Status::Completed => b",\"result\":",
            Status::Failed => b",\"error\":",
            Status::Working | Status::InputRequired | Status::Cancelled => return,
        };
        if let Some(outcome) = &state.outcome {
            out.extend_from_slice(name);
            out.extend_from_slice(outcome.get().as_bytes());
        }
    }

    fn members(&self, status: Status, updated_ms: u64) -> Value {
        json!({
            "taskId": self.id,
            "status": status.word(),
            "createdAt": iso_time(self.created_ms),
            "lastUpdatedAt": iso_time(updated_ms),
            "ttlMs": self.terms.lifetime_ms,
            "pollIntervalMs": self.terms.poll_ms,
        })
    }

    /// Asks the client, and gives its answers once they are all there.
    pub(crate) async fn ask(&self, requests: Map<String, Value>) -> Map<String, Value> {
        self.change(|state| {
            state.status = if requests.is_empty() { Status::Working } else { Status::InputRequired };
            state.asked = requests;
            state.answers = Map::new();
        });
        loop {
            let answered = self.answered.notified();
            {
                let mut state = self.state();
                if state.asked.is_empty() {
                    return std::mem::take(&mut state.answers);
                }
            }
            answered.await;
        }
    }

    /// Takes what the client answers. What was not asked, or is answered already, is of no use.
    pub(crate) fn answer(&self, answers: Map<String, Value>) {
        self.change(|state| {
            for (key, answer) in answers {
                if state.asked.remove(&key).is_some() {
                    state.answers.insert(key, answer);
                }
            }
            if state.status == Status::InputRequired && state.asked.is_empty() {
                state.status = Status::Working;
                self.answered.notify_one();
            }
        });
    }

    /// It has ended with this response.
    pub(crate) fn finish(&self, response: &[u8]) {
        #[derive(Deserialize)]
        struct Response {
            result: Option<Box<RawValue>>,
            error: Option<Box<RawValue>>,
        }
        let (status, outcome) = match serde_json::from_slice::<Response>(response) {
            Ok(Response { result: Some(result), .. }) => (Status::Completed, Some(result)),
            Ok(Response { error, .. }) => (Status::Failed, error),
            // It was written here.
            Err(_) => (Status::Failed, None),
        };
        self.end(status, outcome);
    }

    /// It is cancelled, if it has not ended.
    pub(crate) fn cancel(&self) {
        self.cancellation.cancel();
        self.end(Status::Cancelled, None);
    }

    fn end(&self, status: Status, outcome: Option<Box<RawValue>>) {
        self.change(|state| {
            (state.status, state.outcome) = (status, outcome);
            self.total.fetch_add(state.bytes(), Ordering::Relaxed);
            state.asked = Map::new();
        });
    }

    /// Changes a task that goes on.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        if !state.status.is_over() {
            change(&mut state);
            state.updated_ms = (self.clock.unix_ns() / 1_000_000).max(state.updated_ms);
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Without the braces.
fn write_members(out: &mut Vec<u8>, object: &Value) {
    let text = object.to_string();
    out.extend_from_slice(&text.as_bytes()[1..text.len() - 1]);
}
