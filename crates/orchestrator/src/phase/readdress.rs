use std::time::Duration;

use crate::action::Action;
use crate::assignment::Assignment;
use crate::machine::{Observation, Place, RunningBlock};
use crate::plan;

/// Whoever has not moved by then stays.
const MOVED_WITHIN: Duration = Duration::from_secs(60);

/// Tells other addresses, and waits until clients have moved.
#[derive(Debug)]
pub(crate) struct Readdress {
    place: Place,
    plan: plan::Readdress,
    moving: Option<Assignment>,
}

impl Readdress {
    pub(crate) fn new(place: Place, plan: plan::Readdress) -> Self {
        Self { place, plan, moving: None }
    }
}

impl RunningBlock for Readdress {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        if let Some(moving) = &mut self.moving {
            return moving.observe(seen);
        }
        let within_us = MOVED_WITHIN.as_micros() as u64;
        let rate = (self.plan.move_rate, within_us);
        let (moving, told) = Assignment::rebalance(&self.place, self.place.first_id, rate, seen);
        self.moving = Some(moving);
        let mut actions =
            vec![Action::scenario_line(format!("{}: {:.0} moves a second at most", self.place.name, rate.0))];
        actions.extend(Action::tell_endpoints(&seen.world.alive(), &self.plan.endpoints));
        actions.extend(told);
        actions
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.moving.as_mut().map(Assignment::cut).unwrap_or_default()
    }

    fn is_over(&self) -> bool {
        self.moving.as_ref().is_some_and(Assignment::is_over)
    }
}
