use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Hist;
use crate::interval::is_zero;

/// Streams of notifications of one agent, at the end of a second and over it: one row a second from when it is told
/// to hold some until they are closed. They are in no other row. Where a second comes again, its counts add up and its
/// gauges (`held`, `by_replica`) replace the earlier ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StreamRow {
    pub agent: u32,
    pub phase: u8,
    pub second: u32,
    /// Acknowledged and open now. A GET stream of the older era is acknowledged by the head of its answer.
    pub held: u64,
    /// Held now, by replica.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_replica: Vec<(u16, u64)>,
    /// Openings that the pacing planned for this second.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub planned: u64,
    /// Openings that were acknowledged, reopenings included.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub acknowledged: u64,
    /// Openings that took the place of a stream that was lost or had ended.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reopened: u64,
    /// Held streams that the server has ended in order: with their result, of the older era with their last chunk.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ended: u64,
    /// Closed by us, on purpose.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub closed: u64,
    /// Notifications of a change.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub events: u64,
    /// Changes that streams told of more often than they were made: of each stream, what it told since the first change that it was held
    /// over, less the changes since then. Counted when it ends. None in the records of earlier builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surplus: Option<u64>,
    /// Notifications of a change that said they were of another stream; they are not among `events`. None in the records of earlier builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strayed: Option<u64>,
    /// Comments, which keep a stream from looking dead.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub keep_alives: u64,
    /// Openings that failed, by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, u64>,
    /// Held streams that were cut, by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lost: BTreeMap<String, u64>,
    /// From the moment in which a held stream was cut or had ended to its acknowledgement again: one value for each that
    /// came back in this second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<Hist>,
    /// From the opening's planned time to its acknowledgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<Hist>,
}

/// A change that was made on the target, for its streams to tell of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeRow {
    pub phase: u8,
    /// From 1.
    pub change: u32,
    /// When it was asked for.
    pub at_us: u64,
    /// Streams have so long to tell of it.
    pub bound_us: u64,
    /// "notify on the cluster's control socket", "tools/call NAME".
    pub method: String,
    /// Why it was not made; None where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// What became of one change on the streams of one agent. `streams` = `heard` + `missed` + `lost`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FanOutRow {
    pub agent: u32,
    pub phase: u8,
    pub change: u32,
    /// Held since before the change.
    pub streams: u64,
    /// Those that told of it within the bound.
    pub heard: u64,
    /// Those that did not, and were still held.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
    /// Those that were lost, or ended, before they told of it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
    /// When the last of them told of it; None where none did.
    pub last_us: Option<u64>,
    /// From the change to each stream's event, as the agent read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Hist>,
    /// Time since the loop's previous poll when an event was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_lag: Option<Hist>,
}
