use erlmcp_report::is_rate_kept;

use crate::action::Action;
use crate::assignment::{Assignment, LoadOrder};
use crate::machine::{Facts, Observation, Place, RunningBlock};
use crate::plan::{self, RATES_MAX};

/// Load at one rate after another, until one is not kept.
#[derive(Debug)]
pub(crate) struct RateSweep {
    place: Place,
    plan: plan::RateSweep,
    work: Option<Assignment>,
    /// Rates that were tried, the last of them perhaps not kept.
    tried: u32,
    kept: Option<f64>,
    is_over: bool,
    is_cut: bool,
}

impl RateSweep {
    pub(crate) fn start(place: Place, plan: plan::RateSweep, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let mut sweep = Self { place, plan, work: None, tried: 0, kept: None, is_over: false, is_cut: false };
        let actions = sweep.next(seen);
        (sweep, actions)
    }

    fn next(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let rate = self.plan.rates.get(self.tried as usize).filter(|_| (self.tried as usize) < RATES_MAX);
        let Some(rate) = rate.copied().filter(|_| !self.is_cut) else {
            self.is_over = true;
            return Vec::new();
        };
        let order = LoadOrder::plain(rate, self.plan.each.as_micros() as u64);
        let (work, actions) = Assignment::load(&self.place, self.place.first_id + self.tried, order, seen);
        self.tried += 1;
        self.work = Some(work);
        actions
    }

    /// What became of the rate that has ended, by the seconds that it was offered in.
    fn judge(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Some(work) = self.work.take() else { return Vec::new() };
        let from = (work.start_us / 1_000_000) as u32;
        let to = from + self.plan.each.as_micros().div_ceil(1_000_000) as u32;
        let rate = self.plan.rates[self.tried as usize - 1];
        let (planned, ok) = seen.world.seconds.answered(from, to);
        let p95_us = seen.world.seconds.p95_us(from, to);
        let is_kept = is_rate_kept(planned, ok, p95_us);
        let p95 = p95_us.map_or_else(|| "no latency".into(), |us| format!("P95 {:.2} ms", us as f64 / 1e3));
        let share = ok as f64 * 100.0 / planned.max(1) as f64;
        let verdict = if is_kept { "kept" } else { "not kept" };
        let line = Action::scenario_line(format!("{rate:.0} req/s: {share:.2} % ok, {p95}, {verdict}"));
        if is_kept {
            self.kept = Some(rate);
        } else {
            self.is_over = true;
        }
        vec![line]
    }
}

impl RunningBlock for RateSweep {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Some(work) = &mut self.work else { return Vec::new() };
        let mut actions = work.observe(seen);
        // An agent is done when all of its rows have come.
        if work.is_over() {
            actions.extend(self.judge(seen));
            if !self.is_over {
                actions.extend(self.next(seen));
            }
        }
        actions
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.is_cut = true;
        self.work.as_mut().map(Assignment::cut).unwrap_or_default()
    }

    fn is_over(&self) -> bool {
        self.is_over
    }

    fn facts(&self) -> Facts {
        let blocks = (0..self.tried).map(|index| self.place.first_id + index).collect();
        let text = match self.kept {
            Some(rate) => format!("{rate:.0} req/s is the highest rate that was kept, of {} tried", self.tried),
            None => "no rate was kept".into(),
        };
        Facts { blocks, text, ..Facts::default() }
    }
}
