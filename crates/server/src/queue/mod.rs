//! Calls that wait for a worker: bounded, refused at once when full.

mod asking;
mod depth;
mod gathering;
mod lanes;
mod notes;
mod rank;
mod standing;
mod work;
mod worker;

use std::collections::VecDeque;
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
use standing::Standing;
#[cfg(test)]
pub(crate) use tests::job;
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
    /// From then on it is not begun, CLOCK_MONOTONIC ns.
    pub(crate) begin_by_ns: u64,
    /// Until then it may run, CLOCK_MONOTONIC ns.
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
/// count as running or about to, the rest is the queue's depth, and waits in lanes. Admission looks at nothing else, so that
/// it does not depend on how quickly a worker wakes up.
pub(crate) struct JobQueue {
    waiting: Mutex<Waiting>,
    /// A permit for each that is called.
    ready: Semaphore,
    depth: Depth,
    active: AtomicU64,
    clock: Clock,
}

#[derive(Default)]
struct Waiting {
    /// Those that no worker has, with the time at which they were admitted, ns.
    jobs: Lanes<(u64, Job)>,
    /// Those that have a worker, which has not woken up yet.
    called: VecDeque<(u64, Job)>,
    outstanding: u64,
    depth_max: u64,
    refused: u64,
    bytes: u64,
    /// Moving average of the time that a call takes, ns.
    service_ns: u64,
    active_max: u64,
    standing: Standing,
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
        let (workers, limit) = (self.depth.workers(), self.limit(&waiting, now_ns));
        let is_full = waiting.outstanding >= workers + job.rank.places(limit);
        let principal = &*job.caller.principal;
        // A task has told its client that it has begun.
        let has_its_share = waiting.jobs.has_its_share(principal, limit, job.task.is_none());
        let mut displaced = None;
        if is_full || has_its_share {
            waiting.refused += 1;
            let turns = limit / workers.max(1) + 1;
            let full = Full { retry_after_ms: waiting.service_ns * turns / 1_000_000 };
            let of = has_its_share.then_some(principal);
            let mut last = if has_its_share {
                None
            } else {
                waiting.jobs.take_surplus(principal, limit, |(_, other)| other.task.is_none())
            };
            if job.rank == Rank::GoesOn && last.is_none() {
                last = waiting.jobs.take_last(of, |(_, other)| other.rank < job.rank && other.task.is_none());
            }
            let Some((_, other)) = last else { return Err(full) };
            waiting.outstanding -= 1;
            waiting.bytes -= footprint(&other);
            displaced = Some((other, full));
        }
        let waits = waiting.outstanding >= workers;
        waiting.outstanding += 1;
        waiting.depth_max = waiting.depth_max.max(waiting.outstanding.saturating_sub(workers));
        self.note(&mut waiting, now_ns);
        waiting.bytes += footprint(&job);
        if waits {
            let caller = Arc::clone(&job.caller);
            waiting.jobs.push(&caller.principal, (now_ns, job));
        } else {
            waiting.called.push_back((now_ns, job));
        }
        drop(waiting);
        self.ready.add_permits(usize::from(!waits));
        Ok(displaced)
    }

    /// True where so much waits that no new sessions and streams are to be begun.
    pub(crate) fn is_pressed(&self) -> bool {
        let now_ns = self.clock.now_ns();
        let waiting = self.waiting();
        waiting.outstanding >= self.depth.workers() + rank::pressed_at(self.limit(&waiting, now_ns))
    }

    /// Calls that may wait now.
    fn limit(&self, waiting: &Waiting, now_ns: u64) -> u64 {
        let wait_ns = self.depth.wait_ns(waiting.service_ns);
        self.depth.limit(waiting.service_ns, waiting.standing.is_so(now_ns, wait_ns))
    }

    /// The number of calls that are outstanding has changed.
    fn note(&self, waiting: &mut Waiting, now_ns: u64) {
        let is_waiting = waiting.outstanding > self.depth.workers();
        waiting.standing.note(is_waiting, now_ns, self.depth.wait_ns(waiting.service_ns));
    }

    /// The next call; none when the queue has been closed.
    async fn next(&self) -> Option<Job> {
        self.ready.acquire().await.ok()?.forget();
        let now_ns = self.clock.now_ns();
        let mut waiting = self.waiting();
        let (admitted_ns, job) = waiting.called.pop_front()?;
        waiting.waits.record(now_ns.saturating_sub(admitted_ns), 1);
        waiting.bytes -= footprint(&job);
        let active = self.active.fetch_add(1, Ordering::Relaxed) + 1;
        waiting.active_max = waiting.active_max.max(active);
        Some(job)
    }

    /// A call that was taken has its answer.
    fn finished(&self, took_ns: Option<u64>) {
        self.active.fetch_sub(1, Ordering::Relaxed);
        let now_ns = self.clock.now_ns();
        let mut waiting = self.waiting();
        waiting.outstanding -= 1;
        let next = waiting.jobs.pop();
        let is_called = next.is_some();
        waiting.called.extend(next);
        self.note(&mut waiting, now_ns);
        if let Some(took_ns) = took_ns {
            waiting.services.record(took_ns, 1);
            waiting.service_ns =
                if waiting.service_ns == 0 { took_ns } else { waiting.service_ns / 8 * 7 + took_ns / 8 };
        }
        drop(waiting);
        self.ready.add_permits(usize::from(is_called));
    }

    /// Lets the workers go; whatever still waits is dropped.
    pub(crate) fn close(&self) {
        self.ready.close();
        let mut waiting = self.waiting();
        waiting.jobs.clear();
        waiting.called.clear();
    }

    pub(crate) fn figures(&self) -> QueueFigures {
        let now_ns = self.clock.now_ns();
        let waiting = self.waiting();
        QueueFigures {
            depth: waiting.outstanding.saturating_sub(self.depth.workers()),
            limit: self.limit(&waiting, now_ns),
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
        waiting.bytes + ((waiting.jobs.capacity() + waiting.called.len()) * size_of::<(u64, Job)>()) as u64
    }
}

fn footprint(job: &Job) -> u64 {
    (job.arguments.len() + job.id.len()) as u64
}

#[cfg(test)]
mod tests;
