//! What stands on a board that is looked at while a run goes on: the events of the run, folded. Screens show only this.

use std::collections::{BTreeMap, VecDeque};

use crate::live::{self, Event};
use crate::{SecondView, format, render, summary};

/// Seconds that are kept: what a wide screen can show.
const SECONDS_MAX: usize = 600;
/// Lines of the console that are kept.
const LINES_MAX: usize = 200;
/// A record without its last row that has got none for so many seconds goes on no more, or stands still.
pub(crate) const SILENT_S: u64 = 60;
/// In place of such seconds, of a record that nobody writes any more.
pub const FOR_GOOD: u64 = u64::MAX;
/// Causes that are told apart.
const CAUSES_MAX: usize = 50;

/// A run so far. Times are milliseconds of the clock of whoever pushes.
#[derive(Debug, Default)]
pub struct Board {
    /// "http://localhost:8080/mcp", or the cluster of the run.
    pub target: String,
    /// "tools/call echo".
    pub calls: String,
    pub phases: Vec<BoardPhase>,
    /// "2/5 queue overflow": the scenario of the phase that runs.
    pub scenario: Option<String>,
    /// The newest, oldest first; one that is not there has no row.
    pub seconds: VecDeque<SecondView>,
    /// Requests that were not ok since the run began, by cause.
    pub errors: BTreeMap<String, u64>,
    /// What the console says, newest last.
    pub lines: VecDeque<String>,
    /// "INCONCLUSIVE": what the run came to; None while it goes on.
    pub verdict: Option<&'static str>,
    /// Seconds since the last row of a record that is not over was written; or [`FOR_GOOD`].
    pub silent_s: u64,
    begun_ms: Option<u64>,
}

/// A phase on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardPhase {
    pub number: u8,
    /// "Ramp Up".
    pub title: String,
    /// None: not known yet.
    pub estimated_ms: Option<u64>,
    pub progress: Progress,
}

/// How far a phase has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Waiting,
    Running { since_ms: u64 },
    Done { took_ms: u64 },
    Skipped,
}

impl Board {
    pub fn push(&mut self, event: &Event, now_ms: u64) {
        self.begun_ms.get_or_insert(now_ms);
        self.silent_s = 0;
        match event {
            Event::Second(second) => return self.push_second(second),
            Event::Plan { config, phases, .. } => {
                self.target.clone_from(&config.target);
                self.calls.clone_from(&config.calls);
                self.phases = phases.iter().map(planned).collect();
            }
            Event::Looking { at } => self.target.clone_from(at),
            Event::PhaseStarted(start) => self.begin(start, now_ms),
            Event::PhaseSkipped { number, .. } => self.set(*number, Progress::Skipped),
            Event::PhaseSummary { number, .. } => self.end(*number, now_ms),
            Event::ScenarioStarted { scenario, scenarios, name, .. } => {
                self.scenario = Some(live::scenario_name(*scenario, *scenarios, name));
            }
            Event::ScenarioEnded { .. } => self.scenario = None,
            Event::Final(summary) => self.verdict = Some(render::word(&summary.readiness.verdict)),
            _ => {}
        }
        if !matches!(event, Event::Final(_)) {
            self.say(&live::console(event));
        }
    }

    fn push_second(&mut self, second: &SecondView) {
        for (cause, count) in &second.errors {
            if self.errors.len() < CAUSES_MAX || self.errors.contains_key(cause) {
                *self.errors.entry(cause.clone()).or_default() += count;
            }
        }
        if self.seconds.len() == SECONDS_MAX {
            self.seconds.pop_front();
        }
        self.seconds.push_back(second.clone());
    }

    fn say(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if self.lines.len() == LINES_MAX {
                self.lines.pop_front();
            }
            self.lines.push_back(line.to_string());
        }
    }

    fn begin(&mut self, start: &live::PhaseStart, now_ms: u64) {
        self.end_running(now_ms);
        self.scenario = None;
        let (estimated_ms, progress) = (Some(start.estimated_ms), Progress::Running { since_ms: now_ms });
        match self.phases.iter_mut().find(|phase| phase.number == start.number) {
            Some(phase) => (phase.estimated_ms, phase.progress) = (estimated_ms, progress),
            None => {
                let title = summary::title(&start.name);
                self.phases.push(BoardPhase { number: start.number, title, estimated_ms, progress });
            }
        }
    }

    /// One that was given up has had no summary.
    fn end_running(&mut self, now_ms: u64) {
        let running = self.phases.iter().find(|phase| matches!(phase.progress, Progress::Running { .. }));
        if let Some(number) = running.map(|phase| phase.number) {
            self.end(number, now_ms);
        }
    }

    fn end(&mut self, number: u8, now_ms: u64) {
        if let Some(phase) = self.phases.iter_mut().find(|phase| phase.number == number)
            && let Progress::Running { since_ms } = phase.progress
        {
            phase.progress = Progress::Done { took_ms: now_ms.saturating_sub(since_ms) };
            self.scenario = None;
        }
    }

    fn set(&mut self, number: u8, progress: Progress) {
        if let Some(phase) = self.phases.iter_mut().find(|phase| phase.number == number) {
            phase.progress = progress;
        }
    }

    /// The newest second; of a run that is over, the last that was under load. None before the first.
    pub fn newest(&self) -> Option<&SecondView> {
        let loaded = self.verdict.and_then(|_| self.seconds.iter().rev().find(|second| second.offered_rps > 0.0));
        loaded.or(self.seconds.back())
    }

    /// "over: PASS", or that nothing comes any more; None while it goes on.
    pub fn stands(&self) -> Option<String> {
        let ended = "ended without its last row";
        match (self.verdict, self.silent_s) {
            (Some(verdict), _) => Some(format!("over: {verdict}")),
            (None, FOR_GOOD) => Some(ended.into()),
            (None, silent_s @ SILENT_S..) => {
                Some(format!("{ended}, or stands still: nothing for {}", format::long_s(silent_s)))
            }
            (None, _) => None,
        }
    }

    /// Since the first event.
    pub fn elapsed_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.begun_ms.unwrap_or(now_ms))
    }

    /// Of the phase that runs and those that wait, by their estimates; None where one is not known.
    pub fn left_ms(&self, now_ms: u64) -> Option<u64> {
        self.phases.iter().map(|phase| phase.left_ms(now_ms)).sum()
    }
}

impl BoardPhase {
    /// None where it is not known.
    pub fn left_ms(&self, now_ms: u64) -> Option<u64> {
        match self.progress {
            Progress::Waiting => self.estimated_ms,
            Progress::Running { since_ms } => Some(self.estimated_ms?.saturating_sub(now_ms.saturating_sub(since_ms))),
            Progress::Done { .. } | Progress::Skipped => Some(0),
        }
    }
}

fn planned(phase: &live::PlannedPhase) -> BoardPhase {
    BoardPhase {
        number: phase.number,
        title: summary::title(&phase.name),
        estimated_ms: phase.estimated_ms,
        progress: if phase.skipped.is_some() { Progress::Skipped } else { Progress::Waiting },
    }
}

mod table;

pub use table::table;

#[cfg(test)]
mod tests;
