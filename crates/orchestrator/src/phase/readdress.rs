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
    moving: Assignment,
}

impl Readdress {
    pub(crate) fn start(place: &Place, plan: &plan::Readdress, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let rate = (plan.move_rate, MOVED_WITHIN.as_micros() as u64);
        let (moving, told) = Assignment::rebalance(place, place.first_id, rate, seen);
        let mut actions =
            vec![Action::scenario_line(format!("{}: {:.0} moves a second at most", place.name, plan.move_rate))];
        actions.extend(Action::tell_endpoints(&seen.world.alive(), &plan.endpoints));
        actions.extend(told);
        (Self { moving }, actions)
    }
}

impl RunningBlock for Readdress {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        self.moving.observe(seen)
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.moving.cut()
    }

    fn is_over(&self) -> bool {
        self.moving.is_over()
    }
}
