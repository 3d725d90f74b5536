use erlmcp_load::proto::{self, Door, command::Command};
use erlmcp_record::names::{detail, finding, scenario};
use erlmcp_record::{Detail, Entry, ScenarioRow};
use erlmcp_report::{live, plural};

use crate::action::{Action, Ask};
use crate::event::{Answer, Event, Said};
use crate::machine::{Observation, Place, RunningBlock};
use crate::phase::finding;

/// The agent's own bound on all of its knocks, and some more.
const BOUND_US: u64 = 45_000_000;
/// Scenarios of a record are bounded: the addresses of a larger cluster have no row each.
const ROWS_MAX: usize = 256;

/// Knocks at every address of the target, after its name was looked up.
#[derive(Debug)]
pub(crate) struct Endpoints {
    place: Place,
    knocks: u32,
    state: State,
    began_us: u64,
}

#[derive(Debug, PartialEq)]
enum State {
    Resolving,
    /// By this agent.
    Knocking(u32),
    Over,
}

impl Endpoints {
    pub(crate) fn start(place: Place, knocks: u32, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let actions = vec![place.announce("Knocking at every endpoint"), Action::Ask(Ask::Resolve)];
        (Self { place, knocks, state: State::Resolving, began_us: seen.now_us }, actions)
    }

    fn resolved(&mut self, outcome: &Result<Option<f64>, String>, seen: &Observation<'_>) -> Vec<Action> {
        let (value, note) = match outcome {
            Ok(Some(ms)) => (Some(*ms), None),
            Ok(None) => (None, Some("the URL has an address, which is not looked up".to_string())),
            Err(why) => (None, Some(why.clone())),
        };
        let mut actions = vec![finding(&self.place, seen.now_us, finding::DNS_MS, value, note)];
        let Some(agent) = seen.world.alive().first().copied() else { return self.give_up("no agent is left") };
        self.state = State::Knocking(agent);
        let knock = Command::Knock(proto::Knock { block: self.place.first_id, knocks: self.knocks });
        actions.push(Action::Command { agent, command: knock });
        actions
    }

    fn knocked(&mut self, doors: &[Door], now_us: u64) -> Vec<Action> {
        self.state = State::Over;
        let rows = doors.iter().take(ROWS_MAX).map(|door| self.row(door, now_us));
        let mut actions: Vec<Action> = rows.collect();
        let mut cold: Vec<u64> = doors.iter().flat_map(cold_us).collect();
        let knocks = cold.len();
        let median = median_ms(&mut cold);
        let open = doors.iter().filter(|door| door.error.is_empty() && door.knocks > 0).count();
        let note = format!("{} at {}", plural(knocks as u64, "knock"), endpoints(open));
        actions.push(finding(&self.place, now_us, finding::COLD_MEDIAN_MS, median, Some(note)));
        let shut = doors.iter().find(|door| !door.error.is_empty());
        actions.push(Action::Show(match (shut, median) {
            (None, Some(ms)) => {
                live::Event::StepOk { text: format!("{} answer; {ms:.2} ms on a new connection", endpoints(open)) }
            }
            (None, None) => live::Event::StepFailed { text: "The target has no address".into() },
            (Some(door), _) => live::Event::StepFailed {
                text: format!("{open} of {} answer; {}: {}", endpoints(doors.len()), door.address, door.error),
            },
        }));
        actions
    }

    fn row(&self, door: &Door, now_us: u64) -> Action {
        let mut detail = Detail::new();
        let mut put = |name: &str, value: Option<f64>| detail.extend(value.map(|value| (name.to_string(), value)));
        put(detail::KNOCKS, Some(f64::from(door.knocks)));
        put(detail::ANSWERED, Some(door.answer_us.len() as f64));
        put(detail::CONNECT_MS, median_ms(&mut door.connect_us.clone()));
        put(detail::TLS_MS, median_ms(&mut door.tls_us.clone()));
        put(detail::ANSWER_MS, median_ms(&mut door.answer_us.clone()));
        put(detail::COLD_MS, median_ms(&mut cold_us(door).collect::<Vec<_>>()));
        put(detail::HEALTH_STATUS, Some(f64::from(door.health_status)));
        put(detail::METRICS_STATUS, Some(f64::from(door.metrics_status)));
        Action::Row(Entry::Scenario(ScenarioRow {
            phase: self.place.phase,
            name: format!("{}{}", scenario::ENDPOINT, door.replica),
            started_us: self.began_us,
            ended_us: now_us,
            skipped: None,
            inconclusive: Some(door.error.clone()).filter(|error| !error.is_empty()),
            faults: Vec::new(),
            blocks: Vec::new(),
            detail,
        }))
    }

    fn give_up(&mut self, why: &str) -> Vec<Action> {
        self.state = State::Over;
        vec![Action::Show(live::Event::StepFailed { text: format!("Nobody knocked: {why}") })]
    }
}

fn endpoints(count: usize) -> String {
    plural(count as u64, "endpoint")
}

/// From nothing to an answer, knock by knock.
fn cold_us(door: &Door) -> impl Iterator<Item = u64> + '_ {
    let tls = door.tls_us.iter().copied().chain(std::iter::repeat(0));
    door.connect_us.iter().zip(tls).zip(&door.answer_us).map(|((connect, tls), answer)| connect + tls + answer)
}

fn median_ms(times: &mut [u64]) -> Option<f64> {
    times.sort_unstable();
    let middle = times.get(times.len() / 2)?;
    let below = times[(times.len() - 1) / 2];
    Some((middle + below) as f64 / 2e3)
}

impl RunningBlock for Endpoints {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        match (&self.state, seen.event) {
            (State::Resolving, Event::Answer(Answer::Resolved(outcome))) => self.resolved(outcome, seen),
            (State::Knocking(_), Event::Agent { said: Said::Knocked(knocked), .. })
                if knocked.block == self.place.first_id =>
            {
                self.knocked(&knocked.doors, seen.now_us)
            }
            (State::Knocking(by), Event::Agent { agent, said: Said::Gone(why) }) if by == agent => self.give_up(why),
            (State::Resolving | State::Knocking(_), _) if seen.now_us >= self.began_us + BOUND_US => {
                self.give_up("it took too long")
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Block, Probe, Step};
    use crate::stage::{SECOND, Stage};

    #[test]
    fn every_address_has_a_row_of_its_own() {
        let steps = vec![Step::new("every endpoint", Block::Probe(Probe::Endpoints { knocks: 5 }))];
        let mut stage = Stage::new(steps, 0);
        stage.run_to_end(5 * SECOND);
        assert_eq!(stage.finding(finding::DNS_MS), Some(0.25));
        // The stage's first door is answered in 1 ms, its second one not at all.
        assert_eq!(stage.finding(finding::COLD_MEDIAN_MS), Some(1.0));
        let rows: Vec<&ScenarioRow> = stage
            .rows()
            .filter_map(|row| match row {
                Entry::Scenario(row) => Some(row),
                _ => None,
            })
            .collect();
        assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["endpoint_1", "endpoint_2"]);
        assert_eq!((rows[0].detail[detail::ANSWERED], rows[0].detail[detail::HEALTH_STATUS]), (5.0, 200.0));
        assert!(rows[0].inconclusive.is_none() && !rows[0].detail.contains_key(detail::TLS_MS));
        assert_eq!(rows[1].inconclusive.as_deref(), Some("refused"));
    }

    #[test]
    fn a_median_lies_between_the_two_in_the_middle() {
        assert_eq!(median_ms(&mut []), None);
        assert_eq!(median_ms(&mut [3_000, 1_000, 2_000]), Some(2.0));
        assert_eq!(median_ms(&mut [4_000, 1_000, 2_000, 3_000]), Some(2.5));
    }
}
