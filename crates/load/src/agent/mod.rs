//! The agent process: the control protocol on the main thread, the engine on its own.

mod engine_thread;
mod inbox;
mod line;
mod member;
mod misbehaving;
mod moderation;
mod process;
mod reach;
mod resources;
mod slow;
mod survey;
mod target;
mod under_way;
mod work;

use std::sync::Arc;
use std::time::Duration;

pub use reach::KeepAlive;
pub use reach::{Approach, Step, approach, page};
pub use reach::{Conversation, Courier, converse, tell};
pub use survey::{GetAnswer, Survey, survey};

/// What an agent must know before it can dial in.
#[derive(Clone)]
pub struct AgentConfig {
    /// Where the orchestrator listens: HOST:PORT.
    pub join: String,
    pub origin: AgentOrigin,
    /// What it shows at the door, asked for at each try, since files may change while it waits. `Err`: why there is nothing,
    /// as a sentence.
    pub pass: Arc<dyn Fn() -> Result<Pass, String> + Send + Sync>,
    /// Takes what is to be said to the person who started it, in lines.
    pub tell: fn(&str),
}

/// What lets an agent in.
#[derive(Clone)]
pub struct Pass {
    /// Proves to the orchestrator that this agent may come in.
    pub token: String,
    /// None: the line to the orchestrator is not encrypted.
    pub tls: Option<JoinTls>,
}

/// Who has started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentOrigin {
    /// The run itself, which tells its agents apart by this number; it ends with the process that started it.
    Run(u32),
    /// Someone else: it waits so long for an orchestrator that has room for it.
    Elsewhere(Duration),
}

/// How the line to the orchestrator is encrypted; each is PEM.
#[derive(Clone, Default)]
pub struct JoinTls {
    /// Who the orchestrator's certificate must come from.
    pub ca_pem: String,
    /// This agent's own certificate and key; None: the token alone says who it is.
    pub own: Option<(String, String)>,
}

/// Why an agent ended out of order.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("the process that started this agent is gone")]
    ParentGone,
    #[error("cannot reach the orchestrator at {join}: {what}")]
    Join { join: String, what: String },
    #[error("the orchestrator at {join} does not take this agent: {what}")]
    Refused { join: String, what: String },
    #[error("the connection to the orchestrator broke: {0}")]
    Stream(String),
    #[error("this agent was told to end while its run went on")]
    Interrupted,
    #[error("{0}")]
    Failed(String),
}

/// Joins the orchestrator and does what it says, until it says goodbye or its stream ends.
///
/// # Errors
/// Where the orchestrator cannot be reached, its stream breaks, or the engine cannot go on.
pub fn run(config: AgentConfig) -> Result<(), AgentError> {
    if matches!(config.origin, AgentOrigin::Run(_)) {
        process::die_with_parent()?;
    }
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
