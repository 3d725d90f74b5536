use erlmcp_record::names::finding;

use crate::action::{Action, Ask};
use crate::event::{Answer, Event, Leftovers};
use crate::machine::{Observation, Place, RunningBlock};
use crate::phase::finding;

/// Ends what the run brought with it, and looks for what was left behind.
#[derive(Debug)]
pub(crate) struct Dismantle {
    place: Place,
    own_cluster: bool,
    is_over: bool,
}

impl Dismantle {
    pub(crate) fn start(place: Place, own_cluster: bool) -> (Self, Vec<Action>) {
        (Self { place, own_cluster, is_over: false }, vec![Action::Ask(Ask::Dismantle { own_cluster })])
    }

    fn found(&mut self, left: &Leftovers, now_us: u64) -> Vec<Action> {
        self.is_over = true;
        let row = |name, count: u64| finding(&self.place, now_us, name, Some(count as f64), left.note.clone());
        let said = match &left.note {
            Some(note) => format!("Left behind: {note}"),
            None if self.own_cluster => "Agents and replicas are gone, no fault is in force".into(),
            None => "Agents are gone, no fault is in force".into(),
        };
        vec![
            row(finding::LEFTOVER_PROCESSES, left.processes),
            row(finding::LEFTOVER_FAULTS, left.faults),
            Action::note(said),
        ]
    }
}

impl RunningBlock for Dismantle {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        match seen.event {
            Event::Answer(Answer::Dismantled(left)) if !self.is_over => self.found(left, seen.now_us),
            _ => Vec::new(),
        }
    }

    /// It is the orderly end itself, and goes on.
    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        Vec::new()
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}
