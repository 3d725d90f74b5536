//! Completion: values that an argument of a prompt or a template could have.

use std::collections::BTreeMap;
use std::pin::Pin;

use serde::Serialize;

use super::failure::Failure;
use crate::tools::JobContext;

/// Values of one answer at most, by the specification.
const VALUES_MAX: usize = 100;

/// What is to be completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletionRequest {
    /// The argument's name.
    pub argument: String,
    /// What there is of its value.
    pub value: String,
    /// Arguments that are known already.
    pub known: BTreeMap<String, String>,
}

/// Values that an argument could have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Completion {
    values: Vec<String>,
    total: usize,
    has_more: bool,
}

impl Completion {
    /// All of them, the best first. The first hundred are sent.
    pub fn of(mut values: Vec<String>) -> Self {
        let total = values.len();
        values.truncate(VALUES_MAX);
        Self { values, total, has_more: total > VALUES_MAX }
    }
}

/// What completing comes to.
pub type CompleteFuture = Pin<Box<dyn Future<Output = Result<Completion, Failure>> + Send>>;

/// Completes arguments. It waits for a worker, as a queued tool does. Async functions of this shape are such completers.
pub trait Complete: Send + Sync + 'static {
    /// Begins.
    fn complete(&self, context: JobContext, request: CompletionRequest) -> CompleteFuture;
}

impl<F, Fut> Complete for F
where
    F: Fn(JobContext, CompletionRequest) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Completion, Failure>> + Send + 'static,
{
    fn complete(&self, context: JobContext, request: CompletionRequest) -> CompleteFuture {
        Box::pin(self(context, request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_values_are_sent() {
        let all = Completion::of((0..101).map(|value| value.to_string()).collect());
        assert_eq!((all.values.len(), all.total, all.has_more), (100, 101, true));
        let few = serde_json::to_value(Completion::of(vec!["a".into()])).expect("it is JSON");
        assert_eq!(few, serde_json::json!({"values": ["a"], "total": 1, "hasMore": false}));
    }
}
