//! What a tool says about itself.

use serde::Serialize;
use serde_json::Value;

/// What a client may assume about a tool's effects. The defaults are the specification's: the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Annotations {
    /// Changes nothing.
    pub read_only_hint: bool,
    /// May destroy something; means nothing for a read-only tool.
    pub destructive_hint: bool,
    /// A second call with the same arguments changes nothing more.
    pub idempotent_hint: bool,
    /// Talks to the world outside.
    pub open_world_hint: bool,
}

impl Default for Annotations {
    fn default() -> Self {
        Self { read_only_hint: false, destructive_hint: true, idempotent_hint: false, open_world_hint: true }
    }
}

impl Annotations {
    /// A tool that only looks, here.
    pub const READ_ONLY: Self =
        Self { read_only_hint: true, destructive_hint: false, idempotent_hint: true, open_world_hint: false };
}

/// What a tool says about itself in `tools/list`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolSpec {
    /// 1 to 64 characters of `A-Z a-z 0-9 _ - . /`.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For the model.
    pub description: String,
    /// JSON Schema of the arguments: an object schema.
    pub input_schema: Value,
    /// JSON Schema of the structured content of its results: an object schema. None where they have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// Its effects.
    pub annotations: Annotations,
    /// Capabilities that a client of 2026-07-28 or later must declare to call it.
    #[serde(skip)]
    pub needs: Vec<String>,
    /// Whether a call of it becomes a task.
    #[serde(skip)]
    pub task: TaskSupport,
}

/// Whether calls of a queued tool become tasks: answered at once, and asked after until they are done. It takes a client
/// that knows the extension `io.modelcontextprotocol/tasks`, and says so in its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskSupport {
    /// Never.
    #[default]
    Never,
    /// Where the client knows tasks; for others the call is answered when it is done.
    Optional,
    /// Always: a client that knows no tasks can't call it. In sessions of the older era it is answered when it is done.
    Required,
    /// As with `Required`, once the client has answered the questions that the tool asks first.
    AfterQuestions,
}

impl ToolSpec {
    /// A tool without a title that may do anything.
    pub fn new(name: impl Into<String>, description: impl Into<String>, input_schema: Value) -> Self {
        Self {
            name: name.into(),
            title: None,
            description: description.into(),
            input_schema,
            output_schema: None,
            annotations: Annotations::default(),
            needs: Vec::new(),
            task: TaskSupport::Never,
        }
    }

    /// The same with other annotations.
    pub fn annotated(self, annotations: Annotations) -> Self {
        Self { annotations, ..self }
    }

    /// The same, and one more capability of the client, such as "sampling", without which it can't be called.
    pub fn needing(mut self, capability: impl Into<String>) -> Self {
        self.needs.push(capability.into());
        self
    }

    /// The same, whose calls become tasks. Only for queued tools.
    pub fn as_task(self, task: TaskSupport) -> Self {
        Self { task, ..self }
    }

    /// The same with a title.
    pub fn titled(self, title: impl Into<String>) -> Self {
        Self { title: Some(title.into()), ..self }
    }
}
