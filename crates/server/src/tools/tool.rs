//! Tools whose arguments are of a type: the schema follows from it.

use std::marker::PhantomData;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::arguments::Arguments;
use super::context::{CallContext, JobContext};
use super::output::ToolOutput;
use super::registry::{Execution, InlineTool, JobFuture, QueuedTool};
use super::result::ToolResult;
use super::schema;
use super::spec::{Annotations, TaskSupport, ToolSpec};

/// A tool: what it says about itself, and what it does. Its arguments are of a type `A`, from which their schema is
/// derived: doc comments become descriptions, an `Option` or a `#[serde(default)]` may be left out. Arguments that are
/// not of the type never reach the tool; the caller is told which one is wrong. What a tool may answer is
/// [`ToolOutput`].
///
/// ```
/// use erlmcp_server::Registry;
/// use erlmcp_server::tools::{Annotations, Tool};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Greeting {
///     /// Who is greeted.
///     name: String,
/// }
///
/// let greet = Tool::inline("greet", "Greets somebody.", |greeting: Greeting| format!("Hello, {}!", greeting.name));
/// assert_eq!(greet.spec().input_schema["properties"]["name"]["description"], "Who is greeted.");
/// let registry = Registry::new().tool(greet.titled("Greet").annotated(Annotations::READ_ONLY))?;
/// assert_eq!(registry.len(), 1);
/// # Ok::<(), erlmcp_server::tools::RegistryError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tool {
    pub(super) spec: ToolSpec,
    pub(super) execution: Execution,
}

impl Tool {
    /// A tool that is called in place, on the thread that serves its connection and many others: a function of
    /// microseconds that never blocks. Whatever takes longer is [`Tool::queued`].
    pub fn inline<A, R>(
        name: impl Into<String>,
        description: impl Into<String>,
        tool: impl Fn(A) -> R + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + 'static,
        R: ToolOutput + 'static,
    {
        let execution = Execution::Inline(Arc::new(Typed { tool, types: PhantomData::<fn(A) -> R> }));
        Self { spec: spec::<A, R>(name.into(), description.into()), execution }
    }

    /// A tool that waits in the queue for a worker: an async function, which may take its time, report progress and ask
    /// the user; see [`JobContext`]. When its caller cancels or goes, or its time is over, it is dropped where it waits.
    pub fn queued<A, Fut>(
        name: impl Into<String>,
        description: impl Into<String>,
        tool: impl Fn(JobContext, A) -> Fut + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + 'static,
        Fut: Future<Output: ToolOutput> + Send + 'static,
    {
        let execution = Execution::Queued(Arc::new(Typed { tool, types: PhantomData::<fn(A) -> Fut> }));
        Self { spec: spec::<A, Fut::Output>(name.into(), description.into()), execution }
    }

    /// The same with a title, for people.
    pub fn titled(self, title: impl Into<String>) -> Self {
        Self { spec: self.spec.titled(title), ..self }
    }

    /// The same with other hints at its effects than the worst, which are the default.
    pub fn annotated(self, annotations: Annotations) -> Self {
        Self { spec: self.spec.annotated(annotations), ..self }
    }

    /// The same, and one more capability of the client, such as "elicitation", without which it can't be called.
    pub fn needing(self, capability: impl Into<String>) -> Self {
        Self { spec: self.spec.needing(capability), ..self }
    }

    /// The same, whose calls become tasks. Only for queued tools.
    pub fn as_task(self, task: TaskSupport) -> Self {
        Self { spec: self.spec.as_task(task), ..self }
    }

    /// What it says about itself.
    pub fn spec(&self) -> &ToolSpec {
        &self.spec
    }
}

fn spec<A: JsonSchema, R: ToolOutput>(name: String, description: String) -> ToolSpec {
    let spec = ToolSpec::new(name, description, schema::of_arguments::<A>());
    ToolSpec { output_schema: R::output_schema(), ..spec }
}

/// No arguments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct NoArguments {}

/// A function, and what it is a function of.
struct Typed<F, T> {
    tool: F,
    types: PhantomData<T>,
}

impl<A, R, F> InlineTool for Typed<F, fn(A) -> R>
where
    A: DeserializeOwned + 'static,
    R: ToolOutput + 'static,
    F: Fn(A) -> R + Send + Sync + 'static,
{
    fn call<'a>(&self, _: &CallContext<'_>, arguments: Arguments<'a>) -> ToolResult<'a> {
        match arguments.parse() {
            Ok(arguments) => (self.tool)(arguments).into_result(),
            Err(bad) => bad,
        }
    }
}

impl<A, Fut, F> QueuedTool for Typed<F, fn(A) -> Fut>
where
    A: DeserializeOwned + 'static,
    Fut: Future<Output: ToolOutput> + Send + 'static,
    F: Fn(JobContext, A) -> Fut + Send + Sync + 'static,
{
    fn start(&self, context: JobContext, arguments: Box<str>) -> JobFuture {
        match Arguments::new(&arguments).parse() {
            Ok(arguments) => {
                let doing = (self.tool)(context, arguments);
                Box::pin(async { doing.await.into_result() })
            }
            Err(bad) => Box::pin(std::future::ready(bad)),
        }
    }
}
