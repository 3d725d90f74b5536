use std::collections::BTreeSet;
use std::time::Duration;

use erlmcp_load::proto::{self, command::Command};
use erlmcp_record::names::finding;
use erlmcp_report::plural;

use super::operations::OPERATIONS_BLOCK;
use crate::action::{Action, Ask};
use crate::event::{Answer, Audited, Event, Said};
use crate::machine::{Observation, Place, RunningBlock};
use crate::phase;

/// Agents settle what is under way within half a minute of their own.
const SETTLED_US: u64 = 40_000_000;
/// So many operations are written out in less; reading them takes as long again.
const EXPORTED: f64 = 10e6;
const EXPORTED_WITHIN: Duration = Duration::from_secs(60);
/// The store of a run's own cluster remembers all operations of the run, be it days long: a limit that is right for a server would end it.
pub(crate) const OPERATIONS_HELD: u32 = 100_000_000;

/// From the end of the operations to the audit's verdict, at most; `rate` operations a second were begun for so long.
pub(crate) fn audit_bound(rate: f64, run: Duration) -> Duration {
    Duration::from_micros(SETTLED_US) + 2 * exported_within(rate, run)
}

fn exported_within(rate: f64, run: Duration) -> Duration {
    let operations = rate * run.as_secs_f64();
    EXPORTED_WITHIN.mul_f64((operations.min(f64::from(OPERATIONS_HELD)) / EXPORTED).max(1.0))
}

/// Ends the operations, waits until each is settled, and has them audited.
#[derive(Debug)]
pub(crate) struct Audit {
    place: Place,
    state: State,
    /// The store's account is there in so long.
    exported_within: Duration,
}

#[derive(Debug)]
enum State {
    /// For these agents, until this time.
    Settling(BTreeSet<u32>, u64),
    Auditing(u64),
    Over,
}

impl Audit {
    /// `Err`: no operations were begun, and why.
    pub(crate) fn start(place: Place, begun: Result<(), String>, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let Err(why) = begun else { return Self::settle(place, seen) };
        let none = phase::finding(&place, seen.now_us, finding::AUDITED_OPERATIONS, None, Some(why));
        (Self::over(place), vec![none])
    }

    /// Of what an end before its time has left under way: nothing to do where no operations are.
    pub(crate) fn of_remaining(place: Place, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        if seen.world.operates() { Self::settle(place, seen) } else { (Self::over(place), Vec::new()) }
    }

    fn over(place: Place) -> Self {
        Self { place, state: State::Over, exported_within: EXPORTED_WITHIN }
    }

    fn settle(place: Place, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let agents = seen.world.alive();
        let exported_within = exported_within(seen.world.operations_rate(), Duration::from_micros(seen.now_us));
        let cut = Command::Cut(proto::Cut { block: OPERATIONS_BLOCK });
        let commands = Action::to_all(&agents, &cut);
        let state = State::Settling(agents.into_iter().collect(), seen.now_us + SETTLED_US);
        (Self { place, state, exported_within }, commands)
    }

    fn audit(&mut self, now_us: u64) -> Vec<Action> {
        let within = self.exported_within;
        self.state = State::Auditing(now_us + 2 * within.as_micros() as u64);
        vec![Action::Ask(Ask::Audit { folder: self.place.run.folder.clone(), within })]
    }

    fn found(&mut self, outcome: Result<Audited, String>, now_us: u64) -> Vec<Action> {
        self.state = State::Over;
        let unknown = |why| Audited { operations: 0, violations: None, why };
        let Audited { operations, violations, why } = outcome.unwrap_or_else(unknown);
        let said = match violations {
            Some(0) => format!("Audit: {}, each happened once and none was lost", plural(operations, "operation")),
            Some(_) => format!("Audit: INVALID: {why}; read the witnesses with erlmcp audit"),
            None => format!("Audit: unknown: {why}"),
        };
        let row = |name, value: Option<u64>, note: &str| {
            let note = Some(note.to_string()).filter(|note| !note.is_empty());
            phase::finding(&self.place, now_us, name, value.map(|value| value as f64), note)
        };
        vec![
            row(finding::AUDITED_OPERATIONS, Some(operations), ""),
            row(finding::AUDIT_VIOLATIONS, violations, &why),
            Action::scenario_line(said),
        ]
    }
}

impl RunningBlock for Audit {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        match (&mut self.state, seen.event) {
            (State::Settling(agents, _), Event::Agent { agent, said }) => {
                let is_over = matches!(said, Said::Done { block } if *block == OPERATIONS_BLOCK);
                if is_over || matches!(said, Said::Gone(_)) {
                    agents.remove(agent);
                }
            }
            (State::Auditing(_), Event::Answer(Answer::Audited(outcome))) => {
                return self.found(outcome.clone(), seen.now_us);
            }
            _ => {}
        }
        match &self.state {
            State::Settling(agents, until_us) if agents.is_empty() || seen.now_us >= *until_us => {
                self.audit(seen.now_us)
            }
            State::Auditing(until_us) if seen.now_us >= *until_us => {
                self.found(Err("the audit was not done in time".into()), seen.now_us)
            }
            _ => Vec::new(),
        }
    }

    fn cut(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        match self.state {
            State::Over => Vec::new(),
            _ => self.found(Err("cut short".into()), seen.now_us),
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_operations_were_begun_the_longer_their_audit_is_waited_for() {
        let (hour, day) = (Duration::from_secs(3_600), Duration::from_secs(86_400));
        assert_eq!(exported_within(500.0, hour), EXPORTED_WITHIN, "1.8 million");
        assert_eq!(exported_within(500.0, day), EXPORTED_WITHIN.mul_f64(4.32), "43 million");
        assert_eq!(exported_within(500.0, 7 * day), 10 * EXPORTED_WITHIN, "more than the store holds");
        assert_eq!(audit_bound(500.0, hour), Duration::from_secs(160));
    }
}
