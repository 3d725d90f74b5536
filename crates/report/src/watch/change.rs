use serde::{Deserialize, Serialize};

use super::Check;
use crate::stats::{Shift, level_shift, share_shift};

/// The name of the share of errors among the measures.
pub(super) const ERRORS: &str = "errors";

/// Checks before and after a change, at least: one or two bad ones are an accident.
pub(super) const LEAST: usize = 3;
/// A change is named where chance would make one like it in at most one of so many checks.
const SURE: f64 = 1e-4;
/// Below this it is said that there may be one.
const PERHAPS: f64 = 0.01;
/// A latency that changes by less is of no interest, however sure that is.
const RATIO_MIN: f64 = 1.1;

/// A new level of one figure, from some check on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// "p95_ms", "errors".
    pub measure: String,
    /// When the first check at the new level began.
    pub at: String,
    /// The old level and the new: geometric means of milliseconds, or errors as a share of 1.
    pub from: f64,
    pub to: f64,
    /// The chance of such a difference, at any of these checks, in a server that never changed: at most so much.
    pub p: f64,
    /// Checks at the old level and at the new.
    pub before: u64,
    pub since: u64,
}

/// What a series of checks shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    Changed(Change),
    /// Too likely to be chance to be told as a change, too unlikely to be told as none.
    Perhaps(Change),
    No,
    /// Fewer checks than it takes to tell.
    TooFew,
}

/// Looks for the most likely change of one measure in checks of the same load, oldest first.
pub(super) fn find(measure: &str, checks: &[&Check]) -> Finding {
    let shift = if measure == ERRORS { errors(checks) } else { latency(measure, checks) };
    let Some(shift) = shift else { return Finding::TooFew };
    let is_large = measure == ERRORS || (shift.after / shift.before).max(shift.before / shift.after) >= RATIO_MIN;
    let change = || Change {
        measure: measure.into(),
        at: checks[shift.at].at.clone(),
        from: shift.before,
        to: shift.after,
        p: shift.p,
        before: shift.at as u64,
        since: (checks.len() - shift.at) as u64,
    };
    match shift.p {
        p if p < SURE && is_large => Finding::Changed(change()),
        p if p < PERHAPS && is_large => Finding::Perhaps(change()),
        _ => Finding::No,
    }
}

fn errors(checks: &[&Check]) -> Option<Shift> {
    let counts: Vec<(u64, u64)> = checks.iter().map(|check| (check.errors, check.planned)).collect();
    share_shift(&counts, LEAST)
}

/// Of the logarithms: latencies spread by a factor, and change by one.
fn latency(measure: &str, checks: &[&Check]) -> Option<Shift> {
    // The histogram's least step is a microsecond.
    let log = |check: &&Check| check.latency.get(measure).map(|ms| ms.max(0.001).ln());
    let logs: Vec<f64> = checks.iter().map(log).collect::<Option<_>>()?;
    let shift = level_shift(&logs, LEAST)?;
    Some(Shift { before: shift.before.exp(), after: shift.after.exp(), ..shift })
}
