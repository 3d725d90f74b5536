use std::time::Duration;

use erlmcp_record::names;

use super::outage::Outage;
use super::steady::Steady;
use crate::action::{Action, Ask};
use crate::event::{Answer, Event, Injected};
use crate::machine::{Facts, Machine, Observation, Place};
use crate::plan::RECOVERY_BOUND;

/// A partition that nobody notices is healed after so long.
const PARTITION_MAX_US: u64 = 15_000_000;

/// A replica's packets are dropped under load; then they are let through again.
#[derive(Debug)]
pub(crate) struct NetworkPartition {
    place: Place,
    rate: f64,
    window: Duration,
    hold_us: u64,
    steady: Option<Steady>,
    state: State,
    outage: Outage,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Before,
    Injecting,
    /// Not healed before the first time, nor later than the second.
    Partitioned(u64, u64),
    Healing,
    /// Until this time at most.
    Rejoining(u64),
    After(u64),
    /// Cut, with the heal still under way.
    HealingToEnd,
    Ending,
}

impl NetworkPartition {
    pub(crate) fn new(place: Place, rate: f64, window: Duration, hold: Duration) -> Self {
        let outage = Outage::new(&place, names::scenario::NETWORK_PARTITION);
        let hold_us = hold.as_micros() as u64;
        Self { place, rate, window, hold_us, steady: None, state: State::Before, outage }
    }

    fn inject(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Some(replica) = self.outage.choose(&self.place, seen) else { return self.end() };
        self.state = State::Injecting;
        vec![Action::scenario_line(format!("cutting off replica {replica}")), Action::Ask(Ask::Partition { replica })]
    }

    fn injecting(&mut self, event: &Event) -> Vec<Action> {
        match event {
            Event::Answer(Answer::Injected(Ok(injected))) => {
                self.state = self.partitioned(injected);
                let text = format!("cut off: {}", injected.method);
                vec![self.outage.injected(injected), Action::scenario_line(text)]
            }
            Event::Answer(Answer::Injected(Err(why))) => {
                let row = self.outage.failed(why);
                let mut actions = self.end();
                actions.push(row);
                actions
            }
            _ => Vec::new(),
        }
    }

    fn partitioned(&self, injected: &Injected) -> State {
        let at_most_us = injected.at_most_us.unwrap_or(PARTITION_MAX_US).min(PARTITION_MAX_US);
        let until_us = injected.effect_us + at_most_us;
        State::Partitioned((injected.effect_us + self.hold_us).min(until_us), until_us)
    }

    fn heal_when_detected(&mut self, (from_us, until_us): (u64, u64), now_us: u64) -> Vec<Action> {
        let is_time = now_us >= from_us && self.outage.is_detected();
        if !is_time && now_us < until_us {
            return Vec::new();
        }
        self.state = State::Healing;
        vec![Action::scenario_line("healing"), Action::Ask(Ask::Heal)]
    }

    fn healing(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Event::Answer(Answer::Healed(healed)) = seen.event else { return Vec::new() };
        let row = self.outage.healed(healed);
        if self.state == State::HealingToEnd {
            self.state = State::Ending;
            return vec![row];
        }
        self.state = State::Rejoining(seen.now_us + RECOVERY_BOUND.as_micros() as u64);
        let replica = self.outage.fault.replica.unwrap_or_default();
        vec![row, Action::Ask(Ask::AwaitReady { replica })]
    }

    fn rejoining(&mut self, deadline_us: u64, seen: &Observation<'_>) -> Vec<Action> {
        let is_recovered = self.outage.is_recovered();
        if !is_recovered && seen.now_us < deadline_us {
            return Vec::new();
        }
        if !is_recovered {
            let note = format!("not all was well again {} s after it was healed", RECOVERY_BOUND.as_secs());
            self.outage.fault.note = Some(note);
        }
        let after_us = self.steady.as_ref().map_or(seen.now_us, |steady| steady.after_us(seen.now_us));
        self.state = State::After(after_us);
        vec![self.outage.row(), Action::scenario_line(self.outage.text())]
    }

    fn end(&mut self) -> Vec<Action> {
        self.state = State::Ending;
        self.steady.as_mut().map(Steady::cut).unwrap_or_default()
    }
}

impl Machine for NetworkPartition {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Some(steady) = &mut self.steady else {
            let (steady, actions) = Steady::start(&self.place, self.rate, self.window, seen);
            self.steady = Some(steady);
            return actions;
        };
        let mut actions = steady.observe(seen);
        let is_measured = self.state == State::Before && steady.is_measured(seen);
        actions.extend(self.outage.observe(seen.event));
        actions.extend(match self.state {
            State::Before if is_measured => self.inject(seen),
            State::Injecting => self.injecting(seen.event),
            State::Partitioned(from_us, until_us) => self.heal_when_detected((from_us, until_us), seen.now_us),
            State::Healing | State::HealingToEnd => self.healing(seen),
            State::Rejoining(deadline_us) => self.rejoining(deadline_us, seen),
            State::After(until_us) if seen.now_us >= until_us => self.end(),
            _ => Vec::new(),
        });
        actions
    }

    /// The fault is undone before the block ends.
    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        let was = self.state;
        let mut actions = self.end();
        match was {
            // An injection that is still under way is undone after it: the driver takes one thing at a time.
            State::Injecting | State::Partitioned(..) => {
                self.state = State::HealingToEnd;
                actions.push(Action::Ask(Ask::Heal));
            }
            State::Healing | State::HealingToEnd => self.state = State::HealingToEnd,
            _ => {}
        }
        actions
    }

    fn is_over(&self) -> bool {
        self.state == State::Ending && self.steady.as_ref().is_none_or(Steady::is_over)
    }

    fn facts(&self) -> Facts {
        self.outage.facts(vec![self.place.first_id])
    }
}
