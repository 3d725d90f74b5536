//! What a tool may know of the operation that it runs for, and tools whose effect is a part of the operation.

use crate::tools::{Arguments, ToolResult};

/// The operation that a tool runs for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub(crate) principal: Box<str>,
    pub(crate) id: Box<str>,
    pub(crate) epoch: u64,
}

impl Operation {
    /// Its id, as the client chose it: 1 to 128 visible ASCII characters, unique for its principal.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Who wants it; empty where that is not known.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// The number that the store gave this process. A tool that writes into a system of its own can have it refuse what
    /// comes with a lower number than it has seen for the same operation.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// What a [`TransactionalTool`] answers, and what it did.
#[derive(Debug, Clone)]
pub struct Transacted {
    pub(crate) result: ToolResult<'static>,
    pub(crate) effect: Option<Box<str>>,
}

impl Transacted {
    /// The effect: a text that is added to the store's log of effects in the same transaction as the result.
    pub fn effect(effect: impl Into<Box<str>>, result: ToolResult<'static>) -> Self {
        Self { result, effect: Some(effect.into()) }
    }

    /// Nothing was done.
    pub fn nothing(result: ToolResult<'static>) -> Self {
        Self { result, effect: None }
    }
}

/// A tool whose effect is a row in the store's log of effects: it takes place exactly once, however often the client tries
/// and whatever dies in between. Such a tool runs as an operation only, on a worker, and has to be quick: it only says what
/// is to be written. Functions of this shape are such tools.
pub trait TransactionalTool: Send + Sync + 'static {
    /// Says what is to be written, and what is answered then.
    fn call(&self, operation: &Operation, arguments: Arguments<'_>) -> Transacted;
}

impl<F> TransactionalTool for F
where
    F: Fn(&Operation, Arguments<'_>) -> Transacted + Send + Sync + 'static,
{
    fn call(&self, operation: &Operation, arguments: Arguments<'_>) -> Transacted {
        self(operation, arguments)
    }
}
