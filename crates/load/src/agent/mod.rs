//! The agent process: the control protocol on the main thread, the engine on its own.

mod engine_thread;
mod line;
mod member;
mod misbehaving;
mod process;
mod reach;
mod resources;
mod slow;
mod survey;
mod target;
mod under_way;
mod work;

use std::net::SocketAddr;

pub use reach::KeepAlive;
pub use reach::{Approach, Step, approach};
pub use reach::{Conversation, converse, tell};
pub use survey::{GetAnswer, Survey, survey};

/// What an agent must know before it can dial in.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// Where the orchestrator listens.
    pub join: SocketAddr,
    /// Tells the agents of one machine apart.
    pub index: u32,
    /// Proves to the orchestrator that this agent is its own.
    pub token: String,
}

/// Why an agent ended out of order.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("the process that started this agent is gone")]
    ParentGone,
    #[error("cannot reach the orchestrator at {join}: {what}")]
    Join { join: SocketAddr, what: String },
    #[error("the connection to the orchestrator broke: {0}")]
    Stream(String),
    #[error("{0}")]
    Failed(String),
}

/// Joins the orchestrator and does what it says, until it says goodbye or its stream ends.
///
/// # Errors
/// Where the orchestrator cannot be reached, its stream breaks, or the engine cannot go on.
pub fn run(config: AgentConfig) -> Result<(), AgentError> {
    process::die_with_parent()?;
    let descriptors_limit = process::raise_descriptors();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| AgentError::Failed(format!("the agent's main thread cannot be set up: {error}")))?;
    let result = runtime.block_on(member::take_part(&config, descriptors_limit));
    // A probe of a target that hangs must not keep the process.
    runtime.shutdown_background();
    result
}
