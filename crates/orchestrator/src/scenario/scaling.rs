use std::time::Duration;

use erlmcp_record::Detail;
use erlmcp_record::names::detail;
use erlmcp_report::plural;

use super::spread::{Spread, SpreadWatch, by_replica};
use super::steady::Steady;
use crate::action::{Action, Ask};
use crate::assignment::Assignment;
use crate::event::{Answer, Event};
use crate::machine::{Facts, Observation, Place, RunningBlock};
use crate::plan;

/// From a change on clients move for so long at most, until they are even again.
const MOVED_WITHIN: Duration = Duration::from_secs(60);

/// More replicas and fewer again, under load. Clients learn of the addresses at once, and those that are between two requests
/// move there, at a bounded rate.
#[derive(Debug)]
pub(crate) struct Scaling {
    place: Place,
    plan: plan::Scaling,
    steady: Steady,
    state: State,
    /// Numbers of the replicas that there are.
    replicas: Vec<u16>,
    moving: Option<Assignment>,
    spread: SpreadWatch,
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
    pub(crate) fn start(place: Place, plan: plan::Scaling, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let lasts = (plan.window + plan.bound + MOVED_WITHIN) * plan.replicas.len() as u32;
        let (steady, actions) = Steady::start_for(&place, (plan.rate, plan.window, lasts), seen);
        let (detail, inconclusive) = (Detail::new(), None);
        let (state, moving, spread, replicas) = (State::Before, None, SpreadWatch::default(), Vec::new());
        let scaling = Self { place, plan, steady, state, replicas, moving, spread, made: 0, detail, inconclusive };
        (scaling, actions)
    }

    /// The next change, or the end.
    fn next(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Some(replicas) = self.plan.replicas.get(self.made).copied() else { return self.end() };
        self.state = State::Changing(seen.now_us);
        if self.replicas.is_empty() {
            let known = seen.world.agents.iter().flat_map(|agent| &agent.by_replica);
            self.replicas = known.map(|(replica, _)| *replica).collect();
            self.replicas.sort_unstable();
            self.replicas.dedup();
        }
        self.spread = SpreadWatch::new(self.replicas.clone());
        self.spread.before(seen);
        let line = Action::scenario_line(format!("scaling to {}", plural(u64::from(replicas), "replica")));
        vec![line, Action::Ask(Ask::Scale { replicas })]
    }

    fn changing(&mut self, from_us: u64, seen: &Observation<'_>) -> Vec<Action> {
        let bound_us = self.plan.bound.as_micros() as u64;
        let outcome = match seen.event {
            Event::Answer(Answer::Scaled(outcome)) => outcome.clone(),
            _ if seen.now_us >= from_us + bound_us => {
                self.enter(detail::SCALE_WATCHED_MS, (seen.now_us - from_us) as f64 / 1e3);
                Err(format!("not scaled within {} s", bound_us / 1_000_000))
            }
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
        self.replicas = endpoints.iter().map(|(replica, _)| *replica).collect();
        self.spread.among(self.replicas.clone());
        let mut actions = Action::tell_endpoints(&seen.world.alive(), &endpoints);
        let (block, within_us) = (self.place.first_id + 1 + self.made as u32, MOVED_WITHIN.as_micros() as u64);
        let (moving, told) = Assignment::rebalance(&self.place, block, (self.plan.move_rate, within_us), seen);
        self.moving = Some(moving);
        actions.extend(told);
        actions
    }

    /// The window is over, and so are the moves.
    fn is_settled(&self, until_us: u64, now_us: u64) -> bool {
        let late_us = until_us + MOVED_WITHIN.as_micros() as u64;
        now_us >= until_us && (self.moving.as_ref().is_none_or(Assignment::is_over) || now_us >= late_us)
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
        if let Some(ms) = self.spread.detail().get(detail::EVEN_MS) {
            self.enter(detail::EVEN_MS, *ms);
            text = format!("{text}, even again after {:.1} s", ms / 1e3);
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
        let mut actions = self.steady.cut();
        actions.extend(self.moving.as_mut().map(Assignment::cut).unwrap_or_default());
        actions
    }
}

impl RunningBlock for Scaling {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.steady.observe(seen);
        actions.extend(self.moving.iter_mut().flat_map(|moving| moving.observe(seen)));
        let is_measured = self.state == State::Before && self.steady.is_measured(seen);
        actions.extend(match self.state {
            State::Before if is_measured => self.next(seen),
            State::Changing(from_us) => self.changing(from_us, seen),
            State::Settling(until_us) => {
                self.spread.after(seen);
                if self.is_settled(until_us, seen.now_us) { self.settled(seen) } else { Vec::new() }
            }
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
        self.state == State::Ending && self.steady.is_over()
    }

    fn facts(&self) -> Facts {
        let text = format!("{} made", plural(self.made as u64, "change"));
        let (inconclusive, blocks) = (self.inconclusive.clone(), vec![self.place.first_id]);
        Facts { inconclusive, blocks, detail: self.detail.clone(), text, ..Facts::default() }
    }
}
