//! Calls that go on when their request has been answered: the extension `io.modelcontextprotocol/tasks` of the modern
//! era. A client asks after them, answers their questions and cancels them, until their time is over.

mod task;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::limits::Limits;
use crate::session::{Origin, random_text};
use crate::tools::Cancellation;

pub(crate) use task::{Task, Terms};

/// The name of the extension.
pub(crate) const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// The tasks of a process.
#[derive(Debug)]
pub(crate) struct Tasks {
    origin: Origin,
    terms: Terms,
    clock: Clock,
    tasks_max: usize,
    bytes_max: u64,
    /// By their ids.
    known: Mutex<HashMap<Box<str>, Arc<Task>>>,
    /// Bytes of their outcomes.
    total: Arc<AtomicU64>,
}

impl Tasks {
    pub(crate) fn new(origin: Origin, limits: &Limits, clock: Clock) -> Self {
        Self {
            origin,
            clock,
            terms: Terms { lifetime_ms: limits.task_lifetime_ms.max(1), poll_ms: limits.task_poll_ms.max(1) },
            tasks_max: usize::try_from(limits.tasks_max).unwrap_or(usize::MAX),
            bytes_max: limits.tasks_bytes_max,
            known: Mutex::default(),
            total: Arc::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Task>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task more; none where there are too many. Its principal may ask after it by its id, which nobody can
    /// guess.
    pub(crate) fn begin(&self, cancellation: &Cancellation, principal: &str) -> Option<Arc<Task>> {
        let mut known = self.known();
        if known.len() >= self.tasks_max || self.total.load(Ordering::Relaxed) > self.bytes_max {
            return None;
        }
        let Origin { replica, life } = self.origin;
        let id = format!("{replica:x}-{life:x}-{}", random_text());
        let task = Arc::new(Task::new(id, principal, self.terms, cancellation, &self.total, &self.clock));
        known.insert(task.id.clone(), Arc::clone(&task));
        Some(task)
    }

    /// A task of this principal.
    pub(crate) fn find(&self, id: &str, principal: &str) -> Option<Arc<Task>> {
        self.known().get(id).filter(|task| *task.principal == *principal).cloned()
    }

    /// It has not begun after all.
    pub(crate) fn forget(&self, task: &Task) {
        self.known().remove(&task.id);
    }

    /// Forgets those whose time is over.
    pub(crate) fn sweep(&self) {
        let now_ns = self.clock.now_ns();
        self.known().retain(|_, task| {
            let stays = !task.has_expired(now_ns);
            if !stays {
                task.cancel();
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    fn tasks(limits: &Limits) -> Tasks {
        Tasks::new(Origin { replica: 2, life: 10 }, limits, Clock::default())
    }

    fn begin(tasks: &Tasks) -> Arc<Task> {
        tasks.begin(&Cancellation::default(), "p").expect("there is room")
    }

    fn seen(task: &Task) -> Value {
        let mut out = b"{".to_vec();
        task.write(&mut out);
        out.push(b'}');
        serde_json::from_slice(&out).expect("JSON")
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn a_task_ends_once() {
        let tasks = tasks(&Limits::default());
        let task = begin(&tasks);
        assert!(task.id.starts_with("2-a-") && tasks.find(&task.id, "p").is_some());
        assert!(tasks.find("2-a-x", "p").is_none() && tasks.find(&task.id, "q").is_none());
        let working = seen(&task);
        assert_eq!((&working["status"], working.get("result")), (&json!("working"), None));
        task.finish(br#"{"jsonrpc":"2.0","id":0,"result":{"content":[]}}"#);
        task.cancel();
        let over = seen(&task);
        assert_eq!((&over["status"], &over["result"]), (&json!("completed"), &json!({"content": []})));
        let failed = begin(&tasks);
        failed.finish(br#"{"jsonrpc":"2.0","id":0,"error":{"code":1,"message":"x"}}"#);
        let seen_failed = seen(&failed);
        assert_eq!((&seen_failed["status"], &seen_failed["error"]["code"]), (&json!("failed"), &json!(1)));
        let cancelled = begin(&tasks);
        cancelled.cancel();
        assert!(cancelled.cancellation.is_cancelled());
        assert_eq!(seen(&cancelled)["status"], "cancelled");
    }

    #[test]
    fn questions_are_open_until_each_is_answered() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without IO");
        runtime.block_on(async {
            let tasks = tasks(&Limits::default());
            let task = begin(&tasks);
            let requests = object(json!({"a": {"method": "roots/list"}, "b": {"method": "roots/list"}}));
            let asking = task.ask(&requests);
            tokio::pin!(asking);
            assert!(futures_poll(asking.as_mut()).await.is_none());
            assert_eq!(seen(&task)["status"], "input_required");
            task.answer(object(json!({"a": 1, "c": 2})));
            assert_eq!(seen(&task)["inputRequests"], json!({"b": {"method": "roots/list"}}));
            task.answer(object(json!({"a": 3})));
            assert!(futures_poll(asking.as_mut()).await.is_none());
            task.answer(object(json!({"b": 4})));
            assert_eq!(seen(&task)["status"], "working");
            assert_eq!(asking.await, object(json!({"a": 1, "b": 4})));
        });
    }

    /// Polls a future once.
    async fn futures_poll<T>(mut future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match future.as_mut().poll(context) {
                std::task::Poll::Ready(value) => Some(value),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }

    #[test]
    fn tasks_are_bounded_in_number_bytes_and_age() {
        let limits = Limits { tasks_max: 2, task_lifetime_ms: 1_000, tasks_bytes_max: 4, ..Limits::default() };
        let now_ns = Arc::new(AtomicU64::new(784_111_777_000_000_000));
        let few = Tasks { clock: Clock::Manual(Arc::clone(&now_ns)), ..tasks(&limits) };
        let later = |ms: u64| now_ns.fetch_add(ms * 1_000_000, Ordering::Relaxed);
        let (first, second) = (begin(&few), begin(&few));
        assert!(few.begin(&Cancellation::default(), "p").is_none());
        few.forget(&first);
        drop(first);
        let third = begin(&few);
        few.forget(&third);
        later(999);
        second.finish(br#"{"result":{"content":[]}}"#);
        assert!(few.begin(&Cancellation::default(), "p").is_none(), "outcomes take too much room");
        let second_id = second.id.clone();
        drop(second);
        few.sweep();
        let shown = few.find(&second_id, "p").map(|task| seen(&task)).expect("it is still there");
        assert_eq!(shown["createdAt"], "1994-11-06T08:49:37.000Z");
        assert_eq!(shown["lastUpdatedAt"], "1994-11-06T08:49:37.999Z");
        later(1);
        few.sweep();
        assert!(few.find(&second_id, "p").is_none());
        assert!(few.begin(&Cancellation::default(), "p").is_some(), "there is room again");
    }
}
