use std::time::Duration;

use erlmcp_report::plural;

use crate::action::{Action, Ask};
use crate::event::{Answer, Event};
use crate::machine::{Facts, Observation, Place, RunningBlock};

/// Changes the number of replicas, and waits until they are there.
#[derive(Debug)]
pub(crate) struct Scale {
    started_us: u64,
    bound_us: u64,
    outcome: Option<Result<(), String>>,
}

impl Scale {
    pub(crate) fn start(place: &Place, replicas: u16, bound: Duration, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let text = format!("Scaling to {} ({})", plural(u64::from(replicas), "replica"), place.name);
        let scale = Self { started_us: seen.now_us, bound_us: bound.as_micros() as u64, outcome: None };
        (scale, vec![Action::note(text), Action::Ask(Ask::Scale { replicas })])
    }
}

impl RunningBlock for Scale {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        if let Event::Answer(Answer::Scaled(outcome)) = seen.event {
            self.outcome = Some(outcome.clone().map(|_| ()));
        } else if seen.now_us >= self.started_us + self.bound_us && self.outcome.is_none() {
            self.outcome = Some(Err(format!("not scaled within {} s", self.bound_us / 1_000_000)));
        }
        Vec::new()
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.outcome.get_or_insert_with(|| Err("cut".into()));
        Vec::new()
    }

    fn is_over(&self) -> bool {
        self.outcome.is_some()
    }

    fn facts(&self) -> Facts {
        let inconclusive = self.outcome.as_ref().and_then(|outcome| outcome.clone().err());
        Facts { inconclusive, ..Facts::default() }
    }
}
