use erlmcp_record::names::{detail, scenario};
use erlmcp_record::{Detail, FaultRow};

use super::course::Course;
use super::steady::Steady;
use crate::action::{Action, Ask};
use crate::event::{Answer, Event};
use crate::machine::{Facts, Observation, Place, RunningBlock};
use crate::plan::{self, RECOVERY_BOUND};
use crate::visit::Visited;

/// A visitor of the target: with steady load beside it before, meanwhile and after, or alone.
#[derive(Debug)]
pub(crate) struct Visiting {
    place: Place,
    plan: plan::Visiting,
    steady: Option<Steady>,
    course: Option<Course>,
    state: State,
    outcome: Option<Result<Visited, String>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Before,
    /// The fault is on its way.
    Breaking,
    Visiting,
    /// The visit is over, the fault is not.
    Mending,
    After(u64),
    Ending,
}

impl Visiting {
    pub(crate) fn start(place: Place, plan: plan::Visiting, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let course =
            plan.under.clone().map(|fault| Course::new(&place, place.first_id, scenario::LIMIT_DESCRIPTORS, fault));
        let (steady, loaded) = plan.rate.map(|rate| Steady::start(&place, rate, plan.window, seen)).unzip();
        let mut visiting = Self { place, plan, steady, course, state: State::Before, outcome: None };
        let actions = loaded.unwrap_or_else(|| visiting.step(seen));
        (visiting, actions)
    }

    fn begin(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        match &mut self.course {
            Some(course) => {
                self.state = State::Breaking;
                let what = course.fault();
                let line = format!("{} {}", what.kind.doing(), what.targets());
                let mut actions = vec![Action::scenario_line(line)];
                actions.extend(course.inject(seen));
                actions
            }
            None => self.send(),
        }
    }

    fn send(&mut self) -> Vec<Action> {
        self.state = State::Visiting;
        vec![Action::Ask(Ask::Visit { id: self.place.first_id, visit: self.plan.visit })]
    }

    /// The fault is in force, or it had no effect.
    fn breaking(&mut self) -> Vec<Action> {
        let Some(course) = &self.course else { return self.send() };
        if course.inconclusive.is_some() {
            self.outcome = course.inconclusive.clone().map(Err);
            return self.end();
        }
        if course.row.effect_us.is_some() { self.send() } else { Vec::new() }
    }

    fn visiting(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Event::Answer(Answer::Visited { id, outcome }) = seen.event else { return Vec::new() };
        if *id != self.place.first_id {
            return Vec::new();
        }
        self.outcome = Some(outcome.clone());
        self.state = State::Mending;
        let text = outcome.as_ref().map_or_else(Clone::clone, |visited| visited.text.clone());
        let mut actions = vec![Action::scenario_line(text)];
        actions.extend(self.mending(seen));
        actions
    }

    fn mending(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        if self.course.as_ref().is_some_and(|course| !course.is_over()) {
            return Vec::new();
        }
        match &self.steady {
            Some(steady) => {
                self.state = State::After(steady.after_us(seen.now_us));
                Vec::new()
            }
            None => self.end(),
        }
    }

    fn end(&mut self) -> Vec<Action> {
        self.state = State::Ending;
        self.steady.as_mut().map(Steady::cut).unwrap_or_default()
    }
}

impl RunningBlock for Visiting {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.steady.as_mut().map(|steady| steady.observe(seen)).unwrap_or_default();
        let is_measured =
            self.state == State::Before && self.steady.as_mut().is_none_or(|steady| steady.is_measured(seen));
        actions.extend(self.course.as_mut().map(|course| course.step(seen)).unwrap_or_default());
        actions.extend(match self.state {
            State::Before if is_measured => self.begin(seen),
            State::Breaking => self.breaking(),
            State::Visiting => self.visiting(seen),
            State::Mending => self.mending(seen),
            State::After(until_us) if seen.now_us >= until_us => self.end(),
            _ => Vec::new(),
        });
        actions
    }

    /// The visitor goes on by itself to its end, which is near; only the end of the run waits for it.
    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.end();
        actions.extend(self.course.as_mut().map(Course::cut).unwrap_or_default());
        actions
    }

    fn is_over(&self) -> bool {
        let is_undone = self.course.as_ref().is_none_or(|course| !course.is_active());
        self.state == State::Ending && is_undone && self.steady.as_ref().is_none_or(Steady::is_over)
    }

    fn facts(&self) -> Facts {
        let faults = self.course.as_ref().map(|course| course.row.id).into_iter().collect();
        let blocks = self.steady.as_ref().map(|_| self.place.first_id).into_iter().collect();
        let outcome = self.outcome.clone().unwrap_or_else(|| Err("the visit was not over".into()));
        match outcome {
            Ok(Visited { detail, text }) => {
                let (inconclusive, more) = self.course.as_ref().map(|course| after(&course.row)).unwrap_or_default();
                let note = self.course.as_ref().and_then(|course| course.row.note.clone());
                let text = [text].into_iter().chain(note).collect::<Vec<_>>().join("; ");
                Facts { inconclusive, faults, blocks, detail: detail.into_iter().chain(more).collect(), text }
            }
            Err(why) => Facts { inconclusive: Some(why), faults, blocks, ..Facts::default() },
        }
    }
}

/// What came after a fault: why that shows nothing, or how long after its heal its target was ready again.
fn after(fault: &FaultRow) -> (Option<String>, Detail) {
    let Some(healed_us) = fault.healed_us else { return (fault.note.clone(), Detail::default()) };
    let back = match fault.ready_us {
        Some(ready_us) => Some((detail::BACK_MS, ready_us.saturating_sub(healed_us) as f64 / 1e3)),
        // Where it was cut, there is no note.
        None if fault.awaits_ready() && fault.note.is_some() => {
            Some((detail::BACK_WATCHED_MS, RECOVERY_BOUND.as_secs_f64() * 1e3))
        }
        None => None,
    };
    (None, back.map(|(name, ms)| (name.to_string(), ms)).into_iter().collect())
}
