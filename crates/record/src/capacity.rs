use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a search for a target's capacity was about, tried and found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum CapacityRow {
    /// Once, before the first trial.
    Asked(CapacityAsked),
    /// After each trial.
    Trial(TrialRow),
    /// After each search.
    Limit(LimitRow),
}

/// What is sought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapacityAsked {
    /// As it was typed: "p99<100ms,errors<0.05%".
    pub slo: String,
    /// How wide an answer's interval may be, as a share of its lower end.
    pub precision: f64,
    /// Servers behind the target's addresses, all of which were loaded.
    pub replicas: u32,
    /// None in the records of earlier builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<SearchBounds>,
    /// Requests a second that are wanted in the end, and connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<(f64, u64)>,
}

/// What a search may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchBounds {
    /// No more requests a second are tried; None: the most of them are not sought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_rate: Option<u64>,
    /// The same of connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_connections: Option<u64>,
    /// Judged seconds of a trial, at least, and those before them.
    pub trial_s: u32,
    pub warmup_s: u32,
}

/// What is made larger and smaller in a search; the other one is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Requests a second.
    Rate,
    Connections,
}

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrialOutcome {
    /// The objective held, on all connections.
    Held,
    /// The target did not keep it.
    Violated,
    /// The generator, not the target, could not.
    Generator,
    /// It was ended before it could show anything.
    Cut,
}

/// One load of some seconds at one rate and number of connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrialRow {
    /// From 1.
    pub search: u32,
    /// From 1, in its search.
    pub trial: u32,
    pub connections: u64,
    /// Requests a second that were offered.
    pub rate: f64,
    /// The seconds that are judged: from this one up to, not with, `to`.
    pub from: u32,
    pub to: u32,
    pub outcome: TrialOutcome,
    /// What was past its limit, or why nothing can be said; empty where all was well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Requests of the judged seconds.
    pub planned: u64,
    pub errors: u64,
    /// Of the judged seconds, by name: "p99_ms".
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub latency: BTreeMap<String, f64>,
    /// The fewest connections that were open in a judged second.
    pub connections_min: u64,
}

/// Why a search ended where it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitBy {
    /// The target's limit was found.
    Target,
    /// The generator is at its limit before the target.
    Generator,
    /// The most that was to be tried held.
    Most,
    /// Not even the least that was to be tried held.
    Least,
    /// The trials at the edge contradict each other too much for an answer that is as narrow as asked for.
    Noise,
    /// After more than it bears the target did not become steady again.
    Unsettled,
    /// It was ended early.
    Cut,
}

/// What one search has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitRow {
    /// From 1.
    pub search: u32,
    pub axis: Axis,
    /// What was fixed: connections where the axis is the rate, requests a second where it is connections.
    pub fixed: f64,
    pub by: LimitBy,
    /// The most that the target carries; None where only a bound of it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<f64>,
    /// The 95 % interval of the estimate; without one, the most that held and the least that did not.
    pub low: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    pub trials: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}
