//! The MCP server engine and the supervised cluster of it, as a library: a server with tools, resources and prompts of
//! your own, which speaks every revision of the protocol from 2025-03-26 to 2026-07-28 on one endpoint, `/mcp`.
//!
//! ```no_run
//! use erlmcp_server::tools::Tool;
//! use erlmcp_server::{Registry, Server, ServerConfig};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Greeting {
//!     /// Who is greeted.
//!     name: String,
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let greet = Tool::inline("greet", "Greets somebody.", |greeting: Greeting| format!("Hello, {}!", greeting.name));
//!     let registry = Registry::new().tool(greet)?;
//!     let server = Server::listen("127.0.0.1:8080".parse()?, ServerConfig::of(registry))?;
//!     server.join();
//!     Ok(())
//! }
//! ```
//!
//! - **Tools** ([`tools`]): the arguments are a struct, whose JSON Schema is derived. [`tools::Tool::inline`] is called
//!   in place, for what takes microseconds; [`tools::Tool::queued`] is an async function that waits in a bounded queue
//!   for a worker, and can report progress, log, look at its deadline, and ask the user
//!   ([`tools::JobContext::ask`]). What a tool answers is [`tools::ToolOutput`]: text, several pieces of
//!   [`tools::Content`], [`tools::Json`] with a schema of its own, or a `Result` of these.
//! - **Resources and prompts** ([`features`]): async functions too. [`Registry::resource`] adds one resource,
//!   [`Registry::template`] a family of them, [`Registry::prompt`] a prompt, [`Registry::completing`] completion.
//! - **Changes**: [`tools::JobContext::notifier`] and [`Server::notifier`] tell subscribers that a resource or a list is
//!   another one.
//! - **Its name**: [`ServerInfo`], in [`ServerConfig::info`].
//! - **Who calls**: [`tools::JobContext::principal`] and [`tools::CallContext::principal`], where [`ServerConfig::entry`] asks for tokens.
//! - **Handlers that share something** are made with [`with`].
//! - **Limits**: everything is bounded, and each bound is a field of [`Limits`]. A full queue refuses at once.
//!
//! `docs/library.md` of the repository has what is easily missed: an orderly end, code that blocks, who may reach a server.
//! The examples of this crate are whole servers: `hello`, `jobs`, `notes`, and `cluster`, a [`cluster`] of one's own
//! tools. `schemars` is exported, so that the derive of the same version is at hand: add
//! `#[schemars(crate = "erlmcp_server::schemars")]` to a type to use that one.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod answer;
mod clock;
pub mod cluster;
mod conn;
mod dispatch;
mod engine;
mod entry;
pub mod features;
#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(all(test, not(fuzzing)))]
mod fuzzing;
#[doc(hidden)]
pub mod hot;
#[cfg(test)]
#[path = "../../erlmcp/tests/it/lacking.rs"]
mod lacking;
mod limits;
mod metrics;
pub mod operations;
mod outgoing;
mod queue;
mod random;
mod session;
mod shard;
mod sharing;
mod tasks;
mod telemetry;
pub mod tools;

pub use answer::ServerInfo;
pub use engine::{Change, ClusterPages, Drained, Listening, Notifier, Server, ServerConfig, ServerError, bind};
pub use entry::{EntryConfig, EntryError, JwtConfig, TlsFiles, new_token};
pub use limits::{LimitRow, Limits};
pub use metrics::{
    ClusterReference, ComponentFigures, ConnectionCounts, Histogram, LimitCount, LimitValue, Memory, OperationCount,
    OperationFigures, PrincipalFigures, QueueFigures, RequestCount, ShardFigures, Share, ShortHistogram, Snapshot,
    State, TelemetryFigures, TlsFigures, bounds_us, metric_families, short_bounds_ns,
};
pub use schemars;
pub use session::SessionKey;
pub use sharing::with;
pub use telemetry::TelemetryConfig;
pub use tools::Registry;
