//! A phase: its blocks one after another, and the rows and lines around them.

use erlmcp_load::proto::{self, command::Command};
use erlmcp_record::names;
use erlmcp_record::{Entry, FindingRow, PhaseEvent, PhaseRow, ScenarioRow};
use erlmcp_report::live;

use crate::action::Action;
use crate::machine::{Facts, Observation, Place, RunFacts, RunningBlock};
use crate::plan::{Block, PhasePlan, Step};

mod audit;
mod blocks;
mod changes;
mod close;
mod connect;
mod dismantle;
mod end_streams;
mod endpoints;
mod hold;
mod load;
mod metrics;
mod operations;
mod rate_sweep;
mod reachability;
mod readdress;
mod readiness;
mod scale;
mod sequential;
mod streaming;
mod streams;
mod sweep;
mod varied;

pub(crate) use audit::{OPERATIONS_HELD, audit_bound};
pub(crate) use changes::Changes;
pub(crate) use load::SpanLines;
pub(crate) use operations::OPERATIONS_BLOCK;

/// Ids that a phase may give to its blocks and faults.
const IDS: u32 = 10_000;

/// A phase that runs.
#[derive(Debug)]
pub(crate) struct Phase {
    plan: PhasePlan,
    facts: RunFacts,
    state: State,
    /// Position in the plan's steps of the next one.
    next: usize,
    current: Option<Running>,
    /// Why it ends early; None while it goes as planned.
    cut: Option<String>,
    /// Only what ends the run is still done.
    is_hasty: bool,
}

#[derive(Debug, PartialEq)]
enum State {
    Begin,
    Running,
    Over,
}

#[derive(Debug)]
struct Running {
    step: usize,
    started_us: u64,
    block: Box<dyn RunningBlock>,
}

impl Phase {
    pub(crate) fn new(plan: PhasePlan, facts: RunFacts) -> Self {
        Self { plan, facts, state: State::Begin, next: 0, current: None, cut: None, is_hasty: false }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Takes note of one event; the first call is the phase's start.
    pub(crate) fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.state == State::Begin {
            self.state = State::Running;
            actions.extend(self.begin(seen));
        } else if let Some(running) = &mut self.current {
            actions.extend(running.block.step(seen));
        }
        while self.state == State::Running {
            match self.current.take_if(|running| running.block.is_over()) {
                Some(over) => actions.extend(self.end_step(&over, seen.now_us)),
                None if self.current.is_some() => break,
                None => actions.extend(self.begin_step(seen)),
            }
        }
        actions
    }

    /// Ends it early, in order, for `reason`: what is under way is cut, nothing new begins.
    pub(crate) fn cut(&mut self, reason: &str, seen: &Observation<'_>) -> Vec<Action> {
        if self.cut.is_some() || self.is_over() {
            return Vec::new();
        }
        self.cut = Some(reason.into());
        let mut actions = self.current.as_mut().map(|running| running.block.cut(seen)).unwrap_or_default();
        actions.extend(self.step(seen));
        actions
    }

    /// Waits no longer for what is under way, and does nothing more but dismantle; from the next step on.
    pub(crate) fn hasten(&mut self) {
        self.current = None;
        self.is_hasty = true;
    }

    fn begin(&self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = vec![
            self.row(PhaseEvent::Started, seen.now_us),
            Action::Show(live::Event::PhaseStarted(Box::new(live::PhaseStart {
                number: self.plan.number,
                name: self.plan.name.clone(),
                estimated_ms: self.estimated_ms(),
                connections: self.facts.connections,
                ramp_rate: self.facts.ramp_rate,
                duration_ms: self.facts.duration_ms,
            }))),
        ];
        let phase = proto::Phase { phase: u32::from(self.plan.number) };
        actions.extend(Action::to_all(&seen.world.alive(), &Command::Phase(phase)));
        actions
    }

    /// Starts the next block, or ends the phase where there is none.
    fn begin_step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Some(step) = self.plan.steps.get(self.next) else {
            self.state = State::Over;
            let (number, name) = (self.plan.number, self.plan.name.clone());
            return vec![self.row(PhaseEvent::Ended, seen.now_us), Action::Summarize { number, name }];
        };
        let index = self.next;
        self.next += 1;
        if self.is_hasty && !matches!(step.block, Block::Dismantle { .. }) {
            return Vec::new();
        }
        if let Some(reason) = step.skip.as_ref().or(self.cut.as_ref()) {
            return skipped_scenario(self.plan.number, step, reason, seen.now_us);
        }
        let mut actions = self.announce_scenario(index);
        let (block, begun) = blocks::begin(&step.block, self.place(index), seen);
        actions.extend(begun);
        self.current = Some(Running { step: index, started_us: seen.now_us, block });
        actions
    }

    fn end_step(&self, over: &Running, now_us: u64) -> Vec<Action> {
        let step = &self.plan.steps[over.step];
        let Some(name) = &step.scenario else { return Vec::new() };
        let Facts { inconclusive, faults, blocks, detail, text } = over.block.facts();
        let inconclusive = self.cut.as_ref().map(|reason| format!("cut short: {reason}")).or(inconclusive);
        let row = ScenarioRow {
            phase: self.plan.number,
            name: name.clone(),
            started_us: over.started_us,
            ended_us: now_us,
            skipped: None,
            inconclusive,
            faults,
            blocks,
            detail,
        };
        let shown = live::Event::scenario_ended(&row, text);
        vec![Action::Row(Entry::Scenario(row)), Action::Show(shown)]
    }

    fn announce_scenario(&self, index: usize) -> Vec<Action> {
        let step = &self.plan.steps[index];
        let Some(name) = &step.scenario else { return Vec::new() };
        let before = self.plan.steps[..index].iter().filter(|step| step.scenario.is_some()).count();
        vec![Action::Show(live::Event::ScenarioStarted {
            scenario: before as u32 + 1,
            scenarios: self.plan.scenarios(),
            name: name.clone(),
            text: step.name.clone(),
        })]
    }

    fn place(&self, index: usize) -> Place {
        let step = &self.plan.steps[index];
        let shown = |steps: &[Step]| steps.iter().filter(|step| !step.quiet).count() as u32;
        Place {
            phase: self.plan.number,
            first_id: u32::from(self.plan.number) * IDS + index as u32 * Place::IDS,
            name: step.name.clone(),
            quiet: step.quiet,
            scenario: step.scenario.is_some(),
            number: (shown(&self.plan.steps[..index]) + 1, shown(&self.plan.steps)),
            run: self.facts.clone(),
        }
    }

    fn row(&self, event: PhaseEvent, at_us: u64) -> Action {
        Action::Row(Entry::Phase(phase_row(&self.plan, event, at_us)))
    }

    fn estimated_ms(&self) -> u64 {
        self.plan.estimate().as_millis() as u64
    }
}

/// What the record says of a phase that is not run.
pub(crate) fn skip(plan: &PhasePlan, reason: &str, at_us: u64) -> Vec<Action> {
    let event = PhaseEvent::Skipped { reason: reason.into() };
    let mut actions = vec![
        Action::Row(Entry::Phase(phase_row(plan, event, at_us))),
        Action::Show(live::Event::PhaseSkipped { number: plan.number, name: plan.name.clone(), reason: reason.into() }),
    ];
    // A phase that is left out since none of its steps can be run has a reason for each of them.
    let is_empty = plan.steps.iter().all(|step| step.skip.is_some());
    for step in &plan.steps {
        let reason = step.skip.as_deref().filter(|_| is_empty && reason != names::skip::LEFT_OUT).unwrap_or(reason);
        let rows = skipped_scenario(plan.number, step, reason, at_us);
        actions.extend(rows.into_iter().filter(|action| matches!(action, Action::Row(_))));
    }
    actions
}

fn phase_row(plan: &PhasePlan, event: PhaseEvent, at_us: u64) -> PhaseRow {
    let estimated_ms = plan.estimate().as_millis() as u64;
    PhaseRow { phase: plan.number, name: plan.name.clone(), event, at_us, estimated_ms }
}

fn skipped_scenario(phase: u8, step: &Step, reason: &str, at_us: u64) -> Vec<Action> {
    let Some(name) = &step.scenario else { return Vec::new() };
    let row = ScenarioRow {
        phase,
        name: name.clone(),
        started_us: at_us,
        ended_us: at_us,
        skipped: Some(reason.into()),
        inconclusive: None,
        faults: Vec::new(),
        blocks: Vec::new(),
        detail: Default::default(),
    };
    let shown = live::Event::scenario_ended(&row, String::new());
    vec![Action::Row(Entry::Scenario(row)), Action::Show(shown)]
}

/// A named figure of the phase that a block belongs to.
fn finding(place: &Place, at_us: u64, name: &str, value: Option<f64>, note: Option<String>) -> Action {
    Action::Row(Entry::Finding(FindingRow { phase: place.phase, at_us, name: name.into(), value, note, agent: None }))
}

#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod suite_tests;
#[cfg(test)]
mod tests;
