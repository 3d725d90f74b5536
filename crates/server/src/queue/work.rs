//! What a worker does, and what comes of it.

use std::pin::Pin;
use std::sync::Arc;

use erlmcp_protocol::code;
use erlmcp_protocol::header::method;

use super::worker::ROUNDS_MAX;
use super::{Answer, Job};
use crate::answer::RpcError;
use crate::clock::Clock;
use crate::features::{
    Complete, Completion, CompletionRequest, Failure, GetPrompt, PromptArguments, PromptResult, ReadResource,
    ResourceRequest, ResourceResult,
};
use crate::metrics::counters::Outcome;
use crate::operations::{Question, Transacted, TransactionalTool, status};
use crate::session::About;
use crate::tools::{Arguments, Ask, CallContext, InlineTool, JobContext, QueuedTool, ToolResult, capabilities};

/// What a worker is to do.
#[derive(Clone)]
pub(crate) enum Work {
    Tool(Arc<dyn QueuedTool>),
    /// As an operation only; with its name.
    Inline(Arc<dyn InlineTool>, Box<str>),
    /// As an operation only.
    Transactional(Arc<dyn TransactionalTool>),
    Status(Question),
    Read(Arc<dyn ReadResource>, ResourceRequest),
    Prompt(Arc<dyn GetPrompt>, PromptArguments),
    Complete(Arc<dyn Complete>, CompletionRequest),
}

/// How it ended.
pub(crate) enum End {
    Tool(ToolResult<'static>),
    /// A tool's result, as it is written already.
    Ran(Ran),
    Read(Result<ResourceResult, Failure>, String),
    Prompt(Result<PromptResult, Failure>),
    Complete(Result<Completion, Failure>),
    Panicked,
    /// It has asked its client as often as it may.
    AskedTooOften,
    Late {
        executed: bool,
    },
}

/// What a tool has done and answers.
pub(crate) struct Ran {
    /// The members of its result.
    pub(crate) fields: Vec<u8>,
    pub(crate) outcome: Outcome,
    /// What is written together with it.
    pub(crate) effect: Option<Box<str>>,
}

impl Ran {
    fn of(result: &ToolResult<'_>, effect: Option<Box<str>>) -> Self {
        let mut fields = Vec::with_capacity(256);
        result.write_fields(&mut fields);
        Self { fields, outcome: result.outcome(), effect }
    }
}

impl End {
    /// A tool's result, where it has one.
    pub(crate) fn ran(&mut self) -> Option<Ran> {
        match self {
            Self::Tool(tool) if tool.asks().is_none() => Some(Ran::of(tool, None)),
            Self::Ran(ran) => {
                Some(std::mem::replace(ran, Ran { fields: Vec::new(), outcome: Outcome::Ok, effect: None }))
            }
            _ => None,
        }
    }

    /// What must be known of the client before there can be an answer.
    pub(crate) fn asks(&self) -> Option<&Ask> {
        match self {
            Self::Tool(tool) => tool.asks(),
            Self::Read(Ok(resource), _) => resource.asks(),
            Self::Prompt(Ok(prompt)) => prompt.asks(),
            _ => None,
        }
    }
}

pub(super) type Doing = Pin<Box<dyn Future<Output = End> + Send>>;

impl Work {
    fn method(&self) -> &'static str {
        match self {
            Self::Tool(_) | Self::Inline(..) | Self::Transactional(_) => method::TOOLS_CALL,
            Self::Status(_) => erlmcp_protocol::operation::STATUS,
            Self::Read(..) => method::RESOURCES_READ,
            Self::Prompt(..) => method::PROMPTS_GET,
            Self::Complete(..) => method::COMPLETE,
        }
    }

    pub(super) fn start(&self, context: JobContext, arguments: &str) -> Doing {
        match self {
            Self::Tool(tool) => {
                let doing = tool.start(context, arguments.into());
                Box::pin(async { End::Tool(doing.await) })
            }
            Self::Inline(tool, name) => {
                let principal = &*context.caller.principal;
                let call = CallContext { tool: name, replica: context.replica, principal };
                let result = tool.call(&call, Arguments::new(arguments));
                // It would not see the answers.
                let end = if result.asks().is_some() { End::Panicked } else { End::Ran(Ran::of(&result, None)) };
                Box::pin(std::future::ready(end))
            }
            Self::Transactional(tool) => {
                let end = match &context.operation {
                    Some(operation) => {
                        let Transacted { result, effect } = tool.call(operation, Arguments::new(arguments));
                        End::Ran(Ran::of(&result, effect))
                    }
                    None => End::Panicked,
                };
                Box::pin(std::future::ready(end))
            }
            // Answered without a tool.
            Self::Status(_) => Box::pin(std::future::ready(End::Panicked)),
            Self::Read(reader, request) => {
                let doing = reader.read(context, request.clone());
                let uri = request.uri.clone();
                Box::pin(async { End::Read(doing.await, uri) })
            }
            Self::Prompt(source, arguments) => {
                let doing = source.get(context, arguments.clone());
                Box::pin(async { End::Prompt(doing.await) })
            }
            Self::Complete(completer, request) => {
                let doing = completer.complete(context, request.clone());
                Box::pin(async { End::Complete(doing.await) })
            }
        }
    }
}

/// Answers what needs no tool.
pub(super) async fn without_tool(job: &Job) -> Option<Answer> {
    match &job.work {
        Work::Status(question) => Some(status(job, question).await),
        _ => None,
    }
}

pub(crate) fn render(job: &Job, end: End, clock: &Clock) -> Answer {
    let answers = &job.answers;
    let mut body = Vec::with_capacity(256);
    if let Some(ask) = end.asks() {
        return ask_back(job, ask, clock.unix_seconds());
    }
    let mut result = |write: &dyn Fn(&mut Vec<u8>)| answers.result(&mut body, &job.id, write);
    let failed = |failure: Failure| (200, Outcome::RpcError, RpcError::failed(failure, answers.is_plain()));
    let (status, outcome, error) = match end {
        End::Tool(mut tool) => {
            if let Some(version) = job.caller.version {
                tool.fit(version);
            }
            result(&|out| tool.write_fields(out));
            return Answer::json(200, body, tool.outcome());
        }
        End::Ran(ran) => {
            result(&|out| out.extend_from_slice(&ran.fields));
            return Answer::json(200, body, ran.outcome);
        }
        End::Read(Ok(resource), _) if !resource.contents.is_empty() => {
            // What is in a resource may be another thing for another client, and at any time.
            result(&|out| {
                member(out, "contents", &resource.contents);
                if !answers.is_plain() {
                    out.extend_from_slice(b",\"ttlMs\":0,\"cacheScope\":\"private\"");
                }
            });
            return Answer::json(200, body, Outcome::Ok);
        }
        End::Prompt(Ok(mut prompt)) => {
            if let Some(version) = job.caller.version {
                prompt.fit(version);
            }
            result(&|out| prompt.write_fields(out));
            return Answer::json(200, body, Outcome::Ok);
        }
        End::Complete(Ok(completion)) => {
            result(&|out| member(out, "completion", &completion));
            return Answer::json(200, body, Outcome::Ok);
        }
        End::Read(Ok(_), uri) => failed(Failure::no_resource(&uri)),
        End::Read(Err(failure), _) | End::Prompt(Err(failure)) | End::Complete(Err(failure)) => failed(failure),
        End::Panicked => (200, Outcome::RpcError, RpcError::new(code::INTERNAL, "the tool failed unexpectedly")),
        End::AskedTooOften => {
            let why = format!("the tool asked more than {ROUNDS_MAX} times");
            (200, Outcome::RpcError, RpcError::new(code::INTERNAL, why))
        }
        End::Late { executed } => {
            // In the older era an error is a message, whatever it says.
            let status = if answers.is_plain() { 200 } else { 504 };
            (status, if executed { Outcome::HttpError } else { Outcome::Refused }, RpcError::deadline(executed))
        }
    };
    answers.error(&mut body, Some(&job.id), &error);
    Answer::json(status, body, outcome)
}

/// Asks the client, where it can be asked.
fn ask_back(job: &Job, ask: &Ask, now_s: u64) -> Answer {
    let mut body = Vec::with_capacity(256);
    let missing = ask.missing(&job.caller);
    let (status, outcome) = if job.answers.is_plain() || (job.task.is_some() && missing.is_empty()) {
        // It was tried: see `rounds`.
        let why = "this needs to ask the client something, which it can't be asked or did not answer";
        job.answers.error(&mut body, Some(&job.id), &RpcError::new(code::INTERNAL, why));
        (200, Outcome::RpcError)
    } else if !missing.is_empty() {
        job.answers.error(&mut body, Some(&job.id), &RpcError::lacks(capabilities(missing)));
        (400, Outcome::HttpError)
    } else {
        let (subject, principal) = (&*job.caller.subject, &*job.caller.principal);
        let about = About { method: job.work.method(), subject, arguments: &job.arguments, principal };
        let state = ask.state().map(|state| job.rounds.sign(&about, state, now_s));
        job.answers.input_required(&mut body, &job.id, |out| ask.write_fields(&job.caller, state.as_deref(), out));
        (200, Outcome::Ok)
    };
    Answer::json(status, body, outcome)
}

/// Writes a member of a result.
fn member(out: &mut Vec<u8>, name: &str, value: &impl serde::Serialize) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    // Writing strings to a Vec cannot fail.
    let _ = serde_json::to_writer(out, value);
}
