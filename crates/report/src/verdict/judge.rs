use erlmcp_record::ConfigRow;
use erlmcp_record::names::{phase, skip};

use super::doubt;
use super::evidence::Evidence;
use super::{Check, Limit, Threshold, Verdict, threshold};
use super::{
    asserted, baseline, capacity, cool_down, faults, performance, ramp, recovery, sla, sustained, whole_run, workload,
};
use crate::analysis::Analysis;
use crate::facts::Facts;
use crate::{format, suite};

/// The one check that an invalid run still fails.
const LEDGER: &str = "run.ledger_difference_count";

const INVALID: &str = "the run is invalid: its ledger does not balance";

/// Puts evidence beside its limit, check after check.
pub(crate) struct Judge<'a> {
    pub(crate) analysis: &'a Analysis,
    pub(crate) facts: &'a Facts<'a>,
    /// Why the whole run shows nothing; None where it does.
    invalid: Option<String>,
    checks: Vec<Check>,
}

/// Why no figure of the run can be trusted: its ledger does not balance. While it goes on, requests are under way.
pub(crate) fn invalid(analysis: &Analysis) -> Option<String> {
    analysis.end.as_ref()?;
    let balance = analysis.balance();
    (balance.difference() > 0).then(|| {
        format!(
            "{INVALID} ({} requests without a fate, {} fates without a request)",
            format::count(balance.missing),
            format::count(balance.surplus)
        )
    })
}

/// All expectations of the plan and what became of them, in the order of the report.
pub(crate) fn checks(analysis: &Analysis, facts: &Facts<'_>) -> Vec<Check> {
    let mut judge = Judge { analysis, facts, invalid: invalid(analysis), checks: Vec::new() };
    if analysis.capacity.asked.is_some() {
        // What else is expected of a target is not tried by a search that goes beyond what it bears.
        capacity::enter(&mut judge);
        cool_down::enter(&mut judge);
        whole_run::enter(&mut judge);
        return judge.checks;
    }
    sla::enter(&mut judge);
    asserted::enter(&mut judge);
    if analysis.is_suite() {
        for phase in &suite::PHASES {
            (phase.enter)(&mut judge);
        }
        cool_down::enter(&mut judge);
        whole_run::enter(&mut judge);
        return judge.checks;
    }
    baseline::enter(&mut judge);
    ramp::enter(&mut judge);
    sustained::enter(&mut judge);
    workload::enter(&mut judge);
    recovery::enter(&mut judge);
    faults::enter(&mut judge);
    performance::enter(&mut judge);
    cool_down::enter(&mut judge);
    whole_run::enter(&mut judge);
    judge.checks
}

/// The checks of the scenarios of one phase.
pub(crate) fn scenario_checks(analysis: &Analysis, facts: &Facts<'_>, name: &str) -> Vec<Check> {
    let mut judge = Judge { analysis, facts, invalid: invalid(analysis), checks: Vec::new() };
    match name {
        phase::FAILURE_RECOVERY => {
            recovery::enter(&mut judge);
            faults::enter(&mut judge);
        }
        phase::CHAOS => faults::enter(&mut judge),
        phase::PERFORMANCE_SCENARIOS => performance::enter(&mut judge),
        _ => {}
    }
    judge.checks
}

impl Judge<'_> {
    /// The limit of a check: the table's, or the user's.
    pub(crate) fn limit(&self, id: &str) -> Limit {
        limit_of(self.analysis, row(id))
    }

    pub(crate) fn enter(&mut self, id: &str, evidence: Evidence) {
        let row = row(id);
        let check = self.judged(row, limit_of(self.analysis, row), evidence);
        self.checks.push(check);
    }

    fn judged(&self, row: &Threshold, limit: Limit, evidence: Evidence) -> Check {
        if let Some(reason) = row.phase.and_then(|name| skipped_phase(self.analysis, name)) {
            return Evidence::default().into_check(row, limit, Verdict::Skipped { reason });
        }
        let evidence = match &self.invalid {
            Some(_) if row.id != LEDGER => Evidence { spoiled: vec![INVALID.into()], ..evidence },
            _ => evidence.spoiled(self.lost_agents(row)).spoiled(self.too_large()),
        };
        let verdict = evidence.verdict(&limit);
        evidence.into_check(row, limit, verdict)
    }

    /// A check that is not in the table: its limit is the workload's own, or the user's.
    pub(super) fn enter_own(
        &mut self,
        name_of_phase: &'static str,
        (id, name): (String, String),
        limit: Limit,
        evidence: Evidence,
    ) {
        let table = Threshold {
            id: "own",
            name: "Own",
            phase: Some(name_of_phase),
            comparison: limit.comparison,
            default: limit.value,
            unit: "",
        };
        let check = self.judged(&table, limit, evidence);
        self.checks.push(Check { id, name, ..check });
    }

    /// For a part of a phase that was not run.
    pub(crate) fn enter_skipped(&mut self, id: &str, reason: &str) {
        let row = row(id);
        let limit = limit_of(self.analysis, row);
        let left_out = row.phase.and_then(|name| left_out_phase(self.analysis, name));
        let reason = left_out.unwrap_or_else(|| reason.into());
        self.checks.push(Evidence::default().into_check(row, limit, Verdict::Skipped { reason }));
    }

    /// For what nobody can say of this target, whether or not its phase was run.
    pub(super) fn enter_unknown(&mut self, id: &str, reason: String) {
        let row = row(id);
        let limit = limit_of(self.analysis, row);
        self.checks.push(Evidence::none(reason.clone()).into_check(row, limit, Verdict::Inconclusive { reason }));
    }

    /// An agent that dies takes its connections and its load along: nothing from its phase on shows the target
    /// alone.
    fn lost_agents(&self, row: &Threshold) -> Option<String> {
        doubt::lost(self.analysis, self.rests_on(row)?)
    }

    /// The last phase that a check rests on; None where an agent's death takes nothing from it.
    fn rests_on(&self, row: &Threshold) -> Option<u8> {
        let number = |name: &str| self.analysis.phase_named(name).map(|(number, _)| number);
        match row.phase {
            // How clean the end was can still be seen.
            Some(phase::COOL_DOWN) => None,
            Some(name) => number(name),
            // In whichever phase they were.
            None if row.id.starts_with("faults.") => {
                let phases = self.facts.listed.iter().map(|fault| fault.fault.phase);
                phases.max().or_else(|| number(phase::CHAOS))
            }
            // Those of the whole run say themselves what a death does to them.
            None => None,
        }
    }

    fn too_large(&self) -> Option<String> {
        let turned_away = self.analysis.turned_away();
        (turned_away > 0).then(|| format!("the record is too large to judge: {turned_away} rows found no room"))
    }
}

fn row(id: &str) -> &'static Threshold {
    threshold(id).expect("checks are entered by the names of the table")
}

fn limit_of(analysis: &Analysis, row: &Threshold) -> Limit {
    let asked = analysis.config.as_ref().and_then(|config| config.thresholds.get(row.id));
    Limit {
        value: asked.map_or(row.default, |asked| asked.value),
        unit: row.unit.into(),
        comparison: row.comparison,
        changed: asked.is_some_and(|asked| asked.changed),
    }
}

/// Why the phase with this name was not run; None where it was.
pub(crate) fn skipped_phase(analysis: &Analysis, name: &str) -> Option<String> {
    let times = analysis.phase_named(name).map(|(_, times)| times);
    if let Some(reason) = times.and_then(|times| times.skipped.clone()) {
        return Some(reason);
    }
    if times.is_some_and(|times| times.started_us.is_some()) {
        return None;
    }
    let is_planned = analysis.config.as_ref().is_none_or(|config| config.phases.iter().any(|planned| planned == name));
    Some(match (is_planned, &analysis.end) {
        (false, _) => "not in the plan".into(),
        (true, Some(_)) => "the run ended before it".into(),
        (true, None) => "not run".into(),
    })
}

/// That the user left the phase out, which goes before what could not be run in it.
pub(crate) fn left_out_phase(analysis: &Analysis, name: &str) -> Option<String> {
    skipped_phase(analysis, name).filter(|reason| reason == skip::LEFT_OUT)
}

/// True where the load is `tools/call`, which "production ready" needs.
pub(crate) fn offers_tools(config: &ConfigRow) -> bool {
    config.calls.starts_with("tools/call")
}
