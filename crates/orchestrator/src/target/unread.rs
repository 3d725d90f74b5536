/// Why a target's page of metrics is not read, as a part of a sentence about the target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    #[error("its page of metrics asks for a token that the run was not given (HTTP {0})")]
    Guarded(u16),
    #[error("it has no page of metrics (HTTP {0})")]
    Missing(u16),
    #[error("its page of metrics is not in the format of Prometheus")]
    Otherwise,
    #[error("its page of metrics does not come: {0}")]
    Silent(String),
}
