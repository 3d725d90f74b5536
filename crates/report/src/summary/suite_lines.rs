use super::{PhaseLine, State, SummaryPhase, title};
use crate::analysis::Analysis;
use crate::suite;
use crate::verdict::{Check, Verdict};

/// One line a phase of the suite, in its order; none for other runs.
pub(super) fn lines(analysis: &Analysis, phases: &[SummaryPhase], checks: &[Check]) -> Vec<PhaseLine> {
    phases.iter().filter_map(|phase| line(analysis, phase, checks)).collect()
}

fn line(analysis: &Analysis, phase: &SummaryPhase, checks: &[Check]) -> Option<PhaseLine> {
    let of = suite::phase(analysis, &phase.name)?;
    let own: Vec<&Check> = checks.iter().filter(|check| check.phase.as_ref() == Some(&phase.name)).collect();
    let passed = own.iter().filter(|check| check.verdict == Verdict::Pass).count() as u64;
    let (verdict, line) = match &phase.state {
        State::Skipped { reason } => (Verdict::Skipped { reason: reason.clone() }, reason.clone()),
        _ => (worst(&own), (of.line)(&phase.figures)),
    };
    Some(PhaseLine { phase: phase.phase, title: title(&phase.name), verdict, passed, checks: own.len() as u64, line })
}

/// A phase without a check shows nothing.
fn worst(checks: &[&Check]) -> Verdict {
    let rank = |verdict: &Verdict| match verdict {
        Verdict::Fail => 0,
        Verdict::Inconclusive { .. } => 1,
        Verdict::Pass => 2,
        Verdict::Skipped { .. } => 3,
    };
    let worst = checks.iter().map(|check| &check.verdict).min_by_key(|verdict| rank(verdict)).cloned();
    worst.unwrap_or_else(|| Verdict::Inconclusive { reason: "nothing of it is judged".into() })
}
