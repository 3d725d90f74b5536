use erlmcp_record::{Entry, Hist, Kind};
use erlmcp_report::live;

use crate::action::Action;
use crate::assignment::Assignment;
use crate::event::{Event, Said};
use crate::machine::{Observation, Place, RunningBlock};

/// Requests one after another on one connection: the latency of a target at rest.
#[derive(Debug)]
pub(crate) struct Sequential {
    place: Place,
    count: u32,
    work: Option<Assignment>,
    latency: Hist,
    is_over: bool,
}

impl Sequential {
    pub(crate) fn new(place: Place, count: u32) -> Self {
        Self { place, count, work: None, latency: Hist::new(), is_over: false }
    }

    fn note_latency(&mut self, event: &Event) {
        let Event::Agent { said: Said::Rows(rows), .. } = event else { return };
        for row in rows {
            if let Entry::Interval(row) = row
                && row.kind == Kind::Sequential
                && row.block == self.place.first_id
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
        let Some(work) = &mut self.work else {
            let (work, mut actions) = Assignment::sequential(&self.place, self.place.first_id, self.count, seen);
            self.work = Some(work);
            actions.insert(0, self.place.announce(format!("Measuring baseline latency ({} requests)", self.count)));
            return actions;
        };
        let mut actions = work.observe(seen);
        let is_over = work.is_over();
        self.note_latency(seen.event);
        if is_over && !self.is_over {
            self.is_over = true;
            actions.push(self.result());
        }
        actions
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.work.as_mut().map(Assignment::cut).unwrap_or_default()
    }

    fn is_over(&self) -> bool {
        self.is_over || self.work.as_ref().is_some_and(Assignment::is_over)
    }
}
