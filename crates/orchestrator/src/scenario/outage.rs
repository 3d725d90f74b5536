use std::time::Duration;

use super::course::Course;
use super::steady::Steady;
use super::victim;
use crate::action::Action;
use crate::fault::Fault;
use crate::machine::{Facts, Observation, Place, RunningBlock};

/// One fault of one replica under load.
#[derive(Debug)]
pub(crate) struct Outage {
    place: Place,
    steady: Steady,
    state: State,
    course: Course,
    among: Vec<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Before,
    UnderWay,
    After(u64),
    Ending,
}

impl Outage {
    pub(crate) fn start(
        place: Place,
        scenario: &str,
        (rate, window): (f64, Duration),
        (fault, among): (Fault, Vec<u16>),
        seen: &Observation<'_>,
    ) -> (Self, Vec<Action>) {
        let course = Course::new(&place, place.first_id, scenario, fault);
        let (steady, actions) = Steady::start(&place, rate, window, seen);
        (Self { place, steady, state: State::Before, course, among }, actions)
    }

    /// Draws the replica to break.
    fn inject(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Some(replica) = victim::draw(seen.world, &self.among, (self.place.run.seed, self.place.first_id)) else {
            self.course.inconclusive = Some("no replica had connections to lose".into());
            return self.end();
        };
        self.course.aim(replica);
        self.state = State::UnderWay;
        let what = self.course.fault();
        let mut actions = vec![Action::scenario_line(format!("{} {}", what.kind.doing(), what.targets()))];
        actions.extend(self.course.inject(seen));
        actions
    }

    fn under_way(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        if !self.course.is_over() {
            return Vec::new();
        }
        if self.course.inconclusive.is_some() {
            return self.end();
        }
        self.state = State::After(self.steady.after_us(seen.now_us));
        Vec::new()
    }

    fn end(&mut self) -> Vec<Action> {
        self.state = State::Ending;
        self.steady.cut()
    }
}

impl RunningBlock for Outage {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.steady.observe(seen);
        let is_measured = self.state == State::Before && self.steady.is_measured(seen);
        actions.extend(self.course.step(seen));
        actions.extend(match self.state {
            State::Before if is_measured => self.inject(seen),
            State::UnderWay => self.under_way(seen),
            State::After(until_us) if seen.now_us >= until_us => self.end(),
            _ => Vec::new(),
        });
        actions
    }

    /// The fault is undone before the block ends.
    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.end();
        actions.extend(self.course.cut());
        actions
    }

    fn is_over(&self) -> bool {
        let is_undone = !self.course.is_active();
        self.state == State::Ending && is_undone && self.steady.is_over()
    }

    fn facts(&self) -> Facts {
        self.course.facts(vec![self.place.first_id])
    }
}
