//! A record turned back into what was told while its run went on, for a board; also while it is still being written.

use erlmcp_record::{ConfigRow, Entry, PhaseEvent, PhaseRow};

use crate::Analysis;
use crate::board::SILENT_S;
use crate::live::{Event, PhaseStart, PlannedPhase};

/// Rows in, events out, each with the time of the run at which it belongs, milliseconds.
#[derive(Debug, Default)]
pub struct Retelling {
    analysis: Analysis,
    now_us: u64,
    shown_s: u32,
}

impl Retelling {
    /// Of a server that is looked at, for however long.
    pub fn of_server() -> Self {
        Self { analysis: Analysis::of_server(), ..Self::default() }
    }

    /// Folds one row, and gives what there is to tell after it.
    pub fn push(&mut self, entry: &Entry) -> Vec<(Event, u64)> {
        let mut told = Vec::new();
        self.analysis.push(entry);
        match entry {
            Entry::Config(config) => told.push(plan(config)),
            Entry::Phase(row) => {
                self.now_us = self.now_us.max(row.at_us);
                told.push(self.phase(row));
            }
            Entry::Cluster(sample) => self.now_us = self.now_us.max(sample.at_us),
            Entry::Scenario(row) => told.push(Event::scenario_ended(row, "ended".into())),
            Entry::End(row) => {
                self.now_us = self.now_us.max(row.at_us);
                told.extend(self.analysis.take_rest().into_iter().map(|second| Event::Second(Box::new(second))));
                told.push(Event::Final(Box::new(self.analysis.summary())));
            }
            _ => {}
        }
        let now_s = (self.now_us / 1_000_000) as u32;
        if now_s > self.shown_s && !matches!(entry, Entry::End(_)) {
            self.shown_s = now_s;
            let whole = self.analysis.take_complete(now_s, self.analysis.lag_s());
            told.extend(whole.into_iter().map(|second| Event::Second(Box::new(second))));
        }
        let now_ms = self.ended_ms(entry).unwrap_or_else(|| self.now_ms());
        told.into_iter().map(|event| (event, now_ms)).collect()
    }

    /// What is left to tell of a record that has got no row for so many seconds.
    pub fn silent_for(&mut self, silent_s: u64) -> Vec<(Event, u64)> {
        if silent_s < SILENT_S {
            return Vec::new();
        }
        let now_ms = self.now_ms();
        self.analysis.take_rest().into_iter().map(|second| (Event::Second(Box::new(second)), now_ms)).collect()
    }

    /// The rows so far, folded.
    pub fn analysis(&self) -> &Analysis {
        &self.analysis
    }

    /// The time of the run that was reached.
    pub fn now_ms(&self) -> u64 {
        self.now_us / 1_000
    }

    /// The end of a phase, so that it lasts as many whole milliseconds as in the report.
    fn ended_ms(&self, entry: &Entry) -> Option<u64> {
        let Entry::Phase(PhaseRow { event: PhaseEvent::Ended, phase, at_us, .. }) = entry else { return None };
        let started_us = self.analysis.phases.get(phase)?.started_us?;
        Some(started_us / 1_000 + at_us.saturating_sub(started_us) / 1_000)
    }

    fn phase(&self, row: &PhaseRow) -> Event {
        let config = self.analysis.config.as_ref();
        match &row.event {
            PhaseEvent::Started => Event::PhaseStarted(Box::new(PhaseStart {
                number: row.phase,
                name: row.name.clone(),
                estimated_ms: row.estimated_ms,
                connections: config.map_or(0, |config| config.connections),
                ramp_rate: config.map_or(0.0, |config| config.ramp_rate),
                duration_ms: config.map_or(0, |config| config.duration_ms),
            })),
            PhaseEvent::Ended => Event::PhaseSummary {
                number: row.phase,
                name: row.name.clone(),
                lines: self.analysis.phase_summary(row.phase),
            },
            PhaseEvent::Skipped { reason } => {
                Event::PhaseSkipped { number: row.phase, name: row.name.clone(), reason: reason.clone() }
            }
        }
    }
}

/// The list of phases; how long each was to take is known when it begins.
fn plan(config: &ConfigRow) -> Event {
    let planned = |(number, name): (u8, &String)| PlannedPhase {
        number,
        name: name.clone(),
        estimated_ms: None,
        skipped: None,
        left_out: 0,
    };
    let phases = (1..).zip(&config.phases).map(planned).collect();
    Event::Plan { config: Box::new(config.clone()), phases, folder: "this record".into() }
}
