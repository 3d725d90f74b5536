use std::time::Duration;

use crate::action::Action;
use crate::assignment::{Assignment, LoadOrder};
use crate::machine::{Facts, Observation, Place, RunningBlock};
use crate::plan::{self, in_words};

/// Rows of a second come within so long after it.
const ROWS_LATE_US: u64 = 1_500_000;

/// Sends load for a while on the connections that are open.
#[derive(Debug)]
pub(crate) struct Load {
    plan: plan::Load,
    work: Assignment,
    /// Clients that misbehave meanwhile.
    misbehaving: Option<Assignment>,
    lines: SpanLines,
    is_cut: bool,
    is_over: bool,
}

impl Load {
    pub(crate) fn start(place: &Place, plan: plan::Load, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let duration_us = plan.duration.as_micros() as u64;
        let order = LoadOrder { shaped: plan.shaped, ..LoadOrder::plain(plan.rate, duration_us) };
        let (work, mut actions) = Assignment::load(place, place.first_id, order, seen);
        let mut misbehaving = None;
        if plan.shaped {
            let times = (work.start_us, duration_us);
            let (given, told) = Assignment::misbehave(place, place.first_id + 1, times, seen).unzip();
            misbehaving = given;
            actions.extend(told.into_iter().flatten());
        }
        let lines = SpanLines::new(plan.line_every);
        (Self { plan, work, misbehaving, lines, is_cut: false, is_over: false }, actions)
    }

    /// When it starts and when it ends, run clock.
    pub(super) fn times(&self) -> (u64, u64) {
        (self.work.start_us, self.work.start_us + self.duration_us())
    }

    fn duration_us(&self) -> u64 {
        self.plan.duration.as_micros() as u64
    }
}

/// What a scenario's row says of such a load.
pub(super) fn facts(block: u32, plan: &plan::Load) -> Facts {
    let text = format!("{:.0} req/s offered for {}", plan.rate, in_words(plan.duration));
    Facts { blocks: vec![block], text, ..Facts::default() }
}

/// Lines of a load, each over the seconds since the one before it.
#[derive(Debug)]
pub(crate) struct SpanLines {
    /// None: there are none.
    every: Option<Duration>,
    shown: u64,
}

impl SpanLines {
    pub(crate) fn new(every: Option<Duration>) -> Self {
        Self { every, shown: 0 }
    }

    /// The lines that are due of a load that began and lasts so long.
    pub(crate) fn due(&mut self, (start_us, duration_us): (u64, u64), now_us: u64, is_over: bool) -> Vec<Action> {
        let Some(every) = self.every else { return Vec::new() };
        let every_us = every.as_micros() as u64;
        let elapsed_us = match is_over {
            true => now_us.saturating_sub(start_us).min(duration_us),
            false => now_us.saturating_sub(start_us + ROWS_LATE_US).min(duration_us),
        };
        let mut actions = Vec::new();
        while (self.shown + 1) * every_us <= elapsed_us {
            let from = ((start_us + self.shown * every_us) / 1_000_000) as u32;
            self.shown += 1;
            let to = ((start_us + self.shown * every_us) / 1_000_000) as u32;
            let elapsed_s = (self.shown * every_us / 1_000_000) as u32;
            actions.push(Action::ShowSpan { elapsed_s, from, to });
        }
        actions
    }
}

impl RunningBlock for Load {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.work.observe(seen);
        actions.extend(self.misbehaving.iter_mut().flat_map(|misbehaving| misbehaving.observe(seen)));
        // The last request may have been due long before the load's end.
        let ends_here = seen.now_us >= self.times().1 || self.is_cut || seen.world.alive().is_empty();
        self.is_over = self.work.is_over() && ends_here && self.misbehaving.iter().all(Assignment::is_over);
        let lasts = (self.work.start_us, self.duration_us());
        actions.extend(self.lines.due(lasts, seen.now_us, self.is_over));
        actions
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.is_cut = true;
        std::iter::once(&mut self.work).chain(&mut self.misbehaving).flat_map(Assignment::cut).collect()
    }

    fn is_over(&self) -> bool {
        self.is_over
    }

    fn facts(&self) -> Facts {
        facts(self.work.block, &self.plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_load_is_told_and_none_that_it_did_not_come_to() {
        const S: u64 = 1_000_000;
        let last = |over_us: u64| {
            let mut lines = SpanLines::new(Some(Duration::from_secs(5)));
            let load = (2 * S, 15 * S);
            let told = lines.due(load, 2 * S + 12 * S, false).len();
            (told, lines.due(load, 2 * S + over_us, true).len())
        };
        assert_eq!(last(15 * S), (2, 1));
        assert_eq!(last(16 * S), (2, 1));
        assert_eq!(last(13 * S), (2, 0), "it was cut");
    }
}
