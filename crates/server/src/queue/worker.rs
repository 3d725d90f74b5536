//! The workers: a tokio runtime on which queued tools run.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};

use super::asking;
use super::work::{End, render, without_tool};
use super::{Answer, Job, JobQueue, Notes};
use crate::clock::Clock;
use crate::engine::Notifier;
use crate::limits::Limits;
use crate::metrics::counters::Outcome;
use crate::operations::Operation;
use crate::tools::{Cancellation, JobContext};

/// How often a call may ask its client.
pub(super) const ROUNDS_MAX: u32 = 16;

/// The runtime with its workers. Dropped without [`WorkerPool::stop`] it ends at once, and nobody waits for that.
pub(crate) struct WorkerPool {
    /// None once it is stopped.
    runtime: Option<Runtime>,
    handle: Handle,
    shutdown: Duration,
}

impl WorkerPool {
    /// Starts `limits.workers` workers.
    pub(crate) fn start(
        limits: &Limits,
        replica: u16,
        queue: &Arc<JobQueue>,
        notifier: &Notifier,
    ) -> std::io::Result<Self> {
        let threads = usize::try_from(limits.worker_threads).unwrap_or(1).max(1);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(threads)
            .thread_name("worker")
            .enable_all()
            .build()?;
        for _ in 0..limits.workers {
            runtime.spawn(work(Arc::clone(queue), replica, limits.call_messages_max, notifier.clone()));
        }
        let handle = runtime.handle().clone();
        Ok(Self { runtime: Some(runtime), handle, shutdown: Duration::from_millis(limits.shutdown_timeout_ms) })
    }

    /// For what runs beside the tools.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends the workers. Blocking tools get a moment to notice. Not to be called in async code.
    pub(crate) fn stop(mut self, queue: &JobQueue) {
        queue.close();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(self.shutdown);
        }
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        // Otherwise the runtime would wait for its threads, which panics in async code.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(super) async fn work(queue: Arc<JobQueue>, replica: u16, messages_max: u64, notifier: Notifier) {
    while let Some(job) = queue.next().await {
        let began = queue.clock.now_ns();
        let notes = Notes::new(job.reply.clone(), job.recorder.clone(), messages_max);
        let came = guarded(run(&job, replica, &notes, &notifier, &queue.clock)).await;
        let came = came.unwrap_or_else(|| broken(&job, &queue.clock));
        let took = came.has_run.then(|| queue.clock.now_ns().saturating_sub(began));
        match (came.answer, &job.task) {
            (Some(answer), None) => notes.answer(answer, &queue.clock).await,
            (Some(answer), Some(task)) => task.finish(&answer.body),
            (None, Some(task)) => task.cancel(),
            (None, None) => {}
        }
        notes.end();
        queue.finished(took);
    }
}

/// What came of a call.
struct Came {
    /// None: nobody waits for it any more.
    answer: Option<Answer>,
    /// It took what such a call takes: it was not cancelled, nor too late to begin.
    has_run: bool,
}

impl Came {
    fn by(answer: Option<Answer>) -> Self {
        Self { has_run: answer.is_some(), answer }
    }

    fn short(answer: Option<Answer>) -> Self {
        Self { answer, has_run: false }
    }
}

/// Runs a call.
async fn run(job: &Job, replica: u16, notes: &Notes, notifier: &Notifier, clock: &Clock) -> Came {
    if job.cancellation.is_cancelled() {
        return Came::short(unanswered(job));
    }
    let context = JobContext {
        replica,
        deadline_ns: job.deadline_ns,
        clock: clock.clone(),
        cancellation: job.cancellation.clone(),
        caller: Arc::clone(&job.caller),
        notes: notes.clone(),
        notifier: notifier.clone(),
        operation: None,
    };
    if clock.now_ns() >= job.begin_by_ns {
        return Came::short(Some(render(job, End::Late { executed: false }, clock)));
    }
    let remaining = context.remaining();
    if let Some(attempt) = &job.attempt {
        let run = |operation| run_once(job, context, operation);
        return Came::by(crate::operations::attempt(job, attempt, clock, run).await);
    }
    if let Some(answer) = without_tool(job).await {
        return Came::by(Some(answer));
    }
    let end = tokio::select! {
        biased;
        () = job.cancellation.cancelled() => return Came::short(unanswered(job)),
        end = rounds(job, context) => end,
        () = tokio::time::sleep(remaining) => End::Late { executed: true },
    };
    if matches!(end, End::Late { .. }) {
        job.cancellation.cancel();
    }
    Came::by(Some(render(job, end, clock)))
}

/// Runs the tool of an operation. It is not broken off where its client has gone: its result is kept.
async fn run_once(job: &Job, context: JobContext, operation: Arc<Operation>) -> End {
    let cancellation = Cancellation::default();
    let context = JobContext { cancellation: cancellation.clone(), operation: Some(operation), ..context };
    match guarded(tokio::time::timeout(context.remaining(), rounds(job, context))).await {
        Some(Ok(end)) => end,
        late => {
            cancellation.cancel();
            late.map_or(End::Panicked, |_| End::Late { executed: true })
        }
    }
}

/// Runs the work. Of a task, and in a session of the older era, the client is asked in between, as often as it takes,
/// within bounds.
async fn rounds(job: &Job, mut context: JobContext) -> End {
    for _ in 0..ROUNDS_MAX {
        // Beginning is the tool's code too, and may panic.
        let started = catch_unwind(AssertUnwindSafe(|| job.work.start(context.clone(), &job.arguments)));
        let Ok(future) = started else { return End::Panicked };
        let end = guarded(future).await.unwrap_or(End::Panicked);
        let Some(ask) = end.asks() else { return end };
        let asked = async {
            match (&job.task, &job.entry) {
                (Some(task), _) if ask.missing(&job.caller).is_empty() => {
                    Some(task.ask(ask.requests(&job.caller)).await)
                }
                (None, Some(entry)) => asking::ask(job, entry, ask, &context.notes).await,
                _ => None,
            }
        };
        match tokio::time::timeout(job.questions.patience, asked).await.ok().flatten() {
            Some(inputs) => context.caller = Arc::new(job.caller.in_next_round(inputs, ask.state())),
            None => return end,
        }
    }
    End::AskedTooOften
}

/// Runs what has code of the tool in it; none where that has panicked, and be it in what it has dropped.
async fn guarded<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// What becomes of a call whose tool has panicked as it was broken off.
fn broken(job: &Job, clock: &Clock) -> Came {
    if job.cancellation.is_cancelled() {
        return Came::short(unanswered(job));
    }
    job.cancellation.cancel();
    Came::by(Some(render(job, End::Panicked, clock)))
}

/// What becomes of a cancelled call. In the older era its client may still hold the connection, which then gets an
/// answer without a message: a cancelled request must not have one.
fn unanswered(job: &Job) -> Option<Answer> {
    job.entry.as_ref().map(|_| Answer::json(200, Vec::new(), Outcome::RpcError))
}
