use erlmcp_load::proto::command::Command;

use crate::action::Ask;
use crate::event::Event;

/// Everything that a run does to the world and hears from it: agents, target, faults, and the time.
pub(crate) trait Hands {
    /// The run's clock, microseconds.
    fn now_us(&self) -> u64;

    /// Gives an agent a command; one that is gone is passed over.
    fn command(&mut self, agent: u32, command: Command);

    /// Begins to do what was asked; what comes of it is one of the next events.
    fn ask(&mut self, ask: Ask);

    /// The next thing that happens; a tick where nothing else does. Can be dropped and called again.
    fn next(&mut self) -> impl Future<Output = Event>;

    /// Ends at once what the run brought with it, faults first.
    fn abandon(&mut self) -> impl Future<Output = ()>;
}
