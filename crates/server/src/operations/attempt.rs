//! What a worker does for an attempt at an operation, and for a question about one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use erlmcp_protocol::{code, operation};
use serde_json::{Value, json};

use super::course::{Course, Happened, Next, Verdict};
use super::figures::{Counts, Ended};
use super::heart::{Abandoned, Class, Command, Fingerprint, Key, Outcome as Answered, Settled};
use super::operation::Operation;
use super::seeded::Bug;
use super::service::Operations;
use super::wire::CONTENT_BYTES_MAX;
use crate::answer::RpcError;
use crate::clock::Clock;
use crate::metrics::counters::Outcome;
use crate::queue::{Answer, End, Job, Ran};

/// An attempt at an operation.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) operations: Arc<Operations>,
    pub(crate) key: Key,
    pub(crate) class: Class,
    pub(crate) fingerprint: Fingerprint,
}

/// A question about one.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) operations: Arc<Operations>,
    pub(crate) key: Key,
    pub(crate) settle: bool,
}

/// Counts a tool that may be at work, also where its worker is dropped.
struct UnderWay<'a>(&'a Counts);

impl<'a> UnderWay<'a> {
    fn begin(counts: &'a Counts) -> Self {
        counts.under_way.fetch_add(1, Ordering::AcqRel);
        Self(counts)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Makes the attempt. `run` runs the tool to its end. None: nobody waits for an answer.
pub(crate) async fn attempt<F: Future<Output = End>>(
    job: &Job,
    attempt: &Attempt,
    clock: &Clock,
    run: impl FnOnce(Arc<Operation>) -> F,
) -> Option<Answer> {
    let Attempt { operations, key, class, fingerprint } = attempt;
    let _under_way = UnderWay::begin(&operations.counts);
    let (mut course, mut next) = Course::begin(key.clone(), operations.ticket(), *class, *fingerprint);
    let mut run = Some(run);
    let mut ended = None;
    let mut outcome = Outcome::Ok;
    let verdict = loop {
        let happened = match next {
            Next::Ask(command) if matches!(command, Command::Finish { .. }) && Bug::AnswersEarly.strikes() => {
                Happened::Replied(Some(write_late(operations, command)))
            }
            Next::Ask(command) => match operations.ask(command).await {
                Ok(said) => Happened::Replied(said),
                Err(()) => Happened::TimedOut,
            },
            // The claim took all the time that there was.
            Next::Run if clock.now_ns() >= job.begin_by_ns => broke(End::Late { executed: false }, *class, &mut ended),
            Next::Run => {
                let operation = Operation {
                    principal: key.principal.clone(),
                    id: key.operation.clone(),
                    epoch: operations.epoch(),
                };
                let Some(run) = run.take() else { break Verdict::Unknown };
                let mut end = run(Arc::new(operation)).await;
                match end.ran().map(|ran| (ran.outcome, kept(ran, operations.result_bytes_max))) {
                    Some((_, None)) => broke(End::Panicked, *class, &mut ended),
                    Some((of_tool, Some(happened))) => {
                        outcome = of_tool;
                        happened
                    }
                    None => broke(end, *class, &mut ended),
                }
            }
            Next::Answer(verdict) => break verdict,
        };
        next = course.next(happened, !job.cancellation.is_cancelled());
    };
    operations.counts.count(counted(&verdict));
    // A request of the older era that was cancelled must have no answer, though it may have been carried out.
    if job.cancellation.is_cancelled() && job.entry.is_some() {
        return Some(Answer::json(200, Vec::new(), Outcome::RpcError));
    }
    match (verdict, ended) {
        (Verdict::Silent, _) => None,
        (Verdict::AsItEnded, Some(end)) => Some(crate::queue::render(job, end, clock)),
        (verdict, _) => Some(render(job, attempt, verdict, outcome)),
    }
}

/// A seeded bug: says that the result is kept, and has it written later.
fn write_late(operations: &Arc<Operations>, command: Command) -> super::keeper::Reply {
    let operations = Arc::clone(operations);
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        operations.ask(command).await
    });
    super::keeper::Reply { outcome: Answered::Stored, result: None }
}

/// A result as it is kept. One that is too long is not: then it says so, for good. None where the effect is too long or no
/// text of PostgreSQL, which so never comes about.
fn kept(ran: Ran, bytes_max: usize) -> Option<Happened> {
    let Ran { fields, effect, .. } = ran;
    if let Some(length) = effect.as_ref().map(|effect| effect.len()).filter(|length| *length > CONTENT_BYTES_MAX) {
        tracing::error!("a tool's effect of {length} bytes is not kept: there may be {CONTENT_BYTES_MAX}");
        return None;
    }
    // PostgreSQL takes no such character; what is kept must not depend on the store.
    if effect.as_ref().is_some_and(|effect| effect.contains('\0')) {
        tracing::error!("a tool's effect is not kept: it holds U+0000");
        return None;
    }
    let mut object = Vec::with_capacity(fields.len() + 2);
    object.push(b'{');
    object.extend_from_slice(&fields);
    object.push(b'}');
    let result = operation::result_text(&object).filter(|text| text.len() <= bytes_max).unwrap_or_else(|| {
        let why = format!("It was done, but its result of {} bytes is too long to be kept and repeated.", object.len());
        json!({"content": [{"type": "text", "text": why}], "isError": true}).to_string()
    });
    let hash = operation::short(ring::digest::digest(&ring::digest::SHA256, result.as_bytes()).as_ref());
    Some(Happened::Ran { hash, result: result.into_bytes().into_boxed_slice(), effect })
}

fn broke(end: End, class: Class, ended: &mut Option<End>) -> Happened {
    let (happened, end) = match end {
        end if end.asks().is_some() => (Happened::Asks, end),
        End::Late { executed: false } => (Happened::Broke(Abandoned::Unstarted), end),
        End::Late { .. } => (Happened::Broke(Abandoned::Late), End::Late { executed: !class.leaves_nothing() }),
        end => (Happened::Broke(Abandoned::Broken), end),
    };
    *ended = Some(end);
    happened
}

fn counted(verdict: &Verdict) -> Ended {
    match verdict {
        Verdict::Fresh { .. } => Ended::Done,
        Verdict::Replayed { .. } => Ended::Replayed,
        Verdict::Running => Ended::Running,
        Verdict::Mismatch => Ended::Mismatch,
        Verdict::Settled(_) => Ended::Settled,
        Verdict::Refused => Ended::Refused,
        Verdict::Unknown => Ended::Unknown,
        Verdict::AsItEnded | Verdict::Silent => Ended::Failed,
    }
}

fn render(job: &Job, attempt: &Attempt, verdict: Verdict, outcome: Outcome) -> Answer {
    let operations = &attempt.operations;
    match verdict {
        Verdict::Fresh { result } => result_of(job, &attempt.key, &result, operations.epoch(), false, outcome),
        Verdict::Replayed { result, epoch } => result_of(job, &attempt.key, &result, epoch, true, Outcome::Ok),
        Verdict::Running => {
            let ms = operations.retry_after_ms();
            let error = RpcError::new(code::OPERATION_RUNS, "this operation runs: ask again for its result")
                .with(json!({"executed": "running", "retryAfterMs": ms}));
            error_of(job, 409, &error, Some(ms))
        }
        Verdict::Mismatch => {
            let why = "the id of this operation was used for another call: choose a new one";
            let error = RpcError::new(code::OPERATION_MISMATCH, why).with(json!({"executed": false}));
            error_of(job, 422, &error, None)
        }
        Verdict::Settled(settled) => {
            let why = "this operation is settled and does not run any more";
            error_of(job, 410, &RpcError::new(code::OPERATION_SETTLED, why).with(data(settled)), None)
        }
        Verdict::Refused => refused(job, operations),
        Verdict::Unknown | Verdict::AsItEnded | Verdict::Silent => {
            let why = "the tool has run, but the store did not take its result yet: ask operation/status";
            let error = RpcError::new(code::INTERNAL, why).with(json!({"executed": "unknown", "scope": "store"}));
            error_of(job, 500, &error, None)
        }
    }
}

fn data(settled: Settled) -> Value {
    let mut data = json!({"state": settled.as_str()});
    if let Some(executed) = settled.executed() {
        data["executed"] = json!(executed);
    }
    data
}

fn refused(job: &Job, operations: &Operations) -> Answer {
    let ms = operations.retry_after_ms();
    let error = RpcError::store_unavailable(ms);
    Answer { outcome: Outcome::Refused, ..error_of(job, 503, &error, Some(ms)) }
}

fn result_of(job: &Job, key: &Key, result: &[u8], epoch: u64, replayed: bool, outcome: Outcome) -> Answer {
    let mut body = Vec::with_capacity(result.len() + 320);
    let other = br#"{"content":[{"text":"another","type":"text"}]}"#;
    let result = if Bug::SwapsAnswers.strikes() { &other[..] } else { result };
    let id = Value::from(&*key.operation);
    let meta = format!("\"{}\":{{\"operation\":{id},\"epoch\":{epoch},\"replayed\":{replayed}}}", operation::META);
    let fields = result.get(1..result.len().saturating_sub(1)).unwrap_or_default();
    job.answers.result_with_meta(&mut body, &job.id, meta.as_bytes(), |out| out.extend_from_slice(fields));
    Answer::json(200, body, outcome)
}

fn error_of(job: &Job, status: u16, error: &RpcError, retry_after_ms: Option<u64>) -> Answer {
    let mut body = Vec::with_capacity(256);
    job.answers.error(&mut body, Some(&job.id), error);
    // In the older era an error has a status of its own only where HTTP itself has something to say.
    let status = if job.answers.is_plain() && status < 500 { 200 } else { status };
    let outcome = if status == 200 { Outcome::RpcError } else { Outcome::HttpError };
    Answer { status, body, outcome, retry_after_ms }
}

/// Answers a question.
pub(crate) async fn status(job: &Job, question: &Question) -> Answer {
    let Question { operations, key, settle } = question;
    operations.counts.count(Ended::Asked);
    let said = operations.ask(Command::Ask { key: key.clone(), settle: *settle }).await;
    let Ok(Some(reply)) = said else { return refused(job, operations) };
    let (state, epoch) = match reply.outcome {
        Answered::Done { epoch, .. } if reply.result.is_some() => ("done", epoch),
        Answered::Done { epoch, .. } => ("expired", epoch),
        Answered::Running { epoch } => ("running", epoch),
        Answered::Settled(settled) => (settled.as_str(), 0),
        Answered::Open => ("unknown", 0),
        _ => return refused(job, operations),
    };
    let mut body = Vec::with_capacity(256);
    job.answers.result(&mut body, &job.id, |out| {
        let id = Value::from(&*key.operation);
        out.extend_from_slice(format!("\"operation\":{id},\"state\":\"{state}\",\"epoch\":{epoch}").as_bytes());
        if let Some(result) = &reply.result {
            out.extend_from_slice(b",\"result\":");
            out.extend_from_slice(result);
        }
    });
    Answer::json(200, body, Outcome::Ok)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::atomic::AtomicU64;

    use tokio::net::UnixListener;
    use tokio::sync::mpsc;

    use super::*;
    use crate::answer::{AnswerWriter, ServerInfo};
    use crate::limits::Limits;
    use crate::operations::host;
    use crate::operations::keeper::Keeper;
    use crate::operations::memory::MemoryStore;
    use crate::operations::process::StoreAddress;
    use crate::operations::table::Keep;
    use crate::operations::writer::{self, Order};
    use crate::queue::job;
    use crate::tools::ToolResult;

    /// A store to which the first claim comes so late.
    fn late_store(socket: PathBuf, clock_ns: Arc<AtomicU64>, mut late_ns: u64) -> Arc<Operations> {
        let keep = Keep { held_max: 10, retention_ns: u64::MAX, unfiled_rows: 2 };
        let keeper = Keeper::open(MemoryStore::default(), keep, 0).expect("it opens");
        let (written, _) = writer::start(keeper).expect("it starts");
        let (orders, mut waiting) = mpsc::channel(8);
        let listener = UnixListener::bind(&socket).expect("the path is free");
        tokio::spawn(host::serve(listener, orders));
        tokio::spawn(async move {
            while let Some(order) = waiting.recv().await {
                let claims = |(_, command): &(u64, Command)| matches!(command, Command::Claim { .. });
                if matches!(&order, Order::Commands { commands, .. } if commands.iter().any(claims)) {
                    clock_ns.fetch_add(std::mem::take(&mut late_ns), Ordering::Relaxed);
                }
                if written.send(order).await.is_err() {
                    break;
                }
            }
        });
        let address = StoreAddress { socket, base: 1, number: 1, after_another: false };
        Operations::at(address, 0, &Limits::default(), &tokio::runtime::Handle::current())
    }

    #[test]
    fn an_operation_whose_claim_took_its_time_is_given_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let clock_ns = Arc::new(AtomicU64::new(0));
            let clock = Clock::Manual(Arc::clone(&clock_ns));
            let operations = late_store(folder.path().join("store"), clock_ns, 100_000_000);
            let key = Key { principal: Box::default(), operation: "a".into() };
            let once = Attempt { operations, key, class: Class::Once, fingerprint: [1; 16] };
            let runs = &AtomicU64::new(0);
            let run = |_| async move {
                runs.fetch_add(1, Ordering::Relaxed);
                End::Tool(ToolResult::text("done"))
            };
            let patient = || Job {
                begin_by_ns: clock.now_ns() + 30_000_000,
                answers: Arc::new(AnswerWriter::new(&ServerInfo::new("a", "1"))),
                ..job()
            };
            let late = attempt(&patient(), &once, &clock, run).await.expect("an answer");
            assert_eq!((late.status, late.outcome), (504, Outcome::Refused));
            assert!(String::from_utf8_lossy(&late.body).contains("\"executed\":false"), "{late:?}");
            assert_eq!(runs.load(Ordering::Relaxed), 0, "nothing has begun");
            let ask = Command::Ask { key: once.key.clone(), settle: false };
            let asked = once.operations.ask(ask).await.expect("it is not late").expect("it works");
            assert_eq!(asked.outcome, Answered::Open, "nothing is settled");
            let again = attempt(&patient(), &once, &clock, run).await.expect("an answer");
            assert_eq!((again.status, runs.load(Ordering::Relaxed)), (200, 1));
        });
    }

    #[test]
    fn what_is_too_long_for_the_store_is_not_sent_there() {
        let ran = |fields: usize, effect: usize| Ran {
            fields: format!("\"content\":[{{\"type\":\"text\",\"text\":\"{}\"}}]", "x".repeat(fields)).into_bytes(),
            outcome: Outcome::Ok,
            effect: Some("x".repeat(effect).into()),
        };
        assert_eq!(kept(ran(1, CONTENT_BYTES_MAX + 1), CONTENT_BYTES_MAX), None);
        assert_eq!(kept(Ran { effect: Some("\0".into()), ..ran(1, 1) }, CONTENT_BYTES_MAX), None);
        let Some(Happened::Ran { result, .. }) = kept(ran(CONTENT_BYTES_MAX, 1), CONTENT_BYTES_MAX) else {
            panic!("it is kept")
        };
        assert!(String::from_utf8_lossy(&result).contains("too long to be kept"));
        let longest = kept(ran(CONTENT_BYTES_MAX - 100, CONTENT_BYTES_MAX), CONTENT_BYTES_MAX);
        let Some(Happened::Ran { hash, result, effect }) = longest else { panic!("it is kept") };
        assert!(result.len() > CONTENT_BYTES_MAX - 100);
        let key = Key { principal: "p".repeat(16_384).into(), operation: "o".repeat(128).into() };
        let finish = Command::Finish { key, ticket: 1, hash, result, effect };
        assert_eq!(super::super::wire::write_command(&mut Vec::new(), 1, &finish), Ok(()));
    }
}
