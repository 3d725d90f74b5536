use crate::plan::Capacity;

/// What a run is for: its phases follow from it.
#[derive(Debug, Clone, PartialEq)]
pub enum Purpose {
    /// The six phases of `stress`.
    Stress,
    /// The eight phases of `comprehensive`.
    Comprehensive {
        /// Connections of each step of the load scaling; empty: 1,000, 10,000 and 100,000, as far as the run's go.
        steps: Vec<u64>,
    },
    /// Faults under load.
    Chaos,
    /// A search for what the target carries.
    Capacity(Capacity),
}

impl Purpose {
    /// The command that is for it.
    pub(crate) fn command(&self) -> &'static str {
        match self {
            Purpose::Stress => "stress",
            Purpose::Comprehensive { .. } => "comprehensive",
            Purpose::Chaos => "chaos",
            Purpose::Capacity(_) => "capacity",
        }
    }

    /// What is sought; None where it is no search.
    pub(crate) fn capacity(&self) -> Option<&Capacity> {
        match self {
            Purpose::Capacity(capacity) => Some(capacity),
            _ => None,
        }
    }
}
