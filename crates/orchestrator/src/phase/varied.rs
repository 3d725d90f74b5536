use std::collections::BTreeSet;

use erlmcp_load::proto::{Requests, command::Command};

use super::load::{self, Load};
use crate::action::Action;
use crate::event::{Event, Said};
use crate::machine::{Facts, Observation, Place, RunningBlock};
use crate::plan::{self, Variant};

/// Agents take other calls within so long, a handshake included.
const TAKEN_US: u64 = 15_000_000;

/// Load of other calls than the run's, or in another era; the run's own are told again afterwards.
#[derive(Debug)]
pub(crate) struct Varied {
    place: Place,
    variant: Variant,
    load: plan::Load,
    state: State,
    /// Why it was not measured.
    trouble: Option<String>,
}

#[derive(Debug)]
enum State {
    /// These agents have not said yet that they take the calls; until this time.
    Telling(BTreeSet<u32>, u64),
    Loading(Box<Load>),
    /// The same for the run's own calls.
    Restoring(BTreeSet<u32>, u64),
    Over,
}

impl Varied {
    pub(crate) fn start(
        place: Place,
        variant: Variant,
        load: plan::Load,
        seen: &Observation<'_>,
    ) -> (Self, Vec<Action>) {
        let state = State::Telling(alive(seen), seen.now_us + TAKEN_US);
        let varied = Self { place, variant, load, state, trouble: None };
        let actions = varied.tell(false, seen);
        (varied, actions)
    }

    /// For agent `index` of so many.
    fn requests(&self, is_usual: bool, agent: (u32, u32)) -> Requests {
        let block = self.block_of(is_usual);
        let usual = Requests { block, ..self.place.run.calls.requests(crate::machine::WORK_MS, agent) };
        if is_usual {
            return usual;
        }
        let era = self.variant.era.map_or("", crate::Era::name).into();
        Requests { load: self.variant.call.clone().or(usual.load), era, workload: None, ..usual }
    }

    /// By which agents say which calls they have taken.
    fn block_of(&self, is_usual: bool) -> u32 {
        self.place.first_id + if is_usual { 2 } else { 1 }
    }

    fn tell(&self, is_usual: bool, seen: &Observation<'_>) -> Vec<Action> {
        let agents = seen.world.alive();
        let command = |index| Command::Requests(self.requests(is_usual, (agents.len() as u32, index)));
        Action::to_each(&agents, command)
    }

    fn restore(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        self.state = State::Restoring(alive(seen), seen.now_us + TAKEN_US);
        self.tell(true, seen)
    }

    /// Takes note of an agent that has taken the calls, or is gone. True where nobody is waited for any more.
    fn is_taken(&mut self, seen: &Observation<'_>) -> bool {
        let is_usual = matches!(self.state, State::Restoring(..));
        let told = self.block_of(is_usual);
        let (State::Telling(agents, until_us) | State::Restoring(agents, until_us)) = &mut self.state else {
            return false;
        };
        match seen.event {
            Event::Agent { agent, said: Said::Taken { block, error } } if *block == told => {
                agents.remove(agent);
                if !error.is_empty() {
                    self.trouble.get_or_insert_with(|| error.clone());
                }
            }
            Event::Agent { agent, said: Said::Gone(_) } => drop(agents.remove(agent)),
            _ if seen.now_us >= *until_us => {
                let late = "an agent did not take the calls in time".to_string();
                self.trouble.get_or_insert(late);
                agents.clear();
            }
            _ => {}
        }
        agents.is_empty()
    }
}

impl RunningBlock for Varied {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let is_taken = self.is_taken(seen);
        match &mut self.state {
            State::Telling(..) if is_taken && self.trouble.is_some() => self.restore(seen),
            State::Telling(..) if is_taken => {
                let (load, actions) = Load::start(&self.place, self.load.clone(), seen);
                self.state = State::Loading(Box::new(load));
                actions
            }
            State::Loading(load) => {
                let mut actions = load.step(seen);
                if load.is_over() {
                    actions.extend(self.restore(seen));
                }
                actions
            }
            State::Restoring(..) if is_taken => {
                self.state = State::Over;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn cut(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        match &mut self.state {
            State::Loading(load) => load.cut(seen),
            State::Telling(..) => self.restore(seen),
            State::Restoring(..) | State::Over => Vec::new(),
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn facts(&self) -> Facts {
        Facts { inconclusive: self.trouble.clone(), ..load::facts(self.place.first_id, &self.load) }
    }
}

fn alive(seen: &Observation<'_>) -> BTreeSet<u32> {
    seen.world.alive().into_iter().collect()
}
