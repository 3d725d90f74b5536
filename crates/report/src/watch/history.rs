use std::collections::{BTreeSet, VecDeque};

use super::change::{self, ERRORS, Finding, LEAST};
use super::{Change, Check, Outcome};

/// Checks that are kept in memory.
const CHECKS_MAX: usize = 2_000;
/// Checks that are compared: a day of them at four an hour.
const COMPARED_MAX: usize = 96;

/// The checks so far, oldest first.
#[derive(Debug, Default)]
pub struct History {
    checks: VecDeque<Check>,
}

impl History {
    pub fn push(&mut self, check: Check) {
        if self.checks.len() == CHECKS_MAX {
            self.checks.pop_front();
        }
        self.checks.push_back(check);
    }

    pub fn last(&self) -> Option<&Check> {
        self.checks.back()
    }

    /// Those of the same watch as this one, newest first: several may share a history.
    pub fn akin(&self, check: &Check) -> impl Iterator<Item = &Check> {
        self.checks.iter().rev().filter(move |other| other.is_akin(check))
    }

    /// The newest of the same watch by which the objective was kept or violated.
    pub fn last_judged(&self, check: &Check) -> Option<&Check> {
        self.akin(check).find(|other| other.outcome == Outcome::Kept || other.is_violation())
    }

    pub fn len(&self) -> usize {
        self.checks.len()
    }

    pub fn is_empty(&self) -> bool {
        self.checks.is_empty()
    }

    /// Writes into the newest check, which is not in the history yet, what has changed or may have. A change is named
    /// once; from then on the checks since it are what the next ones are compared with.
    pub fn name_changes(&self, check: &mut Check) {
        if check.planned == 0 || check.generator {
            return;
        }
        let (mut changes, mut perhaps) = (Vec::new(), Vec::new());
        for measure in measures(check) {
            match change::find(&measure, &self.series(&measure, check)) {
                Finding::Changed(change) => changes.push(change),
                Finding::Perhaps(change) => perhaps.push(change),
                Finding::No | Finding::TooFew => {}
            }
        }
        check.changes = changes;
        check.perhaps = perhaps;
    }

    /// How many checks can be compared with the last, and how many it takes; None where there are enough.
    pub fn too_few(&self) -> Option<(usize, usize)> {
        let found = self.last().map_or(0, |last| self.checks.iter().filter(|check| check.is_like(last)).count());
        (found < 2 * LEAST).then_some((found, 2 * LEAST))
    }

    /// What was said to be possible at the check before.
    pub fn was_possible(&self, change: &Change) -> bool {
        self.last().is_some_and(|last| last.perhaps.iter().any(|before| before.measure == change.measure))
    }

    /// Checks like the newest since the last change of the measure, with the newest at the end.
    fn series<'a>(&'a self, measure: &str, newest: &'a Check) -> Vec<&'a Check> {
        let has = |check: &Check| measure == ERRORS || check.latency.contains_key(measure);
        let since = self.changed_at(measure);
        let like = self.checks.iter().skip_while(|check| since.is_some_and(|at| check.at != at));
        let mut like: Vec<&Check> = like.filter(|check| check.is_like(newest) && has(check)).collect();
        like.push(newest);
        like.split_off(like.len().saturating_sub(COMPARED_MAX))
    }

    /// When the measure was last at a new level. None where that check is no longer in memory as well.
    fn changed_at(&self, measure: &str) -> Option<&str> {
        let named = |check: &'_ Check| check.changes.iter().any(|change| change.measure == measure);
        let check = self.checks.iter().rev().find(|check| named(check))?;
        let at = check.changes.iter().find(|change| change.measure == measure).map(|change| change.at.as_str())?;
        self.checks.iter().any(|check| check.at == at).then_some(at)
    }
}

/// Every latency but the largest, which is one request's, and the errors.
fn measures(check: &Check) -> BTreeSet<String> {
    let latencies = check.latency.keys().filter(|name| *name != "max_ms").cloned();
    latencies.chain([ERRORS.to_string()]).collect()
}

/// How many checks came to what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    pub checks: u64,
    pub kept: u64,
    pub violated: u64,
    pub unreachable: u64,
    pub inconclusive: u64,
    pub failed: u64,
    /// Of all requests.
    pub planned: u64,
    pub errors: u64,
}

impl Count {
    pub fn add(&mut self, check: &Check) {
        self.checks += 1;
        self.planned += check.planned;
        self.errors += check.errors;
        *match check.outcome {
            Outcome::Kept => &mut self.kept,
            Outcome::Violated => &mut self.violated,
            Outcome::Unreachable => &mut self.unreachable,
            Outcome::Inconclusive => &mut self.inconclusive,
            Outcome::Failed => &mut self.failed,
        } += 1;
    }

    /// How the watch's process ends by what its checks came to, unless it was interrupted.
    pub fn exit_code(&self) -> crate::ExitCode {
        match self {
            Self { failed: 1.., .. } => crate::ExitCode::Error,
            Self { violated: 1.., .. } | Self { unreachable: 1.., .. } => crate::ExitCode::SlaFailed,
            Self { inconclusive: 1.., .. } => crate::ExitCode::Inconclusive,
            Self { .. } => crate::ExitCode::Pass,
        }
    }
}

#[cfg(test)]
mod tests;
