//! Attempts at operations, and `operation/status`: always by a worker, which asks the store first.

use std::sync::Arc;

use erlmcp_protocol::server::Message;
use erlmcp_protocol::{code, operation};

use super::Dispatcher;
use super::mcp::{Handled, Request};
use super::reply::Refused;
use crate::answer::RpcError;
use crate::metrics::counters::Method;
use crate::operations::{Attempt, Class, Key, Question, half};
use crate::queue::Work;
use crate::tools::Execution;

/// The id that a request names, JSON text of any kind.
fn id_of(text: &str) -> Option<Box<str>> {
    let id: String = serde_json::from_str(text).ok()?;
    operation::is_id(&id).then(|| id.into())
}

impl Dispatcher {
    /// Hands a call that is an attempt at an operation to the workers.
    #[cold]
    pub(super) fn attempt(
        &mut self,
        operation: &str,
        class: Class,
        execution: Execution,
        name: &str,
        request: Request<'_, '_>,
    ) -> Handled {
        let message = request.message;
        let Some(id) = id_of(operation) else { return self.bad_operation(message) };
        let Some(operations) = self.shared.operations.get().map(Arc::clone) else {
            return self.no_store(message);
        };
        let arguments = message.params.arguments.unwrap_or("{}");
        let Some(text) = operation::fingerprint_text(name, arguments) else {
            let why = "the arguments of an operation have to be JSON that is read without loss";
            return self.rpc_error(message, 400, RpcError::new(code::INVALID_PARAMS, why));
        };
        let attempt = Attempt {
            operations,
            key: Key { principal: self.principal_name().into(), operation: id },
            class,
            fingerprint: half(&[&text]),
        };
        let work = match execution {
            Execution::Inline(tool) => Work::Inline(tool, name.into()),
            Execution::Queued(tool) => Work::Tool(tool),
            Execution::Transactional(tool) => Work::Transactional(tool),
        };
        self.enqueue(work, Some(Box::new(attempt)), Method::ToolsCall, request)
    }

    pub(super) fn operation_status(&mut self, request: Request<'_, '_>) -> Handled {
        let message = request.message;
        let id = message.params.operation.map(|id| id.decode()).filter(|id| operation::is_id(id));
        let settle = match message.params.settle {
            None | Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => None,
        };
        let (Some(id), Some(settle)) = (id, settle) else { return self.bad_operation(message) };
        let Some(operations) = self.shared.operations.get().map(Arc::clone) else {
            return self.no_store(message);
        };
        let key = Key { principal: self.principal_name().into(), operation: id.into() };
        let work = Work::Status(Question { operations, key, settle });
        self.enqueue(work, None, Method::OperationStatus, request)
    }

    fn bad_operation(&mut self, message: &Message<'_>) -> Handled {
        let why = "the id of an operation is a string of 1 to 128 visible ASCII characters; settle is true or false";
        self.rpc_error(message, 400, RpcError::new(code::INVALID_PARAMS, why))
    }

    fn no_store(&mut self, message: &Message<'_>) -> Handled {
        let retry_after_ms = self.retry_after(self.shared.limits.retry_after_max_ms);
        let error = RpcError::store_unavailable(retry_after_ms);
        self.refused(message.id, &Refused { status: 503, error, retry_after_ms: Some(retry_after_ms) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_strings_of_visible_characters() {
        assert_eq!(id_of("\"a-1\"").as_deref(), Some("a-1"));
        assert_eq!(id_of("\"\\u0041\"").as_deref(), Some("A"));
        for bad in ["1", "null", "\"\"", "\"a b\"", "{}", "\"\\u00e4\""] {
            assert_eq!(id_of(bad), None, "{bad}");
        }
    }
}
