//! Prompts: messages that a server has ready for a model.

use std::collections::BTreeMap;
use std::pin::Pin;

use serde::Serialize;

use super::failure::Failure;
use crate::tools::{Ask, Content, JobContext};

/// What a prompt says about itself in `prompts/list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PromptSpec {
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For people and models.
    pub description: String,
    /// What it can be given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<PromptArgument>,
}

/// An argument of a prompt: always a string.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PromptArgument {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Without it the prompt is refused.
    pub required: bool,
}

impl PromptSpec {
    /// A prompt without arguments.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self { name: name.into(), title: None, description: description.into(), arguments: Vec::new() }
    }

    /// The same with one more argument, which must be given.
    pub fn requiring(mut self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.arguments.push(PromptArgument { name: name.into(), description: description.into(), required: true });
        self
    }

    /// The same with one more argument, which may be given.
    pub fn taking(mut self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.arguments.push(PromptArgument { name: name.into(), description: description.into(), required: false });
        self
    }
}

/// Who says a message of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The user.
    User,
    /// The model.
    Assistant,
}

/// A message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PromptMessage {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: Content<'static>,
}

impl PromptMessage {
    /// Something that the user says.
    pub fn user(content: Content<'static>) -> Self {
        Self { role: Role::User, content }
    }

    /// Something that the model says.
    pub fn assistant(content: Content<'static>) -> Self {
        Self { role: Role::Assistant, content }
    }
}

/// A prompt, filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptResult {
    messages: Vec<PromptMessage>,
    ask: Option<Ask>,
}

impl PromptResult {
    /// The messages.
    pub fn messages(messages: Vec<PromptMessage>) -> Self {
        Self { messages, ask: None }
    }

    /// More must be known first. Only for clients of 2026-07-28 or later.
    pub fn ask(ask: Ask) -> Self {
        Self { messages: Vec::new(), ask: Some(ask) }
    }

    pub(crate) fn asks(&self) -> Option<&Ask> {
        self.ask.as_ref()
    }

    pub(crate) fn write_fields(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"messages\":");
        // Writing strings to a Vec cannot fail.
        let _ = serde_json::to_writer(&mut *out, &self.messages);
    }
}

/// The arguments of a prompt by their names.
pub type PromptArguments = BTreeMap<String, String>;

/// What a prompt comes to.
pub type PromptFuture = Pin<Box<dyn Future<Output = Result<PromptResult, Failure>> + Send>>;

/// Fills a prompt in. It waits for a worker, as a queued tool does. Async functions of this shape are such prompts.
pub trait GetPrompt: Send + Sync + 'static {
    /// Begins. All required arguments are there.
    fn get(&self, context: JobContext, arguments: PromptArguments) -> PromptFuture;
}

impl<F, Fut> GetPrompt for F
where
    F: Fn(JobContext, PromptArguments) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<PromptResult, Failure>> + Send + 'static,
{
    fn get(&self, context: JobContext, arguments: PromptArguments) -> PromptFuture {
        Box::pin(self(context, arguments))
    }
}
