use std::time::Duration;

use crate::action::Action;
use crate::assignment::Assignment;
use crate::machine::{Observation, Place, RunningBlock};

/// One request on every open connection: does each of them still answer?
#[derive(Debug)]
pub(crate) struct Sweep {
    place: Place,
    duration: Duration,
    work: Option<Assignment>,
}

impl Sweep {
    pub(crate) fn new(place: Place, duration: Duration) -> Self {
        Self { place, duration, work: None }
    }
}

impl RunningBlock for Sweep {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        if let Some(work) = &mut self.work {
            return work.observe(seen);
        }
        let duration_us = self.duration.as_micros() as u64;
        let (work, mut actions) = Assignment::sweep(&self.place, self.place.first_id, duration_us, seen);
        self.work = Some(work);
        actions.push(Action::note("Closing sweep: one request on every connection"));
        actions
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.work.as_mut().map(Assignment::cut).unwrap_or_default()
    }

    fn is_over(&self) -> bool {
        self.work.as_ref().is_some_and(Assignment::is_over)
    }
}
