use erlmcp_load::proto::{self, command::Command};
use erlmcp_record::names::finding;
use erlmcp_report::live;

use crate::action::{Action, Ask};
use crate::event::{Answer, Event, Said};
use crate::machine::{Observation, Place, RunningBlock};
use crate::phase::finding;

/// Does the target answer? By /health where it has one, else by an MCP request of the first agent.
#[derive(Debug)]
pub(crate) struct Reachability {
    place: Place,
    state: State,
}

#[derive(Debug, PartialEq)]
enum State {
    Health,
    /// Asked for at this time.
    Mcp(u64),
    Over,
}

impl Reachability {
    pub(crate) fn start(place: Place) -> (Self, Vec<Action>) {
        let text = format!("Testing target reachability: {}", place.run.target);
        let actions = vec![place.announce(text), Action::Ask(Ask::Health)];
        (Self { place, state: State::Health }, actions)
    }

    fn reached(&mut self, now_us: u64, ms: f64, how: &str) -> Vec<Action> {
        self.state = State::Over;
        vec![
            finding(&self.place, now_us, finding::TARGET_REACHABLE, Some(1.0), Some(how.into())),
            finding(&self.place, now_us, finding::HEALTH_MS, Some(ms), Some(how.into())),
            Action::Show(live::Event::StepOk { text: "Target reachable and responsive".into() }),
        ]
    }

    fn ask_by_mcp(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Some(agent) = seen.world.alive().first().copied() else {
            self.state = State::Over;
            return Vec::new();
        };
        self.state = State::Mcp(seen.now_us);
        let reach = Command::Reach(proto::Reach { block: self.place.first_id, wanted: None });
        vec![Action::Command { agent, command: reach }]
    }

    fn unreachable(&mut self, now_us: u64, why: &str) -> Vec<Action> {
        self.state = State::Over;
        vec![
            finding(&self.place, now_us, finding::TARGET_REACHABLE, Some(0.0), Some(why.into())),
            Action::Show(live::Event::StepFailed { text: format!("Target does not answer: {why}") }),
            Action::Abort(format!("the target does not answer: {why}")),
        ]
    }
}

impl RunningBlock for Reachability {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        match (&self.state, seen.event) {
            (State::Health, Event::Answer(Answer::Health(Ok(ms)))) => self.reached(seen.now_us, *ms, "GET /health"),
            (State::Health, Event::Answer(Answer::Health(Err(_)))) => self.ask_by_mcp(seen),
            (State::Mcp(asked_us), Event::Agent { said: Said::Reached(reached), .. }) if reached.ok => {
                let ms = (seen.now_us - asked_us) as f64 / 1e3;
                self.reached(seen.now_us, ms, "MCP request")
            }
            (State::Mcp(_), Event::Agent { said: Said::Reached(reached), .. }) => {
                self.unreachable(seen.now_us, &reached.error)
            }
            (State::Mcp(_), Event::Agent { said: Said::Gone(why), .. }) => self.unreachable(seen.now_us, why),
            _ => Vec::new(),
        }
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.state = State::Over;
        Vec::new()
    }

    fn is_over(&self) -> bool {
        self.state == State::Over
    }
}
