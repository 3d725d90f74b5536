//! Tools: what they are, what they are given, what they answer.

mod arguments;
mod ask;
pub(crate) mod builtin;
mod caller;
mod content;
mod context;
mod mirrored;
mod registry;
mod result;
mod spec;

pub use arguments::Arguments;
pub use ask::Ask;
pub use caller::LogLevel;
pub use content::{Content, ResourceContents, ResourceData, ResourceLink};
pub use context::{CallContext, Cancellation, JobContext};
pub use registry::{InlineTool, JobFuture, QueuedTool, Registry, RegistryError};
pub use result::ToolResult;
pub use spec::{Annotations, ToolSpec};

pub(crate) use ask::capabilities;
pub(crate) use caller::{Caller, has_capability};
pub(crate) use mirrored::Mirrored;
pub(crate) use registry::{Execution, is_name};
