use std::time::Duration;

use erlmcp_report::plural;

use crate::action::{Action, Ask};
use crate::event::{Answer, Event};
use crate::machine::{Facts, Observation, Place, RunningBlock};

/// Changes the number of replicas, and waits until they are there.
#[derive(Debug)]
pub(crate) struct Scale {
    place: Place,
    replicas: u16,
    bound_us: u64,
    started_us: Option<u64>,
    outcome: Option<Result<(), String>>,
}

impl Scale {
    pub(crate) fn new(place: Place, replicas: u16, bound: Duration) -> Self {
        Self { place, replicas, bound_us: bound.as_micros() as u64, started_us: None, outcome: None }
    }
}

impl RunningBlock for Scale {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Some(started_us) = self.started_us else {
            self.started_us = Some(seen.now_us);
            let replicas = plural(u64::from(self.replicas), "replica");
            let note = Action::note(format!("Scaling to {replicas} ({})", self.place.name));
            return vec![note, Action::Ask(Ask::Scale { replicas: self.replicas })];
        };
        if let Event::Answer(Answer::Scaled(outcome)) = seen.event {
            self.outcome = Some(outcome.clone().map(|_| ()));
        } else if seen.now_us >= started_us + self.bound_us && self.outcome.is_none() {
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
