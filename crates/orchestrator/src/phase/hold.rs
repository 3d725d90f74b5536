use std::time::Duration;

use crate::action::Action;
use crate::machine::{Observation, RunningBlock};

/// Waits, with everything as it is.
#[derive(Debug)]
pub(crate) struct Hold {
    until_us: u64,
    is_over: bool,
}

impl Hold {
    pub(crate) fn start(duration: Duration, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let until_us = seen.now_us + duration.as_micros() as u64;
        (Self { until_us, is_over: seen.now_us >= until_us }, Vec::new())
    }
}

impl RunningBlock for Hold {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        self.is_over |= seen.now_us >= self.until_us;
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
