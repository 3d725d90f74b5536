//! Requests of this server to clients of the older era that have no answer yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

/// A session and the id of a request.
type Key = (u128, String);

/// The open questions of this process. A call has few, and the workers bound the calls.
#[derive(Debug)]
pub(crate) struct Questions {
    open: Mutex<HashMap<Key, oneshot::Sender<Value>>>,
    /// Tells the ids of this process from those of others and of its own lives before.
    own: u64,
    last: AtomicU64,
    /// How long an answer is waited for, also of a task's client.
    pub(crate) patience: Duration,
}

impl Questions {
    pub(crate) fn new(own: u64, wait_ms: u64) -> Self {
        let patience = Duration::from_millis(wait_ms);
        Self { open: Mutex::default(), own, last: AtomicU64::new(0), patience }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Key, oneshot::Sender<Value>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A question to a session. It is open for as long as what this gives lives.
    pub(crate) fn begin(self: &Arc<Self>, session: u128) -> Question {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let key = (session, format!("{:x}-{number}", self.own));
        let (sender, answer) = oneshot::channel();
        self.open().insert(key.clone(), sender);
        Question { questions: Arc::clone(self), key, answer }
    }

    /// Takes a response. False where nothing here has that id: it may be another replica's.
    pub(crate) fn take(&self, session: u128, response: &Value) -> bool {
        let Some(id) = response["id"].as_str() else { return false };
        let Some(sender) = self.open().remove(&(session, id.to_string())) else { return false };
        if let Some(result) = response.get("result") {
            // Who asked may have lost its patience.
            let _ = sender.send(result.clone());
        }
        true
    }
}

/// An open question.
#[derive(Debug)]
pub(crate) struct Question {
    questions: Arc<Questions>,
    key: Key,
    answer: oneshot::Receiver<Value>,
}

impl Question {
    pub(crate) fn id(&self) -> &str {
        &self.key.1
    }

    /// True until the client has answered.
    pub(crate) fn is_open(&self) -> bool {
        self.questions.open().contains_key(&self.key)
    }

    /// The result; none where the client answered with an error.
    pub(crate) async fn answer(&mut self) -> Option<Value> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.questions.open().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_finds_its_question_and_no_other() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without IO");
        runtime.block_on(async {
            let questions = Arc::new(Questions::new(7, 1_000));
            let (mut first, mut second) = (questions.begin(1), questions.begin(1));
            let good = json!({"id": first.id(), "result": {"a": 1}});
            assert!(!questions.take(2, &good), "of another session");
            assert!(!questions.take(1, &json!({"id": 7, "result": {}})) && !questions.take(1, &json!([])));
            assert!(questions.take(1, &good) && !questions.take(1, &good));
            assert!(!first.is_open() && second.is_open());
            assert_eq!(first.answer().await, Some(json!({"a": 1})));
            assert!(questions.take(1, &json!({"id": second.id(), "error": {"code": 1}})));
            assert_eq!(second.answer().await, None);
            let third = questions.begin(1);
            let late = json!({"id": third.id(), "result": {}});
            drop(third);
            assert!(!questions.take(1, &late) && questions.open().is_empty());
        });
    }
}
