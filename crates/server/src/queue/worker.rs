//! The workers: a tokio runtime on which queued tools run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use erlmcp_protocol::code;
use tokio::runtime::Runtime;

use super::{Answer, Job, JobQueue};
use crate::answer::{AnswerWriter, RpcError};
use crate::clock::monotonic_ns;
use crate::limits::Limits;
use crate::metrics::counters::Outcome;
use crate::tools::{JobContext, JobFuture, ToolResult};

/// The runtime with its workers.
pub(crate) struct WorkerPool {
    runtime: Runtime,
    shutdown: Duration,
}

impl WorkerPool {
    /// Starts `limits.workers` workers.
    pub(crate) fn start(
        limits: &Limits,
        replica: u16,
        queue: &Arc<JobQueue>,
        answers: &Arc<AnswerWriter>,
    ) -> std::io::Result<Self> {
        let threads = usize::try_from(limits.worker_threads).unwrap_or(1).max(1);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(threads)
            .thread_name("worker")
            .enable_all()
            .build()?;
        for _ in 0..limits.workers {
            runtime.spawn(work(Arc::clone(queue), Arc::clone(answers), replica));
        }
        Ok(Self { runtime, shutdown: Duration::from_millis(limits.shutdown_timeout_ms) })
    }

    /// For what runs beside the tools.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Ends the workers. Blocking tools get a moment to notice.
    pub(crate) fn stop(self, queue: &JobQueue) {
        queue.close();
        self.runtime.shutdown_timeout(self.shutdown);
    }
}

async fn work(queue: Arc<JobQueue>, answers: Arc<AnswerWriter>, replica: u16) {
    while let Some(job) = queue.next().await {
        let began = monotonic_ns();
        let answer = run(&job, &answers, replica).await;
        let took = answer.is_some().then(|| monotonic_ns().saturating_sub(began));
        if let Some(answer) = answer {
            job.reply.mailbox.answer(job.reply.token, answer).await;
        }
        queue.finished(took);
    }
}

/// How a call ended.
enum End {
    Result(ToolResult<'static>),
    Panicked,
    Late { executed: bool },
}

/// Runs a call. None: nobody waits for the answer any more.
async fn run(job: &Job, answers: &AnswerWriter, replica: u16) -> Option<Answer> {
    if job.cancellation.is_cancelled() {
        return None;
    }
    let remaining = job.deadline_ns.saturating_sub(monotonic_ns());
    if remaining == 0 {
        return Some(render(job, answers, End::Late { executed: false }));
    }
    let context = JobContext { replica, deadline_ns: job.deadline_ns, cancellation: job.cancellation.clone() };
    // Beginning is the tool's code too, and may panic.
    let started = catch_unwind(AssertUnwindSafe(|| job.tool.start(context, job.arguments.clone())));
    let Ok(future) = started else { return Some(render(job, answers, End::Panicked)) };
    let end = tokio::select! {
        biased;
        () = job.cancellation.cancelled() => return None,
        end = guarded(future) => end,
        () = tokio::time::sleep(Duration::from_nanos(remaining)) => End::Late { executed: true },
    };
    if matches!(end, End::Late { .. }) {
        job.cancellation.cancel();
    }
    Some(render(job, answers, end))
}

/// Runs the tool to its end or its panic.
async fn guarded(mut future: JobFuture) -> End {
    std::future::poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(result)) => Poll::Ready(End::Result(result)),
        Err(_) => Poll::Ready(End::Panicked),
    })
    .await
}

fn render(job: &Job, answers: &AnswerWriter, end: End) -> Answer {
    let mut body = Vec::with_capacity(256);
    let (status, outcome) = match end {
        End::Result(result) => {
            answers.result(&mut body, &job.id, |out| result.write_fields(out));
            (200, if result.is_error() { Outcome::ToolError } else { Outcome::Ok })
        }
        End::Panicked => {
            answers.error(&mut body, Some(&job.id), &RpcError::new(code::INTERNAL, "the tool failed unexpectedly"));
            (200, Outcome::RpcError)
        }
        End::Late { executed } => {
            answers.error(&mut body, Some(&job.id), &RpcError::deadline(executed));
            (504, if executed { Outcome::HttpError } else { Outcome::Refused })
        }
    };
    Answer { status, body, outcome }
}
