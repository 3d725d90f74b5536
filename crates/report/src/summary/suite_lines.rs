use super::scenarios::worst;
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
        // A phase without a check shows nothing.
        _ => {
            let nothing = || Verdict::Inconclusive { reason: "nothing of it is judged".into() };
            let verdict = worst(own.iter().copied()).map_or_else(nothing, |check| check.verdict.clone());
            (verdict, (of.line)(&phase.figures))
        }
    };
    Some(PhaseLine { phase: phase.phase, title: title(&phase.name), verdict, passed, checks: own.len() as u64, line })
}
