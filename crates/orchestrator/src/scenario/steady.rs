use std::time::Duration;

use crate::action::Action;
use crate::assignment::{Assignment, LoadOrder};
use crate::machine::{Observation, Place};
use crate::plan::RECOVERY_BOUND;

/// The load that goes on under a scenario, and what it looked like before anything happened.
#[derive(Debug)]
pub(super) struct Steady {
    work: Assignment,
    window_us: u64,
    depth_before: Option<u64>,
}

/// What a block does besides its windows and its recovery takes less than this.
const SCENARIO_BOUND: Duration = Duration::from_secs(60);

impl Steady {
    /// Starts the load; the scenario happens when the first window is over.
    pub(super) fn start(place: &Place, rate: f64, window: Duration, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let duration = 2 * window + 2 * RECOVERY_BOUND + SCENARIO_BOUND;
        let order = LoadOrder { rate, duration_us: duration.as_micros() as u64, queued: false, retry_refused: false };
        let (work, actions) = Assignment::load(place, place.first_id, order, seen);
        (Self { work, window_us: window.as_micros() as u64, depth_before: None }, actions)
    }

    pub(super) fn observe(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        self.work.observe(seen)
    }

    /// True when the window before has passed; until then the queue's depth is noted.
    pub(super) fn is_measured(&mut self, seen: &Observation<'_>) -> bool {
        self.depth_before = self.depth_before.max(seen.world.queue_depth());
        seen.now_us >= self.work.start_us + self.window_us
    }

    /// When the window after ends, if it begins now.
    pub(super) fn after_us(&self, now_us: u64) -> u64 {
        now_us.next_multiple_of(1_000_000) + self.window_us
    }

    /// The end of a whole second that began not before `since_us`, in which P95 and queue depth were within twice what
    /// they were before; None: there was none yet.
    pub(super) fn again_since(&self, since_us: u64, seen: &Observation<'_>) -> Option<u64> {
        let first = (self.work.start_us / 1_000_000) as u32;
        let before_us = seen.world.seconds.p95_us(first, first + (self.window_us / 1_000_000) as u32)?;
        let (second, load) = seen.world.seconds.last_complete(seen.now_us)?;
        let second_us = u64::from(second) * 1_000_000;
        let is_fast = load.latency.quantile_us(0.95)? <= before_us * 2;
        let is_sampled = seen.world.sample.as_ref().is_none_or(|sample| sample.at_us >= second_us);
        let is_empty = match (self.depth_before, seen.world.queue_depth()) {
            (Some(before), Some(now)) => now <= before * 2,
            _ => true,
        };
        (second_us >= since_us && is_fast && is_sampled && is_empty).then_some(second_us + 1_000_000)
    }

    pub(super) fn cut(&mut self) -> Vec<Action> {
        self.work.cut()
    }

    pub(super) fn is_over(&self) -> bool {
        self.work.is_over()
    }
}
