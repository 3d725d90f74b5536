//! Verdicts: a figure, its limit and its bound, joined by the rules of the method.

use serde::Serialize;

/// One expectation and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// "sla.p95_ms": also the name by which its threshold is changed.
    pub id: String,
    /// "P95 Latency".
    pub name: String,
    /// The phase that it belongs to; None for the whole run.
    pub phase: Option<String>,
    pub threshold: Limit,
    /// In the threshold's unit; None: no data.
    pub estimate: Option<f64>,
    /// The 95 % bound of the estimate on the threshold's side; None where the figure is exact or there is none.
    pub bound: Option<f64>,
    /// Where the figure comes from.
    pub source: String,
    /// What it was made from: "6,000,000 requests".
    pub samples: u64,
    pub samples_of: String,
    pub verdict: Verdict,
    /// What to do about it.
    pub advice: Option<String>,
}

/// A limit, and whether the user changed it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limit {
    pub value: f64,
    /// "ms", "%", "req/s", "bytes", ...
    pub unit: String,
    pub comparison: Comparison,
    pub changed: bool,
}

/// How an estimate must stand to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    Fail,
    Inconclusive { reason: String },
    Skipped { reason: String },
}

/// The names, default limits and meanings of all thresholds, for `--help` and for reading a user's file.
pub fn thresholds() -> &'static [Threshold] {
    &[]
}

/// One entry of the table of thresholds.
#[derive(Debug, Clone, Copy)]
pub struct Threshold {
    pub id: &'static str,
    pub name: &'static str,
    pub default: f64,
    pub unit: &'static str,
    pub comparison: Comparison,
}
