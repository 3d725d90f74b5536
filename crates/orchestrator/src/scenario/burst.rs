use std::time::Duration;

use erlmcp_record::names::detail;

use super::steady::Steady;
use crate::action::Action;
use crate::assignment::{Assignment, LoadOrder};
use crate::machine::{Facts, Observation, Place, RunningBlock};
use crate::plan::{self, RECOVERY_BOUND, REFUSAL_BOUND, in_words};

/// More load for a while, then queued work until the target said no; then the time back to steady.
#[derive(Debug)]
pub(crate) struct BurstTraffic {
    place: Place,
    plan: plan::Burst,
    steady: Steady,
    extra: Option<Assignment>,
    queued: Option<Assignment>,
    state: State,
    began_us: u64,
    ended_us: Option<u64>,
    steady_again_us: Option<u64>,
    refusals: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Before,
    /// Until this time.
    Bursting(u64),
    /// Until a refusal was seen, or this time.
    Refusing(u64),
    /// Until steady again, or this time.
    Settling(u64),
    After(u64),
    Ending,
}

impl BurstTraffic {
    pub(crate) fn start(place: Place, plan: plan::Burst, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let (steady, actions) = Steady::start(&place, plan.rate, plan.window, seen);
        let burst = Self {
            place,
            plan,
            steady,
            extra: None,
            queued: None,
            state: State::Before,
            began_us: 0,
            ended_us: None,
            steady_again_us: None,
            refusals: 0,
        };
        (burst, actions)
    }

    fn give(
        &self,
        index: u32,
        rate: f64,
        duration: Duration,
        queued: bool,
        seen: &Observation<'_>,
    ) -> (Assignment, Vec<Action>) {
        let order = LoadOrder { queued, ..LoadOrder::plain(rate, duration.as_micros() as u64) };
        Assignment::load(&self.place, self.place.first_id + index, order, seen)
    }

    fn burst(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let bound = self.plan.duration + REFUSAL_BOUND + Duration::from_secs(5);
        let (extra, mut actions) = self.give(1, self.plan.extra, bound, false, seen);
        self.began_us = extra.start_us;
        self.state = State::Bursting(extra.start_us + self.plan.duration.as_micros() as u64);
        self.extra = Some(extra);
        let all = self.plan.rate + self.plan.extra;
        actions.push(Action::scenario_line(format!("{all:.0} req/s for {}", in_words(self.plan.duration))));
        actions
    }

    /// The burst has lasted: it goes on with queued work, where there is some, until refusals were seen.
    fn bursting(&mut self, until_us: u64, seen: &Observation<'_>) -> Vec<Action> {
        if seen.now_us < until_us {
            return Vec::new();
        }
        let Some(overflow) = self.plan.queued else { return self.settle(seen.now_us) };
        let mut actions = self.place.run.calls.tell(seen.world, overflow.work_ms);
        let (queued, commands) = self.give(2, overflow.rate, REFUSAL_BOUND, true, seen);
        self.state = State::Refusing(queued.start_us + REFUSAL_BOUND.as_micros() as u64);
        self.queued = Some(queued);
        actions.extend(commands);
        actions.push(Action::scenario_line(format!("and {:.0} queued calls a second", overflow.rate)));
        actions
    }

    fn count_refusals(&mut self, seen: &Observation<'_>) {
        self.refusals = seen.world.seconds.refusals_since((self.began_us / 1_000_000) as u32);
    }

    fn refusing(&mut self, until_us: u64, seen: &Observation<'_>) -> Vec<Action> {
        if self.refusals == 0 && seen.now_us < until_us { Vec::new() } else { self.settle(seen.now_us) }
    }

    fn settle(&mut self, now_us: u64) -> Vec<Action> {
        self.ended_us = Some(now_us);
        self.state = State::Settling(now_us + RECOVERY_BOUND.as_micros() as u64);
        let mut actions = self.extra.as_mut().map(Assignment::cut).unwrap_or_default();
        actions.extend(self.queued.as_mut().map(Assignment::cut).unwrap_or_default());
        actions.push(Action::scenario_line(format!("{} refusals seen; back to the usual rate", self.refusals)));
        actions
    }

    fn settling(&mut self, deadline_us: u64, seen: &Observation<'_>) -> Vec<Action> {
        if self.steady_again_us.is_none() {
            let has_queue = self.plan.queued.is_some();
            let ended_us = self.ended_us.unwrap_or(seen.now_us);
            self.steady_again_us = self.steady.again_since(ended_us, has_queue, seen);
        }
        if self.steady_again_us.is_none() && seen.now_us < deadline_us {
            return Vec::new();
        }
        self.state = State::After(self.steady.after_us(seen.now_us));
        vec![Action::scenario_line(self.text())]
    }

    fn end(&mut self) -> Vec<Action> {
        self.state = State::Ending;
        let mut actions = self.steady.cut();
        for more in [&mut self.extra, &mut self.queued] {
            actions.extend(more.as_mut().map(Assignment::cut).unwrap_or_default());
        }
        actions
    }

    fn steady_again_ms(&self) -> Option<f64> {
        Some(self.steady_again_us?.saturating_sub(self.ended_us?) as f64 / 1e3)
    }

    fn text(&self) -> String {
        match self.steady_again_ms() {
            Some(ms) => format!("{} refusals; steady again after {:.1} s", self.refusals, ms / 1e3),
            None => format!("{} refusals; not steady again within {} s", self.refusals, RECOVERY_BOUND.as_secs()),
        }
    }
}

impl RunningBlock for BurstTraffic {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.steady.observe(seen);
        let is_measured = self.state == State::Before && self.steady.is_measured(seen);
        for more in [&mut self.extra, &mut self.queued] {
            actions.extend(more.as_mut().map(|more| more.observe(seen)).unwrap_or_default());
        }
        if self.state != State::Before {
            self.count_refusals(seen);
        }
        actions.extend(match self.state {
            State::Before if is_measured => self.burst(seen),
            State::Bursting(until_us) => self.bursting(until_us, seen),
            State::Refusing(until_us) => self.refusing(until_us, seen),
            State::Settling(deadline_us) => self.settling(deadline_us, seen),
            State::After(until_us) if seen.now_us >= until_us => self.end(),
            _ => Vec::new(),
        });
        actions
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.end()
    }

    fn is_over(&self) -> bool {
        let over = |work: &Option<Assignment>| work.as_ref().is_none_or(Assignment::is_over);
        self.state == State::Ending && self.steady.is_over() && over(&self.extra) && over(&self.queued)
    }

    fn facts(&self) -> Facts {
        let more = [&self.extra, &self.queued].into_iter().flatten().map(|work| work.block);
        let blocks = std::iter::once(self.place.first_id).chain(more).collect();
        let inconclusive = (self.refusals == 0).then(|| match self.plan.queued {
            Some(_) => "no refusal was seen".to_string(),
            None => "no refusal was seen, and the target has no queued tool to provoke one".to_string(),
        });
        let mut facts = Facts { inconclusive, blocks, text: self.text(), ..Facts::default() };
        facts.detail.insert("refusals_count".into(), self.refusals as f64);
        facts.detail.extend(self.steady_again_ms().map(|ms| (detail::STEADY_AGAIN_MS.to_string(), ms)));
        facts
    }
}
