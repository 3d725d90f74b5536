use erlmcp_load::proto::{self, command::Command};

use crate::action::Action;
use crate::machine::{Observation, Place, RunningBlock};
use crate::plan;

/// The operations' block, below the ids of every phase's blocks: they go on from one phase to the next.
pub(crate) const OPERATIONS_BLOCK: u32 = 2;
/// Operations a second on one connection.
const LANE_RATE: f64 = 10.0;
const LANES_MIN: f64 = 2.0;
const LANES_MAX: f64 = 256.0;

/// Begins operations beside whatever comes next.
#[derive(Debug)]
pub(crate) struct Operations {
    place: Place,
    plan: plan::Operations,
    is_over: bool,
}

impl Operations {
    pub(crate) fn new(place: Place, plan: plan::Operations) -> Self {
        Self { place, plan, is_over: false }
    }
}

impl RunningBlock for Operations {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        if std::mem::replace(&mut self.is_over, true) {
            return Vec::new();
        }
        let agents = seen.world.alive();
        let rate = self.plan.rate / agents.len().max(1) as f64;
        let command = Command::Operations(proto::Operations {
            block: OPERATIONS_BLOCK,
            rate,
            lanes: (rate / LANE_RATE).ceil().clamp(LANES_MIN, LANES_MAX) as u32,
            tool: self.plan.tool.clone(),
            folder: self.place.run.folder.display().to_string(),
        });
        let said = format!("{:.0} operations a second beside the load, each to happen once", self.plan.rate);
        let commands = agents.into_iter().map(|agent| Action::Command { agent, command: command.clone() });
        std::iter::once(Action::note(said)).chain(commands).collect()
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.is_over = true;
        Vec::new()
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}
