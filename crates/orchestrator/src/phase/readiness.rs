use erlmcp_record::names::finding;
use erlmcp_report::live;

use crate::action::{Action, Ask};
use crate::event::{Answer, Event};
use crate::machine::{Observation, Place, RunningBlock};
use crate::phase::finding;

/// Workers of the target, agents of ours: are they ready for so many connections?
#[derive(Debug)]
pub(crate) struct Readiness {
    place: Place,
    is_over: bool,
}

impl Readiness {
    pub(crate) fn start(place: Place) -> (Self, Vec<Action>) {
        let actions = vec![place.announce("Verifying connection pool is available"), Action::Ask(Ask::Workers)];
        (Self { place, is_over: false }, actions)
    }

    fn judge(&mut self, workers: Option<(u64, u64)>, seen: &Observation<'_>) -> Vec<Action> {
        self.is_over = true;
        let alive = seen.world.alive();
        let possible: u64 = alive.iter().map(|agent| seen.world.agents[*agent as usize].connections_possible).sum();
        let not_reported = workers.is_none().then(|| "not reported".to_string());
        let (active, size) = (workers.map(|(active, _)| active as f64), workers.map(|(_, size)| size as f64));
        let row = |name, value, note| finding(&self.place, seen.now_us, name, value, note);
        let mut actions = vec![
            row(finding::WORKERS_ACTIVE, active, not_reported.clone()),
            row(finding::WORKERS_SIZE, size, not_reported),
            row(finding::AGENTS_READY, Some(alive.len() as f64), None),
            row(finding::CONNECTIONS_POSSIBLE, Some(possible as f64), None),
        ];
        let pool = match workers {
            Some((active, size)) => format!("{active}/{size} active workers"),
            None => "workers not reported".into(),
        };
        let agents = format!("agents {}/{} ready", alive.len(), seen.world.agents.len());
        if possible < self.place.run.connections {
            let text = format!(
                "the agents can hold {possible} connections, not {}: raise the descriptor limit, add --agents, or ask for fewer",
                self.place.run.connections
            );
            actions.push(Action::Show(live::Event::StepFailed { text: text.clone() }));
            actions.push(Action::Abort(text));
        } else {
            let text = format!("Connection pool ready: {pool}; {agents}, room for {possible} connections");
            actions.push(Action::Show(live::Event::StepOk { text }));
        }
        actions
    }
}

impl RunningBlock for Readiness {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        match seen.event {
            Event::Answer(Answer::Workers(workers)) if !self.is_over => self.judge(*workers, seen),
            _ => Vec::new(),
        }
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.is_over = true;
        Vec::new()
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}
