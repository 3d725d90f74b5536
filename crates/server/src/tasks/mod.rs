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

/// Why a call can't become a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// There are too many.
    Full,
    /// Its principal has half of all that there may be.
    HasItsShare,
}

type Known = HashMap<Box<str>, Arc<Task>>;

/// The tasks of a process.
#[derive(Debug)]
pub(crate) struct Tasks {
    origin: Origin,
    terms: Terms,
    clock: Clock,
    tasks_max: usize,
    bytes_max: u64,
    /// By their ids.
    known: Mutex<Known>,
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

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task more, in the place of the oldest one whose client knows how it ended where there is no other. Its principal
    /// may ask after it by its id, which nobody can guess.
    pub(crate) fn begin(&self, cancellation: &Cancellation, principal: &str) -> Result<Arc<Task>, NoPlace> {
        let mut known = self.known();
        while let Some(why) = self.lacks_place(&known, principal) {
            let may_go = |task: &&Arc<Task>| task.is_known() && (why == NoPlace::Full || *task.principal == *principal);
            let oldest = known.values().filter(may_go).min_by_key(|task| task.began_ns);
            let id = oldest.map(|task| task.id.clone()).ok_or(why)?;
            known.remove(&id);
        }
        let Origin { replica, life } = self.origin;
        let id = format!("{replica:x}-{life:x}-{}", random_text());
        let task = Arc::new(Task::new(id, principal, self.terms, cancellation, &self.total, &self.clock));
        known.insert(task.id.clone(), Arc::clone(&task));
        Ok(task)
    }

    fn lacks_place(&self, known: &Known, principal: &str) -> Option<NoPlace> {
        let is_over_half = |count: usize, bytes| count >= self.tasks_max.div_ceil(2) || bytes > self.bytes_max / 2;
        let (count, bytes) = (known.len(), self.total.load(Ordering::Relaxed));
        // Who is not known by name has no share.
        if !principal.is_empty() && is_over_half(count, bytes) {
            let own = known.values().filter(|task| *task.principal == *principal);
            let (count, bytes) = own.fold((0, 0), |(count, bytes), task| (count + 1, bytes + task.bytes()));
            if count > 0 && is_over_half(count, bytes) {
                return Some(NoPlace::HasItsShare);
            }
        }
        (count >= self.tasks_max || bytes > self.bytes_max).then_some(NoPlace::Full)
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
            let asking = task.ask(requests);
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
        let begin = |few: &Tasks| few.begin(&Cancellation::default(), "");
        let (first, second) = (begin(&few).expect("there is room"), begin(&few).expect("there is room"));
        assert_eq!(begin(&few).err(), Some(NoPlace::Full));
        few.forget(&first);
        drop(first);
        let third = begin(&few).expect("there is room");
        few.forget(&third);
        later(999);
        second.finish(br#"{"result":{"content":[]}}"#);
        assert_eq!(begin(&few).err(), Some(NoPlace::Full), "outcomes take too much room");
        let second_id = second.id.clone();
        drop(second);
        few.sweep();
        let shown = few.find(&second_id, "").map(|task| seen(&task)).expect("it is still there");
        assert_eq!(shown["createdAt"], "1994-11-06T08:49:37.000Z");
        assert_eq!(shown["lastUpdatedAt"], "1994-11-06T08:49:37.999Z");
        later(1);
        few.sweep();
        assert!(few.find(&second_id, "").is_none());
        assert!(begin(&few).is_ok(), "there is room again");
    }

    #[test]
    fn the_oldest_task_whose_end_is_known_gives_its_place() {
        let now_ns = Arc::new(AtomicU64::new(0));
        let limits = Limits { tasks_max: 3, tasks_bytes_max: 40, ..Limits::default() };
        let few = Tasks { clock: Clock::Manual(Arc::clone(&now_ns)), ..tasks(&limits) };
        let begin = || {
            now_ns.fetch_add(1, Ordering::Relaxed);
            few.begin(&Cancellation::default(), "").map(|task| task.id.clone())
        };
        let ids = [(); 3].map(|()| begin().expect("there is room"));
        let task = |nth: usize| few.find(&ids[nth], "");
        let end = |nth: usize| task(nth).expect("it is there").finish(br#"{"result":{"content":[]}}"#);
        let ask = |nth: usize| seen(&task(nth).expect("it is there"));
        ask(0);
        end(1);
        end(2);
        assert_eq!(begin(), Err(NoPlace::Full), "one goes on, and nobody knows how the others ended");
        ask(2);
        ask(1);
        assert!(begin().is_ok() && task(1).is_none() && task(2).is_some() && task(0).is_some());
        assert!(begin().is_ok() && task(2).is_none());
        assert_eq!(begin(), Err(NoPlace::Full));
    }

    #[test]
    fn one_principal_leaves_tasks_to_others() {
        let four = tasks(&Limits { tasks_max: 4, tasks_bytes_max: 40, ..Limits::default() });
        let begin = |principal: &str| four.begin(&Cancellation::default(), principal);
        let first = begin("p").expect("there is room");
        assert!(begin("p").is_ok());
        assert_eq!(begin("p").err(), Some(NoPlace::HasItsShare));
        assert!(begin("q").is_ok() && begin("r").is_ok());
        assert_eq!(
            ["p", "q", ""].map(|other| begin(other).err()),
            [Some(NoPlace::HasItsShare), Some(NoPlace::Full), Some(NoPlace::Full)]
        );
        first.finish(br#"{"result":{"content":[]}}"#);
        seen(&first);
        assert!(begin("p").is_ok() && four.find(&first.id, "p").is_none(), "a place of its own");
        let large = tasks(&Limits { tasks_bytes_max: 40, ..Limits::default() });
        let begin = |principal: &str| large.begin(&Cancellation::default(), principal);
        begin("p").expect("there is room").finish(br#"{"result":{"content":["a long one"]}}"#);
        assert_eq!(begin("p").err(), Some(NoPlace::HasItsShare), "in bytes");
        assert!(begin("q").is_ok());
    }
}
