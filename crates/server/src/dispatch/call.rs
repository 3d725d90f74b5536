//! `tools/call`: in place, or by a worker.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use erlmcp_protocol::code;
use erlmcp_protocol::era::Version;
use erlmcp_protocol::server::Message;

use super::mcp::{Handled, Request, id};
use super::{Dispatcher, mirror};
use crate::answer::RpcError;
use crate::conn::Call;
use crate::metrics::counters::{Method, Outcome};
use crate::operations::Attempt;
use crate::queue::{Answer, Full, Job, Rank, ReplyTo, Work};
use crate::session::Recorder;
use crate::tools::{
    Arguments, CallContext, Caller, Cancellation, Execution, InlineTool, LogLevel, TaskSupport, capabilities,
    has_capability,
};

impl Dispatcher {
    pub(super) fn call(&mut self, request: Request<'_, '_>) -> Handled {
        let message = request.message;
        let bad = |why| RpcError::new(code::INVALID_PARAMS, why);
        let Some(name) = message.params.name else {
            return self.rpc_error(message, 200, bad("the name of the tool is missing or not a string"));
        };
        let arguments = message.params.arguments.unwrap_or("{}");
        if !arguments.starts_with('{') {
            return self.rpc_error(message, 200, bad("arguments is not an object"));
        }
        let name = name.decode();
        let began_ns = self.began();
        let tool = self.shared.registry.find(&name);
        self.took(began_ns, |components| &components.lookup);
        if let Some(tool) = tool.filter(|tool| !tool.mirrored.is_empty() && self.current.session.is_none())
            && let Err(why) = mirror::check(request.head, arguments, &tool.mirrored)
        {
            return self.rpc_error(message, 400, RpcError::new(code::HEADER_MISMATCH, why));
        }
        if let Some(tool) = tool.filter(|tool| !tool.spec.needs.is_empty() && self.current.session.is_none()) {
            let declared = message.params.meta.client_capabilities.unwrap_or("{}");
            let mut missing = tool.spec.needs.iter().filter(|needed| !has_capability(declared, needed)).peekable();
            if missing.peek().is_some() {
                let error = RpcError::lacks(capabilities(missing));
                return self.rpc_error(message, 400, error);
            }
        }
        if let (Some(operation), Some(tool)) = (message.params.meta.operation, tool) {
            let (class, execution) = (tool.class(), tool.execution.clone());
            return self.attempt(operation, class, execution, &name, request);
        }
        match tool.map(|tool| &tool.execution) {
            None if request.head.known.mcp_name.value().is_some_and(|name| !name.is_ascii())
                && self.current.session.is_none() =>
            {
                let error = RpcError::new(code::HEADER_MISMATCH, "Mcp-Name is malformed");
                self.rpc_error(message, 400, error)
            }
            None => self.rpc_error(message, 200, bad("there is no tool of that name")),
            Some(Execution::Inline(tool)) => {
                let principal = self.current.principal_name();
                let context = CallContext { tool: &name, replica: self.shared.replica, principal };
                self.body.clear();
                let answers = self.shared.answers_of(self.current.session.is_some());
                let version = self.current.session.map(|session| session.version);
                match call_in_place(answers, &mut self.body, &**tool, &context, arguments, id(message), version) {
                    Some(outcome) => Handled::Replied { status: 200, outcome, retry_after_ms: None },
                    None => self.rpc_error(message, 200, RpcError::new(code::INTERNAL, "the tool failed unexpectedly")),
                }
            }
            Some(Execution::Queued(queued)) => {
                let work = Work::Tool(Arc::clone(queued));
                let support = tool.map_or(TaskSupport::Never, |tool| tool.spec.task);
                match self.becomes_task(support, message) {
                    Ok(becomes_task) => self.current.as_task = becomes_task,
                    Err(error) => return self.rpc_error(message, 400, error),
                }
                self.enqueue(work, None, Method::ToolsCall, request)
            }
            Some(Execution::Transactional(_)) => {
                let why =
                    "this tool runs as an operation only: send an id of your choice in _meta[\"io.erlmcp/operation\"]";
                self.rpc_error(message, 400, bad(why))
            }
        }
    }

    /// Hands work to the workers.
    pub(super) fn enqueue(
        &mut self,
        work: Work,
        attempt: Option<Box<Attempt>>,
        method: Method,
        request: Request<'_, '_>,
    ) -> Handled {
        let Request { head, message, closes, asker } = request;
        let as_task = std::mem::take(&mut self.current.as_task);
        // What is said before the answer needs chunks, and a place of its own.
        let streams = !head.is_http10 && self.current.batch.is_none() && !as_task;
        let caller = match self.caller(message, streams) {
            Ok(caller) => caller,
            Err(why) => return self.rpc_error(message, 200, RpcError::new(code::INVALID_PARAMS, why)),
        };
        let cancellation = Cancellation::default();
        let task = match as_task.then(|| self.begin_task(message, &cancellation)).transpose() {
            Ok(task) => task,
            Err(refused) => return refused,
        };
        let (begin_by_ns, deadline_ns) = self.time_of(message, as_task, attempt.is_some(), asker.now_ns);
        let (session, batch) = (self.current.session, self.current.batch.clone());
        if let Some(batch) = &batch {
            batch.expect();
        }
        let calls = &self.shared.sessions.calls;
        let job = Job {
            work,
            rank: rank(method, &caller),
            arguments: message.params.arguments.unwrap_or("{}").into(),
            caller: Arc::new(caller),
            rounds: Arc::clone(&self.shared.sessions.rounds),
            id: id(message).into(),
            reply: ReplyTo { mailbox: Arc::clone(&self.mailbox), token: asker.token, batch: batch.clone() },
            answers: Arc::clone(self.answers()),
            entry: session.map(|session| calls.begin(session.id, id(message), &cancellation)),
            questions: Arc::clone(&self.shared.sessions.questions),
            recorder: session.filter(|_| streams).map(|session| Recorder {
                replays: Arc::clone(&self.shared.sessions.replays),
                session,
                method,
            }),
            task: task.clone(),
            attempt,
            cancellation: cancellation.clone(),
            begin_by_ns,
            deadline_ns,
        };
        match self.shared.queue.admit(job) {
            Ok(displaced) => {
                self.refuse_waiting(displaced);
                if let Some(task) = &task {
                    return self.task_begun(message, task);
                }
                let waiting = Call::waiting(method, cancellation, asker.now_ns, closes);
                Handled::Called(Box::new(Call { outlives: session.is_some(), ..waiting }))
            }
            Err(full) => {
                if let Some(batch) = &batch {
                    batch.expect_no_more();
                }
                if let Some(task) = &task {
                    self.shared.tasks.forget(task);
                }
                self.overloaded(message, full.retry_after_ms)
            }
        }
    }

    /// By when a call has to begin, and until when it may run, CLOCK_MONOTONIC ns. What has begun of an operation is finished,
    /// though its client waits no more.
    fn time_of(&self, message: &Message<'_>, as_task: bool, is_attempt: bool, now_ns: u64) -> (u64, u64) {
        let limits = &self.shared.limits;
        let longest_ms = if as_task { limits.task_lifetime_ms } else { limits.call_timeout_ms };
        let of_client_ms = if as_task { None } else { deadline_ms(message) };
        let begin_by_ms = longest_ms.min(of_client_ms.unwrap_or(u64::MAX));
        let run_ms = if is_attempt { longest_ms } else { begin_by_ms };
        let at = |ms: u64| now_ns.saturating_add(ms.saturating_mul(1_000_000));
        (at(begin_by_ms), at(run_ms))
    }

    /// Refuses what had been admitted and gave its place; it was not executed.
    fn refuse_waiting(&mut self, displaced: Option<(Job, Full)>) {
        let Some((job, full)) = displaced else { return };
        let retry_after_ms = self.retry_after(full.retry_after_ms);
        let mut body = Vec::new();
        job.answers.error(&mut body, Some(&job.id), &RpcError::overloaded(retry_after_ms));
        let answer = Answer { status: 503, body, outcome: Outcome::Refused, retry_after_ms: Some(retry_after_ms) };
        let reply = job.reply.clone();
        match self.shared.runtime.get() {
            // The other's shard may be far behind, and this one waits for nobody.
            Some(runtime) => drop(runtime.spawn(async move { reply.send(answer).await })),
            None => drop(reply.mailbox.try_answer(reply.token, answer)),
        }
    }

    /// What is known of the client. The error says what is wrong with what it brings from the round before.
    fn caller(&self, message: &Message<'_>, streams: bool) -> Result<Caller, &'static str> {
        let mut caller = Caller::of(message, streams);
        caller.principal = self.principal_name().into();
        match &self.current.session {
            Some(session) => {
                caller.version = Some(session.version);
                caller.capabilities = session.capabilities_text().into();
                // Who has not said what it wants gets what is not for developers alone.
                let level = self.shared.sessions.held.level(session.id).unwrap_or(LogLevel::Info);
                caller.log_level = Some(level).filter(|_| streams);
            }
            None if message.params.meta.log_level.is_some_and(|level| LogLevel::parse(&level.decode()).is_none()) => {
                return Err("logLevel is none of the eight that there are");
            }
            None => caller.take_round(message, &self.shared.sessions.rounds, self.unix_seconds())?,
        }
        Ok(caller)
    }

    /// Refuses a request whose client waits no more, or does not say for how long in a number; it was not executed.
    pub(super) fn late(&mut self, message: &Message<'_>) -> Option<Handled> {
        message.params.meta.deadline?;
        let (status, error) = match deadline_ms(message) {
            Some(0) => (504, RpcError::deadline(false)),
            Some(_) => return None,
            None => (400, RpcError::new(code::INVALID_PARAMS, "io.erlmcp/deadlineMs is not a number of milliseconds")),
        };
        // In the older era an error is a message, whatever it says.
        let status = if self.current.session.is_some() { 200 } else { status };
        Some(self.rpc_error(message, status, error))
    }

    /// Refuses a request for lack of room; it was not executed.
    pub(super) fn overloaded(&mut self, message: &Message<'_>, asked_ms: u64) -> Handled {
        let refused = self.busy(asked_ms);
        self.refused(message.id, &refused)
    }
}

/// For how much longer the client waits, where it says so.
fn deadline_ms(message: &Message<'_>) -> Option<u64> {
    message.params.meta.deadline?.parse().ok()
}

/// What goes first where there is no room.
fn rank(method: Method, caller: &Caller) -> Rank {
    match method {
        Method::OperationStatus => Rank::GoesOn,
        _ if caller.state.is_some() || caller.is_retry => Rank::GoesOn,
        Method::ToolsCall => Rank::Call,
        _ => Rank::Read,
    }
}

/// Calls a tool and writes its result into `body`, in a session as its version has it. None: it panicked or asks, which
/// must cost no other request anything.
fn call_in_place(
    answers: &crate::answer::AnswerWriter,
    body: &mut Vec<u8>,
    tool: &dyn InlineTool,
    context: &CallContext<'_>,
    arguments: &str,
    id: &[u8],
    version: Option<Version>,
) -> Option<Outcome> {
    catch_unwind(AssertUnwindSafe(|| {
        let mut result = tool.call(context, Arguments::new(arguments));
        if result.asks().is_some() {
            // It would not see the answers.
            return None;
        }
        if let Some(version) = version {
            result.fit(version);
        }
        answers.result(body, id, |out| result.write_fields(out));
        Some(result.outcome())
    }))
    .ok()
    .flatten()
}
