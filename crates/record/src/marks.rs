use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Kind;

/// Figures by name: milliseconds, counts and shares, each named with its unit at the end (`detected_ms`).
pub type Detail = BTreeMap<String, f64>;

/// A phase began, ended or was skipped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseRow {
    /// 1 to the number of phases.
    pub phase: u8,
    /// As in the plan: "baseline", "ramp_up", "sustained_load", "failure_recovery",
    /// "performance_scenarios", "cool_down".
    pub name: String,
    pub event: PhaseEvent,
    pub at_us: u64,
    /// How long the plan said that it takes.
    pub estimated_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhaseEvent {
    Started,
    Ended,
    Skipped { reason: Skip },
}

/// Why something was not run, as a sentence for the user.
pub type Skip = String;

/// A block of requests given to one agent. `planned` is what the agent answered, so that the requests of an
/// agent that died are known to the ledger; the last row of an agent and a block counts (a block cut short
/// plans less).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockRow {
    pub agent: u32,
    pub phase: u8,
    pub block: u32,
    pub kind: Kind,
    /// What it is for, in words: "sustained load", "burst".
    pub name: String,
    pub planned: u64,
    pub start_us: u64,
    pub duration_us: u64,
    /// Requests a second offered by this agent; 0 where the block is not paced.
    pub rate: f64,
    /// The agent ended (or died) without having reported the fates of all that was planned.
    #[serde(default)]
    pub lost: bool,
}

/// A replica went out of its cluster's membership, or came back, as the cluster says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MembershipRow {
    pub replica: u16,
    /// When it did, by the cluster's own clock reading.
    pub at_us: u64,
    /// It is a member from then on.
    pub member: bool,
}

/// One injected fault and what was seen of it. Written again as it goes on; the last row of an `id` counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultRow {
    pub id: u32,
    pub phase: u8,
    /// "node_failure", "network_partition", "queue_overflow", "faults".
    pub scenario: String,
    /// What was done: "SIGKILL of the process", "packets of 127.0.0.12 dropped by nftables".
    pub method: String,
    /// "kill", "partition", "loss", ...; empty where the scenario says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The first of its targets; None: it is about no single replica.
    pub replica: Option<u16>,
    /// All of its targets, where they are more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<u16>,
    pub injected_us: u64,
    /// When its effect was observed (process gone, packets dropped): t0 of the recovery figures.
    pub effect_us: Option<u64>,
    /// The cluster's own `down_since` for the replica.
    pub cluster_detected_us: Option<u64>,
    /// When the fault was undone by us, where it needs undoing.
    pub healed_us: Option<u64>,
    /// When the undoing was seen to have worked.
    pub heal_verified_us: Option<u64>,
    /// When the replica answered /ready again on its own address; the last of several.
    pub ready_us: Option<u64>,
    /// It has no /ready that could be asked, so nothing is expected of it there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ready_unknown: bool,
    /// When the load was seen to be as before it; None: not seen, or not looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady_us: Option<u64>,
    /// What is expected of it, for the verdict; empty where the scenario says it.
    #[serde(default, skip_serializing_if = "Expected::is_empty")]
    pub expected: Expected,
    /// Why it was not injected, as a sentence; None where it was, or was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skip>,
    /// Why it shows nothing though it had an effect, as a sentence: it was undone before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inconclusive: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Its own figures.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: Detail,
}

/// What a fault of a kind must show beyond its effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expected {
    /// The cluster puts its targets out of membership.
    #[serde(default)]
    pub detected: bool,
    /// It has to be undone, and that has to be seen.
    #[serde(default)]
    pub healed: bool,
    /// Requests go on to succeed while it is in force.
    #[serde(default)]
    pub progress: bool,
    /// No request is lost or refused by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lossless: bool,
    /// Clients make it, and lose connections to any replica.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clients: bool,
}

impl Expected {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl FaultRow {
    /// All of its targets.
    pub fn targets(&self) -> Vec<u16> {
        if self.replicas.is_empty() { self.replica.into_iter().collect() } else { self.replicas.clone() }
    }

    /// It was done to the store of operations, and to no replica.
    pub fn is_of_store(&self) -> bool {
        self.kind.starts_with("store_")
    }

    /// It has targets that are to be ready again, and can say so.
    pub fn awaits_ready(&self) -> bool {
        self.replica.is_some() && !self.ready_unknown
    }

    pub fn hits(&self, replica: u16) -> bool {
        self.replica == Some(replica) || self.replicas.contains(&replica)
    }
}

/// The facts of one scenario. What they mean is the report's business.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioRow {
    pub phase: u8,
    /// "node_failure", "network_partition", "queue_overflow", "ramp_up", "sustained_load", "burst_traffic",
    /// "gradual_cooldown".
    pub name: String,
    pub started_us: u64,
    pub ended_us: u64,
    /// Why it was not run; None where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skip>,
    /// Why what it shows cannot be judged ("no refusal was seen"); None where it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inconclusive: Option<String>,
    /// The faults (by id) that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<u32>,
    /// The blocks (by id) that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: Detail,
}

/// One named figure of a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FindingRow {
    pub phase: u8,
    pub at_us: u64,
    /// With its unit at the end: "health_ms", "cold_request_ms", "leftover_processes_count".
    pub name: String,
    /// None: could not be found out; `note` says why.
    pub value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The agent that it is about; None: it is about the whole phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<u32>,
}
