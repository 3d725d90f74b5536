use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{FateCounts, Hist};

/// What a request was sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Planned load: the only kind in the load's latency.
    Load,
    /// A connection's first request: the opening of a ramp, or a lost connection's first one elsewhere.
    Probe,
    /// The closing sweep: one request on every connection.
    Sweep,
    /// The baseline's sequential requests.
    Sequential,
    /// Load of the queued tool, which a scenario sends to fill the queue.
    Queued,
}

/// Requests of one second (of their *intended* time), from one agent. Rows with the same agent, block, kind,
/// class and second add up: an agent sends what changed since its last row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IntervalRow {
    pub agent: u32,
    /// 1 to the number of phases.
    pub phase: u8,
    pub block: u32,
    pub kind: Kind,
    /// Of a workload: its class as [`WorkloadRow`](crate::WorkloadRow) has them, from 1; 0: of none.
    #[serde(default, skip_serializing_if = "has_no_class")]
    pub class: u8,
    pub second: u32,
    /// Requests whose intended time is in this second.
    pub planned: u64,
    pub fates: FateCounts,
    /// Why requests were not ok, in the words of the agent ("http 500", "answer with another id"), counted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub causes: BTreeMap<String, u64>,
    /// The second in slots of 100 ms; those without a planned request are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<Slot>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_replica: Vec<ReplicaCounts>,
    /// From the intended time to the last byte of the answer. Timeouts, resets and requests that were unsent
    /// through the target are in it with at least the timeout's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Hist>,
    /// What is in `latency`, one by one, where the run was to keep that (`--raw-latencies`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub raw_latencies_us: Vec<u64>,
    /// From the actual write to the last byte of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Hist>,
    /// From the actual write to the end of the answer's head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Hist>,
    /// From the actual write to the first SSE event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_event: Option<Hist>,
    /// Actual write - max(intended, connection free).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_lag: Option<Hist>,
    /// Time since the loop's previous poll when an answer was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_lag: Option<Hist>,
    /// From a refused operation's first intended time to its final ok, where refusals are retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Hist>,
    /// Attempts beyond the first, where refusals are retried, or what failed in an outage that clients made. They are not
    /// in `planned`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u64,
    /// Those of `retries` that were due before the retry budget had room for them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held_back: u64,
    /// Refusals seen on attempts that were tried again; the operation's own fate is in `fates`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refusals: u64,
    /// Answers that nothing had asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub surplus_answers: u64,
    #[serde(default, skip_serializing_if = "Dialogue::is_empty")]
    pub dialogue: Dialogue,
}

/// What the server wanted of its clients before it gave a result. None of it is in `planned`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Dialogue {
    /// Requests of the server's that were answered, by kind: "elicitation", "sampling", "roots", "ping", "unknown".
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answered: BTreeMap<String, u64>,
    /// Those whose answer it did not take, or not in time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unanswered: u64,
    /// Rounds beyond the first of requests that were answered with `input_required`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rounds: u64,
    /// Streams that ended before their response and were gone on with by GET.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resumed: u64,
}

impl Dialogue {
    /// True where nothing was wanted.
    pub fn is_empty(&self) -> bool {
        self.answered.is_empty() && self.unanswered + self.rounds + self.resumed == 0
    }
}

impl IntervalRow {
    /// A second of which nothing is known yet.
    pub fn empty(agent: u32, phase: u8, block: u32, kind: Kind, second: u32) -> Self {
        Self {
            agent,
            phase,
            block,
            kind,
            class: 0,
            second,
            planned: 0,
            fates: FateCounts::default(),
            causes: BTreeMap::new(),
            slots: Vec::new(),
            by_replica: Vec::new(),
            latency: None,
            raw_latencies_us: Vec::new(),
            service: None,
            headers: None,
            first_event: None,
            send_lag: None,
            receive_lag: None,
            operation: None,
            retries: 0,
            held_back: 0,
            refusals: 0,
            surplus_answers: 0,
            dialogue: Dialogue::default(),
        }
    }
}

/// 100 ms of a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Slot {
    /// 0 to 9.
    pub slot: u8,
    pub planned: u64,
    pub fates: FateCounts,
}

/// The requests that were bound to one replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaCounts {
    pub replica: u16,
    pub planned: u64,
    pub fates: FateCounts,
}

/// Connections of one agent, at the end of a second and over it: one row a second while it has any. Where a
/// second comes again, its counts add up and its gauges (`open`, `renewing`, `by_replica`) replace the earlier ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionRow {
    pub agent: u32,
    pub phase: u8,
    pub second: u32,
    /// Open now: established and first request answered.
    pub open: u64,
    /// Closed by the target in order, and being opened again now.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub renewing: u64,
    /// Open now, by replica.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_replica: Vec<(u16, u64)>,
    /// Openings that the pacing planned for this second.
    pub planned: u64,
    /// Openings begun in this second, reconnects included.
    pub started: u64,
    /// Openings that ended in an open connection, reconnects included.
    pub opened: u64,
    /// Openings that took a lost connection's place.
    pub reopened: u64,
    /// Closed by us, on purpose.
    pub closed: u64,
    /// Openings that failed, by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, u64>,
    /// Open connections that were lost, by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lost: BTreeMap<String, u64>,
    /// From the opening's planned time to its first answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<Hist>,
    /// From connect to established.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub established: Option<Hist>,
    /// From established to the first answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_answer: Option<Hist>,
}

/// One replica's address lost and its connections taken elsewhere, as one agent saw it. Sent again as it
/// grows; the last row with the same agent and `episode` counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EpisodeRow {
    pub agent: u32,
    pub phase: u8,
    pub episode: u32,
    pub replica: u16,
    /// When the agent stopped using the address.
    pub detected_us: u64,
    /// "reset", "unanswered", "user_timeout"; or "reconnect": its agent closed them to open them again at once.
    pub how: String,
    /// Open connections that the agent had there.
    pub affected: u64,
    /// How many of them have had an answer elsewhere (or there again).
    pub served_again: u64,
    /// When the last of them had it; None until the first.
    pub last_served_us: Option<u64>,
}

fn has_no_class(class: &u8) -> bool {
    *class == 0
}

pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
}
