use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::interval::is_zero;

/// Clients of one agent that were wrong on purpose in one way, since their block began: the last row of an agent, block and
/// way counts. Each has a connection of its own, which is none of the N, and nothing that they do is in another row.
/// `done` = `refused` + `taken` + `cut` + `unanswered` + `left` + `not_connected`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MisbehavingRow {
    pub agent: u32,
    pub phase: u8,
    pub block: u32,
    /// As the workload names it: "half_request".
    pub way: String,
    pub clients: u64,
    /// Times that they did so.
    pub done: u64,
    /// Answered with an error.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused: u64,
    /// Answered as if nothing was wrong.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub taken: u64,
    /// The target ended the connection without an answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut: u64,
    /// No answer came within the request's timeout.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unanswered: u64,
    /// The client went away by itself, or the target bore it until the load was over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_connected: u64,
    /// The longest that the target bore one before it ended the connection; None where it ended none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_cut_us: Option<u64>,
}
