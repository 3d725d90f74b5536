use std::time::Duration;

use erlmcp_load::proto::command::Command;
use erlmcp_record::{Entry, FaultRow};

use super::course::Course;
use crate::action::Ask;
use crate::event::{Answer, Event, HealError, Injected};
use crate::fault::{self, Kind};
use crate::machine::{Observation, Place};
use crate::plan::{Block, Burst, ChangeBy, Fault, Faults, Overflow, Step};
use crate::stage::{SECOND, Stage, Troupe, facts};

const WINDOW: Duration = Duration::from_secs(3);
const RATE: f64 = 100.0;

fn overflow() -> Overflow {
    Overflow { work_ms: 100, rate: 200.0, capacity: 100.0, places: 200 }
}

fn outage(scenario: &str, kind: Kind) -> Block {
    let fault = fault::Fault::of(kind, Vec::new());
    Block::Fault(Fault::Outage { scenario: scenario.into(), rate: RATE, window: WINDOW, fault, among: vec![0, 1] })
}

fn node_failure() -> Stage {
    let block = outage("node_failure", Kind::Kill);
    Stage::new(vec![Step::scenario("node_failure", "node failure", block)], 500)
}

fn partition() -> Stage {
    let block = outage("network_partition", Kind::Partition);
    Stage::new(vec![Step::scenario("network_partition", "network partition", block)], 500)
}

fn queue_overflow() -> Stage {
    let block = Block::Fault(Fault::QueueOverflow { rate: RATE, window: WINDOW, overflow: overflow() });
    Stage::new(vec![Step::scenario("queue_overflow", "queue overflow", block)], 500)
}

fn burst(queued: Option<Overflow>) -> Stage {
    let plan = Burst { rate: RATE, extra: RATE, duration: Duration::from_secs(4), queued, window: WINDOW };
    Stage::new(vec![Step::scenario("burst_traffic", "burst", Block::Burst(plan))], 500)
}

fn killed(stage: &Stage) -> Option<u64> {
    let is_kill = |ask: &Ask| matches!(ask, Ask::Inject { fault, .. } if fault.kind == Kind::Kill);
    stage.asked_for(is_kill).then_some(stage.troupe.now_us)
}

#[test]
fn a_killed_replica_is_waited_for_until_all_is_well() {
    let mut stage = node_failure();
    stage.run_for(3 * SECOND);
    assert_eq!(killed(&stage), None, "the window before is not over");
    stage.run_to_end(20 * SECOND);
    let fault = stage.fault_row();
    assert!(fault.effect_us.is_some() && fault.cluster_detected_us.is_some() && fault.ready_us.is_some());
    assert_eq!(fault.note, None);
    let row = stage.scenario();
    assert_eq!((row.inconclusive, row.faults, row.blocks), (None, vec![fault.id], vec![fault.id]));
}

#[test]
fn the_seed_draws_the_replica() {
    let mut first = node_failure();
    let mut second = node_failure();
    first.run_to_end(30 * SECOND);
    second.run_to_end(30 * SECOND);
    assert_eq!(first.fault_row().replica, second.fault_row().replica);
}

#[test]
fn only_what_may_be_broken_is_drawn() {
    for one in [0, 1] {
        let fault = fault::Fault::of(Kind::Kill, Vec::new());
        let (scenario, among) = ("node_failure".into(), vec![one]);
        let block = Block::Fault(Fault::Outage { scenario, rate: RATE, window: WINDOW, fault, among });
        let mut stage = Stage::new(vec![Step::scenario("node_failure", "node failure", block)], 500);
        stage.run_to_end(30 * SECOND);
        assert_eq!(stage.fault_row().replica, Some(one));
    }
}

#[test]
fn a_replica_that_does_not_come_back_is_not_waited_for_for_ever() {
    let mut stage = node_failure();
    stage.troupe.recovers = false;
    stage.run_to_end(60 * SECOND);
    assert!(stage.fault_row().note.expect("a note").contains("30 s"));
}

#[test]
fn a_fault_without_effect_is_inconclusive() {
    for mut stage in [node_failure(), partition()] {
        stage.troupe.fault = Err("the process did not end".into());
        stage.run_to_end(20 * SECOND);
        assert_eq!(stage.scenario().inconclusive.as_deref(), Some("the process did not end"));
        assert_eq!(stage.fault_row().effect_us, None);
    }
}

#[test]
fn a_fault_whose_later_steps_were_not_made_is_waited_for_and_inconclusive() {
    let mut stage = node_failure();
    let why = "there was no next process within 20 s";
    stage.troupe.unfinished = Some(why.into());
    stage.run_to_end(20 * SECOND);
    let fault = stage.fault_row();
    assert!(fault.effect_us.is_some() && fault.ready_us.is_some());
    assert_eq!((fault.inconclusive.as_deref(), stage.scenario().inconclusive.as_deref()), (Some(why), Some(why)));
}

#[test]
fn a_fault_that_was_undone_before_its_time_is_inconclusive() {
    let mut stage = partition();
    stage.troupe.healing = Err(HealError::Early("the watchdog was killed".into()));
    stage.run_to_end(60 * SECOND);
    let why = "it was undone before its time: the watchdog was killed";
    let fault = stage.fault_row();
    assert_eq!((fault.inconclusive.as_deref(), fault.note.as_deref()), (Some(why), Some(why)));
    assert!(fault.effect_us.is_some() && fault.healed_us.is_none());
    assert_eq!(stage.scenario().inconclusive.as_deref(), Some(why));
}

#[test]
fn nothing_to_lose_is_inconclusive() {
    let block = outage("node_failure", Kind::Kill);
    let mut stage = Stage::new(vec![Step::scenario("node_failure", "node failure", block)], 0);
    stage.run_to_end(20 * SECOND);
    assert!(stage.scenario().inconclusive.expect("why").contains("no replica"));
}

#[test]
fn an_agent_that_dies_in_a_fault_is_not_waited_for() {
    let mut stage = node_failure();
    stage.troupe.recovers = false;
    stage.run_for(6 * SECOND);
    assert!(killed(&stage).is_some());
    let replica = stage.fault_row().replica.expect("drawn");
    stage.die(1);
    let episode = stage.troupe.episode(0, replica);
    stage.feed(episode);
    let lost = stage.rows().filter(|row| matches!(row, Entry::Block(row) if row.lost && row.agent == 1)).count();
    assert_eq!(lost, 1);
    stage.run_to_end(60 * SECOND);
}

#[test]
fn its_line_tells_of_the_first_client_as_the_report_does() {
    let (world, name) = (node_failure().world, String::new());
    let place = Place { phase: 4, first_id: 1, name, quiet: false, scenario: true, number: (1, 1), run: facts() };
    let line = |effect_us: u64| {
        let (mut course, mut troupe) =
            (Course::new(&place, 1, "node_failure", fault::Fault::of(Kind::Kill, vec![1])), Troupe::new(500));
        let begun_us = troupe.now_us;
        course.inject(&Observation { now_us: begun_us, event: &Event::Tick, world: &world });
        for agent in 0..2 {
            troupe.now_us += SECOND;
            let event = troupe.episode(agent, 1);
            course.step(&Observation { now_us: troupe.now_us, event: &event, world: &world });
        }
        let outcome = Ok(Injected::seen("test".into(), begun_us, begun_us + effect_us));
        let event = Event::Answer(Answer::Injected { id: 1, outcome });
        course.step(&Observation { now_us: troupe.now_us, event: &event, world: &world });
        course.text()
    };
    assert!(line(0).contains("by a client 1.00 s;"), "{}", line(0));
    let late = line(SECOND + 1);
    assert!(late.contains("by a client before the effect was seen;"), "{late}");
}

#[test]
fn a_partition_lasts_until_it_was_noticed_and_is_healed() {
    let mut stage = partition();
    stage.run_to_end(40 * SECOND);
    let fault = stage.fault_row();
    let (effect, healed) = (fault.effect_us.expect("seen"), fault.healed_us.expect("healed"));
    assert!((5 * SECOND..6 * SECOND).contains(&(healed - effect)), "held for {} us", healed - effect);
    assert!(fault.heal_verified_us.is_some() && fault.ready_us.is_some());
}

#[test]
fn a_partition_that_nobody_notices_is_healed_all_the_same() {
    let mut stage = partition();
    stage.troupe.recovers = false;
    stage.run_to_end(90 * SECOND);
    let fault = stage.fault_row();
    let held = fault.healed_us.expect("healed") - fault.effect_us.expect("seen");
    assert!((15 * SECOND..16 * SECOND).contains(&held), "held for {held} us");
    assert_eq!(fault.cluster_detected_us, None);
}

#[test]
fn an_interrupt_in_a_partition_heals_it_first() {
    let mut stage = partition();
    stage.troupe.recovers = false;
    stage.run_for(7 * SECOND);
    assert!(stage.fault_row().effect_us.is_some());
    stage.cut("interrupted");
    assert!(stage.asked_for(|ask| matches!(ask, Ask::Heal { .. })));
    stage.run_to_end(2 * SECOND);
    assert!(stage.fault_row().healed_us.is_some());
    assert_eq!(stage.scenario().inconclusive.as_deref(), Some("cut short: interrupted"));
}

#[test]
fn an_overflow_goes_on_until_refusals_were_seen() {
    let mut stage = queue_overflow();
    stage.run_for(8 * SECOND);
    assert_eq!(stage.fault_row().effect_us, None);
    (stage.troupe.depth, stage.troupe.refusals) = (100, 5);
    stage.run_for(2 * SECOND);
    let fault = stage.fault_row();
    assert!(fault.effect_us.is_some() && fault.healed_us.is_some(), "{fault:?}");
    assert_eq!(fault.heal_verified_us, None, "the queue is still full");
    (stage.troupe.depth, stage.troupe.refusals) = (0, 0);
    stage.run_to_end(20 * SECOND);
    let fault = stage.fault_row();
    assert!(fault.heal_verified_us.expect("back") >= fault.healed_us.expect("ended"));
    assert_eq!((stage.scenario().inconclusive, fault.note), (None, None));
    let told = stage.commands().find_map(|(_, command)| match command {
        Command::Requests(requests) => requests.queued.clone(),
        _ => None,
    });
    assert_eq!(told.expect("what to queue").arguments, r#"{"ms":100}"#);
}

#[test]
fn an_overflow_that_is_never_refused_is_inconclusive() {
    let mut stage = queue_overflow();
    stage.run_to_end(90 * SECOND);
    assert!(stage.scenario().inconclusive.expect("why").contains("no refusal"));
}

#[test]
fn a_queue_that_stays_full_is_not_waited_for_for_ever() {
    let mut stage = queue_overflow();
    stage.run_for(5 * SECOND);
    (stage.troupe.depth, stage.troupe.refusals) = (100, 5);
    stage.run_to_end(90 * SECOND);
    let fault = stage.fault_row();
    assert!(fault.note.expect("a note").contains("not back"));
    assert_eq!(fault.heal_verified_us, None);
}

#[test]
fn a_queue_whose_depth_is_not_told_is_not_known_to_be_back() {
    let mut stage = queue_overflow();
    stage.run_for(5 * SECOND);
    (stage.troupe.tells_depth, stage.troupe.refusals) = (false, 5);
    stage.run_to_end(90 * SECOND);
    let fault = stage.fault_row();
    assert!(fault.note.expect("a note").contains("depth was not told"));
    assert_eq!(fault.heal_verified_us, None);
}

#[test]
fn a_burst_goes_on_until_refusals_were_seen_and_measures_the_way_back() {
    let mut stage = burst(Some(overflow()));
    stage.troupe.refusals = 5;
    stage.run_to_end(40 * SECOND);
    let row = stage.scenario();
    assert_eq!(row.inconclusive, None);
    assert_eq!(row.blocks.len(), 3);
    assert!(row.detail["refusals_count"] >= 5.0 && row.detail.contains_key("steady_again_ms"), "{row:?}");
}

#[test]
fn a_burst_without_refusals_is_inconclusive() {
    for queued in [None, Some(overflow())] {
        let mut stage = burst(queued);
        stage.run_to_end(60 * SECOND);
        assert!(stage.scenario().inconclusive.expect("why").contains("no refusal"));
    }
}

#[test]
fn an_interrupt_in_a_burst_cuts_everything() {
    let mut stage = burst(Some(overflow()));
    stage.run_for(10 * SECOND);
    stage.cut("interrupted");
    stage.run_to_end(2 * SECOND);
    let cuts = stage.commands().filter(|(_, command)| matches!(command, Command::Cut(_))).count();
    assert_eq!(cuts, 6, "three blocks at two agents");
}

fn planned(kind: Kind, replica: u16) -> fault::Planned {
    let when = fault::When::After(Duration::from_secs(1));
    fault::Planned { fault: fault::Fault::of(kind, vec![replica]), when, skip: None }
}

fn faults(planned: Vec<fault::Planned>, at_once: u32) -> Stage {
    Stage::new(vec![listed_step(planned, at_once, None)], 500)
}

fn listed_step(planned: Vec<fault::Planned>, at_once: u32, changes: Option<Result<ChangeBy, String>>) -> Step {
    let plan = Faults {
        scenario: "faults".into(),
        ends_with_last: false,
        spread_over: Vec::new(),
        rate: RATE,
        duration: Duration::from_secs(200),
        window: WINDOW,
        planned,
        at_once,
        replicas: 6,
        line_every: None,
        changes,
    };
    Step::scenario("faults", "faults", Block::Faults(plan))
}

/// The last row of each fault, in the order of the plan.
fn listed(stage: &Stage) -> Vec<FaultRow> {
    let mut last = std::collections::BTreeMap::new();
    for row in stage.rows() {
        if let Entry::Fault(row) = row {
            last.insert(row.id, row.clone());
        }
    }
    last.into_values().collect()
}

#[test]
fn faults_of_a_list_follow_one_another() {
    let skipped = fault::Planned { skip: Some("there is no nft".into()), ..planned(Kind::Loss, 1) };
    let mut stage = faults(vec![planned(Kind::Kill, 1), skipped, planned(Kind::Pause, 0)], 1);
    stage.run_to_end(250 * SECOND);
    let [kill, loss, pause] = &listed(&stage)[..] else { panic!("three faults") };
    assert!(kill.effect_us.is_some() && kill.ready_us.is_some() && kill.steady_us.is_some(), "{kill:?}");
    assert!(kill.expected.detected && kill.expected.progress && !kill.expected.healed);
    assert_eq!((loss.skipped.as_deref(), loss.effect_us), (Some("there is no nft"), None));
    assert!(pause.heal_verified_us.is_some() && pause.injected_us > kill.steady_us.expect("steady"), "{pause:?}");
    assert!(pause.expected.healed && !pause.expected.detected, "{pause:?}");
    let row = stage.scenario();
    assert_eq!((row.inconclusive, row.faults.len()), (None, 3));
}

#[test]
fn streams_are_told_of_changes_when_the_last_fault_is_over() {
    let step = listed_step(vec![planned(Kind::Kill, 1)], 1, Some(Ok(ChangeBy::ControlSocket)));
    let mut stage = Stage::new(vec![step], 500);
    stage.run_to_end(250 * SECOND);
    let steady_us = listed(&stage)[0].steady_us.expect("it was over");
    let changes: Vec<u64> = stage
        .rows()
        .filter_map(|row| match row {
            Entry::Change(row) => Some(row.at_us),
            _ => None,
        })
        .collect();
    assert!(changes.len() >= 2 && changes.iter().all(|at_us| *at_us > steady_us), "{changes:?} {steady_us}");
}

#[test]
fn a_target_that_cannot_say_that_it_is_ready_is_not_waited_for() {
    let mut stage = faults(vec![planned(Kind::Pause, 1)], 1);
    stage.troupe.tells_ready = false;
    stage.run_to_end(250 * SECOND);
    let [pause] = &listed(&stage)[..] else { panic!("one fault") };
    assert_eq!((pause.ready_us, pause.ready_unknown, pause.note.as_deref()), (None, true, None));
    assert!(pause.heal_verified_us.is_some() && pause.steady_us.is_some(), "{pause:?}");
}

#[test]
fn an_unsteady_load_is_waited_for_and_then_passed_over() {
    let later = fault::Planned { when: fault::When::After(Duration::from_secs(4)), ..planned(Kind::Kill, 1) };
    let mut stage = faults(vec![later], 1);
    stage.run_for(4 * SECOND);
    stage.troupe.latency_us = 900_000;
    stage.run_for(25 * SECOND);
    assert!(listed(&stage).is_empty(), "it waits");
    stage.run_to_end(250 * SECOND);
    let [kill] = &listed(&stage)[..] else { panic!("one fault") };
    assert!(kill.effect_us.is_none() && kill.note.as_ref().expect("why").contains("not steady"), "{kill:?}");
    assert!(stage.scenario().inconclusive.expect("why").contains("no fault had an effect"));
}

#[test]
fn a_fault_without_effect_beside_others_is_inconclusive() {
    let mut stage = faults(vec![planned(Kind::Kill, 1), planned(Kind::Kill, 0)], 1);
    stage.run_for(5 * SECOND);
    stage.troupe.fault = Err("the process did not end".into());
    stage.run_to_end(250 * SECOND);
    let effects: Vec<bool> = listed(&stage).iter().map(|row| row.effect_us.is_some()).collect();
    assert_eq!(effects, [true, false]);
    assert_eq!(stage.scenario().inconclusive.as_deref(), Some("1 of 2 faults had no effect that was seen"));
}

#[test]
fn a_timetable_is_kept_however_late() {
    let at = |kind, replica| fault::Planned { when: fault::When::At(Duration::from_secs(1)), ..planned(kind, replica) };
    let many: Vec<fault::Planned> = (0..100).map(|number| at(Kind::Pause, number % 6)).collect();
    let mut stage = faults(many, 1);
    stage.run_to_end(400 * SECOND);
    let rows = listed(&stage);
    let (made, passed): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.skipped.is_none());
    assert_eq!(rows.len(), 100);
    assert!(made.len() > 10 && !passed.is_empty());
    assert!(made.iter().all(|row| row.heal_verified_us.is_some()), "{made:?}");
    assert!(passed.iter().all(|row| row.skipped.as_ref().is_some_and(|why| why.contains("turn"))), "{passed:?}");
}

#[test]
fn several_at_once_overlap_and_too_many_demand_no_progress() {
    let two = fault::Planned { fault: fault::Fault::of(Kind::Pause, vec![2, 3]), ..planned(Kind::Pause, 2) };
    let mut stage = faults(vec![planned(Kind::Latency, 1), two, planned(Kind::Pause, 4)], 3);
    stage.run_for(9 * SECOND);
    let rows = listed(&stage);
    assert!(rows.len() >= 2 && rows[1].injected_us < rows[0].effect_us.expect("seen") + 4 * SECOND, "{rows:?}");
    stage.run_to_end(250 * SECOND);
    let progress: Vec<bool> = listed(&stage).iter().map(|row| row.expected.progress).collect();
    assert_eq!(progress[..2], [true, false], "one of six, then three of six");
}

#[test]
fn an_interrupt_heals_whatever_is_in_force() {
    let mut stage = faults(vec![planned(Kind::Partition, 1)], 1);
    stage.troupe.recovers = false;
    stage.run_for(9 * SECOND);
    assert!(listed(&stage)[0].effect_us.is_some());
    stage.cut("interrupted");
    assert!(stage.asked_for(|ask| matches!(ask, Ask::Heal { .. })));
    stage.run_to_end(2 * SECOND);
    assert!(listed(&stage)[0].healed_us.is_some());
}
