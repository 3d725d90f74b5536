use std::time::Duration;

use erlmcp_record::{Entry, FaultRow, names};

use super::steady::Steady;
use crate::action::Action;
use crate::assignment::{Assignment, LoadOrder};
use crate::machine::{Facts, Observation, Place, RunningBlock};
use crate::plan::{Overflow, RECOVERY_BOUND, REFUSAL_BOUND};

/// The queue is filled beyond its limit with work that is tried again until it is done.
#[derive(Debug)]
pub(crate) struct QueueOverflow {
    place: Place,
    overflow: Overflow,
    steady: Steady,
    flood: Option<Assignment>,
    state: State,
    fault: FaultRow,
    refusals: u64,
    inconclusive: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Before,
    /// Until a refusal was seen, or this time.
    Flooding(u64),
    /// Until everything is done, or this time.
    Draining(u64),
    After(u64),
    Ending,
}

/// The queued load lasts at most so long; it is cut when its refusals were seen.
const FLOOD_MAX: Duration = REFUSAL_BOUND;

impl QueueOverflow {
    pub(crate) fn start(
        place: Place,
        (rate, window): (f64, Duration),
        overflow: Overflow,
        seen: &Observation<'_>,
    ) -> (Self, Vec<Action>) {
        let (steady, actions) = Steady::start(&place, rate, window, seen);
        let scenario = names::scenario::QUEUE_OVERFLOW.into();
        let fault = FaultRow { id: place.first_id, phase: place.phase, scenario, ..FaultRow::default() };
        let state = State::Before;
        (Self { place, overflow, steady, flood: None, state, fault, refusals: 0, inconclusive: None }, actions)
    }

    fn flood(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let order = LoadOrder {
            rate: self.overflow.rate,
            duration_us: FLOOD_MAX.as_micros() as u64,
            queued: true,
            retry_refused: true,
            // The workers can do twice as many, and nothing new comes then.
            settle_rate: self.overflow.capacity / 2.0,
            shaped: false,
        };
        let mut actions = self.place.run.calls.tell(seen.world, self.overflow.work_ms);
        let (flood, commands) = Assignment::load(&self.place, self.place.first_id + 1, order, seen);
        self.state = State::Flooding(flood.start_us + order.duration_us);
        self.fault.injected_us = flood.start_us;
        self.fault.method = format!(
            "{:.0} queued calls a second of {} ms, the workers can do {:.0}",
            self.overflow.rate, self.overflow.work_ms, self.overflow.capacity
        );
        self.flood = Some(flood);
        actions.extend(commands);
        actions.push(self.row());
        actions.push(Action::scenario_line(self.fault.method.clone()));
        actions
    }

    /// Notes when the queue was first seen full; the excess stops when refusals were seen too.
    fn flooding(&mut self, until_us: u64, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        let first = (self.fault.injected_us / 1_000_000) as u32;
        self.refusals = seen.world.seconds.refusals_since(first);
        let was_full = self.refusals > 0 || (seen.now_us > self.fault.injected_us && seen.world.queue_was_full());
        if was_full && self.fault.effect_us.is_none() {
            self.fault.effect_us = Some(seen.now_us);
            actions.push(self.row());
            actions.push(Action::scenario_line("the queue is full"));
        }
        if (self.refusals == 0 || self.fault.effect_us.is_none()) && seen.now_us < until_us {
            return actions;
        }
        if self.refusals == 0 {
            let bound = FLOOD_MAX.as_secs();
            self.inconclusive = Some(format!("no refusal was seen within {bound} s of {}", self.fault.method));
        }
        self.fault.healed_us = Some(seen.now_us);
        let drain_us = self.place.run.timeout_us + RECOVERY_BOUND.as_micros() as u64;
        self.state = State::Draining(seen.now_us + drain_us);
        actions.extend(self.flood.as_mut().map(Assignment::cut).unwrap_or_default());
        actions.push(self.row());
        actions.push(Action::scenario_line(format!("{} refusals seen; the excess stops", self.refusals)));
        actions
    }

    fn draining(&mut self, deadline_us: u64, seen: &Observation<'_>) -> Vec<Action> {
        let first = (self.fault.injected_us / 1_000_000) as u32;
        self.refusals = seen.world.seconds.refusals_since(first);
        let is_done = self.flood.as_ref().is_none_or(Assignment::is_over);
        let excess_ended_us = self.fault.healed_us.unwrap_or(seen.now_us);
        let again_us = self.steady.again_since(excess_ended_us, true, seen);
        if self.fault.heal_verified_us.is_none() {
            self.fault.heal_verified_us = again_us;
        }
        let is_well = is_done && self.fault.heal_verified_us.is_some();
        if !is_well && seen.now_us < deadline_us {
            return Vec::new();
        }
        if !is_well {
            let what = match (is_done, self.steady.tells_depth(seen)) {
                (false, _) => "not every operation was done",
                (true, true) => "queue and P95 were not back",
                (true, false) => "the queue's depth was not told",
            };
            self.fault.note = Some(format!("{what} {} s after the excess", RECOVERY_BOUND.as_secs()));
        }
        self.state = State::After(self.steady.after_us(seen.now_us));
        vec![self.row(), Action::scenario_line(self.text())]
    }

    fn end(&mut self) -> Vec<Action> {
        self.state = State::Ending;
        let mut actions = self.steady.cut();
        actions.extend(self.flood.as_mut().map(Assignment::cut).unwrap_or_default());
        actions
    }

    fn row(&self) -> Action {
        Action::Row(Entry::Fault(self.fault.clone()))
    }

    fn text(&self) -> String {
        let back = match (self.fault.healed_us, self.fault.heal_verified_us) {
            (Some(from), Some(to)) => {
                format!("queue and P95 back {:.1} s after it", to.saturating_sub(from) as f64 / 1e6)
            }
            _ => "queue and P95 not back".into(),
        };
        format!("{} refusals; {back}", self.refusals)
    }
}

impl RunningBlock for QueueOverflow {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.steady.observe(seen);
        let is_measured = self.state == State::Before && self.steady.is_measured(seen);
        actions.extend(self.flood.as_mut().map(|flood| flood.observe(seen)).unwrap_or_default());
        actions.extend(match self.state {
            State::Before if is_measured => self.flood(seen),
            State::Flooding(until_us) => self.flooding(until_us, seen),
            State::Draining(deadline_us) => self.draining(deadline_us, seen),
            State::After(until_us) if seen.now_us >= until_us => self.end(),
            _ => Vec::new(),
        });
        actions
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.end()
    }

    fn is_over(&self) -> bool {
        self.state == State::Ending && self.steady.is_over() && self.flood.as_ref().is_none_or(Assignment::is_over)
    }

    fn facts(&self) -> Facts {
        let mut blocks = vec![self.place.first_id];
        blocks.extend(self.flood.as_ref().map(|flood| flood.block));
        let faults = vec![self.fault.id];
        Facts { inconclusive: self.inconclusive.clone(), faults, blocks, text: self.text(), ..Facts::default() }
    }
}
