//! Verdicts: a figure, its limit and its bound, joined by the rules of the method.

mod asserted;
mod baseline;
mod capacity;
mod cool_down;
pub(crate) mod doubt;
mod entry;
mod estimate;
mod evidence;
mod faults;
mod judge;
mod load;
mod performance;
mod ramp;
mod recovery;
pub(crate) mod requests;
mod sla;
mod storms;
mod sustained;
mod text;
mod threshold;
mod whole_run;
mod workload;

use serde::Serialize;

pub(crate) use baseline::{latency, reachable};
pub(crate) use doubt::proxy as proxy_was_busy;
pub(crate) use doubt::{lag, too_few_beyond, unsent};
pub use entry::{entries, entry};
pub(crate) use estimate::Estimate;
pub(crate) use evidence::Evidence;
pub(crate) use faults::{failures, of_faults, verdict_of};
pub(crate) use judge::{Judge, checks, invalid, left_out_phase, offers_tools, scenario_checks, skipped_phase};
pub(crate) use load::Load;
pub(crate) use performance::crashes;
pub(crate) use recovery::{audited, longest, times, unwanted};
pub(crate) use sla::memory_source;
pub(crate) use storms::attempts;
pub(crate) use sustained::{CONNECTION_ERRORS, SERVER_ERRORS, TIMEOUTS, enter as enter_sustained, few_samples};
pub(crate) use threshold::row;
pub use threshold::{Threshold, suite_thresholds, threshold, thresholds};

/// One expectation and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    /// How many of what it was made from.
    pub samples: u64,
    /// "requests", "seconds", "slots of 100 ms".
    pub samples_of: String,
    pub verdict: Verdict,
    /// What to do about it where it failed; what an inconclusive one needs is in its reason.
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

impl Comparison {
    /// "<", "<=", ">", ">=".
    pub fn sign(self) -> &'static str {
        match self {
            Comparison::Below => "<",
            Comparison::AtMost => "<=",
            Comparison::Above => ">",
            Comparison::AtLeast => ">=",
        }
    }

    /// True where a value that stands so to the limit keeps it.
    pub(crate) fn holds(self, standing: std::cmp::Ordering) -> bool {
        match self {
            Comparison::Below => standing.is_lt(),
            Comparison::AtMost => standing.is_le(),
            Comparison::Above => standing.is_gt(),
            Comparison::AtLeast => standing.is_ge(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    Fail,
    Inconclusive { reason: String },
    Skipped { reason: String },
}

impl Verdict {
    /// Why it is neither a pass nor a fail.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Verdict::Inconclusive { reason } | Verdict::Skipped { reason } => Some(reason),
            Verdict::Pass | Verdict::Fail => None,
        }
    }
}
