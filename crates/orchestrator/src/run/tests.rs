use std::time::Duration;

use erlmcp_load::proto::command::Command;
use erlmcp_record::names::{finding as names, phase as phases};
use erlmcp_record::{JournalReader, Machine, PhaseEvent, RECORD_VERSION, RunHeader};

use super::*;
use crate::fault::{self, Kind};
use crate::folder::Folder;
use crate::plan::{Close, Connect, Fault, Load, Probe, Step};
use crate::stage::{SECOND, Troupe, facts};
use crate::world::AgentView;

/// What happens at a time of the run's clock.
enum Deed {
    Interrupt,
    Die(u32),
    Fail,
    FallSilent,
}

/// A troupe, and a list of accidents.
struct Script {
    troupe: Troupe,
    deeds: Vec<(u64, Deed)>,
    interrupts: watch::Sender<u32>,
    asked: Vec<Ask>,
    was_abandoned: bool,
}

impl Script {
    fn do_deeds(&mut self) {
        let now_us = self.troupe.now_us;
        let (due, later): (Vec<_>, Vec<_>) = self.deeds.drain(..).partition(|(at_us, _)| *at_us <= now_us);
        self.deeds = later;
        for (_, deed) in due {
            match deed {
                Deed::Interrupt => self.interrupts.send_modify(|count| *count += 1),
                Deed::Die(agent) => self.troupe.die(agent),
                Deed::Fail => self.troupe.fails = true,
                Deed::FallSilent => self.troupe.is_silent = true,
            }
        }
    }
}

impl Hands for Script {
    fn now_us(&self) -> u64 {
        self.troupe.now_us
    }

    fn command(&mut self, agent: u32, command: Command) {
        self.troupe.command(agent, &command);
    }

    fn ask(&mut self, ask: Ask) {
        self.troupe.ask(&ask);
        self.asked.push(ask);
    }

    async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.troupe.events.pop_front() {
                return event;
            }
            self.troupe.tick();
            self.do_deeds();
            assert!(self.troupe.now_us < 2_000 * SECOND, "the run does not end");
        }
    }

    async fn abandon(&mut self) {
        self.was_abandoned = true;
    }
}

/// Ramp, 20 s of load, a killed replica, and the end.
fn plan() -> Plan {
    let load = Load { rate: 10.0, duration: Duration::from_secs(20), line_every: None, shaped: false };
    let (scenario, window) = ("node_failure".into(), Duration::from_secs(3));
    let (fault, among) = (fault::Fault::of(Kind::Kill, Vec::new()), vec![0, 1]);
    let fault = Fault::Outage { scenario, rate: 10.0, window, fault, among };
    let close = Close { connections: 1_000, rate: None, verify: true };
    let steps = [
        (phases::BASELINE, vec![Step::new("reach", Block::Probe(Probe::Reachability))]),
        (phases::RAMP_UP, vec![Step::new("ramp", Block::Connect(Connect { connections: 1_000, rate: None }))]),
        (phases::SUSTAINED_LOAD, vec![Step::new("load", Block::Load(load))]),
        (phases::FAILURE_RECOVERY, vec![Step::scenario("node_failure", "node failure", Block::Fault(fault))]),
        (
            phases::COOL_DOWN,
            vec![Step::new("close", Block::Close(close)), Step::new("end", Block::Dismantle { own_cluster: true })],
        ),
    ];
    let phase = |(index, (name, steps)): (usize, (&str, Vec<Step>))| PhasePlan {
        number: index as u8 + 1,
        name: name.into(),
        title: name.into(),
        about: String::new(),
        steps,
        skip: None,
    };
    Plan { name: "stress".into(), phases: steps.into_iter().enumerate().map(phase).collect() }
}

pub(crate) fn header() -> RunHeader {
    RunHeader {
        record_version: RECORD_VERSION,
        run_id: "test".into(),
        version: "0".into(),
        command: "stress".into(),
        command_line: Vec::new(),
        started_at: "2026-11-24T08:15:00+00:00".into(),
        monotonic_base_ns: 0,
        machine: Machine::default(),
    }
}

struct Outcome {
    ended: Ended,
    rows: Vec<Entry>,
    asked: Vec<Ask>,
    was_abandoned: bool,
}

impl Outcome {
    /// The phases by what became of them, in order.
    fn phases(&self) -> Vec<String> {
        let rows = self.rows.iter().filter_map(|row| match row {
            Entry::Phase(row) => Some(match &row.event {
                PhaseEvent::Started => format!("{} started", row.name),
                PhaseEvent::Ended => format!("{} ended", row.name),
                PhaseEvent::Skipped { reason } => format!("{} skipped: {reason}", row.name),
            }),
            _ => None,
        });
        rows.filter(|row| !row.ends_with("started")).collect()
    }

    /// Estimate of each phase, by its last row.
    fn estimates_ms(&self) -> Vec<u64> {
        let mut estimates = std::collections::BTreeMap::new();
        for row in &self.rows {
            if let Entry::Phase(row) = row {
                estimates.insert(row.phase, row.estimated_ms);
            }
        }
        estimates.into_values().collect()
    }

    fn begun(&self, name: &str) -> usize {
        let rows = self
            .rows
            .iter()
            .filter(|row| matches!(row, Entry::Phase(row) if row.name == name && row.event == PhaseEvent::Started));
        rows.count()
    }

    fn finding(&self, name: &str) -> Option<f64> {
        self.rows.iter().find_map(|row| match row {
            Entry::Finding(row) if row.name == name => row.value,
            _ => None,
        })
    }
}

async fn run(deeds: Vec<(u64, Deed)>) -> Outcome {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = Folder::create(Some(&parent.path().join("run")), "test").expect("created");
    let recorder = Recorder::create(&folder, header(), u64::MAX).expect("created");
    let (interrupts, mut interrupted) = watch::channel(0);
    let deeds = deeds.into_iter().map(|(second, deed)| (second * SECOND, deed)).collect();
    let script = Script { troupe: Troupe::new(0), deeds, interrupts, asked: Vec::new(), was_abandoned: false };
    let world = World::new(vec![AgentView::ready(600), AgentView::ready(600)]);
    let (events, mut received) = mpsc::channel(16);
    let reader = tokio::spawn(async move { while received.recv().await.is_some() {} });
    let mut run = Run::new(plan(), (facts(), world), script, recorder, (events, true));
    let ended = run.run_to_end(&mut interrupted).await.expect("the record is written");
    let Run { hands: Script { asked, was_abandoned, .. }, .. } = run;
    reader.abort();
    let rows = JournalReader::open(folder.path()).expect("there").collect::<Result<_, _>>().expect("whole");
    for name in ["metrics.jsonl", "metrics.log", "run.log"] {
        let text = std::fs::read_to_string(folder.path().join(name)).expect("written");
        assert!(!text.is_empty(), "{name} is empty");
    }
    Outcome { ended, rows, asked, was_abandoned }
}

#[tokio::test]
async fn a_run_goes_through_its_phases_and_ends_with_its_end() {
    let outcome = run(Vec::new()).await;
    assert_eq!(outcome.ended, Ended::Completed);
    let expected =
        ["baseline ended", "ramp_up ended", "sustained_load ended", "failure_recovery ended", "cool_down ended"];
    assert_eq!(outcome.phases(), expected);
    assert!(matches!(outcome.rows.first(), Some(Entry::Run(_))));
    assert!(matches!(outcome.rows.last(), Some(Entry::End(row)) if row.ended == Ended::Completed));
    assert!(outcome.was_abandoned);
}

#[tokio::test]
async fn an_interrupt_in_the_middle_still_closes_and_dismantles() {
    let outcome = run(vec![(20, Deed::Interrupt)]).await;
    assert_eq!(outcome.ended, Ended::Interrupted);
    assert_eq!(
        outcome.phases()[2..],
        ["sustained_load ended", "failure_recovery skipped: interrupted", "cool_down ended"]
    );
    assert_eq!(outcome.finding(names::CLOSING_GAUGE), Some(0.0));
    assert!(outcome.asked.contains(&Ask::Dismantle { own_cluster: true }));
}

#[tokio::test]
async fn a_second_interrupt_waits_for_nothing_but_the_dismantling() {
    let outcome = run(vec![(20, Deed::FallSilent), (21, Deed::Interrupt), (23, Deed::Interrupt)]).await;
    assert_eq!(outcome.ended, Ended::Interrupted);
    assert_eq!(outcome.phases()[2..], ["failure_recovery skipped: interrupted", "cool_down ended"]);
    assert_eq!(outcome.finding(names::CLOSING_GAUGE), None, "nothing was closed first");
    assert!(outcome.asked.contains(&Ask::Dismantle { own_cluster: true }));
}

#[tokio::test]
async fn what_is_cut_or_left_out_keeps_the_estimate_that_was_announced() {
    let announced: Vec<u64> = plan().phases.iter().map(|phase| phase.estimate().as_millis() as u64).collect();
    assert!(announced.iter().all(|ms| *ms > 0));
    let hasty = vec![(20, Deed::FallSilent), (21, Deed::Interrupt), (23, Deed::Interrupt)];
    for deeds in [vec![(20, Deed::Interrupt)], vec![(20, Deed::Die(1))], hasty] {
        assert_eq!(run(deeds).await.estimates_ms(), announced);
    }
}

#[tokio::test]
async fn a_second_interrupt_in_the_cool_down_begins_no_other() {
    let outcome = run(vec![(20, Deed::Interrupt), (20, Deed::FallSilent), (21, Deed::Interrupt)]).await;
    assert_eq!(outcome.begun(phases::COOL_DOWN), 1);
    let outcome = run(vec![(12, Deed::Interrupt), (13, Deed::FallSilent), (42, Deed::Interrupt)]).await;
    assert_eq!((outcome.begun(phases::COOL_DOWN), &outcome.ended), (1, &Ended::Interrupted));
    assert_eq!(outcome.finding(names::CLOSING_GAUGE), None, "it was closing when there was no more patience");
    assert_eq!(outcome.finding(names::LEFTOVER_PROCESSES), Some(0.0));
}

#[tokio::test]
async fn an_interrupt_in_the_cool_down_does_not_cut_it() {
    let outcome = run(vec![(42, Deed::Interrupt)]).await;
    assert_eq!(outcome.ended, Ended::Interrupted);
    assert!(outcome.phases().iter().all(|phase| phase.ends_with("ended")), "{:?}", outcome.phases());
    assert_eq!(outcome.phases().last().map(String::as_str), Some("cool_down ended"));
    assert!(outcome.asked.contains(&Ask::Dismantle { own_cluster: true }));
}

#[tokio::test]
async fn a_dead_agent_ends_the_run_in_order() {
    let outcome = run(vec![(20, Deed::Die(1))]).await;
    assert!(matches!(&outcome.ended, Ended::Aborted { reason } if reason.contains("agent 1 died")));
    assert_eq!(outcome.finding(names::AGENT_LOST), Some(1.0));
    let is_it =
        |row: &Entry| matches!(row, Entry::Finding(row) if row.name == names::AGENT_LOST && row.agent == Some(1));
    assert!(outcome.rows.iter().any(is_it), "the row says which");
    assert_eq!(outcome.phases().last().map(String::as_str), Some("cool_down ended"));
    let lost: Vec<u32> = outcome
        .rows
        .iter()
        .filter_map(|row| match row {
            Entry::Block(row) if row.lost => Some(row.agent),
            _ => None,
        })
        .collect();
    assert_eq!(lost, [1]);
}

#[tokio::test]
async fn errors_on_a_foreign_host_stop_the_run() {
    let outcome = run(vec![(20, Deed::Fail)]).await;
    assert!(matches!(&outcome.ended, Ended::Aborted { reason } if reason.contains("50 % errors")));
    assert!(outcome.phases().iter().any(|phase| phase.starts_with("failure_recovery skipped")));
}

#[tokio::test]
async fn agents_that_say_nothing_are_not_waited_for_for_ever() {
    let outcome = run(vec![(18, Deed::FallSilent)]).await;
    assert!(matches!(&outcome.ended, Ended::Aborted { reason } if reason.contains("did not end")));
    assert!(outcome.asked.contains(&Ask::Dismantle { own_cluster: true }));
}
