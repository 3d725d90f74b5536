//! The tools of a server.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use erlmcp_protocol::client::param::{self, Param};
use foldhash::fast::RandomState;

use super::arguments::Arguments;
use super::builtin;
use super::context::{CallContext, JobContext};
use super::result::ToolResult;
use super::schema;
use super::spec::{TaskSupport, ToolSpec};
use super::tool::Tool;
use crate::features::Offers;
use crate::operations::{Class, TransactionalTool};

/// A tool that is called in place, on the shard that read the request. Functions of this shape are such tools.
pub trait InlineTool: Send + Sync + 'static {
    /// Answers the call. The result may borrow from the arguments.
    fn call<'a>(&self, context: &CallContext<'_>, arguments: Arguments<'a>) -> ToolResult<'a>;
}

impl<F> InlineTool for F
where
    F: for<'a> Fn(&CallContext<'_>, Arguments<'a>) -> ToolResult<'a> + Send + Sync + 'static,
{
    fn call<'a>(&self, context: &CallContext<'_>, arguments: Arguments<'a>) -> ToolResult<'a> {
        self(context, arguments)
    }
}

/// What a queued tool is doing.
pub type JobFuture = Pin<Box<dyn Future<Output = ToolResult<'static>> + Send>>;

/// A tool that waits for a worker. Async functions of this shape are such tools.
pub trait QueuedTool: Send + Sync + 'static {
    /// Begins the call. `arguments` is the text of a JSON object; read it with [`Arguments::parse`].
    fn start(&self, context: JobContext, arguments: Box<str>) -> JobFuture;
}

impl<F, Fut> QueuedTool for F
where
    F: Fn(JobContext, Box<str>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ToolResult<'static>> + Send + 'static,
{
    fn start(&self, context: JobContext, arguments: Box<str>) -> JobFuture {
        Box::pin(self(context, arguments))
    }
}

/// A name that every client takes.
pub(crate) fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    !name.is_empty() && name.len() <= 64 && name.bytes().all(legal)
}

/// Where a tool runs.
#[derive(Clone)]
pub(crate) enum Execution {
    Inline(Arc<dyn InlineTool>),
    Queued(Arc<dyn QueuedTool>),
    Transactional(Arc<dyn TransactionalTool>),
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inline(_) => "Inline",
            Self::Queued(_) => "Queued",
            Self::Transactional(_) => "Transactional",
        })
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Registered {
    pub(crate) spec: ToolSpec,
    pub(crate) execution: Execution,
    /// Arguments that are headers too.
    pub(crate) mirrored: Vec<Param>,
}

impl Registered {
    /// How often it may run for one operation.
    pub(crate) fn class(&self) -> Class {
        match self.execution {
            Execution::Transactional(_) => Class::Transactional,
            _ if self.spec.annotations.read_only_hint => Class::ReadOnly,
            _ if self.spec.annotations.idempotent_hint => Class::Idempotent,
            _ => Class::Once,
        }
    }
}

/// Why a tool can't be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The name is empty, too long, or has a character that clients need not take.
    #[error("{0:?} is no name for a tool or a prompt: use 1 to 64 characters of A-Z a-z 0-9 _ - . /")]
    BadName(String),
    /// The name is taken.
    #[error("there is already a tool or prompt called {0:?}")]
    Taken(String),
    /// The uri of a resource, or the template of a family of them, is no good or taken.
    #[error("{0:?} is taken, or no uri or template of resources: braces pair, with a name of A-Z a-z 0-9 _ in them")]
    BadUri(String),
    /// A completer is for nothing.
    #[error("there is neither a prompt of the name nor a template of the text {0:?} to complete arguments of")]
    NothingToComplete(String),
    /// A schema doesn't describe an object.
    #[error("the input or output schema of tool {0:?} is not of \"type\": \"object\": use a struct or a map")]
    NoObject(String),
    /// Calls of a tool that is not queued can't become tasks.
    #[error("calls of tool {0:?} can't become tasks: it is no queued tool")]
    NotQueued(String),
    /// An `x-mcp-header` in the schema is no good.
    #[error("the input schema of tool {tool:?} can't be served: {why}")]
    BadHeader {
        /// The tool.
        tool: String,
        /// What is wrong.
        why: String,
    },
}

/// What a server offers: tools, resources, prompts, each in the order in which they were added. Once the server has started it
/// does not change any more.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    pub(crate) offers: Offers,
    tools: Vec<Registered>,
    /// Bounded as `tools` is, by `Limits::tools_max` when the engine starts.
    by_name: HashMap<String, usize, RandomState>,
}

impl Registry {
    /// Without tools.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the built-in tools, `echo`, `work` and `append`.
    pub fn builtin() -> Self {
        let added = Self::new()
            .inline(builtin::echo::spec(), builtin::echo::call)
            .and_then(|registry| registry.queued(builtin::work::spec(), builtin::work::call))
            .and_then(|registry| registry.transactional(builtin::append::spec(), builtin::append::call));
        added.expect("the built-in tools have good names and schemas")
    }

    /// Adds a tool whose arguments are of a type.
    ///
    /// # Errors
    /// Where the name is no good or taken, the arguments or a [`Json`](super::Json) result are no object, or calls of a tool
    /// that is not queued are to become tasks.
    pub fn tool(self, tool: Tool) -> Result<Self, RegistryError> {
        self.add(tool.spec, tool.execution)
    }

    /// Adds a tool that reads its arguments itself and is called in place: a function of microseconds that never blocks.
    /// Its arguments and its result can be borrowed, so that a call allocates nothing.
    ///
    /// # Errors
    /// Where the name or the schema is no good.
    pub fn inline(self, spec: ToolSpec, tool: impl InlineTool) -> Result<Self, RegistryError> {
        self.add(spec, Execution::Inline(Arc::new(tool)))
    }

    /// Adds a tool that reads its arguments itself and waits for a worker.
    ///
    /// # Errors
    /// Where the name or the schema is no good.
    pub fn queued(self, spec: ToolSpec, tool: impl QueuedTool) -> Result<Self, RegistryError> {
        self.add(spec, Execution::Queued(Arc::new(tool)))
    }

    /// Adds a tool whose effect is written in the same transaction as its result: see [`TransactionalTool`].
    ///
    /// # Errors
    /// Where the name or the schema is no good.
    pub fn transactional(self, spec: ToolSpec, tool: impl TransactionalTool) -> Result<Self, RegistryError> {
        self.add(spec, Execution::Transactional(Arc::new(tool)))
    }

    fn add(mut self, spec: ToolSpec, execution: Execution) -> Result<Self, RegistryError> {
        let name = spec.name.clone();
        if !is_name(&name) {
            return Err(RegistryError::BadName(name));
        }
        if !schema::is_object(&spec.input_schema) || !spec.output_schema.as_ref().is_none_or(schema::is_object) {
            return Err(RegistryError::NoObject(name));
        }
        if self.by_name.contains_key(&name) {
            return Err(RegistryError::Taken(name));
        }
        if spec.task != TaskSupport::Never && !matches!(execution, Execution::Queued(_)) {
            return Err(RegistryError::NotQueued(name));
        }
        let bad = |error: param::BadSchema| RegistryError::BadHeader { tool: name.clone(), why: error.to_string() };
        let mirrored = param::of_schema(&spec.input_schema).map_err(bad)?;
        self.by_name.insert(name, self.tools.len());
        self.tools.push(Registered { spec, execution, mirrored });
        Ok(self)
    }

    /// How many tools there are.
    pub fn len(&self) -> usize {
        self.tools.len()
    }

    /// True without tools.
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// What the tools say about themselves, in their order.
    pub fn specs(&self) -> impl Iterator<Item = &ToolSpec> {
        self.tools.iter().map(|tool| &tool.spec)
    }

    /// True where calls of some tool become tasks.
    pub(crate) fn has_tasks(&self) -> bool {
        self.specs().any(|spec| spec.task != TaskSupport::Never)
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Registered> {
        self.tools.get(*self.by_name.get(name)?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::tools::{Json, NoArguments};

    fn ok<'a>(_: &CallContext<'_>, _: Arguments<'a>) -> ToolResult<'a> {
        ToolResult::text("ok")
    }

    #[test]
    fn bad_tools_are_turned_away() {
        let spec = |name: &str, kind: &str| ToolSpec::new(name, "", json!({"type": kind}));
        let registry = Registry::new().inline(spec("a.b/c-d_1", "object"), ok).expect("a good name");
        assert_eq!(registry.len(), 1);
        assert!(registry.find("a.b/c-d_1").is_some() && registry.find("a").is_none());
        let refused = |name: &str, kind: &str| registry.clone().inline(spec(name, kind), ok).expect_err("refused");
        assert_eq!(refused("", "object"), RegistryError::BadName(String::new()));
        assert_eq!(refused("a b", "object"), RegistryError::BadName("a b".to_string()));
        assert_eq!(refused("x", "array"), RegistryError::NoObject("x".to_string()));
        assert_eq!(refused("a.b/c-d_1", "object"), RegistryError::Taken("a.b/c-d_1".to_string()));
        let list = Tool::inline("y", "", |_: NoArguments| Json(vec![1]));
        assert_eq!(registry.clone().tool(list).expect_err("refused"), RegistryError::NoObject("y".to_string()));
        let text = Tool::inline("y", "", |text: String| text);
        assert_eq!(registry.clone().tool(text).expect_err("refused"), RegistryError::NoObject("y".to_string()));
        let task = Tool::inline("y", "", |_: NoArguments| "").as_task(TaskSupport::Required);
        assert_eq!(registry.tool(task).expect_err("refused"), RegistryError::NotQueued("y".to_string()));
    }

    #[test]
    fn a_header_for_what_properties_alone_do_not_lead_to_is_turned_away() {
        let with = |schema: Value| {
            let registered = Registry::new().inline(ToolSpec::new("a", "", schema), ok);
            registered.map(|registry| registry.tools[0].mirrored.len())
        };
        let region = json!({"type": "string", "x-mcp-header": "Region"});
        assert_eq!(with(json!({"type": "object", "properties": {"region": region}})), Ok(1));
        let items = json!({"type": "array", "items": region});
        let refused = with(json!({"type": "object", "properties": {"regions": items}})).expect_err("refused");
        assert!(matches!(&refused, RegistryError::BadHeader { tool, .. } if tool == "a"), "{refused}");
    }

    #[test]
    fn the_built_in_tools_are_there() {
        let names: Vec<String> = Registry::builtin().specs().map(|spec| spec.name.clone()).collect();
        assert_eq!(names, ["echo", "work", "append"]);
    }
}
