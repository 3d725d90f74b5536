use erlmcp_record::JournalError;

/// Why a run did not come to a report. Each is one sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StressError {
    /// What was asked for cannot be run (exit code 2).
    #[error("{0}")]
    Usage(String),
    /// The same, and it is the target's own answer that says so (exit code 2).
    #[error("{0}")]
    Lacking(String),
    /// It could be run, but not here and now (exit code 1).
    #[error("{0}")]
    Failed(String),
    /// The same, and it is the target's: nobody answers there, or not in MCP.
    #[error("{0}")]
    Unreachable(String),
    /// Stopped by the user before anything was measured (exit code 105).
    #[error("interrupted before the first phase; nothing was measured")]
    Interrupted,
}

impl StressError {
    /// The exit code that method.md gives to it.
    pub fn exit_code(&self) -> u8 {
        match self {
            StressError::Usage(_) | StressError::Lacking(_) => 2,
            StressError::Failed(_) | StressError::Unreachable(_) => 1,
            StressError::Interrupted => 105,
        }
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        StressError::Usage(what.into())
    }

    pub(crate) fn failed(what: impl Into<String>) -> Self {
        StressError::Failed(what.into())
    }
}

impl From<JournalError> for StressError {
    fn from(error: JournalError) -> Self {
        StressError::Failed(error.to_string())
    }
}
