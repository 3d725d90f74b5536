//! Tools: what they are, what they are given, what they answer.

mod arguments;
mod ask;
mod asked;
pub(crate) mod builtin;
mod caller;
mod content;
mod context;
mod form;
mod output;
mod registry;
mod result;
mod schema;
mod spec;
mod tool;

pub use arguments::Arguments;
pub use ask::Ask;
pub use caller::LogLevel;
pub use content::{Content, ResourceContents, ResourceData, ResourceLink};
pub use context::{CallContext, Cancellation, JobContext};
pub use output::{Json, ToolError, ToolOutput};
pub use registry::{InlineTool, JobFuture, QueuedTool, Registry, RegistryError};
pub use result::ToolResult;
pub use spec::{Annotations, TaskSupport, ToolSpec};
pub use tool::{NoArguments, Tool};

pub(crate) use ask::capabilities;
pub(crate) use caller::{Caller, has_capability};
pub(crate) use registry::{Execution, is_name};
pub(crate) use schema::inlined;
