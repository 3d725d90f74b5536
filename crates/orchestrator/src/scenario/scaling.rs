use std::net::SocketAddr;

use erlmcp_load::proto::{self, command::Command};
use erlmcp_record::Detail;
use erlmcp_record::names::detail;
use erlmcp_report::plural;

use super::spread::{Spread, by_replica};
use super::steady::Steady;
use crate::action::{Action, Ask};
use crate::event::{Answer, Event};
use crate::machine::{Facts, Machine, Observation, Place};
use crate::plan;

/// More replicas and fewer again, under load. Clients learn of the addresses at once.
#[derive(Debug)]
pub(crate) struct Scaling {
    place: Place,
    plan: plan::Scaling,
    steady: Option<Steady>,
    state: State,
    /// Numbers of the replicas that there are.
    replicas: Vec<u16>,
    /// Changes that were made.
    made: usize,
    detail: Detail,
    inconclusive: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Before,
    /// Since this time.
    Changing(u64),
    /// Until this time.
    Settling(u64),
    Ending,
}

impl Scaling {
    pub(crate) fn new(place: Place, plan: plan::Scaling) -> Self {
        let (detail, inconclusive) = (Detail::new(), None);
        Self { place, plan, steady: None, state: State::Before, replicas: Vec::new(), made: 0, detail, inconclusive }
    }

    /// The next change, or the end.
    fn next(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Some(replicas) = self.plan.replicas.get(self.made).copied() else { return self.end() };
        self.state = State::Changing(seen.now_us);
        let line = Action::scenario_line(format!("scaling to {}", plural(u64::from(replicas), "replica")));
        vec![line, Action::Ask(Ask::Scale { replicas })]
    }

    fn changing(&mut self, from_us: u64, seen: &Observation<'_>) -> Vec<Action> {
        let bound_us = self.plan.bound.as_micros() as u64;
        let outcome = match seen.event {
            Event::Answer(Answer::Scaled(outcome)) => outcome.clone(),
            _ if seen.now_us >= from_us + bound_us => Err(format!("not scaled within {} s", bound_us / 1_000_000)),
            _ => return Vec::new(),
        };
        let endpoints = match outcome {
            Ok(endpoints) => endpoints,
            Err(why) => {
                self.inconclusive = Some(why);
                return self.end();
            }
        };
        self.enter(detail::SCALED_MS, (seen.now_us - from_us) as f64 / 1e3);
        self.enter(detail::REPLICAS, endpoints.len() as f64);
        self.state = State::Settling(seen.now_us + self.plan.window.as_micros() as u64);
        let endpoint = |(replica, address): &(u16, SocketAddr)| proto::Endpoint {
            replica: u32::from(*replica),
            address: address.to_string(),
        };
        let list = proto::Endpoints { endpoints: endpoints.iter().map(endpoint).collect() };
        self.replicas = endpoints.iter().map(|(replica, _)| *replica).collect();
        let tell = |agent| Action::Command { agent, command: Command::Endpoints(list.clone()) };
        seen.world.alive().into_iter().map(tell).collect()
    }

    /// What came of the change.
    fn settled(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let counts = by_replica(seen.world, &self.replicas);
        let open: u64 = counts.iter().sum();
        let least = counts.iter().copied().min().unwrap_or(0);
        let mut text = format!("{open} connections, at least {least} on each replica");
        self.enter(detail::OPEN, open as f64);
        self.enter(detail::LEAST, least as f64);
        if let Some(spread) = Spread::of(&counts) {
            self.enter(detail::SPREAD_RATIO, spread.ratio);
            self.enter(detail::GINI, spread.gini);
            text = format!("{text}; the most is {:.2} times the mean", spread.ratio);
        }
        self.made += 1;
        let mut actions = vec![Action::scenario_line(text)];
        actions.extend(self.next(seen));
        actions
    }

    /// "change_1_scaled_ms"
    fn enter(&mut self, name: &str, value: f64) {
        self.detail.insert(format!("{}{}_{name}", detail::CHANGE, self.made + 1), value);
    }

    fn end(&mut self) -> Vec<Action> {
        self.state = State::Ending;
        self.steady.as_mut().map(Steady::cut).unwrap_or_default()
    }
}

impl Machine for Scaling {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Some(steady) = &mut self.steady else {
            let lasts = (self.plan.window + self.plan.bound) * self.plan.replicas.len() as u32;
            let (steady, actions) = Steady::start_for(&self.place, (self.plan.rate, self.plan.window, lasts), seen);
            self.steady = Some(steady);
            return actions;
        };
        let mut actions = steady.observe(seen);
        let is_measured = self.state == State::Before && steady.is_measured(seen);
        actions.extend(match self.state {
            State::Before if is_measured => self.next(seen),
            State::Changing(from_us) => self.changing(from_us, seen),
            State::Settling(until_us) if seen.now_us >= until_us => self.settled(seen),
            _ => Vec::new(),
        });
        actions
    }

    /// As many replicas as there were, whatever comes of it.
    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        let is_changed = !matches!(self.state, State::Before | State::Ending);
        let back = self.plan.replicas.last().filter(|_| is_changed);
        let mut actions: Vec<Action> =
            back.map(|back| Action::Ask(Ask::Scale { replicas: *back })).into_iter().collect();
        actions.extend(self.end());
        actions
    }

    fn is_over(&self) -> bool {
        self.state == State::Ending && self.steady.as_ref().is_none_or(Steady::is_over)
    }

    fn facts(&self) -> Facts {
        let text = format!("{} made", plural(self.made as u64, "change"));
        let (inconclusive, blocks) = (self.inconclusive.clone(), vec![self.place.first_id]);
        Facts { inconclusive, blocks, detail: self.detail.clone(), text, ..Facts::default() }
    }
}
