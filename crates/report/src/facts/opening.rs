use erlmcp_record::names::{detail, finding, phase};
use erlmcp_record::{Kind, ScenarioRow};

use crate::analysis::{Analysis, Part};

/// A ramp: openings that were planned, begun, and answered.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    pub(crate) target: u64,
    pub(crate) planned: u64,
    pub(crate) started: u64,
    pub(crate) opened: u64,
    /// What the openings that succeeded are a share of: those that were asked for or begun, whichever are more. Of a
    /// ramp that was cut short, those that came to an end: the others were not tried.
    pub(crate) tried: u64,
    /// From the first planned opening to the last one answered, milliseconds.
    pub(crate) took_ms: Option<f64>,
    /// The first requests of the connections.
    pub(crate) probes: Part,
}

impl Opening {
    /// The paced ramp of the ramp-up phase.
    pub(super) fn of_phase(analysis: &Analysis) -> Option<Self> {
        let (number, times) = analysis.phase_named(phase::RAMP_UP)?;
        times.started_us?;
        let told = analysis.finding_value(number, finding::RAMP_MS);
        let mut opening = Self::of_number(analysis, number);
        if let Some(found) = analysis.connections.get(&number).filter(|_| analysis.is_cut(number)) {
            opening.tried = found.opened + found.failures();
        }
        opening.took_ms = told.or_else(|| seconds_of_opening(analysis, number));
        opening.probes = analysis.part_of(number, Kind::Probe);
        Some(opening)
    }

    /// The unpaced ramp of the performance scenarios.
    pub(super) fn of_scenario(analysis: &Analysis, row: &ScenarioRow) -> Self {
        let in_blocks = |key: &crate::analysis::FlowKey| {
            key.phase == row.phase && key.kind == Kind::Probe && row.blocks.contains(&key.block)
        };
        let probes = analysis.part(false, in_blocks);
        let target = analysis.config.as_ref().map_or(0, |config| config.connections);
        let elapsed_ms = row.ended_us.saturating_sub(row.started_us) as f64 / 1_000.0;
        let opened = probes.ok();
        Self {
            target,
            planned: probes.planned,
            started: probes.planned,
            opened,
            tried: probes.planned.max(target),
            took_ms: row.detail.get(detail::RAMP_MS).copied().or((opened > 0).then_some(elapsed_ms)),
            probes,
        }
    }

    fn of_number(analysis: &Analysis, number: u8) -> Self {
        let target = analysis.config.as_ref().map_or(0, |config| config.connections);
        let Some(found) = analysis.connections.get(&number) else {
            return Self { target, tried: target, ..Self::default() };
        };
        let (planned, started, opened) = (found.planned, found.started, found.opened);
        Self { target, planned, started, opened, tried: planned.max(started).max(target), ..Self::default() }
    }

    /// Connections opened a second; none of those that were begun is 0, in whatever time.
    pub(crate) fn rate(&self) -> Option<f64> {
        if self.opened == 0 && self.started > 0 {
            return Some(0.0);
        }
        let took_ms = self.took_ms.filter(|ms| *ms > 0.0)?;
        (self.opened > 0).then(|| self.opened as f64 * 1_000.0 / took_ms)
    }
}

/// To the second: for a record that does not tell the moment of the last answer.
fn seconds_of_opening(analysis: &Analysis, number: u8) -> Option<f64> {
    let (first, last) = analysis.connections.get(&number)?.opening_seconds?;
    Some(f64::from(last - first + 1) * 1_000.0)
}
