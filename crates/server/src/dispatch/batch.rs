//! Batches, which only 2025-03-26 has: an array of messages, answered by one of answers.

use std::sync::Arc;

use erlmcp_protocol::code;
use erlmcp_protocol::header::method;
use erlmcp_protocol::server::message::{is_response, split_batch};
use erlmcp_protocol::server::{Fault, Head, read_message};

use super::mcp::{Handled, Request};
use super::{Asker, Dispatcher, Step};
use crate::answer::RpcError;
use crate::conn::Call;
use crate::metrics::counters::{Method, Outcome};
use crate::queue::Gathering;
use crate::session::{Session, Taken};

impl Dispatcher {
    pub(super) fn answer_batch(
        &mut self,
        head: &Head<'_>,
        session: Session,
        body: &[u8],
        used: usize,
        asker: &Asker,
        out: &mut Vec<u8>,
    ) -> Step {
        let closes = self.closes_after(head);
        let answered = Step::Answered { used, left: 0, closes };
        let max = usize::try_from(self.shared.limits.batch_messages_max).unwrap_or(usize::MAX);
        let messages = match split_batch(body, &self.message_limits, max) {
            Ok(messages) => messages,
            Err(fault) => {
                self.counters.components.batches_refused.add(1);
                self.fault(Method::Unread, &fault.into(), closes, out);
                return answered;
            }
        };
        self.counters.components.batches.add(1);
        self.counters.components.batch_messages.add(messages.len() as u64);
        let batch = Arc::new(Gathering::default());
        self.current.session = Some(session);
        self.current.batch = Some(Arc::clone(&batch));
        let (mut called, mut taken) = (None, Taken::Yes);
        for (place, text) in messages.into_iter().enumerate() {
            match read_message(text.as_bytes(), &self.message_limits) {
                // The first was counted with the request that brought them.
                Ok(message) if place > 0 && !self.is_within_quota() => {
                    self.quota_used_up(message.id);
                    self.count(Method::Unread, Outcome::Refused);
                    if message.id.is_some() {
                        batch.add(&self.body);
                    }
                }
                Ok(message) if message.id.is_none() => taken = taken.max(self.take_notification(&session, &message)),
                Ok(message) => {
                    let request = Request { head, message: &message, closes, asker };
                    called = self.answer_part(request, &batch).or(called);
                }
                Err(_) if is_response(text.as_bytes(), &self.message_limits) => {
                    taken = taken.max(self.take_response(&session, text.as_bytes()));
                }
                Err(fault) => self.refuse_part(&fault, &batch),
            }
        }
        match (batch.read(), called) {
            (Some(body), _) if body.is_empty() => self.tell_taken(taken, closes, out),
            (Some(body), _) => {
                self.body = body;
                self.send(out, 200, "", closes);
            }
            (None, Some(call)) => return Step::Called { used, call },
            (None, None) => {}
        }
        answered
    }

    /// Answers one request of a batch; gives its call, where a worker answers it.
    fn answer_part(&mut self, request: Request<'_, '_>, batch: &Gathering) -> Option<Box<Call>> {
        let message = request.message;
        if message.method.is(method::INITIALIZE) {
            let why = "initialize must not be part of a batch";
            self.refuse_part(&Fault::new(message.id, code::INVALID_REQUEST, why), batch);
            return None;
        }
        let (method, handled) = self.answer_older(request);
        match handled {
            Handled::Replied { outcome, .. } => {
                self.count(method, outcome);
                batch.add(&self.body);
                None
            }
            Handled::Called(call) => Some(call),
            Handled::Opened(_) => None,
        }
    }

    fn refuse_part(&mut self, fault: &Fault<'_>, batch: &Gathering) {
        self.count(Method::Unread, Outcome::RpcError);
        self.body.clear();
        let error = RpcError::new(fault.code, fault.why);
        self.shared.answers.error(&mut self.body, fault.id.map(str::as_bytes), &error);
        batch.add(&self.body);
    }
}
