use std::time::Duration;

use crate::action::Action;
use crate::machine::{Observation, RunningBlock};

/// Waits, with everything as it is.
#[derive(Debug)]
pub(crate) struct Hold {
    duration_us: u64,
    started_us: Option<u64>,
    is_over: bool,
}

impl Hold {
    pub(crate) fn new(duration: Duration) -> Self {
        Self { duration_us: duration.as_micros() as u64, started_us: None, is_over: false }
    }
}

impl RunningBlock for Hold {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let started_us = *self.started_us.get_or_insert(seen.now_us);
        self.is_over |= seen.now_us >= started_us + self.duration_us;
        Vec::new()
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.is_over = true;
        Vec::new()
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}
