//! The agent process: the control protocol on the main thread, the engine on its own.

use std::net::SocketAddr;

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
    Err(AgentError::Join { join: config.join, what: "not built yet".into() })
}
