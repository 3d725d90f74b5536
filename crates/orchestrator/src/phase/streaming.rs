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
    pub(crate) fn new(place: Place, plan: plan::Load, by: Result<ChangeBy, String>) -> Self {
        let changes = Changes::new(place.phase, plan.duration, by);
        Self { load: Load::new(place, plan), changes }
    }
}

impl RunningBlock for Streaming {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.load.step(seen);
        if let Some(times) = self.load.times() {
            actions.extend(self.changes.step(seen, times));
        }
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
