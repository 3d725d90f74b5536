use std::time::Duration;

use erlmcp_record::names;

use super::outage::Outage;
use super::steady::Steady;
use crate::action::{Action, Ask};
use crate::event::{Answer, Event};
use crate::machine::{Facts, Machine, Observation, Place};
use crate::plan::RECOVERY_BOUND;

/// A replica's process is killed under load.
#[derive(Debug)]
pub(crate) struct NodeFailure {
    place: Place,
    rate: f64,
    window: Duration,
    steady: Option<Steady>,
    state: State,
    outage: Outage,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Before,
    Injecting,
    /// Until this time at most.
    Recovering(u64),
    After(u64),
    Ending,
}

impl NodeFailure {
    pub(crate) fn new(place: Place, rate: f64, window: Duration) -> Self {
        let outage = Outage::new(&place, names::scenario::NODE_FAILURE);
        Self { place, rate, window, steady: None, state: State::Before, outage }
    }

    fn inject(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Some(replica) = self.outage.choose(&self.place, seen) else { return self.end() };
        self.state = State::Injecting;
        vec![Action::scenario_line(format!("killing replica {replica}")), Action::Ask(Ask::Kill { replica })]
    }

    fn injecting(&mut self, event: &Event) -> Vec<Action> {
        match event {
            Event::Answer(Answer::Injected(Ok(injected))) => {
                self.state = State::Recovering(injected.effect_us + RECOVERY_BOUND.as_micros() as u64);
                let replica = self.outage.fault.replica.unwrap_or_default();
                vec![self.outage.injected(injected), Action::Ask(Ask::AwaitReady { replica })]
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

    fn recovering(&mut self, deadline_us: u64, seen: &Observation<'_>) -> Vec<Action> {
        let is_recovered = self.outage.is_recovered() && self.outage.fault.cluster_detected_us.is_some();
        if !is_recovered && seen.now_us < deadline_us {
            return Vec::new();
        }
        if !is_recovered {
            let note = format!("not all was well again {} s after it", RECOVERY_BOUND.as_secs());
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

impl Machine for NodeFailure {
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
            State::Recovering(deadline_us) => self.recovering(deadline_us, seen),
            State::After(until_us) if seen.now_us >= until_us => self.end(),
            _ => Vec::new(),
        });
        actions
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.end()
    }

    fn is_over(&self) -> bool {
        self.state == State::Ending && self.steady.as_ref().is_none_or(Steady::is_over)
    }

    fn facts(&self) -> Facts {
        self.outage.facts(vec![self.place.first_id])
    }
}
