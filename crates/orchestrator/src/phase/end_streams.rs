use crate::action::Action;
use crate::assignment::Assignment;
use crate::machine::{Observation, Place, RunningBlock};

/// Closes every stream of notifications.
#[derive(Debug)]
pub(crate) struct EndStreams {
    place: Place,
    work: Option<Assignment>,
}

impl EndStreams {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, work: None }
    }
}

impl RunningBlock for EndStreams {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        if let Some(work) = &mut self.work {
            return work.observe(seen);
        }
        let (work, actions) = Assignment::end_streams(&self.place, self.place.first_id, seen);
        self.work = Some(work);
        actions
    }

    /// It is the orderly end itself, and goes on.
    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        Vec::new()
    }

    fn is_over(&self) -> bool {
        self.work.as_ref().is_some_and(Assignment::is_over)
    }
}
