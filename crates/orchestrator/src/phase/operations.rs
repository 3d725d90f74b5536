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
pub(crate) struct Operations;

impl Operations {
    pub(crate) fn start(place: &Place, plan: &plan::Operations, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let agents = seen.world.alive();
        let rate = plan.rate / agents.len().max(1) as f64;
        let command = Command::Operations(proto::Operations {
            block: OPERATIONS_BLOCK,
            rate,
            lanes: (rate / LANE_RATE).ceil().clamp(LANES_MIN, LANES_MAX) as u32,
            tool: plan.tool.clone(),
            folder: place.run.folder.display().to_string(),
        });
        let said = format!("{:.0} operations a second beside the load, each to happen once", plan.rate);
        let commands = Action::to_all(&agents, &command);
        (Self, std::iter::once(Action::note(said)).chain(commands).collect())
    }
}

impl RunningBlock for Operations {
    fn step(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        Vec::new()
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        Vec::new()
    }

    fn is_over(&self) -> bool {
        true
    }
}
