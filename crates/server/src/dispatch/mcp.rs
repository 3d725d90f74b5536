//! The MCP endpoint: from a whole body to its answer.

use std::sync::Arc;

use erlmcp_protocol::header::method;
use erlmcp_protocol::server::check::{CheckFault, check_request};
use erlmcp_protocol::server::{Head, Message, read_message};
use erlmcp_protocol::{code, operation};
use serde_json::json;

use super::catalog::{MODERN, SERVED};
use super::reply::retry_field;
use super::{Asker, Dispatcher, Step};
use crate::answer::RpcError;
use crate::conn::{Call, Stream};
use crate::engine::Pressure;
use crate::metrics::counters::{Method, Outcome};
use erlmcp_protocol::era::Version;

/// A message of the endpoint, with what its answer depends on.
#[derive(Clone, Copy)]
pub(super) struct Request<'r, 'b> {
    pub(super) head: &'r Head<'b>,
    pub(super) message: &'r Message<'r>,
    /// The connection ends after the answer.
    pub(super) closes: bool,
    pub(super) asker: &'r Asker,
}

/// What became of a request. Where it is `Replied`, the dispatcher's body is the answer's.
pub(super) enum Handled {
    Replied {
        status: u16,
        outcome: Outcome,
        retry_after_ms: Option<u64>,
    },
    Called(Box<Call>),
    /// The head and the first event are written.
    Opened(Box<Stream>),
}

impl Handled {
    pub(super) fn ok() -> Self {
        Self::Replied { status: 200, outcome: Outcome::Ok, retry_after_ms: None }
    }
}

impl Dispatcher {
    /// Answers the message of a POST. `used` bytes of the connection's input belong to the request.
    pub(super) fn message(
        &mut self,
        head: &Head<'_>,
        body: &[u8],
        used: usize,
        asker: &Asker,
        out: &mut Vec<u8>,
    ) -> Step {
        let step = self.answer_message(head, body, used, asker, out);
        // Where a worker answers, the call has it.
        if self.current.trace.is_open() {
            self.end_trace();
        }
        step
    }

    fn answer_message(&mut self, head: &Head<'_>, body: &[u8], used: usize, asker: &Asker, out: &mut Vec<u8>) -> Step {
        let closes = self.closes_after(head);
        let answered = Step::Answered { used, left: 0, closes };
        if !self.is_within_quota() {
            self.over_quota(Method::Unread, closes, out);
            return answered;
        }
        let read = read_message(body, &self.message_limits);
        let message = match &read {
            Ok(message) => message,
            Err(fault) => return self.no_message(head, body, fault, used, asker, out),
        };
        if self.outlet.is_some() {
            self.begin_trace(message, asker);
        }
        // What every modern request has: the older era costs them no more than this look.
        if message.params.meta.protocol_version.is_none()
            && let Some(step) = self.older(head, message, used, asker, out)
        {
            return step;
        }
        let method = label(message);
        if message.id.is_none() {
            self.count(Method::Notification, Outcome::Ok);
            self.head(202, None, Some(0), "", closes).write(out);
            return answered;
        }
        if let Err(fault) = check_request(&head.known, message, &MODERN) {
            self.fault(method, &fault, closes, out);
            return answered;
        }
        let handled = match method {
            Method::Discover => self.discover(message),
            Method::Listen => self.listen(message, head.is_http10, closes, out),
            _ => match self.answer(method, Request { head, message, closes, asker }) {
                Some(handled) => handled,
                None => match self.task_request(head, message, body, asker) {
                    Some(handled) => handled,
                    None => self.no_such_method(message),
                },
            },
        };
        self.settle(handled, method, used, closes, out)
    }

    /// Answers a request of a method that both eras have; none where it is another one.
    pub(super) fn answer(&mut self, method: Method, request: Request<'_, '_>) -> Option<Handled> {
        let message = request.message;
        if method != Method::OperationStatus && self.is_short_of(Pressure::CriticalOnly) {
            return Some(self.overloaded(message, self.shared.limits.retry_after_max_ms));
        }
        if let Some(late) = self.late(message) {
            return Some(late);
        }
        Some(match method {
            Method::ToolsCall => self.call(request),
            Method::OperationStatus => self.operation_status(request),
            Method::ToolsList | Method::ResourcesList | Method::TemplatesList | Method::PromptsList => {
                self.list(method, message)
            }
            Method::ResourcesRead => self.read_resource(request),
            Method::PromptsGet => self.get_prompt(request),
            Method::Complete => self.complete(request),
            _ => return None,
        })
    }

    /// Sends what a request was answered with, or hands on what will answer it.
    pub(super) fn settle(
        &mut self,
        handled: Handled,
        method: Method,
        used: usize,
        closes: bool,
        out: &mut Vec<u8>,
    ) -> Step {
        match handled {
            Handled::Replied { status, outcome, retry_after_ms } => {
                self.count(method, outcome);
                match retry_after_ms {
                    None => self.send(out, status, "", closes),
                    Some(ms) => self.send(out, status, &retry_field(ms), closes),
                }
                Step::Answered { used, left: 0, closes }
            }
            Handled::Called(mut call) => {
                call.trace = std::mem::take(&mut self.current.trace);
                Step::Called { used, call }
            }
            Handled::Opened(stream) => {
                self.count(method, Outcome::Ok);
                Step::Opened { used, stream }
            }
        }
    }

    /// Makes an error the answer. In an answer 200 it is the method's own; another status says more.
    pub(super) fn rpc_error(&mut self, message: &Message<'_>, status: u16, error: RpcError) -> Handled {
        self.body.clear();
        self.shared.answers.error(&mut self.body, message.id.map(str::as_bytes), &error);
        // In the older era an error has a status of its own only where HTTP itself has something to say.
        let status = if self.current.session.is_some() && status < 500 { 200 } else { status };
        let outcome = if status == 200 { Outcome::RpcError } else { Outcome::HttpError };
        Handled::Replied { status, outcome, retry_after_ms: None }
    }

    pub(super) fn fault(&mut self, method: Method, check: &CheckFault<'_>, closes: bool, out: &mut Vec<u8>) {
        let fault = &check.fault;
        let mut error = RpcError::new(fault.code, fault.why);
        if let Some(requested) = &check.requested {
            error = error.with(json!({"supported": SERVED.map(Version::as_str), "requested": requested}));
        }
        self.count(method, Outcome::HttpError);
        self.body.clear();
        self.shared.answers.error(&mut self.body, fault.id.map(str::as_bytes), &error);
        self.send(out, fault.status, "", closes);
    }

    fn discover(&mut self, message: &Message<'_>) -> Handled {
        self.body.clear();
        let fields = &self.shared.catalog.discover;
        self.shared.answers.result(&mut self.body, id(message), |out| out.extend_from_slice(fields));
        Handled::ok()
    }

    fn list(&mut self, method: Method, message: &Message<'_>) -> Handled {
        let shared = Arc::clone(&self.shared);
        let lists = if self.current.session.is_some() { &shared.catalog.plain_lists } else { &shared.catalog.lists };
        let Some(pages) = lists.of(method) else { return self.no_such_method(message) };
        let Some(fields) = pages.page(message.params.cursor) else {
            let error = RpcError::new(code::INVALID_PARAMS, "the cursor is not one of this server's");
            return self.rpc_error(message, 200, error);
        };
        self.body.clear();
        let answers = shared.answers_of(self.current.session.is_some());
        answers.result(&mut self.body, id(message), |out| out.extend_from_slice(fields));
        Handled::ok()
    }
}

/// The id of a request, as JSON text.
pub(super) fn id<'a>(message: &Message<'a>) -> &'a [u8] {
    message.id.unwrap_or("null").as_bytes()
}

/// The methods with a label of their own; the ones that come most often stand first.
const LABELS: [(&str, Method); 11] = [
    (method::TOOLS_CALL, Method::ToolsCall),
    (method::TOOLS_LIST, Method::ToolsList),
    (method::DISCOVER, Method::Discover),
    (method::LISTEN, Method::Listen),
    (method::RESOURCES_READ, Method::ResourcesRead),
    (method::RESOURCES_LIST, Method::ResourcesList),
    (method::TEMPLATES_LIST, Method::TemplatesList),
    (method::PROMPTS_GET, Method::PromptsGet),
    (method::PROMPTS_LIST, Method::PromptsList),
    (method::COMPLETE, Method::Complete),
    (operation::STATUS, Method::OperationStatus),
];

pub(super) fn label(message: &Message<'_>) -> Method {
    LABELS.iter().find(|(name, _)| message.method.is(name)).map_or(Method::Other, |(_, label)| *label)
}
