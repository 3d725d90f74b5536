use erlmcp_record::Ended;

use super::{
    Finish, LedgerLine, REPORT_VERSION, Summary, SummaryPhase, faults, generator, numbers, phases, readiness,
    suite_lines, timeline,
};
use crate::analysis::Analysis;
use crate::facts::Facts;
use crate::verdict;

/// The view model, from what is known now.
pub(crate) fn build(analysis: &Analysis) -> Summary {
    let facts = Facts::of(analysis);
    let checks = verdict::checks(analysis, &facts);
    let phases: Vec<SummaryPhase> = timeline::planned(analysis)
        .into_iter()
        .map(|(phase, name)| SummaryPhase {
            phase,
            state: timeline::state(analysis, phase, &name),
            figures: phases::figures(analysis, &facts, phase, &name),
            scenarios: super::scenarios::results(analysis, &facts, &checks, phase),
            name,
        })
        .collect();
    let suite = suite_lines::lines(analysis, &phases, &checks);
    let listed = faults::lines(analysis, &facts);
    let within = readiness::skipped_within(&suite, &phases, &listed);
    Summary {
        report_version: REPORT_VERSION,
        run: analysis.header.clone(),
        finish: finish(analysis),
        invalid: verdict::invalid(analysis),
        configuration: analysis.config.clone(),
        target: analysis.target.clone(),
        machine: analysis.header.as_ref().map(|header| header.machine.clone()).unwrap_or_default(),
        timeline: timeline::timeline(analysis),
        phases,
        numbers: numbers::sections(analysis, &facts),
        readiness: readiness::readiness(analysis, &facts, &checks, &suite, within),
        suite,
        ledger: ledger(analysis),
        generator: generator::generator(analysis, &facts),
        faults: listed,
        capacity: analysis.capacity.view(),
        checks,
    }
}

fn finish(analysis: &Analysis) -> Finish {
    match analysis.end.as_ref().map(|end| &end.ended) {
        Some(Ended::Completed) => Finish::Completed,
        Some(Ended::Interrupted) => Finish::Interrupted,
        Some(Ended::Aborted { reason }) => Finish::Aborted { reason: reason.clone() },
        None => Finish::Unfinished,
    }
}

fn ledger(analysis: &Analysis) -> Vec<LedgerLine> {
    let lines = analysis.balance().lines;
    lines.into_iter().map(|((phase, kind), (planned, fates))| LedgerLine { phase, kind, planned, fates }).collect()
}
