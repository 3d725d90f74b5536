use super::*;
use crate::engine::Notifier;
use crate::limits::Limits;
use crate::session::Calls;
use crate::tools::{JobContext, JobFuture, ToolResult};

fn tool(_: JobContext, _: Box<str>) -> JobFuture {
    Box::pin(async { ToolResult::text("done") })
}

/// A queue of so many places, however long calls take.
fn queue(workers: u64, queue_max: u64) -> JobQueue {
    let limits = Limits { workers, queue_max, queue_wait_min_ms: 30_000, ..Limits::default() };
    JobQueue::new(Depth::new(&limits), Clock::default())
}

/// A call without a deadline, in the older era.
pub(crate) fn job() -> Job {
    Job {
        work: Work::Tool(Arc::new(tool)),
        rank: Rank::Call,
        caller: Arc::default(),
        rounds: Arc::new(Rounds::new(&crate::session::SessionKey::random(), 1_000)),
        arguments: "{}".into(),
        id: b"1".as_slice().into(),
        reply: ReplyTo { mailbox: Arc::new(Mailbox::without_waker(8)), token: ConnToken::new(0, 0), batch: None },
        cancellation: Cancellation::default(),
        begin_by_ns: u64::MAX,
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
    assert!(queue.admit(ranked(Rank::GoesOn, "one too many")).is_err(), "nothing is left that would give its place");
    assert_eq!(queue.figures().refused_total, 1 + 1 + 16 + 1);
    runtime.block_on(async {
        for nth in 0..17 {
            let rank = if nth == 0 { Rank::Read } else { Rank::GoesOn };
            assert_eq!(queue.next().await.map(|job| job.rank), Some(rank), "what has a worker keeps it");
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
        let wait = Limits { queue_wait_min_ms: 100, queue_wait_max_ms: 100, ..Limits::default() };
        let limits = Limits { workers: 1, queue_max: 8, ..wait };
        let queue = JobQueue::new(Depth::new(&limits), Clock::default());
        assert_eq!((push(&queue, job()), queue.figures().limit), (Ok(()), 8));
        assert!(queue.next().await.is_some());
        queue.finished(Some(50_000_000));
        assert_eq!(queue.figures().limit, 2);
        let admitted = (0..8).filter(|_| push(&queue, job()).is_ok()).count();
        assert_eq!(admitted, 3, "one that runs, and two that wait");
    });
}

#[test]
fn who_waits_alone_gives_way_to_others() {
    let queue = queue(2, 4);
    let admitted = |principal: &str, rank| {
        let caller = Caller { principal: principal.into(), ..Caller::default() };
        let displaced = queue.admit(Job { caller: Arc::new(caller), ..ranked(rank, principal) })?;
        Ok::<_, Full>(displaced.map(|(other, _)| other.caller.principal.to_string()))
    };
    for _ in 0..6 {
        assert_eq!(admitted("a", Rank::GoesOn), Ok(None), "two run, and four wait, though no worker has woken up");
    }
    assert!(admitted("a", Rank::Call).is_err());
    for rank in [Rank::Read, Rank::Call] {
        assert_eq!(admitted("b", rank), Ok(Some("a".to_string())));
    }
    for principal in ["a", "b", "c"] {
        assert!(admitted(principal, Rank::Call).is_err(), "{principal}: each has half");
    }
    assert_eq!((queue.figures().depth, queue.ready.available_permits()), (4, 2));
    assert_eq!(admitted("b", Rank::GoesOn), Ok(Some("b".to_string())), "one of its own");
}

/// Ten workers, the server's own limits, calls of 100 ms of one principal, and a clock that is moved by hand.
struct Simulated {
    principal: &'static str,
    queue: JobQueue,
    clock_ns: Arc<AtomicU64>,
    runtime: tokio::runtime::Runtime,
    now_ms: u64,
    /// When each call that runs ends, and when it was offered, ms.
    running: Vec<(u64, u64)>,
}

impl Simulated {
    fn new(principal: &'static str) -> Self {
        let clock_ns = Arc::new(AtomicU64::new(0));
        let limits = Limits { workers: 10, ..Limits::default() };
        Self {
            principal,
            queue: JobQueue::new(Depth::new(&limits), Clock::Manual(Arc::clone(&clock_ns))),
            clock_ns,
            runtime: tokio::runtime::Builder::new_current_thread().build().expect("a runtime without IO"),
            now_ms: 0,
            running: Vec::new(),
        }
    }

    /// So many calls at once, every so many ms, for so long: what those took that ended, ms, and how many were refused.
    fn offer(&mut self, (at_once, every_ms): (usize, u64), for_ms: u64) -> (Vec<u64>, usize) {
        let (mut took, mut refused) = (Vec::new(), 0);
        for now_ms in self.now_ms + 1..=self.now_ms + for_ms {
            self.clock_ns.store(now_ms * 1_000_000, Ordering::Relaxed);
            let (done, running): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.running).into_iter().partition(|(ends_ms, _)| *ends_ms <= now_ms);
            self.running = running;
            for (_, offered_ms) in done {
                self.queue.finished(Some(100_000_000));
                took.push(now_ms - offered_ms);
            }
            let offered = if now_ms.is_multiple_of(every_ms) { at_once } else { 0 };
            for _ in 0..offered {
                let caller = Arc::new(Caller { principal: self.principal.into(), ..Caller::default() });
                let job = Job { caller, ..ranked(Rank::Call, &now_ms.to_string()) };
                refused += usize::from(push(&self.queue, job).is_err());
            }
            while self.running.len() < 10 && self.queue.ready.available_permits() > 0 {
                let job = self.runtime.block_on(self.queue.next()).expect("one waits");
                let offered_ms = std::str::from_utf8(&job.id).ok().and_then(|id| id.parse().ok());
                self.running.push((now_ms + 100, offered_ms.expect("it is a number")));
            }
        }
        self.now_ms += for_ms;
        (took, refused)
    }
}

#[test]
fn who_is_taken_waits_for_less_than_a_service_whatever_is_offered() {
    let mut simulated = Simulated::new("");
    let seven_tenths = (1, 14);
    let low = simulated.offer(seven_tenths, 3_000);
    assert_eq!((low.0.iter().max(), low.1), (Some(&100), 0));
    for (times, over) in [(2, (1, 5)), (10, (1, 1))] {
        simulated.offer(over, 1_000);
        let (took, refused) = simulated.offer(over, 4_000);
        assert!(took.len() >= 380, "{times} times: {} done, and 400 can be", took.len());
        assert!(took.iter().all(|took_ms| *took_ms < 200), "{times} times: {took:?}");
        assert!(refused > 0);
    }
    simulated.offer(seven_tenths, 2_000);
    let back = simulated.offer(seven_tenths, 2_000);
    assert_eq!((back.0.iter().max(), back.1), (Some(&100), 0), "as before");
}

#[test]
fn an_idle_server_takes_as_many_again_as_it_has_workers() {
    for principal in ["", "a"] {
        let mut simulated = Simulated::new(principal);
        let (took, refused) = simulated.offer((20, 300), 3_000);
        assert_eq!((took.len(), took.iter().max(), refused), (180, Some(&200), 0), "burst after burst");
        assert_eq!(simulated.offer((21, 300), 300).1, 1, "not one more");
    }
}
