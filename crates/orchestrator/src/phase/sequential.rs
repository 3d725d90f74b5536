use erlmcp_record::{Entry, Hist, Kind};
use erlmcp_report::live;

use crate::action::Action;
use crate::assignment::Assignment;
use crate::event::Event;
use crate::machine::{Observation, Place, RunningBlock};

/// Requests one after another on one connection: the latency of a target at rest.
#[derive(Debug)]
pub(crate) struct Sequential {
    work: Assignment,
    latency: Hist,
}

impl Sequential {
    pub(crate) fn start(place: &Place, count: u32, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let (work, commands) = Assignment::sequential(place, place.first_id, count, seen);
        let mut actions = vec![place.announce(format!("Measuring baseline latency ({count} requests)"))];
        actions.extend(commands);
        (Self { work, latency: Hist::new() }, actions)
    }

    fn note_latency(&mut self, event: &Event) {
        for row in event.rows() {
            if let Entry::Interval(row) = row
                && row.kind == Kind::Sequential
                && row.block == self.work.block
                && let Some(latency) = &row.latency
            {
                self.latency.merge(latency);
            }
        }
    }

    fn result(&self) -> Action {
        Action::Show(match self.latency.quantile_us(0.5) {
            Some(median) => live::Event::StepOk { text: format!("Baseline latency: {:.2} ms", median as f64 / 1e3) },
            None => live::Event::StepFailed { text: "None of the requests was answered".into() },
        })
    }
}

impl RunningBlock for Sequential {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.work.observe(seen);
        self.note_latency(seen.event);
        if self.work.is_over() {
            actions.push(self.result());
        }
        actions
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.work.cut()
    }

    fn is_over(&self) -> bool {
        self.work.is_over()
    }
}
