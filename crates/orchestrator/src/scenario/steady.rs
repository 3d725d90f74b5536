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
    /// P95 of the window before, microseconds.
    p95_before_us: Option<u64>,
}

/// From the end of a window until all of its rows have come, at most.
const ROWS_LATE_US: u64 = 10_000_000;
/// On a busy machine a P95 of a millisecond doubles by itself.
const UNNOTICED_US: u64 = 20_000;
/// What a block does besides its windows and its recovery takes less than this.
const SCENARIO_BOUND: Duration = Duration::from_secs(60);

impl Steady {
    /// Starts the load; the scenario happens when the first window is over.
    pub(super) fn start(place: &Place, rate: f64, window: Duration, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        Self::start_for(place, (rate, window, Duration::ZERO), seen)
    }

    /// The same for a scenario that goes on for a while.
    pub(super) fn start_for(
        place: &Place,
        (rate, window, lasts): (f64, Duration, Duration),
        seen: &Observation<'_>,
    ) -> (Self, Vec<Action>) {
        let duration = lasts + 2 * window + 2 * RECOVERY_BOUND + SCENARIO_BOUND;
        let order = LoadOrder::plain(rate, duration.as_micros() as u64);
        let (work, actions) = Assignment::load(place, place.first_id, order, seen);
        (Self { work, window_us: window.as_micros() as u64, depth_before: None, p95_before_us: None }, actions)
    }

    pub(super) fn start_us(&self) -> u64 {
        self.work.start_us
    }

    pub(super) fn observe(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        // Its rows come late, and are not kept for ever.
        let ends_us = self.work.start_us + self.window_us;
        if seen.now_us < ends_us + ROWS_LATE_US {
            let (first, last) = ((self.work.start_us / 1_000_000) as u32, (ends_us / 1_000_000) as u32);
            self.p95_before_us = seen.world.seconds.p95_us(first, last);
        }
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

    /// True where the queue's depth is told, and was before anything happened.
    pub(super) fn tells_depth(&self, seen: &Observation<'_>) -> bool {
        self.depth_before.is_some() && seen.world.queue_depth().is_some()
    }

    /// The end of a whole second that began not before `since_us`, in which P95, and where there is a `queue` its depth,
    /// were within twice what they were before; None: there was none yet, or the depth is not told.
    pub(super) fn again_since(&self, since_us: u64, queue: bool, seen: &Observation<'_>) -> Option<u64> {
        let before_us = self.p95_before_us?;
        let (second, load) = seen.world.seconds.last_complete(seen.now_us)?;
        let second_us = u64::from(second) * 1_000_000;
        let is_fast = load.quantile_us(0.95)? <= before_us * 2;
        let is_sampled = seen.world.sample.as_ref().is_none_or(|sample| sample.at_us >= second_us);
        let is_empty = match (self.depth_before, seen.world.queue_depth()) {
            (Some(before), Some(now)) => now <= before * 2,
            _ => !queue,
        };
        (second_us >= since_us && is_fast && is_sampled && is_empty).then_some(second_us + 1_000_000)
    }

    /// The end of a whole second not before `since_us` in which at least 99 % ended ok and P95 was within twice what it was,
    /// or below what nobody would notice; None: there was none yet.
    pub(super) fn calm_since(&self, since_us: u64, seen: &Observation<'_>) -> Option<u64> {
        let before_us = self.p95_before_us?;
        let (second, load) = seen.world.seconds.last_complete(seen.now_us)?;
        let second_us = u64::from(second) * 1_000_000;
        let is_fast = load.quantile_us(0.95)? <= (before_us * 2).max(UNNOTICED_US);
        (second_us >= since_us && is_fast && load.is_mostly_ok()).then_some(second_us + 1_000_000)
    }

    pub(super) fn cut(&mut self) -> Vec<Action> {
        self.work.cut()
    }

    pub(super) fn is_over(&self) -> bool {
        self.work.is_over()
    }
}
