//! Prompts: messages that a server has ready for a model.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::pin::Pin;

use erlmcp_protocol::era::Version;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::Failure;
use super::texts;
use crate::tools::{Ask, Content, JobContext, inlined};

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

    /// A prompt with the fields of `A` as its arguments: doc comments become their descriptions, and an `Option` or a
    /// `#[serde(default)]` need not be given. They are read with [`PromptArguments::parse`].
    pub fn of<A: JsonSchema>(name: impl Into<String>, description: impl Into<String>) -> Self {
        let schema = inlined::<A>();
        let is_required = |name: &str| {
            schema.get("required").and_then(Value::as_array).is_some_and(|names| names.iter().any(|own| own == name))
        };
        let mut spec = Self::new(name, description);
        for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let description = field.get("description").and_then(Value::as_str).unwrap_or_default();
            spec = if is_required(name) { spec.requiring(name, description) } else { spec.taking(name, description) };
        }
        spec
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

    /// More must be known first; in sessions of the older era the client is asked by a request of its own.
    pub fn ask(ask: Ask) -> Self {
        Self { messages: Vec::new(), ask: Some(ask) }
    }

    pub(crate) fn asks(&self) -> Option<&Ask> {
        self.ask.as_ref()
    }

    /// Makes it what a session of that version knows.
    pub(crate) fn fit(&mut self, version: Version) {
        self.messages.iter_mut().for_each(|message| message.content.fit(version));
    }

    pub(crate) fn write_fields(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"messages\":");
        // Writing strings to a Vec cannot fail.
        let _ = serde_json::to_writer(&mut *out, &self.messages);
    }
}

/// The arguments of a prompt by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptArguments(BTreeMap<String, String>);

impl PromptArguments {
    pub(crate) fn new(given: BTreeMap<String, String>) -> Self {
        Self(given)
    }

    /// Reads the arguments into a struct of texts, numbers, bools, enums of words, or options of such; see
    /// [`PromptSpec::of`].
    ///
    /// # Errors
    /// Which argument is missing or does not fit.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        texts::read(&self.0).map_err(|why| Failure::invalid(format!("bad arguments: {why}")))
    }
}

impl Deref for PromptArguments {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

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

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Review {
        /// What is reviewed.
        text: String,
        lines: Option<u32>,
    }

    #[test]
    fn arguments_are_those_of_a_type() {
        let spec = PromptSpec::of::<Review>("review", "Reviews a text.");
        let expected =
            PromptSpec::new("review", "Reviews a text.").taking("lines", "").requiring("text", "What is reviewed.");
        assert_eq!(spec, expected);
        let given = |lines: &str| {
            let given = [("text", "a"), ("lines", lines)].map(|(name, value)| (name.to_string(), value.to_string()));
            PromptArguments::new(given.into()).parse::<Review>()
        };
        assert_eq!(given("7"), Ok(Review { text: "a".to_string(), lines: Some(7) }));
        let why = "bad arguments: lines: \"x\" is not a whole number of this size";
        assert_eq!(given("x"), Err(Failure::invalid(why)));
    }
}
