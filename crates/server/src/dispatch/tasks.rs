//! Tasks: which calls become one, and what clients ask of them.

use std::sync::Arc;

use erlmcp_protocol::code;
use erlmcp_protocol::header::method;
use erlmcp_protocol::server::{Head, Message};
use serde_json::{Map, Value, json};

use super::forwarding::{Way, about_task};
use super::mcp::{Handled, id};
use super::{Asker, Dispatcher};
use crate::answer::RpcError;
use crate::metrics::counters::Method;
use crate::tasks::{EXTENSION, NoPlace, Task};
use crate::tools::{Cancellation, TaskSupport, has_capability};

impl Dispatcher {
    /// True where a call of a tool becomes a task. The client declares in each request whether it knows what that is.
    pub(super) fn becomes_task(&self, support: TaskSupport, message: &Message<'_>) -> Result<bool, RpcError> {
        if support == TaskSupport::Never || self.current.session.is_some() {
            return Ok(false);
        }
        match (support, declares_tasks(message)) {
            (TaskSupport::AfterQuestions, true) => Ok(message.params.input_responses.is_some()),
            (_, true) => Ok(true),
            (TaskSupport::Required | TaskSupport::AfterQuestions, false) => Err(lacks_tasks()),
            (_, false) => Ok(false),
        }
    }

    /// The task that a call becomes; else its refusal.
    pub(super) fn begin_task(
        &mut self,
        message: &Message<'_>,
        cancellation: &Cancellation,
    ) -> Result<Arc<Task>, Handled> {
        self.shared.tasks.begin(cancellation, self.principal_name()).map_err(|why| match why {
            NoPlace::Full => self.overloaded(message, self.shared.limits.retry_after_max_ms),
            NoPlace::HasItsShare => self.quota_used_up(message.id),
        })
    }

    /// Makes the beginning of a task the answer.
    pub(super) fn task_begun(&mut self, message: &Message<'_>, task: &Task) -> Handled {
        self.body.clear();
        self.shared.answers.task(&mut self.body, id(message), |out| task.write_created(out));
        Handled::ok()
    }

    /// Answers a request about a task; none where it is no such request, or there are no tasks here.
    pub(super) fn task_request(
        &mut self,
        head: &Head<'_>,
        message: &Message<'_>,
        body: &[u8],
        asker: &Asker,
    ) -> Option<Handled> {
        let is = |name| message.method.is(name);
        let is_about_task = is(method::TASKS_GET) || is(method::TASKS_UPDATE) || is(method::TASKS_CANCEL);
        if !is_about_task || !self.shared.registry.has_tasks() {
            return None;
        }
        if !declares_tasks(message) {
            return Some(self.rpc_error(message, 400, lacks_tasks()));
        }
        let bad = |why| RpcError::new(code::INVALID_PARAMS, why);
        let named = message.params.task_id.map(|named| named.decode()).unwrap_or_default();
        let Some(task) = self.shared.tasks.find(&named, self.principal_name()) else {
            let request = about_task(head, message, body, &named);
            match request.map(|(replica, request)| self.forward(replica, Method::Other, message.id, &request, asker)) {
                Some(Way::There(call)) => return Some(Handled::Called(call)),
                Some(Way::Refused(refused)) => return Some(self.refused(message.id, &refused)),
                Some(Way::Here) | None => {}
            }
            return Some(self.rpc_error(message, 200, bad("there is no task of that id, or its time is over")));
        };
        self.body.clear();
        if is(method::TASKS_GET) {
            self.shared.answers.result(&mut self.body, id(message), |out| task.write(out));
            return Some(Handled::ok());
        }
        if is(method::TASKS_CANCEL) {
            task.cancel();
        } else {
            match serde_json::from_str::<Map<String, Value>>(message.params.input_responses.unwrap_or("null")) {
                Ok(answers) => task.answer(answers),
                Err(_) => return Some(self.rpc_error(message, 200, bad("inputResponses is missing or not an object"))),
            }
        }
        self.shared.answers.result(&mut self.body, id(message), |_| ());
        Some(Handled::ok())
    }
}

/// True where the request says that its client knows tasks.
fn declares_tasks(message: &Message<'_>) -> bool {
    let capabilities = message.params.meta.client_capabilities.unwrap_or("{}");
    if !has_capability(capabilities, "extensions") {
        return false;
    }
    let declared: Value = serde_json::from_str(capabilities).unwrap_or_default();
    declared["extensions"][EXTENSION].is_object()
}

fn lacks_tasks() -> RpcError {
    RpcError::lacks(json!({"extensions": {EXTENSION: {}}}))
}
