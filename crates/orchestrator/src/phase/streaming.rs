use super::changes::Changes;
use super::load::Load;
use crate::action::Action;
use crate::machine::{Facts, Observation, Place, RunningBlock};
use crate::plan::{self, ChangeBy};

/// Load, while streams are held and tell of changes.
#[derive(Debug)]
pub(crate) struct Streaming {
    load: Load,
    changes: Changes,
}

impl Streaming {
    pub(crate) fn start(
        place: &Place,
        plan: plan::Load,
        by: Result<ChangeBy, String>,
        seen: &Observation<'_>,
    ) -> (Self, Vec<Action>) {
        let mut changes = Changes::new(place.phase, plan.duration, by);
        let (load, mut actions) = Load::start(place, plan, seen);
        actions.extend(changes.step(seen, load.times()));
        (Self { load, changes }, actions)
    }
}

impl RunningBlock for Streaming {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.load.step(seen);
        actions.extend(self.changes.step(seen, self.load.times()));
        actions
    }

    fn cut(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        self.changes.stop();
        self.load.cut(seen)
    }

    fn is_over(&self) -> bool {
        self.load.is_over() && self.changes.are_settled()
    }

    fn facts(&self) -> Facts {
        self.load.facts()
    }
}
