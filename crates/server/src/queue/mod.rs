//! Calls that wait for a worker: bounded, refused at once when full.

mod asking;
mod depth;
mod gathering;
mod lanes;
mod notes;
mod rank;
mod work;
mod worker;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::answer::AnswerWriter;
use crate::clock::Clock;
use crate::metrics::counters::Outcome;
use crate::metrics::{Histogram, Latencies, QueueFigures};
use crate::operations::Attempt;
use crate::session::{Entry, Questions, Recorder, Rounds};
use crate::shard::{ConnToken, Mailbox};
use crate::tasks::Task;
use crate::tools::{Caller, Cancellation};

pub(crate) use depth::Depth;
pub(crate) use gathering::Gathering;
use lanes::Lanes;
pub(crate) use notes::Notes;
pub(crate) use rank::Rank;
pub(crate) use work::{End, Ran, Work, render};
pub(crate) use worker::WorkerPool;

/// A tool call, or other work that takes a worker, admitted.
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) rank: Rank,
    /// Of a tool: a JSON object.
    pub(crate) arguments: Box<str>,
    /// The request's id as JSON text.
    pub(crate) id: Box<[u8]>,
    /// Who waits for the answer.
    pub(crate) reply: ReplyTo,
    /// What is known of the client.
    pub(crate) caller: Arc<Caller>,
    /// Signs what the client is to bring back.
    pub(crate) rounds: Arc<Rounds>,
    pub(crate) cancellation: Cancellation,
    /// CLOCK_MONOTONIC ns.
    pub(crate) deadline_ns: u64,
    /// Writes the answer, as the era has it.
    pub(crate) answers: Arc<AnswerWriter>,
    /// Of a session of the older era: what a notification cancels it by.
    pub(crate) entry: Option<Entry>,
    /// Where a session's client is asked, and answers.
    pub(crate) questions: Arc<Questions>,
    /// Of a session whose client may come back to the stream of the answer.
    pub(crate) recorder: Option<Recorder>,
    /// What the answer goes to in place of the connection.
    pub(crate) task: Option<Arc<Task>>,
    /// Of a call that is an attempt at an operation.
    pub(crate) attempt: Option<Box<Attempt>>,
}

/// The connection that waits for an answer.
#[derive(Clone)]
pub(crate) struct ReplyTo {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) token: ConnToken,
    /// The batch that the answer is a part of.
    pub(crate) batch: Option<Arc<Gathering>>,
}

impl ReplyTo {
    /// Hands the answer over; one of a batch when it is the last.
    pub(crate) async fn send(&self, answer: Answer) {
        let answer = match &self.batch {
            None => Some(answer),
            Some(batch) => batch.put(answer.body),
        };
        if let Some(answer) = answer {
            self.mailbox.answer(self.token, answer).await;
        }
    }
}

/// A worker's answer, ready to be framed.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// JSON.
    pub(crate) body: Vec<u8>,
    pub(crate) outcome: Outcome,
    /// With a refusal: when it makes sense to come back.
    pub(crate) retry_after_ms: Option<u64>,
}

impl Answer {
    /// One that says nothing of when to come back.
    pub(crate) fn json(status: u16, body: Vec<u8>, outcome: Outcome) -> Self {
        Self { status, body, outcome, retry_after_ms: None }
    }
}

/// There is no room; the caller should come back after about this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) retry_after_ms: u64,
}

/// The queue. Calls *outstanding* are those admitted and not yet answered; as many of them as there are workers
/// count as running or about to, the rest is the queue's depth. Admission looks at nothing else, so that it does not
/// depend on how quickly a worker wakes up.
pub(crate) struct JobQueue {
    waiting: Mutex<Waiting>,
    ready: Semaphore,
    depth: Depth,
    active: AtomicU64,
    clock: Clock,
}

#[derive(Default)]
struct Waiting {
    /// With the time at which they were admitted, ns.
    jobs: Lanes<(u64, Job)>,
    outstanding: u64,
    depth_max: u64,
    refused: u64,
    bytes: u64,
    /// Moving average of the time that a call takes, ns.
    service_ns: u64,
    active_max: u64,
    /// From the admission of a call until a worker took it.
    waits: Latencies,
    /// What calls took their workers.
    services: Latencies,
}

impl JobQueue {
    pub(crate) fn new(depth: Depth, clock: Clock) -> Self {
        Self { waiting: Mutex::default(), ready: Semaphore::new(0), depth, active: AtomicU64::new(0), clock }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a call, or refuses it at once. What had to give its place to the call is given back, to be refused as well.
    pub(crate) fn admit(&self, job: Job) -> Result<Option<(Job, Full)>, Full> {
        let now_ns = self.clock.now_ns();
        let mut waiting = self.waiting();
        let (workers, limit) = (self.depth.workers(), self.depth.limit(waiting.service_ns));
        let is_full = waiting.outstanding >= workers + job.rank.places(limit);
        let has_its_share = waiting.outstanding >= workers && waiting.jobs.has_its_share(&job.caller.principal, limit);
        let mut displaced = None;
        if is_full || has_its_share {
            waiting.refused += 1;
            let turns = limit / workers.max(1) + 1;
            let full = Full { retry_after_ms: waiting.service_ns * turns / 1_000_000 };
            let of = has_its_share.then_some(&*job.caller.principal);
            // A task has told its client that it has begun.
            let may_go = |(_, other): &(u64, Job)| other.rank < job.rank && other.task.is_none();
            let last = if job.rank == Rank::GoesOn { waiting.jobs.take_last(of, may_go) } else { None };
            let Some((_, other)) = last else { return Err(full) };
            waiting.outstanding -= 1;
            waiting.bytes -= footprint(&other);
            displaced = Some((other, full));
        }
        waiting.outstanding += 1;
        waiting.depth_max = waiting.depth_max.max(waiting.outstanding.saturating_sub(workers));
        waiting.bytes += footprint(&job);
        let caller = Arc::clone(&job.caller);
        waiting.jobs.push(&caller.principal, (now_ns, job));
        drop(waiting);
        // There is a permit for each that waits.
        self.ready.add_permits(usize::from(displaced.is_none()));
        Ok(displaced)
    }

    /// True where so much waits that no new sessions and streams are to be begun.
    pub(crate) fn is_pressed(&self) -> bool {
        let waiting = self.waiting();
        waiting.outstanding >= self.depth.workers() + rank::pressed_at(self.depth.limit(waiting.service_ns))
    }

    /// The next call; none when the queue has been closed.
    async fn next(&self) -> Option<Job> {
        self.ready.acquire().await.ok()?.forget();
        let now_ns = self.clock.now_ns();
        let mut waiting = self.waiting();
        let (admitted_ns, job) = waiting.jobs.pop()?;
        waiting.waits.record(now_ns.saturating_sub(admitted_ns), 1);
        waiting.bytes -= footprint(&job);
        let active = self.active.fetch_add(1, Ordering::Relaxed) + 1;
        waiting.active_max = waiting.active_max.max(active);
        Some(job)
    }

    /// A call that was taken has its answer.
    fn finished(&self, took_ns: Option<u64>) {
        self.active.fetch_sub(1, Ordering::Relaxed);
        let mut waiting = self.waiting();
        waiting.outstanding -= 1;
        if let Some(took_ns) = took_ns {
            waiting.services.record(took_ns, 1);
            waiting.service_ns =
                if waiting.service_ns == 0 { took_ns } else { waiting.service_ns / 8 * 7 + took_ns / 8 };
        }
    }

    /// Lets the workers go; whatever still waits is dropped.
    pub(crate) fn close(&self) {
        self.ready.close();
        self.waiting().jobs.clear();
    }

    pub(crate) fn figures(&self) -> QueueFigures {
        let waiting = self.waiting();
        QueueFigures {
            depth: waiting.outstanding.saturating_sub(self.depth.workers()),
            limit: self.depth.limit(waiting.service_ns),
            depth_max: waiting.depth_max,
            refused_total: waiting.refused,
            workers: self.depth.workers(),
            workers_active: self.active.load(Ordering::Relaxed),
            workers_active_max: waiting.active_max,
        }
    }

    /// How long calls waited for a worker, and what they took it.
    pub(crate) fn times(&self) -> (Histogram, Histogram) {
        let waiting = self.waiting();
        let (mut waits, mut services) = (Histogram::default(), Histogram::default());
        waiting.waits.add_to(&mut waits);
        waiting.services.add_to(&mut services);
        (waits, services)
    }

    /// Bytes that waiting calls hold.
    pub(crate) fn bytes(&self) -> u64 {
        let waiting = self.waiting();
        waiting.bytes + (waiting.jobs.capacity() * size_of::<(u64, Job)>()) as u64
    }
}

fn footprint(job: &Job) -> u64 {
    (job.arguments.len() + job.id.len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Notifier;
    use crate::limits::Limits;
    use crate::session::Calls;
    use crate::tools::{JobContext, JobFuture, ToolResult};

    fn tool(_: JobContext, _: Box<str>) -> JobFuture {
        Box::pin(async { ToolResult::text("done") })
    }

    fn queue(workers: u64, queue_max: u64) -> JobQueue {
        JobQueue::new(Depth::new(&Limits { workers, queue_max, ..Limits::default() }), Clock::default())
    }

    fn job() -> Job {
        Job {
            work: Work::Tool(Arc::new(tool)),
            rank: Rank::Call,
            caller: Arc::default(),
            rounds: Arc::new(Rounds::new(&crate::session::SessionKey::random(), 1_000)),
            arguments: "{}".into(),
            id: b"1".as_slice().into(),
            reply: ReplyTo { mailbox: Arc::new(Mailbox::without_waker(8)), token: ConnToken::new(0, 0), batch: None },
            cancellation: Cancellation::default(),
            deadline_ns: u64::MAX,
            answers: Arc::new(AnswerWriter::plain()),
            entry: None,
            questions: Arc::new(Questions::new(0, 1_000)),
            recorder: None,
            task: None,
            attempt: None,
        }
    }

    fn push(queue: &JobQueue, job: Job) -> Result<(), Full> {
        queue.admit(job).map(|displaced| assert!(displaced.is_none()))
    }

    fn ranked(rank: Rank, id: &str) -> Job {
        Job { rank, id: id.as_bytes().into(), ..job() }
    }

    #[test]
    fn work_is_refused_in_its_order() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without IO");
        let queue = queue(1, 16);
        let fill = |rank| (0..100).take_while(|_| push(&queue, ranked(rank, "filler")).is_ok()).count();
        assert!(!queue.is_pressed());
        assert_eq!(fill(Rank::Read), 15, "one that runs, and 14 of the 16 places");
        assert!(queue.is_pressed());
        assert_eq!(fill(Rank::Call), 2, "calls fill the rest");
        for nth in 0..16 {
            let displaced = queue.admit(ranked(Rank::GoesOn, "goes on")).expect("something else goes");
            let (other, _) = displaced.expect("there was no other place");
            assert_eq!(other.rank, if nth < 2 { Rank::Call } else { Rank::Read }, "what came last goes first");
            assert_eq!(queue.figures().depth, 16, "never more than there are places");
        }
        assert!(queue.admit(ranked(Rank::GoesOn, "the last")).is_ok_and(|displaced| displaced.is_some()));
        assert!(
            queue.admit(ranked(Rank::GoesOn, "one too many")).is_err(),
            "nothing is left that would give its place"
        );
        assert_eq!(queue.figures().refused_total, 1 + 1 + 17 + 1);
        runtime.block_on(async {
            for _ in 0..17 {
                assert_eq!(queue.next().await.map(|job| job.rank), Some(Rank::GoesOn));
                queue.finished(None);
            }
        });
        assert!(!queue.is_pressed() && queue.bytes() == 0 && queue.ready.available_permits() == 0);
    }

    #[test]
    fn what_is_beyond_workers_and_limit_is_refused() {
        let queue = queue(2, 3);
        for _ in 0..5 {
            assert_eq!(push(&queue, job()), Ok(()));
        }
        assert!(push(&queue, job()).is_err());
        let figures = queue.figures();
        assert_eq!((figures.depth, figures.depth_max, figures.refused_total, figures.workers_active), (3, 3, 1, 0));
        assert!(queue.bytes() > 0);
    }

    #[test]
    fn a_queue_without_a_limit_admits_what_workers_can_hold() {
        let queue = queue(1, 0);
        assert_eq!(push(&queue, job()), Ok(()));
        assert!(push(&queue, job()).is_err());
        assert_eq!(queue.figures().depth, 0);
    }

    #[test]
    fn a_finished_call_makes_room_and_teaches_how_long_calls_take() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without IO");
        runtime.block_on(async {
            let now_ns = Arc::new(AtomicU64::new(1_000));
            let queue = JobQueue { clock: Clock::Manual(Arc::clone(&now_ns)), ..queue(1, 1) };
            assert_eq!((push(&queue, job()), push(&queue, job())), (Ok(()), Ok(())));
            assert_eq!(push(&queue, job()), Err(Full { retry_after_ms: 0 }));
            now_ns.store(6_000, Ordering::Relaxed);
            assert!(queue.next().await.is_some());
            assert_eq!(queue.figures().workers_active, 1);
            queue.finished(Some(80_000_000));
            let (waits, services) = queue.times();
            assert_eq!((waits.sum_ns, services.count(), services.sum_ns), (5_000, 1, 80_000_000));
            assert_eq!((queue.figures().workers_active, queue.figures().workers_active_max), (0, 1));
            assert_eq!(push(&queue, job()), Ok(()));
            assert_eq!(push(&queue, job()), Err(Full { retry_after_ms: 160 }));
            queue.close();
            assert!(queue.next().await.is_none());
        });
    }

    #[test]
    fn a_cancelled_call_teaches_nothing_of_how_long_calls_take() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let queue = Arc::new(queue(1, 2));
            let cancelled = job();
            let entry = Arc::new(Calls::default()).begin(1, b"1", &cancelled.cancellation);
            cancelled.cancellation.cancel();
            assert_eq!(push(&queue, Job { entry: Some(entry), ..cancelled }), Ok(()));
            assert_eq!(push(&queue, job()), Ok(()));
            let worker = tokio::spawn(worker::work(Arc::clone(&queue), 0, 1, Notifier::new(&[])));
            while queue.figures().workers_active > 0 || queue.ready.available_permits() > 0 {
                tokio::task::yield_now().await;
            }
            queue.close();
            worker.await.expect("it ends");
            assert_eq!(queue.times().1.count(), 1, "the other one");
        });
    }

    #[test]
    fn calls_that_take_longer_wait_in_smaller_number() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without IO");
        runtime.block_on(async {
            let limits = Limits { workers: 1, queue_max: 8, queue_wait_max_ms: 100, ..Limits::default() };
            let queue = JobQueue::new(Depth::new(&limits), Clock::default());
            assert_eq!((push(&queue, job()), queue.figures().limit), (Ok(()), 8));
            assert!(queue.next().await.is_some());
            queue.finished(Some(50_000_000));
            assert_eq!(queue.figures().limit, 2);
            let admitted = (0..8).filter(|_| push(&queue, job()).is_ok()).count();
            assert_eq!(admitted, 3, "one that runs, and two that wait");
        });
    }
}
