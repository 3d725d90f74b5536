//! What happened, drawn from the analysis once and read by the verdicts and the summary alike. No opinion here.

mod membership;
mod memory;
mod opening;
mod queue;
mod recovery;
mod sustained;

pub(crate) use membership::lost_without_fault;
pub(crate) use memory::Memory;
pub(crate) use opening::Opening;
pub(crate) use queue::{QueueFacts, Recovered};
pub(crate) use recovery::{FaultFacts, Observed, every_fault, faults_of, is_listed};
pub(crate) use sustained::{Held, MemoryEach, NO_WINDOW, Sustained};

use erlmcp_record::names::{phase, scenario};
use erlmcp_record::{Kind, ScenarioRow};

use crate::analysis::{Analysis, Part};

/// Everything that more than one view or verdict asks for.
pub(crate) struct Facts<'a> {
    /// None where the phase was not run.
    pub(crate) sustained: Option<Sustained<'a>>,
    pub(crate) memory: Memory,
    pub(crate) ramp: Option<Opening>,
    /// Node failures and partitions.
    pub(crate) faults: Vec<FaultFacts<'a>>,
    /// Those of a list.
    pub(crate) listed: Vec<FaultFacts<'a>>,
    pub(crate) overflow: Option<QueueFacts<'a>>,
    pub(crate) burst: Option<QueueFacts<'a>>,
    pub(crate) unpaced_ramp: Option<Opening>,
    /// The sustained scenario of the performance phase.
    pub(crate) steady: Option<(&'a ScenarioRow, Part)>,
}

impl<'a> Facts<'a> {
    pub(crate) fn of(analysis: &'a Analysis) -> Self {
        let overflow = scenario_row(analysis, phase::FAILURE_RECOVERY, scenario::QUEUE_OVERFLOW);
        let burst = scenario_row(analysis, phase::PERFORMANCE_SCENARIOS, scenario::BURST_TRAFFIC);
        let unpaced = scenario_row(analysis, phase::PERFORMANCE_SCENARIOS, scenario::RAMP_UP);
        let steady = scenario_row(analysis, phase::PERFORMANCE_SCENARIOS, scenario::SUSTAINED_LOAD);
        Self {
            sustained: Sustained::of(analysis),
            memory: Memory::of(analysis),
            ramp: Opening::of_phase(analysis),
            faults: recovery::all(analysis),
            listed: recovery::listed(analysis),
            overflow: overflow.map(|row| QueueFacts::of(analysis, row)),
            burst: burst.map(|row| QueueFacts::of(analysis, row)),
            unpaced_ramp: unpaced.map(|row| Opening::of_scenario(analysis, row)),
            steady: steady.map(|row| (row, part_of(analysis, row, Kind::Load))),
        }
    }
}

/// The row of a scenario that was run.
pub(crate) fn scenario_row<'a>(analysis: &'a Analysis, phase: &str, name: &str) -> Option<&'a ScenarioRow> {
    let (number, _) = analysis.phase_named(phase)?;
    analysis.scenarios.get(&(number, name.to_owned())).filter(|row| row.skipped.is_none())
}

/// The requests of one kind in the blocks of a scenario.
pub(crate) fn part_of(analysis: &Analysis, row: &ScenarioRow, kind: Kind) -> Part {
    analysis.part(false, |key| key.phase == row.phase && key.kind == kind && row.blocks.contains(&key.block))
}
