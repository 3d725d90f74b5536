use crate::action::Action;
use crate::assignment::Assignment;
use crate::machine::{Observation, Place, RunningBlock};

/// Closes every stream of notifications.
#[derive(Debug)]
pub(crate) struct EndStreams {
    work: Assignment,
}

impl EndStreams {
    pub(crate) fn start(place: &Place, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let (work, actions) = Assignment::end_streams(place, place.first_id, seen);
        (Self { work }, actions)
    }
}

impl RunningBlock for EndStreams {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        self.work.observe(seen)
    }

    /// It is the orderly end itself, and goes on.
    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        Vec::new()
    }

    fn is_over(&self) -> bool {
        self.work.is_over()
    }
}
