use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An agent that was started elsewhere, as it was when it joined. Its rows are on the run's clock, by this offset.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JoinedRow {
    pub agent: u32,
    /// The name of its machine, as that says.
    pub host: String,
    /// Where it came from.
    pub address: String,
    pub cores: u32,
    /// Hard limit of descriptors.
    pub descriptors: u64,
    /// Its CLOCK_MONOTONIC less that of the orchestrator's machine, nanoseconds.
    pub clock_offset_ns: i64,
    /// The offset is not further from the truth than this.
    pub uncertainty_us: u64,
}

/// An agent's clock was compared again: what is left between it and the run's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockRow {
    pub agent: u32,
    pub at_us: u64,
    /// The agent's clock less the run's, by the offset that it joined with.
    pub off_us: i64,
    /// That is not further from the truth than this: half of the way there and back.
    pub uncertainty_us: u64,
}
