use std::time::Duration;

use crate::action::Action;
use crate::assignment::Assignment;
use crate::machine::{Observation, Place, RunningBlock};

/// One request on every open connection: does each of them still answer?
#[derive(Debug)]
pub(crate) struct Sweep {
    work: Assignment,
}

impl Sweep {
    pub(crate) fn start(place: &Place, duration: Duration, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let (work, mut actions) = Assignment::sweep(place, place.first_id, duration.as_micros() as u64, seen);
        actions.push(Action::note("Closing sweep: one request on every connection"));
        (Self { work }, actions)
    }
}

impl RunningBlock for Sweep {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        self.work.observe(seen)
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.work.cut()
    }

    fn is_over(&self) -> bool {
        self.work.is_over()
    }
}
